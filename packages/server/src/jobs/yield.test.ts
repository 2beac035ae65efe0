import assert from 'node:assert/strict';
import {test} from 'node:test';
import {compact, DONE, flush, jobOf, MemoryStore, open, settled} from './test-kit.ts';

const YIELDED = {status: 'queued', message: 'made room'} as const;

test('a flush is queued beside a running compaction, which hears of it, makes room, and goes on afterwards', async () => {
  const {jobs, runs, store} = await open();
  const compaction = jobOf(await compact(jobs));
  await settled();
  assert.equal(runs[0]!.context.isYieldWanted(), false);
  const flushed = jobOf(await flush(jobs));
  await settled();
  assert.deepEqual([runs.length, store.rows.get(flushed.job_id)?.status], [1, 'queued'], 'one works on a table');
  assert.equal(runs[0]!.context.isYieldWanted(), true);
  assert.equal(jobs.leaseHolder('a')?.job_id, flushed.job_id, 'the flush goes first');
  runs[0]!.context.progress({groups: 1});
  runs[0]!.end(YIELDED);
  await settled();
  assert.equal(runs[1]!.context.job.job_id, flushed.job_id);
  const waiting = store.rows.get(compaction.job_id)!;
  assert.deepEqual([waiting.status, waiting.message, waiting.lease_owner], ['queued', 'made room', null]);
  runs[1]!.end(DONE);
  await settled();
  assert.equal(runs[2]!.context.job.job_id, compaction.job_id);
  assert.deepEqual([runs[2]!.context.job.progress, runs[2]!.context.job.retry_count], ['{"groups":1}', 0]);
  assert.equal(runs[2]!.context.isYieldWanted(), false);
  runs[2]!.end(DONE);
  await settled();
  assert.deepEqual(store.statuses(compaction.job_id), ['queued', 'running', 'queued', 'running', 'completed']);
  assert.equal(jobs.leaseHolder('a'), undefined);
});

test('a compaction that does not make room is waited for', async () => {
  const {jobs, runs} = await open();
  const compaction = jobOf(await compact(jobs));
  await settled();
  const flushed = jobOf(await flush(jobs));
  runs[0]!.end(DONE);
  await settled();
  assert.deepEqual(
    runs.map(run => run.context.job.job_id),
    [compaction.job_id, flushed.job_id],
  );
});

test('a compaction that has not begun lets a later flush go first', async () => {
  const {jobs, runs} = await open();
  await compact(jobs, 'b');
  const compaction = jobOf(await compact(jobs));
  const flushed = jobOf(await flush(jobs));
  await settled();
  runs[0]!.end(DONE);
  await settled();
  assert.deepEqual(
    runs.map(run => run.context.job.job_id).slice(1),
    [flushed.job_id],
    'compactions run one at a time; its turn came, but not on this table',
  );
  runs[1]!.end(DONE);
  await settled();
  assert.equal(runs[2]!.context.job.job_id, compaction.job_id);
});

test('who is in whose way', async () => {
  const cases: [why: string, first: 'flush' | 'compact', second: 'flush' | 'compact', isRefused: boolean][] = [
    ['a flush may follow a compaction', 'compact', 'flush', false],
    ['a compaction must not follow a flush', 'flush', 'compact', true],
    ['nor another compaction', 'compact', 'compact', true],
    ['nor a flush another flush', 'flush', 'flush', true],
  ];
  const begin = {flush, compact};
  for (const [why, first, second, isRefused] of cases) {
    const {jobs} = await open();
    const holder = jobOf(await begin[first](jobs));
    const answer = await begin[second](jobs);
    assert.equal('conflict' in answer, isRefused, why);
    if ('conflict' in answer) assert.equal(answer.conflict.job_id, holder.job_id, why);
  }
});

test('while both hold the table, others of either kind are refused by the flush', async () => {
  const {jobs} = await open();
  await compact(jobs);
  const flushed = jobOf(await flush(jobs));
  const refused = await flush(jobs);
  assert.ok('conflict' in refused && refused.conflict.job_id === flushed.job_id);
});

test('a dropped table takes both with it', async () => {
  const {jobs, runs, store} = await open();
  const compaction = jobOf(await compact(jobs));
  const flushed = jobOf(await flush(jobs));
  await settled();
  const dropped = jobs.cancelForTable('a');
  assert.ok(runs[0]!.context.signal.aborted);
  runs[0]!.fail(new Error('stopped'));
  await dropped;
  assert.deepEqual(
    [compaction, flushed].map(job => store.rows.get(job.job_id)?.status),
    ['cancelled', 'cancelled'],
  );
  assert.deepEqual([jobs.list(), runs.length], [[], 1]);
});

test('a start takes over both: the flush first, then the compaction', async () => {
  const store = new MemoryStore();
  const before = await open({store});
  const compaction = jobOf(await compact(before.jobs));
  await settled();
  const flushed = jobOf(await flush(before.jobs));
  const {jobs, runs} = await open({store});
  await settled();
  assert.deepEqual(
    runs.map(run => run.context.job.job_id),
    [flushed.job_id],
  );
  runs[0]!.end(DONE);
  await settled();
  assert.equal(runs[1]!.context.job.job_id, compaction.job_id);
  assert.equal(jobs.leaseHolder('a')?.job_id, compaction.job_id);
});

test('a stop asks what yields to make room, and leaves it queued for the next start', async () => {
  const {jobs, runs, store} = await open();
  const compaction = jobOf(await compact(jobs));
  await settled();
  const stopped = jobs.stop(60_000);
  assert.ok(runs[0]!.context.isYieldWanted());
  runs[0]!.end(YIELDED);
  await stopped;
  const row = store.rows.get(compaction.job_id)!;
  assert.deepEqual([row.status, row.retry_count, runs.length], ['queued', 0, 1]);
});

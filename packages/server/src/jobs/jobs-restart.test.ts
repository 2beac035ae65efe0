import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {defineJobKind, type JobRecord} from './job.ts';
import {newRecord} from './record.ts';
import {DONE, flush, jobOf, MemoryStore, open, settled, world} from './test-kit.ts';

test('stop waits for running jobs and leaves waiting ones queued', async () => {
  const {jobs, store, runs} = await open({maxConcurrent: 1});
  const {job_id: running} = jobOf(await flush(jobs, 'a'));
  const {job_id: waiting} = jobOf(await flush(jobs, 'b'));
  await settled();
  const stopped = jobs.stop(300_000);
  await assert.rejects(flush(jobs, 'c'), (error: DbError) => error.code === 'SHUTTING_DOWN');
  runs[0]!.end(DONE);
  await stopped;
  assert.equal(store.rows.get(running)?.status, 'completed');
  assert.equal(store.rows.get(waiting)?.status, 'queued');
  assert.equal(runs.length, 1);
});

test('stop fires the signals after its time-out; what it interrupted is queued for the next start', async () => {
  const {jobs, store, clock, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  const stopped = jobs.stop(1000);
  await clock.advance(999);
  assert.equal(runs[0]!.context.signal.aborted, false);
  await clock.advance(1);
  assert.equal(runs[0]!.context.signal.aborted, true);
  runs[0]!.fail(runs[0]!.context.signal.reason);
  await stopped;
  assert.equal(store.rows.get(id)?.status, 'queued');
  assert.equal(store.rows.get(id)?.retry_count, 0);
});

test('stop leaves behind what ignores its signal, and says so', async () => {
  const {jobs, store, clock, log} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  const stopped = jobs.stop(1000);
  await clock.advance(6000);
  await stopped;
  assert.equal(store.rows.get(id)?.status, 'running');
  assert.deepEqual(log.lines, [`warn Jobs still run at shutdown: ${id}`]);
});

function left(patch: Partial<JobRecord>): JobRecord {
  const kind = defineJobKind({name: 'flush', prefix: 'FL', isIdempotent: true, maxParallel: 1, run: async () => DONE});
  const record = newRecord({
    jobId: 'FL-1',
    kind,
    params: {},
    trigger: 'rows',
    uniqueKey: 'flush-a',
    tableKey: 'a',
    tableName: 'app.a',
    maxRetries: 3,
    nodeId: 7n,
    now: 5n,
  });
  return {...record, ...patch};
}

test('start takes over what it finds', async () => {
  const interrupted = 'Job interrupted by server restart';
  const cases: [
    why: string,
    found: Partial<JobRecord>,
    isIdempotent: boolean,
    expected: [string, number, string | null],
  ][] = [
    ['queued is kept', {status: 'queued'}, true, ['queued', 0, null]],
    ['new is queued', {status: 'new'}, true, ['queued', 0, null]],
    ['running is tried again', {status: 'running'}, true, ['queued', 1, null]],
    ['retrying is not forgotten', {status: 'retrying', retry_count: 1}, true, ['queued', 2, null]],
    ['the last try counts', {status: 'running', retry_count: 2}, true, ['queued', 3, null]],
    ['retries are bounded', {status: 'running', retry_count: 3}, true, ['failed', 3, interrupted]],
    ['retries are bounded', {status: 'retrying', retry_count: 3}, true, ['failed', 3, interrupted]],
    ['what cannot be repeated fails', {status: 'running'}, false, ['failed', 0, interrupted]],
    ['its waiting try did not begin', {status: 'queued'}, false, ['queued', 0, null]],
    ['a kind of another release', {status: 'running', job_type: 'x'}, true, ['failed', 0, "Unknown job type 'x'"]],
    ['finished ones are left alone', {status: 'completed', retry_count: 1}, true, ['completed', 1, null]],
  ];
  for (const [why, found, isIdempotent, expected] of cases) {
    const store = new MemoryStore();
    store.rows.set('FL-1', left(found));
    const {jobs} = await open({store, isIdempotent, maxConcurrent: 0});
    const row = store.rows.get('FL-1')!;
    assert.deepEqual([row.status, row.retry_count, row.message], expected, why);
    assert.equal(jobs.leaseHolder('a')?.job_id, expected[0] === 'queued' ? 'FL-1' : undefined, why);
  }
});

test('start runs what it re-queued, with the progress of the try before', async () => {
  const store = new MemoryStore();
  store.rows.set('FL-1', left({status: 'running', progress: '{"files":["f"]}', lease_owner: 'node-7'}));
  const {runs, jobs} = await open({store});
  await settled();
  assert.equal(runs[0]!.context.job.progress, '{"files":["f"]}');
  assert.ok('conflict' in (await flush(jobs)));
});

test('of two active rows with one key, which a lost write can leave, the older goes on', async () => {
  const store = new MemoryStore();
  store.rows.set('FL-2', left({job_id: 'FL-2', status: 'running', created_at: 9n}));
  store.rows.set('FL-1', left({status: 'running'}));
  await open({store, maxConcurrent: 0});
  assert.deepEqual([store.rows.get('FL-1')?.status, store.rows.get('FL-2')?.status], ['queued', 'failed']);
});

test('a status of no release is damage', async () => {
  const store = new MemoryStore();
  store.rows.set('FL-1', left({status: 'lost' as 'new'}));
  await assert.rejects(world({store}).jobs.start(), (error: DbError) => error.code === 'DATA_CORRUPTED');
});

test('prune forgets old finished jobs, in batches, and keeps the newest failures', async () => {
  const {jobs, store, clock} = await open();
  const day = 86_400_000_000n;
  const now = BigInt(clock.nowMs()) * 1000n;
  const put = (id: string, status: JobRecord['status'], days: bigint) =>
    store.rows.set(id, left({job_id: id, status, finished_at: now - days * day, updated_at: now - days * day}));
  for (let i = 0; i < 700; i++) put(`old-${i}`, 'completed', 31n);
  for (let i = 0; i < 105; i++) put(`failed-${i}`, 'failed', 40n + BigInt(i));
  put('young', 'completed', 29n);
  put('waiting', 'queued', 90n);
  assert.equal(await jobs.prune(), 705);
  assert.deepEqual(store.removes, [500, 205]);
  assert.ok(store.rows.has('young') && store.rows.has('waiting') && store.rows.has('failed-99'));
  assert.ok(!store.rows.has('failed-100'));
});

test('a job that waits for a retry when the server stops wakes nobody', async () => {
  const {jobs, clock, runs, store} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  runs[0]!.fail(new DbError('DISK_FULL', 'full'));
  await settled();
  await jobs.stop(1000);
  await clock.advance(60_000);
  assert.equal(runs.length, 1);
  assert.equal(store.rows.get(id)?.status, 'retrying');
  assert.equal(clock.sleeperCount, 0);
});

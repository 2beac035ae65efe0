import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {AnyJobKind, JobContext, JobOutcome, JobRecord} from './job.ts';
import {defineJobKind} from './job.ts';
import {createJobs, type Enqueued, type Jobs, type JobsOptions} from './jobs.ts';
import {newRecord} from './record.ts';
import {countingIds, KeptLog, MemoryStore, StillClock, settled} from './test-kit.ts';

const DONE: JobOutcome = {status: 'completed', message: 'Flushed 3 rows', result: {rows_written: 3}};

interface World {
  jobs: Jobs;
  store: MemoryStore;
  clock: StillClock;
  log: KeptLog;
  /** Starts of `run`, with the means to end them. */
  runs: {context: JobContext; params: unknown; end(outcome: JobOutcome): void; fail(error: unknown): void}[];
}

function world(options: Partial<JobsOptions> & {store?: MemoryStore; isIdempotent?: boolean} = {}): World {
  const clock = new StillClock();
  const store = options.store ?? new MemoryStore();
  const log = new KeptLog();
  const runs: World['runs'] = [];
  const kind = (name: string, prefix: string, maxParallel: number) =>
    defineJobKind({
      name,
      prefix,
      isIdempotent: options.isIdempotent ?? true,
      maxParallel,
      run: (params, context) => {
        const {promise, resolve, reject} = Promise.withResolvers<JobOutcome>();
        runs.push({context, params, end: resolve, fail: reject});
        return promise;
      },
    });
  const kinds: AnyJobKind[] = [kind('flush', 'FL', 10), kind('compact', 'CO', 1)];
  const jobs = createJobs({
    clock,
    ids: countingIds(),
    maxConcurrent: 3,
    maxRetries: 3,
    retryBackoffMs: 100,
    leaseMs: 30_000,
    keepFinishedDays: 30,
    kinds,
    logger: log,
    nodeId: 7n,
    ...options,
    store,
  });
  return {jobs, store, clock, log, runs};
}

async function open(options: Parameters<typeof world>[0] = {}): Promise<World> {
  const made = world(options);
  await made.jobs.start();
  return made;
}

function flush(jobs: Jobs, table = 'a'): Promise<Enqueued> {
  return jobs.enqueue({
    kind: 'flush',
    params: {table_id: table},
    uniqueKey: `flush-${table}`,
    tableKey: table,
    tableName: `app.${table}`,
    trigger: 'manual',
  });
}

function jobOf(answer: Enqueued): JobRecord {
  assert.ok('job' in answer, 'a job was made');
  return answer.job;
}

const refusal = (text: string) => (error: unknown) => error instanceof DbError && error.message === text;

test('a job is stored, run, and stored as completed, with the id that was answered', async () => {
  const {jobs, store, runs} = await open();
  const job = jobOf(await flush(jobs));
  assert.match(job.job_id, /^FL-[0-9a-f]{12}$/);
  assert.equal(store.rows.get(job.job_id)?.status, 'queued');
  const over = jobs.whenOver(job.job_id);
  await settled();
  assert.deepEqual(runs[0]!.params, {table_id: 'a', trigger: 'manual'});
  runs[0]!.end(DONE);
  await over;
  const row = store.rows.get(job.job_id)!;
  assert.deepEqual(store.statuses(job.job_id), ['queued', 'running', 'completed']);
  assert.equal(row.message, 'Flushed 3 rows');
  assert.equal(row.result, '{"rows_written":3}');
  assert.equal(row.table_name, 'app.a');
  assert.deepEqual([row.start_time, row.end_time], [row.started_at, row.finished_at]);
  assert.equal(row.lease_owner, null);
  assert.deepEqual([jobs.list(), jobs.activeByKey('flush-a'), jobs.leaseHolder('a')], [[], undefined, undefined]);
});

test('of parallel requests with one key exactly one makes a job, and the others are told which', async () => {
  const {jobs, store} = await open();
  const answers = await Promise.all(Array.from({length: 20}, () => flush(jobs)));
  const made = answers.filter(answer => 'job' in answer);
  assert.equal(made.length, 1);
  for (const answer of answers) {
    if ('conflict' in answer) assert.equal(answer.conflict.job_id, jobOf(made[0]!).job_id);
  }
  assert.equal(store.rows.size, 1);
});

test('a table is held by one job, whatever the unique keys are', async () => {
  const {jobs} = await open();
  const job = jobOf(await flush(jobs));
  const other = await jobs.enqueue({
    kind: 'compact',
    params: {},
    uniqueKey: 'compact-a',
    tableKey: 'a',
    trigger: 'schedule',
  });
  assert.ok('conflict' in other && other.conflict.job_id === job.job_id);
  assert.equal(jobs.leaseHolder('a')?.job_id, job.job_id);
});

test('a job whose row could not be stored was never made, and its key is free', async () => {
  const {jobs, store, runs} = await open();
  store.before = () => {
    throw new DbError('WRITE_QUEUE_FULL', 'full');
  };
  await assert.rejects(flush(jobs), refusal('full'));
  store.before = () => undefined;
  assert.equal(jobs.activeByKey('flush-a'), undefined);
  jobOf(await flush(jobs));
  await settled();
  assert.equal(runs.length, 1);
});

test('no job runs before its row is durable', async () => {
  const {jobs, store, runs} = await open();
  const disk = Promise.withResolvers<void>();
  store.before = () => disk.promise;
  const made = flush(jobs);
  await settled();
  assert.equal(runs.length, 0);
  assert.equal(jobs.activeByKey('flush-a')?.status, 'queued', 'but its key is taken');
  disk.resolve();
  await made;
  await settled();
  assert.equal(runs.length, 1);
});

test('slots are limited in all and by kind, and the oldest waiting job gets the next', async () => {
  const {jobs, runs} = await open();
  for (const table of ['a', 'b']) {
    await jobs.enqueue({kind: 'compact', params: {table}, uniqueKey: table, trigger: 'schedule'});
  }
  for (const table of ['c', 'd', 'e']) await flush(jobs, table);
  await settled();
  const started = () => runs.map(run => jobs.list().findIndex(one => one.job_id === run.context.job.job_id));
  assert.deepEqual(started(), [0, 2, 3], 'the second compaction waits for the first, the third flush for a slot');
  runs[0]!.end(DONE);
  await settled();
  assert.equal(runs[3]!.context.job.job_type, 'compact');
});

test('cancel fires the signal, and keeps key and lease until work that ignores it has ended', async () => {
  const {jobs, store, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  let isAnswered = false;
  const cancelled = jobs.cancel(id, 'root').then(record => {
    isAnswered = true;
    return record;
  });
  await settled();
  assert.equal(runs[0]!.context.signal.aborted, true);
  assert.equal(store.rows.get(id)?.status, 'cancelled', 'the row says so at once');
  assert.equal(isAnswered, false, 'the answer waits');
  assert.equal(jobs.leaseHolder('a')?.job_id, id);
  assert.ok('conflict' in (await flush(jobs)), 'nobody else may work on the table yet');
  await assert.rejects(jobs.cancel(id, 'root'), refusal('Invalid operation: Cannot cancel job in status Cancelled'));

  runs[0]!.end(DONE);
  assert.equal((await cancelled).status, 'cancelled');
  assert.equal(store.rows.get(id)?.status, 'cancelled', 'the finishing worker did not overwrite it');
  assert.deepEqual(store.statuses(id), ['queued', 'running', 'cancelled']);
  assert.equal(store.rows.get(id)?.message, 'Cancelled by user');
  jobOf(await flush(jobs));
});

test('cancel of a waiting job frees its keys without running it', async () => {
  const {jobs, runs} = await open({maxConcurrent: 0});
  const {job_id: id} = jobOf(await flush(jobs));
  assert.equal((await jobs.cancel(id, 'root')).status, 'cancelled');
  assert.equal(jobs.leaseHolder('a'), undefined);
  assert.equal(runs.length, 0);
});

test('cancel says what it cannot cancel', async () => {
  const {jobs, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  runs[0]!.end(DONE);
  await settled();
  await assert.rejects(jobs.cancel(id, 'root'), refusal('Invalid operation: Cannot cancel job in status Completed'));
  await assert.rejects(jobs.cancel('FL-0', 'root'), refusal('Not found: Job FL-0 not found'));
});

test('cancelForTable waits for the work, also when somebody else cancelled it first', async () => {
  const {jobs, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  const first = jobs.cancel(id, 'root');
  let isFree = false;
  const dropped = jobs.cancelForTable('a').then(() => {
    isFree = true;
  });
  await settled();
  assert.equal(isFree, false);
  runs[0]!.fail(new Error('aborted'));
  await Promise.all([first, dropped]);
  assert.equal(jobs.leaseHolder('a'), undefined);
  await jobs.cancelForTable('b');
});

test('transient failures are tried again with growing waits that hold no slot, then fail', async () => {
  const {jobs, store, clock, runs} = await open({maxConcurrent: 1, maxRetries: 2});
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  runs[0]!.fail(new DbError('DISK_FULL', 'no space'));
  await settled();
  assert.equal(store.rows.get(id)?.status, 'retrying');
  assert.equal(store.rows.get(id)?.message, 'Retry 1 of 2: no space');

  await flush(jobs, 'b');
  await settled();
  assert.equal(runs.length, 2, 'the slot went to another job');
  runs[1]!.end(DONE);

  await clock.advance(99);
  assert.equal(runs.length, 2);
  await clock.advance(1);
  assert.equal(runs.length, 3, 'first wait: 100 ms');
  runs[2]!.fail(Object.assign(new Error('disk'), {code: 'ENOSPC'}));
  await clock.advance(199);
  assert.equal(runs.length, 3);
  await clock.advance(1);
  assert.equal(runs.length, 4, 'second wait: 200 ms');
  runs[3]!.fail(new DbError('DISK_FULL', 'no space'));
  await settled();
  const row = store.rows.get(id)!;
  assert.equal(row.status, 'failed');
  assert.equal(row.message, 'Max retries exceeded: no space');
  assert.equal(row.error_message, 'no space');
  assert.equal(row.retry_count, 2);
  assert.equal(jobs.leaseHolder('a'), undefined);
});

test('a job that succeeds after a retry shows no error, and one waiting for its retry can be cancelled', async () => {
  const {jobs, store, clock, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  const {job_id: other} = jobOf(await flush(jobs, 'b'));
  await settled();
  for (const run of runs) run.fail(new DbError('WRITE_CONFLICT', 'again'));
  await settled();
  await jobs.cancel(other, 'root');
  await clock.advance(100);
  assert.equal(runs.length, 3);
  runs[2]!.end(DONE);
  await settled();
  const {status, error_message: cause, trace} = store.rows.get(id)!;
  assert.deepEqual({status, cause, trace}, {status: 'completed', cause: null, trace: null});
  assert.equal(store.rows.get(other)?.status, 'cancelled');
  assert.equal(clock.sleeperCount, 0, 'nothing waits any more');
});

test('other throws and failed outcomes end the job at once, with the cause', async () => {
  const {jobs, store, runs} = await open();
  const {job_id: bug} = jobOf(await flush(jobs, 'a'));
  const {job_id: refused} = jobOf(await flush(jobs, 'b'));
  await settled();
  runs[0]!.fail(new TypeError('x is undefined'));
  runs[1]!.end({status: 'failed', message: 'Flush failed: 2 scopes'});
  await settled();
  const row = store.rows.get(bug)!;
  assert.deepEqual(
    [row.status, row.message, row.error_message],
    ['failed', 'Flush failed: x is undefined', 'x is undefined'],
  );
  assert.match(row.trace!, /TypeError: x is undefined\n\s+at /);
  assert.equal(row.exception_trace, row.trace);
  assert.deepEqual(
    [store.rows.get(refused)?.status, store.rows.get(refused)?.error_message],
    ['failed', 'Flush failed: 2 scopes'],
  );
});

test('progress is stored at most once a second, saved progress at once, and the lease is renewed', async () => {
  const {jobs, store, clock, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  const writes = store.history.length;
  for (let i = 1; i <= 10; i++) {
    runs[0]!.context.progress({rows: i});
    await clock.advance(250);
  }
  assert.equal(store.history.length - writes, 2);
  await runs[0]!.context.saveProgress({files: ['f']});
  assert.equal(store.rows.get(id)?.progress, '{"files":["f"]}');
  const lease = store.rows.get(id)!.lease_expires_at!;
  await clock.advance(20_000);
  assert.ok(store.rows.get(id)!.lease_expires_at! > lease);
  runs[0]!.end(DONE);
  await settled();
  runs[0]!.context.progress({late: true});
  await assert.rejects(runs[0]!.context.saveProgress({late: true}));
  await clock.advance(5000);
  assert.equal(store.rows.get(id)?.progress, '{"files":["f"]}', 'a try that is over writes no more');
});

test('the end of a job is stored again while the disk is full', async () => {
  const {jobs, store, clock, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs));
  await settled();
  let failures = 2;
  store.before = () => {
    if (failures-- > 0) throw new DbError('DISK_FULL', 'full');
  };
  runs[0]!.end(DONE);
  await settled();
  assert.equal(jobs.leaseHolder('a')?.status, 'completed', 'it holds the table until then');
  await clock.advance(1000);
  assert.equal(store.rows.get(id)?.status, 'completed');
  assert.equal(jobs.leaseHolder('a'), undefined);
});

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

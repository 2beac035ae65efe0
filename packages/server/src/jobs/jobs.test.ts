import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {DONE, flush, jobOf, open, refusal, settled} from './test-kit.ts';

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

test('a job whose row is still being written is passed over, and if that fails it never runs', async () => {
  const {jobs, store, runs} = await open();
  const disk = Promise.withResolvers<void>();
  store.before = record => (record.status === 'queued' && record.table_name === 'app.a' ? disk.promise : undefined);
  const refused = assert.rejects(flush(jobs, 'a'), refusal('full'));
  await flush(jobs, 'b');
  await settled();
  assert.equal(jobs.activeByKey('flush-a')?.status, 'queued');
  disk.reject(new DbError('WRITE_QUEUE_FULL', 'full'));
  await refused;
  await settled();
  assert.deepEqual(
    runs.map(run => run.context.job.table_name),
    ['app.b'],
  );
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

test('a cancel outlives a full disk, and tells when its row could not be stored', async () => {
  const {jobs, store, clock, runs} = await open();
  const {job_id: id} = jobOf(await flush(jobs, 'a'));
  const {job_id: other} = jobOf(await flush(jobs, 'b'));
  await settled();
  let failures = 2;
  store.before = () => {
    if (failures-- > 0) throw new DbError('DISK_FULL', 'full');
  };
  const cancelled = jobs.cancel(id, 'root');
  runs[0]!.end(DONE);
  await settled();
  assert.equal(jobs.leaseHolder('a')?.job_id, id, 'held until the row is stored');
  await clock.advance(1000);
  assert.equal((await cancelled).status, 'cancelled');
  assert.equal(store.rows.get(id)?.status, 'cancelled');

  store.before = () => {
    throw new DbError('READ_ONLY', 'broken');
  };
  const refused = assert.rejects(jobs.cancel(other, 'root'), refusal('broken'));
  runs[1]!.end(DONE);
  await refused;
  assert.equal(jobs.leaseHolder('b'), undefined, 'its work has stopped all the same');
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

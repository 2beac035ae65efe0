import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {defineJobKind, type JobOutcome} from './job.ts';
import {createJobs} from './jobs.ts';
import {countingIds, KeptLog, MemoryStore, StillClock, settled} from './test-kit.ts';
import {canMove, isTerminal, type JobStatus} from './transitions.ts';

const TABLES = ['a', 'b', 'c', 'd'];
const SLOTS = 3;

test('under any order of requests, cancels, failures and slow writes the laws hold, and in the end everything is over', async t => {
  for (let round = 0; round < 30; round++) {
    const seed = 20_261 + round;
    await t.test(`seed ${seed}`, () => storm(randomOf(seed)));
  }
});

async function storm(random: (below: number) => number): Promise<void> {
  const clock = new StillClock();
  const store = new MemoryStore();
  const working = new Map<string, string>();
  const stored = new Map<string, JobStatus>();
  store.before = async record => {
    if (random(3) === 0) await clock.sleep(random(40));
    const from = stored.get(record.job_id);
    const isLegal = from === undefined || from === record.status || canBecome(from, record.status);
    assert.ok(isLegal, `${record.job_id} was stored as ${from}, then as ${record.status}`);
    if (random(20) === 0) throw new DbError('WRITE_QUEUE_FULL', 'full');
    stored.set(record.job_id, record.status);
  };
  const kindOf = (name: string, isYielding: boolean) =>
    defineJobKind<{table: string}>({
      name,
      prefix: name.slice(0, 2).toUpperCase(),
      isIdempotent: true,
      isYielding,
      maxParallel: SLOTS,
      async run({table}, {job, signal, progress, isYieldWanted}): Promise<JobOutcome> {
        assert.ok(!working.has(table), `two jobs work on ${table}`);
        working.set(table, job.job_id);
        assert.ok(working.size <= SLOTS, 'no more jobs work than there are slots');
        assert.equal(store.rows.get(job.job_id)?.status, 'running', 'its row said so before the work began');
        try {
          for (let i = random(4); i > 0; i--) {
            progress({left: i});
            if (isYielding && isYieldWanted()) return {status: 'queued', message: 'later'};
            await clock.sleep(random(30), random(2) === 0 ? signal : undefined);
          }
          if (random(4) === 0) throw new DbError('WRITE_CONFLICT', 'again');
          if (random(6) === 0) throw new Error('bug');
          return {status: random(5) === 0 ? 'skipped' : 'completed', message: 'done'};
        } finally {
          working.delete(table);
        }
      },
    });
  const logger = new KeptLog();
  const jobs = createJobs({
    ...{store, clock, logger, kinds: [kindOf('flush', false), kindOf('compact', true)], ids: countingIds(), nodeId: 1n},
    ...{maxConcurrent: SLOTS, maxRetries: 2, retryBackoffMs: 10, leaseMs: 60, keepFinishedDays: 1},
  });
  await jobs.start();
  const answers: Promise<unknown>[] = [];
  for (let step = 0; step < 120; step++) {
    const table = TABLES[random(TABLES.length)]!;
    const holder = jobs.leaseHolder(table);
    const action = random(6);
    if (action < 4) {
      const name = random(3) === 0 ? 'compact' : 'flush';
      const request = {
        kind: name,
        params: {table},
        uniqueKey: `${name}-${table}`,
        tableKey: table,
        trigger: 'rows',
      } as const;
      answers.push(jobs.enqueue(request).catch(expected));
    } else if (action === 4 && holder !== undefined) {
      answers.push(jobs.cancel(holder.job_id, 'root').catch(expected));
    } else {
      const dropped = jobs.cancelForTable(table).then(() => {
        assert.notEqual(working.get(table), holder?.job_id ?? 'none', 'after it the job does not work on the table');
      });
      answers.push(dropped.catch(expected));
    }
    await clock.advance(random(25));
  }
  await clock.advance(120_000);
  await Promise.all(answers);
  await settled();
  assert.deepEqual(jobs.list(), []);
  assert.equal(working.size, 0);
  assert.equal(clock.sleeperCount, 0);
  for (const [id, status] of stored) assert.ok(isTerminal(status), `${id} ended as ${status}`);
  assert.ok(stored.size > 10, 'jobs were made');
}

/** A status whose write failed is skipped in the store: two moves may look like one. */
function canBecome(from: JobStatus, to: JobStatus): boolean {
  if (isTerminal(from)) return false;
  const between: JobStatus[] = ['queued', 'running', 'retrying'];
  return canMove(from, to) || between.some(one => canMove(from, one) && canMove(one, to));
}

function expected(error: unknown): void {
  assert.ok(error instanceof DbError, String(error));
}

/** Marsaglia's xorshift. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 || 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

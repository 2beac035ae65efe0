/** For tests: a clock that stands still until it is told to go on, a store in memory that can be slow or fail, and jobs that run on both. */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Clock, Ids} from '../std/clock.ts';
import {
  type AnyJobKind,
  defineJobKind,
  type JobContext,
  type JobLogger,
  type JobOutcome,
  type JobRecord,
  type JobStore,
} from './job.ts';
import {createJobs, type Enqueued, type Jobs, type JobsOptions} from './jobs.ts';

export class StillClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #sleepers = new Set<{at: number; wake: () => void}>();

  nowMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = {at: this.#now + ms, wake: resolve};
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        if (this.#sleepers.delete(sleeper)) reject(signal.reason);
      });
    });
  }

  /** Lets `ms` go by, waking sleepers at their times and letting each finish what it does. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#sleepers].filter(one => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#sleepers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = end;
    await settled();
  }

  get sleeperCount(): number {
    return this.#sleepers.size;
  }
}

/** Until everything that needs no clock has been done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
}

export class MemoryStore implements JobStore {
  readonly rows = new Map<string, JobRecord>();
  /** Every status that was stored, as `id status`. */
  readonly history: string[] = [];
  /** Called before a row is stored; throws to fail, and delays it by its promise. */
  before: (record: JobRecord) => Promise<void> | void = () => undefined;
  readonly removes: number[] = [];

  load(): JobRecord[] {
    return [...this.rows.values()];
  }

  async write(record: JobRecord): Promise<void> {
    await this.before(record);
    this.rows.set(record.job_id, record);
    this.history.push(`${record.job_id} ${record.status}`);
  }

  async remove(jobIds: string[]): Promise<void> {
    this.removes.push(jobIds.length);
    for (const id of jobIds) this.rows.delete(id);
  }

  statuses(jobId: string): string[] {
    const all = this.history.filter(line => line.startsWith(jobId)).map(line => line.slice(jobId.length + 1));
    return all.filter((status, i) => status !== all[i - 1]);
  }
}

export function countingIds(): Ids {
  let next = 0;
  return {
    bytes(count) {
      const bytes = Buffer.alloc(count);
      if (count === 6) bytes.writeUIntBE(++next, 0, 6);
      return bytes;
    },
  };
}

export class KeptLog implements JobLogger {
  readonly lines: string[] = [];

  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }

  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
}

export const DONE: JobOutcome = {status: 'completed', message: 'Flushed 3 rows', result: {rows_written: 3}};

export interface World {
  jobs: Jobs;
  store: MemoryStore;
  clock: StillClock;
  log: KeptLog;
  /** Starts of `run`, with the means to end them. */
  runs: {context: JobContext; params: unknown; end(outcome: JobOutcome): void; fail(error: unknown): void}[];
}

export function world(options: Partial<JobsOptions> & {store?: MemoryStore; isIdempotent?: boolean} = {}): World {
  const clock = new StillClock();
  const store = options.store ?? new MemoryStore();
  const log = new KeptLog();
  const runs: World['runs'] = [];
  const kind = (name: string, prefix: string, maxParallel: number, isYielding: boolean) =>
    defineJobKind({
      name,
      prefix,
      isYielding,
      isIdempotent: options.isIdempotent ?? true,
      maxParallel,
      run: (params, context) => {
        const {promise, resolve, reject} = Promise.withResolvers<JobOutcome>();
        runs.push({context, params, end: resolve, fail: reject});
        return promise;
      },
    });
  const kinds: AnyJobKind[] = [kind('flush', 'FL', 10, false), kind('compact', 'CO', 1, true)];
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

export async function open(options: Parameters<typeof world>[0] = {}): Promise<World> {
  const made = world(options);
  await made.jobs.start();
  return made;
}

export function flush(jobs: Jobs, table = 'a'): Promise<Enqueued> {
  return start(jobs, 'flush', table);
}

export function compact(jobs: Jobs, table = 'a'): Promise<Enqueued> {
  return start(jobs, 'compact', table);
}

function start(jobs: Jobs, kind: string, table: string): Promise<Enqueued> {
  return jobs.enqueue({
    kind,
    params: {table_id: table},
    uniqueKey: `${kind}-${table}`,
    tableKey: table,
    tableName: `app.${table}`,
    trigger: 'manual',
  });
}

export function jobOf(answer: Enqueued): JobRecord {
  assert.ok('job' in answer, 'a job was made');
  return answer.job;
}

export const refusal = (text: string) => (error: unknown) => error instanceof DbError && error.message === text;

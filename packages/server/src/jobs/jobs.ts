/**
 * Jobs: background work that survives restarts, one door for whoever starts it.
 *
 *     enqueue → queued ─ slot free → running ─┬→ completed | skipped | failed
 *                 ↑                           └→ retrying ─ back-off, no slot held ─→ queued
 *     cancel: from any of these → cancelled, the signal fires, and the answer waits until the work has stopped
 *
 * The active jobs are held in memory, folded from the stored rows at start; each change goes to the row at once.
 * Laws: looking at the keys and taking them is one synchronous step, so of two equal requests one makes a job. A status only changes by an
 * allowed move from what it is now, so a worker that ends late never overwrites `cancelled`. A unique key and a table stay held until the
 * work has really stopped. A table is worked on by one job at a time; a kind that yields makes room for one that does not, and goes on after it.
 * A job runs only after its row is durable; the id that was answered is the id of the row.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Clock, Ids} from '../std/clock.ts';
import {type ActiveJob, ActiveJobs} from './active.ts';
import type {
  AnyJobKind,
  JobContext,
  JobKinds,
  JobLogger,
  JobOutcome,
  JobParams,
  JobRecord,
  JobStore,
  JobTrigger,
  Json,
} from './job.ts';
import {pause} from './pause.ts';
import {begun, ended, failure, jsonText, moved, newRecord, outcome, requeued, retryAt} from './record.ts';
import {INTERRUPTED, jobsToPrune, recover} from './recovery.ts';
import {BACKOFF_MAX_MS, backoffMs, causeText, isTransient} from './retry.ts';
import {canMove, isTerminal, JOB_STATUSES, type JobStatus} from './transitions.ts';

const ACTIVE_MAX = 10_000;
const PROGRESS_EVERY_MS = 1000;
/** How long a stop waits for work whose signal it fired. */
const STOP_GRACE_MS = 5000;
/** Tries to store the end of a job before only the log tells of it. */
const WRITE_TRIES = 5;
const PRUNE_AT_ONCE = 500;

export interface JobsOptions {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly maxConcurrent: number;
  readonly maxRetries: number;
  readonly retryBackoffMs: number;
  readonly leaseMs: number;
  readonly keepFinishedDays: number;
  readonly kinds: JobKinds;
  readonly logger: JobLogger;
  readonly nodeId: bigint;
}

export interface EnqueueRequest {
  /** Name of a registered kind. */
  readonly kind: string;
  readonly params: JobParams;
  /** No two active jobs have the same. */
  readonly uniqueKey: string;
  /** The table life the job works on: it holds its lease until it is over. */
  readonly tableKey?: string;
  /** `namespace.table`, for people. */
  readonly tableName?: string;
  readonly trigger: JobTrigger;
}

export type Enqueued = {readonly job: JobRecord} | {readonly conflict: JobRecord};

export function createJobs(options: JobsOptions): Jobs {
  return new Jobs(options);
}

export interface JobCount {
  readonly type: string;
  readonly status: JobStatus;
  readonly count: number;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #kinds: ReadonlyMap<string, AnyJobKind>;
  readonly #active = new ActiveJobs();
  readonly #runningByKind = new Map<AnyJobKind, number>();
  readonly #closed = new AbortController();
  /** By type and status, since the start. */
  readonly #finished = new Map<string, JobCount>();
  #running = 0;
  #state: 'new' | 'open' | 'stopping' = 'new';

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#kinds = new Map(options.kinds.map(kind => [kind.name, kind]));
  }

  /** Takes over what the last run of the server left. Resolves when that is stored; then jobs run. */
  async start(): Promise<void> {
    const found = this.#options.store.load();
    for (const record of found) {
      if (JOB_STATUSES.includes(record.status)) continue;
      throw new DbError(
        'DATA_CORRUPTED',
        `Job ${record.job_id} in system.jobs has the unknown status '${record.status}'.`,
      );
    }
    const active = found.filter(record => !isTerminal(record.status)).sort(oldestFirst);
    await Promise.all(active.map(record => this.#recover(record)));
    this.#state = 'open';
    this.#pump();
  }

  /**
   * Makes a job and resolves when its row is durable, or names the job that holds the unique key or the table.
   * Throws LIMIT_EXCEEDED when too many jobs wait, SHUTTING_DOWN when no more are taken, and what the store throws.
   */
  async enqueue(request: EnqueueRequest): Promise<Enqueued> {
    if (this.#state !== 'open')
      throw new DbError('SHUTTING_DOWN', 'No jobs are taken while the server starts or stops.');
    const kind = this.#kinds.get(request.kind);
    const holder = this.#active.holder(request.uniqueKey, request.tableKey ?? null, kind);
    if (holder !== undefined) return {conflict: holder.record};
    if (this.#active.size >= ACTIVE_MAX)
      throw new DbError('LIMIT_EXCEEDED', `At most ${ACTIVE_MAX} jobs may wait or run.`);
    const job = this.#reserve(request);
    try {
      await this.#write(job, true);
    } catch (error) {
      if (!isTerminal(job.record.status)) {
        this.#move(job, 'failed', {...ended(this.#now()), ...failure(error)});
        this.#release(job);
      }
      throw error;
    }
    const {record} = job;
    job.isStored = true;
    this.#pump();
    return {job: record};
  }

  /** The active job with this unique key; one that was cancelled counts until its work has stopped. */
  activeByKey(uniqueKey: string): JobRecord | undefined {
    return this.#active.byKey(uniqueKey)?.record;
  }

  /** The active job that works, or will work, on the table; of two the one that does not yield. */
  leaseHolder(tableKey: string): JobRecord | undefined {
    return this.#active.byTable(tableKey)[0]?.record;
  }

  /** Active jobs, oldest first. Finished ones are rows of system.jobs only. */
  list(): JobRecord[] {
    return Array.from(this.#active.values(), job => job.record);
  }

  counts(): {active: JobCount[]; finished: JobCount[]} {
    const active = new Map<string, JobCount>();
    for (const job of this.#active.values()) count(active, job.record);
    return {active: [...active.values()], finished: [...this.#finished.values()]};
  }

  /** The last row of a job once it is over; undefined if it is not active. */
  whenOver(jobId: string): Promise<JobRecord> | undefined {
    return this.#active.get(jobId)?.over.promise;
  }

  /**
   * Cancels a job that is not over and resolves when its work has stopped and the row is durable.
   * Throws Not found, or Invalid operation if the job is over already.
   */
  async cancel(jobId: string, by: string): Promise<JobRecord> {
    const job = this.#active.get(jobId);
    const record = job?.record ?? this.#options.store.load().find(one => one.job_id === jobId);
    if (record === undefined) throw fail.notFound(`Job ${jobId} not found`);
    if (job === undefined || !canMove(record.status, 'cancelled')) {
      throw fail.invalidOperation(`Cannot cancel job in status ${capitalised(record.status)}`);
    }
    return await this.#cancel(job, {message: 'Cancelled by user', result: jsonText('result', {cancelled_by: by})});
  }

  /** Cancels whatever holds the table and resolves when its work has stopped. Afterwards nobody works on the table. */
  async cancelForTable(tableKey: string): Promise<void> {
    const why = {message: 'Cancelled because its table is dropped'};
    const stopped = this.#active
      .byTable(tableKey)
      .map(job => (canMove(job.record.status, 'cancelled') ? this.#cancel(job, why) : job.over.promise));
    await Promise.all(stopped);
  }

  /** Forgets finished jobs that are older than the retention. Returns how many. */
  async prune(): Promise<number> {
    const {store, keepFinishedDays} = this.#options;
    const ids = jobsToPrune(store.load(), this.#now() - BigInt(keepFinishedDays) * 86_400_000_000n);
    for (let i = 0; i < ids.length; i += PRUNE_AT_ONCE) await store.remove(ids.slice(i, i + PRUNE_AT_ONCE));
    return ids.length;
  }

  /**
   * Takes no more jobs and waits for the running ones, at most `timeoutMs`; then their signals fire, and they are queued again for the
   * next start. What waits stays queued. Work that ignores its signal is left behind; the next start finds it as running.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#state = 'stopping';
    for (const job of this.#active.values()) if (job.work === undefined) job.stopper?.abort();
    if (!(await this.#drained(timeoutMs))) {
      for (const job of this.#active.values()) job.stopper?.abort();
      if (!(await this.#drained(STOP_GRACE_MS))) {
        const left = this.list().filter(record => this.#active.get(record.job_id)?.work !== undefined);
        this.#options.logger.warn(`Jobs still run at shutdown: ${left.map(record => record.job_id).join(', ')}`);
      }
    }
    this.#closed.abort();
  }

  async #drained(timeoutMs: number): Promise<boolean> {
    const work = Array.from(this.#active.values(), job => job.work).filter(one => one !== undefined);
    if (work.length === 0) return true;
    const timer = new AbortController();
    const all = Promise.all(work).then(() => timer.abort());
    await Promise.race([all, pause(this.#options.clock, timeoutMs, timer.signal)]);
    return timer.signal.aborted;
  }

  async #recover(found: JobRecord): Promise<void> {
    const now = this.#now();
    const kind = this.#kinds.get(found.job_type);
    const isKeyTaken = this.#active.holder(found.idempotency_key, found.lease_key, kind) !== undefined;
    const recovery = recover(found, kind, isKeyTaken);
    try {
      if (recovery.to === 'failed') {
        const {message} = recovery;
        const record = found.status === 'new' ? moved(found, 'queued', {}, now) : found;
        await this.#options.store.write(
          moved(record, 'failed', {...ended(now), message, error_message: message}, now),
          true,
        );
      } else {
        const job = this.#active.add(found, kind!, true);
        if (recovery.to === 'keep') return;
        this.#move(job, 'queued', requeued(recovery.retryCount));
        await this.#write(job, true);
      }
    } catch (error) {
      this.#options.logger.error(`The recovery of job ${found.job_id} could not be stored: ${causeText(error)}`);
    }
  }

  #reserve(request: EnqueueRequest): ActiveJob {
    const kind = this.#kinds.get(request.kind);
    if (kind === undefined) throw new Error(`job kind '${request.kind}' is not registered`);
    const record = newRecord({
      jobId: `${kind.prefix}-${Buffer.from(this.#options.ids.bytes(6)).toString('hex')}`,
      kind,
      params: request.params,
      trigger: request.trigger,
      uniqueKey: request.uniqueKey,
      tableKey: request.tableKey,
      tableName: request.tableName,
      maxRetries: this.#options.maxRetries,
      nodeId: this.#options.nodeId,
      now: this.#now(),
    });
    const job = this.#active.add(record, kind, false);
    this.#move(job, 'queued', {});
    return job;
  }

  async #cancel(job: ActiveJob, why: Partial<JobRecord>): Promise<JobRecord> {
    const {work} = job;
    this.#move(job, 'cancelled', {...ended(this.#now()), ...why});
    job.stopper?.abort();
    const stored = this.#writeForSure(job);
    // The caller below hears of a failure; the work that ends only has to wait for it.
    job.cancelled = stored.then(undefined, () => undefined);
    try {
      await stored;
    } finally {
      if (work === undefined) this.#release(job);
      await job.over.promise;
    }
    return job.record;
  }

  /** Starts what may start, oldest first. */
  #pump(): void {
    if (this.#state !== 'open') return;
    for (const job of this.#active.values()) {
      if (this.#running >= this.#options.maxConcurrent) return;
      if (job.record.status !== 'queued' || !job.isStored || job.work !== undefined) continue;
      if (this.#runningOf(job.kind) < job.kind.maxParallel && this.#active.mayBegin(job)) this.#begin(job);
    }
  }

  #begin(job: ActiveJob): void {
    const now = this.#now();
    this.#move(job, 'running', begun(now, this.#options.nodeId, this.#options.leaseMs));
    this.#running++;
    this.#runningByKind.set(job.kind, this.#runningOf(job.kind) + 1);
    const stopper = new AbortController();
    job.stopper = stopper;
    job.work = this.#work(job, stopper.signal);
  }

  /** One try, from its row to its end. Never rejects. */
  async #work(job: ActiveJob, signal: AbortSignal): Promise<void> {
    const tryOver = new AbortController();
    const keeping = this.#keepRow(job, tryOver.signal);
    try {
      const result = await this.#run(job, signal, tryOver.signal);
      this.#settle(job, result);
    } catch (error) {
      this.#settleThrown(job, error, signal);
    }
    tryOver.abort();
    await keeping;
    await this.#leave(job);
  }

  async #run(job: ActiveJob, signal: AbortSignal, tryOver: AbortSignal): Promise<JobOutcome> {
    await this.#write(job, true);
    if (signal.aborted) throw signal.reason;
    const note = (progress: Json) => {
      // Work that outlives its try must not write into the next one.
      if (tryOver.aborted || isTerminal(job.record.status)) return false;
      job.record = {...job.record, progress: jsonText('progress', progress), updated_at: this.#now()};
      return true;
    };
    const context: JobContext = {
      signal,
      job: job.record,
      progress: progress => {
        if (note(progress)) job.isDirty = true;
      },
      saveProgress: async progress => {
        if (!note(progress)) throw signal.reason ?? new Error(`job ${job.record.job_id} is over`);
        await this.#write(job, true);
      },
      isYieldWanted: () => this.#state !== 'open' || this.#active.isAwaited(job),
    };
    return await job.kind.run(JSON.parse(job.record.parameters ?? '{}') as never, context);
  }

  /** Brings progress and the lease to the row while the try runs. */
  async #keepRow(job: ActiveJob, tryOver: AbortSignal): Promise<void> {
    const {clock, leaseMs, logger} = this.#options;
    const tickMs = Math.max(1, Math.min(PROGRESS_EVERY_MS, Math.floor(leaseMs / 3)));
    let renewedMs = clock.monotonicMs();
    while (await pause(clock, tickMs, tryOver)) {
      const isLeaseDue = clock.monotonicMs() - renewedMs >= leaseMs / 3;
      if (job.record.status !== 'running' || (!job.isDirty && !isLeaseDue)) continue;
      renewedMs = clock.monotonicMs();
      const now = this.#now();
      job.record = {...job.record, lease_expires_at: now + BigInt(leaseMs) * 1000n, updated_at: now};
      await this.#write(job, false).catch(error => {
        logger.warn(`Progress of job ${job.record.job_id} could not be stored: ${causeText(error)}`);
      });
    }
  }

  #settle(job: ActiveJob, result: JobOutcome): void {
    if (job.record.status !== 'running') return;
    if (result.status === 'queued')
      this.#move(job, 'queued', {...requeued(job.record.retry_count), message: result.message});
    else this.#move(job, result.status, {...ended(this.#now()), ...outcome(result)});
  }

  #settleThrown(job: ActiveJob, error: unknown, signal: AbortSignal): void {
    const {record, kind} = job;
    if (record.status !== 'running') return;
    const now = this.#now();
    const failed = {...ended(now), ...failure(error)};
    if (this.#state !== 'open' && signal.aborted) {
      if (kind.isIdempotent) this.#move(job, 'queued', requeued(record.retry_count));
      else this.#move(job, 'failed', {...failed, message: INTERRUPTED, error_message: INTERRUPTED});
    } else if (!isTransient(error)) {
      this.#move(job, 'failed', {...failed, message: `${capitalised(kind.name)} failed: ${causeText(error)}`});
    } else if (record.retry_count >= record.max_retries) {
      this.#move(job, 'failed', {...failed, message: `Max retries exceeded: ${causeText(error)}`});
    } else {
      const waitMs = backoffMs(this.#options.retryBackoffMs, record.retry_count + 1, this.#random());
      this.#move(job, 'retrying', retryAt(record, error, now + BigInt(waitMs) * 1000n));
    }
  }

  /** After a try: stores how it ended, gives the slot back, and the keys if the job is over. */
  async #leave(job: ActiveJob): Promise<void> {
    // A cancel stores its row itself; one may also come while the end is being stored.
    if (job.record.status !== 'cancelled') await this.#writeForSure(job).catch(error => this.#tellUnstored(job, error));
    await job.cancelled;
    this.#running--;
    this.#runningByKind.set(job.kind, this.#runningOf(job.kind) - 1);
    job.work = undefined;
    job.stopper = undefined;
    if (isTerminal(job.record.status)) this.#release(job);
    else if (job.record.status === 'retrying') void this.#awaitRetry(job);
    this.#pump();
  }

  async #awaitRetry(job: ActiveJob): Promise<void> {
    const {clock, logger} = this.#options;
    const stopper = new AbortController();
    job.stopper = stopper;
    // Bounded, since the clock may have jumped.
    const waitMs = Math.min(Math.max(0, Number((job.record.run_at ?? 0n) - this.#now()) / 1000), BACKOFF_MAX_MS);
    if (this.#state !== 'open' || !(await pause(clock, waitMs, stopper.signal))) return;
    if (job.record.status !== 'retrying') return;
    job.stopper = undefined;
    this.#move(job, 'queued', {run_at: null});
    const stored = this.#write(job, true).catch(error => logger.warn(`Job ${job.record.job_id}: ${causeText(error)}`));
    this.#pump();
    await stored;
  }

  #release(job: ActiveJob): void {
    this.#active.remove(job);
    if (isTerminal(job.record.status)) count(this.#finished, job.record);
    job.over.resolve(job.record);
    this.#pump();
  }

  #move(job: ActiveJob, to: JobStatus, patch: Partial<JobRecord>): void {
    job.record = moved(job.record, to, patch, this.#now());
  }

  /** Stores the row as it is now, after the writes before it. */
  #write(job: ActiveJob, isUrgent: boolean): Promise<void> {
    const {record} = job;
    job.isDirty = false;
    const written = job.writes.then(() => this.#options.store.write(record, isUrgent));
    // Whoever asked for this write hears of its failure; the next one goes its own way.
    job.writes = written.then(undefined, () => undefined);
    return written;
  }

  /** Stores how a try ended, again if the failure may pass; throws the last failure. */
  async #writeForSure(job: ActiveJob): Promise<void> {
    const {clock, retryBackoffMs} = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#write(job, true);
      } catch (error) {
        if (!isTransient(error) || attempt >= WRITE_TRIES) throw error;
        const waitMs = backoffMs(retryBackoffMs, attempt, this.#random());
        if (!(await pause(clock, waitMs, this.#closed.signal))) throw error;
      }
    }
  }

  /** In the end a lost row only means that the job runs again after a restart. */
  #tellUnstored(job: ActiveJob, error: unknown): void {
    const {job_id: id, status} = job.record;
    this.#options.logger.error(`Job ${id} is ${status}, but its row could not be stored: ${causeText(error)}`);
  }

  #runningOf(kind: AnyJobKind): number {
    return this.#runningByKind.get(kind) ?? 0;
  }

  #random(): number {
    return Buffer.from(this.#options.ids.bytes(2)).readUInt16LE() / 65_536;
  }

  #now(): bigint {
    return BigInt(this.#options.clock.nowMs()) * 1000n;
  }
}

function oldestFirst(a: JobRecord, b: JobRecord): number {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? -1 : 1;
  return a.job_id < b.job_id ? -1 : 1;
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function count(counts: Map<string, JobCount>, {job_type: type, status}: JobRecord): void {
  const key = `${type} ${status}`;
  counts.set(key, {type, status, count: (counts.get(key)?.count ?? 0) + 1});
}

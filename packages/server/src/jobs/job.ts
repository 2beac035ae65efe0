/**
 * Job: the words of this room. What a job's row holds, what a kind of job is, and where rows are kept.
 */
import type {RecordOf} from '../system/define.ts';
import type {JOBS} from '../system/jobs.ts';
import type {JobStatus} from './transitions.ts';

/** A row of system.jobs. */
export type JobRecord = Omit<RecordOf<typeof JOBS>, 'status'> & {readonly status: JobStatus};

export type Json = null | boolean | number | string | readonly Json[] | {readonly [name: string]: Json};

/** A type and not an interface, so that a kind's own params fit it without an index signature. */
export type JobParams = {readonly [name: string]: Json};

/** Who asked. Stored with the params. */
export type JobTrigger = 'manual' | 'rows' | 'interval' | 'memory' | 'drop' | 'alter' | 'shutdown' | 'schedule';

export interface JobContext {
  /** Fires when the job is cancelled or the server stops. Work looks at it between pieces and then ends, soon. */
  readonly signal: AbortSignal;
  /** The row as it was when this try began; `progress` is what an earlier try left. */
  readonly job: JobRecord;
  /** Tells how far the work is. Stored at most once a second; the newest wins. */
  progress(progress: Json): void;
  /** The same, durable when it resolves: for facts that must outlive a crash before the next step. */
  saveProgress(progress: Json): Promise<void>;
  /** Whether the work should make room soon: another job waits for its table, or the server stops. For kinds that yield. */
  isYieldWanted(): boolean;
}

export interface JobOutcome {
  /** `queued`: it made room and goes on later, with the progress it told. */
  readonly status: 'completed' | 'skipped' | 'failed' | 'queued';
  /** For `failed` it is the cause. */
  readonly message: string;
  readonly result?: Json;
}

export interface JobKind<Params extends JobParams = JobParams> {
  /** The job_type. */
  readonly name: string;
  /** Two capitals that its job ids begin with. */
  readonly prefix: string;
  /** Running it again after a crash does no harm: it is re-queued at start. Others fail then. */
  readonly isIdempotent: boolean;
  readonly maxParallel: number;
  /** It gives its table to any job that does not yield: such a job may be queued while it runs, and goes first. */
  readonly isYielding?: boolean;
  /** Throws to fail; a throw that `isTransient` is tried again. Resolves or rejects only when the work has really stopped. */
  run(params: Params & {readonly trigger: JobTrigger}, context: JobContext): Promise<JobOutcome>;
}

/** Forgets the type of the params: what is queued under a kind was checked when it was enqueued. */
export type AnyJobKind = JobKind<never>;
export type JobKinds = readonly AnyJobKind[];

export function defineJobKind<Params extends JobParams>(kind: JobKind<Params>): JobKind<Params> {
  return kind;
}

/** Rows of system.jobs. `write` resolves when the row is durable; rows of one job are written one after the other. */
export interface JobStore {
  load(): JobRecord[];
  /** `isUrgent` writes may use the space that is kept back for ending things when the disk is full. */
  write(record: JobRecord, isUrgent?: boolean): Promise<void>;
  remove(jobIds: string[]): Promise<void>;
}

export interface JobLogger {
  warn(text: string): void;
  error(text: string): void;
}

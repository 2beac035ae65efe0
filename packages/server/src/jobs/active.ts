/**
 * Active: the jobs that are not over, in the order they were made, and who holds which key.
 *
 * Laws: a unique key has at most one holder. A table has at most one holder of a kind that yields and one of a kind that does not, and works for
 * one of them at a time; the latter goes first. A holder keeps both until it is removed, which happens once its work has stopped and its last
 * status is stored: whoever takes the key next meets no leftovers.
 */
import type {AnyJobKind, JobRecord} from './job.ts';

export interface ActiveJob {
  record: JobRecord;
  readonly kind: AnyJobKind;
  /** False while the first row is being written; such a job is not run yet. */
  isStored: boolean;
  /** The newest write of its row: the next one waits for it. */
  writes: Promise<void>;
  /** There is news that the row in the store does not hold. */
  isDirty: boolean;
  /** Ends the try or the wait for the next one. */
  stopper: AbortController | undefined;
  /** Settles when the try has really ended; undefined while no try runs. */
  work: Promise<void> | undefined;
  /** Settles, never rejects, when its cancelled row is stored or given up; undefined while nobody cancelled it. */
  cancelled: Promise<void> | undefined;
  readonly over: PromiseWithResolvers<JobRecord>;
}

export class ActiveJobs {
  readonly #byId = new Map<string, ActiveJob>();
  readonly #byKey = new Map<string, ActiveJob>();
  readonly #byTable = new Map<string, ActiveJob[]>();

  get size(): number {
    return this.#byId.size;
  }

  values(): IterableIterator<ActiveJob> {
    return this.#byId.values();
  }

  get(jobId: string): ActiveJob | undefined {
    return this.#byId.get(jobId);
  }

  byKey(uniqueKey: string): ActiveJob | undefined {
    return this.#byKey.get(uniqueKey);
  }

  /** Who works, or will work, on the table; the one that goes first is first. */
  byTable(tableKey: string): readonly ActiveJob[] {
    return this.#byTable.get(tableKey) ?? [];
  }

  /** Who stands in the way of a job of this kind with these keys. */
  holder(uniqueKey: string | null, tableKey: string | null, kind: AnyJobKind | undefined): ActiveJob | undefined {
    const byKey = uniqueKey === null ? undefined : this.#byKey.get(uniqueKey);
    if (byKey !== undefined || tableKey === null) return byKey;
    return this.byTable(tableKey).find(job => kind?.isYielding === true || job.kind.isYielding !== true);
  }

  /** Whether nobody else works on its table, or goes before it. */
  mayBegin(job: ActiveJob): boolean {
    const table = job.record.lease_key;
    if (table === null) return true;
    const jobs = this.byTable(table);
    return jobs[0] === job && jobs.every(other => other === job || other.work === undefined);
  }

  /** Whether a job that goes before it waits for its table. */
  isAwaited(job: ActiveJob): boolean {
    const table = job.record.lease_key;
    return table !== null && this.byTable(table)[0] !== job;
  }

  add(record: JobRecord, kind: AnyJobKind, isStored: boolean): ActiveJob {
    const {idempotency_key: key, lease_key: table} = record;
    if (this.holder(key, table, kind) !== undefined || this.#byId.has(record.job_id)) {
      throw new Error(`job ${record.job_id}: an id, a unique key and a table have one holder at a time`);
    }
    const job: ActiveJob = {
      record,
      kind,
      isStored,
      writes: Promise.resolve(),
      isDirty: false,
      stopper: undefined,
      work: undefined,
      cancelled: undefined,
      over: Promise.withResolvers(),
    };
    this.#byId.set(record.job_id, job);
    if (key !== null) this.#byKey.set(key, job);
    if (table !== null) {
      const others = this.byTable(table);
      this.#byTable.set(table, kind.isYielding === true ? [...others, job] : [job, ...others]);
    }
    return job;
  }

  remove(job: ActiveJob): void {
    const {job_id: id, idempotency_key: key, lease_key: table} = job.record;
    this.#byId.delete(id);
    if (key !== null) this.#byKey.delete(key);
    if (table === null) return;
    const others = this.byTable(table).filter(other => other !== job);
    if (others.length > 0) this.#byTable.set(table, others);
    else this.#byTable.delete(table);
  }
}

/**
 * Recovery and retention: what a start does with the jobs it finds, and which finished ones are forgotten. Pure.
 *
 * Law: the directory lock proves that whoever ran a job before this start is dead, so no lease needs to be waited for.
 */
import type {AnyJobKind, JobRecord} from './job.ts';
import {isTerminal} from './transitions.ts';

export const INTERRUPTED = 'Job interrupted by server restart';

/** Of finished jobs older than the retention, the newest failures are kept for whoever looks for a cause. */
const FAILURES_KEPT = 100;
/** However young: system.jobs lives in memory. */
const FINISHED_MAX = 10_000;

export type Recovery =
  | {readonly to: 'keep'}
  | {readonly to: 'queued'; readonly retryCount: number}
  | {readonly to: 'failed'; readonly message: string};

/** `isKeyTaken`: an older active job holds its unique key or its table, which only a lost write can leave behind. */
export function recover(record: JobRecord, kind: AnyJobKind | undefined, isKeyTaken: boolean): Recovery {
  if (kind === undefined) return {to: 'failed', message: `Unknown job type '${record.job_type}'`};
  if (isKeyTaken) return {to: 'failed', message: INTERRUPTED};
  if (record.status === 'queued') return {to: 'keep'};
  if (record.status === 'new') return {to: 'queued', retryCount: record.retry_count};
  if (!kind.isIdempotent && record.status === 'running') return {to: 'failed', message: INTERRUPTED};
  if (record.retry_count >= record.max_retries) return {to: 'failed', message: INTERRUPTED};
  return {to: 'queued', retryCount: record.retry_count + 1};
}

/** Ids of the finished jobs to forget, oldest first. `beforeMicros` is the age at which they go. */
export function jobsToPrune(records: readonly JobRecord[], beforeMicros: bigint): string[] {
  const finished = records.filter(record => isTerminal(record.status)).sort(newestFirst);
  const pruned: string[] = [];
  let failures = 0;
  for (const [i, record] of finished.entries()) {
    const isKeptFailure = record.status === 'failed' && ++failures <= FAILURES_KEPT;
    if (i >= FINISHED_MAX || (endOf(record) < beforeMicros && !isKeptFailure)) pruned.push(record.job_id);
  }
  return pruned.reverse();
}

function newestFirst(a: JobRecord, b: JobRecord): number {
  if (endOf(a) !== endOf(b)) return endOf(a) < endOf(b) ? 1 : -1;
  return a.job_id < b.job_id ? 1 : -1;
}

function endOf(record: JobRecord): bigint {
  return record.finished_at ?? record.updated_at;
}

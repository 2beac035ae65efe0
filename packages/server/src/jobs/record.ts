/** Record: how a job's row begins and changes. Pure. */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {AnyJobKind, JobOutcome, JobParams, JobRecord, JobTrigger, Json} from './job.ts';
import {causeText, traceText} from './retry.ts';
import {canMove, type JobStatus} from './transitions.ts';

/** A row, with all its JSON, must fit a log batch with room to spare. */
const JSON_CHARS_MAX = 1024 * 1024;
const MESSAGE_CHARS_MAX = 4000;

export interface NewJob {
  readonly jobId: string;
  readonly kind: AnyJobKind;
  readonly params: JobParams;
  readonly trigger: JobTrigger;
  readonly uniqueKey: string;
  readonly tableKey: string | undefined;
  readonly tableName: string | undefined;
  readonly maxRetries: number;
  readonly nodeId: bigint;
  readonly now: bigint;
}

export function newRecord(job: NewJob): JobRecord {
  return {
    job_id: job.jobId,
    job_type: job.kind.name,
    status: 'new',
    leader_status: null,
    parameters: jsonText('parameters', {...job.params, trigger: job.trigger}),
    message: null,
    exception_trace: null,
    idempotency_key: job.uniqueKey,
    queue: null,
    priority: null,
    retry_count: 0,
    max_retries: job.maxRetries,
    memory_used: null,
    cpu_used: null,
    created_at: job.now,
    updated_at: job.now,
    started_at: null,
    finished_at: null,
    node_id: job.nodeId,
    leader_node_id: null,
    table_name: job.tableName ?? null,
    start_time: null,
    end_time: null,
    result: null,
    trace: null,
    memory_used_mb: null,
    cpu_used_percent: null,
    error_message: null,
    progress: null,
    run_at: null,
    lease_owner: null,
    lease_expires_at: null,
    lease_key: job.tableKey ?? null,
  };
}

/** The one way a status changes. An illegal move is a bug of the caller. */
export function moved(record: JobRecord, to: JobStatus, patch: Partial<JobRecord>, now: bigint): JobRecord {
  if (!canMove(record.status, to))
    throw new Error(`job ${record.job_id}: there is no move from ${record.status} to ${to}`);
  return {...record, ...patch, status: to, updated_at: now};
}

const NO_LEASE = {lease_owner: null, lease_expires_at: null, run_at: null} as const;

export function begun(now: bigint, nodeId: bigint, leaseMs: number): Partial<JobRecord> {
  return {
    started_at: now,
    start_time: now,
    leader_node_id: nodeId,
    lease_owner: `node-${nodeId}`,
    lease_expires_at: now + BigInt(leaseMs) * 1000n,
    run_at: null,
  };
}

export function ended(now: bigint): Partial<JobRecord> {
  return {...NO_LEASE, finished_at: now, end_time: now};
}

export function requeued(retryCount: number): Partial<JobRecord> {
  return {...NO_LEASE, retry_count: retryCount};
}

export function retryAt(record: JobRecord, error: unknown, runAt: bigint): Partial<JobRecord> {
  const retry = record.retry_count + 1;
  return {
    ...failure(error),
    ...NO_LEASE,
    retry_count: retry,
    run_at: runAt,
    message: `Retry ${retry} of ${record.max_retries}: ${causeText(error)}`,
  };
}

export function failure(error: unknown): Partial<JobRecord> {
  const trace = traceText(error);
  return {error_message: causeText(error), exception_trace: trace, trace};
}

/** A success after retries leaves no trace of the tries before it: the row tells how the job ended. */
export function outcome(result: JobOutcome): Partial<JobRecord> {
  const message = result.message.slice(0, MESSAGE_CHARS_MAX);
  return {
    message,
    result: result.result === undefined ? null : jsonText('result', result.result),
    error_message: result.status === 'failed' ? message : null,
    exception_trace: null,
    trace: null,
  };
}

export function jsonText(what: string, json: Json): string {
  const text = JSON.stringify(json);
  if (text.length <= JSON_CHARS_MAX) return text;
  throw new DbError(
    'LIMIT_EXCEEDED',
    `The ${what} of a job may have ${JSON_CHARS_MAX} characters; these are ${text.length}.`,
  );
}

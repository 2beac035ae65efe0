/**
 * Jobs: one row per job, active or finished.
 *
 * Columns of May 2026, then those of October 2025 that they lack, filled with the same facts, then our own. `jobs/` alone writes them.
 */
import {defineSystemTable, type RecordOf} from './define.ts';

export const JOBS = defineSystemTable({
  name: 'jobs',
  incarnation: 8,
  kind: 'stored',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Background work: waiting, running and finished.',
  primaryKey: 'job_id',
  columns: [
    {id: 1, name: 'job_id', type: 'text', isNullable: false, doc: 'Prefix of the type and 12 hex digits.'},
    {id: 2, name: 'job_type', type: 'text', isNullable: false, doc: 'Type of the job.'},
    {
      id: 3,
      name: 'status',
      type: 'text',
      isNullable: false,
      doc: 'new, queued, running, retrying, completed, failed, cancelled or skipped.',
    },
    {id: 4, name: 'leader_status', type: 'text', isNullable: true, doc: 'Unused on a single server.'},
    {
      id: 5,
      name: 'parameters',
      type: 'json',
      isNullable: true,
      doc: 'What the job was asked to do, and the trigger that asked.',
    },
    {id: 6, name: 'message', type: 'text', isNullable: true, doc: 'Result or reason in one sentence.'},
    {id: 7, name: 'exception_trace', type: 'text', isNullable: true, doc: 'Stack of the failure.'},
    {id: 8, name: 'idempotency_key', type: 'text', isNullable: true, doc: 'No two active jobs have the same.'},
    {id: 9, name: 'queue', type: 'text', isNullable: true, doc: 'Unused.'},
    {id: 10, name: 'priority', type: 'int', isNullable: true, doc: 'Unused.'},
    {id: 11, name: 'retry_count', type: 'smallint', isNullable: false, doc: 'Tries after the first one.'},
    {id: 12, name: 'max_retries', type: 'smallint', isNullable: false, doc: 'Tries allowed after the first one.'},
    {id: 13, name: 'memory_used', type: 'bigint', isNullable: true, doc: 'Not measured.'},
    {id: 14, name: 'cpu_used', type: 'bigint', isNullable: true, doc: 'Not measured.'},
    {id: 15, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the job was made.'},
    {id: 16, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When this row was last written.'},
    {id: 17, name: 'started_at', type: 'timestamp', isNullable: true, doc: 'When the newest try began.'},
    {id: 18, name: 'finished_at', type: 'timestamp', isNullable: true, doc: 'When the job reached its last status.'},
    {id: 19, name: 'node_id', type: 'bigint', isNullable: false, doc: 'Server that made the job.'},
    {id: 20, name: 'leader_node_id', type: 'bigint', isNullable: true, doc: 'Server that runs the job.'},
    {id: 21, name: 'table_name', type: 'text', isNullable: true, doc: 'namespace.table that the job works on.'},
    {id: 22, name: 'start_time', type: 'timestamp', isNullable: true, doc: 'The same as started_at.'},
    {id: 23, name: 'end_time', type: 'timestamp', isNullable: true, doc: 'The same as finished_at.'},
    {id: 24, name: 'result', type: 'json', isNullable: true, doc: 'Metrics of the work.'},
    {id: 25, name: 'trace', type: 'text', isNullable: true, doc: 'The same as exception_trace.'},
    {id: 26, name: 'memory_used_mb', type: 'double', isNullable: true, doc: 'Not measured.'},
    {id: 27, name: 'cpu_used_percent', type: 'double', isNullable: true, doc: 'Not measured.'},
    {id: 28, name: 'error_message', type: 'text', isNullable: true, doc: 'Cause of the failure.'},
    {
      id: 29,
      name: 'progress',
      type: 'json',
      isNullable: true,
      doc: 'What the work has done so far; kept for the next try.',
    },
    {id: 30, name: 'run_at', type: 'timestamp', isNullable: true, doc: 'A retry does not begin before this moment.'},
    {id: 31, name: 'lease_owner', type: 'text', isNullable: true, doc: 'Who runs the job now.'},
    {
      id: 32,
      name: 'lease_expires_at',
      type: 'timestamp',
      isNullable: true,
      doc: 'The owner is taken for dead after this moment.',
    },
    {
      id: 33,
      name: 'lease_key',
      type: 'text',
      isNullable: true,
      doc: 'Table life that no other job works on meanwhile.',
    },
  ],
});

export type JobRow = RecordOf<typeof JOBS>;

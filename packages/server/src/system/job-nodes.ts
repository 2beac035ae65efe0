/** Job nodes: the work on a job, server by server. */
import {defineSystemTable} from './define.ts';

export const JOB_NODES = defineSystemTable({
  name: 'job_nodes',
  incarnation: 34,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'What each server did of each job; a single server did all of it.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'job_id', type: 'text', isNullable: false, doc: 'Id of the job.'},
    {id: 2, name: 'node_id', type: 'bigint', isNullable: false, doc: 'Server that worked on it.'},
    {id: 3, name: 'status', type: 'text', isNullable: false, doc: 'Status of its work.'},
    {id: 4, name: 'error_message', type: 'text', isNullable: true, doc: 'Why it failed.'},
    {id: 5, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the job was made.'},
    {id: 6, name: 'started_at', type: 'timestamp', isNullable: true, doc: 'When the newest try began.'},
    {id: 7, name: 'finished_at', type: 'timestamp', isNullable: true, doc: 'When it reached its last status.'},
    {id: 8, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When it last changed.'},
  ],
});

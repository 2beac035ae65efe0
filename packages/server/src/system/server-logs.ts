/** Server logs: the newest messages of the log, kept in memory; the log itself goes where the process writes. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const SERVER_LOGS = defineSystemTable({
  name: 'server_logs',
  incarnation: 37,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'The newest messages of the log, the oldest of them first; `logging.recent_messages` of them are kept.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'timestamp', type: 'text', isNullable: false, doc: 'ISO 8601, UTC.'},
    {id: 2, name: 'level', type: 'text', isNullable: false, doc: 'fatal, error, warn, info, debug or trace.'},
    {id: 3, name: 'thread', type: 'text', isNullable: true, doc: 'Messages come from one thread.'},
    {id: 4, name: 'target', type: 'text', isNullable: true, doc: 'Messages do not name a module.'},
    {id: 5, name: 'line', type: 'bigint', isNullable: true, doc: 'Nor a line of it.'},
    {id: 6, name: 'message', type: 'text', isNullable: false, doc: 'The text, with its facts as JSON behind it.'},
  ],
});

export type ServerLogRecord = RecordOf<typeof SERVER_LOGS>;

/** Audit log: who did what to accounts, tables and the server, when, from where, and how it ended. Rows are added, never changed; old ones go. */
import {defineSystemTable} from './define.ts';

export const AUDIT_LOG = defineSystemTable({
  name: 'audit_log',
  incarnation: 18,
  kind: 'stored',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Who did what to accounts, tables and the server; kept for audit.retention_days.',
  primaryKey: 'audit_id',
  columns: [
    {id: 1, name: 'audit_id', type: 'text', isNullable: false, doc: 'audit_, the moment in milliseconds, and a UUID.'},
    {id: 2, name: 'timestamp', type: 'timestamp', isNullable: false, doc: 'When it ended.'},
    {id: 3, name: 'actor_user_id', type: 'text', isNullable: false, doc: 'Who did it.'},
    {id: 4, name: 'action', type: 'text', isNullable: false, doc: 'What, such as CREATE_USER, DROP_TABLE or LOGIN.'},
    {id: 5, name: 'target', type: 'text', isNullable: false, doc: 'To what.'},
    {id: 6, name: 'details', type: 'text', isNullable: true, doc: 'The statement, without its secrets.'},
    {id: 7, name: 'ip_address', type: 'text', isNullable: true, doc: 'From where.'},
    {id: 8, name: 'subject_user_id', type: 'text', isNullable: true, doc: 'Whose account it was about.'},
    {id: 9, name: 'result', type: 'text', isNullable: false, doc: 'success, or the code of the error.'},
  ],
});

/**
 * Live queries, under both names they ever had: `system.live` with the columns of May 2026, and `system.live_queries`, which has the same and
 * then `query_id`, `updated_at` and `node` of October 2025.
 */
import {defineSystemTable, type RecordOf} from './define.ts';

const LIVE_COLUMNS = [
  {id: 1, name: 'live_id', type: 'text', isNullable: false, doc: 'Id, as KILL LIVE QUERY takes it.'},
  {id: 2, name: 'connection_id', type: 'text', isNullable: false, doc: 'Connection that carries it.'},
  {id: 3, name: 'subscription_id', type: 'text', isNullable: false, doc: 'Id the client gave.'},
  {id: 4, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
  {id: 5, name: 'table_name', type: 'text', isNullable: false, doc: 'Table that is watched.'},
  {id: 6, name: 'user_id', type: 'text', isNullable: false, doc: 'Whose subscription it is.'},
  {id: 7, name: 'query', type: 'text', isNullable: false, doc: 'Text of the query.'},
  {id: 8, name: 'options', type: 'json', isNullable: true, doc: 'Options the client gave.'},
  {id: 9, name: 'status', type: 'text', isNullable: false, doc: 'active, paused, completed or error.'},
  {id: 10, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was opened.'},
  {id: 11, name: 'last_update', type: 'timestamp', isNullable: false, doc: 'When it was last sent a change.'},
  {id: 12, name: 'changes', type: 'bigint', isNullable: false, doc: 'Changes sent so far.'},
  {id: 13, name: 'node_id', type: 'bigint', isNullable: false, doc: 'Server that holds it.'},
  {id: 14, name: 'last_ping_at', type: 'timestamp', isNullable: false, doc: 'Newest sign of life of its connection.'},
] as const;

export const LIVE = defineSystemTable({
  name: 'live',
  incarnation: 16,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Subscriptions that are open now.',
  primaryKey: 'live_id',
  columns: LIVE_COLUMNS,
});

export const LIVE_QUERIES = defineSystemTable({
  name: 'live_queries',
  incarnation: 7,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'The same as live, for programs of October 2025.',
  primaryKey: 'live_id',
  columns: [
    ...LIVE_COLUMNS,
    {id: 15, name: 'query_id', type: 'text', isNullable: false, doc: 'The same as subscription_id.'},
    {id: 16, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'The same as last_update.'},
    {id: 17, name: 'node', type: 'text', isNullable: false, doc: 'The same as node_id, as text.'},
  ],
});

export type LiveQueryRecord = RecordOf<typeof LIVE_QUERIES>;

/** Transactions: those that are open at this moment. Each is of one request, and ends with it. */
import {defineSystemTable} from './define.ts';

export const TRANSACTIONS = defineSystemTable({
  name: 'transactions',
  incarnation: 36,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Explicit transactions that are open.',
  primaryKey: 'transaction_id',
  columns: [
    {id: 1, name: 'transaction_id', type: 'text', isNullable: false, doc: 'As BEGIN answered it.'},
    {id: 2, name: 'owner_id', type: 'text', isNullable: false, doc: 'The request that began it.'},
    {id: 3, name: 'origin', type: 'text', isNullable: false, doc: 'SqlBatch.'},
    {id: 4, name: 'state', type: 'text', isNullable: false, doc: 'open_read, open_write or committing.'},
    {id: 5, name: 'age_ms', type: 'bigint', isNullable: false, doc: 'Time since BEGIN.'},
    {id: 6, name: 'idle_ms', type: 'bigint', isNullable: false, doc: 'Time since its last statement began.'},
    {id: 7, name: 'write_count', type: 'bigint', isNullable: false, doc: 'Versions of rows that it would write.'},
    {id: 8, name: 'write_bytes', type: 'bigint', isNullable: false, doc: 'Bytes that it keeps for that.'},
    {
      id: 9,
      name: 'touched_tables_count',
      type: 'bigint',
      isNullable: false,
      doc: 'Tables, or parts of users, written to.',
    },
    {id: 10, name: 'snapshot_commit_seq', type: 'bigint', isNullable: false, doc: 'The moment that it reads.'},
  ],
});

/** Idempotency keys: one row for each request with a key that was run, in the scope of its user, until it expires. `sql/idempotency.ts` alone writes them. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const IDEMPOTENCY_KEYS = defineSystemTable({
  name: 'idempotency_keys',
  incarnation: 19,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Requests that came with a key, and what they were answered.',
  primaryKey: 'key',
  columns: [
    {id: 1, name: 'key', type: 'text', isNullable: false, doc: 'What the caller sent as Idempotency-Key.'},
    {id: 2, name: 'request_hash', type: 'text', isNullable: false, doc: 'SHA-256 of what was asked.'},
    {id: 3, name: 'results', type: 'text', isNullable: false, doc: 'What was answered, as JSON.'},
    {id: 4, name: 'kept_at', type: 'timestamp', isNullable: false, doc: 'When the request was run.'},
  ],
});

export type IdempotencyRecord = RecordOf<typeof IDEMPOTENCY_KEYS>;

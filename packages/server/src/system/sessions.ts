/**
 * Sessions: who is signed in. A session is a family of tokens, from sign-in to sign-out; none of its tokens can be read here.
 *
 * Columns of May 2026, then our own. A request is all that a session does here, so nothing of it stays open between two of them.
 */
import {defineSystemTable} from './define.ts';

export const SESSIONS = defineSystemTable({
  name: 'sessions',
  incarnation: 35,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Sign-ins whose tokens are still good.',
  primaryKey: 'session_id',
  columns: [
    {
      id: 1,
      name: 'session_id',
      type: 'text',
      isNullable: false,
      doc: 'Id of the sign-in: the claim sid of its tokens.',
    },
    {id: 2, name: 'backend_pid', type: 'bigint', isNullable: true, doc: 'No session has a process of its own.'},
    {id: 3, name: 'current_schema', type: 'text', isNullable: true, doc: 'A namespace lasts for a request.'},
    {id: 4, name: 'state', type: 'text', isNullable: false, doc: 'idle.'},
    {id: 5, name: 'transaction_id', type: 'text', isNullable: true, doc: 'Transactions are of requests.'},
    {id: 6, name: 'transaction_state', type: 'text', isNullable: true, doc: 'Transactions are of requests.'},
    {id: 7, name: 'transaction_has_writes', type: 'boolean', isNullable: false, doc: 'false.'},
    {id: 8, name: 'client_addr', type: 'text', isNullable: true, doc: 'Addresses are in the audit log only.'},
    {id: 9, name: 'transport', type: 'text', isNullable: false, doc: 'http.'},
    {id: 10, name: 'opened_at', type: 'timestamp', isNullable: false, doc: 'When the password was given.'},
    {id: 11, name: 'last_seen_at', type: 'timestamp', isNullable: false, doc: 'When it last got tokens.'},
    {id: 12, name: 'last_method', type: 'text', isNullable: true, doc: 'Requests are not kept.'},
    {id: 13, name: 'user_id', type: 'text', isNullable: false, doc: 'Who signed in.'},
    {id: 14, name: 'expires_at', type: 'timestamp', isNullable: false, doc: 'When it ends unless it is refreshed.'},
  ],
});

/**
 * Sign-ins: one row per family of tokens, from sign-in to sign-out, and one per user whose sessions were all ended. `auth/` alone writes them.
 *
 * Of refresh tokens only the id of the newest is here, so whoever reads a copy of the data gets no token from it.
 */
import {defineSystemTable, type RecordOf} from './define.ts';

export const SIGN_INS = defineSystemTable({
  name: 'sign_ins',
  incarnation: 17,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Families of tokens.',
  primaryKey: 'sign_in_id',
  columns: [
    {id: 1, name: 'sign_in_id', type: 'text', isNullable: false, doc: 'Claim sid of its tokens; for a mark user:<id>.'},
    {id: 2, name: 'user_id', type: 'text', isNullable: false, doc: 'Who signed in.'},
    {
      id: 3,
      name: 'refresh_id',
      type: 'text',
      isNullable: true,
      doc: 'Claim jti of the one refresh token that is good; null: tokens of the user from before signed_in_at are void.',
    },
    {id: 4, name: 'signed_in_at', type: 'timestamp', isNullable: false, doc: 'When the password was given.'},
    {id: 5, name: 'refreshed_at', type: 'timestamp', isNullable: false, doc: 'When the newest tokens were made.'},
    {id: 6, name: 'expires_at', type: 'timestamp', isNullable: true, doc: 'When the refresh token ends.'},
  ],
});

export type SignInRecord = RecordOf<typeof SIGN_INS>;

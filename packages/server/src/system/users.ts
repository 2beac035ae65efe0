/** Accounts: one row per user that exists. The October-2025 `username` comes last. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const USERS = defineSystemTable({
  name: 'users',
  incarnation: 1,
  kind: 'stored',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Accounts of this server.',
  primaryKey: 'user_id',
  columns: [
    {id: 1, name: 'user_id', type: 'text', isNullable: false, doc: 'Id, as it stands in tokens and scopes.'},
    {
      id: 2,
      name: 'password_hash',
      type: 'text',
      isNullable: false,
      doc: 'Shown masked; empty if the account has no password.',
    },
    {id: 3, name: 'role', type: 'text', isNullable: false, doc: 'anonymous, user, service, dba or system.'},
    {id: 4, name: 'email', type: 'text', isNullable: true, doc: 'Address, if one was given.'},
    {id: 5, name: 'auth_type', type: 'text', isNullable: false, doc: 'Password, OAuth or Internal.'},
    {id: 6, name: 'auth_data', type: 'json', isNullable: true, doc: 'Facts of the sign-in method.'},
    {id: 7, name: 'storage_mode', type: 'text', isNullable: false, doc: 'table or region.'},
    {
      id: 8,
      name: 'storage_id',
      type: 'text',
      isNullable: true,
      doc: 'Storage for the tables of this user, if one was chosen.',
    },
    {
      id: 9,
      name: 'failed_login_attempts',
      type: 'int',
      isNullable: false,
      doc: 'Wrong passwords since the last right one.',
    },
    {
      id: 10,
      name: 'locked_until',
      type: 'timestamp',
      isNullable: true,
      doc: 'No password is accepted before this moment.',
    },
    {id: 11, name: 'last_login_at', type: 'timestamp', isNullable: true, doc: 'Newest successful sign-in.'},
    {id: 12, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the account was made.'},
    {id: 13, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When the account was last changed.'},
    {id: 14, name: 'last_seen', type: 'timestamp', isNullable: true, doc: 'Newest request seen.'},
    {id: 15, name: 'deleted_at', type: 'timestamp', isNullable: true, doc: 'When the account was dropped.'},
    {id: 16, name: 'username', type: 'text', isNullable: false, doc: 'Name used to sign in.'},
  ],
});

export type UserRecord = RecordOf<typeof USERS>;

/**
 * Bootstrap: what a fresh data directory begins with: two namespaces, the local storage, the root account without a password.
 */
import type {Clock} from '../std/clock.ts';
import {STORAGES} from '../system/storages.ts';
import {USERS} from '../system/users.ts';
import type {WriteRow} from '../table/commit.ts';
import {namespaceRow, systemRow, textKey} from './ddl.ts';

export interface FirstRowsOptions {
  readonly clock: Clock;
  readonly directory: string;
  readonly sharedTemplate: string;
  readonly userTemplate: string;
}

export function firstRows(options: FirstRowsOptions): WriteRow[] {
  const now = BigInt(options.clock.nowMs()) * 1000n;
  const local = STORAGES.toValues({
    storage_id: 'local',
    storage_name: 'Local filesystem',
    description: 'Files below the data directory',
    storage_type: 'filesystem',
    base_directory: `${options.directory}/storage`,
    credentials: null,
    config_json: null,
    shared_tables_template: options.sharedTemplate,
    user_tables_template: options.userTemplate,
    created_at: now,
    updated_at: now,
  });
  const root = USERS.toValues({
    user_id: 'root',
    password_hash: '',
    role: 'system',
    email: null,
    auth_type: 'Internal',
    auth_data: null,
    storage_mode: 'table',
    storage_id: null,
    failed_login_attempts: 0,
    locked_until: null,
    last_login_at: null,
    created_at: now,
    updated_at: now,
    last_seen: null,
    deleted_at: null,
    username: 'root',
  });
  const namespaces = ['default', 'system'].map(name =>
    namespaceRow({namespace_id: name, name, created_at: now, options: null}),
  );
  return [
    ...namespaces,
    systemRow(STORAGES.schema, local, textKey('local')),
    systemRow(USERS.schema, root, textKey('root')),
  ];
}

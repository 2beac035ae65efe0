/** The table that the tests of flush and compaction work on: made, filled, read. */
import type {openTestDatabase, TestDatabase} from '../test-database.ts';
import {flush} from '../test-database.ts';
import {type Gate, withGatedDatabase} from './gated-disk.ts';

export const TABLE = 'CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)';

export async function withTable(
  body: (db: TestDatabase, gate: Gate) => Promise<void>,
  changes: Parameters<typeof openTestDatabase>[0] = {},
): Promise<void> {
  await withGatedDatabase(TABLE, body, changes);
}

export async function insert(db: TestDatabase, keys: readonly number[], user = 'ana'): Promise<void> {
  const rows = keys.map(key => `('v${key}', ${key})`).join(', ');
  await db.sql(`INSERT INTO app.t (v, id) VALUES ${rows}`, {user});
}

/** Each list of keys becomes one segment. */
export async function segments(db: TestDatabase, lists: readonly (readonly number[])[], user = 'ana'): Promise<void> {
  for (const keys of lists) {
    await insert(db, keys, user);
    await flush(db, 'app.t');
  }
}

export async function ids(db: TestDatabase, user = 'ana'): Promise<unknown[]> {
  return (await db.sql('SELECT id FROM app.t', {user})).rows.map(row => row[0]);
}

export async function values(db: TestDatabase, user = 'ana'): Promise<readonly (readonly unknown[])[]> {
  return (await db.sql('SELECT v, id FROM app.t', {user})).rows;
}

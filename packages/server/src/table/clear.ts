/**
 * Clear: deletes all rows of one scope, as DELETE would, a batch at a time.
 *
 * Laws: rows go through the door of all writes, so segments lose them as they lose any deleted row: by vectors, and for good when compaction drops
 * their tombstones. Stopped half way, the next one goes on.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import type {ScanRequest, Tables} from './table.ts';

const KEYS_AT_ONCE = 1000;
const WHOLE: ScanRequest = {keys: {}, isReverse: false, bounds: [], columns: undefined, includeTombstones: false};

/** Returns how many rows it deleted. Throws what `Tables` throws if the table is dropped or altered meanwhile. */
export async function clearScope(tables: Tables, scope: Scope, schema: Schema, signal: AbortSignal): Promise<number> {
  if (!TABLE_KINDS[schema.kind].isDurable) return tables.change(scope, schema, WHOLE, () => 'delete', {signal});
  let count = 0;
  let atOnce = KEYS_AT_ONCE;
  let from: Uint8Array | undefined;
  for (;;) {
    const points = await nextKeys(tables, scope, schema, {from, most: atOnce, signal});
    if (points.length === 0) return count;
    try {
      count += await tables.change(scope, schema, {...WHOLE, points}, () => 'delete', {signal});
      from = points.at(-1);
    } catch (error) {
      // Tombstones hold what their rows held, and a batch has a limit.
      if (!(error instanceof DbError && error.code === 'LIMIT_EXCEEDED') || atOnce === 1) throw error;
      atOnce = Math.ceil(atOnce / 8);
    }
  }
}

async function nextKeys(
  tables: Tables,
  scope: Scope,
  schema: Schema,
  {from, most, signal}: {from: Uint8Array | undefined; most: number; signal: AbortSignal},
): Promise<Uint8Array[]> {
  const {type} = schema.columns[schema.primaryKey]!;
  const keys: Uint8Array[] = [];
  const snapshot = tables.snapshot(scope, schema);
  try {
    const request = {...WHOLE, keys: from === undefined ? {} : {from}, columns: [schema.primaryKey]};
    const visit = snapshot.scan(
      request,
      row => keys.push(encodeKey(type, row.value(schema.primaryKey)!)) < most,
      signal,
    );
    await visit;
    return keys;
  } finally {
    snapshot.close();
  }
}

/** Tombstone mark: up to which seq a table's tombstones may be gone (see `table/compact.ts`), as a row of `system.meta`. */
import type {Hot} from '../hot/hot.ts';
import type {Incarnation, Seq} from '../model/names.ts';
import {RowView} from '../model/row-codec.ts';
import {META} from '../system/meta.ts';
import type {WriteRow} from '../table/commit.ts';
import {scopeOf, systemRow, textKey, tombstoneMarkKey} from './ddl.ts';

/** 0 if none was ever dropped. */
export function tombstoneMark(hot: Hot, incarnation: Incarnation): Seq {
  const row = hot.get(scopeOf(META.schema), textKey(tombstoneMarkKey(incarnation)));
  if (row === undefined) return 0n;
  const {value} = META.fromRow(new RowView(META.schema, () => META.schema).at(row));
  return BigInt(value);
}

/** Never goes back. */
export function tombstoneMarkRow(hot: Hot, incarnation: Incarnation, through: Seq): WriteRow {
  const before = tombstoneMark(hot, incarnation);
  const key = tombstoneMarkKey(incarnation);
  const value = String(through > before ? through : before);
  return systemRow(META.schema, META.toValues({key, value}), textKey(key));
}

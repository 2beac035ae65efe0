/** Mirror mark: up to which seq manifests are mirrored (see `table/mirrors.ts`), as a row of `system.meta`. */
import type {Hot} from '../hot/hot.ts';
import type {Seq} from '../model/names.ts';
import {RowView} from '../model/row-codec.ts';
import {META} from '../system/meta.ts';
import type {WriteRow} from '../table/commit.ts';
import {scopeOf, systemRow, textKey} from './ddl.ts';

const KEY = 'mirrored_through';

export function mirrorMark(hot: Hot): Seq | undefined {
  const row = hot.get(scopeOf(META.schema), textKey(KEY));
  if (row === undefined) return undefined;
  const {value} = META.fromRow(new RowView(META.schema, () => META.schema).at(row));
  return BigInt(value);
}

export function mirrorMarkRow(mark: Seq): WriteRow {
  return systemRow(META.schema, META.toValues({key: KEY, value: String(mark)}), textKey(KEY));
}

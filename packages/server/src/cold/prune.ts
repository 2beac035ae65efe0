/**
 * Prune: which segments and row groups surely hold no wanted row. Pure; a wrong yes costs a read, a wrong no loses rows.
 *
 * A bound `column in [min, max]` rules out what lies outside, and what is all null, since NULL satisfies no comparison.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {carried, typePath} from '../model/evolution.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {Schema} from '../model/schema.ts';
import {compareValues, fromJson} from '../model/values.ts';
import type {ColdFilter} from './cold.ts';
import {fromStatistic} from './column-codec.ts';
import type {RowGroup} from './footer.ts';
import type {ColumnMap} from './row-group.ts';
import type {Segment} from './segment.ts';

type Bound = NonNullable<ColdFilter['bounds']>[number];

interface KeyBounds {
  readonly min: Uint8Array;
  readonly max: Uint8Array;
}

/** Why the segment needs no reading, or undefined. `writer` is the schema version the segment was written with. */
export function pruneReason(segment: Segment, filter: ColdFilter, reader: Schema, writer: Schema): string | undefined {
  if (isOutside({min: segment.minKey, max: segment.maxKey}, filter)) return 'key range';
  if (filter.afterSeq !== undefined && segment.maxSeq <= filter.afterSeq) return 'seq';
  for (const bound of filter.bounds ?? []) {
    const column = reader.columns.find(candidate => candidate.id === bound.columnId);
    if (column === undefined) continue;
    const stats = segment.columnStats[bound.columnId];
    const written = writer.columns.find(candidate => candidate.id === bound.columnId);
    if (stats === undefined || written === undefined) {
      if (isExcluded(column.type, bound, column.initial, column.initial) || column.initial === null) return column.name;
      continue;
    }
    if (stats.nullCount === segment.rowCount) return column.name;
    const path = typePath(column, writer);
    const min = stats.min === undefined ? undefined : onward(fromJson(written.type, stats.min), path);
    const max = stats.max === undefined ? undefined : onward(fromJson(written.type, stats.max), path);
    if (isExcluded(column.type, bound, min, max)) return column.name;
  }
  return undefined;
}

/** Whether a row group needs no reading. `next` is the row group after it; the segment's last key ends the last one. */
export function isGroupPruned(
  place: {group: RowGroup; endKey: Uint8Array},
  filter: ColdFilter,
  map: ColumnMap,
): boolean {
  const {group, endKey} = place;
  if (isOutside({min: group.firstKey, max: endKey}, filter)) return true;
  return (filter.bounds ?? []).some(bound => {
    const index = map.reader.columns.findIndex(candidate => candidate.id === bound.columnId);
    const column = map.columns[index];
    if (column === undefined) return false;
    const chunk = group.chunks[column.element]!;
    if (chunk.nullCount === group.rowCount) return true;
    const {type} = map.reader.columns[index]!;
    const min = onward(fromStatistic(column.type, chunk.min), column.path);
    const max = onward(fromStatistic(column.type, chunk.max), column.path);
    return isExcluded(type, bound, min, max);
  });
}

function isOutside(bounds: KeyBounds, {keys}: ColdFilter): boolean {
  if (keys?.from !== undefined && compareKeys(bounds.max, keys.from) < 0) return true;
  return keys?.to !== undefined && compareKeys(bounds.min, keys.to) > 0;
}

/** Absent bounds of the data (undefined or null) exclude nothing. */
function isExcluded(type: DataType, bound: Bound, min: Value | undefined, max: Value | undefined): boolean {
  const isBelow = isPresent(bound.min) && isPresent(max) && compareValues(type, max, bound.min) < 0;
  return isBelow || (isPresent(bound.max) && isPresent(min) && compareValues(type, min, bound.max) > 0);
}

function isPresent(value: Value | undefined): value is Exclude<Value, null> {
  return value !== undefined && value !== null;
}

const NUMERIC = new Set(['smallint', 'int', 'bigint', 'float', 'double', 'decimal']);

/** A bound in the reader's type; undefined where the way there does not keep the order, or a dead row's value does not go all of it. */
function onward(value: Value | undefined, path: readonly DataType[] | undefined): Value | undefined {
  if (value === undefined || path === undefined) return value;
  return path.every(type => NUMERIC.has(type.name)) ? (carried(value, path) ?? undefined) : undefined;
}

/**
 * Evolution: what a value that was written under an older version of a schema is under a newer one. Pure.
 *
 *     written as INT ─ version 3: BIGINT ─ version 5: TEXT ─ read as TEXT: by way of BIGINT, as if it had been rewritten each time
 *
 * Laws: a value goes through every type its column had since, in their order; so it reads the same whether a compaction rewrote it in between or not.
 * A type changes only when every value of a live row fits, and a value fits when the way back gives the same value again. What does not fit belongs to a
 * deleted row and reads as null.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, TypeName, Value} from './datatype.ts';
import type {Column, Schema} from './schema.ts';
import {sameType} from './type-table.ts';
import {castValue, compareValues} from './values.ts';

/**
 * The types a value went through: first the one it was written as, by `writer`, last the column's of today. Undefined where that is one and the
 * same, or the writer did not have the column.
 */
export function typePath(column: Column, writer: Schema): readonly DataType[] | undefined {
  const written = writer.columns.find(({id}) => id === column.id);
  if (written === undefined) return undefined;
  const former = (column.formerTypes ?? []).filter(({throughVersion}) => throughVersion >= writer.version);
  const path = [...former.map(({type}) => type), column.type];
  // What a newer writer made of the column is not in the history that the reader knows.
  if (!sameType(path[0]!, written.type)) path.unshift(written.type);
  return path.length === 1 ? undefined : path;
}

/** The value at the end of the path. */
export function carried(value: Value, path: readonly DataType[]): Value {
  let current = value;
  for (let i = 1; i < path.length && current !== null; i++)
    current = converted(current, path[i - 1]!, path[i]!) ?? null;
  return current;
}

function converted(value: Value, from: DataType, to: DataType): Value | undefined {
  try {
    return castValue(value, from, to);
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}

/** Nothing of the value is lost in the other type: it comes back as it was. */
export function fits(value: Value, from: DataType, to: DataType): boolean {
  if (value === null) return true;
  const there = converted(value, from, to);
  const back = there === undefined ? undefined : converted(there, to, from);
  return back !== undefined && compareValues(from, value, back) === 0;
}

const INTEGER_DIGITS: Partial<Record<TypeName, number>> = {smallint: 5, int: 10, bigint: 19};

const WIDER: Partial<Record<TypeName, readonly TypeName[]>> = {
  smallint: ['int', 'bigint', 'float', 'double'],
  int: ['bigint', 'double'],
  float: ['double'],
  timestamp: ['datetime'],
  datetime: ['timestamp'],
};

/** Every value of the one type fits the other: no row needs to be looked at. Each type has its own form as text. */
export function isWidening(from: DataType, to: DataType): boolean {
  if (sameType(from, to) || to.name === 'text') return true;
  if (to.name !== 'decimal') return WIDER[from.name]?.includes(to.name) === true;
  const room = to.precision - to.scale;
  if (from.name === 'decimal') return room >= from.precision - from.scale && to.scale >= from.scale;
  const digits = INTEGER_DIGITS[from.name];
  return digits !== undefined && room >= digits;
}

/** What lies between two values that fit does too. */
export function isConvex(from: DataType, to: DataType): boolean {
  if (INTEGER_DIGITS[from.name] !== undefined) return INTEGER_DIGITS[to.name] !== undefined || to.name === 'decimal';
  if (from.name === 'decimal') return to.name === 'decimal' && to.scale >= from.scale;
  return from.name === 'date' && (to.name === 'timestamp' || to.name === 'datetime');
}

const SAME_KEYS: readonly (readonly TypeName[])[] = [
  ['smallint', 'int', 'bigint'],
  ['float', 'double'],
  ['timestamp', 'datetime'],
  ['text', 'json', 'file'],
];

/** Equal values have equal bytes in `key-codec.ts`: rows are found under the keys they were written with. */
export function keepsKeys(from: DataType, to: DataType): boolean {
  if (from.name === 'decimal' && to.name === 'decimal') return from.scale === to.scale;
  return sameType(from, to) || SAME_KEYS.some(group => group.includes(from.name) && group.includes(to.name));
}

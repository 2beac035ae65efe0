/**
 * Decide: what INSERT, UPDATE and DELETE make of the newest versions of their keys. It knows neither latches nor the log: `rows.ts` decides on what is
 * latched and appends, `transaction.ts` decides on its own view and keeps.
 *
 * Laws: a row that exists is offered to its change once per reading, and a change is pure, so a reading may be repeated. One INSERT touches a row at
 * most once: its later hits are left out (DO NOTHING) or an error (DO UPDATE, and without ON CONFLICT). Decisions stand in the order of the statement.
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import type {Row, RowBytes} from '../model/row.ts';
import {encodeRow, FLAG_TOMBSTONE, rowFlags, setRowSeq} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import {valueText} from '../model/values.ts';
import type {Offer} from './newest.ts';
import type {Change, OnConflict} from './table.ts';

export interface Decided {
  readonly key: Uint8Array;
  /** The version to write, with the flags that the change itself gives it; undefined: nothing is written. */
  readonly row: Buffer | undefined;
  /** What RETURNING shows: the new version, or the old one if it is deleted or stays. Undefined if nobody asks. */
  readonly image: RowBytes | undefined;
  /** For the change feed: the live row that is replaced; null: there is none; undefined: not known here. */
  readonly before: RowBytes | null | undefined;
  /** The newest version of the key lies in a segment alone. */
  readonly isCold: boolean;
}

/** Reads the newest versions of keys: `newest.ts` over some ground. */
export type Visit = (keys: readonly Uint8Array[], offer: Offer) => void | Promise<void>;

export interface Asked {
  readonly schema: Schema;
  readonly keys: readonly Uint8Array[];
  /** RETURNING shows the rows. */
  readonly wantsImages: boolean;
  /** Somebody is told which rows are replaced. */
  readonly isWatched: boolean;
  /** Told of the bytes of each decision; throws when they are too many. */
  readonly spend?: (bytes: number) => void;
}

/** What `change` decides for the rows of the keys, which are distinct. At once if the visit is. */
export function decideChange(asked: Asked, change: Change, visit: Visit): Decided[] | Promise<Decided[]> {
  const {keys, wantsImages} = asked;
  const decided: (Decided | undefined)[] = keys.map(() => undefined);
  const visited = visit(keys, (row, keyIndex, hot) => {
    const result = row.isTombstone ? undefined : change(row);
    if (result === undefined || (result === 'keep' && !wantsImages)) return;
    decided[keyIndex] = spent(asked, replaced(asked, keys[keyIndex]!, {row, hot}, result));
  });
  const finish = () => decided.filter(one => one !== undefined);
  return visited instanceof Promise ? visited.then(finish) : finish();
}

function spent({spend}: Asked, decided: Decided): Decided {
  spend?.(decided.key.length + (decided.row?.length ?? 0));
  return decided;
}

/** The decision on a row that exists: `hot` is its bytes, unless it lies in a segment alone. */
function replaced(
  {schema, wantsImages, isWatched}: Asked,
  key: Uint8Array,
  {row, hot}: {row: Row; hot: RowBytes | undefined},
  result: readonly Value[] | 'delete' | 'keep',
): Decided {
  const isShown = wantsImages && (result === 'delete' || result === 'keep');
  const old = hot ?? (isWatched || isShown ? copyOf(schema, row) : undefined);
  const found = {key, before: old, isCold: hot === undefined};
  if (result === 'keep') return {...found, row: undefined, image: old};
  if (result !== 'delete') {
    const version = encodeRow(schema, result, 0);
    return {...found, row: version, image: wantsImages ? whole(version) : undefined};
  }
  const values = schema.columns.map((_, i) => row.value(i));
  return {...found, row: encodeRow(schema, values, FLAG_TOMBSTONE), image: wantsImages ? old : undefined};
}

/** A row of a segment, as memory would hold it. */
function copyOf(schema: Schema, row: Row): RowBytes {
  const values = schema.columns.map((_, i) => row.value(i));
  const buffer = encodeRow(schema, values, 0);
  setRowSeq(buffer, 0, row.seq);
  return whole(buffer);
}

export function whole(buffer: Buffer): RowBytes {
  return {buffer, offset: 0, length: buffer.length};
}

/** What becomes of rows whose keys may be taken, by others or by each other. */
export async function decideInsert(
  asked: Asked,
  rows: readonly (readonly Value[])[],
  onConflict: OnConflict | undefined,
  visit: Visit,
): Promise<Decided[]> {
  const {schema, keys, wantsImages} = asked;
  const {distinct, proposals} = proposalsByKey(keys);
  const decided: (Decided | undefined)[] = rows.map(() => undefined);
  const isTaken = distinct.map(() => false);
  const isCold = distinct.map(() => false);
  await visit(distinct, (row, i, hot) => {
    isCold[i] = hot === undefined;
    if (row.isTombstone) return;
    isTaken[i] = true;
    if (onConflict === 'nothing') return;
    if (onConflict === undefined) throw keyTaken(schema, rows[proposals[i]![0]!]!);
    let isDone = false;
    for (const at of proposals[i]!) {
      if (isDone) throw secondTime(schema, rows[at]!);
      const result = onConflict(row, rows[at]!);
      if (result === undefined) continue;
      isDone = true;
      decided[at] = spent(asked, replaced(asked, distinct[i]!, {row, hot}, result));
    }
  });
  for (const [i, key] of distinct.entries()) {
    if (isTaken[i]) continue;
    const [first, second] = proposals[i]!;
    const row = encodeRow(schema, rows[first!]!, 0);
    const image = wantsImages ? whole(row) : undefined;
    decided[first!] = spent(asked, {key, row, image, before: null, isCold: isCold[i]!});
    if (second === undefined || onConflict === 'nothing') continue;
    throw onConflict === undefined ? keyRepeated(schema, rows[second]!) : secondTime(schema, rows[second]!);
  }
  return decided.filter(one => one !== undefined);
}

/** Keys without repeats, and which rows of the statement propose each, in their order. */
function proposalsByKey(keys: readonly Uint8Array[]): {distinct: Uint8Array[]; proposals: number[][]} {
  const places = new Map<string, number>();
  const distinct: Uint8Array[] = [];
  const proposals: number[][] = [];
  for (const [i, id] of latchIds(keys).entries()) {
    const place = places.get(id);
    if (place !== undefined) {
      proposals[place]!.push(i);
      continue;
    }
    places.set(id, distinct.length);
    distinct.push(keys[i]!);
    proposals.push([i]);
  }
  return {distinct, proposals};
}

/** Keys as texts: one character a byte, so that they have the order of the keys. */
export function latchIds(keys: readonly Uint8Array[]): string[] {
  return keys.map(key => {
    const bytes = key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length);
    return bytes.toString('latin1');
  });
}

export function keyTaken(schema: Schema, values: readonly Value[]): DbError {
  const {name, text} = keyOf(schema, values);
  return fail.alreadyExists(`Primary key violation: value '${text}' already exists in column '${name}'`);
}

export function keyRepeated(schema: Schema, values: readonly Value[]): DbError {
  const {name, text} = keyOf(schema, values);
  return fail.alreadyExists(
    `Primary key violation: value '${text}' appears multiple times in the insert batch for column '${name}'`,
  );
}

function secondTime(schema: Schema, values: readonly Value[]): DbError {
  const {name, text} = keyOf(schema, values);
  return fail.execution(
    `ON CONFLICT DO UPDATE command cannot affect row a second time: value '${text}' of column '${name}' is proposed more than once`,
  );
}

function keyOf({columns, primaryKey}: Schema, values: readonly Value[]): {name: string; text: string} {
  const {name, type} = columns[primaryKey]!;
  return {name, text: valueText(type, values[primaryKey]!)};
}

/** Deletes go on at the hard limit of memory: they are how people make room. */
export function isLive(row: Buffer): boolean {
  return (rowFlags({buffer: row, offset: 0, length: row.length}) & FLAG_TOMBSTONE) === 0;
}

/**
 * For the tests of this room: seeded schemas, values and rows.
 */
import type {DataType, TypeName, Value} from '../model/datatype.ts';
import {compareKeys, encodeKey} from '../model/key-codec.ts';
import type {Incarnation, ScopeKey, UserId} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {encodeRow, FLAG_TOMBSTONE, setRowSeq} from '../model/row-codec.ts';
import type {Column, Schema} from '../model/schema.ts';
import type {Segment} from './segment.ts';

const INCARNATION = 64 as Incarnation;
export const SCOPE: ScopeKey = {incarnation: INCARNATION, owner: 'alice' as UserId};

export function sampleSegment(name: string, change: Partial<Segment> = {}): Segment {
  return {
    name,
    path: `app/items/alice/${name}`,
    storageId: 'local',
    schemaVersion: 1,
    rowCount: 10,
    sizeBytes: 100,
    checksum: 0xabc,
    footerBytes: 50,
    minSeq: 9007199254740993n,
    maxSeq: 9007199254740999n,
    minKey: Buffer.from('A'),
    maxKey: Buffer.from('B'),
    tombstoneCount: 0,
    columnStats: {1: {min: '1', max: '9', nullCount: 0}, 2: {nullCount: 10}},
    createdAt: 5,
    ...change,
  };
}

/** Mulberry32: numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export const ALL_TYPES: readonly DataType[] = [
  ...(['boolean', 'smallint', 'int', 'bigint', 'float', 'double', 'text', 'timestamp', 'datetime'] as const),
  ...(['date', 'time', 'json', 'bytes', 'uuid', 'file'] as const),
]
  .map((name): DataType => ({name}))
  .concat({name: 'embedding', dimension: 3});

export function columnOf(id: number, name: string, type: DataType, initial: Value = null): Column {
  return {id, name, type, isNullable: true, default: {kind: 'none'}, initial};
}

export function schemaOf(columns: readonly Column[], options: {primaryKey?: number; version?: number} = {}): Schema {
  return {
    incarnation: INCARNATION,
    name: {namespace: 'app', table: 'items'},
    kind: 'user',
    version: options.version ?? 1,
    columns,
    primaryKey: options.primaryKey ?? 0,
    options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
    createdAt: 0n,
    updatedAt: 0n,
  };
}

const TEXTS = ['', 'a', 'żółw', '😀 emoji', 'line\nbreak', 'quote " and \\', '\u0000nul', '￿', '𐀀', 'x'.repeat(3000)];
const JSONS = ['{}', '[1,2,{"a":null}]', '"text"', '12345678901234567890', 'null', '{"k":"ü😀"}'];
const INT64 = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 9007199254740993n];
const DOUBLES = [0, -0, 1.5, -1e300, 5e-324, Number.MAX_VALUE, 0.1];

function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

/** Extremes one time in three, plain values else; never null. */
export function randomValue(type: DataType, random: () => number): Exclude<Value, null> {
  const isExtreme = random() < 0.33;
  const integer = (limit: number) => Math.floor(random() * 2 * limit) - limit;
  const generators: Record<TypeName, () => Exclude<Value, null>> = {
    boolean: () => random() < 0.5,
    smallint: () => (isExtreme ? pick(random, [-32768, 32767, 0]) : integer(32768)),
    int: () => (isExtreme ? pick(random, [-(2 ** 31), 2 ** 31 - 1, 0]) : integer(2 ** 31)),
    bigint: () => (isExtreme ? pick(random, INT64) : BigInt(integer(2 ** 50))),
    float: () => Math.fround(isExtreme ? pick(random, [0, -0, 1.5, 3.4e38, 1.4e-45]) : random() * 1000),
    double: () => (isExtreme ? pick(random, DOUBLES) : random() * 1e6),
    decimal: () => randomDecimal(type, random, isExtreme),
    text: () => (isExtreme ? pick(random, TEXTS) : `text ${integer(500)}`),
    timestamp: () =>
      isExtreme ? pick(random, [0n, -1n, 253402300799999999n]) : 1767225600000000n + BigInt(integer(1e12)),
    datetime: () => 1767225600000000n + BigInt(integer(1e12)),
    date: () => (isExtreme ? pick(random, [0, -719162, 2932896]) : integer(20000)),
    time: () => (isExtreme ? pick(random, [0n, 86399999999n]) : BigInt(Math.floor(random() * 86399999999))),
    json: () => pick(random, JSONS),
    bytes: () => Uint8Array.from({length: integer(40) + 40}, () => Math.floor(random() * 256)),
    uuid: () => randomUuid(random),
    embedding: () => Uint8Array.from({length: 12}, (_, i) => (i % 4 === 3 ? 0x3f : Math.floor(random() * 128))),
    file: () => JSON.stringify({id: `f${integer(1000)}`, name: 'ä.png', size: 12}),
  };
  return generators[type.name]();
}

function randomDecimal(type: DataType, random: () => number, isExtreme: boolean): bigint {
  const digits = type.name === 'decimal' ? type.precision : 1;
  const limit = 10n ** BigInt(digits) - 1n;
  if (isExtreme) return pick(random, [limit, -limit, 0n, -1n]);
  return (limit * BigInt(Math.floor(random() * 2 ** 40))) / 2n ** 40n - limit / 2n;
}

function randomUuid(random: () => number): string {
  const hex = Array.from({length: 32}, () => Math.floor(random() * 16).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A row as the tests remember it. */
export interface SampleRow {
  readonly key: Uint8Array;
  readonly seq: bigint;
  readonly isTombstone: boolean;
  readonly values: readonly Value[];
}

export function sampleRow(schema: Schema, values: readonly Value[], seq: bigint, isTombstone = false): SampleRow {
  const key = encodeKey(schema.columns[schema.primaryKey]!.type, values[schema.primaryKey] as Exclude<Value, null>);
  return {key, seq, isTombstone, values};
}

/** Random rows in key order, each key once; a tenth are tombstones, a fifth of the values null. */
export function randomRows(schema: Schema, count: number, random: () => number, firstSeq = 1000n): SampleRow[] {
  const byKey = new Map<string, SampleRow>();
  for (let i = 0; i < count; i++) {
    const values = schema.columns.map((column, index) =>
      index !== schema.primaryKey && random() < 0.2 ? null : randomValue(column.type, random),
    );
    const key = values[schema.primaryKey];
    if (typeof key === 'string') values[schema.primaryKey] = key.slice(0, 200);
    const row = sampleRow(schema, values, firstSeq + BigInt(i), random() < 0.1);
    byKey.set(Buffer.from(row.key).toString('hex'), row);
  }
  return [...byKey.values()].sort((a, b) => compareKeys(a.key, b.key));
}

export function* encodedRows(schema: Schema, rows: Iterable<SampleRow>): Generator<{key: Uint8Array; row: RowBytes}> {
  for (const {key, seq, isTombstone, values} of rows) {
    const bytes = encodeRow(schema, values, isTombstone ? FLAG_TOMBSTONE : 0);
    setRowSeq(bytes, 0, seq);
    // An offset inside a larger buffer, as in a slab.
    const buffer = Buffer.concat([Buffer.alloc(8), bytes]);
    yield {key, row: {buffer, offset: 8, length: bytes.length}};
  }
}

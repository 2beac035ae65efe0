/**
 * Row codec: the bytes of one row version. Log, hot tier and checkpoints hold these same bytes.
 *
 *     u32 length │ u8 flags │ u8 0 │ u16 columns │ i64 seq │ u32 schema version │ columns × u32 mark │ fixed area │ fragment,fragment,…
 *
 * Little endian. A mark is the end of the column's JSON fragment, from the start of the row; bit 31 says that the fragment holds a
 * backslash, bit 30 that the column is null. The fixed area holds the binary values of fixed-width columns, so that a predicate reads a
 * number without parsing. Fragments are separated by commas: all of them are one slice of the wire's row.
 * Laws: names are never stored. `columns` and the schema version are those of the writer; readers match columns by id, read `initial`
 * where the writer had none, and carry values on to the type of today (`evolution.ts`). A row is at most ROW_BYTES_MAX long.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {readWide, writeU16, writeU32, writeWide} from '../std/bytes.ts';
import type {DataType, Value} from './datatype.ts';
import {carried, typePath} from './evolution.ts';
import {type Seq, tableText} from './names.ts';
import type {Row, RowBytes} from './row.ts';
import type {Schema} from './schema.ts';
import {TYPES} from './type-table.ts';
import {fromJson, toJson} from './values.ts';

export const FLAG_TOMBSTONE = 1;
export const FLAG_COLD_PREDECESSOR = 2;
export const ROW_BYTES_MAX = 16 * 1024 * 1024;

const FLAGS_AT = 4;
const COLUMNS_AT = 6;
const SEQ_AT = 8;
const VERSION_AT = 16;
const MARKS_AT = 20;
const BACKSLASH_BIT = 0x8000_0000;
const NULL_BIT = 0x4000_0000;
const END_MASK = 0x3fff_ffff;
const SCRATCH_BYTES = 64 * 1024;

/** Where the columns of one schema lie in its rows. */
interface Layout {
  /** Per column, the place of its binary value from the start of the row; 0 = it has none. */
  readonly fixedAt: readonly number[];
  readonly fragmentsAt: number;
}

const layouts = new WeakMap<Schema, Layout>();

function layoutOf(schema: Schema): Layout {
  const known = layouts.get(schema);
  if (known !== undefined) return known;
  let at = MARKS_AT + 4 * schema.columns.length;
  const fixedAt = schema.columns.map(({type}) => {
    const {fixedBytes} = TYPES[type.name];
    at += fixedBytes;
    return fixedBytes === 0 ? 0 : at - fixedBytes;
  });
  const layout = {fixedAt, fragmentsAt: at};
  layouts.set(schema, layout);
  return layout;
}

/** Rows are built here and then copied out at their exact size. */
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
let marks = new Uint32Array(64);

/** The row with seq 0. `values` are in column order, in memory form. Throws LIMIT_EXCEEDED if it is larger than ROW_BYTES_MAX. */
export function encodeRow(schema: Schema, values: readonly Value[], flags: number): Buffer {
  const {columns} = schema;
  assert(values.length === columns.length, 'a row has one value per column');
  const {fixedAt, fragmentsAt} = layoutOf(schema);
  ensure(fragmentsAt, schema);
  // A few bytes: a loop is quicker than the call into the runtime.
  for (let i = 0; i < fragmentsAt; i++) scratch[i] = 0;
  scratch[FLAGS_AT] = flags;
  writeU16(scratch, COLUMNS_AT, columns.length);
  writeU32(scratch, VERSION_AT, schema.version);
  if (marks.length < columns.length) marks = new Uint32Array(columns.length);
  let body = '';
  for (let i = 0; i < columns.length; i++) {
    const {type} = columns[i]!;
    const value = values[i]!;
    const fragment = toJson(type, value);
    body = i === 0 ? fragment : body + ',' + fragment;
    let mark = body.length;
    if (value === null) mark += NULL_BIT;
    else if (fixedAt[i] !== 0) writeFixed(type, value, fixedAt[i]!);
    else if (typeof value === 'string' && fragment.length !== value.length + 2) mark += BACKSLASH_BIT;
    marks[i] = mark;
  }
  ensure(fragmentsAt + body.length * 3, schema);
  const end = fragmentsAt + scratch.write(body, fragmentsAt, 'utf8');
  if (end > ROW_BYTES_MAX) throw tooLarge(schema);
  settleMarks(columns.length, fragmentsAt, body, end);
  writeU32(scratch, 0, end);
  const row = Buffer.allocUnsafe(end);
  scratch.copy(row, 0, 0, end);
  if (scratch.length > SCRATCH_BYTES * 16) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return row;
}

/** Marks were counted in UTF-16 units from the first fragment; they become bytes from the start of the row. */
function settleMarks(columnCount: number, fragmentsAt: number, body: string, end: number): void {
  const isAscii = end - fragmentsAt === body.length;
  let unitsDone = 0;
  let bytesDone = fragmentsAt;
  for (let i = 0; i < columnCount; i++) {
    const mark = marks[i]!;
    const units = mark & END_MASK;
    bytesDone += isAscii ? units - unitsDone : Buffer.byteLength(body.slice(unitsDone, units));
    unitsDone = units;
    writeU32(scratch, MARKS_AT + 4 * i, mark - units + bytesDone);
  }
}

function ensure(bytes: number, schema: Schema): void {
  if (bytes <= scratch.length) return;
  if (bytes > ROW_BYTES_MAX * 3 + 1024) throw tooLarge(schema);
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes, scratch.length * 2));
  scratch.copy(larger);
  scratch = larger;
}

function tooLarge(schema: Schema): DbError {
  return new DbError('LIMIT_EXCEEDED', `A row of '${tableText(schema.name)}' is larger than ${ROW_BYTES_MAX} bytes.`);
}

function writeFixed(type: DataType, value: Exclude<Value, null>, at: number): void {
  switch (type.name) {
    case 'boolean':
      scratch[at] = value === true ? 1 : 0;
      break;
    case 'smallint':
      scratch.writeInt16LE(value as number, at);
      break;
    case 'int':
    case 'date':
      writeU32(scratch, at, value as number);
      break;
    case 'float':
      scratch.writeFloatLE(value as number, at);
      break;
    case 'double':
      scratch.writeDoubleLE(value as number, at);
      break;
    case 'decimal':
      writeWide(scratch, at, value as bigint);
      writeWide(scratch, at + 8, (value as bigint) >> 64n);
      break;
    default:
      writeWide(scratch, at, value as bigint);
  }
}

function readFixed(type: DataType, buffer: Buffer, at: number): Value {
  switch (type.name) {
    case 'boolean':
      return buffer[at] === 1;
    case 'smallint':
      return buffer.readInt16LE(at);
    case 'int':
    case 'date':
      return buffer.readInt32LE(at);
    case 'float':
      return buffer.readFloatLE(at);
    case 'double':
      return buffer.readDoubleLE(at);
    case 'decimal':
      return (readWide(buffer, at + 8) << 64n) | BigInt.asUintN(64, readWide(buffer, at));
    default:
      return readWide(buffer, at);
  }
}

export function setRowSeq(buffer: Buffer, offset: number, seq: Seq): void {
  writeWide(buffer, offset + SEQ_AT, seq);
}

export function rowSeq(row: RowBytes): Seq {
  return readWide(row.buffer, row.offset + SEQ_AT);
}

export function setRowFlags(buffer: Buffer, offset: number, flags: number): void {
  buffer[offset + FLAGS_AT] = flags;
}

export function rowFlags(row: RowBytes): number {
  return row.buffer[row.offset + FLAGS_AT]!;
}

export function rowSchemaVersion(row: RowBytes): number {
  return row.buffer.readUInt32LE(row.offset + VERSION_AT);
}

/** How rows of one writer's schema are read with the columns of another. */
interface Reading {
  readonly writer: Schema;
  readonly layout: Layout;
  readonly columns: readonly ReadColumn[];
  /** The reader's columns are the writer's, in the same order and of the same types. */
  readonly isIdentity: boolean;
}

interface ReadColumn {
  /** The writer's column, or -1 for one that it did not have. */
  readonly source: number;
  readonly from: DataType;
  readonly to: DataType;
  /** From the one to the other; undefined where they are the same. */
  readonly path: readonly DataType[] | undefined;
  readonly fixedAt: number;
  readonly initial: Value;
  readonly initialJson: string;
}

const readings = new WeakMap<Schema, WeakMap<Schema, Reading>>();

function readingOf(reader: Schema, writer: Schema): Reading {
  let known = readings.get(reader);
  if (known === undefined) {
    known = new WeakMap();
    readings.set(reader, known);
  }
  let reading = known.get(writer);
  if (reading === undefined) {
    reading = newReading(reader, writer);
    known.set(writer, reading);
  }
  return reading;
}

function newReading(reader: Schema, writer: Schema): Reading {
  const layout = layoutOf(writer);
  const columns = reader.columns.map((column): ReadColumn => {
    const {id, type, initial} = column;
    const source = writer.columns.findIndex(written => written.id === id);
    const from = writer.columns[source]?.type ?? type;
    return {
      source,
      from,
      to: type,
      path: typePath(column, writer),
      fixedAt: layout.fixedAt[source] ?? 0,
      initial,
      initialJson: toJson(type, initial),
    };
  });
  const isSame = columns.every((column, i) => column.source === i && column.path === undefined);
  return {writer, layout, columns, isIdentity: isSame && columns.length === writer.columns.length};
}

/** A cursor over row bytes: `at` moves it. What it returned earlier stays valid, itself it shows the last row only. */
export class RowView implements Row {
  readonly #reader: Schema;
  readonly #schemaOf: (version: number) => Schema;
  #reading: Reading;
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(reader: Schema, schemaOf: (version: number) => Schema) {
    this.#reader = reader;
    this.#schemaOf = schemaOf;
    this.#reading = readingOf(reader, reader);
  }

  at(row: RowBytes): this {
    this.#buffer = row.buffer;
    this.#offset = row.offset;
    const version = row.buffer.readUInt32LE(row.offset + VERSION_AT);
    if (version !== this.#reading.writer.version) {
      const writer = version === this.#reader.version ? this.#reader : this.#schemaOf(version);
      this.#reading = readingOf(this.#reader, writer);
    }
    return this;
  }

  get seq(): Seq {
    return readWide(this.#buffer, this.#offset + SEQ_AT);
  }

  get isTombstone(): boolean {
    return (this.#buffer[this.#offset + FLAGS_AT]! & FLAG_TOMBSTONE) !== 0;
  }

  value(column: number): Value {
    const plan = this.#reading.columns[column]!;
    if (plan.source < 0) return plan.initial;
    const buffer = this.#buffer;
    const mark = buffer.readUInt32LE(this.#offset + MARKS_AT + 4 * plan.source);
    if ((mark & NULL_BIT) !== 0) return null;
    const value =
      plan.fixedAt !== 0
        ? readFixed(plan.from, buffer, this.#offset + plan.fixedAt)
        : this.#parsed(plan, this.#offset + (mark & END_MASK), mark >= BACKSLASH_BIT);
    return plan.path === undefined ? value : carried(value, plan.path);
  }

  /** The UTF-8 bytes of a text, json, file or uuid, or null: a view, where the fragment needs no unescaping. */
  textBytes(column: number): Uint8Array | null {
    const plan = this.#reading.columns[column]!;
    if (plan.source >= 0 && plan.path === undefined) {
      const mark = this.#buffer.readUInt32LE(this.#offset + MARKS_AT + 4 * plan.source);
      if ((mark & NULL_BIT) !== 0) return null;
      const end = this.#offset + (mark & END_MASK) - 1;
      if (mark < BACKSLASH_BIT) return this.#buffer.subarray(this.#fragmentStart(plan.source) + 1, end);
    }
    const value = this.value(column);
    return value === null ? null : Buffer.from(value as string, 'utf8');
  }

  json(column: number): string {
    const plan = this.#reading.columns[column]!;
    if (plan.source < 0) return plan.initialJson;
    if (plan.path !== undefined) return toJson(plan.to, this.value(column));
    const end = this.#offset + (this.#buffer.readUInt32LE(this.#offset + MARKS_AT + 4 * plan.source) & END_MASK);
    const start = this.#fragmentStart(plan.source);
    return plan.fixedAt === 0 ? this.#buffer.toString('utf8', start, end) : this.#buffer.toString('latin1', start, end);
  }

  /** The fragments of all columns joined by commas; one slice when the row was written with the reader's columns. */
  jsonRow(): string {
    const {layout, columns, isIdentity} = this.#reading;
    if (!isIdentity) return columns.map((_, column) => this.json(column)).join(',');
    const end = this.#buffer.readUInt32LE(this.#offset);
    return this.#buffer.toString('utf8', this.#offset + layout.fragmentsAt, this.#offset + end);
  }

  #fragmentStart(source: number): number {
    if (source === 0) return this.#offset + this.#reading.layout.fragmentsAt;
    return this.#offset + (this.#buffer.readUInt32LE(this.#offset + MARKS_AT + 4 * (source - 1)) & END_MASK) + 1;
  }

  #parsed(plan: ReadColumn, end: number, hasBackslash: boolean): Value {
    const start = this.#fragmentStart(plan.source);
    if (plan.from.name === 'bytes' || plan.from.name === 'embedding')
      return fromJson(plan.from, this.#buffer.toString('latin1', start, end));
    if (hasBackslash) return JSON.parse(this.#buffer.toString('utf8', start, end)) as string;
    return this.#buffer.toString('utf8', start + 1, end - 1);
  }
}

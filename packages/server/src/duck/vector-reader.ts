/**
 * Vector reader: columns of a result as JSON fragments, exactly those of `toJson`. Runs in the child.
 *
 * A chunk is read column by column: one copy of the column's block, then a loop over a typed array; no object per value. Long texts lie
 * outside of the block and are fetched one by one.
 */
import duckdb, {type Result, type Vector} from '@duckdb/node-bindings';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType} from '../model/datatype.ts';
import {toJson, uuidText} from '../model/values.ts';
import {INLINE_BYTES_MAX, STRING_BYTES, typeId} from './vector-writer.ts';

/** So much of strings that lie together is fetched at once. */
const RUN_BYTES_MAX = 256 * 1024;

/** Puts the fragments of the first `count` values into `out`, and their lengths into the budget. */
export type FragmentReader = (vector: Vector, count: number, out: string[], budget: Budget) => void;

/** So many bytes of answer may still come. */
export class Budget {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Throws LIMIT_EXCEEDED. */
  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken <= this.#limit) return;
    const megabytes = Math.ceil(this.#limit / 1024 ** 2);
    throw new DbError('LIMIT_EXCEEDED', `The answer holds more than ${megabytes} MB; add a LIMIT.`);
  }
}

/** Throws a plain Error if the result's columns are not of these types. */
export function resultReaders(result: Result, outputs: readonly DataType[]): FragmentReader[] {
  const columnCount = duckdb.column_count(result);
  if (columnCount !== outputs.length) throw new Error(`The SQL gives ${columnCount} columns, not ${outputs.length}.`);
  return outputs.map((type, column) => {
    if (!isOfType(result, column, type)) throw new Error(`Column ${column} of the SQL is no ${type.name}.`);
    return fragmentReader(type);
  });
}

function isOfType(result: Result, column: number, type: DataType): boolean {
  if (duckdb.column_type(result, column) !== typeId(type)) return false;
  if (type.name !== 'decimal') return true;
  const logical = duckdb.column_logical_type(result, column);
  return duckdb.decimal_width(logical) === type.precision && duckdb.decimal_scale(logical) === type.scale;
}

function fragmentReader(type: DataType): FragmentReader {
  switch (type.name) {
    case 'boolean':
      return fixed(1, bytes => i => (bytes[i] === 0 ? 'false' : 'true'));
    case 'smallint':
      return fixed(2, bytes => asText(new Int16Array(bytes.buffer, bytes.byteOffset)));
    case 'int':
    case 'date':
      return fixed(4, bytes => asText(new Int32Array(bytes.buffer, bytes.byteOffset)));
    case 'timestamp':
    case 'datetime':
    case 'time':
      return fixed(8, integerText);
    case 'bigint':
      return fixed(8, bytes => {
        const text = integerText(bytes);
        return i => `"${text(i)}"`;
      });
    case 'float':
      return fixed(4, bytes => {
        const values = new Float32Array(bytes.buffer, bytes.byteOffset);
        return i => toJson(type, values[i]!);
      });
    case 'double':
      return fixed(8, bytes => {
        const values = new Float64Array(bytes.buffer, bytes.byteOffset);
        return i => toJson(type, values[i]!);
      });
    case 'decimal':
      return decimalReader(type);
    case 'uuid':
      return fixed(16, bytes => i => `"${readUuid(bytes, i * 16)}"`);
    case 'text':
    case 'json':
    case 'file':
      return strings((bytes, start, end) => JSON.stringify(bytes.toString('utf8', start, end)));
    case 'bytes':
    case 'embedding':
      return strings((bytes, start, end) => toJson(type, bytes.subarray(start, end)));
    default:
      return type satisfies never;
  }
}

/** `bytes` begins where a typed array may begin. */
function fixed(width: number, open: (bytes: Buffer) => (index: number) => string): FragmentReader {
  return (vector, count, out, budget) => {
    const text = open(blockOf(vector, count * width));
    const validity = validityOf(vector, count);
    let length = 0;
    for (let i = 0; i < count; i++) {
      const fragment = isNull(validity, i) ? 'null' : text(i);
      length += fragment.length;
      out[i] = fragment;
    }
    budget.take(length);
  };
}

type ReadOf<Result> = (bytes: Buffer, start: number, end: number) => Result;

function strings(text: ReadOf<string>): FragmentReader {
  return (vector, count, out, budget) => {
    const block = blockOf(vector, count * STRING_BYTES);
    const validity = validityOf(vector, count);
    const long = new Strings(block, validity, count);
    for (let i = 0; i < count; i++) {
      if (isNull(validity, i)) {
        out[i] = 'null';
        continue;
      }
      const length = block.readUInt32LE(i * STRING_BYTES);
      // Before it is copied, and again for what it grew by.
      budget.take(length);
      out[i] = long.read(i, text);
      budget.take(out[i]!.length - length);
    }
  };
}

/**
 * Strings of one vector. Long ones lie outside of its block. Most of them lie one after the other: a run of those is fetched with one call, which costs
 * as much as for one string.
 */
export class Strings {
  readonly #block: Buffer;
  readonly #validity: Uint8Array | null;
  readonly #count: number;
  #run: Buffer = Buffer.alloc(0);
  #runAddress = 0;

  constructor(block: Buffer, validity: Uint8Array | null, count: number) {
    this.#block = block;
    this.#validity = validity;
    this.#count = count;
  }

  /** The string at a place that is not null. */
  read<Result>(index: number, read: ReadOf<Result>): Result {
    const at = index * STRING_BYTES;
    const length = this.#block.readUInt32LE(at);
    if (length <= INLINE_BYTES_MAX) return read(this.#block, at + 4, at + 4 + length);
    let start = this.#address(index) - this.#runAddress;
    if (start < 0 || start + length > this.#run.length) {
      this.#fetch(index, length);
      start = 0;
    }
    return read(this.#run, start, start + length);
  }

  #fetch(index: number, length: number): void {
    this.#runAddress = this.#address(index);
    let end = this.#runAddress + length;
    for (let next = index + 1; next < this.#count && end - this.#runAddress < RUN_BYTES_MAX; next++) {
      if (isNull(this.#validity, next)) continue;
      const nextLength = this.#block.readUInt32LE(next * STRING_BYTES);
      if (nextLength <= INLINE_BYTES_MAX) continue;
      if (this.#address(next) !== end || nextLength > RUN_BYTES_MAX) break;
      end += nextLength;
    }
    const {buffer, byteOffset} = this.#block;
    const pointerAt = byteOffset + index * STRING_BYTES + 8;
    const bytes = duckdb.get_data_from_pointer(buffer as ArrayBuffer, pointerAt, end - this.#runAddress);
    this.#run = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Exact: addresses have 48 bits. */
  #address(index: number): number {
    const at = index * STRING_BYTES + 8;
    return this.#block.readUInt32LE(at + 4) * 2 ** 32 + this.#block.readUInt32LE(at);
  }
}

export function blockOf(vector: Vector, byteCount: number): Buffer {
  const bytes = duckdb.vector_get_data(vector, byteCount);
  return Buffer.from(bytes.buffer, bytes.byteOffset, byteCount);
}

/** Null when all values are there. */
export function validityOf(vector: Vector, count: number): Uint8Array | null {
  return duckdb.vector_get_validity(vector, Math.ceil(count / 64) * 8) as Uint8Array | null;
}

export function isNull(validity: Uint8Array | null, index: number): boolean {
  return validity !== null && (validity[index >> 3]! & (1 << (index & 7))) === 0;
}

function asText(values: ArrayLike<number>): (index: number) => string {
  return i => String(values[i]);
}

/** 64-bit integers; those that a number holds exactly are not made into bigints. */
function integerText(bytes: Buffer): (index: number) => string {
  const high = new Int32Array(bytes.buffer, bytes.byteOffset);
  const low = new Uint32Array(bytes.buffer, bytes.byteOffset);
  return i => {
    const top = high[2 * i + 1]!;
    if (top >= -SAFE_HIGH && top < SAFE_HIGH) return String(top * 2 ** 32 + low[2 * i]!);
    return String((BigInt(top) << 32n) | BigInt(low[2 * i]!));
  };
}

const SAFE_HIGH = 2 ** 21;

function decimalReader(type: DataType & {name: 'decimal'}): FragmentReader {
  const {precision} = type;
  if (precision <= 4) {
    return fixed(2, bytes => {
      const values = new Int16Array(bytes.buffer, bytes.byteOffset);
      return i => toJson(type, BigInt(values[i]!));
    });
  }
  if (precision <= 9) {
    return fixed(4, bytes => {
      const values = new Int32Array(bytes.buffer, bytes.byteOffset);
      return i => toJson(type, BigInt(values[i]!));
    });
  }
  if (precision <= 18) {
    return fixed(8, bytes => {
      const values = new BigInt64Array(bytes.buffer, bytes.byteOffset);
      return i => toJson(type, values[i]!);
    });
  }
  return fixed(16, bytes => {
    const values = new BigInt64Array(bytes.buffer, bytes.byteOffset);
    return i => toJson(type, (values[2 * i + 1]! << 64n) | BigInt.asUintN(64, values[2 * i]!));
  });
}

/** See `UuidWriter`. */
export function readUuid(bytes: Buffer, at: number): string {
  let hex = '';
  for (let i = 15; i >= 0; i--) hex += HEX[i === 15 ? bytes[at + i]! ^ 0x80 : bytes[at + i]!];
  return uuidText(hex);
}

const HEX = Array.from({length: 256}, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Vector writer: values of ours into the vectors that DuckDB hands to a table function. Runs in the child, on little-endian machines, as
 * DuckDB does.
 *
 * A writer collects the values of one column in memory of its own, kept from chunk to chunk, and copies them over as one block. Texts of
 * up to 12 bytes lie in the block itself; longer ones are handed over one by one.
 */
import duckdb, {type LogicalType, type Vector} from '@duckdb/node-bindings';
import type {DataType, Value} from '../model/datatype.ts';
import type {RowView} from '../model/row-codec.ts';
import {type DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';

export const CHUNK_ROWS = duckdb.vector_size();
const VALIDITY_BYTES = Math.ceil(CHUNK_ROWS / 64) * 8;
/** `duckdb_string_t`: the length, then 12 bytes of the text, or 4 of them and a pointer. */
export const STRING_BYTES = 16;
export const INLINE_BYTES_MAX = 12;

/** A row, or one value. */
export type ColumnView = Pick<RowView, 'value' | 'textBytes' | 'seq' | 'isTombstone'>;

export interface ColumnWriter {
  /** Takes the value of `column` in the view's row as the value at `index`. Each index is given once, ascending. */
  write(index: number, view: ColumnView, column: number): void;
  /** Copies what was taken to the vector and starts again. */
  flush(vector: Vector, count: number): void;
}

const {Type} = duckdb;
const SIMPLE_TYPES: Readonly<Record<Exclude<DataType['name'], 'decimal'>, number>> = {
  boolean: Type.BOOLEAN,
  smallint: Type.SMALLINT,
  int: Type.INTEGER,
  bigint: Type.BIGINT,
  float: Type.FLOAT,
  double: Type.DOUBLE,
  text: Type.VARCHAR,
  json: Type.VARCHAR,
  file: Type.VARCHAR,
  timestamp: Type.TIMESTAMP,
  datetime: Type.TIMESTAMP,
  date: Type.DATE,
  time: Type.TIME,
  bytes: Type.BLOB,
  embedding: Type.BLOB,
  uuid: Type.UUID,
};

/** DuckDB's number of the type that `duckType` names. */
export function typeId(type: DataType): number {
  return type.name === 'decimal' ? Type.DECIMAL : SIMPLE_TYPES[type.name];
}

export function logicalType(type: DataType): LogicalType {
  if (type.name === 'decimal') return duckdb.create_decimal_type(type.precision, type.scale);
  return duckdb.create_logical_type(typeId(type));
}

export function columnWriter(type: DataType): ColumnWriter {
  switch (type.name) {
    case 'boolean':
      return new FixedWriter(new Uint8Array(CHUNK_ROWS), value => (value === true ? 1 : 0));
    case 'smallint':
      return new FixedWriter(new Int16Array(CHUNK_ROWS), value => value as number);
    case 'int':
    case 'date':
      return new FixedWriter(new Int32Array(CHUNK_ROWS), value => value as number);
    case 'float':
      return new FixedWriter(new Float32Array(CHUNK_ROWS), value => value as number);
    case 'double':
      return new FixedWriter(new Float64Array(CHUNK_ROWS), value => value as number);
    case 'bigint':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return new FixedWriter(new BigInt64Array(CHUNK_ROWS), value => value as bigint);
    case 'decimal':
      return decimalWriter(type.precision);
    case 'uuid':
      return new UuidWriter();
    case 'text':
    case 'json':
    case 'file':
      return new BytesWriter((view, column) => view.textBytes(column));
    case 'bytes':
    case 'embedding':
      return new BytesWriter((view, column) => view.value(column) as Uint8Array | null);
    default:
      return type satisfies never;
  }
}

function decimalWriter(precision: number): ColumnWriter {
  if (precision <= 4) return new FixedWriter(new Int16Array(CHUNK_ROWS), Number);
  if (precision <= 9) return new FixedWriter(new Int32Array(CHUNK_ROWS), Number);
  if (precision <= 18) return new FixedWriter(new BigInt64Array(CHUNK_ROWS), value => value as bigint);
  return new HugeWriter();
}

/** Which values of a chunk are there: a bit per value, set for all at first. */
class Validity {
  readonly #bits = new Uint8Array(VALIDITY_BYTES).fill(0xff);
  #hasNull = false;

  setNull(index: number): void {
    this.#bits[index >> 3]! &= ~(1 << (index & 7));
    this.#hasNull = true;
  }

  flush(vector: Vector, count: number): void {
    if (!this.#hasNull) return;
    duckdb.vector_ensure_validity_writable(vector);
    duckdb.copy_data_to_vector_validity(vector, 0, this.#bits.buffer, 0, Math.ceil(count / 64) * 8);
    this.#bits.fill(0xff);
    this.#hasNull = false;
  }
}

type FixedArray<Element> = {[index: number]: Element; readonly buffer: ArrayBuffer; readonly BYTES_PER_ELEMENT: number};

class FixedWriter<Element extends number | bigint> implements ColumnWriter {
  readonly #values: FixedArray<Element>;
  readonly #convert: (value: Value) => Element;
  readonly #validity = new Validity();

  constructor(values: FixedArray<Element>, convert: (value: Value) => Element) {
    this.#values = values;
    this.#convert = convert;
  }

  write(index: number, view: ColumnView, column: number): void {
    const value = view.value(column);
    if (value === null) this.#validity.setNull(index);
    else this.#values[index] = this.#convert(value);
  }

  flush(vector: Vector, count: number): void {
    const {buffer, BYTES_PER_ELEMENT} = this.#values;
    duckdb.copy_data_to_vector(vector, 0, buffer, 0, count * BYTES_PER_ELEMENT);
    this.#validity.flush(vector, count);
  }
}

/** The system columns, which are no columns of the view. */
export class SystemWriter implements ColumnWriter {
  readonly #isSeq: boolean;
  readonly #seqs = new BigInt64Array(CHUNK_ROWS);
  readonly #flags = new Uint8Array(CHUNK_ROWS);

  constructor(column: typeof SEQ_INDEX | typeof DELETED_INDEX) {
    this.#isSeq = column === SEQ_INDEX;
  }

  write(index: number, view: ColumnView): void {
    if (this.#isSeq) this.#seqs[index] = view.seq;
    else this.#flags[index] = view.isTombstone ? 1 : 0;
  }

  flush(vector: Vector, count: number): void {
    if (this.#isSeq) duckdb.copy_data_to_vector(vector, 0, this.#seqs.buffer, 0, count * 8);
    else duckdb.copy_data_to_vector(vector, 0, this.#flags.buffer, 0, count);
  }
}

/** 128-bit integers: decimals of more than 18 digits. */
class HugeWriter implements ColumnWriter {
  readonly #values = new BigInt64Array(CHUNK_ROWS * 2);
  readonly #validity = new Validity();

  write(index: number, view: ColumnView, column: number): void {
    const value = view.value(column) as bigint | null;
    if (value === null) {
      this.#validity.setNull(index);
      return;
    }
    this.#values[2 * index] = value;
    this.#values[2 * index + 1] = value >> 64n;
  }

  flush(vector: Vector, count: number): void {
    duckdb.copy_data_to_vector(vector, 0, this.#values.buffer, 0, count * 16);
    this.#validity.flush(vector, count);
  }
}

/** A UUID is a signed number of 128 bits to DuckDB: bytes from the last to the first, the highest bit flipped. */
class UuidWriter implements ColumnWriter {
  readonly #values = new Uint8Array(CHUNK_ROWS * 16);
  readonly #validity = new Validity();

  write(index: number, view: ColumnView, column: number): void {
    const text = view.textBytes(column);
    if (text === null) {
      this.#validity.setNull(index);
      return;
    }
    let at = index * 16 + 15;
    for (let i = 0; i < text.length; i += 2) {
      if (text[i] === HYPHEN) i++;
      this.#values[at--] = (hexDigit(text[i]!) << 4) | hexDigit(text[i + 1]!);
    }
    this.#values[index * 16 + 15]! ^= 0x80;
  }

  flush(vector: Vector, count: number): void {
    duckdb.copy_data_to_vector(vector, 0, this.#values.buffer, 0, count * 16);
    this.#validity.flush(vector, count);
  }
}

const HYPHEN = 0x2d;

function hexDigit(char: number): number {
  return char <= 0x39 ? char - 0x30 : char - 0x57;
}

class BytesWriter implements ColumnWriter {
  readonly #read: (view: ColumnView, column: number) => Uint8Array | null;
  readonly #strings = new Uint8Array(CHUNK_ROWS * STRING_BYTES);
  readonly #lengths = new Uint32Array(this.#strings.buffer);
  readonly #validity = new Validity();
  readonly #longAt: number[] = [];
  readonly #long: Uint8Array[] = [];

  constructor(read: (view: ColumnView, column: number) => Uint8Array | null) {
    this.#read = read;
  }

  write(index: number, view: ColumnView, column: number): void {
    const bytes = this.#read(view, column);
    const at = index * STRING_BYTES;
    this.#strings.fill(0, at, at + STRING_BYTES);
    if (bytes === null) {
      this.#validity.setNull(index);
    } else if (bytes.length > INLINE_BYTES_MAX) {
      this.#longAt.push(index);
      this.#long.push(bytes);
    } else {
      this.#lengths[at >> 2] = bytes.length;
      for (let i = 0; i < bytes.length; i++) this.#strings[at + 4 + i] = bytes[i]!;
    }
  }

  flush(vector: Vector, count: number): void {
    duckdb.copy_data_to_vector(vector, 0, this.#strings.buffer, 0, count * STRING_BYTES);
    for (let i = 0; i < this.#long.length; i++) {
      duckdb.vector_assign_string_element_len(vector, this.#longAt[i]!, this.#long[i]!);
    }
    this.#longAt.length = 0;
    this.#long.length = 0;
    this.#validity.flush(vector, count);
  }
}

/** Vector values: arguments of a call as values in memory form. Runs in the child. */
import type {Vector} from '@duckdb/node-bindings';
import type {DataType, Value} from '../model/datatype.ts';
import {blockOf, isNull, readUuid, Strings, validityOf} from './vector-reader.ts';
import {STRING_BYTES} from './vector-writer.ts';

/** The values of one vector, by their places. */
export type ValueReader = (vector: Vector, count: number) => (index: number) => Value;

export function valueReader(type: DataType): ValueReader {
  switch (type.name) {
    case 'boolean':
      return fixed(1, bytes => i => bytes[i] !== 0);
    case 'smallint':
      return fixed(2, bytes => typed(new Int16Array(bytes.buffer, bytes.byteOffset)));
    case 'int':
    case 'date':
      return fixed(4, bytes => typed(new Int32Array(bytes.buffer, bytes.byteOffset)));
    case 'bigint':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return fixed(8, bytes => typed(new BigInt64Array(bytes.buffer, bytes.byteOffset)));
    case 'float':
      return fixed(4, bytes => typed(new Float32Array(bytes.buffer, bytes.byteOffset)));
    case 'double':
      return fixed(8, bytes => typed(new Float64Array(bytes.buffer, bytes.byteOffset)));
    case 'decimal':
      return decimals(type.precision);
    case 'uuid':
      return fixed(16, bytes => i => readUuid(bytes, i * 16));
    case 'text':
    case 'json':
    case 'file':
      return strings((bytes, start, end) => bytes.toString('utf8', start, end));
    case 'bytes':
    case 'embedding':
      return strings((bytes, start, end) => new Uint8Array(bytes.subarray(start, end)));
    default:
      return type satisfies never;
  }
}

function fixed(width: number, open: (bytes: Buffer) => (index: number) => Value): ValueReader {
  return (vector, count) => {
    const read = open(blockOf(vector, count * width));
    const validity = validityOf(vector, count);
    return validity === null ? read : i => (isNull(validity, i) ? null : read(i));
  };
}

function typed(values: {readonly [index: number]: number | bigint}): (index: number) => Value {
  return i => values[i]!;
}

function decimals(precision: number): ValueReader {
  if (precision <= 4) return fixed(2, bytes => whole(new Int16Array(bytes.buffer, bytes.byteOffset)));
  if (precision <= 9) return fixed(4, bytes => whole(new Int32Array(bytes.buffer, bytes.byteOffset)));
  if (precision <= 18) return fixed(8, bytes => typed(new BigInt64Array(bytes.buffer, bytes.byteOffset)));
  return fixed(16, bytes => {
    const values = new BigInt64Array(bytes.buffer, bytes.byteOffset);
    return i => (values[2 * i + 1]! << 64n) | BigInt.asUintN(64, values[2 * i]!);
  });
}

function whole(values: {readonly [index: number]: number}): (index: number) => Value {
  return i => BigInt(values[i]!);
}

function strings(read: (bytes: Buffer, start: number, end: number) => Value): ValueReader {
  return (vector, count) => {
    const validity = validityOf(vector, count);
    const texts = new Strings(blockOf(vector, count * STRING_BYTES), validity, count);
    return i => (isNull(validity, i) ? null : texts.read(i, read));
  };
}

/**
 * Column codec: how each SQL type lies in Parquet, and how its physical values become memory values again. Pure.
 *
 * The reader library turns decimals into doubles and microseconds into milliseconds; so it is only ever asked for physical values
 * (`physicalElement` hides the annotations from it) and the conversions are here. Other programs see the annotated types.
 * Law: fromPhysical(toPhysical(v)) is v for every value of the type, except that lone surrogates in text become U+FFFD.
 */
import type {SchemaElement} from 'hyparquet';
import type {DataType, Value} from '../model/datatype.ts';
import type {Column} from '../model/schema.ts';
import {uuidText} from '../model/values.ts';

/** Decimals up to this precision fit INT64. */
const INT64_DIGITS = 18;

/** What a page holds: one value of a Parquet physical type. Text may also be handed to the writer as a string. */
export type Physical = boolean | number | bigint | string | Uint8Array | null | undefined;

/** The annotated schema element of a column. Keys are required, all else is optional. */
export function annotatedElement(column: Column, isKey: boolean): SchemaElement {
  return {
    name: column.name,
    field_id: column.id,
    repetition_type: isKey ? 'REQUIRED' : 'OPTIONAL',
    ...annotations(column.type),
  };
}

function annotations(type: DataType): Partial<SchemaElement> & Pick<Required<SchemaElement>, 'type'> {
  switch (type.name) {
    case 'boolean':
      return {type: 'BOOLEAN'};
    case 'smallint':
      return {type: 'INT32', converted_type: 'INT_16'};
    case 'int':
      return {type: 'INT32'};
    case 'bigint':
      return {type: 'INT64'};
    case 'float':
      return {type: 'FLOAT'};
    case 'double':
      return {type: 'DOUBLE'};
    case 'decimal': {
      const {precision, scale} = type;
      const decimal = {converted_type: 'DECIMAL', precision, scale} as const;
      if (precision <= INT64_DIGITS) return {type: 'INT64', ...decimal};
      return {type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, ...decimal};
    }
    case 'timestamp':
      return {type: 'INT64', logical_type: {type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS'}};
    case 'datetime':
      return {type: 'INT64', logical_type: {type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS'}};
    case 'date':
      return {type: 'INT32', converted_type: 'DATE'};
    case 'time':
      return {type: 'INT64', logical_type: {type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS'}};
    case 'uuid':
      return {type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: {type: 'UUID'}};
    case 'bytes':
      return {type: 'BYTE_ARRAY'};
    case 'embedding':
      return {type: 'FIXED_LEN_BYTE_ARRAY', type_length: 4 * type.dimension};
    case 'text':
    case 'json':
    case 'file':
      return {type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: {type: 'STRING'}};
    default:
      return type satisfies never;
  }
}

/** Types whose values have no order worth pruning by. */
export function isOrdered(type: DataType): boolean {
  return !['json', 'file', 'bytes', 'embedding'].includes(type.name);
}

/** The value as the Parquet writer wants it. */
export function toPhysical(type: DataType, value: Value): Physical {
  if (value === null) return null;
  switch (type.name) {
    case 'text':
    case 'json':
    case 'file':
      return (value as string).toWellFormed();
    case 'uuid':
      return Buffer.from((value as string).replaceAll('-', ''), 'hex');
    default:
      return value;
  }
}

/** A value from a page, or from the bounds in the footer, in memory form. */
export function fromPhysical(type: DataType, raw: Physical): Value {
  if (raw === null || raw === undefined) return null;
  switch (type.name) {
    case 'text':
    case 'json':
    case 'file':
      return asBuffer(raw as Uint8Array).toString('utf8');
    case 'uuid':
      return uuidText(asBuffer(raw as Uint8Array).toString('hex'));
    case 'bytes':
    case 'embedding':
      return (raw as Uint8Array).slice();
    case 'decimal':
      return raw instanceof Uint8Array ? signed128(raw) : (raw as bigint);
    default:
      return raw;
  }
}

/** Bounds in the footer lie as plain-encoded bytes. Undefined if they are not of the type's form. */
export function fromStatistic(type: DataType, bytes: Uint8Array | undefined): Value | undefined {
  if (bytes === undefined) return undefined;
  const {type: physical} = annotations(type);
  const buffer = asBuffer(bytes);
  if (physical === 'BYTE_ARRAY') return fromPhysical(type, bytes);
  if (physical === 'FIXED_LEN_BYTE_ARRAY') return buffer.length === 16 ? fromPhysical(type, bytes) : undefined;
  if (physical === 'BOOLEAN') return buffer.length === 1 ? buffer[0] === 1 : undefined;
  if (physical === 'INT32') return buffer.length === 4 ? buffer.readInt32LE(0) : undefined;
  if (physical === 'INT64') return buffer.length === 8 ? buffer.readBigInt64LE(0) : undefined;
  if (physical === 'FLOAT') return buffer.length === 4 ? buffer.readFloatLE(0) : undefined;
  return buffer.length === 8 ? buffer.readDoubleLE(0) : undefined;
}

/** Whether a value read back is the value that was written. */
export function isSameValue(type: DataType, written: Value, read: Value): boolean {
  if (written === null || read === null) return written === read;
  if (written instanceof Uint8Array) return read instanceof Uint8Array && asBuffer(written).equals(read);
  if (typeof written === 'string' && type.name !== 'uuid') return written === read || written.toWellFormed() === read;
  if (type.name === 'float') return Object.is(Math.fround(written as number), read);
  return Object.is(written, read);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function signed128(bytes: Uint8Array): bigint {
  const buffer = asBuffer(bytes);
  return (buffer.readBigInt64BE(0) << 64n) | buffer.readBigUInt64BE(8);
}

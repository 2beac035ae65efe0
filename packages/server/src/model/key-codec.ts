/**
 * Key codec: primary-key values as bytes whose order is the order of the values.
 *
 *     integers, moments   8 bytes big endian, sign bit flipped
 *     decimal             16 bytes, the unscaled number likewise
 *     float, double       8 bytes IEEE; all bits flipped if negative, else the sign bit; −0 is written as 0
 *     text, json, file    UTF-8       uuid  its 16 bytes       bytes  as they are       boolean  0 or 1
 *
 * Laws: compareKeys(encodeKey(a), encodeKey(b)) has the sign of compareValues(a, b); decodeKey inverts encodeKey. A longer key than
 * KEY_BYTES_MAX is refused.
 */
import assert from 'node:assert/strict';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {writeOrdered} from '../std/bytes.ts';
import type {DataType, Value} from './datatype.ts';
import {uuidText} from './values.ts';

export const KEY_BYTES_MAX = 1024;

const SIGN_64 = 1n << 63n;
const SIGN_128 = 1n << 127n;
const SIGN_32 = 0x8000_0000;
/** Up to here a loop is quicker than the call into the runtime. */
const LOOP_BYTES_MAX = 48;

export function encodeKey(type: DataType, value: Value): Uint8Array {
  assert(value !== null, 'a primary key is never null');
  switch (type.name) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0);
    case 'smallint':
    case 'int':
    case 'date':
      return encodeNumber(value as number);
    case 'bigint':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return encodeBigint(value as bigint);
    case 'float':
      return encodeFloat(Math.fround(value as number));
    case 'double':
      return encodeFloat(value as number);
    case 'decimal': {
      const unsigned = (value as bigint) + SIGN_128;
      const key = Buffer.allocUnsafe(16);
      key.writeBigUInt64BE(unsigned >> 64n, 0);
      key.writeBigUInt64BE(BigInt.asUintN(64, unsigned), 8);
      return key;
    }
    case 'uuid':
      return Buffer.from((value as string).replaceAll('-', ''), 'hex');
    case 'text':
    case 'json':
    case 'file':
      return checkLength(Buffer.from(value as string, 'utf8'));
    case 'bytes':
    case 'embedding':
      return checkLength(Uint8Array.from(value as Uint8Array));
    default:
      return type satisfies never;
  }
}

export function decodeKey(type: DataType, bytes: Uint8Array): Value {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (type.name) {
    case 'boolean':
      return key[0] === 1;
    case 'smallint':
    case 'int':
    case 'date':
      return key.readUInt32BE(4) | 0;
    case 'bigint':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return key.readBigUInt64BE(0) - SIGN_64;
    case 'float':
    case 'double':
      return decodeFloat(key);
    case 'decimal':
      return ((key.readBigUInt64BE(0) << 64n) | key.readBigUInt64BE(8)) - SIGN_128;
    case 'uuid':
      return uuidText(key.toString('hex', 0, 16));
    case 'text':
    case 'json':
    case 'file':
      return key.toString('utf8');
    case 'bytes':
    case 'embedding':
      return new Uint8Array(key);
    default:
      return type satisfies never;
  }
}

/** Byte by byte, unsigned; a shorter key comes first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  if (length > LOOP_BYTES_MAX) return Buffer.compare(a, b);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** 32-bit integers in the form of 64-bit ones, so that widening a column keeps its keys. */
function encodeNumber(value: number): Uint8Array {
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(value < 0 ? SIGN_32 - 1 : SIGN_32, 0);
  key.writeInt32BE(value, 4);
  return key;
}

function encodeBigint(value: bigint): Uint8Array {
  const key = Buffer.allocUnsafe(8);
  writeOrdered(key, 0, value);
  return key;
}

function encodeFloat(value: number): Uint8Array {
  const key = Buffer.allocUnsafe(8);
  key.writeDoubleBE(value === 0 ? 0 : value, 0);
  if (key[0]! >= 0x80) for (let i = 0; i < 8; i++) key[i] = ~key[i]!;
  else key[0]! |= 0x80;
  return key;
}

function decodeFloat(key: Buffer): number {
  const bits = Buffer.from(key.subarray(0, 8));
  if (bits[0]! >= 0x80) bits[0]! &= 0x7f;
  else for (let i = 0; i < 8; i++) bits[i] = ~bits[i]!;
  return bits.readDoubleBE(0);
}

function checkLength<T extends Uint8Array>(key: T): T {
  if (key.length <= KEY_BYTES_MAX) return key;
  throw new DbError(
    'LIMIT_EXCEEDED',
    `A primary key value has ${key.length} bytes; the limit is ${KEY_BYTES_MAX} bytes.`,
  );
}

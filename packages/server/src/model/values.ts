/**
 * Values: from text, from and to the wire, from type to type, and their order.
 *
 *     literal text ─ parseText → value in memory ─ toJson → fragment on the wire and in rows ─ fromJson → the same value
 *
 * Laws: fromJson(toJson(v)) is v for every value of the type, save that −0 becomes 0 and lone surrogates in text become U+FFFD. Equal
 * values have equal fragments. `compareValues` orders as the bytes of `key-codec.ts` do. A value that does not fit is an error, never cut.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from './datatype.ts';
import {decimalText, parseDecimal, rescale} from './decimals.ts';
import {isDeeper} from './json-text.ts';
import {
  dateText,
  daysOfTimestamp,
  MICROS_PER_DAY,
  parseDate,
  parseTime,
  parseTimestamp,
  timestampText,
  timeText,
} from './moments.ts';
import {cannotCast, sameType} from './type-table.ts';

/** Levels of a JSON document; whoever walks it may recurse. */
const JSON_DEPTH_MAX = 1000;
const INTEGER_TEXT = /^[+-]?\d{1,100}$/;
const FLOAT_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX_BYTES = /^(?:[0-9a-fA-F]{2})*$/;
const BOOLEAN_WORDS: Readonly<Record<string, boolean>> = {
  ...{true: true, t: true, yes: true, y: true, on: true, '1': true},
  ...{false: false, f: false, no: false, n: false, off: false, '0': false},
};
const INTEGER_RANGES = {
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  date: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
  timestamp: [-(2n ** 63n), 2n ** 63n - 1n],
  datetime: [-(2n ** 63n), 2n ** 63n - 1n],
  time: [0n, MICROS_PER_DAY - 1n],
} as const;
type IntegerName = keyof typeof INTEGER_RANGES;

/** The value as a wire fragment. 64-bit integers and decimals are quoted, moments are plain integers. */
export function toJson(type: DataType, value: Value): string {
  if (value === null) return 'null';
  switch (type.name) {
    case 'text':
    case 'json':
    case 'file':
      return JSON.stringify(wellFormed(value as string));
    case 'bigint':
      return `"${value}"`;
    case 'decimal':
      return `"${decimalText(value as bigint, type.scale)}"`;
    case 'uuid':
      return `"${value}"`;
    case 'float':
    case 'double':
      return floatText(type.name, value as number);
    case 'bytes':
      return `[${(value as Uint8Array).join(',')}]`;
    case 'embedding':
      return embeddingText(value as Uint8Array);
    case 'boolean':
    case 'smallint':
    case 'int':
    case 'date':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return String(value);
    default:
      return type satisfies never;
  }
}

/** The value of a fragment that `toJson` made. */
export function fromJson(type: DataType, fragment: string): Value {
  if (fragment === 'null') return null;
  switch (type.name) {
    case 'text':
    case 'json':
    case 'file':
      return fragment.includes('\\') ? (JSON.parse(fragment) as string) : fragment.slice(1, -1);
    case 'bigint':
      return BigInt(fragment.slice(1, -1));
    case 'decimal':
      return BigInt(fragment.slice(1, -1).replace('.', ''));
    case 'uuid':
      return fragment.slice(1, -1);
    case 'float':
      return Math.fround(Number(fragment));
    case 'double':
    case 'smallint':
    case 'int':
    case 'date':
      return Number(fragment);
    case 'timestamp':
    case 'datetime':
    case 'time':
      return BigInt(fragment);
    case 'bytes':
      return Uint8Array.from(JSON.parse(fragment) as number[]);
    case 'embedding':
      return embeddingOf(JSON.parse(fragment) as number[]);
    case 'boolean':
      return fragment === 'true';
    default:
      return type satisfies never;
  }
}

/** The values of a JSON array of such fragments, one of each type. */
export function fromJsonArray(types: readonly DataType[], array: string): Value[] {
  return jsonFragments(array).map((fragment, i) => fromJson(types[i]!, fragment));
}

/** The fragments themselves. */
export function jsonFragments(array: string): string[] {
  const fragments: string[] = [];
  for (let at = 1; at < array.length - 1; ) {
    const from = at;
    if (array[at] === '"') {
      at++;
      while (array[at] !== '"') at += array[at] === '\\' ? 2 : 1;
      at++;
    } else if (array[at] === '[') at = array.indexOf(']', at) + 1;
    else {
      const comma = array.indexOf(',', at);
      at = comma < 0 ? array.length - 1 : comma;
    }
    fragments.push(array.slice(from, at));
    at++;
  }
  return fragments;
}

/** A literal as a value of the type. Throws the cast error of `type-table.ts` if it is none. */
export function parseText(type: DataType, text: string): Value {
  const value = readText(type, text);
  if (value === undefined) throw cannotCast(text, type);
  return value;
}

function readText(type: DataType, text: string): Value | undefined {
  switch (type.name) {
    case 'text':
      return wellFormed(text);
    case 'file':
      return isFileReference(text) ? wellFormed(text) : undefined;
    case 'json':
      return isJson(text) ? wellFormed(text) : undefined;
    case 'boolean':
      return readBoolean(text.trim().toLowerCase());
    case 'smallint':
    case 'int':
    case 'bigint':
      return readInteger(type.name, text.trim());
    case 'float':
    case 'double':
      return readFloat(type.name, text.trim());
    case 'decimal':
      return parseDecimal(text.trim(), type.precision, type.scale);
    case 'timestamp':
    case 'datetime':
      return parseTimestamp(text.trim());
    case 'date':
      return parseDate(text.trim());
    case 'time':
      return parseTime(text.trim());
    case 'uuid':
      return readUuid(text);
    case 'bytes':
      return readBytes(text);
    case 'embedding':
      return readEmbedding(text, type.dimension);
    default:
      return type satisfies never;
  }
}

function isJson(text: string): boolean {
  return parsedJson(text) !== undefined;
}

/** undefined: no JSON, or deeper than a document may be. */
function parsedJson(text: string): unknown {
  if (isDeeper(text, JSON_DEPTH_MAX)) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** `{"id":…,"sub":…,"name":…,"size":…,"mime":…,"sha256":…}`, as an upload makes it. */
function isFileReference(text: string): boolean {
  const document = parsedJson(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return false;
  const facts = document as Record<string, unknown>;
  const areTexts = ['id', 'sub', 'name', 'mime', 'sha256'].every(key => typeof facts[key] === 'string');
  return areTexts && Number.isSafeInteger(facts['size']) && (facts['size'] as number) >= 0;
}

function readEmbedding(text: string, dimension: number): Uint8Array | undefined {
  const list = embeddingElements(text);
  if (list === undefined) return undefined;
  if (list.length !== dimension)
    throw fail.invalidOperation(`EMBEDDING(${dimension}) expects ${dimension} numbers, got ${list.length}`);
  const numbers = list.map(one => finite('float', one ?? 0));
  return numbers.every(one => one !== undefined) ? embeddingOf(numbers) : undefined;
}

/** Undefined of what is no JSON array of numbers and nulls. */
export function embeddingElements(text: string): readonly (number | null)[] | undefined {
  const list = parsedJson(text);
  if (!Array.isArray(list) || !list.every(one => one === null || typeof one === 'number')) return undefined;
  return list;
}

/** −0 is 0, so that equal elements have equal bytes. */
function embeddingOf(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, one] of numbers.entries()) view.setFloat32(i * 4, one === 0 ? 0 : one, true);
  return bytes;
}

function embeddingText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = Array.from({length: bytes.length / 4}, (_, i) => floatText('float', view.getFloat32(i * 4, true)));
  return `[${numbers.join(',')}]`;
}

function readBoolean(word: string): boolean | undefined {
  return Object.hasOwn(BOOLEAN_WORDS, word) ? BOOLEAN_WORDS[word] : undefined;
}

function readInteger(name: IntegerName, text: string): Value | undefined {
  return INTEGER_TEXT.test(text) ? inRange(name, BigInt(text[0] === '+' ? text.slice(1) : text)) : undefined;
}

/** The integer in the memory form of the type, or undefined if it is out of range. */
function inRange(name: IntegerName, value: bigint): Value | undefined {
  const [low, high] = INTEGER_RANGES[name];
  if (value < low || value > high) return undefined;
  return name === 'smallint' || name === 'int' || name === 'date' ? Number(value) : value;
}

function readFloat(name: 'float' | 'double', text: string): number | undefined {
  return FLOAT_TEXT.test(text) ? finite(name, Number(text)) : undefined;
}

function finite(name: 'float' | 'double', value: number): number | undefined {
  const rounded = name === 'float' ? Math.fround(value) : value;
  return Number.isFinite(rounded) ? rounded : undefined;
}

function readUuid(text: string): string | undefined {
  if (UUID_TEXT.test(text)) return text;
  if (text.length > 100) return undefined;
  const hex = text
    .trim()
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/^\{(.*)\}$/, '$1')
    .replaceAll('-', '');
  return /^[0-9a-f]{32}$/.test(hex) ? uuidText(hex) : undefined;
}

/** 32 hexadecimal digits in the canonical form. */
export function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function readBytes(text: string): Uint8Array | undefined {
  if (!text.startsWith('\\x')) return new Uint8Array(Buffer.from(text, 'utf8'));
  const hex = text.slice(2);
  return HEX_BYTES.test(hex) ? new Uint8Array(Buffer.from(hex, 'hex')) : undefined;
}

/**
 * The value in another type: CAST, assignment to a column, a column that was widened. Decimals round half away from zero; floats become
 * integers half to even, as in PostgreSQL. Throws the cast error when the types do not meet or the value does not fit.
 */
export function castValue(value: Value, from: DataType, to: DataType): Value {
  if (value === null) return null;
  if (to.name === 'text') return valueText(from, value);
  if (from.name !== 'decimal' && sameType(from, to)) return value;
  const cast = typeof value === 'string' ? castString(value, from, to) : convert(value, from, to);
  if (cast === undefined) throw cannotCast(valueText(from, value), to);
  return cast;
}

function castString(value: string, from: DataType, to: DataType): Value | undefined {
  if (from.name === 'uuid' && to.name === 'bytes') return new Uint8Array(Buffer.from(value.replaceAll('-', ''), 'hex'));
  return readText(to, value);
}

function convert(value: Exclude<Value, string | null>, from: DataType, to: DataType): Value | undefined {
  switch (to.name) {
    case 'boolean':
      return isIntegerName(from.name) ? Number(value) !== 0 : undefined;
    case 'smallint':
    case 'int':
    case 'bigint':
      return toInteger(value, from, to.name);
    case 'float':
    case 'double': {
      const number = toFloat(value, from);
      return number === undefined ? undefined : finite(to.name, number);
    }
    case 'decimal':
      return toDecimal(value, from, to.precision, to.scale);
    case 'date':
      if (from.name === 'timestamp' || from.name === 'datetime') return daysOfTimestamp(value as bigint);
      return isIntegerName(from.name) ? inRange('date', BigInt(value as bigint)) : undefined;
    case 'timestamp':
    case 'datetime':
      return toTimestamp(value, from);
    case 'time':
      return toTime(value, from);
    case 'uuid':
      return value instanceof Uint8Array && value.length === 16
        ? uuidText(Buffer.from(value).toString('hex'))
        : undefined;
    case 'json':
      return from.name === 'embedding' ? embeddingText(value as Uint8Array) : undefined;
    default:
      return undefined;
  }
}

function isIntegerName(name: DataType['name']): boolean {
  return name === 'smallint' || name === 'int' || name === 'bigint';
}

function toInteger(value: Value, from: DataType, name: 'smallint' | 'int' | 'bigint'): Value | undefined {
  switch (from.name) {
    case 'boolean':
      return inRange(name, value === true ? 1n : 0n);
    case 'decimal': {
      const whole = rescale(value as bigint, from.scale, 0, 39);
      return whole === undefined ? undefined : inRange(name, whole);
    }
    case 'float':
    case 'double':
      return Number.isFinite(value) ? inRange(name, BigInt(roundedHalfToEven(value as number))) : undefined;
    case 'smallint':
    case 'int':
    case 'bigint':
    case 'date':
    case 'timestamp':
    case 'datetime':
    case 'time':
      return inRange(name, BigInt(value as bigint));
    default:
      return undefined;
  }
}

function roundedHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function toFloat(value: Value, from: DataType): number | undefined {
  if (from.name === 'decimal') return Number(decimalText(value as bigint, from.scale));
  return from.name === 'float' || from.name === 'double' || isIntegerName(from.name) ? Number(value) : undefined;
}

function toDecimal(value: Value, from: DataType, precision: number, scale: number): bigint | undefined {
  if (from.name === 'decimal') return rescale(value as bigint, from.scale, scale, precision);
  if (isIntegerName(from.name)) return rescale(BigInt(value as bigint), 0, scale, precision);
  if (from.name === 'float' || from.name === 'double') return parseDecimal(valueText(from, value), precision, scale);
  return undefined;
}

function toTimestamp(value: Value, from: DataType): Value | undefined {
  if (from.name === 'date') return inRange('timestamp', BigInt(value as number) * MICROS_PER_DAY);
  if (from.name === 'timestamp' || from.name === 'datetime' || from.name === 'bigint') return value;
  return isIntegerName(from.name) ? BigInt(value as number) : undefined;
}

function toTime(value: Value, from: DataType): Value | undefined {
  if (from.name === 'timestamp' || from.name === 'datetime') {
    return (value as bigint) - BigInt(daysOfTimestamp(value as bigint)) * MICROS_PER_DAY;
  }
  return isIntegerName(from.name) ? inRange('time', BigInt(value as bigint)) : undefined;
}

/** What CAST AS TEXT gives. */
export function valueText(type: DataType, value: Value): string {
  if (value === null) return 'NULL';
  switch (type.name) {
    case 'decimal':
      return decimalText(value as bigint, type.scale);
    case 'float':
    case 'double':
      return floatText(type.name, value as number);
    case 'timestamp':
    case 'datetime':
      return timestampText(value as bigint);
    case 'date':
      return dateText(value as number);
    case 'time':
      return timeText(value as bigint);
    case 'bytes': {
      const bytes = value as Uint8Array;
      return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
    }
    case 'embedding':
      return embeddingText(value as Uint8Array);
    default:
      return String(value);
  }
}

/** The shortest digits that name the number; for single precision the shortest that name it among its kind. */
function floatText(name: 'float' | 'double', value: number): string {
  if (!Number.isFinite(value)) throw fail.execution(`Invalid float value: ${value} has no form in JSON`);
  if (name === 'double') return String(value);
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(single.toPrecision(digits));
    if (Math.fround(shorter) === single) return String(shorter);
  }
  return String(Number(single.toPrecision(9)));
}

function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/** Negative, 0 or positive. Texts by their UTF-8 bytes; numbers by size, with −0 = 0 and NaN above all. Neither value is null. */
export function compareValues(type: DataType, a: Value, b: Value): number {
  switch (type.name) {
    case 'text':
    case 'json':
    case 'file':
      return compareText(a as string, b as string);
    case 'bytes':
    case 'embedding':
      return Buffer.compare(a as Uint8Array, b as Uint8Array);
    default:
      if (a! < b!) return -1;
      if (a! > b!) return 1;
      if (a === b) return 0;
      return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : -1;
  }
}

/** UTF-16 units in the order of UTF-8 bytes: surrogates, which stand for U+10000 and more, come after U+E000–U+FFFF. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return x >= 0xd800 && y >= 0xd800 ? byteRank(x) - byteRank(y) : x - y;
  }
  return a.length - b.length;
}

function byteRank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

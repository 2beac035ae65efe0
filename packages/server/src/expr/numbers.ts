/**
 * Exact numbers: the numeric tower smallint < int < bigint < decimal < float < double, and decimal texts without loss.
 *
 * A literal or a parameter keeps its digits until it meets a type. Compared with a column it becomes a `Bound`: the largest value of the
 * column's type that is not above it, and whether something is missing; so `int_column > 1.5` is exact without widening the column.
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {sameType} from '../model/type-table.ts';

export const BOOLEAN: DataType = {name: 'boolean'};
export const INT: DataType = {name: 'int'};
export const BIGINT: DataType = {name: 'bigint'};
export const DOUBLE: DataType = {name: 'double'};
export const TEXT: DataType = {name: 'text'};
export const TIMESTAMP: DataType = {name: 'timestamp'};

const TOWER = ['smallint', 'int', 'bigint', 'decimal', 'float', 'double'];
const INT_RANGES = {
  smallint: [-32768n, 32767n],
  int: [-2147483648n, 2147483647n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

export function isNumeric(type: DataType): boolean {
  return TOWER.includes(type.name);
}

export function isInteger(type: DataType): boolean {
  return type.name === 'smallint' || type.name === 'int' || type.name === 'bigint';
}

export function isFloating(type: DataType): boolean {
  return type.name === 'float' || type.name === 'double';
}

export function isMoment(type: DataType): boolean {
  return type.name === 'timestamp' || type.name === 'datetime' || type.name === 'date';
}

/** Types whose values are strings in memory and that meet each other as text. */
export function isTextual(type: DataType): boolean {
  return type.name === 'text' || type.name === 'json' || type.name === 'file' || type.name === 'uuid';
}

export function decimal(precision: number, scale: number): DataType {
  return {name: 'decimal', precision: Math.min(38, Math.max(precision, scale, 1)), scale};
}

export function scaleOf(type: DataType): number {
  return type.name === 'decimal' ? type.scale : 0;
}

/** Integer digits that a type can hold. */
export function wholeDigits(type: DataType): number {
  if (type.name === 'decimal') return type.precision - type.scale;
  return type.name === 'smallint' ? 5 : type.name === 'int' ? 10 : 19;
}

/** The type in which two values meet (comparison, CASE, COALESCE); undefined when they cannot. */
export function commonType(a: DataType, b: DataType): DataType | undefined {
  if (isNumeric(a) && isNumeric(b)) {
    const higher = TOWER.indexOf(a.name) >= TOWER.indexOf(b.name) ? a : b;
    if (higher.name !== 'decimal') return higher;
    const scale = Math.max(scaleOf(a), scaleOf(b));
    return decimal(Math.max(wholeDigits(a), wholeDigits(b)) + scale, scale);
  }
  if (a.name === b.name) return sameType(a, b) ? a : undefined;
  if (isTextual(a) && isTextual(b)) return TEXT;
  if (isMoment(a) && isMoment(b)) return TIMESTAMP;
  return undefined;
}

/** What most numbers are: no fraction, no exponent, few digits. */
const PLAIN_INTEGER = /^-?\d{1,20}$/;

/** A decimal number as digits: `unscaled / 10^scale`. */
export interface Digits {
  readonly unscaled: bigint;
  readonly scale: number;
}

/** Accepts `12`, `-1.50`, `.5`, `1e3`, `2.5E-3`. Throws on anything else and on more than 400 digits. */
export function parseDigits(text: string): Digits {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match ?? [];
  if (match === null || whole.length + fraction.length === 0) throw fail.execution(`invalid number '${clip(text)}'`);
  const shift = Number(exponent);
  if (Math.abs(shift) + whole.length + fraction.length > 400)
    throw fail.execution(`number '${clip(text)}' is out of range`);
  const unscaled = BigInt(`${whole}${fraction}` || '0') * (sign === '-' ? -1n : 1n);
  const scale = fraction.length - shift;
  return scale >= 0 ? {unscaled, scale} : {unscaled: unscaled * 10n ** BigInt(-scale), scale: 0};
}

/** Rounds half away from zero when digits are lost. */
export function rescale(unscaled: bigint, from: number, to: number): bigint {
  if (to >= from) return unscaled * 10n ** BigInt(to - from);
  return divideRound(unscaled, 10n ** BigInt(from - to));
}

/** Rounds half away from zero. `divisor` is not 0. */
export function divideRound(dividend: bigint, divisor: bigint): bigint {
  const [top, bottom] = divisor < 0n ? [-dividend, -divisor] : [dividend, divisor];
  const half = top < 0n ? -(bottom / 2n) : bottom / 2n;
  // An odd divisor has no exact half, so truncating after adding the smaller half rounds to the nearest as well.
  return (top + half) / bottom;
}

/** `value` ≤ the number, as near as the type allows; `isAbove`: the number lies strictly above it. */
export interface Bound {
  readonly value: Value;
  readonly isAbove: boolean;
}

export function boundOf(text: string, type: DataType): Bound {
  if (type.name === 'double') return {value: Number(text), isAbove: false};
  if (type.name === 'float') return {value: Math.fround(Number(text)), isAbove: false};
  if (isInteger(type) && PLAIN_INTEGER.test(text)) return {value: narrow(BigInt(text), type), isAbove: false};
  const {unscaled, scale} = parseDigits(text);
  const target = scaleOf(type);
  if (target >= scale) return {value: narrow(unscaled * 10n ** BigInt(target - scale), type), isAbove: false};
  const divisor = 10n ** BigInt(scale - target);
  const floor = unscaled >= 0n ? unscaled / divisor : -((-unscaled + divisor - 1n) / divisor);
  return {value: narrow(floor, type), isAbove: floor * divisor !== unscaled};
}

function narrow(value: bigint, type: DataType): Value {
  return type.name === 'smallint' || type.name === 'int' ? Number(value) : value;
}

/** The integer in the form of its type, or an error when it is out of range. */
export function integerOf(value: bigint, type: DataType): Value {
  const [low, high] = INT_RANGES[type.name as keyof typeof INT_RANGES];
  if (value < low || value > high) throw outOfRange(type);
  return narrow(value, type);
}

/** 1 above everything the type can hold, -1 below, 0 inside. */
export function rangeSide(value: Value, type: DataType): -1 | 0 | 1 {
  const limit = limitOf(type);
  if (limit === undefined || value === null) return 0;
  if ((value as bigint) >= limit) return 1;
  const least = type.name === 'decimal' ? 1n - limit : -limit;
  return (value as bigint) < least ? -1 : 0;
}

/** First value above the range of an exact type. */
function limitOf(type: DataType): bigint | undefined {
  if (type.name === 'smallint') return 2n ** 15n;
  if (type.name === 'int') return 2n ** 31n;
  if (type.name === 'bigint') return 2n ** 63n;
  return type.name === 'decimal' ? 10n ** BigInt(type.precision) : undefined;
}

export function decimalOf(unscaled: bigint, type: DataType): bigint {
  if (type.name === 'decimal' && overflows(unscaled, type.precision)) throw outOfRange(type);
  return unscaled;
}

const POWERS = Array.from({length: 39}, (_, exponent) => 10n ** BigInt(exponent));

function overflows(unscaled: bigint, precision: number): boolean {
  const limit = POWERS[precision] ?? POWERS[38]!;
  return unscaled >= limit || unscaled <= -limit;
}

/** The type of an unsigned numeric literal: the smallest of int, bigint, decimal that holds it; double beyond 38 digits or with exponent. */
export function literalType(text: string): DataType {
  if (/^\d+$/.test(text)) {
    if (text.length < 10) return INT;
    const value = BigInt(text);
    if (value <= INT_RANGES.int[1]) return INT;
    if (value <= INT_RANGES.bigint[1]) return BIGINT;
  }
  if (/[eE]/.test(text)) return DOUBLE;
  const {unscaled, scale} = parseDigits(text);
  if (overflows(unscaled, 38) || scale > 38) return DOUBLE;
  return decimal(unscaled.toString().length, scale);
}

/** A number's text as a value of a numeric type. Integers refuse fractions, decimals round. */
export function numberAs(text: string, type: DataType): Value {
  if (isFloating(type)) {
    const value = type.name === 'float' ? Math.fround(Number(text)) : Number(text);
    if (!Number.isFinite(value)) throw outOfRange(type);
    return value;
  }
  if (isInteger(type) && PLAIN_INTEGER.test(text)) return integerOf(BigInt(text), type);
  const {unscaled, scale} = parseDigits(text);
  if (type.name === 'decimal') return decimalOf(rescale(unscaled, scale, type.scale), type);
  const divisor = 10n ** BigInt(scale);
  if (unscaled % divisor !== 0n) throw fail.execution(`invalid input for type ${type.name}: '${clip(text)}'`);
  return integerOf(unscaled / divisor, type);
}

export function outOfRange(type: DataType): DbError {
  return fail.execution(`${type.name === 'int' ? 'integer' : type.name} out of range`);
}

export function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

/**
 * Interval: what `INTERVAL '1 day'` says. It is no type of columns or answers; where it may stand is told in `spans.ts`.
 *
 * Laws: as in PostgreSQL months come first, cut to the end of the month that they lead to, then days, then time. A fraction of a unit goes into
 * the smaller ones: of a year into months, of a month into days of 30, of a week or day into days and time.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {MICROS_PER_DAY, MICROS_PER_SECOND} from '../model/moments.ts';
import {clip, TIMESTAMP} from './numbers.ts';
import {checkedMoment} from './time-functions.ts';

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

const DAYS_PER_MONTH = 30;
const SIZE_MAX = 2n ** 63n - 1n;
/** More of a unit than any moment can hold. */
const QUANTITY_MAX = 10_000_000_000;

/** Months, or days, or microseconds of one. */
const UNITS: Readonly<Record<string, Partial<{months: number; days: number; micros: number}>>> = {
  millennium: {months: 12_000},
  century: {months: 1200},
  decade: {months: 120},
  year: {months: 12},
  month: {months: 1},
  week: {days: 7},
  day: {days: 1},
  hour: {micros: 3_600_000_000},
  minute: {micros: 60_000_000},
  second: {micros: 1_000_000},
  millisecond: {micros: 1000},
  microsecond: {micros: 1},
};

const NAMES: Readonly<Record<string, string>> = {
  ...{
    millennia: 'millennium',
    mil: 'millennium',
    mils: 'millennium',
    centuries: 'century',
    cent: 'century',
    c: 'century',
  },
  ...{dec: 'decade', decs: 'decade', y: 'year', yr: 'year', yrs: 'year', mon: 'month', mons: 'month', w: 'week'},
  ...{d: 'day', h: 'hour', hr: 'hour', hrs: 'hour', m: 'minute', min: 'minute', mins: 'minute'},
  ...{s: 'second', sec: 'second', secs: 'second', ms: 'millisecond', msec: 'millisecond', msecs: 'millisecond'},
  ...{us: 'microsecond', usec: 'microsecond', usecs: 'microsecond'},
};

const PART = /^\s*([+-]?)\s*(?:(\d+):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?|(\d+(?:\.\d+)?)\s*([a-z]+))/;

const SECONDS = ['second', 'millisecond', 'microsecond'];

/** `1 year 2 months -3.5 days 04:05:06.7 ago`, no unit twice; undefined: no such text. */
export function parseInterval(text: string): Interval | undefined {
  const [, body, ago] = /^\s*@?(.*?)(\sago)?\s*$/s.exec(text.toLowerCase())!;
  const sum: Sum = {months: 0, days: 0, micros: 0n};
  const used = new Set<string>();
  let rest = body!;
  do {
    const part = PART.exec(rest);
    if (part === null) return undefined;
    rest = rest.slice(part[0].length);
    const side = (part[1] === '-') !== (ago !== undefined) ? -1 : 1;
    // PostgreSQL forgets what such a fraction is of a day, if a time came before.
    if (used.has('time') && part[6]?.includes('.') === true && /^(?:mon|w|d(?!ec))/.test(part[7]!)) return undefined;
    const units = part[2] === undefined ? addQuantity(sum, side, part[6]!, part[7]!) : addTime(sum, side, part);
    if (units === undefined || units.some(unit => used.has(unit))) return undefined;
    for (const unit of units) used.add(unit);
  } while (rest.trim() !== '');
  return sum;
}

/** Throws if there is no such interval. */
export function readInterval(text: string): Interval {
  const interval = parseInterval(text);
  if (interval === undefined) throw fail.execution(`invalid input syntax for type interval: "${clip(text)}"`);
  return interval;
}

interface Sum {
  months: number;
  days: number;
  micros: bigint;
}

/** The units that it gives; undefined: no such time. */
function addTime(
  sum: Sum,
  side: number,
  [, , hours, minutes, seconds = '0', fraction = '']: string[],
): string[] | undefined {
  if (Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const whole = (BigInt(hours!) * 3600n + BigInt(minutes!) * 60n + BigInt(seconds)) * MICROS_PER_SECOND;
  sum.micros += BigInt(side) * (whole + BigInt(fraction.padEnd(6, '0')));
  return ['time', 'hour', 'minute', ...SECONDS];
}

function addQuantity(sum: Sum, side: number, quantity: string, word: string): string[] | undefined {
  const singular = word.replace(/s$/, '');
  const unit = NAMES[word] ?? NAMES[singular] ?? singular;
  const known = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  const amount = Number(quantity);
  if (known === undefined || amount > QUANTITY_MAX) return undefined;
  if (known.micros !== undefined) {
    const [whole, digits = ''] = quantity.split('.');
    const fraction = roundedQuotient(
      BigInt(digits.slice(0, 9)) * BigInt(known.micros),
      10n ** BigInt(digits.slice(0, 9).length),
    );
    sum.micros += BigInt(side) * (BigInt(whole!) * BigInt(known.micros) + fraction);
    return unit === 'second' && digits !== '' ? SECONDS : [unit];
  }
  if (known.months !== undefined) {
    const months = amount * known.months;
    // What is left of a year is rounded to months, what is left of a month becomes days.
    const whole = known.months > 1 ? Math.round(months) : Math.trunc(months);
    sum.months += side * whole;
    if (known.months === 1) addDays(sum, side * (months - whole) * DAYS_PER_MONTH);
  } else addDays(sum, side * amount * known.days!);
  return [unit];
}

/** Half to even, of what is not negative. */
function roundedQuotient(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  return twice > divisor || (twice === divisor && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

function addDays(sum: Sum, days: number): void {
  const whole = Math.trunc(days);
  sum.days += whole;
  sum.micros += BigInt(Math.round((days - whole) * 86_400)) * MICROS_PER_SECOND;
}

/** Throws if a part leaves its range in PostgreSQL: 32 bits of months and days, 64 of microseconds. */
export function timesInterval({months, days, micros}: Interval, times: bigint): Interval {
  const [m, d, t] = [BigInt(months) * times, BigInt(days) * times, micros * times];
  if (BigInt.asIntN(32, m) !== m || BigInt.asIntN(32, d) !== d || BigInt.asIntN(64, t) !== t)
    throw fail.execution('interval out of range');
  return {months: Number(m), days: Number(d), micros: t};
}

/** Microseconds by which intervals are compared. What is longer than any two moments are apart is as long as that. */
export function sizeOf({months, days, micros}: Interval): bigint {
  const size = (BigInt(months) * BigInt(DAYS_PER_MONTH) + BigInt(days)) * MICROS_PER_DAY + micros;
  return size > SIZE_MAX ? SIZE_MAX : size < -SIZE_MAX ? -SIZE_MAX : size;
}

/** The type of a moment moved by an interval; undefined: it is no moment. */
export function movedType(type: DataType): DataType | undefined {
  if (type.name === 'date') return TIMESTAMP;
  return type.name === 'timestamp' || type.name === 'datetime' || type.name === 'time' ? type : undefined;
}

/** `side`: 1 or −1. Throws if the moment leaves the calendar. */
export function moved(
  type: DataType,
  value: Exclude<Value, null>,
  {months, days, micros}: Interval,
  side: 1 | -1,
): Value {
  if (type.name === 'time') {
    const time = ((value as bigint) + BigInt(side) * micros) % MICROS_PER_DAY;
    return time < 0n ? time + MICROS_PER_DAY : time;
  }
  const start = type.name === 'date' ? BigInt(value as number) * MICROS_PER_DAY : (value as bigint);
  const later = months === 0 ? start : monthsLater(start, side * months);
  return checkedMoment(later + BigInt(side) * (BigInt(days) * MICROS_PER_DAY + micros));
}

function monthsLater(start: bigint, months: number): bigint {
  let time = start % MICROS_PER_DAY;
  if (time < 0n) time += MICROS_PER_DAY;
  const date = new Date(Number((start - time) / 1000n));
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  // Day 0 of the next month is the last of this one.
  const last = new Date(date.getTime());
  last.setUTCMonth(last.getUTCMonth() + 1, 0);
  if (Number.isNaN(date.getTime()) || Number.isNaN(last.getTime())) return checkedMoment(2n ** 63n);
  date.setUTCDate(Math.min(day, last.getUTCDate()));
  return BigInt(date.getTime()) * 1000n + time;
}

/**
 * Functions of time in the function table. Moments are microseconds since the epoch, UTC, on the proleptic Gregorian calendar.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {parseDate} from '../model/moments.ts';
import {castValue} from '../model/values.ts';
import type {Form} from './duck-forms.ts';
import type {TypedExpr} from './expr.ts';
import {formattedNumber} from './formatted-number.ts';
import type {FunctionFacts} from './functions.ts';
import {formatNumber} from './number-format.ts';
import {clip, DOUBLE, TEXT, TIMESTAMP} from './numbers.ts';
import {formatMoment, readMoment} from './time-format.ts';

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;
/** Years beyond ±270,000 do not fit a JavaScript Date. */
const MICROS_MAX = 8_640_000_000_000_000_000n;

export const TIME_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'CURRENT_DATE',
    args: [],
    result: {name: 'date'},
    changes: 'statement',
    eval: (_, env) => Number(floorDivide(env.nowMicros, DAY)),
    doc: 'Date of the statement, UTC.',
    example: ['CURRENT_DATE = CAST(NOW() AS DATE)', 'true'],
  },
  {
    name: 'CURRENT_TIME',
    aliases: ['LOCALTIME'],
    args: [],
    result: {name: 'time'},
    changes: 'statement',
    eval: (_, env) => env.nowMicros - floorDivide(env.nowMicros, DAY) * DAY,
    doc: 'Time of day of the statement, UTC.',
    example: ['CURRENT_TIME'],
  },
  {
    name: 'DATE_TRUNC',
    args: ['text', 'moment'],
    result: TIMESTAMP,
    // By itself DuckDB 1.5 says FALSE for NULL when it is compared with what no unit begins with.
    duck: (_types, [unit]) => fieldForm(unit!, DUCK_UNITS, name => sql => `greatest(date_trunc('${name}', ${sql}))`),
    knownArgs: 1,
    eval: ([unit, moment]) => truncate((unit as string).toLowerCase(), moment as bigint),
    doc: 'Start of the microsecond … millennium that holds the moment.',
    example: ["DATE_TRUNC('month', TIMESTAMP '2024-02-29 12:34:56')", '2024-02-01 00:00:00'],
  },
  {
    name: 'DATE_PART',
    args: ['text', 'moment'],
    result: DOUBLE,
    duck: (_types, [field]) => fieldForm(field!, DUCK_FIELDS, datePartForm),
    knownArgs: 1,
    eval: ([field, moment]) => datePart((field as string).toLowerCase(), moment as bigint),
    doc: 'One field of a moment: year, month, day, hour, dow, epoch … Also `EXTRACT(field FROM moment)`.',
    example: ["EXTRACT(YEAR FROM DATE '2024-02-29')", '2024'],
  },
  {
    name: 'TO_CHAR',
    args: ['moment', 'text'],
    result: TEXT,
    eval: ([moment, format]) => formatMoment(format as string, field => datePart(field, moment as bigint) as number),
    forNumber: {
      name: 'TO_CHAR',
      args: ['number', 'text'],
      result: TEXT,
      eval: ([value, format], _env, [type]) => formatNumber(formattedNumber(value!, type!), format as string),
      bound: 'formats of at most 1000 characters',
      doc: 'A number by a format: 9, 0, `.`, `,`, D, G, S, MI, PL, SG, PR, FM, TH, V, EEEE, L and texts in quotes.',
      example: ["TO_CHAR(-1234.5, 'FM999,990.00')", '-1,234.50'],
    },
    bound: 'formats of at most 1000 characters',
    doc: 'A moment by a format: YYYY, MM, DD, HH24, MI, SS, MS, US, Mon, Month, Dy, Day, Q, WW, IW, AM …',
    example: ["TO_CHAR(TIMESTAMP '2024-02-29 12:34:56', 'Dy DD Mon YYYY, HH24:MI')", 'Thu 29 Feb 2024, 12:34'],
  },
  {
    name: 'TO_TIMESTAMP',
    args: ['double'],
    result: TIMESTAMP,
    forText: {
      name: 'TO_TIMESTAMP',
      args: ['text', 'text'],
      optional: 1,
      result: TIMESTAMP,
      eval: ([value, format]) =>
        format === undefined ? momentOf(value as string) : readMoment(value as string, format as string),
      doc: 'A text read by a format; without one as CAST reads it, or as seconds since the epoch.',
      example: ["TO_TIMESTAMP('29.2.2024 07:05 PM', 'DD.MM.YYYY HH12:MI AM')", '2024-02-29 19:05:00'],
    },
    eval: ([seconds]) => momentAt(seconds as number),
    doc: 'Seconds since the epoch as a timestamp.',
    example: ['TO_TIMESTAMP(1.5)', '1970-01-01 00:00:01.5'],
  },
  {
    name: 'TO_DATE',
    args: ['text', 'text'],
    optional: 1,
    result: {name: 'date'},
    eval: ([value, format]) =>
      format === undefined
        ? castValue(value!, TEXT, {name: 'date'})
        : Number(floorDivide(readMoment(value as string, format as string), DAY)),
    doc: 'A text read by a format, as a date; without one as CAST reads it.',
    example: ["TO_DATE('29 Feb 2024', 'DD Mon YYYY')", '2024-02-29'],
  },
  {
    name: 'MAKE_DATE',
    args: ['int', 'int', 'int'],
    result: {name: 'date'},
    eval: ([year, month, day]) => dayOf(year as number, month as number, day as number),
    doc: 'The date of a year, a month and a day.',
    example: ['MAKE_DATE(2024, 2, 29)', '2024-02-29'],
  },
  {
    name: 'MAKE_TIME',
    args: ['int', 'int', 'double'],
    result: {name: 'time'},
    eval: ([hour, minute, second]) => {
      const micros = clockOf(hour as number, minute as number, second as number);
      if (micros >= DAY) throw fail.execution('time out of range');
      return micros;
    },
    doc: 'The time of an hour, a minute and seconds.',
    example: ['MAKE_TIME(8, 15, 23.5)', '08:15:23.5'],
  },
  {
    name: 'MAKE_TIMESTAMP',
    args: ['int', 'int', 'int', 'int', 'int', 'double'],
    result: TIMESTAMP,
    eval: ([year, month, day, hour, minute, second]) =>
      BigInt(dayOf(year as number, month as number, day as number)) * DAY +
      clockOf(hour as number, minute as number, second as number),
    doc: 'The timestamp of its fields, UTC.',
    example: ['MAKE_TIMESTAMP(2024, 2, 29, 8, 15, 23.5)', '2024-02-29 08:15:23.5'],
  },
];

function dayOf(year: number, month: number, day: number): number {
  const sign = year < 0 ? '-' : '';
  const days =
    year === 0 ? undefined : parseDate(`${sign}${String(yearBefore(year)).padStart(4, '0')}-${month}-${day}`);
  if (days === undefined || month < 1 || day < 1 || Math.abs(year) > 270_000)
    throw fail.execution(`date field value out of range: ${year}-${month}-${day}`);
  return days;
}

/** The year -1 is 1 BC, which the calendar counts as 0. */
function yearBefore(year: number): number {
  return year < 0 ? -year - 1 : year;
}

function clockOf(hour: number, minute: number, second: number): bigint {
  const micros = Math.round(second * 1e6);
  const isInside = hour >= 0 && hour <= 24 && minute >= 0 && minute <= 59 && second >= 0 && micros <= 60_000_000;
  const total = (BigInt(hour) * 60n + BigInt(minute)) * 60n * SECOND + BigInt(isInside ? micros : 0);
  if (!isInside || total > DAY) throw fail.execution(`time field value out of range: ${hour}:${minute}:${second}`);
  return total;
}

/** Units and fields that DuckDB cuts and counts as we do. */
const DUCK_UNITS: ReadonlySet<string> = new Set([
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
]);
const DUCK_FIELDS: ReadonlySet<string> = new Set([
  ...['year', 'quarter', 'month', 'week', 'day', 'dow', 'isodow', 'doy', 'hour', 'minute'],
]);

export function datePartForm(field: string): Form | undefined {
  return DUCK_FIELDS.has(field) ? sql => `CAST(date_part('${field}', ${sql}) AS DOUBLE)` : undefined;
}

/** `name` is a known constant of the set; the form takes the moment alone. */
function fieldForm(
  name: TypedExpr,
  known: ReadonlySet<string>,
  form: (name: string) => Form | undefined,
): Form | undefined {
  const text = name.constant === undefined ? undefined : String(name.constant.value).toLowerCase();
  return text !== undefined && known.has(text) ? form(text) : undefined;
}

function momentAt(seconds: number): bigint {
  return checkedMoment(BigInt(Math.round(seconds * 1e6)));
}

function momentOf(text: string): Value {
  return /^\s*[-+]?\d+(?:\.\d*)?\s*$/.test(text) ? momentAt(Number(text)) : castValue(text, TEXT, TIMESTAMP);
}

export function checkedMoment(micros: bigint): bigint {
  if (micros > MICROS_MAX || micros < -MICROS_MAX) throw fail.execution('timestamp out of range');
  return micros;
}

export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor < 0n ? quotient - 1n : quotient;
}

const FIXED_UNITS: Readonly<Record<string, bigint>> = {
  microsecond: 1n,
  microseconds: 1n,
  millisecond: 1000n,
  milliseconds: 1000n,
  second: SECOND,
  minute: 60n * SECOND,
  hour: 3600n * SECOND,
  day: DAY,
};

function truncate(unit: string, moment: bigint): Value {
  const fixed = Object.hasOwn(FIXED_UNITS, unit) ? FIXED_UNITS[unit] : undefined;
  if (fixed !== undefined) return floorDivide(moment, fixed) * fixed;
  if (unit === 'week') return (floorDivide(floorDivide(moment, DAY) + 3n, 7n) * 7n - 3n) * DAY;
  const date = dateOf(moment);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  switch (unit) {
    case 'month':
      return startOf(year, month);
    case 'quarter':
      return startOf(year, month - (month % 3));
    case 'year':
      return startOf(year, 0);
    case 'decade':
      return startOf(Math.floor(year / 10) * 10, 0);
    case 'century':
      return startOf(Math.floor((year - 1) / 100) * 100 + 1, 0);
    case 'millennium':
      return startOf(Math.floor((year - 1) / 1000) * 1000 + 1, 0);
    default:
      throw fail.execution(`unit "${clip(unit)}" not recognized`);
  }
}

function dateOf(moment: bigint): Date {
  return new Date(Number(floorDivide(checkedMoment(moment), 1000n)));
}

function startOf(year: number, month: number): bigint {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 1);
  return BigInt(date.getTime()) * 1000n;
}

export function datePart(field: string, moment: bigint): Value {
  const date = dateOf(moment);
  const inDay = moment - floorDivide(moment, DAY) * DAY;
  const inMinute = Number(inDay % (60n * SECOND));
  switch (field) {
    case 'year':
      return date.getUTCFullYear();
    case 'quarter':
      return Math.floor(date.getUTCMonth() / 3) + 1;
    case 'month':
      return date.getUTCMonth() + 1;
    case 'week':
      return isoWeek(moment).week;
    case 'isoyear':
      return isoWeek(moment).year;
    case 'decade':
      return Math.floor(date.getUTCFullYear() / 10);
    case 'century':
      return age(date.getUTCFullYear(), 100);
    case 'millennium':
      return age(date.getUTCFullYear(), 1000);
    case 'day':
      return date.getUTCDate();
    case 'dow':
      return date.getUTCDay();
    case 'isodow':
      return date.getUTCDay() || 7;
    case 'doy':
      return Number((floorDivide(moment, DAY) * DAY - startOf(date.getUTCFullYear(), 0)) / DAY) + 1;
    case 'hour':
      return date.getUTCHours();
    case 'minute':
      return date.getUTCMinutes();
    case 'second':
      return inMinute / 1e6;
    case 'millisecond':
    case 'milliseconds':
      return inMinute / 1e3;
    case 'microsecond':
    case 'microseconds':
      return inMinute;
    case 'epoch':
      return Number(moment) / 1e6;
    default:
      throw fail.execution(`unit "${clip(field)}" not recognized`);
  }
}

/** The first century ends with year 100, and the one before it is -1: there is no age 0. */
function age(year: number, years: number): number {
  return year > 0 ? Math.ceil(year / years) : -Math.floor((years - year) / years);
}

/** ISO 8601: a week belongs to the year that holds its Thursday. */
function isoWeek(moment: bigint): {year: number; week: number} {
  const day = floorDivide(moment, DAY);
  const thursday = floorDivide(day + 3n, 7n) * 7n;
  const year = dateOf(thursday * DAY).getUTCFullYear();
  const firstDay = startOf(year, 0) / DAY;
  return {year, week: Number((thursday - firstDay) / 7n) + 1};
}

/** Functions of spans and zones in the function table: DATE_BIN, AGE, TIMEZONE. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {MICROS_PER_DAY, MICROS_PER_SECOND} from '../model/moments.ts';
import {valueText} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {moved, readInterval, sizeOf} from './interval.ts';
import {JSON_TYPE} from './json.ts';
import {BIGINT, clip, DOUBLE, TEXT, TIMESTAMP} from './numbers.ts';
import {checkedMoment, datePart, floorDivide} from './time-functions.ts';
import {fromLocal, zoneOffset} from './time-zones.ts';

/** A year of minutes does not fit into a text of the size that any may have. */
const SERIES_MAX = 200_000;

export const CALENDAR_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'DATE_BIN',
    args: ['text', 'moment', 'moment'],
    optional: 1,
    result: TIMESTAMP,
    eval: ([stride, moment, origin = 0n]) => bin(stride as string, moment as bigint, origin as bigint),
    doc: 'Start of the span that holds the moment, of spans of one length from an origin on; without one from 1970 on.',
    example: ["DATE_BIN(INTERVAL '15 minutes', TIMESTAMP '2024-02-29 12:34:56')", '2024-02-29 12:30:00'],
  },
  {
    name: 'MOMENT_SERIES',
    args: ['moment', 'moment', 'text'],
    result: JSON_TYPE,
    eval: ([from, to, step]) => series(from as bigint, to as bigint, step as string),
    doc: 'The moments from one to another, both among them, an interval apart, as an array. What GENERATE_SERIES of moments calls.',
    example: ["JSON_LENGTH(MOMENT_SERIES(DATE '2024-02-28', DATE '2024-03-01', INTERVAL '1 day'))", '3'],
  },
  {
    name: 'AGE',
    args: ['moment', 'moment'],
    optional: 1,
    result: TEXT,
    changes: 'statement',
    eval: ([a, b], env) => ageText(ageOf(...agePair(a as bigint, b as bigint | undefined, env.nowMicros))),
    doc: 'From the second moment to the first, in years, months, days and time; of one alone to the day of the statement. `EXTRACT(field FROM AGE(…))` is a number.',
    example: ["AGE(DATE '2024-03-01', DATE '2022-12-25')", '1 year 2 mons 7 days'],
  },
  {
    name: 'AGE_PART',
    args: ['text', 'moment', 'moment'],
    optional: 1,
    result: DOUBLE,
    changes: 'statement',
    eval: ([field, a, b], env) =>
      spanPart((field as string).toLowerCase(), ageOf(...agePair(a as bigint, b as bigint | undefined, env.nowMicros))),
    doc: 'What `EXTRACT(field FROM AGE(a, b))` calls.',
    example: ["EXTRACT(YEAR FROM AGE(DATE '2024-03-01', DATE '1990-05-01'))", '33'],
  },
  {
    name: 'AGE_SIZE',
    args: ['moment', 'moment'],
    optional: 1,
    result: BIGINT,
    changes: 'statement',
    eval: ([a, b], env) => sizeOf(ageOf(...agePair(a as bigint, b as bigint | undefined, env.nowMicros))),
    doc: 'Microseconds, a month as 30 days: what `AGE(a, b) > INTERVAL …` compares.',
    example: ["AGE(DATE '2024-03-01', DATE '1990-05-01') > INTERVAL '18 years'", 'true'],
  },
  {
    name: 'SPAN_PART',
    args: ['text', 'moment', 'moment'],
    result: DOUBLE,
    eval: ([field, a, b]) => {
      const micros = (a as bigint) - (b as bigint);
      const time = micros % MICROS_PER_DAY;
      const span = {months: 0, days: Number((micros - time) / MICROS_PER_DAY), micros: time};
      return spanPart((field as string).toLowerCase(), span);
    },
    doc: 'What `EXTRACT(field FROM a - b)` of two moments calls: days and time, without months.',
    example: ["EXTRACT(EPOCH FROM TIMESTAMP '2024-03-01 12:00:00' - TIMESTAMP '2024-02-28 00:00:00')", '216000'],
  },
  {
    name: 'TIMEZONE',
    args: ['text', 'moment'],
    result: TIMESTAMP,
    eval: ([zone, moment]) =>
      checkedMoment((moment as bigint) + zoneOffset(zone as string, checkedMoment(moment as bigint))),
    doc: 'What clocks of a zone show at a moment; `moment AT TIME ZONE zone`. Zones are UTC, offsets such as +05:30, and names such as Europe/Vienna.',
    example: ["TIMESTAMP '2024-07-01 12:00:00' AT TIME ZONE 'Europe/Vienna'", '2024-07-01 14:00:00'],
  },
  {
    name: 'TO_UTC_TIMESTAMP',
    args: ['moment', 'text'],
    result: TIMESTAMP,
    eval: ([shown, zone]) => checkedMoment(fromLocal(zone as string, checkedMoment(shown as bigint))),
    doc: 'The moment at which clocks of a zone show this.',
    example: ["TO_UTC_TIMESTAMP(TIMESTAMP '2024-07-01 14:00:00', 'Europe/Vienna')", '2024-07-01 12:00:00'],
  },
];

function bin(text: string, moment: bigint, origin: bigint): Value {
  const stride = readInterval(text);
  if (stride.months !== 0)
    throw fail.execution('timestamps cannot be binned into intervals containing months or years');
  const micros = BigInt(stride.days) * MICROS_PER_DAY + stride.micros;
  if (micros <= 0n) throw fail.execution('stride must be greater than zero');
  return checkedMoment(origin + floorDivide(moment - origin, micros) * micros);
}

/** As PostgreSQL counts: each step starts from the moment before, so the end of a month stays where a shorter month put it. */
function series(from: bigint, to: bigint, text: string): string {
  const step = readInterval(text);
  const first = moved(TIMESTAMP, from, step, 1) as bigint;
  if (first === from) throw fail.execution('step size cannot equal zero');
  const isRising = first > from;
  const moments: string[] = [];
  for (let at = from; isRising ? at <= to : at >= to; ) {
    if (moments.length === SERIES_MAX)
      throw new DbError('LIMIT_EXCEEDED', `generate_series makes at most ${SERIES_MAX} moments.`);
    moments.push(`"${valueText(TIMESTAMP, at)}"`);
    const next = moved(TIMESTAMP, at, step, 1) as bigint;
    if (isRising ? next <= at : next >= at) throw fail.execution('the steps of generate_series lead back');
    at = next;
  }
  return `[${moments.join(',')}]`;
}

interface Span {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

function agePair(a: bigint, b: bigint | undefined, now: bigint): [bigint, bigint] {
  return b === undefined ? [floorDivide(now, MICROS_PER_DAY) * MICROS_PER_DAY, a] : [a, b];
}

/** By fields of the calendar, smaller ones borrowing from larger ones; a day is borrowed from the month of the earlier moment, as PostgreSQL does. */
function ageOf(a: bigint, b: bigint): Span {
  if (a < b) {
    const {months, days, micros} = span(b, a, a);
    return {months: -months, days: -days, micros: -micros};
  }
  return span(a, b, b);
}

function span(later: bigint, earlier: bigint, lender: bigint): Span {
  const [to, from] = [fieldsOf(later), fieldsOf(earlier)];
  let months = (to.year - from.year) * 12 + to.month - from.month;
  let days = to.day - from.day;
  let micros = to.micros - from.micros;
  if (micros < 0n) {
    micros += MICROS_PER_DAY;
    days--;
  }
  if (days < 0) {
    const {year, month} = fieldsOf(lender);
    days += new Date(Date.UTC(2000 + (((year % 400) + 400) % 400), month, 0)).getUTCDate();
    months--;
  }
  return {months, days, micros};
}

function fieldsOf(moment: bigint): {year: number; month: number; day: number; micros: bigint} {
  const part = (field: string) => datePart(field, moment) as number;
  const micros = moment - floorDivide(moment, MICROS_PER_DAY) * MICROS_PER_DAY;
  return {year: part('year'), month: part('month'), day: part('day'), micros};
}

/** As PostgreSQL writes intervals: `1 year 2 mons -3 days +04:05:06.7`. */
function ageText({months, days, micros}: Span): string {
  const parts: string[] = [];
  let isBehindMinus = false;
  for (const [count, unit] of [
    [Math.trunc(months / 12), 'year'],
    [months % 12, 'mon'],
    [days, 'day'],
  ] as const) {
    if (count === 0) continue;
    parts.push(`${isBehindMinus && count > 0 ? '+' : ''}${count} ${unit}${count === 1 ? '' : 's'}`);
    isBehindMinus = count < 0;
  }
  if (micros !== 0n || parts.length === 0) {
    const sign = micros < 0n ? '-' : isBehindMinus ? '+' : '';
    parts.push(sign + clockText(micros < 0n ? -micros : micros));
  }
  return parts.join(' ');
}

function clockText(micros: bigint): string {
  const seconds = micros / MICROS_PER_SECOND;
  const two = (value: bigint) => String(value).padStart(2, '0');
  const fraction = String(micros % MICROS_PER_SECOND)
    .padStart(6, '0')
    .replace(/0+$/, '');
  const time = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  return fraction === '' ? time : `${time}.${fraction}`;
}

function spanPart(field: string, {months, days, micros}: Span): Value {
  const years = Math.trunc(months / 12);
  const inMinute = Number(micros % (60n * MICROS_PER_SECOND));
  switch (field) {
    case 'millennium':
      return Math.trunc(years / 1000);
    case 'century':
      return Math.trunc(years / 100);
    case 'decade':
      return Math.trunc(years / 10);
    case 'year':
      return years;
    case 'quarter':
      return Math.trunc((months % 12) / 3) + 1;
    case 'month':
      return months % 12;
    case 'day':
      return days;
    case 'hour':
      return Number(micros / (3600n * MICROS_PER_SECOND));
    case 'minute':
      return Number((micros / (60n * MICROS_PER_SECOND)) % 60n);
    case 'second':
      return inMinute / 1e6;
    case 'millisecond':
    case 'milliseconds':
      return inMinute / 1e3;
    case 'microsecond':
    case 'microseconds':
      return inMinute;
    case 'epoch':
      return years * 365.25 * 86_400 + (months % 12) * 30 * 86_400 + days * 86_400 + Number(micros) / 1e6;
    default:
      throw fail.execution(`unit "${clip(field)}" not recognized for an age`);
  }
}

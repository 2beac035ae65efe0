/**
 * Time formats: moments written and read by the patterns of PostgreSQL's TO_CHAR, TO_DATE and TO_TIMESTAMP: `YYYY-MM-DD HH24:MI:SS`.
 *
 * Patterns that depend on a zone or a language, and Roman numerals, are refused. Reading knows fewer patterns than writing, those that say
 * one moment only.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {parseDate} from '../model/moments.ts';
import {clip} from './numbers.ts';

/** What is asked of a moment: a field of DATE_PART, a number. */
export type FieldOf = (field: string) => number;

const FORMAT_CHARACTERS_MAX = 1000;
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October'],
  ...['November', 'December'],
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const PATTERN =
  /(FM)?(HH24|HH12|HH|MI|SSSSS|SSSS|SS|MS|US|FF[1-6]|A\.M\.|P\.M\.|AM|PM|Y,YYY|YYYY|YYY|YY|Y|IYYY|IYY|IY|IDDD|IW|ID|I|B\.C\.|A\.D\.|BC|AD|MONTH|MON|MM|DAY|DY|DDD|DD|D|WW|W|CC|J|Q)(TH)?|"([^"]*)"?|\\(.)/isy;
const REFUSED = /^(?:TZH|TZM|TZ|OF|RM|SP|FX|TM)/i;

/** Numbers by width: with zeros in front, unless FM stands before. */
const NUMBERS: Readonly<Record<string, readonly [width: number, read: (of: FieldOf) => number]>> = {
  HH24: [2, of => of('hour')],
  HH12: [2, of => of('hour') % 12 || 12],
  HH: [2, of => of('hour') % 12 || 12],
  MI: [2, of => of('minute')],
  SS: [2, of => Math.floor(of('microsecond') / 1e6)],
  MS: [3, of => Math.floor((of('microsecond') % 1e6) / 1e3)],
  US: [6, of => of('microsecond') % 1e6],
  SSSS: [0, secondOfDay],
  SSSSS: [0, secondOfDay],
  YYYY: [4, of => yearOf(of('year'))],
  YYY: [3, of => yearOf(of('year')) % 1000],
  YY: [2, of => yearOf(of('year')) % 100],
  Y: [1, of => yearOf(of('year')) % 10],
  IYYY: [4, of => yearOf(of('isoyear'))],
  IYY: [3, of => yearOf(of('isoyear')) % 1000],
  IY: [2, of => yearOf(of('isoyear')) % 100],
  I: [1, of => yearOf(of('isoyear')) % 10],
  MM: [2, of => of('month')],
  DDD: [3, of => of('doy')],
  IDDD: [3, of => (of('week') - 1) * 7 + of('isodow')],
  DD: [2, of => of('day')],
  D: [1, of => of('dow') + 1],
  ID: [1, of => of('isodow')],
  W: [1, of => Math.floor((of('day') - 1) / 7) + 1],
  WW: [2, of => Math.floor((of('doy') - 1) / 7) + 1],
  IW: [2, of => of('week')],
  CC: [2, of => of('century')],
  J: [0, of => Math.floor(of('epoch') / 86_400) + 2_440_588],
  Q: [1, of => of('quarter')],
};

function secondOfDay(of: FieldOf): number {
  return of('hour') * 3600 + of('minute') * 60 + Math.floor(of('microsecond') / 1e6);
}

/** There is no year 0: before year 1 came year 1 BC. */
function yearOf(year: number): number {
  return year > 0 ? year : 1 - year;
}

export function formatMoment(format: string, of: FieldOf): string {
  let text = '';
  for (const {name, isBare, suffix, literal} of parts(format)) {
    if (literal !== undefined) text += literal;
    else text += written(name, isBare, suffix, of);
  }
  return text;
}

interface Part {
  readonly name: string;
  /** FM: no blanks and zeros. */
  readonly isBare: boolean;
  readonly suffix: string;
  readonly literal?: string;
}

function* parts(format: string): IterableIterator<Part> {
  if (format.length > FORMAT_CHARACTERS_MAX) throw fail.execution('the format is too long');
  for (let at = 0; at < format.length; ) {
    PATTERN.lastIndex = at;
    const found = PATTERN.exec(format);
    if (found === null) {
      const rest = format.slice(at);
      if (REFUSED.test(rest)) throw fail.notSupported(`The pattern ${rest.slice(0, 2).toUpperCase()} of formats`);
      yield {name: '', isBare: false, suffix: '', literal: format[at++]!};
      continue;
    }
    at = PATTERN.lastIndex;
    const [, bare, name = '', suffix = '', quoted, escaped] = found;
    if (name === '') yield {name, isBare: false, suffix, literal: quoted ?? escaped ?? ''};
    else yield {name, isBare: bare !== undefined, suffix};
  }
}

function written(name: string, isBare: boolean, suffix: string, of: FieldOf): string {
  const upper = name.toUpperCase();
  const number = NUMBERS[upper];
  if (number !== undefined) {
    const [width, read] = number;
    const value = read(of);
    const digits = isBare ? String(value) : value < 0 ? `-${pad(-value, width)}` : pad(value, width);
    return digits + ordinal(value, suffix);
  }
  switch (upper) {
    case 'MONTH':
      return cased(MONTHS[of('month') - 1]!, name).padEnd(isBare ? 0 : 9);
    case 'MON':
      return cased(MONTHS[of('month') - 1]!.slice(0, 3), name);
    case 'DAY':
      return cased(DAYS[of('dow')]!, name).padEnd(isBare ? 0 : 9);
    case 'DY':
      return cased(DAYS[of('dow')]!.slice(0, 3), name);
    case 'AM':
    case 'PM':
      return likeWord(of('hour') < 12 ? 'AM' : 'PM', name);
    case 'A.M.':
    case 'P.M.':
      return likeWord(of('hour') < 12 ? 'A.M.' : 'P.M.', name);
    case 'BC':
    case 'AD':
      return likeWord(of('year') > 0 ? 'AD' : 'BC', name);
    case 'B.C.':
    case 'A.D.':
      return likeWord(of('year') > 0 ? 'A.D.' : 'B.C.', name);
    case 'Y,YYY': {
      const year = yearOf(of('year'));
      return `${Math.floor(year / 1000)},${pad(year % 1000, 3)}${ordinal(year, suffix)}`;
    }
    default: {
      const digits = Number(upper.slice(2));
      return pad(of('microsecond') % 1e6, 6).slice(0, digits);
    }
  }
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** `TH` upper, `th` lower. */
function ordinal(value: number, suffix: string): string {
  if (suffix === '') return '';
  const tens = Math.floor(Math.abs(value) / 10) % 10;
  const ending = tens === 1 ? 'th' : (['th', 'st', 'nd', 'rd'][Math.abs(value) % 10] ?? 'th');
  return suffix === 'TH' ? ending.toUpperCase() : ending;
}

function cased(word: string, like: string): string {
  if (like[0] === like[0]!.toLowerCase()) return word.toLowerCase();
  return like[1] === like[1]!.toUpperCase() ? word.toUpperCase() : word;
}

function likeWord(word: string, like: string): string {
  return like[0] === like[0]!.toLowerCase() ? word.toLowerCase() : word;
}

interface Read {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  micros: number;
  /** Hours run to 12. */
  isHalf: boolean;
  isAfternoon: boolean | undefined;
}

/** Fields that are read, with the most digits of each. */
const READ_DIGITS: Readonly<Record<string, number>> = {
  ...{YYYY: 4, MM: 2, DD: 2, HH24: 2, HH12: 2, HH: 2, MI: 2, SS: 2, MS: 3, US: 6},
};

/** Microseconds since the epoch. */
export function readMoment(text: string, format: string): bigint {
  const read: Read = {
    ...{year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0},
    ...{isHalf: false, isAfternoon: undefined},
  };
  let at = 0;
  for (const part of parts(format)) {
    if (part.literal === undefined) at = readPart(text, skip(text, at, /\s/), part, read);
    else if (/^[^A-Za-z0-9]*$/.test(part.literal)) at = skip(text, at, /[^A-Za-z0-9]/);
    else at += part.literal.length;
  }
  return momentOf(read, text);
}

function skip(text: string, from: number, what: RegExp): number {
  let at = from;
  while (at < text.length && what.test(text[at]!)) at++;
  return at;
}

function readPart(text: string, at: number, {name}: Part, read: Read): number {
  const upper = name.toUpperCase();
  const most = READ_DIGITS[upper];
  if (most !== undefined) {
    const digits = new RegExp(`^\\d{1,${most}}`).exec(text.slice(at, at + most))?.[0];
    if (digits === undefined)
      throw fail.execution(`invalid value "${clip(text.slice(at, at + most))}" for "${name}": it must be a number`);
    setNumber(read, upper, digits);
    return at + digits.length;
  }
  const rest = text.slice(at, at + 9).toLowerCase();
  if (upper === 'AM' || upper === 'PM') {
    if (!/^[ap]m/.test(rest)) throw fail.execution(`invalid value "${clip(rest)}" for "${name}"`);
    read.isAfternoon = rest[0] === 'p';
    return at + 2;
  }
  if (upper !== 'MONTH' && upper !== 'MON') throw fail.notSupported(`Reading the pattern ${upper} of formats`);
  const names = MONTHS.map(month => (upper === 'MON' ? month.slice(0, 3) : month).toLowerCase());
  const month = names.findIndex(one => rest.startsWith(one));
  if (month < 0) throw fail.execution(`invalid value "${clip(rest)}" for "${name}"`);
  read.month = month + 1;
  return at + names[month]!.length;
}

function setNumber(read: Read, name: string, digits: string): void {
  const value = Number(digits);
  switch (name) {
    case 'YYYY':
      read.year = value;
      return;
    case 'MM':
      read.month = value;
      return;
    case 'DD':
      read.day = value;
      return;
    case 'HH24':
      read.hour = value;
      return;
    case 'HH12':
    case 'HH':
      if (value < 1 || value > 12) throw fail.execution(`hour "${value}" is invalid for the 12-hour clock`);
      read.hour = value;
      read.isHalf = true;
      return;
    case 'MI':
      read.minute = value;
      return;
    case 'SS':
      read.second = value;
      return;
    default:
      read.micros = Number(digits.padEnd(6, '0'));
  }
}

function momentOf(read: Read, text: string): bigint {
  const {year, month, day, minute, second, micros, isHalf, isAfternoon} = read;
  const hour = !isHalf ? read.hour : (read.hour % 12) + (isAfternoon === true ? 12 : 0);
  const days = parseDate(`${pad(year, 4)}-${month}-${day}`);
  if (days === undefined || year === 0 || hour > 23 || minute > 59 || second > 59)
    throw fail.execution(`date/time field value out of range: "${clip(text)}"`);
  return ((BigInt(days) * 24n + BigInt(hour)) * 3600n + BigInt(minute * 60 + second)) * 1_000_000n + BigInt(micros);
}

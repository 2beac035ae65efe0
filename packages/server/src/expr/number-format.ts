/**
 * Number formats of TO_CHAR: `FM999,990.00`, `S9999`, `999PR` and their like, with PostgreSQL's meaning in the C locale.
 *
 *     format ─ parseFormat: its parts, and what they ask for together ─ the number, rounded to its digits ─ one walk over the parts
 *
 * The sign stands before the first digit that is written, wherever in the format that is; places before it are blank, or left out with FM.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {Lru} from '../std/lru.ts';
import {clip} from './numbers.ts';

const FORMAT_LENGTH_MAX = 1000;
const FORMATS_MAX = 100;

type Part =
  | {readonly kind: 'digit'; readonly isZero: boolean}
  | {readonly kind: 'point'}
  | OtherPart
  | {readonly kind: 'literal'; readonly text: string};

interface OtherPart {
  readonly kind: 'comma' | 'currency' | 'MI' | 'PL' | 'SG' | 'th' | 'TH';
}

interface NumberFormat {
  readonly parts: readonly Part[];
  /** Digits before and behind the point, and those by which V multiplies. */
  readonly before: number;
  readonly behind: number;
  readonly shift: number;
  readonly hasPoint: boolean;
  /** FM: no blanks, and no zeros at the end that 0 does not ask for. */
  readonly isTight: boolean;
  /** Place of the first 0 before the point, from 0; undefined: none. */
  readonly zeroFrom: number | undefined;
  /** Place behind the last 0. */
  readonly zeroTo: number;
  /** S, before or behind the digits. */
  readonly sign: 'before' | 'behind' | undefined;
  readonly isBracketed: boolean;
  /** MI, PL and SG write the sign themselves; PL alone leaves a minus to the number. */
  readonly hasOwnSign: boolean;
  readonly isPlusOnly: boolean;
  readonly isScientific: boolean;
}

/** `digitsOf` gives the absolute value with so many digits behind the point; `isNegative` is told after rounding. */
export interface FormattedNumber {
  rounded(behind: number, shift: number): {readonly digits: string; readonly isNegative: boolean};
  scientific(behind: number): string;
}

export function formatNumber(value: FormattedNumber, text: string): string {
  const format = parsedFormat(text);
  if (format.isScientific) {
    const digits = value.scientific(format.behind);
    return digits.startsWith('-') ? digits : ` ${digits}`;
  }
  const {digits, isNegative} = value.rounded(format.behind, format.shift);
  const [whole] = digits.split('.') as [string];
  const width = format.before + format.shift;
  if (whole.length <= width) return new Writer(format, digits, isNegative, width - whole.length).write();
  const filled = `${'#'.repeat(width)}.${'#'.repeat(format.behind)}`;
  return new Writer(format, filled, isNegative, 0).write();
}

const formats = new Lru<string, NumberFormat>(FORMATS_MAX);

function parsedFormat(text: string): NumberFormat {
  const known = formats.get(text);
  if (known !== undefined) return known;
  const format = parseFormat(text);
  formats.set(text, format, 1);
  return format;
}

const TOKEN = /FM|EEEE|MI|PL|PR|SG|TH|th|RN|rn|SP|[,.09BCDGLSV]|"(?:[^"\\]|\\.)*"?|\\?./gis;

/** What is known of a format while it is read. */
interface Draft extends Mutable<Omit<NumberFormat, 'parts' | 'isPlusOnly'>> {
  readonly parts: Part[];
  readonly text: string;
  hasShift: boolean;
  hasMinus: boolean;
  /** Digits before the point that stood before S. */
  digitsBeforeSign: number;
}

type Mutable<T> = {-readonly [K in keyof T]: T[K]};

function parseFormat(text: string): NumberFormat {
  if (text.length > FORMAT_LENGTH_MAX) throw fail.execution(`a format has at most ${FORMAT_LENGTH_MAX} characters`);
  const draft: Draft = {
    ...{parts: [], text, before: 0, behind: 0, shift: 0, hasPoint: false, isTight: false, zeroTo: 0},
    ...{isBracketed: false, hasOwnSign: false, isScientific: false, hasShift: false, hasMinus: false},
    ...{zeroFrom: undefined, sign: undefined, digitsBeforeSign: 0},
  };
  for (const [found] of text.matchAll(TOKEN)) {
    const token = found === 'th' ? 'th' : found.toUpperCase();
    if (token === '9' || token === '0') addDigit(draft, token === '0');
    else if (SIGNS.has(token)) addSign(draft, token as 'S' | 'PR' | 'MI' | 'PL' | 'SG');
    else addOther(draft, token, found);
  }
  // An S behind all digits is written behind them.
  if (draft.sign === 'before' && draft.digitsBeforeSign === draft.before) draft.sign = 'behind';
  return {...draft, isPlusOnly: draft.hasOwnSign && !draft.hasMinus};
}

const SIGNS: ReadonlySet<string> = new Set(['S', 'PR', 'MI', 'PL', 'SG']);

function refused({text}: Draft, why: string) {
  return fail.execution(`number format "${clip(text)}": ${why}`);
}

function addDigit(draft: Draft, isZero: boolean): void {
  if (draft.isBracketed) throw refused(draft, 'digits must be ahead of PR');
  draft.parts.push({kind: 'digit', isZero});
  if (draft.hasShift && !isZero) {
    draft.shift++;
    return;
  }
  if (isZero && draft.zeroFrom === undefined && !draft.hasPoint) draft.zeroFrom = draft.before;
  if (draft.hasPoint) draft.behind++;
  else draft.before++;
  if (isZero) draft.zeroTo = draft.before + draft.behind;
}

function addSign(draft: Draft, token: 'S' | 'PR' | 'MI' | 'PL' | 'SG'): void {
  const isSecond = draft.sign !== undefined || (draft.hasOwnSign && (token === 'S' || token === 'PR'));
  if (isSecond || (token === 'S' && draft.isBracketed)) throw refused(draft, 'one sign');
  if (token === 'S') {
    draft.sign = draft.hasPoint ? 'behind' : 'before';
    draft.digitsBeforeSign = draft.before;
  } else if (token === 'PR') {
    draft.isBracketed = true;
  } else {
    draft.hasOwnSign = true;
    draft.hasMinus ||= token !== 'PL';
    draft.parts.push({kind: token});
  }
}

/** `found` is the token as it is written. */
function addOther(draft: Draft, token: string, found: string): void {
  switch (token) {
    case '.':
    case 'D':
      if (draft.hasPoint || draft.hasShift) throw refused(draft, 'one point, or V');
      draft.hasPoint = true;
      draft.parts.push({kind: 'point'});
      break;
    case 'V':
      if (draft.hasPoint) throw refused(draft, 'one point, or V');
      draft.hasShift = true;
      break;
    case ',':
    case 'G':
      draft.parts.push({kind: 'comma'});
      break;
    case 'L':
      draft.parts.push({kind: 'currency'});
      break;
    case 'FM':
      draft.isTight = true;
      break;
    case 'EEEE':
      draft.isScientific = true;
      break;
    case 'TH':
    case 'th':
      draft.parts.push({kind: token});
      break;
    case 'RN':
    case 'SP':
    case 'B':
    case 'C':
      throw fail.notSupported(`${token} in number formats`);
    default:
      draft.parts.push({kind: 'literal', text: literalOf(found)});
  }
}

function literalOf(token: string): string {
  if (!token.startsWith('"')) return token.replace(/^\\(?=.)/, '');
  return token.replace(/^"|"$/g, '').replaceAll(/\\(.)/gs, '$1');
}

/** The walk over the parts of a format for one number. */
class Writer {
  readonly #format: NumberFormat;
  readonly #digits: string;
  readonly #isNegative: boolean;
  /** Places before the first digit of the number. */
  readonly #blanks: number;
  /** Index of the last digit behind the point that FM keeps; undefined: all are kept. */
  readonly #lastKept: number | undefined;
  readonly #isBracketed: boolean;
  #out = '';
  #at = 0;
  #place = 0;
  #isSignWritten: boolean;
  #hasDigit = false;

  constructor(format: NumberFormat, digits: string, isNegative: boolean, blanks: number) {
    const {isTight, hasOwnSign, isPlusOnly, sign} = format;
    this.#format = format;
    this.#digits = digits;
    this.#isNegative = isNegative;
    this.#blanks = blanks;
    this.#isBracketed = format.isBracketed && (isNegative || !isTight);
    this.#isSignWritten = hasOwnSign ? !isPlusOnly : !isNegative && isTight && sign === undefined;
    this.#lastKept = isTight && format.hasPoint ? this.#lastKeptDigit() : undefined;
  }

  #lastKeptDigit(): number | undefined {
    const point = this.#digits.indexOf('.');
    if (point < 0) return undefined;
    let last = point;
    for (let i = point + 1; i < this.#digits.length; i++) if (this.#digits[i] !== '0') last = i;
    const {zeroTo} = this.#format;
    if (zeroTo <= this.#blanks) return last;
    return Math.max(last, Math.min(this.#digits.length - 1, zeroTo - this.#blanks));
  }

  write(): string {
    const places = this.#format.parts.filter(({kind}) => kind === 'digit' || kind === 'point').length;
    for (const part of this.#format.parts) {
      switch (part.kind) {
        case 'digit':
          this.#number(part.isZero);
          if (this.#place === places) this.#close();
          break;
        case 'point':
          this.#number(false);
          if (this.#place === places) this.#close();
          break;
        case 'literal':
          this.#out += part.text;
          break;
        default:
          this.#out += this.#other(part);
      }
    }
    return this.#out;
  }

  #other({kind}: OtherPart): string {
    const blank = this.#format.isTight ? '' : ' ';
    switch (kind) {
      case 'comma':
        return this.#hasDigit ? ',' : blank;
      case 'currency':
        return ' ';
      case 'MI':
        return this.#isNegative ? '-' : blank;
      case 'PL':
        return this.#isNegative ? blank : '+';
      case 'SG':
        return this.#isNegative ? '-' : '+';
      case 'th':
      case 'TH':
        return this.#ordinal(kind === 'TH');
      default:
        return kind satisfies never;
    }
  }

  #ordinal(isUpper: boolean): string {
    if (this.#isNegative || this.#format.hasPoint || this.#digits.startsWith('#')) return '';
    const last = Number(this.#digits.at(-1));
    const isTeen = this.#digits.at(-2) === '1';
    const ending = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][last] ?? 'th');
    return isUpper ? ending.toUpperCase() : ending;
  }

  /** A number below 1 has no digit before the point, unless 0 asks for it. */
  get #isLeadingZero(): boolean {
    return this.#format.zeroFrom === undefined && this.#at === 0 && this.#digits[0] === '0' && this.#format.behind > 0;
  }

  #number(isZero: boolean): void {
    const {zeroFrom, isTight} = this.#format;
    const place = this.#place++;
    const isLastPoint = this.#lastKept !== undefined && this.#digits[this.#lastKept] === '.';
    const isReached = place >= this.#blanks || zeroFrom === place;
    if (!this.#isSignWritten && isReached && (!this.#isLeadingZero || isLastPoint)) this.#openSign();
    if (place < this.#blanks) {
      if (zeroFrom !== undefined && zeroFrom <= place) {
        this.#out += '0';
        this.#hasDigit = true;
      } else if (!isTight) this.#out += ' ';
      return;
    }
    const digit = this.#digits[this.#at];
    if (digit === '.') {
      if (!isLastPoint || isTight) this.#out += '.';
    } else if (this.#lastKept !== undefined && this.#at > this.#lastKept && !isZero) {
      // FM leaves it out.
    } else if (this.#isLeadingZero) {
      if (!isTight) this.#out += ' ';
      else if (isLastPoint) this.#out += '0';
    } else if (digit !== undefined) {
      this.#out += digit;
      this.#hasDigit = true;
    }
    if (digit !== undefined) this.#at++;
  }

  #openSign(): void {
    const {sign, isTight} = this.#format;
    if (sign === 'behind') return;
    this.#isSignWritten = true;
    if (sign === 'before') this.#out += this.#isNegative ? '-' : '+';
    else if (this.#isBracketed) this.#out += this.#isNegative ? '<' : ' ';
    else if (this.#isNegative) this.#out += '-';
    else if (!isTight) this.#out += ' ';
  }

  /** Behind the last digit. */
  #close(): void {
    if (this.#isBracketed) this.#out += this.#isNegative ? '>' : ' ';
    else if (this.#format.sign === 'behind') this.#out += this.#isNegative ? '-' : '+';
  }
}

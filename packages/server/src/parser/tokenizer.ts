/**
 * Tokenizer: SQL text to three typed arrays (kind, start, end), in one pass.
 *
 * A kind is one small number: a class of tokens (WORD, STRING …), a two- or three-character operator, or, from 32 on, the ASCII code of a
 * one-character symbol. So testing for `(` is one comparison and no token is ever an object.
 * Offsets are UTF-16 units in the text given. Comments and blanks leave no token; the arrays end with one END token.
 *
 * Laws: every character of the text is in a token, a comment or a blank, or the text is refused. Time is linear in the text.
 */
import {DbError, type SqlPosition} from '@kalamdb/protocol/errors.ts';

export const END = 0;
/** An unquoted name or keyword. */
export const WORD = 1;
/** `"name"` or `` `name` `` */
export const QUOTED = 2;
/** `'text'` */
export const STRING = 3;
/** `E'text'` */
export const ESCAPED_STRING = 4;
/** `X'01ff'` */
export const BYTES = 5;
export const NUMBER = 6;
/** `$1` */
export const PARAM = 7;
/** A number with letters behind it, such as `300s`: neither number nor name, so an error everywhere but in the commands that take it. */
export const MIXED = 8;
export const LESS_EQUAL = 16;
export const GREATER_EQUAL = 17;
export const NOT_EQUAL = 18;
export const CONCAT = 19;
export const ARROW = 20;
export const LONG_ARROW = 21;
export const CAST = 22;

/** Symbols as their users write them, for `acceptSymbol('<=')`. One-character symbols are their own code. */
export const LONG_SYMBOLS: ReadonlyMap<string, number> = new Map([
  ['<=', LESS_EQUAL],
  ['>=', GREATER_EQUAL],
  ['<>', NOT_EQUAL],
  ['!=', NOT_EQUAL],
  ['||', CONCAT],
  ['->', ARROW],
  ['->>', LONG_ARROW],
  ['::', CAST],
]);

export interface Tokens {
  readonly text: string;
  /** Without the END token. */
  readonly count: number;
  readonly kinds: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

// What a character below 128 can begin.
const BLANK = 1;
const LETTER = 2;
const DIGIT = 3;
const SYMBOL = 4;
const CLASSES = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') CLASSES[c.charCodeAt(0)] = BLANK;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') CLASSES[c.charCodeAt(0)] = LETTER;
for (const c of '0123456789') CLASSES[c.charCodeAt(0)] = DIGIT;
for (const c of '()[]{},.;:=<>!+-*/%|?&^~@#') CLASSES[c.charCodeAt(0)] = SYMBOL;

// Scratch that every call reuses: tokenizing never yields, and callers get copies of the right size.
let kinds = new Uint8Array(1024);
let starts = new Int32Array(1024);
let ends = new Int32Array(1024);

/**
 * Throws BATCH_PARSE_ERROR for a string, quoted name or block comment that does not end, INVALID_SQL for characters and numbers that
 * SQL does not have. The position of both is in `text`.
 */
export function tokenize(text: string): Tokens {
  let count = 0;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  // Half a surrogate pair would be stored as another character.
  if (!text.isWellFormed()) throw refuse(text, text.search(/\p{Surrogate}/u), 'Half a character');
  for (;;) {
    at = skipBlanks(text, at);
    if (count === kinds.length) growScratch();
    if (at >= text.length) break;
    let kind = kindAt(text, at);
    let end = tokenEnd(text, at, kind);
    if (kind === NUMBER && isWordPart(text.charCodeAt(end))) {
      kind = MIXED;
      end = wordEnd(text, end);
    }
    kinds[count] = kind;
    starts[count] = at;
    ends[count] = end;
    count += 1;
    at = end;
  }
  kinds[count] = END;
  starts[count] = text.length;
  ends[count] = text.length;
  const size = count + 1;
  return {text, count, kinds: kinds.slice(0, size), starts: starts.slice(0, size), ends: ends.slice(0, size)};
}

/** Line and column from 1; a column counts UTF-16 units. */
export function positionAt(text: string, offset: number): SqlPosition {
  let line = 1;
  let lineStart = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
    lineStart = at + 1;
  }
  return {offset, line, column: offset - lineStart + 1};
}

function growScratch(): void {
  const length = kinds.length * 2;
  const [oldKinds, oldStarts, oldEnds] = [kinds, starts, ends];
  kinds = new Uint8Array(length);
  starts = new Int32Array(length);
  ends = new Int32Array(length);
  kinds.set(oldKinds);
  starts.set(oldStarts);
  ends.set(oldEnds);
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code < 128 && CLASSES[code] === BLANK) at += 1;
    else if (code === 45 /* - */ && text.charCodeAt(at + 1) === 45)
      at = isOption(text, at) ? at + 2 : lineEnd(text, at);
    else if (code === 47 /* / */ && text.charCodeAt(at + 1) === 42 /* * */) at = commentEnd(text, at);
    else return at;
  }
}

const PURGE = /\bCLUSTER\s+PURGE\s+$/i;
const UPTO = /--UPTO\s+[0-9]/iy;

/** `CLUSTER PURGE --upto 7` has an option where all other statements have a comment: its dashes are blanks. */
function isOption(text: string, at: number): boolean {
  UPTO.lastIndex = at;
  return UPTO.test(text) && PURGE.test(text.slice(Math.max(0, at - PURGE_LENGTH_MAX), at));
}

/** With the blanks around its words. */
const PURGE_LENGTH_MAX = 64;

function lineEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 13) return at;
  }
  return text.length;
}

/** Block comments nest, as the standard says. */
function commentEnd(text: string, from: number): number {
  let depth = 1;
  for (let at = from + 2; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 42 && text.charCodeAt(at + 1) === 47) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    } else if (code === 47 && text.charCodeAt(at + 1) === 42) {
      depth += 1;
      at += 1;
    }
  }
  throw unterminated(text, from, 'block comment');
}

function kindAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 128) return WORD;
  switch (CLASSES[code]) {
    case LETTER:
      if (text.charCodeAt(at + 1) !== 39) return WORD;
      return code === 69 || code === 101 ? ESCAPED_STRING : code === 88 || code === 120 ? BYTES : WORD;
    case DIGIT:
      return NUMBER;
    case SYMBOL:
      return code === 46 && isDigit(text.charCodeAt(at + 1)) ? NUMBER : symbolKind(text, at, code);
  }
  if (code === 39) return STRING;
  if (code === 34 || code === 96) return QUOTED;
  if (code === 36 && isDigit(text.charCodeAt(at + 1))) return PARAM;
  throw refuse(text, at, `Unexpected character ${characterName(text, at)}`);
}

function symbolKind(text: string, at: number, code: number): number {
  const next = text.charCodeAt(at + 1);
  switch (code) {
    case 60: // <
      return next === 61 ? LESS_EQUAL : next === 62 ? NOT_EQUAL : code;
    case 62: // >
      return next === 61 ? GREATER_EQUAL : code;
    case 33: // !
      return next === 61 ? NOT_EQUAL : code;
    case 124: // |
      return next === 124 ? CONCAT : code;
    case 45: // -
      return next !== 62 ? code : text.charCodeAt(at + 2) === 62 ? LONG_ARROW : ARROW;
    case 58: // :
      return next === 58 ? CAST : code;
    default:
      return code;
  }
}

function tokenEnd(text: string, at: number, kind: number): number {
  switch (kind) {
    case WORD:
      return wordEnd(text, at);
    case QUOTED:
      return quoteEnd(text, at, at + 1, text.charCodeAt(at), false);
    case STRING:
      return quoteEnd(text, at, at + 1, 39, false);
    case BYTES:
      return quoteEnd(text, at, at + 2, 39, false);
    case ESCAPED_STRING:
      return quoteEnd(text, at, at + 2, 39, true);
    case NUMBER:
      return numberEnd(text, at);
    case PARAM:
      return paramEnd(text, at);
    case LONG_ARROW:
      return at + 3;
    default:
      return kind < 32 ? at + 2 : at + 1;
  }
}

function wordEnd(text: string, from: number): number {
  let at = from;
  while (isWordPart(text.charCodeAt(at))) at += 1;
  return at;
}

/** Past the closing quote. A doubled quote stands for one. */
function quoteEnd(text: string, start: number, from: number, quote: number, hasEscapes: boolean): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (hasEscapes && code === 92) at += 1;
    else if (code === 0) throw refuse(text, at, 'Unexpected character U+0000');
    else if (code === quote) {
      if (text.charCodeAt(at + 1) !== quote) return at + 1;
      at += 1;
    }
  }
  throw unterminated(text, start, 'quoted string');
}

function numberEnd(text: string, from: number): number {
  let at = digitsEnd(text, from);
  if (text.charCodeAt(at) === 46) at = digitsEnd(text, at + 1);
  const exponent = text.charCodeAt(at);
  if (exponent === 69 || exponent === 101) {
    const sign = text.charCodeAt(at + 1);
    const digits = sign === 43 || sign === 45 ? at + 2 : at + 1;
    if (isDigit(text.charCodeAt(digits))) at = digitsEnd(text, digits);
  }
  return at;
}

function digitsEnd(text: string, from: number): number {
  let at = from;
  while (isDigit(text.charCodeAt(at))) at += 1;
  return at;
}

function paramEnd(text: string, start: number): number {
  const end = digitsEnd(text, start + 1);
  if (!isWordPart(text.charCodeAt(end))) return end;
  const found = text.slice(start, Math.min(wordEnd(text, end), start + 40));
  throw refuse(text, start, `Malformed parameter '${found}'`);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** False for NaN, so false at the end of the text. */
function isWordPart(code: number): boolean {
  if (code < 128) return CLASSES[code] === LETTER || CLASSES[code] === DIGIT || code === 36;
  return code >= 128;
}

function characterName(text: string, at: number): string {
  const code = text.charCodeAt(at);
  return code > 32 && code < 127 ? `'${text[at]}'` : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function refuse(text: string, offset: number, message: string): DbError {
  const position = positionAt(text, offset);
  const place = `at line ${position.line}, column ${position.column}`;
  return new DbError('INVALID_SQL', `Invalid SQL: ${message} ${place}.`, {position});
}

function unterminated(text: string, offset: number, what: string): DbError {
  const message = `Failed to parse SQL batch: Unterminated ${what} in SQL batch`;
  return new DbError('BATCH_PARSE_ERROR', message, {position: positionAt(text, offset)});
}

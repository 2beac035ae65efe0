/**
 * Cursor: a place among the tokens of one statement, and the small words of every grammar.
 *
 * `accept…` and `keywords` move only when they match and say so; `expect…`, `name`, `string` and `number` move or throw. Errors name
 * what was found and what was expected, never the content of a string, which may be a secret.
 *
 *     if (cursor.keywords('DROP', 'NAMESPACE')) {
 *       const ifExists = cursor.ifExists();
 *       const name = cursor.name('a namespace name');
 *       cursor.expectEnd();
 *     }
 *
 * Laws: the cursor never leaves its statement. A parser that returned has consumed exactly what it put in its tree, so a statement
 * is fully understood when `expectEnd` passes.
 */
import {DbError, type ErrorCode, type SqlPosition} from '@kalamdb/protocol/errors.ts';
import type {Name, OptionItem, TableRef} from './ast.ts';
import {type Statement, statementOf} from './split.ts';
import {literalText, nameText} from './text.ts';
import * as token from './tokenizer.ts';
import {RESERVED} from './words.ts';

const OPTIONS_MAX = 100;

export class TokenCursor {
  readonly statement: Statement;
  /** Index of the token that comes next. */
  index: number;
  /** Bookkeeping of nesting.ts: how deep it stands, and the height of the tree just parsed. */
  depth = 0;
  height = 0;
  /** Bookkeeping of brackets.ts: index of the token behind the row of opening brackets met last. */
  openUntil = 0;

  readonly #text: string;
  readonly #kinds: Uint8Array;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #last: number;
  readonly #base: number;

  constructor(statement: Statement) {
    this.statement = statement;
    this.index = statement.first;
    this.#text = statement.tokens.text;
    this.#kinds = statement.tokens.kinds;
    this.#starts = statement.tokens.starts;
    this.#ends = statement.tokens.ends;
    this.#last = statement.last;
    this.#base = statement.start;
  }

  /** Kind of the next token (tokenizer.ts), END behind the statement. */
  get kind(): number {
    return this.index < this.#last ? this.#kinds[this.index]! : token.END;
  }

  kindAhead(ahead: number): number {
    const index = this.index + ahead;
    return index < this.#last ? this.#kinds[index]! : token.END;
  }

  /** Offset of the next token in the statement's text. */
  get start(): number {
    return this.index < this.#last ? this.#starts[this.index]! - this.#base : this.statement.text.length;
  }

  /** Offset behind the token consumed last. */
  get previousEnd(): number {
    return this.index === this.statement.first ? 0 : this.#ends[this.index - 1]! - this.#base;
  }

  /** The next token as written; empty at the end. */
  get raw(): string {
    return this.rawAhead(0);
  }

  rawAhead(ahead: number): string {
    const index = this.index + ahead;
    return index < this.#last ? this.#text.slice(this.#starts[index]!, this.#ends[index]!) : '';
  }

  next(): void {
    if (this.index < this.#last) this.index += 1;
  }

  atEnd(): boolean {
    return this.index >= this.#last;
  }

  expectEnd(): void {
    if (!this.atEnd()) throw this.fail(`Unexpected ${this.found()}`);
  }

  /** `word` in upper case. Quoted names are never keywords. */
  isKeyword(word: string, ahead = 0): boolean {
    const index = this.index + ahead;
    if (index >= this.#last || this.#kinds[index] !== token.WORD) return false;
    const start = this.#starts[index]!;
    if (this.#ends[index]! - start !== word.length) return false;
    for (let at = 0; at < word.length; at += 1) {
      const code = this.#text.charCodeAt(start + at);
      if (code !== word.charCodeAt(at) && (code < 97 || code > 122 || code - 32 !== word.charCodeAt(at))) return false;
    }
    return true;
  }

  areKeywords(...words: string[]): boolean {
    for (let ahead = 0; ahead < words.length; ahead += 1) {
      if (!this.isKeyword(words[ahead]!, ahead)) return false;
    }
    return true;
  }

  acceptKeyword(word: string): boolean {
    if (!this.isKeyword(word)) return false;
    this.index += 1;
    return true;
  }

  expectKeyword(word: string): void {
    if (!this.acceptKeyword(word)) throw this.expected(word);
  }

  /** All of them or none. */
  keywords(...words: string[]): boolean {
    if (!this.areKeywords(...words)) return false;
    this.index += words.length;
    return true;
  }

  expectKeywords(...words: string[]): void {
    for (const word of words) this.expectKeyword(word);
  }

  /** The first of `words` that stands next, consumed. */
  acceptOneOf<const W extends string>(...words: W[]): W | undefined {
    return words.find(word => this.acceptKeyword(word));
  }

  expectOneOf<const W extends string>(...words: W[]): W {
    const word = this.acceptOneOf(...words);
    if (word === undefined) throw this.expected(words.join(' or '));
    return word;
  }

  isSymbol(symbol: string, ahead = 0): boolean {
    const kind = symbol.length === 1 ? symbol.charCodeAt(0) : token.LONG_SYMBOLS.get(symbol);
    return this.kindAhead(ahead) === kind;
  }

  acceptSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.index += 1;
    return true;
  }

  expectSymbol(symbol: string): void {
    if (!this.acceptSymbol(symbol)) throw this.expected(`'${symbol}'`);
  }

  ifExists(): boolean {
    return this.keywords('IF', 'EXISTS');
  }

  ifNotExists(): boolean {
    return this.keywords('IF', 'NOT', 'EXISTS');
  }

  /** A quoted name or a word that is not reserved. */
  isName(ahead = 0): boolean {
    const kind = this.kindAhead(ahead);
    if (kind === token.QUOTED) return true;
    return kind === token.WORD && !RESERVED.has(this.rawAhead(ahead).toUpperCase());
  }

  /** A name, or the word DEFAULT, which names a namespace. `what` is for the error: `a namespace name`. */
  name(what = 'a name'): Name {
    if (!this.isName() && !this.isKeyword('DEFAULT') && this.kind !== token.MIXED) throw this.expected(what);
    return this.label(what);
  }

  /** A name of a column or an alias, where DEFAULT is reserved as ever. */
  columnName(what = 'a column name'): Name {
    if (!this.isName() && this.kind !== token.MIXED) throw this.expected(what);
    return this.label(what);
  }

  /** A name where every word may stand, as after AS or a dot. */
  label(what = 'a name'): Name {
    const kind = this.kind;
    if (kind === token.MIXED) throw this.fail('Name cannot start with a number');
    if (kind !== token.WORD && kind !== token.QUOTED) throw this.expected(what);
    const start = this.start;
    const isQuoted = kind === token.QUOTED;
    const text = isQuoted ? nameText(this.raw) : this.raw;
    if (text === '') throw this.fail(`${capital(what.replace(/^an? /, ''))} cannot be empty`);
    this.index += 1;
    return {start, end: this.previousEnd, name: text.toLowerCase(), text, isQuoted};
  }

  /** `[namespace.]table` */
  tableRef(what = 'a table name'): TableRef {
    const first = this.isSymbol('.', 1) ? this.name('a namespace name') : this.columnName(what);
    if (!this.acceptSymbol('.')) return {start: first.start, end: first.end, namespace: undefined, table: first};
    const table = this.label(what);
    if (this.isSymbol('.')) throw this.fail('A table name has at most two parts: namespace.table');
    return {start: first.start, end: table.end, namespace: first, table};
  }

  isString(): boolean {
    return this.kind === token.STRING || this.kind === token.ESCAPED_STRING;
  }

  /** A string literal: its value. */
  string(what = 'a quoted string'): string {
    if (!this.isString()) throw this.expected(what);
    const value = literalText(this.raw);
    if (value === undefined) throw this.fail('Invalid escape in the string');
    this.index += 1;
    return value;
  }

  /** `'text'` or a bare word or name, as written. */
  stringOrName(what = 'a name or a quoted string'): string {
    return this.isString() ? this.string(what) : this.label(what).text;
  }

  /** Digits only, as a number. Throws above 2^53 - 1. */
  number(what = 'a number'): number {
    const text = this.raw;
    if (this.kind !== token.NUMBER || !/^[0-9]+$/.test(text)) throw this.expected(what);
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw this.fail(`Number ${text.slice(0, 40)} is too large`);
    this.index += 1;
    return value;
  }

  /** `(KEY = value, …)`, perhaps empty. Keys: word or string. Values: string, word, number with or without a sign. */
  optionItems(): OptionItem[] {
    const items: OptionItem[] = [];
    this.expectSymbol('(');
    while (!this.acceptSymbol(')')) {
      if (items.length > 0) this.expectSymbol(',');
      if (items.length === OPTIONS_MAX) throw this.fail(`Too many options (maximum ${OPTIONS_MAX})`);
      items.push(this.#optionItem());
    }
    return items;
  }

  #optionItem(): OptionItem {
    const start = this.start;
    const key = this.stringOrName('an option name').toUpperCase();
    this.expectSymbol('=');
    const isQuoted = this.isString();
    const value = isQuoted ? this.string() : this.#bareValue();
    return {start, end: this.previousEnd, key, value, isQuoted};
  }

  #bareValue(): string {
    const sign = this.acceptSymbol('-') ? '-' : '';
    const kind = this.kind;
    if (kind !== token.NUMBER && (sign !== '' || kind !== token.WORD)) throw this.expected('an option value');
    const text = sign + this.raw;
    this.index += 1;
    return text;
  }

  /** Consumes `( … )` up to the bracket that closes it; `what` stands inside. The inside as a statement, undefined when empty. */
  parenthesized(what: string): Statement | undefined {
    if (!this.isSymbol('(')) throw this.expected(`'(' and ${what}`);
    const first = this.index + 1;
    this.skipBalanced();
    const last = this.index - 1;
    return first === last ? undefined : statementOf(this.statement.tokens, first, last);
  }

  /** Consumes one token, or all up to the bracket that closes it. */
  skipBalanced(): void {
    const open: number[] = [];
    const begin = this.index;
    do {
      const kind = this.kind;
      if (kind === 40 || kind === 91) open.push(kind === 40 ? 41 : 93);
      else if ((kind === 41 || kind === 93) && open.pop() !== kind) throw this.fail(`Unexpected ${this.found()}`);
      else if (kind === token.END) {
        this.index = begin;
        throw this.fail("Missing the bracket that closes '('");
      }
      this.index += 1;
    } while (open.length > 0);
  }

  /** What stands next, for messages. Strings may be secrets and are not shown. */
  found(): string {
    const kind = this.kind;
    if (kind === token.END) return 'the end of the statement';
    if (kind === token.STRING || kind === token.ESCAPED_STRING || kind === token.BYTES) return 'a quoted string';
    const text = this.raw;
    return `'${text.length > 40 ? `${text.slice(0, 40)}…` : text}'`;
  }

  expected(what: string): DbError {
    if (this.kind === token.MIXED) return this.fail(`Malformed number ${this.found()}`);
    return this.fail(`Expected ${what}, found ${this.found()}`);
  }

  /** An INVALID_SQL error at the next token, or at `offset` of the statement's text. */
  fail(message: string, offset = this.start): DbError {
    return this.#error('INVALID_SQL', `Invalid SQL: ${message}`, offset);
  }

  /** Valid SQL that this server does not run. `what` begins the sentence: `RETURNING is`. */
  notSupported(what: string, offset = this.start): DbError {
    return this.#error('NOT_SUPPORTED', `Not supported: ${what}`, offset);
  }

  limitExceeded(message: string, offset = this.start): DbError {
    return this.#error('LIMIT_EXCEEDED', message, offset);
  }

  /** Where an offset of the statement's text lies in the request. */
  positionOf(offset: number): SqlPosition {
    return token.positionAt(this.#text, this.#base + offset);
  }

  #error(code: ErrorCode, message: string, offset: number): DbError {
    const position = this.positionOf(offset);
    return new DbError(code, `${message} at line ${position.line}, column ${position.column}.`, {position});
  }
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

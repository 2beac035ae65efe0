/**
 * Operands: literals, names, calls, brackets, CASE, casts, and the prefix operators.
 *
 * There is no array type: `ARRAY[a, b]` is JSON. What SQL has and this server does not run is refused here, with its place.
 */
import {arrayOfQuery} from './array-query.ts';
import type {Expr, Name, Query} from './ast.ts';
import {asOperand, beginsQuery, parseBracketedQuery, parseQueryOrExpressions, subquery} from './brackets.ts';
import {parseCall} from './call.ts';
import type {TokenCursor} from './cursor.ts';
import {POWER, parseAbove, parseExpression, parseExpressions} from './expression.ts';
import {enter, leave} from './nesting.ts';
import * as token from './tokenizer.ts';
import {parseCastType, parseTypeRef} from './type-ref.ts';
import {BARE_CALLS, COLUMNS_ONLY, isFunctionName, RESERVED} from './words.ts';

const PARAMETER_MAX = 65_535;

export function parseOperand(cursor: TokenCursor): Expr {
  switch (cursor.kind) {
    case token.WORD:
      return word(cursor);
    case token.QUOTED:
      return cursor.isSymbol('(', 1) ? parseCall(cursor) : column(cursor);
    case token.NUMBER:
      return number(cursor);
    case token.STRING:
    case token.ESCAPED_STRING:
      return string(cursor);
    case token.BYTES:
      return bytes(cursor);
    case token.PARAM:
      return param(cursor);
    case 40: // (
      return brackets(cursor);
    case 43: // +
      return sign(cursor, '+');
    case 45: // -
      return sign(cursor, '-');
    case 126: // ~
      return bitwiseNot(cursor);
    case 61: // =
      if (cursor.statement.text[cursor.previousEnd - 1] === '=')
        throw cursor.fail("Expected an expression, found '='; equality is written =");
      throw cursor.expected('an expression');
    case 63: // ?
      throw cursor.fail("Expected an expression, found '?'; parameters are $1, $2, …");
    default:
      throw cursor.expected('an expression');
  }
}

function number(cursor: TokenCursor): Expr {
  const start = cursor.start;
  let text = cursor.raw;
  // `.5` and `5.` are numbers; everyone after us sees digits on both sides of a point.
  if (text.startsWith('.')) text = `0${text}`;
  text = text.replace(/\.(?![0-9])/, '.0');
  cursor.next();
  return {kind: 'number', start, end: cursor.previousEnd, text};
}

function string(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const value = cursor.string();
  return {kind: 'string', start, end: cursor.previousEnd, value};
}

function bytes(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const hex = cursor.raw.slice(2, -1);
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) throw cursor.fail("X'…' must hold pairs of hexadecimal digits");
  cursor.next();
  return {kind: 'bytes', start, end: cursor.previousEnd, hex};
}

function param(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const index = Number(cursor.raw.slice(1));
  if (index < 1 || index > PARAMETER_MAX) throw cursor.fail(`Parameters are numbered $1 to $${PARAMETER_MAX}`);
  cursor.next();
  return {kind: 'param', start, end: cursor.previousEnd, index};
}

function sign(cursor: TokenCursor, op: '+' | '-'): Expr {
  const start = cursor.start;
  cursor.next();
  const operand = parseAbove(cursor, POWER.sign);
  cursor.height += 1;
  return {kind: 'unary', start, end: operand.end, op, operand};
}

function bitwiseNot(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.next();
  const operand = parseAbove(cursor, POWER.other);
  cursor.height += 1;
  const call = {isStar: false, isDistinct: false, orderBy: [], filter: undefined};
  return {kind: 'call', start, end: operand.end, name: 'BITNOT', args: [operand], ...call};
}

function brackets(cursor: TokenCursor): Expr {
  const start = cursor.start;
  if (beginsQuery(cursor, 1)) {
    const inside = parseQueryOrExpressions(cursor);
    return Array.isArray(inside) ? asOperand(inside, start, cursor) : subquery(cursor, inside as Query, start);
  }
  cursor.next();
  const list = parseExpressions(cursor);
  cursor.expectSymbol(')');
  return asOperand(list, start, cursor);
}

function word(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const upper = cursor.raw.toUpperCase();
  switch (upper) {
    case 'NULL':
      cursor.next();
      return {kind: 'null', start, end: cursor.previousEnd};
    case 'TRUE':
    case 'FALSE':
      cursor.next();
      return {kind: 'boolean', start, end: cursor.previousEnd, value: upper === 'TRUE'};
    case 'NOT':
      return not(cursor);
    case 'CASE':
      return caseWhen(cursor);
    case 'CAST':
    case 'TRY_CAST':
      return cursor.isSymbol('(', 1) ? cast(cursor, upper === 'TRY_CAST') : column(cursor);
    case 'EXISTS':
      return cursor.isSymbol('(', 1) ? exists(cursor) : column(cursor);
    case 'ROW':
      return cursor.isSymbol('(', 1) ? row(cursor) : column(cursor);
    case 'ARRAY':
      if (cursor.isSymbol('[', 1)) return array(cursor);
      if (cursor.isSymbol('(', 1) && beginsQuery(cursor, 1)) return arrayOfQuery(cursor);
  }
  return named(cursor, upper);
}

/** What begins with a word that is no keyword of its own: a call, a typed string or a column. */
function named(cursor: TokenCursor, upper: string): Expr {
  if (BARE_CALLS.has(upper)) return bareCall(cursor, upper);
  const isReserved = RESERVED.has(upper);
  const next = cursor.kindAhead(1);
  if (next === 40 /* ( */ && isFunctionName(upper)) return parseCall(cursor);
  if ((next === token.STRING || next === token.ESCAPED_STRING) && !isReserved && !COLUMNS_ONLY.has(upper))
    return typed(cursor);
  if (isReserved && !(upper === 'DEFAULT' && cursor.isSymbol('.', 1))) throw cursor.expected('an expression');
  // `DOUBLE PRECISION '…'` and the like are the only types of several words before a string.
  if (upper === 'DOUBLE' && cursor.isKeyword('PRECISION', 1)) return typed(cursor);
  if ((upper === 'TIMESTAMP' || upper === 'TIME') && /^WITH(?:OUT)?$/i.test(cursor.rawAhead(1))) return typed(cursor);
  return column(cursor);
}

function bareCall(cursor: TokenCursor, name: string): Expr {
  if (cursor.isSymbol('(', 1)) return parseCall(cursor);
  const start = cursor.start;
  cursor.next();
  const end = cursor.previousEnd;
  return {kind: 'call', start, end, name, args: [], isStar: false, isDistinct: false, orderBy: [], filter: undefined};
}

function typed(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const type = parseTypeRef(cursor);
  const text = cursor.string();
  const value = type.name === 'INTERVAL' ? withUnit(cursor, text) : text;
  return {kind: 'typed', start, end: cursor.previousEnd, type, value};
}

/** `INTERVAL '5' DAY` is `INTERVAL '5 day'`. */
function withUnit(cursor: TokenCursor, text: string): string {
  const start = cursor.start;
  const unit = cursor.acceptOneOf('YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND');
  if (unit === undefined) return text;
  const isNumber = unit === 'SECOND' ? /^\s*[-+]?\d+(?:\.\d+)?\s*$/ : /^\s*[-+]?\d+\s*$/;
  if (!isNumber.test(text) || cursor.isKeyword('TO'))
    throw cursor.notSupported("such a unit of INTERVAL; write units into its text: INTERVAL '1 day 2 hours'", start);
  return `${text} ${unit}`;
}

function column(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const parts: Name[] = [cursor.isSymbol('.', 1) ? cursor.name('a column name') : cursor.columnName()];
  while (cursor.acceptSymbol('.')) {
    if (parts.length === 3) throw cursor.fail('A column name has at most three parts: namespace.table.column');
    parts.push(cursor.label('a column name'));
  }
  if (parts.length > 1 && cursor.isSymbol('(')) throw cursor.fail('Functions are not in namespaces');
  const last = parts.pop()!;
  return {kind: 'column', start, end: cursor.previousEnd, qualifier: parts, column: last};
}

function not(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.next();
  const operand = parseAbove(cursor, POWER.not);
  cursor.height += 1;
  return {kind: 'unary', start, end: operand.end, op: 'not', operand};
}

function exists(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.next();
  if (!beginsQuery(cursor, 1)) {
    cursor.next();
    throw cursor.expected('a query');
  }
  const query = parseBracketedQuery(cursor);
  cursor.height += 1;
  return {kind: 'exists', start, end: cursor.previousEnd, query};
}

/** `ROW(a, b)`, perhaps empty. */
function row(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.next();
  cursor.expectSymbol('(');
  const items = cursor.isSymbol(')') ? [] : parseExpressions(cursor);
  cursor.expectSymbol(')');
  cursor.height += 1;
  return {kind: 'row', start, end: cursor.previousEnd, items};
}

/** `ARRAY[a, b]`, perhaps empty, or with arrays as `[c]` inside. */
function array(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.next();
  return arrayItems(cursor, start);
}

function arrayItems(cursor: TokenCursor, start: number): Expr {
  cursor.expectSymbol('[');
  const args: Expr[] = [];
  if (!cursor.isSymbol(']')) {
    do args.push(cursor.isSymbol('[') ? innerArray(cursor) : parseExpression(cursor));
    while (cursor.acceptSymbol(','));
  }
  cursor.expectSymbol(']');
  cursor.height += 1;
  const name = 'JSON_BUILD_ARRAY';
  const end = cursor.previousEnd;
  return {kind: 'call', start, end, name, args, isStar: false, isDistinct: false, orderBy: [], filter: undefined};
}

function innerArray(cursor: TokenCursor): Expr {
  const outside = enter(cursor, 'Expression');
  const inner = arrayItems(cursor, cursor.start);
  leave(cursor, outside);
  return inner;
}

function cast(cursor: TokenCursor, isTry: boolean): Expr {
  const start = cursor.start;
  cursor.next();
  cursor.expectSymbol('(');
  const operand = parseExpression(cursor);
  cursor.expectKeyword('AS');
  const type = parseCastType(cursor);
  cursor.expectSymbol(')');
  cursor.height += 1;
  return {kind: 'cast', start, end: cursor.previousEnd, operand, type, isTry};
}

function caseWhen(cursor: TokenCursor): Expr {
  const start = cursor.start;
  cursor.expectKeyword('CASE');
  const operand = cursor.isKeyword('WHEN') ? undefined : parseExpression(cursor);
  const branches: {when: Expr; then: Expr}[] = [];
  cursor.expectKeyword('WHEN');
  do {
    const when = parseExpression(cursor);
    cursor.expectKeyword('THEN');
    // biome-ignore lint/suspicious/noThenProperty: the tree is never awaited, and THEN is the word of the language.
    branches.push({when, then: parseExpression(cursor)});
  } while (cursor.acceptKeyword('WHEN'));
  const otherwise = cursor.acceptKeyword('ELSE') ? parseExpression(cursor) : undefined;
  cursor.expectKeyword('END');
  cursor.height += 1;
  return {kind: 'case', start, end: cursor.previousEnd, operand, branches, otherwise};
}

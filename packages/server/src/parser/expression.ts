/**
 * Expressions: operators by precedence climbing; operands are read by operand.ts.
 *
 *     or < and < not < is < comparisons < between in like < || -> ->> ? < + - < * / % < at time zone < collate < signs < :: []
 *
 * The order is PostgreSQL's; `is`, comparisons and the between group do not associate (`a < b < c` is an error).
 * A chain of one precedence is a loop, and `and` / `or` become one flat node, so their length costs no stack.
 *
 * Laws: a tree is at most NESTING_MAX deep to the right and HEIGHT_MAX high in all, so whoever walks it may recurse.
 */
import type {BinaryOperator, Expr} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseOperand} from './operand.ts';
import * as token from './tokenizer.ts';
import {parseTypeRef} from './type-ref.ts';

export const NESTING_MAX = 256;
export const HEIGHT_MAX = 2000;

/** Binding powers: a bigger one binds tighter. */
export const POWER = {
  any: 0,
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  compare: 5,
  range: 6,
  other: 7,
  add: 8,
  multiply: 9,
  zone: 10,
  collate: 11,
  sign: 12,
  postfix: 13,
} as const;

interface Infix {
  readonly power: number;
  readonly op: BinaryOperator | undefined;
}

const SYMBOLS: ReadonlyMap<number, Infix> = new Map<number, Infix>([
  [61, {power: POWER.compare, op: '='}],
  [60, {power: POWER.compare, op: '<'}],
  [62, {power: POWER.compare, op: '>'}],
  [token.LESS_EQUAL, {power: POWER.compare, op: '<='}],
  [token.GREATER_EQUAL, {power: POWER.compare, op: '>='}],
  [token.NOT_EQUAL, {power: POWER.compare, op: '<>'}],
  [token.CONCAT, {power: POWER.other, op: '||'}],
  [token.ARROW, {power: POWER.other, op: '->'}],
  [token.LONG_ARROW, {power: POWER.other, op: '->>'}],
  [63, {power: POWER.other, op: '?'}],
  [43, {power: POWER.add, op: '+'}],
  [45, {power: POWER.add, op: '-'}],
  [42, {power: POWER.multiply, op: '*'}],
  [47, {power: POWER.multiply, op: '/'}],
  [37, {power: POWER.multiply, op: '%'}],
  [token.CAST, {power: POWER.postfix, op: undefined}],
  [91, {power: POWER.postfix, op: undefined}],
]);

const WORDS: ReadonlyMap<string, number> = new Map([
  ['OR', POWER.or],
  ['AND', POWER.and],
  ['IS', POWER.is],
  ['ISNULL', POWER.is],
  ['NOTNULL', POWER.is],
  ['NOT', POWER.range],
  ['IN', POWER.range],
  ['LIKE', POWER.range],
  ['ILIKE', POWER.range],
  ['SIMILAR', POWER.range],
  ['BETWEEN', POWER.range],
  ['AT', POWER.zone],
  ['COLLATE', POWER.collate],
]);
const LONGEST_WORD = 7;

export function parseExpression(cursor: TokenCursor): Expr {
  return parseAbove(cursor, POWER.any);
}

/** The expression of DEFAULT: it ends before NOT NULL and the like, so comparisons need brackets. */
export function parseDefaultExpression(cursor: TokenCursor): Expr {
  return parseAbove(cursor, POWER.range);
}

/** `a, b, …`: at least one. */
export function parseExpressions(cursor: TokenCursor): Expr[] {
  const list = [parseAbove(cursor, POWER.any)];
  while (cursor.acceptSymbol(',')) list.push(parseAbove(cursor, POWER.any));
  return list;
}

/** Parses as long as operators bind tighter than `power`. */
export function parseAbove(cursor: TokenCursor, power: number): Expr {
  if (cursor.depth === NESTING_MAX) {
    throw cursor.limitExceeded(`Expression is nested too deeply (maximum ${NESTING_MAX})`);
  }
  const heightOutside = cursor.height;
  cursor.depth += 1;
  cursor.height = 0;
  let left = parseOperand(cursor);
  // `is` and its like consume their own right side, so only a comparison can meet its equal here.
  for (let next = nextPower(cursor); next > power; next = nextPower(cursor)) {
    left = infix(cursor, left, next);
    cursor.height += 1;
    if (cursor.height > HEIGHT_MAX) {
      throw cursor.limitExceeded(`Expression is too long: at most ${HEIGHT_MAX} operators may build on each other`);
    }
  }
  cursor.depth -= 1;
  if (cursor.height < heightOutside) cursor.height = heightOutside;
  return left;
}

function nextPower(cursor: TokenCursor): number {
  const kind = cursor.kind;
  if (kind !== token.WORD) return SYMBOLS.get(kind)?.power ?? 0;
  const word = cursor.raw;
  if (word.length > LONGEST_WORD) return 0;
  const power = WORDS.get(word.toUpperCase()) ?? 0;
  // NOT between operands only begins NOT IN and its like: `DEFAULT 1 NOT NULL` ends before it.
  if (power !== POWER.range || !cursor.isKeyword('NOT')) return power;
  return ['IN', 'LIKE', 'ILIKE', 'SIMILAR', 'BETWEEN'].some(next => cursor.isKeyword(next, 1)) ? power : 0;
}

function infix(cursor: TokenCursor, left: Expr, power: number): Expr {
  switch (power) {
    case POWER.or:
      return logic(cursor, left, 'or', 'OR', power);
    case POWER.and:
      return logic(cursor, left, 'and', 'AND', power);
    case POWER.is:
      return isTest(cursor, left);
    case POWER.range:
      return range(cursor, left);
    case POWER.zone:
      cursor.expectKeywords('AT', 'TIME', 'ZONE');
      parseAbove(cursor, power);
      throw cursor.notSupported('AT TIME ZONE', left.start);
    case POWER.collate:
      cursor.expectKeyword('COLLATE');
      cursor.label('a collation');
      throw cursor.notSupported('COLLATE', left.start);
    case POWER.postfix:
      return postfix(cursor, left);
    default:
      return binary(cursor, left, power);
  }
}

function binary(cursor: TokenCursor, left: Expr, power: number): Expr {
  const op = SYMBOLS.get(cursor.kind)!.op!;
  cursor.next();
  if (cursor.areKeywords('ANY') || cursor.areKeywords('ALL') || cursor.areKeywords('SOME'))
    return quantified(cursor, left);
  const right = parseAbove(cursor, power);
  if (power === POWER.compare && nextPower(cursor) === power) throw chained(cursor);
  return {kind: 'binary', start: left.start, end: right.end, op, left, right};
}

function quantified(cursor: TokenCursor, left: Expr): never {
  cursor.next();
  if (!cursor.isSymbol('(')) throw cursor.expected("'('");
  throw cursor.notSupported('ANY, SOME and ALL comparisons', left.start);
}

function logic(cursor: TokenCursor, left: Expr, op: 'and' | 'or', word: string, power: number): Expr {
  const terms = [left];
  while (cursor.acceptKeyword(word)) terms.push(parseAbove(cursor, power));
  return {kind: 'logic', start: left.start, end: terms[terms.length - 1]!.end, op, terms};
}

function isTest(cursor: TokenCursor, operand: Expr): Expr {
  const start = operand.start;
  const word = cursor.expectOneOf('IS', 'ISNULL', 'NOTNULL');
  const isNegated = word === 'NOTNULL' || (word === 'IS' && cursor.acceptKeyword('NOT'));
  if (word !== 'IS' || cursor.acceptKeyword('NULL')) {
    return {kind: 'isNull', start, end: cursor.previousEnd, operand, isNegated};
  }
  if (cursor.keywords('DISTINCT', 'FROM')) {
    const right = parseAbove(cursor, POWER.is);
    if (nextPower(cursor) === POWER.is) throw chained(cursor);
    return {kind: 'isDistinct', start, end: right.end, left: operand, right, isNegated};
  }
  const found = cursor.acceptOneOf('TRUE', 'FALSE', 'UNKNOWN');
  if (found === undefined) throw cursor.expected('NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM');
  const value = found === 'UNKNOWN' ? null : found === 'TRUE';
  return {kind: 'isBoolean', start, end: cursor.previousEnd, operand, value, isNegated};
}

function range(cursor: TokenCursor, operand: Expr): Expr {
  const isNegated = cursor.acceptKeyword('NOT');
  const word = cursor.expectOneOf('IN', 'BETWEEN', 'LIKE', 'ILIKE', 'SIMILAR');
  if (word === 'IN') return inList(cursor, operand, isNegated);
  const expr = word === 'BETWEEN' ? between(cursor, operand, isNegated) : like(cursor, operand, word, isNegated);
  if (nextPower(cursor) === POWER.range) throw chained(cursor);
  return expr;
}

function inList(cursor: TokenCursor, operand: Expr, isNegated: boolean): Expr {
  if (!cursor.isSymbol('(')) throw cursor.expected("'('");
  if (isSubquery(cursor, 1)) throw cursor.notSupported('subqueries', operand.start);
  cursor.next();
  const list = parseExpressions(cursor);
  cursor.expectSymbol(')');
  return {kind: 'in', start: operand.start, end: cursor.previousEnd, operand, list, isNegated};
}

function between(cursor: TokenCursor, operand: Expr, isNegated: boolean): Expr {
  const isSymmetric = cursor.acceptKeyword('SYMMETRIC');
  if (!isSymmetric) cursor.acceptKeyword('ASYMMETRIC');
  const low = parseAbove(cursor, POWER.range);
  cursor.expectKeyword('AND');
  const high = parseAbove(cursor, POWER.range);
  if (isSymmetric) throw cursor.notSupported('BETWEEN SYMMETRIC', operand.start);
  return {kind: 'between', start: operand.start, end: high.end, operand, low, high, isNegated};
}

function like(cursor: TokenCursor, operand: Expr, word: 'LIKE' | 'ILIKE' | 'SIMILAR', isNegated: boolean): Expr {
  if (word === 'SIMILAR') cursor.expectKeyword('TO');
  if (cursor.isKeyword('ANY') || cursor.isKeyword('ALL') || cursor.isKeyword('SOME'))
    return quantified(cursor, operand);
  const pattern = parseAbove(cursor, POWER.range);
  const escapeBy = cursor.acceptKeyword('ESCAPE') ? parseAbove(cursor, POWER.range) : undefined;
  if (word === 'SIMILAR') throw cursor.notSupported('SIMILAR TO', operand.start);
  const end = (escapeBy ?? pattern).end;
  return {
    kind: 'like',
    start: operand.start,
    end,
    operand,
    pattern,
    escape: escapeBy,
    isCaseless: word === 'ILIKE',
    isNegated,
  };
}

function postfix(cursor: TokenCursor, operand: Expr): Expr {
  if (cursor.isSymbol('[')) throw cursor.notSupported('array subscripts', operand.start);
  cursor.expectSymbol('::');
  const type = parseTypeRef(cursor);
  return {kind: 'cast', start: operand.start, end: type.end, operand, type, isTry: false};
}

/** Whether a query begins at `ahead`, perhaps inside more brackets. */
export function isSubquery(cursor: TokenCursor, ahead: number): boolean {
  // Deeper brackets are refused anyway; without the bound every level would look through all of them.
  let at = ahead;
  while (at < NESTING_MAX && cursor.isSymbol('(', at)) at += 1;
  return cursor.isKeyword('SELECT', at) || cursor.isKeyword('WITH', at) || cursor.isKeyword('VALUES', at);
}

function chained(cursor: TokenCursor) {
  return cursor.fail(`Unexpected ${cursor.found()}: put brackets around the comparison before it`);
}

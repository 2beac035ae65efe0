/**
 * Expressions: operators by precedence climbing; operands are read by operand.ts.
 *
 *     or < and < not < is < comparisons < between in like < || -> ->> ? ~ @> #> & | # << >> < + - < * / % < ^ < at time zone < collate < signs < :: []
 *
 * The order is PostgreSQL's; `is`, comparisons and the between group do not associate (`a < b < c` is an error).
 * A chain of one precedence is a loop, and `and` / `or` become one flat node, so their length costs no stack.
 */
import type {BinaryOperator, Expr, Query} from './ast.ts';
import {beginsQuery, parseQueryOrExpressions} from './brackets.ts';
import type {TokenCursor} from './cursor.ts';
import {enter, grow, leave} from './nesting.ts';
import {parseOperand} from './operand.ts';
import {compareRows, distinctRows, isRow, rowIn} from './rows.ts';
import * as token from './tokenizer.ts';
import {parseCastType} from './type-ref.ts';

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
  raise: 10,
  zone: 11,
  collate: 12,
  sign: 13,
  postfix: 14,
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
  [94, {power: POWER.raise, op: undefined}],
  [token.CAST, {power: POWER.postfix, op: undefined}],
  [91, {power: POWER.postfix, op: undefined}],
]);

/** What begins an operator of PostgreSQL, none of which we have but those below: `& | # ~ ! @`. */
const FOREIGN_SYMBOLS: ReadonlySet<number> = new Set([...'&|#~!@'].map(symbol => symbol.charCodeAt(0)));

/** Operators that are another way to write a call, those that begin with the same symbols in the order of their length. */
const CALLED_BY: readonly (readonly [symbols: string, name: string, option?: string])[] = [
  ['!~*', 'REGEXP_LIKE', 'i'],
  ['!~', 'REGEXP_LIKE'],
  ['~*', 'REGEXP_LIKE', 'i'],
  ['~', 'REGEXP_LIKE'],
  ['#>>', 'JSONB_AT_TEXT'],
  ['#>', 'JSONB_AT'],
  ['#-', 'JSONB_DELETE_PATH'],
  ['@>', 'JSONB_CONTAINS'],
  ['<@', 'JSONB_CONTAINED'],
  ['?|', 'JSONB_EXISTS_ANY'],
  ['?&', 'JSONB_EXISTS_ALL'],
  ['&&', 'ARRAY_HAS_ANY'],
  ['<<', 'BITSHIFTLEFT'],
  ['>>', 'BITSHIFTRIGHT'],
  ['&', 'BITAND'],
  ['|', 'BITOR'],
  ['#', 'BITXOR'],
];
const CALLED_FIRST: ReadonlySet<number> = new Set(CALLED_BY.map(([symbols]) => symbols.charCodeAt(0)));

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
  const outside = enter(cursor, 'Expression');
  const expr = parseBehind(cursor, parseOperand(cursor), power);
  leave(cursor, outside);
  return expr;
}

/** Goes on behind an operand, as long as operators bind tighter than `power`. */
export function parseBehind(cursor: TokenCursor, operand: Expr, power: number): Expr {
  let left = operand;
  // `is` and its like consume their own right side, so only a comparison can meet its equal here.
  for (let next = nextPower(cursor); next > power; next = nextPower(cursor)) {
    left = infix(cursor, left, next);
    grow(cursor, 'Expression');
  }
  return left;
}

function nextPower(cursor: TokenCursor): number {
  const kind = cursor.kind;
  if (kind !== token.WORD) {
    if (calledBy(cursor) !== undefined) return POWER.other;
    if (FOREIGN_SYMBOLS.has(kind)) throw cursor.notSupported(`the operator ${symbolsOf(cursor)}`);
    return SYMBOLS.get(kind)?.power ?? 0;
  }
  const word = cursor.raw;
  if (word.length > LONGEST_WORD) return 0;
  const power = WORDS.get(word.toUpperCase()) ?? 0;
  // NOT between operands only begins NOT IN and its like: `DEFAULT 1 NOT NULL` ends before it.
  if (power !== POWER.range || !cursor.isKeyword('NOT')) return power;
  return ['IN', 'LIKE', 'ILIKE', 'SIMILAR', 'BETWEEN'].some(next => cursor.isKeyword(next, 1)) ? power : 0;
}

function calledBy(cursor: TokenCursor) {
  if (!CALLED_FIRST.has(cursor.kind)) return undefined;
  const {text} = cursor.statement;
  const found = CALLED_BY.find(([symbols]) => text.startsWith(symbols, cursor.start));
  if (found === undefined || !/^(?:BIT|ARRAY)/.test(found[1])) return found;
  // `&&&` or `<<=` is another operator, but in `a&-b` the sign is of b.
  const rest = symbolsOf(cursor).slice(found[0].length);
  return rest === '' || /^[-+~]/.test(rest) ? found : undefined;
}

/** `a ~ b` is REGEXP_LIKE(a, b), `a !~ b` is NOT of it. Each symbol is a token. */
function operatorCall(cursor: TokenCursor, left: Expr, power: number): Expr {
  const [symbols, name, option] = calledBy(cursor)!;
  for (const _ of symbols) cursor.next();
  const callWith = (right: Expr): Expr => {
    const place = {start: left.start, end: right.end};
    const options: Expr[] = option === undefined ? [] : [{kind: 'string', ...place, value: option}];
    const call = plainCall(name, [left, right, ...options], place);
    return symbols.startsWith('!') ? {kind: 'unary', ...place, op: 'not', operand: call} : call;
  };
  const quantifier = cursor.acceptOneOf('ANY', 'SOME', 'ALL');
  if (quantifier !== undefined) return ofValues(cursor, quantifier, `${symbols} ${quantifier}`, left, callWith);
  return callWith(parseAbove(cursor, power));
}

/** Behind ANY, SOME or ALL of an operator that is no comparison: the test of each value of `ARRAY[…]`. */
function ofValues(
  cursor: TokenCursor,
  quantifier: 'ANY' | 'SOME' | 'ALL',
  what: string,
  {start}: Expr,
  testOf: (value: Expr) => Expr,
): Expr {
  const isQuery = cursor.isSymbol('(') && beginsQuery(cursor, 1);
  const [array, second] = isQuery ? [] : bracketedList(cursor);
  if (array === undefined || second !== undefined || !isArrayOfValues(array))
    throw cursor.notSupported(`${what} of other than ARRAY[…]; use EXISTS with a query, or FROM UNNEST`, start);
  const place = {start, end: cursor.previousEnd};
  if (array.args.length === 0) return {kind: 'boolean', ...place, value: quantifier === 'ALL'};
  return {kind: 'logic', ...place, op: quantifier === 'ALL' ? 'and' : 'or', terms: array.args.map(testOf)};
}

/** From the first to the last argument, or beginning at `first`. */
function callOf(name: string, args: readonly [Expr, Expr], first: Expr = args[0]): Expr {
  const end = Math.max(args[0].end, args[1].end);
  return plainCall(name, args, {start: first.start, end});
}

function plainCall(name: string, args: readonly Expr[], place: {start: number; end: number}): Expr {
  return {kind: 'call', ...place, name, args, isStar: false, isDistinct: false, orderBy: [], filter: undefined};
}

/** All symbols that stand together, as PostgreSQL reads an operator. */
function symbolsOf(cursor: TokenCursor): string {
  return /^[-+*/<>=~!@#%^&|?]+/.exec(cursor.statement.text.slice(cursor.start, cursor.start + 10))?.[0] ?? cursor.raw;
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
    case POWER.raise:
      cursor.next();
      return callOf('POWER', [left, parseAbove(cursor, power)]);
    case POWER.zone:
      cursor.expectKeywords('AT', 'TIME', 'ZONE');
      return callOf('TIMEZONE', [parseAbove(cursor, power), left], left);
    case POWER.collate:
      cursor.expectKeyword('COLLATE');
      cursor.label('a collation');
      throw cursor.notSupported(
        'COLLATE; texts are compared by their bytes, as under "C", and LOWER takes case out',
        left.start,
      );
    case POWER.postfix:
      return postfix(cursor, left);
    default:
      return binary(cursor, left, power);
  }
}

function binary(cursor: TokenCursor, left: Expr, power: number): Expr {
  if (calledBy(cursor) !== undefined) return operatorCall(cursor, left, power);
  const op = SYMBOLS.get(cursor.kind)!.op!;
  if ((op === '<' || op === '>') && cursor.isSymbol(op, 1))
    throw cursor.notSupported(`the operator ${symbolsOf(cursor)}`);
  cursor.next();
  const quantifier = cursor.acceptOneOf('ANY', 'SOME', 'ALL');
  if (quantifier !== undefined) return quantified(cursor, left, op, power, quantifier === 'ALL' ? 'all' : 'any');
  const right = parseAbove(cursor, power);
  if (power === POWER.compare && nextPower(cursor) === power) throw chained(cursor);
  if (power === POWER.compare && isRow(left) && isRow(right)) return compareRows(cursor, op, left, right);
  return {kind: 'binary', start: left.start, end: right.end, op, left, right};
}

/** Behind ANY, SOME or ALL. */
function quantified(
  cursor: TokenCursor,
  left: Expr,
  op: BinaryOperator,
  power: number,
  quantifier: 'any' | 'all',
): Expr {
  if (!cursor.isSymbol('(')) throw cursor.expected("'('");
  if (power !== POWER.compare) throw cursor.notSupported(`ANY, SOME and ALL behind ${op}`, left.start);
  const query = beginsQuery(cursor, 1) ? parseQueryOrExpressions(cursor) : bracketedList(cursor);
  if (isList(query)) return ofArray(cursor, left, op, quantifier, query);
  return {kind: 'quantified', start: left.start, end: cursor.previousEnd, op, quantifier, left, query};
}

/** `a = ANY (ARRAY[b, c])` is a comparison with each; of any other array, which is JSON, a call. */
function ofArray(
  cursor: TokenCursor,
  left: Expr,
  op: BinaryOperator,
  quantifier: 'any' | 'all',
  [array, second]: readonly Expr[],
): Expr {
  const place = {start: left.start, end: cursor.previousEnd};
  if (array === undefined || second !== undefined)
    throw cursor.fail('ANY, SOME and ALL take one array or a query', place.start);
  if (!isArrayOfValues(array)) {
    const name = quantifier === 'any' ? 'COMPARE_ANY' : 'COMPARE_ALL';
    return plainCall(name, [left, {kind: 'string', ...place, value: op}, array], place);
  }
  const items = array.args;
  if (items.length === 0) return {kind: 'boolean', ...place, value: quantifier === 'all'};
  if (op === '=' && quantifier === 'any') return {kind: 'in', ...place, operand: left, list: items, isNegated: false};
  if (op === '<>' && quantifier === 'all') return {kind: 'in', ...place, operand: left, list: items, isNegated: true};
  const terms = items.map((right): Expr => ({kind: 'binary', ...place, op, left, right}));
  return {kind: 'logic', ...place, op: quantifier === 'any' ? 'or' : 'and', terms};
}

/** `ARRAY[…]` as it is written, without arrays in it. */
function isArrayOfValues(expr: Expr): expr is Extract<Expr, {kind: 'call'}> {
  const isArray = (one: Expr) => one.kind === 'call' && one.name === 'JSON_BUILD_ARRAY';
  return isArray(expr) && !(expr as Extract<Expr, {kind: 'call'}>).args.some(isArray);
}

function isList(inside: Query | readonly Expr[]): inside is readonly Expr[] {
  return Array.isArray(inside);
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
    if (isRow(operand) && isRow(right)) return distinctRows(cursor, operand, right, isNegated);
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
  const {start} = operand;
  const inside = beginsQuery(cursor, 1) ? parseQueryOrExpressions(cursor) : bracketedList(cursor);
  const end = cursor.previousEnd;
  if (!isList(inside)) return {kind: 'inQuery', start, end, operand, query: inside, isNegated};
  if (isRow(operand)) return rowIn(cursor, operand, inside, isNegated);
  return {kind: 'in', start, end, operand, list: inside, isNegated};
}

function bracketedList(cursor: TokenCursor): Expr[] {
  cursor.expectSymbol('(');
  const list = parseExpressions(cursor);
  cursor.expectSymbol(')');
  return list;
}

function between(cursor: TokenCursor, operand: Expr, isNegated: boolean): Expr {
  const isSymmetric = cursor.acceptKeyword('SYMMETRIC');
  if (!isSymmetric) cursor.acceptKeyword('ASYMMETRIC');
  const low = parseAbove(cursor, POWER.range);
  cursor.expectKeyword('AND');
  const high = parseAbove(cursor, POWER.range);
  const place = {start: operand.start, end: high.end};
  const ordered: Expr = {kind: 'between', ...place, operand, low, high, isNegated};
  if (!isSymmetric) return ordered;
  const turned: Expr = {...ordered, low: high, high: low};
  return {kind: 'logic', ...place, op: isNegated ? 'and' : 'or', terms: [ordered, turned]};
}

function like(cursor: TokenCursor, operand: Expr, word: 'LIKE' | 'ILIKE' | 'SIMILAR', isNegated: boolean): Expr {
  if (word === 'SIMILAR') cursor.expectKeyword('TO');
  const quantifier = cursor.acceptOneOf('ANY', 'SOME', 'ALL');
  if (quantifier !== undefined) {
    if (word === 'SIMILAR') throw cursor.notSupported('SIMILAR TO ANY and ALL; join the patterns by |', operand.start);
    const facts = {escape: undefined, isCaseless: word === 'ILIKE', isNegated};
    return ofValues(cursor, quantifier, `${word} ${quantifier}`, operand, pattern => ({
      ...{kind: 'like', start: operand.start, end: pattern.end, operand, pattern},
      ...facts,
    }));
  }
  const pattern = parseAbove(cursor, POWER.range);
  const escapeBy = cursor.acceptKeyword('ESCAPE') ? parseAbove(cursor, POWER.range) : undefined;
  const end = (escapeBy ?? pattern).end;
  if (word === 'SIMILAR') return similar([operand, pattern, ...(escapeBy === undefined ? [] : [escapeBy])], isNegated);
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

function similar(args: readonly [Expr, ...Expr[]], isNegated: boolean): Expr {
  const place = {start: args[0].start, end: args.at(-1)!.end};
  const call = plainCall('SIMILAR_TO', args, place);
  return isNegated ? {kind: 'unary', ...place, op: 'not', operand: call} : call;
}

function postfix(cursor: TokenCursor, operand: Expr): Expr {
  if (cursor.isSymbol('['))
    throw cursor.notSupported('array subscripts; -> and ->> take an element of JSON, counted from 0', operand.start);
  cursor.expectSymbol('::');
  const type = parseCastType(cursor);
  return {kind: 'cast', start: operand.start, end: type.end, operand, type, isTry: false};
}

function chained(cursor: TokenCursor) {
  return cursor.fail(`Unexpected ${cursor.found()}: put brackets around the comparison before it`);
}

/**
 * Calls: `f(a, b)`, `COUNT(*)`, `SUM(DISTINCT x) FILTER (WHERE …)`, `RANK() OVER w`, and the calls that the standard writes with words inside.
 *
 * The worded ones become plain calls, so that later rooms know one form: SUBSTRING(x FROM a FOR b) is SUBSTRING(x, a, b),
 * POSITION(a IN b) is STRPOS(b, a), TRIM(BOTH c FROM x) is TRIM(x, c). What others estimate is counted: APPROX_DISTINCT(x) is COUNT(DISTINCT x).
 */
import type {Call, Expr, OrderItem} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {POWER, parseAbove, parseExpression, parseExpressions} from './expression.ts';
import {grow} from './nesting.ts';
import {parseOrderBy} from './order.ts';
import {parseOver} from './window.ts';

/** Stands at the name; `(` follows. */
export function parseCall(cursor: TokenCursor): Expr {
  const start = cursor.start;
  const label = cursor.label('a function name');
  const name = label.text.toUpperCase();
  cursor.expectSymbol('(');
  const call = (label.isQuoted ? undefined : wordedCall(cursor, start, name)) ?? plainCall(cursor, start, name);
  grow(cursor, 'Expression');
  return call;
}

function wordedCall(cursor: TokenCursor, start: number, name: string): Expr | undefined {
  switch (name) {
    case 'EXTRACT':
      return extract(cursor, start);
    case 'POSITION':
      return position(cursor, start);
    case 'TRIM':
      return trim(cursor, start);
    case 'SUBSTRING':
      return substring(cursor, start);
    case 'OVERLAY':
      return overlay(cursor, start);
    default:
      return undefined;
  }
}

/** With what may stand behind a call: FILTER, IGNORE NULLS (also inside the brackets) and OVER. */
function plainCall(cursor: TokenCursor, start: number, name: string): Expr {
  let isDistinct = false;
  let isStar = false;
  let args: Expr[] = [];
  let orderBy: readonly OrderItem[] = [];
  if (cursor.acceptSymbol('*')) isStar = true;
  else if (!cursor.isSymbol(')')) {
    isDistinct = cursor.acceptKeyword('DISTINCT');
    if (!isDistinct) cursor.acceptKeyword('ALL');
    args = parseExpressions(cursor);
    orderBy = parseOrderBy(cursor);
  }
  let nulls = nullTreatment(cursor);
  cursor.expectSymbol(')');
  const isOrderedSet = ORDERED_SETS.has(name);
  if (cursor.areKeywords('WITHIN', 'GROUP')) {
    if (!isOrderedSet) throw cursor.fail(`WITHIN GROUP is of ${[...ORDERED_SETS].join(', ')}`);
    if (isDistinct || orderBy.length > 0) throw cursor.fail('DISTINCT and ORDER BY have no place before WITHIN GROUP');
    return orderedSet(cursor, start, name, args);
  } else if (isOrderedSet) throw cursor.expected('WITHIN GROUP (ORDER BY …)');
  const filter = cursor.isKeyword('FILTER') && cursor.isSymbol('(', 1) ? filterClause(cursor) : undefined;
  nulls ??= nullTreatment(cursor);
  const given = {
    kind: 'call',
    start,
    end: cursor.previousEnd,
    name,
    args,
    isStar,
    isDistinct,
    orderBy,
    filter,
  } as const;
  const call: Call = name === 'APPROX_DISTINCT' && !isStar ? {...given, name: 'COUNT', isDistinct: true} : given;
  if (!isOver(cursor)) {
    if (nulls !== undefined) throw cursor.expected('OVER');
    return call;
  }
  cursor.next();
  const over = parseOver(cursor);
  grow(cursor, 'Expression');
  return {kind: 'window', start, end: cursor.previousEnd, call, over, ignoresNulls: nulls === 'IGNORE'};
}

/** Aggregates over values in their order, which WITHIN GROUP names. */
const ORDERED_SETS: ReadonlySet<string> = new Set(['PERCENTILE_CONT', 'PERCENTILE_DISC', 'MODE']);

/** The value that is ordered comes first, then the fraction: PERCENTILE_DISC(x, f). From the other end it is another aggregate. */
function orderedSet(cursor: TokenCursor, start: number, name: string, given: readonly Expr[]): Call {
  const wanted = name === 'MODE' ? 0 : 1;
  if (given.length !== wanted) throw cursor.fail(`${name}() takes ${wanted} arguments before WITHIN GROUP`, start);
  cursor.expectKeywords('WITHIN', 'GROUP');
  cursor.expectSymbol('(');
  const [item, second] = parseOrderBy(cursor);
  if (item === undefined || second !== undefined) throw cursor.expected('ORDER BY of one expression');
  cursor.expectSymbol(')');
  const filter = cursor.isKeyword('FILTER') && cursor.isSymbol('(', 1) ? filterClause(cursor) : undefined;
  if (isOver(cursor)) throw cursor.notSupported('OVER behind WITHIN GROUP');
  const plain = {isStar: false, isDistinct: false, orderBy: []};
  const fractions = given.map((arg): Expr => {
    const {start: from, end} = arg;
    return {kind: 'call', start: from, end, name: 'PERCENTILE_FRACTION', args: [arg], ...plain, filter: undefined};
  });
  const end = cursor.previousEnd;
  return {
    ...{kind: 'call', start, end, name: item.isDescending ? `${name}_DESC` : name},
    ...{args: [item.expr, ...fractions], ...plain, filter},
  };
}

function nullTreatment(cursor: TokenCursor): 'IGNORE' | 'RESPECT' | undefined {
  if (cursor.keywords('IGNORE', 'NULLS')) return 'IGNORE';
  return cursor.keywords('RESPECT', 'NULLS') ? 'RESPECT' : undefined;
}

function isOver(cursor: TokenCursor): boolean {
  return cursor.isKeyword('OVER') && (cursor.isSymbol('(', 1) || cursor.isName(1));
}

function filterClause(cursor: TokenCursor): Expr {
  cursor.expectKeyword('FILTER');
  cursor.expectSymbol('(');
  cursor.expectKeyword('WHERE');
  const filter = parseExpression(cursor);
  cursor.expectSymbol(')');
  return filter;
}

function extract(cursor: TokenCursor, start: number): Expr {
  const field = cursor.stringOrName('a field such as YEAR').toUpperCase();
  cursor.expectKeyword('FROM');
  const operand = parseExpression(cursor);
  cursor.expectSymbol(')');
  return {kind: 'extract', start, end: cursor.previousEnd, field, operand};
}

function position(cursor: TokenCursor, start: number): Expr {
  const part = parseAbove(cursor, POWER.range);
  if (cursor.acceptKeyword('IN')) return simple(cursor, start, 'STRPOS', [parseAbove(cursor, POWER.range), part]);
  cursor.expectSymbol(',');
  return simple(cursor, start, 'POSITION', [part, ...parseExpressions(cursor)]);
}

function trim(cursor: TokenCursor, start: number): Expr {
  const side = cursor.acceptOneOf('BOTH', 'LEADING', 'TRAILING');
  const name = side === 'LEADING' ? 'LTRIM' : side === 'TRAILING' ? 'RTRIM' : 'TRIM';
  if (cursor.acceptKeyword('FROM')) return simple(cursor, start, name, parseExpressions(cursor));
  const args = parseExpressions(cursor);
  if (args.length === 1 && cursor.acceptKeyword('FROM')) args.unshift(...parseExpressions(cursor));
  return simple(cursor, start, name, args);
}

function substring(cursor: TokenCursor, start: number): Expr {
  const args = parseExpressions(cursor);
  if (args.length === 1) {
    if (cursor.acceptKeyword('FROM')) {
      args.push(parseExpression(cursor));
      if (cursor.acceptKeyword('FOR')) args.push(parseExpression(cursor));
    } else if (cursor.acceptKeyword('FOR')) {
      const at = cursor.start;
      args.push({kind: 'number', start: at, end: at, text: '1'}, parseExpression(cursor));
    }
  }
  return simple(cursor, start, 'SUBSTRING', args);
}

function overlay(cursor: TokenCursor, start: number): Expr {
  const args = parseExpressions(cursor);
  if (args.length === 1 && cursor.acceptKeyword('PLACING')) {
    args.push(parseExpression(cursor));
    cursor.expectKeyword('FROM');
    args.push(parseExpression(cursor));
    if (cursor.acceptKeyword('FOR')) args.push(parseExpression(cursor));
  }
  return simple(cursor, start, 'OVERLAY', args);
}

function simple(cursor: TokenCursor, start: number, name: string, args: Expr[]): Expr {
  cursor.expectSymbol(')');
  const end = cursor.previousEnd;
  return {kind: 'call', start, end, name, args, isStar: false, isDistinct: false, orderBy: [], filter: undefined};
}

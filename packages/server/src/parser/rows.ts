/**
 * Comparisons between rows, `(a, b) < (c, d)`, spelled out as comparisons of their values.
 *
 * So whoever evaluates the tree knows one form, and unknown stays unknown: rows are equal when all pairs are, and a row is less when the first
 * pair that is not equal is less.
 *
 * Law: a value that comes to stand in several places is plain, or a short text could mean a tree without bound.
 */
import type {BinaryOperator, Expr} from './ast.ts';
import type {TokenCursor} from './cursor.ts';

/** An order between rows makes the tree two nodes higher per value. */
const ORDERED_MAX = 32;

type Row = Extract<Expr, {kind: 'row'}>;
type Pair = readonly [left: Expr, right: Expr];

export function isRow(expr: Expr): expr is Row {
  return expr.kind === 'row';
}

/** `op` is a comparison. */
export function compareRows(cursor: TokenCursor, op: BinaryOperator, left: Row, right: Row): Expr {
  const isEquality = op === '=' || op === '<>';
  cursor.height += isEquality ? 1 : 2 * left.items.length;
  return isEquality ? equality(cursor, op, left, right) : order(cursor, op, left, right);
}

function equality(cursor: TokenCursor, op: '=' | '<>', left: Row, right: Row): Expr {
  return whole(op === '=' ? 'and' : 'or', left, right, pairsOf(cursor, left, right).map(compared(op)));
}

function order(cursor: TokenCursor, op: BinaryOperator, left: Row, right: Row): Expr {
  const pairs = pairsOf(cursor, left, right);
  if (pairs.length > ORDERED_MAX) {
    throw cursor.limitExceeded(`Rows of more than ${ORDERED_MAX} values cannot be ordered`, left.start);
  }
  for (const item of [...left.items, ...right.items]) requirePlain(cursor, item);
  // a < c or (a = c and (b < d or …)), from the last pair to the first.
  const strict = op === '<' || op === '<=' ? '<' : '>';
  return pairs.slice(0, -1).reduceRight(
    (rest, pair) => {
      const isTied = whole('and', left, right, [compared('=')(pair), rest]);
      return whole('or', left, right, [compared(strict)(pair), isTied]);
    },
    compared(op)(pairs.at(-1)!),
  );
}

export function distinctRows(cursor: TokenCursor, left: Row, right: Row, isNegated: boolean): Expr {
  cursor.height += 1;
  const parts = pairsOf(cursor, left, right).map(
    ([a, b]): Expr => ({kind: 'isDistinct', start: a.start, end: b.end, left: a, right: b, isNegated}),
  );
  return whole(isNegated ? 'and' : 'or', left, right, parts);
}

/** `(a, b) IN ((1, 2), (3, 4))` */
export function rowIn(cursor: TokenCursor, operand: Row, list: readonly Expr[], isNegated: boolean): Expr {
  if (list.length > 1) for (const item of operand.items) requirePlain(cursor, item);
  // NOT, OR, AND and a comparison, where a row and IN stood.
  cursor.height += 2;
  const {start} = operand;
  const end = cursor.previousEnd;
  const tests = list.map(item => {
    if (!isRow(item)) throw cursor.notSupported('a row in a list of other values', item.start);
    return equality(cursor, '=', operand, item);
  });
  const isIn: Expr = tests.length === 1 ? tests[0]! : {kind: 'logic', start, end, op: 'or', terms: tests};
  return isNegated ? {kind: 'unary', start, end, op: 'not', operand: isIn} : isIn;
}

function pairsOf(cursor: TokenCursor, left: Row, right: Row): Pair[] {
  const {start} = left;
  if (left.items.length !== right.items.length)
    throw cursor.fail('unequal number of entries in row expressions', start);
  if (left.items.length === 0) throw cursor.fail('cannot compare rows of zero length', start);
  const inner = [...left.items, ...right.items].find(isRow);
  if (inner !== undefined) throw cursor.notSupported('rows inside rows', inner.start);
  return left.items.map((item, i): Pair => [item, right.items[i]!]);
}

const compared =
  (op: BinaryOperator) =>
  ([left, right]: Pair): Expr => ({kind: 'binary', start: left.start, end: right.end, op, left, right});

function whole(op: 'and' | 'or', left: Expr, right: Expr, terms: Expr[]): Expr {
  return terms.length === 1 ? terms[0]! : {kind: 'logic', start: left.start, end: right.end, op, terms};
}

function requirePlain(cursor: TokenCursor, expr: Expr): void {
  let inner = expr;
  while (inner.kind === 'cast' || (inner.kind === 'unary' && inner.op !== 'not')) inner = inner.operand;
  if (PLAIN.has(inner.kind)) return;
  throw cursor.notSupported('rows of longer expressions in this comparison', expr.start);
}

const PLAIN: ReadonlySet<Expr['kind']> = new Set([
  'null',
  'boolean',
  'number',
  'string',
  'bytes',
  'typed',
  'param',
  'column',
]);

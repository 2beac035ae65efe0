/**
 * Brackets that may hold a query or an expression.
 *
 * Behind `((SELECT 1)` both are still possible: `((SELECT 1) UNION SELECT 2)` and `((SELECT 1) + 1)`. So whoever stands at such brackets reads the
 * inner ones first and looks at what follows; nothing is read twice.
 */
import type {Expr, Query} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {POWER, parseBehind, parseExpression} from './expression.ts';
import {enter, grow, leave} from './nesting.ts';
import {continuesQuery, parseQuery, queryBehind} from './query.ts';

const OPEN = 40;

/** Whether a query stands at `ahead`, or an expression or join that begins with one in brackets. */
export function beginsQuery(cursor: TokenCursor, ahead: number): boolean {
  let at = ahead;
  if (cursor.kindAhead(at) === OPEN) {
    // Every bracket of a row of them asks; the row is looked through once.
    if (cursor.index + at >= cursor.openUntil) {
      do at += 1;
      while (cursor.kindAhead(at) === OPEN);
      cursor.openUntil = cursor.index + at;
    }
    at = cursor.openUntil - cursor.index;
  }
  return (
    cursor.isKeyword('SELECT', at) ||
    cursor.isKeyword('WITH', at) ||
    cursor.isKeyword('TABLE', at) ||
    (cursor.isKeyword('VALUES', at) && cursor.isSymbol('(', at + 1))
  );
}

/** `(query)`, where nothing else may stand. */
export function parseBracketedQuery(cursor: TokenCursor): Query {
  const outside = enter(cursor, 'Query');
  cursor.expectSymbol('(');
  const query = parseQuery(cursor);
  cursor.expectSymbol(')');
  leave(cursor, outside);
  return query;
}

/** Consumes `( … )` whose first word behind all brackets begins a query: that query, or the expressions that begin with it. */
export function parseQueryOrExpressions(cursor: TokenCursor): Query | Expr[] {
  const outside = enter(cursor, 'Query');
  cursor.expectSymbol('(');
  const inside = cursor.isSymbol('(') ? behindBrackets(cursor) : parseQuery(cursor);
  cursor.expectSymbol(')');
  leave(cursor, outside);
  return inside;
}

function behindBrackets(cursor: TokenCursor): Query | Expr[] {
  const start = cursor.start;
  const first = parseQueryOrExpressions(cursor);
  if (!Array.isArray(first) && (cursor.isSymbol(')') || continuesQuery(cursor))) return queryBehind(cursor, first);
  const operand = Array.isArray(first) ? asOperand(first, start, cursor) : subquery(cursor, first, start);
  const list = [parseBehind(cursor, operand, POWER.any)];
  while (cursor.acceptSymbol(',')) list.push(parseExpression(cursor));
  return list;
}

/** A query in brackets that ends here, as a value. */
export function subquery(cursor: TokenCursor, query: Query, start: number): Expr {
  grow(cursor, 'Expression');
  return {kind: 'subquery', start, end: cursor.previousEnd, query};
}

/** What stood in brackets is one value, or a row. */
export function asOperand(list: Expr[], start: number, cursor: TokenCursor): Expr {
  if (list.length === 1) return list[0]!;
  grow(cursor, 'Expression');
  return {kind: 'row', start, end: cursor.previousEnd, items: list};
}

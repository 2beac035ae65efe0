/**
 * ORDER BY lists: of queries, windows and aggregates.
 */
import type {OrderItem} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';

/** `ORDER BY a DESC NULLS LAST, …`, or nothing. */
export function parseOrderBy(cursor: TokenCursor): OrderItem[] {
  const items: OrderItem[] = [];
  if (!cursor.isKeyword('ORDER')) return items;
  cursor.expectKeywords('ORDER', 'BY');
  do {
    const start = cursor.start;
    const expr = parseExpression(cursor);
    if (cursor.isKeyword('USING')) throw cursor.notSupported('ORDER BY … USING; write ASC or DESC');
    const isDescending = cursor.acceptOneOf('ASC', 'DESC') === 'DESC';
    let nulls: OrderItem['nulls'];
    if (cursor.acceptKeyword('NULLS')) nulls = cursor.expectOneOf('FIRST', 'LAST') === 'FIRST' ? 'first' : 'last';
    items.push({start, end: cursor.previousEnd, expr, isDescending, nulls});
  } while (cursor.acceptSymbol(','));
  return items;
}

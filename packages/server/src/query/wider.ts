/**
 * Wider: what a query has that the direct executor cannot run.
 *
 * The direct executor takes one SELECT over one table of the catalog or none. Everything else is named by its first place in the text.
 */
import {isRowMaker} from '../expr/calls.ts';
import {notSupportedAt} from '../expr/coerce.ts';
import {expressionsOf, WIDER_NAMES, walk} from '../expr/walk.ts';
import type {Expr, FromItem, FromTable, Query, Select} from '../parser/ast.ts';

/** A query that the direct executor understands. */
export interface DirectSelect extends Select {
  readonly from: readonly [] | readonly [FromTable];
  readonly groupBy: readonly Expr[];
}

export interface Wider {
  readonly what: string;
  /** Offset in the statement. */
  readonly start: number;
}

/** Throws NOT_SUPPORTED. */
export function directSelect(query: Query, text: string): DirectSelect {
  const wider = widerThanDirect(query);
  if (wider !== undefined) throw notSupportedAt({text}, wider.start, wider.what);
  return query as DirectSelect;
}

export function widerThanDirect(query: Query): Wider | undefined {
  if (query.with !== undefined) return {what: 'WITH queries', start: query.with.start};
  if (query.kind === 'set') return {what: 'UNION, EXCEPT and INTERSECT', start: query.left.end};
  if (query.kind === 'values') return {what: 'VALUES as a query', start: query.start};
  return widerClause(query) ?? widerExpression(query);
}

function widerClause(select: Select): Wider | undefined {
  const {from, groupBy, windows, qualify, isWithTies, orderBy} = select;
  if (select.distinctOn.length > 0) return {what: 'DISTINCT ON', start: select.distinctOn[0]!.start};
  if (from.length > 1) return {what: 'several tables in FROM', start: from[1]!.start};
  const item = from[0] && widerItem(from[0]);
  if (item !== undefined) return item;
  const sets = groupBy.find(group => 'sets' in group);
  if (sets !== undefined) return {what: 'GROUPING SETS, ROLLUP and CUBE', start: sets.start};
  if (windows.length > 0) return {what: 'WINDOW', start: windows[0]!.name.start};
  if (qualify !== undefined) return {what: 'QUALIFY', start: qualify.start};
  return isWithTies ? {what: 'FETCH … WITH TIES', start: orderBy[0]!.start} : undefined;
}

function widerItem(item: FromItem): Wider | undefined {
  switch (item.kind) {
    case 'join':
      return {what: 'joins', start: item.start};
    case 'query':
      return {what: 'subqueries in FROM', start: item.start};
    case 'function':
      return {what: 'functions in FROM', start: item.start};
    case 'table':
      return item.columnAliases.length > 0
        ? {what: 'column aliases in FROM', start: item.columnAliases[0]!.start}
        : undefined;
    default:
      return item satisfies never;
  }
}

function widerExpression(select: Select): Wider | undefined {
  let first: Wider | undefined;
  walk(expressionsOf(select), expr => {
    const what =
      expr.kind === 'call' && expr.orderBy.length > 0
        ? 'ORDER BY inside a call'
        : expr.kind === 'call' && isRowMaker(expr.name)
          ? 'functions that make rows'
          : expr.kind === 'call' && expr.name === 'GROUPING'
            ? 'GROUPING'
            : WIDER_NAMES[expr.kind as keyof typeof WIDER_NAMES];
    if (what === undefined) return undefined;
    if (first === undefined || expr.start < first.start) first = {what, start: expr.start};
    return 'skip';
  });
  return first;
}

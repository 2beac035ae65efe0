/**
 * Functions that make rows, in a select list: `SELECT id, unnest(tags) FROM t` is `SELECT id, r FROM t, unnest(tags) AS r`.
 *
 * Laws: the call is bound once, as the last item of FROM, which no statement can name and no star shows. Its rows stay in their order.
 */

import {isRowMaker} from '../expr/calls.ts';
import {failAt, notSupportedAt} from '../expr/coerce.ts';
import {compileExpr} from '../expr/compile.ts';
import {walk} from '../expr/walk.ts';
import type {Call, Expr, FromFunction, Select} from '../parser/ast.ts';
import {type BoundFrom, bindFrom, type FromSource} from './bind-from.ts';
import type {Binder, Place} from './bound.ts';
import {type Layer, queryScope} from './query-scope.ts';

/** Upper case: no statement can say it. */
const NAME = 'ROWS';

export interface ListedFrom {
  readonly from: BoundFrom | undefined;
  /** Those that the statement names. */
  readonly sources: readonly FromSource[];
  readonly made: MadeRows | undefined;
}

export interface MadeRows {
  /** Answers the call in the select list. */
  readonly layer: Layer;
  /** Its rows, then their place, from 1. */
  readonly source: FromSource;
}

export function bindListedFrom(binder: Binder, select: Select, place: Place, isGrouped: boolean): ListedFrom {
  const call = rowCall(binder, select);
  if (call === undefined) {
    const from = bindFrom(binder, select.from, place);
    return {from, sources: from?.sources ?? [], made: undefined};
  }
  if (isGrouped || hasOwn(shownBy(select), expr => expr.kind === 'window'))
    throw notSupportedAt(binder, call.start, `${call.name.toLowerCase()} beside groups and windows; put it into FROM`);
  const from = bindFrom(binder, [...select.from, functionItem(call)], place)!;
  const source = from.sources.at(-1)!;
  if (source.names().length !== 2)
    throw notSupportedAt(binder, call.start, `${call.name.toLowerCase()} outside of FROM, where it has columns`);
  const column = {start: call.start, end: call.end, name: source.names()[0]!, text: '', isQuoted: true};
  const read: Expr = {kind: 'column', start: call.start, end: call.end, qualifier: [], column};
  const scope = queryScope(binder, [source], place, 'this place');
  const layer: Layer = expr => (expr === call ? compileExpr(read, scope) : undefined);
  return {from, sources: from.sources.slice(0, -1), made: {layer, source}};
}

/** The one in the select list. */
function rowCall(binder: Binder, select: Select): Call | undefined {
  const found: Call[] = [];
  eachOwn(shownBy(select), expr => {
    if (isMaker(expr)) found.push(expr);
  });
  if (found.length === 0) return undefined;
  eachOwn(shownBy(select), expr => {
    const choice =
      expr.kind === 'case' ? 'CASE' : expr.kind === 'call' && expr.name === 'COALESCE' ? 'COALESCE' : undefined;
    if (choice !== undefined && hasOwn([expr], isMaker))
      throw failAt(binder, expr, `set-returning functions are not allowed in ${choice}`);
  });
  const [first, second] = found.sort((a, b) => a.start - b.start);
  if (second !== undefined)
    throw failAt(binder, second, 'A select list takes one function that makes rows; put others into FROM');
  return first;
}

function shownBy({items}: Select): Expr[] {
  return items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
}

function isMaker(expr: Expr): expr is Call {
  return expr.kind === 'call' && isRowMaker(expr.name);
}

function hasOwn(exprs: readonly Expr[], test: (expr: Expr) => boolean): boolean {
  let isFound = false;
  eachOwn(exprs, expr => {
    isFound ||= test(expr);
  });
  return isFound;
}

/** What stands in queries inside is theirs. */
function eachOwn(exprs: readonly Expr[], visit: (expr: Expr) => void): void {
  walk(exprs, expr => {
    visit(expr);
    return 'query' in expr ? 'skip' : undefined;
  });
}

function functionItem(call: Call): FromFunction {
  const {start, end} = call;
  const alias = {start, end, name: NAME, text: NAME, isQuoted: true};
  return {kind: 'function', start, end, call, alias, columnAliases: [], isLateral: true, hasOrdinality: true};
}

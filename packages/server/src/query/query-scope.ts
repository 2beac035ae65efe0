/**
 * Query scope: what the expressions of one clause may name, with the answers of everything that is a query inside an expression.
 *
 * A layer is asked first: the grouping answers grouped expressions and aggregates, the select list answers window functions.
 */
import {AGGREGATES} from '../expr/aggregates.ts';
import {failAt} from '../expr/coerce.ts';
import type {ColumnScope, Source, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {BOOLEAN} from '../expr/numbers.ts';
import {resolveColumn} from '../expr/sources.ts';
import {walk} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import type {Expr, Query} from '../parser/ast.ts';
import {bindQuery, singleColumn} from './bind-query.ts';
import {type Binder, type BoundQuery, neverRun, outputTypes, type Place} from './bound.ts';
import {comparison, quantified} from './row-compare.ts';

/** `scope` is the one the expression is compiled in; undefined: not this layer's. */
export type Layer = (expr: Expr, scope: ColumnScope) => TypedExpr | undefined;

/** `clause` names the place in errors about what may not stand there. */
export function queryScope(
  binder: Binder,
  sources: readonly Source[],
  place: Place,
  clause: string,
  layers: readonly Layer[] = [],
): ColumnScope {
  // A program asks again when it is written, and must be answered by the tables that were found when the query was bound.
  const subqueries = new Map<Expr, TypedExpr>();
  const scope: ColumnScope = {
    sources,
    ...(place.outer === undefined ? {} : {outer: place.outer}),
    ...(place.beside === undefined ? {} : {beside: place.beside}),
    text: binder.text,
    paramTypes: binder.paramTypes,
    isForDuck: true,
    override: expr => {
      const owner = expr.kind === 'call' && AGGREGATES.has(expr.name) ? ownerOf(expr.args, scope) : scope;
      if (owner !== scope) return owner.override?.(expr);
      for (const layer of layers) {
        const answered = layer(expr, scope);
        if (answered !== undefined) return answered;
      }
      if (expr.kind === 'window') throw failAt(binder, expr, `window functions are not allowed in ${clause}`);
      const known = subqueries.get(expr);
      if (known !== undefined) return known;
      const answered = subquery(binder, expr, scope, place);
      if (answered !== undefined) subqueries.set(expr, answered);
      return answered;
    },
  };
  return scope;
}

/** An aggregate belongs to the innermost query whose columns it names. */
function ownerOf(args: readonly Expr[], scope: ColumnScope): ColumnScope {
  const owners = new Set<ColumnScope>();
  walk(args, expr => {
    const found = expr.kind === 'column' ? resolveColumn(expr.qualifier, expr.column, expr, scope) : undefined;
    if (found !== undefined) owners.add(found.scope);
  });
  if (owners.size === 0) return scope;
  let at: ColumnScope = scope;
  while (!owners.has(at) && at.outer !== undefined) at = at.outer;
  return at;
}

function subquery(binder: Binder, expr: Expr, scope: ColumnScope, place: Place): TypedExpr | undefined {
  switch (expr.kind) {
    case 'subquery': {
      const query = inner(binder, expr.query, scope, place);
      const type = singleColumn(binder, query, expr);
      return computed(type, out => `(${query.sql(out, [type])})`);
    }
    case 'exists': {
      const query = inner(binder, expr.query, scope, place);
      // Which columns it has does not matter, unless rows that are equal in them are one.
      const isBare = expr.query.kind === 'select' && !expr.query.isDistinct && expr.query.orderBy.length === 0;
      const types = isBare ? [] : outputTypes(query, binder);
      return computed(BOOLEAN, out => `EXISTS (${query.sql(out, types)})`);
    }
    case 'inQuery': {
      const {operand, isNegated} = expr;
      const compared = comparison({binder, scope, node: expr}, operand, '=', inner(binder, expr.query, scope, place));
      return computed(BOOLEAN, out => `(${isNegated ? 'NOT ' : ''}${quantified(compared, 'any', out)})`);
    }
    case 'quantified': {
      const {left, op, quantifier} = expr;
      const compared = comparison({binder, scope, node: expr}, left, op, inner(binder, expr.query, scope, place));
      return computed(BOOLEAN, out => quantified(compared, quantifier, out));
    }
    case 'binary': {
      const {left, op, right} = expr;
      if (left.kind !== 'row' || right.kind !== 'subquery') return undefined;
      const compared = comparison({binder, scope, node: expr}, left, op, inner(binder, right.query, scope, place));
      return computed(BOOLEAN, out => `(${compared.rows(out)})`);
    }
    default:
      return undefined;
  }
}

function inner(binder: Binder, query: Query, scope: ColumnScope, place: Place): BoundQuery {
  return bindQuery(binder, query, {outer: scope, names: {kind: 'fence', what: 'a subquery', next: place.names}});
}

function computed(type: DataType, sql: (out: SqlWriter) => string): TypedExpr {
  return {type, eval: neverRun, constant: undefined, sql};
}

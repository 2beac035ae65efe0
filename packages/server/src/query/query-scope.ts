/**
 * Query scope: what the expressions of one clause may name, with the answers of everything that is a query inside an expression.
 *
 * A layer is asked first: the grouping answers grouped expressions and aggregates, the select list answers window functions.
 */
import {AGGREGATES} from '../expr/aggregates.ts';
import {castTo, failAt, notSupportedAt} from '../expr/coerce.ts';
import {compare} from '../expr/compare.ts';
import {compileOpen} from '../expr/compile.ts';
import {meetType, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, Source, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {BOOLEAN} from '../expr/numbers.ts';
import type {ComparisonOperator} from '../expr/operators.ts';
import {resolveColumn} from '../expr/sources.ts';
import {someExpr, walk} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import type {Expr, Node, Query} from '../parser/ast.ts';
import {bindQuery, singleColumn} from './bind-query.ts';
import {type Binder, type BoundQuery, neverRun, outputTypes, type Place} from './bound.ts';

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
      return subquery(binder, expr, scope, place);
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
      const items = operand.kind === 'row' ? operand.items : [operand];
      const found = membership(binder, expr, {items, op: '=', quantifier: 'any', query: expr.query}, scope, place);
      return computed(BOOLEAN, out => (isNegated ? `(NOT ${found(out)})` : found(out)));
    }
    case 'quantified': {
      if (expr.left.kind === 'row') throw notSupportedAt(binder, expr.start, 'row constructors with ANY and ALL');
      const {left, quantifier, query} = expr;
      const op = expr.op as ComparisonOperator;
      return computed(BOOLEAN, membership(binder, expr, {items: [left], op, quantifier, query}, scope, place));
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

interface Membership {
  /** What is compared with the columns of the query. */
  readonly items: readonly Expr[];
  readonly op: ComparisonOperator;
  readonly quantifier: 'any' | 'all';
  readonly query: Query;
}

/** `left op ANY (query)` and its like, with NULL as unknown. */
function membership(
  binder: Binder,
  node: Node,
  {items, op, quantifier, query: tree}: Membership,
  scope: ColumnScope,
  place: Place,
): (out: SqlWriter) => string {
  const query = inner(binder, tree, scope, place);
  if (query.outputs.length !== items.length) {
    const counts = `subquery has ${query.outputs.length} columns, ${items.length} are compared`;
    throw failAt(binder, node, items.length === 1 ? 'subquery must return only one column' : counts);
  }
  const pairs = items.map((item, i) => pair(binder, item, op, compileOpen(item, scope), query.outputs[i]!.typed));
  const types = pairs.map(([, type]) => type);
  const isCounted = items.length > 1 || namesOuter(items, scope);
  return out => {
    const lefts = pairs.map(([left]) => sqlOf(left, out));
    const rows = query.sql(out, types);
    return isCounted
      ? countedSql(lefts, op, quantifier, rows)
      : `(${lefts[0]} ${op} ${quantifier.toUpperCase()} (${rows}))`;
  };
}

/** Does it name columns of the queries around the one it stands in? */
function namesOuter(exprs: readonly Expr[], scope: ColumnScope): boolean {
  return someExpr(exprs, expr => {
    const found = expr.kind === 'column' ? resolveColumn(expr.qualifier, expr.column, expr, scope) : undefined;
    return found !== undefined && found.scope !== scope;
  });
}

/**
 * The comparison with every row, counted: decided if a row decides it, else unknown if one is unknown. DuckDB's own forms compare rows with
 * NULLs otherwise than PostgreSQL, and fail when the left side comes from further out.
 */
function countedSql(lefts: readonly string[], op: ComparisonOperator, quantifier: 'any' | 'all', rows: string): string {
  const same = lefts.map((left, i) => `(${left} ${op} "c${i}")`).join(' AND ');
  const [decides, decided] = quantifier === 'any' ? ['"m"', 'TRUE'] : ['NOT "m"', 'FALSE'];
  const otherwise = quantifier === 'any' ? 'FALSE' : 'TRUE';
  const answer = `CASE WHEN bool_or(${decides}) THEN ${decided} WHEN count(*) = count("m") THEN ${otherwise} END`;
  return `(SELECT ${answer} FROM (SELECT ${same} AS "m" FROM (${rows}) AS "r") AS "r")`;
}

/** The left side, converted, and the type of both. */
function pair(
  binder: Binder,
  node: Node,
  op: ComparisonOperator,
  left: TypedExpr,
  right: TypedExpr,
): [TypedExpr, DataType] {
  if (compare(op, left, right, binder.nowhere) === undefined)
    throw failAt(binder, node, `cannot compare ${sqlName(left.type)} with ${sqlName(right.type)}`);
  const typed = left.open === undefined ? left : castTo(left, right.type);
  const column = right.open === undefined ? right.type : typed.type;
  const type = meetType(typed.type, column);
  if (type !== undefined) return [castTo(typed, type), type];
  throw notSupportedAt(binder, node.start, `comparing ${sqlName(typed.type)} with ${sqlName(column)} of a subquery`);
}

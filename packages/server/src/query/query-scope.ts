/**
 * Query scope: what the expressions of one clause may name, with the answers of everything that is a query inside an expression.
 *
 * A layer is asked first: the grouping answers grouped expressions and aggregates, the select list answers window functions.
 */
import {castTo, failAt, notSupportedAt} from '../expr/coerce.ts';
import {compare} from '../expr/compare.ts';
import {compileOpen} from '../expr/compile.ts';
import {meetType, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, Source, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {BOOLEAN} from '../expr/numbers.ts';
import type {ComparisonOperator} from '../expr/operators.ts';
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
    text: binder.text,
    isForDuck: true,
    override: expr => {
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
      const isBare = expr.query.kind === 'select' && !expr.query.isDistinct;
      const types = isBare ? [] : outputTypes(query, binder);
      return computed(BOOLEAN, out => `EXISTS (${query.sql(out, types)})`);
    }
    case 'inQuery': {
      const query = inner(binder, expr.query, scope, place);
      if (expr.operand.kind === 'row') return rowIn(binder, expr, expr.operand.items, query, scope);
      const met = meeting(binder, expr, {op: '=', left: compileOpen(expr.operand, scope), right: query});
      return computed(BOOLEAN, out => `(${met.left(out)} ${expr.isNegated ? 'NOT IN' : 'IN'} (${met.right(out)}))`);
    }
    case 'quantified': {
      if (expr.left.kind === 'row') throw notSupportedAt(binder, expr.start, 'row constructors with ANY and ALL');
      const query = inner(binder, expr.query, scope, place);
      const op = expr.op as ComparisonOperator;
      const met = meeting(binder, expr, {op, left: compileOpen(expr.left, scope), right: query});
      const word = expr.quantifier.toUpperCase();
      return computed(BOOLEAN, out => `(${met.left(out)} ${op} ${word} (${met.right(out)}))`);
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

interface Meeting {
  readonly left: (out: SqlWriter) => string;
  /** A query of one column of the type of `left`. */
  readonly right: (out: SqlWriter) => string;
}

/** Brings an expression and the column of a query to one type, as the comparison of two expressions would. */
function meeting(
  binder: Binder,
  node: Node,
  {op, left, right}: {op: ComparisonOperator; left: TypedExpr; right: BoundQuery},
): Meeting {
  singleColumn(binder, right, node);
  const [a, type] = pair(binder, node, op, left, right.outputs[0]!.typed);
  return {left: out => sqlOf(a, out), right: out => right.sql(out, [type])};
}

/** The left side, converted, and the type of both. */
function pair(
  binder: Binder,
  node: Node,
  op: ComparisonOperator,
  left: TypedExpr,
  right: TypedExpr,
): [TypedExpr, DataType] {
  const scope: ColumnScope = {sources: [], text: binder.text};
  if (compare(op, left, right, scope) === undefined)
    throw failAt(binder, node, `cannot compare ${sqlName(left.type)} with ${sqlName(right.type)}`);
  const typed = left.open === undefined ? left : castTo(left, right.type);
  const column = right.open === undefined ? right.type : typed.type;
  const type = meetType(typed.type, column);
  if (type !== undefined) return [castTo(typed, type), type];
  throw notSupportedAt(binder, node.start, `comparing ${sqlName(typed.type)} with ${sqlName(column)} of a subquery`);
}

/** `(a, b) IN (SELECT x, y …)` */
function rowIn(
  binder: Binder,
  node: Extract<Expr, {kind: 'inQuery'}>,
  items: readonly Expr[],
  query: BoundQuery,
  scope: ColumnScope,
): TypedExpr {
  if (query.outputs.length !== items.length)
    throw failAt(binder, node, `subquery has ${query.outputs.length} columns, the row has ${items.length}`);
  const pairs = items.map((item, i) => pair(binder, item, '=', compileOpen(item, scope), query.outputs[i]!.typed));
  const types = pairs.map(([, type]) => type);
  return computed(BOOLEAN, out => {
    const row = pairs.map(([left]) => sqlOf(left, out)).join(', ');
    return `((${row}) ${node.isNegated ? 'NOT IN' : 'IN'} (${query.sql(out, types)}))`;
  });
}

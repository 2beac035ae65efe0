/**
 * Plan: a SELECT bound to one schema: names and types settled, expressions compiled, access path and order decided.
 *
 *     WHERE ─ key facts (point | points | range) + predicate     what is read
 *     items ─ outputs                                            what is shown
 *     GROUP BY, aggregates ─ group plan                          rows become groups
 *     ORDER BY ─ key order (forwards or backwards) or sort keys  in which order
 *
 * A plan holds no values of an execution, so it may be kept per (text, schema version) and run again with other parameters.
 */
import type {ColumnFlag, ResultColumn} from '@kalamdb/protocol/values.ts';
import {failAt, implicitly, settled, settledRoot} from '../expr/coerce.ts';
import {compileCondition, compileExpr, compileOpen} from '../expr/compile.ts';
import type {ColumnScope, Env, Eval, Source, TypedExpr} from '../expr/expr.ts';
import {type KeyFacts, keyFacts} from '../expr/key-range.ts';
import {BIGINT} from '../expr/numbers.ts';
import {comparator} from '../expr/operators.ts';
import {findColumn, hasDeleted, isOfSource, tableSources} from '../expr/sources.ts';
import {exprKey, someExpr, walk} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import {DELETED_COLUMN, DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';
import {typeJson} from '../model/type-table.ts';
import type {Expr, Name, OrderItem, Query} from '../parser/ast.ts';
import {type GroupPlan, isAggregated, planGroups} from './group.ts';
import {type DirectSelect, directSelect} from './wider.ts';

export interface OrderKey {
  readonly eval: Eval;
  /** Of two non-null values. */
  readonly compare: (a: Value, b: Value) => number;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}

export interface SelectPlan {
  readonly schema: Schema | undefined;
  readonly columns: readonly ResultColumn[];
  readonly outputs: readonly TypedExpr[];
  /** The outputs as they are before what is open in them is settled: for a reader that gives them types. */
  readonly unsettled: readonly TypedExpr[];
  readonly where: Eval | undefined;
  readonly facts: (env: Env) => KeyFacts;
  readonly includeTombstones: boolean;
  /** Column indexes that are read. */
  readonly reads: readonly number[];
  readonly group: GroupPlan | undefined;
  readonly isDistinct: boolean;
  /** The order in which the table is scanned; it answers ORDER BY when `order` is empty. */
  readonly isReverse: boolean;
  readonly order: readonly OrderKey[];
  readonly hasOrderBy: boolean;
  readonly limit: Eval | undefined;
  readonly offset: Eval | undefined;
}

export interface PlanOptions {
  /** The statement, for line and column of errors. */
  readonly text?: string;
  /** What the parameters say of their own types, where no context decides (`SELECT $1`); text when unknown. They belong to the key of a plan. */
  readonly paramTypes?: readonly (DataType | undefined)[];
}

interface Output {
  readonly name: string;
  readonly expr: Expr;
  readonly unsettled: TypedExpr;
  readonly typed: TypedExpr;
}

/** `schema` undefined: a SELECT without FROM. `joined`: sources whose columns stand in the rows behind those of the table. Throws NOT_SUPPORTED for what is wider than a plan can be. */
export function planSelect(
  query: Query,
  schema: Schema | undefined,
  options: PlanOptions = {},
  joined: readonly Source[] = [],
): SelectPlan {
  const select = directSelect(query, options.text ?? '');
  const own = scopeOf(schema, select.from[0]?.alias, options);
  const scope = {...own, sources: [...own.sources, ...joined]};
  const where = select.where && compileCondition(select.where, scope, 'WHERE');
  const group = isAggregated(select) ? planGroups(select, scope) : undefined;
  const inner = group?.scope ?? scope;
  const outputs = select.items.flatMap(item => {
    if (item.kind === 'star') return starOutputs(item.qualifier, item, inner);
    return [outputOf(outputName(item.expr, item.alias), item.expr, inner)];
  });
  const orderBy = select.orderBy.map(item => ({item, typed: orderExpr(item, outputs, select, inner)}));
  if (group !== undefined && select.having) group.having = compileCondition(select.having, inner, 'HAVING').eval;
  const direction = group === undefined && !select.isDistinct ? keyDirection(orderBy, schema) : undefined;
  return {
    schema,
    columns: outputs.map((output, index) => resultColumn(output, index, group === undefined ? schema : undefined)),
    outputs: outputs.map(output => output.typed),
    unsettled: outputs.map(output => output.unsettled),
    where: where?.constant?.value === true ? undefined : where?.eval,
    facts: keyFacts(select.where, scope),
    includeTombstones: mentionsDeleted(select.where, schema),
    reads: readColumns(select, schema),
    group,
    isDistinct: select.isDistinct,
    isReverse: direction === 'desc',
    order: direction === undefined ? orderKeys(orderBy, scope, group === undefined && !select.isDistinct) : [],
    hasOrderBy: select.orderBy.length > 0,
    limit: countExpr(select.limit, scope, 'LIMIT'),
    offset: countExpr(select.offset, scope, 'OFFSET'),
  };
}

export function scopeOf(schema: Schema | undefined, alias: Name | undefined, options: PlanOptions): ColumnScope {
  const {text = '', paramTypes = []} = options;
  return {sources: tableSources(schema, alias?.name), text, paramTypes};
}

function mentionsDeleted(where: Expr | undefined, schema: Schema | undefined): boolean {
  if (where === undefined || schema === undefined || !hasDeleted(schema)) return false;
  return someExpr([where], expr => expr.kind === 'column' && expr.column.name === DELETED_COLUMN);
}

function starOutputs(qualifier: readonly Name[], node: {start: number; end: number}, scope: ColumnScope): Output[] {
  const {sources} = scope;
  if (sources.length === 0) throw failAt(scope, node, 'SELECT * needs a FROM');
  const meant = sources.filter(source => isOfSource(qualifier, source));
  if (meant.length === 0) throw failAt(scope, node, `No table named ${qualifier.map(part => part.name).join('.')}`);
  const named = (name: string): Name => ({...node, name, text: name, isQuoted: false});
  return meant.flatMap(source => {
    const names = source.names().filter(name => qualifier.length > 0 || !source.hidden?.has(name));
    const path = sources.length === 1 ? [] : [source.namespace, source.name].filter(part => part !== undefined);
    return names.map(name => {
      const expr: Expr = {...node, kind: 'column', qualifier: path.map(named), column: named(name)};
      return outputOf(name, expr, scope);
    });
  });
}

function outputOf(name: string, expr: Expr, scope: ColumnScope): Output {
  const unsettled = compileOpen(expr, scope);
  return {name, expr, unsettled, typed: settledRoot(settled(unsettled, scope), expr, scope)};
}

/** As PostgreSQL names columns: the alias, the column, the function in lower case, the column of a subquery, else `?column?`. */
export function outputName(expr: Expr, alias: Name | undefined): string {
  if (alias !== undefined) return alias.isQuoted ? alias.text : alias.name;
  switch (expr.kind) {
    case 'column':
      return expr.column.name;
    case 'call':
      return expr.name.toLowerCase();
    case 'cast':
      return outputName(expr.operand, undefined);
    case 'extract':
      return 'extract';
    case 'case':
    case 'exists':
      return expr.kind;
    case 'window':
      return outputName(expr.call, undefined);
    case 'subquery':
      return firstName(expr.query);
    default:
      return '?column?';
  }
}

function firstName(query: Query): string {
  let first = query;
  while (first.kind === 'set') first = first.left;
  if (first.kind === 'values') return 'column1';
  const [item] = first.items;
  return item?.kind === 'expr' ? outputName(item.expr, item.alias) : '?column?';
}

function resultColumn({name, typed}: Output, index: number, schema: Schema | undefined): ResultColumn {
  const column: ResultColumn = {name, data_type: typeJson(typed.type), index};
  const flags = columnFlags(typed, schema);
  return flags === undefined ? column : {...column, flags};
}

/** What is known of a column that is shown as it stands in its table. */
export function columnFlags({column}: TypedExpr, schema: Schema | undefined): ColumnFlag[] | undefined {
  if (column === undefined || schema === undefined || column >= schema.columns.length) return undefined;
  if (column === schema.primaryKey) return ['nn', 'pk', 'uq'];
  const isNeverNull = column === SEQ_INDEX || column === DELETED_INDEX || !schema.columns[column]!.isNullable;
  return isNeverNull ? ['nn'] : undefined;
}

/** ORDER BY takes an ordinal, the name of an output, or any expression, in this order. */
function orderExpr(item: OrderItem, outputs: readonly Output[], select: DirectSelect, scope: ColumnScope): TypedExpr {
  const {expr} = item;
  if (expr.kind === 'number') return ordinal(expr.text, outputs, expr, scope, 'ORDER BY').typed;
  const named = expr.kind === 'column' && expr.qualifier.length === 0 ? outputNamed(outputs, expr.column) : undefined;
  if (named !== undefined) return named.typed;
  const typed = compileExpr(expr, scope);
  const key = exprKey(expr);
  const isShown = outputs.some(output => exprKey(output.expr) === key);
  if (select.isDistinct && !isShown)
    throw failAt(scope, expr, 'for SELECT DISTINCT, ORDER BY expressions must appear in select list');
  return typed;
}

function outputNamed(outputs: readonly Output[], name: Name): Output | undefined {
  return outputs.find(output => output.name === (name.isQuoted ? name.text : name.name));
}

function ordinal(text: string, outputs: readonly Output[], node: Expr, scope: ColumnScope, clause: string): Output {
  const output = /^\d{1,9}$/.test(text) ? outputs[Number(text) - 1] : undefined;
  if (output === undefined) throw failAt(scope, node, `${clause} position ${text} is not in select list`);
  return output;
}

/** Without ORDER BY, rows of a stream that has a key are put in its order. */
function orderKeys(
  orderBy: readonly {item: OrderItem; typed: TypedExpr}[],
  scope: ColumnScope,
  isPlain: boolean,
): OrderKey[] {
  const schema = scope.sources[0]?.schema;
  if (orderBy.length > 0 || schema?.kind !== 'stream' || !isPlain) {
    return orderBy.map(({item, typed}) => orderKey(item, typed, scope));
  }
  const {type} = schema.columns[schema.primaryKey]!;
  const read = (row: Row) => row.value(schema.primaryKey);
  return [{eval: read, compare: comparator(type, type)!, isDescending: false, isNullsFirst: false}];
}

function orderKey(item: OrderItem, typed: TypedExpr, scope: ColumnScope): OrderKey {
  const compare = comparator(typed.type, typed.type);
  if (compare === undefined) throw failAt(scope, item, 'this type has no order');
  const {isDescending} = item;
  return {
    eval: typed.eval,
    compare,
    isDescending,
    isNullsFirst: item.nulls === undefined ? isDescending : item.nulls === 'first',
  };
}

/** Keys are unique and never null, so an order that starts with the key is the key's order. */
function keyDirection(
  orderBy: readonly {item: OrderItem; typed: TypedExpr}[],
  schema: Schema | undefined,
): 'asc' | 'desc' | undefined {
  const first = orderBy[0];
  if (schema?.kind === 'stream') return streamDirection(first, schema);
  if (first === undefined) return 'asc';
  if (schema === undefined || schema.primaryKey < 0 || first.typed.column !== schema.primaryKey) return undefined;
  return first.item.isDescending ? 'desc' : 'asc';
}

/** Rows of a stream lie in the order of `_seq`. One with a key is shown in the order of its key, like other tables. */
function streamDirection(
  first: {item: OrderItem; typed: TypedExpr} | undefined,
  schema: Schema,
): 'asc' | 'desc' | undefined {
  if (first === undefined) return schema.primaryKey < 0 ? 'asc' : undefined;
  if (first.typed.column !== SEQ_INDEX) return undefined;
  return first.item.isDescending ? 'desc' : 'asc';
}

function readColumns(select: DirectSelect, schema: Schema | undefined): number[] {
  if (schema === undefined) return [];
  if (select.items.some(item => item.kind === 'star')) return schema.columns.map((_, index) => index);
  const items = select.items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  const extra = [select.where, select.having].filter(expr => expr !== undefined);
  return columnsRead([...items, ...extra, ...select.groupBy, ...select.orderBy.map(item => item.expr)], schema);
}

/** Indexes of the schema's columns that the expressions name, ascending. */
export function columnsRead(exprs: readonly Expr[], schema: Schema): number[] {
  const found = new Set<number>();
  walk(exprs, expr => {
    const index = expr.kind === 'column' ? (findColumn(schema, expr.column.name)?.index ?? -1) : -1;
    if (index >= 0) found.add(index);
  });
  return [...found].sort((a, b) => a - b);
}

/** LIMIT or OFFSET: a whole number that no row decides. */
export function countExpr(expr: Expr | undefined, scope: ColumnScope, clause: string): Eval | undefined {
  if (expr === undefined) return undefined;
  const typed = implicitly(compileOpen(expr, {sources: [], text: scope.text}), BIGINT);
  if (typed === undefined) throw failAt(scope, expr, `argument of ${clause} must be a whole number`);
  return typed.eval;
}

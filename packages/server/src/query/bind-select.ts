/**
 * SELECT, bound clause by clause in the order in which they take effect:
 *
 *     FROM ─ WHERE ─ GROUP BY (bind-group.ts) ─ HAVING ─ windows (bind-window.ts) ─ QUALIFY ─ DISTINCT ─ ORDER BY ─ LIMIT
 *
 * Behind a grouping the rows are those of one inner query: its keys k0, k1 … and its aggregates a0, a1 ….
 */
import {failAt, settledRoot} from '../expr/coerce.ts';
import {compileCondition, compileExpr, compileOpen} from '../expr/compile.ts';
import {sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {keyFacts} from '../expr/key-range.ts';
import {comparator} from '../expr/operators.ts';
import {isOfSource, resolveColumn} from '../expr/sources.ts';
import {isSteady} from '../expr/steady.ts';
import {WIDER_NAMES, walk} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import {DELETED_INDEX} from '../model/schema.ts';
import type {Expr, Name, Node, OrderItem, Select} from '../parser/ast.ts';
import type {BoundFrom, FromSource} from './bind-from.ts';
import {type BoundGroups, bindGroups, hasAggregate} from './bind-group.ts';
import {windowLayer} from './bind-window.ts';
import {type Binder, type BoundQuery, type Output, type Place, quoted, type RowWindow, selectList} from './bound.ts';
import {bindListedFrom, type MadeRows} from './list-rows.ts';
import {columnFlags, outputName} from './plan.ts';
import {type Layer, queryScope} from './query-scope.ts';
import {resolvedKey} from './resolved-key.ts';
import {boundLimit, directionSql, orderBySql, outputIndex, ownWindow, windowSql, withTies} from './tail.ts';

interface BoundSelect {
  readonly select: Select;
  readonly from: BoundFrom | undefined;
  readonly made: MadeRows | undefined;
  readonly where: TypedExpr | undefined;
  readonly groups: BoundGroups | undefined;
  readonly having: TypedExpr | undefined;
  readonly qualify: TypedExpr | undefined;
  readonly outputs: readonly ShownOutput[];
  readonly distinctOn: readonly TypedExpr[];
  readonly order: readonly Order[];
}

interface ShownOutput extends Output {
  readonly expr: Expr;
}

interface Order {
  readonly item: OrderItem;
  /** Place in the list of outputs, if it is one of them. */
  readonly output: number | undefined;
  readonly typed: TypedExpr;
}

export function bindSelect(binder: Binder, select: Select, place: Place): BoundQuery {
  const bound = bindClauses(binder, select, place);
  const {limit, offset} = boundLimit(binder, select);
  return {
    outputs: bound.outputs,
    limit,
    offset,
    sql: (out, types, window) => {
      const rows = window ?? ownWindow({limit, offset}, out);
      if (select.isWithTies) return tiesSql(bound, types, rows, out);
      const isCut = window !== undefined || rows.skip > 0 || rows.take !== Number.POSITIVE_INFINITY;
      const order = bound.order.length > 0 ? orderSql(bound, out) : isCut ? keyOrder(bound, out) : [];
      return `${bodySql(bound, selectList(bound.outputs, types, out), out)}${orderBySql(order)}${windowSql(rows)}`;
    },
  };
}

function bindClauses(binder: Binder, select: Select, place: Place): BoundSelect {
  const isGrouped = select.groupBy.length > 0 || select.having !== undefined || hasAggregate(shownExprs(select));
  const {from, sources, made} = bindListedFrom(binder, select, place, isGrouped);
  const rows = queryScope(binder, sources, place, 'WHERE');
  const where = select.where && compileCondition(select.where, rows, 'WHERE');
  if (select.where !== undefined) noteFacts(select.where, rows, sources);
  if (isGrouped && from?.isRecursive)
    throw failAt(binder, select, "aggregate functions are not allowed in a recursive query's recursive term");
  const groups = isGrouped ? bindGroups(binder, select, place, from) : undefined;
  const layers = groups === undefined ? [] : [groups.layer];
  const behind = (clause: string) => queryScope(binder, sources, place, clause, layers);
  const having = select.having && compileCondition(select.having, behind('HAVING'), 'HAVING');
  const windows = windowLayer(binder, select, behind('window functions'));
  const shown = queryScope(binder, sources, place, 'this place', [
    ...(made === undefined ? [] : [made.layer]),
    windows,
    ...layers,
  ]);
  const table = groups === undefined ? onlyTable(from) : undefined;
  const outputs = select.items.flatMap((item): ShownOutput[] => {
    if (item.kind === 'star') return starOutputs(binder, item.qualifier, item, sources, groups && shown, table);
    const typed = settledRoot(compileOpen(item.expr, shown), item.expr, shown);
    const flags = item.expr.kind === 'column' ? columnFlags(typed, table?.schema) : undefined;
    return [{name: outputName(item.expr, item.alias), typed, expr: item.expr, flags}];
  });
  const order = select.orderBy.map(item => orderOf(binder, item, outputs, select, shown));
  const named = queryScope(binder, sources, place, 'QUALIFY', [outputLayer(binder, outputs), windows, ...layers]);
  if (select.qualify !== undefined && !hasWindow(select, select.qualify))
    throw failAt(binder, select.qualify, 'QUALIFY needs a window function, in it or in the select list');
  const qualify = select.qualify && compileCondition(select.qualify, named, 'QUALIFY');
  const distinctOn = distinctKeys(binder, select, outputs, order, shown);
  return {select, from, made, where, groups, having, qualify, outputs, distinctOn, order};
}

function hasWindow({items}: Select, qualify: Expr): boolean {
  let isFound = false;
  walk([qualify, ...items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []))], expr => {
    isFound ||= expr.kind === 'window';
    return expr.kind in WIDER_NAMES && expr.kind !== 'row' ? 'skip' : undefined;
  });
  return isFound;
}

/** Each is the text of its expression once more. */
const NAMED_OUTPUTS_MAX = 32;

/** QUALIFY may name outputs, where no column of FROM has that name. */
function outputLayer(binder: Binder, outputs: readonly ShownOutput[]): Layer {
  let count = 0;
  return (expr, scope) => {
    if (expr.kind !== 'column' || expr.qualifier.length > 0) return undefined;
    if (resolveColumn(expr.qualifier, expr.column, expr, scope) !== undefined) return undefined;
    const index = outputIndex(binder, expr, outputs);
    if (index === undefined) return undefined;
    if (++count > NAMED_OUTPUTS_MAX)
      throw failAt(binder, expr, `QUALIFY names columns of the select list at most ${NAMED_OUTPUTS_MAX} times`);
    return outputs[index]!.typed;
  };
}

/** What is evaluated behind a grouping. */
function shownExprs({items, orderBy, qualify, distinctOn, windows}: Select): Expr[] {
  const shown = items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  const specs = windows.flatMap(({spec}) => [...spec.partitionBy, ...spec.orderBy.map(item => item.expr)]);
  return [
    ...shown,
    ...orderBy.map(item => item.expr),
    ...(qualify === undefined ? [] : [qualify]),
    ...distinctOn,
    ...specs,
  ];
}

/** The table of a FROM that is nothing but one table. */
function onlyTable(from: BoundFrom | undefined): FromSource | undefined {
  return from?.sources.length === 1 && from.sources[0]!.use !== undefined ? from.sources[0] : undefined;
}

/** What WHERE says about keys and columns of tables, so that files can be left out; and whose deleted rows it asks for. */
function noteFacts(where: Expr, scope: ColumnScope, sources: readonly FromSource[]): void {
  for (const source of sources) if (source.use !== undefined) source.use.facts = keyFacts(where, scope, source);
  walk([where], expr => {
    if (expr.kind in WIDER_NAMES) return 'skip';
    if (expr.kind !== 'column') return undefined;
    const found = resolveColumn(expr.qualifier, expr.column, expr, scope);
    const use = found?.column.index === DELETED_INDEX ? (found.source as FromSource).use : undefined;
    if (use !== undefined) use.includeTombstones = true;
    return undefined;
  });
}

/** `grouped`: the scope behind a grouping, where only grouped columns can be shown. */
function starOutputs(
  binder: Binder,
  qualifier: readonly Name[],
  node: Node,
  sources: readonly FromSource[],
  grouped: ColumnScope | undefined,
  table: FromSource | undefined,
): ShownOutput[] {
  if (sources.length === 0) throw failAt(binder, node, 'SELECT * needs a FROM');
  const meant = sources.filter(source => isOfSource(qualifier, source));
  if (meant.length === 0) throw failAt(binder, node, `No table named ${qualifier.map(part => part.name).join('.')}`);
  binder.noteLasting(node, () => meant.flatMap(source => starNames(source, qualifier)).join(', '));
  return meant.flatMap(source =>
    source.names().flatMap((name, index): ShownOutput[] => {
      if (qualifier.length === 0 && source.hidden.has(name)) return [];
      const named = (text: string): Name => ({...node, name: text, text, isQuoted: false});
      const path = source.namespace === undefined ? [source.name] : [source.namespace, source.name];
      const expr: Expr = {...node, kind: 'column', qualifier: path.map(named), column: named(name)};
      if (grouped !== undefined) return [{name, expr, typed: compileOpen(expr, grouped)}];
      const {type, index: column, sql} = source.at(index);
      const typed: TypedExpr = {type, eval: () => null, constant: undefined, column, sql};
      return [{name, expr, typed, flags: columnFlags(typed, table?.schema)}];
    }),
  );
}

/** A source without a name, or of columns that both sides of a join share, is known by its columns alone. */
function starNames(source: FromSource, qualifier: readonly Name[]): string[] {
  const shown = source.names().filter(name => qualifier.length > 0 || !source.hidden.has(name));
  const isNamed = source.name === source.name.toLowerCase();
  const path = isNamed ? [...(source.namespace === undefined ? [] : [source.namespace]), source.name] : [];
  return shown.map(name => [...path, name].map(quoted).join('.'));
}

/** ORDER BY takes an ordinal, the name of an output, or any expression, in this order. */
function orderOf(
  binder: Binder,
  item: OrderItem,
  outputs: readonly ShownOutput[],
  select: Select,
  scope: ColumnScope,
): Order {
  let output = outputIndex(binder, item.expr, outputs);
  let typed = output === undefined ? compileExpr(item.expr, scope) : outputs[output]!.typed;
  if (output === undefined && select.isDistinct) {
    const key = resolvedKey(item.expr, scope);
    output = outputs.findIndex(({expr}) => resolvedKey(expr, scope) === key);
    if (output < 0)
      throw failAt(binder, item.expr, 'for SELECT DISTINCT, ORDER BY expressions must appear in select list');
    typed = outputs[output]!.typed;
  }
  if (comparator(typed.type, typed.type) === undefined) throw failAt(binder, item, 'this type has no order');
  return {item, output, typed};
}

/** The rows that DISTINCT ON keeps are the first of each in the order, so the order must begin with what is distinct. */
function distinctKeys(
  binder: Binder,
  select: Select,
  outputs: readonly ShownOutput[],
  order: readonly Order[],
  scope: ColumnScope,
): TypedExpr[] {
  const exprs = select.distinctOn.map(expr => {
    const index = outputIndex(binder, expr, outputs);
    if (index === undefined && isSteady(expr)) throw failAt(binder, expr, 'non-integer constant in DISTINCT ON');
    return index === undefined ? expr : outputs[index]!.expr;
  });
  const keys = new Set(exprs.map(expr => resolvedKey(expr, scope)));
  const initial = order.slice(0, keys.size);
  for (const {item, output} of initial) {
    if (keys.has(resolvedKey(output === undefined ? item.expr : outputs[output]!.expr, scope))) continue;
    throw failAt(binder, item, 'SELECT DISTINCT ON expressions must match initial ORDER BY expressions');
  }
  return exprs.map(expr => compileExpr(expr, scope));
}

function bodySql(bound: BoundSelect, list: string, out: SqlWriter): string {
  const {select, from, where, groups, having, qualify, distinctOn} = bound;
  const filter = where === undefined ? '' : ` WHERE ${sqlOf(where, out)}`;
  const rows = `${from === undefined ? '' : ` FROM ${from.sql(out)}`}${filter}`;
  const source =
    groups === undefined
      ? rows
      : ` FROM ${groups.sql(rows, out)}${having === undefined ? '' : ` WHERE ${sqlOf(having, out)}`}`;
  const distinct =
    distinctOn.length > 0
      ? `DISTINCT ON (${distinctOn.map(typed => sqlOf(typed, out)).join(', ')}) `
      : select.isDistinct
        ? 'DISTINCT '
        : '';
  return `SELECT ${distinct}${list}${source}${qualify === undefined ? '' : ` QUALIFY ${sqlOf(qualify, out)}`}`;
}

function orderSql({order}: BoundSelect, out: SqlWriter): string[] {
  return order.map(
    ({item, output, typed}) => `${output === undefined ? sqlOf(typed, out) : output + 1}${directionSql(item)}`,
  );
}

/** What is cut without an order is cut in key order, as the direct executor does. */
function keyOrder({select, from, made, groups}: BoundSelect, out: SqlWriter): string[] {
  if (groups !== undefined || select.isDistinct || select.distinctOn.length > 0) return [];
  const count = (from?.sources.length ?? 0) - (made === undefined ? 0 : 1);
  const table = count === 1 ? from!.sources[0]! : undefined;
  const key = (table?.use === undefined ? undefined : table.schema?.primaryKey) ?? -1;
  const order = key < 0 ? [] : [table!.at(key).sql!(out)];
  return made === undefined || (order.length === 0 && count > 0) ? order : [...order, made.source.at(1).sql!(out)];
}

function tiesSql(bound: BoundSelect, types: readonly DataType[], rows: RowWindow, out: SqlWriter): string {
  const keys = bound.order.map(({output, typed}, i) => ({name: `o${i}`, output, typed}));
  const extra = keys.map(({name, output, typed}) =>
    output === undefined ? `, ${sqlOf(typed, out)} AS "${name}"` : '',
  );
  const text = bodySql(bound, `${selectList(bound.outputs, types, out)}${extra.join('')}`, out);
  const order = keys.map(({name, output}, i) => {
    return `"${output === undefined ? name : `c${output}`}"${directionSql(bound.order[i]!.item)}`;
  });
  return withTies(types.map((_, i) => `"c${i}"`).join(', '), order.join(', '), text, rows);
}

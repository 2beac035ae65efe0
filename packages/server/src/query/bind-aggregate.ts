/** Aggregates, bound: types and checks as in the direct executor, written for DuckDB by the table of aggregates. */
import {aggregateArgs, aggregateOf} from '../expr/aggregates.ts';
import {failAt, notSupportedAt, settled} from '../expr/coerce.ts';
import {compileCondition, compileExpr, compileOpen} from '../expr/compile.ts';
import {castForm, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {TEXT} from '../expr/numbers.ts';
import {comparator} from '../expr/operators.ts';
import {resolveColumn} from '../expr/sources.ts';
import {walk} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import type {Call, OrderItem} from '../parser/ast.ts';
import type {FromSource} from './bind-from.ts';
import type {Binder} from './bound.ts';
import {resolvedKey} from './resolved-key.ts';
import {directionSql} from './tail.ts';

export interface BoundAggregate {
  readonly type: DataType;
  /** `over`: ` OVER (…)`, or nothing. */
  sql(out: SqlWriter, over: string): string;
}

/** `table`: the only table of the query; it gives the order in which texts are joined when the call names none. */
export function bindAggregate(
  binder: Binder,
  call: Call,
  scope: ColumnScope,
  table: FromSource | undefined,
): BoundAggregate {
  const facts = aggregateOf(call);
  if (call.isStar && call.name !== 'COUNT') throw failAt(binder, call, `${call.name}(*) does not exist`);
  if (call.args.length !== (call.isStar ? 0 : facts.argCount)) {
    const counts = `takes ${facts.argCount} argument${facts.argCount > 1 ? 's' : ''}, got ${call.args.length}`;
    throw failAt(binder, call, `${call.name}() ${counts}`);
  }
  refuseOuter(binder, call, scope);
  const args = aggregateArgs(call).map(arg => settled(compileOpen(arg, scope), scope));
  const inputType = args[0]?.type ?? TEXT;
  const type = facts.result(inputType);
  if (type === undefined) throw failAt(binder, call, `${call.name}() does not exist for ${sqlName(inputType)}`);
  const form = facts.duck(inputType);
  const filter = call.filter && compileCondition(call.filter, scope, 'FILTER');
  const order = orderOf(binder, call, scope);
  if (call.isDistinct && facts.given === 'jsonMember' && call.orderBy[0] !== undefined)
    throw notSupportedAt(binder, call.orderBy[0].start, `ORDER BY in ${call.name}(DISTINCT …)`);
  return {
    type,
    sql: (out, over) => {
      const sqls = args.map(arg => argumentSql(arg, facts.name, out));
      const where = filter === undefined ? '' : ` FILTER (WHERE ${sqlOf(filter, out)})`;
      if (call.isDistinct && facts.given === 'json' && order[0] !== undefined)
        return distinctListSql(sqlOf(order[0].typed, out), sqls[0]!, order[0].item, where);
      // DuckDB takes what is distinct for what it is ordered by if both are the same text, parameters too.
      const keys = order.map(
        ({typed, item, argument}) =>
          `${argument === undefined ? sqlOf(typed, out) : sqls[argument]!}${directionSql(item)}`,
      );
      if (keys.length === 0 && facts.isOrdered === true && !call.isDistinct && over === '')
        keys.push(...keyOf(table, out));
      // Distinct texts have no place of their own.
      if (order.length === 0 && facts.isOrdered === true && call.isDistinct) keys.push(sqls[0]!);
      const orderBy = keys.length === 0 || facts.isOrdered !== true ? '' : ` ORDER BY ${keys.join(', ')}`;
      const distinct = call.isDistinct ? 'DISTINCT ' : '';
      const invoke = (name: string, ...values: string[]) =>
        `${name}(${distinct}${values.join(', ')}${orderBy})${where}${over}`;
      return form(invoke, call.isStar ? ['*'] : sqls, out);
    },
  };
}

function argumentSql(arg: TypedExpr, name: string, out: SqlWriter): string {
  const text = name === 'STRING_AGG' ? castForm(arg.type, TEXT) : undefined;
  return text === undefined ? sqlOf(arg, out) : text(sqlOf(arg, out));
}

/** An aggregate of nothing but outer columns would belong to the query around this one. */
function refuseOuter(binder: Binder, call: Call, scope: ColumnScope): void {
  let [own, outer] = [0, 0];
  walk(call.args, expr => {
    if (expr.kind !== 'column') return;
    if (resolveColumn(expr.qualifier, expr.column, expr, scope)?.scope === scope) own++;
    else outer++;
  });
  if (outer > 0 && own === 0) throw notSupportedAt(binder, call.start, 'aggregates over columns of an outer query');
}

/** JSON of values in their own order: pairs of both, which are distinct where the values are. NULLs come first or last as in a direction by itself. */
function distinctListSql(key: string, json: string, item: OrderItem, where: string): string {
  const isNullsFirst = item.nulls === undefined ? item.isDescending : item.nulls === 'first';
  const isLater = `${key} IS ${isNullsFirst === item.isDescending ? '' : 'NOT '}NULL`;
  const pair = `struct_pack(n := ${isLater}, k := ${key}, v := ${json})`;
  const list = `list(DISTINCT ${pair} ORDER BY ${pair}${item.isDescending ? ' DESC' : ''})${where}`;
  return `('[' || array_to_string(list_transform(${list}, lambda e: struct_extract(e, 'v')), ',') || ']')`;
}

interface OrderKey {
  readonly item: OrderItem;
  readonly typed: TypedExpr;
  /** Of DISTINCT: which argument it is. */
  readonly argument: number | undefined;
}

function orderOf(binder: Binder, call: Call, scope: ColumnScope): OrderKey[] {
  const args = call.isDistinct ? call.args.map(arg => resolvedKey(arg, scope)) : [];
  return call.orderBy.map(item => {
    const typed = compileExpr(item.expr, scope);
    if (comparator(typed.type, typed.type) === undefined) throw failAt(binder, item, 'this type has no order');
    if (!call.isDistinct) return {item, typed, argument: undefined};
    const argument = args.indexOf(resolvedKey(item.expr, scope));
    if (argument >= 0) return {item, typed, argument};
    throw failAt(binder, item, 'in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list');
  });
}

function keyOf(table: FromSource | undefined, out: SqlWriter): string[] {
  const key = table?.schema?.primaryKey ?? -1;
  return key < 0 ? [] : [table!.at(key).sql!(out)];
}

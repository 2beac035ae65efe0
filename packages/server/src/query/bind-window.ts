/**
 * Window functions, bound: those that are nothing else, and every aggregate over a frame.
 *
 * A named window is written out where it is used. Arguments are evaluated behind the grouping, like everything else that is shown.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {AGGREGATES} from '../expr/aggregates.ts';
import {castTo, failAt, implicitly, NO_ROW, notSupportedAt} from '../expr/coerce.ts';
import {unify} from '../expr/compare.ts';
import {compileExpr, compileOpen} from '../expr/compile.ts';
import {castSql, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {BIGINT, isNumeric} from '../expr/numbers.ts';
import {comparator} from '../expr/operators.ts';
import {isSteady} from '../expr/steady.ts';
import {WINDOW_FUNCTIONS, type WindowFacts} from '../expr/window-functions.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Call, Expr, Frame, FrameBound, Name, OrderItem, Select, WindowSpec} from '../parser/ast.ts';
import {bindAggregate} from './bind-aggregate.ts';
import {type Binder, neverRun} from './bound.ts';
import type {Layer} from './query-scope.ts';
import {directionSql} from './tail.ts';

type Sql = (out: SqlWriter) => string;
type WindowExpr = Extract<Expr, {kind: 'window'}>;

/** `scope`: what the arguments may name. */
export function windowLayer(binder: Binder, select: Select, scope: ColumnScope): Layer {
  const windows = new Map(select.windows.map(({name, spec}) => [name.name, spec]));
  for (const [i, {name}] of select.windows.entries()) {
    if (select.windows.slice(0, i).some(other => other.name.name === name.name))
      throw failAt(binder, name, `window "${name.name}" is already defined`);
  }
  return expr => {
    if (expr.kind !== 'window') return undefined;
    const {type, sql} = bindWindow(binder, expr, scope, windows);
    return {type, eval: neverRun, constant: undefined, sql: out => castSql(sql(out), type)};
  };
}

function bindWindow(
  binder: Binder,
  expr: WindowExpr,
  scope: ColumnScope,
  windows: ReadonlyMap<string, WindowSpec>,
): {type: DataType; sql: Sql} {
  const {call, over} = expr;
  const spec = 'name' in over ? windowNamed(binder, over, windows) : flattened(binder, over, windows);
  const place = overSql(binder, spec, scope);
  if (call.isDistinct) throw notSupportedAt(binder, call.start, 'DISTINCT in window functions');
  if (call.orderBy.length > 0) throw notSupportedAt(binder, call.start, 'ORDER BY inside a window function');
  const facts = WINDOW_FUNCTIONS.get(call.name);
  if (facts === undefined) {
    if (!AGGREGATES.has(call.name))
      throw failAt(
        binder,
        call,
        `OVER specified, but ${call.name.toLowerCase()} is not a window function nor an aggregate function`,
      );
    if (expr.ignoresNulls) throw failAt(binder, call, 'aggregate functions do not accept IGNORE NULLS');
    const aggregate = bindAggregate(binder, call, scope, undefined);
    return {type: aggregate.type, sql: out => aggregate.sql(out, place(out))};
  }
  if (expr.ignoresNulls && facts.takesNulls !== true)
    throw failAt(binder, call, `${call.name} does not accept IGNORE NULLS`);
  const {type, args} = windowArguments(binder, call, facts, scope);
  const nulls = expr.ignoresNulls ? ' IGNORE NULLS' : '';
  return {
    type,
    sql: out => `${call.name.toLowerCase()}(${args.map(arg => arg(out)).join(', ')}${nulls})${place(out)}`,
  };
}

function windowArguments(
  binder: Binder,
  call: Call,
  facts: WindowFacts,
  scope: ColumnScope,
): {type: DataType; args: Sql[]} {
  const [least, most] = facts.args;
  if (call.isStar || call.args.length < least || call.args.length > most) {
    const counts = least === most ? `${least}` : `${least} to ${most}`;
    throw failAt(binder, call, `${call.name}() takes ${counts} arguments, got ${call.isStar ? '*' : call.args.length}`);
  }
  if (call.filter !== undefined)
    throw failAt(binder, call, 'FILTER is not implemented for non-aggregate window functions');
  if (facts.result !== undefined) {
    const count = call.args[0] === undefined ? [] : [countArgument(binder, call, call.args[0], scope, 1n)];
    return {type: facts.result, args: count};
  }
  const [value, offset, otherwise] = call.args;
  const given = [compileOpen(value!, scope), ...(otherwise === undefined ? [] : [compileOpen(otherwise, scope)])];
  const typed = unify(given, scope);
  if (typed === undefined) throw failAt(binder, call, `${call.name} arguments have types that cannot be matched`);
  const {type} = typed[0]!;
  const args: Sql[] = [out => castSql(sqlOf(typed[0]!, out), type)];
  if (offset !== undefined)
    args.push(countArgument(binder, call, offset, scope, call.name === 'NTH_VALUE' ? 1n : undefined));
  if (typed[1] !== undefined) args.push(out => castSql(sqlOf(typed[1]!, out), type));
  return {type, args};
}

/** A whole number; `least` is checked where it is known before any row. */
function countArgument(binder: Binder, call: Call, expr: Expr, scope: ColumnScope, least: bigint | undefined): Sql {
  const typed = implicitly(compileOpen(expr, scope), BIGINT);
  if (typed === undefined) throw failAt(binder, expr, `argument of ${call.name} must be a whole number`);
  if (!isSteady(expr)) return out => castSql(sqlOf(typed, out), BIGINT);
  return out => {
    const value = typed.eval(NO_ROW, out.env);
    if (value !== null && least !== undefined && (value as bigint) < least)
      throw fail.execution(`argument of ${call.name.toLowerCase()} must be greater than zero`);
    return out.value(BIGINT, value);
  };
}

function windowNamed(binder: Binder, name: Name, windows: ReadonlyMap<string, WindowSpec>): WindowSpec {
  const spec = windows.get(name.name);
  if (spec === undefined) throw failAt(binder, name, `window "${name.name}" does not exist`);
  return flattened(binder, spec, windows);
}

/** The definition with what it takes over from its base. A window can only refine one that was defined before it. */
function flattened(binder: Binder, spec: WindowSpec, windows: ReadonlyMap<string, WindowSpec>): WindowSpec {
  if (spec.base === undefined) return spec;
  const all = [...windows];
  const own = all.findIndex(([, other]) => other === spec);
  const earlier = new Map(own < 0 ? all : all.slice(0, own));
  const {name} = spec.base;
  const base = windowNamed(binder, spec.base, earlier);
  if (spec.partitionBy.length > 0)
    throw failAt(binder, spec, `cannot override PARTITION BY clause of window "${name}"`);
  if (spec.orderBy.length > 0 && base.orderBy.length > 0)
    throw failAt(binder, spec, `cannot override ORDER BY clause of window "${name}"`);
  if (base.frame !== undefined)
    throw failAt(binder, spec, `cannot copy window "${name}" because it has a frame clause`);
  return {
    ...spec,
    base: undefined,
    partitionBy: base.partitionBy,
    orderBy: spec.orderBy.length > 0 ? spec.orderBy : base.orderBy,
  };
}

function overSql(binder: Binder, {partitionBy, orderBy, frame}: WindowSpec, scope: ColumnScope): Sql {
  const parts = partitionBy.map(expr => compileExpr(expr, scope));
  const keys = orderBy.map(item => ({item, typed: orderKey(binder, item, scope)}));
  const bounds = frame && frameSql(binder, frame, keys, scope);
  return out => {
    const clauses: string[] = [];
    if (parts.length > 0) clauses.push(`PARTITION BY ${parts.map(typed => sqlOf(typed, out)).join(', ')}`);
    if (keys.length > 0)
      clauses.push(`ORDER BY ${keys.map(({item, typed}) => sqlOf(typed, out) + directionSql(item)).join(', ')}`);
    if (bounds !== undefined) clauses.push(bounds(out));
    return ` OVER (${clauses.join(' ')})`;
  };
}

function orderKey(binder: Binder, item: OrderItem, scope: ColumnScope): TypedExpr {
  const typed = compileExpr(item.expr, scope);
  if (comparator(typed.type, typed.type) === undefined) throw failAt(binder, item, 'this type has no order');
  return typed;
}

const EXCLUDED: Readonly<Record<NonNullable<Frame['exclude']>, string>> = {
  currentRow: ' EXCLUDE CURRENT ROW',
  group: ' EXCLUDE GROUP',
  ties: ' EXCLUDE TIES',
};

function frameSql(binder: Binder, frame: Frame, keys: readonly {typed: TypedExpr}[], scope: ColumnScope): Sql {
  const type = frame.unit === 'range' ? rangeType(binder, frame, keys) : BIGINT;
  const [from, to] = [frame.from, frame.to].map(bound => bound && boundSql(binder, bound, type, scope));
  if (frame.unit === 'groups' && keys.length === 0)
    throw failAt(binder, frame, 'GROUPS mode requires an ORDER BY clause');
  const exclude = frame.exclude === undefined ? '' : EXCLUDED[frame.exclude];
  const unit = frame.unit.toUpperCase();
  return out => `${unit} BETWEEN ${from!(out)} AND ${to === undefined ? 'CURRENT ROW' : to(out)}${exclude}`;
}

/** The type of the offsets of RANGE: that of the one sort key. */
function rangeType(binder: Binder, frame: Frame, keys: readonly {typed: TypedExpr}[]): DataType {
  const hasOffset = [frame.from, frame.to].some(bound => bound !== undefined && 'offset' in bound);
  if (!hasOffset) return BIGINT;
  if (keys.length !== 1)
    throw failAt(binder, frame, 'RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column');
  const {type} = keys[0]!.typed;
  if (!isNumeric(type)) throw notSupportedAt(binder, frame.start, 'RANGE with an offset over anything but numbers');
  return type;
}

const BOUNDS: Readonly<Record<FrameBound['kind'], string>> = {
  unboundedPreceding: 'UNBOUNDED PRECEDING',
  preceding: 'PRECEDING',
  currentRow: 'CURRENT ROW',
  following: 'FOLLOWING',
  unboundedFollowing: 'UNBOUNDED FOLLOWING',
};

function boundSql(binder: Binder, bound: FrameBound, type: DataType, scope: ColumnScope): Sql {
  if (!('offset' in bound)) return () => BOUNDS[bound.kind];
  if (!isSteady(bound.offset)) throw failAt(binder, bound, 'argument of a frame offset must not contain variables');
  const typed = implicitly(compileOpen(bound.offset, scope), type);
  if (typed === undefined) throw failAt(binder, bound, 'a frame offset must be a number');
  return out => {
    const value: Value = castTo(typed, type).eval(NO_ROW, out.env);
    if (value === null) throw fail.execution('frame offset must not be null');
    if ((value as number) < 0) throw fail.execution('frame offset must not be negative');
    return `${out.value(type, value)} ${BOUNDS[bound.kind]}`;
  };
}

/**
 * Grouping, bound: `(SELECT key AS k0 …, aggregate AS a0 … FROM … GROUP BY …) AS g`. What stands behind it is written in terms of these columns.
 *
 * A column that is neither grouped nor inside an aggregate is an error, also when a query inside an expression asks for it.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {AGGREGATES} from '../expr/aggregates.ts';
import {failAt} from '../expr/coerce.ts';
import {compileExpr} from '../expr/compile.ts';
import {castSql, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {INT} from '../expr/numbers.ts';
import {resolveColumn} from '../expr/sources.ts';
import {WIDER_NAMES, walk, windowParts} from '../expr/walk.ts';
import type {Call, Expr, GroupItem, Select} from '../parser/ast.ts';
import {bindAggregate} from './bind-aggregate.ts';
import type {BoundFrom} from './bind-from.ts';
import {type Binder, type Place, quoted, sqlColumn} from './bound.ts';
import {groupedExpr} from './group.ts';
import {type Layer, queryScope} from './query-scope.ts';
import {resolvedKey} from './resolved-key.ts';

const GROUPING_SETS_MAX = 4096;

export interface BoundGroups {
  /** Answers grouped expressions and aggregates. */
  readonly layer: Layer;
  /** `rows`: FROM and WHERE. */
  sql(rows: string, out: SqlWriter): string;
}

interface Keys {
  readonly typed: TypedExpr[];
  /** By `resolvedKey`. */
  readonly index: Map<string, number>;
  readonly kinds: Set<Expr['kind']>;
  /** Which keys form each set; undefined: one set of all. */
  readonly sets: readonly (readonly number[])[] | undefined;
}

export function bindGroups(binder: Binder, select: Select, place: Place, from: BoundFrom | undefined): BoundGroups {
  const sources = from?.sources ?? [];
  const keys = bindKeys(select, queryScope(binder, sources, place, 'GROUP BY'));
  const inside = queryScope(binder, sources, place, 'aggregate functions');
  const keySource = from?.sources.length === 1 ? from.sources[0] : undefined;
  const name = binder.name('g');
  const aggregates: ((out: SqlWriter) => string)[] = [];
  const known = new Map<string, TypedExpr>();
  const column = (type: TypedExpr['type'], part: string) => sqlColumn(type, `${quoted(name)}."${part}"`);
  const add = (call: Call): TypedExpr => {
    const text = resolvedKey(call, inside);
    const before = known.get(text);
    if (before !== undefined) return before;
    const {type, sql} =
      call.name === 'GROUPING'
        ? groupingCall(binder, call, keys, inside)
        : bindAggregate(binder, call, inside, keySource);
    const typed = column(type, `a${aggregates.length}`);
    aggregates.push(out => castSql(sql(out, ''), type));
    known.set(text, typed);
    return typed;
  };
  const layer: Layer = (expr, scope) => {
    const index = keys.kinds.has(expr.kind) ? keys.index.get(resolvedKey(expr, scope)) : undefined;
    if (index !== undefined) return column(keys.typed[index]!.type, `k${index}`);
    if (expr.kind === 'call' && (AGGREGATES.has(expr.name) || expr.name === 'GROUPING')) return add(expr);
    if (expr.kind === 'column') refuseUngrouped(binder, expr, scope);
    return undefined;
  };
  return {
    layer,
    sql: (rows, out) => {
      const shown = keys.typed.map((typed, i) => `${castSql(sqlOf(typed, out), typed.type)} AS "k${i}"`);
      // Where a subquery depends on the row around it, DuckDB makes a join of it, and forgets the one row that no rows are grouped to, if all that is
      // shown of it is NULL for no row. COALESCE might not be.
      const kept = (sql: string) =>
        keys.typed.length === 0 || keys.sets !== undefined ? `COALESCE(${sql}, NULL)` : sql;
      shown.push(...aggregates.map((sql, i) => `${kept(sql(out))} AS "a${i}"`));
      // Keys are NULL in that row, so they do not keep it.
      const isKept = aggregates.length > 0 || (keys.typed.length > 0 && keys.sets === undefined);
      if (!isKept) shown.push(`${kept('count(*)')} AS "a0"`);
      return `(SELECT ${shown.join(', ')}${rows}${groupBySql(keys)}) AS ${quoted(name)}`;
    },
  };
}

function refuseUngrouped(binder: Binder, expr: Extract<Expr, {kind: 'column'}>, scope: ColumnScope): void {
  const found = resolveColumn(expr.qualifier, expr.column, expr, {...scope, outer: undefined});
  if (found === undefined) return;
  throw failAt(
    binder,
    expr,
    `column "${expr.column.name}" must appear in the GROUP BY clause or be used in an aggregate function`,
  );
}

function bindKeys(select: Select, scope: ColumnScope): Keys {
  const keys = {typed: [], index: new Map(), kinds: new Set()} as Omit<Keys, 'sets'>;
  const local = {...scope, outer: undefined};
  const place = (given: Expr): number => {
    const expr = groupedExpr(given, select, local);
    const typed = compileExpr(expr, scope);
    const text = resolvedKey(expr, scope);
    const known = keys.index.get(text);
    if (known !== undefined) return known;
    keys.kinds.add(expr.kind);
    keys.index.set(text, keys.typed.length);
    return keys.typed.push(typed) - 1;
  };
  const parts = select.groupBy.map(item => setsOf(item, place));
  return {...keys, sets: select.groupBy.some(item => 'sets' in item) ? product(parts) : undefined};
}

/** The grouping sets that one item of GROUP BY stands for. */
function setsOf(item: GroupItem, place: (expr: Expr) => number): number[][] {
  if (!('sets' in item)) return [[place(item)]];
  const steps = item.sets.map(set => set.map(place));
  switch (item.kind) {
    case 'groupingSets':
      return steps;
    case 'rollup':
      return Array.from({length: steps.length + 1}, (_, i) => steps.slice(0, steps.length - i).flat());
    case 'cube':
      if (steps.length > 12) throw tooMany();
      return Array.from({length: 2 ** steps.length}, (_, mask) => steps.filter((_step, i) => mask & (1 << i)).flat());
    default:
      return item satisfies never;
  }
}

function product(parts: readonly number[][][]): number[][] {
  let sets: number[][] = [[]];
  for (const part of parts) {
    if (sets.length * part.length > GROUPING_SETS_MAX) throw tooMany();
    sets = sets.flatMap(set => part.map(more => [...new Set([...set, ...more])]));
  }
  return sets;
}

function tooMany(): DbError {
  return new DbError('LIMIT_EXCEEDED', `GROUP BY takes at most ${GROUPING_SETS_MAX} grouping sets.`);
}

/** Keys are the first columns, so they are named by their places. */
function groupBySql({typed, sets}: Keys): string {
  if (sets !== undefined) {
    const texts = sets.map(set => `(${set.map(index => index + 1).join(', ')})`);
    return ` GROUP BY GROUPING SETS (${texts.join(', ')})`;
  }
  return typed.length === 0 ? '' : ` GROUP BY ${typed.map((_, index) => index + 1).join(', ')}`;
}

/** GROUPING(a, b): bits of the keys that are not in the row's set. */
function groupingCall(binder: Binder, call: Call, keys: Keys, scope: ColumnScope) {
  const indexes = call.args.map(arg => {
    const index = keys.index.get(resolvedKey(arg, scope));
    if (index !== undefined) return index;
    throw failAt(binder, arg, 'arguments to GROUPING must be grouping expressions of the associated query level');
  });
  if (indexes.length === 0 || indexes.length > 31) throw failAt(binder, call, 'GROUPING takes 1 to 31 arguments');
  const sql = (out: SqlWriter) => {
    const args = indexes.map(index => castSql(sqlOf(keys.typed[index]!, out), keys.typed[index]!.type));
    return `grouping(${args.join(', ')})`;
  };
  return {type: INT, sql};
}

/** Is there an aggregate of this query: not inside another query, and not as a window function? */
export function hasAggregate(exprs: readonly Expr[]): boolean {
  let isFound = false;
  walk(exprs, expr => {
    if (expr.kind === 'call' && (AGGREGATES.has(expr.name) || expr.name === 'GROUPING')) isFound = true;
    if (expr.kind === 'window') {
      const {call, over} = expr;
      const filter = call.filter === undefined ? [] : [call.filter];
      isFound ||= hasAggregate([...call.args, ...filter, ...('name' in over ? [] : windowParts(over))]);
      return 'skip';
    }
    if (expr.kind === 'inQuery') isFound ||= hasAggregate([expr.operand]);
    if (expr.kind === 'quantified') isFound ||= hasAggregate([expr.left]);
    return expr.kind in WIDER_NAMES && expr.kind !== 'row' ? 'skip' : undefined;
  });
  return isFound;
}

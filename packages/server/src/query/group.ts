/**
 * Groups: planning of GROUP BY and aggregates, and the hash table that runs them.
 *
 * Expressions behind the grouping (items, HAVING, ORDER BY) are compiled against a group row: first the values of the grouping
 * expressions, then the results of the aggregates. A column that is neither grouped nor inside an aggregate is an error.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Accumulator} from '../expr/accumulators.ts';
import {AGGREGATES, aggregateArgs, aggregateOf} from '../expr/aggregates.ts';
import {failAt, settled} from '../expr/coerce.ts';
import {compileCondition, compileExpr, compileOpen} from '../expr/compile.ts';
import type {ColumnScope, Env, Eval, TypedExpr} from '../expr/expr.ts';
import {TEXT} from '../expr/numbers.ts';
import {hashKey} from '../expr/operators.ts';
import {resolveColumn} from '../expr/sources.ts';
import {exprKey, someExpr} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import {sqlName} from '../model/type-table.ts';
import {compareValues, toJson} from '../model/values.ts';
import type {Call, Expr, Select} from '../parser/ast.ts';
import type {DirectSelect} from './wider.ts';

/** Groups, or distinct values inside aggregates, of one statement. */
const GROUPS_MAX = 1_000_000;

type DistinctKey = (value: Value, second: Value) => Value;

interface AggregatePlan {
  readonly first: Eval | undefined;
  readonly second: Eval | undefined;
  readonly filter: Eval | undefined;
  readonly make: () => Accumulator;
  /** Given for DISTINCT. */
  readonly distinctKey: DistinctKey | undefined;
  /** Distinct values are texts that come in their order. */
  readonly isSorted: boolean;
}

export interface GroupPlan {
  /** For everything that is evaluated on group rows. */
  readonly scope: ColumnScope;
  readonly keys: readonly TypedExpr[];
  /** Grows while the plan is made. */
  readonly aggregates: readonly AggregatePlan[];
  having: Eval | undefined;
}

export function isAggregated(select: Select): boolean {
  if (select.groupBy.length > 0 || select.having !== undefined) return true;
  const items = select.items.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  return someExpr(
    [...items, ...select.orderBy.map(item => item.expr)],
    expr => expr.kind === 'call' && AGGREGATES.has(expr.name),
  );
}

export function planGroups(select: DirectSelect, scope: ColumnScope): GroupPlan {
  const exprs = select.groupBy.map(expr => groupedExpr(expr, select, scope));
  const keys = exprs.map(expr => compileExpr(expr, scope));
  const keyIndex = new Map(exprs.map((expr, index) => [exprKey(expr), index]));
  const kinds = new Set(exprs.map(expr => expr.kind));
  const aggregates: AggregatePlan[] = [];
  const known = new Map<string, TypedExpr>();
  const override = (expr: Expr): TypedExpr | undefined => {
    const index = kinds.has(expr.kind) ? keyIndex.get(exprKey(expr)) : undefined;
    if (index !== undefined) return {type: keys[index]!.type, eval: row => row.value(index), constant: undefined};
    if (expr.kind === 'call' && AGGREGATES.has(expr.name)) {
      const text = exprKey(expr);
      const aggregate = known.get(text) ?? addAggregate(expr, keys.length, aggregates, scope);
      known.set(text, aggregate);
      return aggregate;
    }
    if (expr.kind !== 'column') return undefined;
    compileExpr(expr, scope);
    throw failAt(
      scope,
      expr,
      `column "${expr.column.name}" must appear in the GROUP BY clause or be used in an aggregate function`,
    );
  };
  return {scope: {...scope, override}, keys, aggregates, having: undefined};
}

/** GROUP BY takes an ordinal, a column of the table, the name of an output, or any expression, in this order. */
export function groupedExpr(expr: Expr, select: Pick<Select, 'items'>, scope: ColumnScope): Expr {
  if (expr.kind === 'number') {
    const item = /^\d{1,9}$/.test(expr.text) ? select.items[Number(expr.text) - 1] : undefined;
    if (item?.kind !== 'expr') throw failAt(scope, expr, `GROUP BY position ${expr.text} is not in select list`);
    return item.expr;
  }
  if (expr.kind !== 'column' || expr.qualifier.length > 0) return expr;
  const {name} = expr.column;
  if (resolveColumn([], expr.column, expr, scope) !== undefined) return expr;
  const item = select.items.find(each => each.kind === 'expr' && each.alias?.name === name);
  return item?.kind === 'expr' ? item.expr : expr;
}

function addAggregate(call: Call, keyCount: number, aggregates: AggregatePlan[], scope: ColumnScope): TypedExpr {
  const facts = aggregateOf(call);
  if (call.isStar && call.name !== 'COUNT') throw failAt(scope, call, `${call.name}(*) does not exist`);
  if (call.args.length !== (call.isStar ? 0 : facts.argCount)) {
    throw failAt(
      scope,
      call,
      `${call.name}() takes ${facts.argCount} argument${facts.argCount > 1 ? 's' : ''}, got ${call.args.length}`,
    );
  }
  const [first, second] = aggregateArgs(call).map(arg => settled(compileOpen(arg, scope), scope));
  const inputType: DataType = first?.type ?? TEXT;
  const type = facts.result(inputType);
  if (type === undefined) throw failAt(scope, call, `${call.name}() does not exist for ${sqlName(inputType)}`);
  const index = keyCount + aggregates.length;
  aggregates.push({
    first: first?.eval,
    second: second?.eval,
    filter: call.filter && compileCondition(call.filter, scope, 'FILTER').eval,
    make: facts.make(inputType),
    distinctKey: !call.isDistinct ? undefined : facts.given === 'pair' ? pairKey : hashKey(inputType),
    isSorted: facts.isOrdered === true,
  });
  return {type, eval: row => row.value(index), constant: undefined};
}

interface Group {
  readonly keys: readonly Value[];
  readonly states: readonly Accumulator[];
}

/** Runs a group plan: `add` every row, then read `rows`. Groups come in the order in which they were first met. */
export class Grouping {
  readonly #plan: GroupPlan;
  readonly #env: Env;
  readonly #keyEvals: readonly Eval[];
  readonly #keyOf: readonly ((value: Value) => Value)[];
  readonly #groups = new Map<Value, Group>();
  readonly #distinct = {count: 0};

  constructor(plan: GroupPlan, env: Env) {
    this.#plan = plan;
    this.#env = env;
    this.#keyEvals = plan.keys.map(key => key.eval);
    this.#keyOf = plan.keys.map(key => hashKey(key.type));
    if (plan.keys.length === 0) this.#groups.set(null, this.#newGroup([]));
  }

  add(row: Row): void {
    const group = this.#groupOf(row);
    const {aggregates} = this.#plan;
    for (let i = 0; i < aggregates.length; i++) {
      const {first, second, filter} = aggregates[i]!;
      if (filter !== undefined && filter(row, this.#env) !== true) continue;
      const value = first === undefined ? true : first(row, this.#env);
      if (value !== null) group.states[i]!.add(value, second === undefined ? null : second(row, this.#env));
    }
  }

  #groupOf(row: Row): Group {
    const evals = this.#keyEvals;
    if (evals.length === 1) {
      const value = evals[0]!(row, this.#env);
      return this.#groups.get(this.#keyOf[0]!(value)) ?? this.#open(this.#keyOf[0]!(value), [value]);
    }
    if (evals.length === 0) return this.#groups.get(null)!;
    const values = evals.map(evaluate => evaluate(row, this.#env));
    let text = '';
    for (let i = 0; i < values.length; i++) {
      const part = this.#keyOf[i]!(values[i]!);
      text += part === null ? '-' : typeof part === 'string' ? `${part.length}:${part}` : `=${part};`;
    }
    return this.#groups.get(text) ?? this.#open(text, values);
  }

  #open(key: Value, values: readonly Value[]): Group {
    if (this.#groups.size >= GROUPS_MAX) throw tooMany('groups');
    const group = this.#newGroup(values);
    this.#groups.set(key, group);
    return group;
  }

  #newGroup(keys: readonly Value[]): Group {
    const states = this.#plan.aggregates.map(({make, distinctKey, isSorted}) => {
      const inner = isSorted && distinctKey !== undefined ? sortedState(make()) : make();
      return distinctKey === undefined ? inner : distinctState(inner, distinctKey, this.#distinct);
    });
    return {keys, states};
  }

  *rows(): IterableIterator<Row> {
    for (const {keys, states} of this.#groups.values()) {
      yield valuesRow([...keys, ...states.map(state => state.result())]);
    }
  }
}

const pairKey: DistinctKey = (y, x) => `${y} ${x}`;

function distinctState(inner: Accumulator, keyOf: DistinctKey, total: {count: number}): Accumulator {
  const seen = new Set<Value>();
  return {
    add: (value, second) => {
      const key = keyOf(value, second);
      if (seen.has(key)) return;
      if (++total.count > GROUPS_MAX) throw tooMany('distinct values');
      seen.add(key);
      inner.add(value, second);
    },
    result: () => inner.result(),
  };
}

/** Gives the texts on in their order. */
function sortedState(inner: Accumulator): Accumulator {
  const pairs: [value: Value, second: Value][] = [];
  return {
    add: (value, second) => {
      pairs.push([value, second]);
    },
    result: () => {
      pairs.sort(([a], [b]) => compareValues(TEXT, a, b));
      for (const [value, second] of pairs) inner.add(value, second);
      return inner.result();
    },
  };
}

function tooMany(what: string): DbError {
  return new DbError('LIMIT_EXCEEDED', `The query makes more than ${GROUPS_MAX} ${what}.`);
}

function valuesRow(values: readonly Value[]): Row {
  return {seq: 0n, isTombstone: false, value: index => values[index]!, json: index => toJson(TEXT, values[index]!)};
}

/**
 * Spans: intervals in the two places where they may stand. Beside a moment, which they move, and compared with the time between two moments.
 *
 * An interval is `INTERVAL '1 day'`, that times whole numbers, or a text that is cast: `$1::INTERVAL`.
 *
 * Law: as in PostgreSQL, intervals are compared by their size, in which a month has 30 days and a day 24 hours.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {MICROS_PER_DAY} from '../model/moments.ts';
import {sqlName} from '../model/type-table.ts';
import type {Expr} from '../parser/ast.ts';
import {constantOf, failAt, fold, implicitly, notSupportedAt, openAs} from './coerce.ts';
import type {ColumnScope, TypedExpr} from './expr.ts';
import {type Interval, moved, movedType, parseInterval, readInterval, sizeOf, timesInterval} from './interval.ts';
import {BIGINT, BOOLEAN, clip, isInteger, isMoment, TEXT, TIMESTAMP} from './numbers.ts';
import {checkedBig} from './operators.ts';
import type {ChainStep} from './steps.ts';

type Of<K extends Expr['kind']> = Extract<Expr, {kind: K}>;
type Compile = (part: Expr) => TypedExpr;

export type IntervalExpr =
  | {readonly node: Expr; readonly literal: Of<'typed'>; readonly times: Expr | undefined}
  | {readonly node: Expr; readonly literal: undefined; readonly text: Expr};

const PLACES =
  "INTERVAL other than beside a moment, as in at + INTERVAL '1 day', or compared with the time between two, as in a - b > INTERVAL '1 day'";

function isInterval(expr: Expr): expr is Of<'typed'> {
  return expr.kind === 'typed' && expr.type.name === 'INTERVAL';
}

/** Undefined: it is none. Looks no deeper than one operator. */
export function intervalOf(node: Expr): IntervalExpr | undefined {
  if (isInterval(node)) return {node, literal: node, times: undefined};
  if (node.kind === 'cast' && node.type.name === 'INTERVAL' && !node.type.isArray && !node.isTry)
    return {node, literal: undefined, text: node.operand};
  if (node.kind !== 'binary' || node.op !== '*') return undefined;
  if (isInterval(node.left)) return {node, literal: node.left, times: node.right};
  return isInterval(node.right) ? {node, literal: node.right, times: node.left} : undefined;
}

export function misplacedInterval({start}: {readonly start: number}, scope: ColumnScope) {
  return notSupportedAt(scope, start, PLACES);
}

/** A moment + or − an interval. */
export function moveStep(
  node: Of<'binary'>,
  left: TypedExpr,
  by: IntervalExpr,
  scope: ColumnScope,
  sub: Compile,
): ChainStep {
  const {amount, interval} = amountOf(by, scope, sub);
  const moment = left.open === undefined ? left : openAs(left.open, TIMESTAMP);
  const type = movedType(moment.type);
  if (type === undefined && (node.op === '+' || node.op === '-'))
    throw failAt(scope, node, `operator does not exist: ${sqlName(moment.type)} ${node.op} INTERVAL`);
  if (type === undefined || (node.op !== '+' && node.op !== '-')) throw misplacedInterval(by.node, scope);
  const side = node.op === '+' ? 1 : -1;
  const from = moment.type;
  return {left: moment, right: amount, type, apply: (value, given) => moved(from, value!, interval(given), side)};
}

/** What is computed row by row, and the interval that comes of it. */
function amountOf(
  by: IntervalExpr,
  scope: ColumnScope,
  sub: Compile,
): {amount: TypedExpr; interval: (amount: Value) => Interval} {
  if (by.literal === undefined) {
    const amount = implicitly(sub(by.text), TEXT);
    if (amount === undefined) throw failAt(scope, by.node, 'only a text can be cast to INTERVAL');
    return {amount, interval: rememberingLast(readInterval)};
  }
  const {literal, times} = by;
  const interval = parseInterval(literal.value);
  if (interval === undefined)
    throw failAt(scope, literal, `invalid input syntax for type interval: "${clip(literal.value)}"`);
  if (times === undefined) return {amount: constantOf(BOOLEAN, true), interval: () => interval};
  const count = sub(times);
  const amount = count.open === undefined ? count : openAs(count.open, BIGINT);
  if (!isInteger(amount.type))
    throw notSupportedAt(
      scope,
      times.start,
      `INTERVAL times ${sqlName(amount.type)}; multiply a smaller unit by a whole number`,
    );
  return {amount, interval: value => timesInterval(interval, BigInt(value as bigint))};
}

/** Most often the text is that of the row before. */
function rememberingLast(read: (text: string) => Interval): (text: Value) => Interval {
  let lastText: Value = null;
  let last: Interval | undefined;
  return text => {
    if (last === undefined || text !== lastText) {
      last = read(text as string);
      lastText = text;
    }
    return last;
  };
}

/**
 * One side of a comparison of which another is an interval: its size in microseconds, as a BIGINT. It is an interval itself, the time between two moments, or AGE.
 * DuckDB has no words for it: the comparison around it is computed by our own code.
 */
export function sizeExpr(side: Expr, scope: ColumnScope, sub: Compile): TypedExpr {
  const interval = intervalOf(side);
  if (interval !== undefined) {
    const {amount, interval: of} = amountOf(interval, scope, sub);
    return sizeFold(amount, given => sizeOf(of(given)));
  }
  if (side.kind === 'call' && side.name === 'AGE') return sub({...side, name: 'AGE_SIZE'});
  if (side.kind === 'binary' && side.op === '-' && intervalOf(side.right) === undefined)
    return difference(side, scope, sub);
  const {open, type} = sub(side);
  if (open !== undefined) throw misplacedInterval(side, scope);
  throw failAt(scope, side, `cannot compare ${sqlName(type)} with INTERVAL`);
}

function sizeFold(amount: TypedExpr, size: (amount: Value) => bigint): TypedExpr {
  const evaluate: TypedExpr['eval'] = (row, env) => {
    const value = amount.eval(row, env);
    return value === null ? null : size(value);
  };
  return fold(BIGINT, evaluate, [amount]);
}

/** That between two dates is a number of days, which no interval is compared with. */
function difference(node: Of<'binary'>, scope: ColumnScope, sub: Compile): TypedExpr {
  const [left, right] = [node.left, node.right].map(side => {
    const typed = sub(side);
    return typed.open === undefined ? typed : openAs(typed.open, TIMESTAMP);
  }) as [TypedExpr, TypedExpr];
  const areMoments = isMoment(left.type) && isMoment(right.type);
  if (!areMoments || (left.type.name === 'date' && right.type.name === 'date'))
    throw failAt(scope, node, `cannot compare ${sqlName(left.type)} - ${sqlName(right.type)} with INTERVAL`);
  const [later, earlier] = [microsOf(left.type), microsOf(right.type)];
  const evaluate: TypedExpr['eval'] = (row, env) => {
    const [a, b] = [left.eval(row, env), right.eval(row, env)];
    return a === null || b === null ? null : checkedBig(later(a) - earlier(b));
  };
  return fold(BIGINT, evaluate, [left, right]);
}

function microsOf(type: DataType): (value: Value) => bigint {
  return type.name === 'date' ? value => BigInt(value as number) * MICROS_PER_DAY : value => value as bigint;
}

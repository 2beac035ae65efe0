/**
 * Comparisons of compiled expressions: = <> < <= > >=, IN, BETWEEN, LIKE, IS DISTINCT FROM, all with three-valued logic.
 *
 * A side that is a constant or a parameter is brought into the form of the other side once, so that a row costs one comparison.
 * Each function answers undefined when the types cannot meet; the caller knows where in the text that is.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {valueText} from '../model/values.ts';
import {castTo, fold, implicitly, missingParam, openAs, settled} from './coerce.ts';
import {boundSql, castForm, compareForm, type Form, likeForm, sqlOf} from './duck-forms.ts';
import type {ColumnScope, Env, Eval, Param, SqlWriter, TypedExpr} from './expr.ts';
import {likeMatcher} from './like.ts';
import {
  BOOLEAN,
  type Bound,
  boundOf,
  commonType,
  isFloating,
  isNumeric,
  isTextual,
  rangeSide,
  TEXT,
} from './numbers.ts';
import {type ComparisonOperator, comparator, hashKey, MIRRORED, order, orderTest} from './operators.ts';

/** From this many constants an IN list is a Set. */
const SET_MIN = 9;

export function compare(
  op: ComparisonOperator,
  left: TypedExpr,
  right: TypedExpr,
  scope: ColumnScope,
): TypedExpr | undefined {
  if (isMeasured(left) && !isMeasured(right)) return compare(MIRRORED[op], right, left, scope);
  if (isNumeric(left.type) && left.open === undefined && isMeasured(right)) return compareBound(op, left, right);
  const pair = meet(left, right, scope);
  const compareValues = pair && comparator(pair[0].type, pair[1].type);
  if (pair === undefined || compareValues === undefined) return undefined;
  const [a, b] = pair;
  return fold(BOOLEAN, comparison(op, a, b, compareValues), [a, b], compareForm(op, a.type, b.type));
}

/** A number of exact digits: a literal, or a parameter that turned out to be one. */
function isMeasured(expr: TypedExpr): boolean {
  return expr.digits !== undefined || expr.open?.kind === 'param';
}

/** Gives open sides the type of the other. */
function meet(left: TypedExpr, right: TypedExpr, scope: ColumnScope): [TypedExpr, TypedExpr] | undefined {
  if (left.open !== undefined && right.open !== undefined) return [settled(left, scope), settled(right, scope)];
  if (left.open !== undefined) return [openAs(left.open, right.type), right];
  if (right.open !== undefined) return [left, openAs(right.open, left.type)];
  return [left, right];
}

function comparison(
  op: ComparisonOperator,
  a: TypedExpr,
  b: TypedExpr,
  compareValues: (a: Value, b: Value) => number,
): Eval {
  const [left, right, test] = [a.eval, b.eval, orderTest(op)];
  const isSimple = a.type.name === b.type.name && (a.type.name === 'boolean' || isTextual(a.type));
  if (isSimple && (op === '=' || op === '<>')) {
    const wanted = op === '=';
    return (row, env) => {
      const x = left(row, env);
      const y = right(row, env);
      return x === null || y === null ? null : (x === y) === wanted;
    };
  }
  return (row, env) => {
    const x = left(row, env);
    const y = right(row, env);
    return x === null || y === null ? null : test(compareValues(x, y));
  };
}

function compareBound(op: ComparisonOperator, left: TypedExpr, right: TypedExpr): TypedExpr {
  const {type, eval: evaluate} = left;
  if (right.digits !== undefined) {
    const bound = boundOf(right.digits, type);
    const test = bound.isAbove ? aboveTest(op, bound.value) : exactTest(op, bound.value);
    const evaluateBound: Eval = (row, env) => {
      const value = evaluate(row, env);
      return value === null ? null : test(value);
    };
    if (left.constant !== undefined || left.failure !== undefined) return fold(BOOLEAN, evaluateBound, [left]);
    const sql = (out: SqlWriter) => boundSql(op, sqlOf(left, out), type, bound, (...known) => out.value(...known));
    return {type: BOOLEAN, eval: evaluateBound, constant: undefined, sql};
  }
  const boundFor = paramBound(right, left);
  const test = orderTest(op);
  return {
    type: BOOLEAN,
    constant: undefined,
    eval: (row, env) => {
      const value = evaluate(row, env);
      const bound = boundFor(env);
      if (value === null || bound === null) return null;
      return test(order(value, bound.value) || (bound.isAbove ? -1 : 0));
    },
    sql: out => {
      const bound = boundFor(out.env);
      if (bound === null) return out.value(BOOLEAN, null);
      return boundSql(op, sqlOf(left, out), type, bound, (...given) => out.given(...given));
    },
  };
}

/** The parameter as a bound in the type of `other`, converted once per value. */
export function paramBound(param: TypedExpr, other: TypedExpr): (env: Env) => Bound | null {
  const index = (param.open as {kind: 'param'; index: number}).index;
  const typed = openAs({kind: 'param', index}, other.type);
  let last: Param | undefined;
  let bound: Bound = {value: null, isAbove: false};
  return env => {
    const raw = env.params[index - 1];
    if (raw === undefined) throw missingParam(index);
    if (raw === null) return null;
    if (raw === last) return bound;
    if (typeof raw === 'object' && 'number' in raw) bound = boundOf(raw.number, other.type);
    else bound = {value: typed.eval(undefined as never, env), isAbove: false};
    last = typeof raw === 'string' && raw.length > 1024 ? undefined : raw;
    return bound;
  };
}

/** Comparison with a value of the same type: closures per operator, since this is the inner loop of most scans. */
function exactTest(op: ComparisonOperator, wanted: Value): (value: Value) => boolean {
  const limit = wanted as number;
  switch (op) {
    case '=':
      return value => value === limit;
    case '<>':
      return value => value !== limit;
    case '<':
      return value => (value as number) < limit;
    case '<=':
      return value => (value as number) <= limit;
    case '>':
      return value => (value as number) > limit;
    case '>=':
      return value => (value as number) >= limit;
    default:
      return op satisfies never;
  }
}

function aboveTest(op: ComparisonOperator, floor: Value): (value: Value) => boolean {
  const test = orderTest(op);
  return value => test(order(value, floor) || -1);
}

export function isDistinct(
  left: TypedExpr,
  right: TypedExpr,
  isNegated: boolean,
  scope: ColumnScope,
): TypedExpr | undefined {
  const same = compare('=', left, right, scope);
  if (same === undefined) return undefined;
  const [a, b] = [settled(left, scope), settled(right, scope)];
  const evaluate: Eval = (row, env) => {
    const outcome = same.eval(row, env);
    const isSame = outcome === null ? a.eval(row, env) === null && b.eval(row, env) === null : outcome;
    return isSame === isNegated;
  };
  const form: Form = (equal, x, y) => `(coalesce(${equal}, ${x} IS NULL AND ${y} IS NULL) = ${isNegated})`;
  return fold(BOOLEAN, evaluate, [same, a, b], same.sql && form);
}

export function inList(
  operand: TypedExpr,
  list: readonly TypedExpr[],
  isNegated: boolean,
  scope: ColumnScope,
): TypedExpr | undefined {
  const target = operand.open === undefined ? operand : settled(operand, scope);
  const set = list.length >= SET_MIN ? constantSet(target, list) : undefined;
  if (set !== undefined) {
    const tested = fold(BOOLEAN, setTest(target, set, isNegated), [target]);
    return tested.constant === undefined ? {...tested, sql: out => setSql(target, set, isNegated, out)} : tested;
  }
  const tests: Eval[] = [];
  const inputs: TypedExpr[] = [];
  for (const item of list) {
    const same = compare('=', operand, item, scope);
    if (same === undefined) return undefined;
    tests.push(same.eval);
    inputs.push(same);
  }
  const evaluate: Eval = (row, env) => {
    let answer: boolean | null = false;
    for (const test of tests) {
      const outcome = test(row, env);
      if (outcome === true) return !isNegated;
      if (outcome === null) answer = null;
    }
    return answer === null ? null : isNegated;
  };
  const form: Form = (...same) => `${isNegated ? '(NOT ' : '('}(${same.join(' OR ')}))`;
  return fold(BOOLEAN, evaluate, inputs, inputs.every(input => input.constant ?? input.sql) ? form : undefined);
}

interface ConstantSet {
  readonly keys: ReadonlySet<Value>;
  readonly values: readonly Value[];
  readonly hasNull: boolean;
  readonly keyOf: (value: Value) => Value;
}

/** The list as a set in the operand's type; undefined when an item depends on the row, on parameters, or does not fit exactly. */
function constantSet(operand: TypedExpr, list: readonly TypedExpr[]): ConstantSet | undefined {
  const {type} = operand;
  const keyOf = hashKey(type);
  const keys = new Set<Value>();
  const values: Value[] = [];
  const put = (value: Value) => {
    if (rangeSide(value, type) !== 0) return;
    keys.add(keyOf(value));
    values.push(value);
  };
  let hasNull = false;
  for (const item of list) {
    if (item.open?.kind === 'param' || (item.open === undefined && item.constant === undefined)) return undefined;
    const digits = exactDigits(item, type);
    if (item.constant?.value === null || item.open?.kind === 'null') {
      hasNull = true;
    } else if (digits !== undefined) {
      const bound = boundOf(digits, type);
      if (!bound.isAbove) put(bound.value);
    } else {
      const same =
        item.open !== undefined
          ? openAs(item.open, type)
          : item.type.name === type.name
            ? implicitly(item, type)
            : undefined;
      if (same?.constant === undefined) return undefined;
      put(same.constant.value);
    }
  }
  return {keys, values, hasNull, keyOf};
}

/** Of a constant that is compared with values of `type` digit by digit. */
function exactDigits({type: own, constant, digits}: TypedExpr, type: DataType): string | undefined {
  if (digits !== undefined) return isNumeric(type) ? digits : undefined;
  if (constant === undefined || constant.value === null || !isExact(own) || !isExact(type)) return undefined;
  return valueText(own, constant.value);
}

function isExact(type: DataType): boolean {
  return isNumeric(type) && !isFloating(type);
}

function setTest(operand: TypedExpr, {keys, hasNull, keyOf}: ConstantSet, isNegated: boolean): Eval {
  const evaluate = operand.eval;
  return (row, env) => {
    const value = evaluate(row, env);
    if (value === null) return null;
    if (keys.has(keyOf(value))) return !isNegated;
    return hasNull ? null : isNegated;
  };
}

function setSql(operand: TypedExpr, {values, hasNull}: ConstantSet, isNegated: boolean, out: SqlWriter): string {
  const sql = sqlOf(operand, out);
  // A list of numbers that the type cannot hold: no value equals one of them.
  if (values.length === 0 && !hasNull) return `CASE WHEN ${sql} IS NOT NULL THEN ${isNegated} END`;
  const items = (hasNull ? [...values, null] : values).map(value => out.value(operand.type, value));
  return `(${sql} ${isNegated ? 'NOT IN' : 'IN'} (${items.join(', ')}))`;
}

export function like(
  operand: TypedExpr,
  pattern: TypedExpr,
  options: {escape: TypedExpr | undefined; isCaseless: boolean; isNegated: boolean},
): TypedExpr | undefined {
  const text = asText(operand);
  const patternText = asText(pattern);
  const escaper = options.escape && asText(options.escape);
  if (text === undefined || patternText === undefined || (options.escape !== undefined && escaper === undefined))
    return undefined;
  let lastPattern: string | undefined;
  let lastEscape: Value | undefined;
  let matches: (text: string) => boolean = () => false;
  const evaluate: Eval = (row, env) => {
    const value = text.eval(row, env);
    const wanted = patternText.eval(row, env);
    const escapeValue = escaper === undefined ? undefined : escaper.eval(row, env);
    if (value === null || wanted === null || escapeValue === null) return null;
    if (wanted !== lastPattern || escapeValue !== lastEscape) {
      matches = likeMatcher(wanted as string, escapeValue as string | undefined, options.isCaseless);
      lastPattern = wanted as string;
      lastEscape = escapeValue;
    }
    return matches(value as string) !== options.isNegated;
  };
  const inputs = escaper === undefined ? [text, patternText] : [text, patternText, escaper];
  const form = options.isCaseless || escaper !== undefined ? undefined : likeForm(patternText, options.isNegated);
  const toText = castForm(text.type, TEXT)!;
  return fold(BOOLEAN, evaluate, inputs, form && ((value, wanted) => form(toText(value!), wanted!)));
}

function asText(expr: TypedExpr): TypedExpr | undefined {
  if (expr.open === undefined && isTextual(expr.type)) return expr;
  return implicitly(expr, TEXT);
}

/** Brings several expressions to one type, as CASE, COALESCE, GREATEST and their like need. */
export function unify(exprs: readonly TypedExpr[], scope: ColumnScope): TypedExpr[] | undefined {
  let type = undefined as TypedExpr['type'] | undefined;
  for (const expr of exprs) {
    if (expr.open !== undefined) continue;
    const common = type === undefined ? expr.type : commonType(type, expr.type);
    if (common === undefined) return undefined;
    type = common;
  }
  if (type === undefined) {
    const said = exprs.map(expr => settled(expr, scope));
    type = said.find(expr => expr.type.name !== 'text')?.type ?? TEXT;
    return exprs.map(expr => (expr.open === undefined ? expr : openAs(expr.open, type!)));
  }
  return exprs.map(expr => castTo(expr, type!));
}

/**
 * Key range: what a WHERE tree says about the primary key and about other columns, so that a scan touches few rows and segments.
 *
 * Facts are read from terms joined by AND of the form `column op value`, BETWEEN and IN, where the value needs no row; also from an OR
 * whose terms all name single keys. They are found once per plan and valued once per execution, since values may be parameters.
 * Law: facts only ever widen: the caller still evaluates its whole predicate on each row.
 */
import type {ColdFilter} from '../cold/cold.ts';
import type {KeyRange} from '../hot/hot.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {encodeKey, KEY_BYTES_MAX} from '../model/key-codec.ts';
import {sameType} from '../model/type-table.ts';
import type {Expr} from '../parser/ast.ts';
import {NO_ROW, openAs} from './coerce.ts';
import {paramBound} from './compare.ts';
import {compileOpen, findColumn, isOfScope} from './compile.ts';
import type {ColumnScope, Env, TypedExpr} from './expr.ts';
import {type Bound, boundOf, isInteger, isNumeric} from './numbers.ts';
import {type ComparisonOperator, MIRRORED, order} from './operators.ts';
import {someExpr} from './walk.ts';

export interface KeyFacts {
  readonly keys: KeyRange;
  /** The only key that can match. */
  readonly point: Uint8Array | undefined;
  /** The only keys that can match, in key order, without repeats. */
  readonly points: readonly Uint8Array[] | undefined;
  readonly bounds: NonNullable<ColdFilter['bounds']>;
  /** No row can match. */
  readonly isEmpty: boolean;
}

const NO_FACTS: KeyFacts = {keys: {}, point: undefined, points: undefined, bounds: [], isEmpty: false};
/** A range that holds no key: its start lies after its end. */
export const EMPTY_RANGE: KeyRange = {from: new Uint8Array([255, 255]), to: new Uint8Array(0)};

type ValueOf = (env: Env) => Bound | null;

type Fact =
  | {readonly kind: 'compare'; readonly column: number; readonly op: ComparisonOperator; readonly value: ValueOf}
  | {readonly kind: 'points'; readonly values: readonly ValueOf[]};

/** Reads the facts of a WHERE tree; call the result once per execution. */
export function keyFacts(where: Expr | undefined, scope: ColumnScope): (env: Env) => KeyFacts {
  const {schema} = scope;
  // Rows of a stream lie in the order of their coming, not in that of their key.
  if (where === undefined || schema === undefined || schema.kind === 'stream') return () => NO_FACTS;
  const facts = andTerms(where).flatMap(term => factsOf(term, scope));
  if (facts.length === 0) return () => NO_FACTS;
  return env => valued(facts, scope, env);
}

function andTerms(where: Expr): Expr[] {
  const terms: Expr[] = [];
  const stack: Expr[] = [where];
  for (let expr = stack.pop(); expr !== undefined; expr = stack.pop()) {
    if (expr.kind === 'logic' && expr.op === 'and') for (const term of expr.terms) stack.push(term);
    else if (expr.kind === 'binary' && expr.op === 'and') stack.push(expr.left, expr.right);
    else terms.push(expr);
  }
  return terms;
}

const OPERATORS: ReadonlySet<string> = new Set(Object.keys(MIRRORED));

function factsOf(term: Expr, scope: ColumnScope): Fact[] {
  if (term.kind === 'binary' && OPERATORS.has(term.op) && term.op !== '<>') {
    const op = term.op as ComparisonOperator;
    return (
      compareFact(term.left, op, term.right, scope) ?? compareFact(term.right, MIRRORED[op], term.left, scope) ?? []
    );
  }
  if (term.kind === 'between' && !term.isNegated) {
    return [
      ...(compareFact(term.operand, '>=', term.low, scope) ?? []),
      ...(compareFact(term.operand, '<=', term.high, scope) ?? []),
    ];
  }
  if (term.kind === 'in' && !term.isNegated) {
    const pairs = term.list.map(item => compareFact(term.operand, '=', item, scope));
    return pointsFact(pairs, scope);
  }
  if (term.kind === 'logic' && term.op === 'or') {
    return pointsFact(
      term.terms.map(part => {
        if (part.kind !== 'binary' || part.op !== '=') return undefined;
        return compareFact(part.left, '=', part.right, scope) ?? compareFact(part.right, '=', part.left, scope);
      }),
      scope,
    );
  }
  return [];
}

function pointsFact(parts: readonly (Fact[] | undefined)[], scope: ColumnScope): Fact[] {
  const values: ValueOf[] = [];
  for (const part of parts) {
    const fact = part?.[0];
    if (fact?.kind !== 'compare' || fact.column !== scope.schema!.primaryKey) return [];
    values.push(fact.value);
  }
  return [{kind: 'points', values}];
}

function compareFact(
  columnSide: Expr,
  op: ComparisonOperator,
  valueSide: Expr,
  scope: ColumnScope,
): Fact[] | undefined {
  if (columnSide.kind !== 'column' || !isOfScope(columnSide.qualifier, scope) || !isRowFree(valueSide))
    return undefined;
  const found = findColumn(scope.schema!, columnSide.column.name);
  if (found === undefined || found.index < 0) return undefined;
  const value = valueIn(compileOpen(valueSide, scope), found.type);
  return value && [{kind: 'compare', column: found.index, op, value}];
}

const STEADY_CALLS: ReadonlySet<string> = new Set([
  'NOW',
  'CURRENT_TIMESTAMP',
  'CURRENT_DATE',
  'CURRENT_USER',
  'CURRENT_USER_ID',
]);

/** Has the same value for all rows of an execution. */
function isRowFree(expr: Expr): boolean {
  return !someExpr(
    [expr],
    part =>
      part.kind === 'column' || part.kind === 'unsupported' || (part.kind === 'call' && !STEADY_CALLS.has(part.name)),
  );
}

/** The value in the column's type; undefined when that could lose something. */
function valueIn(value: TypedExpr, type: DataType): ValueOf | undefined {
  if (isNumeric(type) && value.digits !== undefined) {
    const bound = boundOf(value.digits, type);
    return () => bound;
  }
  if (isNumeric(type) && value.open?.kind === 'param') return paramBound(value, {...value, type});
  const typed = value.open === undefined ? value : openAs(value.open, type);
  if (sameType(typed.type, type)) {
    return env => {
      const known = typed.eval(NO_ROW, env);
      return known === null ? null : {value: known, isAbove: false};
    };
  }
  if (!isInteger(typed.type) || !isInteger(type)) return undefined;
  return env => {
    const known = typed.eval(NO_ROW, env);
    return known === null ? null : boundOf(String(known), type);
  };
}

const EMPTY: KeyFacts = {...NO_FACTS, keys: EMPTY_RANGE, isEmpty: true};

function valued(facts: readonly Fact[], scope: ColumnScope, env: Env): KeyFacts {
  const schema = scope.schema!;
  const keyType = schema.columns[schema.primaryKey]?.type;
  const bounds = new Map<number, {columnId: number; min?: Value; max?: Value}>();
  let points: Uint8Array[] | undefined;
  let [from, to]: (Uint8Array | undefined)[] = [undefined, undefined];
  for (const fact of facts) {
    if (fact.kind === 'points') {
      points ??= pointKeys(fact.values, keyType!, env);
      continue;
    }
    const {type, id} = schema.columns[fact.column]!;
    const bound = fact.value(env);
    if (bound === null || (fact.op === '=' && bound.isAbove)) return EMPTY;
    const side = rangeSide(bound.value, type);
    if (side !== 0) {
      const isImpossible = fact.op === '=' || (side > 0 ? fact.op.startsWith('>') : fact.op.startsWith('<'));
      if (isImpossible) return EMPTY;
      continue;
    }
    const [isLow, isHigh] = [!fact.op.startsWith('<'), !fact.op.startsWith('>')];
    addBound(bounds, id, {min: isLow ? bound.value : undefined, max: isHigh ? bound.value : undefined});
    if (fact.column !== schema.primaryKey) continue;
    if (isTooLong(bound.value)) {
      if (fact.op === '=') return EMPTY;
      continue;
    }
    const key = encodeKey(type, bound.value);
    if (isLow && (from === undefined || compareBytes(key, from) > 0)) from = key;
    if (isHigh && (to === undefined || compareBytes(key, to) < 0)) to = key;
  }
  return assembled(from, to, points, [...bounds.values()]);
}

function assembled(
  from: Uint8Array | undefined,
  to: Uint8Array | undefined,
  points: Uint8Array[] | undefined,
  bounds: KeyFacts['bounds'],
): KeyFacts {
  if (from !== undefined && to !== undefined && compareBytes(from, to) > 0) return EMPTY;
  const keys: {from?: Uint8Array; to?: Uint8Array} = {};
  if (from !== undefined) keys.from = from;
  if (to !== undefined) keys.to = to;
  if (points !== undefined) {
    const inside = points.filter(key => inRange(key, keys));
    if (inside.length === 0) return EMPTY;
    const span = {from: inside[0]!, to: inside.at(-1)!};
    return {keys: span, point: inside.length === 1 ? inside[0] : undefined, points: inside, bounds, isEmpty: false};
  }
  const isPoint = from !== undefined && to !== undefined && compareBytes(from, to) === 0;
  return {keys, point: isPoint ? from : undefined, points: undefined, bounds, isEmpty: false};
}

/** Encoded keys in order, without repeats, without values that no key can have. */
function pointKeys(values: readonly ValueOf[], type: DataType, env: Env): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const value of values) {
    const bound = value(env);
    if (bound === null || bound.isAbove || rangeSide(bound.value, type) !== 0 || isTooLong(bound.value)) continue;
    keys.push(encodeKey(type, bound.value));
  }
  keys.sort(compareBytes);
  return keys.filter((key, i) => i === 0 || compareBytes(key, keys[i - 1]!) !== 0);
}

/** No key is as long as this value, so none equals it; and it cannot be encoded as a bound. */
function isTooLong(value: Value): boolean {
  if (typeof value === 'string') return value.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(value) > KEY_BYTES_MAX;
  return value instanceof Uint8Array && value.length > KEY_BYTES_MAX;
}

/** 1 above everything the type can hold, -1 below, 0 inside. */
function rangeSide(value: Value, type: DataType): -1 | 0 | 1 {
  const limit = limitOf(type);
  if (limit === undefined || value === null) return 0;
  if (order(value, limit) >= 0) return 1;
  const least = type.name === 'decimal' ? 1n - limit : -limit;
  return order(value, least) < 0 ? -1 : 0;
}

/** First value above the range of an exact type. */
function limitOf(type: DataType): bigint | undefined {
  if (type.name === 'smallint') return 2n ** 15n;
  if (type.name === 'int') return 2n ** 31n;
  if (type.name === 'bigint') return 2n ** 63n;
  return type.name === 'decimal' ? 10n ** BigInt(type.precision) : undefined;
}

function addBound(
  bounds: Map<number, {columnId: number; min?: Value; max?: Value}>,
  columnId: number,
  {min, max}: {min: Value | undefined; max: Value | undefined},
): void {
  const bound = bounds.get(columnId) ?? {columnId};
  // The first bound of a side is kept: a second, tighter one is rare and skipping is only an optimisation.
  if (min !== undefined && bound.min === undefined) bound.min = min;
  if (max !== undefined && bound.max === undefined) bound.max = max;
  bounds.set(columnId, bound);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

function inRange(key: Uint8Array, {from, to}: KeyRange): boolean {
  return (from === undefined || compareBytes(key, from) >= 0) && (to === undefined || compareBytes(key, to) <= 0);
}

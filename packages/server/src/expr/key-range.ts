/**
 * Key range: what a WHERE tree says about the primary key and about other columns, so that a scan touches few rows and segments.
 *
 * Facts are read from terms joined by AND of the form `column op value`, BETWEEN and IN, where the value needs no row; also from an OR
 * whose terms all name single keys. They are found once per plan and valued once per execution, since values may be parameters.
 * Law: facts only ever widen: the caller still evaluates its whole predicate on each row.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {ColdFilter} from '../cold/cold.ts';
import type {KeyRange} from '../hot/hot.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {encodeKey, KEY_BYTES_MAX} from '../model/key-codec.ts';
import type {Schema} from '../model/schema.ts';
import {sameType} from '../model/type-table.ts';
import type {Expr} from '../parser/ast.ts';
import {asArray} from './array-casts.ts';
import {elementAs, elementsOf} from './array-functions.ts';
import {NO_ROW, openAs} from './coerce.ts';
import {paramBound} from './compare.ts';
import {compileOpen} from './compile.ts';
import type {ColumnScope, Env, Source, TypedExpr} from './expr.ts';
import {type Bound, boundOf, isInteger, isNumeric, rangeSide} from './numbers.ts';
import {type ComparisonOperator, MIRRORED} from './operators.ts';
import {resolveColumn} from './sources.ts';
import {isSteady} from './steady.ts';
import {someExpr, WIDER_NAMES} from './walk.ts';

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
const EMPTY_RANGE: KeyRange = {from: new Uint8Array([255, 255]), to: new Uint8Array(0)};

type ValueOf = (env: Env) => Bound | null;

type Fact =
  | {readonly kind: 'compare'; readonly column: number; readonly op: ComparisonOperator; readonly value: ValueOf}
  /** undefined: this time nothing is known. */
  | {readonly kind: 'points'; readonly values: (env: Env) => readonly (Bound | null)[] | undefined};

/** Reads what a WHERE tree says of one table; call the result once per execution. Without a source the only one is meant. */
export function keyFacts(
  where: Expr | undefined,
  scope: ColumnScope,
  source: Source | undefined = scope.sources[0],
): (env: Env) => KeyFacts {
  const schema = source?.schema;
  // Rows of a stream lie in the order of their coming, not in that of their key.
  if (where === undefined || schema === undefined || schema.kind === 'stream') return () => NO_FACTS;
  const place: Place = {scope, source: source!, schema};
  const terms = andTerms(where);
  if (terms.some(term => isNever(term, scope))) return () => EMPTY;
  const facts = terms.flatMap(term => factsOf(term, place));
  if (facts.length === 0) return () => NO_FACTS;
  return env => valued(facts, schema, env);
}

/** The table that facts are read for, and the scope of the condition. */
interface Place {
  readonly scope: ColumnScope;
  readonly source: Source;
  readonly schema: Schema;
}

/** `FALSE`, `NULL`, `1 = 2`: tools ask so for the columns alone. */
function isNever(term: Expr, scope: ColumnScope): boolean {
  if (someExpr([term], expr => expr.kind === 'column' || expr.kind === 'param' || expr.kind in WIDER_NAMES))
    return false;
  const {constant} = compileOpen(term, scope);
  return constant !== undefined && constant.value !== true;
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

function factsOf(term: Expr, place: Place): Fact[] {
  if (term.kind === 'binary' && OPERATORS.has(term.op) && term.op !== '<>') {
    const op = term.op as ComparisonOperator;
    return (
      compareFact(term.left, op, term.right, place) ?? compareFact(term.right, MIRRORED[op], term.left, place) ?? []
    );
  }
  if (term.kind === 'between' && !term.isNegated) {
    return [
      ...(compareFact(term.operand, '>=', term.low, place) ?? []),
      ...(compareFact(term.operand, '<=', term.high, place) ?? []),
    ];
  }
  if (term.kind === 'in' && !term.isNegated) {
    const pairs = term.list.map(item => compareFact(term.operand, '=', item, place));
    return pointsFact(pairs, place);
  }
  if (term.kind === 'call' && term.name === 'COMPARE_ANY') return listFact(term.args, place);
  if (term.kind === 'logic' && term.op === 'or') {
    return pointsFact(
      term.terms.map(part => {
        if (part.kind !== 'binary' || part.op !== '=') return undefined;
        return compareFact(part.left, '=', part.right, place) ?? compareFact(part.right, '=', part.left, place);
      }),
      place,
    );
  }
  return [];
}

function pointsFact(parts: readonly (Fact[] | undefined)[], place: Place): Fact[] {
  const values: ValueOf[] = [];
  for (const part of parts) {
    const fact = part?.[0];
    if (fact?.kind !== 'compare' || fact.column !== place.schema.primaryKey) return [];
    values.push(fact.value);
  }
  return [{kind: 'points', values: env => values.map(value => value(env))}];
}

/** `key = ANY (array)`; an array whose elements are no keys fails where it is compared, if there is a row. */
function listFact([column, op, array]: readonly Expr[], place: Place): Fact[] {
  if (column?.kind !== 'column' || op?.kind !== 'string' || op.value !== '=' || !isSteady(array!)) return [];
  const found = resolveColumn(column.qualifier, column.column, column, place.scope);
  if (found?.source !== place.source || found.column.index !== place.schema.primaryKey) return [];
  const {type} = found.column;
  const list = asArray(compileOpen(array!, place.scope));
  if (list === undefined) return [];
  const values = (env: Env): (Bound | null)[] | undefined => {
    try {
      const text = list.eval(NO_ROW, env);
      if (text === null) return [];
      const elements = elementsOf(text).filter(element => element !== null);
      return elements.map(element => ({value: elementAs(element, type), isAbove: false}));
    } catch (error) {
      if (error instanceof DbError) return undefined;
      throw error;
    }
  };
  return [{kind: 'points', values}];
}

function compareFact(columnSide: Expr, op: ComparisonOperator, valueSide: Expr, place: Place): Fact[] | undefined {
  if (columnSide.kind !== 'column' || !isSteady(valueSide)) return undefined;
  const found = resolveColumn(columnSide.qualifier, columnSide.column, columnSide, place.scope);
  if (found?.source !== place.source || found.column.index < 0) return undefined;
  const value = valueIn(compileOpen(valueSide, place.scope), found.column.type);
  return value && [{kind: 'compare', column: found.column.index, op, value}];
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

function valued(facts: readonly Fact[], schema: Schema, env: Env): KeyFacts {
  const keyType = schema.columns[schema.primaryKey]?.type;
  const bounds = new Map<number, {columnId: number; min?: Value; max?: Value}>();
  let points: Uint8Array[] | undefined;
  let [from, to]: (Uint8Array | undefined)[] = [undefined, undefined];
  for (const fact of facts) {
    if (fact.kind === 'points') {
      const values = points === undefined ? fact.values(env) : undefined;
      if (values !== undefined) points = pointKeys(values, keyType!);
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
function pointKeys(values: readonly (Bound | null)[], type: DataType): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const bound of values) {
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

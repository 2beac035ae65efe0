/**
 * Aggregates over values in their order: what WITHIN GROUP makes of PERCENTILE_CONT, PERCENTILE_DISC and MODE. The parser gives them the value, then
 * the fraction, which is the same in every row.
 *
 * Law: both executors take the same steps on the same doubles, so their answers are equal to the last digit.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Accumulator} from './accumulators.ts';
import type {AggregateFacts} from './aggregates.ts';
import {castForm, castSql, finiteSql} from './duck-forms.ts';
import {DOUBLE, isNumeric} from './numbers.ts';
import {comparator, hashKey, order, toDouble} from './operators.ts';

const VALUES_MAX = 1_000_000;

type Invoke = Parameters<ReturnType<AggregateFacts['duck']>>[0];

/** Of what `pick` binds. DuckDB takes `s.v` for a field of the column `s` where the query has one. */
const VALUES = "struct_extract(s, 'v')";
const FRACTION = "struct_extract(s, 'p')";

export const ORDERED_SETS: readonly AggregateFacts[] = [
  continuous('PERCENTILE_CONT', 'PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x)', fraction => fraction, FRACTION),
  continuous(
    'PERCENTILE_CONT_DESC',
    'PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x DESC)',
    fraction => 1 - fraction,
    `(1 - ${FRACTION})`,
  ),
  discrete('PERCENTILE_DISC', 'PERCENTILE_DISC(f) WITHIN GROUP (ORDER BY x)', false),
  discrete('PERCENTILE_DISC_DESC', 'PERCENTILE_DISC(f) WITHIN GROUP (ORDER BY x DESC)', true),
  mode('MODE', 'MODE() WITHIN GROUP (ORDER BY x)', false),
  mode('MODE_DESC', 'MODE() WITHIN GROUP (ORDER BY x DESC)', true),
];

function continuous(
  name: string,
  call: string,
  turned: (fraction: number) => number,
  turnedSql: string,
): AggregateFacts {
  return {
    name,
    call,
    argCount: 2,
    result: type => (isNumeric(type) ? DOUBLE : undefined),
    make: type => () => {
      const number = toDouble(type);
      return new Ordered(order, number, (values, fraction) => between(values as number[], turned(fraction)));
    },
    duck: type => (invoke, args) => {
      const [value, fraction] = args as [string, string];
      const at = (side: string) => `${VALUES}[CAST(${side}(q) AS BIGINT) + 1]`;
      const found = `${at('floor')} + (q - floor(q)) * (${at('ceil')} - ${at('floor')})`;
      const picked = `list_transform([${turnedSql} * (len(${VALUES}) - 1)], lambda q: ${found})[1]`;
      return finiteSql(pick(invoke, castSql(castForm(type, DOUBLE)!(value), DOUBLE), fraction, picked), DOUBLE);
    },
    doc: 'The value at a fraction of the way through them, between two in proportion. At most 1,000,000 values, where DuckDB does not run it.',
  };
}

function between(values: readonly number[], fraction: number): number {
  const place = fraction * (values.length - 1);
  const [low, high] = [values[Math.floor(place)]!, values[Math.ceil(place)]!];
  return low + (place - Math.floor(place)) * (high - low);
}

function discrete(name: string, call: string, isDescending: boolean): AggregateFacts {
  return {
    name,
    call,
    argCount: 2,
    result: orderedType,
    make: type => () =>
      new Ordered(
        comparator(type, type)!,
        value => value,
        (values, fraction) => {
          const place = Math.max(1, Math.ceil(fraction * values.length));
          return values[isDescending ? values.length - place : place - 1]!;
        },
      ),
    duck: () => (invoke, args) => {
      const [value, fraction] = args as [string, string];
      const place = `greatest(1, CAST(ceil(${FRACTION} * len(${VALUES})) AS BIGINT))`;
      return pick(invoke, value, fraction, `${VALUES}[${isDescending ? `len(${VALUES}) + 1 - ${place}` : place}]`);
    },
    doc: 'The first value that so large a fraction of them does not exceed.',
  };
}

/** `picked` is of VALUES, which are sorted, and FRACTION. */
function pick(invoke: Invoke, value: string, fraction: string, picked: string): string {
  const sorted = `list_sort(list_filter(${invoke('list', value)}, lambda y: y IS NOT NULL))`;
  return `list_transform([{'v': ${sorted}, 'p': ${invoke('max', fraction)}}], lambda s: ${picked})[1]`;
}

function mode(name: string, call: string, isDescending: boolean): AggregateFacts {
  return {
    name,
    call,
    argCount: 1,
    result: orderedType,
    make: type => () => new MostFrequent(type, isDescending),
    duck:
      () =>
      (invoke, [value]) => {
        const better = isDescending ? '>=' : '>';
        const counted = `map_entries(${invoke('histogram', value!)})`;
        const count = (entry: string) => `struct_extract(${entry}, 'value')`;
        return `list_reduce(${counted}, lambda a, b: CASE WHEN ${count('b')} ${better} ${count('a')} THEN b ELSE a END).key`;
      },
    doc: 'The most frequent value; of several the first in the order.',
  };
}

function orderedType(type: DataType): DataType | undefined {
  return comparator(type, type) === undefined ? undefined : type;
}

class Ordered<V extends Value> implements Accumulator {
  readonly #order: (a: Value, b: Value) => number;
  readonly #read: (value: Value) => V;
  readonly #pick: (sorted: V[], fraction: number) => Value;
  readonly #values: V[] = [];
  #fraction: number | null = null;

  constructor(
    order: (a: Value, b: Value) => number,
    read: (value: Value) => V,
    pick: (sorted: V[], fraction: number) => Value,
  ) {
    this.#order = order;
    this.#read = read;
    this.#pick = pick;
  }

  add(value: Value, fraction: Value): void {
    if (this.#values.length >= VALUES_MAX)
      throw new DbError('LIMIT_EXCEEDED', `A percentile takes at most ${VALUES_MAX} values here.`);
    this.#values.push(this.#read(value));
    this.#fraction = fraction as number | null;
  }

  result(): Value {
    if (this.#values.length === 0 || this.#fraction === null) return null;
    return this.#pick(this.#values.sort(this.#order), this.#fraction);
  }
}

class MostFrequent implements Accumulator {
  readonly #key: (value: Value) => Value;
  readonly #order: (a: Value, b: Value) => number;
  readonly #sign: 1 | -1;
  readonly #counts = new Map<Value, {readonly value: Value; count: number}>();

  constructor(type: DataType, isDescending: boolean) {
    this.#key = hashKey(type);
    this.#order = comparator(type, type)!;
    this.#sign = isDescending ? -1 : 1;
  }

  add(value: Value): void {
    const key = this.#key(value);
    const known = this.#counts.get(key);
    if (known !== undefined) known.count++;
    else if (this.#counts.size >= VALUES_MAX)
      throw new DbError('LIMIT_EXCEEDED', `MODE takes at most ${VALUES_MAX} different values here.`);
    else this.#counts.set(key, {value, count: 1});
  }

  result(): Value {
    let best: {readonly value: Value; readonly count: number} | undefined;
    for (const one of this.#counts.values()) {
      const more = best === undefined ? 1 : one.count - best.count;
      if (more > 0 || (more === 0 && this.#order(one.value, best!.value) * this.#sign < 0)) best = one;
    }
    return best?.value ?? null;
  }
}

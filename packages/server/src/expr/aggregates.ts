/**
 * Aggregates: THE table of aggregate functions. To add one, add a row.
 *
 * Result types: COUNT and SUM of integers BIGINT (overflow is an error), SUM of decimals DECIMAL(38, s), sums of floats DOUBLE;
 * AVG of decimals DECIMAL(38, max(s, 16)), of all other numbers DOUBLE; MIN and MAX as their argument. NULLs are left out; over no
 * rows COUNT is 0 and the rest NULL.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {castForm, castSql, decimalSumSql, finiteSql, quotientSql} from './duck-forms.ts';
import type {SqlWriter} from './expr.ts';
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  decimal,
  decimalOf,
  divideRound,
  isFloating,
  isInteger,
  isNumeric,
  isTextual,
  outOfRange,
  scaleOf,
  TEXT,
} from './numbers.ts';
import {checkedBig, comparator, toDouble} from './operators.ts';

/** State of one group. `add` gets non-null values only. */
export interface Accumulator {
  add(value: Value, second: Value): void;
  result(): Value;
}

export interface AggregateFacts {
  readonly name: string;
  readonly argCount: 1 | 2;
  /** undefined: not for this type. */
  readonly result: (type: DataType) => DataType | undefined;
  readonly make: (type: DataType) => () => Accumulator;
  /** How DuckDB computes the same. */
  readonly duck: (type: DataType) => AggregateForm;
  readonly doc: string;
}

/** `invoke` writes a call of an aggregate of DuckDB with the DISTINCT, FILTER and OVER of ours. */
export type AggregateForm = (
  invoke: (name: string, ...args: string[]) => string,
  args: readonly string[],
  out: SqlWriter,
) => string;

const plain =
  (name: string): AggregateForm =>
  (invoke, args) =>
    invoke(name, ...args);

const TEXT_CHARACTERS_MAX = 16 * 1024 * 1024;

const numbersOnly = (type: DataType): DataType | undefined => (isNumeric(type) ? DOUBLE : undefined);
const booleansOnly = (type: DataType): DataType | undefined => (type.name === 'boolean' ? BOOLEAN : undefined);

const ROWS: readonly AggregateFacts[] = [
  {
    name: 'COUNT',
    argCount: 1,
    result: () => BIGINT,
    make: () => () => new Count(),
    duck: () => plain('count'),
    doc: 'Number of rows, or of values that are not NULL.',
  },
  {name: 'SUM', argCount: 1, result: sumType, make: sumOf, duck: sumForm, doc: 'Sum.'},
  {name: 'AVG', argCount: 1, result: averageType, make: averageOf, duck: averageForm, doc: 'Mean.'},
  extreme('MIN', -1, 'Least value.'),
  extreme('MAX', 1, 'Greatest value.'),
  truth('BOOL_AND', 'bool_and', 'Are all true?'),
  truth('EVERY', 'bool_and', 'Are all true?'),
  truth('BOOL_OR', 'bool_or', 'Is any true?'),
  {
    name: 'STRING_AGG',
    argCount: 2,
    result: type => (isTextual(type) ? TEXT : undefined),
    make: () => () => new Joined(),
    duck: () => plain('string_agg'),
    doc: 'Texts joined with a separator, in the order they are read.',
  },
  spread('STDDEV', 'stddev_samp', Math.sqrt),
  spread('STDDEV_SAMP', 'stddev_samp', Math.sqrt),
  spread('STDDEV_POP', 'stddev_pop', Math.sqrt),
  spread('VAR', 'var_samp', value => value),
  spread('VAR_SAMP', 'var_samp', value => value),
  spread('VARIANCE', 'var_samp', value => value),
  spread('VAR_POP', 'var_pop', value => value),
];

export const AGGREGATES: ReadonlyMap<string, AggregateFacts> = new Map(ROWS.map(facts => [facts.name, facts]));

function extreme(name: 'MIN' | 'MAX', sign: 1 | -1, doc: string): AggregateFacts {
  const duck = () => plain(name.toLowerCase());
  return {name, argCount: 1, result: orderedType, make: type => () => new Extreme(type, sign), duck, doc};
}

function truth(name: string, duck: 'bool_and' | 'bool_or', doc: string): AggregateFacts {
  const make = () => () => new Truth(duck === 'bool_or');
  return {name, argCount: 1, result: booleansOnly, make, duck: () => plain(duck), doc};
}

function spread(name: string, duck: string, finish: (variance: number) => number): AggregateFacts {
  const isSample = duck.endsWith('samp');
  const doc = `${name.startsWith('STD') ? 'Standard deviation' : 'Variance'} of ${isSample ? 'a sample' : 'the population'}.`;
  const form =
    (type: DataType): AggregateForm =>
    (invoke, [value]) =>
      finiteSql(invoke(duck, toDoubleSql(value!, type)), DOUBLE);
  const make = (type: DataType) => () => new Spread(type, isSample, finish);
  return {name, argCount: 1, result: numbersOnly, make, duck: form, doc};
}

function orderedType(type: DataType): DataType | undefined {
  return comparator(type, type) === undefined ? undefined : type;
}

function sumType(type: DataType): DataType | undefined {
  if (isInteger(type)) return BIGINT;
  if (type.name === 'decimal') return decimal(38, type.scale);
  return isFloating(type) ? DOUBLE : undefined;
}

function averageType(type: DataType): DataType | undefined {
  if (type.name === 'decimal') return decimal(38, Math.max(type.scale, 16));
  return numbersOnly(type);
}

function sumOf(type: DataType): () => Accumulator {
  if (type.name === 'smallint' || type.name === 'int') return () => new SmallSum();
  if (isFloating(type)) return () => new FloatSum();
  const result = sumType(type)!;
  return () => new ExactSum(type.name === 'bigint' ? checkedBig : sum => decimalOf(sum, result));
}

function averageOf(type: DataType): () => Accumulator {
  if (isFloating(type)) return () => new FloatAverage();
  if (type.name !== 'decimal') return () => new IntegerAverage();
  const result = averageType(type)!;
  const lift = 10n ** BigInt(scaleOf(result) - type.scale);
  return () => new ExactAverage(lift, result);
}

function toDoubleSql(value: string, type: DataType): string {
  return castSql(castForm(type, DOUBLE)!(value), DOUBLE);
}

function sumForm(type: DataType): AggregateForm {
  if (isFloating(type)) return (invoke, [value]) => finiteSql(invoke('sum', toDoubleSql(value!, type)), DOUBLE);
  if (type.name === 'decimal') return (invoke, args) => decimalSumSql(invoke('sum', ...args), type.scale);
  return (invoke, args) => castSql(invoke('sum', ...args), BIGINT);
}

/** Sum by count, since DuckDB's own mean of decimals is a double, and that of integers is not always the nearest one. */
function averageForm(type: DataType): AggregateForm {
  if (isFloating(type)) {
    return (invoke, [value]) => {
      const exact = toDoubleSql(value!, type);
      return finiteSql(`${invoke('sum', exact)} / ${invoke('count', exact)}`, DOUBLE);
    };
  }
  if (type.name !== 'decimal') {
    return (invoke, args) => `CAST(CAST(${invoke('sum', ...args)} AS VARCHAR) AS DOUBLE) / ${invoke('count', ...args)}`;
  }
  return (invoke, args, out) =>
    quotientSql(invoke('sum', ...args), decimal(38, type.scale), invoke('count', ...args), out);
}

class Count implements Accumulator {
  #count = 0;
  add(): void {
    this.#count++;
  }
  result(): Value {
    return BigInt(this.#count);
  }
}

/** Adds in a double while that is exact, and carries to a bigint before it would not be. */
class SmallSum implements Accumulator {
  #near = 0;
  #far = 0n;
  #isEmpty = true;
  add(value: Value): void {
    this.#isEmpty = false;
    this.#near += value as number;
    if (this.#near > 2 ** 52 || this.#near < -(2 ** 52)) {
      this.#far += BigInt(this.#near);
      this.#near = 0;
    }
  }
  result(): Value {
    return this.#isEmpty ? null : checkedBig(this.#far + BigInt(this.#near));
  }
}

class ExactSum implements Accumulator {
  readonly #check: (sum: bigint) => bigint;
  #sum = 0n;
  #isEmpty = true;
  constructor(check: (sum: bigint) => bigint) {
    this.#check = check;
  }
  add(value: Value): void {
    this.#isEmpty = false;
    this.#sum += value as bigint;
  }
  result(): Value {
    return this.#isEmpty ? null : this.#check(this.#sum);
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw outOfRange(DOUBLE);
  return value;
}

class FloatSum implements Accumulator {
  #sum = 0;
  #isEmpty = true;
  add(value: Value): void {
    this.#isEmpty = false;
    this.#sum += value as number;
  }
  result(): Value {
    return this.#isEmpty ? null : finite(this.#sum);
  }
}

class FloatAverage implements Accumulator {
  #sum = 0;
  #count = 0;
  add(value: Value): void {
    this.#sum += value as number;
    this.#count++;
  }
  result(): Value {
    return this.#count === 0 ? null : finite(this.#sum / this.#count);
  }
}

/** The sum is exact; only the quotient is rounded. */
class IntegerAverage implements Accumulator {
  #near = 0;
  #far = 0n;
  #count = 0;
  add(value: Value): void {
    this.#count++;
    if (typeof value === 'bigint') {
      this.#far += value;
      return;
    }
    this.#near += value as number;
    if (this.#near > 2 ** 52 || this.#near < -(2 ** 52)) {
      this.#far += BigInt(this.#near);
      this.#near = 0;
    }
  }
  result(): Value {
    return this.#count === 0 ? null : Number(this.#far + BigInt(this.#near)) / this.#count;
  }
}

class ExactAverage implements Accumulator {
  readonly #lift: bigint;
  readonly #type: DataType;
  #sum = 0n;
  #count = 0;
  constructor(lift: bigint, type: DataType) {
    this.#lift = lift;
    this.#type = type;
  }
  add(value: Value): void {
    this.#sum += value as bigint;
    this.#count++;
  }
  result(): Value {
    return this.#count === 0 ? null : decimalOf(divideRound(this.#sum * this.#lift, BigInt(this.#count)), this.#type);
  }
}

class Extreme implements Accumulator {
  readonly #order: (a: Value, b: Value) => number;
  readonly #sign: 1 | -1;
  #best: Value = null;
  constructor(type: DataType, sign: 1 | -1) {
    this.#order = comparator(type, type)!;
    this.#sign = sign;
  }
  add(value: Value): void {
    if (this.#best === null || this.#order(value, this.#best) * this.#sign > 0) this.#best = value;
  }
  result(): Value {
    return this.#best;
  }
}

class Truth implements Accumulator {
  readonly #decisive: boolean;
  #value: Value = null;
  constructor(decisive: boolean) {
    this.#decisive = decisive;
  }
  add(value: Value): void {
    if (this.#value !== this.#decisive) this.#value = value;
  }
  result(): Value {
    return this.#value;
  }
}

class Joined implements Accumulator {
  #parts: string[] = [];
  #characters = 0;
  add(value: Value, separator: Value): void {
    if (this.#parts.length > 0 && separator !== null) this.#push(separator as string);
    this.#push(value as string);
  }
  #push(part: string): void {
    this.#characters += part.length;
    if (this.#characters > TEXT_CHARACTERS_MAX)
      throw new DbError('LIMIT_EXCEEDED', 'STRING_AGG made a text of more than 16 MB.');
    this.#parts.push(part);
  }
  result(): Value {
    return this.#parts.length === 0 ? null : this.#parts.join('');
  }
}

/** Welford's running mean and sum of squares (1962): no catastrophic cancellation. */
class Spread implements Accumulator {
  readonly #number: (value: Value) => number;
  readonly #isSample: boolean;
  readonly #finish: (variance: number) => number;
  #count = 0;
  #mean = 0;
  #squares = 0;
  constructor(type: DataType, isSample: boolean, finish: (variance: number) => number) {
    this.#number = toDouble(type);
    this.#isSample = isSample;
    this.#finish = finish;
  }
  add(value: Value): void {
    const x = this.#number(value);
    const step = x - this.#mean;
    this.#mean += step / ++this.#count;
    this.#squares += step * (x - this.#mean);
  }
  result(): Value {
    const divisor = this.#isSample ? this.#count - 1 : this.#count;
    return divisor <= 0 ? null : finite(this.#finish(this.#squares / divisor));
  }
}

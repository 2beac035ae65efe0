/** Accumulators: the state of one group for each aggregate of the table in aggregates.ts. */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {DOUBLE, decimalOf, divideRound, integerOf, outOfRange} from './numbers.ts';
import {checkedBig, comparator, toDouble} from './operators.ts';
import {TEXT_CHARACTERS_MAX} from './text-limit.ts';

/** State of one group. `add` gets non-null values only. */
export interface Accumulator {
  add(value: Value, second: Value): void;
  result(): Value;
}

/** Values that a median holds on to. */
const VALUES_MAX = 1_000_000;

export class Count implements Accumulator {
  #count = 0;
  add(): void {
    this.#count++;
  }
  result(): Value {
    return BigInt(this.#count);
  }
}

/** Adds in a double while that is exact, and carries to a bigint before it would not be. */
export class SmallSum implements Accumulator {
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

export class ExactSum implements Accumulator {
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

export class FloatSum implements Accumulator {
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

export class FloatAverage implements Accumulator {
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
export class IntegerAverage implements Accumulator {
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

export class ExactAverage implements Accumulator {
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

export class Extreme implements Accumulator {
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

export class Truth implements Accumulator {
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

export class Joined implements Accumulator {
  #parts: string[] = [];
  #characters = 0;
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  add(value: Value, separator: Value): void {
    if (this.#parts.length > 0 && separator !== null) this.#push(separator as string);
    this.#push(value as string);
  }
  #push(part: string): void {
    this.#characters += part.length;
    if (this.#characters > TEXT_CHARACTERS_MAX)
      throw new DbError('LIMIT_EXCEEDED', `${this.#name} made a text of more than 16 MB.`);
    this.#parts.push(part);
  }
  result(): Value {
    return this.#parts.length === 0 ? null : this.#parts.join('');
  }
}

/** JSON texts with commas between them, in brackets; members come as objects of one. */
export class JoinedJson implements Accumulator {
  readonly #joined: Joined;
  readonly #brackets: '[]' | '{}';
  constructor(name: string, brackets: '[]' | '{}') {
    this.#joined = new Joined(name);
    this.#brackets = brackets;
  }
  add(value: Value): void {
    const text = value as string;
    this.#joined.add(this.#brackets === '{}' ? text.slice(1, -1) : text, ',');
  }
  result(): Value {
    const text = this.#joined.result() as string | null;
    return text === null ? null : this.#brackets[0]! + text + this.#brackets[1]!;
  }
}

export class Bits implements Accumulator {
  readonly #type: DataType;
  readonly #apply: (a: bigint, b: bigint) => bigint;
  #value: bigint | undefined;
  constructor(type: DataType, apply: (a: bigint, b: bigint) => bigint) {
    this.#type = type;
    this.#apply = apply;
  }
  add(value: Value): void {
    const next = BigInt(value as bigint);
    this.#value = this.#value === undefined ? next : this.#apply(this.#value, next);
  }
  result(): Value {
    return this.#value === undefined ? null : integerOf(this.#value, this.#type);
  }
}

export class Median implements Accumulator {
  readonly #number: (value: Value) => number;
  readonly #values: number[] = [];
  constructor(type: DataType) {
    this.#number = toDouble(type);
  }
  add(value: Value): void {
    if (this.#values.length >= VALUES_MAX)
      throw new DbError('LIMIT_EXCEEDED', `MEDIAN takes at most ${VALUES_MAX} values here.`);
    this.#values.push(this.#number(value));
  }
  result(): Value {
    const {length} = this.#values;
    if (length === 0) return null;
    const sorted = Float64Array.from(this.#values).sort();
    const [low, high] = [sorted[(length - 1) >> 1]!, sorted[length >> 1]!];
    // The steps of DuckDB: other ones round otherwise.
    return low === high ? low : finite(low * 0.5 + high * 0.5);
  }
}

/** Welford's running mean and sum of squares (1962): no catastrophic cancellation. */
export class Spread implements Accumulator {
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

/**
 * Operators: arithmetic and comparison over values in memory form. Operands here are never null.
 *
 * Laws: integers and decimals never lose a digit silently: overflow and division by zero are errors. Integer division truncates;
 * a decimal quotient keeps max(scales, 16) digits, rounded half away from zero. Text compares by bytes.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {compareValues} from '../model/values.ts';
import {
  BIGINT,
  commonType,
  decimal,
  decimalOf,
  divideRound,
  INT,
  isFloating,
  isInteger,
  isNumeric,
  isTextual,
  outOfRange,
  scaleOf,
  TEXT,
} from './numbers.ts';

export type Apply = (a: Value, b: Value) => Value;
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';

/** undefined: the operator does not exist for these types. */
export function arithmetic(
  op: ArithmeticOperator,
  left: DataType,
  right: DataType,
): {type: DataType; apply: Apply} | undefined {
  if (left.name === 'date' || right.name === 'date') return dateArithmetic(op, left, right);
  const common = isNumeric(left) && isNumeric(right) ? commonType(left, right) : undefined;
  if (common === undefined) return undefined;
  if (common.name === 'smallint' || common.name === 'int') return {type: common, apply: smallArithmetic(op, common)};
  if (common.name === 'bigint') return {type: BIGINT, apply: bigArithmetic(op)};
  if (common.name === 'decimal') return decimalArithmetic(op, left, right);
  return {type: common, apply: floatArithmetic(op, left, right, common)};
}

function smallArithmetic(op: ArithmeticOperator, type: DataType): Apply {
  const limit = type.name === 'smallint' ? 2 ** 15 : 2 ** 31;
  const checked = (value: number) => {
    if (value >= limit || value < -limit) throw outOfRange(type);
    return value === 0 ? 0 : value;
  };
  const table: Record<ArithmeticOperator, (a: number, b: number) => number> = {
    '+': (a, b) => checked(a + b),
    '-': (a, b) => checked(a - b),
    // Products of two 32-bit integers beyond 2^53 are rounded, but they are out of range long before.
    '*': (a, b) => checked(a * b),
    '/': (a, b) => checked(Math.trunc(a / nonZero(b))),
    '%': (a, b) => checked(a % nonZero(b)),
  };
  return table[op] as Apply;
}

function bigArithmetic(op: ArithmeticOperator): Apply {
  const exact = bigOperation(op);
  return (a, b) => checkedBig(exact(BigInt(a as bigint), BigInt(b as bigint)));
}

export function checkedBig(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw outOfRange(BIGINT);
  return value;
}

function bigOperation(op: ArithmeticOperator): (a: bigint, b: bigint) => bigint {
  switch (op) {
    case '+':
      return (a, b) => a + b;
    case '-':
      return (a, b) => a - b;
    case '*':
      return (a, b) => a * b;
    case '/':
      return (a, b) => a / nonZero(b);
    case '%':
      return (a, b) => a % nonZero(b);
    default:
      return op satisfies never;
  }
}

function decimalArithmetic(op: ArithmeticOperator, left: DataType, right: DataType): {type: DataType; apply: Apply} {
  const [a, b] = [scaleOf(left), scaleOf(right)];
  if (op === '*') {
    const scale = Math.min(38, a + b);
    const type = decimal(38, scale);
    const drop = 10n ** BigInt(a + b - scale);
    return {type, apply: (x, y) => decimalOf(divideRound(BigInt(x as bigint) * BigInt(y as bigint), drop), type)};
  }
  if (op === '/') {
    const scale = Math.max(a, b, 16);
    const type = decimal(38, scale);
    const lift = 10n ** BigInt(scale + b - a);
    return {
      type,
      apply: (x, y) => decimalOf(divideRound(BigInt(x as bigint) * lift, nonZero(BigInt(y as bigint))), type),
    };
  }
  const scale = Math.max(a, b);
  const type = decimal(38, scale);
  const [liftA, liftB] = [10n ** BigInt(scale - a), 10n ** BigInt(scale - b)];
  const exact = bigOperation(op);
  return {type, apply: (x, y) => decimalOf(exact(BigInt(x as bigint) * liftA, BigInt(y as bigint) * liftB), type)};
}

function floatArithmetic(op: ArithmeticOperator, left: DataType, right: DataType, type: DataType): Apply {
  const [a, b] = [toDouble(left), toDouble(right)];
  const checked = (value: number) => {
    const rounded = type.name === 'float' ? Math.fround(value) : value;
    if (!Number.isFinite(rounded)) throw outOfRange(type);
    return rounded;
  };
  const table: Record<ArithmeticOperator, Apply> = {
    '+': (x, y) => checked(a(x) + b(y)),
    '-': (x, y) => checked(a(x) - b(y)),
    '*': (x, y) => checked(a(x) * b(y)),
    '/': (x, y) => checked(a(x) / nonZero(b(y))),
    '%': (x, y) => checked(a(x) % nonZero(b(y))),
  };
  return table[op];
}

/** date ± days → date, date − date → days. */
function dateArithmetic(
  op: ArithmeticOperator,
  left: DataType,
  right: DataType,
): {type: DataType; apply: Apply} | undefined {
  const days: Apply = op === '-' ? (a, b) => Number(a) - Number(b) : (a, b) => Number(a) + Number(b);
  if (op === '-' && left.name === 'date' && right.name === 'date') return {type: INT, apply: days};
  const isShift = (op === '+' || op === '-') && left.name === 'date' && isInteger(right);
  if (!isShift && !(op === '+' && isInteger(left) && right.name === 'date')) return undefined;
  return {
    type: {name: 'date'},
    apply: (a, b) => {
      const day = days(a, b) as number;
      if (Math.abs(day) > 100_000_000) throw outOfRange({name: 'date'});
      return day;
    },
  };
}

function nonZero<T extends number | bigint>(divisor: T): T {
  if (!divisor) throw fail.execution('division by zero');
  return divisor;
}

/** Any numeric value as a JavaScript number, correctly rounded. */
export function toDouble(type: DataType): (value: Value) => number {
  const scale = scaleOf(type);
  return scale === 0 ? Number : value => Number(`${value}e-${scale}`);
}

export function negate(type: DataType): ((value: Value) => Value) | undefined {
  if (!isNumeric(type)) return undefined;
  if (isFloating(type)) return value => -(value as number);
  if (type.name === 'decimal') return value => -(value as bigint);
  const minus = arithmetic('-', type, type)!.apply;
  const zero: Value = type.name === 'bigint' ? 0n : 0;
  return value => minus(zero, value);
}

/** Order of two non-null values of possibly different types: negative, 0, positive. undefined: they cannot be compared. */
export function comparator(left: DataType, right: DataType): ((a: Value, b: Value) => number) | undefined {
  if (isNumeric(left) && isNumeric(right)) return numericOrder(left, right);
  const common = commonType(left, right);
  if (common === undefined) return undefined;
  if (isTextual(common)) return compareText;
  if (common.name === 'bytes' || common.name === 'embedding' || common.name === 'boolean')
    return (a, b) => compareValues(common, a, b);
  if (left.name === right.name) return order;
  const [a, b] = [toMicros(left), toMicros(right)];
  return (x, y) => order(a(x), b(y));
}

function numericOrder(left: DataType, right: DataType): (a: Value, b: Value) => number {
  if (isFloating(left) || isFloating(right)) {
    const [a, b] = [toDouble(left), toDouble(right)];
    return (x, y) => order(a(x), b(y));
  }
  const [a, b] = [scaleOf(left), scaleOf(right)];
  // JavaScript orders numbers and bigints exactly among each other, so equal scales need no conversion.
  if (a === b) return order;
  const scale = Math.max(a, b);
  const [liftA, liftB] = [10n ** BigInt(scale - a), 10n ** BigInt(scale - b)];
  return (x, y) => order(BigInt(x as bigint) * liftA, BigInt(y as bigint) * liftB);
}

export function order(a: Value, b: Value): number {
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

export function compareText(a: Value, b: Value): number {
  return a === b ? 0 : compareValues(TEXT, a, b);
}

const DAY_MICROS = 86_400_000_000n;

function toMicros(type: DataType): (value: Value) => Value {
  return type.name === 'date' ? value => BigInt(value as number) * DAY_MICROS : value => value;
}

/** The outcome of an operator, read from an order. */
export function orderTest(op: ComparisonOperator): (order: number) => boolean {
  switch (op) {
    case '=':
      return order => order === 0;
    case '<>':
      return order => order !== 0;
    case '<':
      return order => order < 0;
    case '<=':
      return order => order <= 0;
    case '>':
      return order => order > 0;
    case '>=':
      return order => order >= 0;
    default:
      return op satisfies never;
  }
}

/** The same fact with its sides exchanged. */
export const MIRRORED: Record<ComparisonOperator, ComparisonOperator> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

/** A key under which values are equal exactly when SQL calls them equal: for Sets, GROUP BY and DISTINCT. */
export function hashKey(type: DataType): (value: Value) => Value {
  if (type.name === 'bytes' || type.name === 'embedding')
    return value => (value === null ? null : Buffer.from(value as Uint8Array).toString('latin1'));
  if (isFloating(type)) return value => (value === 0 ? 0 : value);
  return value => value;
}

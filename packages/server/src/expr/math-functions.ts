/** Functions of numbers in the function table. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {arithmeticForm, type Form} from './duck-forms.ts';
import type {TypedExpr} from './expr.ts';
import type {FunctionFacts} from './functions.ts';
import {
  BIGINT,
  DOUBLE,
  decimal,
  decimalOf,
  INT,
  integerOf,
  isFloating,
  isInteger,
  outOfRange,
  rescale,
  scaleOf,
} from './numbers.ts';
import {arithmetic, checkedBig, negate, order} from './operators.ts';

const sameAsFirst = (types: readonly DataType[]): DataType => types[0]!;
const FIRST = 'as its argument';
const WHOLE = decimal(38, 0);

export const MATH_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'ABS',
    args: ['number'],
    result: sameAsFirst,
    returns: FIRST,
    duck: () => sql => `abs(${sql})`,
    eval: ([value], _env, [type]) => (signOf(value!) < 0 ? negate(type!)!(value!) : value!),
    doc: 'Absolute value.',
    example: ['ABS(-2.5)', '2.5'],
  },
  {
    name: 'SIGN',
    args: ['number'],
    result: INT,
    duck: () => sql => `CAST(sign(${sql}) AS INTEGER)`,
    eval: ([value]) => signOf(value!),
    doc: '-1, 0 or 1.',
    example: ['SIGN(-7)', '-1'],
  },
  {
    name: 'CEIL',
    aliases: ['CEILING'],
    args: ['number'],
    result: wholeType,
    returns: FIRST,
    duck: wholeForm('ceil'),
    eval: ([value], _env, [type]) => toward(value!, type!, 1),
    doc: 'Next integer up.',
    example: ['CEIL(1.2)', '2'],
  },
  {
    name: 'FLOOR',
    args: ['number'],
    result: wholeType,
    returns: FIRST,
    duck: wholeForm('floor'),
    eval: ([value], _env, [type]) => toward(value!, type!, -1),
    doc: 'Next integer down.',
    example: ['FLOOR(-1.2)', '-2'],
  },
  {
    name: 'TRUNC',
    args: ['number', 'int'],
    optional: 1,
    result: (types, args) => (types.length === 1 ? wholeType(types) : roundType(types, args)),
    returns: FIRST,
    duck: types => (types.length === 1 ? wholeForm('trunc')(types) : undefined),
    eval: ([value, digits], _env, [type], result) =>
      digits === undefined ? truncated(value!, type!) : cutOff(value!, digits as number, type!, result),
    doc: 'Cuts digits off behind the point; so many are kept.',
    example: ['TRUNC(-1.29, 1)', '-1.2'],
  },
  {
    name: 'ROUND',
    args: ['number', 'int'],
    optional: 1,
    result: roundType,
    returns: FIRST,
    eval: ([value, digits], _env, [type], result) =>
      rounded(value!, (digits as number | undefined) ?? 0, type!, result),
    doc: 'Rounds half away from zero; doubles without digits round half to even.',
    example: ['ROUND(1.25, 1)', '1.3'],
  },
  {
    name: 'MOD',
    args: ['number', 'number'],
    result: ([a, b]) => arithmetic('%', a!, b!)!.type,
    returns: 'the wider of both',
    duck: ([a, b], [, divisor]) => arithmeticForm('%', a!, b!, arithmetic('%', a!, b!)!.type, divisor!.constant?.value),
    eval: ([a, b], _env, [x, y]) => arithmetic('%', x!, y!)!.apply(a!, b!),
    doc: 'Remainder with the sign of the dividend.',
    example: ['MOD(-7, 3)', '-1'],
  },
  {
    name: 'DIV',
    args: ['number', 'number'],
    result: ([a, b]) => quotientType(a!, b!),
    returns: 'the wider of both, without digits behind the point',
    eval: ([a, b], _env, [x, y], result) => wholeQuotient(a!, b!, x!, y!, result),
    doc: 'Whole quotient, cut towards zero.',
    example: ['DIV(7.5, 2)', '3'],
  },
  {
    name: 'GCD',
    args: ['bigint', 'bigint'],
    result: BIGINT,
    eval: ([a, b]) => checkedBig(commonDivisor(a as bigint, b as bigint)),
    doc: 'Greatest common divisor.',
    example: ['GCD(12, 18)', '6'],
  },
  {
    name: 'LCM',
    args: ['bigint', 'bigint'],
    result: BIGINT,
    eval: ([a, b]) => checkedBig(commonMultiple(a as bigint, b as bigint)),
    doc: 'Least common multiple.',
    example: ['LCM(4, 6)', '12'],
  },
  {
    name: 'FACTORIAL',
    args: ['bigint'],
    result: WHOLE,
    eval: ([n]) => factorial(n as bigint),
    bound: 'at most 33!',
    doc: 'Product of all whole numbers from 1.',
    example: ['FACTORIAL(5)', '120'],
  },
  {
    name: 'PERCENTILE_FRACTION',
    args: ['double'],
    result: DOUBLE,
    eval: ([fraction]) => {
      if ((fraction as number) >= 0 && (fraction as number) <= 1) return fraction!;
      throw fail.execution(`percentile value ${fraction} is not between 0 and 1`);
    },
    doc: 'The fraction, if it lies between 0 and 1; what PERCENTILE_CONT and PERCENTILE_DISC call.',
    example: ['PERCENTILE_FRACTION(0.5)', '0.5'],
  },
  {
    name: 'WIDTH_BUCKET',
    args: ['double', 'double', 'double', 'int'],
    result: INT,
    eval: ([value, low, high, count]) => bucket(value as number, low as number, high as number, count as number),
    doc: 'Which of `count` equal parts of a range holds the value; 0 or count + 1 outside of it.',
    example: ['WIDTH_BUCKET(5.3, 0, 10, 5)', '3'],
  },
  real(
    'SQRT',
    value => (value < 0 ? bad('cannot take square root of a negative number') : Math.sqrt(value)),
    'Square root.',
    ['SQRT(2.25)', '1.5'],
  ),
  real('CBRT', Math.cbrt, 'Cube root.', ['CBRT(27)', '3']),
  real('EXP', Math.exp, 'e to the power of x.', ['EXP(0)', '1']),
  real('LN', value => Math.log(positive(value)), 'Natural logarithm.', ['LN(1)', '0']),
  real('LOG10', value => Math.log10(positive(value)), 'Logarithm to base 10.', ['LOG10(1000)', '3']),
  real('LOG2', value => Math.log2(positive(value)), 'Logarithm to base 2.', ['LOG2(8)', '3']),
  {
    name: 'LOG',
    args: ['double', 'double'],
    optional: 1,
    result: DOUBLE,
    eval: ([a, b]) =>
      finite(
        b === undefined
          ? Math.log10(positive(a as number))
          : Math.log(positive(b as number)) / Math.log(positive(a as number)),
      ),
    doc: 'LOG(x) to base 10, LOG(base, x).',
    example: ['LOG(2, 8)', '3'],
  },
  {
    name: 'POWER',
    aliases: ['POW'],
    args: ['double', 'double'],
    result: DOUBLE,
    eval: ([a, b]) => power(a as number, b as number),
    doc: 'x to the power of y.',
    example: ['POWER(2, 10)', '1024'],
  },
  real('SIN', Math.sin, 'Sine of radians.', ['SIN(0)', '0']),
  real('COS', Math.cos, 'Cosine of radians.', ['COS(0)', '1']),
  real('TAN', Math.tan, 'Tangent of radians.', ['TAN(0)', '0']),
  real('COT', value => 1 / Math.tan(value), 'Cotangent of radians.', ['ROUND(COT(0.5), 6)', '1.830488']),
  real('ASIN', value => Math.asin(unit(value)), 'Inverse sine, in radians.', ['ASIN(0)', '0']),
  real('ACOS', value => Math.acos(unit(value)), 'Inverse cosine, in radians.', ['ACOS(1)', '0']),
  real('ATAN', Math.atan, 'Inverse tangent, in radians.', ['ATAN(0)', '0']),
  {
    name: 'ATAN2',
    args: ['double', 'double'],
    result: DOUBLE,
    eval: ([y, x]) => Math.atan2(y as number, x as number),
    doc: 'Inverse tangent of y / x, in radians.',
    example: ['ATAN2(0, 1)', '0'],
  },
  real('SINH', Math.sinh, 'Hyperbolic sine.', ['SINH(0)', '0']),
  real('COSH', Math.cosh, 'Hyperbolic cosine.', ['COSH(0)', '1']),
  real('TANH', Math.tanh, 'Hyperbolic tangent.', ['TANH(0)', '0']),
  real('RADIANS', value => (value * Math.PI) / 180, 'Degrees to radians.', ['ROUND(RADIANS(180), 6)', '3.141593']),
  real('DEGREES', value => (value * 180) / Math.PI, 'Radians to degrees.', ['DEGREES(PI())', '180']),
  {name: 'PI', args: [], result: DOUBLE, eval: () => Math.PI, doc: 'π.', example: ['PI()', '3.141592653589793']},
];

function real(
  name: string,
  apply: (value: number) => number,
  doc: string,
  example: FunctionFacts['example'],
): FunctionFacts {
  return {name, args: ['double'], result: DOUBLE, eval: ([value]) => finite(apply(value as number)), doc, example};
}

function wholeForm(name: string): (types: readonly DataType[]) => Form | undefined {
  return ([type]) => (isInteger(type!) ? sql => sql! : isFloating(type!) ? sql => `${name}(${sql})` : undefined);
}

function signOf(value: Value): number {
  return order(value, 0);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw outOfRange(DOUBLE);
  return value;
}

function positive(value: number): number {
  return value > 0 ? value : bad('cannot take logarithm of zero or a negative number');
}

function unit(value: number): number {
  return Math.abs(value) <= 1 ? value : bad('input is out of range');
}

function power(base: number, exponent: number): number {
  if (base === 0 && exponent < 0) return bad('zero raised to a negative power is undefined');
  if (base < 0 && !Number.isInteger(exponent))
    return bad('a negative number raised to a non-integer power yields a complex result');
  return finite(base ** exponent);
}

function bad(text: string): never {
  throw fail.execution(text);
}

function wholeType([type]: readonly DataType[]): DataType {
  return type?.name === 'decimal' ? decimal(type.precision - type.scale + 1, 0) : type!;
}

function toward(value: Value, type: DataType, direction: 1 | -1): Value {
  if (isInteger(type)) return value;
  if (isFloating(type)) return direction > 0 ? Math.ceil(value as number) : Math.floor(value as number);
  const unit = 10n ** BigInt(scaleOf(type));
  const whole = (value as bigint) / unit;
  const rest = (value as bigint) % unit;
  return rest !== 0n && rest > 0n === direction > 0 ? whole + BigInt(direction) : whole;
}

function truncated(value: Value, type: DataType): Value {
  if (isInteger(type)) return value;
  return isFloating(type) ? Math.trunc(value as number) : (value as bigint) / 10n ** BigInt(scaleOf(type));
}

/** More digits than any type has are all of them. */
function cutOff(value: Value, digits: number, type: DataType, result: DataType): Value {
  if (isFloating(type)) {
    if (digits > 20) return value;
    const shifted = shiftedPoint(value as number, digits);
    return finite(shiftedPoint(Math.trunc(shifted), -digits));
  }
  const scale = scaleOf(type);
  const places = Math.max(-40, Math.min(digits, scale));
  const unitOf = 10n ** BigInt(scale - places);
  const whole = BigInt(value as bigint) / unitOf;
  const exact = scaledTo(whole, places, scaleOf(result));
  return type.name === 'decimal' ? decimalOf(exact, result) : integerOf(exact, type);
}

function scaledTo(value: bigint, from: number, to: number): bigint {
  return value * 10n ** BigInt(to - from);
}

function shiftedPoint(value: number, digits: number): number {
  const text = value.toString();
  return Number(text.includes('e') ? value * 10 ** digits : `${text}e${digits}`);
}

function quotientType(a: DataType, b: DataType): DataType {
  const {type} = arithmetic('/', a, b)!;
  return type.name === 'decimal' ? WHOLE : type;
}

function wholeQuotient(a: Value, b: Value, left: DataType, right: DataType, result: DataType): Value {
  if (result.name !== 'decimal') {
    const quotient = arithmetic('/', left, right)!.apply(a, b);
    return isFloating(result) ? Math.trunc(quotient as number) : quotient;
  }
  const scale = Math.max(scaleOf(left), scaleOf(right));
  const divisor = scaledTo(BigInt(b as bigint), scaleOf(right), scale);
  if (divisor === 0n) return bad('division by zero');
  return decimalOf(scaledTo(BigInt(a as bigint), scaleOf(left), scale) / divisor, result);
}

function commonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function commonMultiple(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  const product = (a / commonDivisor(a, b)) * b;
  return product < 0n ? -product : product;
}

function factorial(n: bigint): bigint {
  if (n < 0n) return bad('factorial of a negative number is undefined');
  if (n > 33n) throw outOfRange(WHOLE);
  let product = 1n;
  for (let factor = 2n; factor <= n; factor++) product *= factor;
  return product;
}

function bucket(value: number, low: number, high: number, count: number): number {
  if (count <= 0) return bad('count must be greater than zero');
  if (low === high) return bad('lower bound cannot equal upper bound');
  const isDown = low > high;
  const isBelow = isDown ? value > low : value < low;
  const isAbove = isDown ? value <= high : value >= high;
  if (isBelow) return 0;
  if (isAbove) return Number(integerOf(BigInt(count) + 1n, INT));
  return Math.floor(((value - low) / (high - low)) * count) + 1;
}

/** Constant digits are the scale of a decimal result; otherwise the scale stays and the digits behind become 0. */
function roundType([type]: readonly DataType[], args: readonly TypedExpr[]): DataType {
  if (type?.name !== 'decimal') return type!;
  const digits = args.length === 1 ? 0 : args[1]!.constant?.value;
  const scale = typeof digits === 'number' ? Math.min(Math.max(digits, 0), type.scale) : type.scale;
  return decimal(type.precision - type.scale + scale + 1, scale);
}

function rounded(value: Value, digits: number, type: DataType, result: DataType): Value {
  if (isFloating(type)) return digits === 0 ? halfEven(value as number) : roundDouble(value as number, digits);
  const scale = scaleOf(type);
  const places = Math.max(-40, Math.min(digits, scale));
  const exact = rescale(BigInt(value as bigint), scale, places) * 10n ** BigInt(scaleOf(result) - places);
  return type.name === 'decimal' ? decimalOf(exact, result) : integerOf(exact, type);
}

function halfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

function roundDouble(value: number, digits: number): number {
  if (digits > 20) return value;
  const shifted = shiftedPoint(value, digits);
  const whole = Math.sign(shifted) * Math.round(Math.abs(shifted));
  return Number(`${whole}e${-digits}`);
}

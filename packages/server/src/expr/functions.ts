/**
 * Functions: THE table of scalar functions. To add one, add a row.
 *
 * `eval` sees values in memory form, in the argument types given by `args`; it is not called when an argument is NULL unless
 * `isStrict` is false. Everything a function may make is bounded.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {arithmeticForm, type Form} from './duck-forms.ts';
import type {Env, TypedExpr} from './expr.ts';
import {JSON_FUNCTIONS} from './json-functions.ts';
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
  TEXT,
  TIMESTAMP,
} from './numbers.ts';
import {arithmetic, negate, order} from './operators.ts';
import {TEXT_FUNCTIONS} from './text-functions.ts';
import {TIME_FUNCTIONS} from './time-functions.ts';

/** `number` any numeric type as it is, `moment` a timestamp, datetime or date as timestamp, `any` anything as it is. */
export type ArgType = 'any' | 'number' | 'moment' | 'text' | 'bigint' | 'int' | 'double' | 'bytes' | 'json';

export interface FunctionFacts {
  readonly name: string;
  readonly args: readonly ArgType[];
  /** How many of the last arguments may be left out. */
  readonly optional?: number;
  /** The last argument may come again and again. */
  readonly isVariadic?: boolean;
  readonly result: DataType | ((types: readonly DataType[], args: readonly TypedExpr[]) => DataType);
  readonly isStrict?: false;
  /** Depends on more than its arguments, so it is never folded: on the execution, or anew on each row. */
  readonly changes?: 'statement' | 'row';
  readonly eval: (args: readonly Value[], env: Env, types: readonly DataType[], result: DataType) => Value;
  /**
   * How DuckDB says it, if it means exactly the same; without a form DuckDB calls `eval`. 'none': it needs what only this process has, so
   * queries that DuckDB runs cannot use it.
   */
  readonly duck?: 'none' | ((types: readonly DataType[], args: readonly TypedExpr[]) => Form | undefined);
  /** So many first arguments are in the form already and are not given to it. */
  readonly knownArgs?: number;
  readonly doc: string;
}

const sameAsFirst = (types: readonly DataType[]): DataType => types[0]!;

const CONTEXT_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'NOW',
    args: [],
    result: TIMESTAMP,
    changes: 'statement',
    eval: (_, env) => env.nowMicros,
    doc: 'Statement time, UTC.',
  },
  {
    name: 'CURRENT_TIMESTAMP',
    args: [],
    result: TIMESTAMP,
    changes: 'statement',
    eval: (_, env) => env.nowMicros,
    doc: 'Statement time, UTC.',
  },
  {
    name: 'SNOWFLAKE_ID',
    args: [],
    result: BIGINT,
    changes: 'row',
    duck: 'none',
    eval: (_, env) => env.nextSnowflake(),
    doc: 'A new time-ordered id per row.',
  },
  {
    name: 'UUID_V7',
    args: [],
    result: TEXT,
    changes: 'row',
    duck: 'none',
    eval: (_, env) => env.uuidV7(),
    doc: 'A new UUID version 7 per row.',
  },
  {
    name: 'ULID',
    args: [],
    result: TEXT,
    changes: 'row',
    duck: 'none',
    eval: (_, env) => env.ulid(),
    doc: 'A new ULID per row.',
  },
  {
    name: 'CURRENT_USER',
    args: [],
    result: TEXT,
    changes: 'statement',
    eval: (_, env) => env.userId,
    doc: 'Id of the effective user.',
  },
  {
    name: 'CURRENT_USER_ID',
    args: [],
    result: TEXT,
    changes: 'statement',
    eval: (_, env) => env.userId,
    doc: 'Id of the effective user.',
  },
  {
    name: 'CURRENT_ROLE',
    args: [],
    result: TEXT,
    changes: 'statement',
    eval: (_, env) => env.role,
    doc: 'Role of the effective user.',
  },
  {name: 'VERSION', args: [], result: TEXT, eval: () => 'KalamDB', doc: 'Name of the server software.'},
  {
    name: 'RANDOM',
    args: [],
    result: DOUBLE,
    changes: 'row',
    duck: () => () => 'random()',
    eval: (_, env) => env.random(),
    doc: 'A number in [0, 1).',
  },
];

const MATH_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'ABS',
    args: ['number'],
    result: sameAsFirst,
    duck: () => sql => `abs(${sql})`,
    eval: ([value], _env, [type]) => (signOf(value!) < 0 ? negate(type!)!(value!) : value!),
    doc: 'Absolute value.',
  },
  {
    name: 'SIGN',
    args: ['number'],
    result: INT,
    duck: () => sql => `CAST(sign(${sql}) AS INTEGER)`,
    eval: ([value]) => signOf(value!),
    doc: '-1, 0 or 1.',
  },
  {
    name: 'CEIL',
    args: ['number'],
    result: wholeType,
    duck: wholeForm('ceil'),
    eval: ([value], _env, [type]) => toward(value!, type!, 1),
    doc: 'Next integer up.',
  },
  {
    name: 'CEILING',
    args: ['number'],
    result: wholeType,
    duck: wholeForm('ceil'),
    eval: ([value], _env, [type]) => toward(value!, type!, 1),
    doc: 'Next integer up.',
  },
  {
    name: 'FLOOR',
    args: ['number'],
    result: wholeType,
    duck: wholeForm('floor'),
    eval: ([value], _env, [type]) => toward(value!, type!, -1),
    doc: 'Next integer down.',
  },
  {
    name: 'TRUNC',
    args: ['number'],
    result: wholeType,
    duck: wholeForm('trunc'),
    eval: ([value], _env, [type]) => truncated(value!, type!),
    doc: 'Integer part.',
  },
  {
    name: 'ROUND',
    args: ['number', 'int'],
    optional: 1,
    result: roundType,
    eval: ([value, digits], _env, [type], result) =>
      rounded(value!, (digits as number | undefined) ?? 0, type!, result),
    doc: 'Rounds half away from zero; doubles without digits round half to even.',
  },
  {
    name: 'MOD',
    args: ['number', 'number'],
    result: ([a, b]) => arithmetic('%', a!, b!)!.type,
    duck: ([a, b], [, divisor]) => arithmeticForm('%', a!, b!, arithmetic('%', a!, b!)!.type, divisor!.constant?.value),
    eval: ([a, b], _env, [x, y]) => arithmetic('%', x!, y!)!.apply(a!, b!),
    doc: 'Remainder with the sign of the dividend.',
  },
  real(
    'SQRT',
    value => (value < 0 ? bad('cannot take square root of a negative number') : Math.sqrt(value)),
    'Square root.',
  ),
  real('EXP', Math.exp, 'e to the power of x.'),
  real('LN', value => Math.log(positive(value)), 'Natural logarithm.'),
  real('LOG10', value => Math.log10(positive(value)), 'Logarithm to base 10.'),
  real('LOG2', value => Math.log2(positive(value)), 'Logarithm to base 2.'),
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
  },
  {
    name: 'POWER',
    args: ['double', 'double'],
    result: DOUBLE,
    eval: ([a, b]) => power(a as number, b as number),
    doc: 'x to the power of y.',
  },
  {
    name: 'POW',
    args: ['double', 'double'],
    result: DOUBLE,
    eval: ([a, b]) => power(a as number, b as number),
    doc: 'x to the power of y.',
  },
  real('SIN', Math.sin, 'Sine of radians.'),
  real('COS', Math.cos, 'Cosine of radians.'),
  real('TAN', Math.tan, 'Tangent of radians.'),
  real('RADIANS', value => (value * Math.PI) / 180, 'Degrees to radians.'),
  real('DEGREES', value => (value * 180) / Math.PI, 'Radians to degrees.'),
  {name: 'PI', args: [], result: DOUBLE, eval: () => Math.PI, doc: 'π.'},
];

export const FUNCTIONS: ReadonlyMap<string, FunctionFacts> = new Map(
  [...CONTEXT_FUNCTIONS, ...MATH_FUNCTIONS, ...TEXT_FUNCTIONS, ...TIME_FUNCTIONS, ...JSON_FUNCTIONS].map(facts => [
    facts.name,
    facts,
  ]),
);

function real(name: string, apply: (value: number) => number, doc: string): FunctionFacts {
  return {name, args: ['double'], result: DOUBLE, eval: ([value]) => finite(apply(value as number)), doc};
}

function wholeForm(name: string): NonNullable<FunctionFacts['duck']> {
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
  const text = value.toString();
  const shifted = Number(text.includes('e') ? value * 10 ** digits : `${text}e${digits}`);
  const whole = Math.sign(shifted) * Math.round(Math.abs(shifted));
  return Number(`${whole}e${-digits}`);
}

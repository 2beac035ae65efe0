import type {DataType} from '../model/datatype.ts';
import type {Call, Expr} from '../parser/ast.ts';
import {
  type Accumulator,
  Bits,
  Count,
  ExactAverage,
  ExactSum,
  Extreme,
  FloatAverage,
  FloatSum,
  IntegerAverage,
  Joined,
  JoinedJson,
  Median,
  SmallSum,
  Spread,
  Truth,
} from './accumulators.ts';
import {castForm, castSql, decimalSumSql, finiteSql, quotientSql} from './duck-forms.ts';
import type {SqlWriter} from './expr.ts';
import {JSON_TYPE} from './json.ts';
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  decimal,
  decimalOf,
  isFloating,
  isInteger,
  isNumeric,
  isTextual,
  scaleOf,
  TEXT,
} from './numbers.ts';
import {checkedBig, comparator} from './operators.ts';
import {ORDERED_SETS} from './ordered-sets.ts';
import {PAIR_AGGREGATES} from './pair-aggregates.ts';

export interface AggregateFacts {
  readonly name: string;
  readonly argCount: 1 | 2;
  /** How it is called, if not by its name and arguments. */
  readonly call?: string;
  /** What is aggregated, if it is not the arguments as they are. */
  readonly given?: 'json' | 'jsonMember' | 'pair';
  /** ORDER BY inside the call makes a difference; without one values come in the order of the key, where there is one, distinct ones in that of their texts. */
  readonly isOrdered?: boolean;
  /** undefined: not for this type. */
  readonly result: (type: DataType) => DataType | undefined;
  readonly make: (type: DataType) => () => Accumulator;
  /** How DuckDB computes the same. */
  readonly duck: (type: DataType) => AggregateForm;
  readonly doc: string;
}

/** `invoke` writes a call of an aggregate of DuckDB with the DISTINCT, FILTER and OVER of ours. */
type AggregateForm = (
  invoke: (name: string, ...args: string[]) => string,
  args: readonly string[],
  out: SqlWriter,
) => string;

const plain =
  (name: string): AggregateForm =>
  (invoke, args) =>
    invoke(name, ...args);

const sameIntegers = (type: DataType): DataType | undefined => (isInteger(type) ? type : undefined);
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
    isOrdered: true,
    result: type => (isTextual(type) ? TEXT : undefined),
    make: () => () => new Joined('STRING_AGG'),
    duck: () => plain('string_agg'),
    doc: 'Texts joined with a separator, in the order they are read.',
  },
  list('JSON_AGG'),
  list('JSONB_AGG'),
  list('ARRAY_AGG'),
  members('JSON_OBJECT_AGG'),
  members('JSONB_OBJECT_AGG'),
  extreme('ANY_VALUE', -1, 'Some value: the least.', 'min'),
  bits('BIT_AND', (a, b) => a & b),
  bits('BIT_OR', (a, b) => a | b),
  bits('BIT_XOR', (a, b) => a ^ b),
  {
    name: 'MEDIAN',
    argCount: 1,
    result: numbersOnly,
    make: type => () => new Median(type),
    duck:
      type =>
      (invoke, [value]) =>
        finiteSql(invoke('median', toDoubleSql(value!, type)), DOUBLE),
    doc: 'The value in the middle, or the mean of both that are. At most 1,000,000 values, where DuckDB does not run it.',
  },
  ...ORDERED_SETS,
  spread('STDDEV', 'stddev_samp', Math.sqrt),
  spread('STDDEV_SAMP', 'stddev_samp', Math.sqrt),
  spread('STDDEV_POP', 'stddev_pop', Math.sqrt),
  spread('VAR', 'var_samp', value => value),
  spread('VAR_SAMP', 'var_samp', value => value),
  spread('VARIANCE', 'var_samp', value => value),
  spread('VAR_POP', 'var_pop', value => value),
  ...PAIR_AGGREGATES,
];

export const AGGREGATES: ReadonlyMap<string, AggregateFacts> = new Map(ROWS.map(facts => [facts.name, facts]));

/** The aggregate that a call names. */
export function aggregateOf(call: Call): AggregateFacts {
  return AGGREGATES.get(call.name)!;
}

/** What the aggregate is given: the arguments, doubles of them, or JSON, where NULL is null and a key that is NULL an error. */
export function aggregateArgs(call: Call): readonly Expr[] {
  const {given} = aggregateOf(call);
  if (given === undefined) return call.args;
  const {start, end} = call;
  if (given === 'pair')
    return call.args.map(operand => {
      const type = {start: operand.start, end: operand.end, name: 'DOUBLE', args: []};
      return {kind: 'cast', start: operand.start, end: operand.end, operand, type, isTry: false};
    });
  const invoke = (name: string, args: readonly Expr[]): Expr => {
    return {kind: 'call', start, end, name, args, isStar: false, isDistinct: false, orderBy: [], filter: undefined};
  };
  if (given === 'jsonMember') return [invoke('JSON_BUILD_OBJECT', call.args)];
  return [invoke('COALESCE', [invoke('TO_JSON', call.args), {kind: 'string', start, end, value: 'null'}])];
}

function list(name: string): AggregateFacts {
  return {
    name,
    argCount: 1,
    given: 'json',
    isOrdered: true,
    result: () => JSON_TYPE,
    make: () => () => new JoinedJson(name, '[]'),
    duck:
      () =>
      (invoke, [value]) =>
        `('[' || ${invoke('string_agg', value!, "','")} || ']')`,
    doc: 'A JSON array of the values, NULLs too.',
  };
}

function members(name: string): AggregateFacts {
  return {
    name,
    argCount: 2,
    given: 'jsonMember',
    isOrdered: true,
    result: () => JSON_TYPE,
    make: () => () => new JoinedJson(name, '{}'),
    duck:
      () =>
      (invoke, [value]) =>
        `('{' || ${invoke('string_agg', `(${value})[2:-2]`, "','")} || '}')`,
    doc: 'A JSON object of keys and values.',
  };
}

function bits(name: string, apply: (a: bigint, b: bigint) => bigint): AggregateFacts {
  return {
    name,
    argCount: 1,
    result: sameIntegers,
    make: type => () => new Bits(type, apply),
    duck: () => plain(name.toLowerCase()),
    doc: `Bits of all integers, joined by ${name.slice(4)}.`,
  };
}

function extreme(name: string, sign: 1 | -1, doc: string, duckName = name.toLowerCase()): AggregateFacts {
  const duck = () => plain(duckName);
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

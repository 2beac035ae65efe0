/**
 * Functions: THE table of scalar functions. To add one, add a row. The reference is written from it, and every example is run by a test.
 *
 * `eval` sees values in memory form, in the argument types given by `args`; it is not called when an argument is NULL unless
 * `isStrict` is false. Everything a function may make is bounded, in both executors: DuckDB calls the very same `eval` where it has no form.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {ARRAY_FUNCTIONS} from './array-functions.ts';
import {BIT_FUNCTIONS} from './bit-functions.ts';
import {CALENDAR_FUNCTIONS} from './calendar-functions.ts';
import {CONTEXT_FUNCTIONS} from './context-functions.ts';
import type {Form} from './duck-forms.ts';
import type {Env, TypedExpr} from './expr.ts';
import {JSON_FUNCTIONS} from './json-functions.ts';
import {MATH_FUNCTIONS} from './math-functions.ts';
import {REGEX_FUNCTIONS} from './regex-functions.ts';
import {TEXT_FUNCTIONS} from './text-functions.ts';
import {TIME_FUNCTIONS} from './time-functions.ts';
import {VECTOR_FUNCTIONS} from './vector-functions.ts';

/**
 * `number` any numeric type as it is, `integer` any of those without a point, `moment` a timestamp, datetime or date as timestamp, `array` JSON or a text such as
 * `{1,2}`, `any` anything as it is.
 */
type ArgType =
  | 'any'
  | 'number'
  | 'array'
  | 'moment'
  | 'text'
  | 'integer'
  | 'bigint'
  | 'int'
  | 'double'
  | 'bytes'
  | 'json'
  | 'boolean'
  | 'timestamp';

export interface FunctionFacts {
  readonly name: string;
  /** Other names of the same. */
  readonly aliases?: readonly string[];
  readonly args: readonly ArgType[];
  /** How many of the last arguments may be left out. */
  readonly optional?: number;
  /** The last argument may come again and again. */
  readonly isVariadic?: boolean;
  readonly result: DataType | ((types: readonly DataType[], args: readonly TypedExpr[]) => DataType);
  /** The result in words, where it depends on the arguments. */
  readonly returns?: string;
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
  /** Takes the call when the last of its arguments is a text, as PostgreSQL chooses between functions of one name. */
  readonly forText?: FunctionFacts;
  /** Takes the call when the first of its arguments is a number. */
  readonly forNumber?: FunctionFacts;
  /** What it may cost, where that is not in proportion to its arguments. */
  readonly bound?: string;
  readonly doc: string;
  /** A call, and its value as text; no value where it is another each time. */
  readonly example: readonly [call: string, value?: string | null];
}

export const FUNCTION_GROUPS: readonly {readonly title: string; readonly list: readonly FunctionFacts[]}[] = [
  {title: 'Numbers', list: [...MATH_FUNCTIONS, ...BIT_FUNCTIONS]},
  {title: 'Texts and bytes', list: TEXT_FUNCTIONS},
  {title: 'Regular expressions', list: REGEX_FUNCTIONS},
  {title: 'Dates and times', list: [...TIME_FUNCTIONS, ...CALENDAR_FUNCTIONS]},
  {title: 'JSON', list: JSON_FUNCTIONS},
  {title: 'Arrays', list: ARRAY_FUNCTIONS},
  {title: 'Vectors', list: VECTOR_FUNCTIONS},
  {title: 'Session and ids', list: CONTEXT_FUNCTIONS},
];

export const FUNCTIONS: ReadonlyMap<string, FunctionFacts> = new Map(
  FUNCTION_GROUPS.flatMap(({list}) => list).flatMap(facts =>
    [facts.name, ...(facts.aliases ?? [])].map(name => [name, facts] as const),
  ),
);

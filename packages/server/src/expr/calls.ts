/**
 * Calls: finds the function of a call in the table, gives its arguments their types, and checks their count.
 *
 * COALESCE and its like take any one type for all arguments and so are compiled here, not in the table.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import type {Call, Expr} from '../parser/ast.ts';
import {AGGREGATES} from './aggregates.ts';
import {asArray} from './array-casts.ts';
import {castTo, failAt, fold, implicitly, notSupportedAt, openAs, saidType, settled, unfolded} from './coerce.ts';
import {compare, unify} from './compare.ts';
import {castSql, extremeForm, type Form, sqlOf} from './duck-forms.ts';
import type {ColumnScope, Eval, TypedExpr} from './expr.ts';
import {FUNCTIONS, type FunctionFacts} from './functions.ts';
import {didYouMean, nearNames} from './near.ts';
import {BIGINT, DOUBLE, isInteger, isMoment, isNumeric, isTextual, TEXT, TIMESTAMP} from './numbers.ts';
import {comparator} from './operators.ts';
import {intervalOf} from './spans.ts';
import {datePartForm} from './time-functions.ts';
import {WINDOW_FUNCTIONS} from './window-functions.ts';

/** Functions of this language that this release does not have. */
const LATER: ReadonlySet<string> = new Set(['VECTOR_SEARCH']);

/** They make rows. */
const ROWS_IN_FROM: ReadonlySet<string> = new Set([
  ...['JSON_ARRAY_ELEMENTS', 'JSONB_ARRAY_ELEMENTS', 'JSON_ARRAY_ELEMENTS_TEXT', 'JSONB_ARRAY_ELEMENTS_TEXT'],
  ...['JSON_EACH', 'JSONB_EACH', 'JSON_EACH_TEXT', 'JSONB_EACH_TEXT', 'UNNEST', 'GENERATE_SERIES'],
  ...['STRING_TO_TABLE', 'REGEXP_SPLIT_TO_TABLE'],
]);

/** In FROM, and in a select list, a call of this name is as many rows. */
export function isRowMaker(name: string): boolean {
  return ROWS_IN_FROM.has(name);
}

/** What other engines call a function of ours, and what takes the place of functions that return what we have no type for. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...{APPROX_PERCENTILE_CONT: 'PERCENTILE_CONT', ARRAY_TO_JSON: 'TO_JSON', ARRAY_UPPER: 'ARRAY_LENGTH'},
  ...{CHARINDEX: 'STRPOS', CLOCK_TIMESTAMP: 'NOW', CONVERT: 'CAST', CURDATE: 'CURRENT_DATE', DATEPART: 'DATE_PART'},
  ...{DATE_DIFF: 'EXTRACT', DATEDIFF: 'EXTRACT', LISTAGG: 'STRING_AGG', NVL2: 'CASE', ROW_TO_JSON: 'JSON_BUILD_OBJECT'},
  ...{
    JSONB_OBJECT: 'JSON_BUILD_OBJECT',
    JSONB_PATH_QUERY: 'JSONB_EXTRACT_PATH',
    SIMILARITY: 'STRPOS',
    TO_BASE64: 'ENCODE',
  },
  ...{DATE_FORMAT: 'TO_CHAR', FROM_UNIXTIME: 'TO_TIMESTAMP', GETDATE: 'NOW', GROUP_CONCAT: 'STRING_AGG', IF: 'CASE'},
  ...{IIF: 'CASE', INSTR: 'STRPOS', ISNULL: 'COALESCE', JSON_EXTRACT: 'JSON_GET', LEN: 'LENGTH', LCASE: 'LOWER'},
  ...{LOCATE: 'STRPOS', MID: 'SUBSTR', REGEXP_MATCHES: 'REGEXP_MATCH', RAND: 'RANDOM'},
  ...{STRFTIME: 'TO_CHAR', SYSDATE: 'NOW', TO_NUMBER: 'CAST'},
  ...{TRUNCATE: 'TRUNC', UCASE: 'UPPER', UUID: 'GEN_RANDOM_UUID'},
};

/** `compileArg` is called once the function is known: a name that does not exist is said before what is wrong with its arguments. */
export function compileCall(call: Call, compileArg: (arg: Expr) => TypedExpr, scope: ColumnScope): TypedExpr {
  if (call.isStar || call.isDistinct || call.orderBy.length > 0 || call.filter !== undefined) {
    throw failAt(scope, call, `${call.name} is not an aggregate function`);
  }
  const choice = Object.hasOwn(CHOICES, call.name) ? CHOICES[call.name] : undefined;
  if (choice !== undefined) return choice.compile(call, call.args.map(compileArg), scope);
  if (call.name === 'FILE') throw new DbError('INVALID_INPUT', 'FILE placeholders require multipart/form-data');
  if (ROWS_IN_FROM.has(call.name))
    throw notSupportedAt(
      scope,
      call.start,
      `${call.name.toLowerCase()} outside of FROM and of a select list, where it is rows`,
    );
  if (LATER.has(call.name)) throw notSupportedAt(scope, call.start, `the function ${call.name}`);
  const named = FUNCTIONS.get(call.name);
  if (named === undefined) throw unknownFunction(call, scope);
  const given = call.args.map(arg => compileArg(withoutInterval(arg)));
  const facts = chosen(named, given, scope);
  checkCount(call, call.args.length, facts, scope);
  const typed = given.map((arg, index) =>
    argument(call, arg, facts.args[Math.min(index, facts.args.length - 1)]!, scope),
  );
  const types = typed.map(arg => arg.type);
  const type = typeof facts.result === 'function' ? facts.result(types, typed) : facts.result;
  const evaluate = callEval(facts, typed, type);
  if (scope.isForDuck && facts.duck === 'none') throw notSupportedAt(scope, call.start, `${call.name}() in this query`);
  const sql = callSql(facts, typed);
  if (facts.changes !== undefined) return {type, eval: evaluate, constant: undefined, sql};
  const folded = fold(type, evaluate, typed);
  return folded.constant === undefined ? {...folded, sql} : folded;
}

/** Functions that take an interval take its text. */
function withoutInterval(arg: Expr): Expr {
  const interval = intervalOf(arg);
  if (interval === undefined) return arg;
  if (interval.literal === undefined) return interval.text;
  const {start, end, value} = interval.literal;
  return interval.times === undefined ? {kind: 'string', start, end, value} : arg;
}

/** Names what the writer may have meant. */
function unknownFunction(call: Call, scope: {readonly text: string}): DbError {
  const name = call.name.toLowerCase();
  if (WINDOW_FUNCTIONS.has(call.name)) return failAt(scope, call, `window function ${name} requires an OVER clause`);
  const ours = Object.hasOwn(ELSEWHERE, call.name) ? [ELSEWHERE[call.name]!] : [];
  const near = ours.length > 0 ? ours : nearNames(call.name, knownNames());
  return failAt(scope, call, `Invalid function '${name}': it does not exist.${didYouMean(near)}`);
}

function knownNames(): string[] {
  return [...FUNCTIONS.keys(), ...Object.keys(CHOICES), ...AGGREGATES.keys(), ...WINDOW_FUNCTIONS.keys()];
}

/** Between functions of one name the last argument decides: a text takes the one for texts. */
function chosen(facts: FunctionFacts, args: readonly TypedExpr[], scope: ColumnScope): FunctionFacts {
  const {forText, forNumber} = facts;
  const last = args.at(-1);
  const first = args[0];
  if (forNumber !== undefined && first !== undefined && isNumeric(settled(first, scope).type)) return forNumber;
  if (forText === undefined || last === undefined) return facts;
  const {
    args: {length: most},
    optional = 0,
  } = forText;
  if (args.length > most || args.length < most - optional) return facts;
  const isParam = last.open?.kind === 'param';
  const isText = last.open === undefined ? isTextual(last.type) : isParam ? saysText(last, scope) : true;
  return isText ? forText : facts;
}

/** A parameter that is given, and is no number. */
function saysText(param: TypedExpr, scope: ColumnScope): boolean {
  return scope.paramTypes !== undefined && saidType(param, scope) === undefined;
}

function callSql(facts: FunctionFacts, typed: readonly TypedExpr[]): TypedExpr['sql'] {
  const types = typed.map(arg => arg.type);
  const form = typeof facts.duck === 'function' ? facts.duck(types, typed) : undefined;
  if (form === undefined) return undefined;
  const taken = typed.slice(facts.knownArgs ?? 0);
  // Functions of texts take UUIDs too, which are no texts to DuckDB.
  return out =>
    form(...taken.map(arg => (arg.type.name === 'uuid' ? castSql(sqlOf(arg, out), TEXT) : sqlOf(arg, out))));
}

function checkCount(call: Call, count: number, facts: FunctionFacts, scope: ColumnScope): void {
  const most = facts.isVariadic ? Number.POSITIVE_INFINITY : facts.args.length;
  const least = facts.args.length - (facts.optional ?? 0);
  if (count >= least && count <= most) return;
  if (facts.args.length === 0) throw failAt(scope, call, `${call.name}() takes no arguments`);
  const expected = most === least ? `${least}` : facts.isVariadic ? `at least ${least}` : `${least} to ${most}`;
  throw failAt(scope, call, `${call.name}() takes ${expected} arguments, got ${count}`);
}

function argument(call: Call, arg: TypedExpr, want: FunctionFacts['args'][number], scope: ColumnScope): TypedExpr {
  const typed = argumentAs(arg, want, scope);
  if (typed !== undefined) return typed;
  throw failAt(scope, call, `${call.name}() cannot take an argument of type ${sqlName(arg.type)}`);
}

function argumentAs(arg: TypedExpr, want: FunctionFacts['args'][number], scope: ColumnScope): TypedExpr | undefined {
  switch (want) {
    case 'any':
      return settled(arg, scope);
    case 'text':
      return arg.open === undefined && isTextual(arg.type) ? arg : implicitly(arg, TEXT);
    case 'number': {
      const said = settled(arg, scope);
      if (arg.open !== undefined) return isNumeric(said.type) ? said : implicitly(arg, DOUBLE);
      return isNumeric(said.type) ? said : undefined;
    }
    case 'integer': {
      const said = settled(arg, scope);
      if (isInteger(said.type)) return said;
      return arg.open === undefined ? undefined : implicitly(arg, BIGINT);
    }
    case 'array':
      return asArray(arg);
    case 'moment':
      if (arg.open !== undefined) return implicitly(arg, TIMESTAMP);
      return isMoment(arg.type) ? castTo(arg, TIMESTAMP) : undefined;
    default:
      return implicitly(arg, {name: want});
  }
}

function callEval(facts: FunctionFacts, typed: readonly TypedExpr[], result: DataType): Eval {
  const types = typed.map(arg => arg.type);
  const evals = typed.map(arg => arg.eval);
  const run = facts.eval;
  const isStrict = facts.isStrict !== false;
  if (evals.length === 0) return (_row, env) => run([], env, types, result);
  return (row, env) => {
    const values: Value[] = new Array(evals.length);
    for (let i = 0; i < evals.length; i++) {
      const value = evals[i]!(row, env);
      if (value === null && isStrict) return null;
      values[i] = value;
    }
    return run(values, env, types, result);
  };
}

type CompileChoice = (call: Call, args: readonly TypedExpr[], scope: ColumnScope) => TypedExpr;

/** Calls that choose among their arguments, which take one type. */
export const CHOICES: Readonly<
  Record<string, {readonly compile: CompileChoice; readonly doc: string; readonly example: FunctionFacts['example']}>
> = {
  COALESCE: {compile: coalesce, doc: 'The first value that is not NULL.', example: ["COALESCE(NULL, 'a', 'b')", 'a']},
  IFNULL: {compile: coalesce, doc: 'The same.', example: ['IFNULL(NULL, 1)', '1']},
  NVL: {compile: coalesce, doc: 'The same.', example: ['NVL(NULL, 1)', '1']},
  NULLIF: {compile: nullIf, doc: 'NULL if both are equal, else the first.', example: ["NULLIF('a', '')", 'a']},
  GREATEST: {
    compile: (call, args, scope) => extreme(call, args, scope, 1),
    doc: 'The greatest value; NULLs are left out.',
    example: ['GREATEST(1, NULL, 2)', '2'],
  },
  LEAST: {
    compile: (call, args, scope) => extreme(call, args, scope, -1),
    doc: 'The least value; NULLs are left out.',
    example: ['LEAST(1, NULL, 2)', '1'],
  },
};

function coalesce(call: Call, args: readonly TypedExpr[], scope: ColumnScope): TypedExpr {
  const typed = unified(call, args, scope);
  const evals = typed.map(arg => arg.eval);
  const evaluate: Eval = (row, env) => {
    for (const each of evals) {
      const value = each(row, env);
      if (value !== null) return value;
    }
    return null;
  };
  const {type} = typed[0]!;
  const form: Form = (...sqls) => `coalesce(${sqls.join(', ')})`;
  // What stands behind the first value is not computed, so it may fail.
  if (typed.some(arg => arg.failure !== undefined)) return unfolded(type, evaluate, typed, form);
  return fold(type, evaluate, typed, form);
}

function nullIf(call: Call, args: readonly TypedExpr[], scope: ColumnScope): TypedExpr {
  if (args.length !== 2) throw failAt(scope, call, `NULLIF() takes 2 arguments, got ${args.length}`);
  const [left, right] = args as readonly [TypedExpr, TypedExpr];
  const first =
    left.open !== undefined && right.open === undefined ? openAs(left.open, right.type) : settled(left, scope);
  const same = compare('=', left, right, scope);
  if (same === undefined) throw failAt(scope, call, 'NULLIF arguments cannot be compared');
  const evaluate: Eval = (row, env) => (same.eval(row, env) === true ? null : first.eval(row, env));
  const form: Form = (value, equal) => `CASE WHEN ${equal} THEN NULL ELSE ${value} END`;
  return fold(first.type, evaluate, [first, same], same.sql && form);
}

function unified(call: Call, args: readonly TypedExpr[], scope: ColumnScope): TypedExpr[] {
  if (args.length === 0) throw failAt(scope, call, `${call.name}() takes at least 1 argument`);
  const typed = unify(args, scope);
  if (typed === undefined) throw failAt(scope, call, `${call.name} arguments have types that cannot be matched`);
  return typed;
}

/** NULL arguments are left out, as PostgreSQL does. */
function extreme(call: Call, args: readonly TypedExpr[], scope: ColumnScope, sign: 1 | -1): TypedExpr {
  const typed = unified(call, args, scope);
  const order = comparator(typed[0]!.type, typed[0]!.type)!;
  const evaluate: Eval = (row, env) => {
    let best: Value = null;
    for (const arg of typed) {
      const value = arg.eval(row, env);
      if (value !== null && (best === null || order(value, best) * sign > 0)) best = value;
    }
    return best;
  };
  const form = extremeForm(typed[0]!.type, sign > 0 ? 'greatest' : 'least');
  return fold(typed[0]!.type, evaluate, typed, form);
}

/** EXTRACT(field FROM x) is DATE_PART('field', x). */
export function compileExtract(
  expr: Extract<Expr, {kind: 'extract'}>,
  operand: TypedExpr,
  scope: ColumnScope,
): TypedExpr {
  const facts = FUNCTIONS.get('DATE_PART')!;
  const time = operand.type.name === 'time' && operand.open === undefined ? operand : undefined;
  const moment = time ?? argumentAs(operand, 'moment', scope);
  if (moment === undefined)
    throw failAt(scope, expr, `EXTRACT cannot take an argument of type ${sqlName(operand.type)}`);
  const field = expr.field.toLowerCase();
  const evaluate: Eval = (row, env) => {
    const value = moment.eval(row, env);
    return value === null ? null : facts.eval([field, value], env, [TEXT, TIMESTAMP], DOUBLE);
  };
  return fold(DOUBLE, evaluate, [moment], time === undefined ? datePartForm(field) : undefined);
}

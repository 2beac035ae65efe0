/**
 * Coercion: how an expression takes the type that its surroundings ask for.
 *
 * Open values (string literals, NULL, parameters) are read as the wanted type; typed ones are widened when nothing can be lost, or cast
 * when the statement says CAST or assigns to a column. A conversion of a parameter is done once per value, not per row.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import {cannotCast, sameType, sqlName} from '../model/type-table.ts';
import {castValue, parseText} from '../model/values.ts';
import type {Node} from '../parser/ast.ts';
import {positionAt} from '../parser/tokenizer.ts';
import {castForm, type Form, failureSql, sqlOf} from './duck-forms.ts';
import type {ColumnScope, Env, Eval, OpenValue, Param, SqlWriter, TypedExpr} from './expr.ts';
import {
  BIGINT,
  BOOLEAN,
  clip,
  DOUBLE,
  integerOf,
  isInteger,
  isMoment,
  isNumeric,
  isTextual,
  literalType,
  numberAs,
  parseDigits,
  TEXT,
} from './numbers.ts';

/** A row for expressions that read none. */
export const NO_ROW: Row = {seq: 0n, isTombstone: false, value: () => null, json: () => 'null'};

export const NO_ENV: Env = {
  params: [],
  nowMicros: 0n,
  userId: '',
  role: 'anonymous',
  namespace: '',
  nextSnowflake: () => 0n,
  uuidV7: () => '',
  uuidV4: () => '',
  ulid: () => '',
  random: () => 0,
};

/** Memo of conversions keeps only short parameters, so that a cached plan never holds a large one. */
const MEMO_CHARACTERS_MAX = 1024;

export function constantOf(type: DataType, value: Value): TypedExpr {
  return {type, eval: () => value, constant: {value}};
}

/** Evaluates now what depends on nothing, so that errors of constants come at planning as in PostgreSQL. */
export function fold(type: DataType, evaluate: Eval, inputs: readonly TypedExpr[], form?: Form): TypedExpr {
  const failure = inputs.find(input => input.failure !== undefined)?.failure;
  if (failure !== undefined) return failing(type, failure);
  if (inputs.some(input => input.constant === undefined)) return unfolded(type, evaluate, inputs, form);
  try {
    return constantOf(type, evaluate(NO_ROW, NO_ENV));
  } catch (error) {
    if (error instanceof DbError) return failing(type, error);
    throw error;
  }
}

/** Left to the rows. */
export function unfolded(type: DataType, evaluate: Eval, inputs: readonly TypedExpr[], form?: Form): TypedExpr {
  const sql = form && ((out: SqlWriter) => form(...inputs.map(input => sqlOf(input, out))));
  return {type, eval: evaluate, constant: undefined, sql};
}

function failing(type: DataType, failure: DbError): TypedExpr {
  const evaluate: Eval = () => {
    throw failure;
  };
  const sql = (out: SqlWriter) => failureSql(type, failure, out);
  return {type, eval: evaluate, constant: undefined, failure, sql};
}

/** For the root of an expression, which is evaluated in any case. */
export function settledRoot(expr: TypedExpr, node: Node, scope: {readonly text: string}): TypedExpr {
  if (expr.failure !== undefined) throw located(expr.failure, node, scope);
  return expr;
}

/** The error with the place of the node, unless it knows a nearer one. */
export function located(error: unknown, node: Node, scope: {readonly text: string}): unknown {
  if (!(error instanceof DbError) || error.position !== undefined) return error;
  return new DbError(error.code, error.message, {cause: error, position: positionAt(scope.text, node.start)});
}

/** Reads the expression as `type` without losing anything; undefined when only a CAST could. */
export function implicitly(expr: TypedExpr, type: DataType): TypedExpr | undefined {
  if (expr.open !== undefined) return openAs(expr.open, type);
  if (sameType(expr.type, type)) return expr;
  if (expr.digits !== undefined && isNumeric(type)) return constantOf(type, numberAs(expr.digits, type));
  const isWidening =
    (isNumeric(expr.type) && isNumeric(type)) ||
    (isTextual(expr.type) && isTextual(type)) ||
    (isMoment(expr.type) && isMoment(type));
  return isWidening ? castTo(expr, type) : undefined;
}

/** CAST: any conversion the type table knows. Throws per row what cannot be converted. */
export function castTo(expr: TypedExpr, type: DataType): TypedExpr {
  if (expr.open !== undefined) return openAs(expr.open, type);
  const from = expr.type;
  if (sameType(from, type)) return expr;
  const evaluate = expr.eval;
  const convert = conversion(from, type);
  const converted: Eval = (row, env) => {
    const value = evaluate(row, env);
    return value === null ? null : convert(value);
  };
  if (expr.constant !== undefined) return fold(type, converted, [expr]);
  const form = castForm(from, type);
  const sql = (out: SqlWriter) =>
    form === undefined ? out.convert(sqlOf(expr, out), from, type) : form(sqlOf(expr, out));
  return {type, eval: converted, constant: undefined, sql};
}

/** TRY_CAST: null where CAST fails. */
export function tryCastTo(expr: TypedExpr, type: DataType): TypedExpr {
  if (expr.open?.kind === 'string') {
    const {text} = expr.open;
    return constantOf(
      type,
      tried(() => parseText(type, text)),
    );
  }
  if (expr.open?.kind === 'param') {
    const evaluate = openAs(expr.open, type).eval;
    return {type, eval: (row, env) => tried(() => evaluate(row, env)), constant: undefined};
  }
  const convert = conversion(expr.type, type);
  const evaluate: Eval = (row, env) => {
    const value = expr.eval(row, env);
    return value === null ? null : tried(() => convert(value));
  };
  return fold(type, evaluate, [expr]);
}

export function tried(convert: () => Value): Value {
  try {
    return convert();
  } catch (error) {
    if (error instanceof DbError) return null;
    throw error;
  }
}

function conversion(from: DataType, to: DataType): (value: Value) => Value {
  if (sameType(from, to)) return value => value;
  if (isInteger(from) && isInteger(to)) return value => integerOf(BigInt(value as bigint), to);
  if (isInteger(from) && to.name === 'double') return Number;
  return value => castValue(value, from, to);
}

/** An open value read as `type`; text when nothing decides. */
export function openAs(open: OpenValue, type: DataType): TypedExpr {
  if (open.kind === 'null') return constantOf(type, null);
  if (open.kind === 'string') return constantOf(type, parseText(type, open.text));
  const at = open.index - 1;
  let lastParam: Param | undefined;
  let lastValue: Value = null;
  const evaluate: Eval = (_row, env) => {
    const param = env.params[at];
    if (param === undefined) throw missingParam(open.index);
    if (param === null || param === lastParam) return param === null ? null : lastValue;
    const value = paramAs(param, type);
    if (typeof param !== 'string' || param.length <= MEMO_CHARACTERS_MAX) {
      lastParam = param;
      lastValue = value;
    }
    return value;
  };
  return {type, eval: evaluate, constant: undefined, sql: out => out.given(type, evaluate(NO_ROW, out.env))};
}

/** An expression that must have a type: open values become what their parameter is in JSON (a BIGINT or a DOUBLE if a number), else text. */
export function settled(expr: TypedExpr, scope: ColumnScope): TypedExpr {
  if (expr.open === undefined) return expr;
  const said = saidType(expr, scope);
  const type = said === undefined ? TEXT : isInteger(said) ? BIGINT : said.name === 'decimal' ? DOUBLE : said;
  return openAs(expr.open, type);
}

/** The exact type of a parameter, if it is known. */
export function saidType({open}: TypedExpr, scope: ColumnScope): DataType | undefined {
  return open?.kind === 'param' ? scope.paramTypes?.[open.index - 1] : undefined;
}

/** What each parameter says of its own type: that of a literal written so. A text or NULL says nothing. */
export function paramTypes(params: readonly Param[]): (DataType | undefined)[] {
  return params.map(param => {
    if (typeof param === 'boolean') return BOOLEAN;
    if (typeof param !== 'object' || param === null) return undefined;
    return 'json' in param ? {name: 'json'} : literalType(param.number.replace('-', ''));
  });
}

export function missingParam(index: number): DbError {
  return new DbError('INVALID_PARAMETER', `Parameter $${index} was not given.`);
}

/** A JSON parameter as a value of `type`. */
function paramAs(param: Exclude<Param, null>, type: DataType): Value {
  if (typeof param === 'string') return parseText(type, param);
  if (typeof param === 'boolean') return castValue(param, {name: 'boolean'}, type);
  if ('json' in param) return jsonParamAs(param.json, type);
  if (isNumeric(type)) return numberAs(param.number, type);
  if (isTextual(type)) return parseText(type, param.number);
  const {unscaled, scale} = parseDigits(param.number);
  if (scale !== 0) throw fail.execution(`cannot use number ${clip(param.number)} as ${sqlName(type)}`);
  return castValue(unscaled, {name: 'bigint'}, type);
}

/** Arrays and objects are for types that are JSON or made of it, and for texts. */
function jsonParamAs(text: string, type: DataType): Value {
  if (type.name === 'uuid' || !(isTextual(type) || type.name === 'embedding')) throw cannotCast(text, type);
  return parseText(type, text);
}

/** An error at a node. Whoever answers puts the place behind the message, since only they know where the statement stands in its request. */
export function failAt(scope: {readonly text: string}, node: Node, message: string): DbError {
  return new DbError('SQL_EXECUTION_ERROR', `Execution error: ${message}`, {
    position: positionAt(scope.text, node.start),
    isSafe: true,
  });
}

export function notSupportedAt(scope: {readonly text: string}, offset: number, what: string): DbError {
  return new DbError('NOT_SUPPORTED', `Not supported: ${what}`, {position: positionAt(scope.text, offset)});
}

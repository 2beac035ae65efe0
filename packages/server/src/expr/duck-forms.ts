/**
 * DuckDB forms: how operators and conversions are written for DuckDB where it means exactly what our own executor does.
 *
 * Law: a form answers what our closure answers for every value, errors included; where DuckDB would answer otherwise (a quotient of decimals,
 * a double as text, a JSON path) there is no form, and the expression becomes a call of our own code (`SqlWriter.program`).
 * Forms take each argument once, so nesting never multiplies the text; a check behind an operator goes through `checked`.
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import {duckType} from '../duck/duck-type.ts';
import {raisedText} from '../duck/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Expr} from '../parser/ast.ts';
import type {Source, SqlWriter, TypedExpr} from './expr.ts';
import {
  type Bound,
  commonType,
  decimal,
  isFloating,
  isInteger,
  isMoment,
  isNumeric,
  isTextual,
  rangeSide,
  scaleOf,
  wholeDigits,
} from './numbers.ts';
import type {ArithmeticOperator, ComparisonOperator} from './operators.ts';

export type Form = (...args: string[]) => string;

/** The SQL of an expression of a scope that `isForDuck`. */
export function sqlOf(expr: TypedExpr, out: SqlWriter): string {
  if (expr.failure !== undefined && expr.sql === undefined) throw expr.failure;
  return expr.constant !== undefined ? out.value(expr.type, expr.constant.value) : expr.sql!(out);
}

export function castSql(sql: string, type: DataType): string {
  return `CAST(${sql} AS ${duckType(type)})`;
}

/** The value, or an error when a test of `v`, which stands for it, is true. The value is computed once. */
export function checked(sql: string, test: string, message: string): string {
  const error = `error('${raisedText(fail.execution(message))}')`;
  return `list_transform([${sql}], lambda v: CASE WHEN ${test} THEN ${error} ELSE v END)[1]`;
}

/** Both sides are evaluated once. As in PostgreSQL what is unknown stays so, divided by zero too. */
function dividedSql(a: string, b: string, divide: (a: string, b: string) => string): string {
  const error = `error('${raisedText(fail.execution('division by zero'))}')`;
  const [x, y] = ["struct_extract(v, 'a')", "struct_extract(v, 'b')"] as const;
  const divided = `CASE WHEN ${y} = 0 AND ${x} IS NOT NULL THEN ${error} ELSE ${divide(x, y)} END`;
  return `list_transform([struct_pack(a := ${a}, b := ${b})], lambda v: ${divided})[1]`;
}

export function finiteSql(sql: string, type: DataType): string {
  return checked(sql, 'NOT isfinite(v)', `${type.name} out of range`);
}

const DECIMAL_LIMIT = '9'.repeat(38);

/** DuckDB sums decimals up to 2^127 without a complaint. */
export function decimalSumSql(sql: string, scale: number): string {
  const limit = `CAST('${DECIMAL_LIMIT.slice(0, 38 - scale)}.${DECIMAL_LIMIT.slice(38 - scale)}' AS DECIMAL(38, ${scale}))`;
  return checked(sql, `v > ${limit} OR v < -${limit}`, 'decimal out of range');
}

/** Fails as our own executor would, once it is computed. */
export function failureSql(type: DataType, failure: DbError, out: SqlWriter): string {
  return castSql(`error(${out.given({name: 'text'}, raisedText(failure))})`, type);
}

const INTEGER_BYTES: Readonly<Record<string, number>> = {smallint: 2, int: 4, bigint: 8};

/** CAST as ours; undefined: no exact form. */
export function castForm(from: DataType, to: DataType): Form | undefined {
  const cast: Form = sql => castSql(sql, to);
  if (from.name === 'embedding' || to.name === 'embedding') return undefined;
  if (duckType(from) === duckType(to) && (from.name === to.name || to.name !== 'json')) return sql => sql;
  if (isInteger(from)) {
    if (to.name === 'boolean') return sql => `(${sql} <> 0)`;
    // By itself DuckDB leaves out a cast whose value is compared, and with it the check of its range.
    if (isInteger(to) && INTEGER_BYTES[to.name]! < INTEGER_BYTES[from.name]!) return sql => `greatest(${cast(sql)})`;
    return isNumeric(to) || to.name === 'text' ? cast : undefined;
  }
  if (from.name === 'decimal') return decimalCast(from, to);
  switch (from.name) {
    case 'boolean':
      return isInteger(to) || to.name === 'text' ? cast : undefined;
    case 'float':
    case 'double':
      return isFloating(to) || isInteger(to) ? cast : undefined;
    case 'date':
      return to.name === 'timestamp' || to.name === 'datetime' ? cast : undefined;
    case 'timestamp':
    case 'datetime':
      return to.name === 'date' ? cast : undefined;
    case 'uuid':
      return to.name === 'text' ? cast : undefined;
    default:
      return undefined;
  }
}

function decimalCast(from: Extract<DataType, {name: 'decimal'}>, to: DataType): Form | undefined {
  const {precision, scale} = from;
  const cast: Form = sql => castSql(sql, to);
  if (to.name === 'decimal' || isInteger(to)) return cast;
  // Up to 15 digits a double holds both parts of the quotient exactly; beyond, only the digits say which double is nearest.
  const toDouble: Form = sql => castSql(precision <= 15 ? sql : `CAST(${sql} AS VARCHAR)`, {name: 'double'});
  if (to.name === 'double') return toDouble;
  if (to.name === 'float') return sql => castSql(toDouble(sql), to);
  if (to.name !== 'text') return undefined;
  if (precision > scale) return cast;
  // Without a digit for the whole part DuckDB writes `.5`.
  return precision === 38 ? undefined : sql => castSql(castSql(sql, {...from, precision: precision + 1}), to);
}

/** Both sides brought to one type that holds them exactly; undefined: there is none. */
function meetForms(left: DataType, right: DataType): [Form, Form] | undefined {
  const type = meetType(left, right);
  const forms = type && [castForm(left, type), castForm(right, type)];
  return forms?.[0] === undefined || forms[1] === undefined ? undefined : [forms[0], forms[1]];
}

/** The type in which two values are compared. */
export function meetType(left: DataType, right: DataType): DataType | undefined {
  if (left.name === right.name && left.name !== 'decimal') return left;
  const common = commonType(left, right);
  if (common === undefined) return undefined;
  if (isFloating(common)) return {name: 'double'};
  if (common.name !== 'decimal') return common;
  const scale = Math.max(scaleOf(left), scaleOf(right));
  const whole = Math.max(wholeDigits(left), wholeDigits(right));
  return whole + scale > 38 ? undefined : decimal(whole + scale, scale);
}

export function compareForm(op: ComparisonOperator, left: DataType, right: DataType): Form | undefined {
  const forms = meetForms(left, right);
  return forms && ((a, b) => `(${forms[0](a!)} ${op} ${forms[1](b!)})`);
}

/** Comparison with a number that may lie between two values of the type, or outside of all. `write`: a value of the type. */
export function boundSql(
  op: ComparisonOperator,
  sql: string,
  type: DataType,
  bound: Bound,
  write: (type: DataType, value: Value) => string,
): string {
  const side = rangeSide(bound.value, type);
  const always = (answer: boolean) => `CASE WHEN ${sql} IS NOT NULL THEN ${answer ? 'TRUE' : 'FALSE'} END`;
  if (op === '=' || op === '<>') {
    if (side !== 0 || bound.isAbove) return always(op === '<>');
    return `(${sql} ${op} ${write(type, bound.value)})`;
  }
  if (side !== 0) return always(side > 0 === (op === '<' || op === '<='));
  const exact: ComparisonOperator = !bound.isAbove ? op : op === '<' || op === '<=' ? '<=' : '>';
  return `(${sql} ${exact} ${write(type, bound.value)})`;
}

/** The type of `result` is what `arithmetic` of operators.ts says. `divisor`: the right side, when it is known. */
export function arithmeticForm(
  op: ArithmeticOperator,
  left: DataType,
  right: DataType,
  result: DataType,
  divisor: Value | undefined,
): Form | undefined {
  if (result.name === 'date' || left.name === 'date') return dateForm(op, left, right);
  if (isInteger(result)) return integerForm(op, result, divisor);
  if (isFloating(result)) return floatForm(op, left, right, result);
  return result.name === 'decimal' ? decimalForm(op, left, right, result) : undefined;
}

function integerForm(op: ArithmeticOperator, type: DataType, divisor: Value | undefined): Form {
  if (op === '+' || op === '-' || op === '*') return (a, b) => `(${castSql(a!, type)} ${op} ${castSql(b!, type)})`;
  const isKnown = divisor !== undefined && divisor !== null && BigInt(divisor as bigint) > 0n;
  if (isKnown) return (a, b) => `(${castSql(a!, type)} ${op === '/' ? '//' : op} ${castSql(b!, type)})`;
  // The smallest integer % −1 is an overflow for DuckDB, though it is 0; so is every other integer % −1, and % 1.
  const divide = (a: string, b: string) =>
    op === '/' ? `${a} // ${b}` : `${a} % (CASE ${b} WHEN -1 THEN ${castSql('1', type)} ELSE ${b} END)`;
  return (a, b) => dividedSql(castSql(a!, type), castSql(b!, type), divide);
}

function floatForm(op: ArithmeticOperator, left: DataType, right: DataType, type: DataType): Form | undefined {
  const [a, b] = [castForm(left, {name: 'double'}), castForm(right, {name: 'double'})];
  if (a === undefined || b === undefined) return undefined;
  const apply = (x: string, y: string) => `${x} ${op} ${y}`;
  return (x, y) => {
    const sides = [castSql(a(x!), {name: 'double'}), castSql(b(y!), {name: 'double'})] as const;
    const sql = op === '/' || op === '%' ? dividedSql(...sides, apply) : apply(...sides);
    const wide = finiteSql(sql, type);
    return type.name === 'float' ? castSql(wide, type) : wide;
  };
}

function decimalForm(op: ArithmeticOperator, left: DataType, right: DataType, type: DataType): Form | undefined {
  const [wholeLeft, wholeRight] = [wholeDigits(left), wholeDigits(right)];
  if (op === '*') {
    const [a, b] = [wholeLeft + scaleOf(left), wholeRight + scaleOf(right)];
    if (a + b > 38) return undefined;
    // A product of two that fit into 64 bits DuckDB keeps in 64 bits, where it may overflow.
    const wide = decimal(a + b > 18 ? Math.max(19, a) : a, scaleOf(left));
    const other = decimal(b, scaleOf(right));
    return (x, y) => castSql(`${castSql(x!, wide)} * ${castSql(y!, other)}`, type);
  }
  if ((op !== '+' && op !== '-') || Math.max(wholeLeft, wholeRight) + scaleOf(type) > 38) return undefined;
  return (x, y) => `(${castSql(x!, type)} ${op} ${castSql(y!, type)})`;
}

function dateForm(op: ArithmeticOperator, left: DataType, right: DataType): Form | undefined {
  if (op !== '-' || left.name !== 'date' || right.name !== 'date') return undefined;
  return (a, b) => `CAST(${a} - ${b} AS INTEGER)`;
}

export function negateForm(type: DataType): Form | undefined {
  // DuckDB's own negation does not tell of which type the overflow is.
  if (isInteger(type)) return sql => `(${castSql('0', type)} - ${castSql(sql, type)})`;
  return isNumeric(type) ? sql => `(-${sql})` : undefined;
}

/** `a || b` of texts, where both have a form as text. */
export function joinForm(left: DataType, right: DataType): Form | undefined {
  if (left.name === 'bytes' && right.name === 'bytes') return (a, b) => `(${a} || ${b})`;
  const [a, b] = [castForm(left, {name: 'text'}), castForm(right, {name: 'text'})];
  return a && b && ((x, y) => `(${a(x!)} || ${b(y!)})`);
}

/** GREATEST and LEAST leave NULLs out in both. */
export function extremeForm(type: DataType, name: 'greatest' | 'least'): Form | undefined {
  const isPlain = isNumeric(type) || isMoment(type) || isTextual(type);
  return isPlain && type.name !== 'uuid' ? (...args) => `${name}(${args.join(', ')})` : undefined;
}

/** LIKE by a known pattern with the usual escape. */
export function likeForm(pattern: TypedExpr, isNegated: boolean): Form | undefined {
  const text = pattern.constant?.value;
  if (typeof text !== 'string' || /(?<!\\)(?:\\\\)*\\$/.test(text)) return undefined;
  const escaped = text.includes('\\') ? " ESCAPE '\\'" : '';
  return (value, wanted) => `(${value} ${isNegated ? 'NOT LIKE' : 'LIKE'} ${wanted}${escaped})`;
}

/** An exact decimal quotient, which only our own code computes. */
export function quotientSql(dividend: string, type: DataType, divisor: string, out: SqlWriter): string {
  const node = {start: 0, end: 0};
  const sides = {dividend: {type, sql: dividend}, divisor: {type: {name: 'bigint'} as DataType, sql: divisor}};
  const column = (name: keyof typeof sides): Expr => {
    return {...node, kind: 'column', qualifier: [], column: {...node, name, text: name, isQuoted: false}};
  };
  const source: Source = {
    name: undefined,
    namespace: undefined,
    schema: undefined,
    names: () => Object.keys(sides),
    find: name => {
      const side = sides[name as keyof typeof sides];
      return {type: side.type, index: 0, sql: () => side.sql};
    },
  };
  const expr: Expr = {...node, kind: 'binary', op: '/', left: column('dividend'), right: column('divisor')};
  return out.program(expr, {sources: [source], text: '', isForDuck: true}, decimal(38, Math.max(scaleOf(type), 16)));
}

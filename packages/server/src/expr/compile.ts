/**
 * Compile: a syntax tree becomes a typed closure over a row.
 *
 * Names and types are settled here, once per plan; what stays for each row is a call per node. Constants are folded. Lists of AND and OR
 * terms and chains of one arithmetic operator are loops, so that thousands of terms are no depth; other depth is bounded by the parser.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';
import {resolveType, sqlName} from '../model/type-table.ts';
import type {BinaryOperator, Expr, Node, TypeRef} from '../parser/ast.ts';
import {AGGREGATES} from './aggregates.ts';
import {castToArray} from './array-casts.ts';
import {compileCall, compileExtract} from './calls.ts';
import {
  castTo,
  constantOf,
  failAt,
  fold,
  implicitly,
  located,
  NO_ROW,
  notSupportedAt,
  openAs,
  settled,
  settledRoot,
  tryCastTo,
  unfolded,
} from './coerce.ts';
import {compare, inList, isDistinct, like, unify} from './compare.ts';
import {type Form, failureSql, negateForm, sqlOf} from './duck-forms.ts';
import type {ColumnScope, Eval, SqlWriter, TypedExpr} from './expr.ts';
import {BIGINT, BOOLEAN, INT, isMoment, isNumeric, literalType, numberAs, TEXT} from './numbers.ts';
import {type ComparisonOperator, negate} from './operators.ts';
import {noField, resolveColumn} from './sources.ts';
import {intervalOf, misplacedInterval, moveStep, sizeExpr} from './spans.ts';
import {isSteady} from './steady.ts';
import {type ChainStep, chainStep} from './steps.ts';
import {someExpr, WIDER_NAMES} from './walk.ts';

type Of<K extends Expr['kind']> = Extract<Expr, {kind: K}>;

/** Every part has a type afterwards: open values became text or what their parameter says. */
export function compileExpr(expr: Expr, scope: ColumnScope): TypedExpr {
  return settledRoot(settled(compileOpen(expr, scope), scope), expr, scope);
}

/** A condition: boolean, with NULL as unknown. */
export function compileCondition(expr: Expr, scope: ColumnScope, clause: string): TypedExpr {
  return settledRoot(condition(expr, scope, clause), expr, scope);
}

function condition(expr: Expr, scope: ColumnScope, clause: string): TypedExpr {
  const compiled = implicitly(compileOpen(expr, scope), BOOLEAN);
  if (compiled === undefined) throw failAt(scope, expr, `argument of ${clause} must be type boolean`);
  return compiled;
}

/** As compileExpr, but literals and parameters may stay open for a later type. */
export function compileOpen(expr: Expr, scope: ColumnScope): TypedExpr {
  const answered = scope.override?.(expr);
  if (answered !== undefined) return answered;
  let typed: TypedExpr;
  try {
    typed = compileNode(expr, scope);
  } catch (error) {
    throw located(error, expr, scope);
  }
  return scope.isForDuck ? withSql(expr, typed, scope) : typed;
}

/** What is known before any row is read goes to DuckDB as a value, what DuckDB cannot say as a call of our own code. */
function withSql(expr: Expr, typed: TypedExpr, scope: ColumnScope): TypedExpr {
  const isKnown = typed.open !== undefined || typed.constant !== undefined || typed.failure !== undefined;
  if (isKnown || expr.kind === 'column') return typed;
  const {type, sql} = typed;
  if (isSteady(expr)) return {...typed, sql: out => steadySql(typed, out)};
  return sql === undefined ? {...typed, sql: out => out.program(expr, scope, type)} : typed;
}

/** A value that cannot be computed is an error only where it is needed. */
function steadySql({type, eval: evaluate}: TypedExpr, out: SqlWriter): string {
  let value: Value;
  try {
    value = evaluate(NO_ROW, out.env);
  } catch (error) {
    if (error instanceof DbError) return failureSql(type, error, out);
    throw error;
  }
  return out.given(type, value);
}

function compileNode(expr: Expr, scope: ColumnScope): TypedExpr {
  switch (expr.kind) {
    case 'null':
      return {...constantOf(TEXT, null), open: {kind: 'null'}};
    case 'boolean':
      return constantOf(BOOLEAN, expr.value);
    case 'number':
      return numberLiteral(expr.text);
    case 'string':
      return {...constantOf(TEXT, expr.value), open: {kind: 'string', text: expr.value}};
    case 'bytes':
      return constantOf({name: 'bytes'}, hexBytes(expr, scope));
    case 'typed':
      return openAs({kind: 'string', text: expr.value}, valueType(expr.type, scope));
    case 'param':
      return {...openAs({kind: 'param', index: expr.index}, TEXT), open: {kind: 'param', index: expr.index}};
    case 'column':
      return columnExpr(expr, scope);
    case 'unary':
      return unary(expr, scope);
    case 'binary':
      return binary(expr, scope);
    case 'logic':
      return logic(expr.op, expr.terms, scope);
    default:
      return compileTest(expr, scope);
  }
}

type TestKind =
  | 'null'
  | 'boolean'
  | 'number'
  | 'string'
  | 'bytes'
  | 'typed'
  | 'param'
  | 'column'
  | 'unary'
  | 'binary'
  | 'logic';

function compileTest(expr: Exclude<Expr, {kind: TestKind}>, scope: ColumnScope): TypedExpr {
  const sub = (part: Expr) => compileOpen(part, scope);
  switch (expr.kind) {
    case 'isNull':
      return isNull(settled(sub(expr.operand), scope), expr.isNegated);
    case 'isBoolean':
      return isBoolean(condition(expr.operand, scope, 'IS'), expr.value, expr.isNegated);
    case 'isDistinct':
      return met(isDistinct(sub(expr.left), sub(expr.right), expr.isNegated, scope), expr, scope, 'IS DISTINCT FROM');
    case 'in':
      return met(inList(sub(expr.operand), expr.list.map(sub), expr.isNegated, scope), expr, scope, 'IN');
    case 'between':
      return between(expr, scope);
    case 'like': {
      const options = {escape: expr.escape && sub(expr.escape), isCaseless: expr.isCaseless, isNegated: expr.isNegated};
      return met(like(sub(expr.operand), sub(expr.pattern), options), expr, scope, 'LIKE');
    }
    case 'case':
      return caseExpr(expr, scope);
    case 'cast': {
      const type = valueType(expr.type, scope);
      if (expr.type.isArray) return arrayCast(expr, type, scope);
      return computed(expr.isTry ? tryCastTo(sub(expr.operand), type) : castTo(sub(expr.operand), type));
    }
    case 'call':
      if (AGGREGATES.has(expr.name)) throw failAt(scope, expr, `aggregate function ${expr.name} is not allowed here`);
      return compileCall(agePart(expr) ?? differencePart(expr, sub) ?? expr, sub, scope);
    case 'extract': {
      const span = agePart(expr) ?? differencePart(expr, sub);
      return span === undefined ? compileExtract(expr, sub(expr.operand), scope) : compileCall(span, sub, scope);
    }
    case 'window':
    case 'subquery':
    case 'exists':
    case 'inQuery':
    case 'quantified':
    case 'row':
      throw notSupportedAt(scope, expr.start, WIDER_NAMES[expr.kind]);
    default:
      return expr satisfies never;
  }
}

/** A field of AGE, which alone is a text: AGE_PART(field, …). */
function agePart(expr: Of<'extract'> | Of<'call'>): Of<'call'> | undefined {
  const {field, operand: age} = fieldOf(expr) ?? {};
  if (field === undefined || age?.kind !== 'call' || age.name !== 'AGE') return undefined;
  const {start, end} = expr;
  return {...age, start, end, name: 'AGE_PART', args: [field, ...age.args]};
}

/** A field of the time between two moments, which alone has no type: SPAN_PART(field, a, b). That between dates is a number of days. */
function differencePart(expr: Of<'extract'> | Of<'call'>, sub: (part: Expr) => TypedExpr): Of<'call'> | undefined {
  const {field, operand} = fieldOf(expr) ?? {};
  if (field === undefined || operand?.kind !== 'binary' || operand.op !== '-' || intervalOf(operand.right))
    return undefined;
  const {left, right} = operand;
  // Both are compiled here to know their types, and then again: what holds no field of a difference is so twice, and no more often.
  if (someExpr([left, right], isNotTwice)) return undefined;
  const types = [sub(left), sub(right)].map(({open, type}) => (open === undefined && isMoment(type) ? type.name : ''));
  if (types.includes('') || types.every(name => name === 'date')) return undefined;
  const {start, end} = expr;
  return {...NO_CLAUSES, kind: 'call', start, end, name: 'SPAN_PART', args: [field, left, right]};
}

function isNotTwice({kind, ...expr}: Expr): boolean {
  if (kind === 'extract' || kind === 'subquery' || kind === 'exists') return true;
  return kind === 'inQuery' || kind === 'quantified' || ('name' in expr && expr.name === 'DATE_PART');
}

const NO_CLAUSES = {isStar: false, isDistinct: false, orderBy: [], filter: undefined} as const;

function fieldOf(expr: Of<'extract'> | Of<'call'>): {field: Expr; operand: Expr} | undefined {
  const {start, end} = expr;
  if (expr.kind === 'extract') return {field: {kind: 'string', start, end, value: expr.field}, operand: expr.operand};
  if (expr.name !== 'DATE_PART' || expr.args.length !== 2) return undefined;
  return {field: expr.args[0]!, operand: expr.args[1]!};
}

function arrayCast(expr: Of<'cast'>, element: DataType, scope: ColumnScope): TypedExpr {
  const operand = compileOpen(expr.operand, scope);
  const array = castToArray(operand, element, expr.isTry);
  if (array !== undefined) return array;
  throw failAt(scope, expr, `cannot cast ${sqlName(operand.type)} to ${sqlName(element)}[]`);
}

/** A column that is cast to its own type is no column: its answer has no flags. */
function computed({column: _column, ...rest}: TypedExpr): TypedExpr {
  return rest;
}

function valueType(ref: TypeRef, scope: ColumnScope): DataType {
  if (ref.name === 'INTERVAL') throw misplacedInterval(ref, scope);
  return resolveType(ref.name, ref.args);
}

function met(compiled: TypedExpr | undefined, node: Node, scope: ColumnScope, what: string): TypedExpr {
  if (compiled === undefined) throw failAt(scope, node, `operands of ${what} have types that cannot be compared`);
  return compiled;
}

function numberLiteral(text: string): TypedExpr {
  const type = literalType(text);
  return {...constantOf(type, numberAs(text, type)), digits: text};
}

function hexBytes(expr: Of<'bytes'>, scope: ColumnScope): Uint8Array {
  if (expr.hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(expr.hex))
    throw failAt(scope, expr, 'invalid hexadecimal literal');
  return new Uint8Array(Buffer.from(expr.hex, 'hex'));
}

/** The column as an expression; errors name the nearest candidate. */
function columnExpr(expr: Of<'column'>, scope: ColumnScope): TypedExpr {
  const found = resolveColumn(expr.qualifier, expr.column, expr, scope);
  if (found === undefined) throw noField(expr.qualifier, expr.column, expr, scope);
  // A column of a query around this one is what that query makes of it: behind its GROUP BY, only a grouped one.
  const answered = found.scope === scope ? undefined : found.scope.override?.(expr);
  if (answered !== undefined) return answered;
  const {type, index, sql} = found.column;
  return {type, eval: columnEval(index), constant: undefined, column: index, sql};
}

function columnEval(index: number): Eval {
  if (index === SEQ_INDEX) return row => row.seq;
  if (index === DELETED_INDEX) return row => row.isTombstone;
  return row => row.value(index);
}

function unary(expr: Of<'unary'>, scope: ColumnScope): TypedExpr {
  if (expr.op === 'not') {
    const {eval: evaluate, ...rest} = condition(expr.operand, scope, 'NOT');
    const flip: Eval = (row, env) => {
      const value = evaluate(row, env);
      return value === null ? null : !value;
    };
    return fold(BOOLEAN, flip, [{eval: evaluate, ...rest}], sql => `(NOT ${sql})`);
  }
  if (expr.op === '-' && expr.operand.kind === 'number') return negativeLiteral(expr.operand.text);
  const operand = compileOpen(expr.operand, scope);
  const typed = operand.open === undefined ? operand : openAs(operand.open, scopeNumber(operand, scope));
  const change = expr.op === '-' ? negate(typed.type) : isNumeric(typed.type) ? (value: Value) => value : undefined;
  if (change === undefined) throw failAt(scope, expr, `operator ${expr.op} does not exist for ${sqlName(typed.type)}`);
  const evaluate: Eval = (row, env) => {
    const value = typed.eval(row, env);
    return value === null ? null : change(value);
  };
  const form = expr.op === '-' ? negateForm(typed.type) : (sql: string) => sql;
  return fold(typed.type, evaluate, [typed], form);
}

function scopeNumber(operand: TypedExpr, scope: ColumnScope): DataType {
  const said = settled(operand, scope).type;
  return isNumeric(said) ? said : BIGINT;
}

/** -9223372036854775808 and -2147483648 are literals of their type, though their positive forms are not. */
function negativeLiteral(text: string): TypedExpr {
  const digits = `-${text}`;
  const type = /^0*2147483648$/.test(text) ? INT : /^0*9223372036854775808$/.test(text) ? BIGINT : literalType(text);
  return {...constantOf(type, numberAs(digits, type)), digits};
}

const COMPARISONS: ReadonlySet<BinaryOperator> = new Set(['=', '<>', '<', '<=', '>', '>=']);

function binary(expr: Of<'binary'>, scope: ColumnScope): TypedExpr {
  if (expr.op === 'and' || expr.op === 'or') return logic(expr.op, spine(expr), scope);
  if (COMPARISONS.has(expr.op)) {
    const sized = sizes([expr.left, expr.right], scope);
    const [left, right] = sized ?? [compileOpen(expr.left, scope), compileOpen(expr.right, scope)];
    const compared = compare(expr.op as ComparisonOperator, left, right, scope);
    if (compared !== undefined)
      return sized === undefined || compared.failure ? compared : {...compared, sql: undefined};
    throw failAt(scope, expr, `cannot compare ${sqlName(left.type)} with ${sqlName(right.type)}`);
  }
  return chain(expr, scope);
}

/** Where one side of a comparison is an interval, the sizes of all are compared. */
function sizes(sides: readonly Expr[], scope: ColumnScope): [TypedExpr, TypedExpr, ...TypedExpr[]] | undefined {
  if (!sides.some(side => intervalOf(side) !== undefined)) return undefined;
  const sub = (part: Expr) => compileOpen(part, scope);
  return sides.map(side => sizeExpr(side, scope, sub)) as [TypedExpr, TypedExpr, ...TypedExpr[]];
}

/** Left-nested AND or OR as a flat list. */
function spine(expr: Of<'binary'>): Expr[] {
  const terms: Expr[] = [];
  let node: Expr = expr;
  for (; node.kind === 'binary' && node.op === expr.op; node = node.left) terms.push(node.right);
  terms.push(node);
  return terms.reverse();
}

const CHAINED: ReadonlySet<BinaryOperator> = new Set(['+', '-', '*', '/', '%', '||', '->', '->>', '?']);

/** Left-nested arithmetic, concatenation and JSON paths: compiled and run as a loop over steps. */
function chain(expr: Of<'binary'>, scope: ColumnScope): TypedExpr {
  const nodes: Of<'binary'>[] = [];
  let node: Expr = expr;
  for (; node.kind === 'binary' && CHAINED.has(node.op) && intervalOf(node) === undefined; node = node.left) {
    if (nodes.length > 0 && scope.override?.(node) !== undefined) break;
    nodes.push(node);
  }
  if (nodes.length === 0) throw misplacedInterval(expr, scope);
  // `INTERVAL '1 day' + at` is the moment, moved.
  const isSwapped =
    nodes.at(-1)!.op === '+' && intervalOf(node) !== undefined && intervalOf(nodes.at(-1)!.right) === undefined;
  let current = compileOpen(isSwapped ? nodes.at(-1)!.right : node, scope);
  let start = current;
  let steps: {apply: (left: Value, right: Value) => Value; right: Eval}[] = [];
  for (const at of nodes.reverse()) {
    const by = isSwapped && at.left === node ? node : at.right;
    const interval = intervalOf(by);
    const step =
      interval === undefined
        ? chainStep(at, current, compileOpen(by, scope), scope)
        : moveStep(at, current, interval, scope, part => compileOpen(part, scope));
    if (steps.length === 0) start = step.left;
    steps.push({apply: step.apply, right: step.right.eval});
    if (steps.length === 1 && step.left.constant !== undefined && step.right.constant !== undefined) {
      current = fold(step.type, stepsEval(start.eval, steps), []);
      steps = [];
    } else current = {...fold(step.type, start.eval, [step.left, step.right]), sql: stepSql(step, at, scope)};
  }
  return steps.length === 0 ? current : {...current, eval: stepsEval(start.eval, steps)};
}

function stepSql({left, right, type, form}: ChainStep, node: Expr, scope: ColumnScope): TypedExpr['sql'] {
  if (form !== undefined) return out => form(sqlOf(left, out), sqlOf(right, out));
  return scope.isForDuck ? out => out.program(node, scope, type) : undefined;
}

function stepsEval(first: Eval, steps: readonly {apply: (left: Value, right: Value) => Value; right: Eval}[]): Eval {
  if (steps.length === 1) {
    const {apply, right} = steps[0]!;
    return (row, env) => {
      const a = first(row, env);
      const b = right(row, env);
      return a === null || b === null ? null : apply(a, b);
    };
  }
  return (row, env) => {
    let value = first(row, env);
    for (const {apply, right} of steps) {
      const operand = right(row, env);
      value = value === null || operand === null ? null : apply(value, operand);
    }
    return value;
  };
}

function logic(op: 'and' | 'or', terms: readonly Expr[], scope: ColumnScope): TypedExpr {
  const compiled = terms.map(term => condition(term, scope, op.toUpperCase()));
  const decisive = op === 'or';
  const evals = compiled.map(term => term.eval);
  const form: Form = (...sqls) => `(${sqls.join(op === 'and' ? ' AND ' : ' OR ')})`;
  if (compiled.some(term => term.constant?.value === decisive)) return constantOf(BOOLEAN, decisive);
  if (evals.length === 2) {
    const [a, b] = evals as [Eval, Eval];
    const pair: Eval = (row, env) => {
      const x = a(row, env);
      if (x === decisive) return decisive;
      const y = b(row, env);
      return y === decisive ? decisive : x === null || y === null ? null : !decisive;
    };
    return fold(BOOLEAN, pair, compiled, form);
  }
  const evaluate: Eval = (row, env) => {
    let isUnknown = false;
    for (const term of evals) {
      const value = term(row, env);
      if (value === decisive) return decisive;
      if (value === null) isUnknown = true;
    }
    return isUnknown ? null : !decisive;
  };
  return fold(BOOLEAN, evaluate, compiled, form);
}

function isNull(operand: TypedExpr, isNegated: boolean): TypedExpr {
  const evaluate = operand.eval;
  const form: Form = sql => `(${sql} IS ${isNegated ? 'NOT ' : ''}NULL)`;
  return fold(BOOLEAN, (row, env) => (evaluate(row, env) === null) !== isNegated, [operand], form);
}

function isBoolean(operand: TypedExpr, wanted: boolean | null, isNegated: boolean): TypedExpr {
  const evaluate = operand.eval;
  const form: Form = sql => `(${sql} IS ${isNegated ? 'NOT ' : ''}${String(wanted).toUpperCase()})`;
  return fold(BOOLEAN, (row, env) => (evaluate(row, env) === wanted) !== isNegated, [operand], form);
}

function between(expr: Of<'between'>, scope: ColumnScope): TypedExpr {
  const sides = [expr.operand, expr.low, expr.high];
  const sized = sizes(sides, scope);
  const [operand, least, most] = (sized ?? sides.map(side => compileOpen(side, scope))) as [
    TypedExpr,
    TypedExpr,
    TypedExpr,
  ];
  const low = met(compare('>=', operand, least, scope), expr, scope, 'BETWEEN');
  const high = met(compare('<=', operand, most, scope), expr, scope, 'BETWEEN');
  const [above, below] = [low.eval, high.eval];
  const evaluate: Eval = (row, env) => {
    const x = above(row, env);
    if (x === false) return expr.isNegated;
    const y = below(row, env);
    if (y === false) return expr.isNegated;
    return x === null || y === null ? null : !expr.isNegated;
  };
  const form: Form = (x, y) => `${expr.isNegated ? '(NOT ' : '('}(${x} AND ${y}))`;
  return fold(
    BOOLEAN,
    evaluate,
    [low, high],
    sized === undefined && (low.constant ?? low.sql) && (high.constant ?? high.sql) ? form : undefined,
  );
}

function caseExpr(expr: Of<'case'>, scope: ColumnScope): TypedExpr {
  const operand = expr.operand && compileOpen(expr.operand, scope);
  const whens = expr.branches.map(({when}) =>
    operand === undefined
      ? condition(when, scope, 'CASE WHEN')
      : met(compare('=', operand, compileOpen(when, scope), scope), when, scope, 'CASE'),
  );
  const otherwise: TypedExpr = expr.otherwise
    ? compileOpen(expr.otherwise, scope)
    : {...constantOf(TEXT, null), open: {kind: 'null'}};
  const outcomes = unify([...expr.branches.map(({then}) => compileOpen(then, scope)), otherwise], scope);
  if (outcomes === undefined) throw failAt(scope, expr, 'CASE branches have types that cannot be matched');
  const tests = whens.map(when => when.eval);
  const results = outcomes.map(outcome => outcome.eval);
  const evaluate: Eval = (row, env) => {
    for (let i = 0; i < tests.length; i++) if (tests[i]!(row, env) === true) return results[i]!(row, env);
    return results[tests.length]!(row, env);
  };
  const {type} = outcomes[0]!;
  const inputs = [...whens, ...outcomes];
  const form: Form | undefined = whens.every(when => when.constant ?? when.sql) ? caseForm(whens.length) : undefined;
  // A branch that fails whenever it is computed is no harm while it is not taken.
  if (inputs.some(input => input.failure !== undefined)) return unfolded(type, evaluate, inputs, form);
  return fold(type, evaluate, inputs, form);
}

/** Arguments: the tests, an outcome for each, and the outcome of ELSE. */
function caseForm(count: number): Form {
  return (...sqls) => {
    const branches = sqls.slice(0, count).map((test, i) => `WHEN ${test} THEN ${sqls[count + i]}`);
    return `CASE ${branches.join(' ')} ELSE ${sqls.at(-1)} END`;
  };
}

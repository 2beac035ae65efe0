/**
 * Programs: expressions that DuckDB cannot say exactly, sent to its child process as text and evaluated there by the very code that the direct
 * executor runs.
 *
 *     here:  expression + scope ─ programOf ─ text, arguments      in the child:  text ─ loadProgram ─ values → value
 *
 * Everything that the query around the expression answers (columns, grouped values, aggregates, subqueries) becomes an argument `a0`, `a1` …;
 * the rest of the tree travels as JSON. It was compiled here before, so what can still fail there are values.
 */
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import type {Expr} from '../parser/ast.ts';
import {castTo, NO_ENV, paramTypes} from './coerce.ts';
import {compileExpr, compileOpen} from './compile.ts';
import type {ColumnScope, Env, Source, TypedExpr} from './expr.ts';
import {FUNCTIONS} from './functions.ts';

export interface Program {
  readonly text: string;
  readonly args: readonly TypedExpr[];
}

type Wire =
  | {readonly kind: 'expr'; readonly expr: Expr; readonly args: readonly DataType[]}
  | {readonly kind: 'cast'; readonly from: DataType; readonly to: DataType};

export function programOf(expr: Expr, scope: ColumnScope): Program {
  const args: TypedExpr[] = [];
  const body = JSON.stringify(expr, (_name, value) => {
    if (value === null || typeof value !== 'object' || typeof value.kind !== 'string') return value;
    const answered = answeredOutside(value as Expr, scope);
    if (answered === undefined) return value;
    const name = `a${args.push(answered) - 1}`;
    const {start, end} = value;
    return {kind: 'column', start, end, qualifier: [], column: {start, end, name, text: name, isQuoted: false}};
  });
  const types = JSON.stringify(args.map(arg => arg.type));
  return {text: `{"kind":"expr","expr":${body},"args":${types}}`, args};
}

/** What a program is given as an argument. A function that has a new value per row is DuckDB's. */
function answeredOutside(expr: Expr, scope: ColumnScope): TypedExpr | undefined {
  const answered = scope.override?.(expr);
  if (answered !== undefined) return answered;
  if (expr.kind === 'column') return compileOpen(expr, scope);
  if (expr.kind === 'call' && FUNCTIONS.get(expr.name)?.changes === 'row') return compileOpen(expr, scope);
  return undefined;
}

/** The conversion of one argument. */
export function castProgram(from: DataType, to: DataType): string {
  return JSON.stringify({kind: 'cast', from, to} satisfies Wire);
}

/** What programs of one execution know besides their arguments. */
export function programContext({params, nowMicros, userId, role, namespace}: Env): string {
  return JSON.stringify({params, nowMicros: String(nowMicros), userId, role, namespace});
}

/** In the child. The values are in memory form, of the types of the arguments. */
export function loadProgram(text: string, context: string): (values: readonly Value[]) => Value {
  const wire = JSON.parse(text) as Wire;
  const known = JSON.parse(context) as Pick<Env, 'params' | 'userId' | 'role' | 'namespace'> & {nowMicros: string};
  const env: Env = {...NO_ENV, ...known, nowMicros: BigInt(known.nowMicros)};
  const types = wire.kind === 'expr' ? wire.args : [wire.from];
  const scope = {sources: [argumentSource(types)], text: '', paramTypes: paramTypes(env.params)};
  const typed =
    wire.kind === 'expr'
      ? compileExpr(wire.expr, scope)
      : castTo({type: wire.from, eval: row => row.value(0), constant: undefined}, wire.to);
  let current: readonly Value[] = [];
  const row: Row = {
    seq: 0n,
    isTombstone: false,
    value: index => current[index]!,
    json: () => {
      throw new TypeError('arguments have no form in JSON');
    },
  };
  return values => {
    current = values;
    return typed.eval(row, env);
  };
}

function argumentSource(types: readonly DataType[]): Source {
  return {
    name: undefined,
    namespace: undefined,
    schema: undefined,
    names: () => [],
    find: name => {
      const index = Number(name.slice(1));
      return {type: types[index]!, index};
    },
  };
}

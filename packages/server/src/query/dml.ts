/**
 * DML plans: INSERT, UPDATE and DELETE bound to one schema. They decide values; `table/` writes them.
 *
 * Laws: values leave here in memory form of their column's type, NOT NULL checked. System columns and the primary key are never
 * assigned by UPDATE. `change` is pure: `table/` may call it again on a newer version of the same row.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {castTo, failAt, located, NO_ENV, NO_ROW, settledRoot} from '../expr/coerce.ts';
import {compileCondition, compileOpen} from '../expr/compile.ts';
import type {ColumnScope, Env, Eval, TypedExpr} from '../expr/expr.ts';
import {type KeyFacts, keyFacts} from '../expr/key-range.ts';
import {didYouMean, nearNames} from '../expr/near.ts';
import {clip, TIMESTAMP} from '../expr/numbers.ts';
import type {Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import {type Column, DELETED_COLUMN, type Schema, SEQ_COLUMN} from '../model/schema.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import {castValue, compareValues, embeddingElements, valueText} from '../model/values.ts';
import type {Delete, Expr, Insert, Name, Update} from '../parser/ast.ts';
import type {Change, ScanRequest} from '../table/table.ts';
import {columnsRead, type PlanOptions, scopeOf} from './plan.ts';

export interface InsertPlan {
  readonly schema: Schema;
  /** Values in column order. Each call draws new ids for defaults. */
  rows(env: Env): Value[][];
}

export interface ChangePlan {
  readonly schema: Schema;
  request(env: Env): ScanRequest;
  change(env: Env): Change;
}

export function planInsert(insert: Insert, schema: Schema, options: PlanOptions = {}): InsertPlan {
  const scope = scopeOf(undefined, undefined, options);
  const width = insert.rows[0]?.length ?? 0;
  const targets = targetsFor(width, insert, insertTargets(insert, schema, scope));
  const rows = insert.rows.map((row, rowIndex) => {
    if (row.length !== targets.length) {
      const isUneven = insert.columns === undefined && row.length !== width;
      const message = isUneven
        ? `VALUES lists must all be the same length: row ${rowIndex + 1} has ${row.length}, row 1 has ${width}`
        : `INSERT has ${row.length} values for ${targets.length} columns (row ${rowIndex + 1})`;
      const first = row.find(value => value !== 'default');
      throw first === undefined ? fail.execution(message) : failAt(scope, first, message);
    }
    return row.map((value, i) => assigned(value, schema.columns[targets[i]!]!, scope));
  });
  const complete = completion(schema, targets);
  return {
    schema,
    rows: env =>
      rows.map((evals, rowIndex) => {
        const values: Value[] = new Array(schema.columns.length).fill(null);
        for (let i = 0; i < evals.length; i++) values[targets[i]!] = evals[i]!(NO_ROW, env);
        return complete(values, rowIndex, env);
      }),
  };
}

/** The text of the statement, for the place of errors. */
interface Place {
  readonly text: string;
}

/** Indexes of the columns that an INSERT may give values for, in its order. */
export function insertTargets({columns}: Insert, schema: Schema, place: Place): number[] {
  if (columns === undefined) return schema.columns.map((_, i) => i);
  return columns.map((name, i) => insertTarget(name, schema, {...place, before: columns.slice(0, i)}));
}

/** Those of rows with so many values: without a list of columns a row may end early, and the rest takes its defaults. */
export function targetsFor(width: number, {columns}: Insert, targets: readonly number[]): readonly number[] {
  return columns === undefined ? targets.slice(0, width) : targets;
}

/** Puts defaults where an INSERT gives no value, into the row itself, and checks it. */
export function completion(
  schema: Schema,
  targets: readonly number[],
): (values: Value[], rowIndex: number, env: Env) => Value[] {
  const missing = schema.columns.map((_, i) => i).filter(i => !targets.includes(i));
  const fillers = missing.map(index => defaultOf(schema.columns[index]!));
  const given: ReadonlySet<number> = new Set(targets);
  return (values, rowIndex, env) => {
    for (let i = 0; i < fillers.length; i++) values[missing[i]!] = fillers[i]!(NO_ROW, env);
    checkNotNull(values, schema, rowIndex, given);
    return values;
  };
}

function insertTarget(name: Name, schema: Schema, {text, before}: Place & {readonly before: readonly Name[]}): number {
  refuseSystemColumn(name, {text});
  if (before.some(other => other.name === name.name)) throw givenTwice(name, {text});
  return columnIndex(name, schema, {text});
}

function columnIndex(name: Name, schema: Schema, place: Place): number {
  const index = schema.columns.findIndex(column => column.name === name.name);
  if (index >= 0) return index;
  const near = didYouMean(
    nearNames(
      name.name,
      schema.columns.map(column => column.name),
    ),
  );
  throw located(fail.invalidOperation(`Column '${name.name}' does not exist${near && `.${near}`}`), name, place);
}

function refuseSystemColumn(node: Name, place: Place): void {
  const {name} = node;
  if (name !== SEQ_COLUMN && name !== DELETED_COLUMN) return;
  throw located(fail.systemColumn(`Column '${name}' is set by the server and cannot be assigned`), node, place);
}

function givenTwice(name: Name, place: Place): unknown {
  return located(fail.invalidOperation(`Column '${name.name}' is given more than once`), name, place);
}

/** The value of a column as the statement gives it, in the column's type. */
export function assigned(value: Expr | 'default', column: Column, scope: ColumnScope): Eval {
  if (value === 'default') return defaultOf(column);
  const target = {column, value, scope};
  const source = settledRoot(compileOpen(value, scope), value, scope);
  if (source.open !== undefined || source.constant !== undefined) {
    const typed = coerced(target, NO_ENV, {source, convert: () => castTo(source, column.type)});
    if (typed.constant !== undefined) return typed.eval;
    return (row, env) => coerced(target, env, {source, convert: () => typed.eval(row, env)});
  }
  if (sameType(source.type, column.type)) return source.eval;
  // Evaluated apart from its conversion: what the expression itself throws is not an error of coercion.
  let held: Value = null;
  const holder = {type: source.type, eval: () => held, constant: undefined};
  const converted = castTo(holder, column.type);
  return (row, env) => {
    held = source.eval(row, env);
    return coerced(target, env, {source: holder, convert: () => converted.eval(row, env)});
  };
}

interface Target {
  readonly column: Column;
  readonly value: Expr;
  readonly scope: ColumnScope;
}

function coerced<T>(
  {column, value, scope}: Target,
  env: Env,
  {source, convert}: {source: TypedExpr; convert: () => T},
): T {
  try {
    return convert();
  } catch (error) {
    if (!(error instanceof DbError) || error.code === 'INVALID_PARAMETER') throw error;
    throw located(fail.invalidOperation(refusal(sourceText(source, env), column)), value, scope);
  }
}

function refusal(text: string, {name, type}: Column): string {
  if (type.name === 'uuid')
    return `Invalid UUID literal '${clip(text)}' for column '${name}': 32 hexadecimal digits are expected`;
  if (type.name === 'embedding') return embeddingRefusal(text, name, type.dimension);
  return `Schema coercion failed: Unable to cast value '${clip(text)}' to ${sqlName(type)} for column '${name}'`;
}

function embeddingRefusal(text: string, column: string, dimension: number): string {
  const count = embeddingElements(text)?.length ?? dimension;
  if (count !== dimension)
    return `Embedding dimension mismatch for column '${column}': expected ${dimension}, got ${count}`;
  return `Invalid embedding JSON for column '${column}': '${clip(text)}' is no array of ${dimension} numbers`;
}

/** The value as it was written, or as it was computed. */
function sourceText({open, digits, type, eval: evaluate}: TypedExpr, env: Env): string {
  if (open?.kind !== 'param') return digits ?? valueText(type, evaluate(NO_ROW, env));
  const param = env.params[open.index - 1]!;
  if (typeof param !== 'object' || param === null) return String(param);
  return 'json' in param ? param.json : param.number;
}

export function defaultOf(column: Column): Eval {
  const preset = column.default;
  if (preset.kind === 'none') return () => null;
  if (preset.kind === 'literal') return () => preset.value;
  switch (preset.name) {
    case 'NOW':
    case 'CURRENT_TIMESTAMP':
      return (_row, env) => env.nowMicros;
    case 'CURRENT_DATE':
      return (_row, env) => castValue(env.nowMicros, TIMESTAMP, column.type);
    case 'SNOWFLAKE_ID':
      return (_row, env) => env.nextSnowflake();
    case 'UUID_V7':
      return (_row, env) => env.uuidV7();
    case 'GEN_RANDOM_UUID':
      return (_row, env) => env.uuidV4();
    case 'ULID':
      return (_row, env) => env.ulid();
    case 'CURRENT_USER':
      return (_row, env) => env.userId;
    default:
      return preset.name satisfies never;
  }
}

function checkNotNull(
  values: readonly Value[],
  schema: Schema,
  rowIndex: number,
  given: ReadonlySet<number> | undefined,
): void {
  for (let i = 0; i < values.length; i++) {
    const column = schema.columns[i]!;
    if (values[i] !== null || (column.isNullable && i !== schema.primaryKey)) continue;
    const isMissing = given !== undefined && !given.has(i);
    const what = isMissing
      ? `column '${column.name}' is missing in row ${rowIndex + 1} (row index ${rowIndex})`
      : `column '${column.name}' cannot be NULL (row ${rowIndex + 1})`;
    throw fail.constraint(`NOT NULL constraint violation: ${what}`);
  }
}

export function planUpdate(update: Update, schema: Schema, options: PlanOptions = {}): ChangePlan {
  if (update.where === undefined) throw fail.invalidOperation('UPDATE requires a WHERE clause');
  const scope = scopeOf(schema, update.alias, options);
  const where = compileCondition(update.where, scope, 'WHERE').eval;
  const seen = new Set<number>();
  const sets = update.set.map(({column, value}) => {
    const index = updateTarget(column, schema, {...scope, seen});
    return {index, eval: assigned(value, schema.columns[index]!, scope)};
  });
  return {
    schema,
    request: changeRequest(
      update.where,
      scope,
      schema.columns.map((_, i) => i),
    ),
    change: env => row => {
      if (row.isTombstone || where(row, env) !== true) return undefined;
      return updated(row, schema, sets, set => set.eval(row, env));
    },
  };
}

/** The row with some values set; 'keep' if they are what it has. */
export function updated<Assigned extends {readonly index: number}>(
  row: Row,
  schema: Schema,
  sets: readonly Assigned[],
  newValue: (set: Assigned) => Value,
): Value[] | 'keep' {
  const old = schema.columns.map((_, i) => row.value(i));
  const values = [...old];
  for (const set of sets) values[set.index] = newValue(set);
  if (sets.every(({index}) => isSame(old[index]!, values[index]!, schema.columns[index]!))) return 'keep';
  checkNotNull(values, schema, 0, undefined);
  return values;
}

/** Adds the column to those that were seen. */
export function updateTarget(name: Name, schema: Schema, {text, seen}: Place & {readonly seen: Set<number>}): number {
  refuseSystemColumn(name, {text});
  const index = columnIndex(name, schema, {text});
  if (index === schema.primaryKey)
    throw located(fail.invalidOperation(`UPDATE cannot modify primary key column '${name.name}'`), name, {text});
  if (seen.has(index)) throw givenTwice(name, {text});
  seen.add(index);
  return index;
}

function isSame(old: Value, next: Value, column: Column): boolean {
  if (old === next) return true;
  return old !== null && next !== null && compareValues(column.type, old, next) === 0;
}

export function planDelete(statement: Delete, schema: Schema, options: PlanOptions = {}): ChangePlan {
  if (statement.where === undefined) throw fail.invalidOperation('DELETE requires a WHERE clause');
  const scope = scopeOf(schema, statement.alias, options);
  const where = compileCondition(statement.where, scope, 'WHERE').eval;
  return {
    schema,
    request: changeRequest(statement.where, scope, columnsRead([statement.where], schema)),
    change: env => (row: Row) => (!row.isTombstone && where(row, env) === true ? 'delete' : undefined),
  };
}

/** Only live rows are changed, so tombstones are read by nobody, even when WHERE mentions `_deleted`. */
function changeRequest(where: Expr, scope: ColumnScope, columns: readonly number[]): (env: Env) => ScanRequest {
  const facts: (env: Env) => KeyFacts = keyFacts(where, scope);
  return env => {
    const {keys, bounds} = facts(env);
    return {keys, isReverse: false, bounds, columns, includeTombstones: false};
  };
}

/**
 * Analytic: runs queries of every shape on DuckDB, with the answers that the direct executor would give.
 *
 *     query ─ bindQuery: names, types, errors ─ BoundQuery       kept as long as its tables are the same
 *           ─ SQL of our own making, parameters, programs ─┐
 *     tables ─ one snapshot each, taken in one turn ─ relations ─┴─ duck: rows as JSON
 *
 * Laws: types, names and errors are settled here, by the code that the direct executor compiles with; DuckDB sees nothing of the statement's
 * text. Every table goes through `open`, however deep it is nested. Snapshots are held until DuckDB has let go of their files.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {LocalFile} from '../blob/blob.ts';
import type {Duck, DuckRequest, Relation} from '../duck/duck.ts';
import type {Env} from '../expr/expr.ts';
import {TEXT} from '../expr/numbers.ts';
import {programContext} from '../expr/program.ts';
import type {DataType} from '../model/datatype.ts';
import type {Schema} from '../model/schema.ts';
import {typeJson} from '../model/type-table.ts';
import type {Query} from '../parser/ast.ts';
import type {TableSnapshot} from '../table/table.ts';
import {bindQuery} from './bind-query.ts';
import {Binder, type BoundQuery, outputTypes, type TableOf, type TableUse, type ViewUse} from './bound.ts';
import {type RunOptions, type SelectResult, windowOf} from './direct.ts';
import type {PlanOptions} from './plan.ts';
import {operatorsOf, type ProfiledOperator} from './profile.ts';
import {
  type FileOf,
  type PlannedRelation,
  planRelations,
  type RelationReads,
  readsOf,
  relationOf,
} from './relations.ts';
import {DuckSqlWriter} from './sql-writer.ts';

const ROWS_MAX = 1_000_000;
const BYTES_MAX = 256 * 1024 * 1024;

export interface AnalyticPlan {
  readonly query: BoundQuery;
  readonly isWithTies: boolean;
  readonly columns: readonly ResultColumn[];
  readonly types: readonly DataType[];
  readonly uses: readonly TableUse[];
  readonly views: readonly ViewUse[];
  readonly relations: readonly PlannedRelation[];
}

/** `tableOf` finds a table and refuses what the session may not read. `wanted`: the types that a reader gives to so many columns. */
export function planAnalytic(
  tree: Query,
  options: PlanOptions,
  tableOf: TableOf,
  wanted?: (columnCount: number) => readonly DataType[],
): AnalyticPlan {
  const binder = new Binder(options, tableOf);
  const query = bindQuery(binder, tree, {outer: undefined, names: undefined});
  const types = wanted?.(query.outputs.length) ?? outputTypes(query, binder);
  const columns = query.outputs.map(({name, flags}, index): ResultColumn => {
    const column = {name, data_type: typeJson(types[index]!), index};
    return flags === undefined ? column : {...column, flags: [...flags]};
  });
  const relations = planRelations(binder.uses);
  return {query, isWithTies: tree.isWithTies, columns, types, uses: binder.uses, views: binder.views, relations};
}

export interface AnalyticServices {
  readonly duck: Duck;
  /** The rows a session may read, at this moment. */
  readonly open: (schema: Schema) => TableSnapshot;
  readonly fileOf: FileOf;
}

export function runAnalytic(
  plan: AnalyticPlan,
  env: Env,
  services: AnalyticServices,
  options: RunOptions,
): Promise<SelectResult> {
  return asked(plan, env, services, options, async request => {
    const answer = await services.duck.query(request, options.signal);
    const isOverfull = answer.isTruncated && answer.rows.length === ROWS_MAX;
    if (isOverfull) throw new DbError('LIMIT_EXCEEDED', `The answer has more than ${ROWS_MAX} rows; add a LIMIT.`);
    return {columns: plan.columns, rows: answer.rows, isTruncated: answer.isTruncated};
  });
}

export interface AnalyticProfile {
  readonly rowCount: number;
  readonly isTruncated: boolean;
  readonly operators: readonly ProfiledOperator[];
}

/** Runs the query as it would run alone, and tells what each operator of DuckDB did. */
export function profileAnalytic(
  plan: AnalyticPlan,
  env: Env,
  services: AnalyticServices,
  options: RunOptions,
): Promise<AnalyticProfile> {
  return asked(plan, env, services, options, async request => {
    const profiled = {...request, isProfiled: true, outputs: [TEXT, TEXT], maxRows: 1} as const;
    const {rows} = await services.duck.query(profiled, options.signal);
    const operators = operatorsOf((JSON.parse(rows[0]!) as string[])[1]!);
    const made = operators[0]?.rows ?? 0;
    return {rowCount: Math.min(made, request.maxRows), isTruncated: made > request.maxRows, operators};
  });
}

async function asked<T>(
  plan: AnalyticPlan,
  env: Env,
  services: AnalyticServices,
  options: RunOptions,
  ask: (request: DuckRequest) => Promise<T>,
): Promise<T> {
  const window = windowOf(plan.query, env, options);
  const out = new DuckSqlWriter(env);
  const rows = {skip: window.skip, take: window.isCapped ? window.take + 1 : window.take};
  // What is tied with the last row is cut by `maxRows` alone.
  const sql = plan.query.sql(out, plan.types, plan.isWithTies ? undefined : rows);
  const {tables, close} = openTables(plan, env, services);
  const held: LocalFile[] = [];
  try {
    const relations: Relation[] = [];
    const {fileOf} = services;
    for (const {relation, reads} of tables)
      relations.push(await relationOf(relation, reads, {fileOf, held, signal: options.signal}));
    return await ask({
      sql,
      params: out.params,
      programs: {context: programContext(env), list: out.programs},
      relations,
      outputs: plan.types,
      maxRows: Math.min(plan.isWithTies ? capOf(options) : window.take, ROWS_MAX),
      maxBytes: BYTES_MAX,
    });
  } finally {
    for (const file of held) file.release();
    close();
  }
}

function capOf({maxLimit}: RunOptions): number {
  return maxLimit === 0 ? ROWS_MAX : maxLimit;
}

export interface OpenTable {
  readonly relation: PlannedRelation;
  readonly reads: RelationReads;
}

/** All tables of the statement at one moment: nothing is waited for in between. */
export function openTables(
  plan: AnalyticPlan,
  env: Env,
  {open}: Pick<AnalyticServices, 'open'>,
): {tables: OpenTable[]; close: () => void} {
  const snapshots = new Map<Schema, TableSnapshot>();
  const close = () => {
    for (const snapshot of snapshots.values()) snapshot.close();
  };
  try {
    const tables = plan.relations.map(relation => {
      const {schema} = relation;
      const snapshot = snapshots.get(schema) ?? open(schema);
      snapshots.set(schema, snapshot);
      return {relation, reads: readsOf(relation, snapshot, env)};
    });
    return {tables, close};
  } catch (error) {
    close();
    throw error;
  }
}

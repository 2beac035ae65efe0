/**
 * Read: runs a query for a session, by the executor that fits.
 *
 *     one table or none, nothing wider ───────── direct ─ … too many cold rows ─┐
 *     the same beside queries in expressions ─── folded ─ … too many rows ──────┤
 *     everything else ──────────────────────────────────────────────────────────┴─ analytic
 *
 * Law: a table is found and opened here and nowhere else, for the session that asks, however deep the statement names it.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {mayRead} from '../auth/scope.ts';
import {castTo, paramTypes} from '../expr/coerce.ts';
import {didYouMean, nearNames} from '../expr/near.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {type TableName, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import {fromJsonArray} from '../model/values.ts';
import type {Query, TableRef} from '../parser/ast.ts';
import {type AnalyticPlan, planAnalytic, runAnalytic} from '../query/analytic.ts';
import type {TableOf} from '../query/bound.ts';
import {isLargeScan, type RunOptions, readsFew, runSelect, type SelectResult, UNFINISHED} from '../query/direct.ts';
import {planSelect, type SelectPlan} from '../query/plan.ts';
import {type DirectSelect, widerThanDirect} from '../query/wider.ts';
import {JOBS} from '../system/jobs.ts';
import type {TableSnapshot} from '../table/table.ts';
import {resolveName, type StatementContext, type StatementResult} from './define.ts';
import {type Folded, isFoldable, withFolded} from './folded.ts';
import {givenSchema, givenSnapshot} from './given.ts';
import {planOnce} from './plan-memo.ts';

/** System tables are lists people page through by hand: no default limit, only the cap. */
const SYSTEM_ROWS_MAX = 1000;
const NEWEST_FIRST = {column: 'created_at', isDescending: true} as const;

type OpenTable = (schema: Schema) => TableSnapshot;

export function runQuery(
  tree: Query,
  context: StatementContext,
  open: OpenTable = schema => openTable(context, schema),
): StatementResult | Promise<StatementResult> {
  if (isFolded(tree, context)) return runFolded(tree, context, open);
  if (context.executor === 'analytic' || !isDirect(tree) || namesView(tree, context))
    return runWide(tree, context, open);
  return runDirect(tree, context, open);
}

/** Trees that were seen to be no wider than one table. */
const directTrees = new WeakSet<Query>();

/** A tree keeps the plan of its last run; it is good while its tables are the same and parameters say the same of their types. */
const widePlans = new WeakMap<Query, {readonly plan: AnalyticPlan; readonly types: string}>();

function isDirect(tree: Query): tree is DirectSelect {
  if (directTrees.has(tree)) return true;
  if (widePlans.has(tree) || widerThanDirect(tree) !== undefined) return false;
  directTrees.add(tree);
  return true;
}

function namesView({from}: DirectSelect, context: StatementContext): boolean {
  if (from.length === 0 || givenSchema(context, from[0]!.table) !== undefined) return false;
  return context.services.catalog.view(resolveName(context, from[0]!.table)) !== undefined;
}

function runDirect(
  tree: DirectSelect,
  context: StatementContext,
  open: OpenTable,
): StatementResult | Promise<StatementResult> {
  const schema = directTable(tree, context);
  const env = context.services.newEnv(context);
  const options = optionsOf(context, schema === undefined ? [] : [schema]);
  // Before the plan: what is wrong with the query must not tell of a table that the session may not read.
  const snapshot = schema === undefined ? undefined : open(schema);
  const answer = (result: SelectResult): StatementResult | Promise<StatementResult> => {
    snapshot?.close();
    return result.isUnfinished === true ? runWide(tree, context, open) : resultOf(result, context);
  };
  try {
    const plan = planOnce(tree, schema, context, planSelect);
    const isLarge = snapshot !== undefined && isLargeScan(plan, snapshot, env, options);
    const result = isLarge ? UNFINISHED : runSelect(plan, snapshot, env, options);
    if (!(result instanceof Promise)) return answer(result);
    return result.then(answer, error => {
      snapshot?.close();
      throw error;
    });
  } catch (error) {
    snapshot?.close();
    throw error;
  }
}

async function runFolded(tree: Query, context: StatementContext, open: OpenTable): Promise<StatementResult> {
  const result = await withOpen(tree, context, open, async ({plan, snapshot, env, schemas}) => {
    const options = optionsOf(context, schemas);
    const isLarge = snapshot !== undefined && isLargeScan(plan, snapshot, env, options);
    return isLarge ? UNFINISHED : await runSelect(plan, snapshot, env, options);
  });
  return result === undefined || result.isUnfinished === true
    ? runWide(tree, context, open)
    : resultOf(result, context);
}

async function runWide(tree: Query, context: StatementContext, open: OpenTable): Promise<StatementResult> {
  const {services} = context;
  const plan = widePlan(tree, context);
  const env = services.newEnv(context);
  const {duck, fileOf} = services;
  const options = optionsOf(
    context,
    plan.uses.map(use => use.schema),
  );
  return resultOf(await runAnalytic(plan, env, {duck, fileOf, open}, options), context);
}

export function optionsOf({services, signal, executor}: StatementContext, schemas: readonly Schema[]): RunOptions {
  const {limits} = services;
  const isSystem = schemas.length > 0 && schemas.every(schema => schema.kind === 'system');
  const isJobs = schemas.length === 1 && schemas[0]!.incarnation === JOBS.schema.incarnation;
  return {
    defaultLimit: isSystem ? 0 : limits.defaultRows,
    maxLimit: isSystem ? SYSTEM_ROWS_MAX : limits.maxRows,
    signal,
    implicitOrder: isJobs ? NEWEST_FIRST : undefined,
    coldRowsMax: executor === 'direct' ? Number.POSITIVE_INFINITY : limits.handOverRows,
  };
}

function resultOf({columns, rows, isTruncated}: SelectResult, {session}: StatementContext): StatementResult {
  const result = {columns, rows, rowCount: rows.length, asUser: session.userId};
  return isTruncated ? {...result, isTruncated} : result;
}

/** Is it one for the direct executor when its queries are answered? */
export function isFolded(tree: Query, {executor}: StatementContext): boolean {
  return executor !== 'analytic' && !isDirect(tree) && isFoldable(tree);
}

/** See `folded.ts`. */
export function withOpen<T>(
  tree: Query,
  context: StatementContext,
  open: OpenTable,
  use: (folded: Folded) => Promise<T>,
): Promise<T | undefined> {
  return withFolded(tree, context, {tableOf: foldedTable, open, optionsOf}, use);
}

/** Throws for what only the analytic executor reads. */
function foldedTable(tree: DirectSelect, context: StatementContext): Schema | undefined {
  if (namesView(tree, context)) throw fail.notSupported('views');
  return directTable(tree, context);
}

/** Why the query is not for the direct executor, unless it is folded; undefined: it is. */
export function widerReason(tree: Query, context: StatementContext): string | undefined {
  if (!isDirect(tree)) return widerThanDirect(tree)!.what;
  return namesView(tree, context) ? 'a view' : undefined;
}

function directTable({from}: DirectSelect, context: StatementContext): Schema | undefined {
  if (from.length === 0) return undefined;
  const {table} = from[0]!;
  return givenSchema(context, table) ?? findTable(context, table);
}

export function directPlan(
  tree: DirectSelect,
  context: StatementContext,
): {schema: Schema | undefined; plan: SelectPlan} {
  const schema = directTable(tree, context);
  return {schema, plan: planOnce(tree, schema, context, planSelect)};
}

/** All rows of a query, as values of the types that `wanted` gives to its columns. */
export async function readValues(
  tree: Query,
  wanted: (columnCount: number) => readonly DataType[],
  context: StatementContext,
): Promise<Value[][]> {
  return (await readRows(tree, context, wanted)).rows;
}

/** The same with the types, which are those of the query where none are wanted. */
export async function readRows(
  tree: Query,
  context: StatementContext,
  wanted?: (columnCount: number) => readonly DataType[],
): Promise<{types: readonly DataType[]; rows: Value[][]}> {
  return (await readFew(tree, context, wanted)) ?? readWide(tree, context, wanted);
}

/** By the direct executor, if no more than a few rows are to be read. */
async function readFew(
  tree: Query,
  context: StatementContext,
  wanted?: (columnCount: number) => readonly DataType[],
): Promise<{types: readonly DataType[]; rows: Value[][]} | undefined> {
  if (context.executor === 'analytic' || !(isDirect(tree) || isFoldable(tree))) return undefined;
  return withOpen(
    tree,
    context,
    schema => openTable(context, schema),
    async ({plan, snapshot, env, schemas}) => {
      const {outputs, unsettled, isDistinct} = plan;
      const types = wanted?.(outputs.length) ?? outputs.map(({type}) => type);
      const isCast = outputs.some(({type}, i) => !sameType(type, types[i]!));
      if ((isCast && isDistinct) || (snapshot !== undefined && !readsFew(plan, snapshot, env))) return undefined;
      const cast = isCast ? {...plan, outputs: unsettled.map((output, i) => castTo(output, types[i]!))} : plan;
      const options = {...optionsOf(context, schemas), defaultLimit: 0, maxLimit: 0};
      const result = await runSelect(cast, snapshot, env, options);
      return result.isUnfinished === true
        ? undefined
        : {types, rows: result.rows.map(row => fromJsonArray(types, row))};
    },
  );
}

async function readWide(
  tree: Query,
  context: StatementContext,
  wanted?: (columnCount: number) => readonly DataType[],
): Promise<{types: readonly DataType[]; rows: Value[][]}> {
  const {duck, fileOf, newEnv} = context.services;
  const options = {text: context.text, paramTypes: paramTypes(context.params)};
  const plan = planAnalytic(tree, options, tableFor(context), wanted);
  const {rows} = await runAnalytic(
    plan,
    newEnv(context),
    {duck, fileOf, open: schema => openTable(context, schema)},
    {...optionsOf(context, []), defaultLimit: 0, maxLimit: 0},
  );
  const {types} = plan;
  return {types, rows: rows.map(row => fromJsonArray(types, row))};
}

export function widePlan(tree: Query, context: StatementContext): AnalyticPlan {
  const said = paramTypes(context.params);
  const types = said.map(type => (type === undefined ? '' : sqlName(type))).join();
  const known = widePlans.get(tree);
  if (known?.types === types && isCurrent(known.plan, context)) return known.plan;
  const plan = planAnalytic(tree, {text: context.text, paramTypes: said}, tableFor(context));
  widePlans.set(tree, {plan, types});
  return plan;
}

/** Would every name of the statement be found as it was? */
function isCurrent({uses, views}: AnalyticPlan, context: StatementContext): boolean {
  const {catalog} = context.services;
  return (
    uses.every(({ref, schema}) => catalog.find(resolveName(context, ref)) === schema) &&
    views.every(({ref, view}) => catalog.view(resolveName(context, ref)) === view)
  );
}

/** Finds a table that this session may read, or a view, which holds no rows. */
export function tableFor(context: StatementContext): TableOf {
  return (ref, hint) => {
    const given = givenSchema(context, ref);
    if (given !== undefined) return given;
    const view = context.services.catalog.view(resolveName(context, ref));
    if (view !== undefined) return view;
    const schema = findTable(context, ref, hint);
    context.services.scopeFor(context.session, schema, 'read');
    return schema;
  };
}

/** The rows this session may read, at this moment. */
export function openTable(context: StatementContext, schema: Schema): TableSnapshot {
  const given = givenSnapshot(context, schema);
  if (given !== undefined) return given;
  const {services, session} = context;
  const scope = services.scopeFor(session, schema, 'read');
  return schema.kind === 'system' ? services.openSystem(schema, session) : context.tables.snapshot(scope, schema);
}

export function findTable(context: StatementContext, ref: TableRef, hint = ''): Schema {
  const name = resolveName(context, ref);
  const schema = context.services.catalog.find(name);
  if (schema !== undefined) return schema;
  if (context.services.catalog.view(name) !== undefined)
    throw fail.invalidOperation(`'${tableText(name)}' is a view; this needs a table`);
  // Clients look for this very text, catalog name and all.
  const meant = hint === '' ? didYouMean(nearTables(context, name)) : '';
  throw fail.tableNotFound(`table 'kalam.${tableText(name)}' not found${hint}${meant && `.${meant}`}`);
}

/** Tables of this name elsewhere, and of names like it here, that the session may read. */
function nearTables({services: {catalog}, session}: StatementContext, {namespace, table}: TableName): string[] {
  const names = catalog.tables().flatMap(schema => (mayRead(session, schema) ? [schema.name] : []));
  const same = names.filter(one => one.table === table).map(tableText);
  const beside = names.filter(one => one.namespace === namespace).slice(0, NEAR_TABLES_MAX);
  return [
    ...same,
    ...nearNames(
      table,
      beside.map(one => one.table),
    ).map(near => tableText({namespace, table: near})),
  ];
}

const NEAR_TABLES_MAX = 1000;

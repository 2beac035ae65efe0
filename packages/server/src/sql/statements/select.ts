/** SELECT over one table or none, by the direct executor. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../../expr/expr.ts';
import {type TableName, tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Query, TableRef} from '../../parser/ast.ts';
import {TokenCursor} from '../../parser/cursor.ts';
import {parseQuery} from '../../parser/query.ts';
import {splitStatements} from '../../parser/split.ts';
import {runSelect} from '../../query/direct.ts';
import {planSelect, type SelectPlan} from '../../query/plan.ts';
import {type DirectSelect, directSelect} from '../../query/wider.ts';
import {SystemTable, systemTable} from '../../system/index.ts';
import {JOBS} from '../../system/jobs.ts';
import type {TableSnapshot} from '../../table/table.ts';
import {defineStatement, resolveName, type StatementContext, type StatementResult} from '../define.ts';

/** System tables are lists people page through by hand: no default limit, only the cap. */
const SYSTEM_ROWS_MAX = 1000;
const NEWEST_FIRST = {column: 'created_at', isDescending: true} as const;

/** A tree keeps the plan of its last run; it is good while the table is the same version of the same life. */
const plans = new WeakMap<Query, {readonly schema: Schema | undefined; readonly plan: SelectPlan}>();

export const select = defineStatement<Query>({
  name: 'SELECT',
  heads: ['SELECT', 'WITH', 'VALUES', 'TABLE'],
  access: 'any',
  takesParams: true,
  parse: cursor => parseQuery(cursor),
  run: (tree, context) => runSelectTree(tree, context),
});

function runSelectTree(
  tree: Query,
  context: StatementContext,
  open: (schema: Schema) => TableSnapshot = schema => openTable(context, schema),
): StatementResult | Promise<StatementResult> {
  const schema = tableOf(tree, context);
  const plan = planOf(tree, schema, context.text);
  const {limits, newEnv} = context.services;
  const isSystem = schema?.kind === 'system';
  const options = {
    defaultLimit: isSystem ? 0 : limits.defaultRows,
    maxLimit: isSystem ? SYSTEM_ROWS_MAX : limits.maxRows,
    signal: context.signal,
    implicitOrder: schema?.incarnation === JOBS.schema.incarnation ? NEWEST_FIRST : undefined,
  };
  const snapshot = schema === undefined ? undefined : open(schema);
  const answer = (result: Awaited<ReturnType<typeof runSelect>>): StatementResult => {
    snapshot?.close();
    const {columns, rows, isTruncated} = result;
    return {
      columns,
      rows,
      rowCount: rows.length,
      asUser: context.session.userId,
      ...(isTruncated ? {isTruncated} : {}),
    };
  };
  try {
    const result = runSelect(plan, snapshot, newEnv(context.session, context.params), options);
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

/** The table that a query reads, if any. Throws NOT_SUPPORTED for what is wider. */
export function tableOf(tree: Query, context: StatementContext): Schema | undefined {
  const {from} = plans.has(tree) ? (tree as DirectSelect) : directSelect(tree, context.text);
  return from.length === 0 ? undefined : findTable(context, from[0].table);
}

export function planOf(tree: Query, schema: Schema | undefined, text: string): SelectPlan {
  const known = plans.get(tree);
  if (known !== undefined && known.schema === schema) return known.plan;
  const plan = planSelect(tree, schema, {text});
  plans.set(tree, {schema, plan});
  return plan;
}

/** The rows this session may read, at this moment. */
export function openTable(context: StatementContext, schema: Schema): TableSnapshot {
  const {services, session} = context;
  const scope = services.scopeFor(session, schema, 'read');
  return schema.kind === 'system' ? services.openSystem(schema) : services.tables.snapshot(scope, schema);
}

export function findTable(context: StatementContext, ref: TableRef): Schema {
  const name = systemName(resolveName(context, ref));
  const schema = context.services.catalog.find(name);
  const isHidden = schema?.kind === 'system' && systemTable(schema.incarnation)?.isVisible !== true;
  if (schema === undefined || isHidden) throw fail.tableNotFound(`table 'kalam.${tableText(name)}' not found`);
  return schema;
}

/** `system.system_x` is another spelling of `system.x`. */
function systemName(name: TableName): TableName {
  if (name.namespace !== 'system' || !SystemTable.isSystemTable(name.table)) return name;
  return {namespace: 'system', table: SystemTable.tableName(SystemTable.fromName(name.table))};
}

/** A fixed SELECT over system tables, for SHOW: open to sessions that may not read the tables themselves. */
export function selectFixed(
  sql: string,
): (context: StatementContext, params?: readonly Param[]) => StatementResult | Promise<StatementResult> {
  const tree = parseQuery(new TokenCursor(splitStatements(sql)[0]!));
  return (context, params = []) =>
    runSelectTree(tree, {...context, params}, schema => context.services.openSystem(schema));
}

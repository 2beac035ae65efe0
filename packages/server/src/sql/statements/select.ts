/** SELECT over one table or none, by the direct executor. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../../expr/expr.ts';
import {tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Select, TableRef} from '../../parser/ast.ts';
import {TokenCursor} from '../../parser/cursor.ts';
import {parseSelect} from '../../parser/query.ts';
import {splitStatements} from '../../parser/split.ts';
import {runSelect} from '../../query/direct.ts';
import {planSelect, type SelectPlan} from '../../query/plan.ts';
import {JOBS} from '../../system/jobs.ts';
import type {TableSnapshot} from '../../table/table.ts';
import {defineStatement, resolveName, type StatementContext, type StatementResult} from '../define.ts';

/** System tables are lists people page through by hand: no default limit, only the cap. */
const SYSTEM_ROWS_MAX = 1000;
const NEWEST_FIRST = {column: 'created_at', isDescending: true} as const;

/** A tree keeps the plan of its last run; it is good while the table is the same version of the same life. */
const plans = new WeakMap<Select, {readonly schema: Schema | undefined; readonly plan: SelectPlan}>();

export const select = defineStatement<Select>({
  name: 'SELECT',
  heads: ['SELECT', 'WITH', 'VALUES'],
  access: 'any',
  takesParams: true,
  parse: cursor => parseSelect(cursor),
  run: (tree, context) => runSelectTree(tree, context),
});

function runSelectTree(
  tree: Select,
  context: StatementContext,
  open: (schema: Schema) => TableSnapshot = schema => openTable(context, schema),
): StatementResult | Promise<StatementResult> {
  const schema = tree.from === undefined ? undefined : findTable(context, tree.from.table);
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

export function planOf(tree: Select, schema: Schema | undefined, text: string): SelectPlan {
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
  const name = resolveName(context, ref);
  const schema = context.services.catalog.find(name);
  if (schema !== undefined) return schema;
  if (name.namespace === 'information_schema') throw fail.notSupported('information_schema; see system.tables');
  // Clients look for this very text, catalog name and all.
  throw fail.tableNotFound(`table 'kalam.${tableText(name)}' not found`);
}

/** A fixed SELECT over system tables, for SHOW: open to sessions that may not read the tables themselves. */
export function selectFixed(
  sql: string,
): (context: StatementContext, params?: readonly Param[]) => StatementResult | Promise<StatementResult> {
  const tree = parseSelect(new TokenCursor(splitStatements(sql)[0]!));
  return (context, params = []) =>
    runSelectTree(tree, {...context, params}, schema => context.services.openSystem(schema));
}

/** INSERT, UPDATE, DELETE. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {paramTypes} from '../../expr/coerce.ts';
import type {Value} from '../../model/datatype.ts';
import {scopeId, tableText} from '../../model/names.ts';
import type {Row} from '../../model/row.ts';
import type {Schema} from '../../model/schema.ts';
import type {Scope} from '../../model/session.ts';
import type {Delete, Insert, Query, TableRef, Update} from '../../parser/ast.ts';
import {parseDelete, parseInsert, parseUpdate} from '../../parser/dml.ts';
import {planDelete, planInsert, planUpdate} from '../../query/dml.ts';
import {asksFirst, type ChangeQuery, planChangeQuery, planInsertQuery} from '../../query/dml-query.ts';
import {type Joined, joinedBy} from '../../query/joined.ts';
import {planOnConflict} from '../../query/on-conflict.ts';
import type {PlanOptions} from '../../query/plan.ts';
import {planReturning} from '../../query/returning.ts';
import type {WriteOptions} from '../../table/table.ts';
import {closeQueries, hasClosedQueries} from '../closed-queries.ts';
import {defineStatement, type StatementContext, type StatementResult} from '../define.ts';
import {planOnce} from '../plan-memo.ts';
import {findTable, readValues, tableFor} from '../read.ts';
import {inTurn} from '../turns.ts';

export const insertRows = defineStatement<Insert>({
  name: 'INSERT',
  heads: ['INSERT'],
  access: 'any',
  takesParams: true,
  runsInTransaction: true,
  doc: {
    topic: 'Rows',
    syntax: [
      '[WITH …] INSERT INTO table [AS alias] [(column, …)] {VALUES (expr, …), … | query | DEFAULT VALUES} [RETURNING …]',
      'INSERT … ON CONFLICT [(key)] DO NOTHING [RETURNING …]',
      'INSERT … ON CONFLICT [(key)] DO UPDATE SET column = expr, … [WHERE condition] [RETURNING …]',
    ],
    about:
      'Adds rows, all or none. A column that is left out takes its default, or NULL. A row whose key is taken is an error, unless ON CONFLICT leaves it out or changes the row that is there; `excluded` names the row that was proposed. RETURNING answers the rows that were written, like a SELECT.',
    example: "INSERT INTO shop.items (id, name, price) VALUES (3, 'plum', 0.25), (4, 'fig', 0.9)",
  },
  parse: cursor => parseInsert(cursor),
  run(tree, context) {
    const place = target(context, tree.table, 'insert');
    if (hasClosedQueries(tree)) return closeQueries(tree, context).then(closed => runInsert(closed, place, context));
    return runInsert(tree, place, context);
  },
});

function runInsert(
  tree: Insert,
  {schema, scope}: Target,
  context: StatementContext,
): StatementResult | Promise<StatementResult> {
  const {services, session, signal} = context;
  const {source, onConflict, returning} = planOnce(tree, schema, context, planInsertion);
  const env = services.newEnv(context);
  const returned = returning?.collect(env);
  const answer = (count: number) => returned?.answer(session) ?? done(context, 'Inserted', count);
  const write = (rows: Value[][]) => {
    const options = {signal, onConflict: onConflict?.(env), returning: returned?.add};
    const count = context.tables.insert(scope, schema, rows, options);
    return typeof count === 'number' ? answer(count) : count.then(answer);
  };
  if (!('query' in source)) return write(source.rows(env));
  return readValues(source.query, source.types, context).then(values => write(source.rows(values, env)));
}

export const updateRows = defineStatement<Update>({
  name: 'UPDATE',
  heads: ['UPDATE'],
  access: 'any',
  takesParams: true,
  runsInTransaction: true,
  doc: {
    topic: 'Rows',
    syntax: '[WITH …] UPDATE table [AS alias] SET column = expr, … [FROM table, …] WHERE condition [RETURNING expr, …]',
    about:
      'Writes a new version of each row that matches; the key stays as it is. The WHERE must be there. A row that FROM joins to several others is changed once, by the lowest of what SET says. RETURNING answers the new versions.',
    example: "UPDATE shop.items SET price = price * 1.1 WHERE name = 'apple'",
  },
  parse: cursor => parseUpdate(cursor),
  run(tree, context) {
    const table = findTable(context, tree.table);
    if (table.kind === 'stream') {
      context.services.scopeFor(context.session, table, 'write');
      throw new DbError('SQL_EXECUTION_ERROR', 'Error during planning: UPDATE not supported for STREAM tables', {
        isSafe: true,
      });
    }
    return change(context, tree, 'Updated');
  },
});

export const deleteRows = defineStatement<Delete>({
  name: 'DELETE',
  heads: ['DELETE'],
  access: 'any',
  takesParams: true,
  runsInTransaction: true,
  doc: {
    topic: 'Rows',
    syntax: '[WITH …] DELETE FROM table [AS alias] [USING table, …] WHERE condition [RETURNING expr, …]',
    about: 'Deletes the rows that match. The WHERE must be there. RETURNING answers the rows as they were.',
    example: 'DELETE FROM shop.items WHERE id = 2',
  },
  parse: cursor => parseDelete(cursor),
  run: (tree, context) => change(context, tree, 'Deleted'),
});

export function runChange(
  tree: Insert | Update | Delete,
  context: StatementContext,
): StatementResult | Promise<StatementResult> {
  switch (tree.kind) {
    case 'insert':
      return insertRows.run(tree, context);
    case 'update':
      return updateRows.run(tree, context);
    case 'delete':
      return deleteRows.run(tree, context);
    default:
      return tree satisfies never;
  }
}

function planInsertion(tree: Insert, schema: Schema, options: PlanOptions) {
  return {
    source: asksFirst(tree) ? planInsertQuery(tree, schema, options) : planInsert(tree, schema, options),
    onConflict: planOnConflict(tree, schema, options),
    returning: planReturning(tree, schema, options),
  };
}

function planOfChange(tree: Update | Delete, schema: Schema, options: PlanOptions, joined?: Joined) {
  const direct = () => (tree.kind === 'update' ? planUpdate(tree, schema, options) : planDelete(tree, schema, options));
  return {
    how: asksFirst(tree) ? planChangeQuery(tree, schema, options, joined) : direct(),
    returning: planReturning(tree, schema, options, joined?.sources),
  };
}

/** What is joined may change while the table stays, so such a plan is made each time. */
function changePlan(context: StatementContext, tree: Update | Delete, schema: Schema) {
  const options = {text: context.text, paramTypes: paramTypes(context.params)};
  const joined = joinedBy(tree, schema, options, tableFor(context));
  return joined === undefined
    ? planOnce(tree, schema, context, planOfChange)
    : planOfChange(tree, schema, options, joined);
}

function change(
  context: StatementContext,
  tree: Update | Delete,
  verb: 'Updated' | 'Deleted',
): StatementResult | Promise<StatementResult> {
  const place = target(context, tree.table, tree.kind);
  if (hasClosedQueries(tree)) return closeQueries(tree, context).then(closed => changeAt(context, place, closed, verb));
  return changeAt(context, place, tree, verb);
}

function changeAt(
  context: StatementContext,
  {schema, scope}: Target,
  tree: Update | Delete,
  verb: 'Updated' | 'Deleted',
): StatementResult | Promise<StatementResult> {
  const {services, session, signal} = context;
  const {how, returning} = changePlan(context, tree, schema);
  const env = services.newEnv(context);
  const returned = returning?.collect(env);
  const options = {signal, returning: returned?.add};
  const count =
    'query' in how
      ? changeByQuery(context, {schema, scope}, how, options)
      : context.tables.change(scope, schema, how.request(env), how.change(env), options);
  const answer = (written: number) => returned?.answer(session) ?? done(context, verb, written);
  return typeof count === 'number' ? answer(count) : count.then(answer);
}

/** How a change that is not made comes to its rows. */
export function queryOfChange(tree: Update | Delete, context: StatementContext): {schema: Schema; query: Query} {
  const {schema} = target(context, tree.table, tree.kind);
  const options = {text: context.text, paramTypes: paramTypes(context.params)};
  const joined = joinedBy(tree, schema, options, tableFor(context));
  // What is wrong with it is told all the same.
  planOfChange(tree, schema, options, joined);
  return {schema, query: planChangeQuery(tree, schema, options, joined).query};
}

/** So often a change is decided because rows changed between its query and its writing. */
const DECISIONS_MAX = 5;

async function changeByQuery(
  context: StatementContext,
  {schema, scope}: Target,
  {query, types, decide}: ChangeQuery,
  options: WriteOptions,
): Promise<number> {
  const {services} = context;
  const stale = new DbError(
    'WRITE_CONFLICT',
    `Rows of '${tableText(schema.name)}' kept changing between the queries of the statement and its writing; try again.`,
  );
  const attempt = async () => {
    const found = await readValues(query, types, context);
    const {keys: points, change: decided, shown} = decide(found, services.newEnv(context), stale);
    const request = {keys: {}, isReverse: false, bounds: [], columns: undefined, includeTombstones: false, points};
    const returning = options.returning && ((row: Row) => options.returning?.(shown(row)));
    return await context.tables.change(scope, schema, request, decided, {...options, returning});
  };
  // A transaction decides at its moment, and meets others when it commits.
  if (context.tables !== services.tables) return attempt();
  const again = {tries: DECISIONS_MAX, isConflict: (error: unknown) => error === stale};
  return inTurn(services.latches, [scopeId(scope)], again, attempt);
}

function done({session}: StatementContext, verb: string, count: number): StatementResult {
  return {rowCount: count, message: `${verb} ${count} row(s)`, asUser: session.userId};
}

interface Target {
  readonly schema: Schema;
  readonly scope: Scope;
}

function target(context: StatementContext, ref: TableRef, verb: string): Target {
  const schema = findTable(context, ref);
  if (schema.kind === 'system' && context.transaction.tables !== undefined)
    throw fail.invalidOperation('system tables are not supported inside explicit transactions');
  if (schema.kind === 'system') throw fail.invalidOperation(`Cannot ${verb} system table '${tableText(schema.name)}'`);
  if (schema.kind === 'shared' && context.session.proof.kind === 'actor') throw sharedAsUser(schema);
  return {schema, scope: context.services.scopeFor(context.session, schema, 'write')};
}

function sharedAsUser({name}: Schema): DbError {
  return new DbError(
    'INVALID_INPUT',
    `EXECUTE AS USER is not allowed on SHARED tables (table '${name.namespace}:${name.table}'). AS USER impersonation is only supported for USER and STREAM tables.`,
  );
}

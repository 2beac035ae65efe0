/** INSERT, UPDATE, DELETE. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Env} from '../../expr/expr.ts';
import {expressionsOf} from '../../expr/walk.ts';
import type {Value} from '../../model/datatype.ts';
import {tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Scope} from '../../model/session.ts';
import type {Delete, Insert, TableRef, Update} from '../../parser/ast.ts';
import {parseDelete, parseInsert, parseUpdate} from '../../parser/dml.ts';
import {planDelete, planInsert, planUpdate} from '../../query/dml.ts';
import {hasQuery, planChangeQuery, planInsertQuery} from '../../query/dml-query.ts';
import type {PlanOptions} from '../../query/plan.ts';
import {defineStatement, type StatementContext} from '../define.ts';
import {planOnce} from '../plan-memo.ts';
import {findTable, readValues} from '../read.ts';

export const insertRows = defineStatement<Insert>({
  name: 'INSERT',
  heads: ['INSERT'],
  access: 'any',
  takesParams: true,
  doc: {
    topic: 'Rows',
    syntax: ['INSERT INTO table [(column, …)] {VALUES (expr, …), … | query}'],
    about: 'Adds rows, all or none. A column that is left out takes its default, or NULL.',
    example: "INSERT INTO shop.items (id, name, price) VALUES (3, 'plum', 0.25), (4, 'fig', 0.9)",
  },
  parse: cursor => parseInsert(cursor),
  async run(tree, context) {
    const {schema, scope} = target(context, tree.table, 'insert');
    const {services, session, params} = context;
    const env = services.newEnv(session, params);
    const isQuery = tree.query !== undefined || (tree.wider === undefined && holdsQuery(tree));
    const rows = isQuery
      ? await insertedRows(tree, schema, env, context)
      : planOnce(tree, schema, context, planInsert).rows(env);
    const count = await services.tables.insert(scope, schema, rows, context.signal);
    return {rowCount: count, message: `Inserted ${count} row(s)`, asUser: session.userId};
  },
});

export const updateRows = defineStatement<Update>({
  name: 'UPDATE',
  heads: ['UPDATE'],
  access: 'any',
  takesParams: true,
  doc: {
    topic: 'Rows',
    syntax: 'UPDATE table [AS alias] SET column = expr, … WHERE condition',
    about: 'Writes a new version of each row that matches; the key stays as it is. The WHERE must be there.',
    example: "UPDATE shop.items SET price = price * 1.1 WHERE name = 'apple'",
  },
  parse: cursor => parseUpdate(cursor),
  async run(tree, context) {
    if (findTable(context, tree.table).kind === 'stream') {
      throw new DbError('SQL_EXECUTION_ERROR', 'Error during planning: UPDATE not supported for STREAM tables');
    }
    const count = await change(context, tree, tree.table, planUpdate, 'update');
    return {rowCount: count, message: `Updated ${count} row(s)`, asUser: context.session.userId};
  },
});

export const deleteRows = defineStatement<Delete>({
  name: 'DELETE',
  heads: ['DELETE'],
  access: 'any',
  takesParams: true,
  doc: {
    topic: 'Rows',
    syntax: 'DELETE FROM table [AS alias] WHERE condition',
    about: 'Deletes the rows that match. The WHERE must be there.',
    example: 'DELETE FROM shop.items WHERE id = 2',
  },
  parse: cursor => parseDelete(cursor),
  async run(tree, context) {
    const count = await change(context, tree, tree.table, planDelete, 'delete');
    return {rowCount: count, message: `Deleted ${count} row(s)`, asUser: context.session.userId};
  },
});

async function insertedRows(tree: Insert, schema: Schema, env: Env, context: StatementContext): Promise<Value[][]> {
  const plan = planOnce(tree, schema, context, planInsertQuery);
  return plan.rows(await readValues(plan.query, plan.types, context), env);
}

/** Trees are looked through once: most are run again and again, and hold none. */
const withQuery = new WeakMap<object, boolean>();

function holdsQuery(tree: Insert | Update | Delete): boolean {
  let answer = withQuery.get(tree);
  if (answer === undefined) {
    answer = hasQuery(expressionsOf(tree));
    withQuery.set(tree, answer);
  }
  return answer;
}

/** So often a change is decided again because rows changed between its query and its writing. */
const DECISIONS_MAX = 5;

async function changeByQuery(tree: Update | Delete, verb: string, context: StatementContext): Promise<number> {
  const {schema, scope} = target(context, tree.table, verb);
  const {services, session, params, signal} = context;
  const {query, types, decide} = planOnce(tree, schema, context, planChangeQuery);
  const stale = new DbError(
    'WRITE_CONFLICT',
    `Rows of '${tableText(schema.name)}' kept changing between the queries of the ${verb.toUpperCase()} and its writing; try again.`,
  );
  for (let decisions = 1; ; decisions++) {
    const found = await readValues(query, () => types, context);
    const {keys: points, change} = decide(found, services.newEnv(session, params), stale);
    const request = {keys: {}, isReverse: false, bounds: [], columns: undefined, includeTombstones: false, points};
    try {
      return await services.tables.change(scope, schema, request, change, signal);
    } catch (error) {
      if (error !== stale || decisions === DECISIONS_MAX) throw error;
    }
  }
}

async function change<Tree extends Update | Delete>(
  context: StatementContext,
  tree: Tree,
  ref: TableRef,
  plan: (tree: Tree, schema: Schema, options: PlanOptions) => ReturnType<typeof planUpdate>,
  verb: string,
): Promise<number> {
  if (holdsQuery(tree)) return changeByQuery(tree, verb, context);
  const {schema, scope} = target(context, ref, verb);
  const planned = planOnce(tree, schema, context, plan);
  const env = context.services.newEnv(context.session, context.params);
  return context.services.tables.change(scope, schema, planned.request(env), planned.change(env), context.signal);
}

function target(context: StatementContext, ref: TableRef, verb: string): {schema: Schema; scope: Scope} {
  const schema = findTable(context, ref);
  if (schema.kind === 'system') throw fail.invalidOperation(`Cannot ${verb} system table '${tableText(schema.name)}'`);
  return {schema, scope: context.services.scopeFor(context.session, schema, 'write')};
}

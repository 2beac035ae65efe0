/** INSERT, UPDATE, DELETE. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Scope} from '../../model/session.ts';
import type {Delete, Insert, TableRef, Update} from '../../parser/ast.ts';
import {parseDelete, parseInsert, parseUpdate} from '../../parser/dml.ts';
import {planDelete, planInsert, planUpdate} from '../../query/dml.ts';
import type {PlanOptions} from '../../query/plan.ts';
import {defineStatement, type StatementContext} from '../define.ts';
import {planOnce} from '../plan-memo.ts';
import {findTable} from '../read.ts';

export const insertRows = defineStatement<Insert>({
  name: 'INSERT',
  heads: ['INSERT'],
  access: 'any',
  takesParams: true,
  parse: cursor => parseInsert(cursor),
  async run(tree, context) {
    const {schema, scope} = target(context, tree.table, 'insert');
    const {services, session, params} = context;
    const rows = planOnce(tree, schema, context, planInsert).rows(services.newEnv(session, params));
    const count = await services.tables.insert(scope, schema, rows, context.signal);
    return {rowCount: count, message: `Inserted ${count} row(s)`, asUser: session.userId};
  },
});

export const updateRows = defineStatement<Update>({
  name: 'UPDATE',
  heads: ['UPDATE'],
  access: 'any',
  takesParams: true,
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
  parse: cursor => parseDelete(cursor),
  async run(tree, context) {
    const count = await change(context, tree, tree.table, planDelete, 'delete');
    return {rowCount: count, message: `Deleted ${count} row(s)`, asUser: context.session.userId};
  },
});

async function change<Tree extends object>(
  context: StatementContext,
  tree: Tree,
  ref: TableRef,
  plan: (tree: Tree, schema: Schema, options: PlanOptions) => ReturnType<typeof planUpdate>,
  verb: string,
): Promise<number> {
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

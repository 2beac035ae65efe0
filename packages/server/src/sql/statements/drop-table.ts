/** DROP TABLE: the name is free and the rows are gone when this answers; a job removes the files. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {requireRight} from '../../auth/roles.ts';
import {tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {TableRef} from '../../parser/ast.ts';
import {auditTable, defineStatement, done, resolveName, type StatementContext} from '../define.ts';

export const dropTable = defineStatement<{ref: TableRef; ifExists: boolean}>({
  name: 'DROP TABLE',
  heads: ['DROP TABLE', 'DROP USER TABLE', 'DROP SHARED TABLE', 'DROP STREAM TABLE'],
  access: 'any',
  auditTarget: auditTable,
  takesParams: false,
  doc: {
    topic: 'Tables',
    syntax: 'DROP TABLE [IF EXISTS] table',
    about: 'Drops a table and its rows; a job deletes its files.',
    example: 'DROP TABLE shop.orders',
  },
  parse(cursor) {
    cursor.expectKeywords('DROP');
    cursor.acceptOneOf('USER', 'SHARED', 'STREAM');
    cursor.expectKeywords('TABLE');
    const ifExists = cursor.ifExists();
    const ref = cursor.tableRef();
    if (cursor.isSymbol(',')) throw cursor.notSupported('several tables in one DROP TABLE');
    // Views that read a table do not depend on it: they stay. So both words ask for the same.
    cursor.acceptOneOf('CASCADE', 'RESTRICT');
    return {ref, ifExists};
  },
  async run({ref, ifExists}, context) {
    const {catalog} = context.services;
    const name = resolveName(context, ref);
    const schema = catalog.find(name);
    if (catalog.view(name) !== undefined) throw fail.invalidOperation(`${tableText(name)} is a view; use DROP VIEW`);
    if (schema === undefined) {
      if (ifExists) return done(context, `Table ${tableText(name)} does not exist (skipped)`);
      throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    }
    if (schema.kind === 'system') throw fail.invalidOperation(`Cannot drop system table '${tableText(name)}'`);
    requireRight(context.session, 'drop table');
    const dropped = await dropWholly(schema, context);
    if (dropped === undefined) throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    const files = dropped.jobId === undefined ? 'Its files are deleted later.' : `Cleanup job: ${dropped.jobId}`;
    return done(context, `Table ${tableText(name)} dropped successfully. ${files}`);
  },
});

/** With its jobs, rows and files, which a job of this id deletes. Undefined: it was dropped meanwhile. */
export async function dropWholly(
  schema: Schema,
  {services: {ddl, flushes}}: StatementContext,
): Promise<{jobId: string | undefined} | undefined> {
  await flushes.cancelFor(schema);
  const contents = flushes.contentsOf(schema);
  if (!(await ddl.dropTable(schema, () => flushes.announceFiles(schema)))) return undefined;
  return {jobId: await flushes.cleanUp(schema, contents)};
}

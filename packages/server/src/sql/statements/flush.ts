/** FLUSH TABLE, FLUSH ALL TABLES IN, STORAGE FLUSH TABLE, STORAGE FLUSH ALL: four voices of one job. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {requireOperator} from '../../auth/roles.ts';
import {tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {TableRef} from '../../parser/ast.ts';
import {defineStatement, done, resolveName, type StatementContext} from '../define.ts';
import {inNamespace, knownNamespace, qualifiedTable, segmentedTables, startOnAll} from '../operators.ts';

export const flushTable = defineStatement<TableRef>({
  name: 'FLUSH TABLE',
  heads: ['FLUSH TABLE'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'FLUSH TABLE namespace.table',
    about:
      'Starts a job that writes the rows of a USER or SHARED table to segments. It is an error while one is under way.',
    example: 'FLUSH TABLE shop.items',
  },
  parse(cursor) {
    cursor.expectKeywords('FLUSH', 'TABLE');
    return qualifiedTable(cursor, 'FLUSH TABLE');
  },
  async run(ref, context) {
    requireOperator(context.session, 'FLUSH TABLE');
    const name = tableText(resolveName(context, ref));
    const schema = context.services.catalog.find(resolveName(context, ref));
    if (schema === undefined) throw fail.noTable(`Table '${name}' does not exist`);
    if (schema.kind !== 'user' && schema.kind !== 'shared') {
      throw fail.invalidOperation(`Cannot flush ${schema.kind} table '${name}'. Only user tables can be flushed.`);
    }
    const {jobId, isNew} = await context.services.flushes.start(schema, 'manual');
    if (isNew) return done(context, `Flush started for table '${name}'. Job ID: ${jobId}`);
    throw fail.conflict(
      `Flush job already running for table '${name}' (job_id: ${jobId}). Please wait for it to complete.`,
    );
  },
});

export const storageFlushTable = defineStatement<TableRef>({
  name: 'STORAGE FLUSH TABLE',
  heads: ['STORAGE FLUSH TABLE'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'STORAGE FLUSH TABLE namespace.table',
    about: 'The same; with nothing to write, or while a flush is under way, it says so and does nothing.',
    example: 'STORAGE FLUSH TABLE shop.items',
  },
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'FLUSH', 'TABLE');
    return qualifiedTable(cursor, 'STORAGE FLUSH TABLE');
  },
  async run(ref, context) {
    requireOperator(context.session, 'STORAGE FLUSH TABLE');
    const {catalog, flushes} = context.services;
    const name = tableText(resolveName(context, ref));
    const schema = catalog.find(resolveName(context, ref));
    if (schema === undefined) throw fail.noTable(`Table ${name} not found`);
    if (schema.kind === 'stream') throw fail.invalidOperation('STORAGE FLUSH TABLE is not supported for STREAM tables');
    if (schema.kind === 'system') throw fail.invalidOperation('STORAGE FLUSH TABLE is not supported for SYSTEM tables');
    if (!flushes.hasPending(schema))
      return done(context, `Storage flush skipped: no pending writes for table '${name}'`);
    const {jobId, isNew} = await flushes.start(schema, 'manual');
    if (isNew) return done(context, `Storage flush started for table '${name}'. Job ID: ${jobId}`);
    return done(context, `Storage flush skipped: a flush is already queued or running for table '${name}'`);
  },
});

export const flushAllTables = defineStatement<string | undefined>({
  name: 'FLUSH ALL TABLES',
  heads: ['FLUSH ALL TABLES'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'FLUSH ALL TABLES [IN [NAMESPACE] name]',
    about: 'Starts a flush of every table of a namespace that can be flushed.',
    example: 'FLUSH ALL TABLES IN shop',
  },
  parse(cursor) {
    cursor.expectKeywords('FLUSH', 'ALL', 'TABLES');
    if (!cursor.atEnd() && !cursor.isKeyword('IN')) throw cursor.fail('Expected FLUSH ALL TABLES IN namespace');
    return inNamespace(cursor, 'FLUSH ALL TABLES');
  },
  async run(tree, context) {
    requireOperator(context.session, 'FLUSH ALL TABLES');
    const namespace = knownNamespace(context, tree);
    const schemas = segmentedTables(context, namespace);
    if (schemas.length === 0) return done(context, `No user tables found in namespace '${namespace}' to flush`);
    return done(context, `Flush ${await startedText(context, namespace, schemas)}`);
  },
});

export const storageFlushAll = defineStatement<string | undefined>({
  name: 'STORAGE FLUSH ALL',
  heads: ['STORAGE FLUSH ALL'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'STORAGE FLUSH ALL [IN [NAMESPACE] name]',
    about: 'Starts a flush of every table of a namespace that has something to write.',
    example: 'STORAGE FLUSH ALL IN shop',
  },
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'FLUSH', 'ALL');
    return inNamespace(cursor, 'STORAGE FLUSH ALL');
  },
  async run(tree, context) {
    requireOperator(context.session, 'STORAGE FLUSH ALL');
    const namespace = knownNamespace(context, tree);
    const pending = segmentedTables(context, namespace).filter(schema => context.services.flushes.hasPending(schema));
    if (pending.length === 0)
      return done(context, `Storage flush skipped: no pending writes in namespace '${namespace}'`);
    return done(context, `Storage flush ${await startedText(context, namespace, pending)}`);
  },
});

async function startedText(context: StatementContext, namespace: string, schemas: readonly Schema[]): Promise<string> {
  const {flushes} = context.services;
  const {started, busy} = await startOnAll(schemas, async schema => {
    const {jobId, isNew} = await flushes.start(schema, 'manual');
    return isNew ? jobId : undefined;
  });
  const names = busy.map(schema => tableText(schema.name)).join(', ');
  const skipped = busy.length === 0 ? '' : `. Skipped, a flush is already queued or running: ${names}`;
  return `started for ${started.length} table(s) in namespace '${namespace}'. Job IDs: [${started.join(', ')}]${skipped}`;
}

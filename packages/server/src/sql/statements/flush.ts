/** FLUSH TABLE, FLUSH ALL TABLES IN, STORAGE FLUSH TABLE, STORAGE FLUSH ALL: four voices of one job. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {type TableName, tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {TableRef} from '../../parser/ast.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {defineStatement, done, resolveName, type StatementContext} from '../define.ts';

const CREATIONS_AT_ONCE = 16;

export const flushTable = defineStatement<TableRef>({
  name: 'FLUSH TABLE',
  heads: ['FLUSH TABLE'],
  access: 'any',
  takesParams: false,
  parse(cursor) {
    cursor.expectKeywords('FLUSH', 'TABLE');
    return qualified(cursor, 'FLUSH TABLE');
  },
  async run(ref, context) {
    requireOperator(context, 'FLUSH TABLE');
    const name = tableText(resolveName(context, ref));
    const schema = context.services.catalog.find(resolveName(context, ref));
    if (schema === undefined) throw fail.notFound(`Table '${name}' does not exist`);
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
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'FLUSH', 'TABLE');
    return qualified(cursor, 'STORAGE FLUSH TABLE');
  },
  async run(ref, context) {
    requireOperator(context, 'STORAGE FLUSH TABLE');
    const {catalog, flushes} = context.services;
    const name = tableText(resolveName(context, ref));
    const schema = catalog.find(resolveName(context, ref));
    if (schema === undefined) throw fail.notFound(`Table ${name} not found`);
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
  parse(cursor) {
    cursor.expectKeywords('FLUSH', 'ALL', 'TABLES');
    return inNamespace(cursor);
  },
  async run(tree, context) {
    requireOperator(context, 'FLUSH ALL TABLES');
    const namespace = knownNamespace(context, tree);
    const schemas = flushable(context, namespace);
    if (schemas.length === 0) return done(context, `No user tables found in namespace '${namespace}' to flush`);
    const {started, busy} = await startAll(context, schemas);
    const skipped = busy.length === 0 ? '' : `. Skipped, a flush is already queued or running: ${busy.join(', ')}`;
    return done(
      context,
      `Flush started for ${started.length} table(s) in namespace '${namespace}'. Job IDs: [${started.join(', ')}]${skipped}`,
    );
  },
});

export const storageFlushAll = defineStatement<string | undefined>({
  name: 'STORAGE FLUSH ALL',
  heads: ['STORAGE FLUSH ALL'],
  access: 'any',
  takesParams: false,
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'FLUSH', 'ALL');
    return inNamespace(cursor);
  },
  async run(tree, context) {
    requireOperator(context, 'STORAGE FLUSH ALL');
    const namespace = knownNamespace(context, tree);
    const pending = flushable(context, namespace).filter(schema => context.services.flushes.hasPending(schema));
    if (pending.length === 0)
      return done(context, `Storage flush skipped: no pending writes in namespace '${namespace}'`);
    const {started, busy} = await startAll(context, pending);
    const skipped = busy.length === 0 ? '' : `. Skipped, a flush is already queued or running: ${busy.join(', ')}`;
    return done(
      context,
      `Storage flush started for ${started.length} table(s) in namespace '${namespace}'. Job IDs: [${started.join(', ')}]${skipped}`,
    );
  },
});

function qualified(cursor: TokenCursor, statement: string): TableRef {
  const ref = cursor.tableRef();
  if (ref.namespace === undefined) {
    throw new DbError('INVALID_SQL', `Invalid SQL: Table name must be qualified (namespace.table) for ${statement}`);
  }
  return ref;
}

function inNamespace(cursor: TokenCursor): string | undefined {
  if (!cursor.acceptKeyword('IN')) return undefined;
  cursor.acceptKeyword('NAMESPACE');
  return cursor.name().name;
}

function knownNamespace(context: StatementContext, name: string | undefined): string {
  const namespace = name ?? context.namespace;
  if (context.services.catalog.namespace(namespace) === undefined)
    throw fail.namespaceNotFound(`Namespace '${namespace}' does not exist`);
  return namespace;
}

function flushable(context: StatementContext, namespace: string): Schema[] {
  const isFlushed = (schema: Schema) =>
    schema.name.namespace === namespace && (schema.kind === 'user' || schema.kind === 'shared');
  return context.services.catalog.tables().filter(isFlushed);
}

async function startAll(
  context: StatementContext,
  schemas: readonly Schema[],
): Promise<{started: string[]; busy: string[]}> {
  const started: string[] = [];
  const busy: string[] = [];
  for (let i = 0; i < schemas.length; i += CREATIONS_AT_ONCE) {
    const some = schemas.slice(i, i + CREATIONS_AT_ONCE);
    const jobs = await Promise.all(some.map(schema => context.services.flushes.start(schema, 'manual')));
    for (const [k, {jobId, isNew}] of jobs.entries()) {
      if (isNew) started.push(jobId);
      else busy.push(tableText(some[k]!.name satisfies TableName));
    }
  }
  return {started, busy};
}

function requireOperator(context: StatementContext, statement: string): void {
  const {role} = context.session;
  if (role === 'service' || role === 'dba' || role === 'system') return;
  throw fail.unauthorized(`${statement} requires Service, DBA, or System role`);
}

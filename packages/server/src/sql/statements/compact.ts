/** STORAGE COMPACT TABLE, STORAGE COMPACT ALL: start compactions by hand. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {requireOperator} from '../../auth/roles.ts';
import {tableText} from '../../model/names.ts';
import type {TableRef} from '../../parser/ast.ts';
import {defineStatement, done, resolveName} from '../define.ts';
import {inNamespace, knownNamespace, qualifiedTable, segmentedTables, startOnAll} from '../operators.ts';

export const storageCompactTable = defineStatement<TableRef>({
  name: 'STORAGE COMPACT TABLE',
  heads: ['STORAGE COMPACT TABLE'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'STORAGE COMPACT TABLE namespace.table',
    about: 'Starts a job that merges small segments of a table and drops rows that are dead.',
    example: 'STORAGE COMPACT TABLE shop.items',
  },
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'COMPACT', 'TABLE');
    return qualifiedTable(cursor, 'STORAGE COMPACT TABLE');
  },
  async run(ref, context) {
    requireOperator(context.session, 'STORAGE COMPACT TABLE');
    const {catalog, compactions} = context.services;
    const name = tableText(resolveName(context, ref));
    const schema = catalog.find(resolveName(context, ref));
    if (schema === undefined) throw fail.noTable(`Table ${name} not found`);
    if (schema.kind === 'stream' || schema.kind === 'system') {
      const kind = schema.kind.toUpperCase();
      throw fail.invalidOperation(`STORAGE COMPACT TABLE is not supported for ${kind} tables`);
    }
    const {jobId, holder} = await compactions.start(schema, 'manual');
    if (holder === undefined) return done(context, `Storage compaction started for table '${name}'. Job ID: ${jobId}`);
    const work = holder.job_type === 'flush' ? 'Flush' : 'Compaction';
    throw fail.conflict(
      `${work} job already running for table '${name}' (job_id: ${holder.job_id}). Please wait for it to complete.`,
    );
  },
});

export const storageCompactAll = defineStatement<string | undefined>({
  name: 'STORAGE COMPACT ALL',
  heads: ['STORAGE COMPACT ALL'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'STORAGE COMPACT ALL [IN [NAMESPACE] name]',
    about: 'Starts a compaction of every table of a namespace.',
    example: 'STORAGE COMPACT ALL IN shop',
  },
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'COMPACT', 'ALL');
    return inNamespace(cursor, 'STORAGE COMPACT ALL');
  },
  async run(tree, context) {
    requireOperator(context.session, 'STORAGE COMPACT ALL');
    const namespace = knownNamespace(context, tree);
    const schemas = segmentedTables(context, namespace);
    if (schemas.length === 0) throw fail.notFound(`No compactable tables found in namespace ${namespace}`);
    const {compactions} = context.services;
    const {started, busy} = await startOnAll(
      schemas,
      async schema => (await compactions.start(schema, 'manual')).jobId,
    );
    const names = busy.map(schema => tableText(schema.name)).join(', ');
    const skipped = busy.length === 0 ? '' : `. Skipped, a flush or compaction is already queued or running: ${names}`;
    return done(
      context,
      `Storage compaction started for ${started.length} table(s) in namespace '${namespace}'. Job IDs: [${started.join(', ')}]${skipped}`,
    );
  },
});

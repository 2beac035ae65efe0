/** SHOW TABLES, SHOW STATS, SHOW MANIFEST: of the tables that the session may read, and of a USER table its own part; admins see all. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {isAdmin} from '../../auth/roles.ts';
import {mayRead} from '../../auth/scope.ts';
import {INFORMATION} from '../../catalog/information.ts';
import {typeJson} from '../../model/type-table.ts';
import {toJson} from '../../model/values.ts';
import type {TableRef} from '../../parser/ast.ts';
import {INFORMATION_NAMESPACE} from '../../system/information.ts';
import {LIVE} from '../../system/live-queries.ts';
import {MANIFEST} from '../../system/manifest.ts';
import {SCHEMAS_VIEW} from '../../system/schemas.ts';
import {defineStatement, listed, resolveName, resultColumns, type StatementContext, systemRecords} from '../define.ts';
import {knownNamespace, namedNamespace, namedTable} from '../operators.ts';

const TABLE_COLUMNS = resultColumns({
  namespace_id: 'Text',
  table_name: 'Text',
  table_type: 'Text',
  created_at: 'Timestamp',
  schema_version: 'Int',
  storage_id: 'Text',
  access_level: 'Text',
});

export const showTables = defineStatement<string | undefined>({
  name: 'SHOW TABLES',
  heads: ['SHOW TABLES'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: 'SHOW TABLES [{IN | FROM} [NAMESPACE] name]',
    about: 'The tables that the session may read, and the views, by namespace and name; each in its newest version.',
    example: 'SHOW TABLES IN shop',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'TABLES');
    return cursor.acceptOneOf('IN', 'FROM') === undefined ? undefined : namedNamespace(cursor);
  },
  run(tree, context) {
    if (tree === INFORMATION_NAMESPACE) return listed(context, TABLE_COLUMNS, informationRows(context));
    const namespace = tree && knownNamespace(context, tree);
    const shown = systemRecords(context, SCHEMAS_VIEW).filter(
      one =>
        one.is_latest &&
        (namespace === undefined || one.namespace_id === namespace) &&
        isVisible(context, one.namespace_id, one.table_name),
    );
    const rows = shown.map(one =>
      JSON.stringify([
        ...[one.namespace_id, one.table_name, one.table_type, Number(one.created_at), one.schema_version],
        ...[one.storage_id, one.access_level],
      ]),
    );
    return listed(context, TABLE_COLUMNS, rows);
  },
});

/** They are not in the list of all tables: that is of what can be created, and of `system`. */
function informationRows({session}: StatementContext): string[] {
  return INFORMATION.filter(schema => mayRead(session, schema)).map(({name, kind, createdAt, version, options}) =>
    JSON.stringify([name.namespace, name.table, kind, Number(createdAt), version, options.storageId, null]),
  );
}

/** A view can be named by everybody; its tables decide when it is read. */
function isVisible(context: StatementContext, namespace: string, table: string): boolean {
  const schema = context.services.catalog.find({namespace, table});
  return schema === undefined || mayRead(context.session, schema);
}

const STATS_COLUMNS = resultColumns({
  table_name: 'Text',
  namespace: 'Text',
  schema_version: 'BigInt',
  logical_rows: 'BigInt',
  flushed_segments: 'BigInt',
  active_streams: 'BigInt',
  memory_bytes: 'BigInt',
});

export const showStats = defineStatement<TableRef>({
  name: 'SHOW STATS',
  heads: ['SHOW STATS'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: 'SHOW STATS FOR TABLE table',
    about:
      'Counts of a table: rows, segments, live queries and bytes in memory; of a USER table only those of the caller, unless the caller is an admin. A row that was written again since its flush counts twice until the next one.',
    example: 'SHOW STATS FOR TABLE shop.items',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'STATS', 'FOR', 'TABLE');
    return namedTable(cursor);
  },
  run(ref, context) {
    const {services, session} = context;
    const name = resolveName(context, ref);
    const schema = services.catalog.find(name);
    if (schema === undefined) throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    services.scopeFor(session, schema, 'read');
    const isOwn = !isAdmin(session) && schema.kind !== 'shared';
    const counts = services.tableCounts(schema, isOwn ? session.userId : undefined);
    const streams = systemRecords(context, LIVE).filter(
      live =>
        live.namespace_id === name.namespace &&
        live.table_name === name.table &&
        (!isOwn || live.user_id === session.userId),
    );
    const numbers = [schema.version, counts.rows, counts.segments, streams.length, counts.memoryBytes];
    return listed(context, STATS_COLUMNS, [JSON.stringify([name.table, name.namespace, ...numbers.map(String)])]);
  },
});

const MANIFEST_COLUMNS = MANIFEST.schema.columns;

export const showManifest = defineStatement<undefined>({
  name: 'SHOW MANIFEST',
  heads: ['SHOW MANIFEST'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Flush and compaction',
    syntax: 'SHOW MANIFEST',
    about:
      'The rows of `system.manifest`: which segments each scope has. Whoever is no admin sees those of shared tables they may read, and their own.',
    example: 'SHOW MANIFEST',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'MANIFEST');
    if (!cursor.atEnd()) {
      const found = cursor.statement.text.slice(0, 200);
      throw cursor.fail(`Invalid SHOW MANIFEST syntax. Expected: SHOW MANIFEST, got: ${found}`);
    }
    return undefined;
  },
  run(_, context) {
    const {catalog} = context.services;
    const shown = systemRecords(context, MANIFEST).filter(({namespace_id, table_name, scope}) => {
      if (isAdmin(context.session)) return true;
      const schema = catalog.find({namespace: namespace_id, table: table_name});
      if (schema === undefined || !mayRead(context.session, schema)) return false;
      return schema.kind === 'shared' || scope === context.session.userId;
    });
    const rows = shown.map(record => {
      const values = MANIFEST.toValues(record);
      return `[${MANIFEST_COLUMNS.map(({type}, i) => toJson(type, values[i]!)).join(',')}]`;
    });
    const types = Object.fromEntries(MANIFEST_COLUMNS.map(({name, type}) => [name, typeJson(type)]));
    return listed(context, resultColumns(types), rows);
  },
});

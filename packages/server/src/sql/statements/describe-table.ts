/** DESCRIBE TABLE [HISTORY], DESCRIBE, SHOW COLUMNS: the columns of a table or view, system columns last. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {CATALOG_NAME} from '../../catalog/information.ts';
import {type ShownColumn, shownColumns} from '../../catalog/shown-columns.ts';
import type {Schema} from '../../model/schema.ts';
import {sqlName} from '../../model/type-table.ts';
import type {View} from '../../model/view.ts';
import type {TableRef} from '../../parser/ast.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {defineStatement, listed, resolveName, resultColumns, type StatementContext} from '../define.ts';
import {namedTable} from '../operators.ts';

const TABLE_COLUMNS = resultColumns({
  column_name: 'Text',
  ordinal_position: 'Int',
  column_id: 'BigInt',
  data_type: 'Text',
  is_nullable: 'Boolean',
  is_primary_key: 'Boolean',
  column_default: 'Text',
  column_comment: 'Text',
  schema_version: 'Int',
});

export const describeTable = defineStatement<{ref: TableRef; isHistory: boolean}>({
  name: 'DESCRIBE TABLE',
  heads: ['DESCRIBE TABLE', 'DESC TABLE'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: '{DESCRIBE | DESC} TABLE table [HISTORY]',
    about:
      'The columns of a view, or of a table that the session may read; with HISTORY those of every version of the schema of a table.',
    example: 'DESCRIBE TABLE shop.items',
  },
  parse(cursor) {
    if (!cursor.acceptKeyword('DESC')) cursor.expectKeywords('DESCRIBE');
    cursor.expectKeywords('TABLE');
    const ref = namedTable(cursor);
    return {ref, isHistory: cursor.acceptKeyword('HISTORY')};
  },
  run({ref, isHistory}, context) {
    const table = tableOrView(context, ref);
    if (table.kind !== 'view') context.services.scopeFor(context.session, table, 'read');
    const isOne = table.kind === 'view' || !isHistory;
    const versions = isOne ? [table] : context.services.catalog.versions(table.incarnation);
    const rows = versions.flatMap(one => shownColumns(one).map(column => describedRow(column, one)));
    return listed(context, TABLE_COLUMNS, rows);
  },
});

function describedRow(column: ShownColumn, table: Schema | View): string {
  const version = table.kind === 'view' ? 1 : table.version;
  return JSON.stringify([
    ...[column.name, column.ordinal, String(column.id), sqlName(column.type), column.isNullable, column.isPrimaryKey],
    ...[column.default, column.comment, version],
  ]);
}

export const describe = defineStatement<TableRef>({
  name: 'DESCRIBE',
  heads: ['DESCRIBE', 'DESC'],
  access: {admin: 'DESCRIBE'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: '{DESCRIBE | DESC} table',
    about: 'The names and types of the columns of a table or view.',
    example: 'DESCRIBE shop.items',
  },
  parse(cursor) {
    if (!cursor.acceptKeyword('DESC')) cursor.expectKeywords('DESCRIBE');
    return namedTable(cursor);
  },
  run(ref, context) {
    const rows = shownColumns(tableOrView(context, ref)).map(column =>
      JSON.stringify([column.name, sqlName(column.type), yesOrNo(column.isNullable)]),
    );
    return listed(context, resultColumns({column_name: 'Text', data_type: 'Text', is_nullable: 'Text'}), rows);
  },
});

const SHOWN_COLUMNS = resultColumns({
  table_catalog: 'Text',
  table_schema: 'Text',
  table_name: 'Text',
  column_name: 'Text',
  data_type: 'Text',
  is_nullable: 'Text',
});

export const showColumns = defineStatement<TableRef>({
  name: 'SHOW COLUMNS',
  heads: ['SHOW COLUMNS'],
  access: {admin: 'SHOW COLUMNS'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: 'SHOW COLUMNS {FROM | IN} table',
    about: 'The columns of a table or view, as `information_schema.columns` names them.',
    example: 'SHOW COLUMNS FROM shop.items',
  },
  parse(cursor: TokenCursor) {
    cursor.expectKeywords('SHOW', 'COLUMNS');
    cursor.expectOneOf('FROM', 'IN');
    return namedTable(cursor);
  },
  run(ref, context) {
    const table = tableOrView(context, ref);
    const {namespace, table: name} = table.name;
    const rows = shownColumns(table).map(column =>
      JSON.stringify([CATALOG_NAME, namespace, name, column.name, sqlName(column.type), yesOrNo(column.isNullable)]),
    );
    return listed(context, SHOWN_COLUMNS, rows);
  },
});

function yesOrNo(fact: boolean): string {
  return fact ? 'YES' : 'NO';
}

function tableOrView(context: StatementContext, ref: TableRef): Schema | View {
  const {catalog} = context.services;
  const name = resolveName(context, ref);
  const table = catalog.find(name) ?? catalog.view(name);
  if (table === undefined) throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
  return table;
}

/** DESCRIBE TABLE [HISTORY]: columns in CREATE TABLE order, system columns last. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {type Column, DELETED_COLUMN, type Schema, SEQ_COLUMN} from '../../model/schema.ts';
import {sqlName} from '../../model/type-table.ts';
import {valueText} from '../../model/values.ts';
import type {View} from '../../model/view.ts';
import type {TableRef} from '../../parser/ast.ts';
import {defineStatement, resolveName} from '../define.ts';

const COLUMNS: readonly ResultColumn[] = (
  [
    ['column_name', 'Text'],
    ['ordinal_position', 'Int'],
    ['column_id', 'BigInt'],
    ['data_type', 'Text'],
    ['is_nullable', 'Boolean'],
    ['is_primary_key', 'Boolean'],
    ['column_default', 'Text'],
    ['column_comment', 'Text'],
    ['schema_version', 'Int'],
  ] as const
).map(([name, data_type], index) => ({name, data_type, index}));

export const describeTable = defineStatement<{ref: TableRef; isHistory: boolean}>({
  name: 'DESCRIBE TABLE',
  heads: ['DESCRIBE TABLE', 'DESC TABLE'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: '{DESCRIBE | DESC} TABLE table [HISTORY]',
    about: 'The columns of a table; with HISTORY those of every version of its schema.',
    example: 'DESCRIBE TABLE shop.items',
  },
  parse(cursor) {
    if (!cursor.acceptKeyword('DESC')) cursor.expectKeywords('DESCRIBE');
    cursor.expectKeywords('TABLE');
    const ref = cursor.tableRef();
    return {ref, isHistory: cursor.acceptKeyword('HISTORY')};
  },
  run({ref, isHistory}, context) {
    const {catalog} = context.services;
    const name = resolveName(context, ref);
    const schema = catalog.find(name);
    const view = schema === undefined ? catalog.view(name) : undefined;
    if (view !== undefined) {
      const rows = describeView(view);
      return {columns: COLUMNS, rows, rowCount: rows.length, asUser: context.session.userId};
    }
    if (schema === undefined) throw fail.notFound(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    const versions = isHistory ? catalog.versions(schema.incarnation) : [schema];
    const rows = versions.flatMap(describe);
    return {columns: COLUMNS, rows, rowCount: rows.length, asUser: context.session.userId};
  },
});

function describe(schema: Schema): string[] {
  const rows = schema.columns.map((column, i) =>
    row(
      column.name,
      i + 1,
      column.id,
      sqlName(column.type),
      column.isNullable,
      i === schema.primaryKey,
      defaultText(column),
      schema,
      column.comment,
    ),
  );
  if (schema.kind === 'system') return rows;
  const nextId = Math.max(...schema.columns.map(column => column.id)) + 1;
  rows.push(row(SEQ_COLUMN, rows.length + 1, nextId, 'BIGINT', false, false, null, schema));
  if (schema.kind !== 'stream')
    rows.push(row(DELETED_COLUMN, rows.length + 1, nextId + 1, 'BOOLEAN', false, false, 'false', schema));
  return rows;
}

function describeView({columns}: View): string[] {
  return columns.map(({name, type}, i) =>
    JSON.stringify([name, i + 1, String(i + 1), sqlName(type), true, false, null, null, 1]),
  );
}

function row(
  name: string,
  ordinal: number,
  id: number,
  type: string,
  isNullable: boolean,
  isKey: boolean,
  defaults: string | null,
  schema: Schema,
  comment?: string,
): string {
  return JSON.stringify([
    name,
    ordinal,
    String(id),
    type,
    isNullable,
    isKey,
    defaults,
    comment ?? null,
    schema.version,
  ]);
}

function defaultText(column: Column): string | null {
  switch (column.default.kind) {
    case 'none':
      return null;
    case 'function':
      return `${column.default.name}()`;
    case 'literal':
      return column.default.value === null ? 'NULL' : valueText(column.type, column.default.value);
    default:
      return column.default satisfies never;
  }
}

/**
 * Schemas, stored and shown: one row per table and version.
 *
 * What is stored (`SCHEMAS`, hidden) is what the catalog is folded from; its key bytes name table, life and version, since a table id alone
 * recurs. `system.schemas` is computed: it adds the system tables, `is_latest` is true for exactly one version of each table, and its key is a
 * column of its own, so that a look-up by table id finds every version.
 */
import {defineSystemTable, type RecordOf} from './define.ts';

export const SCHEMAS = defineSystemTable({
  name: 'schema_rows',
  incarnation: 15,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Stored part of system.schemas.',
  primaryKey: 'table_id',
  columns: [
    {id: 1, name: 'table_id', type: 'text', isNullable: false, doc: 'namespace:table.'},
    {id: 2, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table.'},
    {id: 3, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
    {id: 4, name: 'table_type', type: 'text', isNullable: false, doc: 'user, shared, stream or system.'},
    {id: 5, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the table was created.'},
    {id: 6, name: 'schema_version', type: 'int', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 7, name: 'columns', type: 'json', isNullable: false, doc: 'Ordered JSON array of column definitions.'},
    {id: 8, name: 'table_comment', type: 'text', isNullable: true, doc: 'Comment of the table.'},
    {id: 9, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When this version began.'},
    {id: 10, name: 'options', type: 'json', isNullable: true, doc: 'Options of the table.'},
    {id: 11, name: 'access_level', type: 'text', isNullable: true, doc: 'Access level; shared tables only.'},
    {id: 12, name: 'is_latest', type: 'boolean', isNullable: false, doc: 'True for the newest version of each table.'},
    {id: 13, name: 'storage_id', type: 'text', isNullable: true, doc: 'Storage of its segments.'},
    {
      id: 14,
      name: 'use_user_storage',
      type: 'boolean',
      isNullable: true,
      doc: 'Whether the storage chosen by each user is used; user tables only.',
    },
  ],
});

export type SchemaRecord = RecordOf<typeof SCHEMAS>;

export const SCHEMAS_VIEW = defineSystemTable({
  name: 'schemas',
  incarnation: 9,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Every version of every table, system tables included, and views.',
  primaryKey: 'schema_id',
  columns: [
    {id: 1, name: 'table_id', type: 'text', isNullable: false, doc: 'namespace:table.'},
    {id: 2, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table.'},
    {id: 3, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
    {id: 4, name: 'table_type', type: 'text', isNullable: false, doc: 'user, shared, stream, system or view.'},
    {id: 5, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the table was created.'},
    {id: 6, name: 'schema_version', type: 'int', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 7, name: 'columns', type: 'json', isNullable: false, doc: 'Ordered JSON array of column definitions.'},
    {id: 8, name: 'table_comment', type: 'text', isNullable: true, doc: 'Comment of the table.'},
    {id: 9, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When this version began.'},
    {id: 10, name: 'options', type: 'json', isNullable: true, doc: 'Options of the table.'},
    {id: 11, name: 'access_level', type: 'text', isNullable: true, doc: 'Access level; shared tables only.'},
    {id: 12, name: 'is_latest', type: 'boolean', isNullable: false, doc: 'True for the newest version of each table.'},
    {id: 13, name: 'storage_id', type: 'text', isNullable: true, doc: 'Storage of its segments.'},
    {
      id: 14,
      name: 'use_user_storage',
      type: 'boolean',
      isNullable: true,
      doc: 'Whether the storage chosen by each user is used; user tables only.',
    },
    {
      id: 15,
      name: 'schema_id',
      type: 'text',
      isNullable: false,
      doc: 'namespace:table:version, unique unlike table_id.',
    },
  ],
});

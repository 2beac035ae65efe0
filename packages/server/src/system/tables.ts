/** Tables in their newest version: the columns of May 2026, then those of October 2025 that they lack. */
import {defineSystemTable} from './define.ts';

export const TABLES = defineSystemTable({
  name: 'tables',
  incarnation: 3,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Newest version of every table, and views.',
  primaryKey: 'table_id',
  columns: [
    {id: 1, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
    {id: 2, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table.'},
    {id: 3, name: 'table_type', type: 'text', isNullable: false, doc: 'user, shared, stream, system or view.'},
    {id: 4, name: 'storage_id', type: 'text', isNullable: true, doc: 'Storage of its segments.'},
    {id: 5, name: 'version', type: 'bigint', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 6, name: 'options', type: 'text', isNullable: true, doc: 'Options as JSON text.'},
    {id: 7, name: 'comment', type: 'text', isNullable: true, doc: 'Comment of the table.'},
    {id: 8, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When the schema last changed.'},
    {id: 9, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When the table was created.'},
    {id: 10, name: 'table_id', type: 'text', isNullable: false, doc: 'namespace:table.'},
    {id: 11, name: 'namespace', type: 'text', isNullable: false, doc: 'The same as namespace_id.'},
    {id: 12, name: 'storage_location', type: 'text', isNullable: true, doc: 'Where its segments lie.'},
    {
      id: 13,
      name: 'use_user_storage',
      type: 'boolean',
      isNullable: false,
      doc: 'Whether the storage chosen by each user is used.',
    },
    {id: 14, name: 'flush_policy', type: 'text', isNullable: true, doc: 'Flush policy as JSON text.'},
    {id: 15, name: 'schema_version', type: 'int', isNullable: false, doc: 'The same as version.'},
    {
      id: 16,
      name: 'deleted_retention_hours',
      type: 'int',
      isNullable: true,
      doc: 'How long deleted rows are kept in segments.',
    },
  ],
});

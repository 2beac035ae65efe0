/**
 * `information_schema`: what SQL tools ask a server for, open to every role. What a session finds there is what it may read, and views.
 *
 * The columns are those of May 2026 in their order, then those of October 2025 and of PostgreSQL that they lack.
 */
import {defineSystemTable} from './define.ts';

export const INFORMATION_NAMESPACE = 'information_schema';

const EVERYONE = ['anonymous', 'user', 'service', 'dba', 'system'] as const;

export const INFORMATION_TABLES = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'tables',
  incarnation: 40,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Tables and views.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'table_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'table_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 4, name: 'table_type', type: 'text', isNullable: false, doc: 'BASE TABLE or VIEW.'},
    {id: 5, name: 'table_id', type: 'text', isNullable: false, doc: 'namespace:table.'},
    {id: 6, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was created.'},
    {id: 7, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When it last changed.'},
    {id: 8, name: 'schema_version', type: 'int', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 9, name: 'storage_id', type: 'text', isNullable: true, doc: 'Storage of its segments.'},
    {
      id: 10,
      name: 'use_user_storage',
      type: 'boolean',
      isNullable: true,
      doc: 'Whether the storage chosen by each user is used.',
    },
    {
      id: 11,
      name: 'deleted_retention_hours',
      type: 'int',
      isNullable: true,
      doc: 'How long deleted rows are kept in segments.',
    },
    {id: 12, name: 'ttl_seconds', type: 'int', isNullable: true, doc: 'How long rows of a stream are kept.'},
    {id: 13, name: 'is_insertable_into', type: 'text', isNullable: false, doc: 'YES or NO.'},
  ],
});

export const INFORMATION_COLUMNS = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'columns',
  incarnation: 41,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Columns of tables and views, system columns too.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'table_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'table_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 4, name: 'column_name', type: 'text', isNullable: false, doc: 'Name of the column.'},
    {id: 5, name: 'ordinal_position', type: 'int', isNullable: false, doc: 'Place in SELECT *, from 1.'},
    {id: 6, name: 'column_default', type: 'text', isNullable: true, doc: 'Default, as text.'},
    {id: 7, name: 'is_nullable', type: 'text', isNullable: false, doc: 'YES or NO.'},
    {id: 8, name: 'data_type', type: 'text', isNullable: false, doc: 'Type, as in CREATE TABLE.'},
    {id: 9, name: 'character_maximum_length', type: 'int', isNullable: true, doc: 'Lengths are not kept.'},
    {id: 10, name: 'character_octet_length', type: 'int', isNullable: true, doc: 'Lengths are not kept.'},
    {id: 11, name: 'numeric_precision', type: 'int', isNullable: true, doc: 'Digits, or bits of an integer or float.'},
    {id: 12, name: 'numeric_precision_radix', type: 'int', isNullable: true, doc: '10 for digits, 2 for bits.'},
    {id: 13, name: 'numeric_scale', type: 'int', isNullable: true, doc: 'Digits behind the point.'},
    {id: 14, name: 'datetime_precision', type: 'int', isNullable: true, doc: 'Digits of a second.'},
    {id: 15, name: 'interval_type', type: 'text', isNullable: true, doc: 'There are no intervals.'},
    {id: 16, name: 'is_primary_key', type: 'boolean', isNullable: false, doc: 'Whether it is the key.'},
    {id: 17, name: 'udt_name', type: 'text', isNullable: false, doc: 'The same as data_type.'},
  ],
});

export const INFORMATION_SCHEMATA = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'schemata',
  incarnation: 42,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Namespaces.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'catalog_name', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'schema_name', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'schema_owner', type: 'text', isNullable: true, doc: 'Namespaces have no owner.'},
    {id: 4, name: 'default_character_set_catalog', type: 'text', isNullable: true, doc: 'Unused.'},
    {id: 5, name: 'default_character_set_schema', type: 'text', isNullable: true, doc: 'Unused.'},
    {id: 6, name: 'default_character_set_name', type: 'text', isNullable: true, doc: 'Unused: texts are UTF-8.'},
    {id: 7, name: 'sql_path', type: 'text', isNullable: true, doc: 'Unused.'},
  ],
});

export const INFORMATION_VIEWS = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'views',
  incarnation: 43,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Views and their queries.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'table_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'table_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 4, name: 'definition', type: 'text', isNullable: true, doc: 'The query; for admins.'},
    {id: 5, name: 'view_definition', type: 'text', isNullable: true, doc: 'The same.'},
    {id: 6, name: 'is_updatable', type: 'text', isNullable: false, doc: 'NO.'},
    {id: 7, name: 'is_insertable_into', type: 'text', isNullable: false, doc: 'NO.'},
  ],
});

export const TABLE_CONSTRAINTS = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'table_constraints',
  incarnation: 44,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Primary keys.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'constraint_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'constraint_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'constraint_name', type: 'text', isNullable: false, doc: 'table_pkey.'},
    {id: 4, name: 'table_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 5, name: 'table_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 6, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 7, name: 'constraint_type', type: 'text', isNullable: false, doc: 'PRIMARY KEY.'},
    {id: 8, name: 'is_deferrable', type: 'text', isNullable: false, doc: 'NO.'},
    {id: 9, name: 'initially_deferred', type: 'text', isNullable: false, doc: 'NO.'},
    {id: 10, name: 'enforced', type: 'text', isNullable: false, doc: 'YES.'},
  ],
});

export const KEY_COLUMN_USAGE = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'key_column_usage',
  incarnation: 45,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Columns of primary keys.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'constraint_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'constraint_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 3, name: 'constraint_name', type: 'text', isNullable: false, doc: 'table_pkey.'},
    {id: 4, name: 'table_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 5, name: 'table_schema', type: 'text', isNullable: false, doc: 'Namespace.'},
    {id: 6, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 7, name: 'column_name', type: 'text', isNullable: false, doc: 'Name of the column.'},
    {id: 8, name: 'ordinal_position', type: 'int', isNullable: false, doc: 'Place in the key, from 1.'},
    {id: 9, name: 'position_in_unique_constraint', type: 'int', isNullable: true, doc: 'There are no foreign keys.'},
  ],
});

export const ROUTINES = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'routines',
  incarnation: 46,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Functions of SQL.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'specific_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'specific_schema', type: 'text', isNullable: true, doc: 'Functions have no namespace.'},
    {id: 3, name: 'specific_name', type: 'text', isNullable: false, doc: 'Name of the function.'},
    {id: 4, name: 'routine_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 5, name: 'routine_schema', type: 'text', isNullable: true, doc: 'Functions have no namespace.'},
    {id: 6, name: 'routine_name', type: 'text', isNullable: false, doc: 'Name of the function.'},
    {id: 7, name: 'routine_type', type: 'text', isNullable: false, doc: 'FUNCTION.'},
    {
      id: 8,
      name: 'is_deterministic',
      type: 'boolean',
      isNullable: false,
      doc: 'Whether equal arguments make equal results.',
    },
    {
      id: 9,
      name: 'data_type',
      type: 'text',
      isNullable: true,
      doc: 'Type of the result; NULL where it depends on the arguments.',
    },
    {id: 10, name: 'function_type', type: 'text', isNullable: false, doc: 'SCALAR, AGGREGATE or WINDOW.'},
    {id: 11, name: 'description', type: 'text', isNullable: false, doc: 'What it does.'},
    {id: 12, name: 'syntax_example', type: 'text', isNullable: true, doc: 'A call.'},
  ],
});

export const PARAMETERS = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'parameters',
  incarnation: 48,
  kind: 'computed',
  isVisible: true,
  readers: EVERYONE,
  doc: 'Arguments of the functions that take values; routines tells what these answer.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'specific_catalog', type: 'text', isNullable: false, doc: "Always 'kalam'."},
    {id: 2, name: 'specific_schema', type: 'text', isNullable: true, doc: 'Functions have no namespace.'},
    {id: 3, name: 'specific_name', type: 'text', isNullable: false, doc: 'Name of the function.'},
    {id: 4, name: 'ordinal_position', type: 'int', isNullable: false, doc: 'Place among the arguments, from 1.'},
    {id: 5, name: 'parameter_mode', type: 'text', isNullable: false, doc: 'IN.'},
    {id: 6, name: 'parameter_name', type: 'text', isNullable: true, doc: 'Arguments have no names.'},
    {id: 7, name: 'data_type', type: 'text', isNullable: true, doc: 'Its type; NULL where it may be one of several.'},
    {id: 8, name: 'parameter_default', type: 'text', isNullable: true, doc: 'Defaults are not told.'},
    {id: 9, name: 'is_variadic', type: 'boolean', isNullable: false, doc: 'Whether it may come again and again.'},
    {id: 10, name: 'rid', type: 'int', isNullable: false, doc: 'Which of the forms of the function, from 0.'},
  ],
});

export const DF_SETTINGS = defineSystemTable({
  namespace: INFORMATION_NAMESPACE,
  name: 'df_settings',
  incarnation: 47,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Settings of the server; system.settings tells more.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'name', type: 'text', isNullable: false, doc: 'Name of the option.'},
    {id: 2, name: 'value', type: 'text', isNullable: false, doc: 'Its value as text.'},
    {id: 3, name: 'description', type: 'text', isNullable: false, doc: 'What it does.'},
  ],
});

/** Every version of every table, as October 2025 showed them. */
import {defineSystemTable} from './define.ts';

export const TABLE_SCHEMAS = defineSystemTable({
  name: 'table_schemas',
  incarnation: 4,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'One row per table and schema version.',
  primaryKey: 'schema_id',
  columns: [
    {id: 1, name: 'schema_id', type: 'text', isNullable: false, doc: 'namespace:table:version.'},
    {id: 2, name: 'table_id', type: 'text', isNullable: false, doc: 'namespace:table.'},
    {id: 3, name: 'version', type: 'int', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 4, name: 'arrow_schema', type: 'json', isNullable: false, doc: 'Columns as an ordered JSON array.'},
    {id: 5, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When this version began.'},
    {
      id: 6,
      name: 'changes',
      type: 'json',
      isNullable: true,
      doc: 'What this version changed, as a JSON array of statements’ words.',
    },
  ],
});

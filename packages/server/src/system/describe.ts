/** Describe: the form of what DESCRIBE TABLE answers. It has no rows. */
import {defineSystemTable} from './define.ts';

export const DESCRIBE = defineSystemTable({
  name: 'describe',
  incarnation: 33,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'The columns that DESCRIBE TABLE answers; always empty.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'column_name', type: 'text', isNullable: false, doc: 'Name of the column.'},
    {id: 2, name: 'ordinal_position', type: 'int', isNullable: false, doc: 'Place in SELECT *, from 1.'},
    {id: 3, name: 'column_id', type: 'bigint', isNullable: false, doc: 'Id of the column; never reused in a table.'},
    {id: 4, name: 'data_type', type: 'text', isNullable: false, doc: 'Type, as in CREATE TABLE.'},
    {id: 5, name: 'is_nullable', type: 'boolean', isNullable: false, doc: 'Whether it takes NULL.'},
    {id: 6, name: 'is_primary_key', type: 'boolean', isNullable: false, doc: 'Whether it is the key.'},
    {id: 7, name: 'column_default', type: 'text', isNullable: true, doc: 'Default, as text.'},
    {id: 8, name: 'column_comment', type: 'text', isNullable: true, doc: 'Comment.'},
    {id: 9, name: 'schema_version', type: 'int', isNullable: false, doc: 'Version of the schema.'},
  ],
});

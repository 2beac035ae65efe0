/** Columns: of every table in its newest version, system columns too. */
import {defineSystemTable} from './define.ts';

export const COLUMNS = defineSystemTable({
  name: 'columns',
  incarnation: 31,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Columns of every table in its newest version, and of views.',
  primaryKey: undefined,
  columns: [
    {id: 1, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
    {id: 2, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table or view.'},
    {id: 3, name: 'version', type: 'bigint', isNullable: false, doc: 'Schema version, from 1.'},
    {id: 4, name: 'column_id', type: 'bigint', isNullable: false, doc: 'Id of the column; never reused in a table.'},
    {id: 5, name: 'column_name', type: 'text', isNullable: false, doc: 'Name of the column.'},
    {id: 6, name: 'comment', type: 'text', isNullable: true, doc: 'Comment.'},
    {id: 7, name: 'data_type', type: 'text', isNullable: false, doc: 'Type, as in CREATE TABLE.'},
    {id: 8, name: 'default_value', type: 'text', isNullable: true, doc: 'Default, as text.'},
    {id: 9, name: 'ordinal', type: 'bigint', isNullable: false, doc: 'Place in SELECT *, from 1.'},
    {id: 10, name: 'nullable', type: 'boolean', isNullable: false, doc: 'Whether it takes NULL.'},
    {id: 11, name: 'primary_key', type: 'boolean', isNullable: false, doc: 'Whether it is the key.'},
    {id: 12, name: 'primary_key_pos', type: 'bigint', isNullable: true, doc: 'Place in the key, from 1.'},
  ],
});

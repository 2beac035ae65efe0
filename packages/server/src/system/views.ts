/** Views as they are stored: one row for each. What is shown of them stands beside the tables. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const VIEWS = defineSystemTable({
  name: 'view_rows',
  incarnation: 30,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Definitions of views.',
  primaryKey: 'view_id',
  columns: [
    {id: 1, name: 'view_id', type: 'text', isNullable: false, doc: 'namespace:view.'},
    {id: 2, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the view.'},
    {id: 3, name: 'view_name', type: 'text', isNullable: false, doc: 'Name of the view.'},
    {id: 4, name: 'query', type: 'text', isNullable: false, doc: 'The query it stands for.'},
    {id: 5, name: 'columns', type: 'json', isNullable: false, doc: 'Names and types of its columns, in order.'},
    {id: 6, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was created.'},
    {id: 7, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When it was last replaced.'},
  ],
});

export type ViewRecord = RecordOf<typeof VIEWS>;

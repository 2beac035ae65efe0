/** Datatypes: the table of types, as a table. */
import {defineSystemTable} from './define.ts';

export const DATATYPES = defineSystemTable({
  name: 'datatypes',
  incarnation: 32,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Types of columns and expressions.',
  primaryKey: undefined,
  columns: [
    {
      id: 1,
      name: 'arrow_type',
      type: 'text',
      isNullable: false,
      doc: 'Form in memory, as engines of this family name it.',
    },
    {id: 2, name: 'kalam_type', type: 'text', isNullable: false, doc: 'Name in schemas of answers.'},
    {id: 3, name: 'sql_name', type: 'text', isNullable: false, doc: 'Name in CREATE TABLE.'},
    {id: 4, name: 'description', type: 'text', isNullable: false, doc: 'Form on the wire, and what it is read from.'},
  ],
});

/** Meta: durable facts of this server that no user table shows. */
import {defineSystemTable} from './define.ts';

export const META = defineSystemTable({
  name: 'meta',
  incarnation: 13,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Facts of this server.',
  primaryKey: 'key',
  columns: [
    {id: 1, name: 'key', type: 'text', isNullable: false, doc: 'Name of the fact.'},
    {id: 2, name: 'value', type: 'text', isNullable: false, doc: 'The fact.'},
  ],
});

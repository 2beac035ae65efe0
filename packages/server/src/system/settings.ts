/** Settings: the options the server runs with. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const SETTINGS = defineSystemTable({
  name: 'settings',
  incarnation: 12,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Options in force; secrets are masked.',
  primaryKey: 'name',
  columns: [
    {id: 1, name: 'name', type: 'text', isNullable: false, doc: 'Name of the option.'},
    {id: 2, name: 'value', type: 'text', isNullable: false, doc: 'Its value as text.'},
    {id: 3, name: 'description', type: 'text', isNullable: false, doc: 'What it does.'},
    {id: 4, name: 'category', type: 'text', isNullable: false, doc: 'Group of the option.'},
  ],
});

export type SettingRecord = RecordOf<typeof SETTINGS>;

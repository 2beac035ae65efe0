/** Storages: named places for segments. The row `local` always exists. */
import {defineSystemTable, type RecordOf} from './define.ts';

export const STORAGES = defineSystemTable({
  name: 'storages',
  incarnation: 6,
  kind: 'stored',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Named places for segments.',
  primaryKey: 'storage_id',
  columns: [
    {id: 1, name: 'storage_id', type: 'text', isNullable: false, doc: 'Id, as tables name it.'},
    {id: 2, name: 'storage_name', type: 'text', isNullable: false, doc: 'Name for people.'},
    {id: 3, name: 'description', type: 'text', isNullable: true, doc: 'What it is for.'},
    {id: 4, name: 'storage_type', type: 'text', isNullable: false, doc: 'filesystem or s3.'},
    {id: 5, name: 'base_directory', type: 'text', isNullable: false, doc: 'Base directory, or bucket and prefix.'},
    {id: 6, name: 'credentials', type: 'json', isNullable: true, doc: 'Shown masked.'},
    {id: 7, name: 'config_json', type: 'json', isNullable: true, doc: 'Settings of the backend.'},
    {
      id: 8,
      name: 'shared_tables_template',
      type: 'text',
      isNullable: false,
      doc: 'Folder of a shared table below the base.',
    },
    {
      id: 9,
      name: 'user_tables_template',
      type: 'text',
      isNullable: false,
      doc: 'Folder of a user scope below the base.',
    },
    {id: 10, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was registered.'},
    {id: 11, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When it was last changed.'},
  ],
});

export type StorageRecord = RecordOf<typeof STORAGES>;

/** Storage locations: the October-2025 face of storages. */
import {defineSystemTable} from './define.ts';

export const STORAGE_LOCATIONS = defineSystemTable({
  name: 'storage_locations',
  incarnation: 5,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Places that segments lie in, and how many tables use them.',
  primaryKey: 'location_name',
  columns: [
    {id: 1, name: 'location_name', type: 'text', isNullable: false, doc: 'Id of the storage.'},
    {id: 2, name: 'location_type', type: 'text', isNullable: false, doc: 'filesystem or s3.'},
    {id: 3, name: 'path', type: 'text', isNullable: false, doc: 'Base directory or bucket.'},
    {id: 4, name: 'credentials_ref', type: 'text', isNullable: true, doc: 'Name of the credentials; never the secret.'},
    {id: 5, name: 'usage_count', type: 'int', isNullable: false, doc: 'Tables that use it now.'},
    {id: 6, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was registered.'},
    {id: 7, name: 'updated_at', type: 'timestamp', isNullable: false, doc: 'When it was last changed.'},
  ],
});

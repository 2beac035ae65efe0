/** Manifests: what segments each scope has. */
import {defineSystemTable} from './define.ts';

export const MANIFEST = defineSystemTable({
  name: 'manifest',
  incarnation: 10,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Manifest of every scope that was flushed.',
  primaryKey: 'cache_key',
  columns: [
    {id: 1, name: 'cache_key', type: 'text', isNullable: false, doc: 'namespace:table:scope.'},
    {id: 2, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Namespace of the table.'},
    {id: 3, name: 'table_name', type: 'text', isNullable: false, doc: 'Name of the table.'},
    {id: 4, name: 'scope', type: 'text', isNullable: false, doc: 'shared, or the user id.'},
    {id: 5, name: 'etag', type: 'text', isNullable: true, doc: 'Version of the mirror in the storage.'},
    {id: 6, name: 'last_refreshed', type: 'timestamp', isNullable: false, doc: 'When the manifest last changed.'},
    {id: 7, name: 'last_accessed', type: 'timestamp', isNullable: false, doc: 'When it was last read.'},
    {id: 8, name: 'in_memory', type: 'boolean', isNullable: false, doc: 'Whether it is held in memory.'},
    {
      id: 9,
      name: 'sync_state',
      type: 'text',
      isNullable: false,
      doc: 'in_sync, pending_write, syncing, stale or error.',
    },
    {id: 10, name: 'manifest_json', type: 'json', isNullable: false, doc: 'The manifest, segment paths included.'},
  ],
});

/**
 * Namespaces, stored and shown.
 *
 * What is stored (`NAMESPACES`, hidden) holds only what cannot be counted. `system.namespaces` is computed from it and the catalog, so that
 * its `table_count` can never disagree with the tables that exist.
 */
import {defineSystemTable, type RecordOf} from './define.ts';

export const NAMESPACES = defineSystemTable({
  name: 'namespace_rows',
  incarnation: 14,
  kind: 'stored',
  isVisible: false,
  readers: ['dba', 'system'],
  doc: 'Stored part of system.namespaces.',
  primaryKey: 'namespace_id',
  columns: [
    {id: 1, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Id of the namespace.'},
    {id: 2, name: 'name', type: 'text', isNullable: false, doc: 'Name of the namespace; the same as its id.'},
    {id: 3, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was created.'},
    {id: 4, name: 'options', type: 'json', isNullable: true, doc: 'Options given at creation.'},
  ],
});

export type NamespaceRecord = RecordOf<typeof NAMESPACES>;

export const NAMESPACES_VIEW = defineSystemTable({
  name: 'namespaces',
  incarnation: 2,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Namespaces and how many tables they hold.',
  primaryKey: 'namespace_id',
  columns: [
    {id: 1, name: 'namespace_id', type: 'text', isNullable: false, doc: 'Id of the namespace.'},
    {id: 2, name: 'name', type: 'text', isNullable: false, doc: 'Name of the namespace; the same as its id.'},
    {id: 3, name: 'created_at', type: 'timestamp', isNullable: false, doc: 'When it was created.'},
    {id: 4, name: 'options', type: 'json', isNullable: true, doc: 'Options given at creation.'},
    {id: 5, name: 'table_count', type: 'int', isNullable: false, doc: 'Tables in the namespace now.'},
  ],
});

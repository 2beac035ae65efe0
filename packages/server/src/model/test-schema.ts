/**
 * Schemas for tests: a table from a list of column types.
 */
import type {DataType, Value} from './datatype.ts';
import type {Incarnation} from './names.ts';
import type {Column, Schema} from './schema.ts';

export function testColumn(id: number, name: string, type: DataType, initial: Value = null): Column {
  return {id, name, type, isNullable: true, default: {kind: 'none'}, initial};
}

/** A shared table whose first column is its key. */
export function testSchema(columns: readonly Column[], version = 1): Schema {
  return {
    incarnation: 64 as Incarnation,
    name: {namespace: 'test', table: 'rows'},
    kind: 'shared',
    version,
    columns,
    primaryKey: 0,
    options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
    createdAt: 0n,
    updatedAt: 0n,
  };
}

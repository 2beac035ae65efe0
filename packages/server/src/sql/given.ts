/**
 * Given: rows that a change inside of WITH gave by RETURNING, as a table that the parts behind it may name.
 *
 * Law: such a table is found by its bare name alone, before those of the catalog, by who reads; what a statement writes to is never one.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {snapshotOf} from '../catalog/system-reader.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Incarnation} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {TableRef} from '../parser/ast.ts';
import type {TableSnapshot} from '../table/table.ts';
import type {StatementContext} from './define.ts';

export interface GivenTable {
  readonly schema: Schema;
  /** undefined: the change has no RETURNING, so it is no table. */
  readonly rows: readonly (readonly Value[])[] | undefined;
}

/** `index` tells the given tables of a statement apart. */
export function givenTable(
  name: string,
  index: number,
  columns: readonly {readonly name: string; readonly type: DataType}[],
  rows: readonly (readonly Value[])[] | undefined,
): GivenTable {
  const twice = columns.find((column, i) => columns.findIndex(other => other.name === column.name) < i);
  if (twice !== undefined)
    throw fail.execution(`WITH query "${name}" has two columns "${twice.name}"; give them names of their own`);
  const schema: Schema = {
    // No table of the catalog has such a number.
    incarnation: (-1 - index) as Incarnation,
    name: {namespace: '', table: name},
    kind: 'system',
    version: 1,
    columns: columns.map((column, i) => ({
      ...column,
      id: i + 1,
      isNullable: true,
      default: {kind: 'none'},
      initial: null,
      comment: '',
    })),
    primaryKey: -1,
    options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
    createdAt: 0n,
    updatedAt: 0n,
  };
  return {schema, rows};
}

/** What the name means, if it is that of a given table. */
export function givenSchema({given}: StatementContext, {namespace, table}: TableRef): Schema | undefined {
  if (given === undefined || namespace !== undefined) return undefined;
  const found = given.get(table.name);
  if (found !== undefined && found.rows === undefined)
    throw fail.execution(`WITH query "${table.name}" does not have a RETURNING clause`);
  return found?.schema;
}

export function givenSnapshot({given}: StatementContext, schema: Schema): TableSnapshot | undefined {
  if (given === undefined) return undefined;
  const found = given.get(schema.name.table);
  return found?.schema === schema ? snapshotOf(schema, found.rows!) : undefined;
}

/** Shown columns: what statements and tables that list columns tell of each, in the order of `SELECT *`. */

import type {DataType} from '../model/datatype.ts';
import {type Column, DELETED_COLUMN, type Schema, SEQ_COLUMN, TABLE_KINDS} from '../model/schema.ts';
import {valueText} from '../model/values.ts';
import type {View} from '../model/view.ts';

export interface ShownColumn {
  readonly name: string;
  /** From 1. */
  readonly ordinal: number;
  readonly id: number;
  readonly type: DataType;
  readonly isNullable: boolean;
  readonly isPrimaryKey: boolean;
  readonly default: string | null;
  readonly comment: string | null;
}

export function shownColumns(table: Schema | View): ShownColumn[] {
  if (table.kind === 'view')
    return table.columns.map(({name, type}, i) => shown(name, i, i + 1, {type, isNullable: true}));
  const columns = table.columns.map((column, i) => ({
    ...shown(column.name, i, column.id, column),
    isPrimaryKey: i === table.primaryKey,
    default: defaultText(column),
    comment: column.comment ?? null,
  }));
  if (table.kind === 'system') return columns;
  const nextId = Math.max(...table.columns.map(column => column.id)) + 1;
  columns.push(shown(SEQ_COLUMN, columns.length, nextId, {type: {name: 'bigint'}, isNullable: false}));
  if (!TABLE_KINDS[table.kind].hasDeleted) return columns;
  const deleted = shown(DELETED_COLUMN, columns.length, nextId + 1, {type: {name: 'boolean'}, isNullable: false});
  return [...columns, {...deleted, default: 'false'}];
}

function shown(
  name: string,
  index: number,
  id: number,
  {type, isNullable}: {readonly type: DataType; readonly isNullable: boolean},
): ShownColumn {
  return {name, ordinal: index + 1, id, type, isNullable, isPrimaryKey: false, default: null, comment: null};
}

export function defaultText(column: Column): string | null {
  switch (column.default.kind) {
    case 'none':
      return null;
    case 'function':
      return `${column.default.name}()`;
    case 'literal':
      return column.default.value === null ? 'NULL' : valueText(column.type, column.default.value);
    default:
      return column.default satisfies never;
  }
}

/**
 * Alterations: what ALTER TABLE makes of a schema, and what it then asks of the rows that are there. Pure.
 *
 * Laws: column ids are never reused and the primary key stays. Every type a column had is kept with it, since its rows are not written again.
 * What is asked of the rows follows from the two schemas alone, so no statement can forget to ask.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {DataType} from '../model/datatype.ts';
import {carried, isWidening, keepsKeys} from '../model/evolution.ts';
import {tableText} from '../model/names.ts';
import {COLUMNS_MAX, type Column, type Schema, type TableOptions} from '../model/schema.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import type {Demand} from '../table/row-check.ts';

/** Its values go through each of them, and every version of the schema tells of all. */
const FORMER_TYPES_MAX = 100;

/** Makes the next version of a schema; undefined when there is nothing to change. `nextColumnId` is one that was never used. */
export type Alteration = (current: Schema, nextColumnId: number) => Schema | undefined;

export function addColumn(column: Omit<Column, 'id'>, ifNotExists: boolean): Alteration {
  return (current, id) => {
    if (current.columns.some(other => other.name === column.name)) {
      if (ifNotExists) return undefined;
      throw alreadyExists(column.name);
    }
    if (current.columns.length >= COLUMNS_MAX)
      throw new DbError('LIMIT_EXCEEDED', `A table has at most ${COLUMNS_MAX} columns.`);
    return {...current, columns: [...current.columns, {...column, id}]};
  };
}

export function dropColumn(name: string, ifExists: boolean): Alteration {
  return current => {
    const index = current.columns.findIndex(column => column.name === name);
    if (index < 0 && ifExists) return undefined;
    if (index < 0) throw doesNotExist(name);
    if (index === current.primaryKey)
      throw fail.invalidOperation(`Cannot drop column '${name}': it is the PRIMARY KEY`);
    const columns = current.columns.filter((_, i) => i !== index);
    const primaryKey = index < current.primaryKey ? current.primaryKey - 1 : current.primaryKey;
    return {...current, columns, primaryKey};
  };
}

export function renameColumn(from: string, to: string): Alteration {
  const rename = changeColumn(from, column => ({...column, name: to}));
  return (current, id) => {
    const isTaken = from !== to && current.columns.some(column => column.name === to);
    const renamed = rename(current, id);
    if (isTaken) throw alreadyExists(to);
    return from === to ? undefined : renamed;
  };
}

/** Its segments stay where they lie. `isTaken` is asked whenever the change is decided. */
export function renameTable(to: string, isTaken: () => boolean): Alteration {
  return current => {
    const {name, folder: before = name.table, ...rest} = current;
    if (to === name.table) return undefined;
    if (isTaken()) throw fail.alreadyExists(`Table ${name.namespace}.${to} already exists`);
    const renamed = {...rest, name: {...name, table: to}};
    return before === to ? renamed : {...renamed, folder: before};
  };
}

/** `change` is told whether the column is the primary key; undefined: it is as it should be already. */
export function changeColumn(
  name: string,
  change: (column: Column, isPrimaryKey: boolean) => Column | undefined,
): Alteration {
  return current => {
    const index = current.columns.findIndex(column => column.name === name);
    if (index < 0) throw doesNotExist(name);
    const before = current.columns[index]!;
    const changed = change(before, index === current.primaryKey);
    if (changed === undefined) return undefined;
    const after = sameType(before.type, changed.type) ? changed : retyped(current, index, changed);
    return {...current, columns: current.columns.with(index, after)};
  };
}

export function setOptions(change: (current: TableOptions) => TableOptions): Alteration {
  return current => {
    const options = change(current.options);
    return JSON.stringify(options) === JSON.stringify(current.options) ? undefined : {...current, options};
  };
}

function retyped(current: Schema, index: number, changed: Column): Column {
  const before = current.columns[index]!;
  const {name, type} = before;
  if (index === current.primaryKey && !keepsKeys(type, changed.type)) {
    throw fail.schemaEvolution(
      `Column '${name}' is the PRIMARY KEY: rows are found by keys of its type, and those of ${sqlName(changed.type)} are others than those of ${sqlName(type)}`,
    );
  }
  const formerTypes = [...(before.formerTypes ?? []), {type, throughVersion: current.version}];
  if (formerTypes.length > FORMER_TYPES_MAX)
    throw new DbError(
      'LIMIT_EXCEEDED',
      `The type of column '${name}' was changed ${FORMER_TYPES_MAX} times, the most it can be.`,
    );
  return {...changed, initial: carried(before.initial, [type, changed.type]), formerTypes};
}

/** What the rows of the one schema must meet before the other can begin. */
export function demandsOf(current: Schema, next: Schema): Demand[] {
  return next.columns.flatMap(after => {
    const column = current.columns.findIndex(({id}) => id === after.id);
    const before = current.columns[column];
    if (before === undefined) return [];
    const isNotNull = before.isNullable && !after.isNullable;
    if (!isNotNull && isWidening(before.type, after.type)) return [];
    return [{column, isNotNull, type: after.type, refusal: () => refusal(current, before, after.type, isNotNull)}];
  });
}

function refusal(schema: Schema, {name, type}: Column, wanted: DataType, isNotNull: boolean): DbError {
  const isSame = sameType(type, wanted);
  const what = isSame ? 'is NULL' : `${isNotNull ? 'is NULL or ' : ''}does not fit ${sqlName(wanted)}`;
  return fail.schemaEvolution(
    `Column '${name}' of table ${tableText(schema.name)} holds a value that ${what}; change such rows first, then alter the table`,
  );
}

function alreadyExists(name: string): DbError {
  return fail.invalidOperation(`Column '${name}' already exists`);
}

function doesNotExist(name: string): DbError {
  return fail.invalidOperation(`Column '${name}' does not exist`);
}

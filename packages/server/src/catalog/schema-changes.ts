/** Schema changes: what one version of a schema changed, told in the words of the statements that would do it. Pure. */
import type {Column, Schema, TableOptions} from '../model/schema.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import {defaultText} from './shown-columns.ts';

/** Of the first version: that the table was made. */
export function schemaChanges(before: Schema | undefined, after: Schema): string[] {
  if (before === undefined) return ['CREATE TABLE'];
  const old = new Map(before.columns.map(column => [column.id, column]));
  const kept = new Set(after.columns.map(({id}) => id));
  const [from, to] = [before.name.table, after.name.table];
  return [
    ...(from === to ? [] : [`RENAME TO ${to}`]),
    ...before.columns.filter(({id}) => !kept.has(id)).map(({name}) => `DROP COLUMN ${name}`),
    ...after.columns.flatMap(column => columnChanges(old.get(column.id), column)),
    ...optionChanges(before.options, after.options),
  ];
}

function columnChanges(before: Column | undefined, after: Column): string[] {
  const {name} = after;
  if (before === undefined) return [`ADD COLUMN ${name} ${sqlName(after.type)}`];
  const changes: string[] = [];
  if (before.name !== name) changes.push(`RENAME COLUMN ${before.name} TO ${name}`);
  if (!sameType(before.type, after.type)) changes.push(`MODIFY COLUMN ${name} ${sqlName(after.type)}`);
  if (before.isNullable !== after.isNullable)
    changes.push(`ALTER COLUMN ${name} ${after.isNullable ? 'DROP' : 'SET'} NOT NULL`);
  const [old, preset] = [defaultText(before), defaultText(after)];
  // A default that only went along with its column's type is no change of its own.
  if (old !== preset && sameType(before.type, after.type))
    changes.push(`ALTER COLUMN ${name} ${preset === null ? 'DROP DEFAULT' : `SET DEFAULT ${preset}`}`);
  return changes;
}

function optionChanges(before: TableOptions, after: TableOptions): string[] {
  const [old, changed] = [optionTexts(before), optionTexts(after)];
  const keys = Object.keys(changed).filter(key => old[key] !== changed[key]);
  return keys.length === 0 ? [] : [`SET TBLPROPERTIES (${keys.map(key => `${key} = '${changed[key]}'`).join(', ')})`];
}

function optionTexts(options: TableOptions): Record<string, string> {
  const {rows, seconds} = options.flushPolicy ?? {};
  const policy = [rows === undefined ? [] : `rows:${rows}`, seconds === undefined ? [] : `interval:${seconds}`];
  return {
    ACCESS_LEVEL: String(options.accessLevel).toUpperCase(),
    FLUSH_POLICY: policy.flat().join(','),
    DELETED_RETENTION_HOURS: String(options.deletedRetentionHours),
    TTL_SECONDS: String(options.ttlSeconds),
  };
}

/**
 * Statements: the SQL of the short forms, and values put into the text of a live query, which has no parameters.
 *
 * Law: what comes from the program as a name is quoted, and what comes as a value is a parameter or a literal. Neither can end it early.
 */
import {KalamError} from './error.ts';
import {type Param, paramsJson} from './http.ts';

export interface Statement {
  readonly sql: string;
  readonly params: readonly Param[];
}

/** Values by column names; those that are undefined are left out. */
export type Values = {readonly [column: string]: Param | undefined};

export function insertStatement(table: string, row: Values): Statement {
  const [columns, params] = definedOf(row);
  if (columns.length === 0) throw new KalamError('INVALID_ARGUMENT', `A row for ${table} needs at least one value.`);
  const places = params.map((_, i) => `$${i + 1}`).join(', ');
  return {sql: `INSERT INTO ${tableName(table)} (${columns.map(quoteName).join(', ')}) VALUES (${places})`, params};
}

export function updateStatement(table: string, key: Values, row: Values): Statement {
  const [columns, params] = definedOf(row);
  if (columns.length === 0) throw new KalamError('INVALID_ARGUMENT', `An update of ${table} needs at least one value.`);
  const set = columns.map((name, i) => `${quoteName(name)} = $${i + 1}`).join(', ');
  const where = whereKey(table, key, params.length);
  return {sql: `UPDATE ${tableName(table)} SET ${set} WHERE ${where.sql}`, params: [...params, ...where.params]};
}

export function deleteStatement(table: string, key: Values): Statement {
  const where = whereKey(table, key, 0);
  return {sql: `DELETE FROM ${tableName(table)} WHERE ${where.sql}`, params: where.params};
}

/** A statement of another user, as one who may do so. */
export function asUser(sql: string, user: string): string {
  return `EXECUTE AS USER ${quoteText(user)} (${sql.trim().replace(/;$/, '')})`;
}

/** `namespace.table` or `table`, quoted. */
export function tableName(name: string): string {
  const parts = name.split('.');
  if (parts.length > 2 || parts.includes(''))
    throw new KalamError('INVALID_ARGUMENT', `'${name}' is not the name of a table: use namespace.table.`);
  return parts.map(quoteName).join('.');
}

/** The text with the values in place of `$1`, `$2` …; those inside of quotes and comments are left alone. */
export function withLiterals(sql: string, params: readonly Param[]): string {
  return sql.replace(PLACES, (text, place: string | undefined) => {
    if (place === undefined) return text;
    const param = params[Number(place) - 1];
    if (param === undefined)
      throw new KalamError('INVALID_ARGUMENT', `${text} has no value: there are ${params.length}.`);
    return literal(param);
  });
}

/** Strings, escaped strings, quoted names and comments, whole; else a place. */
const PLACES = /[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\d+)/g;

function literal(param: Param): string {
  if (param === null) return 'NULL';
  if (typeof param === 'boolean') return param ? 'TRUE' : 'FALSE';
  if (typeof param === 'string') return quoteText(param);
  const json = paramsJson([param]).slice(1, -1);
  // In parentheses, so that a minus before the place does not make a comment of it.
  if (typeof param === 'number' || typeof param === 'bigint') return param < 0 ? `(${json})` : json;
  return quoteText(param instanceof Date ? param.toISOString() : json);
}

function whereKey(table: string, key: Values, offset: number): Statement {
  const [columns, params] = definedOf(key);
  if (columns.length === 0 || params.includes(null))
    throw new KalamError('INVALID_ARGUMENT', `The key of a row of ${table} has no value.`);
  return {sql: columns.map((name, i) => `${quoteName(name)} = $${offset + i + 1}`).join(' AND '), params};
}

function definedOf(values: Values): [columns: string[], params: Param[]] {
  const entries = Object.entries(values).filter((entry): entry is [string, Param] => entry[1] !== undefined);
  return [entries.map(([name]) => name), entries.map(([, value]) => value)];
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Relation SQL: a relation as one SELECT for DuckDB. Pure.
 *
 *     files of one schema version, without dead rows      SELECT … FROM read_parquet([…]) AS f(…) [ANTI JOIN hidden keys] WHERE not deleted
 *     files of that version with dead rows                the same, ANTI JOIN dead positions
 *     hot rows                                            SELECT … FROM kalamdb_hot(n)
 *     and all of them by UNION ALL
 *
 * Columns of a file are taken by their place, which the schema version that wrote it tells; so names that were changed, dropped or that
 * DuckDB gives a meaning to do no harm. Values that need a literal are parameters.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {isWidening, typePath} from '../model/evolution.ts';
import {type Column, DELETED_COLUMN, DELETED_INDEX, type Schema, SEQ_COLUMN, SEQ_INDEX} from '../model/schema.ts';
import {assert} from '../std/assert.ts';
import type {RelationFile} from './duck.ts';
import {duckType, quoted} from './duck-type.ts';
import type {RelationHead} from './frames.ts';

/** Table functions of the child; the argument is the number of the relation, or of a list of dead rows. */
export const HOT_FUNCTION = 'kalamdb_hot';
/** Column `k`: keys that have a hot version over a cold one. */
export const HIDDEN_FUNCTION = 'kalamdb_hidden';
/** Column `p`: number of the file in its list times 2^32, plus the position of the row in it. */
export const DEAD_FUNCTION = 'kalamdb_dead';

export interface RelationFacts {
  readonly number: number;
  readonly hotRowCount: number;
  readonly hiddenKeyCount: number;
  /** Binds a value, answers how the SQL names it. */
  readonly parameter: (type: DataType, value: Value) => string;
  /** Says in SQL how a value is carried along a path of types by our own code. */
  readonly carry: (value: string, path: readonly DataType[]) => string;
  /** Keeps the dead rows of these files for the dead function, answers their number. */
  readonly deadRows: (files: readonly RelationFile[]) => number;
}

const BIGINT: DataType = {name: 'bigint'};
const BOOLEAN: DataType = {name: 'boolean'};

/** What a column of the relation is called, and its type. */
export function relationColumn(schema: Schema, index: number): {readonly name: string; readonly type: DataType} {
  if (index === SEQ_INDEX) return {name: SEQ_COLUMN, type: BIGINT};
  if (index === DELETED_INDEX) return {name: DELETED_COLUMN, type: BOOLEAN};
  return schema.columns[index]!;
}

export function relationSql(relation: RelationHead, facts: RelationFacts): string {
  const branches: string[] = [];
  for (const [version, files] of Map.groupBy(relation.files, file => file.schemaVersion)) {
    const writer = relation.versions.find(schema => schema.version === version);
    assert(writer !== undefined, `schema version ${version} of a file is known`);
    const isDirty = Map.groupBy(files, file => file.dead.length > 0);
    for (const [hasDead, some] of isDirty) branches.push(filesSql(relation, writer, some, hasDead, facts));
  }
  if (facts.hotRowCount > 0 || branches.length === 0) branches.push(hotSql(relation, facts.number));
  return branches.join(' UNION ALL ');
}

function hotSql({schema, columns}: RelationHead, number: number): string {
  const list = columns.map(index => quoted(relationColumn(schema, index).name));
  return `SELECT ${listOf(list)} FROM ${HOT_FUNCTION}(${number})`;
}

function filesSql(
  relation: RelationHead,
  writer: Schema,
  files: readonly RelationFile[],
  hasDead: boolean,
  facts: RelationFacts,
): string {
  const {schema, columns, includeTombstones} = relation;
  const place = (index: number): string => `f.c${index}`;
  const seq = place(writer.columns.length);
  const deleted = place(writer.columns.length + 1);
  const read = (column: Column): string => {
    const source = writer.columns.findIndex(({id}) => id === column.id);
    if (source < 0) return `CAST(${facts.parameter(column.type, column.initial)} AS ${duckType(column.type)})`;
    return readSql(place(source), writer.columns[source]!.type, typePath(column, writer), facts);
  };
  const list = columns.map(index => {
    const value = index === SEQ_INDEX ? seq : index === DELETED_INDEX ? deleted : read(schema.columns[index]!);
    return `${value} AS ${quoted(relationColumn(schema, index).name)}`;
  });
  const names = Array.from({length: writer.columns.length + 2}, (_, i) => `c${i}`).join(',');
  const paths = files.map(file => pathLiteral(file.path)).join(',');
  let sql = `SELECT ${listOf(list)} FROM read_parquet([${paths}],hive_partitioning=false) AS f(${names})`;
  if (hasDead) {
    const number = facts.deadRows(files);
    sql += ` ANTI JOIN ${DEAD_FUNCTION}(${number}) AS d ON CAST(f.file_index AS BIGINT)*4294967296+f.file_row_number=d.p`;
  }
  if (facts.hiddenKeyCount > 0 && schema.primaryKey >= 0) {
    sql += ` ANTI JOIN ${HIDDEN_FUNCTION}(${facts.number}) AS h ON ${read(schema.columns[schema.primaryKey]!)}=h.k`;
  }
  // A comparison, not NOT: bounds of row groups decide comparisons.
  return includeTombstones ? sql : `${sql} WHERE ${deleted}=false`;
}

/** A relation of which no column is wanted is still counted. */
function listOf(columns: readonly string[]): string {
  return columns.length === 0 ? 'true AS "?"' : columns.join(',');
}

/** DuckDB takes a path as a pattern: this one matches nothing but the path. */
export function pathLiteral(path: string): string {
  return textLiteral(path.replace(/[[*?]/g, '[$&]'));
}

export function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const EXACT_CASTS: Readonly<Partial<Record<DataType['name'], readonly DataType['name'][]>>> = {
  smallint: ['int', 'bigint', 'decimal', 'float', 'double', 'text'],
  int: ['bigint', 'decimal', 'double', 'text'],
  bigint: ['decimal', 'text'],
  float: ['double'],
  decimal: ['decimal', 'text'],
  timestamp: ['datetime'],
  datetime: ['timestamp'],
  uuid: ['text'],
  json: ['text'],
  file: ['text'],
  boolean: ['text'],
};

/** A column of a file in the type that it has today. */
function readSql(
  place: string,
  written: DataType,
  path: readonly DataType[] | undefined,
  {carry}: Pick<RelationFacts, 'carry'>,
): string {
  // A DATETIME lies in Parquet as an instant, which DuckDB reads as TIMESTAMP WITH TIME ZONE; the child's zone is UTC.
  const value = written.name === 'datetime' ? `CAST(${place} AS TIMESTAMP)` : place;
  if (path === undefined) return value;
  const areExact = path.every((type, i) => i === 0 || isExactCast(path[i - 1]!, type));
  if (!areExact) return carry(value, path);
  return path.slice(1).reduce((sql, type) => `CAST(${sql} AS ${duckType(type)})`, value);
}

/** Whether DuckDB does it as `castValue` of `model/values.ts` does, for every value. */
function isExactCast(from: DataType, to: DataType): boolean {
  return isWidening(from, to) && EXACT_CASTS[from.name]?.includes(to.name) === true;
}

/**
 * Sources: which column a name means, among the tables and queries that stand in FROM and around it.
 *
 * The innermost query that knows a name owns it; two sources of one query that both know it make it ambiguous, as in PostgreSQL.
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType} from '../model/datatype.ts';
import {
  type Column,
  DELETED_COLUMN,
  DELETED_INDEX,
  type Schema,
  SEQ_COLUMN,
  SEQ_INDEX,
  TABLE_KINDS,
} from '../model/schema.ts';
import type {Name, Node} from '../parser/ast.ts';
import {failAt} from './coerce.ts';
import type {ColumnScope, Source, SourceColumn} from './expr.ts';
import {didYouMean, nearNames} from './near.ts';
import {BIGINT, BOOLEAN} from './numbers.ts';

export interface FoundColumn {
  /** Index in the schema, or SEQ_INDEX, DELETED_INDEX. */
  readonly index: number;
  readonly type: DataType;
  readonly column: Column | undefined;
}

export function hasDeleted(schema: Schema): boolean {
  return TABLE_KINDS[schema.kind].hasDeleted;
}

export function findColumn(schema: Schema, name: string): FoundColumn | undefined {
  const index = schema.columns.findIndex(column => column.name === name);
  if (index >= 0) return {index, type: schema.columns[index]!.type, column: schema.columns[index]};
  if (name === SEQ_COLUMN && schema.kind !== 'system') return {index: SEQ_INDEX, type: BIGINT, column: undefined};
  if (name === DELETED_COLUMN && hasDeleted(schema)) return {index: DELETED_INDEX, type: BOOLEAN, column: undefined};
  return undefined;
}

/** Names of all columns of a table, in the order of `*`. */
export function columnNames(schema: Schema): string[] {
  const names = schema.columns.map(column => column.name);
  if (schema.kind !== 'system') names.push(SEQ_COLUMN);
  if (hasDeleted(schema)) names.push(DELETED_COLUMN);
  return names;
}

/** A table as the only source: without a table there are no columns. */
export function tableSources(schema: Schema | undefined, alias: string | undefined): readonly Source[] {
  if (schema === undefined) return [];
  return [
    {
      name: alias ?? schema.name.table,
      namespace: alias === undefined ? schema.name.namespace : undefined,
      schema,
      find: name => {
        const found = findColumn(schema, name);
        return found && {type: found.type, index: found.index};
      },
      names: () => columnNames(schema),
    },
  ];
}

/** Does `qualifier.` mean this source? */
export function isOfSource(qualifier: readonly Name[], source: Source): boolean {
  if (qualifier.length === 0) return true;
  if (source.name === undefined || qualifier.length > 2) return false;
  if (qualifier.length === 1) return qualifier[0]!.name === source.name;
  return (
    source.namespace !== undefined && qualifier[0]!.name === source.namespace && qualifier[1]!.name === source.name
  );
}

export interface ResolvedColumn {
  readonly source: Source;
  readonly column: SourceColumn;
  /** The query that owns it. */
  readonly scope: ColumnScope;
}

/** undefined: no source knows the name. Throws when it is ambiguous. */
export function resolveColumn(
  qualifier: readonly Name[],
  name: Name,
  node: Node,
  scope: ColumnScope,
): ResolvedColumn | undefined {
  for (let at: ColumnScope | undefined = scope; at !== undefined; at = at.outer) {
    let found: ResolvedColumn | undefined;
    for (const source of at.sources) {
      if (!isOfSource(qualifier, source) || (qualifier.length === 0 && source.hidden?.has(name.name))) continue;
      const column = source.find(name.name, node);
      if (column === undefined) continue;
      if (found !== undefined) throw ambiguous(qualifier, name, node, scope, [found.source, source]);
      found = {source, column, scope: at};
    }
    if (found !== undefined) return found;
  }
  return undefined;
}

function ambiguous(
  qualifier: readonly Name[],
  name: Name,
  node: Node,
  scope: ColumnScope,
  sources: readonly Source[],
): DbError {
  const hint = didYouMean(reaching(name, sources));
  return failAt(scope, node, `column reference "${fullName(qualifier, name)}" is ambiguous${hint && `.${hint}`}`);
}

/** The column of each source by the name that reaches it; made-up names of sources are upper case, and nobody can say them. */
function reaching({name}: Name, sources: readonly Source[]): string[] {
  const sayable = sources.filter(source => source.name !== undefined && source.name === source.name.toLowerCase());
  return sayable.map(source => `${source.name}.${name}`);
}

function fullName(qualifier: readonly Name[], name: Name): string {
  return [...qualifier.map(part => part.name), name.name].join('.');
}

/** The error of a name that nobody knows, with what the writer may have meant. */
export function noField(qualifier: readonly Name[], name: Name, node: Node, scope: ColumnScope): DbError {
  return failAt(scope, node, `No field named ${fullName(qualifier, name)}.${fieldHint(qualifier, name, scope)}`);
}

function fieldHint(qualifier: readonly Name[], name: Name, scope: ColumnScope): string {
  if (isBeside(qualifier, name, scope))
    return ' A query in FROM sees what stands left of it only after the word LATERAL.';
  const near = nearColumns(qualifier, name, scope);
  if (near.length === 0 && qualifier.length === 0 && name.isQuoted)
    return ` A text stands in single quotes: '${name.text.replaceAll("'", "''")}'.`;
  return didYouMean(near);
}

/** Would it be found if each query in FROM saw what stands left of it? */
function isBeside(qualifier: readonly Name[], {name}: Name, scope: ColumnScope): boolean {
  for (let at: ColumnScope | undefined = scope; at !== undefined; at = at.outer) {
    if (at.beside?.some(source => isOfSource(qualifier, source) && source.names().includes(name))) return true;
  }
  return false;
}

/** The column by a name that is valid here, or names that differ by a letter or two. */
function nearColumns(qualifier: readonly Name[], name: Name, {sources}: ColumnScope): string[] {
  const owners = sources.filter(source => source.names().includes(name.name));
  if (qualifier.length > 0 && owners.length > 0) return reaching(name, owners);
  return nearNames(
    name.name,
    sources.flatMap(source => source.names()),
  );
}

/**
 * WITH: queries that are bound once and named by others.
 *
 * A recursive one is `first UNION [ALL] again`: the first term decides names and types, the second names itself exactly once, where each new
 * row can be found from rows that are already there (PostgreSQL's rules).
 */
import {failAt, notSupportedAt} from '../expr/coerce.ts';
import type {SqlWriter} from '../expr/expr.ts';
import {commonType} from '../expr/numbers.ts';
import type {DataType} from '../model/datatype.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import type {Node, Query, SetQuery, With, WithTable} from '../parser/ast.ts';
import {bindQuery} from './bind-query.ts';
import {
  type Binder,
  type BoundQuery,
  outputTypes,
  type Place,
  quoted,
  type WithBinding,
  type WithNames,
} from './bound.ts';

export interface BoundWith {
  readonly names: WithNames | undefined;
  /** `WITH … ` */
  sql(out: SqlWriter): string;
}

export function bindWith(binder: Binder, clause: With, place: Place): BoundWith {
  let names = place.names;
  const parts: ((out: SqlWriter) => string)[] = [];
  for (const [i, table] of clause.tables.entries()) {
    if (clause.tables.slice(0, i).some(other => other.name.name === table.name.name))
      throw failAt(binder, table.name, `WITH query name "${table.name.name}" specified more than once`);
    const binding: WithBinding = {
      name: table.name.name,
      sqlName: binder.name('w'),
      columns: undefined,
      recursion: undefined,
      uses: 0,
    };
    const own: WithNames = {kind: 'table', table: binding, next: names};
    const seen = clause.isRecursive ? own : names;
    parts.push(bindTable(binder, table, binding, {...place, names: withUnseen(seen, clause, i)}));
    names = own;
  }
  const word = clause.isRecursive ? 'WITH RECURSIVE' : 'WITH';
  return {names, sql: out => `${word} ${parts.map(part => part(out)).join(', ')}`};
}

/** The names of a clause that the query at `index` does not see: its own, and those behind it. */
function withUnseen(names: WithNames | undefined, {tables, isRecursive}: With, index: number): WithNames | undefined {
  let all = names;
  const [own, ...later] = tables.slice(index).map(table => table.name.name);
  if (!isRecursive)
    all = {kind: 'unseen', name: own!, why: `WITH query "${own}" sees itself only in WITH RECURSIVE`, next: all};
  for (const name of later)
    all = {kind: 'unseen', name, why: `WITH query "${name}" is seen only by what stands behind it`, next: all};
  return all;
}

function bindTable(binder: Binder, table: WithTable, binding: WithBinding, place: Place): (out: SqlWriter) => string {
  const {query} = table;
  const isSelfUnion = query.kind === 'set' && query.op === 'union' && query.with === undefined;
  const recursive = isSelfUnion && namesItself(query.right, binding.name) ? query : undefined;
  const bound = recursive === undefined ? bindQuery(binder, query, place) : undefined;
  const first = bound ?? bindQuery(binder, recursive!.left, place);
  const types = outputTypes(first, binder);
  binding.columns = columnsOf(binder, table, first, types);
  const list = types.map((_, i) => `"c${i}"`).join(', ');
  const head = () => `${quoted(binding.sqlName)}(${list}) AS ${materialized(table, binding)}`;
  if (recursive === undefined) return out => `${head()}(${first.sql(out, types)})`;
  const again = recursiveTerm(binder, table, binding, recursive, place, types);
  const word = recursive.isAll ? 'UNION ALL' : 'UNION';
  return out => `${head()}((${first.sql(out, types)}) ${word} (${again.sql(out, types)}))`;
}

/**
 * What is named more than once is run once, as in PostgreSQL, even if NOT MATERIALIZED is said: DuckDB 1.5 takes NULL for the parameters of the copies
 * that it makes of such a query.
 */
function materialized({materialized: wanted}: WithTable, {uses}: WithBinding): string {
  if (uses > 1) return 'MATERIALIZED ';
  return wanted === undefined ? '' : wanted ? 'MATERIALIZED ' : 'NOT MATERIALIZED ';
}

function recursiveTerm(
  binder: Binder,
  table: WithTable,
  binding: WithBinding,
  query: SetQuery,
  place: Place,
  types: readonly DataType[],
): BoundQuery {
  if (query.orderBy.length > 0 || query.limit !== undefined || query.offset !== undefined)
    throw notSupportedAt(binder, query.start, 'ORDER BY, LIMIT and OFFSET in a recursive query');
  binding.recursion = {uses: 0};
  const again = bindQuery(binder, query.right, place);
  const {uses} = binding.recursion;
  binding.recursion = undefined;
  if (uses > 1)
    throw failAt(binder, query.right, `recursive reference to query "${binding.name}" must not appear more than once`);
  if (again.outputs.length !== types.length)
    throw failAt(binder, query.right, 'each UNION query must have the same number of columns');
  again.outputs.forEach(({typed}, i) => {
    const wanted = types[i]!;
    if (typed.open !== undefined) return;
    const common = commonType(wanted, typed.type);
    if (common !== undefined && sameType(common, wanted)) return;
    throw failAt(
      binder,
      table.name,
      `recursive query "${binding.name}" column ${i + 1} has type ${sqlName(wanted)} in its first term but type ${sqlName(typed.type)} overall; cast the first term to that type`,
    );
  });
  return again;
}

function columnsOf(
  binder: Binder,
  table: WithTable,
  query: BoundQuery,
  types: readonly DataType[],
): {name: string; type: DataType}[] {
  return named(binder, table.columns, query, types, table, `WITH query "${table.name.name}"`);
}

/** Names of a query's columns, the first ones renamed. */
export function named(
  binder: Binder,
  aliases: WithTable['columns'],
  query: Pick<BoundQuery, 'outputs'>,
  types: readonly DataType[],
  node: Node,
  what: string,
): {name: string; type: DataType}[] {
  if (aliases.length > types.length)
    throw failAt(binder, node, `${what} has ${types.length} columns available but ${aliases.length} columns specified`);
  return types.map((type, i) => ({name: (aliases[i]?.name ?? query.outputs[i]!.name).toLowerCase(), type}));
}

/** Does the text of the query name the table anywhere? A hidden name makes no difference but to the error. */
function namesItself(query: Query, name: string): boolean {
  let isFound = false;
  JSON.stringify(query, (key, value) => {
    if (key === 'table' && value !== null && typeof value === 'object' && 'namespace' in value) {
      if (value.namespace === undefined && value.table?.name === name) isFound = true;
    }
    return value;
  });
  return isFound;
}

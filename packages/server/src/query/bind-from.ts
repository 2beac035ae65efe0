/**
 * FROM: tables, queries, functions and joins as sources of columns.
 *
 * A LATERAL item sees what stands left of it. A join with USING or NATURAL shows the shared columns once, before the others; the two sides
 * stay reachable by their names.
 */
import {castTo, failAt, notSupportedAt} from '../expr/coerce.ts';
import {compare, unify} from '../expr/compare.ts';
import {compileCondition} from '../expr/compile.ts';
import {sqlOf} from '../expr/duck-forms.ts';
import type {Source, SourceColumn, SqlWriter, TypedExpr} from '../expr/expr.ts';
import {columnNames, findColumn, resolveColumn} from '../expr/sources.ts';
import type {DataType} from '../model/datatype.ts';
import {DELETED_COLUMN, SEQ_COLUMN} from '../model/schema.ts';
import type {View} from '../model/view.ts';
import type {FromItem, FromQuery, FromTable, Join, Name, Node} from '../parser/ast.ts';
import {bindFunction} from './bind-function.ts';
import {bindQuery} from './bind-query.ts';
import {bindView} from './bind-view.ts';
import {named} from './bind-with.ts';
import {
  type Binder,
  neverRun,
  outputTypes,
  type Place,
  quoted,
  type TableUse,
  type WithBinding,
  type WithNames,
} from './bound.ts';
import {queryScope} from './query-scope.ts';

export interface BoundFrom {
  readonly sources: readonly FromSource[];
  readonly sql: (out: SqlWriter) => string;
  /** It names the recursive query that it is part of. */
  readonly isRecursive: boolean;
}

export interface FromSource extends Source {
  /** Upper case when no name was given: no statement can say it. */
  readonly name: string;
  readonly hidden: Set<string>;
  /** Column by its place in `names`. */
  at(index: number): SourceColumn;
  /** Of a table. */
  readonly use?: TableUse;
}

/** The list behind FROM; its items are multiplied. */
export function bindFrom(binder: Binder, items: readonly FromItem[], place: Place): BoundFrom | undefined {
  let all: BoundFrom | undefined;
  for (const item of items) {
    const next = bindItem(binder, item, place, all?.sources ?? []);
    all = all === undefined ? next : beside(binder, item, all, next, (a, b) => `${a}, ${b}`);
  }
  return all;
}

function beside(
  binder: Binder,
  node: Node,
  left: BoundFrom,
  right: BoundFrom,
  join: (a: string, b: string) => string,
): BoundFrom {
  for (const {name, namespace} of right.sources) {
    // Two tables of one name in different namespaces are told apart by their namespace.
    const isTwice = left.sources.some(other => other.name === name && other.namespace === namespace);
    if (isTwice) throw failAt(binder, node, `table name "${name}" specified more than once`);
  }
  return {
    sources: [...left.sources, ...right.sources],
    sql: out => join(left.sql(out), right.sql(out)),
    isRecursive: left.isRecursive || right.isRecursive,
  };
}

/** `before`: what a lateral item may name. */
function bindItem(binder: Binder, item: FromItem, place: Place, before: readonly FromSource[]): BoundFrom {
  switch (item.kind) {
    case 'table':
      return bindTable(binder, item, place);
    case 'query':
      return bindSubquery(binder, item, place, before);
    case 'function':
      return bindFunction(binder, item, queryScope(binder, before, place, 'functions in FROM'));
    case 'join':
      return bindJoin(binder, item, place, before);
    default:
      return item satisfies never;
  }
}

function bindTable(binder: Binder, item: FromTable, place: Place): BoundFrom {
  const {namespace, table} = item.table;
  const names = namespace === undefined ? place.names : undefined;
  const known = findWith(binder, table, names);
  if (known !== undefined) {
    const columns = renamed(binder, known.columns!, item.columnAliases, item, table.name);
    const sqlName = binder.name('s');
    const source = columnsSource(binder, item.alias?.name ?? table.name, sqlName, columns);
    const isRecursive = known.recursion !== undefined;
    return {sources: [source], sql: () => `${quoted(known.sqlName)} AS ${quoted(sqlName)}`, isRecursive};
  }
  const use = binder.use(item.table, unseenReason(table, names));
  const sqlName = binder.name('s');
  if ('view' in use) return viewSource(binder, item, use.view, sqlName);
  const source = tableSource(binder, item, use, sqlName);
  return {sources: [source], sql: () => `${quoted(use.relation)} AS ${quoted(sqlName)}`, isRecursive: false};
}

function viewSource(binder: Binder, item: FromTable, view: View, sqlName: string): BoundFrom {
  const query = bindView(binder, view, item.table);
  const types = view.columns.map(column => column.type);
  const columns = renamed(binder, view.columns, item.columnAliases, item, view.name.table);
  const alias = item.alias?.name;
  const source = columnsSource(binder, alias ?? view.name.table, sqlName, columns);
  return {
    sources: [alias === undefined ? {...source, namespace: view.name.namespace} : source],
    sql: out => `(${query.sql(out, types)}) AS ${quoted(sqlName)}`,
    isRecursive: false,
  };
}

/** The query of a WITH clause that the name means here. */
function findWith(binder: Binder, name: Name, names: WithNames | undefined): WithBinding | undefined {
  let fence: string | undefined;
  for (let at = names; at !== undefined; at = at.next) {
    if (at.kind === 'fence') {
      fence ??= at.what;
      continue;
    }
    if (at.kind === 'unseen' || at.table.name !== name.name) continue;
    const {table} = at;
    const refused = (where: string) =>
      failAt(binder, name, `recursive reference to query "${table.name}" must not appear within ${where}`);
    if (table.columns === undefined) throw refused('its non-recursive term');
    if (table.recursion !== undefined) {
      if (fence !== undefined) throw refused(fence);
      table.recursion.uses++;
    } else table.uses++;
    return table;
  }
  return undefined;
}

/** Why a WITH query of that name is not seen here, if there is one. */
function unseenReason({name}: Name, names: WithNames | undefined): string {
  for (let at = names; at !== undefined; at = at.next) {
    if (at.kind === 'unseen' && at.name === name) return `. ${at.why}.`;
  }
  return '';
}

function tableSource(binder: Binder, item: FromTable, use: TableUse, sqlName: string): FromSource {
  const {schema} = use;
  const alias = item.alias?.name;
  const names = columnNames(schema);
  const shown = renamed(
    binder,
    names.map(name => ({name})),
    item.columnAliases,
    item,
    schema.name.table,
  ).map(column => column.name);
  return namedSource(binder, shown, {
    name: alias ?? schema.name.table,
    namespace: alias === undefined ? schema.name.namespace : undefined,
    schema,
    use,
    at: place => {
      const {type, index} = findColumn(schema, names[place]!)!;
      const sql = `${quoted(sqlName)}.${quoted(names[place]!)}`;
      const read = () => {
        use.columns.add(index);
        return sql;
      };
      return {type, index, sql: read};
    },
  });
}

/** A source whose columns are found by their names; a name that several have is ambiguous. */
function namedSource(
  binder: Binder,
  names: readonly string[],
  source: Omit<FromSource, 'names' | 'find' | 'hidden'>,
): FromSource {
  return {
    ...source,
    hidden: new Set(),
    names: () => names,
    find: (name, node) => {
      const index = names.indexOf(name);
      if (index >= 0 && names.indexOf(name, index + 1) >= 0)
        throw failAt(binder, node, `column reference "${name}" is ambiguous`);
      return index < 0 ? undefined : source.at(index);
    },
  };
}

/** Columns c0, c1 … of a query. */
export function columnsSource(
  binder: Binder,
  name: string | undefined,
  sqlName: string,
  columns: readonly {readonly name: string; readonly type: DataType}[],
): FromSource {
  return namedSource(
    binder,
    columns.map(column => column.name),
    {
      name: name ?? sqlName.toUpperCase(),
      namespace: undefined,
      schema: undefined,
      at: index => ({type: columns[index]!.type, index, sql: () => `${quoted(sqlName)}."c${index}"`}),
    },
  );
}

function renamed<Column extends {readonly name: string}>(
  binder: Binder,
  columns: readonly Column[],
  aliases: readonly Name[],
  node: Node,
  what: string,
): Column[] {
  if (aliases.length > columns.length) {
    const counts = `${columns.length} columns available but ${aliases.length} columns specified`;
    throw failAt(binder, node, `table "${what}" has ${counts}`);
  }
  return columns.map((column, i) => (aliases[i] === undefined ? column : {...column, name: aliases[i].name}));
}

function bindSubquery(binder: Binder, item: FromQuery, place: Place, before: readonly FromSource[]): BoundFrom {
  const outer = item.isLateral ? queryScope(binder, before, place, 'LATERAL') : place.outer;
  const beside = item.isLateral ? (place.beside ?? []) : [...(place.beside ?? []), ...before];
  const query = bindQuery(binder, item.query, {...place, outer, beside});
  const types = outputTypes(query, binder);
  const name = item.alias?.name;
  const columns = named(binder, item.columnAliases, query, types, item, `table "${name ?? 'subquery'}"`);
  const sqlName = binder.name('s');
  const word = item.isLateral ? 'LATERAL ' : '';
  return {
    sources: [columnsSource(binder, name, sqlName, columns)],
    sql: out => `${word}(${query.sql(out, types)}) AS ${quoted(sqlName)}`,
    isRecursive: false,
  };
}

const JOIN_WORDS: Readonly<Record<Join['join'], string>> = {
  inner: 'JOIN',
  left: 'LEFT JOIN',
  // With its sides exchanged: DuckDB cannot make every subquery with a right join into joins.
  right: 'LEFT JOIN',
  full: 'FULL JOIN',
  cross: 'CROSS JOIN',
};

function bindJoin(binder: Binder, item: Join, place: Place, before: readonly FromSource[]): BoundFrom {
  const chain: Join[] = [item];
  for (let {left} = item; left.kind === 'join'; left = left.left) chain.push(left);
  const first = chain.at(-1)!;
  let bound = bindItem(binder, first.left, fenced(place, chain, chain.length - 1), before);
  for (let i = chain.length - 1; i >= 0; i--) {
    const join = chain[i]!;
    const isNullable = join.join === 'left' || join.join === 'full';
    const behind: Place = isNullable ? outerJoinFence(place) : place;
    const isLeftSeen = join.join !== 'right' && join.join !== 'full';
    const right = bindItem(binder, join.right, behind, isLeftSeen ? [...before, ...bound.sources] : before);
    bound = joined(binder, join, bound, right, place);
  }
  return bound;
}

/** The left end of a chain is on the nullable side if any link of it is a right or full join. */
function fenced(place: Place, chain: readonly Join[], last: number): Place {
  return chain.slice(0, last + 1).some(({join}) => join === 'right' || join === 'full') ? outerJoinFence(place) : place;
}

function outerJoinFence(place: Place): Place {
  return {...place, names: {kind: 'fence', what: 'an outer join', next: place.names}};
}

function joined(binder: Binder, item: Join, left: BoundFrom, right: BoundFrom, place: Place): BoundFrom {
  const word = JOIN_WORDS[item.join];
  const [leftSql, rightSql] = [sideSql(item.left, left, item.join === 'right'), sideSql(item.right, right, true)];
  const both = beside(binder, item.right, {...left, sql: leftSql}, {...right, sql: rightSql}, (a, b) =>
    item.join === 'right' ? `${b} ${word} ${a}` : `${a} ${word} ${b}`,
  );
  if (item.join === 'cross') return both;
  const shared = item.isNatural ? sharedNames(left, right).map(name => nameAt(item, name)) : item.using;
  if (item.on !== undefined) {
    const scope = queryScope(binder, both.sources, place, 'JOIN conditions');
    const on = compileCondition(item.on, scope, 'JOIN/ON');
    return {...both, sql: out => `${both.sql(out)} ON ${sqlOf(on, out)}`};
  }
  if (shared.length === 0) return {...both, sql: out => `${both.sql(out)} ON TRUE`};
  const pairs = shared.map(name => mergedColumn(binder, item, name, left, right));
  const names = shared.map(({name}) => name);
  for (const source of both.sources) for (const name of names) source.hidden.add(name);
  const merged = mergedSource(binder, names, pairs);
  return {
    ...both,
    sources: [merged, ...both.sources],
    sql: out => `${both.sql(out)} ON ${pairs.map(({same}) => sqlOf(same, out)).join(' AND ')}`,
  };
}

/** A join on the right side of another one stands in brackets. */
function sideSql(item: FromItem, bound: BoundFrom, isRight: boolean): (out: SqlWriter) => string {
  return item.kind === 'join' && isRight ? out => `(${bound.sql(out)})` : bound.sql;
}

/** NATURAL: columns of both sides, in the order of the left one. System columns are no data to join by. */
function sharedNames(left: BoundFrom, right: BoundFrom): string[] {
  const visible = ({sources}: BoundFrom) =>
    sources.flatMap(source => source.names().filter(name => !source.hidden.has(name)));
  const others = new Set(visible(right));
  const names = visible(left).filter(name => others.has(name) && name !== SEQ_COLUMN && name !== DELETED_COLUMN);
  return [...new Set(names)];
}

interface Merged {
  readonly type: DataType;
  readonly same: TypedExpr;
  readonly value: (out: SqlWriter) => string;
}

function mergedColumn(binder: Binder, item: Join, column: Name, left: BoundFrom, right: BoundFrom): Merged {
  const {name} = column;
  const [a, b] = [sideColumn(binder, column, left, 'left'), sideColumn(binder, column, right, 'right')];
  const scope = binder.nowhere;
  const same = compare('=', a, b, scope);
  const both = unify([a, b], scope);
  if (same === undefined || both === undefined)
    throw failAt(binder, column, `JOIN/USING types of column "${name}" cannot be matched`);
  if (same.sql === undefined) throw notSupportedAt(binder, item.start, `joining by column "${name}" of these types`);
  const [x, y] = both as [TypedExpr, TypedExpr];
  const value = (out: SqlWriter) => {
    if (item.join === 'right') return sqlOf(y, out);
    return item.join === 'full' ? `coalesce(${sqlOf(x, out)}, ${sqlOf(y, out)})` : sqlOf(x, out);
  };
  return {type: x.type, same, value};
}

/** A name that nobody wrote, at the place that it comes from. */
function nameAt({start, end}: Node, name: string): Name {
  return {start, end, name, text: name, isQuoted: false};
}

function sideColumn(binder: Binder, column: Name, {sources}: BoundFrom, side: 'left' | 'right'): TypedExpr {
  const found = resolveColumn([], column, column, {sources, text: binder.text});
  if (found === undefined)
    throw failAt(binder, column, `column "${column.name}" specified in USING clause does not exist in ${side} table`);
  const {type, sql} = found.column;
  return castTo({type, eval: neverRun, constant: undefined, sql}, type);
}

function mergedSource(binder: Binder, names: readonly string[], columns: readonly Merged[]): FromSource {
  return namedSource(binder, names, {
    name: binder.name('M'),
    namespace: undefined,
    schema: undefined,
    at: index => ({type: columns[index]!.type, index, sql: columns[index]!.value}),
  });
}

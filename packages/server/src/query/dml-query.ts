/**
 * DML queries: what INSERT … SELECT, and UPDATE and DELETE with FROM, USING or queries in their expressions, ask before they write.
 *
 *     INSERT … query        rows = query                                            → insert
 *     UPDATE, DELETE        rows = SELECT key, _seq, what SET says FROM t, … WHERE …   → change those keys, if they still are those versions
 *
 * Laws: everything is decided at one moment, by one query. A row is written only while the version that was decided on is its newest; else all is
 * decided again. Who was not among the rows of the query is left alone, as by a WHERE without queries. A row that FROM joins to several others is
 * changed once, by the first of what SET says for it, and RETURNING shows of it: in the order of those values, column by column, NULL last.
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import {fail} from '@kalamdb/protocol/errors.ts';
import {failAt, NO_ROW, notSupportedAt} from '../expr/coerce.ts';
import type {Env, Eval} from '../expr/expr.ts';
import {assigned, someExpr, walk} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import type {Row} from '../model/row.ts';
import {type Schema, SEQ_COLUMN} from '../model/schema.ts';
import {compareValues} from '../model/values.ts';
import type {
  Delete,
  Expr,
  FromItem,
  Insert,
  Name,
  Node,
  Query,
  RowAssignment,
  Select,
  Update,
  WindowSpec,
  With,
} from '../parser/ast.ts';
import type {Change} from '../table/table.ts';
import {hasAggregate} from './bind-group.ts';
import {completion, defaultOf, insertTargets, targetsFor, updated, updateTarget} from './dml.ts';
import type {Joined} from './joined.ts';
import type {PlanOptions} from './plan.ts';
import {NO_CLAUSES, selectOf} from './trees.ts';

/** Does the statement need the answer of a query before it knows what to write? */
export function asksFirst(tree: Insert | Update | Delete): boolean {
  if (tree.with !== undefined) return true;
  if (tree.kind === 'insert') return tree.query !== undefined || hasQuery(given(tree.rows.flat()));
  const set = tree.kind === 'update' ? assigned(tree) : [];
  return tree.from.length > 0 || hasQuery(tree.where === undefined ? set : [...set, tree.where]);
}

function given(values: readonly (Expr | 'default')[]): Expr[] {
  return values.filter(value => value !== 'default');
}

function hasQuery(exprs: Iterable<Expr>): boolean {
  return someExpr(exprs, ({kind}) => ['subquery', 'exists', 'inQuery', 'quantified'].includes(kind));
}

export interface InsertQuery {
  readonly query: Query;
  readonly types: (columnCount: number) => readonly DataType[];
  rows(found: readonly (readonly Value[])[], env: Env): Value[][];
}

export function planInsertQuery(insert: Insert, schema: Schema, {text = ''}: PlanOptions): InsertQuery {
  const allTargets = insertTargets(insert, schema, {text});
  const query = insert.query ?? valuesQuery(insert, text);
  // A * that is short of a column or two would put a `_seq` into one of them.
  const isExact = showsStar(query);
  const targetsOf = (width: number) => (isExact ? allTargets : targetsFor(width, insert, allTargets));
  return {
    query: behindWith(insert.with, query),
    types: columnCount => {
      const targets = targetsOf(columnCount);
      if (columnCount === targets.length) return targets.map(index => schema.columns[index]!.type);
      const hint = isExact ? '; * has the system columns too, so name those that are meant' : '';
      throw fail.execution(`INSERT has ${columnCount} values for ${targets.length} columns${hint}`);
    },
    rows: (found, env) => {
      const targets = targetsOf(found[0]?.length ?? 0);
      const complete = completion(schema, targets);
      return found.map((given, rowIndex) => {
        const values: Value[] = new Array(schema.columns.length).fill(null);
        for (let i = 0; i < given.length; i++) values[targets[i]!] = given[i]!;
        return complete(values, rowIndex, env);
      });
    },
  };
}

/** Is a `*` among what the query shows, in any of its parts? */
function showsStar(query: Query): boolean {
  const left = [query];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    if (one.kind === 'set') left.push(one.left, one.right);
    else if (one.kind === 'select' && one.items.some(item => item.kind === 'star')) return true;
  }
  return false;
}

/** A query that has a WITH of its own sees that of the statement around it. */
export function behindWith(clause: With | undefined, query: Query): Query {
  if (clause === undefined) return query;
  if (query.with === undefined) return {...query, with: clause};
  const {start, end} = query;
  const node = {start, end};
  const from = {...node, kind: 'query', query, alias: undefined, columnAliases: [], isLateral: false} as const;
  return {...selectOf(node, {items: [{...node, kind: 'star', qualifier: []}], from: [from]}), with: clause};
}

/** VALUES with queries among the values. */
function valuesQuery(insert: Insert, text: string): Query {
  const {start, end} = insert;
  const rows = insert.rows.map(row =>
    row.map(value => {
      if (value !== 'default') return value;
      throw notSupportedAt({text}, start, 'DEFAULT beside subqueries in VALUES; leave the column out');
    }),
  );
  if (rows.some(row => row.length !== rows[0]!.length))
    throw fail.execution('VALUES lists must all be the same length');
  return {...NO_CLAUSES, kind: 'values', start, end, rows};
}

export interface ChangeQuery {
  readonly query: Query;
  /** Of the columns of the query; it throws if they are not so many. */
  readonly types: (columnCount: number) => readonly DataType[];
  /** The keys of the rows to change, and the change; it throws `stale` on other versions than were found. */
  decide(found: readonly (readonly Value[])[], env: Env, stale: DbError): Decision;
}

interface Decision {
  readonly keys: readonly Uint8Array[];
  readonly change: Change;
  /** What RETURNING shows: a changed row with what was joined to it. */
  readonly shown: (row: Row) => Row;
}

export function planChangeQuery(
  tree: Update | Delete,
  schema: Schema,
  {text = ''}: PlanOptions,
  joined: Joined | undefined,
): ChangeQuery {
  const verb = tree.kind.toUpperCase();
  if (tree.where === undefined) throw fail.invalidOperation(`${verb} requires a WHERE clause`);
  if (tree.with?.tables.some(({name}) => name.name === tree.table.table.name) && tree.table.namespace === undefined) {
    const {name} = tree.table.table;
    throw failAt({text}, tree.table, `relation "${name}" cannot be the target of a modifying statement`);
  }
  if (schema.kind === 'stream')
    throw notSupportedAt({text}, tree.where.start, `subqueries and USING in ${verb} of a STREAM table`);
  const key = schema.columns[schema.primaryKey]!;
  const {sets, rows} = tree.kind === 'update' ? setsOf(tree, schema, text) : {sets: [], rows: []};
  const asked = sets.filter(set => 'expr' in set);
  const beside = joined?.columns ?? [];
  const typeOf = ({index}: SetValue) => schema.columns[index]!.type;
  // What may differ for one row of the table: what SET says, what is joined, and behind them the rows that SET asks for.
  const askedTypes = [...asked.map(typeOf), ...beside.map(column => column.type), ...rowTypes(rows, typeOf)];
  const {type} = key;
  return {
    query: changedRows(
      tree,
      [key.name, SEQ_COLUMN],
      [...asked, ...beside].map(({expr}) => expr),
    ),
    types: columnCount => {
      const types: DataType[] = [type, {name: 'bigint'}, ...askedTypes];
      if (columnCount === types.length) return types;
      throw failAt({text}, rows[0]!.value, 'number of columns does not match number of values');
    },
    decide(found, env, stale) {
      checkSingle(found, rows, 2 + asked.length + beside.length);
      const bySeq = firstOfEach(found, askedTypes);
      const change: Change = row => {
        if (row.isTombstone) return undefined;
        const values = bySeq.get(row.seq);
        if (values === undefined) throw stale;
        if (tree.kind === 'delete') return 'delete';
        return updated(row, schema, sets, set => {
          if ('eval' in set) return set.eval(NO_ROW, env);
          return values[2 + ('expr' in set ? asked.indexOf(set) : asked.length + beside.length + set.at)]!;
        });
      };
      const keys = [...bySeq.values()].map(row => encodeKey(type, row[0]!));
      if (joined === undefined) return {keys, change, shown: row => row};
      const keyText = (value: Value) => Buffer.from(encodeKey(type, value!)).toString('latin1');
      const byKey = new Map([...bySeq.values()].map(row => [keyText(row[0]!), row.slice(2 + asked.length)]));
      return {keys, change, shown: row => joined.rowOf(row, byKey.get(keyText(row.value(schema.primaryKey)))!)};
    },
  };
}

/** By the version it was found in, the first row for it. */
function firstOfEach(found: readonly (readonly Value[])[], types: readonly DataType[]): Map<bigint, readonly Value[]> {
  const first = new Map<bigint, readonly Value[]>();
  for (const row of found) {
    const seq = row[1] as bigint;
    const known = first.get(seq);
    if (known === undefined || isBefore(row, known, types)) first.set(seq, row);
  }
  return first;
}

function isBefore(a: readonly Value[], b: readonly Value[], types: readonly DataType[]): boolean {
  for (const [i, type] of types.entries()) {
    const [x, y] = [a[2 + i]!, b[2 + i]!];
    if (x === null && y === null) continue;
    if (x === null || y === null) return y === null;
    const order = compareValues(type, x, y);
    if (order !== 0) return order < 0;
  }
  return false;
}

/** `at`: its place in what the queries of `(a, b) = (query)` give, their numbers of rows among them. */
type SetValue = {readonly index: number} & ({readonly expr: Expr} | {readonly eval: Eval} | {readonly at: number});

interface SetRow {
  readonly value: Expr;
  readonly sets: readonly SetValue[];
}

function setsOf({set, setRows}: Update, schema: Schema, text: string): {sets: SetValue[]; rows: SetRow[]} {
  const seen = new Set<number>();
  const sets = set.map(({column, value}): SetValue => {
    const index = updateTarget(column, schema, {text, seen});
    if (value === 'default') return {index, eval: defaultOf(schema.columns[index]!)};
    if (hasAggregate([value])) throw failAt({text}, value, 'aggregate functions are not allowed in UPDATE');
    if (hasWindow(value)) throw failAt({text}, value, 'window functions are not allowed in UPDATE');
    return {index, expr: value};
  });
  let at = 0;
  const rows = setRows.map(({columns, value}): SetRow => {
    at += 1;
    return {
      value,
      sets: columns.map(column => ({index: updateTarget(column, schema, {text, seen}), at: at++})),
    };
  });
  return {sets: [...sets, ...rows.flatMap(row => row.sets)], rows};
}

function rowTypes(rows: readonly SetRow[], typeOf: (set: SetValue) => DataType): DataType[] {
  return rows.flatMap(({sets}): DataType[] => [{name: 'bigint'}, ...sets.map(typeOf)]);
}

/** `first`: where the number stands that the first of the queries gives its row. */
function checkSingle(found: readonly (readonly Value[])[], rows: readonly SetRow[], first: number): void {
  for (const {sets} of rows) {
    const at = first;
    if (found.some(row => row[at] !== null && row[at] !== 1n))
      throw fail.execution('more than one row returned by a subquery used as an expression');
    first += 1 + sets.length;
  }
}

function hasWindow(value: Expr): boolean {
  let isFound = false;
  walk([value], ({kind}) => {
    isFound ||= kind === 'window';
    return kind === 'subquery' || kind === 'exists' || kind === 'inQuery' || kind === 'quantified' ? 'skip' : undefined;
  });
  return isFound;
}

/**
 * The columns, and what SET says, of the rows that WHERE wants: one for each row of FROM or USING that is joined to them. Queries of `(a, b) = (query)`
 * are joined to that, so that all the columns of one come from one row.
 */
function changedRows(tree: Update | Delete, columns: readonly string[], sets: readonly Expr[]): Select {
  const {start, end, with: clause, table, alias, from, where} = tree;
  const node: Node = {start, end};
  const named = (name: string): Name => ({...node, name, text: name, isQuoted: true});
  const qualifier = [alias ?? table.table];
  const keys = columns.map((name): Expr => ({...node, kind: 'column', qualifier, column: named(name)}));
  const own: FromItem[] = [{...node, kind: 'table', table, alias, columnAliases: []}, ...from];
  const rows = tree.kind === 'update' ? tree.setRows : [];
  const names = rows.map((_, i) => named(`SET ${i}`));
  const select = selectOf(node, {
    items: [
      ...[...keys, ...sets].map(expr => ({...node, kind: 'expr', expr, alias: undefined}) as const),
      ...names.map(name => ({...node, kind: 'star', qualifier: [name]}) as const),
    ],
    from: rows.length === 0 ? own : [rows.reduce((left, row, i) => withRow(left, row, names[i]!), crossed(own))],
    where,
  });
  return {...select, with: clause};
}

function crossed(items: readonly FromItem[]): FromItem {
  const cross = {join: 'cross', isNatural: false, on: undefined, using: []} as const;
  return items.reduce((left, right) => ({...cross, kind: 'join', start: left.start, end: right.end, left, right}));
}

/** `left LEFT JOIN LATERAL (SELECT row_number() OVER (), * FROM (query) AS "SET" ("A", …)) ON true`: no statement can say such names. */
function withRow(left: FromItem, {columns, value}: RowAssignment, alias: Name): FromItem {
  const {start, end} = value;
  const node: Node = {start, end};
  const call = {...node, kind: 'call', name: 'ROW_NUMBER', args: [], isStar: false} as const;
  const plain = {isDistinct: false, orderBy: [], filter: undefined} as const;
  const over: WindowSpec = {...node, base: undefined, partitionBy: [], orderBy: [], frame: undefined};
  const rowNumber = {...node, kind: 'window', call: {...call, ...plain}, over, ignoresNulls: false} as const;
  const asked: FromItem = {
    ...node,
    kind: 'query',
    query: value.query,
    alias: {...alias, name: 'SET'},
    columnAliases: columns.map(({name}) => ({...alias, name: name.toUpperCase(), text: name})),
    isLateral: false,
  };
  const numbered = selectOf(node, {
    items: [
      {...node, kind: 'expr', expr: rowNumber, alias: undefined},
      {...node, kind: 'star', qualifier: []},
    ],
    from: [asked],
  });
  const right: FromItem = {...node, kind: 'query', query: numbered, alias, columnAliases: [], isLateral: true};
  const on: Expr = {...node, kind: 'boolean', value: true};
  return {...node, kind: 'join', join: 'left', isNatural: false, left, right, on, using: []};
}

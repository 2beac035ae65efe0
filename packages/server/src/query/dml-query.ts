/**
 * DML queries: what INSERT … SELECT, and UPDATE and DELETE with queries in their expressions, ask before they write.
 *
 *     INSERT … query        rows = query                                            → insert
 *     UPDATE, DELETE        rows = SELECT key, _seq, what SET says FROM t WHERE …   → change those keys, if they still are those versions
 *
 * Laws: everything is decided at one moment, by one query. A row is written only while the version that was decided on is its newest; else all is
 * decided again. Who was not among the rows of the query is left alone, as by a WHERE without queries.
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import {fail} from '@kalamdb/protocol/errors.ts';
import {failAt, NO_ROW, notSupportedAt} from '../expr/coerce.ts';
import type {Env, Eval} from '../expr/expr.ts';
import {someExpr, walk} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type Schema, SEQ_COLUMN} from '../model/schema.ts';
import type {Delete, Expr, Insert, Name, Node, Query, Select, Update} from '../parser/ast.ts';
import type {Change} from '../table/table.ts';
import {hasAggregate} from './bind-group.ts';
import {completion, defaultOf, insertTargets, updated, updateTarget} from './dml.ts';
import type {PlanOptions} from './plan.ts';

/** Does a query stand in the expressions? */
export function hasQuery(exprs: Iterable<Expr>): boolean {
  return someExpr(exprs, ({kind}) => ['subquery', 'exists', 'inQuery', 'quantified'].includes(kind));
}

export interface InsertQuery {
  readonly query: Query;
  readonly types: (columnCount: number) => readonly DataType[];
  rows(found: readonly (readonly Value[])[], env: Env): Value[][];
}

export function planInsertQuery(insert: Insert, schema: Schema, {text = ''}: PlanOptions): InsertQuery {
  if (insert.wider !== undefined) throw notSupportedAt({text}, insert.wider.start, insert.wider.what);
  const targets = insertTargets(insert, schema);
  const complete = completion(schema, targets);
  return {
    query: insert.query ?? valuesQuery(insert, text),
    types: columnCount => {
      if (columnCount === targets.length) return targets.map(index => schema.columns[index]!.type);
      const hint = columnCount > targets.length ? '; * has the system columns too, so name those that are meant' : '';
      throw fail.execution(`INSERT has ${columnCount} values for ${targets.length} columns${hint}`);
    },
    rows: (found, env) =>
      found.map((given, rowIndex) => {
        const values: Value[] = new Array(schema.columns.length).fill(null);
        for (let i = 0; i < given.length; i++) values[targets[i]!] = given[i]!;
        return complete(values, rowIndex, env);
      }),
  };
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
  readonly types: readonly DataType[];
  /** The keys of the rows to change, and the change; it throws `stale` on other versions than were found. */
  decide(found: readonly (readonly Value[])[], env: Env, stale: DbError): {keys: Uint8Array[]; change: Change};
}

export function planChangeQuery(tree: Update | Delete, schema: Schema, {text = ''}: PlanOptions): ChangeQuery {
  const verb = tree.kind.toUpperCase();
  if (tree.where === undefined) throw fail.invalidOperation(`${verb} requires a WHERE clause`);
  if (schema.kind === 'stream')
    throw notSupportedAt({text}, tree.where.start, `subqueries in ${verb} of a STREAM table`);
  const key = schema.columns[schema.primaryKey]!;
  const sets = tree.kind === 'update' ? setsOf(tree, schema, text) : [];
  const given = sets.filter(set => 'expr' in set);
  const {type} = key;
  return {
    query: changedRows(
      tree,
      [key.name, SEQ_COLUMN],
      given.map(set => set.expr),
    ),
    types: [type, {name: 'bigint'}, ...given.map(({index}) => schema.columns[index]!.type)],
    decide(found, env, stale) {
      const bySeq = new Map(found.map(row => [row[1] as bigint, row]));
      const change: Change = row => {
        if (row.isTombstone) return undefined;
        const values = bySeq.get(row.seq);
        if (values === undefined) throw stale;
        if (tree.kind === 'delete') return 'delete';
        return updated(row, schema, sets, set =>
          'expr' in set ? values[2 + given.indexOf(set)]! : set.eval(NO_ROW, env),
        );
      };
      return {keys: found.map(row => encodeKey(type, row[0]!)), change};
    },
  };
}

type SetValue = {readonly index: number} & ({readonly expr: Expr} | {readonly eval: Eval});

function setsOf({set}: Update, schema: Schema, text: string): SetValue[] {
  const seen = new Set<number>();
  return set.map(({column, value}): SetValue => {
    const index = updateTarget(column, schema, seen);
    if (value === 'default') return {index, eval: defaultOf(schema.columns[index]!)};
    if (hasAggregate([value])) throw failAt({text}, value, 'aggregate functions are not allowed in UPDATE');
    if (hasWindow(value)) throw failAt({text}, value, 'window functions are not allowed in UPDATE');
    return {index, expr: value};
  });
}

function hasWindow(value: Expr): boolean {
  let isFound = false;
  walk([value], ({kind}) => {
    isFound ||= kind === 'window';
    return kind === 'subquery' || kind === 'exists' || kind === 'inQuery' || kind === 'quantified' ? 'skip' : undefined;
  });
  return isFound;
}

const NO_CLAUSES = {with: undefined, orderBy: [], limit: undefined, offset: undefined, isWithTies: false} as const;

/** The columns, and what SET says, of the rows that WHERE wants. */
function changedRows(tree: Update | Delete, columns: readonly string[], sets: readonly Expr[]): Select {
  const {start, end, table, alias, where} = tree;
  const node: Node = {start, end};
  const named = (name: string): Name => ({...node, name, text: name, isQuoted: true});
  const qualifier = [alias ?? table.table];
  const keys = columns.map((name): Expr => ({...node, kind: 'column', qualifier, column: named(name)}));
  return {
    ...node,
    ...NO_CLAUSES,
    kind: 'select',
    isDistinct: false,
    distinctOn: [],
    items: [...keys, ...sets].map(expr => ({...node, kind: 'expr', expr, alias: undefined})),
    from: [{...node, kind: 'table', table, alias, columnAliases: []}],
    where,
    groupBy: [],
    having: undefined,
    windows: [],
    qualify: undefined,
  };
}

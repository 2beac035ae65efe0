/**
 * Closed queries: queries in RETURNING and in ON CONFLICT DO UPDATE, answered before the statement writes.
 *
 *     RETURNING id, (SELECT count(*) FROM log)        → RETURNING id, 7
 *     DO UPDATE SET n = t.n + (SELECT step FROM conf) → DO UPDATE SET n = t.n + 2
 *     DO UPDATE SET (n, s) = (SELECT a, b FROM conf)  → DO UPDATE SET n = 2, s = 'x'
 *
 * Laws: those of one value are asked at one moment, before the write, and then are values like any others: a row that is decided again under its latch
 * needs no query for it. One that names the row that is written is refused.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {failAt, notSupportedAt} from '../expr/coerce.ts';
import {expressionsOf, tablesOf, walk} from '../expr/walk.ts';
import type {Delete, Expr, Insert, Query, Update} from '../parser/ast.ts';
import {behindWith} from '../query/dml-query.ts';
import {selectOf} from '../query/trees.ts';
import {type Closed, closedIn, listOf, literalOf, named, replaced} from './answers.ts';
import type {StatementContext} from './define.ts';
import {readRows} from './read.ts';

/** A list is held in the plan of the statement. */
const LISTED_MAX = 10_000;

type Change = Insert | Update | Delete;

export function hasClosedQueries(tree: Change): boolean {
  if (tree.returning.length === 0 && onConflictOf(tree) === undefined) return false;
  return setsRow(tree) || closedOf(tree).length > 0;
}

/** The statement with the answers of its queries in their place. */
export async function closeQueries<Tree extends Change>(given: Tree, context: StatementContext): Promise<Tree> {
  const tree = await closeRows(given, context);
  const queries = closedOf(tree);
  for (const {query} of queries) refuseOwnRow(query, tree, context);
  const answers = new Map<unknown, Expr>();
  const values = queries.filter(query => query.kind !== 'inQuery');
  if (values.length > 0) {
    const items = values.map(
      expr => ({kind: 'expr', start: expr.start, end: expr.end, expr, alias: undefined}) as const,
    );
    const {types, rows} = await readRows(behindWith(tree.with, selectOf(tree, {items, from: []})), context);
    for (const [i, query] of values.entries()) answers.set(query, literalOf(query, types[i]!, rows[0]![i]!));
  }
  for (const query of queries) {
    if (query.kind !== 'inQuery') continue;
    const {types, rows} = await readRows(behindWith(tree.with, query.query), context);
    if (types.length > 1) throw failAt(context, query, 'subquery has too many columns');
    if (rows.length > LISTED_MAX)
      throw new DbError('LIMIT_EXCEEDED', `A query beside IN gives at most ${LISTED_MAX} rows here.`);
    answers.set(query, listOf(query, types[0]!, rows, answers));
  }
  const returning = tree.returning.map(item => named(item, answers));
  return replaced({...tree, returning}, answers) as Tree;
}

/** Each `(a, b) = (query)` of ON CONFLICT as assignments of the values that the query gives. */
async function closeRows<Tree extends Change>(tree: Tree, context: StatementContext): Promise<Tree> {
  if (tree.kind !== 'insert' || tree.onConflict?.update === undefined) return tree;
  const {update} = tree.onConflict;
  const set = [...update.set];
  for (const {columns, value} of update.setRows) {
    refuseOwnRow(value.query, tree, context);
    const {types, rows} = await readRows(behindWith(tree.with, value.query), context);
    if (types.length !== columns.length)
      throw failAt(context, value, 'number of columns does not match number of values');
    if (rows.length > 1) throw fail.execution('more than one row returned by a subquery used as an expression');
    for (const [i, column] of columns.entries())
      set.push({column, value: literalOf(value, types[i]!, rows[0]?.[i] ?? null)});
  }
  return {...tree, onConflict: {...tree.onConflict, update: {...update, set, setRows: []}}};
}

function setsRow(tree: Change): boolean {
  return (onConflictOf(tree)?.setRows.length ?? 0) > 0;
}

function onConflictOf(tree: Change) {
  return tree.kind === 'insert' ? tree.onConflict?.update : undefined;
}

/** Queries inside of queries are theirs. */
function closedOf(tree: Change): Closed[] {
  const {set = [], where} = onConflictOf(tree) ?? {};
  const roots = tree.returning.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  for (const {value} of set) if (value !== 'default') roots.push(value);
  if (where !== undefined) roots.push(where);
  return closedIn(roots);
}

/** A name without a qualifier that only the row has is met when the query is bound: there is no such column there. */
function refuseOwnRow(query: Query, tree: Change, {text}: StatementContext): void {
  const inside = new Set(tablesOf(query).map(({table}) => table.name));
  const own = (tree.alias ?? tree.table.table).name;
  walk(expressionsOf(query), expr => {
    const name = expr.kind === 'column' ? expr.qualifier.at(-1)?.name : undefined;
    if (name === undefined || inside.has(name) || (name !== own && name !== 'excluded')) return;
    throw notSupportedAt(
      {text},
      expr.start,
      'subqueries in RETURNING and ON CONFLICT that name the row that is written',
    );
  });
}

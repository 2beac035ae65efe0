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
import type {DataType, Value} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import {valueText} from '../model/values.ts';
import type {Delete, Expr, Insert, Node, Query, SelectItem, Update} from '../parser/ast.ts';
import {behindWith} from '../query/dml-query.ts';
import {outputName} from '../query/plan.ts';
import {selectOf} from '../query/trees.ts';
import type {StatementContext} from './define.ts';
import {readRows} from './read.ts';

/** A list is held in the plan of the statement. */
const LISTED_MAX = 10_000;

type Change = Insert | Update | Delete;
/** Of one value, or a list beside IN. */
type Closed = Extract<Expr, {kind: 'subquery' | 'exists' | 'inQuery'}>;

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
    answers.set(query, listed(query, types[0]!, rows));
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

/** A column is called as the query would be that it was. */
function named(item: SelectItem, answers: ReadonlyMap<unknown, Expr>): SelectItem {
  if (item.kind !== 'expr' || item.alias !== undefined || !answers.has(item.expr)) return item;
  const {start, end} = item;
  const text = outputName(item.expr, undefined);
  return {...item, alias: {start, end, name: text.toLowerCase(), text, isQuoted: true}};
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
  const found: Closed[] = [];
  const roots = tree.returning.flatMap(item => (item.kind === 'expr' ? [item.expr] : []));
  for (const {value} of set) if (value !== 'default') roots.push(value);
  if (where !== undefined) roots.push(where);
  for (let root = roots.pop(); root !== undefined; root = roots.pop()) {
    walk([root], expr => {
      if (expr.kind !== 'subquery' && expr.kind !== 'exists' && expr.kind !== 'inQuery') return undefined;
      if (expr.kind === 'inQuery') roots.push(expr.operand);
      // Rows beside IN are refused as everywhere without a query around them.
      if (expr.kind !== 'inQuery' || expr.operand.kind !== 'row') found.push(expr);
      return 'skip';
    });
  }
  return found;
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

function listed(expr: Extract<Expr, {kind: 'inQuery'}>, type: DataType, rows: readonly Value[][]): Expr {
  const {start, end, operand, isNegated} = expr;
  if (rows.length > LISTED_MAX)
    throw new DbError('LIMIT_EXCEEDED', `A query beside IN gives at most ${LISTED_MAX} rows here.`);
  if (rows.length === 0) return {kind: 'boolean', start, end, value: isNegated};
  const list = rows.map(([value]) => literalOf(expr, type, value!));
  return {kind: 'in', start, end, operand, list, isNegated};
}

/** CAST('text' AS type) */
function literalOf({start, end}: Node, type: DataType, value: Value): Expr {
  const node = {start, end};
  const operand: Expr =
    value === null ? {...node, kind: 'null'} : {...node, kind: 'string', value: valueText(type, value)};
  return {...node, kind: 'cast', operand, type: {...node, ...spelled(type)}, isTry: false};
}

function spelled(type: DataType): {name: string; args: string[]} {
  const [name, args] = sqlName(type).split(/[()]/);
  return {name: name!, args: args === undefined ? [] : args.split(',').map(arg => arg.trim())};
}

/** The tree with other nodes in the place of some; what holds none of them stays the same object. */
function replaced(node: unknown, answers: ReadonlyMap<unknown, Expr>): unknown {
  const answer = answers.get(node);
  // A list beside IN keeps its operand, which may hold a query too.
  if (answer !== undefined)
    return answer.kind === 'in' ? {...answer, operand: replaced(answer.operand, answers)} : answer;
  if (node === null || typeof node !== 'object') return node;
  const parts = Object.entries(node).map(([key, part]) => [key, replaced(part, answers)] as const);
  if (parts.every(([key, part]) => part === (node as Record<string, unknown>)[key])) return node;
  return Array.isArray(node) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

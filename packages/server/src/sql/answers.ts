/**
 * Answers: queries inside of expressions that name nothing around them, and trees with what they answered in their place.
 */
import {walk} from '../expr/walk.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import {valueText} from '../model/values.ts';
import type {Expr, Node, SelectItem} from '../parser/ast.ts';
import {outputName} from '../query/plan.ts';

/** Of one value, or a list beside IN. */
export type Closed = Extract<Expr, {kind: 'subquery' | 'exists' | 'inQuery'}>;

/** Those in the expressions, those beside whose IN others stand behind these; queries inside of queries are theirs. */
export function closedIn(exprs: readonly Expr[]): Closed[] {
  const found: Closed[] = [];
  const roots = [...exprs];
  for (let root = roots.pop(); root !== undefined; root = roots.pop()) {
    walk([root], expr => {
      if (expr.kind !== 'subquery' && expr.kind !== 'exists' && expr.kind !== 'inQuery') return undefined;
      if (expr.kind === 'inQuery') roots.push(expr.operand);
      // Rows beside IN are refused as everywhere without a query around them.
      if (expr.kind !== 'inQuery' || expr.operand.kind !== 'row') found.push(expr);
      return 'skip';
    });
  }
  return found.reverse();
}

/** A column is called as the query would be that it was. */
export function named(item: SelectItem, answers: ReadonlyMap<unknown, Expr>): SelectItem {
  if (item.kind !== 'expr' || item.alias !== undefined) return item;
  let {expr} = item;
  while (expr.kind === 'cast') expr = expr.operand;
  if (!answers.has(expr)) return item;
  const {start, end} = item;
  const text = outputName(item.expr, undefined);
  return {...item, alias: {start, end, name: text.toLowerCase(), text, isQuoted: true}};
}

/** The list in the place of the query beside IN. Beside one without rows the operand is bound as beside any other, and decides nothing. */
export function listOf(
  expr: Extract<Expr, {kind: 'inQuery'}>,
  type: DataType,
  rows: readonly (readonly Value[])[],
  answers: ReadonlyMap<unknown, Expr>,
): Expr {
  const {start, end, isNegated} = expr;
  const operand = replaced(expr.operand, answers) as Expr;
  const values = rows.length === 0 ? [null] : rows.map(([value]) => value!);
  const list = values.map(value => literalOf(expr, type, value));
  const found: Expr = {kind: 'in', start, end, operand, list, isNegated};
  if (rows.length > 0) return found;
  const decided: Expr = {kind: 'boolean', start, end, value: isNegated};
  return {kind: 'logic', start, end, op: isNegated ? 'or' : 'and', terms: [decided, found]};
}

/** CAST('text' AS type) */
export function literalOf({start, end}: Node, type: DataType, value: Value): Expr {
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
export function replaced(node: unknown, answers: ReadonlyMap<unknown, Expr>): unknown {
  const answer = answers.get(node);
  if (answer !== undefined) return answer;
  if (node === null || typeof node !== 'object') return node;
  const parts = Object.entries(node).map(([key, part]) => [key, replaced(part, answers)] as const);
  if (parts.every(([key, part]) => part === (node as Record<string, unknown>)[key])) return node;
  return Array.isArray(node) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

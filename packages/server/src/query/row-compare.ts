/**
 * Row compare: values compared with the rows of a subquery: `IN`, `ANY`, `ALL`, and one row `= (SELECT a, b …)`.
 *
 * Rows are equal when all pairs are; a row is less when the first pair that is not equal is less. Unknown stays unknown.
 * Law: a value stands once in the SQL, however often it is compared.
 */
import {castTo, failAt, notSupportedAt} from '../expr/coerce.ts';
import {compare} from '../expr/compare.ts';
import {compileOpen} from '../expr/compile.ts';
import {meetType, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, SqlWriter, TypedExpr} from '../expr/expr.ts';
import type {ComparisonOperator} from '../expr/operators.ts';
import {resolveColumn} from '../expr/sources.ts';
import {someExpr} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import type {BinaryOperator, Expr, Node} from '../parser/ast.ts';
import type {Binder, BoundQuery} from './bound.ts';

/** An order of rows is as deep as they are wide. */
const ORDERED_MAX = 32;

export interface Comparison {
  readonly op: ComparisonOperator;
  /** The only value, where DuckDB's own form means what PostgreSQL's does. */
  readonly plain: ((out: SqlWriter) => {left: string; rows: string}) | undefined;
  /** A query of one column: the answer for each row. */
  rows(out: SqlWriter): string;
}

interface Where {
  readonly binder: Binder;
  /** Of the left side. */
  readonly scope: ColumnScope;
  readonly node: Node;
}

export function comparison(where: Where, left: Expr, operator: BinaryOperator, query: BoundQuery): Comparison {
  const {binder, scope, node} = where;
  const op = operator as ComparisonOperator;
  const items = left.kind === 'row' ? left.items : [left];
  if (query.outputs.length !== items.length) {
    const counts = `subquery has ${query.outputs.length} columns, ${items.length} are compared`;
    throw failAt(binder, node, left.kind === 'row' ? counts : 'subquery must return only one column');
  }
  if (op !== '=' && op !== '<>' && items.length > ORDERED_MAX)
    throw failAt(binder, node, `rows of more than ${ORDERED_MAX} values cannot be ordered`);
  const pairs = items.map((item, i) => pair(where, op, compileOpen(item, scope), query.outputs[i]!.typed));
  const types = pairs.map(([, type]) => type);
  const isPlain = items.length === 1 && !namesOuter(items, scope);
  return {
    op,
    plain: isPlain ? out => ({left: sqlOf(pairs[0]![0], out), rows: query.sql(out, types)}) : undefined,
    rows(out) {
      const lefts = pairs.map(([value], i) => `${sqlOf(value, out)} AS "l${i}"`);
      return `SELECT ${rowSql(op, items.length)} AS "m" FROM (SELECT *, ${lefts.join(', ')} FROM (${query.sql(out, types)}) AS "r") AS "r"`;
    },
  };
}

/**
 * The comparison with every row, counted: decided if a row decides it, else unknown if one is unknown. DuckDB's own forms compare rows with
 * NULLs otherwise than PostgreSQL, and fail when the left side comes from further out.
 */
export function quantified({op, plain, rows}: Comparison, quantifier: 'any' | 'all', out: SqlWriter): string {
  if (plain !== undefined) {
    const sides = plain(out);
    return `(${sides.left} ${op} ${quantifier.toUpperCase()} (${sides.rows}))`;
  }
  const [decides, decided, otherwise] = quantifier === 'any' ? ['"m"', 'TRUE', 'FALSE'] : ['NOT "m"', 'FALSE', 'TRUE'];
  const answer = `CASE WHEN bool_or(${decides}) THEN ${decided} WHEN count(*) = count("m") THEN ${otherwise} END`;
  return `(SELECT ${answer} FROM (${rows(out)}) AS "r")`;
}

/** Of the columns l0, l1 … with c0, c1 …. */
function rowSql(op: ComparisonOperator, width: number): string {
  const compared = (one: string, i: number) => `("l${i}" ${one} "c${i}")`;
  const places = Array.from({length: width}, (_, i) => i);
  if (op === '=' || op === '<>') return places.map(i => compared(op, i)).join(op === '=' ? ' AND ' : ' OR ');
  const strict = op === '<' || op === '<=' ? '<' : '>';
  return places
    .slice(0, -1)
    .reduceRight((rest, i) => `(${compared(strict, i)} OR (${compared('=', i)} AND ${rest}))`, compared(op, width - 1));
}

/** Does it name columns of the queries around the one it stands in? */
function namesOuter(exprs: readonly Expr[], scope: ColumnScope): boolean {
  return someExpr(exprs, expr => {
    const found = expr.kind === 'column' ? resolveColumn(expr.qualifier, expr.column, expr, scope) : undefined;
    return found !== undefined && found.scope !== scope;
  });
}

/** The left side, converted, and the type of both. */
function pair({binder, node}: Where, op: ComparisonOperator, left: TypedExpr, right: TypedExpr): [TypedExpr, DataType] {
  if (compare(op, left, right, binder.nowhere) === undefined)
    throw failAt(binder, node, `cannot compare ${sqlName(left.type)} with ${sqlName(right.type)}`);
  const typed = left.open === undefined ? left : castTo(left, right.type);
  const column = right.open === undefined ? right.type : typed.type;
  const type = meetType(typed.type, column);
  if (type !== undefined) return [castTo(typed, type), type];
  throw notSupportedAt(binder, node.start, `comparing ${sqlName(typed.type)} with ${sqlName(column)} of a subquery`);
}

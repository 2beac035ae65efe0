/** Tail: ORDER BY, LIMIT, OFFSET and WITH TIES of bound queries as SQL. */
import {failAt, NO_ROW} from '../expr/coerce.ts';
import type {SqlWriter} from '../expr/expr.ts';
import type {OrderItem, Query} from '../parser/ast.ts';
import type {Binder, BoundQuery, Output, RowWindow} from './bound.ts';
import {countOf} from './direct.ts';
import {countExpr} from './plan.ts';

/** Of an output that ORDER BY names by its place or its name; undefined: it is an expression. */
export function outputIndex(binder: Binder, expr: OrderItem['expr'], outputs: readonly Output[]): number | undefined {
  if (expr.kind === 'number') {
    const index = /^\d{1,9}$/.test(expr.text) ? Number(expr.text) - 1 : -1;
    if (outputs[index] === undefined)
      throw failAt(binder, expr, `ORDER BY position ${expr.text} is not in select list`);
    return index;
  }
  if (expr.kind !== 'column' || expr.qualifier.length > 0) return undefined;
  const {name, text, isQuoted} = expr.column;
  const index = outputs.findIndex(output => output.name === (isQuoted ? text : name));
  return index < 0 ? undefined : index;
}

export function directionSql({isDescending, nulls}: OrderItem): string {
  const isNullsFirst = nulls === undefined ? isDescending : nulls === 'first';
  return `${isDescending ? ' DESC' : ' ASC'} NULLS ${isNullsFirst ? 'FIRST' : 'LAST'}`;
}

export function orderBySql(order: readonly string[]): string {
  return order.length === 0 ? '' : ` ORDER BY ${order.join(', ')}`;
}

export function windowSql({skip, take}: RowWindow): string {
  return `${take === Number.POSITIVE_INFINITY ? '' : ` LIMIT ${take}`}${skip === 0 ? '' : ` OFFSET ${skip}`}`;
}

/** The rows of a window and all that are equal to its last one in the order. */
export function withTies(columns: string, order: string, text: string, {skip, take}: RowWindow): string {
  const ranked = `SELECT *, rank() OVER (ORDER BY ${order}) AS "r", row_number() OVER (ORDER BY ${order}) AS "n" FROM (${text}) AS "u"`;
  const end = take === Number.POSITIVE_INFINITY ? '' : ` AND "r" <= ${skip + take}`;
  return `SELECT ${columns} FROM (${ranked}) AS "u" WHERE "n" > ${skip}${end} ORDER BY "n"`;
}

export function boundLimit(binder: Binder, query: Query): Pick<BoundQuery, 'limit' | 'offset'> {
  const {nowhere} = binder;
  return {limit: countExpr(query.limit, nowhere, 'LIMIT'), offset: countExpr(query.offset, nowhere, 'OFFSET')};
}

export function ownWindow({limit, offset}: Pick<BoundQuery, 'limit' | 'offset'>, out: SqlWriter): RowWindow {
  return {
    skip: countOf(offset?.(NO_ROW, out.env), 'OFFSET') ?? 0,
    take: countOf(limit?.(NO_ROW, out.env), 'LIMIT') ?? Number.POSITIVE_INFINITY,
  };
}

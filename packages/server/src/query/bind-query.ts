/**
 * Bind: a query of any shape becomes a bound one. Names and types are PostgreSQL's; what is wrong is said here, with its position, before
 * anything runs.
 *
 *     bindQuery ─ WITH ─ SELECT (bind-select.ts) | UNION … | VALUES ─ ORDER BY, LIMIT
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {castTo, failAt} from '../expr/coerce.ts';
import {unify} from '../expr/compare.ts';
import {compileOpen} from '../expr/compile.ts';
import {castSql, sqlOf} from '../expr/duck-forms.ts';
import type {SqlWriter, TypedExpr} from '../expr/expr.ts';
import {comparator} from '../expr/operators.ts';
import type {DataType} from '../model/datatype.ts';
import {sameType, sqlName} from '../model/type-table.ts';
import type {Node, OrderItem, Query, SetQuery, ValuesQuery} from '../parser/ast.ts';
import {bindSelect} from './bind-select.ts';
import {bindWith} from './bind-with.ts';
import {type Binder, type BoundQuery, type Output, outputTypes, type Place, sqlColumn} from './bound.ts';
import {queryScope} from './query-scope.ts';
import {boundLimit, directionSql, orderBySql, outputIndex, ownWindow, windowSql, withTies} from './tail.ts';

/** DuckDB reads a chain of set operations by recursion. */
const SET_OPERATIONS_MAX = 200;

export function bindQuery(binder: Binder, query: Query, place: Place): BoundQuery {
  const withs = query.with && bindWith(binder, query.with, place);
  const inner: Place = withs === undefined ? place : {...place, names: withs.names};
  const body = bindBody(binder, query, inner);
  if (withs === undefined) return body;
  return {...body, sql: (out, types, window) => `${withs.sql(out)} ${body.sql(out, types, window)}`};
}

function bindBody(binder: Binder, query: Query, place: Place): BoundQuery {
  switch (query.kind) {
    case 'select':
      return bindSelect(binder, query, place);
    case 'set':
      return withTail(binder, query, bindSet(binder, query, place));
    case 'values':
      return withTail(binder, query, bindValues(binder, query, place));
    default:
      return query satisfies never;
  }
}

/** What ORDER BY, LIMIT and OFFSET stand behind, when it is no SELECT. */
interface Body {
  readonly outputs: readonly Output[];
  sql(out: SqlWriter, types: readonly DataType[]): string;
}

interface Arm {
  readonly op: SetQuery['op'];
  readonly isAll: boolean;
  readonly query: BoundQuery;
  readonly node: Query;
}

/** A left-nested chain is read as a loop, as long as its links have no tail of their own. */
function bindSet(binder: Binder, root: SetQuery, place: Place): Body {
  const arms: Omit<Arm, 'query'>[] = [];
  let first: Query = root;
  for (let node: SetQuery = root; ; node = first as SetQuery) {
    arms.push({op: node.op, isAll: node.isAll, node: node.right});
    first = node.left;
    if (first.kind !== 'set' || first.with !== undefined || hasTail(first)) break;
  }
  if (arms.length > SET_OPERATIONS_MAX) {
    throw new DbError('LIMIT_EXCEEDED', `A query takes at most ${SET_OPERATIONS_MAX} set operations.`);
  }
  let body: Body = bindQuery(binder, first, place);
  for (const arm of arms.reverse()) {
    const behind: Place = {
      ...place,
      names: arm.op === 'union' ? place.names : {kind: 'fence', what: arm.op.toUpperCase(), next: place.names},
    };
    body = combined(binder, body, {...arm, query: bindQuery(binder, arm.node, behind)});
  }
  return body;
}

function hasTail({orderBy, limit, offset}: Query): boolean {
  return orderBy.length > 0 || limit !== undefined || offset !== undefined;
}

function combined(binder: Binder, left: Body, {op, isAll, query, node}: Arm): Body {
  const name = op.toUpperCase();
  if (left.outputs.length !== query.outputs.length)
    throw failAt(binder, node, `each ${name} query must have the same number of columns`);
  const types = left.outputs.map((output, i) => {
    const right = query.outputs[i]!.typed;
    const type = commonOf([output.typed, right], binder);
    if (type !== undefined) return type;
    const [a, b] = [sqlName(output.typed.type), sqlName(right.type)];
    throw failAt(binder, node, `${name} types ${a} and ${b} cannot be matched`);
  });
  const operator = isAll ? `${name} ALL` : name;
  return ofTypes(
    left.outputs.map(output => output.name),
    types,
    out => `(${left.sql(out, types)}) ${operator} (${query.sql(out, types)})`,
  );
}

/** The type in which expressions meet as columns of one query. */
function commonOf(exprs: readonly TypedExpr[], binder: Binder): DataType | undefined {
  return unify(exprs, binder.nowhere)?.[0]?.type;
}

/** A query whose columns already have their types; a reader that wants others converts. */
function ofTypes(names: readonly string[], types: readonly DataType[], sql: (out: SqlWriter) => string): Body {
  const columns = types.map((type, i) => sqlColumn(type, `"c${i}"`));
  return {
    outputs: columns.map((typed, i) => ({name: names[i]!, typed})),
    sql: (out, wanted) => {
      const text = sql(out);
      if (wanted.every((type, i) => sameType(type, types[i]!))) return text;
      const list = columns.map((typed, i) => {
        const converted = sqlOf(castTo(typed, wanted[i]!), out);
        return `${castSql(converted, wanted[i]!)} AS "c${i}"`;
      });
      return `SELECT ${list.join(', ')} FROM (${text}) AS "u"`;
    },
  };
}

function bindValues(binder: Binder, query: ValuesQuery, place: Place): Body {
  const scope = queryScope(binder, [], place, 'VALUES');
  const rows = query.rows.map(row => row.map(value => compileOpen(value, scope)));
  const types = rows[0]!.map((_, column) => {
    const type = commonOf(
      rows.map(row => row[column]!),
      binder,
    );
    if (type !== undefined) return type;
    throw failAt(binder, query.rows[0]![column]!, `VALUES types of column ${column + 1} cannot be matched`);
  });
  const names = types.map((_, i) => `column${i + 1}`);
  return ofTypes(names, types, out => {
    const lines = rows.map(
      row => `(${row.map((value, i) => castSql(sqlOf(castTo(value, types[i]!), out), types[i]!)).join(', ')})`,
    );
    const columns = types.map((_, i) => `"c${i}"`).join(', ');
    return `SELECT ${columns} FROM (VALUES ${lines.join(', ')}) AS "v"(${columns})`;
  });
}

/** ORDER BY of anything but a SELECT knows only the columns of the result. */
function withTail(binder: Binder, query: Query, body: Body): BoundQuery {
  const order = query.orderBy.map(item => outputOrder(binder, item, body.outputs));
  const {limit, offset} = boundLimit(binder, query);
  return {
    outputs: body.outputs,
    limit,
    offset,
    sql: (out, types, window) => {
      const rows = window ?? ownWindow({limit, offset}, out);
      const text = body.sql(out, types);
      if (order.length === 0 && rows.skip === 0 && rows.take === Number.POSITIVE_INFINITY) return text;
      const columns = types.map((_, i) => `"c${i}"`).join(', ');
      if (query.isWithTies) return withTies(columns, order.join(', '), text, rows);
      return `SELECT ${columns} FROM (${text}) AS "u"${orderBySql(order)}${windowSql(rows)}`;
    },
  };
}

function outputOrder(binder: Binder, item: OrderItem, outputs: readonly Output[]): string {
  const index = outputIndex(binder, item.expr, outputs);
  if (index === undefined)
    throw failAt(binder, item, 'ORDER BY of a set operation or VALUES takes names and numbers of its columns');
  const {type} = outputs[index]!.typed;
  if (comparator(type, type) === undefined) throw failAt(binder, item, 'this type has no order');
  return `"c${index}"${directionSql(item)}`;
}

/** A query as a value of one column. */
export function singleColumn(binder: Binder, query: BoundQuery, node: Node): DataType {
  if (query.outputs.length !== 1) throw failAt(binder, node, 'subquery must return only one column');
  return outputTypes(query, binder)[0]!;
}

/**
 * For the tests of this room: a tree as one line of SQL with every bracket written. Parsing the line must give the same line.
 */
import assert from 'node:assert/strict';
import type {
  Expr,
  Frame,
  FrameBound,
  FromItem,
  GroupItem,
  Name,
  OrderItem,
  Query,
  Select,
  SelectItem,
  WindowSpec,
  WithTable,
} from './ast.ts';
import {RESERVED} from './words.ts';

export function printQuery(query: Query): string {
  return [withClause(query), body(query), orderBy(query.orderBy), ...limits(query)]
    .filter(part => part !== '')
    .join(' ');
}

/** Separated by commas. */
const list = <T>(items: readonly T[], print: (item: T) => string): string => items.map(print).join(', ');
const exprs = (items: readonly Expr[]): string => `(${list(items, print)})`;
const clause = (word: string, text: string): string => (text === '' ? '' : `${word} ${text}`);

/** Words that begin something else where a name may stand. */
const ODD_NAMES: ReadonlySet<string> = new Set([
  'partition',
  'rows',
  'range',
  'groups',
  'qualify',
  'exists',
  'row',
  'values',
]);

function plain(text: string): string {
  const isPlain = /^[a-z_][a-z0-9_]*$/.test(text) && !RESERVED.has(text.toUpperCase()) && !ODD_NAMES.has(text);
  return isPlain ? text : `"${text.replaceAll('"', '""')}"`;
}

const id = (name: Name): string => plain(name.name);
const alias = (name: Name | undefined): string =>
  name === undefined ? '' : ` AS ${plain(name.isQuoted ? name.text : name.name)}`;

function withClause(query: Query): string {
  if (query.with === undefined) return '';
  return `WITH ${query.with.isRecursive ? 'RECURSIVE ' : ''}${list(query.with.tables, withTable)}`;
}

function withTable({name, columns, query, materialized}: WithTable): string {
  const names = columns.length > 0 ? ` (${list(columns, id)})` : '';
  const said = materialized === undefined ? '' : materialized ? ' MATERIALIZED' : ' NOT MATERIALIZED';
  return `${id(name)}${names} AS${said} (${printQuery(query)})`;
}

function body(query: Query): string {
  switch (query.kind) {
    case 'select':
      return select(query);
    case 'set':
      return `(${printQuery(query.left)}) ${query.op.toUpperCase()}${query.isAll ? ' ALL' : ''} (${printQuery(query.right)})`;
    case 'values':
      return `VALUES ${list(query.rows, exprs)}`;
    default:
      return query satisfies never;
  }
}

function select(query: Select): string {
  const parts = [
    'SELECT',
    query.isDistinct ? 'DISTINCT' : query.distinctOn.length > 0 ? `DISTINCT ON ${exprs(query.distinctOn)}` : '',
    list(query.items, selectItem),
    clause('FROM', list(query.from, fromItem)),
    clause('WHERE', query.where ? print(query.where) : ''),
    clause('GROUP BY', list(query.groupBy, groupItem)),
    clause('HAVING', query.having ? print(query.having) : ''),
    clause(
      'WINDOW',
      list(query.windows, ({name, spec}) => `${id(name)} AS ${windowSpec(spec)}`),
    ),
    clause('QUALIFY', query.qualify ? print(query.qualify) : ''),
  ];
  return parts.filter(part => part !== '').join(' ');
}

function selectItem(item: SelectItem): string {
  if (item.kind === 'star') return [...item.qualifier.map(id), '*'].join('.');
  return `${print(item.expr)}${alias(item.alias)}`;
}

function fromItem(item: FromItem): string {
  const named = (source: string, of: Exclude<FromItem, {kind: 'join'}>) =>
    `${source}${of.alias ? ` AS ${id(of.alias)}` : ''}${of.columnAliases.length > 0 ? ` (${list(of.columnAliases, id)})` : ''}`;
  switch (item.kind) {
    case 'table':
      return named([item.table.namespace, item.table.table].flatMap(name => (name ? [id(name)] : [])).join('.'), item);
    case 'query':
      return named(`${item.isLateral ? 'LATERAL ' : ''}(${printQuery(item.query)})`, item);
    case 'function':
      return named(
        `${item.isLateral ? 'LATERAL ' : ''}${print(item.call)}${item.hasOrdinality ? ' WITH ORDINALITY' : ''}`,
        item,
      );
    case 'join': {
      const words = `${item.isNatural ? 'NATURAL ' : ''}${item.join.toUpperCase()} JOIN`;
      const on = item.on ? ` ON ${print(item.on)}` : item.using.length > 0 ? ` USING (${list(item.using, id)})` : '';
      return `(${fromItem(item.left)} ${words} ${fromItem(item.right)}${on})`;
    }
    default:
      return item satisfies never;
  }
}

function groupItem(item: GroupItem): string {
  if (!('sets' in item)) return print(item);
  if (item.kind === 'groupingSets' && item.sets.length === 1 && item.sets[0]!.length === 0) return '()';
  const sets = `(${list(item.sets, exprs)})`;
  return item.kind === 'groupingSets' ? `GROUPING SETS ${sets}` : `${item.kind.toUpperCase()} ${sets}`;
}

function orderBy(items: readonly OrderItem[]): string {
  const item = ({expr, isDescending, nulls}: OrderItem) =>
    `${print(expr)}${isDescending ? ' DESC' : ''}${nulls ? ` NULLS ${nulls.toUpperCase()}` : ''}`;
  return clause('ORDER BY', list(items, item));
}

function limits({limit, offset, isWithTies}: Query): string[] {
  const skip = clause('OFFSET', offset ? print(offset) : '');
  if (isWithTies) return [skip, `FETCH FIRST (${print(limit!)}) ROWS WITH TIES`];
  return [clause('LIMIT', limit ? print(limit) : ''), skip];
}

function windowSpec({base, partitionBy, orderBy: order, frame}: WindowSpec): string {
  const parts = [
    base ? id(base) : '',
    clause('PARTITION BY', list(partitionBy, print)),
    orderBy(order),
    frameClause(frame),
  ];
  return `(${parts.filter(part => part !== '').join(' ')})`;
}

function frameClause(frame: Frame | undefined): string {
  if (frame === undefined) return '';
  const {unit, from, to, exclude} = frame;
  const extent = to === undefined ? bound(from) : `BETWEEN ${bound(from)} AND ${bound(to)}`;
  const words = {currentRow: ' EXCLUDE CURRENT ROW', group: ' EXCLUDE GROUP', ties: ' EXCLUDE TIES'};
  return `${unit.toUpperCase()} ${extent}${exclude ? words[exclude] : ''}`;
}

function bound(at: FrameBound): string {
  switch (at.kind) {
    case 'currentRow':
      return 'CURRENT ROW';
    case 'unboundedPreceding':
      return 'UNBOUNDED PRECEDING';
    case 'unboundedFollowing':
      return 'UNBOUNDED FOLLOWING';
    default:
      return `${print(at.offset)} ${at.kind.toUpperCase()}`;
  }
}

export function print(expr: Expr): string {
  switch (expr.kind) {
    case 'null':
      return 'NULL';
    case 'boolean':
      return expr.value ? 'TRUE' : 'FALSE';
    case 'number':
      return expr.text;
    case 'string':
      return `'${expr.value.replaceAll("'", "''")}'`;
    case 'bytes':
      return `X'${expr.hex}'`;
    case 'typed':
      return `${typeName(expr.type)} '${expr.value}'`;
    case 'param':
      return `$${expr.index}`;
    case 'column':
      return [...expr.qualifier, expr.column].map(id).join('.');
    case 'unary':
      return `(${expr.op} ${print(expr.operand)})`;
    case 'binary':
      return `(${print(expr.left)} ${expr.op} ${print(expr.right)})`;
    case 'logic':
      return `(${expr.terms.map(print).join(` ${expr.op} `)})`;
    case 'cast':
      return `${expr.isTry ? 'TRY_' : ''}CAST(${print(expr.operand)} AS ${typeName(expr.type)})`;
    case 'call':
      return call(expr);
    case 'extract':
      return `EXTRACT(${expr.field} FROM ${print(expr.operand)})`;
    case 'case':
      return `CASE${expr.operand ? ` ${print(expr.operand)}` : ''}${expr.branches.map(one => ` WHEN ${print(one.when)} THEN ${print(one.then)}`).join('')}${expr.otherwise ? ` ELSE ${print(expr.otherwise)}` : ''} END`;
    default:
      return 'isNegated' in expr ? test(expr) : wide(expr);
  }
}

function typeName({name, args}: {name: string; args: readonly string[]}): string {
  const [, first, zone] = /^(TIMESTAMP|TIME)( .*)$/.exec(name) ?? [undefined, name, ''];
  return `${first}${args.length > 0 ? `(${args.join(', ')})` : ''}${zone}`;
}

function call(expr: Expr & {kind: 'call'}): string {
  const name = /^[A-Z_][A-Z0-9_]*$/.test(expr.name) ? expr.name : `"${expr.name.replaceAll('"', '""')}"`;
  const args = expr.isStar
    ? '*'
    : [list(expr.args, print), orderBy(expr.orderBy)].filter(part => part !== '').join(' ');
  return `${name}(${expr.isDistinct ? 'DISTINCT ' : ''}${args})${expr.filter ? ` FILTER (WHERE ${print(expr.filter)})` : ''}`;
}

function wide(expr: Expr): string {
  switch (expr.kind) {
    case 'window':
      return `${call(expr.call)}${expr.ignoresNulls ? ' IGNORE NULLS' : ''} OVER ${'name' in expr.over ? id(expr.over) : windowSpec(expr.over)}`;
    case 'subquery':
      return `(${printQuery(expr.query)})`;
    case 'exists':
      return `EXISTS (${printQuery(expr.query)})`;
    case 'quantified':
      return `(${print(expr.left)} ${expr.op} ${expr.quantifier.toUpperCase()} (${printQuery(expr.query)}))`;
    case 'row':
      return `ROW${exprs(expr.items)}`;
    default:
      return assert.fail(expr.kind);
  }
}

function test(expr: Expr & {isNegated: boolean}): string {
  const not = expr.isNegated ? 'NOT ' : '';
  switch (expr.kind) {
    case 'isNull':
      return `(${print(expr.operand)} IS ${not}NULL)`;
    case 'isBoolean':
      return `(${print(expr.operand)} IS ${not}${expr.value === null ? 'UNKNOWN' : expr.value ? 'TRUE' : 'FALSE'})`;
    case 'isDistinct':
      return `(${print(expr.left)} IS ${not}DISTINCT FROM ${print(expr.right)})`;
    case 'in':
      return `(${print(expr.operand)} ${not}IN ${exprs(expr.list)})`;
    case 'inQuery':
      return `(${print(expr.operand)} ${not}IN (${printQuery(expr.query)}))`;
    case 'between':
      return `(${print(expr.operand)} ${not}BETWEEN ${print(expr.low)} AND ${print(expr.high)})`;
    case 'like':
      return `(${print(expr.operand)} ${not}${expr.isCaseless ? 'ILIKE' : 'LIKE'} ${print(expr.pattern)}${expr.escape ? ` ESCAPE ${print(expr.escape)}` : ''})`;
    default:
      return assert.fail(expr.kind);
  }
}

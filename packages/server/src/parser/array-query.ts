/**
 * `ARRAY(query)`: the values of a query of one column as an array, which here is JSON. It is read as the query that it stands for:
 *
 *     ARRAY(SELECT x FROM t ORDER BY y LIMIT 3)
 *     (SELECT COALESCE(JSON_AGG("v" ORDER BY "o1"), '[]') AS array FROM (SELECT x, y FROM t ORDER BY y LIMIT 3) AS "ARRAY" ("v", "o1"))
 *
 * What its rows are ordered by becomes a column, since rows of a query in FROM have no order. No statement can say the name "ARRAY".
 */
import type {Call, Expr, FromQuery, Name, Node, OrderItem, Query, Select, SelectItem} from './ast.ts';
import {parseBracketedQuery} from './brackets.ts';
import type {TokenCursor} from './cursor.ts';

export function arrayOfQuery(cursor: TokenCursor): Expr {
  const {start} = cursor;
  cursor.next();
  const query = parseBracketedQuery(cursor);
  cursor.height += 1;
  const node = {start, end: cursor.previousEnd};
  const value = columnNamed(node, 'v');
  const {item, isPlain} = theColumn(cursor, query);
  const hidden: SelectItem[] = [];
  const orderBy = query.orderBy.map((each): OrderItem => {
    if (isOf(each.expr, item)) return {...each, expr: value};
    if (!isPlain)
      throw cursor.notSupported('ARRAY of a query with DISTINCT or a set operation that is ordered by more', start);
    const expr = columnNamed(node, `o${hidden.push({...node, kind: 'expr', expr: each.expr, alias: undefined})}`);
    return {...each, expr};
  });
  const source = hidden.length === 0 ? query : {...(query as Select), items: [...(query as Select).items, ...hidden]};
  const names = ['v', ...hidden.map((_, i) => `o${i + 1}`)].map(text => name(node, text));
  const from: FromQuery = {
    ...node,
    kind: 'query',
    query: source,
    alias: name(node, 'ARRAY'),
    columnAliases: names,
    isLateral: false,
  };
  const list = call(node, 'JSON_AGG', [value], orderBy);
  const array = call(node, 'COALESCE', [list, {...node, kind: 'string', value: '[]'}]);
  return {...node, kind: 'subquery', query: selectOf(node, array, from)};
}

/** The only column; undefined: of VALUES. A plain query may be given more of them. */
function theColumn(cursor: TokenCursor, query: Query): {item: SelectItem | undefined; isPlain: boolean} {
  let first = query;
  while (first.kind === 'set') first = first.left;
  const items = first.kind === 'values' ? first.rows[0]! : first.items;
  if (items.length !== 1) throw cursor.fail('subquery must return only one column', query.start);
  if (first.kind === 'values') return {item: undefined, isPlain: false};
  const item = first.items[0]!;
  if (item.kind === 'star') throw cursor.notSupported('* in ARRAY of a query; name its column', item.start);
  return {item, isPlain: first === query && !first.isDistinct && first.distinctOn.length === 0};
}

/** Does an expression of ORDER BY mean the column of the query, by its place, its name or what it is? */
function isOf(expr: Expr, item: SelectItem | undefined): boolean {
  if (expr.kind === 'number') return expr.text === '1';
  if (item?.kind !== 'expr') return expr.kind === 'column' && expr.column.name === 'column1';
  if (expr.kind === 'column' && expr.qualifier.length === 0) {
    const own = item.alias?.name ?? (item.expr.kind === 'column' ? item.expr.column.name : undefined);
    if (own === expr.column.name) return true;
  }
  return said(expr) === said(item.expr);
}

const said = (expr: Expr) =>
  JSON.stringify(expr, (key, value) => (key === 'start' || key === 'end' ? undefined : value));

const name = (node: Node, text: string): Name => ({...node, name: text, text, isQuoted: true});

const columnNamed = (node: Node, text: string): Expr => ({
  ...node,
  kind: 'column',
  qualifier: [name(node, 'ARRAY')],
  column: name(node, text),
});

const call = (node: Node, word: string, args: readonly Expr[], orderBy: readonly OrderItem[] = []): Call => ({
  ...node,
  kind: 'call',
  name: word,
  args,
  isStar: false,
  isDistinct: false,
  orderBy,
  filter: undefined,
});

function selectOf(node: Node, expr: Expr, from: FromQuery): Select {
  return {
    ...node,
    kind: 'select',
    with: undefined,
    orderBy: [],
    limit: undefined,
    offset: undefined,
    isWithTies: false,
    isDistinct: false,
    distinctOn: [],
    items: [{...node, kind: 'expr', expr, alias: name(node, 'array')}],
    from: [from],
    where: undefined,
    groupBy: [],
    having: undefined,
    windows: [],
    qualify: undefined,
  };
}

/**
 * SELECT, INSERT, UPDATE and DELETE over one table, as trees.
 *
 * What is wider than that (joins, CTEs, set operations, windows, a query in FROM, RETURNING …) throws NOT_SUPPORTED; what INSERT may one day
 * take is named in its `wider`. WHERE is optional here; that a statement must have one is a rule of the statement.
 */
import type {Delete, Expr, FromItem, Insert, Name, OrderItem, Query, Select, SelectItem, Update} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {isSubquery, parseExpression} from './expression.ts';
import {QUOTED, WORD} from './tokenizer.ts';
import {NOT_BARE_ALIASES} from './words.ts';

type Wider = {readonly what: string; readonly start: number};
type Assignment = Update['set'][number];
type Parts = {-readonly [K in keyof Omit<Select, 'end'>]: Select[K]};

export function parseQuery(cursor: TokenCursor): Query {
  const parts: Parts = {
    kind: 'select',
    start: cursor.start,
    with: undefined,
    isDistinct: false,
    distinctOn: [],
    items: [],
    from: [],
    where: undefined,
    groupBy: [],
    having: undefined,
    windows: [],
    qualify: undefined,
    orderBy: [],
    limit: undefined,
    offset: undefined,
    isWithTies: false,
  };
  const wider = clauses(cursor, parts);
  if (wider !== undefined) throw cursor.notSupported(wider.what, wider.start);
  return {...parts, end: cursor.previousEnd};
}

/** Fills `parts` until the query ends or something wider is met. */
function clauses(cursor: TokenCursor, parts: Parts): Wider | undefined {
  const wider = widerHead(cursor) ?? selectList(cursor, parts) ?? fromClause(cursor, parts);
  if (wider !== undefined) return wider;
  if (cursor.acceptKeyword('WHERE')) parts.where = parseExpression(cursor);
  const grouping = groupClause(cursor, parts);
  if (grouping !== undefined) return grouping;
  if (cursor.acceptKeyword('HAVING')) parts.having = parseExpression(cursor);
  const tail = widerTail(cursor);
  if (tail !== undefined) return tail;
  if (cursor.keywords('ORDER', 'BY')) parts.orderBy = orderItems(cursor);
  return limitClauses(cursor, parts) ?? locking(cursor);
}

function widerHead(cursor: TokenCursor): Wider | undefined {
  const start = cursor.start;
  if (cursor.acceptKeyword('WITH')) {
    cursor.acceptKeyword('RECURSIVE');
    cursor.columnName('a query name');
    return {what: 'WITH queries', start};
  }
  if (cursor.acceptKeyword('VALUES')) {
    if (!cursor.isSymbol('(')) throw cursor.expected("'('");
    return {what: 'VALUES as a query', start};
  }
  if (cursor.isSymbol('(')) {
    cursor.skipBalanced();
    return {what: 'queries in brackets', start};
  }
  cursor.expectKeyword('SELECT');
  return undefined;
}

function selectList(cursor: TokenCursor, parts: Parts): Wider | undefined {
  const start = cursor.start;
  if (cursor.acceptKeyword('DISTINCT')) {
    parts.isDistinct = true;
    if (cursor.acceptKeyword('ON')) return {what: 'DISTINCT ON', start};
  } else cursor.acceptKeyword('ALL');
  const items = [selectItem(cursor)];
  while (cursor.acceptSymbol(',')) items.push(selectItem(cursor));
  parts.items = items;
  return undefined;
}

function selectItem(cursor: TokenCursor): SelectItem {
  const start = cursor.start;
  const star = starItem(cursor, start);
  if (star !== undefined) return star;
  const expr = parseExpression(cursor);
  const alias = itemAlias(cursor);
  return {kind: 'expr', start, end: cursor.previousEnd, expr, alias};
}

/** `*`, `t.*`, `ns.t.*` */
function starItem(cursor: TokenCursor, start: number): SelectItem | undefined {
  if (cursor.acceptSymbol('*')) return {kind: 'star', start, end: cursor.previousEnd, qualifier: []};
  const isStar = (dot: number) => cursor.isSymbol('.', dot) && cursor.isSymbol('*', dot + 1);
  const parts = isStar(1) ? 1 : cursor.isSymbol('.', 1) && isStar(3) ? 2 : 0;
  if (parts === 0) return undefined;
  const qualifier = [cursor.name('a table name')];
  cursor.next();
  if (parts === 2) {
    qualifier.push(cursor.label('a table name'));
    cursor.next();
  }
  cursor.next();
  return {kind: 'star', start, end: cursor.previousEnd, qualifier};
}

function itemAlias(cursor: TokenCursor): Name | undefined {
  if (cursor.acceptKeyword('AS')) return cursor.label('an alias');
  if (cursor.kind === QUOTED) return cursor.label();
  if (cursor.kind !== WORD || NOT_BARE_ALIASES.has(cursor.raw.toUpperCase())) return undefined;
  return cursor.columnName('an alias');
}

function fromClause(cursor: TokenCursor, parts: Parts): Wider | undefined {
  if (!cursor.acceptKeyword('FROM')) return undefined;
  const start = cursor.start;
  if (cursor.isSymbol('(')) return {what: 'subqueries in FROM', start};
  if (cursor.isKeyword('LATERAL')) return {what: 'LATERAL', start};
  if (cursor.acceptKeyword('ONLY')) return {what: 'FROM ONLY', start};
  const table = cursor.tableRef();
  if (cursor.isSymbol('(')) return {what: 'functions in FROM', start};
  const alias = tableAlias(cursor);
  const from: FromItem = {kind: 'table', start, end: cursor.previousEnd, table, alias, columnAliases: []};
  parts.from = [from];
  return widerFrom(cursor);
}

/** What may stand behind the first table and makes the query wider. */
function widerFrom(cursor: TokenCursor): Wider | undefined {
  const start = cursor.start;
  if (cursor.acceptSymbol(',')) return {what: 'several tables in FROM', start};
  if (cursor.isSymbol('(')) return {what: 'column aliases in FROM', start};
  if (cursor.isKeyword('TABLESAMPLE')) return {what: 'TABLESAMPLE', start};
  if (!['JOIN', 'INNER', 'LEFT', 'RIGHT', 'FULL', 'CROSS', 'NATURAL'].some(word => cursor.isKeyword(word)))
    return undefined;
  for (const word of ['NATURAL', 'INNER', 'LEFT', 'RIGHT', 'FULL', 'CROSS', 'OUTER']) cursor.acceptKeyword(word);
  cursor.expectKeyword('JOIN');
  return {what: 'joins', start};
}

/** `[AS] name`, where the name is not a word that goes on with the statement. */
function tableAlias(cursor: TokenCursor, ...notAliases: string[]): Name | undefined {
  if (cursor.acceptKeyword('AS')) return cursor.columnName('an alias');
  // OPTIONS follows the query of SUBSCRIBE TO, QUALIFY the one of the analytic dialect.
  if (!cursor.isName() || cursor.isKeyword('QUALIFY') || (cursor.isKeyword('OPTIONS') && cursor.isSymbol('(', 1)))
    return undefined;
  if (notAliases.some(word => cursor.isKeyword(word))) return undefined;
  return cursor.columnName('an alias');
}

function groupClause(cursor: TokenCursor, parts: Parts): Wider | undefined {
  if (!cursor.keywords('GROUP', 'BY')) return undefined;
  const start = cursor.start;
  if (cursor.isKeyword('ALL') || cursor.isKeyword('DISTINCT')) return {what: 'GROUP BY ALL and DISTINCT', start};
  const groupBy: Expr[] = [];
  do {
    if (cursor.areKeywords('GROUPING', 'SETS')) return {what: 'GROUPING SETS', start};
    if (cursor.isSymbol('(', 1) && (cursor.isKeyword('ROLLUP') || cursor.isKeyword('CUBE')))
      return {what: 'ROLLUP and CUBE', start};
    if (cursor.isSymbol('(') && cursor.isSymbol(')', 1)) return {what: 'GROUPING SETS', start};
    groupBy.push(parseExpression(cursor));
  } while (cursor.acceptSymbol(','));
  parts.groupBy = groupBy;
  return undefined;
}

function widerTail(cursor: TokenCursor): Wider | undefined {
  const start = cursor.start;
  if (cursor.isKeyword('WINDOW')) return {what: 'WINDOW', start};
  if (cursor.isKeyword('QUALIFY')) return {what: 'QUALIFY', start};
  if (cursor.acceptOneOf('UNION', 'EXCEPT', 'INTERSECT') === undefined) return undefined;
  if (!cursor.acceptKeyword('ALL')) cursor.acceptKeyword('DISTINCT');
  if (!cursor.isSymbol('(') && !['SELECT', 'VALUES', 'TABLE', 'WITH'].some(word => cursor.isKeyword(word)))
    throw cursor.expected('SELECT');
  return {what: 'UNION, EXCEPT and INTERSECT', start};
}

function orderItems(cursor: TokenCursor): OrderItem[] {
  const items: OrderItem[] = [];
  do {
    const start = cursor.start;
    const expr = parseExpression(cursor);
    const isDescending = !cursor.acceptKeyword('ASC') && cursor.acceptKeyword('DESC');
    let nulls: 'first' | 'last' | undefined;
    if (cursor.acceptKeyword('NULLS')) nulls = cursor.expectOneOf('FIRST', 'LAST') === 'FIRST' ? 'first' : 'last';
    items.push({start, end: cursor.previousEnd, expr, isDescending, nulls});
  } while (cursor.acceptSymbol(','));
  return items;
}

/** LIMIT and OFFSET, or FETCH FIRST, each once and in either order. */
function limitClauses(cursor: TokenCursor, parts: Parts): Wider | undefined {
  let hasLimit = false;
  let hasOffset = false;
  for (;;) {
    const start = cursor.start;
    if (!hasLimit && cursor.acceptKeyword('LIMIT')) {
      hasLimit = true;
      if (!cursor.acceptKeyword('ALL')) parts.limit = parseExpression(cursor);
    } else if (!hasLimit && cursor.acceptKeyword('FETCH')) {
      hasLimit = true;
      parts.limit = fetchCount(cursor);
      if (cursor.acceptKeyword('WITH')) return {what: 'FETCH … WITH TIES', start};
      cursor.expectKeyword('ONLY');
    } else if (!hasOffset && cursor.acceptKeyword('OFFSET')) {
      hasOffset = true;
      parts.offset = parseExpression(cursor);
      if (!cursor.acceptKeyword('ROWS')) cursor.acceptKeyword('ROW');
    } else return undefined;
  }
}

/** Between FETCH and ONLY: `FIRST [n] ROWS`, where no count means one. */
function fetchCount(cursor: TokenCursor): Expr {
  cursor.expectOneOf('FIRST', 'NEXT');
  const start = cursor.start;
  const isOne = cursor.isKeyword('ROW') || cursor.isKeyword('ROWS');
  const count: Expr = isOne ? {kind: 'number', start, end: start, text: '1'} : parseExpression(cursor);
  cursor.expectOneOf('ROWS', 'ROW');
  return count;
}

function locking(cursor: TokenCursor): Wider | undefined {
  const start = cursor.start;
  if (!cursor.acceptKeyword('FOR')) return undefined;
  if (!cursor.keywords('NO', 'KEY') && !cursor.acceptKeyword('KEY')) cursor.expectOneOf('UPDATE', 'SHARE');
  return {what: 'FOR UPDATE and FOR SHARE', start};
}

/** Whatever stands behind something wider. */
function skipToEnd(cursor: TokenCursor): void {
  while (!cursor.atEnd()) cursor.skipBalanced();
}

export function parseInsert(cursor: TokenCursor): Insert {
  const start = cursor.start;
  cursor.expectKeyword('INSERT');
  cursor.expectKeyword('INTO');
  const table = cursor.tableRef();
  const aliasStart = cursor.start;
  let wider: Insert['wider'];
  if (cursor.acceptKeyword('AS')) {
    cursor.columnName('an alias');
    wider = {what: 'an alias of the target of INSERT', start: aliasStart};
  }
  const columns = cursor.isSymbol('(') && !isSubquery(cursor, 0) ? columnNames(cursor) : undefined;
  const bodyStart = cursor.start;
  if (cursor.isKeyword('OVERRIDING')) wider ??= {what: 'OVERRIDING', start: bodyStart};
  else if (cursor.isKeyword('SELECT') || cursor.isKeyword('WITH') || cursor.isSymbol('(')) {
    wider ??= {what: 'INSERT … SELECT', start: bodyStart};
  } else if (cursor.keywords('DEFAULT', 'VALUES')) {
    if (columns !== undefined) throw cursor.fail('DEFAULT VALUES takes no column list', bodyStart);
    wider ??= afterRows(cursor);
    if (wider === undefined)
      return {kind: 'insert', start, end: cursor.previousEnd, table, columns: [], rows: [[]], wider};
  }
  const rows = wider === undefined ? valueRows(cursor) : [];
  wider ??= afterRows(cursor);
  if (wider !== undefined) skipToEnd(cursor);
  return {kind: 'insert', start, end: cursor.previousEnd, table, columns, rows, wider};
}

/** `(a, b)` */
function columnNames(cursor: TokenCursor): Name[] {
  const columns: Name[] = [];
  cursor.expectSymbol('(');
  do columns.push(cursor.columnName());
  while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  return columns;
}

function valueRows(cursor: TokenCursor): (Expr | 'default')[][] {
  const rows: (Expr | 'default')[][] = [];
  cursor.expectKeyword('VALUES');
  do {
    const row: (Expr | 'default')[] = [];
    cursor.expectSymbol('(');
    do row.push(value(cursor));
    while (cursor.acceptSymbol(','));
    cursor.expectSymbol(')');
    rows.push(row);
  } while (cursor.acceptSymbol(','));
  return rows;
}

/** `DEFAULT.t.c` would be a column of the namespace `default`, so the word stands alone. */
function value(cursor: TokenCursor): Expr | 'default' {
  if (!cursor.isKeyword('DEFAULT') || cursor.isSymbol('.', 1)) return parseExpression(cursor);
  cursor.next();
  return 'default';
}

function afterRows(cursor: TokenCursor): Insert['wider'] {
  const start = cursor.start;
  if (cursor.keywords('ON', 'CONFLICT')) return {what: 'ON CONFLICT', start};
  if (cursor.acceptKeyword('RETURNING')) return {what: 'RETURNING', start};
  // `VALUES (…) ORDER BY …` makes the rows a query.
  if (['ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'UNION', 'EXCEPT', 'INTERSECT'].some(word => cursor.isKeyword(word))) {
    return {what: 'INSERT … SELECT', start};
  }
  return undefined;
}

export function parseUpdate(cursor: TokenCursor): Update {
  const start = cursor.start;
  cursor.expectKeyword('UPDATE');
  if (cursor.isKeyword('ONLY')) throw cursor.notSupported('UPDATE ONLY');
  const table = cursor.tableRef();
  const alias = tableAlias(cursor, 'SET');
  cursor.expectKeyword('SET');
  const set: Assignment[] = [];
  do set.push(assignment(cursor));
  while (cursor.acceptSymbol(','));
  if (cursor.isKeyword('FROM')) throw cursor.notSupported('UPDATE … FROM');
  const where = whereClause(cursor);
  return {kind: 'update', start, end: cursor.previousEnd, table, alias, set, where};
}

function assignment(cursor: TokenCursor): Assignment {
  if (cursor.isSymbol('(')) throw cursor.notSupported('SET (a, b) = …');
  const column = cursor.columnName();
  if (cursor.isSymbol('.')) throw cursor.fail('SET names a column of the table without the table');
  cursor.expectSymbol('=');
  return {column, value: value(cursor)};
}

export function parseDelete(cursor: TokenCursor): Delete {
  const start = cursor.start;
  cursor.expectKeyword('DELETE');
  cursor.expectKeyword('FROM');
  if (cursor.isKeyword('ONLY')) throw cursor.notSupported('DELETE FROM ONLY');
  const table = cursor.tableRef();
  const alias = tableAlias(cursor);
  if (cursor.isKeyword('USING')) throw cursor.notSupported('DELETE … USING');
  const where = whereClause(cursor);
  return {kind: 'delete', start, end: cursor.previousEnd, table, alias, where};
}

function whereClause(cursor: TokenCursor): Expr | undefined {
  const where = cursor.acceptKeyword('WHERE') ? parseExpression(cursor) : undefined;
  if (cursor.isKeyword('RETURNING')) throw cursor.notSupported('RETURNING');
  return where;
}

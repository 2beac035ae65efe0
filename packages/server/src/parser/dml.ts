/**
 * INSERT, UPDATE and DELETE over one table, as trees.
 *
 * What INSERT may one day take (RETURNING, ON CONFLICT) is named in its `wider` and the tokens behind it are consumed with their
 * brackets balanced: the caller decides whether anybody can run it. UPDATE and DELETE have no wider form and throw NOT_SUPPORTED. WHERE is
 * optional here; that a statement must have one is a rule of the statement.
 */
import type {Delete, Expr, Insert, Query, Update} from './ast.ts';
import {beginsQuery} from './brackets.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';
import {columnNames, tableAlias} from './from.ts';
import {parseQuery} from './query.ts';

type Assignment = Update['set'][number];

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
  const columns = cursor.isSymbol('(') && !beginsQuery(cursor, 0) ? columnNames(cursor) : undefined;
  const bodyStart = cursor.start;
  let query: Query | undefined;
  if (cursor.isKeyword('OVERRIDING')) wider ??= {what: 'OVERRIDING', start: bodyStart};
  else if (cursor.isSymbol('(') || ['SELECT', 'WITH', 'TABLE'].some(word => cursor.isKeyword(word))) {
    if (wider === undefined) query = parseQuery(cursor);
  } else if (cursor.keywords('DEFAULT', 'VALUES')) {
    if (columns !== undefined) throw cursor.fail('DEFAULT VALUES takes no column list', bodyStart);
    wider ??= afterRows(cursor);
    if (wider === undefined)
      return {kind: 'insert', start, end: cursor.previousEnd, table, columns: [], rows: [[]], query, wider};
  }
  const rows = wider === undefined && query === undefined ? valueRows(cursor) : [];
  wider ??= afterRows(cursor);
  if (wider !== undefined) skipToEnd(cursor);
  return {kind: 'insert', start, end: cursor.previousEnd, table, columns, rows, query, wider};
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
    return {what: 'ORDER BY, LIMIT and set operations behind the VALUES of INSERT', start};
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

/** Whatever stands behind something wider. */
function skipToEnd(cursor: TokenCursor): void {
  while (!cursor.atEnd()) cursor.skipBalanced();
}

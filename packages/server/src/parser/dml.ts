/**
 * INSERT, UPDATE and DELETE over one table, as trees.
 *
 *     [WITH …] INSERT … VALUES | query [ON CONFLICT …] [RETURNING …]
 *     [WITH …] UPDATE … SET … [FROM …] [WHERE …] [RETURNING …]
 *     [WITH …] DELETE … [USING …] [WHERE …] [RETURNING …]
 *
 * WHERE is optional here; that a statement must have one is a rule of the statement.
 */
import type {
  Assignment,
  Delete,
  Expr,
  Insert,
  Name,
  OnConflict,
  Query,
  RowAssignment,
  SelectItem,
  SetClause,
  Update,
} from './ast.ts';
import {beginsQuery} from './brackets.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';
import {columnNames, parseFrom, tableAlias} from './from.ts';
import {parseQuery, withClause} from './query.ts';
import {parseSelectItems} from './select.ts';
import {END} from './tokenizer.ts';

const CHANGES = ['INSERT', 'UPDATE', 'DELETE'] as const;

/** The change of rows that a WITH stands before; undefined: it is a query's, or there is none. */
export function changeBehindWith(cursor: TokenCursor): (typeof CHANGES)[number] | undefined {
  if (!cursor.isKeyword('WITH')) return undefined;
  let depth = 0;
  for (let ahead = 1; cursor.kindAhead(ahead) !== END; ahead++) {
    if (cursor.isSymbol('(', ahead)) depth++;
    if (!cursor.isSymbol(')', ahead) || --depth > 0) continue;
    // Behind names of columns stands AS, behind every query but the last a comma.
    if (cursor.isKeyword('AS', ahead + 1) || cursor.isSymbol(',', ahead + 1)) continue;
    return CHANGES.find(word => cursor.isKeyword(word, ahead + 1));
  }
  return undefined;
}

export function parseInsert(cursor: TokenCursor): Insert {
  const {start} = cursor;
  const clause = withClause(cursor);
  cursor.expectKeyword('INSERT');
  refuseForeignInsert(cursor);
  cursor.expectKeyword('INTO');
  const table = cursor.tableRef();
  const alias = cursor.acceptKeyword('AS') ? cursor.columnName('an alias') : undefined;
  const source = insertSource(cursor);
  if (cursor.areKeywords('ON', 'DUPLICATE'))
    throw cursor.notSupported('ON DUPLICATE KEY UPDATE; write ON CONFLICT DO UPDATE SET …');
  const onConflict = onConflictClause(cursor);
  const returning = returningClause(cursor);
  return {kind: 'insert', start, end: cursor.previousEnd, with: clause, table, alias, ...source, onConflict, returning};
}

/** What other servers say for ON CONFLICT. */
function refuseForeignInsert(cursor: TokenCursor): void {
  const isOr = cursor.isKeyword('OR') ? 1 : 0;
  for (const [word, instead] of FOREIGN_INSERTS) {
    if (!cursor.isKeyword(word, isOr)) continue;
    throw cursor.notSupported(`INSERT ${isOr === 1 ? 'OR ' : ''}${word}; write INSERT … ON CONFLICT DO ${instead}`);
  }
}

const FOREIGN_INSERTS = [
  ['REPLACE', 'UPDATE SET …'],
  ['OVERWRITE', 'UPDATE SET …'],
  ['IGNORE', 'NOTHING'],
] as const;

function insertSource(cursor: TokenCursor): Pick<Insert, 'columns' | 'rows' | 'query'> {
  const columns = cursor.isSymbol('(') && !beginsQuery(cursor, 0) ? columnNames(cursor) : undefined;
  const {start} = cursor;
  if (cursor.isKeyword('OVERRIDING')) throw cursor.notSupported('OVERRIDING; a value that is given is taken');
  if (cursor.keywords('DEFAULT', 'VALUES')) {
    if (columns !== undefined) throw cursor.fail('DEFAULT VALUES takes no column list', start);
    return {columns: [], rows: [[]], query: undefined};
  }
  if (!cursor.isKeyword('VALUES')) return {columns, rows: [], query: insertQuery(cursor)};
  const rows = valueRows(cursor);
  // `VALUES (…) ORDER BY …` makes the rows a query.
  if (['ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'UNION', 'EXCEPT', 'INTERSECT'].some(word => cursor.isKeyword(word)))
    throw cursor.notSupported(
      'ORDER BY, LIMIT and set operations behind the VALUES of INSERT; INSERT … SELECT * FROM (VALUES …) AS v takes them',
    );
  return {columns, rows, query: undefined};
}

function insertQuery(cursor: TokenCursor): Query {
  if (!cursor.isSymbol('(') && !['SELECT', 'WITH', 'TABLE'].some(word => cursor.isKeyword(word)))
    throw cursor.expected('VALUES');
  return parseQuery(cursor);
}

function valueRows(cursor: TokenCursor): (Expr | 'default')[][] {
  const rows: (Expr | 'default')[][] = [];
  cursor.expectKeyword('VALUES');
  do rows.push(parseValues(cursor));
  while (cursor.acceptSymbol(','));
  return rows;
}

/** In brackets. */
function parseValues(cursor: TokenCursor): (Expr | 'default')[] {
  const row: (Expr | 'default')[] = [];
  cursor.expectSymbol('(');
  do row.push(value(cursor));
  while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  return row;
}

/** `DEFAULT.t.c` would be a column of the namespace `default`, so the word stands alone. */
function value(cursor: TokenCursor): Expr | 'default' {
  if (!cursor.isKeyword('DEFAULT') || cursor.isSymbol('.', 1)) return parseExpression(cursor);
  cursor.next();
  return 'default';
}

function onConflictClause(cursor: TokenCursor): OnConflict | undefined {
  const {start} = cursor;
  if (!cursor.keywords('ON', 'CONFLICT')) return undefined;
  const target = conflictTarget(cursor);
  cursor.expectKeyword('DO');
  const word = cursor.acceptOneOf('NOTHING', 'UPDATE');
  if (word === undefined) throw cursor.expected('NOTHING or UPDATE');
  const update = word === 'UPDATE' ? {...setClause(cursor), where: whereClause(cursor)} : undefined;
  return {start, end: cursor.previousEnd, target, update};
}

function conflictTarget(cursor: TokenCursor): readonly Name[] {
  if (cursor.isKeyword('ON')) throw cursor.notSupported('ON CONFLICT ON CONSTRAINT; name the primary key in brackets');
  if (!cursor.acceptSymbol('(')) return [];
  const target: Name[] = [];
  do {
    const {start} = cursor;
    if (cursor.isSymbol('(')) throw cursor.notSupported('ON CONFLICT on an expression; only the primary key is unique');
    target.push(cursor.columnName());
    if (!cursor.isSymbol(',') && !cursor.isSymbol(')'))
      throw cursor.notSupported('ON CONFLICT on more than plain columns; only the primary key is unique', start);
  } while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  if (cursor.isKeyword('WHERE'))
    throw cursor.notSupported('WHERE behind the columns of ON CONFLICT; only the primary key is unique');
  return target;
}

function returningClause(cursor: TokenCursor): SelectItem[] {
  return cursor.acceptKeyword('RETURNING') ? parseSelectItems(cursor) : [];
}

export function parseUpdate(cursor: TokenCursor): Update {
  const {start} = cursor;
  const clause = withClause(cursor);
  cursor.expectKeyword('UPDATE');
  if (cursor.isKeyword('ONLY')) throw cursor.notSupported('UPDATE ONLY; no table inherits from another');
  const table = cursor.tableRef();
  const alias = tableAlias(cursor, 'SET');
  const set = setClause(cursor);
  const from = cursor.acceptKeyword('FROM') ? parseFrom(cursor) : [];
  const where = whereClause(cursor);
  const returning = returningClause(cursor);
  return {kind: 'update', start, end: cursor.previousEnd, with: clause, table, alias, ...set, from, where, returning};
}

function setClause(cursor: TokenCursor): SetClause {
  cursor.expectKeyword('SET');
  const set: Assignment[] = [];
  const setRows: RowAssignment[] = [];
  do {
    if (!cursor.isSymbol('(')) set.push(assignment(cursor));
    else {
      const several = assignments(cursor);
      if ('value' in several) setRows.push(several);
      else set.push(...several);
    }
  } while (cursor.acceptSymbol(','));
  return {set, setRows};
}

/** `(a, b) = (x, y)` or `= ROW (x, y)`, column by column, or the row that a query gives. */
function assignments(cursor: TokenCursor): Assignment[] | RowAssignment {
  const {start} = cursor;
  const columns = columnNames(cursor);
  cursor.expectSymbol('=');
  const list = !cursor.acceptKeyword('ROW') && beginsQuery(cursor, 0) ? queryOrValues(cursor) : parseValues(cursor);
  if ('kind' in list) return {columns, value: list};
  if (list.length !== columns.length) throw cursor.fail('number of columns does not match number of values', start);
  return columns.map((column, i) => ({column, value: list[i]!}));
}

/** What begins with a query in brackets: the query, or values the first of which does. */
function queryOrValues(cursor: TokenCursor): RowAssignment['value'] | readonly Expr[] {
  const value = parseExpression(cursor);
  if (value.kind === 'subquery') return value;
  return value.kind === 'row' ? value.items : [value];
}

function assignment(cursor: TokenCursor): Assignment {
  const column = cursor.columnName();
  if (cursor.isSymbol('.')) throw cursor.fail('SET names a column of the table without the table');
  cursor.expectSymbol('=');
  return {column, value: value(cursor)};
}

export function parseDelete(cursor: TokenCursor): Delete {
  const {start} = cursor;
  const clause = withClause(cursor);
  cursor.expectKeyword('DELETE');
  cursor.expectKeyword('FROM');
  if (cursor.isKeyword('ONLY')) throw cursor.notSupported('DELETE FROM ONLY; no table inherits from another');
  const table = cursor.tableRef();
  const alias = tableAlias(cursor, 'SET');
  const from = cursor.acceptKeyword('USING') ? parseFrom(cursor) : [];
  const where = whereClause(cursor);
  const returning = returningClause(cursor);
  return {kind: 'delete', start, end: cursor.previousEnd, with: clause, table, alias, from, where, returning};
}

function whereClause(cursor: TokenCursor): Expr | undefined {
  return cursor.acceptKeyword('WHERE') ? parseExpression(cursor) : undefined;
}

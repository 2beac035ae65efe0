/**
 * Queries: SELECT, VALUES and TABLE, joined by UNION, EXCEPT and INTERSECT, with WITH in front and ORDER BY and limits behind.
 *
 *     [WITH …] operand [UNION | EXCEPT | INTERSECT operand] … [ORDER BY …] [LIMIT … OFFSET … | FETCH …]
 *
 * INTERSECT binds tighter, chains go left and are read in a loop. An operand in brackets leaves no node: what is written behind the brackets
 * is added to the query inside, as PostgreSQL does, and each clause may be there once.
 */
import type {Expr, Query, Select, SetQuery, ValuesQuery, With, WithTable} from './ast.ts';
import {parseBracketedQuery} from './brackets.ts';
import type {TokenCursor} from './cursor.ts';
import {POWER, parseAbove, parseBehind, parseExpression, parseExpressions} from './expression.ts';
import {columnNames, parseRelation} from './from.ts';
import {enter, grow, leave} from './nesting.ts';
import {parseOrderBy} from './order.ts';
import {type Draft, newSelect, parseSelect} from './select.ts';

export function parseQuery(cursor: TokenCursor): Query {
  const clause = withClause(cursor);
  if (clause !== undefined && WRITING.some(word => cursor.isKeyword(word)))
    throw cursor.notSupported(`${cursor.raw.toUpperCase()} as a query`);
  const query: Draft<Query> = queryBehind(cursor, operand(cursor));
  if (clause === undefined) return query;
  if (query.with !== undefined) throw cursor.fail('A query takes one WITH clause', query.with.start);
  query.with = clause;
  query.start = clause.start;
  return query;
}

/** Goes on behind the first operand of a query. */
export function queryBehind(cursor: TokenCursor, first: Query): Query {
  const query: Draft<Query> = setOperations(cursor, first, 0);
  if (continuesQuery(cursor)) tail(cursor, query);
  grow(cursor, 'Query');
  return query;
}

/** Whether the next word belongs to a query whose first operand has ended. */
export function continuesQuery(cursor: TokenCursor): boolean {
  return CONTINUATIONS.some(word => cursor.isKeyword(word));
}

const CONTINUATIONS = ['ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'FOR', 'UNION', 'EXCEPT', 'INTERSECT'] as const;

function operand(cursor: TokenCursor): Query {
  if (cursor.isKeyword('SELECT')) return parseSelect(cursor);
  if (cursor.isSymbol('(')) return parseBracketedQuery(cursor);
  if (cursor.isKeyword('VALUES')) return values(cursor);
  if (cursor.isKeyword('TABLE')) return wholeTable(cursor);
  throw cursor.expected('SELECT');
}

const NO_TAIL = {with: undefined, orderBy: [], limit: undefined, offset: undefined, isWithTies: false} as const;

const OPERATIONS = {UNION: ['union', 1], EXCEPT: ['except', 1], INTERSECT: ['intersect', 2]} as const;

/** Operations that bind tighter than `power`. */
function setOperations(cursor: TokenCursor, first: Query, power: number): Query {
  let left = first;
  for (;;) {
    const word = (['UNION', 'EXCEPT', 'INTERSECT'] as const).find(each => cursor.isKeyword(each));
    if (word === undefined || OPERATIONS[word][1] <= power) return left;
    const [op, ownPower] = OPERATIONS[word];
    cursor.next();
    const isAll = cursor.acceptOneOf('ALL', 'DISTINCT') === 'ALL';
    const right = setOperations(cursor, operand(cursor), ownPower);
    const {start} = left;
    const set: SetQuery = {kind: 'set', start, end: right.end, ...NO_TAIL, op, isAll, left, right};
    left = set;
    grow(cursor, 'Query');
  }
}

function values(cursor: TokenCursor): ValuesQuery {
  const start = cursor.start;
  cursor.expectKeyword('VALUES');
  const rows: Expr[][] = [];
  do {
    const rowStart = cursor.start;
    cursor.expectSymbol('(');
    const row = parseExpressions(cursor);
    cursor.expectSymbol(')');
    rows.push(row);
    if (row.length !== rows[0]!.length) throw cursor.fail('VALUES lists must all be the same length', rowStart);
  } while (cursor.acceptSymbol(','));
  return {kind: 'values', start, end: cursor.previousEnd, ...NO_TAIL, rows};
}

/** `TABLE t` */
function wholeTable(cursor: TokenCursor): Select {
  const select = newSelect(cursor.start);
  cursor.expectKeyword('TABLE');
  const from = parseRelation(cursor);
  select.from = [from];
  // The star stands where TABLE does, so that every part of the text is one node's.
  select.items = [{kind: 'star', start: select.start, end: from.start, qualifier: []}];
  select.end = from.end;
  return select;
}

function tail(cursor: TokenCursor, query: Draft<Query>): void {
  const start = cursor.start;
  const orderBy = parseOrderBy(cursor);
  if (orderBy.length > 0) {
    if (query.orderBy.length > 0) throw cursor.fail('A query takes one ORDER BY clause', start);
    query.orderBy = orderBy;
  }
  locking(cursor);
  limits(cursor, query);
  locking(cursor);
  query.end = cursor.previousEnd;
}

/** LIMIT or FETCH, and OFFSET, each once and in either order. */
function limits(cursor: TokenCursor, query: Draft<Query>): void {
  let hasLimit = query.limit !== undefined;
  let hasOffset = query.offset !== undefined;
  for (;;) {
    const start = cursor.start;
    const word = cursor.acceptOneOf('LIMIT', 'FETCH', 'OFFSET');
    if (word === undefined) return;
    if (word === 'OFFSET' ? hasOffset : hasLimit) throw cursor.fail(`A query takes one ${word} clause`, start);
    if (word === 'OFFSET') {
      hasOffset = true;
      // Before ROWS stands one operand.
      query.offset = parseAbove(cursor, POWER.postfix);
      if (!cursor.acceptOneOf('ROWS', 'ROW')) query.offset = parseBehind(cursor, query.offset, POWER.any);
    } else {
      hasLimit = true;
      if (word === 'FETCH') fetchFirst(cursor, query);
      else if (!cursor.acceptKeyword('ALL')) query.limit = parseExpression(cursor);
    }
  }
}

/** Behind FETCH: `FIRST [n] ROWS ONLY`, where no count means one. */
function fetchFirst(cursor: TokenCursor, query: Draft<Query>): void {
  cursor.expectOneOf('FIRST', 'NEXT');
  const start = cursor.start;
  const isOne = cursor.isKeyword('ROW') || cursor.isKeyword('ROWS');
  query.limit = isOne ? {kind: 'number', start, end: start, text: '1'} : parseAbove(cursor, POWER.postfix);
  cursor.expectOneOf('ROWS', 'ROW');
  if (cursor.acceptKeyword('ONLY')) return;
  const tiesStart = cursor.start;
  if (!cursor.keywords('WITH', 'TIES')) throw cursor.expected('ONLY or WITH TIES');
  if (query.orderBy.length === 0) throw cursor.fail('WITH TIES needs an ORDER BY clause', tiesStart);
  query.isWithTies = true;
}

function locking(cursor: TokenCursor): void {
  const start = cursor.start;
  if (!cursor.acceptKeyword('FOR')) return;
  if (!cursor.keywords('NO', 'KEY') && !cursor.acceptKeyword('KEY')) cursor.expectOneOf('UPDATE', 'SHARE');
  throw cursor.notSupported(
    'FOR UPDATE and FOR SHARE; a transaction that writes a row which has changed meanwhile fails with WRITE_CONFLICT',
    start,
  );
}

/** Undefined when there is none. */
export function withClause(cursor: TokenCursor): With | undefined {
  return cursor.isKeyword('WITH') ? parseWith(cursor) : undefined;
}

function parseWith(cursor: TokenCursor): With {
  const start = cursor.start;
  const isRecursive = withWord(cursor);
  const tables = [withTable(cursor)];
  while (cursor.acceptSymbol(',')) tables.push(withTable(cursor));
  return {start, end: cursor.previousEnd, isRecursive, tables};
}

/** Consumes `WITH [RECURSIVE]`. Is it recursive? */
export function withWord(cursor: TokenCursor): boolean {
  cursor.expectKeyword('WITH');
  // Before AS or `(` the word is the name of a table.
  const isRecursive = cursor.isKeyword('RECURSIVE') && !cursor.isKeyword('AS', 1) && !cursor.isSymbol('(', 1);
  if (isRecursive) cursor.next();
  return isRecursive;
}

const WRITING = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'] as const;

function withTable(cursor: TokenCursor): WithTable {
  const {inside: query, ...table} = withPart(cursor, () => {
    if (WRITING.some(word => cursor.isKeyword(word)))
      throw cursor.notSupported(`${cursor.raw.toUpperCase()} inside WITH, other than at the top of a statement`);
    return parseQuery(cursor);
  });
  return {...table, query};
}

/** `name (columns) AS MATERIALIZED (…)`: `read` consumes what stands in the brackets. */
export function withPart<Inside>(
  cursor: TokenCursor,
  read: () => Inside,
): Omit<WithTable, 'query'> & {readonly inside: Inside} {
  const name = cursor.columnName('a query name');
  const columns = cursor.isSymbol('(') ? columnNames(cursor) : [];
  cursor.expectKeyword('AS');
  const isNot = cursor.isKeyword('NOT');
  if (isNot) cursor.next();
  const isSaid = isNot || cursor.isKeyword('MATERIALIZED');
  if (isSaid) cursor.expectKeyword('MATERIALIZED');
  const outside = enter(cursor, 'Query');
  cursor.expectSymbol('(');
  const inside = read();
  cursor.expectSymbol(')');
  leave(cursor, outside);
  const end = cursor.previousEnd;
  if (cursor.isKeyword('SEARCH') || cursor.isKeyword('CYCLE')) {
    throw cursor.notSupported('the SEARCH and CYCLE clauses of WITH RECURSIVE; keep the path in a column');
  }
  return {start: name.start, end, name, columns, inside, materialized: isSaid ? !isNot : undefined};
}

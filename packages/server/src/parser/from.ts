/**
 * FROM: tables, queries, functions and joins.
 *
 * Joins go left; what stands between JOIN and its ON may be joins again: `a JOIN b JOIN c ON … ON …` joins b and c first. Brackets hold a query or
 * a join and leave no node. What PostgreSQL has beyond that (ONLY, TABLESAMPLE, ROWS FROM, aliases of joins) is refused by name.
 */
import type {FromFunction, FromItem, FromQuery, FromTable, Join, Name, Query} from './ast.ts';
import {beginsQuery} from './brackets.ts';
import {parseCall} from './call.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression} from './expression.ts';
import {enter, grow, leave} from './nesting.ts';
import {continuesQuery, parseQuery, queryBehind} from './query.ts';
import {QUOTED, WORD} from './tokenizer.ts';
import {isFunctionName} from './words.ts';

/** The list behind FROM. */
export function parseFrom(cursor: TokenCursor): FromItem[] {
  const items = [joined(cursor)];
  while (cursor.acceptSymbol(',')) items.push(joined(cursor));
  return items;
}

function joined(cursor: TokenCursor): FromItem {
  return joinsBehind(cursor, source(cursor));
}

function joinsBehind(cursor: TokenCursor, first: FromItem): FromItem {
  let left = first;
  for (let kind = joinKind(cursor); kind !== undefined; kind = joinKind(cursor)) left = joinBehind(cursor, left, kind);
  return left;
}

interface JoinKind {
  readonly join: Join['join'];
  readonly isNatural: boolean;
}

/** The words up to JOIN, consumed. */
function joinKind(cursor: TokenCursor): JoinKind | undefined {
  const isNatural = cursor.acceptKeyword('NATURAL');
  const word = cursor.acceptOneOf('JOIN', 'INNER', 'LEFT', 'RIGHT', 'FULL', ...(isNatural ? [] : (['CROSS'] as const)));
  if (word === undefined) {
    if (isNatural) throw cursor.expected('JOIN');
    return undefined;
  }
  if (word === 'LEFT' || word === 'RIGHT' || word === 'FULL') cursor.acceptKeyword('OUTER');
  if (word !== 'JOIN') cursor.expectKeyword('JOIN');
  return {join: JOINS[word], isNatural};
}

const JOINS = {JOIN: 'inner', INNER: 'inner', LEFT: 'left', RIGHT: 'right', FULL: 'full', CROSS: 'cross'} as const;

/** Stands behind JOIN. */
function joinBehind(cursor: TokenCursor, left: FromItem, kind: JoinKind): Join {
  let right = source(cursor);
  let on: Join['on'];
  let using: readonly Name[] = [];
  if (kind.join !== 'cross' && !kind.isNatural) {
    while (!cursor.isKeyword('ON') && !cursor.isKeyword('USING')) right = innerJoin(cursor, right);
    if (cursor.acceptKeyword('ON')) on = parseExpression(cursor);
    else using = usingColumns(cursor);
  }
  grow(cursor, 'Query');
  return {kind: 'join', start: left.start, end: cursor.previousEnd, ...kind, left, right, on, using};
}

/** A join that stands between another one's JOIN and its ON. */
function innerJoin(cursor: TokenCursor, left: FromItem): Join {
  const kind = joinKind(cursor);
  if (kind === undefined) throw cursor.expected('ON or USING');
  const outside = enter(cursor, 'Query');
  const join = joinBehind(cursor, left, kind);
  leave(cursor, outside);
  return join;
}

function usingColumns(cursor: TokenCursor): Name[] {
  cursor.expectKeyword('USING');
  const columns = columnNames(cursor);
  if (cursor.isKeyword('AS')) throw cursor.notSupported('an alias of USING; name the columns by their tables');
  return columns;
}

/** What can be joined: everything but a join without brackets. */
function source(cursor: TokenCursor): FromItem {
  const {start} = cursor;
  if (cursor.isSymbol('(')) {
    const inside = queryOrJoin(cursor);
    return inside.kind === 'join' ? withoutAlias(cursor, inside) : derived(cursor, inside, start, false);
  }
  const isLateral = cursor.acceptKeyword('LATERAL');
  if (isLateral && cursor.isSymbol('(')) {
    const inside = queryOrJoin(cursor);
    if (inside.kind === 'join') throw cursor.fail('LATERAL takes a query or a function', inside.start);
    return derived(cursor, inside, start, true);
  }
  if (cursor.isKeyword('ROWS') && cursor.isKeyword('FROM', 1))
    throw cursor.notSupported('ROWS FROM; join the functions WITH ORDINALITY');
  if (isLateral || cursor.isSymbol('(', 1)) return fromFunction(cursor, start, isLateral);
  return table(cursor);
}

/** Consumes `( … )`. */
function queryOrJoin(cursor: TokenCursor): Query | Join {
  const outside = enter(cursor, 'Query');
  cursor.expectSymbol('(');
  const inside = insideBrackets(cursor);
  if (inside.kind === 'table' || inside.kind === 'query' || inside.kind === 'function') {
    throw cursor.isSymbol(')')
      ? cursor.fail('Brackets in FROM hold a query or a join', inside.start)
      : cursor.expected("')'");
  }
  cursor.expectSymbol(')');
  leave(cursor, outside);
  return inside;
}

function insideBrackets(cursor: TokenCursor): Query | FromItem {
  if (!cursor.isSymbol('(')) return beginsQuery(cursor, 0) ? parseQuery(cursor) : joined(cursor);
  const {start} = cursor;
  const first = queryOrJoin(cursor);
  if (first.kind === 'join') return joinsBehind(cursor, withoutAlias(cursor, first));
  if (cursor.isSymbol(')') || continuesQuery(cursor)) return queryBehind(cursor, first);
  return joinsBehind(cursor, derived(cursor, first, start, false));
}

function derived(cursor: TokenCursor, query: Query, start: number, isLateral: boolean): FromQuery {
  const alias = tableAlias(cursor);
  const columnAliases = aliasColumns(cursor, alias);
  refuseSample(cursor);
  grow(cursor, 'Query');
  return {kind: 'query', start, end: cursor.previousEnd, query, alias, columnAliases, isLateral};
}

function fromFunction(cursor: TokenCursor, start: number, isLateral: boolean): FromFunction {
  if (cursor.kind === WORD && !isFunctionName(cursor.raw.toUpperCase())) throw cursor.expected('a function name');
  const call = parseCall(cursor);
  if (call.kind !== 'call' || call.filter !== undefined)
    throw cursor.fail('Only plain functions can stand in FROM', start);
  const hasOrdinality = cursor.keywords('WITH', 'ORDINALITY');
  const isDefined = cursor.isKeyword('AS') && cursor.isSymbol('(', 1);
  const alias = isDefined ? undefined : tableAlias(cursor);
  if (isDefined || (cursor.isSymbol('(') && (cursor.kindAhead(2) === WORD || cursor.kindAhead(2) === QUOTED))) {
    throw cursor.notSupported('column definitions behind a function; name its columns and cast them');
  }
  const columnAliases = aliasColumns(cursor, alias);
  return {kind: 'function', start, end: cursor.previousEnd, call, alias, columnAliases, isLateral, hasOrdinality};
}

function table(cursor: TokenCursor): FromTable {
  const relation = parseRelation(cursor);
  if (cursor.isSymbol('(') && relation.table.namespace !== undefined)
    throw cursor.fail('Functions are not in namespaces');
  const alias = tableAlias(cursor);
  const columnAliases = aliasColumns(cursor, alias);
  refuseSample(cursor);
  return alias === undefined ? relation : {...relation, end: cursor.previousEnd, alias, columnAliases};
}

/** A table without alias. */
export function parseRelation(cursor: TokenCursor): FromTable {
  if (cursor.isKeyword('ONLY')) throw cursor.notSupported('ONLY; no table inherits from another');
  const ref = cursor.tableRef();
  return {kind: 'table', start: ref.start, end: ref.end, table: ref, alias: undefined, columnAliases: []};
}

function refuseSample(cursor: TokenCursor): void {
  if (cursor.isKeyword('TABLESAMPLE')) throw cursor.notSupported('TABLESAMPLE; WHERE RANDOM() < 0.1 takes a tenth');
}

function withoutAlias(cursor: TokenCursor, join: Join): Join {
  const {start} = cursor;
  if (tableAlias(cursor) !== undefined)
    throw cursor.notSupported('an alias of a join; put it into a query: (SELECT …) AS j', start);
  return join;
}

function aliasColumns(cursor: TokenCursor, alias: Name | undefined): readonly Name[] {
  return alias !== undefined && cursor.isSymbol('(') ? columnNames(cursor) : [];
}

/** `[AS] name`, where the name is not a word that goes on with the statement. */
export function tableAlias(cursor: TokenCursor, ...notAliases: string[]): Name | undefined {
  if (cursor.acceptKeyword('AS')) return cursor.columnName('an alias');
  // OPTIONS follows the query of SUBSCRIBE TO, QUALIFY the one of the analytic dialect.
  if (!cursor.isName() || cursor.isKeyword('QUALIFY') || (cursor.isKeyword('OPTIONS') && cursor.isSymbol('(', 1)))
    return undefined;
  if (notAliases.some(word => cursor.isKeyword(word))) return undefined;
  return cursor.columnName('an alias');
}

/** `(a, b)` */
export function columnNames(cursor: TokenCursor): Name[] {
  const columns: Name[] = [];
  cursor.expectSymbol('(');
  do columns.push(cursor.columnName());
  while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  return columns;
}

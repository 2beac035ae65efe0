/**
 * SELECT without what may stand behind any query: from the word itself to QUALIFY.
 */
import type {Name, Query, Select, SelectItem} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseExpression, parseExpressions} from './expression.ts';
import {parseFrom} from './from.ts';
import {parseGroupBy} from './group-by.ts';
import {QUOTED, WORD} from './tokenizer.ts';
import {parseWindows} from './window.ts';
import {NOT_BARE_ALIASES} from './words.ts';

/** A query that is still being read: its clauses are set as they come. */
export type Draft<Q> = Q extends Query ? {-readonly [K in keyof Q]: Q[K]} : never;

export function newSelect(start: number): Draft<Select> {
  return {
    kind: 'select',
    start,
    end: start,
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
}

export function parseSelect(cursor: TokenCursor): Select {
  const select = newSelect(cursor.start);
  cursor.expectKeyword('SELECT');
  distinctClause(cursor, select);
  select.items = parseSelectItems(cursor);
  if (cursor.isKeyword('INTO')) throw cursor.notSupported('SELECT … INTO; INSERT … SELECT fills a table');
  if (cursor.acceptKeyword('FROM')) select.from = parseFrom(cursor);
  if (cursor.acceptKeyword('WHERE')) select.where = parseExpression(cursor);
  if (cursor.acceptKeyword('GROUP')) {
    cursor.expectKeyword('BY');
    select.groupBy = parseGroupBy(cursor);
  }
  if (cursor.acceptKeyword('HAVING')) select.having = parseExpression(cursor);
  if (cursor.acceptKeyword('WINDOW')) select.windows = parseWindows(cursor);
  if (cursor.acceptKeyword('QUALIFY')) select.qualify = parseExpression(cursor);
  select.end = cursor.previousEnd;
  return select;
}

function distinctClause(cursor: TokenCursor, select: Draft<Select>): void {
  if (!cursor.acceptKeyword('DISTINCT')) {
    cursor.acceptKeyword('ALL');
    return;
  }
  select.isDistinct = !cursor.acceptKeyword('ON');
  if (select.isDistinct) return;
  cursor.expectSymbol('(');
  select.distinctOn = parseExpressions(cursor);
  cursor.expectSymbol(')');
}

/** The list behind SELECT or RETURNING. */
export function parseSelectItems(cursor: TokenCursor): SelectItem[] {
  const items = [selectItem(cursor)];
  while (cursor.acceptSymbol(',')) items.push(selectItem(cursor));
  return items;
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

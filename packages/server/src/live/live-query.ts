/**
 * Live query: the text of a subscription, read and checked.
 *
 *     SELECT <* | column, …> FROM ns.table [WHERE condition]
 *
 * What cannot be kept exactly from the changes of one table is refused here, by its place in the text.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {failAt, notSupportedAt} from '../expr/coerce.ts';
import {FUNCTIONS} from '../expr/functions.ts';
import {walk} from '../expr/walk.ts';
import {DELETED_COLUMN, SEQ_COLUMN} from '../model/schema.ts';
import type {Expr, SelectItem, TableRef} from '../parser/ast.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {parseQuery} from '../parser/query.ts';
import {splitStatements} from '../parser/split.ts';
import {positionAt} from '../parser/tokenizer.ts';
import {type DirectSelect, widerThanDirect} from '../query/wider.ts';

/** What the caller is does not change while a session lasts; time and chance do. */
export const CALLER_FUNCTIONS: ReadonlySet<string> = new Set(['CURRENT_USER', 'CURRENT_USER_ID', 'CURRENT_ROLE']);
const SQL_LENGTH_MAX = 64 * 1024;

export interface LiveSelect {
  readonly tree: DirectSelect;
  readonly text: string;
  readonly table: {readonly namespace: string; readonly table: string};
}

/** Throws INVALID_SQL or NOT_SUPPORTED. */
export function readLiveQuery(sql: string): LiveSelect {
  if (sql.length > SQL_LENGTH_MAX) {
    throw new DbError('LIMIT_EXCEEDED', `A live query has at most ${SQL_LENGTH_MAX} characters.`);
  }
  const [statement, ...others] = splitStatements(sql);
  if (others.length > 0) throw fail.invalidSql('one statement can be subscribed to at a time');
  const cursor = new TokenCursor(statement!);
  if (!cursor.isKeyword('SELECT') && !cursor.isKeyword('WITH'))
    throw fail.invalidSql('Only SELECT queries are supported for subscriptions');
  const query = parseQuery(cursor);
  cursor.expectEnd();
  const {text} = statement!;
  const wider = widerThanDirect(query);
  if (wider !== undefined) throw notSupportedAt({text}, wider.start, `${wider.what} in a live query`);
  const select = query as DirectSelect;
  const table = checkClauses(select, text);
  for (const item of select.items) checkItem(item, text);
  if (select.where !== undefined) checkCondition(select.where, text);
  return {tree: select, text, table: {namespace: table.namespace!.name, table: table.table.name}};
}

function checkClauses(select: DirectSelect, text: string): TableRef {
  const [from] = select.from;
  if (from === undefined) throw failAt({text}, select, 'a live query needs a FROM');
  if (from.table.namespace === undefined)
    throw failAt({text}, from.table, 'a live query names its table with the namespace');
  if (select.isDistinct) throw notSupportedAt({text}, select.start, 'DISTINCT in a live query');
  const clauses: [Node: {start: number} | undefined, what: string][] = [
    [select.groupBy[0], 'GROUP BY'],
    [select.having, 'HAVING'],
    [select.orderBy[0]?.expr, 'ORDER BY'],
    [select.limit, 'LIMIT'],
    [select.offset, 'OFFSET'],
  ];
  for (const [node, what] of clauses) {
    if (node !== undefined) throw notSupportedAt({text}, node.start, `${what} in a live query`);
  }
  return from.table;
}

function checkItem(item: SelectItem, text: string): void {
  if (item.kind === 'star') return;
  const {expr, alias} = item;
  if (expr.kind !== 'column')
    throw notSupportedAt({text}, expr.start, 'expressions in the select list of a live query');
  if (alias !== undefined) throw notSupportedAt({text}, alias.start, 'aliases in the select list of a live query');
  const {name} = expr.column;
  if (name !== SEQ_COLUMN && name !== DELETED_COLUMN) return;
  throw new DbError(
    'INVALID_SQL',
    `Invalid SQL: Subscription query cannot project system columns '_seq' or '_deleted'.`,
    {
      position: positionAt(text, expr.start),
    },
  );
}

function checkCondition(where: Expr, text: string): void {
  walk([where], expr => {
    if (expr.kind === 'param') throw notSupportedAt({text}, expr.start, 'parameters in a live query');
    if (expr.kind === 'column' && expr.column.name === DELETED_COLUMN)
      throw notSupportedAt({text}, expr.start, '_deleted in a live query, which shows no deleted rows');
    if (expr.kind !== 'call' || CALLER_FUNCTIONS.has(expr.name)) return;
    if (FUNCTIONS.get(expr.name)?.changes === undefined) return;
    throw notSupportedAt({text}, expr.start, `${expr.name}() in a live query, whose rows change with the table alone`);
  });
}

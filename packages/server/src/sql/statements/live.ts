/** SUBSCRIBE TO: how a live query is opened, for who asks in SQL; it opens none, since rows have to go somewhere. KILL LIVE QUERY: ends one. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {BATCH_ROWS_MAX} from '@kalamdb/protocol/messages.ts';
import type {OptionItem, TableRef} from '../../parser/ast.ts';
import {TokenCursor} from '../../parser/cursor.ts';
import {parseExpression} from '../../parser/expression.ts';
import {parseQuery} from '../../parser/query.ts';
import {statementOf} from '../../parser/split.ts';
import {END} from '../../parser/tokenizer.ts';
import {defineStatement, done, requireAdmin, resolveName, resultColumns, type StatementContext} from '../define.ts';

interface Source {
  /** The query's text before and behind the name of its table. */
  readonly before: string;
  readonly ref: TableRef;
  readonly behind: string;
}

interface SubscribeTree extends Source {
  readonly options: Readonly<Record<string, number | string>>;
}

const COLUMNS = resultColumns({status: 'Text', ws_url: 'Text', subscription: 'Json', message: 'Text'});
const MESSAGE = 'WebSocket subscription created. Connect to ws_url to receive updates.';
const SUPPORTED = 'Subscription query supports only SELECT ... FROM ... [WHERE ...].';
/** What may follow a table in other queries. */
const WIDER = ['ORDER', 'LIMIT', 'OFFSET', 'GROUP', 'HAVING', 'JOIN'];

export const subscribeTo = defineStatement<SubscribeTree>({
  name: 'SUBSCRIBE TO',
  heads: ['SUBSCRIBE'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Live queries',
    syntax:
      'SUBSCRIBE TO {table [WHERE condition] | SELECT column, … FROM table [WHERE condition]} [OPTIONS (last_rows = n, batch_size = n, from = seq)]',
    about:
      'Checks a live query and answers what has to be sent to open it, and where to: one row of `status`, `ws_url`, `subscription` and `message`. The live query itself runs over a WebSocket.',
    example: 'SUBSCRIBE TO shop.items WHERE price > 0.5 OPTIONS (last_rows = 10)',
  },
  parse(cursor) {
    cursor.expectKeywords('SUBSCRIBE', 'TO');
    const optionsAt = findOptions(cursor);
    const query = new TokenCursor(statementOf(cursor.statement.tokens, cursor.index, optionsAt));
    const isQuery = query.isKeyword('SELECT') || query.isKeyword('WITH') || query.isSymbol('(');
    const source = isQuery ? ofQuery(query) : ofTable(query);
    if (WIDER.some(word => query.isKeyword(word))) throw unsupported();
    query.expectEnd();
    cursor.index = optionsAt;
    return {...source, options: cursor.acceptKeyword('OPTIONS') ? readOptions(cursor) : {}};
  },
  run({before, ref, behind, options}, context) {
    const table = resolveName(context, ref);
    const sql = `${before}${quoted(table.namespace)}.${quoted(table.table)}${behind}`;
    checkQuery(context, sql);
    const {nonce} = context.services;
    const id = `sub-${table.namespace}-${table.table}-${nonce()}${nonce()}`;
    const subscription = {id, sql, ...(Object.keys(options).length === 0 ? {} : {options})};
    const row = ['subscription_required', socketUrl(context.origin), subscription, MESSAGE];
    return {columns: COLUMNS, rows: [JSON.stringify(row)], rowCount: 1, asUser: context.session.userId};
  },
});

export const killLiveQuery = defineStatement<string>({
  name: 'KILL LIVE QUERY',
  heads: ['KILL LIVE QUERY'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Live queries',
    syntax: "KILL LIVE QUERY {'id' | id}",
    about: 'Ends a live query by its id in `system.live`. Its client is told, and may subscribe again.',
    example: "KILL LIVE QUERY 'ana-mfx2k1-1-todo'",
    fails: 'Not found',
  },
  parse(cursor) {
    cursor.expectKeywords('KILL', 'LIVE', 'QUERY');
    if (cursor.isString()) return cursor.string();
    // A bare id is several tokens to SQL: take the text as it stands.
    const start = cursor.start;
    while (!cursor.atEnd()) cursor.next();
    const id = cursor.statement.text
      .slice(start)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    if (id === '') throw cursor.fail('Expected the id of a live query', start);
    return id;
  },
  run(id, context) {
    requireAdmin(context, 'KILL LIVE QUERY requires DBA or System role');
    if (!context.services.live.kill(id)) throw fail.notFound(`Live query '${id}'`);
    return done(context, `Live query killed: ${id}`);
  },
});

/** The token at which the OPTIONS clause begins, or the end: to a query without WHERE it would be the name of its table. */
function findOptions(cursor: TokenCursor): number {
  for (let ahead = 1; cursor.kindAhead(ahead) !== END; ahead++) {
    const isClause = cursor.isSymbol('(', ahead + 1) || cursor.isSymbol('=', ahead + 2);
    if (cursor.isKeyword('OPTIONS', ahead) && isClause) return cursor.index + ahead;
  }
  return cursor.statement.last;
}

function ofTable(cursor: TokenCursor): Source {
  const ref = cursor.tableRef();
  if (cursor.acceptKeyword('WHERE')) parseExpression(cursor);
  return {before: 'SELECT * FROM ', ref, behind: cursor.statement.text.slice(ref.end)};
}

function ofQuery(cursor: TokenCursor): Source {
  const {text} = cursor.statement;
  const query = parseQuery(cursor);
  const from = query.kind === 'select' ? query.from[0] : undefined;
  if (from?.kind !== 'table') throw unsupported();
  return {before: text.slice(0, from.table.start), ref: from.table, behind: text.slice(from.table.end)};
}

function unsupported(): DbError {
  return new DbError('INVALID_SQL', `Invalid subscription query: Invalid SQL: ${SUPPORTED}`);
}

/** Throws what a subscribe message would be answered with, as an error of this statement. */
function checkQuery({services, session}: StatementContext, sql: string): void {
  try {
    services.live.check(session, sql);
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    const isUnsupported = error.code === 'NOT_SUPPORTED';
    const message = isUnsupported ? `Invalid SQL: ${SUPPORTED} ${error.message}` : error.message;
    const code = error.code === 'NOT_FOUND' ? 'SQL_EXECUTION_ERROR' : isUnsupported ? 'INVALID_SQL' : error.code;
    throw new DbError(code, `Invalid subscription query: ${message}`, {cause: error});
  }
}

type ReadOption = (value: string, item: OptionItem, cursor: TokenCursor) => number | string;

const OPTIONS = new Map<string, {name: string; read: ReadOption}>([
  ['LAST_ROWS', {name: 'last_rows', read: (...item) => readCount(0, ...item)}],
  ['BATCH_SIZE', {name: 'batch_size', read: (...item) => readCount(1, ...item)}],
  ['FROM', {name: 'from', read: readSeq}],
  ['FROM_SEQ_ID', {name: 'from', read: readSeq}],
]);

function readOptions(cursor: TokenCursor): SubscribeTree['options'] {
  if (!cursor.isSymbol('('))
    throw cursor.fail('OPTIONS clause must be wrapped in parentheses, e.g., OPTIONS (last_rows=10)');
  const options: Record<string, number | string> = {};
  for (const item of cursor.optionItems()) {
    const option = OPTIONS.get(item.key);
    if (option === undefined) {
      const known = 'Valid options are: last_rows, batch_size, from';
      throw cursor.fail(`Unknown subscription option: '${item.key.toLowerCase()}'. ${known}`, item.start);
    }
    options[option.name] = option.read(item.value, item, cursor);
  }
  return options;
}

function readCount(min: number, value: string, item: OptionItem, cursor: TokenCursor): number {
  const count = Number(value);
  if (/^\d+$/.test(value) && count >= min && count <= BATCH_ROWS_MAX) return count;
  throw cursor.fail(`Invalid ${item.key.toLowerCase()} value: ${value}`, item.start);
}

/** As text: no reader of the answer has to keep 64 bits in a number. */
function readSeq(value: string, item: OptionItem, cursor: TokenCursor): string {
  if (/^\d{1,19}$/.test(value)) return value;
  throw cursor.fail(`Invalid ${item.key.toLowerCase()} value: ${value}`, item.start);
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function socketUrl(origin = ''): string {
  return `${origin.replace(/^http/, 'ws')}/v1/ws`;
}

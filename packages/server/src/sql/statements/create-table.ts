/** CREATE [USER|SHARED|STREAM] TABLE, with the WITH options of today and the trailing clauses of the October-2025 dialect. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {requireRight} from '../../auth/roles.ts';
import type {NewTable} from '../../catalog/ddl.ts';
import {checkName, checkUserId, RESERVED_NAMESPACES, tableText} from '../../model/names.ts';
import type {Name, Node, TableRef} from '../../parser/ast.ts';
import {type ColumnList, parseColumnDefs} from '../../parser/column-def.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {newLabel, newName} from '../../parser/new-name.ts';
import {columnsOf} from '../columns.ts';
import {auditTable, defineStatement, done, placed, resolveName, type StatementContext} from '../define.ts';
import {tableOptions} from '../table-options.ts';

type Kind = NewTable['kind'];

interface CreateTable {
  readonly ref: TableRef;
  readonly ifNotExists: boolean;
  readonly kindWord: Kind | undefined;
  readonly columns: ColumnList;
  readonly options: ReadonlyMap<string, string>;
  /** A clause was given that only stream tables had in October 2025; they needed no other word. */
  readonly hasStreamClause: boolean;
  /** Where the clauses begin. */
  readonly clauses: Node;
}

interface Clauses {
  readonly options: Map<string, string>;
  hasStreamClause: boolean;
}

const invalid = (text: string) => fail.invalidSql(`Invalid CREATE TABLE statement: ${text}`);

export const createTable = defineStatement<CreateTable>({
  name: 'CREATE TABLE',
  heads: ['CREATE TABLE', 'CREATE USER TABLE', 'CREATE SHARED TABLE', 'CREATE STREAM TABLE'],
  access: 'any',
  auditTarget: auditTable,
  takesParams: false,
  doc: {
    topic: 'Tables',
    syntax: [
      'CREATE [USER | SHARED | STREAM] TABLE [IF NOT EXISTS] table (',
      '    column type [PRIMARY KEY] [NOT NULL | NULL] [DEFAULT expr] [AUTO_INCREMENT], …',
      '    [, PRIMARY KEY (column)]',
      ') [USING kalamdb] [WITH (option = value, …)]',
      "options: TYPE 'USER' | 'SHARED' | 'STREAM', STORAGE_ID, FLUSH_POLICY 'rows:n,interval:seconds',",
      '    DELETED_RETENTION_HOURS, TTL_SECONDS (STREAM), ACCESS_LEVEL PUBLIC | PRIVATE | RESTRICTED | DBA (SHARED)',
    ],
    about:
      'Makes a table. Of a USER table every user has a part of their own, a SHARED one is the same for all, and a STREAM keeps rows in memory for TTL_SECONDS.',
    example:
      "CREATE USER TABLE shop.notes (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), body TEXT NOT NULL) WITH (FLUSH_POLICY = 'rows:1000')",
  },
  parse(cursor) {
    cursor.expectKeywords('CREATE');
    const kindWord = kindKeyword(cursor);
    cursor.expectKeywords('TABLE');
    const ifNotExists = cursor.ifNotExists();
    const ref = newTable(cursor);
    for (const word of ['AS', 'LIKE']) {
      if (cursor.isKeyword(word)) throw cursor.notSupported(`CREATE TABLE … ${word}`);
    }
    const columns = parseColumnDefs(cursor);
    const {start} = cursor;
    const clauses: Clauses = {options: new Map(), hasStreamClause: false};
    while (!cursor.atEnd()) parseClause(cursor, clauses);
    return {ref, ifNotExists, kindWord, columns, ...clauses, clauses: {start, end: cursor.previousEnd}};
  },
  run: create,
});

/** `[namespace.]table` of what is not there yet. */
function newTable(cursor: TokenCursor): TableRef {
  const isQualified = cursor.isSymbol('.', 1);
  const what = isQualified ? 'a namespace name' : 'a table name';
  const first = isQualified && cursor.isKeyword('DEFAULT') ? cursor.label() : newName(cursor, what);
  if (/^\.\d/.test(cursor.raw)) throw cursor.fail('Name cannot start with a number');
  const second = cursor.acceptSymbol('.') ? newLabel(cursor, 'a table name') : undefined;
  if (cursor.isSymbol('.'))
    throw invalidAt(cursor, first, "Invalid table name format. Expected 'table_name' or 'namespace.table_name'.");
  const {start} = first;
  if (second === undefined)
    return {start, end: first.end, namespace: undefined, table: checked(cursor, 'table', first)};
  const namespace = checked(cursor, 'namespace', first);
  return {start, end: second.end, namespace, table: checked(cursor, 'table', second)};
}

function checked(cursor: TokenCursor, what: 'table' | 'namespace', name: Name): Name {
  if (/^\w+$/.test(name.name)) return name;
  const {line, column} = cursor.positionOf(name.start);
  const message = `Invalid ${what} name '${name.text}'. Only alphanumeric characters and underscores are allowed (line ${line}, col ${column}).`;
  throw invalidAt(cursor, name, message);
}

/** With its place, which the message tells where it is of use. */
function invalidAt(cursor: TokenCursor, {start}: Node, text: string): DbError {
  const position = cursor.positionOf(start);
  return new DbError('INVALID_SQL', `Invalid SQL: Invalid CREATE TABLE statement: ${text}`, {position});
}

async function create(tree: CreateTable, context: StatementContext) {
  const {services} = context;
  const name = resolveName(context, tree.ref);
  if (name.namespace === 'system') {
    throw fail.invalidOperation(
      `Cannot create system table '${tableText(name)}'. System tables are managed internally.`,
    );
  }
  if (RESERVED_NAMESPACES.has(name.namespace) && name.namespace !== 'default') {
    throw fail.invalidOperation(`Namespace '${name.namespace}' is reserved and cannot be used`);
  }
  placed(context, tree.ref, () => checkName(name.table, 'Name'));
  const kind = placed(context, tree.clauses, () => kindOf(tree, context, name.namespace));
  requireRight(context.session, kind === 'shared' ? 'create shared table' : 'create own table');
  const {retentionHours} = services.limits;
  const options = placed(context, tree.clauses, () => tableOptions(tree.options, kind, retentionHours));
  if (!services.storages.has(options.storageId))
    throw fail.invalidOperation(`Storage '${options.storageId}' does not exist`);
  const {columns, primaryKey} = columnsOf(tree.columns, kind, context);
  const schema = await services.ddl.createTable({name, kind, columns, primaryKey, options});
  if (schema !== undefined) return done(context, `${capital(kind)} table ${tableText(name)} created successfully`);
  if (!tree.ifNotExists) throw fail.alreadyExists(`Table ${tableText(name)} already exists`);
  return done(context, `Table ${tableText(name)} already exists (skipped)`);
}

function kindKeyword(cursor: TokenCursor): Kind | undefined {
  if (cursor.acceptKeyword('USER')) return 'user';
  if (cursor.acceptKeyword('SHARED')) return 'shared';
  return cursor.acceptKeyword('STREAM') ? 'stream' : undefined;
}

/** One clause after the column list, folded into the WITH option it stands for. */
function parseClause(cursor: TokenCursor, clauses: Clauses): void {
  const {options} = clauses;
  if (cursor.acceptOneOf('WITH', 'OPTIONS') !== undefined) {
    for (const item of cursor.optionItems()) set(options, item.key, item.value);
  } else if (cursor.acceptKeyword('TABLE_TYPE')) {
    set(options, 'TYPE', cursor.stringOrName());
  } else if (cursor.acceptKeyword('OWNER_ID')) {
    // It named the user for whom October 2025 made the table; now every user has a part of every USER table.
    checkUserId(cursor.stringOrName('a user id'));
  } else if (cursor.acceptKeyword('STORAGE')) {
    set(options, 'STORAGE_ID', cursor.stringOrName());
  } else if (cursor.acceptKeyword('USE_USER_STORAGE')) {
    set(options, 'USE_USER_STORAGE', cursor.acceptOneOf('TRUE', 'FALSE') ?? 'TRUE');
  } else if (cursor.acceptKeyword('FLUSH')) {
    set(options, 'FLUSH_POLICY', oldFlushClause(cursor));
  } else if (cursor.acceptOneOf('TTL', 'RETENTION') !== undefined) {
    set(options, 'TTL_SECONDS', String(seconds(cursor)));
    clauses.hasStreamClause = true;
  } else if (cursor.acceptOneOf('MAX_BUFFER', 'BUFFER_SIZE') !== undefined) {
    cursor.number();
    clauses.hasStreamClause = true;
  } else if (cursor.acceptKeyword('EPHEMERAL')) {
    clauses.hasStreamClause = true;
  } else if (cursor.acceptKeyword('USING')) {
    parseUsing(cursor);
  } else {
    throw cursor.expected('WITH (…), STORAGE, FLUSH, TTL or the end of the statement');
  }
}

/** Tables are kept in one way; its names say nothing that would not be so without them. */
function parseUsing(cursor: TokenCursor): void {
  const {start} = cursor;
  const method = cursor.label('the name of an access method');
  if (ACCESS_METHODS.includes(method.name)) return;
  const known = ACCESS_METHODS.join(', ');
  throw cursor.fail(`Access method '${method.text}' does not exist. Known ones: ${known}`, start);
}

const ACCESS_METHODS: readonly string[] = ['kalamdb', 'kalam', 'parquet'];

function set(options: Map<string, string>, key: string, value: string): void {
  if (options.has(key)) throw invalid(`Option '${key}' is given twice`);
  options.set(key, value);
}

/** FLUSH ROWS n · SECONDS s · ROW_THRESHOLD n · INTERVAL ns [ROW_THRESHOLD n] · POLICY ROW_LIMIT n → the text of FLUSH_POLICY. */
function oldFlushClause(cursor: TokenCursor): string {
  const parts: string[] = [];
  cursor.acceptKeyword('POLICY');
  for (;;) {
    if (cursor.acceptKeyword('ROWS') || cursor.acceptKeyword('ROW_THRESHOLD') || cursor.acceptKeyword('ROW_LIMIT')) {
      parts.push(`rows:${cursor.number()}`);
    } else if (
      cursor.acceptKeyword('SECONDS') ||
      cursor.acceptKeyword('INTERVAL') ||
      cursor.acceptKeyword('TIME_INTERVAL')
    ) {
      parts.push(`interval:${seconds(cursor)}`);
    } else if (parts.length > 0) {
      return parts.join(',');
    } else {
      throw cursor.expected('ROWS, SECONDS, ROW_THRESHOLD or INTERVAL');
    }
  }
}

/** `300`, `300s` or `300 s`. */
function seconds(cursor: TokenCursor): number {
  const joined = /^(\d{1,9})s$/i.exec(cursor.raw);
  if (joined !== null) {
    cursor.next();
    return Number(joined[1]);
  }
  const count = cursor.number('a number of seconds');
  cursor.acceptKeyword('S');
  return count;
}

function kindOf(tree: CreateTable, context: StatementContext, namespace: string): Kind {
  const option = tree.options.get('TYPE');
  const named = option?.toLowerCase();
  if (named !== undefined && named !== 'user' && named !== 'shared' && named !== 'stream') {
    throw invalid(`Invalid TYPE option '${option}'. Supported: USER, SHARED, STREAM`);
  }
  if (tree.kindWord !== undefined && named !== undefined && tree.kindWord !== named) {
    throw invalid(
      `Conflicting table type definitions: CREATE ${capital(tree.kindWord)} TABLE vs TYPE option ${capital(named)}`,
    );
  }
  const {role, userId} = context.session;
  const isOwnNamespace = (role === 'user' || role === 'service') && userId === namespace;
  return tree.kindWord ?? named ?? (tree.hasStreamClause ? 'stream' : isOwnNamespace ? 'user' : 'shared');
}

function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}

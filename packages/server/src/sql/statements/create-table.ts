/** CREATE [USER|SHARED|STREAM] TABLE, with the WITH options of today and the trailing clauses of the October-2025 dialect. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {NewTable} from '../../catalog/ddl.ts';
import {checkName, checkUserId, RESERVED_NAMESPACES, tableText} from '../../model/names.ts';
import type {AccessLevel, FlushPolicy, TableOptions} from '../../model/schema.ts';
import type {Node, TableRef} from '../../parser/ast.ts';
import {type ColumnList, parseColumnDefs} from '../../parser/column-def.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {columnsOf} from '../columns.ts';
import {defineStatement, done, placed, resolveName, type StatementContext} from '../define.ts';

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
  takesParams: false,
  doc: {
    topic: 'Tables',
    syntax: [
      'CREATE [USER | SHARED | STREAM] TABLE [IF NOT EXISTS] table (',
      '    column type [PRIMARY KEY] [NOT NULL | NULL] [DEFAULT expr] [AUTO_INCREMENT], …',
      '    [, PRIMARY KEY (column)]',
      ') [WITH (option = value, …)]',
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
    const ref = cursor.tableRef();
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
  if (kind === 'shared' && context.session.role !== 'dba' && context.session.role !== 'system') {
    throw fail.unauthorized('Insufficient privileges to create shared tables');
  }
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
  } else if (cursor.isKeyword('USING')) {
    throw cursor.notSupported('CREATE TABLE … USING');
  } else {
    throw cursor.expected('WITH (…), STORAGE, FLUSH, TTL or the end of the statement');
  }
}

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

const ACCESS_LEVELS: readonly AccessLevel[] = ['public', 'private', 'restricted', 'dba'];
const KNOWN = new Set([
  'TYPE',
  'STORAGE_ID',
  'USE_USER_STORAGE',
  'FLUSH_POLICY',
  'DELETED_RETENTION_HOURS',
  'TTL_SECONDS',
  'ACCESS_LEVEL',
]);

export function tableOptions(options: ReadonlyMap<string, string>, kind: Kind, retentionHours: number): TableOptions {
  for (const key of options.keys()) if (!KNOWN.has(key)) throw invalid(`Unknown table option '${key}'`);
  if (options.has('TTL_SECONDS') && kind !== 'stream') throw invalid('TTL_SECONDS is only supported for STREAM tables');
  if (options.has('ACCESS_LEVEL') && kind !== 'shared')
    throw invalid('ACCESS_LEVEL is only supported for SHARED tables');
  if (options.has('USE_USER_STORAGE') && kind !== 'user')
    throw invalid('USE_USER_STORAGE is only supported for USER tables');
  if (options.get('USE_USER_STORAGE')?.toLowerCase() === 'true') {
    throw fail.notSupported(
      'USE_USER_STORAGE = true: accounts with storages of their own are not part of this release',
    );
  }
  const storageId = options.get('STORAGE_ID') ?? 'local';
  if (!/^[A-Za-z0-9_-]+$/.test(storageId)) {
    throw invalid(`Invalid STORAGE_ID '${storageId}'. Only alphanumeric, underscore, and hyphen allowed.`);
  }
  const policy = options.get('FLUSH_POLICY');
  const access = options.get('ACCESS_LEVEL');
  const level = ACCESS_LEVELS.find(one => one === access?.toLowerCase());
  if (access !== undefined && level === undefined) {
    throw invalid(`Invalid ACCESS_LEVEL '${access}'. Supported: PUBLIC, PRIVATE, RESTRICTED, DBA`);
  }
  const retention = options.get('DELETED_RETENTION_HOURS');
  if (retention !== undefined && !/^\d{1,6}$/.test(retention)) throw invalid('Invalid DELETED_RETENTION_HOURS');
  return {
    storageId,
    flushPolicy: policy === undefined ? null : parsePolicy(policy),
    accessLevel: kind === 'shared' ? (level ?? 'private') : null,
    deletedRetentionHours: retention === undefined ? retentionHours : Number(retention),
    ttlSeconds: kind === 'stream' ? ttlSeconds(options.get('TTL_SECONDS')) : null,
  };
}

function ttlSeconds(text: string | undefined): number {
  if (text === undefined) throw invalid("STREAM tables must specify 'TTL_SECONDS'");
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw invalid('Invalid TTL_SECONDS');
  return Number(text);
}

/** 'rows:N' | 'interval:S' | both, joined by a comma. */
export function parsePolicy(text: string): FlushPolicy {
  const policy: {rows?: number; seconds?: number} = {};
  for (const part of text.split(',')) {
    const [key, value, ...rest] = part.trim().split(':');
    if (value === undefined || rest.length > 0)
      throw invalid(`Invalid FLUSH_POLICY format '${text}'. Expected 'key:value'`);
    const count = /^\s*\d{1,9}\s*$/.test(value) ? Number(value) : undefined;
    if (key!.trim().toLowerCase() === 'rows') {
      if (policy.rows !== undefined) throw invalid("FLUSH_POLICY key 'rows' is given twice");
      if (count === undefined) throw invalid('Invalid row limit in FLUSH_POLICY');
      if (count >= 1_000_000) throw invalid('Row limit must be less than 1,000,000');
      policy.rows = count;
    } else if (key!.trim().toLowerCase() === 'interval') {
      if (policy.seconds !== undefined) throw invalid("FLUSH_POLICY key 'interval' is given twice");
      if (count === undefined) throw invalid('Invalid interval in FLUSH_POLICY');
      if (count >= 86_400) throw invalid('Interval must be less than 86400 seconds (24 hours)');
      policy.seconds = count;
    } else {
      throw invalid(`Unknown FLUSH_POLICY key '${key!.trim()}'`);
    }
  }
  if (policy.rows === 0 || policy.seconds === 0) throw invalid("FLUSH_POLICY must specify 'rows' or 'interval' > 0");
  return policy;
}

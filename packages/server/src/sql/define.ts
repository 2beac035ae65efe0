/**
 * Define: what a statement kind is. One file per command in `statements/`, listed in `statements/index.ts`.
 *
 * Law: everything that cuts across statements (authorising, naming in logs, retrying) reads these facts in `run.ts`; no statement file repeats it.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Auth} from '../auth/auth.ts';
import type {LocalFile} from '../blob/blob.ts';
import type {Catalog} from '../catalog/catalog.ts';
import type {Ddl} from '../catalog/ddl.ts';
import type {StorageOpener} from '../catalog/storage-opener.ts';
import type {Storages} from '../catalog/storages.ts';
import type {Duck} from '../duck/duck.ts';
import type {Env, Param} from '../expr/expr.ts';
import type {Compactions} from '../jobs/compactions.ts';
import type {Flushes} from '../jobs/flushes.ts';
import type {Jobs} from '../jobs/jobs.ts';
import type {Live} from '../live/live.ts';
import type {TableName, UserId} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Scope, Session} from '../model/session.ts';
import type {Node} from '../parser/ast.ts';
import type {TokenCursor} from '../parser/cursor.ts';
import {positionAt} from '../parser/tokenizer.ts';
import type {Clock} from '../std/clock.ts';
import {SYSTEM_NAMESPACE, type SystemColumn, type SystemRecord, type SystemTableOf} from '../system/define.ts';
import {SystemTable} from '../system/index.ts';
import type {StorageRecord} from '../system/storages.ts';
import type {Latches} from '../table/latches.ts';
import type {Place, TableSnapshot, Tables, Transaction} from '../table/table.ts';
import type {GivenTable} from './given.ts';
import type {OpenTransactions} from './open-transactions.ts';
import type {RequestTransaction} from './request-transaction.ts';
import type {StatementDoc} from './statement-doc.ts';
import type {StatementTimes} from './statement-times.ts';

export interface StatementResult {
  readonly columns?: readonly ResultColumn[];
  /** Each one JSON array text. */
  readonly rows?: readonly string[];
  readonly rowCount: number;
  readonly message?: string;
  readonly asUser: string;
  readonly isTruncated?: boolean;
  /** Later statements of the request find unqualified names here. */
  readonly namespace?: string;
}

export interface TableCounts {
  /** Live rows of segments and rows in memory: a row that was written again since its flush is in both. */
  readonly rows: number;
  readonly segments: number;
  readonly memoryBytes: number;
}

/** What the statements work with; made once by `database.ts`. */
export interface Services {
  readonly auth: Pick<Auth, 'sessions' | 'users' | 'audit' | 'idempotency'>;
  readonly catalog: Catalog;
  readonly ddl: Ddl;
  readonly tables: Tables;
  readonly latches: Latches;
  /** A transaction over these places and no others; `id` names it in messages. */
  readonly begin: (places: readonly Place[], id: string) => Transaction;
  readonly openTransactions: OpenTransactions;
  readonly storages: Storages;
  readonly openStorage: StorageOpener;
  /** The row of a storage as it is stored, secrets included. */
  readonly storageRecord: (id: string) => StorageRecord | undefined;
  /** Files in a storage that no manifest lists and that are not deleted yet. */
  readonly waitingFiles: (storageId: string) => number;
  /** With those above it, where they are missing. */
  readonly makeDirectory: (path: string) => Promise<void>;
  readonly diskSpace: (path: string) => Promise<{totalBytes: number; usedBytes: number}>;
  /** Path templates of storages that do not give their own. */
  readonly templates: {readonly shared: string; readonly user: string};
  readonly clock: Clock;
  readonly times: StatementTimes;
  readonly nowMicros: () => bigint;
  /** A random word. */
  readonly nonce: () => string;
  readonly jobs: Jobs;
  readonly flushes: Flushes;
  readonly compactions: Compactions;
  /** Of all scopes, or of one user's. */
  readonly tableCounts: (schema: Schema, ofUser: UserId | undefined) => TableCounts;
  /** Rows of a system table at this moment. */
  readonly openSystem: (schema: Schema, session: Session) => TableSnapshot;
  readonly scopeFor: (session: Session, schema: Schema, what: 'read' | 'write') => Scope;
  readonly duck: Duck;
  readonly live: Pick<Live, 'check' | 'kill'>;
  /** A file of this machine that holds a segment; undefined: there can be none. */
  readonly fileOf: (storageId: string, path: string) => Promise<LocalFile | undefined>;
  readonly limits: {
    readonly defaultRows: number;
    readonly maxRows: number;
    readonly retentionHours: number;
    /** Cold rows of one scan beyond which the analytic executor takes over. */
    readonly handOverRows: number;
  };
  /** Waited for before an answer that may show ids which stand in no batch. */
  readonly secureIds: () => Promise<unknown> | undefined;
  readonly newEnv: (context: Pick<StatementContext, 'session' | 'params' | 'namespace'>) => Env;
}

export interface StatementContext {
  readonly services: Services;
  readonly session: Session;
  /** Where the caller is; undefined: in this process. */
  readonly address: string | undefined;
  readonly params: readonly Param[];
  readonly signal: AbortSignal;
  /** Namespace for unqualified names. */
  readonly namespace: string;
  /** Where the caller reached the server, such as `http://127.0.0.1:8080`; undefined: it runs in the caller's process. */
  readonly origin: string | undefined;
  readonly text: string;
  /** For tests: which executor runs the query; undefined: the one that fits. */
  readonly executor: Executor | undefined;
  /** Where rows are read and written: the database, or the transaction that is open. */
  readonly tables: Tables;
  readonly transaction: RequestTransaction;
  /** What the changes of its WITH gave, by their names. */
  readonly given?: ReadonlyMap<string, GivenTable>;
}

export type Executor = 'direct' | 'analytic';

export interface StatementKind<Tree = unknown> {
  /** Canonical name for logs and errors. */
  readonly name: string;
  /** Keyword sequences that begin it; the longest match of all kinds wins. */
  readonly heads: readonly string[];
  /** 'admin' = dba or system, with the words that follow "required for". */
  readonly access: 'any' | {readonly admin: string};
  readonly takesParams: boolean;
  /** It changes nothing, so nobody who missed its outcome has to wonder. */
  readonly isReadOnly?: true;
  /** It may stand in an explicit transaction, as what is read-only may. */
  readonly runsInTransaction?: true;
  /** It is written down in the audit log, as done to this. */
  readonly auditTarget?: (tree: Tree, namespace: string) => string;
  /** Its success is written beside what it changes, in one batch. */
  readonly auditsItself?: true;
  /** Undefined: it is known by name and not run. */
  readonly doc: StatementDoc | undefined;
  /** The cursor stands at the first token; everything up to the end must be consumed. */
  parse(cursor: TokenCursor): Tree;
  run(tree: Tree, context: StatementContext): StatementResult | Promise<StatementResult>;
}

export function defineStatement<Tree>(kind: StatementKind<Tree>): StatementKind {
  return kind as StatementKind;
}

export function done(context: StatementContext, message: string): StatementResult {
  return {rowCount: 0, message, asUser: context.session.userId};
}

/** An answer of rows, each one JSON array text. */
export function listed(
  context: StatementContext,
  columns: readonly ResultColumn[],
  rows: readonly string[],
): StatementResult {
  const shown = rows.slice(0, LISTED_MAX);
  const result = {columns, rows: shown, rowCount: shown.length, asUser: context.session.userId};
  return shown.length < rows.length ? {...result, isTruncated: true} : result;
}

const LISTED_MAX = 10_000;

export function resultColumns(types: Readonly<Record<string, DataTypeJson>>): ResultColumn[] {
  return Object.entries(types).map(([name, data_type], index) => ({name, data_type, index}));
}

/** Rows of a system table by column names, for statements that are open to more roles than the table. */
export function systemRecords<Name extends string, Columns extends readonly SystemColumn[]>(
  context: StatementContext,
  table: SystemTableOf<Name, 'stored' | 'computed', Columns>,
): SystemRecord<Columns>[] {
  const records: SystemRecord<Columns>[] = [];
  const snapshot = context.services.openSystem(table.schema, context.session);
  const whole = {keys: {}, isReverse: false, bounds: [], columns: undefined, includeTombstones: false};
  void snapshot.scan(
    whole,
    row => {
      records.push(table.fromRow(row));
      return true;
    },
    context.signal,
  );
  return records;
}

/** `otherwise` is what a session without the role is told. */
export function requireAdmin({session}: StatementContext, otherwise: string): void {
  if (session.role !== 'dba' && session.role !== 'system') throw fail.unauthorized(otherwise);
}

/** A table as the audit log names it. */
export function auditTable(
  {ref}: {ref: {namespace: {name: string} | undefined; table: {name: string}}},
  namespace: string,
): string {
  return `${ref.namespace?.name ?? namespace}.${ref.table.name}`;
}

/** `system.system_x`, by the column family it once was, is another spelling of `system.x`. */
export function resolveName(
  context: Pick<StatementContext, 'namespace'>,
  ref: {namespace: {name: string} | undefined; table: {name: string}},
): TableName {
  const name = {namespace: ref.namespace?.name ?? context.namespace, table: ref.table.name};
  if (name.namespace !== SYSTEM_NAMESPACE || !SystemTable.isSystemTable(name.table)) return name;
  return {namespace: SYSTEM_NAMESPACE, table: SystemTable.tableName(SystemTable.fromName(name.table))};
}

/** What `check` throws, with the place in the statement that it is about. */
export function placed<T>(context: {readonly text: string}, node: Node, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof DbError) || error.position !== undefined) throw error;
    throw new DbError(error.code, error.message, {cause: error, position: positionAt(context.text, node.start)});
  }
}

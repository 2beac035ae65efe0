/**
 * Test database: an embedded database on a temporary directory, spoken to in SQL as a user of it would.
 *
 * Segments are encoded on this thread, and everything an option may change (disk, clock) can be handed in.
 */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {developmentSession} from '../src/auth/sessions.ts';
import {type Database, type DatabaseOptions, openDatabase} from '../src/database.ts';
import type {Param} from '../src/expr/expr.ts';
import type {Executor} from '../src/sql/define.ts';
import {realDisk} from '../src/std/real-disk.ts';
import {systemClock, systemIds} from '../src/std/system-clock.ts';

export type Cell = string | number | boolean | null;

export interface SqlOptions {
  readonly user?: string;
  readonly params?: readonly Param[];
  readonly signal?: AbortSignal;
  readonly executor?: Executor;
}

/** One statement's result, its rows parsed. */
export interface Result {
  readonly columns: readonly string[];
  /** Undefined for a statement without rows. */
  readonly schema: readonly ResultColumn[] | undefined;
  readonly rows: readonly (readonly Cell[])[];
  /** The rows as they are sent: numbers in all their digits. */
  readonly json: readonly string[];
  readonly rowCount: number;
  readonly message: string;
}

export interface TestDatabase {
  readonly directory: string;
  /** The result of the last statement of the text. */
  sql(text: string, options?: SqlOptions): Promise<Result>;
  /** As the HTTP edge calls it. */
  readonly runSql: Database['runSql'];
  measures(): ReturnType<Database['measures']>;
  /** Of the database that is open now. */
  readonly live: Database['live'];
  readonly auth: Database['auth'];
  /** Closes and opens again on the same directory. */
  restart(): Promise<void>;
  /** Closes without removing the directory; `restart` opens it again. */
  close(): Promise<void>;
  /** Closes and removes the directory. */
  stop(): Promise<void>;
}

/** On a directory of its own, or on the one that is given. */
export async function openTestDatabase(changes: Partial<DatabaseOptions> = {}): Promise<TestDatabase> {
  const directory = changes.directory ?? (await mkdtemp(join(tmpdir(), 'kalamdb-test-')));
  const options: DatabaseOptions = {...TEST_OPTIONS, ...changes, directory};
  let database: Database | undefined = await openDatabase(options);
  const close = async () => {
    const open = database;
    database = undefined;
    await open?.close();
  };
  return {
    directory,
    async sql(text, sqlOptions) {
      if (database === undefined) throw new Error('the test database is closed');
      return await runOne(database, text, sqlOptions);
    },
    runSql(request) {
      if (database === undefined) throw new Error('the test database is closed');
      return database.runSql(request);
    },
    measures() {
      if (database === undefined) throw new Error('the test database is closed');
      return database.measures();
    },
    get live() {
      if (database === undefined) throw new Error('the test database is closed');
      return database.live;
    },
    get auth() {
      if (database === undefined) throw new Error('the test database is closed');
      return database.auth;
    },
    close,
    async restart() {
      await close();
      database = await openDatabase(options);
    },
    async stop() {
      await close();
      await rm(directory, {recursive: true, force: true});
    },
  };
}

/** The result of the last statement of the text. */
export async function runOne(
  database: Database,
  text: string,
  {user = 'root', params = [], signal = new AbortController().signal, executor}: SqlOptions = {},
): Promise<Result> {
  const results = await database.runSql({
    sql: text,
    params,
    namespace: undefined,
    session: developmentSession(user === 'root' ? undefined : user),
    signal,
    ...(executor === undefined ? {} : {executor}),
  });
  const last = results[results.length - 1]!;
  return {
    columns: (last.columns ?? []).map(column => column.name),
    schema: last.columns,
    rows: (last.rows ?? []).map(row => JSON.parse(row) as Cell[]),
    json: last.rows ?? [],
    rowCount: last.rowCount,
    message: last.message ?? '',
  };
}

export const TEST_OPTIONS: Omit<DatabaseOptions, 'directory'> = {
  disk: realDisk,
  clock: systemClock,
  ids: systemIds,
  durability: 'D1',
  isLocked: true,
  inlineEncoding: true,
  memorySoftBytes: 256 * 1024 * 1024,
  memoryHardBytes: 512 * 1024 * 1024,
  checkpointLogBytes: 64 * 1024 * 1024,
  defaultRows: 100_000,
  maxRows: 100_000,
  retentionHours: 168,
  analytic: {maxChildren: 1, memoryBytes: 512 * 1024 * 1024, idleMs: 60_000, handOverRows: 50_000},
  flushDefaultPolicy: null,
  flushCheckMs: 3_600_000,
  mirrorCheckMs: 3_600_000,
  smallScopeAgeSeconds: 3600,
  compaction: {checkMs: 0, minSegments: 4, deadPercent: 20},
  jobs: {maxConcurrent: 4, maxRetries: 0, retryBackoffMs: 1, keepFinishedDays: 7},
  streams: {scopeRowsMax: 1000, tableBytesMax: 16 * 1024 * 1024, evictMs: 3_600_000},
  live: {
    subscriptionsMax: 1_000_000,
    connectionSubscriptionsMax: 1000,
    userSubscriptionsMax: 1_000_000,
    queuedBytesMax: 1024 * 1024,
    slowMs: 60_000,
    snapshotIdleMs: 60_000,
    historyRowsMax: 10_000,
    historyMs: 60_000,
    progressMs: 60_000,
  },
  storageCacheBytes: 64 * 1024 * 1024,
  sharedTemplate: '{namespace}/{tableName}',
  userTemplate: '{namespace}/{tableName}/{userId}',
  audit: {retentionDays: 90, rowsMax: 100_000},
  grace: {days: 30},
  stopJobsMs: 30_000,
  auth: {
    secret: 'a secret that only tests know, long enough',
    isLocal: true,
    accessTokenMs: 24 * 3_600_000,
    idempotency: {keepMs: 86_400_000, keysPerUserMax: 1000, keysMax: 2000},
    external: {issuers: [], provisionRole: undefined, fetchJson: () => Promise.reject(new Error('nobody is trusted'))},
    passwords: {minLength: 8, maxLength: 256, isComplex: false, cost: {memoryKib: 8, passes: 1}, atOnce: 1},
  },
  settings: [],
  logger: {info() {}, warn() {}, error() {}},
  logMessages: () => [],
};

/** The id of the job that an answer such as that of FLUSH TABLE names. */
export function jobIdOf({message}: Result): string {
  const found = /\b[A-Z]{2}-[0-9a-f]{12}\b/.exec(message);
  if (found === null) throw new Error(`no job id in '${message}'`);
  return found[0];
}

/** Waits until the job has reached a last status, and returns its row by column name. */
export async function jobEnd(database: TestDatabase, jobId: string): Promise<Record<string, Cell>> {
  for (;;) {
    const job = await jobRow(database, jobId);
    if (['completed', 'failed', 'cancelled', 'skipped'].includes(String(job['status']))) return job;
    await systemClock.sleep(2);
  }
}

export async function jobRow(database: TestDatabase, jobId: string): Promise<Record<string, Cell>> {
  const {columns, rows} = await database.sql('SELECT * FROM system.jobs WHERE job_id = $1', {params: [jobId]});
  if (rows.length !== 1) throw new Error(`job ${jobId} has ${rows.length} rows`);
  return Object.fromEntries(columns.map((name, i) => [name, rows[0]![i]!]));
}

/** FLUSH TABLE, to its end; must complete. */
export async function flush(database: TestDatabase, table: string): Promise<Record<string, Cell>> {
  const job = await jobEnd(database, jobIdOf(await database.sql(`FLUSH TABLE ${table}`)));
  if (job['status'] !== 'completed') throw new Error(`flush of ${table} ended ${job['status']}: ${job['message']}`);
  return job;
}

/** STORAGE COMPACT TABLE, to its end; must complete. */
export async function compact(database: TestDatabase, table: string): Promise<Record<string, Cell>> {
  const job = await jobEnd(database, jobIdOf(await database.sql(`STORAGE COMPACT TABLE ${table}`)));
  if (job['status'] !== 'completed')
    throw new Error(`compaction of ${table} ended ${job['status']}: ${job['message']}`);
  return job;
}

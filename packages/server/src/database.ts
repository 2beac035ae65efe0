/**
 * Database: opens every room and wires them, in rank order; embeddable.
 *
 *     lock ─ format ─ checkpoint ─ log after it ─ bootstrap ─ leftovers of a crash ─ jobs ─ schedules ─ runSql
 *
 * Laws: config stops here; rooms get plain options. Nothing is answered before the log is replayed and made durable again.
 */
import {dirname} from 'node:path';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {scopeFor} from './auth/auth.ts';
import {openFsBlob} from './blob/fs-blob.ts';
import {Catalog} from './catalog/catalog.ts';
import {bootstrapBatch, Ddl, firstFreeIncarnation, scopeOf, systemRow, textKey} from './catalog/ddl.ts';
import {pendingFile, pendingFiles} from './catalog/pending-files.ts';
import {schemaFromRecord} from './catalog/schema-json.ts';
import {Storages} from './catalog/storages.ts';
import {createSystemReader} from './catalog/system-reader.ts';
import type {Cold} from './cold/cold.ts';
import {createCold} from './cold/cold-store.ts';
import {computedTables} from './computed.ts';
import type {Env, Param} from './expr/expr.ts';
import type {Hot} from './hot/hot.ts';
import {createHot} from './hot/hot-store.ts';
import {MemoryWatch} from './hot/memory-watch.ts';
import {Compactions} from './jobs/compactions.ts';
import {Flushes} from './jobs/flushes.ts';
import {openJobStore} from './jobs/job-store.ts';
import {createJobs, type Jobs} from './jobs/jobs.ts';
import {cleanupJob} from './jobs/kinds/cleanup.ts';
import {compactJob} from './jobs/kinds/compact.ts';
import {flushJob} from './jobs/kinds/flush.ts';
import {createSchedule} from './jobs/schedule.ts';
import {openFileLog} from './log/file-log.ts';
import type {Durability, Log} from './log/log.ts';
import type {Incarnation} from './model/names.ts';
import {RowView} from './model/row-codec.ts';
import type {FlushPolicy, Schema} from './model/schema.ts';
import type {Session} from './model/session.ts';
import type {Services, StatementResult} from './sql/define.ts';
import {createRunSql, type SqlRequest} from './sql/run.ts';
import type {Clock, Ids} from './std/clock.ts';
import {lockDirectory, type Unlock} from './std/directory-lock.ts';
import type {Disk} from './std/disk.ts';
import {newUlid, newUuidV7, randomUnit} from './std/ids.ts';
import {SYSTEM_TABLES} from './system/index.ts';
import {META} from './system/meta.ts';
import {NAMESPACES} from './system/namespaces.ts';
import {SCHEMAS} from './system/schemas.ts';
import {STORAGES} from './system/storages.ts';
import {USERS} from './system/users.ts';
import {loadCheckpoint, removeLeftovers as removeCheckpointLeftovers} from './table/checkpoint.ts';
import {Checkpointer} from './table/checkpointer.ts';
import {Commit} from './table/commit.ts';
import {Files, type StoredFile} from './table/files.ts';
import {Latches} from './table/latches.ts';
import {Manifests} from './table/manifests.ts';
import type {LogRecord} from './table/record.ts';
import {createTables} from './table/rows.ts';
import type {OutputOptions} from './table/segment-output.ts';

export interface DatabaseOptions {
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly durability: Durability;
  /** Off when the disk is simulated: there is no directory to lock. */
  readonly isLocked: boolean;
  /** Encoding on this thread, for simulations. */
  readonly inlineEncoding: boolean;
  readonly memorySoftBytes: number;
  readonly memoryHardBytes: number;
  readonly checkpointLogBytes: number;
  readonly logSegmentBytes?: number;
  readonly defaultRows: number;
  readonly maxRows: number;
  readonly retentionHours: number;
  readonly flushDefaultPolicy: FlushPolicy | null;
  readonly flushCheckMs: number;
  readonly smallScopeAgeSeconds: number;
  /** Of compaction by itself; `checkMs` 0 = never. */
  readonly compaction: {checkMs: number; minSegments: number; deadPercent: number};
  readonly jobs: {maxConcurrent: number; maxRetries: number; retryBackoffMs: number; keepFinishedDays: number};
  readonly sharedTemplate: string;
  readonly userTemplate: string;
  /** For system.settings. */
  readonly settings: readonly {name: string; value: string; description: string; category: string}[];
  readonly logger: {info(text: string): void; warn(text: string): void; error(text: string): void};
}

export interface Database {
  readonly runSql: (request: SqlRequest) => Promise<StatementResult[]>;
  describeStart(): string[];
  /** Drains jobs, writes what waits, closes. The data directory is free afterwards. */
  close(): Promise<void>;
}

/** Of the product, as clients and people see it. */
export const VERSION = '0.1.0';
const FORMAT_VERSION = '1';
const LEASE_MS = 30_000;
const CLOSE_JOBS_MS = 30_000;
const PRUNE_EVERY_MS = 3_600_000;

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const unlock = await lock(options);
  try {
    await checkFormat(options);
    const core = await openCore(options);
    return await openServices(options, core, unlock);
  } catch (error) {
    await unlock?.();
    throw error;
  }
}

async function lock(options: DatabaseOptions): Promise<Unlock | undefined> {
  await options.disk.makeDirectory(options.directory);
  // The directory's own name is data too: without this a power cut could take all of it.
  await options.disk.syncDirectory(dirname(options.directory));
  if (!options.isLocked) return undefined;
  const unlock = await lockDirectory(options.directory);
  if (unlock !== undefined) return unlock;
  throw new DbError(
    'INVALID_INPUT',
    `The data directory ${options.directory} is in use by another KalamDB server. Stop it first, or choose another with KALAMDB_DATA_DIR.`,
  );
}

async function checkFormat({disk, directory}: DatabaseOptions): Promise<void> {
  const path = `${directory}/FORMAT`;
  const found = (await disk.list(directory)).includes('FORMAT')
    ? (await disk.readFile(path)).toString().trim()
    : undefined;
  if (found === FORMAT_VERSION) return;
  if (found !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `The data directory ${directory} has format version '${found}'; this release reads version ${FORMAT_VERSION}. Use the release that wrote it.`,
    );
  }
  const file = await disk.open(path, 'create');
  await file.write(Buffer.from(`${FORMAT_VERSION}\n`), 0);
  await file.datasync();
  await file.close();
  await disk.syncDirectory(directory);
}

/** What survives a restart: log, hot, cold, catalog. */
interface Core {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly manifests: Manifests;
  readonly catalog: Catalog;
  readonly storages: Storages;
  readonly latches: Latches;
  readonly commit: Commit;
  readonly log: Log;
  readonly files: Files;
  readonly checkpointer: Checkpointer;
  readonly memory: MemoryWatch;
}

async function openCore(options: DatabaseOptions): Promise<Core> {
  const {disk, directory, clock} = options;
  for (const name of ['log', 'checkpoint', 'storage']) await disk.makeDirectory(`${directory}/${name}`);
  await disk.syncDirectory(directory);
  const hot = createHot({clock});
  const manifests = new Manifests();
  const catalog = new Catalog(SYSTEM_TABLES.map(table => table.schema));
  const storages = new Storages();
  const base = `${directory}/storage`;
  const blob = openFsBlob({disk, base});
  storages.add({id: 'local', sharedTemplate: options.sharedTemplate, userTemplate: options.userTemplate, blob, base});
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const cold = createCold({blobOf: id => storages.blob(id), schemaOf, inlineEncoding: options.inlineEncoding});
  const memory = new MemoryWatch(hot, clock, options.memorySoftBytes);
  let checkpointer: Checkpointer | undefined;
  const commit = new Commit({
    hot,
    manifests,
    clock,
    listener: createFold(catalog),
    onApplied() {
      memory.look();
      checkpointer?.look();
    },
  });
  const checkpointDirectory = `${directory}/checkpoint`;
  await removeCheckpointLeftovers(disk, checkpointDirectory);
  const from = await loadCheckpoint(
    disk,
    checkpointDirectory,
    (records, seq) => commit.replay(records, seq),
    text => options.logger.warn(text),
  );
  const openLog = openFileLog({
    disk,
    directory: `${directory}/log`,
    clock,
    durability: options.durability,
    ...(options.logSegmentBytes === undefined ? {} : {segmentBytes: options.logSegmentBytes}),
  });
  let replayedBytes = 0;
  const log = await openLog(from, batch => {
    commit.replay(batch.bytes, batch.lastSeq);
    replayedBytes += batch.bytes.length;
  });
  await commit.start(log, firstFreeIncarnation(catalog));
  checkpointer = new Checkpointer({
    disk,
    directory: checkpointDirectory,
    clock,
    hot,
    manifests,
    commit,
    log,
    logBytes: options.checkpointLogBytes,
    loaded: {seq: from, replayedBytes},
    warn: text => options.logger.warn(text),
  });
  const files = new Files({
    commit,
    names: pendingFiles,
    syncLog: () => log.sync(),
    blobOf: id => storages.blob(id),
    forget: paths => cold.forget(paths),
    unused: paths => manifests.withoutMirrorsInUse(paths),
  });
  await bootstrap(options, catalog, commit);
  return {hot, cold, manifests, catalog, storages, latches: new Latches(), commit, log, files, checkpointer, memory};
}

/** Catalog and commit speak through rows: what is committed to the catalog's tables changes the catalog. */
function createFold(catalog: Catalog): (record: LogRecord) => void {
  const schemaView = new RowView(SCHEMAS.schema, () => SCHEMAS.schema);
  const namespaceView = new RowView(NAMESPACES.schema, () => NAMESPACES.schema);
  return record => {
    switch (record.kind) {
      case 'row':
        if (record.scope.incarnation === SCHEMAS.schema.incarnation) {
          catalog.putSchema(schemaFromRecord(SCHEMAS.fromRow(schemaView.at(record.row))));
        } else if (record.scope.incarnation === NAMESPACES.schema.incarnation) {
          const {name, created_at, options} = NAMESPACES.fromRow(namespaceView.at(record.row));
          catalog.putNamespace({name, createdAt: created_at, options});
        }
        break;
      case 'remove':
        if (record.scope.incarnation === NAMESPACES.schema.incarnation)
          catalog.removeNamespace(Buffer.from(record.key).toString());
        break;
      case 'drop':
        catalog.dropTable(record.incarnation);
        break;
      default:
    }
  };
}

async function bootstrap(options: DatabaseOptions, catalog: Catalog, commit: Commit): Promise<void> {
  if (catalog.namespace('default') !== undefined) return;
  const now = BigInt(options.clock.nowMs()) * 1000n;
  const local = STORAGES.toValues({
    storage_id: 'local',
    storage_name: 'Local filesystem',
    description: 'Files below the data directory',
    storage_type: 'filesystem',
    base_directory: `${options.directory}/storage`,
    credentials: null,
    config_json: null,
    shared_tables_template: options.sharedTemplate,
    user_tables_template: options.userTemplate,
    created_at: now,
    updated_at: now,
  });
  const root = USERS.toValues({
    user_id: 'root',
    password_hash: '',
    role: 'system',
    email: null,
    auth_type: 'Internal',
    auth_data: null,
    storage_mode: 'table',
    storage_id: null,
    failed_login_attempts: 0,
    locked_until: null,
    last_login_at: null,
    created_at: now,
    updated_at: now,
    last_seen: null,
    deleted_at: null,
    username: 'root',
  });
  const {rows = []} = bootstrapBatch(['default', 'system'], now);
  const more = [systemRow(STORAGES.schema, local, textKey('local')), systemRow(USERS.schema, root, textKey('root'))];
  await commit.write({rows: [...rows, ...more]});
}

async function openServices(options: DatabaseOptions, core: Core, unlock: Unlock | undefined): Promise<Database> {
  const {hot, cold, manifests, catalog, storages, latches, commit, log} = core;
  const {clock} = options;
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  const {memoryHardBytes} = options;
  const {jobs, flushes, compactions} = await openJobs(options, core);
  const startedMs = clock.monotonicMs();
  const computed = computedTables({
    ...core,
    jobs,
    flushes,
    settings: options.settings,
    version: VERSION,
    uptimeMs: () => clock.monotonicMs() - startedMs,
    memory: () => process.memoryUsage(),
  });
  const services: Services = {
    catalog,
    ddl: new Ddl({catalog, commit, latches, clock}),
    tables: createTables({hot, cold, commit, manifests, latches, schemaOf, current, memoryHardBytes}),
    storages,
    jobs,
    flushes,
    compactions,
    openSystem: createSystemReader({hot, computed}),
    scopeFor,
    limits: {defaultRows: options.defaultRows, maxRows: options.maxRows, retentionHours: options.retentionHours},
    newEnv: (session, params) => newEnv(options, commit, session, params),
  };
  await jobs.start();
  const stopSchedules = startSchedules(options, core, {jobs, flushes, compactions});
  return {
    runSql: createRunSql(services),
    describeStart: () => describeStart(options, core),
    async close() {
      await stopSchedules();
      await jobs.stop(CLOSE_JOBS_MS);
      await core.checkpointer.settle();
      await log.close();
      await unlock?.();
    },
  };
}

interface Work {
  readonly jobs: Jobs;
  readonly flushes: Flushes;
  readonly compactions: Compactions;
}

/** What is looked at again and again. Returns what ends it. */
function startSchedules(options: DatabaseOptions, core: Core, work: Work): () => Promise<void> {
  const {clock, logger} = options;
  const flush = createSchedule({
    clock,
    everyMs: options.flushCheckMs,
    logger,
    async tick() {
      await work.flushes.tick();
      await core.files.delete(core.manifests.takeRemovable());
      // Flushes leave holes in slabs: one slab a turn of the loop, until none is mostly empty.
      while (core.hot.evacuateOne()) await new Promise<void>(resolve => setImmediate(resolve));
    },
  });
  const compact = createSchedule({
    clock,
    everyMs: options.compaction.checkMs,
    logger,
    tick: signal => work.compactions.tick(signal),
  });
  const prune = createSchedule({
    clock,
    everyMs: PRUNE_EVERY_MS,
    logger,
    async tick() {
      await work.jobs.prune();
    },
  });
  core.memory.onHigh = () => flush.wake();
  if (options.flushCheckMs > 0) flush.start();
  if (options.compaction.checkMs > 0) compact.start();
  prune.start();
  return async () => {
    await Promise.all([flush.stop(), compact.stop(), prune.stop()]);
  };
}

async function openJobs(options: DatabaseOptions, core: Core): Promise<Work> {
  const {hot, cold, manifests, catalog, storages, commit, files} = core;
  const {clock, ids, logger} = options;
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  const output: OutputOptions = {
    cold,
    commit,
    manifests,
    clock,
    blobOf: id => storages.blob(id),
    placeOf: (schema, scope) => ({storageId: schema.options.storageId, folder: storages.folder(schema, scope)}),
    nextUlid: () => newUlid(clock, ids),
    current: schema => current(schema.incarnation),
    files,
    warn: text => logger.warn(text),
  };
  await removeLeftovers(core);
  let flushes: Flushes;
  let compactions: Compactions;
  const flushKind = flushJob({
    flush: {...output, hot},
    clock,
    current,
    scopes: (schema, trigger) => flushes.scopes(schema, trigger),
    location: schema => storages.location(schema),
  });
  const compactKind = compactJob({
    output,
    manifests,
    current,
    policy: (schema, trigger) => compactions.policy(schema, trigger),
    sweep: () => files.delete(manifests.takeRemovable()),
    warn: text => logger.warn(text),
  });
  const jobs = createJobs({
    store: openJobStore(hot, commit),
    clock,
    ids,
    ...options.jobs,
    leaseMs: LEASE_MS,
    nodeId: 1n,
    logger,
    kinds: [flushKind, compactKind, cleanupJob({manifests, files, clock})],
  });
  compactions = new Compactions({
    jobs,
    manifests,
    clock,
    tables: () => catalog.tables(),
    ...options.compaction,
    isMemoryShort: () => hot.bytes() > options.memorySoftBytes,
    newestSeq: () => commit.watermark,
  });
  flushes = new Flushes({
    jobs,
    hot,
    manifests,
    clock,
    tables: () => catalog.tables(),
    files,
    defaultPolicy: options.flushDefaultPolicy,
    smallScopeAgeSeconds: options.smallScopeAgeSeconds,
    memorySoftBytes: options.memorySoftBytes,
  });
  return {jobs, flushes, compactions};
}

/** Files that a crash left behind: named in the log, listed by no manifest. */
async function removeLeftovers(core: Core): Promise<void> {
  const view = new RowView(META.schema, () => META.schema);
  const left: StoredFile[] = [];
  core.hot.snapshot(scopeOf(META.schema)).scan({}, false, row => {
    const file = pendingFile(META.fromRow(view.at(row)).key);
    if (file !== undefined) left.push(file);
    return true;
  });
  await core.files.delete(left);
}

function newEnv({clock, ids}: DatabaseOptions, commit: Commit, session: Session, params: readonly Param[]): Env {
  return {
    params,
    nowMicros: BigInt(clock.nowMs()) * 1000n,
    userId: session.userId,
    role: session.role,
    nextSnowflake: () => commit.nextId(),
    uuidV7: () => newUuidV7(clock, ids),
    ulid: () => newUlid(clock, ids),
    random: () => randomUnit(ids),
  };
}

const CLASS_TEXT: Readonly<Record<Durability, string>> = {
  D2: 'D2: an acknowledged write survives a crash of the machine (fsync before the answer)',
  D1: 'D1: an acknowledged write survives a crash of the process, not of the machine',
  D0: 'D0: an acknowledged write may be lost in any crash',
};

function describeStart(options: DatabaseOptions, {hot, catalog}: Core): string[] {
  const userTables = catalog.tables().filter((schema: Schema) => schema.kind !== 'system').length;
  const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  return [
    `Data lies in ${options.directory} (${userTables} tables, ${hot.rowCount()} hot rows).`,
    `Durability ${CLASS_TEXT[options.durability]}.`,
    `Hot tier: early flushes above ${mib(options.memorySoftBytes)}, writes refused above ${mib(options.memoryHardBytes)}.`,
  ];
}

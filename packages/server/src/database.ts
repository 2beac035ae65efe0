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
import {type Duck, openDuck} from './duck/duck.ts';
import type {Env, Param} from './expr/expr.ts';
import type {Hot} from './hot/hot.ts';
import {createHot} from './hot/hot-store.ts';
import {MemoryWatch} from './hot/memory-watch.ts';
import {Flushes} from './jobs/flushes.ts';
import type {JobRecord} from './jobs/job.ts';
import {createJobs, type Jobs} from './jobs/jobs.ts';
import {cleanupJob} from './jobs/kinds/cleanup.ts';
import {flushJob} from './jobs/kinds/flush.ts';
import {createSchedule} from './jobs/schedule.ts';
import {openFileLog} from './log/file-log.ts';
import type {Durability, Log} from './log/log.ts';
import type {Incarnation} from './model/names.ts';
import {RowView} from './model/row-codec.ts';
import type {FlushPolicy} from './model/schema.ts';
import type {Session} from './model/session.ts';
import type {Services, StatementResult} from './sql/define.ts';
import {createRunSql, type SqlRequest} from './sql/run.ts';
import {describeStart} from './start-text.ts';
import type {Clock, Ids} from './std/clock.ts';
import {lockDirectory, type Unlock} from './std/directory-lock.ts';
import type {Disk} from './std/disk.ts';
import {newUlid, newUuidV7, randomUnit} from './std/ids.ts';
import {SYSTEM_TABLES} from './system/index.ts';
import {JOBS} from './system/jobs.ts';
import {META} from './system/meta.ts';
import {NAMESPACES} from './system/namespaces.ts';
import {SCHEMAS} from './system/schemas.ts';
import {STORAGES} from './system/storages.ts';
import {USERS} from './system/users.ts';
import {loadCheckpoint, removeLeftovers as removeCheckpointLeftovers} from './table/checkpoint.ts';
import {Checkpointer} from './table/checkpointer.ts';
import {Commit} from './table/commit.ts';
import {Files, type StoredFile} from './table/files.ts';
import type {FlushOptions} from './table/flush.ts';
import {Latches} from './table/latches.ts';
import {Manifests} from './table/manifests.ts';
import type {LogRecord} from './table/record.ts';
import {createTables} from './table/rows.ts';

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
  readonly analytic: {
    readonly maxChildren: number;
    readonly memoryBytes: number;
    readonly idleMs: number;
    /** Cold rows of one scan beyond which DuckDB takes over. */
    readonly handOverRows: number;
  };
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
/** From the end of a statement's time to the end of the process that still runs it. */
const QUERY_KILL_MS = 1000;

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
  const {hot, storages, log} = core;
  const {clock, logger} = options;
  const {jobs, flushes} = await openJobs(options, core);
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
  const duck = openAnalytic(options, storages);
  const openSystem = createSystemReader({hot, computed});
  const services = createServices(options, core, {jobs, flushes, duck, openSystem});
  const flushSchedule = createSchedule({
    clock,
    everyMs: options.flushCheckMs,
    logger,
    async tick() {
      await flushes.tick();
      await core.files.delete(core.manifests.takeRemovable());
      // Flushes leave holes in slabs: one slab a turn of the loop, until none is mostly empty.
      while (hot.evacuateOne()) await new Promise<void>(resolve => setImmediate(resolve));
    },
  });
  const pruneSchedule = createSchedule({
    clock,
    everyMs: PRUNE_EVERY_MS,
    logger,
    async tick() {
      await jobs.prune();
    },
  });
  core.memory.onHigh = () => flushSchedule.wake();
  await jobs.start();
  if (options.flushCheckMs > 0) flushSchedule.start();
  pruneSchedule.start();
  return {
    runSql: createRunSql(services),
    describeStart: () => describeStart(options, core),
    async close() {
      await Promise.all([flushSchedule.stop(), pruneSchedule.stop()]);
      await duck.close();
      await jobs.stop(CLOSE_JOBS_MS);
      await core.checkpointer.settle();
      await log.close();
      await unlock?.();
    },
  };
}

function createServices(
  options: DatabaseOptions,
  core: Core,
  made: Pick<Services, 'jobs' | 'flushes' | 'duck' | 'openSystem'>,
): Services {
  const {hot, cold, manifests, catalog, storages, latches, commit} = core;
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  const {memoryHardBytes, clock} = options;
  return {
    ...made,
    catalog,
    ddl: new Ddl({catalog, commit, latches, clock}),
    tables: createTables({hot, cold, commit, manifests, latches, schemaOf, current, memoryHardBytes}),
    storages,
    scopeFor,
    fileOf: (storageId, path) => storages.file(storageId, path),
    limits: {
      defaultRows: options.defaultRows,
      maxRows: options.maxRows,
      retentionHours: options.retentionHours,
      handOverRows: options.analytic.handOverRows,
    },
    newEnv: (session, params) => newEnv(options, commit, session, params),
  };
}

function openAnalytic({analytic, logger}: DatabaseOptions, storages: Storages): Duck {
  const {maxChildren, memoryBytes, idleMs} = analytic;
  return openDuck({
    maxChildren,
    memoryBytes,
    idleMs,
    directories: () => storages.directories(),
    killAfterMs: QUERY_KILL_MS,
    programModule: import.meta.resolve('./expr/program.ts'),
    logger,
  });
}

async function openJobs(options: DatabaseOptions, core: Core): Promise<{jobs: Jobs; flushes: Flushes}> {
  const {hot, cold, manifests, catalog, storages, commit, files} = core;
  const {clock, ids, logger} = options;
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  const flush: FlushOptions = {
    hot,
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
  const flushKind = flushJob({
    flush,
    clock,
    current,
    scopes: (schema, trigger) => flushes.scopes(schema, trigger),
    location: schema => storages.location(schema),
  });
  const jobs = createJobs({
    store: jobStore(hot, commit),
    clock,
    ids,
    ...options.jobs,
    leaseMs: LEASE_MS,
    nodeId: 1n,
    logger,
    kinds: [flushKind, cleanupJob({manifests, files, clock})],
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
  return {jobs, flushes};
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

function jobStore(hot: Hot, commit: Commit) {
  const scope = scopeOf(JOBS.schema);
  return {
    load(): JobRecord[] {
      const view = new RowView(JOBS.schema, () => JOBS.schema);
      const records: JobRecord[] = [];
      hot.snapshot(scope).scan({}, false, row => {
        records.push(JOBS.fromRow(view.at(row)) as JobRecord);
        return true;
      });
      return records;
    },
    async write(record: JobRecord, isUrgent = false): Promise<void> {
      await commit.write({rows: [systemRow(JOBS.schema, JOBS.toValues(record), textKey(record.job_id))], isUrgent});
    },
    async remove(jobIds: string[]): Promise<void> {
      await commit.write({removes: jobIds.map(id => ({scope, key: textKey(id)})), isUrgent: true});
    },
  };
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

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
import {firstRows} from './catalog/bootstrap.ts';
import {Catalog} from './catalog/catalog.ts';
import {Ddl, firstFreeIncarnation, scopeOf, systemRow, textKey} from './catalog/ddl.ts';
import {createFold} from './catalog/fold.ts';
import {announcedFiles, pendingFiles} from './catalog/pending-files.ts';
import {type StorageOpener, storageOpener} from './catalog/storage-opener.ts';
import {LOCAL_STORAGE, Storages} from './catalog/storages.ts';
import {createSystemReader} from './catalog/system-reader.ts';
import type {Cold} from './cold/cold.ts';
import {createCold} from './cold/cold-store.ts';
import {computedTables, storedStorages} from './computed.ts';
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
import {evictStreams, streamEvictionJob} from './jobs/kinds/stream-eviction.ts';
import {createSchedule} from './jobs/schedule.ts';
import {openFileLog} from './log/file-log.ts';
import type {Durability, Log} from './log/log.ts';
import type {Incarnation} from './model/names.ts';
import {RowView} from './model/row-codec.ts';
import {type FlushPolicy, TABLE_KINDS} from './model/schema.ts';
import type {Session} from './model/session.ts';
import type {Services} from './sql/define.ts';
import {createRunSql, type RunSql} from './sql/run.ts';
import {describeStart} from './start-text.ts';
import type {Clock, Ids} from './std/clock.ts';
import {lockDirectory, type Unlock} from './std/directory-lock.ts';
import type {Disk} from './std/disk.ts';
import {newUlid, newUuidV7, randomUnit} from './std/ids.ts';
import {SYSTEM_TABLES} from './system/index.ts';
import {JOBS} from './system/jobs.ts';
import {loadCheckpoint, removeLeftovers as removeCheckpointLeftovers} from './table/checkpoint.ts';
import {Checkpointer, type LoadedCheckpoint} from './table/checkpointer.ts';
import {Commit} from './table/commit.ts';
import {Files} from './table/files.ts';
import type {FlushOptions} from './table/flush.ts';
import {Latches} from './table/latches.ts';
import {Manifests} from './table/manifests.ts';
import {createTables} from './table/rows.ts';
import {Streams} from './table/streams.ts';

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
  /** A checkpoint comes only when the log is longer than what hot rows are held in. */
  readonly hotSlabBytes?: number;
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
  readonly streams: {scopeRowsMax: number; tableBytesMax: number; evictMs: number};
  /** Bytes of local copies of one remote storage. */
  readonly storageCacheBytes: number;
  readonly sharedTemplate: string;
  readonly userTemplate: string;
  /** For system.settings. */
  readonly settings: readonly {name: string; value: string; description: string; category: string}[];
  readonly logger: {info(text: string): void; warn(text: string): void; error(text: string): void};
}

export interface Database {
  readonly runSql: RunSql;
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

/** What records are folded into. */
interface State {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly manifests: Manifests;
  readonly catalog: Catalog;
  readonly storages: Storages;
  readonly openStorage: StorageOpener;
}

/** What survives a restart: the state, and the log it is folded from. */
interface Core extends State {
  readonly latches: Latches;
  readonly commit: Commit;
  readonly log: Log;
  readonly files: Files;
  readonly checkpointer: Checkpointer;
  readonly memory: MemoryWatch;
}

function createState(options: DatabaseOptions): State {
  const {disk, directory, clock} = options;
  const catalog = new Catalog(SYSTEM_TABLES);
  const storages = new Storages();
  const cacheDirectory = `${directory}/cache`;
  const openStorage = storageOpener({disk, cacheDirectory, cacheBytesMax: options.storageCacheBytes});
  const base = `${directory}/storage`;
  storages.add({
    id: LOCAL_STORAGE,
    sharedTemplate: options.sharedTemplate,
    userTemplate: options.userTemplate,
    blob: openFsBlob({disk, base}),
    base,
  });
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const cold = createCold({blobOf: id => storages.blob(id), schemaOf, inlineEncoding: options.inlineEncoding});
  const hot = createHot({clock, ...(options.hotSlabBytes === undefined ? {} : {slabBytes: options.hotSlabBytes})});
  return {hot, cold, manifests: new Manifests(), catalog, storages, openStorage};
}

async function openCore(options: DatabaseOptions): Promise<Core> {
  const {disk, directory, clock} = options;
  for (const name of ['log', 'checkpoint', 'storage']) await disk.makeDirectory(`${directory}/${name}`);
  await disk.syncDirectory(directory);
  const state = createState(options);
  const {hot, cold, manifests, catalog, storages, openStorage} = state;
  const memory = new MemoryWatch(hot, clock, options.memorySoftBytes);
  let checkpointer: Checkpointer | undefined;
  const commit = new Commit({
    hot,
    manifests,
    clock,
    listener: createFold(catalog, storages, openStorage),
    onApplied() {
      memory.look();
      checkpointer?.look();
    },
  });
  const {log, loaded} = await replay(options, commit);
  await commit.start(log, firstFreeIncarnation(catalog));
  const warn = (text: string) => options.logger.warn(text);
  checkpointer = new Checkpointer({
    ...{disk, directory: `${directory}/checkpoint`, clock, hot, manifests, commit, log, loaded, warn},
    logBytes: options.checkpointLogBytes,
    isDurable: incarnation => TABLE_KINDS[catalog.current(incarnation)?.kind ?? 'system'].isDurable,
  });
  const files = new Files({
    commit,
    names: pendingFiles,
    syncLog: () => log.sync(),
    blobOf: id => storages.blob(id),
    forget: paths => cold.forget(paths),
  });
  if (catalog.namespace('default') === undefined) await commit.write({rows: firstRows(options)});
  return {...state, latches: new Latches(), commit, log, files, checkpointer, memory};
}

/** The newest whole checkpoint, then the log after it. */
async function replay(options: DatabaseOptions, commit: Commit): Promise<{log: Log; loaded: LoadedCheckpoint}> {
  const {disk, directory, clock, durability, logSegmentBytes, logger} = options;
  const checkpoints = `${directory}/checkpoint`;
  await removeCheckpointLeftovers(disk, checkpoints);
  const seq = await loadCheckpoint(
    disk,
    checkpoints,
    (records, upTo) => commit.replay(records, upTo),
    text => logger.warn(text),
  );
  const segmentBytes = logSegmentBytes === undefined ? {} : {segmentBytes: logSegmentBytes};
  const openLog = openFileLog({disk, directory: `${directory}/log`, clock, durability, ...segmentBytes});
  let replayedBytes = 0;
  const log = await openLog(seq, batch => {
    commit.replay(batch.bytes, batch.lastSeq);
    replayedBytes += batch.bytes.length;
  });
  return {log, loaded: {seq, replayedBytes}};
}

async function openServices(options: DatabaseOptions, core: Core, unlock: Unlock | undefined): Promise<Database> {
  const {hot, cold, catalog, storages, commit, log} = core;
  const {clock} = options;
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const streams = new Streams({hot, cold, commit, clock, schemaOf, ...options.streams});
  const {jobs, flushes} = await openJobs(options, core, streams);
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
  const services = createServices(options, core, streams, {jobs, flushes, duck, openSystem});
  const schedules = createSchedules(options, core, {jobs, flushes, streams});
  core.memory.onHigh = () => schedules.flush.wake();
  await jobs.start();
  if (options.flushCheckMs > 0) schedules.flush.start();
  schedules.prune.start();
  schedules.evict.start();
  return {
    runSql: createRunSql(services),
    describeStart: () => describeStart(options, core),
    async close() {
      await Promise.all(Object.values(schedules).map(schedule => schedule.stop()));
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
  streams: Streams,
  made: Pick<Services, 'jobs' | 'flushes' | 'duck' | 'openSystem'>,
): Services {
  const {hot, cold, manifests, catalog, storages, latches, commit} = core;
  const {clock, memoryHardBytes, defaultRows, maxRows, retentionHours, analytic} = options;
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  return {
    ...made,
    catalog,
    ddl: new Ddl({catalog, storages, commit, latches, clock}),
    tables: createTables({hot, cold, commit, manifests, latches, schemaOf, current, memoryHardBytes, streams}),
    storages,
    openStorage: core.openStorage,
    storageRecord: id => storedStorages(hot).find(record => record.storage_id === id),
    waitingFiles: id => announcedFiles(hot).filter(file => file.storageId === id).length,
    diskSpace: path => options.disk.space(path),
    templates: {shared: options.sharedTemplate, user: options.userTemplate},
    clock,
    nowMicros: () => BigInt(clock.nowMs()) * 1000n,
    nonce: () => Buffer.from(options.ids.bytes(8)).toString('hex'),
    scopeFor,
    fileOf: (storageId, path) => storages.blob(storageId).file(path),
    limits: {defaultRows, maxRows, retentionHours, handOverRows: analytic.handOverRows},
    secureIds: () => commit.secureIds(),
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

function createSchedules(
  options: DatabaseOptions,
  {hot, manifests, files, catalog}: Core,
  {jobs, flushes, streams}: {jobs: Jobs; flushes: Flushes; streams: Streams},
) {
  const every = (everyMs: number, tick: () => Promise<unknown>) =>
    createSchedule({
      clock: options.clock,
      everyMs,
      logger: options.logger,
      async tick() {
        await tick();
      },
    });
  return {
    flush: every(options.flushCheckMs, async () => {
      await flushes.tick();
      await files.delete(manifests.takeRemovable());
      // Flushes leave holes in slabs: one slab a turn of the loop, until none is mostly empty.
      while (hot.evacuateOne()) await new Promise<void>(resolve => setImmediate(resolve));
    }),
    prune: every(PRUNE_EVERY_MS, () => jobs.prune()),
    evict: every(options.streams.evictMs, () => evictStreams({jobs, streams, tables: catalog.tables()})),
  };
}

async function openJobs(
  options: DatabaseOptions,
  core: Core,
  streams: Streams,
): Promise<{jobs: Jobs; flushes: Flushes}> {
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
  // Files that a crash left behind: named in the log, listed by no manifest.
  await files.delete(announcedFiles(hot));
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
    kinds: [flushKind, cleanupJob({manifests, files, clock}), streamEvictionJob({streams, current})],
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

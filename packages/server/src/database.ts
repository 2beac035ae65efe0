/**
 * Database: opens every room and wires them, in rank order; embeddable.
 *
 *     lock ─ format ─ checkpoint ─ log after it ─ bootstrap ─ leftovers of a crash ─ jobs ─ schedules ─ runSql
 *
 * Laws: config stops here; rooms get plain options. Nothing is answered before the log is replayed and made durable again.
 */
import {dirname} from 'node:path';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Auth, type AuthOptions, openAuth, openIdentities} from './auth/auth.ts';
import {mayRead, scopeFor} from './auth/scope.ts';
import {makeFolder, openFsBlob} from './blob/fs-blob.ts';
import {firstRows} from './catalog/bootstrap.ts';
import {Catalog} from './catalog/catalog.ts';
import {Ddl, firstFreeIncarnation} from './catalog/ddl.ts';
import {createFold} from './catalog/fold.ts';
import {mirrorMark, mirrorMarkRow} from './catalog/mirror-mark.ts';
import {announcedFiles, pendingFiles} from './catalog/pending-files.ts';
import {type SimulatedS3, type StorageOpener, storageOpener} from './catalog/storage-opener.ts';
import {LOCAL_STORAGE, Storages} from './catalog/storages.ts';
import {createSystemReader} from './catalog/system-reader.ts';
import type {Cold} from './cold/cold.ts';
import {createCold} from './cold/cold-store.ts';
import {computedTables, informationTables, stats, storedStorages, tableCounts} from './computed.ts';
import {checkFormat} from './data-format.ts';
import {type Duck, type DuckOptions, openDuck} from './duck/duck.ts';
import type {Env} from './expr/expr.ts';
import type {Hot} from './hot/hot.ts';
import {createHot} from './hot/hot-store.ts';
import {MemoryBudget} from './hot/memory-budget.ts';
import {Sweeper} from './hot/sweeper.ts';
import type {Measures} from './http/engine.ts';
import {type AuditLimits, trimAuditLog} from './jobs/kinds/audit-retention.ts';
import {evictStreams} from './jobs/kinds/stream-eviction.ts';
import {type GraceLimits, purgeAccounts} from './jobs/kinds/user-cleanup.ts';
import {createSchedule, type Schedule} from './jobs/schedule.ts';
import type {LiveLimits} from './live/places.ts';
import type {LiveRoom} from './live/room.ts';
import {openFileLog} from './log/file-log.ts';
import type {Durability, Log} from './log/log.ts';
import type {Incarnation, Seq} from './model/names.ts';
import {type FlushPolicy, TABLE_KINDS} from './model/schema.ts';
import {openLive} from './open-live.ts';
import {openJobs, placeOf, rowsOptions, type Work} from './open-work.ts';
import {keptSecret} from './secret-file.ts';
import type {Services} from './sql/define.ts';
import type {OpenTransactions} from './sql/open-transactions.ts';
import {createRunSql, type RunSql} from './sql/run.ts';
import {StatementTimes} from './sql/statement-times.ts';
import {STATEMENTS} from './sql/statements/index.ts';
import {describeStart} from './start-text.ts';
import type {Clock, Ids} from './std/clock.ts';
import {lockDirectory, type Unlock} from './std/directory-lock.ts';
import type {Disk} from './std/disk.ts';
import {newUlid, newUuidV4, newUuidV7, randomUnit} from './std/ids.ts';
import {readMachine} from './std/machine.ts';
import {VERSION} from './std/version.ts';
import {SYSTEM_TABLES} from './system/index.ts';
import type {ServerLogRecord} from './system/server-logs.ts';
import {ChangeFeed} from './table/change-feed.ts';
import {loadCheckpoint, removeLeftovers as removeCheckpointLeftovers} from './table/checkpoint.ts';
import {Checkpointer, type LoadedCheckpoint} from './table/checkpointer.ts';
import {Commit} from './table/commit.ts';
import {Files} from './table/files.ts';
import {Latches} from './table/latches.ts';
import {Manifests} from './table/manifests.ts';
import {Mirrors} from './table/mirrors.ts';
import {createTables} from './table/rows.ts';
import {Streams} from './table/streams.ts';
import {beginTransaction} from './table/transaction.ts';

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
  /** See `file-log.ts`; needs a clock that runs by itself. */
  readonly commitDelayMs?: number;
  readonly flushScopesAtOnce?: number;
  /** Names of files in one batch, when a table is dropped. */
  readonly namesAtOnce?: number;
  readonly mirrorCheckMs?: number;
  /** Of rows and of manifests. A checkpoint comes only when the log is longer than what hot rows are held in. */
  readonly slabBytes?: number;
  /** Fewer than usual in tests, so that scopes outgrow them. */
  readonly smallScopeRows?: number;
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
    /** For tests, whose databases may share children. */
    readonly openDuck?: (options: DuckOptions) => Duck;
  };
  /** Of compaction by itself; `checkMs` 0 = never. */
  readonly compaction: {checkMs: number; minSegments: number; deadPercent: number};
  readonly jobs: {maxConcurrent: number; maxRetries: number; retryBackoffMs: number; keepFinishedDays: number};
  /** For jobs that run, when the database is closed. */
  readonly stopJobsMs: number;
  readonly streams: {scopeRowsMax: number; tableBytesMax: number; evictMs: number};
  readonly live: LiveLimits;
  /** Bytes of local copies of one remote storage. */
  readonly storageCacheBytes: number;
  readonly s3?: SimulatedS3;
  readonly sharedTemplate: string;
  readonly userTemplate: string;
  readonly audit: AuditLimits;
  /** Of dropped accounts. */
  readonly grace: GraceLimits;
  readonly auth: AuthOptions & {
    /** That tokens are signed with; undefined: one is made and kept in the data directory. */
    readonly secret: string | undefined;
  };
  /** For system.server_logs: the newest messages of the log, the oldest of them first. */
  readonly logMessages: () => Iterable<ServerLogRecord>;
  /** For system.settings. */
  readonly settings: readonly {name: string; value: string; description: string; category: string}[];
  readonly logger: {info(text: string): void; warn(text: string): void; error(text: string): void};
}

export interface Database {
  readonly runSql: RunSql;
  readonly live: LiveRoom;
  readonly auth: Auth;
  describeStart(): string[];
  /** For metrics. */
  measures(): Measures;
  /** Drains jobs, writes what waits, closes. The data directory is free afterwards. */
  close(): Promise<void>;
}

const PRUNE_EVERY_MS = 3_600_000;
const MIRROR_CHECK_MS = 1000;
/** From the end of a statement's time to the end of the process that still runs it. */
const QUERY_KILL_MS = 1000;

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const unlock = await lock(options);
  try {
    await checkFormat(options.disk, options.directory);
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
export interface Core extends State {
  readonly auth: Auth;
  readonly latches: Latches;
  readonly commit: Commit;
  readonly feed: ChangeFeed;
  /** What the start found in the log, and the first seq it gave out itself. */
  readonly start: {readonly found: Seq; readonly began: Seq};
  readonly log: Log;
  readonly files: Files;
  readonly checkpointer: Checkpointer;
  readonly memory: MemoryBudget;
  readonly mirrors: Mirrors;
}

function createState(options: DatabaseOptions): State {
  const {disk, clock, directory, s3} = options;
  const catalog = new Catalog(SYSTEM_TABLES);
  const storages = new Storages();
  const cacheDirectory = `${directory}/cache`;
  const openStorage = storageOpener({disk, clock, s3, cacheDirectory, cacheBytesMax: options.storageCacheBytes});
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
  const hot = createHot(options);
  return {hot, cold, manifests: new Manifests(options), catalog, storages, openStorage};
}

async function openCore(options: DatabaseOptions): Promise<Core> {
  const {disk, directory, clock} = options;
  for (const name of ['log', 'checkpoint', 'storage']) await disk.makeDirectory(`${directory}/${name}`);
  await disk.syncDirectory(directory);
  const state = createState(options);
  const {hot, cold, manifests, catalog, storages, openStorage} = state;
  const memory = new MemoryBudget({
    ...{hot, clock, manifestBytes: () => manifests.memoryBytes},
    ...{softBytes: options.memorySoftBytes, hardBytes: options.memoryHardBytes},
  });
  const sweeper = new Sweeper(hot, manifests);
  const {secret = await keptSecret(disk, directory, options.ids), isLocal} = options.auth;
  const identities = openIdentities({secret, isLocal, clock});
  const fold = createFold(catalog, storages, openStorage);
  let checkpointer: Checkpointer | undefined;
  const feed = new ChangeFeed();
  const commit = new Commit({
    hot,
    manifests,
    clock,
    listener(record) {
      fold(record);
      identities.sessions.apply(record);
    },
    feed,
    newestIncarnation: () => catalog.newestIncarnation(),
    onApplied() {
      sweeper.look();
      memory.look();
      checkpointer?.look();
    },
  });
  const {log, loaded} = await replay(options, commit);
  const found = commit.watermark;
  await commit.start(log, firstFreeIncarnation(catalog));
  const start = {found, began: commit.watermark};
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
    unused: some => manifests.withoutMirrorsInUse(some),
    gone: some => manifests.gone(some),
    clock,
    warn,
  });
  if (catalog.namespace('default') === undefined) await commit.write({rows: firstRows(options)});
  const mirrors = new Mirrors({
    ...{manifests, clock, warn},
    blobOf: id => storages.blob(id),
    placeOf: (schema, scope) => placeOf(storages, schema, scope),
    current: incarnation => catalog.current(incarnation),
    saveMark: mark => commit.write({rows: [mirrorMarkRow(mark)], isUrgent: true}),
    // A directory without a mark is new, or of release 0.1.0, which wrote each mirror with its publish.
    mark: mirrorMark(hot) ?? loaded.seq,
  });
  catalog.onSchema = schema => feed.altered(schema);
  catalog.onDrop = incarnation => feed.dropped(incarnation);
  const latches = new Latches();
  const auth = openAuth(options.auth, {...identities, hot, commit, latches, clock, ids: options.ids, warn});
  return {...state, auth, latches, commit, feed, start, log, files, checkpointer, memory, mirrors};
}

/** The newest whole checkpoint, then the log after it. */
async function replay(options: DatabaseOptions, commit: Commit): Promise<{log: Log; loaded: LoadedCheckpoint}> {
  const {disk, directory, clock, durability, logSegmentBytes, commitDelayMs = 0, logger} = options;
  const checkpoints = `${directory}/checkpoint`;
  await removeCheckpointLeftovers(disk, checkpoints);
  const seq = await loadCheckpoint(
    disk,
    checkpoints,
    (records, upTo) => commit.replay(records, upTo),
    text => logger.warn(text),
  );
  const segmentBytes = logSegmentBytes === undefined ? {} : {segmentBytes: logSegmentBytes};
  const openLog = openFileLog({disk, directory: `${directory}/log`, clock, durability, commitDelayMs, ...segmentBytes});
  let replayedBytes = 0;
  const log = await openLog(seq, batch => {
    commit.replay(batch.bytes, batch.lastSeq);
    replayedBytes += batch.bytes.length;
  });
  return {log, loaded: {seq, replayedBytes}};
}

async function openServices(options: DatabaseOptions, core: Core, unlock: Unlock | undefined): Promise<Database> {
  const {hot, cold, manifests, files, catalog, commit, log} = core;
  const {clock, settings} = options;
  const schemaOf = (incarnation: Incarnation, version: number) => catalog.version(incarnation, version);
  const streams = new Streams({hot, cold, commit, clock, schemaOf, ...options.streams});
  const announced = announcedFiles(hot);
  const leftFiles = await files.leftOf(announced, manifests.listedBeside(announced));
  manifests.retireLeft(leftFiles);
  // However much a crash left behind, and wherever: no start waits for it.
  void files.delete(leftFiles);
  const work = await openJobs(options, core, streams);
  const startedMs = clock.monotonicMs();
  const duck = openAnalytic(options, core.storages);
  const measured = {
    ...core,
    ...work,
    duck,
    version: VERSION,
    uptimeMs: () => clock.monotonicMs() - startedMs,
    machine: readMachine,
    memorySoftBytes: options.memorySoftBytes,
    memoryHardBytes: options.memoryHardBytes,
    liveCounts: () => live.counts,
  };
  const openTransactions: OpenTransactions = new Set();
  const computed = computedTables({
    ...{...measured, mayRead, settings, openTransactions, logMessages: options.logMessages},
    liveQueries: () => live.list(),
    apiAddress: apiAddress(settings),
    monotonicMs: () => clock.monotonicMs(),
    signIns: () => core.auth.sessions.signIns.families(),
    nowMicros: () => BigInt(clock.nowMs()) * 1000n,
  });
  const information = informationTables({catalog, settings, mayRead});
  const openSystem = createSystemReader({hot, computed, information});
  const services = createServices(options, core, streams, {
    ...{...work, duck, openSystem, openTransactions},
    live: {check: (session, sql) => live.check(session, sql), kill: id => live.kill(id)},
  });
  const live: LiveRoom = openLive({
    ...core,
    ...{clock, limits: options.live, tables: services.tables, streams},
    onFault: error =>
      options.logger.error(`A live query failed: ${error instanceof Error ? error.stack : String(error)}`),
  });
  await work.jobs.start();
  const stopSchedules = startSchedules(options, core, work, streams);
  return {
    runSql: createRunSql(services),
    live,
    auth: core.auth,
    describeStart: () => describeStart(options, core),
    measures: () => ({
      ...{stats: stats(measured), jobs: work.jobs.counts(), syncSeconds: log.stats().syncSeconds},
      statements: services.times.all(),
    }),
    async close() {
      live.close();
      const filesStopped = files.stop();
      await stopSchedules();
      await duck.close();
      await work.jobs.stop(options.stopJobsMs);
      await filesStopped;
      await core.mirrors.close();
      await core.checkpointer.settle();
      await log.close();
      await unlock?.();
    },
  };
}

/** As it is set: the port may be another one, and a proxy may stand before it. */
function apiAddress(settings: DatabaseOptions['settings']): string {
  const shown = (name: string) => settings.find(setting => setting.name === name)?.value;
  const [host, port] = [shown('server.host'), shown('server.port')];
  return host === undefined || port === undefined ? '' : `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function createServices(
  options: DatabaseOptions,
  core: Core,
  streams: Streams,
  made: Work & Pick<Services, 'duck' | 'openSystem' | 'openTransactions' | 'live'>,
): Services {
  const {hot, catalog, storages, latches, commit} = core;
  const {clock, defaultRows, maxRows, retentionHours, analytic} = options;
  const rows = rowsOptions(core, streams);
  return {
    ...made,
    auth: core.auth,
    catalog,
    ddl: new Ddl({catalog, storages, commit, latches, clock, rows}),
    ...{tables: createTables(rows), latches},
    begin: (places, id) => beginTransaction(rows, places, id),
    storages,
    openStorage: core.openStorage,
    tableCounts: (schema, ofUser) => tableCounts(core, schema, ofUser),
    storageRecord: id => storedStorages(hot).find(record => record.storage_id === id),
    waitingFiles: id => announcedFiles(hot).filter(file => file.storageId === id).length,
    makeDirectory: path => makeFolder(options.disk, path),
    diskSpace: path => options.disk.space(path),
    templates: {shared: options.sharedTemplate, user: options.userTemplate},
    clock,
    times: new StatementTimes(STATEMENTS),
    nowMicros: () => BigInt(clock.nowMs()) * 1000n,
    nonce: () => Buffer.from(options.ids.bytes(8)).toString('hex'),
    scopeFor,
    fileOf: (storageId, path) => storages.blob(storageId).file(path),
    limits: {defaultRows, maxRows, retentionHours, handOverRows: analytic.handOverRows},
    secureIds: () => commit.secureIds(),
    newEnv: context => newEnv(options, commit, context),
  };
}

function openAnalytic({analytic, logger}: DatabaseOptions, storages: Storages): Duck {
  const {maxChildren, memoryBytes, idleMs} = analytic;
  const open = analytic.openDuck ?? openDuck;
  return open({
    maxChildren,
    memoryBytes,
    idleMs,
    directories: () => storages.directories(),
    killAfterMs: QUERY_KILL_MS,
    programModule: import.meta.resolve('./expr/program.ts'),
    logger,
  });
}

/** What is looked at again and again. Returns what ends it. */
function startSchedules(options: DatabaseOptions, core: Core, work: Work, streams: Streams): () => Promise<void> {
  const {auth, hot, manifests, files, catalog, memory, mirrors} = core;
  const {jobs, flushes, compactions} = work;
  const schedules: Schedule[] = [];
  const every = (everyMs: number, tick: (signal: AbortSignal) => Promise<unknown>): Schedule => {
    const {clock, logger} = options;
    const schedule = createSchedule({
      clock,
      everyMs,
      logger,
      async tick(signal) {
        await tick(signal);
      },
    });
    schedules.push(schedule);
    if (everyMs > 0) schedule.start();
    return schedule;
  };
  const flush = every(options.flushCheckMs, async () => {
    await files.delete(manifests.takeRemovable());
    await flushes.tick();
    // Flushes leave holes in slabs: one slab a turn of the loop, until none is mostly empty.
    while (hot.evacuateOne()) await new Promise<void>(resolve => setImmediate(resolve));
  });
  memory.onHigh = () => flush.wake();
  every(options.compaction.checkMs, signal => compactions.tick(signal));
  every(options.streams.evictMs, () => evictStreams({jobs, streams, tables: catalog.tables()}));
  every(options.mirrorCheckMs ?? MIRROR_CHECK_MS, signal => mirrors.tick(signal));
  every(PRUNE_EVERY_MS, () => jobs.prune());
  every(PRUNE_EVERY_MS, () => auth.desk.prune());
  every(PRUNE_EVERY_MS, signal => auth.idempotency.removeExpired(signal));
  every(options.audit.checkMs ?? PRUNE_EVERY_MS, () => trimAuditLog({hot, clock: options.clock, jobs}, options.audit));
  const {accounts} = auth.sessions;
  const {grace, clock} = options;
  every(grace.checkMs ?? PRUNE_EVERY_MS, signal => purgeAccounts({accounts, clock, jobs}, grace, signal));
  return async () => {
    await Promise.all(schedules.map(schedule => schedule.stop()));
  };
}

function newEnv(
  {clock, ids}: DatabaseOptions,
  commit: Commit,
  {session, params, namespace}: Parameters<Services['newEnv']>[0],
): Env {
  return {
    params,
    nowMicros: BigInt(clock.nowMs()) * 1000n,
    userId: session.userId,
    role: session.role,
    namespace,
    nextSnowflake: () => commit.nextId(),
    uuidV7: () => newUuidV7(clock, ids),
    uuidV4: () => newUuidV4(ids),
    ulid: () => newUlid(clock, ids),
    random: () => randomUnit(ids),
  };
}

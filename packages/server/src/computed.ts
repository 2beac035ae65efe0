/** Computed: wires the readers of all computed system tables, and counts what `system.stats` tells. */
import {isAdmin} from './auth/roles.ts';
import type {Catalog} from './catalog/catalog.ts';
import * as information from './catalog/information.ts';
import {
  columnRows,
  datatypeRows,
  manifestRows,
  namespaceRows,
  schemaRows,
  storageLocationRows,
  tableRows,
  tableSchemaRows,
} from './catalog/listing.ts';
import type {Storages} from './catalog/storages.ts';
import {
  CLUSTER_ID,
  clusterGroupRow,
  clusterRow,
  megabytes,
  NODE_ID,
  type NodeOptions,
  uptimeText,
} from './cluster-rows.ts';
import type {Cold} from './cold/cold.ts';
import type {Duck} from './duck/duck.ts';
import type {Hot} from './hot/hot.ts';
import type {Flushes} from './jobs/flushes.ts';
import type {Jobs} from './jobs/jobs.ts';
import type {Live, LiveQuery} from './live/live.ts';
import type {Log} from './log/log.ts';
import type {Value} from './model/datatype.ts';
import type {UserId} from './model/names.ts';
import {RowView} from './model/row-codec.ts';
import {type Schema, TABLE_KINDS} from './model/schema.ts';
import type {Session} from './model/session.ts';
import type {TableCounts} from './sql/define.ts';
import {type OpenTransactions, transactionRows} from './sql/open-transactions.ts';
import type {Machine} from './std/machine.ts';
import type {SystemColumn, SystemRecord, SystemTableOf} from './system/define.ts';
import type {ComputedTables, InformationTables} from './system/index.ts';
import {DF_SETTINGS} from './system/information.ts';
import {JOB_NODES} from './system/job-nodes.ts';
import {JOBS} from './system/jobs.ts';
import {LIVE, LIVE_QUERIES, type LiveQueryRecord} from './system/live-queries.ts';
import {SERVER_LOGS, type ServerLogRecord} from './system/server-logs.ts';
import {SESSIONS} from './system/sessions.ts';
import {SETTINGS, type SettingRecord} from './system/settings.ts';
import type {SignInRecord} from './system/sign-ins.ts';
import {STATS} from './system/stats.ts';
import {STORAGES, type StorageRecord} from './system/storages.ts';
import {USERS} from './system/users.ts';
import type {Commit} from './table/commit.ts';
import type {Files} from './table/files.ts';
import type {Manifests} from './table/manifests.ts';

export interface StatsOptions {
  readonly catalog: Catalog;
  readonly storages: Storages;
  readonly hot: Hot;
  readonly cold: Cold;
  readonly manifests: Manifests;
  readonly files: Files;
  readonly commit: Commit;
  readonly log: Log;
  readonly duck: Duck;
  readonly jobs: Jobs;
  readonly flushes: Flushes;
  readonly version: string;
  readonly uptimeMs: () => number;
  readonly machine: () => Machine;
  readonly memorySoftBytes: number;
  readonly memoryHardBytes: number;
  readonly liveCounts: () => Live['counts'];
}

export interface ComputedOptions extends StatsOptions, NodeOptions {
  readonly mayRead: (session: Session, schema: Schema) => boolean;
  readonly commit: Commit;
  readonly log: Log;
  readonly settings: readonly SettingRecord[];
  readonly signIns: () => Iterable<SignInRecord>;
  readonly nowMicros: () => bigint;
  readonly liveQueries: () => Iterable<LiveQuery>;
  readonly openTransactions: OpenTransactions;
  readonly monotonicMs: () => number;
  readonly logMessages: () => Iterable<ServerLogRecord>;
}

export function computedTables(options: ComputedOptions): ComputedTables {
  const {catalog, storages, hot, manifests, flushes} = options;
  return {
    namespaces: session => namespaceRows(catalog, schema => options.mayRead(session, schema)),
    schemas: () => schemaRows(catalog),
    table_schemas: () => tableSchemaRows(catalog),
    tables: () => tableRows(catalog, storages),
    storage_locations: () => storageLocationRows(catalog, storedStorages(hot)),
    live: () => liveRecords(options.liveQueries()).map(record => LIVE.toValues(record)),
    live_queries: () => liveRecords(options.liveQueries()).map(record => LIVE_QUERIES.toValues(record)),
    manifest: () => manifestRows({catalog, manifests, hot, isFlushing: schema => flushes.isFlushing(schema)}),
    stats: () =>
      Object.entries(stats(options)).map(([name, value]) =>
        STATS.toValues({metric_name: name, metric_value: String(value)}),
      ),
    columns: () => columnRows(catalog),
    datatypes: () => datatypeRows(),
    describe: () => [],
    sessions: () => sessionRows(options.signIns(), options.nowMicros()),
    transactions: () => transactionRows(options.openTransactions, options.monotonicMs()),
    server_logs: () => [...options.logMessages()].map(record => SERVER_LOGS.toValues(record)),
    cluster: () => [clusterRow(options)],
    cluster_groups: () => [clusterGroupRow(options)],
    job_nodes: () => jobNodeRows(hot),
    settings: () => options.settings.map(setting => SETTINGS.toValues(setting)),
  };
}

export interface InformationOptions {
  readonly catalog: Catalog;
  readonly settings: readonly SettingRecord[];
  readonly mayRead: (session: Session, schema: Schema) => boolean;
}

export function informationTables({catalog, settings, mayRead}: InformationOptions): InformationTables {
  const visible = (session: Session) => information.visibleTables(catalog, schema => mayRead(session, schema));
  return {
    tables: session => information.tables(visible(session)),
    columns: session => information.columns(visible(session)),
    schemata: () => information.schemata(catalog),
    views: session => information.views(catalog, isAdmin(session)),
    table_constraints: session => information.tableConstraints(visible(session)),
    key_column_usage: session => information.keyColumnUsage(visible(session)),
    routines: () => information.routines(),
    parameters: () => information.parameters(),
    df_settings: () => settings.map(({name, value, description}) => DF_SETTINGS.toValues({name, value, description})),
  };
}

/** Every job, on the one node there is. */
function* jobNodeRows(hot: Hot): Generator<readonly Value[]> {
  for (const job of storedRecords(hot, JOBS)) {
    const {job_id, node_id, status, error_message, created_at, started_at, finished_at, updated_at} = job;
    yield JOB_NODES.toValues({
      ...{job_id, node_id, status, error_message},
      ...{created_at, started_at, finished_at, updated_at},
    });
  }
}

/** What has expired may wait for its removal; nobody can use it. */
function* sessionRows(signIns: Iterable<SignInRecord>, now: bigint): Generator<readonly Value[]> {
  for (const signIn of signIns) {
    if (signIn.expires_at === null || signIn.expires_at <= now) continue;
    // Tokens carry whole seconds, rounded down: the first ones would be older than their sign-in.
    const wasRefreshed = signIn.refreshed_at > signIn.signed_in_at;
    yield SESSIONS.toValues({
      session_id: signIn.sign_in_id,
      backend_pid: null,
      current_schema: null,
      state: 'idle',
      transaction_id: null,
      transaction_state: null,
      transaction_has_writes: false,
      client_addr: null,
      transport: 'http',
      opened_at: signIn.signed_in_at,
      last_seen_at: wasRefreshed ? signIn.refreshed_at : signIn.signed_in_at,
      last_method: null,
      user_id: signIn.user_id,
      expires_at: signIn.expires_at,
    });
  }
}

const LIVE_STATUS: Record<LiveQuery['status'], string> = {loading: 'active', live: 'active', behind: 'paused'};

function liveRecords(queries: Iterable<LiveQuery>): LiveQueryRecord[] {
  return [...queries].map(query => {
    const {subscription, connectionId, session, table, createdMs, lastChangeMs, heardMs = createdMs} = query;
    const lastUpdate = BigInt(lastChangeMs) * 1000n;
    return {
      live_id: subscription.liveId,
      connection_id: connectionId,
      subscription_id: subscription.id,
      namespace_id: table.namespace,
      table_name: table.table,
      user_id: session.userId,
      query: query.sql,
      options: query.optionsText,
      status: LIVE_STATUS[query.status],
      created_at: BigInt(createdMs) * 1000n,
      last_update: lastUpdate,
      changes: BigInt(query.changeCount),
      node_id: NODE_ID,
      last_ping_at: BigInt(Math.round(heardMs)) * 1000n,
      query_id: subscription.id,
      updated_at: lastUpdate,
      node: String(NODE_ID),
    };
  });
}

export function storedStorages(hot: Hot): StorageRecord[] {
  return storedRecords(hot, STORAGES);
}

/** By their keys. */
function storedRecords<Columns extends readonly SystemColumn[]>(
  hot: Hot,
  table: SystemTableOf<string, 'stored', Columns>,
): SystemRecord<Columns>[] {
  const {schema} = table;
  const view = new RowView(schema, () => schema);
  const records: SystemRecord<Columns>[] = [];
  hot.snapshot({incarnation: schema.incarnation, owner: null}).scan({}, false, row => {
    records.push(table.fromRow(view.at(row)));
    return true;
  });
  return records;
}

/** Of the scopes of a table, or of one user's. O(scopes). */
export function tableCounts(
  {hot, manifests}: Pick<ComputedOptions, 'hot' | 'manifests'>,
  {incarnation, kind}: Schema,
  ofUser: UserId | undefined,
): TableCounts {
  const owner = TABLE_KINDS[kind].isScoped ? ofUser : undefined;
  const inMemory =
    owner === undefined
      ? {rowCount: hot.tableRows(incarnation), bytes: hot.tableBytes(incarnation)}
      : (hot.scopeStats({incarnation, owner}) ?? {rowCount: 0, bytes: 0});
  const flushed = owner === undefined ? manifests.of(incarnation) : [manifests.get({incarnation, owner})];
  let rows = inMemory.rowCount;
  let segments = 0;
  for (const manifest of flushed) {
    rows += manifest.rowCount - manifest.deadCount;
    segments += manifest.segmentCount;
  }
  return {rows, segments, memoryBytes: inMemory.bytes};
}

/** The rows of `system.stats`. */
export function stats(options: StatsOptions): Record<string, string | number | bigint> {
  const {catalog, hot, jobs} = options;
  const machine = options.machine();
  const running = jobs.list();
  const count = (status: string) => running.filter(job => job.status === status).length;
  const {finished} = jobs.counts();
  const finishedSinceStart = (status: string) =>
    finished.reduce((sum, one) => (one.status === status ? sum + one.count : sum), 0);
  const uptimeMs = options.uptimeMs();
  const live = options.liveCounts();
  return {
    server_version: options.version,
    server_uptime_seconds: Math.floor(uptimeMs / 1000),
    server_uptime_human: uptimeText(uptimeMs),
    node_id: NODE_ID,
    cluster_mode: 'standalone',
    cluster_id: CLUSTER_ID,
    pid: machine.pid,
    memory_usage_bytes: machine.rss,
    memory_usage_mb: megabytes(machine.rss),
    memory_usage_source: 'rss',
    memory_rss_mb: megabytes(machine.rss),
    memory_heap_used_bytes: machine.heapUsed,
    system_total_memory_mb: megabytes(machine.totalBytes),
    system_used_memory_mb: megabytes(machine.usedBytes),
    cpu_usage_percent: machine.cpuPercent.toFixed(1),
    total_users: hot.tableRows(USERS.schema.incarnation),
    total_namespaces: catalog.namespaces().length,
    total_tables: catalog.tables().filter(schema => schema.kind !== 'system').length,
    total_storages: storedStorages(hot).length,
    total_views: catalog.views().length,
    total_jobs: hot.tableRows(JOBS.schema.incarnation),
    jobs_running: count('running'),
    jobs_queued: count('queued'),
    jobs_retrying: count('retrying'),
    jobs_failed: finishedSinceStart('failed'),
    memory_soft_limit_bytes: options.memorySoftBytes,
    memory_hard_limit_bytes: options.memoryHardBytes,
    active_connections: live.connections,
    active_subscriptions: live.subscriptions,
    subscriptions_behind: live.behind,
    ...tierStats(options),
  };
}

/** Where rows lie, and what reads and writes them. */
function tierStats({hot, cold, manifests, files, commit, log, duck}: StatsOptions) {
  const {totals} = manifests;
  const logStats = log.stats();
  const coldStats = cold.stats();
  const duckStats = duck.stats();
  return {
    hot_rows: hot.rowCount(),
    hot_bytes: hot.bytes(),
    cold_scopes: totals.scopes,
    cold_segments: totals.segments,
    cold_rows: totals.rows,
    cold_dead_rows: totals.deadRows,
    cold_bytes: totals.bytes,
    cold_manifest_bytes: manifests.memoryBytes,
    cold_footers_cached: coldStats.cachedFooters,
    cold_footer_cache_bytes: coldStats.cacheBytes,
    cold_footer_hits: coldStats.footerHits,
    cold_footer_misses: coldStats.footerMisses,
    cold_segments_pruned: coldStats.segmentsPruned,
    cold_segments_read: coldStats.segmentsRead,
    analytic_queries: duckStats.queries,
    analytic_queries_running: duckStats.running,
    analytic_queries_waiting: duckStats.waiting,
    analytic_processes: duckStats.children,
    analytic_processes_started: duckStats.childrenStarted,
    analytic_processes_killed: duckStats.childrenKilled,
    analytic_processes_lost: duckStats.childrenLost,
    files_to_delete: manifests.retiredCount + files.deletingCount,
    watermark_seq: commit.watermark,
    log_state: logStats.state,
    log_segments: logStats.segments,
    log_appended_bytes: log.appendedBytes,
    log_blocks: logStats.blocks,
    log_batches: logStats.batches,
    log_syncs: logStats.syncs,
    log_sync_micros: Math.round(logStats.syncMicros),
  };
}

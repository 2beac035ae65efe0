/** Open work: flush, compaction and the other kinds of jobs, wired. */

import type {Storages} from './catalog/storages.ts';
import {tombstoneMarkRow} from './catalog/tombstone-mark.ts';
import type {Core, DatabaseOptions} from './database.ts';
import {Compactions} from './jobs/compactions.ts';
import {Flushes} from './jobs/flushes.ts';
import {openJobStore} from './jobs/job-store.ts';
import {createJobs, type Jobs} from './jobs/jobs.ts';
import {auditRetentionJob} from './jobs/kinds/audit-retention.ts';
import {cleanupJob} from './jobs/kinds/cleanup.ts';
import {compactJob} from './jobs/kinds/compact.ts';
import {flushJob} from './jobs/kinds/flush.ts';
import {streamEvictionJob} from './jobs/kinds/stream-eviction.ts';
import {userCleanupJob} from './jobs/kinds/user-cleanup.ts';
import type {Incarnation, ScopeKey} from './model/names.ts';
import type {Schema} from './model/schema.ts';
import {newUlid} from './std/ids.ts';
import type {SegmentPlace} from './table/mirrors.ts';
import type {RowsOptions} from './table/newest.ts';
import {createTables} from './table/rows.ts';
import type {OutputOptions} from './table/segment-output.ts';
import type {Streams} from './table/streams.ts';

const LEASE_MS = 30_000;
/** Scopes of one flush in work together: while one waits for the disk the encoder has another, and their syncs of the log are one. */
const FLUSH_SCOPES_AT_ONCE = 4;

export interface Work {
  readonly jobs: Jobs;
  readonly flushes: Flushes;
  readonly compactions: Compactions;
}

export async function openJobs(options: DatabaseOptions, core: Core, streams: Streams): Promise<Work> {
  const {hot, cold, manifests, catalog, storages, latches, commit, files, memory, mirrors} = core;
  const {clock, ids, logger} = options;
  const current = (incarnation: Incarnation) => catalog.current(incarnation);
  const output: OutputOptions = {
    cold,
    commit,
    manifests,
    clock,
    mirrors,
    placeOf: (schema, scope) => placeOf(storages, schema, scope),
    nextUlid: () => newUlid(clock, ids),
    current: schema => current(schema.incarnation),
    files,
    tombstoneMark: ({incarnation}, through) => tombstoneMarkRow(hot, incarnation, through),
    warn: text => logger.warn(text),
  };
  let flushes: Flushes;
  let compactions: Compactions;
  const flushKind = flushJob({
    flush: {...output, hot, latches},
    clock,
    current,
    scopes: (schema, trigger) => flushes.scopes(schema, trigger),
    isMemoryEnough: () => memory.isEnough(),
    location: schema => storages.location(schema),
    scopesAtOnce: options.flushScopesAtOnce ?? FLUSH_SCOPES_AT_ONCE,
  });
  const compactKind = compactJob({
    output,
    manifests,
    current,
    policy: (schema, trigger) => compactions.policy(schema, trigger),
    sweep: () => files.delete(manifests.takeRemovable()),
  });
  const jobs = createJobs({
    store: openJobStore(hot, commit),
    clock,
    ids,
    ...options.jobs,
    leaseMs: LEASE_MS,
    nodeId: 1n,
    logger,
    kinds: [flushKind, compactKind, ...sweepingKinds(options, core, streams)],
  });
  compactions = new Compactions({
    jobs,
    manifests,
    clock,
    tables: () => catalog.tables(),
    ...options.compaction,
    isMemoryShort: () => memory.isShort(),
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
    memory,
    warn: text => logger.warn(text),
    namesAtOnce: options.namesAtOnce,
  });
  return {jobs, flushes, compactions};
}

/** Those that only take away what nobody needs any more. */
function sweepingKinds({clock}: DatabaseOptions, core: Core, streams: Streams) {
  const {auth, hot, manifests, files, catalog} = core;
  const rows = createTables(rowsOptions(core, streams));
  return [
    userCleanupJob({users: auth.users, tables: () => catalog.tables(), rows, keys: auth.idempotency}),
    cleanupJob({manifests, files, clock}),
    streamEvictionJob({streams, current: incarnation => catalog.current(incarnation)}),
    auditRetentionJob({hot, clock, remove: ids => auth.audit.remove(ids)}),
  ];
}

/** What the doors to rows need. */
export function rowsOptions(core: Core, streams: Streams): RowsOptions {
  const {hot, cold, commit, manifests, latches, catalog, memory, feed} = core;
  return {
    ...{hot, cold, commit, manifests, latches, memory, streams},
    schemaOf: (incarnation, version) => catalog.version(incarnation, version),
    current: incarnation => catalog.current(incarnation),
    isWatched: incarnation => feed.isWatched(incarnation),
  };
}

export function placeOf(storages: Storages, schema: Schema, scope: ScopeKey): SegmentPlace {
  return {storageId: schema.options.storageId, folder: storages.folder(schema, scope)};
}

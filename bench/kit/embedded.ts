/**
 * Embedded: the database without its HTTP edge, in the calling process, with the settings of a server that nobody configured; and ways to fill it
 * with very many users, tables or segments in the time of a bench.
 */
import {developmentSession} from '../../packages/server/src/auth/sessions.ts';
import type {Segment} from '../../packages/server/src/cold/segment.ts';
import {readConfig} from '../../packages/server/src/config.ts';
import {type Database, type DatabaseOptions, openDatabase} from '../../packages/server/src/database.ts';
import {databaseOptions} from '../../packages/server/src/database-options.ts';
import type {Param} from '../../packages/server/src/expr/expr.ts';
import {createHot} from '../../packages/server/src/hot/hot-store.ts';
import {openFileLog} from '../../packages/server/src/log/file-log.ts';
import {encodeKey} from '../../packages/server/src/model/key-codec.ts';
import {FIRST_USER_INCARNATION, type Owner, type ScopeKey} from '../../packages/server/src/model/names.ts';
import {realDisk} from '../../packages/server/src/std/real-disk.ts';
import {systemClock} from '../../packages/server/src/std/system-clock.ts';
import {Commit} from '../../packages/server/src/table/commit.ts';
import {Manifests} from '../../packages/server/src/table/manifests.ts';

const SILENT = {info() {}, warn() {}, error: console.error};
const AT_ONCE = 256;
const SEGMENTS_PER_DELTA = 500;
/** Rows of a made segment; their keys are below those of all real rows, so it is never read. */
const MADE_ROWS = 1000;
export const FIRST_REAL_KEY = 1_000_000_000;

export type Embedded = Database & {
  /** Rows of the last statement. */
  sql(text: string, options?: {user?: string; params?: readonly Param[]}): Promise<unknown[][]>;
};

export async function openEmbedded(directory: string, changes: Partial<DatabaseOptions> = {}): Promise<Embedded> {
  const {config} = readConfig({env: {}});
  const database = await openDatabase({
    ...databaseOptions(config, {logger: SILENT, recent: () => []}),
    directory,
    ...changes,
  });
  const {signal} = new AbortController();
  return {
    ...database,
    async sql(text, {user, params = []} = {}) {
      const session = developmentSession(user);
      const results = await database.runSql({sql: text, params, namespace: undefined, session, signal});
      return (results.at(-1)?.rows ?? []).map(row => JSON.parse(row));
    },
  };
}

/** Runs `work` for 0 … count − 1, many at once: writes that wait together share a sync. */
export async function each(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const run = async () => {
    for (let i = next++; i < count; i = next++) await work(i);
  };
  await Promise.all(Array.from({length: Math.min(count, AT_ONCE)}, run));
}

/**
 * Manifest entries as publishing makes them, without files behind them, for the first table that was made: real ones would take an hour. The
 * database must be closed. Their key ranges lie one behind the other below `FIRST_REAL_KEY`.
 */
export async function publishMade(
  directory: string,
  {scopes, perScope}: {scopes: readonly Owner[]; perScope: number},
): Promise<void> {
  const manifests = new Manifests();
  const newestIncarnation = () => FIRST_USER_INCARNATION;
  const commit = new Commit({
    ...{hot: createHot(), manifests, clock: systemClock, newestIncarnation},
    ...{listener() {}, onApplied() {}},
  });
  const openLog = openFileLog({disk: realDisk, directory: `${directory}/log`, clock: systemClock, durability: 'D1'});
  const log = await openLog(0n, batch => commit.replay(batch.bytes, batch.lastSeq));
  await commit.start(log, FIRST_USER_INCARNATION);
  await each(scopes.length, async i => {
    const scope: ScopeKey = {incarnation: FIRST_USER_INCARNATION, owner: scopes[i]!};
    for (let from = 0; from < perScope; from += SEGMENTS_PER_DELTA) {
      const {version, batch} = manifests.get(scope);
      const count = Math.min(SEGMENTS_PER_DELTA, perScope - from);
      const add = Array.from({length: count}, (_, at) => madeSegment(scope, from + at));
      await commit.write({
        publish: {
          ...{scope, add, baseVersion: version, remove: [], vectors: new Map()},
          ...{flushedThrough: commit.watermark, batch: batch + count, at: systemClock.nowMs()},
        },
      });
    }
  });
  await log.close();
}

function madeSegment({incarnation, owner}: ScopeKey, index: number): Segment {
  const ulid = String(index).padStart(26, '0');
  const name = `batch-${index}-${incarnation}-${ulid}.parquet`;
  const key = (value: number) => encodeKey({name: 'bigint'}, BigInt(value));
  const first = index * MADE_ROWS;
  return {
    name,
    path: `bench/messages/${owner ?? 'shared'}/${name}`,
    storageId: 'local',
    schemaVersion: 1,
    rowCount: MADE_ROWS,
    sizeBytes: 60_000,
    rowBytes: 150_000,
    checksum: index,
    footerBytes: 2000,
    minSeq: BigInt(index),
    maxSeq: BigInt(index),
    minKey: key(first),
    maxKey: key(first + MADE_ROWS - 1),
    tombstoneCount: 0,
    columnStats: Object.fromEntries(
      [1, 2, 3].map(id => [id, {min: String(first), max: String(first + MADE_ROWS - 1), nullCount: 0}]),
    ),
    createdAt: systemClock.nowMs(),
  };
}

/**
 * Memory: what one kind of thing costs, in a process of its own: `node --expose-gc memory-main.ts '<job>'` prints bytes of each.
 *
 * A directory is filled with many of them and closed; then it is opened again, and what the process holds more than before the opening is divided
 * by their number. Before that the same process has opened an empty directory, so that code and caches count as present.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import type {UserId} from '../../packages/server/src/model/names.ts';
import {userName} from './chat.ts';
import {type Embedded, each, FIRST_REAL_KEY, openEmbedded, publishMade} from './embedded.ts';

export interface MemoryJob {
  readonly step: 'fill' | 'measure';
  readonly directory: string;
  readonly kind: 'hot scopes' | 'hot rows' | 'cold scopes' | 'segments' | 'tables';
  readonly count: number;
}

/** Bytes for each of `count`. `counted` = what the memory limits see of it. */
export interface MemoryFigures {
  readonly resident: number;
  readonly live: number;
  readonly counted: number;
}

const GIB = 1024 ** 3;
const OPTIONS = {
  ...({durability: 'D1', flushCheckMs: 0, memorySoftBytes: 8 * GIB, memoryHardBytes: 9 * GIB} as const),
  compaction: {checkMs: 0, minSegments: 4, deadPercent: 20},
};
const COLUMNS = 'id BIGINT PRIMARY KEY, room INT NOT NULL, body TEXT NOT NULL';
const ROWS_PER_USER = 10;
const SEGMENTS_PER_USER = 10_000;
const SETTLE_MS = 200;

const job = JSON.parse(process.argv[2]!) as MemoryJob;
console.log(JSON.stringify(job.step === 'fill' ? await fillBoth(job) : await measure(job)));
process.exit(0);

/** In another process than what is measured: what it leaves behind would hide what a start needs. */
async function fillBoth({directory, kind, count}: MemoryJob): Promise<null> {
  await fill(`${directory}/empty`, {kind, count: 0});
  await fill(`${directory}/full`, {kind, count});
  return null;
}

async function measure({directory, kind, count}: MemoryJob): Promise<MemoryFigures> {
  const empty = await openEmbedded(`${directory}/empty`, OPTIONS);
  const countedEmpty = await counted(empty);
  await empty.close();
  const before = await held();
  const db = await openEmbedded(`${directory}/full`, OPTIONS);
  const after = await held();
  const countedFull = await counted(db);
  await db.close();
  const of = kind === 'hot rows' ? count * ROWS_PER_USER : count;
  return {
    resident: (after.resident - before.resident) / of,
    live: (after.live - before.live) / of,
    counted: (countedFull - countedEmpty) / of,
  };
}

async function fill(directory: string, {kind, count}: Pick<MemoryJob, 'kind' | 'count'>): Promise<void> {
  const db = await openEmbedded(directory, OPTIONS);
  await db.sql('CREATE NAMESPACE bench');
  await db.sql(`CREATE USER TABLE bench.messages (${COLUMNS})`);
  if (kind === 'hot scopes') await each(count, i => db.sql(rowsOf(1), {user: userName(i)}));
  if (kind === 'hot rows') await each(count, i => db.sql(rowsOf(ROWS_PER_USER), {user: userName(i)}));
  if (kind === 'tables') await each(count, i => db.sql(`CREATE USER TABLE bench.t${i} (${COLUMNS})`));
  await db.close();
  if (count === 0) return;
  const users = (some: number) => Array.from({length: some}, (_, i) => userName(i) as UserId);
  if (kind === 'segments') {
    await publishMade(directory, {scopes: users(count / SEGMENTS_PER_USER), perScope: SEGMENTS_PER_USER});
  }
  if (kind === 'cold scopes') await publishMade(directory, {scopes: users(count), perScope: 1});
}

async function counted(db: Embedded): Promise<number> {
  const rows = await db.sql(
    "SELECT metric_value FROM system.stats WHERE metric_name IN ('hot_bytes', 'cold_manifest_bytes')",
  );
  return rows.reduce((sum, [value]) => sum + Number(value), 0);
}

function rowsOf(count: number): string {
  const rows = Array.from({length: count}, (_, i) => `(${FIRST_REAL_KEY + i}, ${i}, 'a few words of this user')`);
  return `INSERT INTO bench.messages (id, room, body) VALUES ${rows.join(', ')}`;
}

async function held(): Promise<{resident: number; live: number}> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(SETTLE_MS);
  }
  const {rss, heapUsed, external} = process.memoryUsage();
  return {resident: rss, live: heapUsed + external};
}

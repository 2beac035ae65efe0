/**
 * Many: one database of one size, made in one process and measured in another, where a start finds nothing that the making left behind: `node --expose-gc many-main.ts '<job>'` prints a JSON object of figures.
 *
 * What is measured is the database without HTTP, one statement at a time.
 */
import {monitorEventLoopDelay} from 'node:perf_hooks';
import {setTimeout as sleep} from 'node:timers/promises';
import type {UserId} from '../../packages/server/src/model/names.ts';
import {randomOf, userName} from './chat.ts';
import {type Embedded, each, FIRST_REAL_KEY, openEmbedded, publishMade} from './embedded.ts';
import {median} from './report.ts';

export interface ManyJob {
  readonly step: 'fill' | 'measure';
  readonly directory: string;
  readonly seed: number;
  readonly kind: 'users' | 'tables' | 'segments';
  readonly count: number;
}

/** Those of its step. */
export type ManyFigures = Readonly<Partial<Record<Figure, number>>>;
export const FIGURES = ['start', 'read', 'insert', 'flush', 'stall', 'fill'] as const;
export type Figure = (typeof FIGURES)[number];

const GIB = 1024 ** 3;
/** D1: the disk of the machine is not what is asked about. Memory without bound, and a scheduler that looks at everything very often. */
const OPTIONS = {durability: 'D1', memorySoftBytes: 8 * GIB, memoryHardBytes: 9 * GIB} as const;
const QUIET = {...OPTIONS, flushCheckMs: 0, compaction: {checkMs: 0, minSegments: 4, deadPercent: 20}};
const BUSY = {...OPTIONS, flushCheckMs: 300, compaction: {checkMs: 500, minSegments: 4, deadPercent: 20}};
const COLUMNS = 'id BIGINT PRIMARY KEY, room INT NOT NULL, body TEXT NOT NULL';
const ROWS_PER_USER = 3;
const SAMPLES = 2000;
/** What a start has compiled depends on how long it took: all of it has to be compiled before anything is compared. */
const WARM_UP = 10_000;
const FLUSH_USERS = 20;
const STALL_MS = 3000;

const job = JSON.parse(process.argv[2]!) as ManyJob;
console.log(JSON.stringify(await (job.step === 'fill' ? fillSettled(job) : measure(job))));
process.exit(0);

/** Opened and closed once more: a start after the making would copy the log that was written last. */
async function fillSettled(job: ManyJob): Promise<ManyFigures> {
  const fillMs = await timed(() => fill(job, usersOf(job)));
  const db = await openEmbedded(job.directory, QUIET);
  await db.close();
  return {fill: fillMs};
}

function usersOf({kind, count}: ManyJob): number {
  return kind === 'users' ? count : 1000;
}

async function measure(job: ManyJob): Promise<ManyFigures> {
  const {directory, seed} = job;
  const users = usersOf(job);
  const startedMs = performance.now();
  const db = await openEmbedded(directory, QUIET);
  await db.sql(`SELECT body FROM bench.messages WHERE id = ${FIRST_REAL_KEY}`, {user: userName(0)});
  const start = performance.now() - startedMs;
  globalThis.gc?.();
  const random = randomOf(seed);
  const anyUser = () => userName(Math.floor(random() * users));
  const read = await medianMicros(() =>
    db.sql('SELECT body FROM bench.messages WHERE id = $1', {user: anyUser(), params: [{number: `${FIRST_REAL_KEY}`}]}),
  );
  let nextKey = FIRST_REAL_KEY + ROWS_PER_USER;
  const insert = await medianMicros(() =>
    db.sql("INSERT INTO bench.messages (id, room, body) VALUES ($1, 7, 'one more')", {
      user: anyUser(),
      params: [{number: String(nextKey++)}],
    }),
  );
  const flush = await flushMs(db);
  await db.close();
  const stall = await longestStallMs(directory);
  return {start, read, insert, flush, stall};
}

async function fill({directory, kind, count}: ManyJob, users: number): Promise<void> {
  const db = await openEmbedded(directory, QUIET);
  await db.sql('CREATE NAMESPACE bench');
  // Segments are looked through by whoever writes into their scope, so all of them lie in one that everybody writes into.
  const type = kind === 'segments' ? 'SHARED' : 'USER';
  await db.sql(`CREATE ${type} TABLE bench.messages (${COLUMNS})`);
  await db.sql(`CREATE USER TABLE bench.aside (${COLUMNS})`);
  if (kind === 'segments') {
    await db.sql(rowsOf('bench.messages'));
  } else {
    const sql = rowsOf('bench.messages');
    await each(users, i => db.sql(sql, {user: userName(i)}));
  }
  if (kind === 'tables') await each(count, i => db.sql(`CREATE USER TABLE bench.t${i} (${COLUMNS})`));
  await db.close();
  if (kind === 'segments' && count > 0)
    await publishMade(directory, {scopes: [null as UserId | null], perScope: count});
}

function rowsOf(table: string): string {
  const rows = Array.from(
    {length: ROWS_PER_USER},
    (_, i) => `(${FIRST_REAL_KEY + i}, ${i}, 'a few words of this user')`,
  );
  return `INSERT INTO ${table} (id, room, body) VALUES ${rows.join(', ')}`;
}

/** Of a table with few users, beside the many others. */
async function flushMs(db: Embedded): Promise<number> {
  const sql = rowsOf('bench.aside');
  await each(FLUSH_USERS, i => db.sql(sql, {user: userName(i)}));
  return await timed(async () => {
    await db.sql('FLUSH TABLE bench.aside');
    for (;;) {
      const [row] = await db.sql("SELECT status, message FROM system.jobs WHERE table_name = 'bench.aside'");
      if (row?.[0] === 'completed') return;
      if (row?.[0] === 'failed') throw new Error(String(row[1]));
      await sleep(2);
    }
  });
}

/** How long the schedules of flush and compaction hold up everything else at most, when each has looked at everything several times. */
async function longestStallMs(directory: string): Promise<number> {
  const db = await openEmbedded(directory, BUSY);
  globalThis.gc?.();
  const delay = monitorEventLoopDelay({resolution: 1});
  delay.enable();
  await sleep(STALL_MS);
  delay.disable();
  await db.close();
  return delay.max / 1e6;
}

async function medianMicros(run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await run();
  const micros: number[] = [];
  for (let i = 0; i < SAMPLES; i++) micros.push((await timed(run)) * 1000);
  return median(micros);
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return performance.now() - startedMs;
}

/**
 * Memory budget: very many users with a few rows each write more than memory may hold. `KALAMDB_MEMORY_USERS=20000` is a server with 32 and 48 MiB;
 * fewer users have limits and slabs that are as much smaller.
 *
 * Laws: above the soft limit the coldest scopes are flushed, and only as many as help; at the hard limit a write is refused with a code that says
 * "try again", and is taken soon after; what was acknowledged is there, what was refused is not.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Disk} from '../../src/std/disk.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

const USERS = Number(process.env['KALAMDB_MEMORY_USERS'] ?? 2000);
const MIB = 1024 * 1024;
const SCALE = USERS / 20_000;
const LIMITS = {
  memorySoftBytes: Math.round(32 * MIB * SCALE),
  memoryHardBytes: Math.round(48 * MIB * SCALE),
  slabBytes: Math.round(8 * MIB * SCALE),
};
const AT_ONCE = 64;
const ROWS = 3;
const BODY = 'x'.repeat(900);
const RETRIES_MAX = 2000;
const RETRY_MS = 20;
/** Flushing some thousand scopes is as many files, each on disk before it counts. */
const TIMEOUT_MS = 600_000;

/** Nothing is unplugged here, and some thousand files synced one by one would take minutes. */
const unsyncedDisk: Disk = {
  ...realDisk,
  async open(path, mode) {
    const file = await realDisk.open(path, mode);
    return {...file, async datasync() {}};
  },
  async syncDirectory() {},
};

const user = (i: number) => `user-${i}`;

test('small scopes of very many users go through a small memory, and nothing is lost', {
  timeout: TIMEOUT_MS,
}, async () => {
  const db = await openTestDatabase({
    ...LIMITS,
    disk: unsyncedDisk,
    flushCheckMs: 1000,
    jobs: {maxConcurrent: 4, maxRetries: 3, retryBackoffMs: 1, keepFinishedDays: 7},
  });
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql('CREATE USER TABLE app.notes (id INT PRIMARY KEY, body TEXT NOT NULL)');
    const load = new Load(db);
    await load.run();
    assert.ok(load.refusals > 0, 'the hard limit was met');
    assert.ok(
      load.bytesMax <= LIMITS.memoryHardBytes + LIMITS.slabBytes * 1.25,
      `${load.bytesMax} bytes: hardly more than a slab above the limit`,
    );
    await settled(db);
    const flushed = await memoryFlushes(db);
    assert.ok(
      flushed.some(one => one.scopes_flushed > 0),
      'inserts alone made flushes',
    );
    await checkColdestWent(db);
    await db.sql("INSERT INTO app.notes (id, body) VALUES (99, 'healed')", {user: user(0)});
    await checkAll(db, load);
    await db.restart();
    await checkAll(db, load);
  } finally {
    await db.stop();
  }
});

test('manifests that fill the hard limit by themselves refuse inserts, say so, and let everything pass that makes room', async () => {
  const limits = {memorySoftBytes: 200_000, memoryHardBytes: 250_000, slabBytes: 8 * 1024};
  const db = await openTestDatabase({...limits, disk: unsyncedDisk, flushCheckMs: 50});
  const flushed = async () => {
    await db.sql('STORAGE FLUSH TABLE app.t');
    while ((await activeJobs(db)) > 0) await systemClock.sleep(RETRY_MS);
  };
  const isRefused = (error: unknown) =>
    error instanceof DbError &&
    error.code === 'MEMORY_LIMIT' &&
    /manifests of flushed rows: compaction/.test(error.message);
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql('CREATE USER TABLE app.t (id INT PRIMARY KEY)');
    const write = (i: number) =>
      db.sql('INSERT INTO app.t (id) VALUES (1), (2)', {user: user(i)}).catch(error => error);
    let answer: unknown;
    for (let i = 0; i < 2000 && !isRefused(answer); i++) {
      if (!((await write(i)) instanceof Error)) continue;
      await flushed();
      answer = await write(i);
    }
    assert.ok(isRefused(answer), String(answer));
    await db.sql('DELETE FROM app.t WHERE id = 1', {user: user(0)});
    await flushed();
    assert.deepEqual((await db.sql('SELECT id FROM app.t', {user: user(0)})).rows, [[2]]);
    await db.sql('DROP TABLE app.t');
    await db.sql('CREATE USER TABLE app.t (id INT PRIMARY KEY)');
    // The names of its files are rows too, until they are deleted.
    for (let tries = 0; (await write(0)) instanceof Error; tries++) {
      assert.ok(tries < RETRIES_MAX, 'dropping a table makes room');
      await systemClock.sleep(RETRY_MS);
    }
  } finally {
    await db.stop();
  }
});

/** Each user writes once, in order; a refused write is tried again until it is taken. */
class Load {
  readonly #db: TestDatabase;
  refusals = 0;
  bytesMax = 0;
  #next = 0;

  constructor(db: TestDatabase) {
    this.#db = db;
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({length: AT_ONCE}, () => this.#write()));
  }

  async #write(): Promise<void> {
    const rows = Array.from({length: ROWS}, (_, i) => `(${i}, '${BODY}')`).join(', ');
    for (let i = this.#next++; i < USERS; i = this.#next++) {
      await this.#insisted(`INSERT INTO app.notes (id, body) VALUES ${rows}`, user(i));
      if (i % 100 === 0) this.bytesMax = Math.max(this.bytesMax, await stat(this.#db, 'hot_bytes'));
    }
  }

  async #insisted(sql: string, user: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.#db.sql(sql, {user});
        return;
      } catch (error) {
        if (!(error instanceof DbError) || error.code !== 'MEMORY_LIMIT' || tries === RETRIES_MAX) throw error;
        this.refusals++;
        await systemClock.sleep(RETRY_MS);
      }
    }
  }
}

async function stat(db: TestDatabase, name: string): Promise<number> {
  const {rows} = await db.sql(`SELECT metric_value FROM system.stats WHERE metric_name = '${name}'`);
  return Number(rows[0]![0]);
}

async function settled(db: TestDatabase): Promise<void> {
  while ((await activeJobs(db)) > 0 || (await stat(db, 'hot_bytes')) > LIMITS.memorySoftBytes) {
    await systemClock.sleep(RETRY_MS);
  }
}

async function activeJobs(db: TestDatabase): Promise<number> {
  const {rows} = await db.sql("SELECT job_id FROM system.jobs WHERE status IN ('queued', 'running', 'retrying')");
  return rows.length;
}

async function memoryFlushes(db: TestDatabase): Promise<{scopes_flushed: number}[]> {
  const {rows} = await db.sql("SELECT status, message, result FROM system.jobs WHERE job_type = 'flush'");
  for (const [status, message] of rows) assert.equal(status, 'completed', String(message));
  return rows.map(row => JSON.parse(String(row[2]))).filter(result => result.trigger === 'memory');
}

/** The users who wrote first are in segments, and those who wrote last are still in memory. */
async function checkColdestWent(db: TestDatabase): Promise<void> {
  const plan = async (i: number) =>
    (await db.sql('EXPLAIN SELECT id FROM app.notes', {user: user(i)})).rows.map(row => row.join(' ')).join('\n');
  assert.match(await plan(0), /hot rows: 0\ncold rows: 3/);
  assert.match(await plan(USERS - 1), /hot rows: 3\ncold rows: 0/);
}

async function checkAll(db: TestDatabase, load: Load): Promise<void> {
  for (let i = 0; i < USERS; i++) {
    const {rows} = await db.sql('SELECT id, body FROM app.notes', {user: user(i)});
    const expected = Array.from({length: ROWS}, (_, id) => [id, BODY]);
    if (i === 0) expected.push([99, 'healed']);
    assert.deepEqual(rows, expected, `${user(i)}, after ${load.refusals} refusals`);
  }
}

/**
 * Compaction on a simulated disk: cut off at every operation, and in random histories against a plain Map.
 *
 * The matrix runs one compaction again and again; each time the process dies, or power is lost, one disk operation later. What the next start finds
 * must be the segments from before or from after, the same rows, and in the end no file that nobody lists.
 * A history mixes statements, flushes, compactions, expiring tombstones, restarts, deaths and power losses with readers that are held up in the middle
 * of segments: each must read the moment it began at (I1, I3, I6, I15). One seed gives one history.
 *
 * KALAMDB_COMPACT_SEEDS=200 runs more histories, KALAMDB_COMPACT_SEED=7 replays one.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import type {Result} from '../test-database.ts';
import {
  allRows,
  checkFiles,
  compactToTheEnd,
  DIRECTORY,
  type Durability,
  type Ending,
  ofUser,
  quiet,
  segmentNames,
  TICK_MS,
  toTheEnd,
  turn,
  World,
} from './compact-world.ts';

const FILE = 'packages/server/test/sim/compact.test.ts';
const SEEDS_FAST = 12;
const STEPS = 60;

const CUTS: [how: Ending, durability: Durability][] = [
  ['kill', 'D2'],
  ['power', 'D2'],
  ['power', 'D1'],
];

for (const [how, durability] of CUTS) {
  test(`${how} at any disk operation of a compaction at ${durability} leaves all of it or nothing, and no file behind`, async () => {
    const reference = await preparedWorld(durability);
    const before = await segmentNames(reference);
    const rows = await allRows(reference);
    assert.equal(before.size, 5, 'there is something to compact');
    reference.cut = {at: Number.POSITIVE_INFINITY, how};
    await compactToTheEnd(reference);
    const {operations} = reference;
    assert.ok(operations > 40, `it has ${operations} operations`);
    assert.deepEqual(await allRows(reference), rows, 'the whole of it changes no row');
    const after = await segmentNames(reference);
    assert.equal(after.size, 1, 'ben has one segment left, ana none');
    await checkFiles(reference);
    for (let at = 0; at < operations; at++) {
      const why = `${how} before operation ${at}`;
      const world = await preparedWorld(durability);
      world.cut = {at, how};
      await compactToTheEnd(world);
      assert.ok(world.isOver, why);
      await world.start();
      const found = await segmentNames(world);
      for (const user of ['ana', 'ben']) {
        const isOldOrNew = [before, after].some(names => ofUser(names, user) === ofUser(found, user));
        assert.ok(isOldOrNew, `${why}: ${[...found]}`);
      }
      assert.deepEqual(await allRows(world), rows, why);
      await quiet(world);
      await checkFiles(world, why);
      assert.deepEqual(await allRows(world), rows, why);
      await compactToTheEnd(world);
      await checkFiles(world, why);
      assert.equal((await segmentNames(world)).size, 1, `${why}: it can be done again`);
      await world.close();
    }
  });
}

test('a checkpoint between a compaction and the removal of what it replaced: the next start removes it', async () => {
  const world = await preparedWorld('D2', 2048);
  const before = await segmentNames(world);
  await allRows(world);
  const reader = world.holdNextRead();
  const reading = world.sql('SELECT * FROM app.t', {user: 'ben'});
  reading.catch(() => undefined);
  await world.settle(reader.reached);
  await world.settle(toTheEnd(world, 'STORAGE COMPACT TABLE app.t'));
  const compacted = await watermark(world);
  const isPast = async () => {
    const names = await world.disk.list(`${DIRECTORY}/checkpoint`);
    return names.some(name => /^checkpoint-\d+$/.test(name) && BigInt(name.slice(11)) >= compacted);
  };
  for (let i = 0; !(await isPast()); i++) {
    assert.ok(i < 500, 'a checkpoint comes');
    await world.settle(world.sql(`UPDATE app.t SET v = '${i}${'x'.repeat(300)}' WHERE id = 4`, {user: 'ben'}));
  }
  for (const path of before) {
    if (!path.startsWith('app/t/ben/')) continue;
    assert.ok(
      (await world.disk.list(`${DIRECTORY}/storage/app/t/ben`)).some(name => path.endsWith(name)),
      'it is held',
    );
  }
  world.end('kill');
  await world.start();
  await quiet(world);
  await checkFiles(world);
});

async function watermark(world: World): Promise<bigint> {
  const {rows} = (await world.settle(
    world.sql("SELECT metric_value FROM system.stats WHERE metric_name = 'watermark_seq'"),
  ))!;
  return BigInt(String(rows[0]![0]));
}

/** Two scopes with small segments, dead rows and tombstones (all that ana has left is hot), in a fresh life. */
async function preparedWorld(durability: Durability, checkpointLogBytes = 64 * 1024 * 1024): Promise<World> {
  const world = new World(1, {isPaced: false, durability, retentionHours: 0, checkpointLogBytes});
  await world.start();
  await world.settle(prepare(world));
  await world.close();
  await world.start();
  return world;
}

async function prepare(world: World): Promise<void> {
  await world.sql('CREATE NAMESPACE app');
  await world.sql('CREATE USER TABLE app.t (id BIGINT PRIMARY KEY, v TEXT)');
  for (const user of ['ana', 'ben']) {
    await world.sql("INSERT INTO app.t (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')", {user});
  }
  await toTheEnd(world, 'FLUSH TABLE app.t');
  await world.sql("UPDATE app.t SET v = 'new' WHERE id = 1", {user: 'ben'});
  await world.sql('DELETE FROM app.t WHERE id < 4', {user: 'ana'});
  await world.sql('DELETE FROM app.t WHERE id = 2', {user: 'ben'});
  await toTheEnd(world, 'FLUSH TABLE app.t');
  await world.sql("INSERT INTO app.t (id, v) VALUES (5, 'e')", {user: 'ben'});
  await world.sql('DELETE FROM app.t WHERE id = 4', {user: 'ana'});
  await toTheEnd(world, 'FLUSH TABLE app.t');
  await world.sql("INSERT INTO app.t (id, v) VALUES (2, 'hot')", {user: 'ana'});
  await world.sql("UPDATE app.t SET v = 'hot' WHERE id = 4", {user: 'ben'});
}

const only = process.env['KALAMDB_COMPACT_SEED'];
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(process.env['KALAMDB_COMPACT_SEEDS'] ?? SEEDS_FAST) : 1;

test(`I1, I3, I6, I15: ${count} histories with compactions equal their model`, async () => {
  const met: Met = {compactions: 0, merged: 0, tombstones: 0, readers: 0};
  for (let seed = first; seed < first + count; seed++) {
    const history = new History(seed, met);
    try {
      await history.run();
    } catch (error) {
      const replay = `KALAMDB_COMPACT_SEED=${seed} node --test ${FILE}`;
      throw new Error(`Seed ${seed} failed. Replay: ${replay}\n${history.trace.slice(-15).join('\n')}`, {cause: error});
    }
  }
  for (const [what, times] of Object.entries(met)) assert.ok(only !== undefined || times > 0, `no history met ${what}`);
});

type Rows = Map<string, string>;

/** How often what matters came up in all histories: a test that meets nothing proves nothing. */
interface Met {
  compactions: number;
  merged: number;
  tombstones: number;
  readers: number;
}

class History {
  readonly trace: string[] = [];
  readonly #random: () => number;
  readonly #world: World;
  readonly #met: Met;
  readonly #models = new Map<string, Rows>([
    ['ana', new Map()],
    ['ben', new Map()],
  ]);
  /** Readers under way, and what each must find. */
  #readers: {work: Promise<Result>; expected: unknown; what: string}[] = [];
  #counter = 0;

  constructor(seed: number, met: Met) {
    this.#random = seededRandom(seed);
    this.#met = met;
    this.#world = new World(seed, {
      isPaced: true,
      retentionHours: seed % 3 === 0 ? 1 : 0,
      checkpointLogBytes: seed % 4 === 0 ? 4096 : 64 * 1024 * 1024,
      compaction: {checkMs: seed % 2 === 0 ? 700 : 0, minSegments: 3, deadPercent: 20},
    });
  }

  async run(): Promise<void> {
    await this.#world.start();
    await this.#do('CREATE NAMESPACE app');
    await this.#do('CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)');
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      if (this.#random() < 0.3) await this.#check();
    }
    await this.#readersDone();
    await this.#check();
    await quiet(this.#world);
    await checkFiles(this.#world);
    await this.#count();
    await this.#world.close();
  }

  async #step(): Promise<void> {
    const dice = this.#random();
    const user = this.#random() < 0.7 ? 'ana' : 'ben';
    if (dice < 0.45) await this.#write(user);
    else if (dice < 0.55) await this.#wide(user);
    else if (dice < 0.67) await this.#job('FLUSH TABLE app.t');
    else if (dice < 0.79) await this.#job('STORAGE COMPACT TABLE app.t');
    else if (dice < 0.88) await this.#read(user);
    else if (dice < 0.94) await this.#world.advance(Math.floor(this.#random() * 2 * TICK_MS));
    else await this.#restart();
  }

  async #write(user: string): Promise<void> {
    const rows = this.#models.get(user)!;
    const id = String(Math.floor(this.#random() * 12));
    const v = `v${++this.#counter}`;
    const dice = this.#random();
    if (dice < 0.5) {
      const wasThere = rows.has(id);
      this.#say(`${user}: insert ${id} ${v}${wasThere ? ' (taken)' : ''}`);
      const outcome = await this.#do(`INSERT INTO app.t (v, id) VALUES ('${v}', ${id})`, user).catch(
        (error: unknown) => {
          if (error instanceof DbError && error.message.includes('already exists')) return 'taken';
          throw error;
        },
      );
      assert.equal(outcome === 'taken', wasThere, `insert of ${id}`);
      if (!wasThere) rows.set(id, v);
    } else {
      const isDelete = dice > 0.8;
      this.#say(`${user}: ${isDelete ? 'delete' : 'update'} ${id} ${v}`);
      const sql = isDelete ? 'DELETE FROM app.t' : `UPDATE app.t SET v = '${v}'`;
      const {rowCount} = await this.#do(`${sql} WHERE id = ${id}`, user);
      assert.equal(rowCount, rows.has(id) ? 1 : 0, `${sql} of ${id}`);
      if (!rows.has(id)) return;
      if (isDelete) rows.delete(id);
      else rows.set(id, v);
    }
  }

  async #wide(user: string): Promise<void> {
    const rows = this.#models.get(user)!;
    const limit = Math.floor(this.#random() * 12);
    const v = `w${++this.#counter}`;
    const isDelete = this.#random() < 0.3;
    this.#say(`${user}: ${isDelete ? 'delete' : 'update'} from ${limit} ${v}`);
    const sql = isDelete ? 'DELETE FROM app.t' : `UPDATE app.t SET v = '${v}'`;
    const {rowCount} = await this.#do(`${sql} WHERE id >= ${limit}`, user);
    const hit = [...rows.keys()].filter(id => Number(id) >= limit);
    assert.equal(rowCount, hit.length, sql);
    for (const id of hit) {
      if (isDelete) rows.delete(id);
      else rows.set(id, v);
    }
  }

  /** Starts it; what follows happens beside it. */
  async #job(statement: string): Promise<void> {
    this.#say(statement);
    await this.#do(statement).catch((error: unknown) => {
      if (!(error instanceof DbError && error.message.includes('already running'))) throw error;
    });
    for (let turns = Math.floor(this.#random() * 80); turns > 0; turns--) await turn();
  }

  /** A reader takes its snapshot in the turn it is called; it may be held up in any segment while others go on. */
  async #read(user: string): Promise<void> {
    this.#met.readers++;
    const isReverse = this.#random() < 0.5;
    const expected = expectedRows(this.#models.get(user)!);
    if (isReverse) expected.reverse();
    this.#say(`${user}: read${isReverse ? ' backwards' : ''}`);
    const sql = `SELECT id, v FROM app.t ORDER BY id${isReverse ? ' DESC' : ''}`;
    const work = this.#world.sql(sql, {user});
    work.catch(() => undefined);
    this.#readers.push({work, expected, what: this.trace.at(-1)!});
    if (this.#readers.length > 6) await this.#readersDone();
  }

  async #readersDone(): Promise<void> {
    for (const {work, expected, what} of this.#readers) {
      const result = await this.#world.settle(work);
      assert.deepEqual(result!.rows, expected, `a reader of an earlier moment: ${what}`);
    }
    this.#readers = [];
  }

  async #restart(): Promise<void> {
    const dice = this.#random();
    this.#say(dice < 0.4 ? 'restart' : dice < 0.7 ? 'kill' : 'power loss');
    await this.#count();
    if (dice < 0.4) {
      await this.#readersDone();
      await this.#world.close();
    } else {
      this.#readers = [];
      this.#world.end(dice < 0.7 ? 'kill' : 'power');
    }
    if (this.#random() < 0.5) this.#world.skip(2 * 3_600_000);
    assert.ok(await this.#world.start());
  }

  async #check(): Promise<void> {
    for (const [user, rows] of this.#models) {
      const found = await this.#do('SELECT id, v FROM app.t', user);
      assert.deepEqual(found.rows, expectedRows(rows), `rows of ${user}`);
      const id = Math.floor(this.#random() * 12);
      const point = await this.#do(`SELECT v FROM app.t WHERE id = ${id}`, user);
      assert.deepEqual(point.rows, rows.has(String(id)) ? [[rows.get(String(id))]] : [], `row ${id} of ${user}`);
    }
  }

  async #count(): Promise<void> {
    const {rows} = await this.#do("SELECT result FROM system.jobs WHERE job_type = 'compact' AND status = 'completed'");
    for (const [result] of rows) {
      const {files_removed: removed, files_written: written, tombstones_dropped: dropped} = JSON.parse(String(result));
      this.#met.compactions++;
      if (removed > written && written > 0) this.#met.merged++;
      this.#met.tombstones += dropped;
    }
  }

  async #do(sql: string, user?: string): Promise<Result> {
    const result = await this.#world.settle(this.#world.sql(sql, user === undefined ? {} : {user}));
    return result!;
  }

  #say(text: string): void {
    this.trace.push(text);
  }
}

function expectedRows(rows: Rows): unknown[][] {
  return [...rows].sort(([a], [b]) => Number(a) - Number(b));
}

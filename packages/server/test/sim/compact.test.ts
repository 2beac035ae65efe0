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
import {type Database, type DatabaseOptions, openDatabase} from '../../src/database.ts';
import type {Disk, DiskFile} from '../../src/std/disk.ts';
import {SimClock, seededIds, seededRandom} from '../../src/std/sim-clock.ts';
import {SimDisk} from '../../src/std/sim-disk.ts';
import {type Cell, jobIdOf, type Result, runOne, type SqlOptions, TEST_OPTIONS} from '../test-database.ts';

const FILE = 'packages/server/test/sim/compact.test.ts';
const SEEDS_FAST = 12;
const STEPS = 60;
const DIRECTORY = 'data';
const TICK_MS = 1000;
const OVER = ['completed', 'failed', 'cancelled', 'skipped'];

type Ending = 'kill' | 'power';
type Durability = DatabaseOptions['durability'];

/** A database on a simulated disk, one life after the other. Time goes on only while somebody waits. */
class World {
  readonly disk = new SimDisk();
  readonly #options: Partial<DatabaseOptions>;
  readonly #random: () => number;
  readonly #isPaced: boolean;
  readonly #seed: number;
  #lives = 0;
  #nowMs = Date.UTC(2026, 0, 1);
  #clock = new SimClock();
  #database: Database | undefined;
  #isOver = true;
  /** Disk operations of this life. */
  operations = 0;
  /** The life ends before the operation of this number. */
  cut: {at: number; how: Ending} | undefined;

  /** `isPaced`: reads of segments take more or less turns of the loop, so that whoever reads meets what happens meanwhile. */
  constructor(seed: number, {isPaced, ...options}: {isPaced: boolean} & Partial<DatabaseOptions>) {
    this.#seed = seed;
    this.#isPaced = isPaced;
    this.#options = options;
    this.#random = seededRandom(seed * 31 + 7);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** False if the life was cut off before it was open. */
  async start(): Promise<boolean> {
    this.#lives++;
    this.#isOver = false;
    this.operations = 0;
    this.#clock = new SimClock(this.#nowMs);
    const opening = openDatabase({
      ...TEST_OPTIONS,
      durability: 'D2',
      flushCheckMs: TICK_MS,
      logSegmentBytes: 64 * 1024,
      ...this.#options,
      directory: DIRECTORY,
      disk: this.#mount(),
      clock: this.#clock,
      ids: seededIds(this.#seed * 1000 + this.#lives),
      isLocked: false,
      inlineEncoding: true,
    });
    this.#database = await this.settle(opening);
    return !this.#isOver;
  }

  async sql(text: string, options?: SqlOptions): Promise<Result> {
    return await runOne(this.#database!, text, options);
  }

  /** Lets the world run until the work is done; undefined if the life ended first. Work of an ended life reaches nobody. */
  async settle<T>(work: Promise<T>): Promise<T | undefined> {
    let isDone = false;
    const done = () => {
      isDone = true;
    };
    work.then(done, done);
    for (let turns = 0; !isDone && !this.#isOver; turns++) {
      assert.ok(turns < 200_000, 'somebody waits for ever');
      await turn();
      if (turns % 50 === 49) await this.#clock.advance(20);
    }
    return this.#isOver ? undefined : await work;
  }

  async advance(ms: number): Promise<void> {
    await this.settle(this.#clock.advance(ms).then(turn));
  }

  async close(): Promise<void> {
    await this.settle(this.#database!.close());
    this.end('kill');
  }

  end(how: Ending): void {
    this.#isOver = true;
    this.#nowMs = this.#clock.nowMs();
    this.cut = undefined;
    if (how === 'power') this.disk.crash(this.#random);
    else this.disk.kill();
  }

  /** Time that passes while nothing runs. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }

  #mount(): Disk {
    const disk = this.disk.mount();
    const step = async (path: string) => {
      if (this.cut !== undefined && this.operations++ >= this.cut.at) this.end(this.cut.how);
      else if (this.#isPaced && path.endsWith('.parquet') && this.#random() < 0.3)
        for (let turns = Math.floor(this.#random() * 60); turns > 0; turns--) await turn();
    };
    const counted = <Args extends [string, ...unknown[]], T>(work: (...args: Args) => Promise<T>) => {
      return async (...args: Args): Promise<T> => {
        await step(args[0]);
        return await work(...args);
      };
    };
    return {
      ...disk,
      open: async (path, mode) => {
        await step(path);
        return this.#fileOf(await disk.open(path, mode), path, step);
      },
      rename: counted(disk.rename),
      remove: counted(disk.remove),
      makeDirectory: counted(disk.makeDirectory),
      removeDirectory: counted(disk.removeDirectory),
      syncDirectory: counted(disk.syncDirectory),
    };
  }

  #fileOf(file: DiskFile, path: string, step: (path: string) => Promise<void>): DiskFile {
    const now = () => {
      if (this.cut !== undefined && this.operations++ >= this.cut.at) this.end(this.cut.how);
    };
    return {
      ...file,
      read: (position, length) => file.read(position, length),
      async write(bytes, position) {
        await step(path);
        await file.write(bytes, position);
      },
      writeNow(bytes, position) {
        now();
        file.writeNow(bytes, position);
      },
      async datasync() {
        await step(path);
        await file.datasync();
      },
      datasyncNow() {
        now();
        file.datasyncNow();
      },
    };
  }
}

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

/** Two scopes with small segments, dead rows and tombstones (all that ana has left is hot), in a fresh life. */
async function preparedWorld(durability: Durability): Promise<World> {
  const world = new World(1, {isPaced: false, durability, retentionHours: 0});
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

/** Until what it replaced is deleted. */
async function compactToTheEnd(world: World): Promise<void> {
  const work = async () => {
    await toTheEnd(world, 'STORAGE COMPACT TABLE app.t');
  };
  await world.settle(work().catch(ignoreEnd(world)));
  await quiet(world);
}

/** Every job has ended, those too that a start or the schedule made, and every replaced file is deleted. */
async function quiet(world: World): Promise<void> {
  for (let looks = 0; !world.isOver; looks++) {
    assert.ok(looks < 50, 'it never becomes quiet');
    await world.advance(TICK_MS + 1);
    // What a tick began takes turns of its own.
    for (let turns = 0; turns < 300 && !world.isOver; turns++) await turn();
    const isQuiet = async () => {
      const {rows: jobs} = await world.sql('SELECT status FROM system.jobs');
      const {rows: left} = await world.sql("SELECT * FROM system.stats WHERE metric_name = 'files_to_delete'");
      return jobs.every(([status]) => OVER.includes(String(status))) && left[0]![1] === '0';
    };
    if ((await world.settle(isQuiet().catch(ignoreEnd(world)))) === true) return;
  }
}

function ignoreEnd(world: World): (error: unknown) => undefined {
  return error => {
    if (!world.isOver) throw error;
  };
}

async function toTheEnd(world: World, statement: string): Promise<Record<string, Cell>> {
  const jobId = jobIdOf(await world.sql(statement));
  for (;;) {
    const {columns, rows} = await world.sql('SELECT * FROM system.jobs WHERE job_id = $1', {params: [jobId]});
    const job = Object.fromEntries(columns.map((name, i) => [name, rows[0]![i]!]));
    if (OVER.includes(String(job['status']))) {
      assert.equal(job['status'], 'completed', String(job['message']));
      return job;
    }
    await turn();
  }
}

async function allRows(world: World): Promise<unknown> {
  const read = async () => {
    const both: unknown[] = [];
    for (const user of ['ana', 'ben']) both.push((await world.sql('SELECT id, v, _seq FROM app.t', {user})).rows);
    return both;
  };
  return await world.settle(read());
}

/** Paths of the segments that manifests list. */
async function segmentNames(world: World): Promise<Set<string>> {
  const {rows} = (await world.settle(world.sql('SELECT scope, manifest_json FROM system.manifest')))!;
  return new Set(
    rows.flatMap(([user, json]) => {
      const {segments} = JSON.parse(String(json)) as {segments: {path: string}[]};
      return segments.map(segment => `app/t/${user}/${segment.path}`);
    }),
  );
}

function ofUser(paths: ReadonlySet<string>, user: string): string {
  return [...paths].filter(path => path.startsWith(`app/t/${user}/`)).join(' ');
}

/** Files are exactly the listed segments and their mirrors. */
async function checkFiles(world: World, why = ''): Promise<void> {
  const listed = await segmentNames(world);
  const folders = new Set([...listed].map(path => path.slice(0, path.lastIndexOf('/'))));
  const mirrors = [...folders].flatMap(folder => [`${folder}/manifest.json`, `${folder}/manifest.json.tmp`]);
  const found = await filesBelow(world.disk, `${DIRECTORY}/storage`, '');
  // A mirror is written after the publish: a death in between leaves none, the one before, or a beginning that the next one replaces.
  const withoutMirrors = found.filter(path => !mirrors.includes(path));
  assert.deepEqual(withoutMirrors.sort(), [...listed].sort(), why);
}

async function filesBelow(disk: SimDisk, base: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await disk.list(`${base}/${folder}`)) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const below = await disk.list(`${base}/${path}`).catch(() => undefined);
    if (below === undefined) found.push(path);
    else found.push(...(await filesBelow(disk, base, path)));
  }
  return found;
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
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

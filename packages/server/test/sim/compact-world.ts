/**
 * Compact world: a database on a simulated disk, one life after the other, for the tests of compaction.
 *
 * Laws: one seed gives one history: time, ids, the pace of the disk and its fate at a power loss come from it. What a life that ended still does
 * reaches nobody. Nobody waits for ever.
 */
import assert from 'node:assert/strict';
import {type Database, type DatabaseOptions, openDatabase} from '../../src/database.ts';
import type {Disk, DiskFile} from '../../src/std/disk.ts';
import {SimClock, seededIds, seededRandom} from '../../src/std/sim-clock.ts';
import {SimDisk} from '../../src/std/sim-disk.ts';
import {type Cell, jobIdOf, type Result, runOne, type SqlOptions, TEST_OPTIONS} from '../test-database.ts';

export const DIRECTORY = 'data';
export const TICK_MS = 1000;
const OVER = ['completed', 'failed', 'cancelled', 'skipped'];

export type Ending = 'kill' | 'power';
export type Durability = DatabaseOptions['durability'];

/** A database on a simulated disk, one life after the other. Time goes on only while somebody waits. */
export class World {
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
  #held: {reached: PromiseWithResolvers<void>; leave: Promise<void>} | undefined;
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

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Of this life. */
  get live(): Database['live'] {
    return this.#database!.live;
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

  /** Who next opens a segment to read it stands still for the rest of this life. */
  holdNextRead(): {reached: Promise<void>} {
    const reached = Promise.withResolvers<void>();
    this.#held = {reached, leave: new Promise(() => {})};
    return {reached: reached.promise};
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
        if (mode === 'read' && path.endsWith('.parquet')) await this.#passGate();
        return this.#fileOf(await disk.open(path, mode), path, step);
      },
      rename: counted(disk.rename),
      remove: counted(disk.remove),
      makeDirectory: counted(disk.makeDirectory),
      removeDirectory: counted(disk.removeDirectory),
      syncDirectory: counted(disk.syncDirectory),
    };
  }

  async #passGate(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    held?.reached.resolve();
    await held?.leave;
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

/** Until what it replaced is deleted. */
export async function compactToTheEnd(world: World): Promise<void> {
  const work = async () => {
    await toTheEnd(world, 'STORAGE COMPACT TABLE app.t');
  };
  await world.settle(work().catch(ignoreEnd(world)));
  await quiet(world);
}

/** Every job has ended, those too that a start or the schedule made, and every replaced file is deleted. */
export async function quiet(world: World): Promise<void> {
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

export async function toTheEnd(world: World, statement: string): Promise<Record<string, Cell>> {
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

export async function allRows(world: World): Promise<unknown> {
  const read = async () => {
    const both: unknown[] = [];
    for (const user of ['ana', 'ben']) both.push((await world.sql('SELECT id, v, _seq FROM app.t', {user})).rows);
    return both;
  };
  return await world.settle(read());
}

/** Paths of the segments that manifests list. */
export async function segmentNames(world: World): Promise<Set<string>> {
  const {rows} = (await world.settle(world.sql('SELECT scope, manifest_json FROM system.manifest')))!;
  return new Set(
    rows.flatMap(([user, json]) => {
      const {segments} = JSON.parse(String(json)) as {segments: {path: string}[]};
      return segments.map(segment => `app/t/${user}/${segment.path}`);
    }),
  );
}

export function ofUser(paths: ReadonlySet<string>, user: string): string {
  return [...paths].filter(path => path.startsWith(`app/t/${user}/`)).join(' ');
}

/** Files are exactly the listed segments and their mirrors. */
export async function checkFiles(world: World, why = ''): Promise<void> {
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

export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

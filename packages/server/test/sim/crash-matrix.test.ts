/**
 * Crash matrix: what a start finds when the life before it ended before or after any one disk operation of a flush, a checkpoint, a DROP TABLE or a
 * start.
 *
 * Each protocol is written down as a table: its steps in order, and what is true once a step is durable. An undisturbed run must do exactly
 * these operations; then a run is cut at each of them, before and after its effect, by the death of the process and by power loss. Until a log
 * record is synced either side of it may be found; at all other points there is one right state.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DatabaseOptions} from '../../src/database.ts';
import {SimDisk} from '../../src/std/sim-disk.ts';
import type {Cell} from '../test-database.ts';
import {
  assertOneOf,
  attempt,
  cut,
  flush,
  inContext,
  jobsOver,
  logged,
  must,
  operationOf,
  type Protocol,
  quiet,
  record,
  removed,
  type Step,
  start,
  worldFor,
  written,
} from './crash-cuts.ts';
import {DIRECTORY, type SimWorld} from './sim-world.ts';

const TABLE = 'CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)';

const TICK_MS = 100_000;

const OPTIONS: Partial<DatabaseOptions> = {
  durability: 'D2',
  logSegmentBytes: 64 * 1024,
  slabBytes: 64 * 1024,
  flushCheckMs: TICK_MS,
  // One after the other, so that a flush has one order of operations.
  flushScopesAtOnce: 1,
  jobs: {maxConcurrent: 4, maxRetries: 1, retryBackoffMs: 1, keepFinishedDays: 7},
};

function flushOf(user: 'ana' | 'ben'): Step[] {
  return [
    logged(`${user}: what is in flight is waited for`),
    logged(`${user}: the name of the segment is pending`),
    written(`${user}: the segment`, `${user}/segment`),
    logged(`${user}: publish: the segment is listed, its rows are no longer hot`, {[user]: 'flushed'}),
    written(`${user}: the mirror of the manifest`, `${user}/manifest.json`),
  ];
}

const FLUSH: readonly Step[] = [
  logged('the job is queued', {job: 'queued'}),
  logged('the job runs, with its lease', {job: 'running'}),
  ...flushOf('ana'),
  ...flushOf('ben'),
  logged('the job has completed', {job: 'completed'}),
];

const DROP: readonly Step[] = [
  logged('the table is gone, the names of its files are pending', {table: 'dropped'}),
  logged('the job is queued', {job: 'queued'}),
  logged('the job runs', {job: 'running'}),
  removed(
    'the files go',
    [...['ana/segment', 'ana/segment', 'ana/manifest.json'], ...['ben/segment', 'ben/segment', 'ben/manifest.json']],
    {ana: ['data/storage/app/t'], ben: ['data/storage/app/t', 'data/storage/app']},
  ),
  logged('the names are forgotten'),
  logged('the job has completed', {job: 'completed'}),
];

/** With room for two names in a batch: those of a scope that has more come before. */
const DROP_MANY: readonly Step[] = [
  logged("the names of ana's files are pending, though listed"),
  logged("so are those of ben's"),
  ...DROP,
];

const CHECKPOINT: readonly Step[] = [
  written('the image', 'checkpoint/image'),
  {what: 'of three images the oldest goes', operations: ['remove checkpoint/image'], leaves: {}},
  {what: 'the log that the older of the two newest images holds goes', operations: ['remove log'], leaves: {}},
];

/** The rows of both users before the protocol is run, and after: it changes none. */
const ROWS = {
  ana: [
    ['new', '1'],
    ['again', '3'],
    ['hot', '5'],
  ],
  ben: [
    ['ben', '1'],
    ['new', '2'],
  ],
};

async function withSegments(world: SimWorld): Promise<void> {
  await must(world, 'CREATE NAMESPACE app');
  await must(world, TABLE);
  await must(world, "INSERT INTO app.t (v, id) VALUES ('old', 1), ('old', 2), ('old', 3)", 'ana');
  await must(world, "INSERT INTO app.t (v, id) VALUES ('ben', 1), ('old', 2)", 'ben');
  await flush(world);
  await must(world, "UPDATE app.t SET v = 'new' WHERE id = 1", 'ana');
  await must(world, 'DELETE FROM app.t WHERE id = 2', 'ana');
  await must(world, 'DELETE FROM app.t WHERE id = 3', 'ana');
  await must(world, "INSERT INTO app.t (v, id) VALUES ('again', 3), ('hot', 5)", 'ana');
  await must(world, "UPDATE app.t SET v = 'new' WHERE id = 2", 'ben');
}

/** Nothing of ana's first segment lives on; one row of ben's does. */
const FLUSHED = {ana: '1 segments, in_sync', ben: '2 segments, in_sync'};
const UNFLUSHED = '1 segments, pending_write';

const flushProtocol: Protocol = {
  name: 'a flush',
  options: OPTIONS,
  steps: FLUSH,
  isStep: () => true,
  prepare: withSegments,
  async act(world) {
    if ((await attempt(world, 'FLUSH TABLE app.t')) !== undefined) await jobsOver(world);
  },
  async check(world, possible, retries) {
    await jobsOver(world);
    const found = {
      // The first one is the flush of the preparation.
      jobs: (await rowsOf(world, "SELECT status, message FROM system.jobs WHERE job_type = 'flush'"))
        .map(jobText)
        .sort(),
      ...(await placesOf(world)),
    };
    const expected = possible.map(facts => {
      const isRunAgain = facts.job === 'queued' || (facts.job === 'running' && retries > 0);
      const isDone = isRunAgain || facts.job === 'completed';
      const end = isDone ? ['completed'] : facts.job === 'running' ? ['failed: Job interrupted by server restart'] : [];
      const place = (user: 'ana' | 'ben') => (isDone || facts[user] === 'flushed' ? FLUSHED[user] : UNFLUSHED);
      return {jobs: ['completed', ...end], ana: place('ana'), ben: place('ben')};
    });
    assertOneOf(found, expected);
    await checkRows(world);
    await tidied(world);
    checkFiles(world, await listedFiles(world));
    await flush(world);
    await start(world, 'power');
    await checkRows(world);
  },
};

const dropProtocol: Protocol = {
  name: 'DROP TABLE',
  options: OPTIONS,
  steps: DROP,
  isStep: () => true,
  async prepare(world) {
    await withSegments(world);
    await flush(world);
    await must(world, "INSERT INTO app.t (v, id) VALUES ('hot', 9)", 'ben');
  },
  async act(world) {
    if ((await attempt(world, 'DROP TABLE app.t')) !== undefined) await jobsOver(world);
  },
  async check(world, possible, retries) {
    await jobsOver(world);
    const tables = await rowsOf(world, "SELECT table_name FROM system.tables WHERE namespace_id = 'app'");
    const jobs = await rowsOf(world, "SELECT status, message FROM system.jobs WHERE job_type = 'cleanup'");
    const expected = possible.map(facts => {
      const isInterrupted = facts.job === 'running' && retries === 0;
      const end = isInterrupted ? 'failed: Job interrupted by server restart' : 'completed';
      return {isThere: facts.table !== 'dropped', jobs: facts.job === undefined ? [] : [end]};
    });
    const isThere = tables.length > 0;
    assertOneOf({isThere, jobs: jobs.map(jobText)}, expected);
    if (isThere) {
      const ben = [...ROWS.ben, ['hot', '9']];
      assert.deepEqual([await selected(world, 'ana'), await selected(world, 'ben')], [ROWS.ana, ben]);
      await tidied(world);
      checkFiles(world, await listedFiles(world));
      await must(world, 'DROP TABLE app.t');
      await jobsOver(world);
    }
    checkFiles(world, []);
    // I14: whatever comes back, it is not the rows of the table before.
    await must(world, TABLE);
    await start(world, 'power');
    assert.deepEqual([await selected(world, 'ana'), await selected(world, 'ben')], [[], []]);
    await must(world, "INSERT INTO app.t (v, id) VALUES ('second life', 1)", 'ana');
    await flush(world);
    await start(world, 'power');
    assert.deepEqual([await selected(world, 'ana'), await selected(world, 'ben')], [[['second life', '1']], []]);
  },
};

const dropManyProtocol: Protocol = {
  ...dropProtocol,
  name: 'DROP TABLE of very many files',
  options: {...OPTIONS, namesAtOnce: 2},
  steps: DROP_MANY,
};

/** Two images are there and the log is almost long enough for the third, whose older log segments go. Eve writes until it does. */
const eve = {
  count: 0,
  acknowledged: '',
  tried: '',
  async write(world: SimWorld): Promise<unknown> {
    this.tried = `${++this.count} ${'x'.repeat(4000)}`;
    const sql = `UPDATE app.t SET v = '${this.tried}' WHERE id = 1`;
    const result = await attempt(world, sql, 'eve');
    if (result !== undefined) this.acknowledged = this.tried;
    return result;
  },
};

const checkpointProtocol: Protocol = {
  name: 'a checkpoint',
  options: {...OPTIONS, logSegmentBytes: 32 * 1024, slabBytes: 8 * 1024, checkpointLogBytes: 40 * 1024},
  steps: CHECKPOINT,
  isStep: operation => operation.includes('checkpoint') || operation === 'remove log',
  async prepare(world) {
    await withSegments(world);
    await must(world, "INSERT INTO app.t (v, id) VALUES ('', 1)", 'eve');
    for (let i = 0; imagesOf(world).length < 2 && i < 100; i++) {
      await eve.write(world);
      await quiet();
    }
    for (let i = 0; i < 7; i++) await eve.write(world);
    await quiet();
  },
  async act(world) {
    const last = imagesOf(world).at(-1);
    for (let i = 0; imagesOf(world).at(-1) === last && i < 100 && !world.life.isOver; i++) {
      await eve.write(world);
      await quiet();
    }
  },
  async check(world) {
    const check = async () => {
      await checkRows(world);
      const [[v]] = (await selected(world, 'eve')) as [[string]];
      assert.ok(v === eve.acknowledged || v === eve.tried, `${v.slice(0, 10)} of eve`);
    };
    await check();
    const images = imagesOf(world);
    assert.ok(images.length >= 1, 'a start has an image to begin with');
    if (images.length < 2) return;
    // A damaged newest image: the one before it, and the log since, must still be there.
    world.end('kill');
    world.disk.flip(images.at(-1)!, 30);
    await start(world, 'kill');
    await check();
    assert.ok(
      world.warnings.some(text => text.includes('is damaged')),
      'and it is said',
    );
  },
};

for (const protocol of [flushProtocol, dropProtocol, dropManyProtocol, checkpointProtocol]) {
  test(`${protocol.name} does exactly the operations of its table, in order`, async () => {
    const cuts = await record(protocol);
    const operations = cuts
      .filter(one => one.when === 'before' && protocol.isStep(one.operation))
      .map(one => one.operation);
    // An image is written in as many blocks, and frees as many segments, as it may.
    const found = operations.filter((one, i) => !/^(write|remove log)/.test(one) || one !== operations[i - 1]);
    assert.deepEqual(
      found,
      protocol.steps.flatMap(step => step.operations),
    );
  });

  for (const kind of ['kill', 'power'] as const) {
    test(`${protocol.name} cut off by ${kind} before and after each of its operations`, {
      timeout: 300_000,
    }, async () => {
      const cuts = await record(protocol);
      assert.ok(cuts.length > 0);
      for (const [event, one] of cuts.entries()) await cut(protocol, event, one, kind);
    });
  }
}

/** The disk that a start finds: nothing at all, or what a crash left after half a flush. */
const starts: [name: string, disk: () => Promise<SimDisk>, check: (world: SimWorld) => Promise<void>][] = [
  [
    'the first start',
    async () => new SimDisk(),
    async world => {
      await must(world, 'CREATE NAMESPACE app');
      await must(world, TABLE);
      await must(world, "INSERT INTO app.t (v, id) VALUES ('first', 1)", 'ana');
      await start(world, 'power');
      assert.deepEqual(await selected(world, 'ana'), [['first', '1']]);
    },
  ],
  [
    'a start after a crash within a flush',
    async () => {
      const world = worldFor(OPTIONS, 1);
      assert.ok(await world.start());
      await withSegments(world);
      world.planEnd('power', 0, event => operationOf(event) === 'rename ben/segment.tmp' && event.when === 'after');
      await attempt(world, 'FLUSH TABLE app.t');
      await world.settle(world.life.over.promise);
      return world.disk;
    },
    async world => {
      await jobsOver(world);
      await checkRows(world);
      await tidied(world);
      checkFiles(world, await listedFiles(world));
    },
  ],
];

for (const [name, makeDisk, check] of starts) {
  test(`${name} cut off before and after each of its operations is made good by the next`, {
    timeout: 300_000,
  }, async () => {
    const disk = await makeDisk();
    let count = 0;
    const recorder = worldFor(OPTIONS, 1, disk.fork());
    recorder.onDisk = event => {
      if (operationOf(event) !== undefined) count++;
    };
    assert.ok(await recorder.start());
    await quiet();
    recorder.onDisk = () => {};
    assert.ok(count > 10);
    for (const kind of ['kill', 'power'] as const) {
      for (let event = 0; event < count; event++) {
        const world = worldFor(OPTIONS, event, disk.fork());
        world.planEnd(kind, event, one => operationOf(one) !== undefined);
        if (await world.start()) await world.settle(world.life.over.promise);
        await inContext(`${kind} at event ${event}`, async () => {
          assert.ok(world.life.isOver, 'the start was cut');
          await start(world, kind);
          await check(world);
        });
      }
    }
  });
}

async function rowsOf(world: SimWorld, sql: string, user = 'root'): Promise<Cell[][]> {
  const result = await world.settle(world.sql(sql, {user}));
  assert.ok(result !== undefined, 'the life ended where nobody planned it');
  return result.rows.map(row => [...row]);
}

async function selected(world: SimWorld, user: string): Promise<Cell[][]> {
  return await rowsOf(world, 'SELECT v, id FROM app.t', user);
}

async function checkRows(world: SimWorld): Promise<void> {
  assert.deepEqual([await selected(world, 'ana'), await selected(world, 'ben')], [ROWS.ana, ROWS.ben]);
}

function jobText([status, message]: readonly Cell[]): string {
  return status === 'failed' ? `failed: ${message}` : String(status);
}

async function manifests(world: SimWorld): Promise<{scope: string; state: string; segments: string[]}[]> {
  const rows = await rowsOf(world, 'SELECT scope, sync_state, manifest_json FROM system.manifest');
  return rows.map(([scope, state, json]) => {
    const {segments} = JSON.parse(String(json)) as {segments: {path: string}[]};
    return {scope: String(scope), state: String(state), segments: segments.map(segment => segment.path)};
  });
}

async function placesOf(world: SimWorld): Promise<Record<string, string>> {
  const all = await manifests(world);
  return Object.fromEntries(all.map(({scope, state, segments}) => [scope, `${segments.length} segments, ${state}`]));
}

async function listedFiles(world: SimWorld): Promise<string[]> {
  return (await manifests(world)).flatMap(({segments}) => segments);
}

/** The scheduler has looked: it deletes what no manifest lists any more and nobody reads. */
async function tidied(world: SimWorld): Promise<void> {
  await world.settle(world.life.clock.advance(TICK_MS));
  await quiet();
}

/** No file of a segment that no manifest lists, and none missing. */
function checkFiles(world: SimWorld, listed: readonly string[]): void {
  const names = [...world.disk.contents(`${DIRECTORY}/storage`).keys()].map(path =>
    path.slice(path.lastIndexOf('/') + 1),
  );
  assert.deepEqual(names.filter(name => name.includes('.parquet')).sort(), [...listed].sort());
}

/** Of whole images, oldest first. */
function imagesOf(world: SimWorld): string[] {
  return [...world.disk.contents(`${DIRECTORY}/checkpoint`).keys()].filter(path => !path.endsWith('.tmp')).sort();
}

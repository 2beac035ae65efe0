/**
 * Rules: each rule that keeps rows from being lost, doubled or resurrected, by the interleaving it closes.
 *
 * The disk holds an operation until the other side has done its worst. Where the rules are proven that have no test here:
 *
 *      1 checkpoints, what the log may forget     crash-matrix, e2e/checkpoint        14 tombstones are rows                  e2e/flush-job
 *      2 a start takes the newest whole one       crash-matrix, e2e/checkpoint        15 manifests never change               cold/manifest
 *      3 torn tail or damage                      log/file-log, log/crash             17 one flush per table; ALTER, DROP     e2e/flush-job
 *      4 a start trusts no page cache             log/file-log, power                 19 small scopes wait                    jobs/flush-policy
 *      6 one counter                              table/seq, table/commit             24 formats and permanent ids            data-format, system
 *     11 key filters                              cold/segment-codec                  25 scope is authority                   auth, scripts
 *
 * The histories of `power` run through all of them at random.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DatabaseOptions} from '../../src/database.ts';
import type {DiskEvent, DiskOperation} from '../../src/std/sim-disk.ts';
import type {Cell} from '../test-database.ts';
import {flush, jobsOver, quiet} from './crash-cuts.ts';
import {DIRECTORY, SimWorld} from './sim-world.ts';

const TICK_MS = 100_000;
const LOOKS_MAX = 40;
const isSegmentRead = (operation: DiskOperation, path: string) => operation === 'read' && path.endsWith('.parquet');
const isLogSync = (operation: DiskOperation, path: string) => operation === 'datasync' && path.includes('/log/');

test('5: of a failed sync the writer hears that nobody knows, later ones that nothing is written; reads go on, a restart heals', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('safe', 1)");
  world.planFault('EIO', event => event.operation.startsWith('datasync') && event.path.includes('/log/'), 0);
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('perhaps', 2)"), 'COMMIT_UNKNOWN');
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('late', 3)"), 'READ_ONLY');
  assert.equal(await codeOf(world, 'DELETE FROM app.t WHERE id = 1'), 'READ_ONLY');
  assert.equal(await codeOf(world, 'ALTER TABLE app.t ADD COLUMN c INT'), 'READ_ONLY');
  assert.deepEqual(await rows(world), [['safe', '1']]);
  world.end('kill');
  assert.ok(await world.start());
  await must(world, "INSERT INTO app.t (v, id) VALUES ('again', 3)");
  const found = (await rows(world)).map(([v]) => v);
  assert.deepEqual(
    found.filter(v => v !== 'perhaps'),
    ['safe', 'again'],
  );
});

test('7: a statement larger than a batch is refused, naming the limit, and leaves nothing; a smaller one is whole or not there', async () => {
  const world = await openWorld({logSegmentBytes: 32 * 1024});
  const many = (count: number) => Array.from({length: count}, (_, i) => `('${'x'.repeat(900)}', ${i})`).join(', ');
  await assert.rejects(must(world, `INSERT INTO app.t (v, id) VALUES ${many(50)}`), /maxBatchBytes/);
  assert.deepEqual(await rows(world), []);
  world.planEnd('power', 0, event => event.operation === 'writeNow' && event.when === 'after');
  await attempt(world, `INSERT INTO app.t (v, id) VALUES ${many(20)}`);
  assert.ok(world.life.isOver);
  assert.ok(await world.start());
  assert.ok([0, 20].includes((await rows(world)).length));
});

test('9: what depends on a write that is not durable yet waits for it: nobody reads it, and the second of two equal keys is refused only then', async () => {
  const world = await openWorld({}, {isSlow: true});
  for (let i = 10; i < 14; i++) await must(world, `INSERT INTO app.t (v, id) VALUES ('before', ${i})`);
  const held = world.hold(isLogSync);
  const answers: string[] = [];
  const note = async (name: string, work: Promise<unknown>) => {
    const error = await work.then(
      () => '',
      ({message}: Error) => `: ${message}`,
    );
    answers.push(name + error);
  };
  const first = note('first', sql(world, "INSERT INTO app.t (v, id) VALUES ('first', 1)"));
  await world.settle(held.reached);
  const second = note('second', sql(world, "INSERT INTO app.t (v, id) VALUES ('second', 1)"));
  const update = note('update', sql(world, "UPDATE app.t SET v = 'changed' WHERE id = 1"));
  await quiet();
  assert.deepEqual(answers, [], 'nobody is answered before the disk is');
  assert.deepEqual(await rows(world, 'WHERE id = 1'), [], 'nor is it read');
  held.release();
  await world.settle(Promise.all([first, second, update]));
  assert.deepEqual([answers[0], answers[2]], ['first', 'update']);
  assert.match(answers[1] ?? '', /^second: .*already exists/);
  assert.deepEqual(await rows(world, 'WHERE id = 1'), [['changed', '1']]);
});

test('9: if that sync fails, so does all that waited for it: nobody is told of a row, or of none, that may be there after a restart', async () => {
  const world = await openWorld({}, {isSlow: true});
  for (let i = 10; i < 14; i++) await must(world, `INSERT INTO app.t (v, id) VALUES ('before', ${i})`);
  world.planFault('EIO', event => isLogSync(event.operation, event.path), 0);
  const first = codeOf(world, "INSERT INTO app.t (v, id) VALUES ('first', 1)");
  const second = codeOf(world, "INSERT INTO app.t (v, id) VALUES ('second', 1)");
  const none = codeOf(world, 'DELETE FROM app.t WHERE id = 1');
  const other = codeOf(world, "UPDATE app.t SET v = 'changed' WHERE id = 1");
  const codes = await world.settle(Promise.all([first, second, none, other]));
  assert.deepEqual(codes, ['COMMIT_UNKNOWN', 'READ_ONLY', 'READ_ONLY', 'READ_ONLY']);
});

test('10: a key that moves from hot to a segment while an INSERT reads other segments is still taken', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('low', 1), ('high', 9)");
  await flush(world);
  await must(world, "INSERT INTO app.t (v, id) VALUES ('moves', 5)");
  // Nothing is cached after a restart.
  await restart(world);
  // 5 is hot when it is looked up; 6 must be looked up in the segment from 1 to 9, which takes until the flush has published.
  const held = world.hold(isSegmentRead);
  const inserted = codeOf(world, "INSERT INTO app.t (v, id) VALUES ('twice', 5), ('new', 6)");
  await world.settle(held.reached);
  const onlyThat = world.disk.pace;
  world.disk.pace = () => 0;
  await flush(world);
  world.disk.pace = onlyThat;
  held.release();
  assert.equal(await world.settle(inserted), 'SQL_EXECUTION_ERROR');
  assert.deepEqual(await rows(world), [
    ['low', '1'],
    ['moves', '5'],
    ['high', '9'],
  ]);
});

test('10: UPDATE … WHERE decides on the newest version: who no longer matches is left alone', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('old', 1), ('old', 2)");
  await flush(world);
  // The footer is read, and kept: what is held below is the rows.
  await rows(world);
  const held = world.hold(isSegmentRead);
  const changed = sql(world, "UPDATE app.t SET v = 'changed' WHERE v = 'old'");
  await world.settle(held.reached);
  world.disk.pace = () => 0;
  await must(world, "UPDATE app.t SET v = 'other' WHERE id = 1");
  held.release();
  assert.equal((await world.settle(changed))!.rowCount, 1);
  assert.deepEqual(await rows(world), [
    ['other', '1'],
    ['changed', '2'],
  ]);
});

const stormed: [what: string, before: string, sql: string, looks: number][] = [
  ['an UPDATE', 'DELETE FROM app.t WHERE id = 4', "UPDATE app.t SET v = 'changed' WHERE id > 1 AND id < 9", 1 + 3],
  ['an INSERT', 'DELETE FROM app.t WHERE id = 5', "INSERT INTO app.t (v, id) VALUES ('changed', 5)", 3],
];

for (const [what, before, text, looks] of stormed) {
  test(`10: ${what} that meets a write of a hot key and a flush at each look into segments looks a few times, then the flush waits for it`, async () => {
    const world = await openWorld();
    await must(world, "INSERT INTO app.t (v, id) VALUES ('old', 1), ('old', 5), ('old', 9)");
    await must(world, before);
    await flush(world);
    // Footers are read here and after each flush, and kept: who waited for one would hold up the storm. What is held below is rows.
    await rows(world);
    let gate = gateReads(world);
    let isOver = false;
    const written = sql(world, text).finally(() => {
      isOver = true;
    });
    let publishCount = 0;
    for (let look = 0; look < LOOKS_MAX && !isOver; look++) {
      await world.settle(Promise.race([gate.reached, written]));
      world.disk.pace = () => 0;
      await must(world, `UPDATE app.t SET v = 'storm ${look}' WHERE id IN (1, 9)`);
      await must(world, 'FLUSH TABLE app.t', 'root');
      for (let i = 0; i < 10; i++) await quiet();
      if (!(await isFlushing(world))) publishCount++;
      await rows(world);
      const next = gateReads(world);
      gate.open();
      gate = next;
      await quiet();
    }
    gate.open();
    world.disk.pace = () => 0;
    assert.equal((await world.settle(written))!.rowCount, 1);
    await jobsOver(world);
    assert.equal(publishCount, looks);
    assert.deepEqual(await rows(world, 'WHERE id = 5'), [['changed', '5']]);
    await flush(world);
    assert.deepEqual(await rows(world, 'WHERE id = 5'), [['changed', '5']]);
  });
}

interface Timed {
  readonly what: string;
  readonly sql: string;
  /** Holds the latch of a key that it needs. */
  readonly holder: string;
  readonly undo: string;
  readonly done: (readonly Cell[])[];
}

const timed: Timed[] = [
  {
    what: 'an INSERT',
    sql: "INSERT INTO app.t (v, id) VALUES ('late', 5)",
    holder: "INSERT INTO app.t (v, id) VALUES ('held', 5)",
    undo: 'DELETE FROM app.t WHERE id = 5',
    done: [
      ['cold', '1'],
      ['late', '5'],
      ['cold', '9'],
    ],
  },
  {
    what: 'an UPDATE',
    sql: "UPDATE app.t SET v = 'late' WHERE id < 9",
    holder: "UPDATE app.t SET v = 'held' WHERE id = 1",
    undo: "UPDATE app.t SET v = 'cold' WHERE id = 1",
    done: [
      ['late', '1'],
      ['cold', '9'],
    ],
  },
  {
    what: 'a DELETE',
    sql: "DELETE FROM app.t WHERE v <> 'other' AND id = 9",
    holder: "UPDATE app.t SET v = 'held' WHERE id = 9",
    undo: "UPDATE app.t SET v = 'cold' WHERE id = 9",
    done: [['cold', '1']],
  },
];

for (const {what, sql: text, holder, undo, done} of timed) {
  test(`${what} whose time is over before it is appended is never written, one that is appended answers what became of it`, async () => {
    const world = await openWorld({}, {isSlow: true});
    await must(world, "INSERT INTO app.t (v, id) VALUES ('cold', 1), ('x', 5), ('cold', 9)");
    await must(world, 'DELETE FROM app.t WHERE id = 5');
    await flush(world);
    const before = await rows(world);
    const late = async (isMeant: typeof isLogSync, first: () => Promise<unknown>) => {
      const timer = new AbortController();
      const held = world.hold(isMeant);
      const work = first();
      const code = codeOf(world, text, timer.signal);
      await world.settle(held.reached);
      await quiet();
      timer.abort();
      held.release();
      await world.settle(Promise.all([code, work]));
      await quiet();
      return await code;
    };
    assert.equal(await late(isSegmentRead, async () => {}), 'STATEMENT_TIMEOUT', 'while it reads segments');
    assert.deepEqual(await rows(world), before);
    assert.equal(await late(isLogSync, () => sql(world, holder)), 'STATEMENT_TIMEOUT', 'while it waits for a latch');
    await must(world, undo);
    assert.deepEqual(await rows(world), before);
    assert.equal(await late(isLogSync, async () => {}), undefined, 'while the log is synced');
    assert.deepEqual(await rows(world), done);
  });
}

test('12: a version written over one that a flush is about to move marks it dead at its own flush', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('v1', 1), ('v1', 2), ('v1', 3)");
  const held = world.hold((operation, path) => operation === 'write' && path.includes('.parquet'));
  const flushed = flush(world);
  await world.settle(held.reached);
  await must(world, "UPDATE app.t SET v = 'v2' WHERE id = 1");
  await must(world, "UPDATE app.t SET v = 'v3' WHERE id = 1");
  await must(world, 'DELETE FROM app.t WHERE id = 2');
  held.release();
  await flushed;
  await flush(world);
  const expected = [
    ['v3', '1'],
    ['v1', '3'],
  ];
  assert.deepEqual(await rows(world), expected);
  await must(world, "INSERT INTO app.t (v, id) VALUES ('again', 2)");
  await flush(world);
  assert.deepEqual(await rows(world), [
    ['v3', '1'],
    ['again', '2'],
    ['v1', '3'],
  ]);
  assert.deepEqual(await versionsOf(world), ['1', '2', '3'], 'over all segments minus vectors each key is there once');
});

test('12: a version in flight when the flush begins is not left behind without its mark', async () => {
  const world = await openWorld({}, {isSlow: true});
  for (let i = 10; i < 14; i++) await must(world, `INSERT INTO app.t (v, id) VALUES ('v1', ${i})`);
  // The first sync is that of the job's row, the second tells that it runs: whoever waits for the third is in flight when the flush begins.
  let syncs = 0;
  const held = world.hold((operation, path) => isLogSync(operation, path) && ++syncs === 2);
  const flushed = sql(world, 'FLUSH TABLE app.t', 'root');
  await world.settle(held.reached);
  const inFlight = sql(world, "UPDATE app.t SET v = 'v2' WHERE id = 10");
  await quiet();
  held.release();
  await world.settle(Promise.all([inFlight, flushed]));
  await jobsOver(world);
  await flush(world);
  assert.deepEqual(await rows(world, 'WHERE id = 10'), [['v2', '10']]);
  assert.deepEqual(await versionsOf(world), ['10', '11', '12', '13']);
});

test('12, 14: a tombstone in a segment counts as a predecessor: what is inserted over it ends it', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('v1', 1), ('v1', 2)");
  await flush(world);
  await must(world, 'DELETE FROM app.t WHERE id = 1');
  await flush(world);
  await must(world, "INSERT INTO app.t (v, id) VALUES ('v2', 1)");
  await flush(world);
  assert.deepEqual(await rows(world), [
    ['v2', '1'],
    ['v1', '2'],
  ]);
  assert.deepEqual(await versionsOf(world), ['1', '2']);
  await must(world, 'DELETE FROM app.t WHERE id = 1');
  for (const step of [() => flush(world), () => restart(world), () => flush(world)]) {
    await step();
    assert.deepEqual(await rows(world), [['v1', '2']]);
  }
});

test('13: a scan that began before a flush, an UPDATE and another flush still shows the moment it began', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('cold', 1), ('cold', 2)");
  await flush(world);
  await must(world, "INSERT INTO app.t (v, id) VALUES ('hot', 3)");
  await rows(world);
  const held = world.hold(isSegmentRead);
  const scanned = rows(world);
  await world.settle(held.reached);
  world.disk.pace = () => 0;
  await must(world, "UPDATE app.t SET v = 'later' WHERE id IN (1, 3)");
  await flush(world);
  await must(world, 'DELETE FROM app.t WHERE id = 2');
  await flush(world);
  held.release();
  assert.deepEqual(await world.settle(scanned), [
    ['cold', '1'],
    ['cold', '2'],
    ['hot', '3'],
  ]);
  assert.deepEqual(await rows(world), [
    ['later', '1'],
    ['later', '3'],
  ]);
});

test('16: DROP beside an open reader: it reads to its end, and only then the files go', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('read', 1)");
  await flush(world);
  const held = world.hold(isSegmentRead);
  const reader = rows(world);
  await world.settle(held.reached);
  world.disk.pace = () => 0;
  await must(world, 'DROP TABLE app.t', 'root');
  for (let i = 0; i < 5; i++) await world.life.clock.advance(500);
  await quiet();
  assert.equal(segmentsOf(world).length, 1, 'somebody reads it');
  held.release();
  assert.deepEqual(await world.settle(reader), [['read', '1']]);
  await jobsOver(world);
  assert.deepEqual(segmentsOf(world), []);
});

const writes: [what: string, sql: string][] = [
  ['an UPDATE', "UPDATE app.t SET v = 'late' WHERE id = 1"],
  ['a DELETE of many', "DELETE FROM app.t WHERE v <> ''"],
  ['an INSERT', "INSERT INTO app.t (v, id) VALUES ('late', 5)"],
];

for (const [what, text] of writes) {
  test(`16, 18: DROP beside ${what} that reads segments: it hears that the table is gone, not that a file is`, async () => {
    const world = await openWorld();
    await must(world, "INSERT INTO app.t (v, id) VALUES ('cold', 1), ('cold', 9)");
    await flush(world);
    const held = world.hold(isSegmentRead);
    const written = sql(world, text);
    await world.settle(held.reached);
    world.disk.pace = () => 0;
    await must(world, 'DROP TABLE app.t', 'root');
    await must(world, TABLE, 'root');
    for (let i = 0; i < 5; i++) await world.life.clock.advance(500);
    held.release();
    await assert.rejects(world.settle(written), /dropped while the statement ran/);
    await jobsOver(world);
    assert.deepEqual(await rows(world), [], 'nor does it write into the new table of that name');
    assert.deepEqual(segmentsOf(world), []);
  });
}

test('18: a file that nobody announced is never touched, by no flush, no DROP and no start', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('v', 1)");
  await flush(world);
  const folder = segmentsOf(world)[0]!.replace(/[^/]*$/, '');
  const strange = [`${folder}batch-1-64-strange.parquet`, `${folder}notes.txt`];
  for (const path of strange) await (await world.disk.open(path, 'create')).close();
  await must(world, "UPDATE app.t SET v = 'w' WHERE id = 1");
  await flush(world);
  await must(world, 'DROP TABLE app.t', 'root');
  await jobsOver(world);
  await restart(world);
  await quiet();
  const left = [...world.disk.contents(`${DIRECTORY}/storage`).keys()];
  assert.deepEqual(left.sort(), strange.sort());
});

const isSegmentRemoval = ({operation, path}: DiskEvent) => operation === 'remove' && path.endsWith('.parquet');

test('18: a file that cannot be deleted is tried again, and until then a checkpoint and a crash forget none', async () => {
  const world = await openWorld({checkpointLogBytes: 16 * 1024, logSegmentBytes: 16 * 1024, hotSlabBytes: 8 * 1024});
  await must(world, 'CREATE USER TABLE app.other (v TEXT, id BIGINT PRIMARY KEY)', 'root');
  await must(world, "INSERT INTO app.other (v, id) VALUES ('', 1)");
  const drop = async () => {
    await must(world, "INSERT INTO app.t (v, id) VALUES ('v', 1)");
    await flush(world);
    world.planFault('EACCES', isSegmentRemoval, 0);
    await must(world, 'DROP TABLE app.t', 'root');
    await quiet();
    assert.equal(segmentsOf(world).length, 1);
    assert.match(world.warnings.at(-1)!, /1 file|2 file.*could not be deleted; tried again in 1 s/);
  };
  await drop();
  await world.life.clock.advance(2000);
  await jobsOver(world);
  assert.deepEqual(segmentsOf(world), []);
  for (const ending of ['kill', 'power'] as const) {
    await must(world, TABLE, 'root');
    await drop();
    const before = [...world.disk.contents(`${DIRECTORY}/log`).keys()];
    // Until two checkpoints have let go of the log that told of the drop.
    for (let i = 0; i < 30; i++) await must(world, `UPDATE app.other SET v = '${i} ${'x'.repeat(3000)}' WHERE id = 1`);
    await quiet();
    const logs = [...world.disk.contents(`${DIRECTORY}/log`).keys()];
    assert.ok(!logs.some(path => before.includes(path)));
    world.end(ending);
    assert.ok(await world.start());
    await quiet();
    assert.deepEqual(segmentsOf(world), []);
  }
});

test('a DROP TABLE that is durable is answered as done, though the job that deletes its files cannot be queued', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('v', 1)");
  await flush(world);
  // The first sync is that of the drop.
  world.planFault('EIO', event => event.operation.startsWith('datasync') && event.path.includes('/log/'), 1);
  const dropped = await world.settle(sql(world, 'DROP TABLE app.t', 'root'));
  assert.match(dropped!.message, /dropped successfully. Its files are deleted later/);
  world.end('kill');
  assert.ok(await world.start());
  await quiet();
  assert.deepEqual(segmentsOf(world), []);
});

test('20: at the hard memory limit INSERT and UPDATE are refused and may be tried again; DELETE and flushes go on and make room', async () => {
  const world = await openWorld({memoryHardBytes: 80_000, hotSlabBytes: 8 * 1024});
  const long = 'x'.repeat(3000);
  let refused: string | undefined;
  let count = 0;
  for (; refused === undefined && count < 100; count++)
    refused = await codeOf(world, `INSERT INTO app.t (v, id) VALUES ('${long}', ${count})`);
  assert.equal(refused, 'MEMORY_LIMIT');
  assert.equal(await codeOf(world, "UPDATE app.t SET v = 'short' WHERE id = 0"), 'MEMORY_LIMIT');
  assert.equal(await codeOf(world, "UPDATE app.t SET v = 'short' WHERE id >= 0"), 'MEMORY_LIMIT');
  assert.equal((await sql(world, 'DELETE FROM app.t WHERE id = 0')).rowCount, 1);
  await flush(world);
  await world.settle(world.life.clock.advance(TICK_MS));
  await quiet();
  assert.equal((await sql(world, "UPDATE app.t SET v = 'short' WHERE id = 1")).rowCount, 1);
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('new', 1000)"), undefined);
  assert.equal((await rows(world)).length, count - 1, 'what was refused was not written, what was answered is there');
});

const TABLE = 'CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)';

async function openWorld(options: Partial<DatabaseOptions> = {}, {isSlow} = {isSlow: false}): Promise<SimWorld> {
  const all = {
    durability: 'D2',
    logSegmentBytes: 256 * 1024,
    hotSlabBytes: 64 * 1024,
    flushCheckMs: TICK_MS,
    ...options,
  } as const;
  const world = new SimWorld(1, all, {isSlow, isPaced: false});
  assert.ok(await world.start());
  await must(world, 'CREATE NAMESPACE app', 'root');
  await must(world, TABLE, 'root');
  return world;
}

function sql(world: SimWorld, text: string, user = 'ana', signal = new AbortController().signal) {
  return world.sql(text, {user, signal});
}

async function must(world: SimWorld, text: string, user = 'ana'): Promise<void> {
  await world.settle(sql(world, text, user));
  assert.ok(!world.life.isOver, 'the life ended where nobody planned it');
}

async function attempt(world: SimWorld, text: string): Promise<void> {
  await world.settle(codeOf(world, text));
}

/** Undefined if it was done. */
async function codeOf(world: SimWorld, text: string, signal?: AbortSignal): Promise<string | undefined> {
  return await sql(world, text, 'ana', signal).then(
    () => undefined,
    error => error.code as string,
  );
}

async function rows(world: SimWorld, where = ''): Promise<(readonly Cell[])[]> {
  return [...(await sql(world, `SELECT v, id FROM app.t ${where}`)).rows];
}

/** Keys of the newest versions, tombstones too. */
async function versionsOf(world: SimWorld): Promise<string[]> {
  return (await sql(world, 'SELECT id FROM app.t WHERE _deleted OR NOT _deleted')).rows.map(row => String(row[0]));
}

/** Every read of a segment that begins from now on waits until `open`. */
function gateReads(world: SimWorld): {reached: Promise<void>; open(): void} {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  world.disk.pace = (operation, path) => {
    if (!isSegmentRead(operation, path)) return 0;
    reached.resolve();
    return opened.promise;
  };
  return {reached: reached.promise, open: () => opened.resolve()};
}

async function isFlushing(world: SimWorld): Promise<boolean> {
  return (await sql(world, "SELECT job_id FROM system.jobs WHERE status = 'running'", 'root')).rows.length > 0;
}

async function restart(world: SimWorld): Promise<void> {
  await world.close();
  assert.ok(await world.start());
}

function segmentsOf(world: SimWorld): string[] {
  return [...world.disk.contents(`${DIRECTORY}/storage`).keys()].filter(path => path.endsWith('.parquet'));
}

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
 *   9, 10 pending writes, waiting checks          writer-rules
 *     11 key filters                              cold/segment-codec                  25 scope is authority                   auth, scripts
 *
 * The histories of `power` run through all of them at random.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DiskEvent} from '../../src/std/sim-disk.ts';
import {flush, jobsOver, quiet} from './crash-cuts.ts';
import {
  attempt,
  codeOf,
  isLogSync,
  isSegmentRead,
  must,
  openWorld,
  restart,
  rows,
  segmentsOf,
  sql,
  TABLE,
  TICK_MS,
  versionsOf,
} from './rules-kit.ts';
import {DIRECTORY} from './sim-world.ts';

test('5: of a failed sync the writer hears that nobody knows, later ones that nothing is written; reads go on, a restart heals', async () => {
  const world = await openWorld();
  await must(world, "INSERT INTO app.t (v, id) VALUES ('safe', 1)");
  world.planFault('EIO', event => event.operation.startsWith('datasync') && event.path.includes('/log/'), 0);
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('perhaps', 2)"), 'COMMIT_UNKNOWN');
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('late', 3)"), 'READ_ONLY');
  assert.equal(await codeOf(world, 'DELETE FROM app.t WHERE id = 1'), 'READ_ONLY');
  // No row is there now; a restart may find it.
  assert.equal(await codeOf(world, "DELETE FROM app.t WHERE v = 'perhaps'"), 'READ_ONLY');
  assert.equal(await codeOf(world, "BEGIN; DELETE FROM app.t WHERE v = 'perhaps'; COMMIT"), 'READ_ONLY');
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
  const world = await openWorld({checkpointLogBytes: 16 * 1024, logSegmentBytes: 16 * 1024, slabBytes: 8 * 1024});
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

test('20: at the hard memory limit INSERT and UPDATE are refused and may be tried again; DELETE goes on, and flushes come by themselves and make room', async () => {
  const world = await openWorld({memoryHardBytes: 80_000, slabBytes: 8 * 1024});
  const long = 'x'.repeat(3000);
  let refused: string | undefined;
  let count = 0;
  for (; refused === undefined && count < 100; count++)
    refused = await codeOf(world, `INSERT INTO app.t (v, id) VALUES ('${long}', ${count})`);
  assert.equal(refused, 'MEMORY_LIMIT');
  assert.equal(await codeOf(world, "UPDATE app.t SET v = 'short' WHERE id = 0"), 'MEMORY_LIMIT');
  assert.equal(await codeOf(world, "UPDATE app.t SET v = 'short' WHERE id >= 0"), 'MEMORY_LIMIT');
  assert.equal((await sql(world, 'DELETE FROM app.t WHERE id = 0')).rowCount, 1);
  await world.settle(world.life.clock.advance(TICK_MS));
  await quiet();
  assert.equal((await sql(world, "UPDATE app.t SET v = 'short' WHERE id = 1")).rowCount, 1);
  assert.equal(await codeOf(world, "INSERT INTO app.t (v, id) VALUES ('new', 1000)"), undefined);
  assert.equal((await rows(world)).length, count - 1, 'what was refused was not written, what was answered is there');
});

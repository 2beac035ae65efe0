/**
 * Writer rules: the rules of `rules.test.ts` that keep writers apart from each other, from flushes, and from callers who no longer wait.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Cell} from '../test-database.ts';
import {flush, jobsOver, quiet} from './crash-cuts.ts';
import {codeOf, isLogSync, isSegmentRead, must, openWorld, restart, rows, sql} from './rules-kit.ts';
import type {SimWorld} from './sim-world.ts';

const LOOKS_MAX = 40;

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

/** Every read of a segment that begins from now on waits until `open`. */
export function gateReads(world: SimWorld): {reached: Promise<void>; open(): void} {
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

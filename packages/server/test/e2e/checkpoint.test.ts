/**
 * Checkpoints as a database lives with them: when they come, what they let the log forget, and what a start makes of what it finds.
 */
import assert from 'node:assert/strict';
import {readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {test} from 'node:test';
import type {Disk} from '../../src/std/disk.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {type Cell, openTestDatabase, type TestDatabase} from '../test-database.ts';

const LOG_BYTES = 64 * 1024;
const SHORT = {logSegmentBytes: 32 * 1024, checkpointLogBytes: LOG_BYTES};
const NAME = /^checkpoint-\d{20}$/;

test('a checkpoint comes when the log is long enough; at most two are kept and the log is released', async () => {
  await withDatabase({}, async (db, grow) => {
    await grow(3);
    assert.equal((await checkpoints(db)).length, 2);
    // The oldest segments of the log are gone.
    await until(async () => (await logNumbers(db))[0]! > 1);
    await assertWhole(db);
  });
});

test('bytes replayed at a start count: a server that restarts often writes checkpoints too', async () => {
  await withDatabase({}, async db => {
    for (let i = 0; i < 12 && (await checkpoints(db)).length === 0; i++) {
      await write(db, LOG_BYTES / 4);
      await db.restart();
    }
    assert.ok((await checkpoints(db)).length > 0);
    await assertWhole(db);
  });
});

test('a damaged newest checkpoint is passed over; afterwards the log is released only up to one that is whole', async () => {
  await withDatabase({}, async (db, grow) => {
    await grow(2);
    await db.close();
    const newest = (await checkpoints(db)).sort().at(-1);
    await flipByte(join(db.directory, 'checkpoint', newest!), 100);
    await db.restart();
    await assertWhole(db);
    await grow(1);
    const left = await checkpoints(db);
    assert.ok(left.length === 2 && !left.includes(newest!), 'the damaged one is gone and never counted');
    await db.close();
    await flipByte(join(db.directory, 'checkpoint', left.sort().at(-1)!), 100);
    await db.restart();
    await assertWhole(db);
  });
});

test('a failing checkpoint loses nothing, leaves nothing behind, and is tried again', async () => {
  let isFailing = true;
  const disk: Disk = {
    ...realDisk,
    async rename(from, to) {
      if (isFailing && NAME.test(to.slice(to.lastIndexOf('/') + 1)))
        throw Object.assign(new Error('i/o'), {code: 'EIO'});
      return realDisk.rename(from, to);
    },
  };
  await withDatabase({disk}, async db => {
    await write(db, LOG_BYTES * 3);
    await systemClock.sleep(100);
    assert.deepEqual(await readdir(join(db.directory, 'checkpoint')), []);
    isFailing = false;
    await db.restart();
    await write(db, 2000);
    await until(async () => (await checkpoints(db)).length === 1);
    await assertWhole(db);
  });
});

test('what a crash left of a checkpoint is removed at the next start', async () => {
  await withDatabase({}, async db => {
    await db.close();
    await writeFile(join(db.directory, 'checkpoint', 'checkpoint-00000000000000000007.tmp'), 'half');
    await db.restart();
    assert.deepEqual(await readdir(join(db.directory, 'checkpoint')), []);
  });
});

const losses: [why: string, lose: (files: string[]) => string[]][] = [
  ['the oldest log segment', files => files.slice(0, 1)],
  ['all log segments', files => files],
];
for (const [why, lose] of losses) {
  test(`a start refuses when ${why} is lost, and names the folder`, async () => {
    await withDatabase({}, async (db, grow) => {
      await grow(2);
      await db.close();
      const log = join(db.directory, 'log');
      for (const name of await readdir(join(db.directory, 'checkpoint'))) {
        if (why.startsWith('the oldest')) await rm(join(db.directory, 'checkpoint', name));
      }
      for (const name of lose((await readdir(log)).sort())) await rm(join(log, name));
      await assert.rejects(db.restart(), {code: 'DATA_CORRUPTED', message: /Log segments are missing in .*log: /});
    });
  });
}

type Grow = (checkpointCount: number) => Promise<void>;

async function withDatabase(
  changes: Parameters<typeof openTestDatabase>[0],
  body: (db: TestDatabase, grow: Grow) => Promise<void>,
): Promise<void> {
  const db = await openTestDatabase({...SHORT, ...changes});
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql('CREATE USER TABLE app.t (id BIGINT PRIMARY KEY, v TEXT)');
    for (let id = 0; id < 10; id++) await db.sql(`INSERT INTO app.t VALUES (${id}, 'first')`);
    await body(db, async checkpointCount => {
      for (let i = 0; i < checkpointCount; i++) {
        const before = (await checkpoints(db)).sort().at(-1);
        await write(db, LOG_BYTES * 2);
        // The oldest goes when the newest is there.
        await until(async () => {
          const names = (await checkpoints(db)).sort();
          return names.at(-1) !== before && names.length <= 2;
        });
      }
    });
  } finally {
    await db.stop();
  }
}

let writeCount = 0;

async function write(db: TestDatabase, bytes: number): Promise<void> {
  for (let n = 0; n * 2000 < bytes; n++) {
    await db.sql(`UPDATE app.t SET v = '${writeCount++}${'y'.repeat(2000)}' WHERE id = ${n % 10}`);
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return;
    await systemClock.sleep(10);
  }
  assert.fail('it did not come to hold in time');
}

async function checkpoints(db: TestDatabase): Promise<string[]> {
  return (await readdir(join(db.directory, 'checkpoint'))).filter(name => NAME.test(name));
}

async function logNumbers(db: TestDatabase): Promise<number[]> {
  const names = await readdir(join(db.directory, 'log'));
  return names
    .filter(name => name.endsWith('.log'))
    .map(name => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

async function assertWhole(db: TestDatabase): Promise<void> {
  const ids = (await db.sql('SELECT id FROM app.t')).rows.map(([id]: readonly Cell[]) => Number(id));
  assert.deepEqual(ids, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = bytes[at]! ^ 0xff;
  await writeFile(path, bytes);
}

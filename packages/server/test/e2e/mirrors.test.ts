/**
 * Mirrors: after whatever kept a `manifest.json` from being written, a later start brings it up to what the log says.
 */
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import type {Disk} from '../../src/std/disk.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {jobEnd, openTestDatabase, type TestDatabase} from '../test-database.ts';

const LOOKS_MAX = 500;
const LOOK_MS = 10;

test('a mirror that was not written before the end is written after the start, from checkpoint and log alike', async () => {
  let isAway = false;
  const disk: Disk = {
    ...realDisk,
    async open(path, mode) {
      if (isAway && path.includes('manifest.json')) throw new Error('away');
      return await realDisk.open(path, mode);
    },
  };
  const db = await openTestDatabase({disk, mirrorCheckMs: LOOK_MS, checkpointLogBytes: 1, slabBytes: 4096});
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql('CREATE USER TABLE app.t (id INT PRIMARY KEY)');
    for (let round = 1; round <= 3; round++) {
      isAway = true;
      await db.sql(`INSERT INTO app.t (id) VALUES (${round})`, {user: 'ana'});
      await flushed(db);
      assert.equal((await mirroredVersion(db)) ?? 0, round - 1);
      await db.close();
      isAway = false;
      await db.restart();
      let looks = 0;
      while ((await mirroredVersion(db)) !== round) {
        assert.ok(++looks < LOOKS_MAX, `round ${round}: the mirror stays behind`);
        await systemClock.sleep(LOOK_MS);
      }
    }
  } finally {
    await db.stop();
  }
});

async function flushed(db: TestDatabase): Promise<void> {
  const {message} = await db.sql('FLUSH TABLE app.t');
  const end = await jobEnd(db, /FL-\w+/.exec(message)![0]);
  assert.equal(end.status, 'completed');
}

async function mirroredVersion(db: TestDatabase): Promise<number | undefined> {
  const text = await readFile(`${db.directory}/storage/app/t/ana/manifest.json`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text).version;
}

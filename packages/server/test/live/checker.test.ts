/**
 * Live queries in random histories (see `checker.ts`).
 *
 * KALAMDB_LIVE_STEPS=1000000 runs as many steps, KALAMDB_LIVE_FIRST=5000 begins with that seed, KALAMDB_LIVE_SEED=7 replays one.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Checker, newMet} from './checker.ts';

const FILE = 'packages/server/test/live/checker.test.ts';
const STEPS = 400;
const STEPS_FAST = 4000;

/** Of one test, which has two minutes. */
const SEEDS_OF_TEST = 25;

const only = process.env['KALAMDB_LIVE_SEED'];
const first = Number(only ?? process.env['KALAMDB_LIVE_FIRST'] ?? 1);
const count = only === undefined ? Math.ceil(Number(process.env['KALAMDB_LIVE_STEPS'] ?? STEPS_FAST) / STEPS) : 1;
const met = newMet();

for (let from = first; from < first + count; from += SEEDS_OF_TEST) {
  const to = Math.min(from + SEEDS_OF_TEST, first + count) - 1;
  test(`R4: in histories ${from} to ${to} of ${STEPS} steps every client holds what SELECT answers, whenever it is told something`, async () => {
    for (let seed = from; seed <= to; seed++) await check(seed);
    for (const [what, times] of Object.entries(met))
      assert.ok(only !== undefined || times > 0, `no history met ${what}`);
  });
}

async function check(seed: number): Promise<void> {
  const checker = new Checker(seed, met);
  try {
    await checker.run(STEPS);
  } catch (error) {
    const replay = `KALAMDB_LIVE_SEED=${seed} node scripts/test.ts ${FILE}`;
    throw new Error(`Seed ${seed} failed. Replay: ${replay}\n${checker.trace.slice(-40).join('\n')}`, {cause: error});
  }
}

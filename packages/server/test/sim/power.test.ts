/**
 * Power: seeded histories of a whole database on a disk that loses power, fails and fills up, against the oracle.
 *
 * KALAMDB_SIM_STEPS=1000000 goes on for so many steps (statements, reads, flushes, starts); KALAMDB_SIM_SEED=7 replays one history, always the same.
 */
import {test} from 'node:test';
import {History} from './history.ts';

const FILE = 'packages/server/test/sim/power.test.ts';
const STEPS = Number(process.env['KALAMDB_SIM_STEPS'] ?? 5_000);
const only = process.env['KALAMDB_SIM_SEED'];

test('histories', {timeout: 3_600_000}, async () => {
  const seen = new Map<string, number>();
  let steps = 0;
  let seed = Number(only ?? 1);
  for (; steps < STEPS; seed++) {
    const history = new History(seed);
    try {
      await history.run();
    } catch (error) {
      const replay = `KALAMDB_SIM_SEED=${seed} node scripts/test.ts ${FILE}`;
      throw new Error(
        `Seed ${seed} (${history.durability}) failed. Replay: ${replay}\n${history.trace.slice(-40).join('\n')}`,
        {cause: error},
      );
    }
    steps += history.steps;
    for (const event of history.seen) seen.set(event, (seen.get(event) ?? 0) + 1);
    if (only !== undefined) return;
  }
  console.log(steps, seed, [...seen].sort());
});

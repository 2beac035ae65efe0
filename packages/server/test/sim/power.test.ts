/**
 * Power: seeded histories of a whole database on a disk that loses power, fails and fills up, with an object service that refuses, falls silent and
 * does not say what it did, against the oracle; beside them a STREAM table, against what may be seen of it.
 *
 * KALAMDB_SIM_STEPS=1000000 goes on for so many steps (statements, reads, flushes, starts), KALAMDB_SIM_FIRST=5000 begins at that seed;
 * KALAMDB_SIM_SEED=7 replays one history, which is always the same.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {History} from './history.ts';

const FILE = 'packages/server/test/sim/power.test.ts';
const STEPS_FAST = 14_000;
const TIMEOUT_MS = 6 * 3_600_000;
/** Of the trace of a history that failed. */
const LINES_SHOWN = 60;

const only = process.env['KALAMDB_SIM_SEED'];
const steps = only === undefined ? Number(process.env['KALAMDB_SIM_STEPS'] ?? STEPS_FAST) : 1;
const first = Number(only ?? process.env['KALAMDB_SIM_FIRST'] ?? 1);

/** What enough histories meet, all of it. */
const EVENTS = [
  'COMMIT_UNKNOWN',
  'DISK_FULL',
  'READ_ONLY',
  'STORAGE_UNAVAILABLE',
  'a full stream refused rows',
  'a put that was done and not said so',
  'a stream row past its TTL',
  'a stream row that must be there',
  'altered by ADD',
  'altered by ALTER',
  'altered by DROP',
  'altered by MODIFY',
  'altered by RENAME',
  'checkpoint',
  'close',
  'died starting',
  'dropped',
  'forgot answered writes',
  'healed',
  'kept an unanswered write',
  'kill',
  'log released',
  'lost an unanswered write',
  'more stream rows than are kept',
  'power',
  'segment',
  'started from a checkpoint',
  'started without its storage',
  'stream rows were evicted',
  'stream rows were lost',
];

test(`I1–I8, I11, I14: histories of ${steps} steps equal their model, whatever the disk does`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const seen = new Set<string>();
  let done = 0;
  for (let seed = first; done < steps; seed++) {
    const history = new History(seed);
    try {
      await history.run();
    } catch (error) {
      const replay = `KALAMDB_SIM_SEED=${seed} node scripts/test.ts ${FILE}`;
      const trace = history.trace.slice(-LINES_SHOWN).map(line => line.slice(0, 160));
      throw new Error(`Seed ${seed} at ${history.durability} failed. Replay: ${replay}\n${trace.join('\n')}`, {
        cause: error,
      });
    }
    done += history.steps;
    for (const event of history.seen) seen.add(event);
  }
  if (steps < STEPS_FAST) return;
  assert.deepEqual(
    EVENTS.filter(event => !seen.has(event)),
    [],
    'enough histories meet everything',
  );
});

test('one seed gives one history', async () => {
  for (const seed of [2, 3, 4, 5]) {
    const digests: string[] = [];
    for (const history of [new History(seed), new History(seed)]) {
      await history.run();
      // At once: the log goes on to prepare its next segment.
      digests.push(history.digest);
    }
    assert.equal(digests[0], digests[1], `seed ${seed}`);
  }
});

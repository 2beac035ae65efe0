/**
 * The example as a test: what KalamDB answers about 200,000 flights and 3,201 movies, before and after a kill, is what DuckDB answers.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {runFlights} from './flights.ts';

/** Far more than it takes, for machines that are busy with other things. */
const TIMEOUT_MS = 300_000;

test('real data: every answer agrees with DuckDB over both tiers, after a kill and a second flush', {
  timeout: TIMEOUT_MS,
}, async () => {
  const rounds = await runFlights({say() {}, progress() {}});
  assert.deepEqual(
    rounds.map(round => round.name),
    ['loaded', 'changed', 'killed', 'flushed'],
  );
  for (const {name, answers} of rounds) {
    assert.ok(answers.length >= 36, 'three dozen questions are asked in each round');
    for (const {about, rowCount, difference} of answers) {
      assert.equal(difference, undefined, `${name}, ${about}`);
      assert.ok(rowCount > 0, `${name}, ${about}: a question without an answer proves nothing`);
    }
  }
});

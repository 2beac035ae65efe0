import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Gate} from './gate.ts';

test('a gate lets so many wait at once, and everybody comes through, whether they wait, answer at once or fail', async () => {
  const gate = new Gate(2);
  let [inside, most] = [0, 0];
  const waits = async (i: number) => {
    most = Math.max(most, ++inside);
    for (let turns = 0; turns < 3; turns++) await new Promise(resolve => setImmediate(resolve));
    inside--;
    return i;
  };
  const fails = () => {
    throw new Error('at once');
  };
  const works = Array.from({length: 30}, (_, i) => async () => {
    if (i % 3 === 0) return await gate.run(() => i);
    if (i % 7 === 0)
      return await Promise.resolve()
        .then(() => gate.run(fails))
        .catch(() => -i);
    return await gate.run(() => waits(i));
  });
  const results = await Promise.all(works.map(work => work()));
  assert.deepEqual(
    results,
    works.map((_, i) => (i % 3 !== 0 && i % 7 === 0 ? -i : i)),
  );
  assert.equal(most, 2);
});

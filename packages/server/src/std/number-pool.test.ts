import assert from 'node:assert/strict';
import {test} from 'node:test';
import {NumberPool} from './number-pool.ts';
import {seededRandom} from './sim-clock.ts';

for (const [seed, most] of [
  [1, 10],
  [2, 100],
  [3, 3000],
] as const) {
  test(`the lowest free number is given out first, whatever comes and goes (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const pick = (limit: number) => Math.floor(random() * limit);
    const pool = new NumberPool();
    const used = new Set<number>();
    const lowest = (): number => {
      for (let number = 0; ; number++) if (!used.has(number)) return number;
    };
    for (let step = 0; step < 6000; step++) {
      const isFilling = step % (4 * most) < 2 * most;
      if (pick(10) < (isFilling ? 7 : 3) && used.size < most) {
        const expected = used.size === most ? -1 : lowest();
        assert.equal(pool.take(), expected);
        used.add(expected);
      } else if (used.size > 0) {
        const number = [...used][pick(used.size)]!;
        pool.give(number);
        used.delete(number);
      }
      assert.equal(pool.size, used.size);
      if (step % 10 === 0) assert.equal(pool.end, used.size === 0 ? 0 : Math.max(...used) + 1);
    }
  });
}

test('a hundred thousand numbers given back in any order are all given out again, from the low end', () => {
  const pool = new NumberPool();
  const count = 100_000;
  for (let i = 0; i < count; i++) assert.equal(pool.take(), i);
  for (let i = 0; i < count; i++) pool.give((i * 7919) % count);
  assert.deepEqual([pool.size, pool.end], [0, 0]);
  for (let i = 0; i < count; i++) assert.equal(pool.take(), i);
});

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seededRandom} from './sim-clock.ts';
import {eachInSlices, sortInSlices} from './slices.ts';

/** Counts what is done between two breaths. */
function meter(): {work(): void; breathe(): Promise<void>; most: number} {
  let count = 0;
  return {
    most: 0,
    work() {
      this.most = Math.max(this.most, ++count);
    },
    async breathe() {
      count = 0;
    },
  };
}

test('however many items are sorted, a turn makes a bounded number of comparisons; the order is that of a stable sort', async () => {
  const random = seededRandom(1);
  for (const count of [0, 1, 999, 1000, 1001, 3000, 40_000]) {
    const items = Array.from({length: count}, (_, i) => ({weight: Math.floor(random() * 500), i}));
    const turns = meter();
    const compare = (a: {weight: number}, b: {weight: number}) => {
      turns.work();
      return a.weight - b.weight;
    };
    const sorted = await sortInSlices(items, compare, () => turns.breathe());
    assert.ok(turns.most <= 12_000, `${turns.most} comparisons in a turn of ${count} items`);
    assert.deepEqual(
      sorted,
      items.toSorted((a, b) => a.weight - b.weight),
    );
  }
});

test('a loop over many items breathes, and ends where it is told to', async () => {
  const turns = meter();
  const seen: number[] = [];
  const visit = (item: number) => {
    turns.work();
    return seen.push(item) < 4500;
  };
  await eachInSlices(
    Array.from({length: 10_000}, (_, i) => i),
    visit,
    () => turns.breathe(),
  );
  assert.equal(seen.length, 4500);
  assert.equal(turns.most, 1000);
});

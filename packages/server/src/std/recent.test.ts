import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Recent} from './recent.ts';

const cases: [why: string, max: number, count: number, kept: number[]][] = [
  ['nothing was added', 3, 0, []],
  ['there is room', 3, 2, [1, 2]],
  ['it is full', 3, 3, [1, 2, 3]],
  ['the oldest go', 3, 5, [3, 4, 5]],
  ['round and round', 3, 9, [7, 8, 9]],
  ['nothing is kept', 0, 5, []],
];

for (const [why, max, count, kept] of cases) {
  test(`the newest are kept in their order: ${why}`, () => {
    const recent = new Recent<number>(max);
    for (let i = 1; i <= count; i++) recent.add(i);
    assert.deepEqual(recent.all(), kept);
  });
}

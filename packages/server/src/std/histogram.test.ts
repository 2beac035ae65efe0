import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Histogram} from './histogram.ts';

test('a value belongs to the first bound that is not below it, or beyond all', () => {
  const histogram = new Histogram([1, 10, 100]);
  for (const value of [0, 0.5, 1, 1.01, 10, 99, 100, 101, 1e9]) histogram.observe(value);
  assert.deepEqual([...histogram.counts], [3, 2, 2, 2]);
  assert.equal(histogram.count, 9);
  assert.equal(histogram.sum, 0 + 0.5 + 1 + 1.01 + 10 + 99 + 100 + 101 + 1e9);
});

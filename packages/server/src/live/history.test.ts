import assert from 'node:assert/strict';
import {test} from 'node:test';
import {type Entry, History} from './history.ts';

function entry(seq: number, key: string, hadRow?: boolean): Entry {
  return {seq: BigInt(seq), key, hadRow, gone: undefined};
}

test('LQ-12: a history gives each row changed after a seq once, by its newest change, and knows whether it was there before', () => {
  const history = new History(10n);
  for (const one of [entry(11, 'a', true), entry(12, 'b', false), entry(13, 'a', true), entry(14, 'c', true)]) {
    history.add(one, 100);
  }
  const seen = (seq: bigint) => history.after(seq).map(({newest, hadRow}) => [newest.key, Number(newest.seq), hadRow]);
  assert.deepEqual(seen(10n), [
    ['b', 12, false],
    ['a', 13, true],
    ['c', 14, true],
  ]);
  assert.deepEqual(seen(12n), [
    ['a', 13, true],
    ['c', 14, true],
  ]);
  assert.deepEqual(seen(14n), []);
  assert.equal(history.hasAfter(13n), true);
  assert.equal(history.hasAfter(14n), false);
});

test('LQ-12: what a history forgets raises its floor', () => {
  const history = new History(0n);
  for (let seq = 1; seq <= 9; seq++) history.add(entry(seq, `k${seq}`), 8);
  assert.equal(history.floor, 2n);
  assert.equal(history.size, 7);
  history.clear();
  assert.equal(history.floor, 9n);
  assert.deepEqual(history.after(9n), []);
});

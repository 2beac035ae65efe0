import assert from 'node:assert/strict';
import {test} from 'node:test';
import {RecentMap} from './recent-map.ts';

test('what is used stays, what is not goes, and there are never more than the bound', () => {
  let made = 0;
  const map = new RecentMap<string, {id: number}>(100, () => ({id: made++}));
  const kept = map.of('kept');
  const lost = map.of('lost');
  for (let i = 0; i < 10_000; i++) {
    map.of(`other ${i}`);
    if (i % 40 === 0) assert.equal(map.of('kept'), kept);
    assert.ok(map.size <= 100);
  }
  assert.notEqual(map.of('lost'), lost);
});

test('nothing is forgotten before half of the bound was used after it', () => {
  for (let before = 0; before < 10; before++) {
    const map = new RecentMap<number, object>(10, () => ({}));
    for (let i = 0; i < before; i++) map.of(-1 - i);
    const first = map.of(0);
    for (let i = 1; i <= 4; i++) map.of(i);
    assert.equal(map.of(0), first);
  }
});

import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Incarnation, Owner, ScopeKey} from '../model/names.ts';
import {NO_SLOT, ScopeIndex} from './scope-index.ts';

const LIFE = 64 as Incarnation;
const OTHER = 65 as Incarnation;

function scope(name: string | null, incarnation = LIFE): ScopeKey {
  return {incarnation, owner: name as Owner};
}

/** Slots of `count` users of one life. */
function filled(index: ScopeIndex, count: number, incarnation = LIFE): number[] {
  return Array.from({length: count}, (_, i) => index.add(scope(`user-${i}`, incarnation)));
}

function remove(index: ScopeIndex, slot: number): void {
  index.hide(slot);
  index.free(slot);
}

test('a scope is found until it is hidden, and its slot is not given to another before it is freed', () => {
  const index = new ScopeIndex();
  const [ann, shared, other] = [scope('ann'), scope(null), scope('ann', OTHER)].map(one => index.add(one));
  assert.equal(new Set([ann, shared, other]).size, 3);
  assert.deepEqual(
    [scope('ann'), scope(null), scope('ann', OTHER)].map(one => index.find(one)),
    [ann, shared, other],
  );
  assert.equal(index.hide(ann!), false);
  assert.equal(index.find(scope('ann')), NO_SLOT);
  assert.notEqual(index.add(scope('bob')), ann);
  index.free(ann!);
  assert.equal(index.add(scope('ann')), ann);
  assert.deepEqual([index.count(LIFE), index.count(OTHER), index.size], [3, 1, 4]);
  assert.equal(index.hide(other!), true, 'the last of its life');
  assert.deepEqual([...index.lives()], [LIFE]);
});

for (const others of [0, 10_000]) {
  test(`a walk meets all that are there the whole time once, in order, beside ${others} others`, () => {
    const index = new ScopeIndex();
    filled(index, others / 2, OTHER);
    const slots = filled(index, 500);
    for (let i = 0; i < others / 2; i++) index.add(scope(`late-${i}`, OTHER));
    const kept = slots.filter((_, i) => i % 3 !== 1);
    const met: number[] = [];
    for (const slot of index.of(LIFE)) {
      met.push(slot);
      const i = slots.indexOf(slot);
      // Those before and behind go, and others take their slots.
      for (const gone of [i - 2, i + 1]) {
        if (gone < 0 || gone % 3 !== 1 || index.find(scope(`user-${gone}`)) !== slots[gone]) continue;
        remove(index, slots[gone]!);
        index.add(scope(`new-${gone}`, i % 2 === 0 ? LIFE : OTHER));
      }
    }
    assert.deepEqual(
      met.filter(slot => kept.includes(slot)),
      kept,
    );
    assert.equal(new Set(met).size, met.length);
  });
}

test('a dropped life is found no more, and shows each of its slots once while others come', () => {
  for (const others of [0, 5000]) {
    const index = new ScopeIndex();
    filled(index, others, OTHER);
    const slots = filled(index, 300);
    const hidden = slots.splice(7, 1)[0]!;
    index.hide(hidden);
    const walk = index.of(LIFE);
    assert.equal(walk.next().value, slots[0]);
    const dropped = index.drop(LIFE);
    assert.deepEqual([index.find(scope('user-3')), index.count(LIFE)], [NO_SLOT, 0]);
    assert.equal(walk.next().done, true);
    const shown: number[] = [];
    for (let next = dropped.next(); !next.done; next = dropped.next()) {
      shown.push(next.value);
      index.free(next.value);
      index.add(scope(`new-${next.value}`, OTHER));
    }
    assert.deepEqual(shown, slots);
    assert.equal(index.count(OTHER), others + 299);
  }
});

test('an image holds the scopes of its moment, of the lives that were asked for', () => {
  const index = new ScopeIndex();
  const slots = filled(index, 100);
  filled(index, 50, OTHER);
  const image = index.image(incarnation => incarnation === LIFE);
  const expected = slots.map((slot, i) => ({slot, scope: scope(`user-${i}`)}));
  for (const slot of slots.slice(0, 60)) remove(index, slot);
  for (let i = 0; i < 60; i++) index.add(scope(`new-${i}`));
  index.drop(LIFE);
  assert.deepEqual([...image], expected);
  assert.deepEqual([...index.image(incarnation => incarnation === LIFE)], []);
});

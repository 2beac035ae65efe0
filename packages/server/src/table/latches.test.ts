import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seededRandom} from '../std/sim-clock.ts';
import {Latches, type Release} from './latches.ts';

async function turn(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve));
}

test('a free latch is taken at once, a held one in the order of asking', async () => {
  const latches = new Latches();
  const first = latches.acquire('p', ['a']) as Release;
  assert.equal(typeof first, 'function');
  const order: string[] = [];
  const waiting = ['second', 'third'].map(async name => {
    const release = await latches.acquire('p', ['a']);
    order.push(name);
    await turn();
    release();
  });
  await turn();
  assert.deepEqual(order, []);
  first();
  await Promise.all(waiting);
  assert.deepEqual(order, ['second', 'third']);
  assert.equal(latches.heldCount, 0);
});

test('whoever takes a and b never waits for ever for one who takes b and a, and never shares a key with him', async () => {
  const random = seededRandom(1);
  const latches = new Latches();
  const holders = new Map<string, number>();
  const work = Array.from({length: 300}, async (_, i) => {
    for (let turns = random() * 5; turns > 0; turns--) await turn();
    const ids = ['a', 'b', 'c', 'd'].filter(() => random() < 0.6).sort(() => random() - 0.5);
    const place = random() < 0.7 ? 'p' : 'q';
    const release = await latches.acquire(place, [...ids]);
    for (const id of ids) {
      assert.equal(holders.get(place + id), undefined, `${id} of ${place} has one holder`);
      holders.set(place + id, i);
    }
    for (let turns = random() * 3; turns > 0; turns--) await turn();
    for (const id of ids) holders.delete(place + id);
    release();
  });
  const done = Promise.all(work).then(() => true);
  let isOver = false;
  for (let turns = 0; turns < 20_000 && !isOver; turns++) {
    await turn();
    isOver = await Promise.race([done, Promise.resolve(false)]);
  }
  assert.ok(isOver, 'all get their turn');
  assert.equal(latches.heldCount, 0);
});

test('a latch passes to who waits, never to who comes in that moment', async () => {
  const latches = new Latches();
  const first = latches.acquire('p', ['a']) as Release;
  const waiting = latches.acquire('p', ['a']);
  first();
  assert.notEqual(typeof latches.acquire('p', ['a']), 'function');
  (await waiting)();
});

test('the same id of another place is another latch', () => {
  const latches = new Latches();
  latches.acquire('p', ['a']);
  assert.equal(typeof latches.acquire('q', ['a']), 'function');
});

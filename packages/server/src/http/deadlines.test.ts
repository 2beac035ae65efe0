import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {systemClock} from '../std/system-clock.ts';
import {Deadlines} from './deadlines.ts';

const AFTER_MS = 20;

async function within(ms: number, isSo: () => boolean): Promise<void> {
  for (let turns = 0; turns < ms && !isSo(); turns++) await sleep(1);
  assert.ok(isSo());
}

test('each is due once, in the order of adding, and none before its time', async () => {
  const deadlines = new Deadlines(systemClock, AFTER_MS);
  const due: {name: string; afterMs: number}[] = [];
  for (const name of ['first', 'second', 'third']) {
    const addedMs = systemClock.monotonicMs();
    deadlines.add({onDue: () => due.push({name, afterMs: systemClock.monotonicMs() - addedMs})});
    await sleep(2);
  }
  await within(5000, () => due.length === 3);
  await sleep(2 * AFTER_MS);
  assert.deepEqual(
    due.map(({name}) => name),
    ['first', 'second', 'third'],
  );
  for (const {name, afterMs} of due) assert.ok(afterMs >= AFTER_MS, `${name} was due after ${afterMs} ms`);
});

test('what is removed is never due, and what is around it is', async () => {
  const deadlines = new Deadlines(systemClock, AFTER_MS);
  const due: number[] = [];
  const added = [0, 1, 2, 3, 4].map(i => deadlines.add({onDue: () => due.push(i)}));
  for (const i of [0, 2, 4]) added[i]!.remove();
  await within(5000, () => due.length === 2);
  assert.deepEqual(due, [1, 3]);
});

test('when nobody waits any more, who comes later has the whole time', async () => {
  const deadlines = new Deadlines(systemClock, AFTER_MS);
  deadlines.add({onDue: () => assert.fail('it was removed')}).remove();
  await sleep(AFTER_MS / 2);
  const addedMs = systemClock.monotonicMs();
  let afterMs = 0;
  deadlines.add({
    onDue: () => {
      afterMs = systemClock.monotonicMs() - addedMs;
    },
  });
  await within(5000, () => afterMs > 0);
  assert.ok(afterMs >= AFTER_MS, `due after ${afterMs} ms`);
});

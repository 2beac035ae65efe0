import assert from 'node:assert/strict';
import {test} from 'node:test';
import {SimClock} from './sim-clock.ts';
import {Wheel} from './wheel.ts';

test('a timer fires once, not before its time and within one tick after it', async () => {
  const clock = new SimClock();
  const wheel = new Wheel(clock, 100);
  const firedMs: number[] = [];
  for (const ms of [0, 1, 99, 100, 101, 250, 5000]) wheel.after(ms, () => firedMs.push(clock.monotonicMs() - ms));
  for (let i = 0; i < 60; i++) await clock.advance(100);
  assert.equal(firedMs.length, 7);
  for (const late of firedMs) assert.ok(late >= 0 && late <= 200, `${late} ms late`);
});

test('a stopped timer does not fire, and a wheel without timers does not sleep', async () => {
  const clock = new SimClock();
  const wheel = new Wheel(clock, 100);
  let fired = 0;
  const timer = wheel.after(150, () => fired++);
  wheel.after(50, () => timer.stop());
  for (let i = 0; i < 5; i++) await clock.advance(100);
  assert.equal(fired, 0);
  assert.equal(clock.sleeperCount, 0);
});

test('a timer set by a timer, or after a long rest, fires', async () => {
  const clock = new SimClock();
  const wheel = new Wheel(clock, 100);
  const fired: string[] = [];
  wheel.after(100, () => wheel.after(100, () => fired.push('second')));
  for (let i = 0; i < 5; i++) await clock.advance(100);
  await clock.advance(1_000_000);
  wheel.after(10, () => fired.push('later'));
  for (let i = 0; i < 3; i++) await clock.advance(100);
  assert.deepEqual(fired, ['second', 'later']);
});

test('after it is closed nothing fires', async () => {
  const clock = new SimClock();
  const wheel = new Wheel(clock, 100);
  wheel.after(100, () => assert.fail());
  wheel.close();
  for (let i = 0; i < 5; i++) await clock.advance(100);
});

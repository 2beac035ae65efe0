import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createSchedule} from './schedule.ts';
import {KeptLog, StillClock, settled} from './test-kit.ts';

test('ticks come every five seconds, and a slow one delays the next instead of overlapping it', async () => {
  const clock = new StillClock();
  const begun: number[] = [];
  const start = clock.nowMs();
  const schedule = createSchedule({
    clock,
    logger: new KeptLog(),
    tick: async () => {
      begun.push(clock.nowMs() - start);
      if (begun.length === 2) await clock.sleep(12_000);
    },
  });
  schedule.start();
  schedule.start();
  await clock.advance(40_000);
  assert.deepEqual(begun, [5000, 10_000, 27_000, 32_000, 37_000]);
  await schedule.stop();
});

test('a tick that throws is logged, and the next one comes', async () => {
  const clock = new StillClock();
  const logger = new KeptLog();
  let ticks = 0;
  const schedule = createSchedule({
    clock,
    logger,
    everyMs: 10,
    tick: async () => {
      if (++ticks === 1) throw new Error('disk');
    },
  });
  schedule.start();
  await clock.advance(20);
  assert.equal(ticks, 2);
  assert.deepEqual(logger.lines, ['error A scheduled tick failed: disk']);
  await schedule.stop();
});

test('stop tells the running tick, waits for it, and no other comes', async () => {
  const clock = new StillClock();
  const tick = Promise.withResolvers<void>();
  let signal: AbortSignal | undefined;
  const schedule = createSchedule({
    clock,
    logger: new KeptLog(),
    tick: given => {
      signal = given;
      return tick.promise;
    },
  });
  schedule.start();
  await clock.advance(5000);
  let isStopped = false;
  const stopped = schedule.stop().then(() => {
    isStopped = true;
  });
  await settled();
  assert.equal(signal?.aborted, true);
  assert.equal(isStopped, false);
  tick.resolve();
  await stopped;
  await clock.advance(20_000);
  assert.equal(clock.sleeperCount, 0);
});

test('wake brings the next tick now, and one more after a running one', async () => {
  const clock = new StillClock();
  const gate = Promise.withResolvers<void>();
  let ticks = 0;
  const schedule = createSchedule({
    clock,
    logger: new KeptLog(),
    tick: () => (++ticks === 1 ? gate.promise : Promise.resolve()),
  });
  schedule.start();
  await settled();
  schedule.wake();
  await settled();
  assert.equal(ticks, 1);
  schedule.wake();
  await settled();
  assert.equal(ticks, 1, 'never two at once');
  gate.resolve();
  await settled();
  assert.equal(ticks, 2);
  await schedule.stop();
});

test('a schedule that was never started can be stopped', async () => {
  const clock = new StillClock();
  await createSchedule({clock, logger: new KeptLog(), tick: async () => undefined}).stop();
});

/** For tests of what is done after days. */
import assert from 'node:assert/strict';
import type {Clock} from '../../src/std/clock.ts';
import {systemClock} from '../../src/std/system-clock.ts';

/** The real clock, moved on by hand. */
export class LateClock implements Clock {
  lateMs = 0;
  nowMs = () => systemClock.nowMs() + this.lateMs;
  monotonicMs = () => systemClock.monotonicMs();
  sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms, signal);
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonicMs() + 20_000;
  while (!(await holds())) {
    assert.ok(systemClock.monotonicMs() < endMs, 'it came to pass');
    await systemClock.sleep(5);
  }
}

/** The real clock and the real randomness. */
import {randomFillSync} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Clock, Ids} from './clock.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : {signal}),
};

export const systemIds: Ids = {
  bytes: count => randomFillSync(new Uint8Array(count)),
};

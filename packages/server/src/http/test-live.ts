/**
 * Test live: a live room for tests of routes that do not need one.
 */
import assert from 'node:assert/strict';
import type {Live} from '../live/live.ts';

export const noLive: Live = {
  connect: () => assert.fail('nobody asks for live queries here'),
  check() {},
  kill: () => false,
  list: () => [],
  counts: {connections: 0, subscriptions: 0, behind: 0},
  close() {},
};

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {CONNECTION_STEPS, type ConnectionEvent, type ConnectionState} from './connection-states.ts';

const STATES = 'idle authorizing opening authenticating ready waiting offline ended'.split(' ') as ConnectionState[];
const EVENTS = 'connect disconnect end token noToken refused opened welcomed rejected lost timer online offline'.split(
  ' ',
) as ConnectionEvent[];

/** Every cell that does something; in all others nothing happens. */
const CELLS: Readonly<Record<ConnectionState, readonly string[]>> = {
  idle: ['connect → authorizing resetFailures askToken', 'end → ended tellEnd'],
  authorizing: [
    'disconnect → idle tellEnd',
    'end → ended tellEnd',
    'token → opening openSocket',
    'noToken → waiting countFailure',
    'refused → idle tellRefused',
    'timer → waiting countFailure',
    'offline → offline',
  ],
  opening: [
    'disconnect → idle dropSocket tellEnd',
    'end → ended dropSocket tellEnd',
    'opened → authenticating authenticate',
    'rejected → waiting dropSocket forgetToken countFailure',
    'lost → waiting dropSocket countFailure',
    'timer → waiting dropSocket countFailure',
    'offline → offline dropSocket',
  ],
  authenticating: [
    'disconnect → idle dropSocket tellEnd',
    'end → ended dropSocket tellEnd',
    'welcomed → ready tellUp',
    'rejected → waiting dropSocket forgetToken countFailure',
    'lost → waiting dropSocket countFailure',
    'timer → waiting dropSocket countFailure',
    'offline → offline dropSocket',
  ],
  ready: [
    'disconnect → idle dropSocket tellDown tellEnd',
    'end → ended dropSocket tellDown tellEnd',
    'refused → idle dropSocket tellDown tellRefused',
    'rejected → waiting dropSocket tellDown forgetToken countFailure',
    'lost → waiting dropSocket tellDown countFailure',
    'timer → ready ping',
    'online → ready probe',
    'offline → offline dropSocket tellDown',
  ],
  waiting: [
    'connect → authorizing resetFailures askToken',
    'disconnect → idle tellEnd',
    'end → ended tellEnd',
    'refused → idle tellRefused',
    'timer → authorizing askToken',
    'online → authorizing askToken',
    'offline → offline',
  ],
  offline: [
    'connect → authorizing resetFailures askToken',
    'disconnect → idle tellEnd',
    'end → ended tellEnd',
    'timer → authorizing askToken',
    'online → authorizing resetFailures askToken',
  ],
  ended: [],
};

test('the table of the connection is total, and every cell is what it should be', () => {
  assert.deepEqual(Object.keys(CONNECTION_STEPS), STATES);
  for (const state of STATES) {
    assert.deepEqual(Object.keys(CONNECTION_STEPS[state]), EVENTS, state);
    const cells = EVENTS.flatMap(event => {
      const step = CONNECTION_STEPS[state][event];
      return step === undefined ? [] : [`${event} → ${step.join(' ')}`];
    });
    assert.deepEqual(cells, CELLS[state], state);
  }
});

test('whoever leaves a state with a socket for one without drops it, and whoever leaves ready says so', () => {
  const withSocket = new Set<ConnectionState>(['opening', 'authenticating', 'ready']);
  for (const state of STATES) {
    for (const event of EVENTS) {
      const [next, ...actions] = CONNECTION_STEPS[state][event] ?? [state];
      const where = `${state}, ${event}`;
      assert.equal(actions.includes('dropSocket'), withSocket.has(state) && !withSocket.has(next), where);
      assert.equal(actions.includes('tellDown'), state === 'ready' && next !== 'ready', where);
      if (next === 'waiting' && state !== 'waiting') assert.equal(actions.at(-1), 'countFailure', where);
    }
  }
});

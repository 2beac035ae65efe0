import assert from 'node:assert/strict';
import {test} from 'node:test';
import {EVENTS, type Event, nextState, STATES, type State} from './transitions.ts';

/** Every cell, in the order of EVENTS; `·` stays. */
const TABLE: Record<State, string> = {
  //         batch  lastBatch next     catchUp   held    caughtUp missed  end
  reading: ' paged  behind    ·        ·         ·       ·        ·       ended',
  paged: '   ·      ·         reading  ·         ·       ·        ·       ended',
  behind: '  ·      ·         ·        catching  ·       ·        ·       ended',
  catching: '·      ·         ·        ·         behind  live     ·       ended',
  live: '    ·      ·         ·        ·         ·       ·        behind  ended',
  ended: '   ·      ·         ·        ·         ·       ·        ·       ·',
};

test('LQ-7: each event moves a subscription from each state exactly as the table says', () => {
  for (const state of STATES) {
    const cells = TABLE[state].trim().split(/\s+/);
    assert.equal(cells.length, EVENTS.length);
    for (const [i, event] of EVENTS.entries()) {
      const expected = cells[i] === '·' ? state : cells[i];
      assert.equal(nextState(state, event as Event), expected, `${state} + ${event}`);
    }
  }
});

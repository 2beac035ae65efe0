import assert from 'node:assert/strict';
import {test} from 'node:test';
import {SUBSCRIPTION_STEPS, type SubscriptionEvent, type SubscriptionState} from './subscription-states.ts';

const STATES = 'waiting asked loading live ended'.split(' ') as SubscriptionState[];
const EVENTS = 'up down ack ackLive ackResync ackAnew batch lastBatch change refused postponed again close'.split(
  ' ',
) as SubscriptionEvent[];

/** Every cell that does something; in all others nothing happens. */
const CELLS: Readonly<Record<SubscriptionState, readonly string[]>> = {
  waiting: ['up → asked ask', 'refused → ended tellEnd', 'close → ended'],
  asked: [
    'down → waiting tellDown',
    'ack → loading takeAck beginSnapshot',
    'ackLive → live takeAck tellLive',
    'ackResync → loading forgetCursor takeAck beginSnapshot',
    'ackAnew → asked forgetCursor ask',
    'refused → ended tellEnd',
    'postponed → asked askLater',
    'again → asked ask',
    'close → ended unsubscribe',
  ],
  loading: [
    'down → waiting dropSnapshot tellDown',
    'ack → loading takeAck beginSnapshot',
    'ackLive → live dropSnapshot takeAck tellLive',
    'ackResync → loading forgetCursor takeAck beginSnapshot',
    'ackAnew → asked dropSnapshot forgetCursor ask',
    'batch → loading takeBatch askBatch',
    'lastBatch → live takeBatch commitSnapshot',
    'change → loading takeChange',
    'refused → ended dropSnapshot tellEnd',
    'postponed → asked dropSnapshot askLater',
    'again → loading askBatch',
    'close → ended dropSnapshot unsubscribe',
  ],
  live: [
    'down → waiting tellDown',
    'ack → loading takeAck beginSnapshot',
    'ackLive → live takeAck tellLive',
    'ackResync → loading forgetCursor takeAck beginSnapshot',
    'ackAnew → asked forgetCursor ask',
    'batch → live takeLateBatch askBatch',
    'lastBatch → live takeLateBatch tellLive',
    'change → live takeChange',
    'refused → ended tellEnd',
    'postponed → asked tellDown askLater',
    'close → ended unsubscribe',
  ],
  ended: [],
};

test('the table of the subscription is total, and every cell is what it should be', () => {
  assert.deepEqual(Object.keys(SUBSCRIPTION_STEPS), STATES);
  for (const state of STATES) {
    assert.deepEqual(Object.keys(SUBSCRIPTION_STEPS[state]), EVENTS, state);
    const cells = EVENTS.flatMap(event => {
      const step = SUBSCRIPTION_STEPS[state][event];
      return step === undefined ? [] : [`${event} → ${step.join(' ')}`];
    });
    assert.deepEqual(cells, CELLS[state], state);
  }
});

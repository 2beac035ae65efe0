/** Every cell is told here again, in another form: for each event what it does in each state. Whoever changes one changes both, knowingly. */
import {deepEqual} from 'node:assert/strict';
import {test} from 'node:test';
import {
  CONNECTION_EVENTS,
  CONNECTION_STATES,
  CONNECTION_TABLE,
  type ConnectionEvent,
  FEED_EVENTS,
  FEED_STATES,
  FEED_TABLE,
  type FeedEvent,
} from './live-states.ts';

/** In `unknown`, `open`; `closing` and `closed` follow from laws. `.` stays where it is. */
const CONNECTION: Record<ConnectionEvent, readonly [unknown: string, open: string]> = {
  authenticate: ['. check', '. check'],
  subscribe: ['. demand', '. subscribe'],
  nextBatch: ['. ignore', '. nextBatch'],
  unsubscribe: ['. ignore', '. unsubscribe'],
  ping: ['. ignore', '. ignore'],
  unreadable: ['. complain', '. complain'],
  malformed: ['closing close', 'closing close'],
  flood: ['. complain', '. complain'],
  signedIn: ['open welcome', '. welcome'],
  refused: ['closing refuse', 'closing refuse'],
  authTimeout: ['closing refuse', '. ignore'],
  idle: ['closing close', 'closing close'],
  ended: ['closing close', 'closing close'],
  shutdown: ['closing close', 'closing close'],
  gone: ['closed forget', 'closed forget'],
};

for (const event of CONNECTION_EVENTS) {
  const [unknown, open] = CONNECTION[event];
  // Whoever is being closed is not heard any more, and only what is not yet forgotten can be.
  const closing = event === 'gone' ? 'closed forget' : '. ignore';
  const expected = {unknown, open, closing, closed: '. ignore'};
  for (const state of CONNECTION_STATES)
    test(`a connection that is ${state}, at ${event}: ${expected[state]}`, () => {
      const [next, action] = CONNECTION_TABLE[state][event];
      deepEqual(`${next === state ? '.' : next} ${action}`, expected[state]);
    });
}

/** In `opening`, `loading`, `paged`, `live`; an ended one ignores everything. */
const FEED: Record<FeedEvent, readonly [opening: string, loading: string, paged: string, live: string]> = {
  ack: ['live send', 'ended fault', 'ended fault', 'ended fault'],
  ackLoading: ['loading send', 'ended fault', 'ended fault', 'ended fault'],
  batch: ['ended fault', 'paged send', 'ended fault', 'ended fault'],
  lastBatch: ['ended fault', 'live send', 'ended fault', 'ended fault'],
  changes: ['ended fault', 'ended fault', 'ended fault', '. send'],
  end: ['ended send', 'ended send', 'ended send', 'ended send'],
  next: ['. ignore', '. ignore', 'loading ask', '. ignore'],
  staleNext: ['. ignore', '. ignore', '. ignore', '. ignore'],
  close: ['ended close', 'ended close', 'ended close', 'ended close'],
};

for (const event of FEED_EVENTS) {
  const [opening, loading, paged, live] = FEED[event];
  const expected = {opening, loading, paged, live, ended: '. ignore'};
  for (const state of FEED_STATES)
    test(`a subscription that is ${state}, at ${event}: ${expected[state]}`, () => {
      const [next, action] = FEED_TABLE[state][event];
      deepEqual(`${next === state ? '.' : next} ${action}`, expected[state]);
    });
}

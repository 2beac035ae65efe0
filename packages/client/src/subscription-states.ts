/**
 * Subscription states: what a subscription does about everything that can happen to it, as one total table.
 *
 *     waiting ─up→ asked ─ack→ loading ─lastBatch→ live ─change→ live
 *        ↑           └─ackLive────────────────────→ ↑
 *        └── down ── asked, loading, live
 *     refused, close → ended
 *
 * Laws: every event has an answer in every state. Whatever arrives before the ack is of an earlier subscription with this id and is not
 *       looked at. The cursor moves in `live` alone, so a snapshot that breaks off is asked for again from its beginning.
 */
export type SubscriptionState = 'waiting' | 'asked' | 'loading' | 'live' | 'ended';

export type SubscriptionEvent =
  /** The connection. */
  | 'up'
  | 'down'
  /** Batches follow; none do. The cursor is too old: all rows follow, or only the newest were wanted, which must be asked for anew. */
  | 'ack'
  | 'ackLive'
  | 'ackResync'
  | 'ackAnew'
  | 'batch'
  | 'lastBatch'
  | 'change'
  /** It has ended, by the server or since there will be no connection; or did, and it may be asked for again later. */
  | 'refused'
  | 'postponed'
  /** The time to ask again: a request was dropped, or the subscription was postponed. */
  | 'again'
  /** The program ended it. */
  | 'close';

export type SubscriptionAction =
  | 'ask'
  | 'askLater'
  | 'forgetCursor'
  | 'takeAck'
  | 'beginSnapshot'
  | 'takeBatch'
  | 'takeLateBatch'
  | 'askBatch'
  | 'commitSnapshot'
  | 'takeChange'
  | 'dropSnapshot'
  | 'tellLive'
  | 'tellDown'
  | 'tellEnd'
  | 'unsubscribe';

export type SubscriptionStep = readonly [next: SubscriptionState, ...actions: SubscriptionAction[]];

const stay = undefined;
type Row = Readonly<Record<SubscriptionEvent, SubscriptionStep | undefined>>;

export const SUBSCRIPTION_STEPS: Readonly<Record<SubscriptionState, Row>> = {
  waiting: {
    up: ['asked', 'ask'],
    down: stay,
    ack: stay,
    ackLive: stay,
    ackResync: stay,
    ackAnew: stay,
    batch: stay,
    lastBatch: stay,
    change: stay,
    refused: ['ended', 'tellEnd'],
    postponed: stay,
    again: stay,
    close: ['ended'],
  },
  asked: {
    up: stay,
    down: ['waiting', 'tellDown'],
    ack: ['loading', 'takeAck', 'beginSnapshot'],
    ackLive: ['live', 'takeAck', 'tellLive'],
    ackResync: ['loading', 'forgetCursor', 'takeAck', 'beginSnapshot'],
    ackAnew: ['asked', 'forgetCursor', 'ask'],
    batch: stay,
    lastBatch: stay,
    change: stay,
    refused: ['ended', 'tellEnd'],
    postponed: ['asked', 'askLater'],
    again: ['asked', 'ask'],
    close: ['ended', 'unsubscribe'],
  },
  loading: {
    up: stay,
    down: ['waiting', 'dropSnapshot', 'tellDown'],
    ack: ['loading', 'takeAck', 'beginSnapshot'],
    ackLive: ['live', 'dropSnapshot', 'takeAck', 'tellLive'],
    ackResync: ['loading', 'forgetCursor', 'takeAck', 'beginSnapshot'],
    ackAnew: ['asked', 'dropSnapshot', 'forgetCursor', 'ask'],
    batch: ['loading', 'takeBatch', 'askBatch'],
    lastBatch: ['live', 'takeBatch', 'commitSnapshot'],
    change: ['loading', 'takeChange'],
    refused: ['ended', 'dropSnapshot', 'tellEnd'],
    postponed: ['asked', 'dropSnapshot', 'askLater'],
    again: ['loading', 'askBatch'],
    close: ['ended', 'dropSnapshot', 'unsubscribe'],
  },
  live: {
    up: stay,
    down: ['waiting', 'tellDown'],
    ack: ['loading', 'takeAck', 'beginSnapshot'],
    ackLive: ['live', 'takeAck', 'tellLive'],
    ackResync: ['loading', 'forgetCursor', 'takeAck', 'beginSnapshot'],
    ackAnew: ['asked', 'forgetCursor', 'ask'],
    batch: ['live', 'takeLateBatch', 'askBatch'],
    lastBatch: ['live', 'takeLateBatch', 'tellLive'],
    change: ['live', 'takeChange'],
    refused: ['ended', 'tellEnd'],
    postponed: ['asked', 'tellDown', 'askLater'],
    again: stay,
    close: ['ended', 'unsubscribe'],
  },
  ended: {
    up: stay,
    down: stay,
    ack: stay,
    ackLive: stay,
    ackResync: stay,
    ackAnew: stay,
    batch: stay,
    lastBatch: stay,
    change: stay,
    refused: stay,
    postponed: stay,
    again: stay,
    close: stay,
  },
};

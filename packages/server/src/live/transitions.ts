/**
 * Transitions: the states of a subscription, and what happens in each.
 *
 *     reading ─ batch ─ paged ─ next ─ reading …         rows of its snapshot
 *        └ lastBatch ─ behind ─ catchUp ─ catching ─ caughtUp ─ live
 *                        └──── held, missed ──┘ ←──── missed ──┘     a socket too slow, or what cannot be told as it happens
 *
 * The table is total: an event that means nothing in a state leaves it, and `ended` is left by nothing.
 */
export const STATES = ['reading', 'paged', 'behind', 'catching', 'live', 'ended'] as const;
export type State = (typeof STATES)[number];

export const EVENTS = ['batch', 'lastBatch', 'next', 'catchUp', 'held', 'caughtUp', 'missed', 'end'] as const;
export type Event = (typeof EVENTS)[number];

/** What is not said stays as it is. */
const MOVES: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>> = {
  reading: {batch: 'paged', lastBatch: 'behind', end: 'ended'},
  paged: {next: 'reading', end: 'ended'},
  behind: {catchUp: 'catching', end: 'ended'},
  catching: {held: 'behind', caughtUp: 'live', end: 'ended'},
  live: {missed: 'behind', end: 'ended'},
  ended: {},
};

export function nextState(state: State, event: Event): State {
  return MOVES[state][event] ?? state;
}

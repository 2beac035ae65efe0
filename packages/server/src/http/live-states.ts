/**
 * Live states: what a live connection, and each subscription on it, does at every event in every state.
 *
 *     connection      unknown ─ signedIn ─ open ─┐
 *                        └─────────┴─────────────┴─ closing ─ gone ─ closed
 *     subscription    opening ─┬─ ack ───────────────────────── live ─┐
 *                              └─ ackLoading ─ loading ─ lastBatch ┘  ├─ ended
 *                                                 └ batch ─ paged ─ next ─ loading
 *
 * Law: both tables are total. A cell that cannot be reached says `fault`, which is a bug and closes the connection.
 */

export const CONNECTION_STATES = ['unknown', 'open', 'closing', 'closed'] as const;
export type ConnectionState = (typeof CONNECTION_STATES)[number];

export const CONNECTION_EVENTS = [
  /** A message of a client, each type. */
  'authenticate',
  'subscribe',
  'nextBatch',
  'unsubscribe',
  'ping',
  /** A frame that holds no message; the connection can go on after it, or cannot. */
  'unreadable',
  'malformed',
  /** A message beyond what is allowed in a second. */
  'flood',
  /** What became of a token. */
  'signedIn',
  'refused',
  /** Time is over: for authenticating, of silence. */
  'authTimeout',
  'idle',
  /** The live room ended it, the server stops, the socket is gone. */
  'ended',
  'shutdown',
  'gone',
] as const;
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number];

export type ConnectionAction =
  | 'ignore'
  /** Tell the sender what was wrong. */
  | 'complain'
  /** Say that authentication comes first. */
  | 'demand'
  /** Find out who the token is of: signedIn or refused comes next. */
  | 'check'
  /** auth_success, and a place in the live room. */
  | 'welcome'
  /** auth_error, then close. */
  | 'refuse'
  | 'subscribe'
  | 'nextBatch'
  | 'unsubscribe'
  /** Close with the event's code. */
  | 'close'
  /** Let go of everything. */
  | 'forget';

export type Cell<State, Action> = readonly [next: State, action: Action];

type ConnectionTable = Record<ConnectionState, Record<ConnectionEvent, Cell<ConnectionState, ConnectionAction>>>;

export const CONNECTION_TABLE: ConnectionTable = {
  unknown: {
    authenticate: ['unknown', 'check'],
    subscribe: ['unknown', 'demand'],
    nextBatch: ['unknown', 'ignore'],
    unsubscribe: ['unknown', 'ignore'],
    ping: ['unknown', 'ignore'],
    unreadable: ['unknown', 'complain'],
    malformed: ['closing', 'close'],
    flood: ['unknown', 'complain'],
    signedIn: ['open', 'welcome'],
    refused: ['closing', 'refuse'],
    authTimeout: ['closing', 'refuse'],
    idle: ['closing', 'close'],
    ended: ['closing', 'close'],
    shutdown: ['closing', 'close'],
    gone: ['closed', 'forget'],
  },
  open: {
    authenticate: ['open', 'check'],
    subscribe: ['open', 'subscribe'],
    nextBatch: ['open', 'nextBatch'],
    unsubscribe: ['open', 'unsubscribe'],
    ping: ['open', 'ignore'],
    unreadable: ['open', 'complain'],
    malformed: ['closing', 'close'],
    flood: ['open', 'complain'],
    signedIn: ['open', 'welcome'],
    refused: ['closing', 'refuse'],
    authTimeout: ['open', 'ignore'],
    idle: ['closing', 'close'],
    ended: ['closing', 'close'],
    shutdown: ['closing', 'close'],
    gone: ['closed', 'forget'],
  },
  closing: {
    authenticate: ['closing', 'ignore'],
    subscribe: ['closing', 'ignore'],
    nextBatch: ['closing', 'ignore'],
    unsubscribe: ['closing', 'ignore'],
    ping: ['closing', 'ignore'],
    unreadable: ['closing', 'ignore'],
    malformed: ['closing', 'ignore'],
    flood: ['closing', 'ignore'],
    signedIn: ['closing', 'ignore'],
    refused: ['closing', 'ignore'],
    authTimeout: ['closing', 'ignore'],
    idle: ['closing', 'ignore'],
    ended: ['closing', 'ignore'],
    shutdown: ['closing', 'ignore'],
    gone: ['closed', 'forget'],
  },
  closed: {
    authenticate: ['closed', 'ignore'],
    subscribe: ['closed', 'ignore'],
    nextBatch: ['closed', 'ignore'],
    unsubscribe: ['closed', 'ignore'],
    ping: ['closed', 'ignore'],
    unreadable: ['closed', 'ignore'],
    malformed: ['closed', 'ignore'],
    flood: ['closed', 'ignore'],
    signedIn: ['closed', 'ignore'],
    refused: ['closed', 'ignore'],
    authTimeout: ['closed', 'ignore'],
    idle: ['closed', 'ignore'],
    ended: ['closed', 'ignore'],
    shutdown: ['closed', 'ignore'],
    gone: ['closed', 'ignore'],
  },
};

export const FEED_STATES = ['opening', 'loading', 'paged', 'live', 'ended'] as const;
/** Of a subscription, as its client sees it. */
export type FeedState = (typeof FEED_STATES)[number];

export const FEED_EVENTS = [
  /** Of the live room: an ack after which changes come, one after which a batch comes. */
  'ack',
  'ackLoading',
  'batch',
  'lastBatch',
  'changes',
  'end',
  /** Of the client: the next batch is wanted, after the last one; the same, after one that is long out. */
  'next',
  'staleNext',
  /** Unsubscribed, or its id was taken anew. */
  'close',
] as const;
export type FeedEvent = (typeof FEED_EVENTS)[number];

/** `ask`: for the next batch. `close`: tell the room that nobody listens. */
export type FeedAction = 'send' | 'ask' | 'close' | 'ignore' | 'fault';

export const FEED_TABLE: Record<FeedState, Record<FeedEvent, Cell<FeedState, FeedAction>>> = {
  opening: {
    ack: ['live', 'send'],
    ackLoading: ['loading', 'send'],
    batch: ['ended', 'fault'],
    lastBatch: ['ended', 'fault'],
    changes: ['ended', 'fault'],
    end: ['ended', 'send'],
    next: ['opening', 'ignore'],
    staleNext: ['opening', 'ignore'],
    close: ['ended', 'close'],
  },
  loading: {
    ack: ['ended', 'fault'],
    ackLoading: ['ended', 'fault'],
    batch: ['paged', 'send'],
    lastBatch: ['live', 'send'],
    changes: ['ended', 'fault'],
    end: ['ended', 'send'],
    next: ['loading', 'ignore'],
    staleNext: ['loading', 'ignore'],
    close: ['ended', 'close'],
  },
  paged: {
    ack: ['ended', 'fault'],
    ackLoading: ['ended', 'fault'],
    batch: ['ended', 'fault'],
    lastBatch: ['ended', 'fault'],
    changes: ['ended', 'fault'],
    end: ['ended', 'send'],
    next: ['loading', 'ask'],
    staleNext: ['paged', 'ignore'],
    close: ['ended', 'close'],
  },
  live: {
    ack: ['ended', 'fault'],
    ackLoading: ['ended', 'fault'],
    batch: ['ended', 'fault'],
    lastBatch: ['ended', 'fault'],
    changes: ['live', 'send'],
    end: ['ended', 'send'],
    next: ['live', 'ignore'],
    staleNext: ['live', 'ignore'],
    close: ['ended', 'close'],
  },
  ended: {
    ack: ['ended', 'ignore'],
    ackLoading: ['ended', 'ignore'],
    batch: ['ended', 'ignore'],
    lastBatch: ['ended', 'ignore'],
    changes: ['ended', 'ignore'],
    end: ['ended', 'ignore'],
    next: ['ended', 'ignore'],
    staleNext: ['ended', 'ignore'],
    close: ['ended', 'ignore'],
  },
};

/** Options of live queries and of the connections they run over; the others, and how settings are read, in `options.ts`. */
import {DAY_S, GIB, KIB, MIB, type OptionFacts} from './option-facts.ts';

export const LIVE_OPTIONS = {
  'live.max_subscriptions': {
    default: 200_000,
    range: [0, 10_000_000],
    about: 'Live queries that may be open at the same time.',
  },
  'live.max_subscriptions_per_connection': {
    default: 100,
    range: [1, 100_000],
    about: 'Live queries of one connection.',
  },
  'live.max_queued_bytes': {
    default: MIB,
    unit: 'bytes',
    range: [64 * KIB, GIB],
    about:
      'Bytes that may wait for one connection; its live queries then fall behind, and catch up when it has taken them.',
  },
  'live.slow_connection_seconds': {
    default: 60,
    unit: 's',
    range: [1, 3600],
    about: 'A connection that takes nothing for so long while changes wait for it is closed; its client can resume.',
  },
  'live.batch_timeout_seconds': {
    default: 300,
    unit: 's',
    range: [1, DAY_S],
    about: 'How long the snapshot of a live query waits for its client to ask for the next batch.',
  },
  'live.history_rows': {
    default: 200_000,
    unit: 'rows',
    range: [0, 100_000_000],
    about:
      'Changed rows that are remembered, so that clients which were away for a short time resume without a pass over the table.',
  },
  'live.history_seconds': {
    default: 600,
    unit: 's',
    range: [1, DAY_S],
    about: 'How long the changes of a table are remembered after its last live query was closed.',
  },
  'live.progress_seconds': {
    default: 60,
    unit: 's',
    range: [1, DAY_S],
    about: 'How long a client that asked for progress hears of no cursor, before it is sent one without a change.',
  },
  'rate_limit.max_subscriptions_per_user': {
    default: 10,
    range: [1, 10_000_000],
    about: 'Live queries of one user, over all connections; pages with many of them, in many tabs, need more.',
  },
  'rate_limit.max_messages_per_sec': {
    default: 50,
    range: [1, 1_000_000],
    about: 'Messages a second of one WebSocket connection; more at once after a pause.',
  },
  'websocket.max_connections': {
    default: 20_000,
    range: [0, 1_000_000],
    about: 'WebSocket connections at once; less than performance.max_connections leaves room for requests.',
  },
  'websocket.auth_timeout_secs': {
    env: 'KALAMDB_WEBSOCKET_AUTH_TIMEOUT_SECS',
    default: 3,
    unit: 's',
    range: [1, 300],
    about: 'Time for the client of a WebSocket connection to say who it is.',
  },
  'websocket.heartbeat_interval_secs': {
    env: 'KALAMDB_WEBSOCKET_HEARTBEAT_INTERVAL_SECS',
    default: 5,
    unit: 's',
    range: [1, 3600],
    about: 'How often a WebSocket connection is asked whether anybody is there.',
  },
  'websocket.client_timeout_secs': {
    env: 'KALAMDB_WEBSOCKET_CLIENT_TIMEOUT_SECS',
    default: 10,
    unit: 's',
    range: [2, 7200],
    about: 'A WebSocket connection that is silent for so long is closed; more than the heartbeat interval.',
  },
} as const satisfies Record<string, OptionFacts>;

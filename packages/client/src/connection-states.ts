/**
 * Connection states: what a connection does about everything that can happen to it, as one total table.
 *
 *     idle ─connect→ authorizing ─token→ opening ─opened→ authenticating ─welcomed→ ready
 *                        ↑                                                            │ lost, rejected
 *                        └──────timer──── waiting ←───────────────────────────────────┘
 *                        └─online, timer─ offline      (the system says that there is no network; it is asked less often)
 *     refused, disconnect → idle      end → ended
 *
 * Laws: every event has an answer in every state. An event of an earlier socket, token or timer never gets here: `connection.ts` drops it.
 *       At most one timer runs; entering a state starts the one of that state.
 */
export type ConnectionState =
  | 'idle'
  | 'authorizing'
  | 'opening'
  | 'authenticating'
  | 'ready'
  | 'waiting'
  | 'offline'
  | 'ended';

export type ConnectionEvent =
  /** The program wants a connection, wants none, wants none ever again. */
  | 'connect'
  | 'disconnect'
  | 'end'
  /** There is a token, none for now, none at all. Also refused: no further attempt is allowed. */
  | 'token'
  | 'noToken'
  | 'refused'
  /** The socket is open; the server took the token, did not or no longer; the socket is closed. */
  | 'opened'
  | 'welcomed'
  | 'rejected'
  | 'lost'
  /** The time of this state is over. */
  | 'timer'
  /** What the system says about the network. */
  | 'online'
  | 'offline';

export type ConnectionAction =
  | 'askToken'
  | 'openSocket'
  | 'authenticate'
  /** Keeps the connection from idling, and finds out whether anybody is there. */
  | 'ping'
  | 'probe'
  | 'dropSocket'
  | 'countFailure'
  | 'resetFailures'
  | 'forgetToken'
  /** Those who wait for the connection are told: it is up, it is down, there will be none. */
  | 'tellUp'
  | 'tellDown'
  | 'tellRefused'
  | 'tellEnd';

export type Step = readonly [next: ConnectionState, ...actions: ConnectionAction[]];

/** Nothing to do: the event is old, or changes nothing. */
const stay = undefined;
type Row = Readonly<Record<ConnectionEvent, Step | undefined>>;

export const CONNECTION_STEPS: Readonly<Record<ConnectionState, Row>> = {
  idle: {
    connect: ['authorizing', 'resetFailures', 'askToken'],
    disconnect: stay,
    end: ['ended', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: stay,
    opened: stay,
    welcomed: stay,
    rejected: stay,
    lost: stay,
    timer: stay,
    online: stay,
    offline: stay,
  },
  authorizing: {
    connect: stay,
    disconnect: ['idle', 'tellEnd'],
    end: ['ended', 'tellEnd'],
    token: ['opening', 'openSocket'],
    noToken: ['waiting', 'countFailure'],
    refused: ['idle', 'tellRefused'],
    opened: stay,
    welcomed: stay,
    rejected: stay,
    lost: stay,
    timer: ['waiting', 'countFailure'],
    online: stay,
    offline: ['offline'],
  },
  opening: {
    connect: stay,
    disconnect: ['idle', 'dropSocket', 'tellEnd'],
    end: ['ended', 'dropSocket', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: stay,
    opened: ['authenticating', 'authenticate'],
    welcomed: stay,
    rejected: ['waiting', 'dropSocket', 'forgetToken', 'countFailure'],
    lost: ['waiting', 'dropSocket', 'countFailure'],
    timer: ['waiting', 'dropSocket', 'countFailure'],
    online: stay,
    offline: ['offline', 'dropSocket'],
  },
  authenticating: {
    connect: stay,
    disconnect: ['idle', 'dropSocket', 'tellEnd'],
    end: ['ended', 'dropSocket', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: stay,
    opened: stay,
    welcomed: ['ready', 'tellUp'],
    rejected: ['waiting', 'dropSocket', 'forgetToken', 'countFailure'],
    lost: ['waiting', 'dropSocket', 'countFailure'],
    timer: ['waiting', 'dropSocket', 'countFailure'],
    online: stay,
    offline: ['offline', 'dropSocket'],
  },
  ready: {
    connect: stay,
    disconnect: ['idle', 'dropSocket', 'tellDown', 'tellEnd'],
    end: ['ended', 'dropSocket', 'tellDown', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: ['idle', 'dropSocket', 'tellDown', 'tellRefused'],
    opened: stay,
    welcomed: stay,
    rejected: ['waiting', 'dropSocket', 'tellDown', 'forgetToken', 'countFailure'],
    lost: ['waiting', 'dropSocket', 'tellDown', 'countFailure'],
    timer: ['ready', 'ping'],
    online: ['ready', 'probe'],
    offline: ['offline', 'dropSocket', 'tellDown'],
  },
  waiting: {
    connect: ['authorizing', 'resetFailures', 'askToken'],
    disconnect: ['idle', 'tellEnd'],
    end: ['ended', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: ['idle', 'tellRefused'],
    opened: stay,
    welcomed: stay,
    rejected: stay,
    lost: stay,
    timer: ['authorizing', 'askToken'],
    online: ['authorizing', 'askToken'],
    offline: ['offline'],
  },
  offline: {
    connect: ['authorizing', 'resetFailures', 'askToken'],
    disconnect: ['idle', 'tellEnd'],
    end: ['ended', 'tellEnd'],
    token: stay,
    noToken: stay,
    refused: stay,
    opened: stay,
    welcomed: stay,
    rejected: stay,
    lost: stay,
    timer: ['authorizing', 'askToken'],
    online: ['authorizing', 'resetFailures', 'askToken'],
    offline: stay,
  },
  ended: {
    connect: stay,
    disconnect: stay,
    end: stay,
    token: stay,
    noToken: stay,
    refused: stay,
    opened: stay,
    welcomed: stay,
    rejected: stay,
    lost: stay,
    timer: stay,
    online: stay,
    offline: stay,
  },
};

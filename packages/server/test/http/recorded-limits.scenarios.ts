/**
 * Recorded: what the limits of users, addresses, sizes and connections are answered with. The clock stands still meanwhile, so nothing is filled
 * up again: an address may ask four requests and two sign-ins, a user two statements, and the second violation is a ban.
 */
import type {Recorded} from './recorded.ts';

const SQL = 'POST /v1/api/sql';
const LOGIN = 'POST /v1/api/auth/login';
const TOLD = {'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff'};
const ONE = {sql: 'SELECT 1 AS one'};

const from = (address: string, more: Record<string, string> = {}) => ({'x-forwarded-for': address, ...more});
const USER = {authorization: 'Bearer <user>'};

const one = {
  status: 200,
  told: {'retry-after': null},
  answer: {
    status: 'success',
    results: [{schema: [{name: 'one', data_type: 'Int', index: 0}], rows: [[1]], row_count: 1, as_user: 'ana'}],
    took: '<number>',
  },
};
const failed = (status: number, code: string, message: string) => ({
  status,
  answer: {status: 'error', results: [], took: '<number>', error: {code, message}},
});
const tooManyQueries = {
  ...failed(429, 'RATE_LIMIT_EXCEEDED', 'Too many queries per second. Please slow down.'),
  told: {...TOLD, 'retry-after': '1'},
};
const slowDown = {
  status: 429,
  told: {...TOLD, 'retry-after': '1', 'x-ratelimit-reset': null},
  answer: {error: 'RATE_LIMIT_EXCEEDED', message: '<text>', retry_after_seconds: 1},
};
const banned = (seconds: number) => ({
  status: 429,
  told: {...TOLD, 'retry-after': String(seconds), 'x-ratelimit-reset': String(seconds)},
  answer: {error: 'IP_BANNED', message: '<text>', retry_after_seconds: seconds},
});
const tooLarge = (bytes: number, more: object = {}) => ({
  status: 413,
  told: TOLD,
  answer: {error: 'BODY_TOO_LARGE', message: '<text>', size_bytes: bytes, max_bytes: 5000},
  ...more,
});
const wrongPassword = {status: 401, answer: {error: 'unauthorized', message: 'Invalid credentials'}};

export const LIMITS: readonly Recorded[] = [
  {name: 'a statement of a user', request: SQL, headers: from('203.0.113.1', USER), body: ONE, ...one},
  {name: 'another, from elsewhere', request: SQL, headers: from('203.0.113.2', USER), body: ONE, ...one},
  {
    name: 'one too many, wherever it comes from',
    request: SQL,
    headers: from('203.0.113.1', USER),
    body: ONE,
    ...tooManyQueries,
  },
  {
    name: 'the limit of the user comes before the form of the body',
    request: SQL,
    headers: from('203.0.113.2', {...USER, 'content-type': 'text/plain'}),
    body: '{',
    ...tooManyQueries,
  },
  {
    name: 'and behind the sign-in',
    request: SQL,
    headers: from('203.0.113.2', {authorization: 'Bearer nonsense'}),
    body: ONE,
    ...failed(401, 'INVALID_CREDENTIALS', 'Invalid credentials'),
  },
  {name: 'a program of this machine goes on', request: SQL, headers: USER, body: ONE, ...one},

  ...[1, 2].map(i => ({
    name: `a sign-in, ${i}`,
    request: LOGIN,
    headers: from('203.0.113.3'),
    body: {user: 'ana', password: 'wrong'},
    ...wrongPassword,
  })),
  {
    name: 'a sign-in too many, whatever it says',
    request: LOGIN,
    headers: from('203.0.113.3', {'content-type': 'text/plain'}),
    body: '{',
    status: 429,
    told: {...TOLD, 'retry-after': '1', 'set-cookie': null},
    answer: {error: 'rate_limited', message: '<text>'},
  },
  {
    name: 'other requests of the address',
    request: 'GET /healthz',
    headers: from('203.0.113.3'),
    status: 200,
    answer: {status: 'ok'},
  },
  {
    name: 'one too many of them is its second violation',
    request: 'GET /healthz',
    headers: from('203.0.113.3'),
    ...banned(300),
  },
  {
    name: 'a banned address is told so on every route',
    request: LOGIN,
    headers: from('203.0.113.3'),
    body: {user: 'ana', password: 'correct horse'},
    ...banned(300),
  },
  {name: 'statements too', request: SQL, headers: from('203.0.113.3', USER), body: ONE, ...banned(300)},

  ...[1, 2, 3, 4].map(i => ({
    name: `a request, ${i}`,
    request: 'GET /nowhere',
    headers: from('203.0.113.4'),
    status: 404,
    answer: '',
  })),
  {name: 'a request too many', request: SQL, headers: from('203.0.113.4', USER), body: ONE, ...slowDown},
  {name: 'and a ban', request: 'GET /nowhere', headers: from('203.0.113.4'), ...banned(300)},
  {
    name: 'a preflight is answered before any limit',
    request: 'OPTIONS /v1/api/sql',
    headers: from('203.0.113.4', {'access-control-request-method': 'POST', origin: 'https://app.example'}),
    status: 204,
    told: {'access-control-allow-origin': 'https://app.example'},
    answer: '',
  },

  {
    name: 'a body that is announced too large, of a program of this machine, before anybody is asked who they are',
    request: SQL,
    headers: {'content-type': 'application/json'},
    body: ' '.repeat(6000),
    ...tooLarge(6000),
  },
  {
    name: 'a body that is announced too large, on a sign-in route',
    request: LOGIN,
    headers: {'content-type': 'application/json'},
    body: ' '.repeat(5001),
    ...tooLarge(5001),
  },
  {
    name: 'a body that turns out to be too large is told by its route',
    request: SQL,
    headers: {...USER, 'content-type': 'application/json', 'transfer-encoding': 'chunked'},
    body: ' '.repeat(6000),
    ...failed(413, 'BODY_TOO_LARGE', '<text>'),
  },
];

export const CONNECTIONS: readonly Recorded[] = [
  {
    name: 'the third connection of an address that may have two',
    request: SQL,
    headers: USER,
    body: ONE,
    status: 503,
    told: {...TOLD, 'retry-after': '5', connection: 'close'},
    answer: {error: 'TOO_MANY_CONNECTIONS', message: '<text>', current: 3, max: 2},
  },
];

/** On connections that were open before. */
export const STOPPING: readonly Recorded[] = [
  {
    name: 'a statement',
    request: SQL,
    headers: USER,
    body: ONE,
    ...failed(503, 'SHUTTING_DOWN', 'The server is stopping.'),
    told: {...TOLD, connection: 'close'},
  },
  {
    name: 'a sign-in',
    request: LOGIN,
    body: {user: 'ana', password: 'correct horse'},
    status: 503,
    told: {...TOLD, connection: 'close', 'set-cookie': null},
    answer: {error: 'shutting_down', message: 'The server is stopping.'},
  },
  {
    name: 'a probe of readiness',
    request: 'GET /readyz',
    status: 503,
    told: {...TOLD, connection: 'close'},
    answer: {status: 'stopping'},
  },
  {name: 'a probe of life', request: 'GET /healthz', status: 200, answer: {status: 'ok'}},
];

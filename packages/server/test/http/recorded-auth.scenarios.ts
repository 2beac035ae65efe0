/**
 * Recorded: health, first run, and the sign-in of clients and browsers, in the order in which a new server meets them.
 *
 * Requests that a proxy passes on for somebody else are remote; all others come from this machine.
 */
import type {Recorded} from './recorded.ts';

const REMOTE = {'x-forwarded-for': '203.0.113.7'};
const EVIL = {origin: 'https://evil.example'};
const AUTH = '/v1/api/auth';
const JSON_TOLD = {'content-type': 'application/json', 'cache-control': 'no-store'};
const ROOT_PASSWORD = 'R00t-pass!';
const ADMIN = {user: 'admin', password: 'Adm1n-pass!'};
const SETUP = {...ADMIN, root_password: ROOT_PASSWORD, email: 'a@example.org'};

const error = (word: string, message: string) => ({error: word, message});
const unauthorized = (message = 'Invalid credentials') => ({status: 401, answer: error('unauthorized', message)});
const badRequest = (message: string) => ({status: 400, answer: error('bad_request', message)});
const post = (route: string, body: object) => ({request: `POST ${AUTH}/${route}`, body});
const signedIn = (id: string, role: string, email: string | null, name: string) => ({
  user: {id, role, email, created_at: '<time>', updated_at: '<time>'},
  admin_ui_access: role === 'dba' || role === 'system',
  expires_at: '<time>',
  access_token: `<jwt ${name}>`,
  refresh_token: `<jwt ${name}Refresh>`,
  refresh_expires_at: '<time>',
});
const cookies = (name: string, secure = '') => [
  `kalamdb_auth=<jwt ${name}>; Path=/; HttpOnly; SameSite=Strict${secure}; Expires=<date>`,
  `kalamdb_refresh=<jwt ${name}Refresh>; Path=/; HttpOnly; SameSite=Strict${secure}; Expires=<date>`,
];
const ENDED = [
  'kalamdb_auth=; Path=/; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
  'kalamdb_refresh=; Path=/; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
];

const HEALTHY = {status: 'healthy', version: '0.0.0', api_version: 'v1', build_date: 'today'};
const CLUSTER = {
  ...{status: 'healthy', version: '0.0.0', build_date: 'today', is_cluster_mode: false, cluster_id: 'cluster'},
  ...{node_id: 1, is_leader: true, total_groups: 1, groups_leading: 1, current_term: 1},
  ...{last_applied: null, millis_since_quorum_ack: null},
  nodes: [
    {
      ...{node_id: 1, role: 'leader', status: 'active', api_addr: 'http://<text>', is_self: true, is_leader: true},
      ...{replication_lag: 0, catchup_progress_pct: null, hostname: '<text>', memory_usage_mb: '<number>'},
      ...{cpu_usage_percent: null, uptime_seconds: '<number>', uptime_human: '<text>'},
    },
  ],
};

export const HEALTH: readonly Recorded[] = [
  {name: 'health', request: 'GET /health', status: 200, told: JSON_TOLD, answer: HEALTHY},
  {name: 'health by its other path', request: 'GET /v1/api/healthcheck', status: 200, answer: HEALTHY},
  ...['/health', '/v1/api/healthcheck'].map(path => ({
    name: `${path} is for this machine`,
    request: `GET ${path}`,
    headers: REMOTE,
    status: 403,
    answer: {error: 'Access denied. Health endpoint is localhost-only.'},
  })),
  {name: 'a cluster of one', request: 'GET /v1/api/cluster/health', status: 200, told: JSON_TOLD, answer: CLUSTER},
  {
    name: 'the cluster is for this machine',
    request: 'GET /v1/api/cluster/health',
    headers: REMOTE,
    status: 403,
    answer: {error: 'Access denied. Cluster health is localhost-only.'},
  },
  {name: 'probes', request: 'GET /healthz', headers: REMOTE, status: 200, answer: {status: 'ok'}},
  {name: 'probes of readiness', request: 'GET /readyz', headers: REMOTE, status: 200, answer: {status: 'ready'}},
];

export const FIRST_RUN: readonly Recorded[] = [
  {
    name: 'a new server says what it needs',
    request: `GET ${AUTH}/status`,
    status: 200,
    told: JSON_TOLD,
    answer: {
      needs_setup: true,
      message: 'Server requires initial setup: POST /v1/api/auth/setup with user, password and root_password.',
    },
  },
  {
    name: 'status is for this machine',
    request: `GET ${AUTH}/status`,
    headers: REMOTE,
    status: 403,
    answer: error('forbidden', 'Server status can only be asked for from localhost'),
  },
  {
    name: 'the probe of the command line tool starts its wizard',
    ...post('login', {user: 'root', password: ''}),
    status: 428,
    told: {'set-cookie': null},
    answer: error('setup_required', '<text>'),
  },
  {
    name: 'setup is for this machine',
    ...post('setup', SETUP),
    headers: REMOTE,
    status: 403,
    answer: error('forbidden', 'Server setup can only be performed from localhost'),
  },
  {
    name: 'setup refuses a weak password of the dba',
    ...post('setup', {...SETUP, password: 'short'}),
    status: 400,
    answer: error('weak_password', 'DBA user password: <text>'),
  },
  {
    name: 'setup refuses a common password of root',
    ...post('setup', {...SETUP, root_password: 'password'}),
    status: 400,
    answer: error('weak_password', 'Root password: <text>'),
  },
  {
    name: 'setup refuses an id that is a path',
    ...post('setup', {...SETUP, user: '../x'}),
    status: 400,
    answer: error('invalid_user', '<text>'),
  },
  {name: 'setup needs a root password', ...post('setup', ADMIN), ...badRequest('The field root_password is missing.')},
  {
    name: 'setup takes no field that it does not know',
    ...post('setup', {...SETUP, role: 'system'}),
    ...badRequest('Unknown field "role".'),
  },
  {
    name: 'setup tells of the account, and gives no tokens',
    ...post('setup', SETUP),
    status: 200,
    told: {...JSON_TOLD, 'set-cookie': null},
    answer: {
      user: {id: 'admin', role: 'dba', email: 'a@example.org', created_at: '<time>', updated_at: '<time>'},
      message:
        'Server setup complete. Root has a password, and development sign-in has ended; sign in with your account.',
    },
  },
  {
    name: 'setup is done once',
    ...post('setup', {...SETUP, user: 'eve'}),
    status: 409,
    answer: error('already_configured', '<text>'),
  },
  {
    name: 'a server that is set up says so',
    request: `GET ${AUTH}/status`,
    status: 200,
    answer: {needs_setup: false, message: 'Server is set up.'},
  },
  {name: 'the probe finds nothing to set up', ...post('login', {user: 'root', password: ''}), ...unauthorized()},
];

export const SIGN_IN: readonly Recorded[] = [
  {
    name: 'login gives a pair of tokens, in the body and as cookies',
    ...post('login', ADMIN),
    status: 200,
    told: {...JSON_TOLD, 'set-cookie': cookies('admin')},
    answer: signedIn('admin', 'dba', 'a@example.org', 'admin'),
  },
  {
    name: 'an account is made in SQL',
    request: 'POST /v1/api/sql',
    headers: {authorization: 'Bearer <admin>'},
    body: {sql: "CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user"},
    status: 200,
    answer: {
      status: 'success',
      results: [{row_count: 0, message: "User 'ana' created", as_user: 'admin'}],
      took: '<number>',
    },
  },
  {
    name: 'login takes username for user; over https its cookies are Secure',
    ...post('login', {username: 'ana', password: 'correct horse'}),
    headers: {'x-forwarded-proto': 'https', ...REMOTE},
    status: 200,
    told: {'set-cookie': cookies('ana', '; Secure')},
    answer: signedIn('ana', 'user', null, 'ana'),
  },
  {
    name: 'a wrong password',
    ...post('login', {user: 'ana', password: 'wrong'}),
    ...unauthorized(),
    told: {...JSON_TOLD, 'set-cookie': null},
  },
  {name: 'an unknown user is told the same', ...post('login', {user: 'ghost', password: 'wrong'}), ...unauthorized()},
  {name: 'no password', ...post('login', {user: 'ana'}), ...badRequest('The field password is missing.')},
  {name: 'no user', ...post('login', {password: 'x'}), ...badRequest('The field user is missing.')},
  {
    name: 'both names of the user',
    ...post('login', {user: 'ana', username: 'ana', password: 'x'}),
    ...badRequest('The fields user and username say the same; send one.'),
  },
  {
    name: 'a field that login does not know',
    ...post('login', {user: 'ana', password: 'x', remember: true}),
    ...badRequest('Unknown field "remember".'),
  },
  {
    name: 'a name of 129 characters',
    ...post('login', {user: 'x'.repeat(129), password: 'x'}),
    ...badRequest('The field user has more than 128 characters.'),
  },
  {
    name: 'a password of 257 characters',
    ...post('login', {user: 'ana', password: 'x'.repeat(257)}),
    ...badRequest('The field password has more than 256 characters.'),
  },
  {
    name: 'broken JSON',
    request: `POST ${AUTH}/login`,
    headers: {'content-type': 'application/json'},
    body: '{',
    ...badRequest('The body must be a JSON object.'),
  },
  {
    name: 'a form',
    request: `POST ${AUTH}/login`,
    headers: {'content-type': 'text/plain'},
    body: '{}',
    status: 415,
    answer: error('unsupported_media_type', '<text>'),
  },
  {
    name: 'a page of another site',
    ...post('login', ADMIN),
    headers: EVIL,
    status: 403,
    told: {'set-cookie': null, 'access-control-allow-origin': null},
    answer: error('forbidden', '<text>'),
  },
  {
    name: 'another method',
    request: `GET ${AUTH}/login`,
    status: 405,
    told: {allow: 'POST'},
    answer: error('method_not_allowed', 'Use POST here.'),
  },
  {
    name: 'an address that a proxy cannot have seen',
    ...post('login', ADMIN),
    headers: {'x-forwarded-for': '127.0.0.1'},
    ...badRequest('<text>'),
  },

  {
    name: 'me by Bearer',
    request: `GET ${AUTH}/me`,
    headers: {authorization: 'Bearer <admin>'},
    status: 200,
    told: JSON_TOLD,
    answer: {
      user: {id: 'admin', role: 'dba', email: 'a@example.org', created_at: '<time>', updated_at: '<time>'},
      admin_ui_access: true,
    },
  },
  {
    name: 'me by cookie',
    request: `GET ${AUTH}/me`,
    headers: {cookie: 'theme=dark; kalamdb_auth=<ana>'},
    status: 200,
    answer: {
      user: {id: 'ana', role: 'user', email: null, created_at: '<time>', updated_at: '<time>'},
      admin_ui_access: false,
    },
  },
  {name: 'me without either', request: `GET ${AUTH}/me`, ...unauthorized('Authentication required')},
  {
    name: 'me by a refresh token',
    request: `GET ${AUTH}/me`,
    headers: {authorization: 'Bearer <anaRefresh>'},
    ...unauthorized(),
  },
  {
    name: 'me by an expired token',
    request: `GET ${AUTH}/me`,
    headers: {authorization: 'Bearer <expired>'},
    ...unauthorized(),
  },

  {
    name: 'refresh by cookie gives the next pair',
    request: `POST ${AUTH}/refresh`,
    headers: {cookie: 'kalamdb_refresh=<anaRefresh>'},
    status: 200,
    told: {...JSON_TOLD, 'set-cookie': cookies('second')},
    answer: signedIn('ana', 'user', null, 'second'),
  },
  {
    name: 'refresh by Bearer',
    request: `POST ${AUTH}/refresh`,
    headers: {authorization: 'Bearer <secondRefresh>'},
    status: 200,
    told: {'set-cookie': cookies('third')},
    answer: signedIn('ana', 'user', null, 'third'),
  },
  {
    name: 'refresh refuses an access token',
    request: `POST ${AUTH}/refresh`,
    headers: {authorization: 'Bearer <third>'},
    ...unauthorized('Refresh endpoint requires a refresh token'),
  },
  {name: 'refresh without a token', request: `POST ${AUTH}/refresh`, ...unauthorized('Authentication required')},
  {
    name: 'refresh refuses what is no token',
    request: `POST ${AUTH}/refresh`,
    headers: {cookie: 'kalamdb_refresh=nonsense'},
    ...unauthorized(),
  },
  {
    name: 'a refresh token that comes again is refused',
    request: `POST ${AUTH}/refresh`,
    headers: {authorization: 'Bearer <secondRefresh>'},
    ...unauthorized(),
    told: {'set-cookie': null},
  },
  {
    name: 'and has ended the sign-in it is of',
    request: `POST ${AUTH}/refresh`,
    headers: {authorization: 'Bearer <thirdRefresh>'},
    ...unauthorized(),
  },

  {
    name: 'login again',
    ...post('login', {user: 'ana', password: 'correct horse'}),
    status: 200,
    answer: signedIn('ana', 'user', null, 'fourth'),
  },
  {
    name: 'logout by cookies ends them',
    request: `POST ${AUTH}/logout`,
    headers: {cookie: 'kalamdb_auth=<fourth>; kalamdb_refresh=<fourthRefresh>'},
    status: 200,
    told: {...JSON_TOLD, 'set-cookie': ENDED},
    answer: {message: 'Logged out successfully'},
  },
  {
    name: 'its refresh token is over',
    request: `POST ${AUTH}/refresh`,
    headers: {cookie: 'kalamdb_refresh=<fourthRefresh>'},
    ...unauthorized(),
  },
  {
    name: 'logout needs no sign-in',
    request: `POST ${AUTH}/logout`,
    status: 200,
    told: {'set-cookie': ENDED},
    answer: {message: 'Logged out successfully'},
  },
  ...Array.from({length: 5}, (_, i) => ({
    name: `a wrong password from elsewhere, ${i + 1}`,
    ...post('login', {user: 'ana', password: 'wrong'}),
    headers: {'x-forwarded-for': '203.0.113.9'},
    ...unauthorized(),
  })),
  {
    name: 'the sixth is not looked at',
    ...post('login', {user: 'ana', password: 'correct horse'}),
    headers: {'x-forwarded-for': '203.0.113.9'},
    status: 401,
    answer: error('account_locked', 'Account locked. Try again in 1 minute(s)'),
  },
];

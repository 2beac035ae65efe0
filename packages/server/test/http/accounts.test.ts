/** Accounts over HTTP, as clients and browsers use them: the dialogues of the specification, and attacks on them. */
import assert from 'node:assert/strict';
import {after, afterEach, before, beforeEach, describe, test} from 'node:test';
import {TokenSigner} from '../../src/auth/token.ts';
import {TEST_OPTIONS} from '../test-database.ts';
import {type Answer, send, startServer, type TestServer} from './server.ts';

const ROOT_PASSWORD = 'R00t-pass!';
const ADMIN = {user: 'admin', password: 'Adm1n-pass!'};

let server: TestServer;

type Json = Record<string, unknown>;

interface Reply {
  readonly status: number;
  readonly json: Json;
  readonly cookies: readonly string[];
  readonly answer: Answer;
}

async function call(
  method: string,
  route: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const answer = await send(server.port, {
    method,
    path: `/v1/api/auth/${route}`,
    headers: {...(body === undefined ? {} : {'content-type': 'application/json'}), ...headers},
    body: body === undefined ? '' : JSON.stringify(body),
  });
  assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
  return {status: answer.status, json: JSON.parse(answer.text), cookies: answer.headers['set-cookie'] ?? [], answer};
}

const setUp = () => call('POST', 'setup', {...ADMIN, root_password: ROOT_PASSWORD});
const login = (user: string, password: string) => call('POST', 'login', {user, password});
const tokenOf = async (user: string, password: string) => String((await login(user, password)).json['access_token']);

async function sql(
  text: string,
  token?: string,
): Promise<{status: number; json: Json & {error?: Json; results: Json[]}}> {
  const answer = await send(server.port, {
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    },
    body: JSON.stringify({sql: text}),
  });
  assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
  return {status: answer.status, json: JSON.parse(answer.text)};
}

describe('first run', () => {
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.stop());

  test('the wizard: status, login 428, setup, login, and then setup is over', async () => {
    assert.equal((await call('GET', 'status')).json['needs_setup'], true);
    const probe = await login('root', '');
    assert.deepEqual([probe.status, probe.json['error']], [428, 'setup_required']);
    const done = await call('POST', 'setup', {...ADMIN, root_password: ROOT_PASSWORD, email: 'a@example.org'});
    assert.equal(done.status, 200);
    const {created_at, updated_at, ...user} = done.json['user'] as Json;
    assert.deepEqual(user, {id: 'admin', role: 'dba', email: 'a@example.org'});
    assert.match(String(created_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+00:00$/);
    assert.equal(updated_at, created_at);
    assert.deepEqual(Object.keys(done.json), ['user', 'message']);
    assert.equal((await call('GET', 'status')).json['needs_setup'], false);
    assert.deepEqual([(await login('root', '')).status, (await setUp()).json['error']], [401, 'already_configured']);
    assert.equal((await login(ADMIN.user, ADMIN.password)).status, 200);
    assert.equal((await login('root', ROOT_PASSWORD)).status, 200);
  });

  test('development sign-in ends at once', async () => {
    assert.equal((await sql('SELECT 1')).status, 200);
    await setUp();
    const {status, json} = await sql('SELECT 1');
    assert.deepEqual([status, json.error], [401, {code: 'MISSING_AUTHORIZATION', message: 'Authentication required'}]);
    const named = await send(server.port, {
      headers: {'content-type': 'application/json', 'x-user-id': 'admin', authorization: 'Bearer test-token'},
      body: '{"sql":"SELECT 1"}',
    });
    assert.equal(named.status, 401);
    assert.equal(JSON.parse(named.text).error.code, 'INVALID_CREDENTIALS');
  });

  test('two setups at once: one is done, the other finds it done', async () => {
    const both = await Promise.all([
      setUp(),
      call('POST', 'setup', {...ADMIN, user: 'eve', root_password: 'Ev1l-pass!'}),
    ]);
    assert.deepEqual(both.map(one => one.status).sort(), [200, 409]);
    const accounts = await server.database.sql("SELECT user_id FROM system.users WHERE role = 'dba'");
    assert.equal(accounts.rows.length, 1);
  });

  const refused: [why: string, body: object, status: number, error: string, headers?: Record<string, string>][] = [
    ['a short password', {...ADMIN, password: 'short', root_password: ROOT_PASSWORD}, 400, 'weak_password'],
    ['a common root password', {...ADMIN, root_password: 'password1'}, 400, 'weak_password'],
    ['root as the dba', {...ADMIN, user: 'root', root_password: ROOT_PASSWORD}, 400, 'invalid_user'],
    ['an id that is a path', {...ADMIN, user: '../x', root_password: ROOT_PASSWORD}, 400, 'invalid_user'],
    ['no root password', ADMIN, 400, 'bad_request'],
    ['an unknown field', {...ADMIN, root_password: ROOT_PASSWORD, role: 'system'}, 400, 'bad_request'],
    ['a proxy', {...ADMIN, root_password: ROOT_PASSWORD}, 403, 'forbidden', {'x-forwarded-for': '203.0.113.7'}],
    ['a re-bound name', {...ADMIN, root_password: ROOT_PASSWORD}, 403, 'forbidden', {host: 'evil.example:8080'}],
    ['a foreign page', {...ADMIN, root_password: ROOT_PASSWORD}, 403, 'forbidden', {origin: 'https://evil.example'}],
    [
      'a plain form',
      {...ADMIN, root_password: ROOT_PASSWORD},
      415,
      'unsupported_media_type',
      {'content-type': 'text/plain'},
    ],
  ];
  for (const [why, body, status, error, headers] of refused) {
    test(`setup is refused to ${why}, and leaves nothing behind`, async () => {
      const reply = await call('POST', 'setup', body, headers);
      assert.deepEqual([reply.status, reply.json['error']], [status, error], reply.answer.text);
      assert.equal((await call('GET', 'status')).json['needs_setup'], true);
      assert.equal((await server.database.sql('SELECT user_id FROM system.users')).rows.length, 1);
    });
  }
});

describe('accounts', () => {
  let admin: string;
  before(async () => {
    server = await startServer();
    await setUp();
    admin = await tokenOf(ADMIN.user, ADMIN.password);
    const made = await sql(
      `CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user EMAIL 'ana@example.org';
       CREATE USER 'bob' WITH PASSWORD 'correct horse' ROLE user;
       CREATE USER 'worker' WITH PASSWORD 'correct horse' ROLE service;
       CREATE USER 'ext' WITH OAUTH '{"provider":"google","subject":"1"}' ROLE user;
       CREATE USER 'bot' WITH INTERNAL ROLE service;
       CREATE NAMESPACE app; CREATE USER TABLE app.own (id INT PRIMARY KEY, v TEXT)`,
      admin,
    );
    assert.equal(made.status, 200, JSON.stringify(made.json));
  });
  after(() => server.stop());

  test('login answers tokens, the account and cookies', async () => {
    const {status, json, cookies} = await login('ana', 'correct horse');
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(json), [
      ...['user', 'admin_ui_access', 'expires_at', 'access_token', 'refresh_token', 'refresh_expires_at'],
    ]);
    assert.deepEqual(Object.keys(json['user'] as Json), ['id', 'role', 'email', 'created_at', 'updated_at']);
    assert.equal(json['admin_ui_access'], false);
    const [access, refresh] = cookies.map(text => text.split('; '));
    assert.deepEqual(access!.slice(0, 4), [
      `kalamdb_auth=${json['access_token']}`,
      ...['Path=/', 'HttpOnly', 'SameSite=Strict'],
    ]);
    assert.match(access![4]!, /^Expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.equal(refresh![0], `kalamdb_refresh=${json['refresh_token']}`);
    const [header, claims] = String(json['access_token'])
      .split('.')
      .slice(0, 2)
      .map(part => JSON.parse(Buffer.from(part, 'base64url').toString()));
    assert.deepEqual(header, {typ: 'JWT', alg: 'HS256'});
    const {iat, exp, sid, jti, ...rest} = claims;
    assert.deepEqual(rest, {sub: 'ana', iss: 'kalamdb', email: 'ana@example.org', role: 'user', token_type: 'access'});
    assert.equal(exp - iat, 24 * 3600);
    assert.equal(typeof sid, 'string');
    assert.equal(typeof jti, 'string');
    assert.equal(new Date(String(json['expires_at'])).getTime(), exp * 1000);
  });

  test('cookies over https are Secure', async () => {
    const headers = {'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9'};
    const {cookies} = await call('POST', 'login', {username: 'ana', password: 'correct horse'}, headers);
    for (const cookie of cookies) assert.match(cookie, /; SameSite=Strict; Secure; Expires=/);
  });

  test('an unknown name, a wrong password, an account elsewhere and one without password are answered alike, after the same work', async () => {
    const texts: string[] = [];
    const checks: number[] = [];
    for (const user of ['nobody', 'bob', 'ext', 'bot']) {
      const before = server.database.auth.passwords.checks;
      const {status, answer} = await login(user, 'wrong password');
      checks.push(server.database.auth.passwords.checks - before);
      texts.push(`${status} ${answer.text}`);
    }
    assert.deepEqual(new Set(texts), new Set(['401 {"error":"unauthorized","message":"Invalid credentials"}']));
    assert.deepEqual(checks, [1, 1, 1, 1]);
  });

  const badLogins: [why: string, body: object][] = [
    ['an unknown field', {user: 'ana', password: 'x', admin: true}],
    ['no password', {user: 'ana'}],
    ['both names', {user: 'ana', username: 'ana', password: 'x'}],
    ['a number', {user: 1, password: 'x'}],
    ['a long name', {user: 'x'.repeat(129), password: 'x'}],
    ['a long password', {user: 'ana', password: 'x'.repeat(257)}],
    ['a list', [1]],
  ];
  for (const [why, body] of badLogins) {
    test(`login does not understand ${why}`, async () => {
      const {status, json} = await call('POST', 'login', body);
      assert.deepEqual([status, json['error']], [400, 'bad_request']);
    });
  }

  test('refresh: by cookie or Bearer, once; a token that comes again ends the whole family', async () => {
    const first = (await login('ana', 'correct horse')).json;
    const second = await call('POST', 'refresh', undefined, {cookie: `kalamdb_refresh=${first['refresh_token']}`});
    assert.equal(second.status, 200);
    assert.notEqual(second.json['refresh_token'], first['refresh_token']);
    assert.equal(second.cookies.length, 2);
    assert.equal((await sql('SELECT 1', String(first['access_token']))).status, 200, 'the older access token lives on');
    const authorization = `Bearer ${second.json['refresh_token']}`;
    const third = await call('POST', 'refresh', undefined, {authorization});
    assert.equal(third.status, 200);
    const replayed = await call('POST', 'refresh', undefined, {authorization});
    assert.deepEqual([replayed.status, replayed.json['error']], [401, 'unauthorized']);
    const next = {authorization: `Bearer ${third.json['refresh_token']}`};
    assert.equal((await call('POST', 'refresh', undefined, next)).status, 401);
    for (const pair of [first, second.json, third.json]) {
      assert.equal((await sql('SELECT 1', String(pair['access_token']))).json.error?.['code'], 'INVALID_CREDENTIALS');
    }
    const {rows} = await server.database.sql(
      "SELECT actor_user_id FROM system.audit_log WHERE action = 'REFRESH_REPLAYED'",
    );
    assert.deepEqual(rows, [['ana']]);
  });

  test('an access token refreshes nothing, and a refresh token asks nothing', async () => {
    const {json} = await login('ana', 'correct horse');
    const wrong = await call('POST', 'refresh', undefined, {authorization: `Bearer ${json['access_token']}`});
    assert.deepEqual([wrong.status, wrong.json['message']], [401, 'Refresh endpoint requires a refresh token']);
    assert.equal((await sql('SELECT 1', String(json['refresh_token']))).status, 401);
    assert.equal((await call('GET', 'me', undefined, {authorization: `Bearer ${json['refresh_token']}`})).status, 401);
    assert.equal((await call('POST', 'refresh')).status, 401);
  });

  test('me: by Bearer or cookie; who nobody is is not told', async () => {
    const {json} = await login('ana', 'correct horse');
    for (const headers of [
      {authorization: `Bearer ${json['access_token']}`},
      {cookie: `theme=dark; kalamdb_auth=${json['access_token']}`},
    ]) {
      const reply = await call('GET', 'me', undefined, headers);
      assert.deepEqual([reply.status, Object.keys(reply.json)], [200, ['user', 'admin_ui_access']]);
      assert.equal((reply.json['user'] as Json)['id'], 'ana');
    }
    assert.equal((await call('GET', 'me')).status, 401);
    assert.equal((await call('GET', 'me', undefined, {cookie: 'kalamdb_auth=x'})).status, 401);
  });

  test('an expired token is told in the envelope of statements, where clients look for it', async () => {
    const signer = new TokenSigner(TEST_OPTIONS.auth.secret!);
    const iat = Math.floor(Date.now() / 1000) - 7200;
    const expired = signer.sign({sub: 'ana', role: 'user', token_type: 'access', email: null, iat, exp: iat + 3600});
    const {status, json} = await sql('SELECT 1', expired);
    const {took, ...rest} = json;
    assert.equal(typeof took, 'number');
    const error = {code: 'TOKEN_EXPIRED', message: 'Invalid credentials'};
    assert.deepEqual([status, rest], [401, {status: 'error', results: [], error}]);
    const me = await call('GET', 'me', undefined, {authorization: `Bearer ${expired}`});
    assert.deepEqual([me.status, me.json], [401, {error: 'unauthorized', message: 'Invalid credentials'}]);
  });

  test('statements do not take a cookie for a token, nor a password', async () => {
    const {json} = await login('ana', 'correct horse');
    for (const [header, code] of [
      [{cookie: `kalamdb_auth=${json['access_token']}`}, 'MISSING_AUTHORIZATION'],
      [{authorization: `Basic ${Buffer.from('ana:correct horse').toString('base64')}`}, 'INVALID_CREDENTIALS'],
    ] as const) {
      const answer = await send(server.port, {
        headers: {'content-type': 'application/json', ...header},
        body: '{"sql":"SELECT 1"}',
      });
      assert.deepEqual([answer.status, JSON.parse(answer.text).error.code], [401, code]);
    }
  });

  test('logout ends the sign-in, and only that one', async () => {
    const [gone, kept] = [(await login('ana', 'correct horse')).json, (await login('ana', 'correct horse')).json];
    const {status, json, cookies} = await call('POST', 'logout', undefined, {
      cookie: `kalamdb_refresh=${gone['refresh_token']}`,
    });
    assert.deepEqual([status, json], [200, {message: 'Logged out successfully'}]);
    for (const cookie of cookies) assert.match(cookie, /^kalamdb_\w+=; .*Expires=Thu, 01 Jan 1970 00:00:00 GMT$/);
    assert.equal((await sql('SELECT 1', String(gone['access_token']))).status, 401);
    assert.equal((await sql('SELECT 1', String(kept['access_token']))).status, 200);
    assert.equal((await call('POST', 'logout')).status, 200);
  });

  test('pages of other origins are refused before their cookies are looked at', async () => {
    const {json} = await login('ana', 'correct horse');
    const headers = {cookie: `kalamdb_refresh=${json['refresh_token']}`, origin: 'https://evil.example'};
    for (const [method, route] of [
      ['POST', 'refresh'],
      ['POST', 'logout'],
      ['GET', 'me'],
      ['POST', 'login'],
    ] as const) {
      const reply = await call(method, route, undefined, headers);
      assert.deepEqual([reply.status, reply.json['error'], reply.cookies.length], [403, 'forbidden', 0], route);
    }
    assert.equal((await call('POST', 'refresh', undefined, {cookie: headers.cookie})).status, 200, 'it is still good');
  });

  test('a password changes without cutting sessions, unless asked to', async () => {
    await sql("CREATE USER 'cleo' WITH PASSWORD 'correct horse' ROLE user", admin);
    const token = await tokenOf('cleo', 'correct horse');
    assert.equal((await sql("ALTER USER cleo SET PASSWORD 'battery staple'", token)).status, 200);
    assert.equal((await login('cleo', 'correct horse')).status, 401);
    assert.equal((await sql('SELECT 1', token)).status, 200);
    assert.equal((await sql("ALTER USER cleo SET PASSWORD 'battery staple 2' REVOKE SESSIONS", admin)).status, 200);
    assert.equal((await sql('SELECT 1', token)).status, 401);
    const later = await tokenOf('cleo', 'battery staple 2');
    assert.equal((await sql('SELECT 1', later)).status, 200);
    await sql('ALTER USER cleo SET ROLE service', admin);
    assert.equal((await sql('SELECT 1', later)).status, 401);
    const last = await tokenOf('cleo', 'battery staple 2');
    await sql('DROP USER cleo', admin);
    assert.equal((await sql('SELECT 1', last)).status, 401);
    assert.equal((await login('cleo', 'battery staple 2')).status, 401);
  });

  test('five wrong passwords lock the name for that address, and nobody else out', async () => {
    const from = (address: string) => ({'x-forwarded-for': address});
    const attempt = (address: string, password: string) =>
      call('POST', 'login', {user: 'bob', password}, from(address));
    for (let i = 0; i < 5; i++) assert.equal((await attempt('203.0.113.50', `wrong ${i}`)).status, 401);
    const locked = await attempt('203.0.113.50', 'correct horse');
    assert.deepEqual(
      [locked.status, locked.json],
      [401, {error: 'account_locked', message: 'Account locked. Try again in 1 minute(s)'}],
    );
    assert.equal((await attempt('203.0.113.51', 'correct horse')).status, 200, 'from elsewhere bob signs in');
    const other = await call('POST', 'login', {user: 'ana', password: 'correct horse'}, from('203.0.113.50'));
    assert.equal(other.status, 200, 'others sign in from there');
    for (let i = 0; i < 5; i++)
      await call('POST', 'login', {user: 'ghost', password: `wrong ${i}`}, from('203.0.113.52'));
    const ghost = await call('POST', 'login', {user: 'ghost', password: 'x'}, from('203.0.113.52'));
    assert.equal(ghost.json['error'], 'account_locked', 'a name without account is locked alike');
    const {rows} = await server.database.sql(
      "SELECT actor_user_id FROM system.audit_log WHERE action = 'LOGIN_LOCKED' ORDER BY audit_id",
    );
    assert.deepEqual(rows, [['bob'], ['unknown']], 'names that nobody has are written nowhere');
  });

  test('guesses at once are counted like guesses one by one', async () => {
    const guesses = Array.from({length: 12}, (_, i) =>
      call('POST', 'login', {user: 'worker', password: `wrong ${i}`}, {'x-forwarded-for': '203.0.113.60'}),
    );
    const words = (await Promise.all(guesses)).map(reply => reply.json['error']);
    assert.equal(words.filter(word => word === 'unauthorized').length, 5);
  });

  const acting: [why: string, text: string, code: string, message: string][] = [
    ['no name', 'EXECUTE AS USER (SELECT 1)', 'INVALID_INPUT', 'EXECUTE AS USER username cannot be empty'],
    ['an empty name', "EXECUTE AS USER '' (SELECT 1)", 'INVALID_INPUT', 'EXECUTE AS USER username cannot be empty'],
    [
      'no parentheses',
      "EXECUTE AS USER 'ana' SELECT 1",
      'INVALID_INPUT',
      'EXECUTE AS USER must wrap SQL in parentheses',
    ],
    ['an open one', "EXECUTE AS USER 'ana' (SELECT 1", 'INVALID_INPUT', "EXECUTE AS USER missing closing ')'"],
    [
      'nothing in it',
      "EXECUTE AS USER 'ana' ()",
      'INVALID_INPUT',
      'EXECUTE AS USER requires a non-empty inner SQL statement',
    ],
    [
      'two statements',
      "EXECUTE AS USER 'ana' (SELECT 1; SELECT 2)",
      'INVALID_INPUT',
      'EXECUTE AS USER must contain exactly one wrapped SQL statement',
    ],
    [
      'something behind it',
      "EXECUTE AS USER 'ana' (SELECT 1) SELECT 2",
      'INVALID_INPUT',
      'EXECUTE AS USER can only wrap a single SQL statement',
    ],
    [
      'a shared table',
      "EXECUTE AS USER 'ana' (INSERT INTO app.news VALUES (1))",
      'INVALID_INPUT',
      "Statement 1 failed: EXECUTE AS USER is not allowed on SHARED tables (table 'app:news'). AS USER impersonation is only supported for USER and STREAM tables.",
    ],
    [
      'somebody above',
      "EXECUTE AS USER 'root' (SELECT 1)",
      'PERMISSION_DENIED',
      "Unauthorized: EXECUTE AS USER is not authorized: actor 'admin' with role Dba cannot target 'root' with role System",
    ],
  ];
  for (const [why, text, code, message] of acting) {
    test(`EXECUTE AS is refused: ${why}`, async () => {
      await sql(
        "CREATE SHARED TABLE IF NOT EXISTS app.news (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'public')",
        admin,
      );
      const {json} = await sql(text, admin);
      assert.deepEqual([json.error?.['code'], json.error?.['message']], [code, message]);
    });
  }

  test('EXECUTE AS writes and reads the rows of its target, in batches too', async () => {
    const {status, json} = await sql(
      `EXECUTE AS USER 'ana' (INSERT INTO app.own VALUES (1, 'for ana'));
       EXECUTE AS 'ana' (SELECT id, v, CURRENT_USER, CURRENT_ROLE FROM app.own);
       SELECT count(*) FROM app.own`,
      admin,
    );
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual(
      json.results.map(result => [result['rows'], result['as_user']]),
      [
        [undefined, 'ana'],
        [[[1, 'for ana', 'ana', 'user']], 'ana'],
        [[['0']], 'admin'],
      ],
    );
    const {rows} = await server.database.sql(
      "SELECT actor_user_id, action, subject_user_id, result FROM system.audit_log WHERE action LIKE 'EXECUTE%' ORDER BY audit_id",
    );
    assert.ok(rows.some(row => JSON.stringify(row) === '["admin","EXECUTE_AS_USER","ana","success"]'));
    assert.ok(
      rows.some(row => JSON.stringify(row) === '["admin","EXECUTE_AS_USER_DENIED","root","PERMISSION_DENIED"]'),
    );
    assert.equal(rows.filter(row => row[1] === 'EXECUTE_AS_USER').length, 1, 'a repeated one is not written again');
  });

  const told: [why: string, text: string, code: string, toUser: string | RegExp, toAdmin: RegExp][] = [
    [
      'a missing table',
      'SELECT * FROM app.none',
      'SQL_EXECUTION_ERROR',
      'SQL statement failed',
      /table 'kalam\.app\.none' not found/,
    ],
    [
      'a table to describe',
      'DESCRIBE TABLE app.none',
      'SQL_EXECUTION_ERROR',
      'SQL statement failed',
      /'none' not found/,
    ],
    ['a syntax error', 'SELECT FROM WHERE', 'INVALID_SQL', 'SQL statement is invalid or not allowed', /Invalid SQL: /],
    ['no statement', ';', 'EMPTY_SQL', 'No SQL statements provided', /^No SQL statements provided$/],
    [
      'a taken key',
      'INSERT INTO app.own VALUES (7, NULL), (7, NULL)',
      'SQL_EXECUTION_ERROR',
      /Primary key violation|already exists/i,
      /7/,
    ],
    ['a wrong value', "SELECT CAST('x' AS INT)", 'SQL_EXECUTION_ERROR', /Unable to cast value 'x'/, /Unable to cast/],
    ['an unknown column', 'SELECT nope FROM app.own', 'SQL_EXECUTION_ERROR', /nope/, /nope/],
  ];
  for (const [why, text, code, toUser, toAdmin] of told) {
    test(`who is no admin is told of ${why} what they may know`, async () => {
      const user = (await sql(text, await tokenOf('ana', 'correct horse'))).json.error!;
      const dba = (await sql(text, admin)).json.error!;
      assert.deepEqual([user['code'], dba['code']], [code, code]);
      if (typeof toUser === 'string') assert.equal(user['message'], toUser);
      else assert.match(String(user['message']), toUser);
      assert.match(String(dba['message']), toAdmin);
      assert.equal(user['details'], undefined);
    });
  }

  test('sessions, passwords and the audit log outlive a restart; secrets are nowhere in it', async () => {
    const {json} = await login('ana', 'correct horse');
    await server.database.sql("ALTER USER 'ext' SET EMAIL 'ext@example.org'");
    const {rows} = await server.database.sql('SELECT * FROM system.audit_log');
    const text = JSON.stringify(rows);
    for (const secret of ['correct horse', 'battery staple', ROOT_PASSWORD, ADMIN.password])
      assert.ok(!text.includes(secret));
    for (const action of ['SETUP', 'LOGIN', 'CREATE_USER', 'ALTER_USER', 'DROP_USER', 'CREATE_TABLE']) {
      assert.ok(text.includes(action), action);
    }
    const users = await server.database.sql("SELECT password_hash FROM system.users WHERE user_id = 'ana'");
    assert.deepEqual(users.rows, [['***']]);
    await server.database.restart();
    const {sessions, desk} = server.database.auth;
    assert.equal((await sessions.authenticate(`Bearer ${json['access_token']}`))?.userId, 'ana');
    const caller = {address: '127.0.0.1', isLocal: true};
    assert.equal((await desk.signIn('ana', 'correct horse', caller)).account.user_id, 'ana');
    assert.equal((await desk.refresh(String(json['refresh_token']), caller)).account.user_id, 'ana');
    assert.ok((await server.database.sql('SELECT 1 FROM system.audit_log')).rows.length >= rows.length);
  });
});

/**
 * Recorded: the envelope of the SQL route, its errors as admins and as others are told them, what it says to callers who are not signed in, and the order
 * of its checks. Tokens are those of the sign-ins that were recorded before.
 */
import type {Recorded} from './recorded.ts';

const SQL = 'POST /v1/api/sql';
const ADMIN = {authorization: 'Bearer <admin>'};
const USER = {authorization: 'Bearer <user>'};
const TOLD = {'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff'};

const success = (...results: object[]) => ({
  status: 200,
  told: TOLD,
  answer: {status: 'success', results, took: '<number>'},
});
const failed = (status: number, code: string, message: string, more: object = {}) => ({
  status,
  told: TOLD,
  answer: {status: 'error', results: [], took: '<number>', error: {code, message, ...more}},
});
const ask = (headers: Record<string, string>, sql: string, more: object = {}) => ({
  request: SQL,
  headers,
  body: {sql, ...more},
});
const asAdmin = (sql: string, more?: object) => ask(ADMIN, sql, more);
const asUser = (sql: string, more?: object) => ask(USER, sql, more);
const done = (message: string, count = 0, as = 'admin') => ({row_count: count, message, as_user: as});

export const SQL_ROUTE: readonly Recorded[] = [
  {
    name: 'a user signs in',
    request: 'POST /v1/api/auth/login',
    body: {user: 'ana', password: 'correct horse'},
    status: 200,
    answer: {
      user: {id: 'ana', role: 'user', email: null, created_at: '<time>', updated_at: '<time>'},
      admin_ui_access: false,
      expires_at: '<time>',
      access_token: '<jwt user>',
      refresh_token: '<jwt userRefresh>',
      refresh_expires_at: '<time>',
    },
  },
  {
    name: 'a batch has one result for each statement, in order',
    ...asAdmin('CREATE NAMESPACE app; CREATE USER TABLE app.todo (id BIGINT PRIMARY KEY, title TEXT, done BOOLEAN)'),
    ...success(done("Namespace 'app' created successfully"), done('User table app.todo created successfully')),
  },
  {
    name: 'rows that were written are counted',
    ...asUser(
      "INSERT INTO app.todo VALUES (7188000000000000001, 'buy milk', false), (7188000000000000002, NULL, true)",
    ),
    ...success(done('Inserted 2 row(s)', 2, 'ana')),
  },
  {
    name: 'rows are arrays in the order of the schema; integers of 64 bits are texts',
    ...asUser('SELECT id, title, done FROM app.todo WHERE done = $1 OR id = $2 ORDER BY id', {
      params: [false, '7188000000000000002'],
    }),
    ...success({
      schema: [
        {name: 'id', data_type: 'BigInt', index: 0, flags: ['nn', 'pk', 'uq']},
        {name: 'title', data_type: 'Text', index: 1},
        {name: 'done', data_type: 'Boolean', index: 2},
      ],
      rows: [
        ['7188000000000000001', 'buy milk', false],
        ['7188000000000000002', null, true],
      ],
      row_count: 2,
      as_user: 'ana',
    }),
  },
  {
    name: 'namespace_id completes a name; the id of a request comes back',
    ...ask({...USER, 'x-request-id': 'r-1'}, 'UPDATE todo SET done = true WHERE done = false', {namespace_id: 'app'}),
    ...success(done('Updated 1 row(s)', 1, 'ana')),
    told: {...TOLD, 'x-request-id': 'r-1'},
  },
  {
    name: 'rows that went',
    ...asUser('DELETE FROM app.todo WHERE id > 0'),
    ...success(done('Deleted 2 row(s)', 2, 'ana')),
  },
  {
    name: 'a statement for somebody else says for whom',
    ...asAdmin("EXECUTE AS USER 'ana' (INSERT INTO app.todo (id) VALUES (1))"),
    ...success(done('Inserted 1 row(s)', 1, 'ana')),
  },
  {
    name: 'SUBSCRIBE TO says where to go',
    ...asUser('SUBSCRIBE TO app.todo WHERE done = false OPTIONS (last_rows=10)'),
    ...success({
      schema: [
        {name: 'status', data_type: 'Text', index: 0},
        {name: 'ws_url', data_type: 'Text', index: 1},
        {name: 'subscription', data_type: 'Json', index: 2},
        {name: 'message', data_type: 'Text', index: 3},
      ],
      rows: [
        [
          'subscription_required',
          'ws://127.0.0.1:<text>/v1/ws',
          {id: '<text>', sql: 'SELECT * FROM app.todo WHERE done = false', options: {last_rows: 10}},
          'WebSocket subscription created. Connect to ws_url to receive updates.',
        ],
      ],
      row_count: 1,
      as_user: 'ana',
    }),
  },

  {name: 'no statement', ...asUser(' ; '), ...failed(400, 'EMPTY_SQL', 'No SQL statements provided')},
  {
    name: 'a text that cannot be split, told to a user',
    ...asUser("SELECT 'open"),
    ...failed(400, 'BATCH_PARSE_ERROR', 'Failed to parse SQL batch', {position: {line: 1, column: 8}}),
  },
  {
    name: 'parameters with more than one statement',
    ...asUser('SELECT $1; SELECT 2', {params: [1]}),
    ...failed(400, 'PARAMS_WITH_BATCH', '<text>'),
  },
  {
    name: 'no SQL, told to a user',
    ...asUser('SELEC 1'),
    ...failed(400, 'INVALID_SQL', 'SQL statement is invalid or not allowed', {position: {line: 1, column: 1}}),
  },
  {
    name: 'no SQL, told to an admin: which statement of the batch, without its secrets',
    ...asAdmin("SELECT 1; CREATE USER 'eve' PASSWORD 'in the open'"),
    ...failed(400, 'INVALID_SQL', '<text>', {
      position: {line: 1, column: 29},
      details: "CREATE USER 'eve' PASSWORD '***'",
    }),
  },
  {
    name: 'a text that cannot be split, told to an admin',
    ...asAdmin("SELECT 1; SELECT 'open"),
    ...failed(400, 'BATCH_PARSE_ERROR', '<text>', {
      position: {line: 1, column: 18},
      details: "SELECT 1; SELECT 'open",
    }),
  },
  {
    name: 'what a dba may not do, told to one',
    ...asAdmin("SELECT 1; EXECUTE AS USER 'root' (SELECT 2)"),
    ...failed(403, 'PERMISSION_DENIED', '<text>', {details: 'SELECT 2'}),
  },
  {
    name: 'a body without sql',
    request: SQL,
    headers: USER,
    body: {query: 'SELECT 1'},
    ...failed(400, 'INVALID_INPUT', 'Invalid JSON payload: <text>'),
  },
  {
    name: 'a parameter that is too long',
    ...asUser('SELECT $1', {params: ['x'.repeat(512 * 1024 + 1)]}),
    ...failed(400, 'INVALID_PARAMETER', '<text>'),
  },
  {
    name: 'a missing table, told to a user',
    ...asUser('SELECT 1; SELECT * FROM app.none'),
    ...failed(400, 'SQL_EXECUTION_ERROR', 'SQL statement failed'),
  },
  {
    name: 'a missing table, told to an admin: which statement of the batch, and its text',
    ...asAdmin('SELECT 1; SELECT * FROM app.none'),
    ...failed(400, 'SQL_EXECUTION_ERROR', "Statement 2 failed: Table not found: table 'kalam.app.none' not found", {
      details: 'SELECT * FROM app.none',
    }),
  },
  {
    name: 'a taken key is told to a user',
    ...asUser('INSERT INTO app.todo (id) VALUES (1)'),
    ...failed(400, 'SQL_EXECUTION_ERROR', 'Statement 1 failed: <text>'),
  },
  {
    name: 'a request that ends inside a transaction',
    ...asUser('BEGIN; INSERT INTO app.todo (id) VALUES (2)'),
    ...failed(
      400,
      'SQL_EXECUTION_ERROR',
      'Request completed with an open explicit transaction; rolled back automatically',
    ),
  },
  {
    name: 'what only admins may do',
    ...asUser("CREATE USER 'eve' WITH PASSWORD 'battery staple' ROLE dba"),
    ...failed(403, 'PERMISSION_DENIED', '<text>'),
  },
  {
    name: 'an upload',
    ...asUser("INSERT INTO app.todo (title) VALUES (FILE('cv'))"),
    ...failed(
      400,
      'INVALID_INPUT',
      'Statement 1 failed: FILE placeholders require multipart/form-data (line 1, column 38)',
      {position: {line: 1, column: 38}},
    ),
  },

  {name: 'no token', ...ask({}, 'SELECT 1'), ...failed(401, 'MISSING_AUTHORIZATION', 'Authentication required')},
  ...(
    [
      ['an expired token, which clients refresh', 'Bearer <expired>', 'TOKEN_EXPIRED'],
      ['a token signed by somebody else', 'Bearer <foreign>', 'INVALID_CREDENTIALS'],
      ['an expired token signed by somebody else', 'Bearer <foreignExpired>', 'INVALID_CREDENTIALS'],
      ['what is no token', 'Bearer nonsense', 'INVALID_CREDENTIALS'],
      ['a refresh token', 'Bearer <userRefresh>', 'INVALID_CREDENTIALS'],
      ['the scheme in other letters', 'bearer <user>', 'INVALID_CREDENTIALS'],
      ['a password', 'Basic YW5hOmNvcnJlY3QgaG9yc2U=', 'INVALID_CREDENTIALS'],
    ] as const
  ).map(([name, authorization, code]) => ({
    name,
    ...ask({authorization}, 'SELECT 1'),
    ...failed(401, code, 'Invalid credentials'),
  })),
  {
    name: 'a cookie is no sign-in of statements',
    ...ask({cookie: 'kalamdb_auth=<user>'}, 'SELECT 1'),
    ...failed(401, 'MISSING_AUTHORIZATION', 'Authentication required'),
  },
  {
    name: 'a page of another site',
    ...ask({...USER, origin: 'https://evil.example'}, 'SELECT 1'),
    ...failed(403, 'REMOTE_ACCESS_DENIED', 'Access denied<text>'),
  },

  {
    name: 'checks: sign-in comes before the form of the body',
    request: SQL,
    headers: {'content-type': 'text/plain'},
    body: '{',
    ...failed(401, 'MISSING_AUTHORIZATION', 'Authentication required'),
  },
  {
    name: 'checks: the form of the body before what it says',
    request: SQL,
    headers: {...USER, 'content-type': 'text/plain'},
    body: '{',
    ...failed(415, 'UNSUPPORTED_MEDIA_TYPE', '<text>'),
  },
  {
    name: 'files, which are not supported yet',
    request: SQL,
    headers: {...USER, 'content-type': 'multipart/form-data; boundary=x'},
    body: '--x--',
    ...failed(
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      'Files (multipart/form-data) are not supported yet; send statements as Content-Type: application/json.',
    ),
  },
  {
    name: 'checks: the length of the text before it is split',
    ...asUser(`SELECT '${'x'.repeat(1024 * 1024)}`),
    ...failed(400, 'INVALID_SQL', 'SQL statement is invalid or not allowed'),
  },
  {
    name: 'checks: all statements are read before one runs, and before parameters are counted',
    ...asUser('DELETE FROM app.todo; SELEC $1', {params: [1]}),
    ...failed(400, 'INVALID_SQL', 'SQL statement is invalid or not allowed', {position: {line: 1, column: 23}}),
  },
  {
    name: 'checks: statements are read before parameters are',
    ...asUser('SELEC 1', {params: ['x'.repeat(512 * 1024 + 1)]}),
    ...failed(400, 'INVALID_SQL', 'SQL statement is invalid or not allowed', {position: {line: 1, column: 1}}),
  },
  {
    name: 'checks: and rights are asked for before parameters are read',
    ...asUser('DROP NAMESPACE app', {params: ['x'.repeat(512 * 1024 + 1)]}),
    ...failed(403, 'PERMISSION_DENIED', '<text>'),
  },
  {
    name: 'checks: parameters are read before they are counted',
    ...asUser('SELECT 1; SELECT 2', {params: ['x'.repeat(512 * 1024 + 1)]}),
    ...failed(400, 'INVALID_PARAMETER', '<text>'),
  },
  {
    name: 'checks: and nothing was deleted',
    ...asUser('SELECT count(*) AS n FROM app.todo'),
    ...success({schema: [{name: 'n', data_type: 'BigInt', index: 0}], rows: [['1']], row_count: 1, as_user: 'ana'}),
  },
  {
    name: 'with a key: it is run',
    ...ask({...USER, 'idempotency-key': 'a8f1'}, "INSERT INTO app.todo VALUES (5, 'once', false)"),
    ...success(done('Inserted 1 row(s)', 1, 'ana')),
  },
  {
    name: 'with a key: the second time it is answered as the first time, and not run',
    ...ask({...USER, 'idempotency-key': 'a8f1'}, "INSERT INTO app.todo VALUES (5, 'once', false)"),
    ...success(done('Inserted 1 row(s)', 1, 'ana')),
  },
  {
    name: 'with a key: without it the row would be there twice',
    ...asUser("INSERT INTO app.todo VALUES (5, 'once', false)"),
    ...failed(400, 'SQL_EXECUTION_ERROR', '<text>'),
  },
  {
    name: 'with a key: another request is refused',
    ...ask({...USER, 'idempotency-key': 'a8f1'}, "INSERT INTO app.todo VALUES (6, 'other', false)"),
    ...failed(
      422,
      'IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key was sent with another request; each request needs a key of its own.',
    ),
  },
  {
    name: 'with a key that is none',
    ...ask({...USER, 'idempotency-key': 'a b'}, 'SELECT 1'),
    ...failed(
      400,
      'INVALID_INPUT',
      'The Idempotency-Key header must be 1 to 255 printable characters without blanks, once.',
    ),
  },
  {
    name: 'another method',
    request: 'GET /v1/api/sql',
    ...failed(405, 'METHOD_NOT_ALLOWED', 'Use POST here.'),
    told: {...TOLD, allow: 'POST'},
  },
  {name: 'no such route', request: 'GET /v1/api/none', status: 404, told: {'content-type': null}, answer: ''},
];

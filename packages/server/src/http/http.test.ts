import assert from 'node:assert/strict';
import {request as httpRequest, type OutgoingHttpHeaders} from 'node:http';
import {connect} from 'node:net';
import {after, before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {Sessions} from '../auth/sessions.ts';
import {TokenSigner} from '../auth/token.ts';
import {readConfig} from '../config.ts';
import {httpOptions} from '../http-options.ts';
import type {RunSql, SqlRequest, StatementResult} from './engine.ts';
import {createHttpServer, type HttpLimits, type HttpServer, type HttpServerOptions} from './server.ts';
import {noLive} from './test-live.ts';

const SHIPPED = httpOptions(readConfig({env: {}}).config);
const LIMITS: HttpLimits = {
  ...SHIPPED.limits,
  bodyBytesMax: 2 * 1024 * 1024,
  parametersMax: 3,
  parameterBytesMax: 1000,
  handlerTimeoutMs: 100,
  slowQueryMs: 40,
  keepAliveMs: 1000,
  connectionsMax: 100,
};

const logged: {level: string; facts: object; text: string}[] = [];
const logAs = (level: string) => (facts: object, text: string) => void logged.push({level, facts, text});
const logger = {debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error')};
const clock = {nowMs: () => 1_800_000_000_000, monotonicMs: () => performance.now(), sleep: () => Promise.resolve()};

let seen: SqlRequest | undefined;
const longRow = JSON.stringify(['é'.repeat(50_000)]);
const ONE = {name: 'one', data_type: 'Int', index: 0} as const;

const sleepUntilAborted = ({signal}: SqlRequest) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** What the fake engine does for each text. */
const ENGINE: Record<string, RunSql> = {
  one: () => [{columns: [ONE], rows: ['[1]'], rowCount: 1, asUser: 'root'}],
  batch: () => [
    {rowCount: 3, message: 'Inserted 3 row(s)', asUser: 'root'},
    {columns: [ONE], rows: ['[1]', '[2]'], rowCount: 2, asUser: 'root', isTruncated: true},
    {columns: [ONE], rows: [], rowCount: 0, asUser: 'root'},
  ],
  large: () => [
    {rowCount: 1, message: 'm', asUser: 'root'},
    {columns: [ONE], rows: Array.from({length: 40}, () => longRow), rowCount: 40, asUser: 'root'},
  ],
  fails: () => {
    const error = new DbError('SQL_EXECUTION_ERROR', 'Statement 1 failed: Table not found: a.b');
    error.details = 'SELECT * FROM a.b';
    throw error;
  },
  denied: () => Promise.reject(new DbError('PERMISSION_DENIED', 'Unauthorized: no')),
  bug: () => {
    throw new TypeError('secret of the stack');
  },
  endless: sleepUntilAborted,
  deaf: () => new Promise(() => {}),
  'deaf change': ({onChange}) => {
    onChange?.();
    return new Promise(() => {});
  },
  late: () => new Promise<StatementResult[]>(resolve => setTimeout(resolve, 150, [{rowCount: 1, asUser: 'root'}])),
};

const runSql: RunSql = request => {
  if (request.badParams !== undefined) throw request.badParams;
  seen = request;
  const answer = ENGINE[request.sql];
  return answer === undefined ? [{rowCount: 0, asUser: request.session.userId}] : answer(request);
};

/** Nobody has a password here. */
const sessions = new Sessions({signer: new TokenSigner('of these tests alone'), clock, isLocal: true});

function newServer(): HttpServer {
  const options = {
    runSql,
    sessions,
    live: noLive,
    auth: {} as HttpServerOptions['auth'],
    host: '127.0.0.1',
    port: 0,
    ...SHIPPED,
    limits: LIMITS,
    logger,
    version: '1.2.3',
    buildDate: 'today',
    clock,
  };
  return createHttpServer(options);
}

const server = newServer();
let port = 0;
before(async () => {
  port = (await server.listen()).port;
});
after(() => server.close());

interface Answer {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are looked into
  json: any;
  headers: NodeJS.Dict<string | string[]>;
}

interface Sent {
  method?: string;
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: string | Buffer;
  to?: number;
}

const JSON_TYPE = {'content-type': 'application/json'};

function send({
  method = 'POST',
  path = '/v1/api/sql',
  headers = JSON_TYPE,
  body = '',
  to = port,
}: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({host: '127.0.0.1', port: to, method, path, headers, agent: false}, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type'] === 'application/json' && text !== '';
        resolve({
          status: response.statusCode!,
          text,
          json: isJson ? JSON.parse(text) : undefined,
          headers: response.headers,
        });
      });
    });
    request.on('error', reject);
    // As bytes, since a text would make the client send the headers as UTF-8 too.
    request.end(Buffer.from(body));
  });
}

const sqlBody = (sql: string, more: object = {}) => JSON.stringify({sql, ...more});
const withHeaders = (headers: OutgoingHttpHeaders, body = sqlBody('one')): Sent => ({
  headers: {...JSON_TYPE, ...headers},
  body,
});

const refusals: [why: string, sent: Sent, status: number, code: string, message?: RegExp][] = [
  ['a page of another site', withHeaders({origin: 'https://evil.example'}), 403, 'REMOTE_ACCESS_DENIED', /other sites/],
  ['a sandboxed page', withHeaders({origin: 'null'}), 403, 'REMOTE_ACCESS_DENIED'],
  [
    'an origin that only begins like ours',
    withHeaders({origin: 'http://localhost.evil.example'}),
    403,
    'REMOTE_ACCESS_DENIED',
  ],
  [
    'an origin with a user part',
    withHeaders({origin: 'http://127.0.0.1:80@evil.example'}),
    403,
    'REMOTE_ACCESS_DENIED',
  ],
  ['a re-bound host name', withHeaders({host: 'evil.example:8080'}), 403, 'REMOTE_ACCESS_DENIED', /Host/],
  ['a host that only begins like ours', withHeaders({host: '127.0.0.1.evil.example'}), 403, 'REMOTE_ACCESS_DENIED'],
  ['a form post', withHeaders({'content-type': 'text/plain'}), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ['a multipart form', withHeaders({'content-type': 'multipart/form-data; boundary=x'}), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  [
    'a type that only begins like JSON',
    withHeaders({'content-type': 'application/jsonx'}),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  ['no type at all', {headers: {}, body: sqlBody('one')}, 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ['a compressed body', withHeaders({'content-encoding': 'gzip'}), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ['Basic credentials', withHeaders({authorization: 'Basic cm9vdDo='}), 401, 'INVALID_CREDENTIALS'],
  ['bearer in small letters', withHeaders({authorization: 'bearer x'}), 401, 'INVALID_CREDENTIALS'],
  ['two user ids', withHeaders({'x-user-id': ['ana', 'bob']}), 400, 'INVALID_INPUT', /more than once/],
  ['a user id that is no UTF-8', withHeaders({'x-user-id': '\xff\xfe'}), 400, 'INVALID_INPUT', /UTF-8/],
  ['no body', {}, 400, 'INVALID_INPUT', /^Invalid JSON payload/],
  ['broken JSON', {body: '{"sql":'}, 400, 'INVALID_INPUT', /^Invalid JSON payload/],
  ['JSON that is no object', {body: '["one"]'}, 400, 'INVALID_INPUT', /object/],
  ['`query` instead of `sql`', {body: '{"query":"one"}'}, 400, 'INVALID_INPUT', /`sql` is missing/],
  ['sql that is no text', {body: '{"sql":1}'}, 400, 'INVALID_INPUT', /`sql` must be a string/],
  ['half a character in sql', {body: '{"sql":"\\ud800"}'}, 400, 'INVALID_INPUT', /surrogate/],
  ['a namespace that is no text', {body: sqlBody('one', {namespace_id: 5})}, 400, 'INVALID_INPUT', /`namespace_id`/],
  ['params that are no array', {body: sqlBody('one', {params: {a: 1}})}, 400, 'INVALID_INPUT', /`params`/],
  ['bytes that are not UTF-8', {body: Buffer.from('{"sql":"\xff"}', 'latin1')}, 400, 'INVALID_INPUT', /UTF-8/],
  [
    'deep nesting',
    {body: `{"x":${'['.repeat(100_000)}1${']'.repeat(100_000)},"params":[1],"sql":"one"}`},
    400,
    'INVALID_INPUT',
    /nested/,
  ],
  [
    'a number beyond doubles',
    {body: '{"sql":"one","params":[1e999]}'},
    400,
    'INVALID_PARAMETER',
    /Unsupported number format: 1e999/,
  ],
  [
    'half a character in a parameter',
    {body: '{"sql":"one","params":["\\udfff"]}'},
    400,
    'INVALID_PARAMETER',
    /surrogate/,
  ],
  [
    'too many parameters',
    {body: sqlBody('one', {params: [1, 2, 3, 4]})},
    400,
    'INVALID_PARAMETER',
    /maximum 3 parameters allowed, got 4$/,
  ],
  [
    'a large parameter',
    {body: sqlBody('one', {params: [1, 'é'.repeat(501)]})},
    400,
    'INVALID_PARAMETER',
    /at index 1 is 1002 bytes \(max 1000 bytes\)$/,
  ],
  [
    'a statement too long',
    {body: sqlBody('x'.repeat(1_048_577))},
    400,
    'INVALID_SQL',
    /^SQL query too long: 1048577 bytes \(maximum 1048576 bytes\)$/,
  ],
  [
    'a body too large by counting',
    {headers: {...JSON_TYPE, 'transfer-encoding': 'chunked'}, body: ' '.repeat(2 * 1024 * 1024 + 1)},
    413,
    'BODY_TOO_LARGE',
  ],
  [
    'an execution error',
    {body: sqlBody('fails')},
    400,
    'SQL_EXECUTION_ERROR',
    /^Statement 1 failed: Table not found: a\.b$/,
  ],
  ['a rejected promise', {body: sqlBody('denied')}, 403, 'PERMISSION_DENIED', /^Unauthorized: no$/],
  ['a bug', {body: sqlBody('bug')}, 500, 'INTERNAL_ERROR', /^Internal error/],
  [
    'a statement that never ends',
    {body: sqlBody('endless')},
    400,
    'STATEMENT_TIMEOUT',
    /^Handler execution timeout: exceeded 0\.1s$/,
  ],
  ['the wrong method', {method: 'GET'}, 405, 'METHOD_NOT_ALLOWED'],
];

for (const [why, sent, status, code, message] of refusals) {
  test(`refused: ${why}`, async () => {
    seen = undefined;
    const {json, status: got} = await send(sent);
    assert.equal(got, status);
    assert.equal(json.status, 'error');
    assert.deepEqual(json.results, []);
    assert.equal(typeof json.took, 'number');
    assert.equal(json.error.code, code);
    assert.match(json.error.message, message ?? /./);
    if (status === 401 || code === 'REMOTE_ACCESS_DENIED') assert.equal(seen, undefined, 'nothing ran');
  });
}

const accepted: [why: string, sent: Sent, user: string, role: string][] = [
  ['nobody is root', withHeaders({}), 'root', 'system'],
  ['X-USER-ID names the caller', withHeaders({'x-user-id': 'ana'}), 'ana', 'dba'],
  [
    'a name in UTF-8 is read as such',
    withHeaders({'x-user-id': Buffer.from('änne').toString('latin1')}),
    'änne',
    'dba',
  ],
  ['a comma is part of a name', withHeaders({'x-user-id': 'a,b'}), 'a,b', 'dba'],
  ['any Bearer text passes', withHeaders({authorization: 'Bearer whatever', 'x-user-id': 'ana'}), 'ana', 'dba'],
  ['a page of this machine', withHeaders({origin: 'http://localhost:5173'}), 'root', 'system'],
  ['localhost as host', withHeaders({host: 'LOCALHOST:1'}), 'root', 'system'],
  ['IPv6 as host', withHeaders({host: '[::1]:8080'}), 'root', 'system'],
  ['a charset beside the type', withHeaders({'content-type': 'Application/JSON; charset=utf-8'}), 'root', 'system'],
];

for (const [why, sent, userId, role] of accepted) {
  test(`accepted: ${why}`, async () => {
    const {status} = await send(sent);
    assert.equal(status, 200);
    assert.deepEqual(seen!.session, {userId, role, proof: {kind: 'development'}});
  });
}

test('a success has the exact bytes of the contract', async () => {
  const {text} = await send({body: sqlBody('one')});
  assert.match(
    text,
    /^\{"status":"success","results":\[\{"schema":\[\{"name":"one","data_type":"Int","index":0\}\],"rows":\[\[1\]\],"row_count":1,"as_user":"root"\}\],"took":\d+(\.\d{1,3})?\}$/,
  );
});

test('a batch answers one result per statement, in order', async () => {
  const {json} = await send({body: sqlBody('batch')});
  assert.deepEqual(json.results, [
    {row_count: 3, message: 'Inserted 3 row(s)', as_user: 'root'},
    {schema: [ONE], rows: [[1], [2]], row_count: 2, truncated: true, as_user: 'root'},
    {schema: [ONE], rows: [], row_count: 0, as_user: 'root'},
  ]);
});

test('a large answer goes out in slices and is whole', async () => {
  const {json, headers} = await send({body: sqlBody('large')});
  assert.equal(headers['transfer-encoding'], 'chunked');
  assert.equal(json.results[1].rows.length, 40);
  assert.equal(JSON.stringify(json.results[1].rows[39]), longRow);
});

test('numbers in params keep every digit', async () => {
  const numbers = ['9007199254740993', '0.1000', '-1e5'];
  await send({body: `{"sql":"p","params":[${numbers}],"namespace_id":"app","other":[1]}`});
  assert.deepEqual(
    seen!.params,
    numbers.map(number => ({number})),
  );
  assert.equal(seen!.namespace, 'app');
  await send({body: sqlBody('p', {params: [null, true, 'x'], namespace_id: null})});
  assert.deepEqual(seen!.params, [null, true, 'x']);
  assert.equal(seen!.namespace, undefined);
});

test('brackets and escaped quotes inside strings do not count as nesting', async () => {
  const sql = '["\\'.repeat(200);
  assert.equal((await send({body: sqlBody(sql)})).status, 200);
  assert.equal(seen!.sql, sql);
});

test('the failed statement is shown to admins', async () => {
  assert.equal((await send({body: sqlBody('fails')})).json.error.details, 'SELECT * FROM a.b');
});

test('a bug is logged with its stack, told without it, and the server goes on', async () => {
  logged.length = 0;
  const {text, headers} = await send(withHeaders({'x-request-id': 'mine-1'}, sqlBody('bug')));
  assert.ok(!text.includes('secret'));
  assert.equal(headers['x-request-id'], 'mine-1');
  const [entry] = logged.filter(({level}) => level === 'error');
  const {requestId, err} = entry!.facts as {requestId: string; err: Error};
  assert.equal(requestId, 'mine-1');
  assert.match(err.stack!, /secret of the stack/);
  assert.equal((await send({body: sqlBody('one')})).status, 200);
});

test('a statement that ends within the second after its time is answered as what it became', async () => {
  assert.equal((await send({body: sqlBody('late')})).status, 200);
});

test('a statement that does not hear the abort is given up', async () => {
  assert.equal((await send({body: sqlBody('deaf')})).json.error.code, 'STATEMENT_TIMEOUT');
});

test('a change whose outcome is not known in time is not answered as one that can be repeated', async () => {
  assert.equal((await send({body: sqlBody('deaf change')})).json.error.code, 'COMMIT_UNKNOWN');
});

test('a slow statement is logged', async () => {
  logged.length = 0;
  await send({body: sqlBody('late')});
  assert.deepEqual(
    logged.map(({text}) => text),
    ['Slow statement.'],
  );
});

test('a caller who leaves aborts the statement', async () => {
  const body = sqlBody('endless');
  const socket = connect(port, '127.0.0.1');
  seen = undefined;
  socket.write(
    `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  while (seen === undefined) await new Promise(setImmediate);
  const {signal} = seen as SqlRequest;
  const aborted = new Promise(resolve => signal.addEventListener('abort', resolve));
  socket.destroy();
  await aborted;
  assert.match(signal.reason.message, /closed the connection/);
});

const gets: [path: string, status: number, content: object | undefined, method?: string][] = [
  ['/health', 200, {status: 'healthy', version: '1.2.3', api_version: 'v1', build_date: 'today'}],
  ['/healthz', 200, {status: 'ok'}],
  ['/readyz', 200, {status: 'ready'}],
  ['/v1/api/healthcheck?x=1', 200, {status: 'healthy', version: '1.2.3', api_version: 'v1', build_date: 'today'}],
  ['/', 200, {name: 'KalamDB', version: '1.2.3', sql: 'POST /v1/api/sql', health: 'GET /health'}],
  ['/nothing', 404, undefined],
  ['/v1/api/SQL', 404, undefined],
  ['/health', 200, undefined, 'HEAD'],
];

for (const [path, status, content, method = 'GET'] of gets) {
  test(`${method} ${path} answers ${status}`, async () => {
    const answer = await send({method, path, headers: {}});
    assert.equal(answer.status, status);
    assert.deepEqual(answer.json, content);
  });
}

test('cluster health holds what the command line tool demands', async () => {
  const {json} = await send({method: 'GET', path: '/v1/api/cluster/health', headers: {}});
  const {status, is_cluster_mode, node_id, is_leader, total_groups, groups_leading, current_term, nodes} = json;
  assert.deepEqual(
    {status, is_cluster_mode, node_id, is_leader, total_groups, groups_leading, current_term},
    {
      status: 'healthy',
      is_cluster_mode: false,
      node_id: 1,
      is_leader: true,
      total_groups: 1,
      groups_leading: 1,
      current_term: 1,
    },
  );
  assert.deepEqual([nodes[0].role, nodes[0].status, nodes[0].is_self], ['leader', 'active', true]);
});

test('the wrong method names the right ones', async () => {
  assert.equal((await send({method: 'PUT'})).headers.allow, 'POST');
  assert.equal((await send({method: 'DELETE', path: '/health', headers: {}})).headers.allow, 'GET, HEAD');
});

test('a request id is made where none was sent, and a harmful one is not echoed', async () => {
  const made = (await send({body: sqlBody('one')})).headers['x-request-id'];
  assert.match(String(made), /^[a-z0-9]+-\d+$/);
  const other = (await send(withHeaders({'x-request-id': 'a b'}))).headers['x-request-id'];
  assert.match(String(other), /^[a-z0-9]+-\d+$/);
});

test('bytes that are no HTTP are answered and closed', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.write('hello\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 /);
});

test('a connection that piles up requests behind a slow one is cut', async () => {
  const body = (sql: string) =>
    `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${sqlBody(sql).length}\r\n\r\n${sqlBody(sql)}`;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(body('deaf') + body('one').repeat(1500));
  let text = '';
  socket.on('data', chunk => {
    text += chunk;
  });
  await new Promise(resolve => socket.once('close', resolve));
  assert.equal(text, '', 'nothing overtook the slow one');
  assert.equal((await send({body: sqlBody('one')})).status, 200);
});

test('closing lets a running statement finish and refuses new connections', async () => {
  const other = newServer();
  const {port: to} = await other.listen();
  const running = send({to, body: sqlBody('late')});
  seen = undefined;
  while (seen === undefined) await new Promise(setImmediate);
  const closed = other.close();
  const {status} = await running;
  assert.equal(status, 200);
  await closed;
  await assert.rejects(send({to, body: sqlBody('one')}), {code: 'ECONNREFUSED'});
});

test('closing does not wait for idle connections', async () => {
  const other = newServer();
  const {port: to} = await other.listen();
  const idle = connect(to, '127.0.0.1');
  idle.resume();
  await new Promise(resolve => idle.once('connect', resolve));
  const gone = new Promise(resolve => idle.once('close', resolve));
  await other.close();
  await gone;
});

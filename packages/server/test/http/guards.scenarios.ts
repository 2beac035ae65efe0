/** Who is served and where: guards, routes, methods, CORS. The tables beside the source hold the finer cases of each header. */
import assert from 'node:assert/strict';
import type {Scenario} from './scenario.ts';

const ONE = 'SELECT 1';
const PREFLIGHT = {'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,x-user-id'};

/** OPTIONS answered with the methods; `origin` undefined: no page may read the answer. */
function options(
  name: string,
  headers: Record<string, string>,
  origin: string | undefined,
  more: Partial<Scenario> & {allow?: string} = {},
): Scenario {
  const {allow = 'POST, OPTIONS', ...rest} = more;
  return {
    name,
    sent: {method: 'OPTIONS', headers},
    status: 204,
    check: answer => {
      assert.equal(answer.text, '');
      assert.equal(answer.headers.allow, allow);
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      const isGranted = origin !== undefined && 'access-control-request-method' in headers;
      assert.equal(answer.headers['access-control-max-age'], isGranted ? '3600' : undefined);
      if (!isGranted) return;
      assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, PUT, DELETE, PATCH, OPTIONS');
      assert.match(
        String(answer.headers['access-control-allow-headers']),
        /^Authorization, Content-Type,.* X-USER-ID, Idempotency-Key$/,
      );
      assert.equal(answer.headers.vary, 'Origin');
    },
    ...rest,
  };
}

const refusedOptions = (name: string, headers: Record<string, string>): Scenario => ({
  name,
  sent: {method: 'OPTIONS', headers},
  code: 'REMOTE_ACCESS_DENIED',
  check: answer => assert.equal(answer.headers['access-control-max-age'], undefined),
});

/** `origin` of the page, and whether it is named in the answer. */
const fromPage = (name: string, origin: string, isNamed: boolean, more: Partial<Scenario>): Scenario => ({
  name,
  sql: ONE,
  headers: {origin},
  check: answer => {
    assert.equal(answer.headers['access-control-allow-origin'], isNamed ? origin : undefined);
    assert.equal(answer.headers.vary, 'Origin');
  },
  ...more,
});

const empty = (answer: {text: string}) => assert.equal(answer.text, '');

export const GUARDS: readonly Scenario[] = [
  {name: 'a plain request of this machine is served', sql: ONE, rows: [[1]]},
  {name: 'Bearer text of any kind passes', sql: ONE, headers: {authorization: 'Bearer test-token'}, rows: [[1]]},
  {name: 'Basic is refused', sql: ONE, headers: {authorization: 'Basic cm9vdDo='}, code: 'INVALID_CREDENTIALS'},
  {
    name: 'a name that was bound to this address is refused',
    sql: ONE,
    headers: {host: 'a.example'},
    code: 'REMOTE_ACCESS_DENIED',
  },
  {
    name: 'a form post is refused before its body is read',
    sent: {headers: {'content-type': 'text/plain'}, body: '{'},
    code: 'UNSUPPORTED_MEDIA_TYPE',
  },

  fromPage('a page of this machine reads the answer', 'http://localhost:5173', true, {rows: [[1]]}),
  fromPage('and its errors', 'http://127.0.0.1:3000', true, {sql: 'SELEC', code: 'INVALID_SQL'}),
  fromPage('a page of another site neither asks nor reads', 'https://evil.example', false, {
    code: 'REMOTE_ACCESS_DENIED',
  }),
  fromPage('nor does one without an origin to name', 'null', false, {code: 'REMOTE_ACCESS_DENIED'}),

  options(
    'a preflight of a page of this machine',
    {...PREFLIGHT, origin: 'http://localhost:5173'},
    'http://localhost:5173',
  ),
  options(
    'a preflight needs no sign-in',
    {...PREFLIGHT, origin: 'http://[::1]:1', authorization: 'Basic x'},
    'http://[::1]:1',
  ),
  options('OPTIONS without a page tells the methods', {}, undefined),
  options('of every route', {}, undefined, {sent: {method: 'OPTIONS', path: '/health'}, allow: 'GET, HEAD, OPTIONS'}),
  refusedOptions('a preflight of another site is refused', {...PREFLIGHT, origin: 'https://evil.example'}),
  refusedOptions('a preflight to a re-bound name is refused', {
    ...PREFLIGHT,
    origin: 'http://localhost',
    host: 'evil.example',
  }),
  {
    name: 'a preflight of no route finds none',
    sent: {method: 'OPTIONS', path: '/v1/api/none', headers: {...PREFLIGHT, origin: 'http://localhost'}},
    status: 404,
    check: empty,
  },

  {name: 'an unknown route is an empty 404', sent: {method: 'GET', path: '/v1/api/nothing'}, status: 404, check: empty},
  {name: 'paths are exact', sent: {path: '/v1/api/sql/'}, status: 404, check: empty},
  {name: 'paths are not decoded into others', sent: {path: '/v1/api/%73ql'}, status: 404, check: empty},
  {name: 'dots lead nowhere', sent: {method: 'GET', path: '/v1/api/../../etc/passwd'}, status: 404, check: empty},
  {name: 'a query string is no part of the path', sql: ONE, sent: {path: '/v1/api/sql?x=1'}, rows: [[1]]},
  {
    name: 'the wrong method names the right one',
    sent: {method: 'GET'},
    code: 'METHOD_NOT_ALLOWED',
    check: answer => assert.equal(answer.headers.allow, 'POST'),
  },
  {name: 'HEAD of a GET route has no body', sent: {method: 'HEAD', path: '/health'}, status: 200, check: empty},
  {
    name: 'HEAD of the SQL route is the wrong method',
    sent: {method: 'HEAD'},
    status: 405,
    check: empty,
  },
  {
    name: 'a request id is sent back',
    sql: ONE,
    headers: {'x-request-id': 'mine-7'},
    check: answer => assert.equal(answer.headers['x-request-id'], 'mine-7'),
  },
];

import assert from 'node:assert/strict';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {test} from 'node:test';
import {Cors, type CorsOptions} from './cors.ts';

const OPTIONS: CorsOptions = {
  allowedOrigins: ['https://app.example'],
  allowedMethods: ['GET', 'POST'],
  allowedHeaders: ['Authorization', 'Content-Type'],
  exposeHeaders: [],
  maxAgeSeconds: 60,
  allowCredentials: true,
  publicOrigin: 'https://db.example',
};

const cases: [why: string, origin: string, host: string | undefined, isAllowed: boolean, isAny: boolean][] = [
  ['a listed one', 'https://app.example', 'db.example', true, true],
  ['another port of it', 'https://app.example:444', 'db.example', false, true],
  ['another scheme of it', 'http://app.example', 'db.example', false, true],
  ['a name that ends like it', 'https://evil-app.example', 'db.example', false, true],
  ["the server's own", 'https://db.example', 'db.example', true, true],
  ['this machine', 'http://localhost:5173', 'db.example', true, true],
  ['this machine by IPv6', 'http://[::1]:5173', 'db.example', true, true],
  ["the server's address", 'http://203.0.113.9:8080', '203.0.113.9:8080', true, true],
  ["the server's IPv6 address", 'http://[2001:db8::1]:8080', '[2001:db8::1]:8080', true, true],
  ['another port of its address', 'http://203.0.113.9:9090', '203.0.113.9:8080', false, true],
  ['a name bound to its address', 'http://evil.example:8080', 'evil.example:8080', false, true],
  ['a page without an origin to name', 'null', 'db.example', false, true],
  ['an empty origin', '', 'db.example', false, true],
  ['no host to compare with', 'http://203.0.113.9:8080', undefined, false, true],
  ['another scheme', 'file://localhost', 'db.example', false, true],
];

for (const [why, origin, host, isAllowed, isAny] of cases) {
  test(`origin: ${why}`, () => {
    assert.equal(new Cors(OPTIONS).isAllowed(origin, host), isAllowed);
    assert.equal(new Cors({...OPTIONS, allowedOrigins: ['*']}).isAllowed(origin, host), isAny);
  });
}

/** What an answer carries. */
function headersOf(options: Partial<CorsOptions>, asked: Record<string, string>, isPreflight = false) {
  const headers: Record<string, unknown> = {};
  const response = {
    setHeader(name: string, value: unknown) {
      headers[name] = value;
    },
    writeHead: () => ({end() {}}),
  } as unknown as ServerResponse;
  const cors = new Cors({...OPTIONS, ...options});
  const request = {headers: asked} as unknown as IncomingMessage;
  cors.nameOrigin(request, response);
  if (isPreflight) cors.answerOptions(request, response, {allow: 'POST'});
  return headers;
}

test('credentials are for listed origins, never for all or for those of this machine', () => {
  const name = 'access-control-allow-credentials';
  assert.equal(headersOf({}, {origin: 'https://app.example'})[name], 'true');
  assert.equal(headersOf({}, {origin: 'https://db.example'})[name], 'true');
  assert.equal(headersOf({}, {origin: 'http://localhost:1'})[name], undefined);
  assert.equal(headersOf({allowedOrigins: ['*']}, {origin: 'https://other.example'})[name], undefined);
  assert.equal(headersOf({allowCredentials: false}, {origin: 'https://app.example'})[name], undefined);
});

test('an answer to all names the origin that asked, and says that it depends on it', () => {
  const headers = headersOf({allowedOrigins: ['*']}, {origin: 'https://other.example'});
  assert.equal(headers['access-control-allow-origin'], 'https://other.example');
  assert.equal(headers['vary'], 'Origin');
});

test('what pages may read is told where there is something', () => {
  const name = 'access-control-expose-headers';
  assert.equal(headersOf({}, {origin: 'https://app.example'})[name], undefined);
  assert.equal(headersOf({exposeHeaders: ['X-Request-ID']}, {origin: 'https://app.example'})[name], 'X-Request-ID');
});

test('* for headers echoes names, and nothing that is no list of names', () => {
  const asked = (list: string) =>
    headersOf(
      {allowedHeaders: ['*', 'Accept']},
      {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': list,
      },
      true,
    )['access-control-allow-headers'];
  assert.equal(asked('x-a, x-b'), 'x-a, x-b');
  assert.equal(asked('x-a\r\nSet-Cookie: a=b'), 'Accept');
  assert.equal(asked('x'.repeat(2000)), 'Accept');
});

for (const publicOrigin of [
  'db.example',
  'https://db.example/',
  'https://db.example/ui',
  'ftp://db.example',
  'https://',
]) {
  test(`no public origin: ${publicOrigin}`, () => {
    assert.throws(() => new Cors({...OPTIONS, publicOrigin}), {
      code: 'INVALID_INPUT',
      message: /server\.public_origin/,
    });
  });
}

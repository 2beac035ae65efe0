/** The threats of SECURITY.md that need no account: each attack is tried, through both readers of HTTP where both could meet it. */
import assert from 'node:assert/strict';
import {connect, type Socket} from 'node:net';
import {after, before, describe, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {AddressRanges} from '../../src/http/client.ts';
import {SHIPPED, send, startServer, type TestServer} from './server.ts';

const BODY = '{"sql":"SELECT 1"}';
const HEAD = 'Host: localhost\r\nContent-Type: application/json\r\n';
const USUAL = `POST /v1/api/sql HTTP/1.1\r\n${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
const READERS = [
  ['direct reader', true],
  ['node:http', false],
] as const;

/** All that comes back until the server ends the connection; fails if it does not. */
async function exchange(port: number, text: string, ms = 3000): Promise<string> {
  const socket = open(port);
  socket.write(text, 'latin1');
  return await untilClosed(socket, ms);
}

function open(port: number): Socket {
  const socket = connect({port, host: '127.0.0.1', noDelay: true});
  socket.on('error', () => {});
  return socket;
}

function untilClosed(socket: Socket, ms = 3000): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`still open after ${ms} ms, with: ${text}`));
    }, ms);
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1]).join();
const post = (headers: string, rest: string) => `POST /v1/api/sql HTTP/1.1\r\n${headers}\r\n${rest}`;
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** Each is followed by a request that must not be served: whoever smuggles wants that one to be taken for another's. */
const smuggled: [why: string, text: string][] = [
  ['two lengths', post(`${HEAD}Content-Length: 18\r\nContent-Length: 5\r\n`, BODY)],
  ['the same length twice', post(`${HEAD}Content-Length: 18\r\nContent-Length: 18\r\n`, BODY)],
  ['a list of lengths', post(`${HEAD}Content-Length: 18, 18\r\n`, BODY)],
  ['a length with a sign', post(`${HEAD}Content-Length: +18\r\n`, BODY)],
  ['a negative length', post(`${HEAD}Content-Length: -1\r\n`, BODY)],
  ['a hexadecimal length', post(`${HEAD}Content-Length: 0x12\r\n`, BODY)],
  ['a length beyond all', post(`${HEAD}Content-Length: 99999999999999999999\r\n`, BODY)],
  ['a length and chunks', post(`${HEAD}Content-Length: 18\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n')],
  ['chunks and a length', post(`${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 18\r\n`, '0\r\n\r\n')],
  ['chunks twice', post(`${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n')],
  ['chunks within another coding', post(`${HEAD}Transfer-Encoding: gzip, chunked\r\n`, `12\r\n${BODY}\r\n0\r\n\r\n`)],
  ['another coding', post(`${HEAD}Transfer-Encoding: identity\r\nContent-Length: 18\r\n`, BODY)],
  ['a coding that looks like chunks', post(`${HEAD}Transfer-Encoding: xchunked\r\n`, '0\r\n\r\n')],
  ['a coding that hides behind a control character', post(`${HEAD}Transfer-Encoding: \x0bchunked\r\n`, '0\r\n\r\n')],
  ['a blank before the colon', post(`${HEAD}Transfer-Encoding : chunked\r\n`, '0\r\n\r\n')],
  ['a folded line', post(`${HEAD}Transfer-Encoding:\r\n chunked\r\n`, '0\r\n\r\n')],
  ['a folded line of a harmless header', post(`${HEAD}Accept: a\r\n b\r\nContent-Length: 18\r\n`, BODY)],
  ['a size of a chunk that is none', post(`${HEAD}Transfer-Encoding: chunked\r\n`, 'zz\r\nx\r\n0\r\n\r\n')],
  ['a size of a chunk with a prefix', post(`${HEAD}Transfer-Encoding: chunked\r\n`, '0x1\r\nx\r\n0\r\n\r\n')],
  ['a negative size of a chunk', post(`${HEAD}Transfer-Encoding: chunked\r\n`, '-1\r\nx\r\n0\r\n\r\n')],
  ['a size of a chunk that overflows', post(`${HEAD}Transfer-Encoding: chunked\r\n`, 'fffffffffffffffff\r\nx\r\n')],
  ['a chunk longer than its size', post(`${HEAD}Transfer-Encoding: chunked\r\n`, '1\r\nxy\r\n0\r\n\r\n')],
  ['a chunk that ends by LF alone', post(`${HEAD}Transfer-Encoding: chunked\r\n`, '1\nx\n0\n\n')],
  ['lines that end by LF alone', post(HEAD, '').replaceAll('\r\n', '\n')],
  ['a CR inside a value', post(`${HEAD}Accept: a\rContent-Length: 1\r\n`, '')],
  ['a NUL inside a value', post(`${HEAD}Accept: a\0b\r\nContent-Length: 18\r\n`, BODY)],
  ['two hosts', post(`${HEAD}Host: localhost\r\nContent-Length: 18\r\n`, BODY)],
  ['two hosts, the second one another', post(`${HEAD}hOST: evil.example\r\nContent-Length: 18\r\n`, BODY)],
  ['no host', post(`${JSON_TYPE}Content-Length: 18\r\n`, BODY)],
  ['two types', post(`${HEAD}${JSON_TYPE}Content-Length: 18\r\n`, BODY)],
  ['two tokens', post(`${HEAD}Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 18\r\n`, BODY)],
  ['chunks in HTTP/1.0', post(`${HEAD}Transfer-Encoding: chunked\r\n`, '0\r\n\r\n').replace('1.1', '1.0')],
  ['a version that nobody speaks', post(`${HEAD}Content-Length: 18\r\n`, BODY).replace('1.1', '1.7')],
  ['no version', `GET /v1/api/sql\r\n\r\n`],
  ['the greeting of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
];

for (const [reader, directRequests] of READERS) {
  describe(`smuggling, ${reader}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({directRequests, headersMs: 400, requestMs: 400});
    });
    after(() => server.stop());

    for (const [why, text] of smuggled) {
      test(`refused, and nothing behind it is served: ${why}`, async () => {
        const answer = await exchange(server.port, text + USUAL);
        assert.match(statuses(answer), /^400$/, answer);
        assert.doesNotMatch(answer, /"status":"success"/);
        assert.deepEqual(server.bugs, []);
      });
    }

    test('a request hidden in the body of another is its body', async () => {
      const hidden = Buffer.from(USUAL);
      const text = post(`${HEAD}Connection: close\r\nContent-Length: ${hidden.length}\r\n`, USUAL);
      assert.equal(statuses(await exchange(server.port, text)), '400');
    });
  });

  describe(`slow and oversized, ${reader}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({directRequests, headersMs: 300, requestMs: 900, bodyBytesMax: 5000});
    });
    after(() => server.stop());

    /** Sends byte by byte for as long as it is let. */
    async function drip(text: string): Promise<{answer: string; ms: number}> {
      const startMs = performance.now();
      const socket = open(server.port);
      let at = 0;
      const timer = setInterval(() => socket.write(text.charAt(at++ % text.length)), 50);
      const answer = await untilClosed(socket, 6000).finally(() => clearInterval(timer));
      return {answer, ms: performance.now() - startMs};
    }

    test('a connection that sends nothing is closed', async () => {
      assert.match(await untilClosed(open(server.port), 6000), /^(?:HTTP\/1\.1 408 |$)/);
    });

    test('a head that drips is cut', async () => {
      const {answer, ms} = await drip(
        `POST /v1/api/sql HTTP/1.1\r\n${'Accept: aaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(50)}`,
      );
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.ok(ms < 3000, `${ms} ms`);
    });

    test('a body that drips is cut', async () => {
      const socket = open(server.port);
      socket.write(post(`${HEAD}Content-Length: 4000\r\n`, ''));
      const timer = setInterval(() => socket.write(' '), 50);
      const answer = await untilClosed(socket, 6000).finally(() => clearInterval(timer));
      assert.match(answer, /^HTTP\/1\.1 (?:408|400) /);
      assert.doesNotMatch(answer, /"status":"success"/);
    });

    test('chunks that drip are cut', async () => {
      const socket = open(server.port);
      socket.write(post(`${HEAD}Transfer-Encoding: chunked\r\n`, ''));
      const timer = setInterval(() => socket.write('1\r\n \r\n'), 50);
      const answer = await untilClosed(socket, 6000).finally(() => clearInterval(timer));
      assert.match(answer, /^HTTP\/1\.1 (?:408|400) /);
    });

    test('a head that is too long is refused', async () => {
      assert.equal(statuses(await exchange(server.port, post(`${HEAD}X-A: ${'x'.repeat(20_000)}\r\n`, ''))), '431');
    });

    test('too many headers are refused', async () => {
      assert.equal(statuses(await exchange(server.port, post(`${HEAD}${'a: b\r\n'.repeat(150)}`, ''))), '431');
    });

    test('a path that is too long is refused', async () => {
      assert.equal(
        statuses(await exchange(server.port, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`)),
        '431',
      );
    });

    test('a body that is announced too long is refused before it comes, on any route, in the form of the edge', async () => {
      for (const path of ['/v1/api/sql', '/v1/api/auth/login', '/health']) {
        const {status, text} = await send(server.port, {path, body: ' '.repeat(6000)});
        const {message, ...facts} = JSON.parse(text);
        assert.deepEqual([status, facts], [413, {error: 'BODY_TOO_LARGE', size_bytes: 6000, max_bytes: 5000}]);
      }
    });
  });
}

describe('path tricks', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  const paths = [
    '/v1/api/../api/sql',
    '//v1/api/sql',
    '/v1/api/sql/',
    '/v1/api/sql/.',
    '/v1/api/sql%00',
    '/v1/api/%73ql',
    '/V1/API/SQL',
    '/v1/api/sql;a=b',
    '/v1\\api\\sql',
    '/..%2f..%2fetc/passwd',
    'http://localhost/v1/api/sql',
    'v1/api/sql',
    '*',
  ];
  for (const path of paths) {
    test(`leads nowhere: ${path}`, async () => {
      const text = USUAL.replace('/v1/api/sql', path).replace(HEAD, `${HEAD}Connection: close\r\n`);
      const answer = await exchange(server.port, text);
      assert.match(statuses(answer), /^40[04]$/);
      assert.doesNotMatch(answer, /"status":"success"/);
    });
  }
});

describe('header injection', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  for (const [why, header] of [
    ['a request id', 'X-Request-ID: a\x0bSet-Cookie: b=c'],
    ['an origin', 'Origin: http://localhost\x0bSet-Cookie: b=c'],
    ['a request id beyond ASCII', 'X-Request-ID: \u010d\u010aSet-Cookie:b=c'],
    ['asked headers', 'Origin: http://localhost\r\nAccess-Control-Request-Headers: a\x0bSet-Cookie: b=c'],
  ]) {
    test(`${why} breaks no line of the answer`, async () => {
      const answer = await exchange(
        server.port,
        post(`${HEAD}${header}\r\nConnection: close\r\nContent-Length: 18\r\n`, BODY),
      );
      assert.doesNotMatch(answer, /^set-cookie/im);
      assert.deepEqual(server.bugs, []);
    });
  }

  test('what is sent back as a header is harmless to log', async () => {
    for (const id of ['a b', 'x'.repeat(200), '\x7f', 'é']) {
      const answer = await send(server.port, {
        headers: {'content-type': 'application/json', 'x-request-id': id},
        body: BODY,
      }).catch(() => undefined);
      if (answer !== undefined) assert.notEqual(answer.headers['x-request-id'], id);
    }
  });

  test('every answer says that it is what its type says, and that nobody keeps it', async () => {
    for (const [path, body] of [
      ['/v1/api/sql', BODY],
      ['/v1/api/sql', 'nonsense'],
      ['/nowhere', ''],
    ] as const) {
      const {headers} = await send(server.port, {path, body});
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cache-control'], 'no-store');
    }
  });
});

describe('DNS rebinding', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  for (const [why, headers] of [
    ['a re-bound name, as a page of it asks', {host: 'evil.example:8080', origin: 'http://evil.example:8080'}],
    ['a re-bound name, without a page', {host: 'evil.example'}],
    ['a name that begins like this machine', {host: 'localhost.evil.example'}],
    ['a name that begins like its address', {host: '127.0.0.1.evil.example'}],
    ['a page of another site', {origin: 'https://evil.example'}],
    ['a page without an origin', {origin: 'null'}],
  ] as [string, Record<string, string>][]) {
    for (const path of ['/v1/api/sql', '/health', '/']) {
      test(`not served: ${why}: ${path}`, async () => {
        const isSql = path === '/v1/api/sql';
        const answer = await send(server.port, {
          method: isSql ? 'POST' : 'GET',
          path,
          headers: {'content-type': 'application/json', ...headers},
          body: isSql ? BODY : '',
        });
        assert.equal(answer.status, 403);
        assert.doesNotMatch(answer.text, /"success"|"healthy"/);
      });
    }
  }
});

describe('proxies and limits', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer(
      {},
      {
        rates: {...SHIPPED.rates, requestsPerSecond: 5, banAfter: 3, connectionsPerAddress: 3, banMs: 60_000},
        trustedProxies: new AddressRanges(['192.0.2.0/24'], 'test'),
      },
    );
  });
  after(() => server.stop());

  /** As a client at `address` asks through a proxy of this machine. */
  const from = (address: string, path = '/nowhere') =>
    send(server.port, {method: 'GET', path, headers: {'x-forwarded-for': address}});

  test('a forwarded address of this machine is refused', async () => {
    for (const claim of ['127.0.0.1', '::1', '127.8.8.8', '::ffff:127.0.0.1']) {
      assert.equal((await from(claim, '/health')).status, 400, claim);
    }
  });

  test('whoever comes through a proxy is not of this machine', async () => {
    assert.equal((await from('198.51.100.1', '/health')).status, 403);
    const {status, text} = await send(server.port, {
      headers: {'content-type': 'application/json', forwarded: 'for=127.0.0.1'},
      body: BODY,
    });
    assert.deepEqual([status, JSON.parse(text).error.code], [403, 'REMOTE_ACCESS_DENIED']);
  });

  test('a client that writes addresses of others into its header is known by what the proxy added', async () => {
    let last = 0;
    for (let i = 0; i < 12; i++) last = (await from(`10.0.0.${i}, 198.51.100.2`)).status;
    assert.equal(last, 429);
    assert.equal((await from('198.51.100.3')).status, 404);
  });

  test('a flood is answered, then banned, and the next address of its /64 is too', async () => {
    const codes: string[] = [];
    for (let i = 0; i < 12; i++) {
      const {status, text, headers} = await from(`2001:db8:7:7::${i}`);
      codes.push(status === 429 ? JSON.parse(text).error : String(status));
      if (status === 429) assert.match(String(headers['retry-after']), /^\d+$/);
    }
    assert.deepEqual(codes.slice(0, 5), Array(5).fill('404'));
    assert.equal(codes.at(-1), 'IP_BANNED');
    const {headers, text} = await from('2001:db8:7:7:9999::1');
    assert.equal(headers['x-ratelimit-reset'], headers['retry-after']);
    assert.equal(JSON.parse(text).retry_after_seconds, Number(headers['retry-after']));
    assert.equal((await from('2001:db8:7:8::1')).status, 404);
  });

  test('programs of this machine go on meanwhile', async () => {
    for (let i = 0; i < 20; i++) assert.equal((await send(server.port, {body: BODY})).status, 200);
  });
});

for (const [reader, directRequests] of READERS) {
  describe(`limits of connections, ${reader}`, () => {
    let server: TestServer;
    before(async () => {
      const rates = {...SHIPPED.rates, isLocalExempt: false, connectionsPerAddress: 3, requestsPerSecond: 40};
      server = await startServer({directRequests}, {rates: {...rates, queriesPerSecond: 15, banAfter: 0}});
    });
    after(() => server.stop());

    /** The server hears of a closed connection some turns later. */
    async function untilServed(): Promise<void> {
      const ask = () =>
        send(server.port, {body: BODY})
          .then(({status}) => status)
          .catch(() => 0);
      for (let tries = 0; (await ask()) !== 200; tries++) {
        assert.ok(tries < 100, 'still refused');
        await sleep(20);
      }
    }

    test('the connection beyond the limit is told why and closed, and one is free again when one goes', async () => {
      const held = [open(server.port), open(server.port), open(server.port)];
      await sleep(50);
      const answer = await untilClosed(open(server.port));
      assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*retry-after: 5\r\n[\s\S]*"error":"TOO_MANY_CONNECTIONS"/);
      assert.match(answer, /"current":4,"max":3\}$/);
      held[0]!.destroy();
      await untilServed();
      for (const socket of held) socket.destroy();
      await untilServed();
    });

    test('both readers refuse alike what is beyond the limit of a user, then of an address', async () => {
      const answers: string[] = [];
      const socket = open(server.port);
      let text = '';
      socket.on('data', chunk => {
        text += chunk.toString('latin1');
      });
      for (let i = 1; i <= 50; i++) {
        socket.write(USUAL);
        while ((text.match(/HTTP\/1\.1 /g)?.length ?? 0) < i) await sleep(1);
      }
      socket.destroy();
      for (const [, status, code] of text.matchAll(
        /HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n[\s\S]*?(?:"(?:code|error)":"(\w+)"|\[\[1\]\])/g,
      ))
        answers.push(`${status} ${code ?? ''}`);
      assert.equal(answers[0], '200 ');
      assert.ok(answers.includes('429 RATE_LIMIT_EXCEEDED'));
      assert.match(text, /"message":"Too many queries per second\. Please slow down\."/);
      assert.match(text, /"message":"Too many requests from this address; slow down\."/);
      assert.match(text, /retry-after: 1\r\n/);
    });
  });
}

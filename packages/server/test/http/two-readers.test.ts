/** The usual request is read straight from its socket, every other by node:http: no caller can tell which, whatever it sends and however it is cut. */
import assert from 'node:assert/strict';
import {connect} from 'node:net';
import {after, before, test} from 'node:test';
import {setImmediate as turn} from 'node:timers/promises';
import fc from 'fast-check';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {startServer, type TestServer} from './server.ts';

let server: TestServer;
before(async () => {
  server = await startServer({keepAliveMs: 5000});
  await sendParts([post('CREATE NAMESPACE app; CREATE USER TABLE app.t (id INT PRIMARY KEY, v TEXT)')]);
  const values = Array.from({length: 400}, (_, i) => `(${i}, repeat('é', 1000))`).join();
  await sendParts([post(`INSERT INTO app.t VALUES ${values}`)]);
});
after(() => server.stop());

function post(sql: string, headers = 'Content-Type: application/json\r\n', params: readonly unknown[] = []): Buffer {
  return request(Buffer.from(JSON.stringify({sql, params})), headers);
}

function request(body: Buffer, headers = 'Content-Type: application/json\r\n'): Buffer {
  const head = `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

/** Everything that comes back until the connection ends or is quiet after an answer, without what differs from answer to answer. */
async function sendParts(parts: readonly Uint8Array[], answers = 1, port = server.port): Promise<string> {
  const socket = connect({port, host: '127.0.0.1', noDelay: true});
  let text = '';
  let isClosed = false;
  let wake = () => {};
  socket.on('error', () => {});
  socket.on('data', chunk => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('close', () => {
    isClosed = true;
    wake();
  });
  for (const part of parts) {
    socket.write(part);
    for (let turns = 0; turns < 5; turns++) await turn();
  }
  const isDone = () =>
    isClosed || (text.match(/"took":[\d.]+(?:,"error":.*)?\}(?:\r\n0\r\n\r\n)?/g)?.length ?? 0) >= answers;
  while (!isDone()) await new Promise<void>(resolve => (wake = resolve));
  socket.destroy();
  return text
    .replaceAll(/content-length: \d\d+/g, 'content-length: *')
    .replaceAll(/x-request-id: \S+/g, 'x-request-id: *')
    .replaceAll(/Date: [^\r]+/g, 'Date: *')
    .replaceAll(/"took":[\d.]+/g, '"took":*');
}

/** A first byte by itself is never a whole request, so node:http gets the rest too. */
async function bothReaders(bytes: Buffer, answers = 1): Promise<void> {
  const direct = await sendParts([bytes], answers);
  const through = await sendParts([bytes.subarray(0, 1), bytes.subarray(1)], answers);
  // How a long answer is cut into chunks is not the caller's business.
  const whole = (text: string) => text.replaceAll(/\r\n[0-9a-f]+\r\n/g, '');
  if (direct.includes('chunked')) assert.equal(whole(direct), whole(through));
  else assert.equal(direct, through);
  assert.deepEqual(server.bugs, []);
}

const requests: [what: string, bytes: Buffer][] = [
  ['a result', post('SELECT 1 AS one')],
  ['a result beyond ASCII', post("SELECT 'é€😀' AS text")],
  ['parameters', post('SELECT $1 AS a, $2 AS b', undefined, [1, 'x'])],
  ['an error with its place', post('SELECT nope')],
  ['an error of the syntax', post('SELEC 1')],
  ['a named user', post('SELECT CURRENT_USER()', 'Content-Type: application/json\r\nX-USER-ID: ana\r\n')],
  ['a bad user id', post('SELECT 1', 'Content-Type: application/json\r\nX-USER-ID: a b\r\n')],
  ['a token', post('SELECT 1', 'Content-Type: application/json\r\nAuthorization: Bearer x\r\n')],
  ['a scheme that is refused', post('SELECT 1', 'Content-Type: application/json\r\nAuthorization: Basic x\r\n')],
  ['no type', post('SELECT 1', '')],
  ['a type that is refused', post('SELECT 1', 'Content-Type: text/plain\r\n')],
  ['an empty body', request(Buffer.alloc(0))],
  ['a body that is no JSON', request(Buffer.from('{"sql":'))],
  ['a body that is not UTF-8', request(Buffer.from('{"sql":"\xff"}', 'latin1'))],
  ['many statements', post('SELECT 1; SELECT 2; SELECT 3')],
  ['a long answer', post('SELECT * FROM app.t')],
  ['an answer that waits for the disk', post("UPDATE app.t SET v = v || '.' WHERE id = 0")],
  ['another host', Buffer.from('POST /v1/api/sql HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n')],
  [
    'two lengths',
    Buffer.from('POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx'),
  ],
];

for (const [what, bytes] of requests) test(`both readers answer alike: ${what}`, () => bothReaders(bytes));

test('with the direct reader off, answers are the same', async () => {
  const one = post('SELECT 1 AS one');
  const on = await sendParts([one]);
  const other = await startServer({keepAliveMs: 5000, directRequests: false});
  try {
    assert.equal(await sendParts([one], 1, other.port), on);
  } finally {
    await other.stop();
  }
});

test('requests that come while one is under way are answered in their order, by whichever reader', async () => {
  const writes = Array.from({length: 20}, (_, i) => post(`UPDATE app.t SET v = 'n${i}' WHERE id = 1`));
  const reads = Array.from({length: 20}, () => post('SELECT v FROM app.t WHERE id = 1'));
  const mixed = writes.flatMap((write, i) => [write, reads[i]!]);
  const text = await sendParts(mixed, 40);
  assert.deepEqual(
    [...text.matchAll(/\[\["(n\d+)"\]\]/g)].map(match => match[1]),
    writes.map((_, i) => `n${i}`),
  );
});

test('a connection that node:http took stays good for usual requests', async () => {
  const usual = post('SELECT 1 AS one');
  const text = await sendParts([Buffer.from('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'), usual, usual], 2);
  assert.match(text, /"status":"healthy"[\s\S]*\[\[1\]\][\s\S]*\[\[1\]\]/);
});

test('who reads nothing while sending on is not served without end', async () => {
  const socket = connect({port: server.port, host: '127.0.0.1', noDelay: true});
  socket.pause();
  const long = post('SELECT * FROM app.t LIMIT 400');
  let taken = 0;
  for (let i = 0; i < 200 && !socket.writableNeedDrain; i++) {
    socket.write(long);
    taken++;
    await turn();
  }
  const before = process.memoryUsage().external;
  for (let turns = 0; turns < 100; turns++) await turn();
  assert.ok(process.memoryUsage().external - before < 64 * 1024 * 1024, `${taken} requests`);
  socket.destroy();
});

const NAMES = [
  'Host',
  'Content-Type',
  'Content-Length',
  'X-USER-ID',
  'Authorization',
  'Accept',
  'Transfer-Encoding',
  'Connection',
  'X-A',
];
const VALUES = [
  'localhost',
  'application/json',
  '18',
  '0',
  'ana',
  'Bearer x',
  'chunked',
  'keep-alive',
  ' ',
  'a\tb',
  '\xe9',
  '',
];
const ENDS = ['\r\n', '\n', '\r', '\r\n ', '\r\n\r\n'];

const anyRequest = fc
  .array(
    fc.tuple(
      fc.constantFrom(...NAMES),
      fc.constantFrom(':', ': ', ' : ', ''),
      fc.constantFrom(...VALUES),
      fc.constantFrom(...ENDS),
    ),
    {
      maxLength: 4,
    },
  )
  .map(lines => {
    const more = lines.map(line => line.join('')).join('');
    return request(Buffer.from('{"sql":"SELECT 1"}'), `Content-Type: application/json\r\n${more}`);
  });

/** Requests that are taken for one that has not ended yet would be waited for; a second one behind them ends the wait one way or the other. */
test('no head, however it is bent, is understood in two ways', async () => {
  const seed = Number(process.env['KALAMDB_SEED'] ?? Math.floor(seededRandom(Date.now())() * 2 ** 31));
  await fc.assert(
    fc.asyncProperty(anyRequest, async bytes => {
      const end = Buffer.from('x'.repeat(200) + '\r\n\r\n0\r\n\r\nbad request\r\n\r\n');
      const direct = await sendParts([bytes, end], Number.POSITIVE_INFINITY);
      const through = await sendParts([bytes.subarray(0, 1), bytes.subarray(1), end], Number.POSITIVE_INFINITY);
      assert.equal(direct, through);
    }),
    {seed, numRuns: 150},
  );
});

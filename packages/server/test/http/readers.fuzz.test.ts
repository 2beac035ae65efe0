/**
 * The two readers of HTTP against each other: seeded bytes, bent in every way we know and cut anywhere, go to a server that reads usual requests itself
 * and to one that leaves all to node:http. Both must answer the same bytes, soon, and go on.
 *
 *     KALAMDB_HTTP_FUZZ=100000 KALAMDB_HTTP_SEED=7 node scripts/test.ts packages/server/test/http/readers.fuzz.test.ts
 */
import assert from 'node:assert/strict';
import {connect} from 'node:net';
import {after, before, describe, test} from 'node:test';
import {setImmediate as turn} from 'node:timers/promises';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {send, startServer, type TestServer} from './server.ts';

const COUNT = Number(process.env['KALAMDB_HTTP_FUZZ'] ?? 10_000);
const FIRST = Number(process.env['KALAMDB_HTTP_SEED'] ?? 1);
const AT_ONCE = 48;
/** Far beyond the times of the servers below. */
const HANG_MS = 15_000;
/** Both servers close after it, if they get so far. */
const LAST = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

const BODIES = [
  '{"sql":"SELECT 1"}',
  '{"sql":"SELECT $1 AS a","params":[7]}',
  '{"sql":"SELECT \'é€\'"}',
  '{"sql":"SELEC"}',
  '{"sql":',
  '',
  'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n',
];
const LINES = [
  'POST /v1/api/sql HTTP/1.1',
  'POST /v1/api/sql?a=b HTTP/1.1',
  'POST /v1/api/sql HTTP/1.0',
  'POST  /v1/api/sql HTTP/1.1',
  'post /v1/api/sql HTTP/1.1',
  'GET /v1/api/sql HTTP/1.1',
  'GET / HTTP/1.1',
  'OPTIONS /v1/api/sql HTTP/1.1',
  'POST http://localhost/v1/api/sql HTTP/1.1',
  'POST /v1/api/sql HTTP/1.1 ',
  'POST /v1/api/sql',
];
const HEADERS = [
  'Accept: */*',
  'Accept-Encoding: gzip',
  'User-Agent: a b',
  'Connection: keep-alive',
  'Connection: close',
  'Connection: Keep-Alive, x',
  'Authorization: Bearer x',
  'Authorization: Basic x',
  'X-USER-ID: ana',
  'X-USER-ID: a,b',
  'X-USER-ID: é',
  'X-Request-ID: fixed',
  'Origin: http://localhost:1',
  'Origin: https://evil.example',
  'Host: evil.example',
  'Host: localhost',
  'Content-Length: 18',
  'Content-Length: 018',
  'Content-Length: 18, 18',
  'Content-Length: -1',
  'Content-Length: 9999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Content-Encoding: gzip',
  'Content-Type: text/plain',
  'Expect: 100-continue',
  'Upgrade: h2c',
  'X-Forwarded-For: 127.0.0.1',
  'X-Forwarded-For: 198.51.100.1',
  'Accept : a',
  'Accept:',
  'Accept:a',
  'Accept: a ',
  'Accept: a\tb',
  'Accept: a\r\n b',
  'Accept: a\0b',
  ': a',
  'Accept',
  'constructor: a',
  `Accept: ${'x'.repeat(5000)}`,
];
const BENT_BYTES = ['\r', '\n', '\r\n', ' ', '\t', '\0', ':', '\xff', '0', 'a', ''];

/** What is sent, part by part. */
function inputOf(seed: number): Buffer[] {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  let text = '';
  for (let count = 1 + below(4); count > 0; count--) text += requestOf();
  for (let bends = random() < 0.4 ? 1 + below(3) : 0; bends > 0; bends--) text = bend(text);
  return cut(Buffer.from(text + LAST, 'latin1'));

  function requestOf(): string {
    const body = Buffer.from(pick(random() < 0.6 ? BODIES.slice(0, 4) : BODIES)).toString('latin1');
    const headers = ['Host: localhost', 'Content-Type: application/json', `Content-Length: ${body.length}`];
    for (let more = below(3); more > 0 && random() < 0.7; more--) {
      const at = below(headers.length + 1);
      headers.splice(at, random() < 0.15 ? 1 : 0, pick(random() < 0.5 ? HEADERS.slice(0, 4) : HEADERS));
    }
    const isChunked = headers.includes('Transfer-Encoding: chunked') && random() < 0.8;
    if (isChunked)
      headers.splice(
        headers.findIndex(header => header.startsWith('Content-Length')),
        1,
      );
    const line = random() < 0.85 ? LINES[0]! : pick(LINES);
    return `${line}\r\n${headers.join('\r\n')}\r\n\r\n${isChunked ? chunks(body) : body}`;
  }

  function chunks(body: string): string {
    const at = below(body.length + 1);
    const parts = [body.slice(0, at), body.slice(at)].filter(part => part !== '');
    return `${parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
  }

  function bend(from: string): string {
    const at = below(from.length);
    const removed = random() < 0.5 ? below(4) : 0;
    return from.slice(0, at) + pick(BENT_BYTES) + from.slice(at + removed);
  }

  function cut(bytes: Buffer): Buffer[] {
    // Between requests as often as anywhere: there the direct reader meets whole ones.
    const seams = [...bytes.toString('latin1').matchAll(/(?:POST|GET) \//g)].map(match => match.index);
    const places = new Set<number>();
    if (random() < 0.6) for (const seam of seams) places.add(seam);
    for (let cuts = below(4); cuts > 0 && random() < 0.6; cuts--) places.add(below(bytes.length));
    const ends = [...places, bytes.length].filter(place => place > 0).sort((a, b) => a - b);
    return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
  }
}

/** Everything that comes back until the server closes, without what differs from answer to answer. */
async function talk(port: number, parts: readonly Buffer[]): Promise<string> {
  const socket = connect({port, host: '127.0.0.1', noDelay: true});
  let text = '';
  socket.on('error', () => {});
  socket.on('data', chunk => {
    text += chunk.toString('latin1');
  });
  const closed = new Promise<boolean>(resolve => {
    const timer = setTimeout(resolve, HANG_MS, false);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  for (const part of parts) {
    socket.write(part);
    for (let turns = 0; turns < 3; turns++) await turn();
  }
  const isClosed = await closed;
  socket.destroy();
  assert.ok(isClosed, `the server never closed; so far it said: ${text}`);
  return text
    .replaceAll(/content-length: \d+/gi, 'content-length: *')
    .replaceAll(/x-request-id: (?!fixed)\S+/g, 'x-request-id: *')
    .replaceAll(/Date: [^\r]+/g, 'Date: *')
    .replaceAll(/"took":[\d.]+/g, '"took":*');
}

describe('readers of HTTP', () => {
  let both: TestServer;
  let nodeOnly: TestServer;
  before(async () => {
    const times = {keepAliveMs: 5000, headersMs: 2000, requestMs: 2000};
    both = await startServer(times);
    nodeOnly = await startServer({...times, directRequests: false});
  });
  after(async () => {
    await both.stop();
    await nodeOnly.stop();
  });

  test(`${COUNT} inputs are answered alike by both, none hangs, none harms`, {timeout: 3_600_000}, async () => {
    let next = FIRST;
    let served = 0;
    const work = async () => {
      while (next < FIRST + COUNT) {
        const seed = next++;
        const parts = inputOf(seed);
        const [one, other] = await Promise.all([talk(both.port, parts), talk(nodeOnly.port, parts)]);
        if (one.includes('"success"')) served++;
        assert.equal(one, other, `KALAMDB_HTTP_SEED=${seed} KALAMDB_HTTP_FUZZ=1: ${JSON.stringify(parts.map(String))}`);
      }
    };
    await Promise.all(Array.from({length: AT_ONCE}, work));
    if (COUNT >= 100)
      assert.ok(served > COUNT / 5 && served < COUNT, `${served} of ${COUNT} were served at least once`);
    for (const server of [both, nodeOnly]) {
      assert.deepEqual(server.bugs, []);
      assert.equal((await send(server.port, {body: BODIES[0]!})).status, 200);
    }
  });
});

/** What only raw sockets can show: connections that are kept, requests that overlap, senders that are slow, stop in the middle or send no HTTP. */
import assert from 'node:assert/strict';
import {connect, type Socket} from 'node:net';
import {after, before, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {send, startServer, type TestServer} from './server.ts';

const BODY_BYTES_MAX = 100_000;

let server: TestServer;
before(async () => {
  server = await startServer({bodyBytesMax: BODY_BYTES_MAX, keepAliveMs: 300});
});
after(() => server.stop());

class Wire {
  readonly socket: Socket;
  #text = '';
  #isClosed = false;
  #wake: () => void = () => {};

  constructor() {
    this.socket = connect(server.port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('data', chunk => {
      this.#text += chunk;
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Everything until `pattern` is met `count` times or the connection ends. */
  async read(pattern: RegExp, count = 1): Promise<string> {
    const isDone = () => (this.#text.match(new RegExp(pattern, 'g'))?.length ?? 0) >= count;
    while (!isDone() && !this.#isClosed) await new Promise<void>(resolve => (this.#wake = resolve));
    assert.ok(isDone(), `the connection ended after: ${this.#text}`);
    return this.#text;
  }

  /** Everything until the connection ends. */
  async end(): Promise<string> {
    while (!this.#isClosed) await new Promise<void>(resolve => (this.#wake = resolve));
    return this.#text;
  }

  stop(): void {
    this.socket.destroy();
  }
}

function post(sql: string, headers = ''): string {
  const body = JSON.stringify({sql});
  return `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

async function isAlive(): Promise<void> {
  assert.equal((await send(server.port, {body: '{"sql":"SELECT 1"}'})).status, 200);
  assert.deepEqual(server.bugs, []);
}

test('a connection serves one request after the other', async () => {
  const wire = new Wire();
  wire.write(post('SELECT 1'));
  await wire.read(/"took":/);
  wire.write(post('SELECT nope'));
  await wire.read(/"took":/, 2);
  wire.write(post('SELECT 3'));
  const text = await wire.read(/"took":/, 3);
  assert.match(text, /\[\[1\]\][\s\S]*No field named nope[\s\S]*\[\[3\]\]/);
  assert.equal(text.match(/HTTP\/1\.1 (\d+)/g)?.join(), 'HTTP/1.1 200,HTTP/1.1 400,HTTP/1.1 200');
  wire.stop();
});

for (const headers of ['', 'X-Other: makes it one for node:http\r\n']) {
  test(`an idle connection is closed a second after its time is over: ${headers || 'usual'}`, async () => {
    const wire = new Wire();
    wire.write(post('SELECT 1', headers));
    await wire.read(/"took":/);
    const answeredMs = performance.now();
    await wire.end();
    assert.ok(performance.now() - answeredMs > 1000, 'who sent in time found it open');
  });
}

test('Connection: close is heard', async () => {
  const wire = new Wire();
  wire.write(post('SELECT 1', 'Connection: close\r\n'));
  assert.match(await wire.end(), /connection: close[\s\S]*\[\[1\]\]/i);
});

test('pipelined requests are answered in the order in which they came', async () => {
  const wire = new Wire();
  const numbers = Array.from({length: 50}, (_, i) => i);
  wire.write(numbers.map(n => post(n % 10 === 9 ? `SELECT nope${n}` : `SELECT ${n} AS n`)).join(''));
  const text = await wire.read(/"took":/, 50);
  const found = [...text.matchAll(/\[\[(\d+)\]\]|No field named nope(\d+)/g)].map(match =>
    Number(match[1] ?? match[2]),
  );
  assert.deepEqual(found, numbers);
  wire.stop();
});

test('many requests may be under way on one connection', async () => {
  const wire = new Wire();
  for (let batch = 1; batch <= 3; batch++) {
    wire.write(post('SELECT 1').repeat(500));
    await wire.read(/"took":/, batch * 500 - 100);
  }
  await wire.read(/"took":/, 1500);
  wire.stop();
  await isAlive();
});

test('a pipelined write is seen by the read behind it', async () => {
  await send(server.port, {
    body: JSON.stringify({sql: 'CREATE NAMESPACE app; CREATE SHARED TABLE app.t (id INT PRIMARY KEY)'}),
  });
  const wire = new Wire();
  wire.write(post('INSERT INTO app.t VALUES (1)') + post('SELECT count(*) FROM app.t'));
  assert.match(await wire.read(/"took":/, 2), /Inserted 1 row[\s\S]*\[\["1"\]\]/);
  wire.stop();
});

test('a body that comes byte by byte is read whole', async () => {
  const wire = new Wire();
  const text = post("SELECT 'slow é'");
  for (const byte of Buffer.from(text)) {
    wire.socket.write(Buffer.of(byte));
    if (byte === 0x7b || byte === 0x22) await sleep(2);
  }
  const answer = Buffer.from(await wire.read(/"took":/), 'latin1').toString();
  assert.match(answer, /\[\["slow é"\]\]/);
  wire.stop();
});

test('a chunked body is read whole', async () => {
  const wire = new Wire();
  wire.write(
    'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  for (const part of ['{"sql":', '"SELECT ', '5"}']) {
    wire.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    await sleep(5);
  }
  wire.write('0\r\n\r\n');
  assert.match(await wire.read(/"took":/), /\[\[5\]\]/);
  wire.stop();
});

test('a body that never ends is cut at the limit, and the answer is seen', async () => {
  const wire = new Wire();
  wire.write(
    'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const chunk = `${(10_000).toString(16)}\r\n${' '.repeat(10_000)}\r\n`;
  for (let i = 0; i < 12; i++) wire.write(chunk);
  const text = await wire.read(/"took":/);
  assert.match(text, /^HTTP\/1\.1 413 [\s\S]*"code":"BODY_TOO_LARGE"/);
  wire.stop();
  await isAlive();
});

test('a sender who goes in the middle of a body does no harm', async () => {
  for (const cut of [1, 10, 40]) {
    const wire = new Wire();
    const text = post('INSERT INTO app.t VALUES (99)');
    wire.write(text.slice(0, text.length - cut));
    await sleep(10);
    wire.stop();
  }
  await isAlive();
  const {text} = await send(server.port, {body: JSON.stringify({sql: 'SELECT count(*) FROM app.t WHERE id = 99'})});
  assert.match(text, /\[\["0"\]\]/);
});

test('Expect: 100-continue is answered before the body is sent', async () => {
  const wire = new Wire();
  const body = '{"sql":"SELECT 7"}';
  wire.write(
    `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await wire.read(/HTTP\/1\.1 100 Continue\r\n\r\n/);
  wire.write(body);
  assert.match(await wire.read(/"took":/), /\[\[7\]\]/);
  wire.stop();
});

test('Expect: 100-continue of what is refused gets the refusal instead', async () => {
  const wire = new Wire();
  wire.write(
    'POST /v1/api/sql HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n',
  );
  assert.match(await wire.read(/"took":/), /^HTTP\/1\.1 403 /);
  wire.stop();
});

const malformed: [why: string, text: string, status: number][] = [
  ['no HTTP at all', 'SELECT 1;\r\n\r\n', 400],
  ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
  ['no Host', 'GET /health HTTP/1.1\r\n\r\n', 400],
  ['a broken header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n', 400],
  ['a header with a line break', 'GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n', 400],
  [
    'two lengths',
    'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    400,
  ],
  [
    'a length and chunks',
    'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['a negative length', 'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n', 400],
  ['headers of 20 kB', `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ['a path of 20 kB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
];

for (const [why, text, status] of malformed) {
  test(`bytes that are refused and closed: ${why}`, async () => {
    const wire = new Wire();
    wire.write(text);
    assert.match(await wire.end(), new RegExp(`^HTTP/1\\.1 ${status} `));
    await isAlive();
  });
}

test('a caller who does not read holds nobody up', async () => {
  const values = Array.from({length: 900}, (_, i) => `(${i}, repeat('x', 2000))`).join();
  await send(server.port, {
    body: JSON.stringify({
      sql: `CREATE SHARED TABLE app.wide (id INT PRIMARY KEY, v TEXT); INSERT INTO app.wide VALUES ${values}`,
    }),
  });
  const wire = new Wire();
  wire.socket.pause();
  wire.write(post('SELECT * FROM app.wide LIMIT 1000'));
  await isAlive();
  wire.socket.resume();
  const text = await wire.read(/"took":[\d.]+\}/);
  assert.equal(text.match(/xxxx",/g)?.length, 900);
  wire.stop();
});

test('fifty connections at once are served', async () => {
  const answers = await Promise.all(
    Array.from({length: 50}, (_, i) => send(server.port, {body: JSON.stringify({sql: `SELECT ${i} AS n`})})),
  );
  assert.deepEqual(
    answers.map(({text}) => /\[\[(\d+)\]\]/.exec(text)?.[1]),
    Array.from({length: 50}, (_, i) => String(i)),
  );
});

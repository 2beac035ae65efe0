/** What a connection does while its caller leaves, stalls or keeps it, seen from both ends. */
import assert from 'node:assert/strict';
import {connect, createServer, type Socket} from 'node:net';
import {test} from 'node:test';
import {setTimeout as sleep, setImmediate as turn} from 'node:timers/promises';
import {developmentSession, Sessions} from '../auth/sessions.ts';
import {TokenSigner} from '../auth/token.ts';
import {readConfig} from '../config.ts';
import {httpOptions} from '../http-options.ts';
import type {Session} from '../model/session.ts';
import {systemClock} from '../std/system-clock.ts';
import {BodyBudget} from './body.ts';
import {Compression} from './compression.ts';
import {Deadlines} from './deadlines.ts';
import {DirectConnections} from './direct.ts';
import type {SqlRequest, StatementResult} from './engine.ts';
import {RateLimits} from './rate-limits.ts';
import type {ServerState} from './server.ts';
import {shareReads} from './shared-reads.ts';
import {noLive} from './test-live.ts';
import {Traffic} from './traffic.ts';

const PAGE_BYTES = 60_000;
const page = JSON.stringify(['x'.repeat(PAGE_BYTES)]);
const quiet = () => {};
const http = httpOptions(readConfig({env: {}}).config);

/** One connection: `near` is the server's end. Statements are answered at once unless `run` says otherwise. */
class Pair {
  readonly seen: string[] = [];
  run: (request: SqlRequest) => StatementResult[] | Promise<StatementResult[]> = () => rows(1);
  isClosing = false;
  rates = http.rates;
  handedOver = 0;
  onHandOver: (socket: Socket) => void = quiet;
  text = '';
  near!: Socket;
  far!: Socket;
  readonly direct: DirectConnections;
  readonly #server = createServer({allowHalfOpen: true, noDelay: true});

  readonly sessions = new Sessions({
    signer: new TokenSigner('of these tests alone'),
    clock: systemClock,
    isLocal: true,
  });

  constructor(times: {headersMs?: number; idleMs?: number} = {}) {
    this.direct = new DirectConnections({
      state: this.#state(),
      headersMs: 5000,
      keepAliveMs: 5000,
      idleMs: 5000,
      ...times,
      handOver: socket => {
        this.handedOver++;
        this.onHandOver(socket);
      },
      refuseSlow: socket => void socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n'),
    });
  }

  async open(): Promise<void> {
    const accepted = new Promise<Socket>(resolve => this.#server.once('connection', resolve));
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    const {port} = this.#server.address() as {port: number};
    this.far = connect({port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true});
    this.far.on('data', chunk => {
      this.text += chunk.toString('latin1');
    });
    this.far.on('error', quiet);
    const reads = shareReads(await accepted);
    this.near = reads.socket;
    this.direct.take(reads);
  }

  send(sql: string): void {
    this.far.write(post(sql));
  }

  get answers(): number {
    return this.text.match(/"took":/g)?.length ?? 0;
  }

  /** Pages go out, and none is read, until bytes of an answered request wait for the caller. */
  async fill(): Promise<number> {
    this.run = () => rows(1, page);
    this.far.pause();
    let count = 0;
    while (this.near.writableLength === 0 && count < 1000) {
      this.send('page');
      count++;
      await until(() => this.seen.length === count);
      await turn();
    }
    assert.ok(this.near.writableLength > 0 && !this.near.writableNeedDrain);
    return count;
  }

  async stop(): Promise<void> {
    this.far.destroy();
    this.near.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #state(): ServerState {
    return {
      options: {
        sessions: this.sessions,
        auth: {} as ServerState['options']['auth'],
        runSql: request => {
          this.seen.push(request.sql);
          return this.run(request);
        },
        live: noLive,
        host: '',
        port: 0,
        ...http,
        limits: {...http.limits, bodyBytesMax: 100_000, handlerTimeoutMs: 5000},
        logger: {debug: quiet, info: quiet, warn: quiet, error: (_: object, text: string) => assert.fail(text)},
        version: '',
        buildDate: '',
        clock: systemClock,
      },
      bodies: new BodyBudget(0),
      compression: new Compression({isOn: true}),
      traffic: new Traffic(),
      deadlines: new Deadlines(systemClock, 5000),
      rates: new RateLimits(this.rates, () => performance.now()),
      startMs: 0,
      isClosing: () => this.isClosing,
      newRequestId: () => 'id',
    };
  }
}

function post(sql: string): Buffer {
  const body = JSON.stringify({sql});
  const head = 'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  return Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
}

function rows(count: number, row = '[1]'): StatementResult[] {
  return [{columns: [], rows: Array.from({length: count}, () => row), rowCount: count, asUser: 'root'}];
}

/** Fails instead of waiting for ever. */
async function until(isSo: () => boolean, ms = 3000): Promise<void> {
  for (const endMs = performance.now() + ms; !isSo(); await sleep(1)) assert.ok(performance.now() < endMs, 'too late');
}

function onPair(
  what: string,
  check: (pair: Pair) => Promise<void>,
  times?: {headersMs?: number; idleMs?: number},
): void {
  test(what, {timeout: 20_000}, async () => {
    const pair = new Pair(times);
    await pair.open();
    try {
      await check(pair);
    } finally {
      await pair.stop();
    }
  });
}

/** The idle time may pass before a byte is taken, once. */
onPair('a caller who takes a long answer slowly is not taken for an idle one', async pair => {
  pair.run = () => rows(200, page);
  pair.far.pause();
  pair.send('long');
  await until(() => pair.near.writableNeedDrain);
  pair.near.emit('timeout');
  pair.far.resume();
  await until(() => pair.answers === 1);
  assert.ok(pair.text.length > 200 * PAGE_BYTES);
});

onPair('the last bytes of an answer that is taken slowly are not cut off', async pair => {
  const count = await pair.fill();
  pair.near.emit('timeout');
  pair.far.resume();
  await until(() => pair.answers === count);
});

onPair('a caller who takes nothing is cut off in the end', async pair => {
  await pair.fill();
  pair.near.emit('timeout');
  assert.ok(!pair.near.destroyed);
  pair.near.emit('timeout');
  assert.ok(pair.near.destroyed);
});

onPair(
  'a connection that waited long for its answer is closed when it is idle',
  async pair => {
    pair.run = () => sleep(120, rows(1));
    pair.send('long');
    await until(() => pair.answers === 1);
    await until(() => pair.near.destroyed);
  },
  {idleMs: 40},
);

onPair(
  'what comes after the time for a first request is over is not run',
  async pair => {
    await until(() => /^HTTP\/1\.1 408 /.test(pair.text));
    pair.send('late');
    await sleep(20);
    assert.deepEqual(pair.seen, [], 'nothing runs that cannot be answered');
  },
  {headersMs: 40},
);

onPair('a caller who says goodbye while its requests wait is noticed at once, and they are not run', async pair => {
  let signal: AbortSignal | undefined;
  pair.run = request => {
    signal = request.signal;
    return new Promise(() => {});
  };
  for (const sql of ['running', 'waiting', 'waiting too', 'and this']) {
    pair.send(sql);
    for (let turns = 0; turns < 5; turns++) await turn();
  }
  await until(() => pair.seen.length === 1);
  pair.far.end();
  await until(() => signal!.aborted);
  await until(() => pair.near.destroyed);
  assert.deepEqual(pair.seen, ['running']);
});

onPair('what waits is bounded: then the socket is not read, and all of it is answered in its order', async pair => {
  const answers: (() => void)[] = [];
  pair.run = ({sql}) => new Promise(resolve => answers.push(() => resolve(rows(1, JSON.stringify([sql])))));
  let count = 0;
  for (; !pair.near.isPaused(); count++) {
    assert.ok(count < 200, 'it is read without end');
    const before = pair.near.bytesRead;
    pair.send(`n${count}`);
    await until(() => pair.near.bytesRead > before);
  }
  for (let i = 0; i < count; i++) {
    await until(() => answers.length > i);
    assert.equal(answers.length, i + 1, 'one at a time');
    answers[i]!();
  }
  await until(() => pair.answers === count);
  const found = [...pair.text.matchAll(/\[\["(n\d+)"\]\]/g)].map(match => match[1]);
  assert.deepEqual(
    found,
    Array.from({length: count}, (_, i) => `n${i}`),
  );
});

onPair('what waits behind a request goes to node:http whole, if that is where it belongs', async pair => {
  let answer = () => {};
  pair.run = () =>
    new Promise(resolve => {
      answer = () => resolve(rows(1));
    });
  pair.send('running');
  await until(() => pair.seen.length === 1);
  const rest = ['GET / HTTP/1.1\r\n', 'Host: localhost\r\n', '\r\n'];
  for (const part of rest) {
    pair.far.write(part);
    await sleep(5);
  }
  let text = '';
  pair.onHandOver = socket => {
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
    });
  };
  answer();
  await until(() => pair.handedOver === 1);
  await until(() => text === rest.join(''));
});

onPair('closing idle connections cuts no answer', async pair => {
  const count = await pair.fill();
  pair.direct.closeIdle();
  pair.send('too late');
  await sleep(20);
  pair.far.resume();
  await until(() => pair.near.destroyed);
  await until(() => pair.answers === count);
  assert.equal(pair.seen.length, count);
});

onPair('while closing, a caller who does not hang up is not waited for', async pair => {
  let answer = (_: StatementResult[]) => {};
  pair.run = () => new Promise(resolve => (answer = resolve));
  pair.send('running');
  await until(() => pair.seen.length === 1);
  pair.isClosing = true;
  answer(rows(1));
  await until(() => pair.near.destroyed);
  await until(() => pair.answers === 1);
});

for (const [what, bytes] of [
  ['a usual request', post('held')],
  ['what node:http would get', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
] as const) {
  onPair(`a caller who left before the end of the turn is served no more: ${what}`, async pair => {
    pair.run = () => {
      queueMicrotask(() => {
        pair.near.emit('data', bytes);
        pair.near.destroy();
      });
      return rows(1);
    };
    pair.send('answered');
    await until(() => pair.near.destroyed);
    for (let turns = 0; turns < 5; turns++) await turn();
    assert.deepEqual(pair.seen, ['answered']);
    assert.equal(pair.handedOver, 0);
  });
}

onPair(
  'a statement whose caller is still being judged is the one that was sent, whatever others send meanwhile',
  async pair => {
    const other = new Pair();
    await other.open();
    try {
      let judge = (_: Session) => {};
      pair.sessions.authenticate = () =>
        new Promise(resolve => {
          judge = resolve;
        });
      pair.send('SELECT 1 -- mine');
      await until(() => pair.near.bytesRead > 0);
      await turn();
      other.send('SELECT 2 -- others');
      await until(() => other.answers === 1);
      judge(developmentSession(undefined));
      await until(() => pair.answers === 1);
      assert.deepEqual([pair.seen, other.seen], [['SELECT 1 -- mine'], ['SELECT 2 -- others']]);
    } finally {
      await other.stop();
    }
  },
);

/** The wire of a server that has enough: of a user, of an address, of connections, and of work, since it stops. */
import {connect, type Socket} from 'node:net';
import {after, before, describe, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {TokenSigner} from '../../src/auth/token.ts';
import {Cors} from '../../src/http/cors.ts';
import type {HttpServerOptions} from '../../src/http/server.ts';
import type {Clock} from '../../src/std/clock.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {TEST_OPTIONS} from '../test-database.ts';
import {type Kept, type Recorded, runRecorded} from './recorded.ts';
import {CONNECTIONS, LIMITS, STOPPING} from './recorded-limits.scenarios.ts';
import {type Answer, type Sent, SHIPPED, startServer, type TestServer} from './server.ts';

/** No second passes, so no bucket fills. */
const STANDING: Clock = {nowMs: systemClock.nowMs, monotonicMs: () => 1000, sleep: systemClock.sleep};
const RATES = {requestsPerSecond: 4, signInsPerSecond: 2, queriesPerSecond: 2, banAfter: 2};

async function start(changes: Partial<HttpServerOptions>): Promise<{server: TestServer; kept: Kept}> {
  const server = await startServer({bodyBytesMax: 5000}, changes);
  await server.database.sql("CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user");
  await server.database.auth.users.giveRootPassword('R00t-pass!');
  const iat = Math.floor(Date.now() / 1000);
  const signer = new TokenSigner(TEST_OPTIONS.auth.secret!);
  const user = signer.sign({sub: 'ana', role: 'user', token_type: 'access', email: null, iat, exp: iat + 3600});
  return {server, kept: new Map([['user', user]])};
}

describe('recorded limits', () => {
  let running: Awaited<ReturnType<typeof start>>;
  before(async () => {
    const cors = new Cors({...CORS, allowedOrigins: ['https://app.example']});
    running = await start({clock: STANDING, rates: {...SHIPPED.rates, ...RATES}, cors});
  });
  after(() => running.server.stop());

  for (const scenario of LIMITS) test(scenario.name, () => runRecorded(running.server, scenario, running.kept));
});

describe('recorded limits of connections', () => {
  let running: Awaited<ReturnType<typeof start>>;
  const held: Socket[] = [];
  before(async () => {
    running = await start({rates: {...SHIPPED.rates, isLocalExempt: false, connectionsPerAddress: 2}});
    held.push(connect(running.server.port, '127.0.0.1'), connect(running.server.port, '127.0.0.1'));
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('connect', resolve))));
  });
  after(() => {
    for (const socket of held) socket.destroy();
    return running.server.stop();
  });

  for (const scenario of CONNECTIONS) test(scenario.name, () => runRecorded(running.server, scenario, running.kept));
});

test('recorded: what a server that stops answers to requests that had begun to come', async () => {
  const {server, kept} = await start({});
  const begun = STOPPING.map(scenario => ({scenario, socket: begin(server.port, scenario)}));
  await sleep(100);
  const stopped = server.stop();
  for (const {scenario, socket} of begun) await runRecorded(server, scenario, kept, (_, sent) => finish(socket, sent));
  await stopped;
});

const CORS = {
  allowedMethods: ['GET', 'POST'],
  allowedHeaders: ['*'],
  exposeHeaders: [],
  maxAgeSeconds: 3600,
  allowCredentials: true,
  publicOrigin: '',
};

/** Sends its first line. */
function begin(port: number, {request}: Recorded): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${request} HTTP/1.1\r\nHost: localhost\r\n`);
  return socket;
}

async function finish(socket: Socket, {headers = {}, body = ''}: Sent): Promise<Answer> {
  const lines = Object.entries({...headers, 'content-length': Buffer.byteLength(body)});
  socket.write(`${lines.map(([name, text]) => `${name}: ${text}\r\n`).join('')}\r\n`);
  socket.write(body);
  let text = '';
  for await (const chunk of socket) text += chunk;
  const [head = '', answer = ''] = text.split('\r\n\r\n');
  const [first = '', ...rest] = head.split('\r\n');
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(rest.map(line => line.toLowerCase().split(': '))),
    text: answer,
  };
}

import assert from 'node:assert/strict';
import {connect} from 'node:net';
import {after, before, describe, it} from 'node:test';
import {gzipSync} from 'node:zlib';
import {encode} from '@msgpack/msgpack';
import type {LiveSocketOptions} from '../../src/http/live-socket.ts';
import {SHIPPED, send, startServer, type TestServer} from '../http/server.ts';
import {runDialogue} from './dialogue.ts';
import {subscribe} from './parts.ts';
import {NARROW, SIGN_IN} from './sign-in.scenarios.ts';
import {Refused, WireClient, type WireOptions} from './wire-client.ts';

describe('a live connection', () => {
  let server: TestServer;
  before(async () => {
    server = await startNarrow(NARROW);
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql('CREATE USER TABLE app.todo (id BIGINT PRIMARY KEY, title TEXT, done BOOLEAN)');
  });
  after(() => server.stop());

  for (const dialogue of SIGN_IN) it(dialogue.name, () => runDialogue(server, dialogue));

  it('that sends too much at once is told what was dropped, and heard again soon', async () => {
    const client = await WireClient.as('ana', server.port);
    for (let i = 0; i < 30; i++) client.send({type: 'ping'});
    const message = await client.next();
    assert.equal(message.type === 'error' && message.code, 'RATE_LIMIT_EXCEEDED');
    assert.equal(message.type === 'error' && message.subscription_id, 'rate_limit');
    assert.ok(message.type === 'error' && (message.retry_after_ms ?? 0) <= 50);
    await new Promise(resolve => setTimeout(resolve, 500));
    client.send(subscribe('s', 'SELECT id FROM app.todo'));
    for (;;) {
      const next = await client.next();
      if (next.type === 'error' && next.code === 'RATE_LIMIT_EXCEEDED') continue;
      assert.equal(next.type, 'subscription_ack');
      break;
    }
    client.close();
  });

  it('takes gzipped MessagePack, and inflates no more than a message may have', async () => {
    const client = await WireClient.as('ana', server.port, {query: '?serialization=msgpack'});
    client.ws.send(gzipSync(encode(subscribe('s', 'SELECT id FROM app.todo'))));
    assert.equal((await client.next()).type, 'subscription_ack');
    client.ws.send(gzipSync(Buffer.alloc(1_000_000)));
    const message = await client.next();
    assert.equal(message.type === 'error' && message.code, 'MESSAGE_TOO_LARGE');
    client.close();
  });

  const refusals: [why: string, options: WireOptions, status: number, text: RegExp][] = [
    ['a page of another site', {headers: {origin: 'https://evil.example'}}, 403, /^Origin not allowed$/],
    ['a name bound to this machine', {headers: {host: 'evil.example'}}, 403, /the Host header must name this machine/],
    ['what comes through a proxy', {headers: {'x-forwarded-for': '192.0.2.1'}}, 403, /only callers on this machine/],
  ];
  for (const [why, options, status, text] of refusals)
    it(`is refused before the handshake: ${why}`, async () => {
      const error = await WireClient.open(server.port, options).then(
        () => assert.fail('it was let in'),
        reason => reason,
      );
      assert.ok(error instanceof Refused, String(error));
      assert.equal(error.status, status);
      assert.match(error.text, text);
    });

  it('is given to pages of this machine', async () => {
    const client = await WireClient.open(server.port, {headers: {origin: 'http://localhost:5173'}});
    client.close();
  });

  it('is not made by a plain GET', async () => {
    const answer = await send(server.port, {method: 'GET', path: '/v1/ws', headers: {}});
    assert.equal(answer.status, 426);
    assert.equal(answer.headers.upgrade, 'websocket');
  });

  it('is not made on other paths, where an upgrade is a request like any other', async () => {
    const headers = {connection: 'Upgrade', upgrade: 'websocket', 'content-type': 'application/json'};
    const answer = await send(server.port, {path: '/v1/api/sql', headers, body: '{"sql":"SELECT 1"}'});
    assert.equal(answer.status, 200, answer.text);
  });

  it('does not begin between a request and its answer', async () => {
    const socket = connect(server.port, '127.0.0.1');
    const body = JSON.stringify({sql: 'SELECT COUNT(*) FROM app.todo'});
    const post = `POST /v1/api/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-odd: 1\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const upgrade =
      'GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    let text = '';
    socket.on('data', bytes => {
      text += bytes;
    });
    socket.write(post + upgrade);
    await new Promise(resolve => setTimeout(resolve, 300));
    socket.destroy();
    const statuses = [...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status);
    assert.ok(['', '200', '200,101'].includes(statuses.join(',')), statuses.join(','));
  });

  it('is told that the server stops', async () => {
    const other = await startServer();
    const client = await WireClient.as('ana', other.port);
    const stopped = other.stop();
    assert.deepEqual(await client.end(), {code: 1001, reason: 'Server shutting down'});
    await stopped;
  });

  it('has no place beyond the limit', async () => {
    const small = await startNarrow({connectionsMax: 1});
    try {
      const client = await WireClient.as('ana', small.port);
      await assert.rejects(WireClient.open(small.port), {
        status: 503,
        text: 'Too many live connections: 1 are allowed',
      });
      client.close();
    } finally {
      await small.stop();
    }
  });

  it('needs an Origin where one is demanded', async () => {
    const strict = await startNarrow({isOriginRequired: true});
    try {
      await assert.rejects(WireClient.open(strict.port), {status: 403, text: 'Origin header required'});
      const client = await WireClient.open(strict.port, {headers: {origin: 'http://127.0.0.1'}});
      client.close();
    } finally {
      await strict.stop();
    }
  });
});

function startNarrow(limits: Partial<LiveSocketOptions>): Promise<TestServer> {
  return startServer({}, {liveSocket: {...SHIPPED.liveSocket, ...limits}});
}

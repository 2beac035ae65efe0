import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import type {ServerMessage} from '@kalamdb/protocol/messages.ts';
import {send, startServer, type TestServer} from '../http/server.ts';
import {subscribe} from './parts.ts';
import {WireClient} from './wire-client.ts';

const PASSWORD = 'Correct-horse-7!';

describe('live connections of accounts', () => {
  let server: TestServer;
  let admin: string;

  async function call(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
    const headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    };
    const {text, status} = await send(server.port, {path, headers, body: JSON.stringify(body)});
    assert.equal(status, 200, text);
    return JSON.parse(text);
  }
  const tokenOf = async (user: string) =>
    String((await call('/v1/api/auth/login', {user, password: PASSWORD}))['access_token']);
  const sql = (text: string, token = admin) => call('/v1/api/sql', {sql: text}, token);

  async function authenticated(token: string): Promise<[client: WireClient, first: ServerMessage]> {
    const client = await WireClient.open(server.port);
    client.send({type: 'authenticate', method: 'jwt', token});
    return [client, await client.next()];
  }

  before(async () => {
    server = await startServer();
    await call('/v1/api/auth/setup', {user: 'admin', password: PASSWORD, root_password: PASSWORD});
    admin = await tokenOf('admin');
    for (const user of ['ana', 'bob', 'eve']) await sql(`CREATE USER '${user}' WITH PASSWORD '${PASSWORD}' ROLE user`);
    await sql('CREATE NAMESPACE app');
    await sql('CREATE USER TABLE app.notes (id INT PRIMARY KEY)');
    await sql("CREATE SHARED TABLE app.secrets (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'private')");
  });
  after(() => server.stop());

  it('say who is there and when the token ends, by message and by header', async () => {
    const token = await tokenOf('ana');
    const [client, first] = await authenticated(token);
    assert.ok(first.type === 'auth_success' && first.user === 'ana' && first.role === 'user');
    assert.ok(first.expires_at! > Date.now());
    client.close();
    const other = await WireClient.open(server.port, {headers: {authorization: `Bearer ${token}`}});
    const unasked = await other.next();
    assert.ok(unasked.type === 'auth_success' && unasked.user === 'ana');
    other.close();
  });

  const bad: [why: string, token: string][] = [
    ['no token', ''],
    ['a token that was made up', 'a.b.c'],
    ['a text', 'test-token'],
  ];
  for (const [why, token] of bad)
    it(`are refused: ${why}`, async () => {
      const [client, first] = await authenticated(token);
      assert.equal(first.type, 'auth_error');
      assert.deepEqual(await client.end(), {code: 1008, reason: 'Authentication failed'});
    });

  it('believe no X-USER-ID', async () => {
    const client = await WireClient.open(server.port, {headers: {'x-user-id': 'admin'}});
    client.send(subscribe('s', 'SELECT * FROM app.notes'));
    const message = await client.next();
    assert.ok(message.type === 'error' && message.code === 'AUTH_REQUIRED');
    client.close();
  });

  it('show everybody their own rows alone', async () => {
    const [ana] = await authenticated(await tokenOf('ana'));
    const bobToken = await tokenOf('bob');
    const [bob] = await authenticated(bobToken);
    for (const client of [ana, bob]) {
      client.send(subscribe('s', 'SELECT id FROM app.notes'));
      assert.equal((await client.next()).type, 'subscription_ack');
    }
    await sql('INSERT INTO app.notes VALUES (1)', bobToken);
    assert.equal((await bob.next()).type, 'change');
    assert.ok(await ana.isSilent(100));
    ana.send(subscribe('t', 'SELECT * FROM app.secrets'));
    const message = await ana.next();
    assert.ok(message.type === 'error' && message.code === 'UNAUTHORIZED' && message.subscription_id === 't');
    ana.send(subscribe('u', 'SELECT * FROM system.users'));
    const other = await ana.next();
    assert.ok(other.type === 'error' && other.subscription_id === 'u');
    ana.close();
    bob.close();
  });

  it('go on with a fresh token of the same user, and end with one of another', async () => {
    const [client] = await authenticated(await tokenOf('ana'));
    client.send({type: 'authenticate', method: 'jwt', token: await tokenOf('ana')});
    assert.equal((await client.next()).type, 'auth_success');
    client.send(subscribe('s', 'SELECT id FROM app.notes'));
    assert.equal((await client.next()).type, 'subscription_ack');
    client.send({type: 'authenticate', method: 'jwt', token: await tokenOf('bob')});
    assert.equal((await client.next()).type, 'auth_error');
    assert.equal((await client.end()).code, 1008);
  });

  it('end with their user, and say so', async () => {
    const [client] = await authenticated(await tokenOf('eve'));
    client.send(subscribe('s', 'SELECT id FROM app.notes'));
    assert.equal((await client.next()).type, 'subscription_ack');
    await sql("DROP USER 'eve'");
    assert.equal((await client.next()).type, 'auth_error');
    assert.deepEqual(await client.end(), {code: 1008, reason: 'Token expired'});
    for (let i = 0; i < 100 && server.database.live.counts.connections > 0; i++)
      await new Promise(resolve => setTimeout(resolve, 20));
    assert.deepEqual(server.bugs, []);
  });
});

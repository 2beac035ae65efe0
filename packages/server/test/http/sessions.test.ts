/** `system.sessions` over HTTP: what it shows of a sign-in, and to whom. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {send, startServer, type TestServer} from './server.ts';

const PASSWORD = 'Adm1n-pass!';

describe('system.sessions', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    await post('/v1/api/auth/setup', {user: 'admin', password: PASSWORD, root_password: 'R00t-pass!'});
    await server.database.sql(`CREATE USER 'ana' WITH PASSWORD '${PASSWORD}' ROLE user`);
  });
  after(() => server.stop());

  async function post(path: string, body: object, token?: unknown) {
    const authorization = token === undefined ? {} : {authorization: `Bearer ${token}`};
    const headers = {'content-type': 'application/json', ...authorization};
    const answer = await send(server.port, {method: 'POST', path, headers, body: JSON.stringify(body)});
    return {status: answer.status, json: JSON.parse(answer.text)};
  }

  test('a sign-in is there from its first tokens through refresh to sign-out, for admins alone', async () => {
    const {json: tokens} = await post('/v1/api/auth/login', {user: 'ana', password: PASSWORD});
    const {sid} = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url').toString());
    const shown = async () => {
      const facts = 'user_id, state, transport, opened_at <= last_seen_at, expires_at > NOW()';
      return (await server.database.sql(`SELECT ${facts} FROM system.sessions WHERE session_id = '${sid}'`)).rows;
    };
    const open = [['ana', 'idle', 'http', true, true]];
    assert.deepEqual(await shown(), open);
    const refused = await post('/v1/api/sql', {sql: 'SELECT * FROM system.sessions'}, tokens.access_token);
    assert.equal(refused.json.error.code, 'PERMISSION_DENIED');
    assert.equal((await post('/v1/api/auth/refresh', {}, tokens.refresh_token)).status, 200);
    assert.deepEqual(await shown(), open, 'a refresh is the same session');
    await post('/v1/api/auth/logout', {}, tokens.access_token);
    assert.deepEqual(await shown(), []);
  });
});

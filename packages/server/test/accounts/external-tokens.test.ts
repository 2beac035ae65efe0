/** Tokens of OpenID Connect over HTTP and WebSocket, from an issuer on this machine: who gets in, as whom, and every way that must not lead there. */
import assert from 'node:assert/strict';
import {after, afterEach, before, describe, test} from 'node:test';
import {TokenSigner} from '../../src/auth/token.ts';
import {fetchJson} from '../../src/std/fetch-json.ts';
import {type Answer, send, startServer, type TestServer} from '../http/server.ts';
import {WireClient} from '../socket/wire-client.ts';
import {TEST_OPTIONS} from '../test-database.ts';
import {newPair, TestIssuer} from './test-issuer.ts';

const SECRET = TEST_OPTIONS.auth.secret!;

interface World {
  readonly server: TestServer;
  readonly issuer: TestIssuer;
  /** Trusted too, as another provider. */
  readonly second: TestIssuer;
  readonly untrusted: TestIssuer;
}

async function open(provisionRole: 'user' | 'service' | undefined): Promise<World> {
  const [issuer, second, untrusted] = await Promise.all([1, 2, 3].map(() => new TestIssuer().start()));
  const facts = {audiences: ['kalam'], jwksUri: undefined};
  const issuers = [
    {...facts, issuer: issuer!.url, provider: 'corp'},
    {...facts, issuer: second!.url, provider: second!.url},
  ];
  const external = {issuers, provisionRole, fetchJson};
  const server = await startServer({}, {}, {auth: {...TEST_OPTIONS.auth, external}});
  const account = (id: string, subject: string, role: string, provider = 'corp') =>
    `CREATE USER '${id}' WITH OAUTH '${JSON.stringify({provider, subject})}' ROLE ${role};`;
  await server.database.sql(`${account('ana', '1234', 'user')} ${account('boss', '1', 'dba')}
    ${account('gone', '66', 'user')} ${account('other', '77', 'user', second!.url)} DROP USER gone;
    CREATE USER '555' WITH PASSWORD 'correct horse' ROLE dba;
    CREATE NAMESPACE app; CREATE USER TABLE app.own (id INT PRIMARY KEY)`);
  await server.database.auth.users.giveRootPassword('R00t-pass!');
  return {server, issuer: issuer!, second: second!, untrusted: untrusted!};
}

async function close({server, ...issuers}: World): Promise<void> {
  await server.stop();
  await Promise.all(Object.values(issuers).map((one: TestIssuer) => one.stop()));
}

function ask({server}: World, token: string, sql = 'SELECT CURRENT_USER, CURRENT_ROLE'): Promise<Answer> {
  const headers = {'content-type': 'application/json', authorization: `Bearer ${token}`};
  return send(server.port, {headers, body: JSON.stringify({sql})});
}

/** The caller and role, or the code of the refusal. */
async function who(world: World, token: string): Promise<string> {
  const {status, text} = await ask(world, token);
  assert.deepEqual(world.server.bugs, [], 'nothing is answered by a bug');
  const {results, error} = JSON.parse(text);
  return status === 200 ? results[0].rows[0].join(' ') : `${status} ${error.code}: ${error.message}`;
}

const REFUSED = '401 INVALID_CREDENTIALS: Invalid credentials';

describe('tokens of a trusted issuer', () => {
  let world: World;
  before(async () => {
    world = await open(undefined);
  });
  after(() => close(world));
  afterEach(() => {
    world.issuer.answer = undefined;
  });

  test('are of the account with that provider and subject, whatever their algorithm, and have the role of the account', async () => {
    const {issuer} = world;
    for (const [alg, kid] of [
      ['RS256', 'rsa'],
      ['PS256', 'rsa'],
      ['ES256', 'p256'],
      ['ES384', 'p384'],
    ] as const) {
      assert.equal(await who(world, issuer.token({}, {alg, kid})), 'ana user', alg);
    }
    assert.equal(await who(world, issuer.token({sub: '1', role: 'user'})), 'boss dba');
    assert.equal(await who(world, issuer.token({role: 'system'})), 'ana user', 'a role in a token says nothing');
    assert.equal(await who(world, issuer.token({aud: ['x', 'kalam']})), 'ana user');
    assert.equal(await who(world, world.second.token({sub: '77'})), 'other user');
    assert.deepEqual(issuer.asked, ['/realm/.well-known/openid-configuration', '/realm/keys'], 'asked once for all');
  });

  test('show who one is by Bearer, and are of no use as cookies or to refresh', async () => {
    const token = world.issuer.token();
    const route = (method: string, path: string, headers: Record<string, string>) =>
      send(world.server.port, {method, path: `/v1/api/auth/${path}`, headers});
    const me = await route('GET', 'me', {authorization: `Bearer ${token}`});
    assert.deepEqual([me.status, JSON.parse(me.text).user.id], [200, 'ana']);
    assert.equal((await route('GET', 'me', {cookie: `kalamdb_auth=${token}`})).status, 401);
    assert.equal((await route('POST', 'refresh', {authorization: `Bearer ${token}`})).status, 401);
    assert.equal((await route('POST', 'logout', {authorization: `Bearer ${token}`})).status, 200);
    assert.equal(await who(world, token), 'ana user', 'who ends it is its issuer');
  });

  const nowS = () => Math.floor(Date.now() / 1000);
  const wrong: [why: string, token: (world: World) => string][] = [
    [
      'no signature, and an algorithm that says so',
      ({issuer}) => issuer.token({}, {alg: 'none'}).replace(/[^.]*$/, ''),
    ],
    ['no signature', ({issuer}) => issuer.token().replace(/[^.]*$/, '')],
    ['a published key as the secret', ({issuer}) => issuer.confused(issuer.keySet())],
    [
      'a published key in another form as the secret',
      ({issuer}) => issuer.confused(issuer.keys.get('rsa')!.publicKey.export({format: 'pem', type: 'spki'})),
    ],
    [
      'the same, as a token of the server itself',
      ({issuer}) => issuer.confused(issuer.keySet(), {iss: 'kalamdb', role: 'user', token_type: 'access', sub: 'ana'}),
    ],
    ['the secret of the server, in the name of the issuer', ({issuer}) => issuer.confused(SECRET)],
    [
      'the name of the server',
      ({issuer}) => issuer.token({iss: 'kalamdb', token_type: 'access', role: 'user', sub: 'ana'}),
    ],
    ['a key that nobody published', ({issuer}) => issuer.token({}, {}, newPair('RSA'))],
    ['the key of another trusted issuer', ({issuer, second}) => issuer.token({}, {}, second.keys.get('rsa'))],
    ['a key for another algorithm', ({issuer}) => issuer.token({}, {alg: 'RS256', kid: 'p256'})],
    ['an id of a key that nobody has', ({issuer}) => issuer.token({}, {kid: 'invented'})],
    [
      'no id of a key, where there are several',
      ({issuer}) => issuer.token({}, {alg: 'RS256', kid: undefined}, newPair('RSA')),
    ],
    [
      'a key that it brings along',
      ({issuer}) => {
        const pair = newPair('RSA');
        return issuer.token({}, {jwk: pair.publicKey.export({format: 'jwk'}), kid: undefined}, pair);
      },
    ],
    [
      'an address of keys that it brings along',
      ({issuer, untrusted}) =>
        issuer.token({}, {jku: `${untrusted.url}/keys`, x5u: untrusted.url}, untrusted.keys.get('rsa')),
    ],
    ['an issuer that nobody trusts', ({untrusted}) => untrusted.token()],
    ['a slash behind the issuer', ({issuer}) => issuer.token({iss: `${issuer.url}/`})],
    ['another case of the issuer', ({issuer}) => issuer.token({iss: issuer.url.toUpperCase()})],
    ['two issuers', ({issuer}) => issuer.token({iss: [issuer.url]})],
    ['no issuer', ({issuer}) => issuer.token({iss: undefined})],
    ['another audience', ({issuer}) => issuer.token({aud: 'somebody else'})],
    ['a part of the audience', ({issuer}) => issuer.token({aud: ['kala', 'kalam2']})],
    ['no audience', ({issuer}) => issuer.token({aud: undefined})],
    ['no end', ({issuer}) => issuer.token({exp: undefined})],
    ['an end that is a text', ({issuer}) => issuer.token({exp: '9999999999'})],
    ['no beginning', ({issuer}) => issuer.token({iat: undefined})],
    ['a beginning in the future', ({issuer}) => issuer.token({iat: nowS() + 600})],
    ['a time from which it is good, in the future', ({issuer}) => issuer.token({nbf: nowS() + 600})],
    ['an end in the past, and the wrong key', ({issuer}) => issuer.token({exp: nowS() - 600}, {}, newPair('RSA'))],
    ['a type for refreshing', ({issuer}) => issuer.token({}, {typ: 'Refresh+JWT'})],
    ['a claim for refreshing', ({issuer}) => issuer.token({typ: 'Refresh'})],
    ['something critical that is not understood', ({issuer}) => issuer.token({}, {crit: ['b64'], b64: false})],
    ['no subject', ({issuer}) => issuer.token({sub: ''})],
    ['a subject that is a number', ({issuer}) => issuer.token({sub: 1234})],
    ['a subject without an account', ({issuer}) => issuer.token({sub: '9'})],
    ['the id of an account as its subject', ({issuer}) => issuer.token({sub: 'ana'})],
    ['the id of an account with a password', ({issuer}) => issuer.token({sub: '555'})],
    ['root as its subject', ({issuer}) => issuer.token({sub: 'root'})],
    ['a subject of another provider', ({second}) => second.token({sub: '1234'})],
    ['a subject of another provider, the other way', ({issuer}) => issuer.token({sub: '77'})],
    ['a dropped account', ({issuer}) => issuer.token({sub: '66'})],
    ['a fourth part', ({issuer}) => `${issuer.token()}.x`],
    ['blanks in its signature', ({issuer}) => issuer.token().replace(/.$/, ' ')],
    [
      'claims that were changed',
      ({issuer}) =>
        issuer
          .token()
          .replace(/\.[^.]*\./, `.${Buffer.from(JSON.stringify(issuer.claims({sub: '1'}))).toString('base64url')}.`),
    ],
    ['a length beyond all heads', ({issuer}) => issuer.token({more: 'x'.repeat(12_000)})],
  ];
  for (const [why, token] of wrong) {
    test(`are refused: ${why}`, async () => {
      const found = await who(world, token(world)).catch(() => REFUSED);
      assert.equal(found, REFUSED);
      assert.deepEqual(world.untrusted.asked, [], 'nobody else is asked');
    });
  }

  test('whoever invents ids of keys makes the issuer no traffic', async () => {
    const before = world.issuer.asked.length;
    for (let i = 0; i < 50; i++) assert.equal(await who(world, world.issuer.token({}, {kid: `k${i}`})), REFUSED);
    assert.equal(world.issuer.asked.length, before);
  });

  test('are told to be over when nothing else is wrong with them', async () => {
    const token = world.issuer.token({iat: nowS() - 7200, exp: nowS() - 3600});
    assert.equal(await who(world, token), '401 TOKEN_EXPIRED: Invalid credentials');
  });

  test('open live queries, by header and by message', async () => {
    const token = world.issuer.token({n: 1});
    const named = await WireClient.open(world.server.port, {headers: {authorization: `Bearer ${token}`}});
    const first = await named.next();
    assert.ok(first.type === 'auth_success' && first.user === 'ana', JSON.stringify(first));
    named.close();
    const client = await WireClient.open(world.server.port);
    client.send({type: 'authenticate', method: 'jwt', token: world.issuer.token({}, {}, newPair('RSA'))});
    assert.equal((await client.next()).type, 'auth_error');
  });

  test('end with their account, at once, live queries too; another role ends those that were made before', async () => {
    const {server, issuer} = world;
    await server.database.sql(`CREATE USER brief WITH OAUTH '{"provider":"corp","subject":"b"}' ROLE user`);
    const token = issuer.token({sub: 'b'});
    assert.equal(await who(world, token), 'brief user');
    const client = await WireClient.open(server.port, {headers: {authorization: `Bearer ${token}`}});
    assert.equal((await client.next()).type, 'auth_success');
    await server.database.sql('ALTER USER brief SET ROLE service');
    assert.equal(await who(world, token), REFUSED);
    assert.equal((await client.end()).code, 1008);
    const later = issuer.token({sub: 'b', iat: nowS() + 30});
    assert.equal(await who(world, later), 'brief service');
    await server.database.sql('DROP USER brief');
    assert.equal(await who(world, later), REFUSED);
  });

  test('two accounts of one provider and subject cannot be made', async () => {
    const sql = `CREATE USER twin WITH OAUTH '{"subject":"1234","provider":"corp"}' ROLE dba`;
    await assert.rejects(world.server.database.sql(sql), /User 'ana' has this provider and subject/);
  });

  test('no account is made, where that is not allowed', async () => {
    const {rows} = await world.server.database.sql("SELECT count(*) FROM system.users WHERE user_id LIKE 'oidc%'");
    assert.deepEqual(rows, [['0']]);
  });
});

describe('an issuer that is not well', () => {
  let world: World;
  before(async () => {
    world = await open(undefined);
  });
  after(() => close(world));

  test('keeps nobody waiting but those who show its tokens, and they are served when it answers', async () => {
    const {issuer, second} = world;
    const held: (() => void)[] = [];
    issuer.answer = response =>
      held.push(() => response.end(JSON.stringify({issuer: issuer.url, jwks_uri: `${issuer.url}/keys`})));
    const waiting = [1, 2, 3].map(n => who(world, issuer.token({n})));
    const client = await WireClient.open(world.server.port);
    client.send({type: 'authenticate', method: 'jwt', token: issuer.token({n: 4})});
    client.send({type: 'subscribe', subscription: {id: 's', sql: 'SELECT * FROM app.own', options: {}}});
    while (held.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    assert.equal(await who(world, second.token({sub: '77'})), 'other user');
    const iat = Math.floor(Date.now() / 1000);
    const own = new TokenSigner(SECRET).sign({
      ...{sub: 'ana', role: 'user', token_type: 'access', email: null, iat, exp: iat + 60},
    });
    assert.equal(await who(world, own), 'ana user');
    assert.equal(held.length, 1, 'it is asked by one request');
    issuer.answer = undefined;
    held[0]!();
    assert.deepEqual(await Promise.all(waiting), ['ana user', 'ana user', 'ana user']);
    assert.equal((await client.next()).type, 'auth_success');
    assert.equal((await client.next()).type, 'subscription_ack', 'what came behind the token waited for it');
    client.close();
  });
});

describe('an issuer that cannot be asked', () => {
  let world: World;
  before(async () => {
    world = await open(undefined);
  });
  after(() => close(world));

  test('is an error of its own, in every envelope, and is not asked again at once', async () => {
    const {issuer} = world;
    issuer.answer = response => response.writeHead(503).end();
    const token = issuer.token();
    assert.equal(await who(world, token), '500 AUTHENTICATION_ERROR: Authentication failed');
    assert.equal(await who(world, token), '500 AUTHENTICATION_ERROR: Authentication failed');
    const me = await send(world.server.port, {
      ...{method: 'GET', path: '/v1/api/auth/me', headers: {authorization: `Bearer ${token}`}},
    });
    assert.deepEqual(JSON.parse(me.text), {error: 'internal_error', message: 'Authentication failed'});
    const client = await WireClient.open(world.server.port, {headers: {authorization: `Bearer ${token}`}});
    assert.deepEqual(await client.next(), {type: 'auth_error', message: 'Authentication failed'});
    assert.equal(issuer.asked.length, 1);
  });
});

describe('accounts that are made for whoever comes', () => {
  let world: World;
  before(async () => {
    world = await open('service');
  });
  after(() => close(world));

  const rows = async (sql: string) => (await world.server.database.sql(sql)).rows;

  test('are made once, however many requests come at once, with the role of the settings', async () => {
    const {issuer} = world;
    const tokens = Array.from({length: 8}, (_, n) => issuer.token({sub: 'new|one', n, email: 'n@example.org'}));
    const found = await Promise.all(tokens.map(token => who(world, token)));
    assert.deepEqual(new Set(found), new Set(['oidc:corp:new|one service']));
    assert.deepEqual(
      await rows("SELECT role, email, auth_type FROM system.users WHERE user_id = 'oidc:corp:new|one'"),
      [['service', 'n@example.org', 'OAuth']],
    );
    assert.deepEqual(await rows("SELECT target, result FROM system.audit_log WHERE action = 'PROVISION_USER'"), [
      ['oidc:corp:new|one', 'success'],
    ]);
  });

  test('have ids that are no path, whatever their subject, and never one id for two', async () => {
    const {issuer, second} = world;
    const ids = new Set<string>();
    for (const token of [
      issuer.token({sub: '../../etc'}),
      issuer.token({sub: 'x'.repeat(255)}),
      second.token({sub: 'new|one'}),
      second.token({sub: '../../etc'}),
      issuer.token({sub: 'a', email: 'x@example.org', email_verified: false}),
    ]) {
      const found = await who(world, token);
      assert.match(found, /^oidc:[\w:|-]+ service$/);
      ids.add(found);
    }
    assert.equal(ids.size, 5);
    assert.deepEqual(await rows("SELECT email FROM system.users WHERE user_id = 'oidc:corp:a'"), [[null]]);
  });

  test('do not come back when they were dropped', async () => {
    const {issuer, server} = world;
    assert.equal(await who(world, issuer.token({sub: 'bad'})), 'oidc:corp:bad service');
    await server.database.sql("DROP USER 'oidc:corp:bad'");
    assert.equal(await who(world, issuer.token({sub: 'bad'})), REFUSED);
    assert.equal(await who(world, issuer.token({sub: '66'})), REFUSED);
  });

  test('take no id that is somebody else’s', async () => {
    await world.server.database.sql("CREATE USER 'oidc:corp:taken' WITH PASSWORD 'correct horse' ROLE dba");
    assert.equal(await who(world, world.issuer.token({sub: 'taken'})), REFUSED);
  });

  test('outlive a restart, as whoever they are', async () => {
    const {server, issuer} = world;
    await server.database.restart();
    const {accounts} = server.database.auth.sessions;
    assert.equal(accounts.idsOf(JSON.stringify(['corp', 'new|one'])).length, 1);
    const session = await server.database.auth.sessions.authenticate(`Bearer ${issuer.token({sub: 'new|one'})}`);
    assert.equal(session?.userId, 'oidc:corp:new|one');
  });
});

/** The permission matrix over HTTP: role × statement × kind of table, every cell. `y` may, `-` may not; in the order of ROLES. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {ROLES} from '../../src/auth/roles.ts';
import {TokenSigner} from '../../src/auth/token.ts';
import {send, startServer, type TestServer} from '../http/server.ts';
import {TEST_OPTIONS} from '../test-database.ts';

type Cell = readonly [what: string, allowed: string, sql: string];

const KINDS = ['usr', 'str', 'pub', 'pri', 'res', 'dba'] as const;

/** `$n` is a number that no other statement uses. */
const ROWS: readonly Cell[] = [
  ...cells(
    'SELECT',
    {usr: '-yyyy', str: '-yyyy', pub: 'yyyyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'SELECT * FROM app.$t',
  ),
  ...cells(
    'SELECT in a subquery',
    {usr: '-yyyy', pub: 'yyyyy', pri: '--yyy', dba: '---yy'},
    'SELECT 1 WHERE 1 IN (SELECT id FROM app.$t)',
  ),
  ...cells(
    'SELECT in WITH',
    {usr: '-yyyy', pub: 'yyyyy', pri: '--yyy', dba: '---yy'},
    'WITH w AS (SELECT id FROM app.$t) SELECT * FROM w',
  ),
  ...cells(
    'SELECT in a set operation',
    {usr: '-yyyy', pub: 'yyyyy', pri: '--yyy', dba: '---yy'},
    'SELECT 1 UNION SELECT id FROM app.$t',
  ),
  ...cells('SELECT through a view', {usr: '-yyyy', pub: 'yyyyy', pri: '--yyy', dba: '---yy'}, 'SELECT * FROM app.v_$t'),
  ...cells(
    'DESCRIBE TABLE',
    {usr: '-yyyy', str: '-yyyy', pub: 'yyyyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'DESCRIBE TABLE app.$t HISTORY',
  ),
  ...cells(
    'INSERT',
    {usr: '-yyyy', str: '-yyyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'INSERT INTO app.$t VALUES ($n, 1)',
  ),
  ...cells(
    'UPDATE',
    {usr: '-yyyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'UPDATE app.$t SET v = 2 WHERE id = $n',
  ),
  ...cells(
    'DELETE',
    {usr: '-yyyy', str: '-yyyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'DELETE FROM app.$t WHERE id = $n',
  ),
  ...cells(
    'INSERT … SELECT from',
    {usr: '-yyyy', pub: '-yyyy', pri: '--yyy', dba: '---yy'},
    'INSERT INTO app.usr SELECT id + $n, v FROM app.$t WHERE id < 0',
  ),
  ...cells(
    'ALTER',
    {usr: '--yyy', str: '--yyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
    'ALTER TABLE app.$t ADD COLUMN c$n INT',
  ),
  ...cells('FLUSH', {usr: '--yyy', pub: '--yyy'}, 'STORAGE FLUSH TABLE app.$t'),
  ...cells('COMPACT', {usr: '--yyy', pub: '--yyy'}, 'STORAGE COMPACT TABLE app.$t'),
  ...cells('DROP', {usr: '---yy', str: '---yy', pub: '---yy'}, 'DROP TABLE IF EXISTS app.none_$t; DROP TABLE app.d$n'),
];

const STATEMENTS: readonly Cell[] = [
  ['CREATE USER TABLE', '-yyyy', 'CREATE USER TABLE app.u$n (id INT PRIMARY KEY)'],
  ['CREATE STREAM TABLE', '-yyyy', 'CREATE STREAM TABLE app.s$n (id INT) WITH (TTL_SECONDS = 60)'],
  ['CREATE SHARED TABLE', '--yyy', 'CREATE SHARED TABLE app.h$n (id INT PRIMARY KEY)'],
  ['CREATE VIEW', '---yy', 'CREATE VIEW app.w$n AS SELECT 1 AS one'],
  ['CREATE NAMESPACE', '---yy', 'CREATE NAMESPACE n$n'],
  ['DROP NAMESPACE', '---yy', 'DROP NAMESPACE IF EXISTS none'],
  ['ALTER STORAGE', '---yy', "ALTER STORAGE local SET DESCRIPTION 'again'"],
  ['STORAGE CHECK', '---yy', 'STORAGE CHECK local'],
  ['CREATE USER', '---yy', "CREATE USER 'user$n' WITH PASSWORD 'correct horse' ROLE dba"],
  ['CREATE USER with role system', '----y', "CREATE USER 'high$n' WITH PASSWORD 'correct horse' ROLE system"],
  ['ALTER USER of a user', '---yy', "ALTER USER 'somebody' SET EMAIL 'x@example.org'"],
  ['ALTER USER of one with role system', '----y', "ALTER USER 'm_system' SET EMAIL 'x@example.org'"],
  ['ALTER USER root SET PASSWORD', '----y', "ALTER USER root SET PASSWORD 'Another-r00t'"],
  ['ALTER USER … ROLE system', '----y', "ALTER USER 'riser' SET ROLE system"],
  ['ALTER USER … ROLE', '---yy', "ALTER USER 'somebody' SET ROLE user"],
  ['ALTER USER of oneself: address', '-yyyy', "ALTER USER '$me' SET EMAIL 'me@example.org'"],
  ['ALTER USER of oneself: a higher role', '----y', "ALTER USER '$me' SET ROLE system"],
  ['DROP USER', '---yy', "DROP USER IF EXISTS 'none'"],
  ['DROP USER with role system', '----y', "DROP USER 'high'"],
  ['SHOW TABLES', 'yyyyy', 'SHOW TABLES'],
  ['SHOW NAMESPACES', 'yyyyy', 'SHOW NAMESPACES'],
  ['SHOW STORAGES', 'yyyyy', 'SHOW STORAGES'],
  ['EXPLAIN', '---yy', 'EXPLAIN SELECT 1'],
  ['KILL JOB', '---yy', "KILL JOB 'FL-000000000000'"],
  ['SELECT from a system table', '---yy', 'SELECT * FROM system.jobs'],
  ['… by its other name', '---yy', 'SELECT * FROM system.system_jobs'],
  ['… in a subquery', '---yy', 'SELECT 1 WHERE 1 < (SELECT count(*) FROM system.users)'],
  ['… in EXISTS', '---yy', 'SELECT 1 WHERE EXISTS (SELECT 1 FROM system.users)'],
  ['… in a join', '---yy', 'SELECT 1 FROM app.pub p JOIN system.users u ON true'],
  ['… in LATERAL', '---yy', 'SELECT 1 FROM app.pub p, LATERAL (SELECT user_id FROM system.users) u'],
  ['… in WITH', '---yy', 'WITH w AS (SELECT * FROM system.audit_log) SELECT count(*) FROM w'],
  [
    '… in WITH RECURSIVE',
    '---yy',
    'WITH RECURSIVE w(x) AS (SELECT user_id FROM system.users UNION SELECT x FROM w) SELECT * FROM w',
  ],
  ['… in a set operation', '---yy', "SELECT 'a' UNION ALL SELECT user_id FROM system.users"],
  ['… in EXCEPT', '---yy', "SELECT 'a' EXCEPT SELECT user_id FROM system.users"],
  ['… through a view', '---yy', 'SELECT * FROM app.v_users'],
  ['… for INSERT', '---yy', 'INSERT INTO app.usr SELECT count(*) + $n, 1 FROM system.users'],
  ['… for UPDATE', '---yy', 'UPDATE app.usr SET v = (SELECT count(*) FROM system.users) WHERE id = -1'],
  ['… in DELETE', '---yy', 'DELETE FROM app.usr WHERE id = -1 AND v IN (SELECT count(*) FROM system.users)'],
  ['… by TABLE', '---yy', 'TABLE system.users'],
  ['… in VALUES', '---yy', 'VALUES ((SELECT count(*) FROM system.users))'],
  ['… as oneself', '-----', "EXECUTE AS '$me' (SELECT * FROM system.users)"],
  ['EXECUTE AS oneself', '-yyyy', "EXECUTE AS USER '$me' (SELECT * FROM app.usr)"],
  ['EXECUTE AS somebody without account', '--yyy', "EXECUTE AS USER 'stranger' (SELECT * FROM app.usr)"],
  ['EXECUTE AS a user', '--yyy', "EXECUTE AS 'somebody' (INSERT INTO app.usr VALUES ($n, 1))"],
  ['EXECUTE AS a service', '--yyy', "EXECUTE AS USER 'm_service' (SELECT 1)"],
  ['EXECUTE AS a dba', '---yy', "EXECUTE AS USER 'm_dba' (SELECT 1)"],
  ['EXECUTE AS a system user', '----y', "EXECUTE AS USER 'm_system' (SELECT 1)"],
  [
    'EXECUTE AS a user: their password',
    '-----',
    "EXECUTE AS USER 'somebody' (ALTER USER 'somebody' SET PASSWORD 'taken over')",
  ],
  [
    'EXECUTE AS a user: an account',
    '-----',
    "EXECUTE AS 'somebody' (CREATE USER 'x$n' WITH PASSWORD 'correct horse' ROLE user)",
  ],
  ['EXECUTE AS: a shared table of services', '-----', "EXECUTE AS USER '$me' (SELECT * FROM app.pri)"],
];

function cells(what: string, allowed: Partial<Record<(typeof KINDS)[number], string>>, sql: string): Cell[] {
  return Object.entries(allowed).map(([kind, roles]) => [`${what} ${kind}`, roles, sql.replaceAll('$t', kind)]);
}

describe('the permission matrix', () => {
  let server: TestServer;
  const tokens: Record<string, string> = {};
  let last = 1000;

  before(async () => {
    server = await startServer();
    const {database} = server;
    const levels = {pub: 'public', pri: 'private', res: 'restricted', dba: 'dba'};
    const table = (name: string) => `${name} (id INT PRIMARY KEY, v INT)`;
    await database.sql('CREATE NAMESPACE app');
    await database.sql(
      `CREATE USER TABLE app.${table('usr')}; CREATE STREAM TABLE app.${table('str')} WITH (TTL_SECONDS = 3600)`,
    );
    for (const [name, level] of Object.entries(levels))
      await database.sql(`CREATE SHARED TABLE app.${table(name)} WITH (ACCESS_LEVEL = '${level}')`);
    for (const name of ['usr', 'pub', 'pri', 'dba'])
      await database.sql(`CREATE VIEW app.v_${name} AS SELECT id FROM app.${name}`);
    await database.sql('CREATE VIEW app.v_users AS SELECT user_id FROM system.users');
    for (const [id, role] of [
      ['somebody', 'user'],
      ['riser', 'dba'],
      ['high', 'system'],
    ])
      await database.sql(`CREATE USER '${id}' WITH PASSWORD 'correct horse' ROLE ${role}`);
    for (const role of ROLES.slice(1))
      await database.sql(`CREATE USER 'm_${role}' WITH PASSWORD 'correct horse' ROLE ${role}`);
    await database.auth.users.giveRootPassword('R00t-pass!');
    const signer = new TokenSigner(TEST_OPTIONS.auth.secret!);
    const iat = Math.floor(Date.now() / 1000);
    for (const role of ROLES) {
      tokens[role] = signer.sign({sub: `m_${role}`, role, token_type: 'access', email: null, iat, exp: iat + 3600});
    }
  });
  after(() => server.stop());

  for (const [what, allowed, sql] of [...ROWS, ...STATEMENTS]) {
    test(`${what}: ${allowed}`, async () => {
      for (const [i, role] of ROLES.entries()) {
        if (role === 'anonymous') continue;
        const found = await run(role, sql);
        assert.equal(found, allowed[i] === 'y' ? 'allowed' : 'PERMISSION_DENIED', `${role}: ${sql}`);
      }
    });
  }

  /** An error that is none of rights is as good as an answer: the statement was let in. */
  async function run(role: string, text: string): Promise<string> {
    const n = String(++last);
    if (text.includes('app.d$n')) await server.database.sql(`CREATE USER TABLE app.d${n} (id INT PRIMARY KEY)`);
    const sql = text.replaceAll('$n', n).replaceAll('$me', `m_${role}`);
    const headers = {'content-type': 'application/json', authorization: `Bearer ${tokens[role]}`};
    const reply = await send(server.port, {headers, body: JSON.stringify({sql})});
    assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
    const {error} = JSON.parse(reply.text);
    if (error?.code === 'PERMISSION_DENIED') {
      assert.equal(reply.status, 403);
      assert.match(error.message, /unauthorized|not authorized|permission|privilege|access denied/i);
      return error.code;
    }
    assert.ok(reply.status === 200 || error.code === 'SQL_EXECUTION_ERROR', `${role}: ${sql}: ${reply.text}`);
    return 'allowed';
  }
});

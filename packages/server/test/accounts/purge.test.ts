/** Dropped accounts go for good when their time of grace is over, with what was their own and nothing else. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {TokenSigner} from '../../src/auth/token.ts';
import type {UserId} from '../../src/model/names.ts';
import {flush, openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';
import {LateClock, until} from './late-clock.ts';

const DAY_MS = 86_400_000;

describe('a dropped account', () => {
  let database: TestDatabase;
  const clock = new LateClock();
  const value = async (sql: string) => (await database.sql(sql)).rows[0]?.[0];
  const countOf = (user: string, table: string) =>
    value(`EXECUTE AS USER '${user}' (SELECT count(*) FROM app.${table})`);
  const accounts = async () => (await database.sql('SELECT user_id FROM system.users ORDER BY 1')).rows.flat();
  const tokenOf = (user: string) => {
    const iat = Math.floor(clock.nowMs() / 1000);
    const claims = {sub: user, role: 'user', token_type: 'access', email: null, iat, exp: iat + 90 * 86_400} as const;
    return `Bearer ${new TokenSigner(TEST_OPTIONS.auth.secret!).sign(claims)}`;
  };
  let oldToken: string;
  const once = (user: string, key: string) => {
    const session = {userId: user as UserId, role: 'user', proof: {kind: 'development'}} as const;
    const sql = "INSERT INTO app.more VALUES ('once') ON CONFLICT DO NOTHING";
    const {signal} = new AbortController();
    return database.runSql({sql, params: [], namespace: undefined, session, signal, idempotencyKey: key});
  };

  before(async () => {
    const idempotency = {keepMs: 90 * DAY_MS, keysPerUserMax: 10, keysMax: 10};
    const auth = {...TEST_OPTIONS.auth, idempotency};
    database = await openTestDatabase({clock, auth, grace: {days: 30, checkMs: 10}});
    await database.sql(`CREATE NAMESPACE app;
      CREATE USER TABLE app.notes (id INT PRIMARY KEY, body TEXT);
      CREATE USER TABLE app.more (id TEXT PRIMARY KEY);
      CREATE STREAM TABLE app.events (id INT) WITH (TTL_SECONDS = 31536000);
      CREATE SHARED TABLE app.board (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'public');
      CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user; CREATE USER 'bob' WITH PASSWORD 'correct horse' ROLE user`);
    const many = Array.from({length: 2500}, (_, i) => `(${i}, 'hot and cold')`).join();
    for (const user of ['ana', 'bob']) {
      const write = (sql: string) => database.sql(`EXECUTE AS USER '${user}' (${sql})`);
      await write(`INSERT INTO app.notes VALUES ${many}`);
      await flush(database, 'app.notes');
      await write("UPDATE app.notes SET body = 'again' WHERE id < 10");
      await write("INSERT INTO app.notes VALUES (-1, 'hot')");
      await write("INSERT INTO app.more VALUES ('a'), ('b')");
      await write('INSERT INTO app.events VALUES (1), (2)');
      await database.sql(`INSERT INTO app.board VALUES (${user.charCodeAt(0)})`);
    }
    await once('ana', 'used');
    await database.sql("DROP USER 'ana'");
    oldToken = tokenOf('ana');
  });
  after(() => database.stop());

  test('stays, with its rows, while its time of grace runs', async () => {
    clock.lateMs = 29 * DAY_MS;
    await new Promise(resolve => setTimeout(resolve, 50));
    assert.deepEqual(await accounts(), ['ana', 'bob', 'root']);
    assert.equal(await countOf('ana', 'notes'), '2501');
    await assert.rejects(database.sql("CREATE USER 'ana' WITH PASSWORD 'correct horse' ROLE user"), /already exists/);
  });

  test('goes after it, with its rows in memory and in segments, and those of nobody else', async () => {
    clock.lateMs = 31 * DAY_MS;
    await until(async () => (await accounts()).length === 2);
    assert.deepEqual(await accounts(), ['bob', 'root']);
    for (const [table, bobs] of [
      ['notes', '2501'],
      ['more', '2'],
      ['events', '2'],
    ] as const) {
      assert.equal(await countOf('ana', table), '0', table);
      assert.equal(await countOf('bob', table), bobs, table);
    }
    assert.equal(await value('SELECT count(*) FROM app.board'), '2');
    const jobs = "SELECT status, message, parameters FROM system.jobs WHERE job_type = 'user_cleanup'";
    await until(async () => (await database.sql(jobs)).rows[0]?.[0] === 'completed');
    const [[, message, parameters]] = (await database.sql(jobs)).rows as [[string, string, string]];
    assert.equal(message, "Removed user 'ana' and 2506 rows");
    assert.match(JSON.stringify(parameters), /user_id.*ana.*cascade.*true/);
    const audit = "SELECT actor_user_id, target, result FROM system.audit_log WHERE action = 'PURGE_USER'";
    assert.deepEqual((await database.sql(audit)).rows, [['system', 'ana', 'success']]);
  });

  test('leaves nothing behind when its tombstones are over', async () => {
    const scopes = "SELECT count(*) FROM system.manifest WHERE scope = 'ana'";
    assert.equal(await value(scopes), '1');
    await flush(database, 'app.notes');
    clock.lateMs += 8 * DAY_MS;
    await database.sql('STORAGE COMPACT TABLE app.notes');
    await until(async () => (await value(scopes)) === '0');
    assert.equal(database.auth.sessions.signIns.endedAt('ana'), undefined);
  });

  test('is not somebody else later: neither its rows nor its tokens come back, whether or not the server was restarted', async () => {
    await database.sql("CREATE USER 'ana' WITH PASSWORD 'battery staple' ROLE user");
    for (const restarts of [false, true]) {
      if (restarts) await database.restart();
      assert.deepEqual(await accounts(), ['ana', 'bob', 'root']);
      assert.equal(await countOf('ana', 'notes'), '0');
      await database.auth.users.giveRootPassword('R00t-pass!');
      const {sessions} = database.auth;
      assert.throws(() => sessions.authenticate(oldToken), {code: 'INVALID_CREDENTIALS'});
      assert.equal((await sessions.authenticate(tokenOf('ana')))?.userId, 'ana');
    }
    assert.equal((await once('ana', 'used'))[0]!.rowCount, 1, 'what the first ana was answered is not kept');
    assert.equal(await countOf('ana', 'more'), '1');
  });

  test('is still there if its rows could not be taken away', async () => {
    await database.sql("DROP USER 'bob'");
    const deletedAt = database.auth.sessions.accounts.record('bob')!.deleted_at!;
    const failing = database.auth.users.purge('bob', deletedAt, () => Promise.reject(new Error('the disk is full')));
    await assert.rejects(failing, /the disk is full/);
    assert.ok((await accounts()).includes('bob'));
    assert.equal(
      await database.auth.users.purge('bob', deletedAt + 1n, () => assert.fail()),
      false,
      'of another moment',
    );
  });
});

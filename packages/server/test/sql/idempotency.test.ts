/** A request with a key is run once, however often and whenever it comes: behind its own answer, beside itself, after a restart, after a crash. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {developmentSession} from '../../src/auth/sessions.ts';
import type {StatementResult} from '../../src/sql/define.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {SimDisk} from '../../src/std/sim-disk.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';

const TABLES = `
  CREATE NAMESPACE app;
  CREATE USER TABLE app.notes (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), text TEXT);
  CREATE SHARED TABLE app.stock (id INT PRIMARY KEY, n INT) WITH (ACCESS_LEVEL = 'public')`;

async function ask(database: TestDatabase, key: string | undefined, sql: string, user = 'ana', params: string[] = []) {
  return (await database.runSql({
    ...{sql, params, namespace: undefined, idempotencyKey: key},
    ...{session: developmentSession(user === 'root' ? undefined : user), signal: new AbortController().signal},
  })) as StatementResult[];
}

const INSERT = "INSERT INTO app.notes (text) VALUES ('once') RETURNING id, text";
const count = async (database: TestDatabase, user = 'ana') =>
  (await database.sql('SELECT COUNT(*) FROM app.notes', {user})).rows[0]![0];

describe('requests with a key', () => {
  let database: TestDatabase;
  let clockMs = 0;
  before(async () => {
    const clock = {...systemClock, nowMs: () => systemClock.nowMs() + clockMs};
    const idempotency = {keepMs: 3_600_000, keysPerUserMax: 20, keysMax: 30};
    database = await openTestDatabase({clock, auth: {...TEST_OPTIONS.auth, idempotency}});
    await database.sql(TABLES);
    await database.sql('INSERT INTO app.stock VALUES (1, 100)');
  });
  after(() => database.stop());

  test('the second time answers what the first time did, also after a restart', async () => {
    const first = await ask(database, 'k1', INSERT);
    assert.deepEqual(await ask(database, 'k1', INSERT), first);
    await database.restart();
    assert.deepEqual(await ask(database, 'k1', INSERT), first);
    assert.equal(await count(database), '1');
  });

  test('changes inside WITH are part of it', async () => {
    const sql =
      "WITH made AS (INSERT INTO app.notes (text) VALUES ('x'), ('y') RETURNING id) SELECT id FROM made ORDER BY id";
    const first = await ask(database, 'w1', sql, 'ida');
    assert.deepEqual(await ask(database, 'w1', sql, 'ida'), first);
    assert.equal(await count(database, 'ida'), '2');
  });

  test('a key is its user’s own', async () => {
    await ask(database, 'k1', INSERT, 'ben');
    assert.equal(await count(database, 'ben'), '1');
  });

  test('another request with the same key is refused, and so are other parameters', async () => {
    await assert.rejects(ask(database, 'k1', `${INSERT} `.replace('once', 'twice')), {code: 'IDEMPOTENCY_KEY_REUSED'});
    const sql = 'INSERT INTO app.notes (text) VALUES ($1)';
    await ask(database, 'k2', sql, 'cleo', ['a']);
    await assert.rejects(ask(database, 'k2', sql, 'cleo', ['b']), {code: 'IDEMPOTENCY_KEY_REUSED'});
    assert.equal(await count(database, 'cleo'), '1');
  });

  test('of many at the same time one runs, and the others are told to come again', async () => {
    const asked = Array.from({length: 8}, () => ask(database, 'k3', INSERT, 'dan'));
    const outcomes = await Promise.allSettled(asked);
    const codes = outcomes.map(outcome => (outcome.status === 'fulfilled' ? 'done' : outcome.reason.code));
    assert.deepEqual(new Set(codes), new Set(['done', 'IDEMPOTENCY_KEY_IN_USE']));
    assert.equal(await count(database, 'dan'), '1');
  });

  test('statements of a request with a key are one transaction: a failure leaves nothing, and with the same key it is run again', async () => {
    const sql = (id: number) => `UPDATE app.stock SET n = n - 1 WHERE id = 1; INSERT INTO app.stock VALUES (${id}, 0)`;
    await assert.rejects(ask(database, 'k4', sql(1), 'root'), /Statement 2 failed/);
    assert.deepEqual((await database.sql('SELECT n FROM app.stock WHERE id = 1')).rows, [[100]]);
    await database.sql('DELETE FROM app.stock WHERE id = 1');
    assert.equal((await ask(database, 'k4', sql(1), 'root')).length, 2);
    await ask(database, 'k4', sql(1), 'root');
    assert.deepEqual((await database.sql('SELECT id, n FROM app.stock')).rows, [[1, 0]]);
  });

  test('those that meet each other’s writes are tried again', async () => {
    await database.sql('INSERT INTO app.stock VALUES (7, 0)');
    const add = 'UPDATE app.stock SET n = n + 1 WHERE id = 7';
    const outcomes = await Promise.allSettled([1, 2].map(i => ask(database, `k5-${i}`, add, 'root')));
    assert.deepEqual(
      outcomes.map(({status}) => status),
      ['fulfilled', 'fulfilled'],
    );
    assert.deepEqual((await database.sql('SELECT n FROM app.stock WHERE id = 7')).rows, [[2]]);
  });

  const refused: [what: string, sql: string][] = [
    ['DDL', 'CREATE NAMESPACE other'],
    ['DDL behind a change', `${INSERT}; DROP NAMESPACE app CASCADE`],
    ['a transaction of its own', `BEGIN; ${INSERT}; COMMIT`],
  ];
  for (const [what, sql] of refused) {
    test(`refused with a key before anything runs: ${what}`, async () => {
      const before = await count(database);
      await assert.rejects(ask(database, 'k6', sql, 'root'), {code: 'NOT_SUPPORTED', message: /Idempotency-Key/});
      assert.equal(await count(database), before);
    });
  }

  test('an answer that is too long to be kept is refused, and nothing is changed', async () => {
    const sql = "INSERT INTO app.notes (text) VALUES (repeat('x', 9000)) RETURNING text";
    await assert.rejects(ask(database, 'k7', sql, 'eve'), {code: 'LIMIT_EXCEEDED', message: /at most/});
    assert.equal(await count(database, 'eve'), '0');
  });

  test('queries alone are not kept: they are asked anew', async () => {
    const sql = 'SELECT COUNT(*) FROM app.notes';
    await ask(database, 'k8', sql, 'fay');
    await database.sql("INSERT INTO app.notes (text) VALUES ('x')", {user: 'fay'});
    assert.deepEqual((await ask(database, 'k8', sql, 'fay'))[0]!.rows, ['["1"]']);
  });

  test('a user has as many keys as may be kept, then the server has; when they expire there is room, and what is old is run again', async () => {
    const fill = async (user: string) => {
      for (let i = 0; ; i++) await ask(database, `n${i}`, 'DELETE FROM app.notes WHERE id = 0', user);
    };
    await assert.rejects(fill('gus'), {code: 'RATE_LIMIT_EXCEEDED', message: /The user .* 20/});
    await assert.rejects(fill('hal'), {code: 'RATE_LIMIT_EXCEEDED', message: /The server .* 30/});
    clockMs = 3_600_001;
    await database.auth.idempotency.removeExpired(new AbortController().signal);
    await ask(database, 'k1', INSERT);
    assert.equal(await count(database), '2');
    await database.restart();
    await ask(database, 'k1', INSERT);
    assert.equal(await count(database), '2');
  });
});

test('wherever a crash comes, the request that is sent again is done once', async () => {
  let undone = 0;
  let done = 0;
  for (let operations = 0; operations < 12; operations++) {
    for (const kind of ['power', 'kill'] as const) {
      const disk = new SimDisk();
      const open = () => openTestDatabase({disk: disk.mount(), directory: '/data', isLocked: false, durability: 'D2'});
      let database = await open();
      await database.sql(TABLES);
      disk.failAfter(operations);
      const answered = await ask(database, 'k', INSERT).catch(() => undefined);
      const random = seededRandom(operations);
      if (kind === 'power') disk.crash(random);
      else disk.kill();
      await database.close().catch(() => undefined);
      database = await open();
      const found = await count(database);
      assert.ok(found === '1' || answered === undefined, 'what was answered is there');
      if (found === '1') done++;
      else undone++;
      const again = await ask(database, 'k', INSERT);
      if (answered !== undefined) assert.deepEqual(again, answered);
      assert.equal(await count(database), '1');
      await database.close();
    }
  }
  assert.ok(done > 2 && undone > 2, `${done} were there after the crash, ${undone} were not`);
});

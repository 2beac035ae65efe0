/**
 * Many writers at once, seeded: transfers keep the sum, counters by upsert are exact, and nobody ever sees half of a transaction, beside flushes.
 *
 *     KALAMDB_RACE_SEED=7 node scripts/test.ts packages/server/test/e2e/write-races.test.ts
 */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

const SEED = Number(process.env['KALAMDB_RACE_SEED'] ?? 20_261_126);
const CLIENTS = 12;
const ACCOUNTS = 8;
const EACH = 100;
const TRANSFERS = 25;

let database: TestDatabase;

describe(`write races, seed ${SEED}`, () => {
  beforeEach(async () => {
    database = await openTestDatabase();
    await database.sql('CREATE NAMESPACE app');
  });
  afterEach(() => database.stop());

  test('transfers between rows keep the sum, and every reader sees it', async () => {
    // Accounts lie in two tables, so that a transfer touches two places.
    for (const table of ['app.a', 'app.b']) {
      await database.sql(`CREATE SHARED TABLE ${table} (id INT PRIMARY KEY, v INT)`);
      await database.sql(`INSERT INTO ${table} SELECT g.n, ${EACH} FROM generate_series(1, ${ACCOUNTS}) AS g(n)`);
    }
    await database.sql('CREATE SHARED TABLE app.log (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), amount INT)');
    let [done, refused, isOver] = [0, 0, false];
    const client = async (number: number) => {
      const random = seededRandom(SEED + number);
      const below = (limit: number) => Math.floor(random() * limit);
      const account = () => `${below(2) === 0 ? 'app.a' : 'app.b'} SET v = v`;
      for (let i = 0; i < TRANSFERS; i++) {
        const amount = 1 + below(20);
        const sql = `BEGIN; UPDATE ${account()} - ${amount} WHERE id = ${1 + below(ACCOUNTS)};
          ${below(3) === 0 ? 'SAVEPOINT s; DELETE FROM app.a WHERE id > 0; ROLLBACK TO s;' : ''}
          UPDATE ${account()} + ${amount} WHERE id = ${1 + below(ACCOUNTS)};
          INSERT INTO app.log (amount) VALUES (${amount}); ${below(10) === 0 ? 'ROLLBACK' : 'COMMIT'}`;
        try {
          await database.sql(sql);
          if (sql.endsWith('COMMIT')) done++;
        } catch (error) {
          assert.ok(error instanceof DbError && error.code === 'WRITE_CONFLICT', String(error));
          refused++;
        }
      }
    };
    const reader = async () => {
      const total = 'SELECT (SELECT sum(v) FROM app.a) + (SELECT sum(v) FROM app.b)';
      while (!isOver) {
        assert.deepEqual((await database.sql(total)).rows, [[String(2 * ACCOUNTS * EACH)]]);
        // It waits for nothing itself, so others would never get their turn.
        await new Promise<void>(resolve => setImmediate(resolve));
      }
    };
    const flusher = async () => {
      while (!isOver) for (const table of ['app.a', 'app.b', 'app.log']) await flush(database, table);
    };
    const beside = [reader(), flusher()];
    await Promise.all(Array.from({length: CLIENTS}, (_, number) => client(number)));
    isOver = true;
    await Promise.all(beside);
    assert.ok(done > 0 && refused > 0, `${done} were done and ${refused} refused: nothing raced`);
    assert.deepEqual((await database.sql('SELECT count(*) FROM app.log')).rows, [[String(done)]], 'each is whole');
    await database.restart();
    const after = 'SELECT (SELECT sum(v) FROM app.a) + (SELECT sum(v) FROM app.b), (SELECT count(*) FROM app.log)';
    assert.deepEqual((await database.sql(after)).rows, [[String(2 * ACCOUNTS * EACH), String(done)]]);
  });

  test('counters by upsert count every hit, over hot and flushed rows', async () => {
    await database.sql('CREATE SHARED TABLE app.hits (id INT PRIMARY KEY, n INT, first TEXT)');
    const expected = new Map<number, number>();
    let [answered, isOver] = [0, false];
    const client = async (number: number) => {
      const random = seededRandom(SEED * 3 + number);
      for (let i = 0; i < TRANSFERS; i++) {
        const ids = new Set([1, 2].map(() => 1 + Math.floor(random() * ACCOUNTS)));
        const values = [...ids].map(id => `(${id}, 1, 'client ${number}')`).join();
        const sql = `INSERT INTO app.hits VALUES ${values} ON CONFLICT (id) DO UPDATE SET n = hits.n + excluded.n RETURNING id, n`;
        const {rows} = await database.sql(sql);
        assert.equal(rows.length, ids.size);
        answered += rows.length;
        for (const id of ids) expected.set(id, (expected.get(id) ?? 0) + 1);
      }
    };
    const flusher = async () => {
      while (!isOver) await flush(database, 'app.hits');
    };
    const flushing = flusher();
    await Promise.all(Array.from({length: CLIENTS}, (_, number) => client(number)));
    isOver = true;
    await flushing;
    const found = (await database.sql('SELECT id, n FROM app.hits')).rows;
    assert.deepEqual(new Map(found.map(([id, n]) => [id, n])), new Map([...expected].sort(([a], [b]) => a - b)));
    assert.ok(answered > CLIENTS * TRANSFERS);
  });

  test('rows that many move from one table to another by WITH are moved once, over hot and flushed rows', async () => {
    const rows = 60;
    await database.sql('CREATE SHARED TABLE app.queue (id INT PRIMARY KEY)');
    await database.sql('CREATE SHARED TABLE app.done (id INT PRIMARY KEY, worker INT)');
    await database.sql(`INSERT INTO app.queue SELECT g.n FROM generate_series(1, ${rows}) AS g(n)`);
    const first = 'SELECT id FROM app.queue ORDER BY id LIMIT 2';
    let moved = 0;
    const worker = async (number: number) => {
      for (let i = 0; i < 8; i++) {
        const gone = `WITH gone AS (DELETE FROM app.queue WHERE id IN (${first}) RETURNING id)`;
        try {
          const {rowCount} = await database.sql(`${gone} INSERT INTO app.done SELECT id, ${number} FROM gone`);
          moved += rowCount;
        } catch (error) {
          assert.ok(error instanceof DbError && error.code === 'WRITE_CONFLICT', String(error));
        }
      }
    };
    const flusher = async () => {
      for (let i = 0; i < 4; i++) await flush(database, 'app.queue');
    };
    await Promise.all([worker(1), worker(2), worker(3), worker(4), flusher()]);
    const counts = `SELECT (SELECT count(*) FROM app.done), (SELECT count(*) FROM app.queue),
      (SELECT count(*) FROM app.queue q JOIN app.done d ON d.id = q.id)`;
    const expected = [[String(moved), String(rows - moved), '0']];
    assert.ok(moved > 0);
    assert.deepEqual((await database.sql(counts)).rows, expected);
    await database.restart();
    assert.deepEqual((await database.sql(counts)).rows, expected);
  });

  test('of many who insert one key without waiting for each other exactly one does', async () => {
    await database.sql('CREATE SHARED TABLE app.one (id INT PRIMARY KEY, v INT)');
    for (let round = 0; round < 10; round++) {
      const attempts = Array.from({length: CLIENTS}, (_, i) =>
        i % 2 === 0
          ? `BEGIN; INSERT INTO app.one VALUES (${round}, ${i}); COMMIT; SELECT 1`
          : `INSERT INTO app.one VALUES (${round}, ${i}) ON CONFLICT DO NOTHING RETURNING v`,
      );
      const answers = await Promise.allSettled(attempts.map(sql => database.sql(sql)));
      const won = answers.flatMap((answer, i) =>
        answer.status === 'fulfilled' && answer.value.rows.length === 1 ? [i] : [],
      );
      assert.equal(won.length, 1, `${won.length} of them inserted the key`);
      assert.deepEqual((await database.sql(`SELECT v FROM app.one WHERE id = ${round}`)).rows, [[won[0]]]);
    }
  });
});

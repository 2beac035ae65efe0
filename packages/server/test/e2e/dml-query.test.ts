/**
 * Writes that ask first: INSERT … SELECT, UPDATE and DELETE with queries, beside others that write the same rows between the query and the write.
 */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Duck, type DuckOptions, openDuck} from '../../src/duck/duck.ts';
import {flush, openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';

const RAISE = 'UPDATE app.t SET v = v + (SELECT 10) WHERE id IN (SELECT 1 UNION SELECT 2)';
const REMOVE = 'DELETE FROM app.t WHERE v < (SELECT 100) AND id = 1';

/** By the executor that gives others their turn. */
const ASKED = {executor: 'analytic'} as const;

let database: TestDatabase;
/** What happens when a query has its answer, and its statement does not know it yet. */
let between: ((queryCount: number) => Promise<unknown>) | undefined;
let queryCount = 0;

function watchedDuck(options: DuckOptions): Duck {
  const duck = openDuck(options);
  return {
    async query(request, signal) {
      const answer = await duck.query(request, signal);
      await between?.(++queryCount);
      return answer;
    },
    stats: () => duck.stats(),
    close: () => duck.close(),
  };
}

describe('a write that asks first', () => {
  beforeEach(async () => {
    between = undefined;
    queryCount = 0;
    database = await openTestDatabase({analytic: {...TEST_OPTIONS.analytic, maxChildren: 4, openDuck: watchedDuck}});
    await database.sql('CREATE NAMESPACE app');
    await database.sql('CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v INT)');
    await database.sql('INSERT INTO app.t VALUES (1, 1), (2, 2), (3, 3)');
  });
  afterEach(() => database.stop());

  async function rows(): Promise<unknown> {
    return (await database.sql('SELECT id, v FROM app.t')).rows;
  }

  const meanwhile: [what: string, sql: string, written: string, count: number, found: number[][], queries: number][] = [
    [
      'nothing',
      RAISE,
      'SELECT 1',
      2,
      [
        [1, 11],
        [2, 12],
        [3, 3],
      ],
      1,
    ],
    [
      'a write of another row',
      RAISE,
      'UPDATE app.t SET v = 5 WHERE id = 3',
      2,
      [
        [1, 11],
        [2, 12],
        [3, 5],
      ],
      1,
    ],
    [
      'a write of a row',
      RAISE,
      'UPDATE app.t SET v = 5 WHERE id = 1',
      2,
      [
        [1, 15],
        [2, 12],
        [3, 3],
      ],
      2,
    ],
    [
      'the end of a row',
      RAISE,
      'DELETE FROM app.t WHERE id = 1',
      1,
      [
        [2, 12],
        [3, 3],
      ],
      1,
    ],
    [
      'a write after which WHERE holds no more',
      REMOVE,
      'UPDATE app.t SET v = 500 WHERE id = 1',
      0,
      [
        [1, 500],
        [2, 2],
        [3, 3],
      ],
      2,
    ],
    [
      'a write after which WHERE still holds',
      REMOVE,
      'UPDATE app.t SET v = 50 WHERE id = 1',
      1,
      [
        [2, 2],
        [3, 3],
      ],
      2,
    ],
    [
      'a row that goes and comes back',
      REMOVE,
      'DELETE FROM app.t WHERE id = 1; INSERT INTO app.t VALUES (1, 700)',
      0,
      [
        [1, 700],
        [2, 2],
        [3, 3],
      ],
      2,
    ],
  ];

  for (const [what, sql, written, count, found, queries] of meanwhile) {
    test(`between query and write comes ${what}`, async () => {
      for (const isFlushed of [false, true]) {
        if (isFlushed) {
          await database.sql('DELETE FROM app.t WHERE id > 0');
          await database.sql('INSERT INTO app.t VALUES (1, 1), (2, 2), (3, 3)');
          await flush(database, 'app.t');
        }
        queryCount = 0;
        between = number => (number === 1 ? database.sql(written, {executor: 'direct'}) : Promise.resolve());
        assert.equal((await database.sql(sql, ASKED)).rowCount, count);
        between = undefined;
        assert.deepEqual(await rows(), found);
        assert.equal(queryCount, queries);
      }
    });
  }

  test('a flush in between moves rows and changes none', async () => {
    between = () => flush(database, 'app.t');
    assert.equal((await database.sql(RAISE)).rowCount, 2);
    assert.equal(queryCount, 1);
    between = undefined;
    assert.deepEqual(await rows(), [
      [1, 11],
      [2, 12],
      [3, 3],
    ]);
  });

  test('rows that change each time are a conflict in the end, and nothing is written', async () => {
    between = number => database.sql(`UPDATE app.t SET v = ${number} WHERE id = 2`);
    await assert.rejects(
      database.sql(RAISE),
      (error: unknown) => error instanceof DbError && error.code === 'WRITE_CONFLICT',
    );
    assert.deepEqual(await rows(), [
      [1, 1],
      [2, queryCount],
      [3, 3],
    ]);
  });

  test('a table that is dropped in between and made again is not written', async () => {
    for (const sql of [RAISE, REMOVE, 'INSERT INTO app.t SELECT id + 10, v FROM app.t']) {
      between = async number => {
        if (number > 1) return;
        await database.sql('DROP TABLE app.t');
        await database.sql('CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v INT)');
        await database.sql('INSERT INTO app.t VALUES (1, 1), (2, 2), (3, 3)');
      };
      queryCount = 0;
      await assert.rejects(database.sql(sql, ASKED), {message: /dropped while the statement ran/});
      between = undefined;
      assert.deepEqual(await rows(), [
        [1, 1],
        [2, 2],
        [3, 3],
      ]);
    }
  });

  test('a key that an INSERT … SELECT finds free is taken when it writes: nothing of it is there', async () => {
    between = number => (number === 1 ? database.sql('INSERT INTO app.t VALUES (12, 0)') : Promise.resolve());
    await assert.rejects(database.sql('INSERT INTO app.t SELECT id + 10, v FROM app.t', ASKED), {
      message: /already exists/,
    });
    assert.deepEqual(await rows(), [
      [1, 1],
      [2, 2],
      [3, 3],
      [12, 0],
    ]);
  });

  test('counts by many at once are all counted, or refused', async () => {
    const raise = () => database.sql('UPDATE app.t SET v = v + (SELECT 1) WHERE id IN (SELECT 1)');
    const answers = await Promise.allSettled(Array.from({length: 12}, raise));
    const done = answers.filter(answer => answer.status === 'fulfilled').length;
    for (const answer of answers)
      if (answer.status === 'rejected') assert.equal((answer.reason as DbError).code, 'WRITE_CONFLICT');
    assert.ok(done > 0);
    assert.deepEqual((await database.sql('SELECT v FROM app.t WHERE id = 1')).rows, [[1 + done]]);
  });

  const HEAD = "SELECT id FROM app.queue WHERE state = 'new' ORDER BY id LIMIT 1";
  const takes: [how: string, sql: string][] = [
    ['UPDATE', `UPDATE app.queue SET state = 'taken' WHERE id = (${HEAD}) AND state = 'new' RETURNING id`],
    [
      'UPDATE … FROM',
      `UPDATE app.queue AS q SET state = 'taken' FROM (${HEAD}) AS head WHERE q.id = head.id AND q.state = 'new' RETURNING q.id`,
    ],
    [
      'WITH',
      `WITH head AS (${HEAD}), taken AS (UPDATE app.queue AS q SET state = 'taken' FROM head WHERE q.id = head.id RETURNING q.id)
       INSERT INTO app.done (id) SELECT id FROM taken RETURNING id`,
    ],
  ];

  for (const [how, sql] of takes) {
    test(`many who take the head of one queue by ${how} each get another, and no conflict`, async () => {
      await database.sql('CREATE SHARED TABLE app.queue (id INT PRIMARY KEY, state TEXT)');
      await database.sql('CREATE SHARED TABLE app.done (id INT PRIMARY KEY)');
      await database.sql("INSERT INTO app.queue SELECT n, 'new' FROM generate_series(1, 40) AS s(n)");
      const taken = await Promise.all(Array.from({length: 40}, async () => (await database.sql(sql)).rows[0]?.[0]));
      assert.deepEqual(
        taken.toSorted((a, b) => Number(a) - Number(b)),
        Array.from({length: 40}, (_, i) => i + 1),
      );
    });
  }

  test('those who write two tables in one order and in the other do not wait for each other for ever', async () => {
    await database.sql('INSERT INTO app.t VALUES (10, 0)');
    await database.sql('CREATE SHARED TABLE app.b (id INT PRIMARY KEY, v INT)');
    await database.sql('INSERT INTO app.b VALUES (10, 0)');
    const raise = (first: string, second: string) =>
      database.sql(
        `WITH one AS (UPDATE app.${first} SET v = v + 1 WHERE id = 10 RETURNING v) UPDATE app.${second} SET v = v + 1 WHERE id = 10`,
      );
    await Promise.all(Array.from({length: 20}, (_, i) => (i % 2 === 0 ? raise('t', 'b') : raise('b', 't'))));
    for (const table of ['t', 'b'])
      assert.deepEqual((await database.sql(`SELECT v FROM app.${table} WHERE id = 10`)).rows, [[20]]);
  });

  test('the queries of a write see what the session may see', async () => {
    await database.sql('CREATE USER TABLE app.own (id INT PRIMARY KEY, owner TEXT)');
    await database.sql('CREATE USER TABLE app.copy (id INT PRIMARY KEY, owner TEXT)');
    for (const user of ['ana', 'ben']) {
      await database.sql(`INSERT INTO app.own VALUES (1, '${user}')`, {user});
      await database.sql('INSERT INTO app.copy SELECT id, owner FROM app.own', {user});
    }
    await flush(database, 'app.own');
    for (const user of ['ana', 'ben']) {
      assert.deepEqual((await database.sql('SELECT owner FROM app.copy', {user})).rows, [[user]]);
      const sql = "UPDATE app.copy SET owner = (SELECT string_agg(owner, ',') FROM app.own) || '!' WHERE id > 0";
      await database.sql(sql, {user});
      assert.deepEqual((await database.sql('SELECT owner FROM app.copy', {user})).rows, [[`${user}!`]]);
      await database.sql('DELETE FROM app.copy WHERE id IN (SELECT id FROM app.own)', {user});
    }
    assert.deepEqual((await database.sql('SELECT owner FROM app.own', {user: 'ana'})).rows, [['ana']]);
  });
});

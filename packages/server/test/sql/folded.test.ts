/** Queries with queries in their expressions: which of them need no DuckDB, and that they answer what it answers. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {flush, openTestDatabase, type SqlOptions, type TestDatabase} from '../test-database.ts';

const FOLDED = [
  'SELECT v FROM w.t WHERE id = (SELECT max(t) FROM w.u)',
  'SELECT v FROM w.t WHERE id = (SELECT t FROM w.u WHERE id = 99)',
  'SELECT id FROM w.t WHERE id IN (SELECT t FROM w.u) ORDER BY id',
  'SELECT id FROM w.t WHERE id IN (SELECT t FROM w.u WHERE id > 99)',
  'SELECT id FROM w.t WHERE id NOT IN (SELECT t FROM w.u WHERE id > 99)',
  'SELECT id FROM w.t WHERE id NOT IN (SELECT t FROM w.u WHERE id < 3)',
  'SELECT id FROM w.t WHERE id NOT IN (SELECT t FROM w.u)',
  'SELECT id FROM w.t WHERE EXISTS (SELECT 1 FROM w.u WHERE id = 2) AND id > 3',
  'SELECT id FROM w.t WHERE NOT EXISTS (SELECT * FROM w.u WHERE id = 2)',
  'SELECT id, (SELECT count(*) FROM w.u), (SELECT name FROM w.u WHERE id = 1) AS first FROM w.t',
  'SELECT (SELECT 1), EXISTS (SELECT 1 FROM w.u)',
  'SELECT s, count(*) FROM w.t GROUP BY s HAVING count(*) >= (SELECT 2) ORDER BY s',
  'SELECT DISTINCT s FROM w.t WHERE v > (SELECT avg(v) FROM w.t) ORDER BY s',
  'SELECT id FROM w.t WHERE v > (SELECT v FROM w.t WHERE id = 2) AND s IN (SELECT name FROM w.u)',
  'SELECT id FROM w.t WHERE d = (SELECT max(d) FROM w.t) OR m = (SELECT min(m) FROM w.t) OR j ->> $$a$$ = (SELECT $$3$$)',
  'SELECT id FROM w.t WHERE (SELECT id FROM w.u WHERE id = 1) IN (SELECT id FROM w.u)',
  'SELECT id FROM w.t WHERE (id IN (SELECT t FROM w.u)) IN (SELECT id = 1 FROM w.u)',
  'SELECT max(id) IN (SELECT t FROM w.u WHERE id > 99), max(id) NOT IN (SELECT t FROM w.u WHERE id > 99) FROM w.t',
  'SELECT id IN (SELECT t FROM w.u WHERE id > 99), v NOT IN (SELECT t FROM w.u WHERE id > 99) FROM w.t',
  'SELECT CAST((SELECT name FROM w.u WHERE id = 1) AS TEXT), (SELECT t FROM w.u WHERE id = 1)::BIGINT::TEXT FROM w.t',
  'SELECT id FROM w.cents WHERE n IN (SELECT m FROM w.cents)',
  'SELECT id FROM w.cents WHERE m NOT IN (SELECT n FROM w.cents)',
  'SELECT id FROM w.cents WHERE id IN (SELECT b FROM w.cents) AND b IN (SELECT id FROM w.cents)',
  'SELECT x.id FROM w.t AS x WHERE x.id = (SELECT y.t FROM w.u AS y ORDER BY y.id LIMIT 1)',
  "SELECT id FROM w.own WHERE id = (SELECT id FROM w.own WHERE s = 'a')",
  'SELECT id FROM w.t WHERE v = (SELECT $1) OR id IN (SELECT t FROM w.u WHERE id = $1)',
].map(sql => sql.replace(/\$\$(\w)\$\$/g, "'$1'"));

const WIDE = [
  'SELECT id FROM w.t WHERE EXISTS (SELECT 1 FROM w.u WHERE w.u.t = w.t.id)',
  'SELECT id, (SELECT name FROM w.u WHERE t = v / 10) FROM w.t',
  'SELECT id FROM w.t WHERE id = (SELECT max(t) FROM w.shown)',
  'SELECT id FROM w.t WHERE (id, v) IN (SELECT id, v FROM w.t)',
  'SELECT id FROM w.t WHERE id > ANY (SELECT t FROM w.u)',
  'SELECT id FROM w.t WHERE id IN (SELECT t FROM w.u UNION SELECT 4)',
  'SELECT id FROM w.t ORDER BY (SELECT 1), id',
  'SELECT id FROM w.t WHERE id IN (SELECT id FROM w.many)',
];

const REFUSED = [
  'SELECT id FROM w.t WHERE id = (SELECT t FROM w.u)',
  'SELECT id FROM w.t WHERE id = (SELECT id, t FROM w.u WHERE id = 1)',
  'SELECT id FROM w.t WHERE id IN (SELECT id, t FROM w.u)',
  'SELECT id FROM w.t WHERE id = (SELECT name FROM w.u WHERE id = 1)',
  'SELECT id FROM w.t WHERE id = (SELECT nothing FROM w.u)',
  'SELECT id FROM w.t WHERE nothing IN (SELECT t FROM w.u WHERE id > 99)',
  'SELECT id FROM w.t WHERE s NOT IN (SELECT id FROM w.u WHERE id > 99)',
  'SELECT s, v IN (SELECT t FROM w.u WHERE id > 99) FROM w.t GROUP BY s',
  'INSERT INTO w.t (id, v) SELECT id + 100, $2 FROM w.u WHERE id < $1',
  "UPDATE w.t SET d = 'a' WHERE id IN (SELECT t FROM w.u WHERE id > 99)",
  'INSERT INTO w.t (id) VALUES (50) RETURNING nothing IN (SELECT t FROM w.u WHERE id > 99)',
  'SELECT id FROM w.t WHERE id = (SELECT 1 FROM w.nothing)',
  'SELECT id FROM w.t WHERE id = (SELECT 1 / (id - id) FROM w.u WHERE id = 1)',
  'SELECT 1 / (v - v) FROM w.t WHERE id = (SELECT 1)',
];

const CHANGES = [
  "UPDATE w.t SET s = 'taken' WHERE id = (SELECT id FROM w.t WHERE s = 'a' ORDER BY id LIMIT 1) RETURNING id",
  'UPDATE w.t SET v = v + (SELECT count(*) FROM w.u) WHERE id IN (SELECT t FROM w.u) RETURNING id, v',
  'UPDATE w.t SET v = (SELECT max(id) FROM w.u), s = (SELECT name FROM w.u WHERE id = 2) WHERE id = 1 RETURNING v, s',
  'DELETE FROM w.t WHERE v < (SELECT 30) RETURNING id',
  'INSERT INTO w.t (id, v, s) SELECT id + 100, id, name FROM w.u RETURNING id, v, s',
  'INSERT INTO w.t (id, v, s) SELECT id + 100, v, v FROM w.t RETURNING id, v, s',
  'INSERT INTO w.t (id, v, s) SELECT id + 100, $1, $2 FROM w.u RETURNING id, v, s',
  'INSERT INTO w.t (id, v) SELECT id + 100, (SELECT count(*) FROM w.u) FROM w.u WHERE t = 4 RETURNING id, v',
];

describe('a query with queries in its expressions', () => {
  let database: TestDatabase;

  before(async () => {
    database = await openTestDatabase();
    for (const sql of [
      'CREATE NAMESPACE w',
      'CREATE SHARED TABLE w.t (id INT PRIMARY KEY, v BIGINT, s TEXT, d DECIMAL(10, 2), m TIMESTAMP, j JSON)',
      'CREATE SHARED TABLE w.u (id INT PRIMARY KEY, t INT, name TEXT)',
      'CREATE USER TABLE w.own (id INT PRIMARY KEY, s TEXT)',
      'CREATE SHARED TABLE w.many (id INT PRIMARY KEY)',
      'CREATE SHARED TABLE w.cents (id INT PRIMARY KEY, b BIGINT, n DECIMAL(10, 2), m DECIMAL(38, 10))',
      'CREATE VIEW w.shown AS SELECT t FROM w.u',
      'INSERT INTO w.many SELECT n FROM generate_series(1, 1001) AS s(n)',
      'INSERT INTO w.cents SELECT k, k * 2, k + 0.25, k + 0.2501 FROM generate_series(1, 12) AS s(k)',
      'INSERT INTO w.cents VALUES (13, 30, 0.10, 1.25)',
      "INSERT INTO w.own VALUES (1, 'a'), (2, 'b')",
    ])
      await database.sql(sql);
  });
  after(() => database.stop());

  async function fill(isFlushed: boolean): Promise<void> {
    await database.sql('DELETE FROM w.t WHERE TRUE; DELETE FROM w.u WHERE TRUE');
    await database.sql(
      `INSERT INTO w.t VALUES (1, 10, 'a', 1.50, '2026-01-01', '{"a": 1}'), (2, 20, 'b', 2.25, '2026-01-02', '{"a": 2}'),
        (3, 30, 'a', 9.99, NULL, '{"a": "3"}'), (4, 40, NULL, NULL, '2025-12-31 23:59:59.999999', NULL)`,
    );
    await database.sql(`INSERT INTO w.u VALUES (1, 1, 'a'), (2, 4, 'b'), (3, NULL, NULL)`);
    if (!isFlushed) return;
    await flush(database, 'w.t');
    await flush(database, 'w.u');
    await database.sql('UPDATE w.u SET t = 3 WHERE id = 1');
  }

  const queries = () => Number(database.measures().stats['analytic_queries']);

  /** The answer, or the error, and how many queries DuckDB ran for it. */
  async function ask(sql: string, options: SqlOptions = {}): Promise<{said: unknown; asked: number}> {
    const before = queries();
    const params = [{number: '2'}, {number: '1.5'}].filter((_, i) => sql.includes(`$${i + 1}`));
    const said = await database.sql(sql, {...options, params}).then(
      ({schema, json}) => ({schema, json}),
      (error: unknown) => {
        assert.ok(error instanceof DbError);
        return `${error.code} ${error.message}`;
      },
    );
    return {said, asked: queries() - before};
  }

  for (const isFlushed of [false, true]) {
    const where = isFlushed ? 'flushed' : 'in memory';
    for (const sql of FOLDED) {
      test(`is answered without DuckDB, and alike, ${where}: ${sql}`, async () => {
        await fill(isFlushed);
        const wide = await ask(sql, {executor: 'analytic'});
        for (let run = 0; run < 2; run++) assert.deepEqual(await ask(sql), {said: wide.said, asked: 0});
        assert.equal(wide.asked, 1);
      });
    }

    for (const sql of WIDE) {
      test(`is left to DuckDB, ${where}: ${sql}`, async () => {
        await fill(isFlushed);
        const wide = await ask(sql, {executor: 'analytic'});
        for (let run = 0; run < 2; run++) assert.deepEqual(await ask(sql), {said: wide.said, asked: 1});
      });
    }

    for (const sql of REFUSED) {
      test(`is refused alike, ${where}: ${sql}`, async () => {
        await fill(isFlushed);
        const {said} = await ask(sql, {executor: 'analytic'});
        assert.equal(typeof said, 'string');
        for (let run = 0; run < 2; run++) assert.deepEqual((await ask(sql)).said, said);
      });
    }

    for (const sql of CHANGES) {
      test(`decides what to write without DuckDB, and alike, ${where}: ${sql}`, async () => {
        const answers: unknown[] = [];
        for (const executor of ['analytic', 'direct'] as const) {
          await fill(isFlushed);
          const {said, asked} = await ask(sql, {executor});
          assert.equal(asked, executor === 'analytic' ? 1 : 0);
          answers.push([said, (await database.sql('SELECT id, v, s FROM w.t ORDER BY id')).rows]);
        }
        assert.deepEqual(answers[1], answers[0]);
      });
    }
  }

  test('EXPLAIN tells of the queries that are answered first, and which keys they lead to', async () => {
    await fill(true);
    const {rows} = await database.sql('EXPLAIN SELECT v FROM w.t WHERE id = (SELECT max(t) FROM w.u)');
    const text = rows.map(row => row[1]).join('\n');
    assert.match(text, /answered first: query 1\n[\s\S]*TableScan: w\.u/);
    assert.match(text, /executor: direct\naccess: point/);
    assert.doesNotMatch(text, /DuckDB/);
    const analyzed = await database.sql('EXPLAIN ANALYZE SELECT v FROM w.t WHERE id IN (SELECT t FROM w.u)');
    assert.match(String(analyzed.rows.at(-1)![1]), /rows read: 2\n.*rows kept by WHERE: 2\n/);
  });

  test('reads all of its tables at one moment', async () => {
    await fill(false);
    const sum = 'SELECT (SELECT sum(v) FROM w.t WHERE id = 1), (SELECT sum(v) FROM w.t WHERE id = 2)';
    let isOver = false;
    const writer = (async () => {
      for (let i = 0; i < 200; i++) await database.sql('UPDATE w.t SET v = v + 1 WHERE id IN (1, 2)');
      isOver = true;
    })();
    let seen = 0;
    for (; !isOver && seen < 10_000; seen++) {
      const [row] = (await database.sql(sum)).rows;
      assert.equal(Number(row![1]) - Number(row![0]), 10);
      // Such a query waits for nothing, and would let the writer wait for ever.
      await new Promise<void>(resolve => setImmediate(resolve));
    }
    await writer;
    assert.ok(seen > 10);
  });
});

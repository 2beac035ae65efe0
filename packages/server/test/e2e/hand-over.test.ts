/**
 * Hand-over: which queries leave the direct executor, and that nobody can tell from the answers; what stands in the way of DuckDB (values that
 * only our own code computes, folders whose names mean something to it) makes no difference either.
 */
import assert from 'node:assert/strict';
import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type DuckOptions, openDuck} from '../../src/duck/duck.ts';
import type {Param} from '../../src/expr/expr.ts';
import {flush, openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';

const HAND_OVER_ROWS = 10;
/** More than DuckDB gives to a program at once. */
const MANY_ROWS = 2500;

let database: TestDatabase;
let handedOver = 0;

function countedDuck(options: DuckOptions) {
  const duck = openDuck(options);
  const query: typeof duck.query = (request, signal) => {
    handedOver++;
    return duck.query(request, signal);
  };
  return {query, stats: () => duck.stats(), close: () => duck.close()};
}

before(async () => {
  const analytic = {...TEST_OPTIONS.analytic, handOverRows: HAND_OVER_ROWS, openDuck: countedDuck};
  database = await openTestDatabase({analytic});
  await database.sql('CREATE NAMESPACE app');
  for (const [name, segments, hot] of TABLES) {
    await database.sql(`CREATE SHARED TABLE app.${name} (id BIGINT PRIMARY KEY, n INT, v TEXT)`);
    for (const ids of segments) {
      await database.sql(`INSERT INTO app.${name} VALUES ${rowsOf(ids)}`);
      await flush(database, `app.${name}`);
    }
    if (hot.length > 0) await database.sql(`INSERT INTO app.${name} VALUES ${rowsOf(hot)}`);
  }
});
after(() => database.stop());

/** Ids of the rows of each segment, and of those in memory. */
const TABLES: [name: string, segments: number[][], hot: number[]][] = [
  ['few', [range(1, 5), range(11, 15)], range(21, 60)],
  ['more', [range(1, 5), range(11, 16)], range(21, 60)],
  ['hot', [], range(1, 60)],
];

function range(first: number, last: number): number[] {
  return Array.from({length: last - first + 1}, (_, i) => first + i);
}

function rowsOf(ids: readonly number[]): string {
  return ids.map(id => `(${id}, ${id % 7}, 'v${id % 3}')`).join(', ');
}

const scans: [why: string, sql: string, isHandedOver: boolean][] = [
  ['hot rows are no reason', 'SELECT count(*), sum(n) FROM app.hot', false],
  ['as many cold rows as the limit', 'SELECT count(*), sum(n) FROM app.few', false],
  ['one more', 'SELECT count(*), sum(n) FROM app.more', true],
  ['one more, to be sorted', 'SELECT id FROM app.more ORDER BY n, id', true],
  ['one more, to be grouped', 'SELECT n, count(*) FROM app.more GROUP BY n ORDER BY n', true],
  ['one more, each once', 'SELECT DISTINCT n FROM app.more ORDER BY n', true],
  ['a segment that is pruned does not count', 'SELECT count(*) FROM app.more WHERE id > 6', false],
  ['a point', 'SELECT v FROM app.more WHERE id = 3', false],
  ['points', 'SELECT v FROM app.more WHERE id IN (3, 12, 30)', false],
  ['nothing can match', 'SELECT count(*) FROM app.more WHERE id > 5 AND id < 3', false],
  ['a scan that can stop early is tried, and has enough', 'SELECT id FROM app.more LIMIT 3', false],
  ['… or gives up', 'SELECT id FROM app.more WHERE n = 2 LIMIT 9', true],
  ['… or finds nothing', "SELECT id FROM app.more WHERE v = 'v1x'", true],
];

for (const [why, sql, isHandedOver] of scans) {
  test(`which executor: ${why}`, async () => {
    handedOver = 0;
    const {json} = await database.sql(sql);
    assert.equal(handedOver > 0, isHandedOver);
    for (const executor of ['direct', 'analytic'] as const)
      assert.deepEqual((await database.sql(sql, {executor})).json, json, executor);
  });
}

test('EXPLAIN says so', async () => {
  const plan = async (table: string) => {
    const {rows} = await database.sql(`EXPLAIN SELECT count(*) FROM app.${table}`);
    return rows.flat().join('\n');
  };
  assert.match(await plan('more'), /many flushed rows/);
  assert.doesNotMatch(await plan('few'), /many flushed rows/);
});

test('values that only our own code computes: the same for each of many rows, hot or cold, with NULLs, parameters and failures', async () => {
  await database.sql('CREATE SHARED TABLE app.p (id BIGINT PRIMARY KEY, x DOUBLE, d DECIMAL(20, 4), j JSON, t TEXT)');
  const row = (id: number) =>
    id % 11 === 0
      ? `(${id}, NULL, NULL, NULL, NULL)`
      : `(${id}, ${id}e${(id % 40) - 20}, ${id}.${id % 10}, '{"a":{"b":[${id},"é${id}"]}}', 'Ünï ${id}')`;
  for (const [first, last] of [
    [1, 1200],
    [1201, MANY_ROWS],
  ] as const) {
    await database.sql(`INSERT INTO app.p VALUES ${range(first, last).map(row).join(', ')}`);
    if (first === 1) await flush(database, 'app.p');
  }
  await database.sql("UPDATE app.p SET t = 'changed', x = 0.1 WHERE id % 7 = 0");
  const queries: [sql: string, params?: Param[]][] = [
    ["SELECT id, x::TEXT, x || '', d / 3, j -> 'a' -> 'b', j -> 'a' ->> 'c', upper(t) FROM app.p ORDER BY id"],
    ["SELECT id, j -> $1 ->> 'b', t || $2 FROM app.p WHERE x::TEXT LIKE '%e%' ORDER BY id", ['a', '!']],
    ['SELECT t, sum(d / 7), max(x::TEXT) FROM app.p GROUP BY t ORDER BY t'],
    [
      'SELECT id, CASE WHEN id % 11 = 0 THEN 0 ELSE 1 / (id % 11) END, (d / (id % 11 + 1))::TEXT FROM app.p ORDER BY id',
    ],
    ['SELECT d / (id - 2000) FROM app.p ORDER BY id'],
    ["SELECT (t || '')::INT FROM app.p WHERE id = 5"],
  ];
  for (const [sql, params = []] of queries) {
    const [direct, analytic] = [await answer(sql, params, 'direct'), await answer(sql, params, 'analytic')];
    assert.deepEqual(analytic, direct, sql);
  }
});

/** The rows, or the error. */
async function answer(sql: string, params: Param[], executor: 'direct' | 'analytic'): Promise<unknown> {
  try {
    return (await database.sql(sql, {params, executor})).json;
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return `${error.code} ${error.message}`;
  }
}

const folders: [why: string, name: string][] = [
  ['a quote', "it's"],
  ['stars and question marks', 'a*b?c'],
  ['brackets', 'x[ab]{c,d}'],
  ['spaces, percent signs and letters of all kinds', 'ä ö%20 日本'],
  ['what looks like a column of a path', 'k=v'],
];

for (const [why, name] of folders) {
  test(`a data directory is a name and no pattern: ${why}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'kalamdb-paths-'));
    try {
      // What a pattern would find too.
      for (const other of ['axbyc', 'xa']) await mkdir(join(root, other));
      const directory = join(root, name);
      await mkdir(directory);
      const odd = await openTestDatabase({directory});
      try {
        await odd.sql('CREATE NAMESPACE app');
        await odd.sql('CREATE USER TABLE app.t (id BIGINT PRIMARY KEY, v TEXT)');
        for (const user of ['ana', 'a:b*', "o'neil", 'x[ab]']) {
          await odd.sql(`INSERT INTO app.t VALUES (1, 'one'), (2, $1)`, {user, params: [user]});
          await flush(odd, 'app.t');
          const {rows} = await odd.sql('SELECT v FROM app.t ORDER BY id', {user, executor: 'analytic'});
          assert.deepEqual(rows, [['one'], [user]]);
        }
      } finally {
        await odd.close();
      }
    } finally {
      await rm(root, {recursive: true, force: true});
    }
  });
}

/** Arrays as parameters: `= ANY ($1)` finds what IN of the same values finds, in both executors. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

describe('arrays as parameters', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase();
    await database.sql(`
      CREATE NAMESPACE app;
      CREATE SHARED TABLE app.t (id BIGINT PRIMARY KEY, name TEXT, price DECIMAL(6,2));
      INSERT INTO app.t VALUES (1, 'a', 1.50), (2, 'b"c', 2), (9007199254740993, NULL, 3)`);
  });
  after(() => database.stop());

  const cases: [why: string, condition: string, json: string, ids: string[]][] = [
    ['keys, nulls and repeats among them', 'id = ANY ($1)', '[2, null, 1, 2, 7]', ['1', '2']],
    ['all digits of a number count', 'id = ANY ($1)', '[9007199254740993, 9007199254740992]', ['9007199254740993']],
    ['numbers as texts', 'id = ANY ($1)', '["2"]', ['2']],
    ['texts', 'name = ANY ($1)', '["b\\"c", "x"]', ['2']],
    ['decimals', 'price = ANY ($1)', '[1.5, 3.00]', ['1', '9007199254740993']],
    ['nothing', 'id = ANY ($1)', '[]', []],
    ['all of nothing', 'id <> ALL ($1)', '[]', ['1', '2', '9007199254740993']],
    ['none of them', 'id <> ALL ($1)', '[1, 2]', ['9007199254740993']],
    ['a null may be any value', 'id <> ALL ($1)', '[1, null]', []],
  ];
  for (const [why, condition, json, ids] of cases) {
    for (const executor of ['direct', 'analytic'] as const) {
      test(`${why}, ${executor}: ${condition} with ${json}`, async () => {
        const sql = `SELECT id FROM app.t WHERE ${condition} ORDER BY id`;
        const {rows} = await database.sql(sql, {params: [{json}], executor});
        assert.deepEqual(rows.flat(), ids);
      });
    }
  }

  const texts: [why: string, condition: string, text: string, ids: string[]][] = [
    ['braces', 'id = ANY ($1)', '{2,NULL,7}', ['2']],
    ['braces of texts', 'name = ANY ($1)', '{"b\\"c",x}', ['2']],
    ['braces, cast', 'id = ANY ($1::BIGINT[])', '{9007199254740993}', ['9007199254740993']],
    ['JSON, cast', 'id <> ALL ($1::INT[])', '[1, 2]', ['9007199254740993']],
    ['empty braces', 'id = ANY ($1)', ' { } ', []],
  ];
  for (const [why, condition, text, ids] of texts) {
    for (const executor of ['direct', 'analytic'] as const) {
      test(`a text, ${why}, ${executor}: ${condition} with ${text}`, async () => {
        const sql = `SELECT id FROM app.t WHERE ${condition} ORDER BY id`;
        const {rows} = await database.sql(sql, {params: [text], executor});
        assert.deepEqual(rows.flat(), ids);
      });
    }
  }

  test('what is no array, or holds no such values, is an error', async () => {
    for (const json of ['{"a":1}', '["x"]', '[1.5]']) {
      const answer = database.sql('SELECT id FROM app.t WHERE id = ANY ($1)', {params: [{json}]});
      await assert.rejects(answer, error => error instanceof DbError && error.code === 'SQL_EXECUTION_ERROR', json);
    }
  });
});

/** A condition means in a live query what it means in SELECT: of the snapshot, and of every change, for columns of each type. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';
import {Client, settle} from './subscriber.ts';

const CONDITIONS = [
  ...['s = 5', 's = 100000', 's < 40000', 's <> -40000', 's = 5.0', 's = 5.5', 's > 4.5', 's = -5'],
  ...[
    'i = 7',
    'i = 7.0',
    'i >= 6.999',
    'i <> 7.5',
    'i = 99999999999',
    'i = s',
    '7 = i',
    'i BETWEEN 3 AND 8',
    'NOT i = 7',
  ],
  ...[
    'b = 9007199254740993',
    'b = 9007199254740992',
    'b > 9007199254740992',
    'b = 99999999999999999999',
    "b = '9007199254740993'",
  ],
  ...['d = 1.5', 'd = 1.50', 'd = 1.505', 'd > 1.4999', 'd = 2', "d = '1.5'", 'd < 100000000000'],
  ...['f = 0.1', 'f > 0.1', 'g = 0.5', 'g <> 0.5', 'g = 1e308'],
  ...[
    "t = 'a'",
    "t = 'A'",
    "t > 'a'",
    "t <> 'a'",
    "t = 'it''s'",
    "t = ''",
    't IS NULL',
    "t = 'ä' OR t = '\"'",
    "t LIKE 'a%'",
  ],
  ...['o = TRUE', 'o', 'NOT o', 'o IS NOT TRUE', 'o IS NULL'],
  ...[
    "m = '2026-01-02 03:04:05'",
    "m > TIMESTAMP '2026-01-02 03:04:04.999999'",
    "m = '2026-01-02'",
    "y = '2026-01-02'",
    "y < DATE '2026-01-03'",
  ],
  ...["u = '00000000-0000-0000-0000-00000000000a'", "u = '00000000-0000-0000-0000-00000000000A'", "u = 'no uuid'"],
  ...[
    "j ->> 'k' = 'v'",
    'j = \'{"k":"v"}\'',
    'i + 1 = 8',
    'i / 0 = 1 AND FALSE',
    'COALESCE(i, 0) = 0',
    'CASE WHEN o THEN s ELSE i END = 5',
  ],
  ...[
    'id = 3',
    'id = 3.0',
    'id = 3.5',
    'id IN (1, 3, 99)',
    'id = 3 OR id = 4',
    'id > 2 AND id <= 4',
    'id = 3 AND id = 4',
    'id = NULL',
    "id = '3'",
  ],
  ...['_seq > 0', '_seq = 0', "s = 5 AND t = 'a' AND o", "t = 'a' AND t = 'b'", 't = 5', "i = 'x'", "s = ''"],
];

const ROWS = [
  "(1, 5, 7, 9007199254740993, 1.5, 0.1, 0.5, 'a', TRUE, '2026-01-02 03:04:05', '2026-01-02', '00000000-0000-0000-0000-00000000000a', '{\"k\":\"v\"}')",
  "(2, -5, 8, 9007199254740992, 2, 0.2, 1e308, 'A', FALSE, '2026-01-02', '2026-01-03', '00000000-0000-0000-0000-00000000000b', '{\"k\":1}')",
  '(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
  "(4, 0, 5, -1, 1.51, -0.0, 0, 'it''s', TRUE, '1999-12-31 23:59:59.999999', '1999-12-31', '00000000-0000-0000-0000-00000000000c', '[]')",
  "(5, 32767, 2147483647, 9223372036854775807, 99999999.99, 3.4, 0.25, '', FALSE, NULL, NULL, NULL, 'null')",
  "(6, 5, 5, 5, 5, 5, 5, 'ä', NULL, '2026-01-02 03:04:05.000001', '2026-01-01', NULL, '\"k\"')",
];

describe('conditions', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await openTestDatabase();
    await database.sql('CREATE NAMESPACE app');
    await database.sql(
      'CREATE SHARED TABLE app.kinds (id BIGINT PRIMARY KEY, s SMALLINT, i INT, b BIGINT, d DECIMAL(12, 2), f FLOAT, g DOUBLE, t TEXT, o BOOLEAN, m TIMESTAMP, y DATE, u UUID, j JSON)',
    );
  });

  afterEach(() => database.stop());

  async function selected(condition: string): Promise<string[] | string> {
    try {
      const {rows} = await database.sql(`SELECT id FROM app.kinds WHERE ${condition}`);
      return rows.map(([id]) => String(id)).sort();
    } catch (error) {
      assert.ok(error instanceof DbError);
      return 'refused';
    }
  }

  test('LQ-3: each condition selects what SELECT selects, at first and after every change', async () => {
    await database.sql(`INSERT INTO app.kinds VALUES ${ROWS.slice(0, 3).join()}`);
    const client = new Client(database.live);
    const answers = CONDITIONS.map(condition => {
      try {
        return {condition, answer: client.subscribe(`SELECT id FROM app.kinds WHERE ${condition}`, {})};
      } catch (error) {
        assert.ok(error instanceof DbError, condition);
        return {condition, answer: undefined};
      }
    });
    await settle();
    const writes = [
      `INSERT INTO app.kinds VALUES ${ROWS.slice(3).join()}`,
      "UPDATE app.kinds SET s = 5, t = 'a', o = TRUE WHERE id = 3",
      "UPDATE app.kinds SET i = 7, d = 1.5, m = '2026-01-02 03:04:05' WHERE id >= 4",
      'UPDATE app.kinds SET s = NULL, i = NULL, t = NULL, o = NULL, u = NULL, j = NULL WHERE id <= 2',
      "UPDATE app.kinds SET b = 9007199254740993, u = '00000000-0000-0000-0000-00000000000a' WHERE id = 5",
      'DELETE FROM app.kinds WHERE id IN (1, 3)',
    ];
    let met = 0;
    const ended = new Set<string>();
    for (const write of ['SELECT 1', ...writes]) {
      await database.sql(write);
      await settle();
      for (const {condition, answer} of answers) {
        const expected = await selected(condition);
        // A failure ends it, and it stays ended when the row that failed is gone.
        if (expected === 'refused') ended.add(condition);
        const isOver = answer === undefined || answer.error !== undefined;
        assert.equal(isOver, ended.has(condition), `${condition} after ${write}: ${answer?.error?.message}`);
        const ids = isOver ? [] : [...answer.rows.keys()].map(key => JSON.parse(key)).sort();
        if (!isOver) assert.deepEqual(ids, expected, `${condition} after ${write}`);
        met += ids.length;
      }
    }
    assert.ok(met > 300, `${met} rows were met`);
  });
});

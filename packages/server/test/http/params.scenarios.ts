/** Parameters: every JSON form, where they may stand, and exactness to the last digit. */
import type {Scenario} from './scenario.ts';
import type {Sent} from './server.ts';

const raw = (sql: string, params: string): Sent => ({
  body: `{"sql":${JSON.stringify(sql)},"params":${params}}`,
});
const MISMATCH = 'INVALID_PARAMETER';

export const PARAMS: readonly Scenario[] = [
  {
    name: 'set up',
    sql: 'CREATE NAMESPACE app; CREATE SHARED TABLE app.p (id BIGINT PRIMARY KEY, i INT, t TEXT, d DECIMAL(30,10), f DOUBLE, b BOOLEAN, at TIMESTAMP, j JSON, x BYTES)',
  },
  {
    name: 'where nothing else decides, a parameter is what it is in JSON',
    sent: raw('SELECT $1, $2, $3, $4, $5', '[1, 1.5, true, "x", null]'),
    rows: [['1', 1.5, true, 'x', null]],
    check: (_, json) => {
      const types = json.results[0]!.schema!.map(column => (column as {data_type: string}).data_type);
      if (types.join() !== 'BigInt,Double,Boolean,Text,Text') throw new Error(types.join());
    },
  },
  {
    name: 'a number in arithmetic is as exact as a literal',
    sent: raw('SELECT $1 + 1, $2 * 10, 0.1 + $3', '[41, 0.1, 0.2]'),
    rows: [[42, '1.0', '0.3']],
  },
  {
    name: 'parameters take the types of the columns',
    sent: raw(
      'INSERT INTO app.p VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      '[9007199254740993, 7, "é", 12345678901234567890.0123456789, 1e-7, true, "2020-01-02T03:04:05.678901Z", "{\\"a\\":1}", "abc"]',
    ),
    results: [{row_count: 1, message: 'Inserted 1 row(s)', as_user: 'root'}],
  },
  {
    name: 'and come back exact',
    sql: 'SELECT id, i, t, d, f, b, at, j, x FROM app.p WHERE id = $1',
    params: ['9007199254740993'],
    rows: [
      [
        '9007199254740993',
        7,
        'é',
        '12345678901234567890.0123456789',
        1e-7,
        true,
        1577934245678901,
        '{"a":1}',
        [97, 98, 99],
      ],
    ],
  },
  {
    name: 'a neighbour of a 64-bit number is another number',
    sent: raw('SELECT count(*) FROM app.p WHERE id = $1', '[9007199254740992]'),
    rows: [['0']],
  },
  {
    name: 'the number itself is found',
    sent: raw('SELECT count(*) FROM app.p WHERE id = $1', '[9007199254740993]'),
    rows: [['1']],
  },
  {
    name: 'numbers as texts',
    sent: raw('SELECT count(*) FROM app.p WHERE i = $1 AND f = $2', '["7", "0.0000001"]'),
    rows: [['1']],
  },
  {name: 'texts as numbers', sent: raw('INSERT INTO app.p (id, t) VALUES ($1, $2)', '["2", 5]')},
  {name: 'texts of numbers keep their digits', sent: raw('INSERT INTO app.p (id, t) VALUES (3, $1)', '[1.50]')},
  {name: 'NULL', sent: raw('INSERT INTO app.p (id, i) VALUES (4, $1)', '[null]')},
  {name: 'booleans', sent: raw('INSERT INTO app.p (id, b, i) VALUES (5, $1, $2)', '[false, true]')},
  {
    name: 'what came of them',
    sql: 'SELECT id, i, t, b FROM app.p WHERE id < 10',
    rows: [
      ['2', null, '5', null],
      ['3', null, '1.50', null],
      ['4', null, null, null],
      ['5', 1, null, false],
    ],
  },
  {name: 'one parameter in several places', sql: 'SELECT $1 || $1, $2', params: ['a', 'b'], rows: [['aa', 'b']]},
  {name: 'parameters in any order', sql: 'SELECT $2 || $1', params: ['a', 'b'], rows: [['ba']]},
  {name: 'in IN', sql: 'SELECT id FROM app.p WHERE id IN ($1, $2) ORDER BY id', params: [2, '5'], rows: [['2'], ['5']]},
  {name: 'in BETWEEN', sql: 'SELECT count(*) FROM app.p WHERE id BETWEEN $1 AND $2', params: [2, 4], rows: [['3']]},
  {name: 'in LIKE', sql: 'SELECT count(*) FROM app.p WHERE t LIKE $1', params: ['1%'], rows: [['1']]},
  {
    name: 'in LIMIT and OFFSET',
    sql: 'SELECT id FROM app.p ORDER BY id LIMIT $1 OFFSET $2',
    params: [1, 1],
    rows: [['3']],
  },
  {
    name: 'in UPDATE',
    sql: 'UPDATE app.p SET i = $1 WHERE id = $2',
    params: [70, 2],
    results: [{row_count: 1, message: 'Updated 1 row(s)', as_user: 'root'}],
  },
  {
    name: 'in DELETE',
    sql: 'DELETE FROM app.p WHERE id = $1',
    params: [5],
    results: [{row_count: 1, message: 'Deleted 1 row(s)', as_user: 'root'}],
  },
  {
    name: 'in EXPLAIN',
    sql: 'EXPLAIN SELECT * FROM app.p WHERE id = $1',
    params: [2],
    check: (_, json) => {
      if (json.results[0]!.row_count !== 2) throw new Error('no plan');
    },
  },
  {name: 'a condition that is a parameter', sql: 'SELECT count(*) FROM app.p WHERE $1', params: [false], rows: [['0']]},
  {name: 'NULL equals nothing', sql: 'SELECT count(*) FROM app.p WHERE id = $1', params: [null], rows: [['0']]},
  {name: 'a fraction equals no integer', sql: 'SELECT count(*) FROM app.p WHERE id = $1', params: [2.5], rows: [['0']]},
  {
    name: 'a fraction has its place among integers',
    sql: 'SELECT id FROM app.p WHERE id > $1 AND id < $2',
    params: [1.5, 2.5],
    rows: [['2']],
  },
  {
    name: 'a text with quotes stays a text',
    sql: 'SELECT $1',
    params: ["'; DROP TABLE app.p; --"],
    rows: [["'; DROP TABLE app.p; --"]],
  },
  {name: 'a dollar sign in a text is no parameter', sql: "SELECT '$1', $1", params: ['x'], rows: [['$1', 'x']]},
  {name: 'no parameters for none', sql: 'SELECT 1', params: [], rows: [[1]]},
  {name: 'null for params', sent: raw('SELECT 1', 'null'), rows: [[1]]},

  {
    name: 'too few',
    sql: 'SELECT $1, $2',
    params: [1],
    code: MISMATCH,
    message: 'Parameter count mismatch: expected 2 parameters, got 1',
  },
  {
    name: 'too many',
    sql: 'SELECT $1',
    params: [1, 2],
    code: MISMATCH,
    message: 'Parameter count mismatch: expected 1 parameters, got 2',
  },
  {
    name: 'none where one is wanted',
    sql: 'SELECT $1',
    code: MISMATCH,
    message: 'Parameter count mismatch: expected 1 parameters, got 0',
  },
  {
    name: '50 are allowed',
    sql: `SELECT ${Array.from({length: 50}, (_, i) => `$${i + 1}`).join()}`,
    params: Array(50).fill('x'),
    rows: [Array(50).fill('x')],
  },
  {
    name: '51 are not',
    sql: 'SELECT 1',
    params: Array(51).fill(1),
    code: MISMATCH,
    message: 'Parameter count exceeded: maximum 50 parameters allowed, got 51',
  },
  {name: '512 KiB are allowed', sql: 'SELECT length($1)', params: ['x'.repeat(524_288)], rows: [[524_288]]},
  {
    name: 'a byte more is not',
    sql: 'SELECT $1',
    params: ['x'.repeat(524_289)],
    code: MISMATCH,
    message: 'Parameter size exceeded: parameter at index 0 is 524289 bytes (max 524288 bytes)',
  },
  {
    name: 'arrays and objects are JSON, with the digits they were sent with',
    sent: raw('SELECT $1, $2, $1 -> 1', '[[1, 12345678901234567890],{"a": 1.50}]'),
    rows: [['[1, 12345678901234567890]', '{"a": 1.50}', '12345678901234567890']],
  },
  {name: 'a table for them', sql: 'CREATE SHARED TABLE app.v (id INT PRIMARY KEY, v EMBEDDING(2), j JSON, t TEXT)'},
  {
    name: 'arrays for JSON, EMBEDDING and TEXT',
    sent: raw('INSERT INTO app.v VALUES (1, $1, $2, $2)', '[[0.5, null],[true,{"k":"é"}]]'),
    results: [{row_count: 1, message: 'Inserted 1 row(s)', as_user: 'root'}],
  },
  {
    name: 'and as they come back',
    sql: 'SELECT v, j, t FROM app.v WHERE j @> $1',
    params: [{}],
    rows: [],
  },
  {
    name: 'a part of what was stored finds it',
    sql: 'SELECT v, j, t FROM app.v WHERE j @> $1 AND v = $2',
    params: [[true], [0.5, 0]],
    rows: [[[0.5, 0], '[true,{"k":"é"}]', '[true,{"k":"é"}]']],
  },
  {
    name: 'an array of another length',
    sql: 'UPDATE app.v SET v = $1 WHERE id = 1',
    params: [[1]],
    code: 'SQL_EXECUTION_ERROR',
    message: /Embedding dimension mismatch for column 'v': expected 2, got 1/,
  },
  {
    name: 'an array for a number',
    sql: 'INSERT INTO app.v (id) VALUES ($1)',
    params: [[1]],
    code: 'SQL_EXECUTION_ERROR',
    message: /Unable to cast value '\[1\]' to INT/,
  },
  {
    name: 'arrays larger than a parameter may be',
    sql: 'SELECT $1',
    params: [['x'.repeat(524_289)]],
    code: MISMATCH,
    message: /^Parameter size exceeded: parameter at index 0 is 524293 bytes/,
  },
  {
    name: 'numbers beyond every type',
    sent: raw('SELECT $1', '[1e400]'),
    code: MISMATCH,
    message: 'Parameter $1 invalid: Unsupported number format: 1e400',
  },
  {name: 'not a list', sent: raw('SELECT 1', '{"1":1}'), code: 'INVALID_INPUT', message: /`params` must be an array/},
  {
    name: 'with several statements',
    sql: 'SELECT $1; SELECT 2',
    params: [1],
    code: 'PARAMS_WITH_BATCH',
    message: 'Parameters not supported with multi-statement batches',
  },
  {
    name: 'with a statement that takes none',
    sql: 'SHOW TABLES',
    params: [1],
    code: MISMATCH,
    message: 'Parameters not supported for SHOW TABLES statements',
  },
  {name: 'in place of a name', sql: 'SELECT * FROM $1', params: ['app.p'], code: 'INVALID_SQL', at: [1, 15]},
  {name: 'number zero', sql: 'SELECT $0', params: [1], code: 'INVALID_SQL', message: /Parameters are numbered/},
  {
    name: 'of the wrong type',
    sql: 'SELECT * FROM app.p WHERE id = $1',
    params: ['x'],
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Invalid operation: Unable to cast value 'x' to BIGINT",
  },
  {
    name: 'of the wrong type for a column',
    sql: 'INSERT INTO app.p (id, i) VALUES (9, $1)',
    params: ['x'],
    code: 'SQL_EXECUTION_ERROR',
    message:
      "Statement 1 failed: Invalid operation: Schema coercion failed: Unable to cast value 'x' to INT for column 'i' (line 1, column 38)",
  },
  {
    name: 'out of the range of a column',
    sent: raw('INSERT INTO app.p (id, i) VALUES (9, $1)', '[3000000000]'),
    code: 'SQL_EXECUTION_ERROR',
    message: /Unable to cast value '3000000000' to INT for column 'i'/,
  },
];

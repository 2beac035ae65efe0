/** Answers: one result per statement in order, the shapes of success and failure, limits the server sets itself, and namespaces. */
import assert from 'node:assert/strict';
import type {Scenario} from './scenario.ts';

const root = {as_user: 'root'};
const HUNDRED = Array.from({length: 100}, (_, i) => `(${i}, 'v')`).join();
const THOUSAND = Array.from({length: 1000}, (_, i) => `(${i + 100}, 'v')`).join();

export const STATEMENTS: readonly Scenario[] = [
  {
    name: 'several statements answer one result each, in order',
    sql: "CREATE NAMESPACE app; CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v TEXT);\nINSERT INTO app.t VALUES (1, 'a'), (2, 'b');;UPDATE app.t SET v = 'c' WHERE id = 2; SELECT id, v FROM app.t; DELETE FROM app.t WHERE id = 1;",
    results: [
      {row_count: 0, message: "Namespace 'app' created successfully", ...root},
      {row_count: 0, message: 'Shared table app.t created successfully', ...root},
      {row_count: 2, message: 'Inserted 2 row(s)', ...root},
      {row_count: 1, message: 'Updated 1 row(s)', ...root},
      {
        rows: [
          [1, 'a'],
          [2, 'c'],
        ],
        row_count: 2,
        ...root,
      },
      {row_count: 1, message: 'Deleted 1 row(s)', ...root},
    ],
  },
  {
    name: 'columns are told with their types and flags',
    sql: 'SELECT id, v, id + 1 AS next, _seq IS NULL AS x FROM app.t',
    check: (_, json) =>
      assert.deepEqual(json.results[0]!.schema, [
        {name: 'id', data_type: 'Int', index: 0, flags: ['nn', 'pk', 'uq']},
        {name: 'v', data_type: 'Text', index: 1},
        {name: 'next', data_type: 'Int', index: 2},
        {name: 'x', data_type: 'Boolean', index: 3},
      ]),
  },
  {
    name: 'SELECT * shows the system columns last',
    sql: 'SELECT * FROM app.t WHERE FALSE',
    rows: [],
    check: (_, json) =>
      assert.deepEqual(
        json.results[0]!.schema!.map(column => (column as {name: string}).name),
        ['id', 'v', '_seq', '_deleted'],
      ),
  },
  {
    name: 'a statement without rows has neither schema nor rows',
    sql: 'DELETE FROM app.t WHERE id = 99',
    check: (_, json) => assert.deepEqual(json.results, [{row_count: 0, message: 'Deleted 0 row(s)', ...root}]),
  },
  {
    name: 'the caller is named in each result',
    user: 'ana',
    sql: 'SELECT 1; SELECT 2',
    check: (_, json) =>
      assert.deepEqual(
        json.results.map(one => one.as_user),
        ['ana', 'ana'],
      ),
  },
  {
    name: 'comments and empty statements are nothing',
    sql: '-- a\n ; /* b; */ SELECT 1 /* c */ ; -- d',
    results: [{rows: [[1]], row_count: 1, ...root}],
  },
  {
    name: 'a semicolon in a text does not split',
    sql: 'SELECT \'a;b\', "x;y" FROM (SELECT 1 AS "x;y") s',
    rows: [['a;b', 1]],
  },
  {name: 'nothing', sql: '', code: 'EMPTY_SQL', message: 'No SQL statements provided'},
  {name: 'nothing but separators', sql: ' ; ;\n;', code: 'EMPTY_SQL', message: 'No SQL statements provided'},
  {name: 'nothing but a comment', sql: '-- SELECT 1', code: 'EMPTY_SQL', message: 'No SQL statements provided'},

  {
    name: 'nothing runs unless every statement parses',
    sql: 'INSERT INTO app.t VALUES (50, NULL); SELEC 1',
    code: 'INVALID_SQL',
    at: [1, 38],
  },
  {name: 'so the row is not there', sql: 'SELECT count(*) FROM app.t WHERE id = 50', rows: [['0']]},
  {
    name: 'nor unless every statement is known',
    sql: 'INSERT INTO app.t VALUES (50, NULL); SHOW EXPORT',
    code: 'NOT_SUPPORTED',
    message: 'Not supported: SHOW EXPORT at line 1, column 38.',
  },
  {name: 'and again not', sql: 'SELECT count(*) FROM app.t WHERE id = 50', rows: [['0']]},
  {
    name: 'the first failure ends the request and is named by its number and place',
    sql: "INSERT INTO app.t VALUES (51, 'stays');\nSELECT nope FROM app.t;\nINSERT INTO app.t VALUES (52, 'never')",
    code: 'SQL_EXECUTION_ERROR',
    message: 'Statement 2 failed: Execution error: No field named nope. (line 2, column 8)',
    at: [2, 8],
    check: (_, json) => assert.equal(json.error!.details, 'SELECT nope FROM app.t'),
  },
  {
    name: 'what came before it stays, what came behind it did not run',
    sql: 'SELECT id FROM app.t WHERE id IN (51, 52)',
    rows: [[51]],
  },
  {
    name: 'a transaction has a result for each of its statements',
    sql: "BEGIN; INSERT INTO app.t VALUES (70, 'a'); SAVEPOINT s; DELETE FROM app.t WHERE id = 70 RETURNING id, v; ROLLBACK TO s; COMMIT",
    check: (_, json) => {
      const told = json.results.map(one => one.message?.replace(/\([-0-9a-f]{36}\)/, '(id)') ?? one.rows);
      assert.deepEqual(told, [
        'Transaction started (id)',
        'Inserted 1 row(s)',
        'Savepoint s set',
        [[70, 'a']],
        'Rolled back to savepoint s',
        'Transaction committed (id)',
      ]);
      assert.deepEqual(
        json.results.map(one => one.row_count),
        [0, 1, 0, 1, 0, 0],
      );
    },
  },
  {name: 'and then its rows are there', sql: 'SELECT v FROM app.t WHERE id = 70', rows: [['a']]},
  {
    name: 'a failure inside takes all of it back and names the statement',
    sql: "BEGIN; DELETE FROM app.t WHERE id = 70;\nINSERT INTO app.t VALUES (51, 'b'); COMMIT",
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 3 failed: Already exists: Primary key violation: value '51' already exists in column 'id'",
  },
  {
    name: 'so does an end that is missing',
    sql: 'BEGIN; DELETE FROM app.t WHERE id = 70',
    code: 'SQL_EXECUTION_ERROR',
    message: 'Request completed with an open explicit transaction; rolled back automatically',
  },
  {name: 'its rows are still there', sql: 'DELETE FROM app.t WHERE id = 70 RETURNING v', rows: [['a']]},
  {
    name: 'a failing INSERT of several rows leaves none',
    sql: "INSERT INTO app.t VALUES (60, 'a'), (51, 'b')",
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Already exists: Primary key violation: value '51' already exists in column 'id'",
  },
  {name: 'none', sql: 'SELECT count(*) FROM app.t WHERE id = 60', rows: [['0']]},

  {
    name: 'a missing table',
    sql: 'SELECT * FROM app.nope',
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Table not found: table 'kalam.app.nope' not found",
  },
  {
    name: 'a missing table of INSERT',
    sql: 'INSERT INTO app.nope VALUES (1)',
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Table not found: table 'kalam.app.nope' not found",
  },
  {
    name: 'a missing table of FLUSH',
    sql: 'FLUSH TABLE app.nope',
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Not found: Table 'app.nope' does not exist",
  },
  {
    name: 'a missing table of DROP',
    sql: 'DROP TABLE app.nope',
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Not found: Table 'nope' not found in namespace 'app'",
  },
  {
    name: 'a missing job',
    sql: "KILL JOB 'FL-000000000000'",
    code: 'SQL_EXECUTION_ERROR',
    message: 'Statement 1 failed: Not found: Job FL-000000000000 not found',
  },
  {
    name: 'syntax has a line and a column',
    sql: 'SELECT\n  1 +\n  FROM app.t',
    code: 'INVALID_SQL',
    message: "Invalid SQL: Expected an expression, found 'FROM' at line 3, column 3.",
    at: [3, 3],
  },
  {name: 'a column counts UTF-16 units', sql: "SELECT '😀' 'x'", code: 'INVALID_SQL', at: [1, 13]},
  {
    name: 'a text is never shown in a syntax error',
    sql: "SELECT 1 'secret'",
    code: 'INVALID_SQL',
    message: 'Invalid SQL: Unexpected a quoted string at line 1, column 10.',
  },
  {
    name: 'a constant that fails has a place',
    sql: 'SELECT 1,\n 2 + 1 / 0',
    code: 'SQL_EXECUTION_ERROR',
    message: 'Statement 1 failed: Execution error: division by zero (line 2, column 2)',
  },
  {
    name: 'a value that does not fit its column has a place among many',
    sql: "INSERT INTO app.t VALUES (70, 'a'),\n(71, 'b'),\n('x', 'c')",
    code: 'SQL_EXECUTION_ERROR',
    message:
      "Statement 1 failed: Invalid operation: Schema coercion failed: Unable to cast value 'x' to INT for column 'id' (line 3, column 2)",
    at: [3, 2],
  },
  {
    name: 'a literal that is no value of the other side has a place',
    sql: "SELECT id FROM app.t WHERE id = 1 OR id = 'x'",
    code: 'SQL_EXECUTION_ERROR',
    at: [1, 38],
  },
  {
    name: 'a query over several tables is one query',
    sql: 'SELECT count(*) FROM app.t a\nJOIN app.t b ON a.id = b.id',
    rows: [['2']],
  },
  {
    name: 'every table of a query is looked for',
    sql: 'SELECT * FROM app.t JOIN app.nope ON TRUE',
    code: 'SQL_EXECUTION_ERROR',
  },
  {
    name: 'a statement that the release does not have is named',
    sql: 'CREATE TOPIC app.t PARTITIONS 3',
    code: 'NOT_SUPPORTED',
    message: 'Not supported: CREATE TOPIC at line 1, column 1.',
  },
  {
    name: 'a second CREATE',
    sql: 'CREATE NAMESPACE app',
    code: 'SQL_EXECUTION_ERROR',
    message: "Statement 1 failed: Already exists: Namespace 'app' already exists",
  },

  {
    name: '1,100 rows are there',
    sql: `CREATE SHARED TABLE app.many (id INT PRIMARY KEY, v TEXT); INSERT INTO app.many VALUES ${HUNDRED}; INSERT INTO app.many VALUES ${THOUSAND}`,
  },
  {
    name: 'a SELECT without LIMIT answers 50 rows and says that it was cut',
    sql: 'SELECT id FROM app.many',
    check: (_, {results: [result]}) => {
      assert.equal(result!.row_count, 50);
      assert.equal(result!.truncated, true);
      assert.deepEqual(result!.rows!.at(-1), [49]);
    },
  },
  {
    name: 'one that asked for less was not cut',
    sql: 'SELECT id FROM app.many LIMIT 3',
    results: [{rows: [[0], [1], [2]], row_count: 3, ...root}],
  },
  {
    name: 'nor was one that has fewer rows',
    sql: 'SELECT id FROM app.many WHERE id < 2',
    results: [{rows: [[0], [1]], row_count: 2, ...root}],
  },
  {
    name: 'nor one that has exactly 50',
    sql: 'SELECT id FROM app.many WHERE id < 50',
    check: (_, {results: [result]}) => assert.deepEqual([result!.row_count, result!.truncated], [50, undefined]),
  },
  {
    name: 'no SELECT answers more than 1,000 rows',
    sql: 'SELECT id FROM app.many LIMIT 5000',
    check: (_, {results: [result]}) => assert.deepEqual([result!.row_count, result!.truncated], [1000, true]),
  },
  {
    name: 'sorting is before cutting',
    sql: 'SELECT id FROM app.many ORDER BY id DESC',
    check: (_, {results: [result]}) =>
      assert.deepEqual([result!.rows![0], result!.row_count, result!.truncated], [[1099], 50, true]),
  },
  {
    name: 'an aggregate sees all rows',
    sql: 'SELECT count(*), max(id) FROM app.many',
    results: [{rows: [['1100', 1099]], row_count: 1, ...root}],
  },
  {
    name: 'groups are cut like rows',
    sql: 'SELECT id, count(*) FROM app.many GROUP BY id',
    check: (_, {results: [result]}) => assert.deepEqual([result!.row_count, result!.truncated], [50, true]),
  },
  {
    name: 'each SELECT of a batch is cut for itself',
    sql: 'SELECT id FROM app.many; SELECT id FROM app.many LIMIT 2',
    check: (_, {results}) =>
      assert.deepEqual(
        results.map(one => [one.row_count, one.truncated]),
        [
          [50, true],
          [2, undefined],
        ],
      ),
  },
  {
    name: 'system tables have no default limit',
    sql: 'SELECT * FROM system.stats',
    check: (_, {results: [result]}) => assert.equal(result!.truncated, undefined),
  },

  {
    name: 'a namespace of the request finds names without one',
    sql: 'SELECT count(*) FROM many',
    namespace: 'app',
    rows: [['1100']],
  },
  {
    name: 'a name with its own namespace does not care',
    sql: 'SELECT count(*) FROM app.many',
    namespace: 'nope',
    rows: [['1100']],
  },
  {
    name: 'DDL follows it too',
    sql: 'CREATE TABLE here (id INT PRIMARY KEY); DESCRIBE TABLE here',
    namespace: 'app',
    check: (_, {results}) => assert.equal(results[1]!.row_count, 3),
  },
  {
    name: 'without it names lie in default',
    sql: 'SELECT count(*) FROM many',
    code: 'SQL_EXECUTION_ERROR',
    message: /'kalam\.default\.many'/,
  },
  {
    name: 'a namespace that is none',
    sql: 'SELECT count(*) FROM many',
    namespace: '../app',
    code: 'SQL_EXECUTION_ERROR',
    message: /not found/,
  },
];

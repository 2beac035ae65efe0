/** SHOW and EXPLAIN ANALYZE: who sees what, and that what is counted is what there is. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {checkUserId} from '../../src/model/names.ts';
import type {Role, Session} from '../../src/model/session.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

const json = (row: string) => JSON.parse(row);

describe('show', () => {
  let database: TestDatabase;
  before(async () => {
    const settings = [{name: 'limits.max_query_limit', value: '1000', description: 'Most rows.', category: 'limits'}];
    database = await openTestDatabase({settings, defaultRows: 2});
    await database.sql(`
      CREATE NAMESPACE app;
      CREATE USER TABLE app.notes (id INT PRIMARY KEY, body TEXT);
      CREATE SHARED TABLE app.news (id INT PRIMARY KEY, body TEXT) WITH (ACCESS_LEVEL = 'public');
      CREATE SHARED TABLE app.secret (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'dba');
      INSERT INTO app.notes VALUES (1, 'root'), (2, 'root');
      INSERT INTO app.news VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
      INSERT INTO app.secret VALUES (1)`);
    await as('ana', 'user', "INSERT INTO app.notes VALUES (1, 'ana')");
    for (const table of ['app.notes', 'app.news', 'app.secret']) await flush(database, table);
  });
  after(() => database.stop());

  const as = async (user: string, role: Role, sql: string) => {
    const session: Session = {userId: checkUserId(user), role, proof: {kind: 'development'}};
    const signal = new AbortController().signal;
    const results = await database.runSql({sql, params: [], namespace: undefined, session, signal});
    const {columns = [], rows = []} = results.at(-1)!;
    return rows.map(row =>
      Object.fromEntries((JSON.parse(row) as unknown[]).map((value, i) => [columns[i]!.name, value])),
    );
  };
  const refused = (promise: Promise<unknown>, code: string) =>
    assert.rejects(promise, (error: unknown) => error instanceof DbError && error.code === code);

  test('system.transactions lists what is open: its reads, its writes, and nothing once it has ended', async () => {
    const open = 'SELECT state, write_count, touched_tables_count, transaction_id, origin FROM system.transactions';
    const signal = new AbortController().signal;
    const session: Session = {userId: checkUserId('ana'), role: 'dba', proof: {kind: 'development'}};
    const write = 'INSERT INTO app.notes VALUES (8, NULL), (9, NULL); DELETE FROM app.notes WHERE id = 8';
    const sql = `BEGIN; ${open}; ${write}; ${open}; ROLLBACK; ${open}; BEGIN; ${open}; COMMIT; ${open}`;
    const results = await database.runSql({sql, params: [], namespace: undefined, session, signal});
    const rows = results.flatMap(result => (result.columns === undefined ? [] : [(result.rows ?? []).map(json)]));
    const id = /\((.*)\)/.exec(results[0]!.message!)![1];
    const again = /\((.*)\)/.exec(results[7]!.message!)![1];
    assert.deepEqual(rows, [
      [['open_read', '0', '0', id, 'SqlBatch']],
      [['open_write', '2', '1', id, 'SqlBatch']],
      [],
      [['open_read', '0', '0', again, 'SqlBatch']],
      [],
    ]);
  });

  test('system.server_logs shows the messages that were handed in, to admins alone', async () => {
    const place = {thread: null, target: null, line: null};
    const message = {timestamp: '2026-01-01T00:00:00.000Z', level: 'warn', ...place, message: 'Full.'};
    const other = await openTestDatabase({logMessages: () => [message]});
    try {
      const {rows} = await other.sql('SELECT * FROM system.server_logs');
      assert.deepEqual(rows, [['2026-01-01T00:00:00.000Z', 'warn', null, null, null, 'Full.']]);
    } finally {
      await other.stop();
    }
    await refused(as('ana', 'user', 'SELECT * FROM system.server_logs'), 'PERMISSION_DENIED');
  });

  test('SHOW TABLES lists what the session may read', async () => {
    const names = async (role: Role) => (await as('ana', role, 'SHOW TABLES')).map(row => row['table_name']);
    assert.deepEqual(await names('user'), ['news', 'notes']);
    assert.ok((await names('dba')).includes('secret'));
    assert.ok((await names('dba')).includes('jobs'));
  });

  test('information_schema lists what the session may read, and what views read to admins alone', async () => {
    await database.sql('CREATE VIEW app.peek AS SELECT id FROM app.secret');
    const list = (role: Role, sql: string) => as('ana', role, sql);
    const tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1";
    const names = async (role: Role) => (await list(role, tables)).map(row => row['table_name']);
    assert.deepEqual(await names('dba'), ['news', 'notes', 'peek', 'secret']);
    assert.deepEqual(await names('user'), ['news', 'notes', 'peek']);
    assert.deepEqual(await names('anonymous'), ['news', 'peek']);
    const columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'secret'";
    assert.deepEqual(await list('user', columns), []);
    const views = 'SELECT definition, view_definition FROM information_schema.views';
    assert.deepEqual(await list('user', views), [{definition: null, view_definition: null}]);
    assert.match(String((await list('dba', views))[0]!['definition']), /FROM app.secret/);
    await refused(list('user', 'SELECT * FROM information_schema.df_settings'), 'PERMISSION_DENIED');
    await database.sql('DROP VIEW app.peek');
  });

  test('SHOW STATS counts the scopes that the session may read', async () => {
    const stats = async (role: Role, table: string) =>
      (await as('ana', role, `SHOW STATS FOR TABLE ${table}`)).map(row => [
        row['logical_rows'],
        row['flushed_segments'],
      ]);
    assert.deepEqual(await stats('user', 'app.notes'), [['1', '1']]);
    assert.deepEqual(await stats('dba', 'app.notes'), [['3', '2']]);
    assert.deepEqual(await stats('user', 'app.news'), [['4', '1']]);
    await refused(stats('user', 'app.secret'), 'PERMISSION_DENIED');
    await as('ana', 'user', "INSERT INTO app.notes VALUES (2, 'hot')");
    assert.deepEqual(await stats('user', 'app.notes'), [['2', '1']]);
    await as('ana', 'user', 'DELETE FROM app.notes WHERE id = 2');
    const [hot] = await as('ana', 'user', 'SHOW STATS FOR TABLE app.notes');
    assert.ok(Number(hot!['memory_bytes']) > 0);
  });

  test('SHOW MANIFEST shows admins all, others their own scopes and shared tables', async () => {
    const scopes = async (role: Role) =>
      (await as('ana', role, 'SHOW MANIFEST')).map(row => `${row['table_name']} ${row['scope']}`).sort();
    assert.deepEqual(await scopes('user'), ['news shared', 'notes ana']);
    assert.deepEqual(await scopes('dba'), ['news shared', 'notes ana', 'notes root', 'secret shared']);
  });

  test('settings are for admins', async () => {
    assert.deepEqual(await as('ana', 'dba', 'SHOW limits.max_query_limit'), [
      {name: 'limits.max_query_limit', value: '1000'},
    ]);
    const all = await as('ana', 'dba', 'SHOW ALL');
    assert.deepEqual(
      all.map(row => row['name']),
      ['limits.max_query_limit', 'search_path', 'timezone'],
    );
    await assert.rejects(as('ana', 'dba', 'SHOW max_query_limit'), /Did you mean limits.max_query_limit\?/);
    await assert.rejects(
      as('ana', 'dba', 'SET limits.max_query_limit = 1'),
      /is the server's: it is set in server.toml/,
    );
    for (const sql of [
      'SHOW ALL',
      'SHOW timezone',
      'SET timezone = UTC',
      'SHOW COLUMNS FROM app.news',
      'DESC app.news',
    ])
      await refused(as('ana', 'user', sql), 'PERMISSION_DENIED');
  });

  const analysis = async (sql: string) => {
    const rows = await as('root', 'system', `EXPLAIN ANALYZE ${sql}`);
    return String(rows.find(row => row['plan_type'] === 'analysis')!['plan']).split('\n');
  };
  const cases: [why: string, sql: string, steps: string[]][] = [
    [
      'a range of keys, its end among them',
      'SELECT * FROM app.news WHERE id > 2',
      ['rows read: 3', 'rows kept by WHERE: 2', 'rows answered: 2'],
    ],
    [
      'the limit of the server ends the scan',
      "SELECT * FROM app.news WHERE body <> 'a'",
      ['rows read: 4', 'rows kept by WHERE: 3', 'rows answered: 2, cut by the limit'],
    ],
    [
      'groups',
      "SELECT body, COUNT(*) FROM app.news GROUP BY body HAVING body <> 'b' LIMIT 1",
      ['rows read: 4', 'rows kept by WHERE: 4', 'groups kept by HAVING: 1', 'rows answered: 1'],
    ],
    ['one key', 'SELECT * FROM app.news WHERE id = 3', ['rows read: 1', 'rows kept by WHERE: 1', 'rows answered: 1']],
    ['no table', 'SELECT 1', ['rows answered: 1']],
    ['DuckDB', 'SELECT a.id FROM app.news a JOIN app.news b ON a.id = b.id LIMIT 1', ['rows answered: 1']],
    ['DuckDB, cut', 'SELECT a.id FROM app.news a, app.news b', ['rows answered: 2, cut by the limit']],
    [
      'DuckDB, ties',
      'SELECT a.id FROM app.news a, app.news b ORDER BY 1 FETCH FIRST ROW WITH TIES',
      ['rows answered: 4'],
    ],
  ];
  for (const [why, sql, steps] of cases) {
    test(`EXPLAIN ANALYZE runs and counts: ${why}`, async () => {
      const lines = await analysis(sql);
      const {length} = steps;
      assert.deepEqual(lines.slice(0, length), steps);
      assert.match(lines[length]!, /^time to plan: \d+\.\d{3} ms$/);
      assert.match(lines[length + 1]!, /^time to run: \d+\.\d{3} ms$/);
      assert.equal(lines.length > length + 2, why.startsWith('DuckDB'), 'only DuckDB has operators of its own');
    });
  }

  test("EXPLAIN ANALYZE tells the rows and the time of each of DuckDB's operators, and no value of a row", async () => {
    const lines = await analysis(
      "SELECT a.body, count(*) FROM app.news a JOIN app.news b ON a.id = b.id WHERE a.body <> 'd' GROUP BY 1",
    );
    const operators = lines.slice(lines.indexOf('operators, with the time of all threads:') + 1);
    for (const line of operators) assert.match(line, /^ +[A-Z_]+: \d+ rows, \d+\.\d{3} ms$/);
    const rowsOf = (name: string) => /: (\d+) rows/.exec(operators.find(line => line.includes(`${name}:`))!)![1];
    assert.equal(rowsOf('HASH_GROUP_BY'), '3');
    assert.equal(rowsOf('HASH_JOIN'), '3');
  });

  test('EXPLAIN ANALYZE has the errors and the rights of its query, and changes nothing', async () => {
    await assert.rejects(analysis('SELECT 1 / 0'), /division by zero/i);
    await assert.rejects(analysis('SELECT 1 / (a.id - b.id) FROM app.news a, app.news b'), /division by zero/i);
    await assert.rejects(
      analysis('UPDATE app.news SET id = 1 WHERE id = 2'),
      /Not supported: EXPLAIN ANALYZE of UPDATE/,
    );
    await refused(as('ana', 'user', 'EXPLAIN ANALYZE SELECT * FROM app.news'), 'PERMISSION_DENIED');
  });
});

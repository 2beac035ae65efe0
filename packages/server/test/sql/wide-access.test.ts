/**
 * Access in wide queries: whatever stands between the statement and a table, the table is opened for the session that asks.
 *
 * Each shape is a query with the table's name as FROM; it is asked of a USER table by two users, of a system table by every role, and of a
 * SHARED table that is not public.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {checkUserId} from '../../src/model/names.ts';
import type {Role, Session} from '../../src/model/session.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';

let database: TestDatabase;

/** `id` is the key and `owner` a text in each of the tables. */
const SHAPES: readonly [name: string, sql: string][] = [
  ['a join', 'SELECT a.owner FROM TABLE a JOIN (VALUES (1)) AS v(x) ON TRUE'],
  ['both sides of a join', 'SELECT b.owner FROM TABLE a JOIN TABLE b ON a.owner = b.owner AND a.id = b.id'],
  ['the nullable side', 'SELECT a.owner FROM (VALUES (1)) AS v(x) LEFT JOIN TABLE a ON TRUE WHERE a.owner IS NOT NULL'],
  ['a query in FROM', 'SELECT owner FROM (SELECT owner FROM TABLE) q'],
  ['three queries deep', 'SELECT owner FROM (SELECT * FROM (SELECT * FROM (SELECT owner FROM TABLE) a) b) c'],
  ['LATERAL', 'SELECT l.owner FROM (VALUES (1)) AS v(x), LATERAL (SELECT owner, x FROM TABLE) l'],
  ['WITH', 'WITH q AS (SELECT owner FROM TABLE) SELECT owner FROM q'],
  ['WITH inside WITH', 'WITH q AS (WITH r AS (SELECT owner FROM TABLE) SELECT owner FROM r) SELECT owner FROM q'],
  [
    'both terms of a recursive query',
    'WITH RECURSIVE q(owner, n) AS (SELECT owner, 1 FROM TABLE UNION ALL SELECT t.owner, n + 1 FROM TABLE t JOIN q ON n < 2 AND t.owner = q.owner) SELECT DISTINCT owner FROM q',
  ],
  ['a set operation', 'SELECT owner FROM TABLE UNION SELECT owner FROM TABLE'],
  ['INTERSECT', 'SELECT owner FROM TABLE INTERSECT SELECT owner FROM TABLE'],
  ['a scalar subquery', 'SELECT (SELECT max(owner) FROM TABLE)'],
  ['EXISTS', "SELECT 'x' WHERE EXISTS (SELECT * FROM TABLE)"],
  ['IN', 'SELECT owner FROM TABLE WHERE owner IN (SELECT owner FROM TABLE)'],
  ['ANY', 'SELECT owner FROM TABLE WHERE owner = ANY (SELECT owner FROM TABLE)'],
  [
    'a subquery in a CASE',
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM TABLE) THEN (SELECT min(owner) FROM TABLE) ELSE 'x' END",
  ],
  ['a subquery in ORDER BY', 'SELECT owner FROM TABLE ORDER BY (SELECT count(*) FROM TABLE)'],
  ['a subquery in HAVING', 'SELECT owner FROM TABLE GROUP BY owner HAVING (SELECT count(*) FROM TABLE) > 0'],
  ['a window', 'SELECT owner FROM TABLE QUALIFY row_number() OVER (ORDER BY owner) = 1'],
  ['DISTINCT ON', 'SELECT DISTINCT ON (owner) owner FROM TABLE'],
  [
    'a set operation in a subquery in a join',
    'SELECT q.owner FROM (VALUES (1)) AS v(x) JOIN (SELECT owner FROM TABLE EXCEPT SELECT NULL) q ON TRUE',
  ],
  ['TABLE', 'SELECT owner FROM (TABLE TABLE) q'],
  ['a function that makes rows', "SELECT string_to_table(owner, ' ') FROM TABLE"],
];

/** The same of what a write of the caller's own rows reads; each answers one owner. */
const WRITES: readonly [name: string, sql: string][] = [
  [
    'WITH before INSERT',
    'WITH q AS (SELECT max(owner) AS o FROM TABLE) INSERT INTO app.mine SELECT 2, o FROM q RETURNING owner',
  ],
  [
    'WITH before UPDATE',
    'WITH q AS (SELECT max(owner) AS o FROM TABLE) UPDATE app.mine SET owner = o FROM q WHERE id = 1 RETURNING owner',
  ],
  [
    'WITH before DELETE',
    'WITH q AS (SELECT max(owner) AS o FROM TABLE) DELETE FROM app.mine USING q WHERE id = 1 RETURNING o',
  ],
  ['RETURNING', "UPDATE app.mine SET owner = 'y' WHERE id = 1 RETURNING (SELECT max(owner) FROM TABLE)"],
  [
    'ON CONFLICT DO UPDATE',
    "INSERT INTO app.mine VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET owner = (SELECT max(owner) FROM TABLE) RETURNING owner",
  ],
];

before(async () => {
  const setting = {name: 'a.setting', value: '1', description: 'One.', category: 'a'};
  database = await openTestDatabase({settings: [setting]});
  await database.sql('CREATE NAMESPACE app');
  await database.sql('CREATE USER TABLE app.own (id INT PRIMARY KEY, owner TEXT)');
  await database.sql('CREATE USER TABLE app.mine (id INT PRIMARY KEY, owner TEXT)');
  await database.sql("CREATE SHARED TABLE app.closed (id INT PRIMARY KEY, owner TEXT) WITH (ACCESS_LEVEL = 'private')");
  await database.sql("INSERT INTO app.closed VALUES (1, 'closed')");
  for (const user of ['ana', 'bob']) {
    await database.sql(`INSERT INTO app.own VALUES (1, '${user}'), (2, '${user}')`, {user});
  }
  await flush(database, 'app.own');
  // A hot row over a flushed one.
  for (const user of ['ana', 'bob']) {
    await database.sql("UPDATE app.own SET owner = 'nobody' WHERE id = 1", {user});
    await database.sql(`UPDATE app.own SET owner = '${user}' WHERE id = 1`, {user});
  }
});
after(() => database.stop());

async function ask(sql: string, role: Role): Promise<string> {
  try {
    const session: Session = {userId: checkUserId('ana'), role, proof: {kind: 'development'}};
    const signal = new AbortController().signal;
    const [result] = await database.runSql({sql, params: [], namespace: undefined, session, signal});
    return `${result!.rows?.length} rows`;
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return error.code;
  }
}

for (const [name, sql] of SHAPES) {
  test(`a USER table inside ${name} has the rows of the caller alone`, async () => {
    for (const user of ['ana', 'bob']) {
      const {rows} = await database.sql(sql.replaceAll(/\bTABLE\b(?! TABLE)/g, 'app.own'), {user});
      assert.ok(rows.length > 0);
      for (const [owner] of rows) assert.ok(owner === user || owner === 'x', `${user} sees ${owner}`);
    }
    const {rows} = await database.sql(sql.replaceAll(/\bTABLE\b(?! TABLE)/g, 'app.own'), {user: 'cat'});
    for (const [owner] of rows) assert.ok(owner === null || owner === 'x', `cat sees ${owner}`);
  });

  test(`a system table inside ${name} is for admins`, async () => {
    const asked = sql
      .replaceAll(/\bTABLE\b(?! TABLE)/g, 'system.settings')
      .replaceAll('owner', 'name')
      .replaceAll('a.id = b.id', 'TRUE');
    assert.match(await ask(asked, 'dba'), /^1 rows$/);
    assert.match(await ask(asked, 'system'), /^1 rows$/);
    for (const role of ['user', 'service', 'anonymous'] as const)
      assert.equal(await ask(asked, role), 'PERMISSION_DENIED');
  });

  test(`a SHARED table that is not public inside ${name} is not for users`, async () => {
    const asked = sql.replaceAll(/\bTABLE\b(?! TABLE)/g, 'app.closed');
    assert.match(await ask(asked, 'service'), /^\d+ rows$/);
    for (const role of ['user', 'anonymous'] as const) assert.equal(await ask(asked, role), 'PERMISSION_DENIED');
  });
}

test('what is wrong with a query tells nothing of a table that the session may not read', async () => {
  assert.equal(await ask('SELECT none FROM app.closed', 'service'), 'SQL_EXECUTION_ERROR');
  for (const role of ['user', 'anonymous'] as const)
    assert.equal(await ask('SELECT none FROM app.closed', role), 'PERMISSION_DENIED');
});

test('a plan that an admin made does not open the table for others', async () => {
  const sql = 'SELECT a.name FROM system.settings a JOIN system.settings b ON a.name = b.name LIMIT 1';
  assert.equal(await ask(sql, 'dba'), '1 rows');
  assert.equal(await ask(sql, 'user'), 'PERMISSION_DENIED');
  assert.equal(await ask(sql, 'dba'), '1 rows');
});

test('the same text is bound anew after its tables changed', async () => {
  const sql = 'SELECT * FROM app.changing a JOIN (VALUES (1)) AS v(x) ON a.id = v.x';
  await database.sql('CREATE SHARED TABLE app.changing (id INT PRIMARY KEY, a TEXT)');
  await database.sql("INSERT INTO app.changing VALUES (1, 'old')");
  assert.deepEqual((await database.sql(sql)).columns, ['id', 'a', '_seq', '_deleted', 'x']);
  await database.sql('ALTER TABLE app.changing ADD COLUMN b INT');
  assert.deepEqual((await database.sql(sql)).columns, ['id', 'a', 'b', '_seq', '_deleted', 'x']);
  await database.sql('DROP TABLE app.changing');
  await database.sql('CREATE SHARED TABLE app.changing (id INT PRIMARY KEY, other DOUBLE)');
  assert.deepEqual((await database.sql(sql)).columns, ['id', 'other', '_seq', '_deleted', 'x']);
  await database.sql('DROP TABLE app.changing');
  await assert.rejects(database.sql(sql), /table 'kalam.app.changing' not found/);
});

test('EXPLAIN of a wide query is for admins, and tells no paths', async () => {
  const sql = 'EXPLAIN SELECT a.owner FROM app.own a JOIN app.own b ON a.id = b.id WHERE a.id = 1 AND b.id = 1';
  assert.equal(await ask(sql, 'user'), 'PERMISSION_DENIED');
  const {rows} = await database.sql(sql, {user: 'ana'});
  const text = rows.map(row => row.join('\n')).join('\n');
  assert.match(
    text,
    /executor: analytic \(DuckDB\)\nbecause of: joins\ntable: app\.own\n {2}hot rows: 1\n {2}cold rows: \d\n {2}segments: 1 of 1 read/,
  );
  assert.ok(!text.includes(database.directory));
});

for (const [name, sql] of WRITES) {
  const asked = (table: string) => sql.replace(/\bTABLE\b/, table);
  const begin = "DELETE FROM app.mine WHERE id > 0; INSERT INTO app.mine VALUES (1, 'x')";

  test(`a USER table inside ${name} has the rows of the caller alone`, async () => {
    for (const [user, owner] of [
      ['ana', 'ana'],
      ['bob', 'bob'],
      ['cat', null],
    ] as const) {
      await database.sql(begin, {user});
      const {rows} = await database.sql(asked('app.own'), {user});
      assert.deepEqual(rows, [[owner]]);
    }
  });

  test(`tables that the caller may not read are refused inside ${name}, and nothing is written`, async () => {
    await database.sql(begin, {user: 'ana'});
    assert.equal(await ask(asked('app.closed'), 'user'), 'PERMISSION_DENIED');
    assert.equal(await ask(asked('system.settings').replace('owner)', 'name)'), 'user'), 'PERMISSION_DENIED');
    assert.deepEqual((await database.sql('SELECT id, owner FROM app.mine', {user: 'ana'})).rows, [[1, 'x']]);
    assert.equal(await ask(asked('app.closed'), 'service'), '1 rows');
  });
}

/** From a text to a statement kind and its tree: heads, and the syntax that is not of the query language. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {splitStatements} from '../parser/split.ts';
import {matchHead} from './heads.ts';

/** Name and tree, or code and message. */
function parsed(sql: string): {name: string; tree: unknown} | {code: string; message: string} {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  try {
    const kind = matchHead(cursor);
    const tree = kind.parse(cursor);
    cursor.expectEnd();
    return {name: kind.name, tree};
  } catch (error) {
    assert.ok(error instanceof DbError, String(error));
    return {code: error.code, message: error.message};
  }
}

const served: [sql: string, name: string][] = [
  ['select 1', 'SELECT'],
  ['(SELECT 1)', 'SELECT'],
  ['WITH x AS (SELECT 1) SELECT * FROM x', 'SELECT'],
  ['VALUES (1)', 'SELECT'],
  ['TABLE a.b', 'SELECT'],
  ['((SELECT 1) UNION TABLE a.b) LIMIT 1', 'SELECT'],
  ['INSERT INTO a.b VALUES (1)', 'INSERT'],
  ['UPDATE a.b SET x = 1 WHERE y = 2', 'UPDATE'],
  ['DELETE FROM a.b WHERE y = 2', 'DELETE'],
  ['EXPLAIN SELECT 1', 'EXPLAIN'],
  ['EXPLAIN (VALUES (1)) LIMIT 1', 'EXPLAIN'],
  ['CREATE NAMESPACE IF NOT EXISTS app', 'CREATE NAMESPACE'],
  ['DROP NAMESPACE IF EXISTS app CASCADE', 'DROP NAMESPACE'],
  ['DROP NAMESPACE app RESTRICT', 'DROP NAMESPACE'],
  ['SHOW NAMESPACES', 'SHOW NAMESPACES'],
  ['CREATE TABLE user (user INT PRIMARY KEY)', 'CREATE TABLE'],
  ['CREATE USER TABLE a.b (id INT PRIMARY KEY)', 'CREATE TABLE'],
  ['create shared table if not exists a.b (id INT, PRIMARY KEY (id),)', 'CREATE TABLE'],
  ['CREATE STREAM TABLE a.b (id INT)', 'CREATE TABLE'],
  ['DROP TABLE IF EXISTS a.b CASCADE', 'DROP TABLE'],
  ['DROP STREAM TABLE a.b RESTRICT', 'DROP TABLE'],
  ['ALTER TABLE a.b ADD x INT', 'ALTER TABLE'],
  ['ALTER USER TABLE IF EXISTS a.b ADD COLUMN IF NOT EXISTS x INT NOT NULL DEFAULT 5', 'ALTER TABLE'],
  ['ALTER SHARED TABLE a.b DROP COLUMN IF EXISTS x', 'ALTER TABLE'],
  ['SHOW TABLES IN NAMESPACE app', 'SHOW TABLES'],
  ['DESC TABLE a.b HISTORY', 'DESCRIBE TABLE'],
  ['FLUSH TABLE a.b', 'FLUSH TABLE'],
  ['FLUSH ALL TABLES IN a', 'FLUSH ALL TABLES'],
  ['STORAGE FLUSH TABLE a.b', 'STORAGE FLUSH TABLE'],
  ['STORAGE FLUSH ALL IN NAMESPACE a', 'STORAGE FLUSH ALL'],
  ["CREATE USER ana WITH PASSWORD 'x' ROLE user", 'CREATE USER'],
  ['CREATE USER \'a@b\' WITH OAUTH \'{"provider":"p","subject":"s"}\' ROLE viewer EMAIL \'e\'', 'CREATE USER'],
  ['CREATE USER bot WITH INTERNAL ROLE service', 'CREATE USER'],
  ["ALTER USER ana SET PASSWORD 'x' REVOKE SESSIONS", 'ALTER USER'],
  ['DROP USER IF EXISTS ana', 'DROP USER'],
  ["KILL JOB 'FL-0123456789ab'", 'KILL JOB'],
  ['KILL JOB FL-75d969d09604', 'KILL JOB'],
  ['KILL JOB "FL-75d969d09604"', 'KILL JOB'],
  ['CLUSTER SNAPSHOT', 'CLUSTER'],
  ['CLUSTER TRIGGER ELECTION', 'CLUSTER'],
  ['cluster trigger-election', 'CLUSTER'],
  ['CLUSTER STEP-DOWN', 'CLUSTER'],
  ['CLUSTER TRANSFER-LEADER 2', 'CLUSTER'],
  ['CLUSTER PURGE UPTO 100', 'CLUSTER'],
  ['cluster  purge\n --upto 100 -- all of it', 'CLUSTER'],
  ["CLUSTER JOIN 2 RPC 'a:1' API 'http://a:2'", 'CLUSTER'],
];

for (const [sql, name] of served) {
  test(`understood: ${sql}`, () => {
    const answer = parsed(sql);
    assert.ok('name' in answer, JSON.stringify(answer));
    assert.equal(answer.name, name);
  });
}

const later: [sql: string, named: string][] = [
  ['CREATE MATERIALIZED VIEW a.v AS SELECT 1', 'MATERIALIZED VIEWS are not supported yet'],
  ["BACKUP DATABASE TO '/b'", 'BACKUP DATABASE'],
  ["BACKUP DATABASE IF EXISTS app TO '/b'", 'BACKUP DATABASE'],
  ["RESTORE DATABASE FROM '/b'", 'RESTORE DATABASE'],
  ['SHOW BACKUPS FOR DATABASE app', 'SHOW BACKUP'],
  ['EXPORT USER DATA', 'EXPORT USER DATA'],
  ['SHOW EXPORT', 'SHOW EXPORT'],
  ['CREATE TOPIC a.t PARTITIONS 3', 'CREATE TOPIC'],
  ['ALTER TOPIC a.t ADD SOURCE a.b ON INSERT', 'ALTER TOPIC'],
  ['DROP TOPIC a.t', 'DROP TOPIC'],
  ['CLEAR TOPIC a.t', 'CLEAR TOPIC'],
  ["CONSUME FROM a.t GROUP 'g'", 'CONSUME FROM'],
  ["ACK a.t GROUP 'g' UPTO OFFSET 5", 'ACK'],
  ['CLUSTER LEAVE', 'CLUSTER LEAVE is not supported yet'],
  ['ALTER TABLE a.b CREATE VECTOR INDEX x', 'ALTER TABLE CREATE INDEX'],
  ['ALTER TABLE a.b DROP INDEX x', 'ALTER TABLE DROP INDEX'],
  ['ALTER TABLE a.b ADD CONSTRAINT c CHECK (x > 1)', 'ALTER TABLE ADD CONSTRAINT'],
  ['DROP TABLE a.b, a.c', 'several tables in one DROP TABLE'],
  ['EXPLAIN INSERT INTO a.b VALUES (1)', 'EXPLAIN of INSERT'],
  ['CREATE TABLE a.b AS SELECT 1', 'CREATE TABLE … AS'],
];

for (const [sql, named] of later) {
  test(`known and not served: ${sql}`, () => {
    const answer = parsed(sql);
    assert.ok('code' in answer, 'it was parsed');
    assert.equal(answer.code, 'NOT_SUPPORTED');
    assert.ok(answer.message.startsWith(`Not supported: ${named} at line 1, column `), answer.message);
  });
}

const refused: [why: string, sql: string, message: string][] = [
  [
    'a typing error in the second word',
    'CREATE TABEL a.b',
    "Expected NAMESPACE or OR or SHARED or STORAGE or STREAM or TABLE or USER or VIEW, found 'TABEL'",
  ],
  [
    'the second word is missing',
    'SHOW',
    'Expected ALL, COLUMNS, MANIFEST, NAMESPACES, STATS, STORAGES, TABLES or a setting, found the end of the statement',
  ],
  ['a typing error in the third word', 'FLUSH ALL TABEL', "Expected TABLES, found 'TABEL'"],
  [
    'no statement at all',
    'HELLO',
    "Expected a statement such as SELECT, INSERT, UPDATE, DELETE, CREATE TABLE or FLUSH TABLE, found 'HELLO'",
  ],
  [
    'a typing error in the first word',
    'UPDTE a.b SET x = 1',
    "Expected a statement such as SELECT, INSERT, UPDATE, DELETE, CREATE TABLE or FLUSH TABLE, found 'UPDTE' (did you mean UPDATE?)",
  ],
  ['a statement of other engines', 'TRUNCATE a.b', 'Unsupported statement type: TRUNCATE'],
  ['an object of other engines', 'create index i ON a.b (x)', 'Unsupported statement type: CREATE INDEX'],
  ['a name that begins with a digit', 'CREATE NAMESPACE 9x', 'Name cannot start with a number'],
  ['a number with letters', 'SELECT 12ab', "Malformed number '12ab'"],
  [
    'several operations',
    'ALTER TABLE a.b ADD x INT, ADD y INT',
    'Only one ALTER TABLE operation is supported per statement',
  ],
  ['several columns', 'ALTER TABLE a.b DROP COLUMN x, y', 'ALTER TABLE only supports dropping one column at a time'],
  ['several drops', 'ALTER TABLE a.b DROP x, DROP y', 'Only one ALTER TABLE operation is supported per statement'],
  ['a position', 'ALTER TABLE a.b ADD COLUMN x INT FIRST', 'Column position modifiers (FIRST/AFTER) are not supported'],
  [
    'a position after',
    'ALTER TABLE a.b ADD COLUMN x INT NOT NULL AFTER y',
    'Column position modifiers (FIRST/AFTER) are not supported',
  ],
  ['dependents', 'ALTER TABLE a.b DROP COLUMN x CASCADE', 'DROP COLUMN CASCADE/RESTRICT is not supported'],
  ['an operation that nobody has', 'ALTER TABLE a.b FOO', 'Unsupported ALTER TABLE operation'],
  [
    'no operation',
    'ALTER TABLE a.b',
    'Expected ADD, DROP, RENAME, MODIFY or ALTER COLUMN, or SET, found the end of the statement',
  ],
  [
    'what a column has not',
    'ALTER TABLE a.b ALTER x SET STORAGE',
    'Unsupported ALTER COLUMN operation; it is TYPE, NOT NULL or DEFAULT that can be changed',
  ],
  [
    'a default where only a type may stand',
    'ALTER TABLE a.b MODIFY x INT DEFAULT 1',
    'MODIFY COLUMN takes a type and NULL or NOT NULL; a default is set by ALTER COLUMN … SET DEFAULT',
  ],
  [
    'a position of a changed column',
    'ALTER TABLE a.b MODIFY x INT FIRST',
    'Column position modifiers (FIRST/AFTER) are not supported',
  ],
  ['a property of nothing', 'ALTER TABLE a.b SET x = 1', 'Unsupported ALTER TABLE operation'],
  ['a word too many', 'SHOW NAMESPACES please', "Unexpected 'please'"],
  [
    'an unknown clause',
    'CREATE TABLE a.b (id INT PRIMARY KEY) FOO',
    "Expected WITH (…), STORAGE, FLUSH, TTL or the end of the statement, found 'FOO'",
  ],
  [
    'an interval without a number',
    'CREATE TABLE a.b (id INT PRIMARY KEY) FLUSH INTERVAL ROWS',
    "Expected a number of seconds, found 'ROWS'",
  ],
  ['an interval in other units', 'CREATE TABLE a.b (id INT PRIMARY KEY) FLUSH INTERVAL 5m', "Malformed number '5m'"],
];

for (const [why, sql, message] of refused) {
  test(`refused: ${why}: ${sql}`, () => {
    const answer = parsed(sql);
    assert.ok('code' in answer, 'it was parsed');
    assert.equal(answer.code, 'INVALID_SQL');
    assert.ok(answer.message.startsWith(`Invalid SQL: ${message} at line 1, column `), answer.message);
  });
}

const clauses: [text: string, kindWord: string | undefined, options: Record<string, string>, isStream?: true][] = [
  ['FLUSH ROWS 1000', undefined, {FLUSH_POLICY: 'rows:1000'}],
  ['FLUSH SECONDS 60', undefined, {FLUSH_POLICY: 'interval:60'}],
  ['FLUSH ROW_THRESHOLD 5', undefined, {FLUSH_POLICY: 'rows:5'}],
  ['FLUSH INTERVAL 300s', undefined, {FLUSH_POLICY: 'interval:300'}],
  ['flush interval 300S', undefined, {FLUSH_POLICY: 'interval:300'}],
  ['FLUSH INTERVAL 300 s', undefined, {FLUSH_POLICY: 'interval:300'}],
  ['FLUSH INTERVAL 300', undefined, {FLUSH_POLICY: 'interval:300'}],
  ['FLUSH INTERVAL 300s ROW_THRESHOLD 1000', undefined, {FLUSH_POLICY: 'interval:300,rows:1000'}],
  ['FLUSH POLICY ROW_LIMIT 10', undefined, {FLUSH_POLICY: 'rows:10'}],
  ['TABLE_TYPE user', undefined, {TYPE: 'user'}],
  ["TABLE_TYPE 'user' OWNER_ID 'ana'", undefined, {TYPE: 'user'}],
  ['TABLE_TYPE shared STORAGE local', undefined, {TYPE: 'shared', STORAGE_ID: 'local'}],
  ["STORAGE 'local' USE_USER_STORAGE", undefined, {STORAGE_ID: 'local', USE_USER_STORAGE: 'TRUE'}],
  ['USE_USER_STORAGE TRUE FLUSH ROWS 1', undefined, {USE_USER_STORAGE: 'TRUE', FLUSH_POLICY: 'rows:1'}],
  ['TTL 30', undefined, {TTL_SECONDS: '30'}, true],
  ['TTL 30s', undefined, {TTL_SECONDS: '30'}, true],
  ['RETENTION 10 EPHEMERAL MAX_BUFFER 100', undefined, {TTL_SECONDS: '10'}, true],
  ['BUFFER_SIZE 100', undefined, {}, true],
  [
    "WITH (TYPE = 'USER', FLUSH_POLICY = 'rows:5,interval:6')",
    undefined,
    {TYPE: 'USER', FLUSH_POLICY: 'rows:5,interval:6'},
  ],
  ['WITH (type = shared, ACCESS_LEVEL = public)', undefined, {TYPE: 'shared', ACCESS_LEVEL: 'public'}],
  ['OPTIONS (DELETED_RETENTION_HOURS = 24)', undefined, {DELETED_RETENTION_HOURS: '24'}],
  ['', 'user', {}],
];

for (const [text, kindWord, options, isStream] of clauses) {
  test(`table clauses of both dialects: ${text || 'none'}`, () => {
    const head = kindWord === undefined ? 'CREATE TABLE' : `CREATE ${kindWord.toUpperCase()} TABLE`;
    const answer = parsed(`${head} a.b (id INT PRIMARY KEY) ${text}`);
    assert.ok('tree' in answer, JSON.stringify(answer));
    const tree = answer.tree as {
      kindWord: string | undefined;
      options: Map<string, string>;
      hasStreamClause: boolean;
    };
    assert.equal(tree.kindWord, kindWord);
    assert.deepEqual(Object.fromEntries(tree.options), options);
    assert.equal(tree.hasStreamClause, isStream ?? false);
  });
}

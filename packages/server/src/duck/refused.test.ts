import assert from 'node:assert/strict';
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {ask, hotRows, relationOf, segmentFile, tempFolder, testDuck} from '../../test/duck/kit.ts';
import {columnOf, schemaOf} from '../cold/test-rows.ts';

const {duck, folder, warnings} = testDuck();
const outside = tempFolder();
const SCHEMA = schemaOf([columnOf(1, 'k', {name: 'int'})]);
const segment = await segmentFile(folder, SCHEMA, [{values: [1]}]);
const csv = join(folder, 'inside.csv');
writeFileSync(csv, 'a,b\n1,2\n');
const target = join(folder, 'written.csv');

/** Nothing of this is ever made by us. Each names what it would do. */
const cases: [why: string, sql: string][] = [
  ['read a file outside', "SELECT * FROM read_csv('/etc/passwd')"],
  ['read a file as text', "SELECT content FROM read_text('/etc/passwd')"],
  ['read a file as bytes', "SELECT content FROM read_blob('/etc/passwd')"],
  ['read a file by its name alone', "SELECT * FROM '/etc/passwd.csv'"],
  ['read a file by a quoted name', `SELECT * FROM "${csv}"`],
  [
    'read a file by the name of a WITH query that is out of reach',
    `SELECT (WITH "${csv}" AS (SELECT 1) SELECT 1) FROM "${csv}"`,
  ],
  ["read a segment that is not the request's", `SELECT * FROM read_parquet('${segment.path}')`],
  ['read a file that a parameter names', 'SELECT * FROM read_csv($1)'],
  ['list files', "SELECT * FROM glob('/*')"],
  ['sniff a file', `SELECT * FROM sniff_csv('${csv}')`],
  ["read a file's footer", `SELECT * FROM parquet_metadata('${segment.path}')`],
  ['write a file', `COPY (SELECT 1) TO '${target}'`],
  ['write over a segment', `COPY (SELECT 1) TO '${segment.path}'`],
  ['write a database', `ATTACH '${join(folder, 'x.db')}'`],
  ['export a database', `EXPORT DATABASE '${join(folder, 'export')}'`],
  ['install an extension', 'INSTALL httpfs'],
  ['load an extension', 'LOAD httpfs'],
  ['set an option', 'SET threads = 8'],
  ['reset an option', 'RESET enable_external_access'],
  ['set an option by a pragma', 'PRAGMA threads = 8'],
  ['ask by a pragma', 'PRAGMA database_list'],
  ['call a function', 'CALL pragma_version()'],
  ['use a pragma as a table', 'SELECT * FROM pragma_database_list()'],
  ['read the settings', 'SELECT * FROM duckdb_settings()'],
  ['read the catalog', 'SELECT * FROM duckdb_tables'],
  ['read the catalog by its schema', 'SELECT * FROM information_schema.tables'],
  ["read the catalog by PostgreSQL's name", 'SELECT * FROM pg_catalog.pg_class'],
  ['read secrets', 'SELECT * FROM duckdb_secrets()'],
  ['run SQL from a text', "SELECT * FROM query('SELECT 1')"],
  ['read a table whose name is computed', "SELECT * FROM query_table('t1')"],
  ['run SQL from JSON', "SELECT * FROM json_execute_serialized_sql('{}')"],
  ['create a table', 'CREATE TABLE t (a INTEGER)'],
  ['create a macro', 'CREATE MACRO m() AS 1'],
  ['change a table', 'INSERT INTO t1 VALUES (1)'],
  ['delete in a WITH query', 'WITH d AS (DELETE FROM t1 RETURNING *) SELECT * FROM d'],
  ['run two statements', 'SELECT 1; SELECT 2'],
  ['hide a statement behind a SELECT', `SELECT 1; COPY (SELECT 1) TO '${target}'`],
  ['prepare', 'PREPARE p AS SELECT 1'],
  ['describe', 'DESCRIBE t1'],
  ['describe in FROM', 'SELECT * FROM (DESCRIBE t1)'],
  ['summarize', 'SUMMARIZE t1'],
  ['show', 'SHOW TABLES'],
  ['explain', 'EXPLAIN ANALYZE SELECT 1'],
  ['pivot', 'SELECT * FROM (PIVOT t1 ON k USING count(*))'],
  ['read the functions of the child itself', 'SELECT * FROM kalamdb_hot(0)'],
  ['read a relation that is not of the request', 'SELECT * FROM t2'],
  ['read a relation by a schema', 'SELECT * FROM main.t1'],
  ['send nothing', ''],
  ['send no SQL', 'hello'],
];
for (const [why, sql] of cases) {
  test(`SQL is refused that would ${why}`, async () => {
    warnings.length = 0;
    const relations = [relationOf(SCHEMA, {hot: hotRows(SCHEMA, [{values: [5]}])})];
    const params = sql.includes('$1') ? [{type: {name: 'text'} as const, value: csv}] : [];
    await assert.rejects(ask(duck, sql, {relations, params}), {
      code: 'INTERNAL_ERROR',
      message: 'The query was not made well; details are in the log.',
    });
    assert.equal(warnings.length, 1);
    assert.equal(existsSync(target), false);
  });
}

test('after all of that the child is the same and answers', async () => {
  const relations = [relationOf(SCHEMA, {files: [segment]})];
  assert.deepEqual((await ask(duck, 'SELECT k FROM t1', {relations, outputs: [{name: 'int'}]})).rows, ['[1]']);
  const {childrenStarted, childrenLost, childrenKilled} = duck.stats();
  assert.deepEqual(
    {childrenStarted, childrenLost, childrenKilled},
    {childrenStarted: 1, childrenLost: 0, childrenKilled: 0},
  );
});

test('a file outside of the directories is out of reach, though a relation names it', async () => {
  const relations = [relationOf(SCHEMA, {files: [await segmentFile(outside, SCHEMA, [{values: [1]}])]})];
  await assert.rejects(ask(duck, 'SELECT k FROM t1', {relations, outputs: [{name: 'int'}]}), {code: 'INTERNAL_ERROR'});
});

test('a directory that comes later is reached by a new child', async () => {
  const directories = [folder];
  const {duck: other} = testDuck({directories: () => directories});
  const files = [await segmentFile(outside, SCHEMA, [{values: [3]}])];
  const outputs = [{name: 'int'} as const];
  await ask(other, 'SELECT 1 AS one', {outputs});
  directories.push(outside);
  const answer = await ask(other, 'SELECT k FROM t1', {relations: [relationOf(SCHEMA, {files})], outputs});
  assert.deepEqual(answer.rows, ['[3]']);
  assert.equal(other.stats().childrenStarted, 2);
});

const misfits: [why: string, sql: string, outputs: 'int' | 'bigint', params: number][] = [
  ['another type', 'SELECT 1::INTEGER AS x', 'bigint', 0],
  ['another number of columns', 'SELECT 1::INTEGER AS x, 2 AS y', 'int', 0],
  ['a parameter too few', 'SELECT $1::INTEGER + $2::INTEGER AS x', 'int', 1],
  ['a parameter too many', 'SELECT $1::INTEGER AS x', 'int', 2],
];
for (const [why, sql, output, count] of misfits) {
  test(`SQL that does not fit its request is refused: ${why}`, async () => {
    const params = Array.from({length: count}, () => ({type: {name: 'int'} as const, value: 1}));
    await assert.rejects(ask(duck, sql, {params, outputs: [{name: output}]}), {code: 'INTERNAL_ERROR'});
  });
}

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {NO_ENV} from '../expr/coerce.ts';
import type {Env, Param} from '../expr/expr.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import type {Incarnation} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import type {ColumnDefault, Schema} from '../model/schema.ts';
import {toJson} from '../model/values.ts';
import type {Delete, Insert, Update} from '../parser/ast.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {parseDelete, parseInsert, parseUpdate} from '../parser/dml.ts';
import {parseSelectText} from '../parser/parser.ts';
import {splitStatements} from '../parser/split.ts';
import type {ScanRequest, TableParts, TableSnapshot} from '../table/table.ts';
import {type RunOptions, runSelect, type SelectResult} from './direct.ts';
import {planDelete, planInsert, planUpdate} from './dml.ts';
import {explainText} from './explain.ts';
import {planSelect} from './plan.ts';

const COLUMNS: [name: string, type: DataType, isNullable: boolean, preset?: ColumnDefault][] = [
  ['id', {name: 'int'}, false],
  ['city', {name: 'text'}, true],
  ['score', {name: 'int'}, true],
  ['price', {name: 'decimal', precision: 10, scale: 2}, true],
  ['ref', {name: 'bigint'}, false, {kind: 'function', name: 'SNOWFLAKE_ID'}],
];

const SCHEMA: Schema = {
  incarnation: 64 as Incarnation,
  name: {namespace: 'app', table: 't'},
  kind: 'user',
  version: 1,
  columns: COLUMNS.map(([name, type, isNullable, preset], i) => ({
    ...{id: i + 1, name, type, isNullable, initial: null},
    default: preset ?? {kind: 'none'},
  })),
  primaryKey: 0,
  options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
  createdAt: 0n,
  updatedAt: 0n,
};

const ROWS: Value[][] = [
  [1, 'Oslo', 10, 150n, 1n],
  [2, 'Rome', null, 250n, 2n],
  [3, 'Oslo', 30, null, 3n],
  [4, null, 20, 50n, 4n],
  [5, 'Rome', 30, 100n, 5n],
];
/** Key 6 was deleted. */
const TOMBSTONE: Value[] = [6, 'Gone', 1, 1n, 6n];

function rowOf(values: readonly Value[], isTombstone: boolean): Row {
  return {
    seq: BigInt(values[0] as number) + 100n,
    isTombstone,
    value: i => values[i]!,
    json: i => toJson(SCHEMA.columns[i]!.type, values[i]!),
  };
}

/** A table in memory that counts what is read of it; `isCold` makes it answer by promises. */
class FakeSnapshot implements TableSnapshot {
  readonly schema = SCHEMA;
  readonly isCold: boolean;
  visited = 0;
  points = 0;
  requests: ScanRequest[] = [];
  constructor(isCold = false) {
    this.isCold = isCold;
  }
  #rows(includeTombstones: boolean): {key: Uint8Array; row: Row}[] {
    const live = ROWS.map(values => ({key: encodeKey(SCHEMA.columns[0]!.type, values[0]!), row: rowOf(values, false)}));
    const dead = {key: encodeKey(SCHEMA.columns[0]!.type, 6), row: rowOf(TOMBSTONE, true)};
    return includeTombstones ? [...live, dead] : live;
  }
  point(key: Uint8Array, includeTombstones: boolean): Row | undefined | Promise<Row | undefined> {
    this.points++;
    const found = this.#rows(includeTombstones).find(each => Buffer.compare(each.key, key) === 0)?.row;
    return this.isCold ? Promise.resolve(found) : found;
  }
  scan(request: ScanRequest, visit: (row: Row) => boolean): void | Promise<void> {
    this.requests.push(request);
    const {from, to} = request.keys;
    const rows = this.#rows(request.includeTombstones).filter(
      ({key}) =>
        (from === undefined || Buffer.compare(key, from) >= 0) && (to === undefined || Buffer.compare(key, to) <= 0),
    );
    for (const {row} of request.isReverse ? rows.reverse() : rows) {
      this.visited++;
      if (!visit(row)) break;
    }
    if (this.isCold) return Promise.resolve();
  }
  readonly coldRowCount = 0;
  parts(): TableParts {
    throw new Error('only another executor asks for parts');
  }
  describe() {
    return {hotRows: 5, coldRows: 9, segments: [{name: 'batch-0', rowCount: 9, pruned: 'key range'}]};
  }
  close(): void {}
}

const OPTIONS: RunOptions = {
  defaultLimit: 50,
  maxLimit: 1000,
  signal: new AbortController().signal,
  implicitOrder: undefined,
  coldRowsMax: Number.POSITIVE_INFINITY,
};

function select(
  sql: string,
  params: readonly Param[] = [],
  options: Partial<RunOptions> = {},
  snapshot = new FakeSnapshot(),
) {
  const tree = parseSelectText(sql);
  const plan = planSelect(tree, tree.from.length === 0 ? undefined : SCHEMA, {text: sql});
  const used = tree.from.length === 0 ? undefined : snapshot;
  return runSelect(plan, used, {...NO_ENV, params}, {...OPTIONS, ...options});
}

function rowsOf(sql: string, params: readonly Param[] = []): string {
  const result = select(sql, params);
  assert(!(result instanceof Promise), 'rows in memory are answered synchronously');
  return result.rows.join(' ');
}

const queries: [why: string, sql: string, expected: string, params?: Param[]][] = [
  ['no FROM is one row', 'SELECT 1 + 1, NULL', '[2,null]'],
  ['brackets around a query mean nothing', '((SELECT 1)) LIMIT 1', '[1]'],
  [
    'rows compare by their first pair that differs; a NULL there is unknown',
    'SELECT (1, NULL) < (2, 1), (1, NULL) < (1, 1), (1, 2) <= (1, 2), (NULL, 1) > (2, 1)',
    '[true,null,true,null]',
  ],
  [
    'rows are equal when all pairs are; one pair that differs decides',
    'SELECT (1, NULL) = (2, NULL), (1, NULL) = (1, NULL), (1, NULL) <> (2, 1), (1, 2) NOT IN ((1, 3), (2, NULL))',
    '[false,null,true,true]',
  ],
  [
    'rows that are not distinct',
    'SELECT (1, NULL) IS NOT DISTINCT FROM (1, NULL), (1, 2) IS DISTINCT FROM (1, 2)',
    '[true,false]',
  ],
  ['no FROM with a false WHERE is none', 'SELECT 1 WHERE 1 = 2', ''],
  ['key order is the default order', 'SELECT id FROM t', '[1] [2] [3] [4] [5]'],
  ['* shows system columns last', 'SELECT * FROM t WHERE id = 1', '[1,"Oslo",10,"1.50","1","101",false]'],
  ['t.* of an alias', 'SELECT x.*, 1 FROM t x WHERE id = 4', '[4,null,20,"0.50","4","104",false,1]'],
  ['WHERE keeps only true', 'SELECT id FROM t WHERE score > 10', '[3] [4] [5]'],
  ['a key range', 'SELECT id FROM t WHERE id > 2 AND id <= 4', '[3] [4]'],
  ['IN of keys comes in key order', 'SELECT id FROM t WHERE id IN (4, 1, 4, 9)', '[1] [4]'],
  ['IN of keys backwards', 'SELECT id FROM t WHERE id IN (4, 1) ORDER BY id DESC', '[4] [1]'],
  ['OR of keys', 'SELECT id FROM t WHERE id = 5 OR id = 2 OR 1 = id', '[1] [2] [5]'],
  ['no key has a fraction', 'SELECT id FROM t WHERE id = 1.5', ''],
  ['a key beyond its type', 'SELECT id FROM t WHERE id = 99999999999 OR id = 1', '[1]'],
  ['a range beyond the type holds all', 'SELECT COUNT(*) FROM t WHERE id < 99999999999', '["5"]'],
  ['a range bound with fraction', 'SELECT id FROM t WHERE id > 3.5', '[4] [5]'],
  ['parameters of a key', 'SELECT id FROM t WHERE id = $1', '[3]', [{number: '3'}]],
  ['a null parameter finds nothing', 'SELECT id FROM t WHERE id = $1', '', [null]],
  ['tombstones appear when WHERE names them', 'SELECT id, _deleted FROM t WHERE _deleted', '[6,true]'],
  ['ORDER BY puts NULL last', 'SELECT score FROM t ORDER BY score', '[10] [20] [30] [30] [null]'],
  ['DESC puts NULL first', 'SELECT score, id FROM t ORDER BY score DESC, id', '[null,2] [30,3] [30,5] [20,4] [10,1]'],
  ['NULLS LAST is obeyed', 'SELECT score FROM t ORDER BY score DESC NULLS LAST LIMIT 1', '[30]'],
  ['top-N of ties keeps key order', 'SELECT id FROM t ORDER BY score DESC NULLS LAST LIMIT 2', '[3] [5]'],
  ['OFFSET with top-N', 'SELECT id FROM t ORDER BY score LIMIT 2 OFFSET 1', '[4] [3]'],
  [
    'ORDER BY ordinal',
    'SELECT id, score FROM t WHERE score > 0 ORDER BY 2 DESC, 1 DESC',
    '[5,30] [3,30] [4,20] [1,10]',
  ],
  ['ORDER BY alias', 'SELECT id, -id AS n FROM t ORDER BY n LIMIT 2', '[5,-5] [4,-4]'],
  ['ORDER BY expression', 'SELECT id FROM t ORDER BY id % 2, id DESC', '[4] [2] [5] [3] [1]'],
  ['LIMIT 0', 'SELECT id FROM t LIMIT 0', ''],
  ['LIMIT by parameter', 'SELECT id FROM t LIMIT $1 OFFSET $2', '[2] [3]', [{number: '2'}, {number: '1'}]],
  ['LIMIT NULL is no limit', 'SELECT id FROM t LIMIT NULL', '[1] [2] [3] [4] [5]'],
  ['DISTINCT takes NULL as one value', 'SELECT DISTINCT city FROM t', '["Oslo"] ["Rome"] [null]'],
  ['DISTINCT with ORDER BY', 'SELECT DISTINCT city FROM t ORDER BY city DESC', '[null] ["Rome"] ["Oslo"]'],
  [
    'aggregates leave NULL out',
    'SELECT COUNT(*), COUNT(score), SUM(score), MIN(score), MAX(score) FROM t',
    '["5","4","90",10,30]',
  ],
  ['AVG of integers is a double', 'SELECT AVG(score) FROM t', '[22.5]'],
  ['SUM of decimals is exact', 'SELECT SUM(price) FROM t', '["5.50"]'],
  ['AVG of decimals is decimal', 'SELECT AVG(price) FROM t', '["1.3750000000000000"]'],
  ['aggregates of nothing', 'SELECT COUNT(*), SUM(score), MAX(city) FROM t WHERE id > 99', '["0",null,null]'],
  ['GROUP BY with no rows has no groups', 'SELECT city, COUNT(*) FROM t WHERE id > 99 GROUP BY city', ''],
  [
    'GROUP BY groups NULL',
    'SELECT city, COUNT(*) FROM t GROUP BY city ORDER BY city',
    '["Oslo","2"] ["Rome","2"] [null,"1"]',
  ],
  ['GROUP BY ordinal and HAVING', 'SELECT city, SUM(score) FROM t GROUP BY 1 HAVING SUM(score) > 30', '["Oslo","40"]'],
  [
    'GROUP BY alias of an expression',
    'SELECT id % 2 AS odd, COUNT(*) FROM t GROUP BY odd ORDER BY odd',
    '[0,"2"] [1,"3"]',
  ],
  [
    'GROUP BY two keys',
    "SELECT city, score FROM t WHERE city = 'Rome' GROUP BY city, score",
    '["Rome",null] ["Rome",30]',
  ],
  ['ORDER BY aggregate', 'SELECT city FROM t GROUP BY city ORDER BY COUNT(*) DESC, city LIMIT 1', '["Oslo"]'],
  ['expressions over groups', 'SELECT UPPER(city) || COUNT(*) FROM t GROUP BY city ORDER BY city LIMIT 1', '["OSLO2"]'],
  ['COUNT DISTINCT', 'SELECT COUNT(DISTINCT score), SUM(DISTINCT score) FROM t', '["3","60"]'],
  ['FILTER', "SELECT COUNT(*) FILTER (WHERE city = 'Oslo') FROM t", '["2"]'],
  ['BOOL_AND and BOOL_OR', 'SELECT BOOL_AND(score > 10), BOOL_OR(score > 10) FROM t', '[false,true]'],
  ['STRING_AGG in key order', "SELECT STRING_AGG(city, ',') FROM t", '["Oslo,Rome,Oslo,Rome"]'],
  ['VAR_POP', 'SELECT VAR_POP(id), STDDEV_POP(id) FROM t WHERE id IN (1, 3)', '[1,1]'],
  ['sample variance of one row is NULL', 'SELECT VAR(id) FROM t WHERE id = 1', '[null]'],
  ['HAVING without GROUP BY', 'SELECT COUNT(*) FROM t HAVING COUNT(*) > 9', ''],
];

for (const [why, sql, expected, params] of queries) {
  test(`select: ${why}: ${sql}`, () => assert.equal(rowsOf(sql, params), expected));
}

test('rows that are not in memory give the same answers by promise', async () => {
  for (const [why, sql, expected, params] of queries) {
    const result = await select(sql, params, {}, new FakeSnapshot(true));
    assert.equal(result.rows.join(' '), expected, why);
  }
});

const failures: [why: string, sql: string, expected: RegExp][] = [
  ['ungrouped column', 'SELECT city, COUNT(*) FROM t', /column "city" must appear in the GROUP BY clause/],
  ['* with GROUP BY', 'SELECT * FROM t GROUP BY city', /column "id" must appear in the GROUP BY clause/],
  ['aggregate in WHERE', 'SELECT id FROM t WHERE COUNT(*) > 1', /aggregate function COUNT is not allowed here/],
  ['nested aggregate', 'SELECT SUM(COUNT(*)) FROM t', /aggregate function COUNT is not allowed here/],
  ['aggregate in GROUP BY', 'SELECT 1 FROM t GROUP BY COUNT(*)', /aggregate function COUNT is not allowed here/],
  ['order ordinal out of range', 'SELECT id FROM t ORDER BY 2', /ORDER BY position 2 is not in select list/],
  ['group ordinal out of range', 'SELECT id FROM t GROUP BY 0', /GROUP BY position 0 is not in select list/],
  ['DISTINCT ordered by what is not shown', 'SELECT DISTINCT city FROM t ORDER BY id', /must appear in select list/],
  ['no such aggregate for the type', 'SELECT SUM(city) FROM t', /SUM\(\) does not exist for TEXT/],
  ['SUM(*)', 'SELECT SUM(*) FROM t', /./],
  ['negative LIMIT', 'SELECT id FROM t LIMIT -1', /LIMIT must not be negative/],
  ['* without FROM', 'SELECT *', /./],
  ['a join', 'SELECT 1 FROM t JOIN u ON true', /^Not supported: joins$/],
  ['a subquery', 'SELECT (SELECT 1) FROM t', /^Not supported: subqueries$/],
];

for (const [why, sql, expected] of failures) {
  test(`select fails: ${why}: ${sql}`, () => {
    assert.throws(
      () => rowsOf(sql),
      error => error instanceof DbError && expected.test(error.message),
    );
  });
}

const truncations: [why: string, sql: string, options: Partial<RunOptions>, rows: number, isTruncated: boolean][] = [
  ['the default limit cuts', 'SELECT id FROM t', {defaultLimit: 2}, 2, true],
  ['a default limit that is just met does not', 'SELECT id FROM t', {defaultLimit: 5}, 5, false],
  ['an own limit is no cut', 'SELECT id FROM t LIMIT 2', {}, 2, false],
  ['the maximum cuts an own limit', 'SELECT id FROM t LIMIT 4', {maxLimit: 3}, 3, true],
  ['the maximum cuts sorted rows', 'SELECT id FROM t ORDER BY score LIMIT 4', {maxLimit: 3}, 3, true],
  ['the default limit cuts sorted rows', 'SELECT id FROM t ORDER BY score', {defaultLimit: 4}, 4, true],
  ['0 disables both', 'SELECT id FROM t', {defaultLimit: 0, maxLimit: 0}, 5, false],
  ['groups are cut too', 'SELECT city FROM t GROUP BY city', {defaultLimit: 2}, 2, true],
];

for (const [why, sql, options, rows, isTruncated] of truncations) {
  test(`limits: ${why}`, () => {
    const result = select(sql, [], options) as SelectResult;
    assert.deepEqual([result.rows.length, result.isTruncated], [rows, isTruncated]);
  });
}

const paths: [why: string, sql: string, points: number, visited: number][] = [
  ['a key is looked up', 'SELECT id FROM t WHERE id = 3 AND score > 0', 1, 0],
  ['keys of IN are looked up', 'SELECT id FROM t WHERE id IN (1, 3)', 2, 0],
  ['equal bounds are a key', 'SELECT id FROM t WHERE id BETWEEN 3 AND 3', 1, 0],
  ['a range reads its rows only', 'SELECT id FROM t WHERE id >= 4', 0, 2],
  ['contradictions read nothing', 'SELECT id FROM t WHERE id > 4 AND id < 2', 0, 0],
  ['LIMIT stops the scan', 'SELECT id FROM t LIMIT 2', 0, 2],
  ['the newest by key reads backwards and stops', 'SELECT id FROM t ORDER BY id DESC LIMIT 1', 0, 1],
  ['an order that starts with the key is its order', 'SELECT id FROM t ORDER BY id, score DESC LIMIT 1', 0, 1],
  ['another order reads all', 'SELECT id FROM t ORDER BY score LIMIT 1', 0, 5],
];

for (const [why, sql, points, visited] of paths) {
  test(`access path: ${why}`, () => {
    const snapshot = new FakeSnapshot();
    select(sql, [], {defaultLimit: 0}, snapshot);
    assert.deepEqual([snapshot.points, snapshot.visited], [points, visited]);
  });
}

test('facts about other columns and the columns read reach the scan', () => {
  const snapshot = new FakeSnapshot();
  select("SELECT city FROM t WHERE score >= 10 AND score < 20.5 AND price > '1'", [], {}, snapshot);
  assert.deepEqual(snapshot.requests[0]!.bounds, [
    {columnId: 4, min: 100n},
    {columnId: 3, max: 20, min: 10},
  ]);
  assert.deepEqual(snapshot.requests[0]!.columns, [1, 2, 3]);
});

test('result columns carry names, types and flags', () => {
  const plan = planSelect(
    parseSelectText('SELECT id, ref, city AS "City", _seq, COUNT(*) FROM t GROUP BY 1, 2, 3, 4'),
    SCHEMA,
  );
  assert.deepEqual(
    plan.columns.map(column => column.name),
    ['id', 'ref', 'City', '_seq', 'count'],
  );
  const plain = planSelect(parseSelectText('SELECT id, ref, city AS "City", price, id + 1 FROM t'), SCHEMA).columns;
  assert.deepEqual(plain[0], {name: 'id', data_type: 'Int', index: 0, flags: ['nn', 'pk', 'uq']});
  assert.deepEqual(plain[1], {name: 'ref', data_type: 'BigInt', index: 1, flags: ['nn']});
  assert.deepEqual(plain[3], {name: 'price', data_type: {Decimal: {precision: 10, scale: 2}}, index: 3});
  assert.deepEqual(plain[4], {name: '?column?', data_type: 'Int', index: 4});
});

test('an implicit order holds only without ORDER BY', () => {
  const implicitOrder = {column: 'id', isDescending: true};
  assert.equal((select('SELECT id FROM t LIMIT 2', [], {implicitOrder}) as SelectResult).rows.join(' '), '[5] [4]');
  assert.equal(
    (select('SELECT id FROM t ORDER BY id LIMIT 2', [], {implicitOrder}) as SelectResult).rows.join(' '),
    '[1] [2]',
  );
});

test('a sort of more rows than its limit equals the sort of all rows', () => {
  const all = (select('SELECT id FROM t ORDER BY city DESC, score', []) as SelectResult).rows;
  for (let limit = 1; limit <= 5; limit++) {
    const some = (select(`SELECT id FROM t ORDER BY city DESC, score LIMIT ${limit}`) as SelectResult).rows;
    assert.deepEqual(some, all.slice(0, limit));
  }
});

test('EXPLAIN tells the path and why segments are skipped', () => {
  const plan = planSelect(parseSelectText('SELECT city FROM t WHERE id = $1'), SCHEMA);
  const [logical, physical] = explainText(plan, new FakeSnapshot(), {...NO_ENV, params: [{number: '1'}]});
  assert.match(logical!.plan, /Projection: city\n.*Filter\n.*TableScan: app\.t columns=\[id, city\]/);
  assert.match(
    physical!.plan,
    /access: point[\s\S]*hot rows: 5[\s\S]*segments: 0 of 1 read\n {2}batch-0: 9 rows, pruned: key range/,
  );
});

function cursorOf(sql: string): TokenCursor {
  return new TokenCursor(splitStatements(sql)[0]!);
}

const ENV: Env = {...NO_ENV, nextSnowflake: () => 777n, userId: 'u1', nowMicros: 5n};
const inserted = (sql: string, params: Param[] = []) => {
  const tree: Insert = parseInsert(cursorOf(sql));
  return planInsert(tree, SCHEMA, {text: sql}).rows({...ENV, params});
};

const inserts: [why: string, sql: string, expected: Value[][], params?: Param[]][] = [
  ['all columns in order', "INSERT INTO t VALUES (1, 'a', 2, 3.5, 4)", [[1, 'a', 2, 350n, 4n]]],
  ['omitted columns take default or NULL', 'INSERT INTO t (score, id) VALUES (2, 1)', [[1, null, 2, null, 777n]]],
  ['DEFAULT as a value', 'INSERT INTO t (id, ref) VALUES (1, DEFAULT)', [[1, null, null, null, 777n]]],
  [
    'numeric strings are read',
    "INSERT INTO t (id, ref, price) VALUES ('1', '9007199254740993', '1.005')",
    [[1, null, null, 101n, 9007199254740993n]],
  ],
  ['numbers become text', 'INSERT INTO t (id, city) VALUES (1, 42)', [[1, '42', null, null, 777n]]],
  [
    'parameters keep their digits',
    'INSERT INTO t (id, ref) VALUES ($1, $2)',
    [[1, null, null, null, 9007199254740993n]],
    [{number: '1'}, {number: '9007199254740993'}],
  ],
  [
    'several rows',
    'INSERT INTO t (id) VALUES (1), (2)',
    [
      [1, null, null, null, 777n],
      [2, null, null, null, 777n],
    ],
  ],
];

for (const [why, sql, expected, params] of inserts) {
  test(`insert: ${why}`, () => assert.deepEqual(inserted(sql, params), expected));
}

const insertFailures: [why: string, sql: string, expected: RegExp, params?: Param[]][] = [
  ['unknown column', 'INSERT INTO t (nope) VALUES (1)', /Column 'nope' does not exist/],
  ['repeated column', 'INSERT INTO t (id, id) VALUES (1, 1)', /given more than once/],
  ['system column', 'INSERT INTO t (id, _seq) VALUES (1, 1)', /System column violation: Column '_seq'/],
  ['count of values', 'INSERT INTO t (id, city) VALUES (1)', /1 values for 2 columns \(row 1\)/],
  [
    'NULL key',
    'INSERT INTO t (id) VALUES (NULL)',
    /Constraint violation: NOT NULL constraint violation: column 'id' cannot be NULL \(row 1\)/,
  ],
  ['missing key', 'INSERT INTO t (city) VALUES (1)', /column 'id' is missing in row 1 \(row index 0\)/],
  [
    'explicit NULL is not replaced by the default',
    'INSERT INTO t (id, ref) VALUES (1, NULL)',
    /column 'ref' cannot be NULL/,
  ],
  [
    'out of range',
    'INSERT INTO t (id) VALUES (3000000000)',
    /^Invalid operation: Schema coercion failed: Unable to cast value '3000000000' to INT for column 'id'$/,
  ],
  [
    'not a number',
    "INSERT INTO t (id) VALUES ('x')",
    /^Invalid operation: Schema coercion failed: Unable to cast value 'x' to INT for column 'id'$/,
  ],
  ['a computed text that is no number', "INSERT INTO t (id) VALUES ('x' || 'y')", /cast value 'xy' to INT for column/],
  [
    'a parameter that is no number',
    'INSERT INTO t (id) VALUES ($1)',
    /^Invalid operation: Schema coercion failed: Unable to cast value 'x' to INT for column 'id'$/,
    ['x'],
  ],
  ['columns in VALUES', 'INSERT INTO t (id) VALUES (score)', /No field named score/],
];

for (const [why, sql, expected, params] of insertFailures) {
  test(`insert fails: ${why}`, () => {
    assert.throws(
      () => inserted(sql, params),
      error => error instanceof DbError && expected.test(error.message),
    );
  });
}

const updated = (sql: string, values: Value[] = ROWS[0]!) => {
  const tree: Update = parseUpdate(cursorOf(sql));
  return planUpdate(tree, SCHEMA, {text: sql}).change(ENV)(rowOf(values, false));
};

const updates: [why: string, sql: string, expected: Value[] | 'keep' | undefined][] = [
  [
    'values and expressions of old values',
    "UPDATE t SET score = score + 1, city = city || '!' WHERE id = 1",
    [1, 'Oslo!', 11, 150n, 1n],
  ],
  ['assignments see old values', 'UPDATE t SET score = ref, ref = score WHERE id = 1', [1, 'Oslo', 1, 150n, 10n]],
  ['no match changes nothing', 'UPDATE t SET score = 1 WHERE id = 2', undefined],
  ['equal values write nothing', "UPDATE t SET score = 10, price = '1.5' WHERE true", 'keep'],
  ['DEFAULT', 'UPDATE t SET ref = DEFAULT WHERE id = 1', [1, 'Oslo', 10, 150n, 777n]],
  ['NULL', 'UPDATE t SET city = NULL WHERE id = 1', [1, null, 10, 150n, 1n]],
];

for (const [why, sql, expected] of updates) test(`update: ${why}`, () => assert.deepEqual(updated(sql), expected));

const updateFailures: [why: string, sql: string, expected: RegExp][] = [
  ['no WHERE', 'UPDATE t SET score = 1', /UPDATE requires a WHERE clause/],
  ['key', 'UPDATE t SET id = 2 WHERE id = 1', /UPDATE cannot modify primary key column 'id'/],
  ['system column', 'UPDATE t SET _deleted = true WHERE id = 1', /System column violation/],
  ['NOT NULL', 'UPDATE t SET ref = NULL WHERE id = 1', /NOT NULL constraint violation: column 'ref' cannot be NULL/],
  ['unknown column', 'UPDATE t SET nope = 1 WHERE id = 1', /Column 'nope' does not exist/],
  ['twice', 'UPDATE t SET score = 1, score = 2 WHERE id = 1', /more than once/],
  [
    'an error of the expression keeps its text',
    'UPDATE t SET score = score / 0 WHERE id = 1',
    /Execution error: division by zero/,
  ],
];

for (const [why, sql, expected] of updateFailures) {
  test(`update fails: ${why}`, () => {
    assert.throws(
      () => updated(sql),
      error => error instanceof DbError && expected.test(error.message),
    );
  });
}

test('delete marks live rows that match, and no tombstones', () => {
  const tree: Delete = parseDelete(cursorOf('DELETE FROM t WHERE score = 10 AND id = $1'));
  const plan = planDelete(tree, SCHEMA);
  const change = plan.change({...ENV, params: [{number: '1'}]});
  assert.equal(change(rowOf(ROWS[0]!, false)), 'delete');
  assert.equal(change(rowOf(ROWS[1]!, false)), undefined);
  assert.equal(change(rowOf(ROWS[0]!, true)), undefined);
  const key = encodeKey(SCHEMA.columns[0]!.type, 1);
  assert.deepEqual(plan.request({...ENV, params: [{number: '1'}]}).keys, {from: key, to: key});
  assert.throws(() => planDelete(parseDelete(cursorOf('DELETE FROM t')), SCHEMA), /DELETE requires a WHERE clause/);
});

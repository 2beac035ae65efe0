import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {ask, encoded, hotRows, NEVER, relationOf, segmentFile, type TestRow, testDuck} from '../../test/duck/kit.ts';
import {columnOf, schemaOf} from '../cold/test-rows.ts';
import type {DataType} from '../model/datatype.ts';
import {packChunks} from '../model/packed-rows.ts';
import {DELETED_INDEX} from '../model/schema.ts';
import type {Relation} from './duck.ts';

const {duck, folder} = testDuck();

const INT: DataType = {name: 'int'};
const TEXT: DataType = {name: 'text'};
const V1 = schemaOf([columnOf(1, 'k', INT), columnOf(2, 'v', TEXT)]);

function rows(...list: readonly (readonly [number, string | null, Omit<TestRow, 'values'>?])[]): TestRow[] {
  return list.map(([k, v, facts]) => ({values: [k, v], ...facts}));
}

async function content(parts: Partial<Relation>, outputs: readonly DataType[] = [INT, TEXT]): Promise<string[]> {
  const answer = await ask(duck, 'SELECT * FROM t1 ORDER BY k', {relations: [relationOf(V1, parts)], outputs});
  return answer.rows;
}

test('a relation without any row is empty, and can be counted', async () => {
  assert.deepEqual(await content({}), []);
  const {rows: counted} = await ask(duck, 'SELECT count(*) AS n FROM t1', {relations: [relationOf(V1)]});
  assert.deepEqual(counted, ['["0"]']);
});

test('a relation of which no column is wanted is still counted, hot and cold', async () => {
  const relation = relationOf(V1, {
    columns: [],
    hot: hotRows(V1, rows([1, 'a'], [2, 'b'])),
    files: [await segmentFile(folder, V1, rows([3, 'c']))],
  });
  assert.deepEqual((await ask(duck, 'SELECT count(*) AS n FROM t1', {relations: [relation]})).rows, ['["3"]']);
});

const shadows: [why: string, hot: TestRow[], cold: TestRow[], dead: number[], seen: string[]][] = [
  [
    'hot rows without a cold one beside cold rows',
    rows([2, 'hot']),
    rows([1, 'a'], [3, 'c']),
    [],
    ['[1,"a"]', '[2,"hot"]', '[3,"c"]'],
  ],
  [
    'a hot version hides the cold one',
    rows([1, 'hot', {hidesCold: true}]),
    rows([1, 'a'], [2, 'b']),
    [],
    ['[1,"hot"]', '[2,"b"]'],
  ],
  [
    'a hot tombstone hides the cold row and itself',
    rows([1, null, {hidesCold: true, isTombstone: true}]),
    rows([1, 'a'], [2, 'b']),
    [],
    ['[2,"b"]'],
  ],
  ['dead positions are left out', [], rows([1, 'a'], [2, 'b'], [3, 'c']), [0, 2], ['[2,"b"]']],
  ['a cold tombstone is left out', [], rows([1, 'a'], [2, 'b', {isTombstone: true}]), [], ['[1,"a"]']],
  [
    'all of it at once',
    rows([3, 'hot', {hidesCold: true}], [9, 'new']),
    rows([1, 'a'], [2, 'b', {isTombstone: true}], [3, 'c'], [4, 'd']),
    [0],
    ['[3,"hot"]', '[4,"d"]', '[9,"new"]'],
  ],
];
for (const [why, hot, cold, dead, seen] of shadows) {
  test(`newest version of each key: ${why}`, async () => {
    const files = [await segmentFile(folder, V1, cold, dead)];
    assert.deepEqual(await content({hot: hotRows(V1, hot), files}), seen);
  });
}

test('dead positions belong to their file, among several with and without dead rows', async () => {
  const files = [
    await segmentFile(folder, V1, rows([1, 'a'], [2, 'b']), [0]),
    await segmentFile(folder, V1, rows([11, 'c'], [12, 'd'])),
    await segmentFile(folder, V1, rows([21, 'e'], [22, 'f'], [23, 'g']), [1, 2]),
    await segmentFile(folder, V1, rows([31, 'h'], [32, 'i']), [1]),
  ];
  assert.deepEqual(await content({files}), ['[2,"b"]', '[11,"c"]', '[12,"d"]', '[21,"e"]', '[31,"h"]']);
});

test('dead positions reach into later row groups', async () => {
  const many = Array.from({length: 5000}, (_, i): TestRow => ({values: [i, `v${i}`]}));
  const dead = [0, 1999, 2000, 4500, 4999];
  const relation = relationOf(V1, {files: [await segmentFile(folder, V1, many, dead)]});
  const sql = 'SELECT count(*) AS n, sum("k")::BIGINT AS s FROM t1';
  const answer = await ask(duck, sql, {relations: [relation], outputs: [{name: 'bigint'}, {name: 'bigint'}]});
  const sum = (4999 * 5000) / 2 - dead.reduce((total, k) => total + k, 0);
  assert.deepEqual(answer.rows, [`["4995","${sum}"]`]);
});

test('tombstones are rows when they are asked for, hot and cold', async () => {
  const parts: Partial<Relation> = {
    columns: [0, 1, DELETED_INDEX],
    includeTombstones: true,
    hot: hotRows(V1, rows([1, 'x', {isTombstone: true, hidesCold: true}])),
    files: [await segmentFile(folder, V1, rows([1, 'a'], [2, null, {isTombstone: true}], [3, 'c']))],
  };
  const seen = await content(parts, [INT, TEXT, {name: 'boolean'}]);
  assert.deepEqual(seen, ['[1,"x",true]', '[2,null,true]', '[3,"c",false]']);
});

test('a filter and an order over both tiers see the rows and nothing else', async () => {
  const parts = {
    hot: hotRows(V1, rows([5, 'm'], [6, null])),
    files: [await segmentFile(folder, V1, rows([1, 'm'], [2, 'n'], [3, null]))],
  };
  const sql = `SELECT "k" FROM t1 WHERE "v" = $1 OR "v" IS NULL ORDER BY "k" DESC LIMIT 3`;
  const answer = await ask(duck, sql, {
    relations: [relationOf(V1, parts)],
    params: [{type: TEXT, value: 'm'}],
    outputs: [INT],
  });
  assert.deepEqual(answer.rows, ['[6]', '[5]', '[3]']);
});

/** Versions: v renamed and k widened; w added with a default; v dropped and its name taken by another column. */
const V2 = schemaOf(
  [
    columnOf(1, 'k', {name: 'bigint'}),
    columnOf(2, 'old_v', TEXT),
    columnOf(3, 'w', {name: 'decimal', precision: 6, scale: 2}, 125n),
  ],
  {version: 2},
);
const V3 = schemaOf(
  [
    columnOf(4, 'v', TEXT, "it's \0 ü"),
    columnOf(1, 'k', {name: 'bigint'}),
    columnOf(3, 'w', {name: 'decimal', precision: 9, scale: 3}, 1250n),
  ],
  {version: 3, primaryKey: 1},
);

test('columns are found by id in files and hot rows of every version: renamed, dropped, added with a default, widened', async () => {
  const hidden = {values: [2, 'hidden by the hot row']};
  const relation: Relation = {
    ...relationOf(V3),
    versions: [V1, V2, V3],
    columns: [1, 2, 0],
    files: [
      await segmentFile(folder, V1, [{values: [1, 'a']}, hidden]),
      await segmentFile(folder, V2, [{values: [2n ** 40n, 'b', 7n]}, {values: [5n, 'dead', 8n]}], [0]),
      await segmentFile(folder, V3, [{values: ['new', 4n, 1n]}]),
    ],
    hot: (async function* () {
      yield* packChunks(encoded(V1, [{values: [2, 'x'], hidesCold: true}]), NEVER);
      yield* packChunks(encoded(V3, [{values: [null, 3n, null]}]), NEVER);
    })(),
  };
  const answer = await ask(duck, 'SELECT * FROM t1 ORDER BY "k"', {
    relations: [relation],
    outputs: [{name: 'bigint'}, {name: 'decimal', precision: 9, scale: 3}, TEXT],
  });
  const initial = JSON.stringify("it's \0 ü");
  assert.deepEqual(answer.rows, [
    `["1","1.250",${initial}]`,
    `["2","1.250",${initial}]`,
    '["3",null,null]',
    '["4","0.001","new"]',
    `["${2n ** 40n}","0.070",${initial}]`,
  ]);
});

test('columns may be called as what DuckDB gives a file besides its columns', async () => {
  const names = ['k', 'file_row_number', 'file_index', 'filename', 'rowid', 'c0', 'f'];
  const schema = schemaOf(names.map((name, i) => columnOf(i + 1, name, INT)));
  const list = [1, 2, 3].map((k): TestRow => ({values: [k, 10 * k, 20 * k, 30 * k, 40 * k, 50 * k, 60 * k]}));
  const relation = relationOf(schema, {files: [await segmentFile(folder, schema, list, [1])]});
  const answer = await ask(duck, 'SELECT * FROM t1 ORDER BY k', {relations: [relation], outputs: names.map(() => INT)});
  assert.deepEqual(answer.rows, ['[1,10,20,30,40,50,60]', '[3,30,60,90,120,150,180]']);
});

for (const name of ["o'clock", 'a[b]c', 'x*y?', 'user=alice', 'ünï 😀', 'back\\slash', '{brace}']) {
  test(`a path is a path, not a pattern: ${name}`, async () => {
    const place = join(folder, name);
    mkdirSync(place);
    assert.deepEqual(await content({files: [await segmentFile(place, V1, rows([1, name]))]}), [
      `[1,${JSON.stringify(name)}]`,
    ]);
  });
}

test('relations are joined, and each may be read twice', async () => {
  const colours = schemaOf([columnOf(1, 'id', INT), columnOf(2, 'colour', TEXT)]);
  const relations = [
    relationOf(V1, {hot: hotRows(V1, rows([1, 'a'], [2, 'b']))}),
    {
      ...relationOf(colours, {
        files: [await segmentFile(folder, colours, [{values: [1, 'red']}, {values: [3, 'blue']}])],
      }),
      name: 'The "2nd"',
    },
  ];
  const sql =
    'SELECT x."k", y."k" AS k2, c."colour" FROM t1 x JOIN t1 y ON x."k" <= y."k" LEFT JOIN "The ""2nd""" c ON c."id" = x."k" ORDER BY 1, 2';
  const answer = await ask(duck, sql, {relations, outputs: [INT, INT, TEXT]});
  assert.deepEqual(answer.rows, ['[1,1,"red"]', '[1,2,"red"]', '[2,2,null]']);
});

const forms: [why: string, sql: string, seen: string[]][] = [
  ['its own WITH', 'WITH w AS (SELECT "k" + 1 AS k FROM t1) SELECT k FROM w ORDER BY 1', ['[2]', '[3]']],
  [
    'a recursive WITH',
    'WITH RECURSIVE r AS (SELECT "k" FROM t1 UNION ALL SELECT "k" + 10 FROM r WHERE "k" < 20) SELECT "k" FROM r ORDER BY 1',
    ['[1]', '[2]', '[11]', '[12]', '[21]', '[22]'],
  ],
  [
    'a WITH query named as a relation inside a subquery',
    'SELECT (WITH t1 AS (SELECT 7 AS k) SELECT k FROM t1) + "k" AS k FROM t1 ORDER BY 1',
    ['[8]', '[9]'],
  ],
  [
    'set operations',
    '(SELECT "k" FROM t1) UNION ALL (SELECT "k" FROM t1 EXCEPT SELECT 1) ORDER BY 1',
    ['[1]', '[2]', '[2]'],
  ],
  ['LATERAL', 'SELECT s."k" FROM t1, LATERAL (SELECT t1."k" * 2 AS k) s ORDER BY 1', ['[2]', '[4]']],
  [
    'a window',
    'SELECT CAST(row_number() OVER (ORDER BY "k" DESC) AS INTEGER) AS n FROM t1 ORDER BY "k"',
    ['[2]', '[1]'],
  ],
  ['VALUES', 'VALUES (1), (2)', ['[1]', '[2]']],
  ['a series', 'SELECT CAST(i AS INTEGER) AS i FROM generate_series(1, 2) g(i)', ['[1]', '[2]']],
  ['DISTINCT ON and QUALIFY', 'SELECT DISTINCT ON (1) "k" FROM t1 QUALIFY rank() OVER (ORDER BY "k") = 1', ['[1]']],
  [
    'GROUPING SETS',
    'SELECT CAST(count(*) AS INTEGER) AS n FROM t1 GROUP BY ROLLUP ("k") ORDER BY 1',
    ['[1]', '[1]', '[2]'],
  ],
  [
    'quantified comparisons and EXISTS',
    'SELECT "k" FROM t1 WHERE "k" = ANY (SELECT 2) AND EXISTS (SELECT 1 FROM t1) AND "k" IN (SELECT "k" FROM t1)',
    ['[2]'],
  ],
];
for (const [why, sql, seen] of forms) {
  test(`the SQL may have ${why}`, async () => {
    const relations = [relationOf(V1, {hot: hotRows(V1, rows([1, 'a'], [2, 'b']))})];
    assert.deepEqual((await ask(duck, sql, {relations, outputs: [INT]})).rows, seen);
  });
}

test('hot rows in many chunks are all there, once', async () => {
  const many = Array.from({length: 20_000}, (_, i): TestRow => ({values: [i, `value ${i}`]}));
  const relation = relationOf(V1, {hot: hotRows(V1, many, 4096)});
  const sql = 'SELECT count(*) AS n, count(DISTINCT "v") AS d, min("v") AS v FROM t1';
  const answer = await ask(duck, sql, {relations: [relation], outputs: [{name: 'bigint'}, {name: 'bigint'}, TEXT]});
  assert.deepEqual(answer.rows, ['["20000","20000","value 0"]']);
});

test('what packing the hot rows throws is what the query throws, and the child goes on', async () => {
  const relation = relationOf(V1, {
    hot: (async function* () {
      yield* hotRows(V1, rows([1, 'a']));
      throw new RangeError('no more');
    })(),
  });
  await assert.rejects(ask(duck, 'SELECT count(*) AS n FROM t1', {relations: [relation]}), RangeError);
  assert.deepEqual(await content({hot: hotRows(V1, rows([1, 'a']))}), ['[1,"a"]']);
  assert.equal(duck.stats().childrenKilled, 0);
});

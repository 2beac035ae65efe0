import assert from 'node:assert/strict';
import {test} from 'node:test';
import {ask, hotRows, relationOf, segmentFile, type TestRow, testDuck} from '../../test/duck/kit.ts';
import {ALL_TYPES, columnOf, randomRows, schemaOf, seededRandom} from '../cold/test-rows.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';
import {sqlName} from '../model/type-table.ts';
import {toJson} from '../model/values.ts';
import {duckType} from './duck-type.ts';

const {duck, folder} = testDuck();

const DECIMALS: readonly DataType[] = [
  [1, 0],
  [4, 2],
  [9, 9],
  [18, 3],
  [19, 0],
  [38, 10],
].map(([precision, scale]) => ({name: 'decimal', precision: precision!, scale: scale!}));
const TYPES = [...ALL_TYPES, ...DECIMALS];

const INT64 = [0n, 1n, -1n, 2n ** 53n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)];
/** What random rows may miss. */
const EDGES: Readonly<Partial<Record<DataType['name'], readonly Value[]>>> = {
  boolean: [true, false],
  smallint: [-32768, 32767, 0],
  int: [-(2 ** 31), 2 ** 31 - 1],
  bigint: INT64,
  timestamp: INT64,
  datetime: [0n, -1n, 253402300799999999n, 9223372022400000000n, -9223372022400000000n],
  date: [-(2 ** 31), 2 ** 31 - 1, 0, -719162],
  time: [0n, 86_399_999_999n],
  float: [0, -0, 1.5, Math.fround(0.1), Math.fround(3.4e38), Math.fround(1.4e-45), 16777216],
  double: [0, -0, 0.1, -1e300, 5e-324, Number.MAX_VALUE, 2 ** 53 + 2],
  text: [
    '',
    'a',
    'twelve bytes',
    'thirteen byte',
    'żółw 😀',
    'nul \0 in it',
    '\0',
    'quote " \\ \n \u2028 \u007f',
    'x'.repeat(70_000),
  ],
  json: ['{}', 'null', '{"a":[1,"ü"]}', '12345678901234567890'],
  file: ['{"id":"f1"}'],
  bytes: [new Uint8Array(0), Uint8Array.of(0), Uint8Array.from({length: 300}, (_, i) => i & 255)],
  embedding: [new Uint8Array(12), Uint8Array.of(0, 0, 128, 63, 1, 0, 0, 0, 255, 255, 127, 255)],
  uuid: [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '0123abcd-4567-89ef-8000-7fffffffffff',
  ],
};

function edgesOf(type: DataType): readonly Value[] {
  if (type.name !== 'decimal') return EDGES[type.name]!;
  const most = 10n ** BigInt(type.precision) - 1n;
  return [0n, 1n, -1n, most, -most];
}

function jsonRows(types: readonly DataType[], rows: readonly TestRow[]): string[] {
  return rows.map(({values}) => `[${values.map((value, i) => toJson(types[i]!, value)).join(',')}]`);
}

for (const type of TYPES) {
  const types: DataType[] = [{name: 'int'}, type];
  const schema = schemaOf([columnOf(1, 'k', types[0]!), columnOf(2, 'v', type)]);
  const rows = [...edgesOf(type), null].map((value, i): TestRow => ({values: [i, value]}));

  test(`edges of ${sqlName(type)} come back exactly from hot rows, from a segment and from both`, async () => {
    const sql = 'SELECT "k", "v" FROM t1 ORDER BY "k"';
    const half = rows.length >> 1;
    const placements = [
      {hot: hotRows(schema, rows)},
      {files: [await segmentFile(folder, schema, rows)]},
      {hot: hotRows(schema, rows.slice(half)), files: [await segmentFile(folder, schema, rows.slice(0, half))]},
    ];
    for (const parts of placements) {
      const answer = await ask(duck, sql, {relations: [relationOf(schema, parts)], outputs: types});
      assert.deepEqual(answer.rows, jsonRows(types, rows));
    }
  });

  test(`edges of ${sqlName(type)} come back exactly as parameters, with their type`, async () => {
    const values = edgesOf(type);
    const list = [...values, null];
    const columns = values.map((_, i) => `$${i + 1} AS o${i}`);
    const sql = `SELECT ${[...columns, `CAST($${list.length} AS ${duckType(type)}) AS o`].join(', ')}`;
    const answer = await ask(duck, sql, {
      params: list.map(value => ({type, value})),
      outputs: list.map(() => type),
    });
    assert.deepEqual(answer.rows, [`[${list.map(value => toJson(type, value)).join(',')}]`]);
  });
}

for (const seed of [1, 2]) {
  test(`rows of all types, hot and cold in one relation, several chunks each (seed ${seed})`, async () => {
    const types: DataType[] = [{name: 'bigint'}, ...TYPES];
    const schema = schemaOf(types.map((type, i) => columnOf(i + 1, `c${i}`, type)));
    const random = seededRandom(seed);
    const rows = randomRows(schema, 6000, random).filter(row => !row.isTombstone);
    const isHot = rows.map(() => random() < 0.5);
    const answer = await ask(duck, 'SELECT * FROM t1 ORDER BY c0', {
      relations: [
        relationOf(schema, {
          hot: hotRows(
            schema,
            rows.filter((_, i) => isHot[i]),
            1 << 17,
          ),
          files: [
            await segmentFile(
              folder,
              schema,
              rows.filter((_, i) => !isHot[i]),
            ),
          ],
        }),
      ],
      outputs: types,
    });
    assert.deepEqual(answer.rows, jsonRows(types, rows));
    assert.equal(answer.isTruncated, false);
  });
}

test('the system columns come from hot rows and segments', async () => {
  const schema = schemaOf([columnOf(1, 'k', {name: 'int'})]);
  const answer = await ask(duck, 'SELECT "_seq", "_deleted", "k" FROM t1 ORDER BY k', {
    relations: [
      relationOf(schema, {
        columns: [SEQ_INDEX, 0, DELETED_INDEX],
        includeTombstones: true,
        hot: hotRows(schema, [{values: [2], seq: 2n ** 62n, isTombstone: true}]),
        files: [await segmentFile(folder, schema, [{values: [1], seq: 7n}])],
      }),
    ],
    outputs: [{name: 'bigint'}, {name: 'boolean'}, {name: 'int'}],
  });
  assert.deepEqual(answer.rows, ['["7",false,1]', `["${2n ** 62n}",true,2]`]);
});

for (const word of ['nan', 'inf', '-inf']) {
  for (const type of ['DOUBLE', 'FLOAT'] as const) {
    test(`${word} of ${type} has no form in JSON: the error is that of toJson`, async () => {
      const value = {nan: Number.NaN, inf: Infinity, '-inf': -Infinity}[word]!;
      const name = type === 'DOUBLE' ? 'double' : 'float';
      await assert.rejects(ask(duck, `SELECT CAST('${word}' AS ${type})`, {outputs: [{name}]}), {
        code: 'SQL_EXECUTION_ERROR',
        message: errorText(() => toJson({name}, value)),
      });
    });
  }
}

function errorText(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
}

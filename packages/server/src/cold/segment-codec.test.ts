import assert from 'node:assert/strict';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {crc32} from 'node:zlib';
import {DuckDBInstance} from '@duckdb/node-api';
import type {DataType, Value} from '../model/datatype.ts';
import {compareKeys} from '../model/key-codec.ts';
import {packRows} from '../model/packed-rows.ts';
import type {Schema} from '../model/schema.ts';
import {isSameValue} from './column-codec.ts';
import {parseFooter} from './footer.ts';
import {mayContain} from './key-filter.ts';
import {chunkBytes, DecodedGroup, mapColumns} from './row-group.ts';
import {type EncodedSegment, encodeSegment, ROWS_PER_GROUP} from './segment-codec.ts';
import {
  ALL_TYPES,
  columnOf,
  encodedRows,
  randomRows,
  type SampleRow,
  sampleRow,
  schemaOf,
  seededRandom,
} from './test-rows.ts';

const never = new AbortController().signal;

async function encode(schema: Schema, rows: readonly SampleRow[]): Promise<EncodedSegment> {
  return encodeSegment({schema, versions: [schema], rows: await packRows(encodedRows(schema, rows), never)});
}

function decodeAll(schema: Schema, {bytes, facts}: EncodedSegment): DecodedGroup[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const footer = parseFooter(file.subarray(file.length - facts.footerBytes));
  const map = mapColumns(footer, schema, schema);
  return footer.groups.map(group => {
    const decoded = new DecodedGroup({segment: undefined, map, group, elements: footer.elements});
    for (const [element, chunk] of group.chunks.entries()) decoded.give(element, chunkBytes(file, chunk));
    return decoded;
  });
}

function assertSameRows(schema: Schema, groups: readonly DecodedGroup[], rows: readonly SampleRow[]): void {
  let position = 0;
  for (const group of groups) {
    for (let index = 0; index < group.group.rowCount; index++, position++) {
      const row = rows[position]!;
      assert.equal(group.seq(index), row.seq);
      assert.equal(group.isTombstone(index), row.isTombstone);
      assert.deepEqual(Buffer.from(group.key(index)), Buffer.from(row.key));
      for (const [column, {name, type}] of schema.columns.entries()) {
        const read = group.value(column, index);
        assert(
          isSameValue(type, row.values[column]!, read),
          `${name} of row ${position}: ${row.values[column]} → ${read}`,
        );
      }
    }
  }
  assert.equal(position, rows.length);
}

const DECIMALS: readonly DataType[] = [
  {name: 'decimal', precision: 9, scale: 2},
  {name: 'decimal', precision: 18, scale: 0},
  {name: 'decimal', precision: 19, scale: 5},
  {name: 'decimal', precision: 38, scale: 10},
];

const KEY_TYPES: readonly DataType[] = [{name: 'bigint'}, {name: 'text'}, {name: 'uuid'}, {name: 'int'}];

for (const seed of [1, 2, 3, 4]) {
  test(`every type comes back exactly, nulls, extremes and tombstones included (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const types = [KEY_TYPES[seed % KEY_TYPES.length]!, ...ALL_TYPES, ...DECIMALS];
    const columns = types.map((type, index) => columnOf(index + 1, `c${index}_${type.name}`, type));
    const schema = schemaOf([...columns.slice(1, 4), columns[0]!, ...columns.slice(4)], {primaryKey: 3});
    const rows = randomRows(schema, 700, random);
    assertSameRows(schema, decodeAll(schema, await encode(schema, rows)), rows);
  });
}

const edges: [why: string, type: DataType, values: readonly Value[]][] = [
  ['a column of nulls alone', {name: 'text'}, [null, null, null]],
  ['one row', {name: 'decimal', precision: 38, scale: 0}, [10n ** 38n - 1n]],
  ['repeated values make a dictionary', {name: 'timestamp'}, new Array(500).fill(1767225600123457n)],
  ['minus zero keeps its sign among zeros', {name: 'double'}, [...new Array(50).fill(0), -0, ...new Array(50).fill(0)]],
  ['one very long text', {name: 'text'}, ['ż'.repeat(3_000_000), 'short', null]],
  ['several pages in a row group', {name: 'text'}, Array.from({length: 40}, (_, i) => `${i}`.repeat(200_000))],
  ['empty bytes are not null', {name: 'bytes'}, [new Uint8Array(0), null, new Uint8Array([0])]],
];
for (const [why, type, values] of edges) {
  test(`round trip: ${why}`, async () => {
    const schema = schemaOf([columnOf(1, 'id', {name: 'int'}), columnOf(2, 'v', type)]);
    const rows = values.map((value, i) => sampleRow(schema, [i, value], BigInt(i + 1)));
    assertSameRows(schema, decodeAll(schema, await encode(schema, rows)), rows);
  });
}

test('the facts of a segment are those of its rows', async () => {
  const schema = schemaOf([columnOf(1, 'id', {name: 'int'}), columnOf(7, 'name', {name: 'text'})]);
  const rows = Array.from({length: 2 * ROWS_PER_GROUP + 1}, (_, i) =>
    sampleRow(schema, [i, i % 2 === 0 ? null : `n${i % 10}`], BigInt(10_000 - i), i === 5),
  );
  const encoded = await encode(schema, rows);
  const {facts, bytes} = encoded;
  assert.equal(facts.rowCount, 4001);
  assert.equal(facts.tombstoneCount, 1);
  assert.equal(facts.minSeq, 6000n);
  assert.equal(facts.maxSeq, 10_000n);
  assert.equal(facts.checksum, crc32(bytes));
  assert.equal(facts.sizeBytes, bytes.length);
  const lengths = Array.from(encodedRows(schema, rows), ({row}) => row.length);
  assert.equal(
    facts.rowBytes,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  assert.equal(compareKeys(facts.minKey, rows[0]!.key), 0);
  assert.equal(compareKeys(facts.maxKey, rows.at(-1)!.key), 0);
  assert.deepEqual(facts.columnStats[7], {min: '"n1"', max: '"n9"', nullCount: 2001});
  assert.deepEqual(
    decodeAll(schema, encoded).map(group => group.group.rowCount),
    [2000, 2000, 1],
  );
});

test('the key filter knows every key and few others', async () => {
  const schema = schemaOf([columnOf(1, 'id', {name: 'uuid'})]);
  const random = seededRandom(9);
  const [inside, outside] = [randomRows(schema, 3000, random), randomRows(schema, 3000, random)];
  const {bytes, facts} = await encode(schema, inside);
  const {keyFilter} = parseFooter(Buffer.from(bytes).subarray(bytes.length - facts.footerBytes));
  assert(inside.every(({key}) => mayContain(keyFilter, key)));
  const falseYes = outside.filter(({key}) => mayContain(keyFilter, key)).length;
  assert(falseYes < 90, `${falseYes} of 3000`);
  assert(keyFilter.length < 3000 * 1.3);
});

test('rows out of key order are a bug', async () => {
  const schema = schemaOf([columnOf(1, 'id', {name: 'int'})]);
  await assert.rejects(encode(schema, [sampleRow(schema, [2], 1n), sampleRow(schema, [1], 2n)]), /key order/);
});

test('other Parquet readers see the same values and types', async () => {
  const decimal = {name: 'decimal', precision: 38, scale: 2} as const;
  const types: DataType[] = [{name: 'bigint'}, ...ALL_TYPES, {name: 'decimal', precision: 18, scale: 3}, decimal];
  const schema = schemaOf(types.map((type, i) => columnOf(i + 1, `c${i}`, type)));
  const rows = randomRows(schema, 300, seededRandom(11));
  const folder = await mkdtemp(join(tmpdir(), 'kalamdb-cold-'));
  try {
    const path = join(folder, 'segment.parquet');
    await writeFile(path, (await encode(schema, rows)).bytes);
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM '${path}'`);
    assert.deepEqual(
      described.getRows().map(row => row[1]),
      [
        ...['BIGINT', 'BOOLEAN', 'SMALLINT', 'INTEGER', 'BIGINT', 'FLOAT', 'DOUBLE', 'VARCHAR', 'TIMESTAMP'],
        ...[
          'TIMESTAMP WITH TIME ZONE',
          'DATE',
          'TIME',
          'VARCHAR',
          'BLOB',
          'UUID',
          'VARCHAR',
          'BLOB',
          'DECIMAL(18,3)',
          'DECIMAL(38,2)',
        ],
        ...['BIGINT', 'BOOLEAN'],
      ],
    );
    const names = schema.columns.map(({name, type}) => duckValue(name, type)).join(', ');
    const read = await connection.runAndReadAll(`SELECT ${names}, _seq, _deleted FROM '${path}' ORDER BY c0`);
    const wanted = rows.map(row => [
      ...row.values.map((value, i) => plain(types[i]!, value)),
      row.seq,
      row.isTombstone,
    ]);
    assert.deepEqual(read.getRows(), wanted);
    connection.closeSync();
  } finally {
    await rm(folder, {recursive: true});
  }
});

/** Values as DuckDB gives them in plain forms: integers for times and decimals, text for the rest. */
function duckValue(name: string, type: DataType): string {
  switch (type.name) {
    case 'timestamp':
    case 'datetime':
      return `epoch_us(${name})`;
    case 'time':
      return `epoch_us(${name})`;
    case 'date':
      return `${name} - DATE '1970-01-01'`;
    case 'decimal':
      return `replace(${name}::VARCHAR, '.', '')`;
    case 'uuid':
      return `${name}::VARCHAR`;
    case 'bytes':
    case 'embedding':
      return `hex(${name})`;
    default:
      return name;
  }
}

function plain(type: DataType, value: Value): unknown {
  if (value === null) return null;
  if (type.name === 'date') return BigInt(value as number);
  if (value instanceof Uint8Array)
    return Buffer.from(value as Uint8Array)
      .toString('hex')
      .toUpperCase();
  if (type.name !== 'decimal') return value;
  const text = String(value)
    .replace('-', '')
    .padStart(type.scale + 1, '0');
  return `${(value as bigint) < 0n ? '-' : ''}${text}`;
}

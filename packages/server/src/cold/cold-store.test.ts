import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Blob} from '../blob/blob.ts';
import {openFsBlob} from '../blob/fs-blob.ts';
import {memoryBlob} from '../blob/memory-blob.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {Schema} from '../model/schema.ts';
import {realDisk} from '../std/real-disk.ts';
import type {Cold, ColdFilter} from './cold.ts';
import {createCold} from './cold-store.ts';
import {isSameValue} from './column-codec.ts';
import {vectorOf} from './deletion-vector.ts';
import type {Manifest} from './manifest.ts';
import {applyDelta, emptyManifest} from './manifest-delta.ts';
import {
  columnOf,
  encodedRows,
  randomRows,
  randomValue,
  type SampleRow,
  SCOPE,
  sampleRow,
  schemaOf,
  seededRandom,
} from './test-rows.ts';

const base = await mkdtemp(join(tmpdir(), 'kalamdb-cold-'));
after(() => rm(base, {recursive: true}));
const never = new AbortController().signal;

interface Bench {
  readonly cold: Cold;
  readonly blob: Blob;
  readonly schemas: Schema[];
  manifest: Manifest;
  /** Live rows by key (hex). */
  readonly live: Map<string, SampleRow>;
}

function openBench(
  schema: Schema,
  blob: Blob = memoryBlob(),
  options: {footerCacheBytes?: number; inlineEncoding?: boolean} = {},
): Bench {
  const schemas = [schema];
  const cold = createCold({
    blobOf: () => blob,
    schemaOf: (_, version) => schemas.find(candidate => candidate.version === version)!,
    inlineEncoding: true,
    ...options,
  });
  return {cold, blob, schemas, manifest: emptyManifest(SCOPE), live: new Map()};
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

/** As a flush does: writes a segment and marks the rows it replaces as dead. */
async function flush(bench: Bench, schema: Schema, rows: readonly SampleRow[]): Promise<void> {
  const batch = bench.manifest.batch + 1;
  const name = `batch-${batch}-64-test.parquet`;
  const source = {schema, name, path: `app/items/alice/${name}`, storageId: 'local', createdAt: batch};
  const segment = await bench.cold.writeSegment({...source, rows: encodedRows(schema, rows)}, never);
  const located = await bench.cold.locate(
    schema,
    bench.manifest,
    rows.map(row => row.key),
  );
  const vectors = [...Map.groupBy(located, found => found.segment)].map(([{name: of, dead}, found]) => {
    return [of, vectorOf([...dead, ...found.map(one => one.position)])] as const;
  });
  const {version: baseVersion} = bench.manifest;
  const delta = {
    scope: SCOPE,
    baseVersion,
    add: [segment],
    remove: [],
    vectors: new Map(vectors),
    flushedThrough: BigInt(batch),
    batch,
    at: 1,
  };
  bench.manifest = applyDelta(bench.manifest, delta, 0n);
  for (const row of rows) bench.live.set(hex(row.key), row);
}

async function scanKeys(bench: Bench, schema: Schema, filter: ColdFilter = {}, isReverse = false): Promise<string[]> {
  const keys: string[] = [];
  for await (const batch of bench.cold.scan(schema, bench.manifest, filter, undefined, isReverse)) {
    assert(batch.length > 0 && batch.length <= 2000, 'batches are small and never empty');
    for (const found of batch) {
      const row = bench.live.get(hex(found.key))!;
      assert.equal(found.row.seq, row.seq);
      assert.equal(found.row.isTombstone, row.isTombstone);
      for (const [i, {name, type}] of schema.columns.entries()) {
        assert(
          isSameValue(type, row.values[i]!, found.row.value(i)),
          `${name}: ${row.values[i]} → ${found.row.value(i)}`,
        );
      }
      keys.push(hex(found.key));
    }
  }
  return keys;
}

function expectedKeys(bench: Bench, keys: ColdFilter['keys'] = {}, isReverse = false): string[] {
  const rows = [...bench.live.values()].sort((a, b) => compareKeys(a.key, b.key));
  const inside = rows.filter(({key}) => {
    return (
      (keys.from === undefined || compareKeys(key, keys.from) >= 0) &&
      (keys.to === undefined || compareKeys(key, keys.to) <= 0)
    );
  });
  return (isReverse ? inside.reverse() : inside).map(({key}) => hex(key));
}

const PLAIN = schemaOf([
  columnOf(1, 'id', {name: 'int'}),
  columnOf(2, 'name', {name: 'text'}),
  columnOf(3, 'at', {name: 'timestamp'}),
]);

function rangeRows(
  schema: Schema,
  from: number,
  to: number,
  random: () => number,
  options = {step: 1, batch: 0},
): SampleRow[] {
  const rows: SampleRow[] = [];
  for (let id = from; id < to; id += options.step) {
    const values = schema.columns.map((column, i) => (i === 0 ? id : randomValue(column.type, random)));
    rows.push(sampleRow(schema, values, BigInt(options.batch * 1_000_000 + id + 1), random() < 0.05));
  }
  return rows;
}

const isDamage = (path: string) => (error: unknown) =>
  error instanceof DbError && error.code === 'DATA_CORRUPTED' && error.message.includes(path);

for (const seed of [21, 22, 23]) {
  for (const backend of ['memory', 'fs']) {
    test(`scan, get, visit and locate agree with plain maps over overlapping segments (seed ${seed}, ${backend})`, async () => {
      const random = seededRandom(seed);
      const blob = backend === 'memory' ? memoryBlob() : openFsBlob({disk: realDisk, base: join(base, `${seed}`)});
      const bench = openBench(PLAIN, blob, {footerCacheBytes: seed === 22 ? 0 : 1 << 20});
      for (let i = 0; i < 12; i++) {
        const from = Math.floor(random() * 3000);
        const options = {step: 1 + Math.floor(random() * 3), batch: i};
        await flush(bench, PLAIN, rangeRows(PLAIN, from, from + 1 + Math.floor(random() * 900), random, options));
      }
      assert(bench.manifest.deadCount > 0, 'segments overlap');
      assert.deepEqual(await scanKeys(bench, PLAIN), expectedKeys(bench));
      assert.deepEqual(await scanKeys(bench, PLAIN, {}, true), expectedKeys(bench, {}, true));
      for (let i = 0; i < 20; i++) {
        const [a, b] = [Math.floor(random() * 4000), Math.floor(random() * 4000)].sort((x, y) => x - y) as [
          number,
          number,
        ];
        const keys = {from: sampleRow(PLAIN, [a], 1n).key, to: sampleRow(PLAIN, [b], 1n).key};
        assert.deepEqual(await scanKeys(bench, PLAIN, {keys}, i % 2 === 0), expectedKeys(bench, keys, i % 2 === 0));
        const found = await bench.cold.get(PLAIN, bench.manifest, keys.from);
        assert.equal(found?.row.seq, bench.live.get(hex(keys.from))?.seq);
      }
      const probes = Array.from({length: 4200}, (_, id) => sampleRow(PLAIN, [id], 1n).key);
      const located = await bench.cold.locate(PLAIN, bench.manifest, probes);
      assert.deepEqual(
        located.map(({keyIndex}) => hex(probes[keyIndex]!)),
        expectedKeys(bench),
      );
      const visited: string[] = [];
      await bench.cold.visit(PLAIN, bench.manifest, probes, (keyIndex, {key, row}) => {
        assert.equal(hex(key), hex(probes[keyIndex]!));
        const live = bench.live.get(hex(key))!;
        assert.deepEqual([row.seq, row.isTombstone, row.value(1)], [live.seq, live.isTombstone, live.values[1]]);
        visited.push(hex(key));
      });
      assert.deepEqual(visited.sort(), expectedKeys(bench).sort());
      for (const {segment, position} of located) {
        assert(!segment.dead.includes(position), 'dead rows are not located');
      }
    });
  }
}

test('rows of many groups and random keys are found and scanned', async () => {
  const schema = schemaOf([columnOf(1, 'v', {name: 'double'}), columnOf(2, 'id', {name: 'uuid'})], {primaryKey: 1});
  const bench = openBench(schema);
  const rows = randomRows(schema, 9000, seededRandom(31));
  await flush(
    bench,
    schema,
    rows.filter((_, i) => i % 2 === 0),
  );
  await flush(
    bench,
    schema,
    rows.filter((_, i) => i % 2 === 1),
  );
  assert.deepEqual(await scanKeys(bench, schema), expectedKeys(bench));
  assert.deepEqual(await scanKeys(bench, schema, {}, true), expectedKeys(bench, {}, true));
  for (const row of rows.slice(0, 40))
    assert.equal((await bench.cold.get(schema, bench.manifest, row.key))?.row.seq, row.seq);
  assert(bench.cold.stats().segmentsPruned > 10, 'the key filter spares segments');
});

test('bounds spare segments and row groups, and never a wanted row', async () => {
  const bench = openBench(PLAIN);
  const random = seededRandom(41);
  const rows = Array.from({length: 9000}, (_, id) =>
    sampleRow(PLAIN, [id, random() < 0.1 ? null : `n${id % 7}`, BigInt(id) * 1000n], BigInt(id + 1)),
  );
  for (const start of [0, 3000, 6000]) await flush(bench, PLAIN, rows.slice(start, start + 3000));
  const before = bench.cold.stats().segmentsPruned;
  const filter = {bounds: [{columnId: 3, min: 3_500_000n, max: 3_600_000n}]};
  const seen = await scanKeys(bench, PLAIN, filter);
  for (const row of rows.slice(3500, 3601)) assert(seen.includes(hex(row.key)));
  assert.equal(bench.cold.stats().segmentsPruned - before, 2);
  assert(seen.length <= 2000, 'row groups outside the bounds are not read');
});

test('an old segment reads a new column as its initial, forgets a dropped one, and follows a rename', async () => {
  const old = schemaOf([
    columnOf(1, 'id', {name: 'int'}),
    columnOf(2, 'gone', {name: 'text'}),
    columnOf(3, 'n', {name: 'int'}),
  ]);
  const bench = openBench(old);
  await flush(bench, old, [sampleRow(old, [1, 'old text', 7], 1n), sampleRow(old, [2, 'x', null], 2n)]);
  const columns = [
    columnOf(1, 'id', {name: 'int'}),
    columnOf(4, 'gone', {name: 'text'}, 'fresh'),
    columnOf(3, 'renamed', {name: 'bigint'}),
  ];
  const current = schemaOf(columns, {version: 2});
  bench.schemas.push(current);
  const found = await bench.cold.get(current, bench.manifest, sampleRow(old, [1], 1n).key);
  assert.deepEqual(
    [0, 1, 2].map(i => found?.row.value(i)),
    [1, 'fresh', 7n],
  );
  const missing = {bounds: [{columnId: 4, min: 'zzz'}]};
  for await (const _ of bench.cold.scan(current, bench.manifest, missing, undefined, false))
    assert.fail('initial is out of bounds');
  let rowCount = 0;
  for await (const batch of bench.cold.scan(current, bench.manifest, {bounds: [{columnId: 4, max: 'g'}]}, [1], false)) {
    rowCount += batch.length;
    assert(batch.every(({row}) => row.value(1) === 'fresh'));
  }
  assert.equal(rowCount, 2);
});

const damages: [why: string, change: (bytes: Buffer) => Buffer][] = [
  ['truncated', bytes => bytes.subarray(0, bytes.length - 10)],
  ['empty', () => Buffer.alloc(0)],
  ['a bit of the footer flipped', bytes => flipped(bytes, bytes.length - 60)],
  ['a bit of a page flipped', bytes => flipped(bytes, 40)],
  ['the length of the footer changed', bytes => flipped(bytes, bytes.length - 8)],
];
for (const [why, change] of damages) {
  test(`a damaged segment is named, never skipped: ${why}`, async () => {
    const blob = memoryBlob();
    const bench = openBench(PLAIN, blob);
    await flush(bench, PLAIN, rangeRows(PLAIN, 0, 100, seededRandom(51)));
    const {path} = bench.manifest.segments[0]!;
    blob.damage(path, change);
    await assert.rejects(scanKeys(bench, PLAIN), isDamage(path));
    await assert.rejects(bench.cold.get(PLAIN, bench.manifest, sampleRow(PLAIN, [7], 1n).key), isDamage(path));
    await assert.rejects(bench.cold.locate(PLAIN, bench.manifest, [sampleRow(PLAIN, [7], 1n).key]), isDamage(path));
  });
}

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1;
  return bytes;
}

test('a missing segment is named', async () => {
  const bench = openBench(PLAIN);
  await flush(bench, PLAIN, rangeRows(PLAIN, 0, 10, seededRandom(52)));
  const {path} = bench.manifest.segments[0]!;
  await bench.blob.remove([path]);
  await assert.rejects(scanKeys(bench, PLAIN), isDamage(path));
});

test('a segment that does not read back as written is removed and not told of', async () => {
  const inner = memoryBlob();
  const bench = openBench(PLAIN, {
    ...inner,
    put: async (path, bytes) => inner.put(path, flipped(Buffer.from(bytes), 20)),
  });
  await assert.rejects(flush(bench, PLAIN, rangeRows(PLAIN, 0, 10, seededRandom(53))), isDamage('batch-0'));
  assert.deepEqual(await inner.list(''), []);
});

test('the encoder thread writes what the inline encoder writes, and aborting stops the waiting', async () => {
  const rows = rangeRows(PLAIN, 0, 5000, seededRandom(61));
  const threaded = openBench(PLAIN, memoryBlob(), {inlineEncoding: false});
  const inline = openBench(PLAIN);
  await flush(threaded, PLAIN, rows);
  await flush(inline, PLAIN, rows);
  assert.deepEqual(threaded.manifest.segments, inline.manifest.segments);
  const source = {
    schema: PLAIN,
    name: 'b',
    path: 'a/b',
    storageId: 'local',
    createdAt: 0,
    rows: encodedRows(PLAIN, rows),
  };
  const abort = new AbortController();
  const writing = threaded.cold.writeSegment(source, abort.signal);
  setImmediate(() => abort.abort(new Error('stopped')));
  await assert.rejects(writing, /stopped/);
  assert.equal(await threaded.blob.size('a/b'), undefined);
});

test('footers are cached within their bytes and forgotten on request', async () => {
  const bench = openBench(PLAIN);
  await flush(bench, PLAIN, rangeRows(PLAIN, 0, 100, seededRandom(62)));
  const {key} = sampleRow(PLAIN, [50], 1n);
  for (let i = 0; i < 3; i++) await bench.cold.get(PLAIN, bench.manifest, key);
  const {footerHits, footerMisses, cachedFooters} = bench.cold.stats();
  assert.deepEqual({footerHits, footerMisses, cachedFooters}, {footerHits: 2, footerMisses: 1, cachedFooters: 1});
  bench.cold.forget([bench.manifest.segments[0]!.path]);
  assert.equal(bench.cold.stats().cacheBytes, 0);
});

test('a segment takes rows written under several schema versions', async () => {
  const old = schemaOf([columnOf(1, 'id', {name: 'int'})]);
  const current = schemaOf([columnOf(1, 'id', {name: 'int'}), columnOf(2, 'n', {name: 'int'}, 5)], {version: 2});
  const bench = openBench(current);
  bench.schemas.push(old);
  const rows = [
    ...encodedRows(old, [sampleRow(old, [1], 1n)]),
    ...encodedRows(current, [sampleRow(current, [2, 6], 2n)]),
  ];
  const name = 'mixed.parquet';
  const source = {schema: current, name, path: `t/${name}`, storageId: 'local', createdAt: 0, rows};
  const add = [await bench.cold.writeSegment(source, never)];
  const delta = {
    scope: SCOPE,
    baseVersion: 0,
    add,
    remove: [],
    vectors: new Map(),
    flushedThrough: 2n,
    batch: 0,
    at: 0,
  };
  const manifest = applyDelta(emptyManifest(SCOPE), delta, 0n);
  const values: unknown[] = [];
  for await (const batch of bench.cold.scan(current, manifest, {}, undefined, false)) {
    for (const {row} of batch) values.push([row.value(0), row.value(1), row.json(1)]);
  }
  assert.deepEqual(values, [
    [1, 5, '5'],
    [2, 6, '6'],
  ]);
});

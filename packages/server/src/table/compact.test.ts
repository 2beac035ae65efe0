import assert from 'node:assert/strict';
import {test} from 'node:test';
import {memoryBlob} from '../blob/memory-blob.ts';
import {createCold} from '../cold/cold-store.ts';
import {isSameValue} from '../cold/column-codec.ts';
import {vectorOf} from '../cold/deletion-vector.ts';
import type {Segment} from '../cold/segment.ts';
import {
  ALL_TYPES,
  columnOf,
  encodedRows,
  randomRows,
  type SampleRow,
  SCOPE,
  sampleRow,
  schemaOf,
  seededRandom,
} from '../cold/test-rows.ts';
import {createHot} from '../hot/hot-store.ts';
import {memoryLogState, openMemoryLog} from '../log/memory-log.ts';
import {compareKeys} from '../model/key-codec.ts';
import {encodeRow} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import {SimClock} from '../std/sim-clock.ts';
import {META} from '../system/meta.ts';
import {Commit} from './commit.ts';
import {compactGroup, type GroupRequest} from './compact.ts';
import {Files} from './files.ts';
import {Manifests} from './manifests.ts';
import {Mirrors} from './mirrors.ts';
import type {OutputOptions} from './segment-output.ts';

const never = new AbortController().signal;
const PLAIN = schemaOf([columnOf(1, 'id', {name: 'int'}), columnOf(2, 'v', {name: 'text'})]);

async function openBench(...schemas: [Schema, ...Schema[]]) {
  const clock = new SimClock();
  const blob = memoryBlob();
  const manifests = new Manifests();
  const schemaFor = (_: unknown, version: number) => schemas.find(one => one.version === version)!;
  const cold = createCold({blobOf: () => blob, schemaOf: schemaFor, inlineEncoding: true});
  const newestIncarnation = () => SCOPE.incarnation;
  const commit = new Commit({hot: createHot({}), manifests, clock, listener() {}, onApplied() {}, newestIncarnation});
  await commit.start(await openMemoryLog(memoryLogState())(0n, () => {}), SCOPE.incarnation);
  const announced = new Set<string>();
  const files = new Files({
    commit,
    names: {
      announced(some) {
        for (const {path} of some) announced.add(path);
        return [];
      },
      struck(some) {
        for (const {path} of some) announced.delete(path);
        return [];
      },
    },
    syncLog: async () => {},
    blobOf: () => blob,
    forget: paths => cold.forget(paths),
    unused: some => some,
    gone() {},
    clock,
    warn() {},
  });
  let ulids = 0;
  const placeOf = () => ({storageId: 'local', folder: 'app/items/alice'});
  const warn = (text: string) => assert.fail(text);
  const mirrors = new Mirrors({
    ...{manifests, clock, warn, placeOf, mark: 0n},
    blobOf: () => blob,
    current: () => schemas.at(-1),
    saveMark: async () => {},
  });
  const options: OutputOptions = {
    cold,
    commit,
    manifests,
    clock,
    mirrors,
    placeOf,
    nextUlid: () => String(++ulids),
    current: () => schemas.at(-1),
    files,
    tombstoneMark: ({incarnation}, through) => {
      const key = Buffer.from(`mark ${incarnation}`);
      const row = encodeRow(META.schema, META.toValues({key: String(incarnation), value: String(through)}), 0);
      return {scope: {incarnation: META.schema.incarnation, owner: null}, key, row};
    },
    warn,
  };
  return {options, blob, manifests, cold, announced, schema: schemas.at(-1)!, schemas};
}

type Bench = Awaited<ReturnType<typeof openBench>>;

/** As a flush would, without looking for dead rows. */
async function addSegment(
  {options, manifests}: Bench,
  schema: Schema,
  rows: readonly SampleRow[],
  dead: number[] = [],
) {
  const {version: baseVersion, batch, flushedThrough} = manifests.get(SCOPE);
  const name = `batch-${batch + 1}.parquet`;
  const path = `app/items/alice/${name}`;
  const source = {schema, name, path, storageId: 'local', createdAt: 0, rows: encodedRows(schema, rows)};
  const segment = await options.cold.writeSegment(source, never);
  const vectors = new Map(dead.length === 0 ? [] : [[name, vectorOf(dead)] as const]);
  const change = {add: [segment], remove: [], vectors, flushedThrough: flushedThrough + 1n, batch: batch + 1, at: 0};
  await options.commit.write({publish: {scope: SCOPE, baseVersion, ...change}});
}

async function compactAll({options, manifests, schema}: Bench, change: Partial<GroupRequest> = {}) {
  const {segments} = manifests.get(SCOPE);
  const request = {scope: SCOPE, segments, segmentBytes: 1 << 25, tombstonesBefore: 0n, ...change};
  return await compactGroup(options, schema, request, never);
}

/** Every live row of the scope, as `schema` reads it. */
async function readAll({cold, manifests}: Bench, schema: Schema): Promise<SampleRow[]> {
  const rows: SampleRow[] = [];
  for await (const batch of cold.scan(schema, manifests.get(SCOPE), {}, undefined, false)) {
    for (const {key, row} of batch) {
      const values = schema.columns.map((_, i) => row.value(i));
      rows.push({key: Buffer.from(key), seq: row.seq, isTombstone: row.isTombstone, values});
    }
  }
  return rows;
}

function assertSame(schema: Schema, found: readonly SampleRow[], expected: readonly SampleRow[]): void {
  assert.equal(found.length, expected.length);
  for (const [i, row] of expected.entries()) {
    const other = found[i]!;
    assert.ok(compareKeys(row.key, other.key) === 0 && row.seq === other.seq && row.isTombstone === other.isTombstone);
    for (const [k, column] of schema.columns.entries()) {
      const isSame = isSameValue(column.type, row.values[k]!, other.values[k]!);
      assert.ok(isSame, `${column.name}: ${row.values[k]} became ${other.values[k]}`);
    }
  }
}

test('values of every type, keys, seqs and tombstones come through unchanged, however often', async () => {
  const types = [...ALL_TYPES, {name: 'decimal', precision: 38, scale: 10} as const];
  const schema = schemaOf([
    columnOf(1, 'id', {name: 'text'}),
    ...types.map((type, i) => columnOf(i + 2, type.name, type)),
  ]);
  for (let seed = 1; seed <= 5; seed++) {
    const random = seededRandom(seed);
    const rows = randomRows(schema, 300, random);
    const bench = await openBench(schema);
    const parts: SampleRow[][] = [[], [], []];
    for (const row of rows) parts[Math.floor(random() * 3)]!.push(row);
    for (const part of parts) await addSegment(bench, schema, part);
    const before = await readAll(bench, schema);
    assertSame(schema, before, rows);
    for (let times = 0; times < 3; times++) {
      await compactAll(bench);
      assertSame(schema, await readAll(bench, schema), before);
    }
    assert.equal(bench.manifests.get(SCOPE).segments.length, 1);
  }
});

test('rows of older schema versions are written in the columns of today', async () => {
  const id = columnOf(1, 'id', {name: 'int'});
  const old = schemaOf([id, columnOf(2, 'n', {name: 'smallint'}), columnOf(3, 'gone', {name: 'text'})]);
  const now = schemaOf([columnOf(2, 'n', {name: 'bigint'}), id, columnOf(4, 'new', {name: 'text'}, 'first')], {
    version: 2,
    primaryKey: 1,
  });
  const bench = await openBench(old, now);
  await addSegment(bench, old, [sampleRow(old, [1, -7, 'x'], 1n), sampleRow(old, [3, null, 'y'], 2n, true)]);
  await addSegment(bench, now, [sampleRow(now, [8n, 2, null], 3n)]);
  await compactAll(bench);
  const [segment] = bench.manifests.get(SCOPE).segments;
  assert.equal(segment!.schemaVersion, 2);
  assertSame(now, await readAll(bench, now), [
    sampleRow(now, [-7n, 1, 'first'], 1n),
    sampleRow(now, [8n, 2, null], 3n),
    sampleRow(now, [null, 3, 'first'], 2n, true),
  ]);
});

test('dead rows go, and tombstones below the floor; the counts say so', async () => {
  const cases: [why: string, floor: bigint, left: number[], counts: [number, number, number, number]][] = [
    ['none is old enough', 0n, [0, 1, 2, 3], [4, 2, 0, 2]],
    ['the floor itself stays', 12n, [0, 1, 2, 3], [4, 2, 0, 2]],
    ['one is', 13n, [0, 1, 3], [3, 1, 1, 2]],
    ['all are; rows never age', 1000n, [0, 1], [2, 0, 2, 2]],
  ];
  for (const [why, tombstonesBefore, left, counts] of cases) {
    const bench = await openBench(PLAIN);
    const row = (key: number, seq: bigint, isTombstone = false) => sampleRow(PLAIN, [key, `v${key}`], seq, isTombstone);
    await addSegment(bench, PLAIN, [row(0, 10n), row(2, 1n), row(3, 2n)], [1, 2]);
    await addSegment(bench, PLAIN, [row(1, 11n), row(2, 12n, true), row(3, 13n, true)]);
    const group = await compactAll(bench, {tombstonesBefore});
    const found = await readAll(bench, PLAIN);
    assert.deepEqual(
      found.map(one => one.values[0]),
      left,
      why,
    );
    const {rowsWritten, tombstonesKept, tombstonesDropped, rowsDropped} = group;
    assert.deepEqual([rowsWritten, tombstonesKept, tombstonesDropped, rowsDropped], counts, why);
    assert.equal(bench.manifests.get(SCOPE).deadCount, 0, why);
  }
});

test('a group that leaves nothing lists nothing', async () => {
  const bench = await openBench(PLAIN);
  await addSegment(bench, PLAIN, [sampleRow(PLAIN, [1, 'a'], 1n, true)]);
  await compactAll(bench, {tombstonesBefore: 2n});
  assert.deepEqual([...bench.manifests.of(SCOPE.incarnation)], [], 'what holds nothing is forgotten');
  assert.deepEqual(bench.manifests.totals, {scopes: 0, segments: 0, rows: 0, deadRows: 0, bytes: 0});
  assert.deepEqual([...bench.announced], ['app/items/alice/batch-0.parquet', 'app/items/alice/manifest.json']);
});

test('what is larger than a segment becomes several: in key order, apart, all full but the last', async () => {
  const bench = await openBench(PLAIN);
  const rows = Array.from({length: 1000}, (_, i) => sampleRow(PLAIN, [i, 'x'.repeat(100)], BigInt(i + 1)));
  for (const rest of [0, 1, 2])
    await addSegment(
      bench,
      PLAIN,
      rows.filter((_, i) => i % 3 === rest),
    );
  const segmentBytes = 20_000;
  await compactAll(bench, {segmentBytes});
  const {segments} = bench.manifests.get(SCOPE);
  assert.ok(segments.length > 4);
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1;
    assert.equal(segment.rowBytes! >= segmentBytes, !isLast, 'full is what the policy calls full');
    if (!isLast) assert.ok(compareKeys(segment.maxKey, segments[i + 1]!.minKey) < 0);
  }
  assertSame(PLAIN, await readAll(bench, PLAIN), rows);
});

test('what fails changes nothing and leaves no file and no name', async () => {
  const stop = new AbortController();
  const cases: [why: string, prepare: (bench: Bench) => void, error: RegExp, signal?: AbortSignal][] = [
    ['a damaged segment', bench => bench.blob.damage(FIRST, flipped), /batch-0\.parquet' is damaged/],
    ['no room for the second segment', failSecondPut, /no room/],
    ['a table dropped meanwhile', bench => void Object.assign(bench.options, {current: dropsAfter(2)}), /was dropped/],
    ['somebody else published', publishDuringPut, /a flush published/],
    ['a stop', bench => duringPut(bench, () => stop.abort(new Error('stopped'))), /stopped/, stop.signal],
  ];
  for (const [why, prepare, error, signal] of cases) {
    const bench = await openBench(PLAIN);
    const rows = Array.from({length: 500}, (_, i) => sampleRow(PLAIN, [i, 'x'.repeat(50)], BigInt(i + 1)));
    for (const rest of [0, 1])
      await addSegment(
        bench,
        PLAIN,
        rows.filter((_, i) => i % 2 === rest),
      );
    const before = bench.manifests.get(SCOPE).segments;
    prepare(bench);
    const request = {scope: SCOPE, segments: before, segmentBytes: 20_000, tombstonesBefore: 0n};
    await assert.rejects(compactGroup(bench.options, PLAIN, request, signal ?? never), error, why);
    const names = (segments: readonly Segment[]) => segments.map(segment => segment.name);
    assert.deepEqual(names(bench.manifests.get(SCOPE).segments), names(before), why);
    assert.deepEqual(await bench.blob.list(''), [FIRST, 'app/items/alice/batch-1.parquet'], why);
    assert.deepEqual([...bench.announced], [], why);
  }
});

const FIRST = 'app/items/alice/batch-0.parquet';

function flipped(bytes: Buffer): Buffer {
  bytes[10]! ^= 0xff;
  return bytes;
}

function dropsAfter(calls: number): () => Schema | undefined {
  let left = calls;
  return () => (left-- > 1 ? PLAIN : undefined);
}

function failSecondPut(bench: Bench): void {
  duringPut(bench, () => bench.blob.failNext('put', new Error('no room')));
}

function publishDuringPut(bench: Bench): void {
  duringPut(bench, async () => {
    const {version: baseVersion, batch, flushedThrough} = bench.manifests.get(SCOPE);
    const change = {add: [], remove: [], vectors: new Map(), flushedThrough, batch, at: 0};
    await bench.options.commit.write({publish: {scope: SCOPE, baseVersion, ...change}});
  });
}

/** Once, when the first segment has been put. */
function duringPut({blob}: Bench, happens: () => unknown): void {
  const put = blob.put.bind(blob);
  let isFirst = true;
  blob.put = async (path, bytes) => {
    await put(path, bytes);
    if (isFirst) await happens();
    isFirst = false;
  };
}

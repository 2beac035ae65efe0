import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {decodeVector, encodeVector, unionVectors, vectorOf} from './deletion-vector.ts';
import {type Manifest, manifestOf} from './manifest.ts';
import {
  applyDelta,
  deltaFromBytes,
  deltaFromJson,
  deltaToBytes,
  emptyManifest,
  type ManifestDelta,
} from './manifest-delta.ts';
import {manifestJson} from './manifest-mirror.ts';
import type {Segment} from './segment.ts';
import {columnOf, SCOPE, schemaOf, seededRandom, sampleSegment as segmentOf} from './test-rows.ts';

function deltaOn(manifest: Manifest, change: Partial<ManifestDelta> = {}): ManifestDelta {
  const batch = manifest.batch + 1;
  const add = [segmentOf(`s${batch}`)];
  return {
    scope: SCOPE,
    baseVersion: manifest.version,
    add,
    remove: [],
    vectors: new Map(),
    flushedThrough: 10n,
    batch,
    at: 7,
    ...change,
  };
}

const one = applyDelta(emptyManifest(SCOPE), deltaOn(emptyManifest(SCOPE)), 1n);

test('a delta makes a new manifest and leaves the old one', () => {
  const two = applyDelta(one, deltaOn(one, {vectors: new Map([['s0', Uint32Array.of(1, 3)]]), at: 9}), 2n);
  assert.deepEqual([one.version, one.segmentCount, one.deadCount], [1, 1, 0]);
  assert.deepEqual([two.version, two.batch, two.createdAt, two.updatedAt, two.publishSeq], [2, 1, 7, 9, 2n]);
  assert.deepEqual([two.rowCount, two.deadCount, two.sizeBytes], [20, 2, 200]);
  assert.deepEqual(
    [0, 1, 2, 3, 4].filter(position => two.segment(0).isDead(position)),
    [1, 3],
  );
  assert.deepEqual(
    two.segments.map(({name}) => name),
    ['s0', 's1'],
  );
  const three = applyDelta(two, deltaOn(two, {add: [segmentOf('merged')], remove: ['s0', 's1']}), 3n);
  assert.deepEqual(
    three.segments.map(({name}) => name),
    ['merged'],
  );
  assert.deepEqual([three.rowCount, three.deadCount], [10, 0], 'a removed segment takes its vector along');
});

const bugs: [why: string, change: Partial<ManifestDelta>][] = [
  ['made against another version', {baseVersion: 0}],
  ['a listed name again', {add: [segmentOf('s0')]}],
  ['a name removed and added at once', {add: [segmentOf('s0')], remove: ['s0']}],
  ['a name twice', {add: [segmentOf('x'), segmentOf('x')]}],
  ['batch goes back', {batch: -1}],
  ['flushedThrough goes back', {flushedThrough: 9n}],
  ['removes what is not listed', {remove: ['none']}],
  ['another scope', {scope: {...SCOPE, owner: null}}],
  ['vector of an unknown segment', {vectors: new Map([['none', Uint32Array.of(1)]])}],
  ['vector out of order', {vectors: new Map([['s0', Uint32Array.of(3, 1)]])}],
  ['vector with a repeat', {vectors: new Map([['s0', Uint32Array.of(1, 1)]])}],
  ['vector out of range', {vectors: new Map([['s0', Uint32Array.of(10)]])}],
];
for (const [why, change] of bugs) {
  test(`a wrong delta is a bug: ${why}`, () =>
    assert.throws(() => applyDelta(one, deltaOn(one, change), 2n), /broken law/));
}

test('a scope that was emptied, and forgotten, takes a delta of any version', () => {
  const later = applyDelta(emptyManifest(SCOPE), deltaOn(one, {baseVersion: 8}), 9n);
  assert.deepEqual([later.version, later.segmentCount], [9, 1]);
});

test('deltas and manifests survive as bytes', () => {
  const facts = {columnStats: {3: {min: '"ä"', nullCount: 1}, 9: {max: '2', nullCount: 0}}, rowBytes: 0};
  const delta = deltaOn(one, {
    add: [
      segmentOf('batch-1-64-01JABCDEFGHJKMNPQRSTVWXYZ0.parquet', facts),
      segmentOf('batch-01-64-x.parquet', {
        storageId: 'remote',
        path: 'elsewhere/batch-01-64-x.parquet',
        tombstoneCount: 3,
      }),
    ],
    vectors: new Map([
      ['s0', Uint32Array.of(0, 1, 9)],
      ['batch-01-64-x.parquet', Uint32Array.of(2)],
    ]),
  });
  const read = deltaFromBytes(SCOPE, deltaToBytes(delta));
  const [two, same] = [applyDelta(one, delta, 5n), applyDelta(one, read, 5n)];
  assert.deepEqual(same.bytes, two.bytes);
  const again = manifestOf(SCOPE, Buffer.from(two.bytes));
  assert.deepEqual(again.segments.map(plain), [segmentOf('s0'), ...delta.add].map(plain));
  assert.deepEqual(
    again.segments.map(segment => [...segment.dead]),
    [[0, 1, 9], [], [2]],
  );
  assert.equal(again.tombstoneCount, 3);
});

test('the first delta of a scope leads to the same manifest, whether it was made or read', () => {
  const delta = {...deltaOn(emptyManifest(SCOPE)), add: [segmentOf('s0'), segmentOf('s1')]};
  const made = applyDelta(emptyManifest(SCOPE), delta, 5n);
  const read = applyDelta(emptyManifest(SCOPE), deltaFromBytes(SCOPE, deltaToBytes(delta)), 5n);
  assert.deepEqual(read.bytes, made.bytes);
});

/** Of a segment, whatever holds its key bounds. */
function plain({columnStats, ...facts}: Segment): object {
  const {minKey, maxKey, rowBytes, ...rest} = facts;
  const names = ['name', 'path', 'storageId', 'schemaVersion', 'rowCount', 'sizeBytes', 'checksum'] as const;
  const others = ['footerBytes', 'minSeq', 'maxSeq', 'tombstoneCount', 'createdAt'] as const;
  const fields = [...names, ...others].map(name => rest[name]);
  return {fields, rowBytes, columnStats, keys: [Buffer.from(minKey), Buffer.from(maxKey)]};
}

test('a segment of a scope takes few bytes, and one more of them fewer', () => {
  const many = Array.from({length: 1000}, (_, i) =>
    segmentOf(`batch-${i}-64-01JABCDEFGHJKMNPQRSTVWXYZ0.parquet`, {
      minKey: Buffer.alloc(9),
      maxKey: Buffer.alloc(9),
      rowBytes: 150_000,
      columnStats: Object.fromEntries([1, 2, 3].map(id => [id, {min: '1234567', max: '1234567', nullCount: 0}])),
    }),
  );
  const sizes = [1, 1000].map(count => {
    const delta = deltaOn(emptyManifest(SCOPE), {add: many.slice(0, count)});
    return applyDelta(emptyManifest(SCOPE), delta, 1n).bytes.length;
  });
  assert.ok(sizes[0]! < 300 && sizes[1]! / 1000 < 200, `${sizes}`);
});

test('JSON of release 0.1.0 is read, a whole manifest of a checkpoint too', () => {
  const text = JSON.stringify({
    scope: SCOPE,
    baseVersion: 0,
    add: [{...segmentOf('s0'), minSeq: '7', maxSeq: '9007199254740993', minKey: 'AQ', maxKey: 'Ag'}],
    remove: [],
    vectors: {s0: 'AgEC'},
    flushedThrough: '10',
    batch: 3,
    at: 7,
    whole: {version: 4, createdAt: 2},
  });
  const manifest = applyDelta(emptyManifest(SCOPE), deltaFromJson(text), 11n);
  assert.deepEqual([manifest.version, manifest.batch, manifest.createdAt, manifest.updatedAt], [4, 3, 2, 7]);
  const [segment] = manifest.segments;
  assert.deepEqual([[...segment!.minKey], [...segment!.maxKey], [...segment!.dead]], [[1], [2], [1, 3]]);
  assert.deepEqual([segment!.minSeq, segment!.maxSeq], [7n, 9007199254740993n]);
});

for (const text of ['', '{}', 'null']) {
  test(`damaged delta text is DATA_CORRUPTED: ${text}`, () => assert.throws(() => deltaFromJson(text), isDamage));
}

test('cut bytes of a delta are DATA_CORRUPTED, wherever they are cut', () => {
  const bytes = deltaToBytes(deltaOn(one, {remove: ['s0'], vectors: new Map([['s9', Uint32Array.of(2)]])}));
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => deltaFromBytes(SCOPE, bytes.subarray(0, length)), isDamage, `cut at ${length}`);
  }
});

test('a manifest of another layout is DATA_CORRUPTED', () => {
  const bytes = Buffer.from(one.bytes);
  bytes[4] = 99;
  assert.throws(() => manifestOf(SCOPE, bytes), isDamage);
});

function isDamage(error: unknown): boolean {
  return error instanceof DbError && error.code === 'DATA_CORRUPTED';
}

test('manifest.json shows segments, dead rows, statistics and exact seqs', () => {
  const two = applyDelta(one, deltaOn(one, {vectors: new Map([['s0', Uint32Array.of(2)]])}), 2n);
  const json = JSON.parse(manifestJson(two, schemaOf([columnOf(1, 'id', {name: 'int'})])));
  assert.deepEqual(json.table_id, {namespace_id: 'app', table_name: 'items'});
  assert.deepEqual([json.version, json.format_version, json.incarnation, json.user_id], [2, 1, 64, 'alice']);
  assert.equal(json.last_sequence_number, 1);
  const [first] = json.segments;
  assert.deepEqual(
    [first.delete_count, first.checksum, first.min_seq, first.status],
    [1, '00000abc', '9007199254740993', 'committed'],
  );
  assert.deepEqual(first.column_stats['1'], {min: 1, max: 9, null_count: 0, value_count: 10});
});

test('vectors: encode and union agree with sets (seed 5)', () => {
  const random = seededRandom(5);
  for (let round = 0; round < 200; round++) {
    const limit = round % 3 === 0 ? 2 ** 32 : 300;
    const numbers = () => Array.from({length: Math.floor(random() * 60)}, () => Math.floor(random() * limit));
    const [a, b] = [new Set(numbers()), new Set(numbers())];
    assert.deepEqual(decodeVector(encodeVector(vectorOf(a))), vectorOf(a));
    const union = unionVectors(vectorOf(a), vectorOf(b));
    assert.deepEqual(
      [...union],
      [...new Set([...a, ...b])].sort((x, y) => x - y),
    );
  }
  assert.equal(encodeVector(Uint32Array.from({length: 1000}, (_, i) => i)).length, 1002, 'a run costs a byte a row');
});

for (const bytes of [[], [1], [2, 5, 0], [1, 0x80], [1, 1, 1], [1, 0xff, 0xff, 0xff, 0xff, 0x7f]]) {
  test(`damaged vector bytes are DATA_CORRUPTED: ${bytes}`, () => {
    assert.throws(() => decodeVector(Uint8Array.from(bytes)), isDamage);
  });
}

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {decodeVector, encodeVector, liveCount, unionVectors, vectorContains, vectorOf} from './deletion-vector.ts';
import {
  applyDelta,
  deltaFromJson,
  deltaToJson,
  emptyManifest,
  type Manifest,
  type ManifestDelta,
  manifestJson,
  manifestToDelta,
  type Segment,
} from './manifest.ts';
import {columnOf, SCOPE, schemaOf, seededRandom} from './test-rows.ts';

function segmentOf(name: string, rowCount = 10): Segment {
  return {
    name,
    path: `app/items/alice/${name}`,
    storageId: 'local',
    schemaVersion: 1,
    rowCount,
    sizeBytes: 100,
    checksum: 0xabc,
    footerBytes: 50,
    minSeq: 9007199254740993n,
    maxSeq: 9007199254740999n,
    minKey: 'AA',
    maxKey: 'BB',
    tombstoneCount: 0,
    columnStats: {1: {min: '1', max: '9', nullCount: 0}, 2: {nullCount: rowCount}},
    createdAt: 5,
  };
}

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

const one = applyDelta(emptyManifest(SCOPE), deltaOn(emptyManifest(SCOPE)));

test('a delta makes a new manifest and leaves the old one', () => {
  const two = applyDelta(one, deltaOn(one, {vectors: new Map([['s0', Uint32Array.of(1, 3)]]), at: 9}));
  assert.deepEqual([one.version, one.segments.length, one.vectors.size], [1, 1, 0]);
  assert.deepEqual([two.version, two.batch, two.createdAt, two.updatedAt], [2, 1, 7, 9]);
  assert.deepEqual(
    two.segments.map(({name}) => name),
    ['s0', 's1'],
  );
  const three = applyDelta(two, deltaOn(two, {add: [segmentOf('merged')], remove: ['s0', 's1']}));
  assert.deepEqual(
    three.segments.map(({name}) => name),
    ['merged'],
  );
  assert.equal(three.vectors.size, 0, 'a removed segment takes its vector along');
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
    assert.throws(() => applyDelta(one, deltaOn(one, change)), /broken law/));
}

test('deltas survive JSON, and a checkpoint restores the whole manifest', () => {
  const delta = deltaOn(one, {vectors: new Map([['s0', Uint32Array.of(0, 1, 9)]])});
  assert.deepEqual(deltaFromJson(deltaToJson(delta)), delta);
  const two = applyDelta(one, delta);
  assert.deepEqual(applyDelta(emptyManifest(SCOPE), deltaFromJson(deltaToJson(manifestToDelta(two)))), two);
});

for (const text of ['', '{}', 'null', deltaToJson(deltaOn(one)).replace('"10"', '"x"')]) {
  test(`damaged delta text is DATA_CORRUPTED: ${text.slice(0, 10)}`, () => {
    assert.throws(
      () => deltaFromJson(text),
      (error: unknown) => error instanceof DbError && error.code === 'DATA_CORRUPTED',
    );
  });
}

test('manifest.json shows segments, dead rows, statistics and exact seqs', () => {
  const two = applyDelta(one, deltaOn(one, {vectors: new Map([['s0', Uint32Array.of(2)]])}));
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

test('vectors: encode, union and contains agree with sets (seed 5)', () => {
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
    for (const position of [...a, ...b]) assert(vectorContains(union, position));
    for (const other of numbers()) assert.equal(vectorContains(union, other), a.has(other) || b.has(other));
    assert.equal(liveCount(1000, union), 1000 - union.length);
  }
  assert.equal(encodeVector(Uint32Array.from({length: 1000}, (_, i) => i)).length, 1002, 'a run costs a byte a row');
});

for (const bytes of [[], [1], [2, 5, 0], [1, 0x80], [1, 1, 1], [1, 0xff, 0xff, 0xff, 0xff, 0x7f]]) {
  test(`damaged vector bytes are DATA_CORRUPTED: ${bytes}`, () => {
    assert.throws(
      () => decodeVector(Uint8Array.from(bytes)),
      (error: unknown) => error instanceof DbError && error.code === 'DATA_CORRUPTED',
    );
  });
}

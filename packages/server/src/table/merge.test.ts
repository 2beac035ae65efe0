import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Cold} from '../cold/cold.ts';
import {emptyManifest} from '../cold/manifest-delta.ts';
import {createHot} from '../hot/hot-store.ts';
import type {DataType} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import type {ScopeKey} from '../model/names.ts';
import {encodeRow, FLAG_TOMBSTONE, setRowSeq} from '../model/row-codec.ts';
import {testColumn, testSchema} from '../model/test-schema.ts';
import {openSnapshot} from './merge.ts';
import type {ScanRequest, TableSnapshot} from './table.ts';

const BIGINT: DataType = {name: 'bigint'};
const SCHEMA = testSchema([testColumn(1, 'id', BIGINT)]);
const SCOPE: ScopeKey = {incarnation: SCHEMA.incarnation, owner: null};
const NEVER = new AbortController().signal;
/** A scan pauses after so many. */
const SLICE = 8192;
const NO_COLD = {} as Cold;

/** Rows 0 to `count` − 1, of which every seventh is deleted. */
function snapshotOf(count: number): TableSnapshot {
  const hot = createHot();
  for (let id = 0; id < count; id++) {
    const row = encodeRow(SCHEMA, [BigInt(id)], isDeleted(id) ? FLAG_TOMBSTONE : 0);
    setRowSeq(row, 0, BigInt(id + 1));
    hot.put({scope: SCOPE, key: key(id), row: {buffer: row, offset: 0, length: row.length}}, 0);
  }
  const manifest = emptyManifest(SCOPE);
  return openSnapshot({
    schema: SCHEMA,
    schemaOf: () => SCHEMA,
    hot: hot.snapshot(SCOPE),
    cold: NO_COLD,
    manifest,
    release() {},
  });
}

function isDeleted(id: number): boolean {
  return id % 7 === 0;
}

function key(id: number): Uint8Array {
  return encodeKey(BIGINT, BigInt(id));
}

function request(change: Partial<ScanRequest> = {}): ScanRequest {
  return {keys: {}, isReverse: false, bounds: undefined, columns: [0], includeTombstones: false, ...change};
}

async function scanned(snapshot: TableSnapshot, asked: ScanRequest, wanted = Infinity): Promise<number[]> {
  const ids: number[] = [];
  await snapshot.scan(asked, row => ids.push(Number(row.value(0))) < wanted, NEVER);
  return ids;
}

const COUNTS: readonly [why: string, count: number][] = [
  ['in one turn', SLICE],
  ['the second slice is one row', SLICE + 1],
  ['the last slice ends with the last row', 2 * SLICE - 1],
  ['three slices', 2 * SLICE + 5],
];

for (const [why, count] of COUNTS) {
  test(`a scan of rows in memory that pauses shows each row once, in order: ${why}`, async () => {
    const snapshot = snapshotOf(count);
    const all = Array.from({length: count}, (_, id) => id);
    const live = all.filter(id => !isDeleted(id));
    assert.deepEqual(await scanned(snapshot, request()), live);
    assert.deepEqual(await scanned(snapshot, request({isReverse: true})), live.toReversed());
    assert.deepEqual(await scanned(snapshot, request({includeTombstones: true})), all);
    const keys = {from: key(3), to: key(count - 3)};
    const inside = live.filter(id => id >= 3 && id <= count - 3);
    assert.deepEqual(await scanned(snapshot, request({keys})), inside);
    assert.deepEqual(await scanned(snapshot, request({keys, isReverse: true})), inside.toReversed());
  });
}

test('a scan that has enough stops, also at the very row where it would pause', async () => {
  const snapshot = snapshotOf(SLICE + 100);
  for (const isReverse of [false, true]) {
    const all = await scanned(snapshot, request({isReverse, includeTombstones: true}));
    for (const wanted of [1, SLICE - 1, SLICE, SLICE + 1]) {
      const some = await scanned(snapshot, request({isReverse, includeTombstones: true}), wanted);
      assert.deepEqual(some, all.slice(0, wanted));
    }
  }
});

test('a long scan ends with its statement', async () => {
  const over = new AbortController();
  const rows: number[] = [];
  const scan = snapshotOf(SLICE * 3).scan(request(), row => rows.push(Number(row.value(0))) > 0, over.signal);
  over.abort();
  await assert.rejects(async () => scan, {code: 'STATEMENT_TIMEOUT'});
  assert.ok(rows.length < SLICE);
});

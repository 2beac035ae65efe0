import assert from 'node:assert/strict';
import {test} from 'node:test';
import * as codec from './row-codec.ts';
import {testColumn, testSchema} from './test-schema.ts';

const ID = testColumn(1, 'id', {name: 'bigint'});
const V1 = testSchema([ID, testColumn(2, 'gone', {name: 'text'}), testColumn(3, 'amount', {name: 'int'})]);
const V2 = testSchema(
  [
    ID,
    testColumn(3, 'total', {name: 'decimal', precision: 12, scale: 2}),
    testColumn(4, 'note', {name: 'text'}, 'said "no"'),
    testColumn(5, 'late', {name: 'int'}),
  ],
  2,
);

function schemaOf(version: number) {
  assert.equal(version, 1);
  return V1;
}

function at(bytes: Buffer) {
  return {buffer: bytes, offset: 0, length: bytes.length};
}

test('an older row is read by column id: renamed, dropped, added with a default, widened', () => {
  const view = new codec.RowView(V2, schemaOf);
  view.at(at(codec.encodeRow(V1, [7n, 'x', -5], 0)));
  assert.deepEqual(
    [0, 1, 2, 3].map(i => view.value(i)),
    [7n, -500n, 'said "no"', null],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map(i => view.json(i)),
    ['"7"', '"-5.00"', '"said \\"no\\""', 'null'],
  );
  assert.equal(view.jsonRow(), '"7","-5.00","said \\"no\\"",null');
});

test('one cursor reads rows of several versions in turn', () => {
  const view = new codec.RowView(V2, schemaOf);
  const old = codec.encodeRow(V1, [1n, null, null], 0);
  const young = codec.encodeRow(V2, [2n, 350n, null, 4], 0);
  assert.deepEqual(
    [0, 1, 2, 3].map(i => view.at(at(young)).value(i)),
    [2n, 350n, null, 4],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map(i => view.at(at(old)).value(i)),
    [1n, null, 'said "no"', null],
  );
  assert.equal(view.at(at(young)).jsonRow(), '"2","3.50",null,4');
});

test('seq and flags are set in place, wherever the row lies, and nothing else changes', () => {
  const row = codec.encodeRow(V1, [1n, 'a\\b', 2], codec.FLAG_COLD_PREDECESSOR);
  const buffer = Buffer.concat([Buffer.alloc(13, 0xff), row, Buffer.alloc(5, 0xff)]);
  const bytes = {buffer, offset: 13, length: row.length};
  assert.equal(codec.rowSeq(bytes), 0n);
  for (const seq of [2n ** 63n - 1n, -1n, 2n ** 53n + 1n]) {
    codec.setRowSeq(buffer, 13, seq);
    assert.equal(codec.rowSeq(bytes), seq);
  }
  assert.equal(codec.rowFlags(bytes), codec.FLAG_COLD_PREDECESSOR);
  codec.setRowFlags(buffer, 13, codec.FLAG_TOMBSTONE);
  const view = new codec.RowView(V1, schemaOf).at(bytes);
  assert.deepEqual(
    [view.isTombstone, view.seq, view.value(1), view.json(1)],
    [true, 2n ** 53n + 1n, 'a\\b', '"a\\\\b"'],
  );
  assert.equal(codec.rowSchemaVersion(bytes), 1);
  assert.deepEqual([buffer[12], buffer[13 + row.length]], [0xff, 0xff]);
  assert.equal(buffer.readUInt32LE(13), row.length);
});

test('a row above the limit is refused by its name; a large one is kept whole', () => {
  const large = 'ü'.repeat(5_000_000);
  const row = codec.encodeRow(V1, [1n, large, 9], 0);
  const view = new codec.RowView(V1, schemaOf).at(at(row));
  assert.equal(view.value(1), large);
  assert.equal(view.value(2), 9);
  const tooLarge = {code: 'LIMIT_EXCEEDED', message: /A row of 'test\.rows'/};
  assert.throws(() => codec.encodeRow(V1, [1n, 'x'.repeat(codec.ROW_BYTES_MAX), 9], 0), tooLarge);
  assert.throws(() => codec.encodeRow(V1, [1n, 'x'.repeat(codec.ROW_BYTES_MAX * 4), 9], 0), tooLarge);
});

test('lone surrogates become U+FFFD', () => {
  const view = new codec.RowView(V1, schemaOf).at(at(codec.encodeRow(V1, [1n, 'a\ud800b', 1], 0)));
  assert.equal(view.value(1), 'a\ufffdb');
});

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FileRef, KalamCellValue, SeqId, wrapRowMap} from './cells.ts';

const cell = (raw: unknown) => new KalamCellValue(raw);
const uuid = '6f1c0000-0000-4000-8000-00000000000a';

const cases: [why: string, actual: unknown, expected: unknown][] = [
  ['64-bit integers stay exact', cell('9007199254740993').asBigInt(), 9007199254740993n],
  ['a number that cannot hold them is null', cell('9007199254740993').asInt(), null],
  ['a smaller one is a number', cell('42').asInt(), 42],
  ['decimals', cell('12.30').asFloat(), 12.3],
  ['text is no number', cell('x').asFloat(), null],
  ['empty text is no number', cell('').asFloat(), null],
  ['microseconds', cell(1_777_888_999_123_456).asDate()?.toISOString(), '2026-05-04T10:03:19.123Z'],
  ['milliseconds', cell(1_777_888_999_123).asDate()?.toISOString(), '2026-05-04T10:03:19.123Z'],
  ['ISO text', cell('2026-05-04T10:03:19Z').asDate()?.toISOString(), '2026-05-04T10:03:19.000Z'],
  ['no date', cell('soon').asDate(), null],
  [
    'booleans',
    [cell(true).asBool(), cell('false').asBool(), cell(0).asBool(), cell('x').asBool()],
    [true, false, false, null],
  ],
  ['JSON', cell('{"a":1}').asObject(), {a: 1}],
  ['a list is no object', cell('[1]').asObject(), null],
  ['lists', cell('[1,"x"]').asArray(), [1, 'x']],
  ['embeddings', [cell([0.5]).asEmbedding(), cell('["x"]').asEmbedding()], [[0.5], null]],
  ['UUID in lower case', cell(uuid.toUpperCase()).asUuid(), uuid],
  [
    'NULL is null in every form',
    [cell(null).asString(), cell(undefined).asInt(), cell(null).asFile()],
    [null, null, null],
  ],
  ['JSON of a row is that of its cells', JSON.stringify(wrapRowMap({a: '1', b: null})), '{"a":"1","b":null}'],
  ['a seq tells its time', SeqId.from('383514855849594880').toDate().getUTCFullYear(), 2026],
  ['seqs compare by value', new SeqId('10').compare(new SeqId('9')), 1],
];

for (const [why, actual, expected] of cases) {
  test(`cells: ${why}`, () => assert.deepEqual(actual, expected));
}

test('a file reference knows where the file is', () => {
  const text = '{"id":"77","sub":"f0001","name":"a b.pdf","size":1,"mime":"application/pdf","sha256":"x"}';
  const file = FileRef.from(text);
  assert.equal(file?.getDownloadUrl('http://h/', 'app', 'docs'), 'http://h/api/v1/files/app/docs/f0001/77');
  assert.equal(FileRef.from('{"id":1}'), null);
  assert.equal(FileRef.from('no'), null);
});

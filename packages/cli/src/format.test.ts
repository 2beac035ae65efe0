import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import {cellText, formatReply} from './format.ts';
import type {Cell, Reply} from './server.ts';

const cells: [why: string, cell: Cell, type: DataTypeJson, text: string][] = [
  ['no value', null, 'Int', 'NULL'],
  ['64 bits stay exact', '9223372036854775807', 'BigInt', '9223372036854775807'],
  ['decimals keep their zeros', '1.50', {Decimal: {precision: 8, scale: 2}}, '1.50'],
  ['a moment without a fraction', 0, 'Timestamp', '1970-01-01T00:00:00Z'],
  ['a moment to the microsecond', 1_000_001, 'Timestamp', '1970-01-01T00:00:01.000001Z'],
  ['a moment before 1970', -1, 'Timestamp', '1969-12-31T23:59:59.999999Z'],
  ['a moment no date object holds', -9_007_199_254_740_991, 'Timestamp', '1684-07-28T00:12:25.259009Z'],
  ['a day', -1, 'Date', '1969-12-31'],
  ['a time', 3_600_000_001, 'Time', '01:00:00.000001'],
  ['bytes', [0, 255], 'Bytes', '\\x00ff'],
  ['json', '{"a":1}', 'Json', '{"a":1}'],
  ['truth', false, 'Boolean', 'false'],
];
for (const [why, cell, type, text] of cells) {
  test(`a cell as people read it: ${why}`, () => assert.equal(cellText(cell, type), text));
}

const REPLY: Reply = {
  status: 'success',
  results: [
    {
      schema: [
        {name: 'n', data_type: 'Int', index: 0},
        {name: 'text', data_type: 'Text', index: 1},
      ],
      rows: [
        [1, 'a\nb'],
        [200, null],
      ],
      row_count: 2,
      as_user: 'ana',
    },
  ],
  took: 1.5,
};
const PLAIN = {format: 'table', isExpanded: false, isTimed: false} as const;

const forms: [why: string, options: Parameters<typeof formatReply>[1], text: string][] = [
  ['aligned, numbers to the right', PLAIN, ' n   | text\n-----+------\n   1 | a\\nb\n 200 | NULL\n(2 rows)\n'],
  [
    'one line per column',
    {...PLAIN, isExpanded: true},
    '-[ row 1 ]\nn    | 1\ntext | a\nb\n-[ row 2 ]\nn    | 200\ntext | NULL\n(2 rows)\n',
  ],
  ['comma-separated: quotes where needed, NULL is nothing', {...PLAIN, format: 'csv'}, 'n,text\n1,"a\nb"\n200,\n'],
  [
    'with who and how long',
    {...PLAIN, isTimed: true},
    ' n   | text\n-----+------\n   1 | a\\nb\n 200 | NULL\n(2 rows)\n\nAs: ana\nTook: 1.500 ms\n',
  ],
];
for (const [why, options, text] of forms) {
  test(`a reply as text: ${why}`, () => assert.equal(formatReply(REPLY, options), text));
}

test('a reply as JSON is the reply', () => {
  assert.deepEqual(JSON.parse(formatReply(REPLY, {...PLAIN, format: 'json'})), REPLY);
});

test('a statement without rows shows its message, a cut answer says so', () => {
  const message: Reply = {status: 'success', results: [{row_count: 0, message: 'done'}], took: 1};
  assert.equal(formatReply(message, PLAIN), 'done\n');
  const cut: Reply = {...REPLY, results: [{...REPLY.results[0]!, truncated: true}]};
  assert.match(formatReply(cut, PLAIN), /\(2 rows\) There are more: give a LIMIT\.\n$/);
});

test('long cells are cut in tables alone', () => {
  const long = 'x'.repeat(150);
  const reply: Reply = {...REPLY, results: [{...REPLY.results[0]!, rows: [[1, long]]}]};
  assert.ok(!formatReply(reply, PLAIN).includes(long));
  assert.ok(formatReply(reply, {...PLAIN, isExpanded: true}).includes(long));
});

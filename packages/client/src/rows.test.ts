import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ChangeMessage, LiveRow} from '@kalamdb/protocol/messages.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {LiveRows, type RowsOptions} from './rows.ts';

const SCHEMA: ResultColumn[] = [
  {name: 'id', data_type: 'BigInt', index: 0, flags: ['nn', 'pk', 'uq']},
  {name: 'body', data_type: 'Text', index: 1},
  {name: '_seq', data_type: 'BigInt', index: 2},
];

function rowsOf(snapshot: LiveRow[], options: RowsOptions = {}, schema = SCHEMA): LiveRows {
  const rows = new LiveRows(options);
  rows.useSchema(schema);
  rows.beginSnapshot();
  rows.addBatch(snapshot);
  rows.commitSnapshot();
  return rows;
}

function row(id: string, seq: number, body: string | null = null): LiveRow {
  return {id, body, _seq: String(seq)};
}

function change(kind: ChangeMessage['change_type'], fields: Partial<ChangeMessage>): ChangeMessage {
  return {type: 'change', subscription_id: 's', change_type: kind, ...fields};
}

const ids = (rows: LiveRows) => rows.rows.map(({id}) => id).join(' ');

test('rows stand in key order, 64-bit keys by their value, whatever the order of arrival', () => {
  const rows = rowsOf([
    row('10', 1),
    row('9', 2),
    row('9007199254740993', 3),
    row('9007199254740992', 4),
    row('-5', 5),
  ]);
  assert.equal(ids(rows), '-5 9 10 9007199254740992 9007199254740993');
  rows.apply(change('insert', {rows: [row('11', 6), row('8', 7)]}));
  assert.equal(ids(rows), '-5 8 9 10 11 9007199254740992 9007199254740993');
});

test('changes without a snapshot before them stand in key order too', () => {
  const rows = new LiveRows();
  rows.useSchema(SCHEMA);
  rows.apply(change('insert', {rows: [row('10', 1), row('9', 2)]}));
  assert.equal(ids(rows), '9 10');
});

test('a snapshot is seen only when it is whole, and then takes the place of all rows', () => {
  const rows = rowsOf([row('1', 1), row('2', 2)]);
  const before = rows.rows;
  rows.beginSnapshot();
  rows.addBatch([row('3', 3)]);
  assert.equal(rows.rows, before);
  rows.dropSnapshot();
  assert.equal(rows.rows, before);
  rows.beginSnapshot();
  rows.addBatch([row('4', 4)]);
  rows.commitSnapshot();
  assert.equal(ids(rows), '4');
});

test('what arrives twice, or late, changes nothing', () => {
  const rows = rowsOf([row('1', 5, 'new')]);
  const before = rows.rows;
  rows.apply(change('update', {rows: [row('1', 5, 'again')]}));
  rows.apply(change('insert', {rows: [row('1', 4, 'older')]}));
  rows.apply(change('delete', {old_values: [row('1', 4)]}));
  rows.apply(change('delete', {old_values: [row('2', 9)]}));
  assert.equal(rows.rows, before, 'the list keeps its identity too');
  rows.apply(change('delete', {old_values: [row('1', 6)]}));
  assert.equal(ids(rows), '');
});

test('rows that did not change keep their identity', () => {
  const rows = rowsOf([row('1', 1), row('2', 2)]);
  const [first] = rows.rows;
  rows.apply(change('update', {rows: [row('2', 3, 'x')]}));
  assert.equal(rows.rows[0], first);
  assert.deepEqual(rows.rows[1], row('2', 3, 'x'));
});

test('an update keeps columns it does not name, and clears those that only its old values name', () => {
  const rows = rowsOf([{id: '1', body: 'text', done: true, note: 'n', _seq: '1'}]);
  rows.apply(
    change('update', {
      rows: [{id: '1', body: 'new', _seq: '2'}],
      old_values: [{id: '1', body: 'text', note: 'n', _seq: '1'}],
    }),
  );
  assert.deepEqual(rows.rows, [{id: '1', body: 'new', done: true, note: null, _seq: '2'}]);
});

test('a row that is first heard of by an update has all columns that others have', () => {
  const rows = rowsOf([], {}, [...SCHEMA, {name: '_deleted', data_type: 'Boolean', index: 3}]);
  rows.apply(change('update', {rows: [row('1', 1, 'x')]}));
  assert.deepEqual(rows.rows, [{...row('1', 1, 'x'), _deleted: false}]);
});

test('with a limit the rows with the smallest seq make room', () => {
  const rows = rowsOf([row('3', 1), row('1', 2), row('2', 3)], {limit: 2});
  assert.equal(ids(rows), '1 2');
  rows.apply(change('update', {rows: [row('1', 4)]}));
  rows.apply(change('insert', {rows: [row('9', 5)]}));
  assert.equal(ids(rows), '1 9');
});

test('a given order is kept through changes, and rows that compare alike stand in key order', () => {
  const rows = rowsOf([row('1', 1, 'b'), row('2', 2, 'a'), row('3', 3, 'b')], {
    compare: (a, b) => (String(a['body']) < String(b['body']) ? -1 : a['body'] === b['body'] ? 0 : 1),
  });
  assert.equal(ids(rows), '2 1 3');
  rows.apply(change('update', {rows: [row('3', 4, 'a')]}));
  rows.apply(change('update', {rows: [row('2', 5, 'c')]}));
  assert.equal(ids(rows), '3 1 2');
  rows.apply(change('delete', {old_values: [row('1', 6)]}));
  assert.equal(ids(rows), '3 2');
});

test('a row without a key goes by the seq it had', () => {
  const noKey: ResultColumn[] = [{name: 'page', data_type: 'Text', index: 0}];
  const rows = rowsOf(
    [
      {page: 'a', _seq: '1'},
      {page: 'a', _seq: '2'},
    ],
    {},
    noKey,
  );
  rows.apply(change('delete', {old_values: [{page: 'a', _seq: '9'}], removed_seqs: ['1']}));
  assert.deepEqual(rows.rows, [{page: 'a', _seq: '2'}]);
});

test('key columns are those of the schema, those that are given, the given function, id, or _seq', () => {
  const composite: ResultColumn[] = [
    {name: 'a', data_type: 'Int', index: 0, flags: ['nn', 'pk', 'uq']},
    {name: 'b', data_type: 'Text', index: 1, flags: ['nn', 'pk', 'uq']},
  ];
  const pair = (a: number, b: string, seq: number) => ({a, b, _seq: String(seq)});
  const keyed = rowsOf([pair(1, 'x', 1), pair(1, 'y', 2), pair(0, 'z', 3)], {}, composite);
  assert.deepEqual(
    keyed.rows.map(each => each['b']),
    ['z', 'x', 'y'],
  );
  assert.equal(rowsOf([pair(1, 'x', 1), pair(1, 'y', 2)], {keyColumns: ['a']}, composite).rows.length, 1);
  assert.equal(rowsOf([pair(1, 'x', 1), pair(1, 'y', 2)], {getKey: () => 'k'}, composite).rows.length, 1);
  const noKey: ResultColumn[] = [{name: 'page', data_type: 'Text', index: 0}];
  assert.equal(rowsOf([pair(1, 'x', 1), pair(1, 'x', 2)], {}, noKey).rows.length, 2);
});

import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {parseServerMessage, readServerMessage} from '@kalamdb/protocol/message-reader.ts';
import type {ServerMessage} from '@kalamdb/protocol/messages.ts';
import {decode} from '@msgpack/msgpack';
import type {Change, ChangeGroup, LiveEvent, RowColumn, Subscription} from '../live/live.ts';
import {emptyBatch, messagesOf} from './live-encoder.ts';
import type {Message} from './live-frames.ts';

const SEQ = 7_188_000_000_000_000_001n;
const COLUMNS: readonly RowColumn[] = [
  {name: 'id', type: 'BigInt', isKey: true},
  {name: 'naïve "name"', type: 'Text', isKey: false},
  {name: 'ratio', type: 'Double', isKey: false},
  {name: 'raw', type: 'Bytes', isKey: false},
  {name: '_seq', type: 'BigInt', isKey: false},
  {name: '_deleted', type: 'Boolean', isKey: false},
];
const cells = (id: number, seq: bigint) => [`"${id}"`, '"ü\\n"', '1e300', '[0,255]', `"${seq}"`, 'false'];
const row = (id: number, seq: bigint) => ({
  ...{id: String(id), 'naïve "name"': 'ü\n', ratio: 1e300, raw: [0, 255]},
  ...{_seq: String(seq), _deleted: false},
});

function subscription(id: string): Subscription {
  return {id, liveId: '', resumeFrom: SEQ, isEnded: false, next() {}, close() {}};
}

function group(changes: readonly Change[], hasMore = false): ChangeGroup {
  const table = {namespace: 'app', table: 't'} as ChangeGroup['table'];
  return {table, columns: COLUMNS, changes, lastSeq: SEQ + 9n, bytes: 0, hasMore, encoded: new Map()};
}

/** What a client reads, which is the same in both serializations. */
function read(event: Exclude<LiveEvent, {kind: 'end'}>): ServerMessage[] {
  const texts = messagesOf(event, 'json').map(message => parseServerMessage(bytesOf(message).toString()));
  const maps = messagesOf(event, 'msgpack').map(message =>
    readServerMessage(decode(bytesOf(message), {useBigInt64: true})),
  );
  assert.deepEqual(maps, texts);
  return texts;
}

function bytesOf({head, tail}: Message): Buffer {
  return Buffer.concat([head, tail.bytes]);
}

const base = {isCatchUp: false} as const;

describe('events as messages', () => {
  it('batches keep cells as they are, and seqs in all their digits', () => {
    const control = {batchNum: 0, hasMore: true, status: 'loading', lastSeq: SEQ} as const;
    const rows = [{seq: SEQ, cells: cells(1, SEQ)}];
    const s = subscription('"quoted" \u2028 id');
    const [message] = read({kind: 'batch', subscription: s, isResync: true, columns: COLUMNS, rows, control, seq: SEQ});
    assert.deepEqual(message, {
      type: 'initial_data_batch',
      subscription_id: '"quoted" \u2028 id',
      rows: [row(1, SEQ)],
      batch_control: {batch_num: 0, has_more: true, status: 'loading', last_seq_id: String(SEQ)},
      resync: true,
      seq: String(SEQ),
    });
    assert.match(bytesOf(emptyBatch('s', 'json')).toString(), /"rows":\[\],.*"last_seq_id":null/);
  });

  it('last_seq_id is a bare integer in JSON', () => {
    const control = {batchNum: 0, hasMore: false, status: 'ready', lastSeq: SEQ} as const;
    const event = {kind: 'batch', subscription: subscription('s'), isResync: false, columns: COLUMNS} as const;
    const [message] = messagesOf({...event, rows: [], control, seq: SEQ}, 'json');
    assert.match(bytesOf(message!).toString(), /"last_seq_id":7188000000000000001}/);
  });

  const changes: [why: string, change: Change, expected: object][] = [
    [
      'an insert names all columns',
      {...base, kind: 'insert', reason: 'new', rows: [{seq: SEQ, cells: cells(1, SEQ)}]},
      {change_type: 'insert', rows: [row(1, SEQ)]},
    ],
    [
      'an update leaves _deleted out, and tells what was before without _seq',
      {
        ...base,
        kind: 'update',
        reason: 'stay',
        rows: [{seq: SEQ, cells: cells(1, SEQ), old: ['"1"', 'null', undefined, undefined, '"5"', undefined]}],
      },
      {
        change_type: 'update',
        rows: [Object.fromEntries(Object.entries(row(1, SEQ)).filter(([name]) => name !== '_deleted'))],
        old_values: [{id: '1', 'naïve "name"': null}],
      },
    ],
    [
      'an update that was caught up on names the key as before',
      {...base, kind: 'update', reason: 'stay', isCatchUp: true, rows: [{seq: SEQ, cells: cells(1, SEQ)}]},
      {
        change_type: 'update',
        rows: [Object.fromEntries(Object.entries(row(1, SEQ)).filter(([name]) => name !== '_deleted'))],
        old_values: [{id: '1'}],
      },
    ],
    [
      'a delete has the seq of its end and says so',
      {...base, kind: 'delete', reason: 'deleted', rows: [{seq: SEQ, cells: cells(1, 5n)}]},
      {change_type: 'delete', old_values: [{...row(1, SEQ), _deleted: true}]},
    ],
    [
      'a row that matches no more is not deleted',
      {...base, kind: 'delete', reason: 'leave', rows: [{seq: SEQ, cells: cells(1, 5n)}]},
      {change_type: 'delete', old_values: [row(1, SEQ)], reason: 'leave'},
    ],
    [
      'a row of a stream names the seq that it was known by',
      {...base, kind: 'delete', reason: 'evicted', rows: [{seq: SEQ, cells: cells(1, 5n), removedSeq: 5n}]},
      {change_type: 'delete', old_values: [row(1, SEQ)], removed_seqs: ['5'], reason: 'expired'},
    ],
  ];
  for (const [why, change, expected] of changes)
    it(why, () => {
      const [message] = read({kind: 'changes', subscription: subscription('s'), group: group([change])});
      assert.deepEqual(message, {type: 'change', subscription_id: 's', ...expected, seq: String(SEQ + 9n)});
    });

  it('a commit of several messages says more in all but the last, a catch-up that goes on in all', () => {
    const insert = (seq: bigint): Change => ({
      ...base,
      kind: 'insert',
      reason: 'new',
      rows: [{seq, cells: cells(1, seq)}],
    });
    const seqs = (hasMore: boolean) =>
      read({
        kind: 'changes',
        subscription: subscription('s'),
        group: group([insert(SEQ), insert(SEQ + 1n)], hasMore),
      }).map(message => message.type === 'change' && [message.seq, message.more ?? false]);
    assert.deepEqual(seqs(false), [
      [String(SEQ), true],
      [String(SEQ + 9n), false],
    ]);
    assert.deepEqual(seqs(true), [
      [String(SEQ), true],
      [String(SEQ + 9n), true],
    ]);
  });

  it('what is shared is encoded once in each serialization', () => {
    const shared = group([{...base, kind: 'insert', reason: 'new', rows: [{seq: SEQ, cells: cells(1, SEQ)}]}]);
    for (const serialization of ['json', 'msgpack'] as const) {
      const [one] = messagesOf({kind: 'changes', subscription: subscription('a'), group: shared}, serialization);
      const [other] = messagesOf({kind: 'changes', subscription: subscription('b'), group: shared}, serialization);
      assert.equal(one!.tail, other!.tail);
      assert.notDeepEqual(one!.head, other!.head);
    }
  });
});

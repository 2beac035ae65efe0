import assert from 'node:assert/strict';
import {test} from 'node:test';
import {gzipSync} from 'node:zlib';
import {MessageError} from '@kalamdb/protocol/message-reader.ts';
import type {Serialization} from '@kalamdb/protocol/messages.ts';
import {encode} from '@msgpack/msgpack';
import fc from 'fast-check';
import {decodeFrame} from './live-decoder.ts';

const BYTES_MAX = 4096;
const RUNS = 10_000;

/** Whatever comes, the answer is a message or a MessageError. */
function survives(bytes: Buffer, isBinary: boolean, serialization: Serialization): void {
  try {
    decodeFrame({bytes, isBinary}, {serialization, bytesMax: BYTES_MAX});
  } catch (error) {
    assert.ok(error instanceof MessageError, String(error));
  }
}

const known = fc.constantFrom(
  {type: 'ping'},
  {type: 'authenticate', method: 'jwt', token: 't', protocol: {serialization: 'json', compression: 'gzip'}},
  {
    type: 'subscribe',
    subscription: {id: 's', sql: 'SELECT * FROM a.b', options: {from: 1, batch_size: 2, last_rows: 1}},
  },
  {type: 'next_batch', subscription_id: 's', last_seq_id: 7},
  {type: 'unsubscribe', subscription_id: 's'},
);

/** A message with one of its values, at any depth, replaced by anything. */
const spoiled = fc.tuple(known, fc.nat(12), fc.jsonValue({maxDepth: 4})).map(([message, at, value]) => {
  let left = at;
  return JSON.parse(JSON.stringify(message), (_, inner) => (left-- === 0 ? value : inner)) as unknown;
});

/** Bytes with a few of them changed. */
function damaged(bytes: Buffer, changes: readonly (readonly [number, number])[]): Buffer {
  for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
  return bytes;
}

const changes = fc.array(fc.tuple(fc.nat(4096), fc.nat(255)), {maxLength: 4});

test('no frame of any bytes does more than be refused', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({maxLength: 300}),
      fc.boolean(),
      fc.constantFrom('json', 'msgpack'),
      (bytes, isBinary, form) => survives(Buffer.from(bytes), isBinary, form as Serialization),
    ),
    {numRuns: RUNS},
  );
});

test('no message with a wrong value, as JSON or MessagePack, gzipped or not, damaged or not, does more than be refused', () => {
  fc.assert(
    fc.property(spoiled, changes, fc.nat(3), (message, bits, form) => {
      if (form === 0) return survives(damaged(Buffer.from(JSON.stringify(message) ?? ''), bits), false, 'json');
      const packed = Buffer.from(encode(message));
      if (form === 1) return survives(damaged(packed, bits), true, 'msgpack');
      return survives(form === 2 ? gzipSync(damaged(packed, bits)) : damaged(gzipSync(packed), bits), true, 'msgpack');
    }),
    {numRuns: RUNS},
  );
});

const limits: [why: string, bytes: Buffer, code: string][] = [
  ['a frame above the limit', Buffer.alloc(BYTES_MAX + 1), 'MESSAGE_TOO_LARGE'],
  ['a small frame that inflates beyond it', gzipSync(Buffer.alloc(10 * 1024 * 1024)).subarray(0), 'MESSAGE_TOO_LARGE'],
  ['a length that no bytes follow', Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]), 'UNSUPPORTED_DATA'],
  ['a map of four billion', Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]), 'UNSUPPORTED_DATA'],
  [
    'maps within maps',
    Buffer.concat(Array.from({length: 1300}, () => Buffer.from([0x81, 0xa1, 0x61]))),
    'UNSUPPORTED_DATA',
  ],
];
for (const [why, bytes, code] of limits)
  test(`refused: ${why}`, () => {
    const bytesMax = why.includes('inflates') ? 100_000 : BYTES_MAX;
    assert.throws(() => decodeFrame({bytes, isBinary: true}, {serialization: 'msgpack', bytesMax}), {code});
  });

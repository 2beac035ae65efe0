import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Encoder} from '@msgpack/msgpack';
import fc from 'fast-check';
import {msgpack} from './msgpack.ts';

const packer = new Encoder({useBigInt64: true});
const bytesOf = (...bytes: number[]) => new Uint8Array(bytes);

test('what another program packed comes out as it went in, whatever it is', () => {
  const text = fc.oneof(fc.string(), fc.string({unit: 'grapheme', maxLength: 400}), fc.constant('__proto__'));
  const {value} = fc.letrec<{value: unknown}>(tie => ({
    value: fc.oneof(
      {maxDepth: 4},
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger(),
      fc.integer({min: -40_000, max: 70_000}),
      fc.double({noNaN: true}).filter(number => !Object.is(number, -0)),
      text,
      fc.array(tie('value'), {maxLength: 40}),
      fc.array(fc.tuple(text, tie('value')), {maxLength: 40}).map(entries => Object.fromEntries(entries)),
    ),
  }));
  fc.assert(
    fc.property(value, sent => assert.deepEqual(msgpack.decode(packer.encode(sent)), sent)),
    {numRuns: 300},
  );
});

test('lists and texts are read in each of their sizes', () => {
  for (const size of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const list = new Array(size).fill(7);
    assert.deepEqual(msgpack.decode(packer.encode(list)), list);
    assert.equal(msgpack.decode(packer.encode('é'.repeat(size))), 'é'.repeat(size));
    assert.equal(Object.keys(msgpack.decode(packer.encode({...list})) as object).length, size);
  }
  assert.deepEqual(msgpack.decode(bytesOf(0xc4, 2, 1, 255)), bytesOf(1, 255));
});

const SEQ = 7_188_000_000_000_000_001n;

test('integers that no double holds are bigints, others are numbers, in each of their sizes', () => {
  const integers: [sent: bigint, read: number | bigint][] = [
    [SEQ, SEQ],
    [-SEQ, -SEQ],
    [2n ** 64n - 1n, 2n ** 64n - 1n],
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [-1n, -1],
  ];
  for (const [sent, read] of integers) assert.equal(msgpack.decode(packer.encode(sent)), read);
  for (const edge of [127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296])
    for (const sent of [edge, -edge]) assert.equal(msgpack.decode(packer.encode(sent)), sent);
});

test('what is no whole value is refused, and nothing is made of lengths that lie', () => {
  const bad: [why: string, bytes: Uint8Array][] = [
    ['nothing', bytesOf()],
    ['a byte that begins nothing', bytesOf(0xc1)],
    ['an extension', bytesOf(0xd4, 1, 1)],
    ['a text that is not there', bytesOf(0xdb, 0xff, 0xff, 0xff, 0xff)],
    ['a list that is not there', bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a map that is not there', bytesOf(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['half an integer', bytesOf(0xd3, 1, 2)],
    ['a key that is no text', bytesOf(0x81, 1, 1)],
    ['a text that is not UTF-8', bytesOf(0xa1, 0xff)],
    ['bytes behind the value', bytesOf(1, 1)],
    ['lists without end', new Uint8Array(100_000).fill(0x91)],
  ];
  for (const [why, bytes] of bad) assert.throws(() => msgpack.decode(bytes), isRefusal, why);
});

/** Of the reader itself, of a view that ends, of a stack that does, or of the decoder of texts. */
function isRefusal(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError;
}

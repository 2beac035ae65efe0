import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {readWide, wideOf, writeOrdered, writeText, writeU16, writeU32, writeWide} from './bytes.ts';

const int64 = fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n});
const edges = [-(2n ** 63n), -(2n ** 32n), -1n, 0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n];

test('32 bits are written as Buffer writes them', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), value => {
      const [mine, theirs] = [Buffer.alloc(6), Buffer.alloc(6)];
      writeU32(mine, 1, value);
      theirs.writeUInt32LE(value, 1);
      assert.deepEqual(mine, theirs);
    }),
  );
});

test('16 bits are written as Buffer writes them', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), value => {
      const [mine, theirs] = [Buffer.alloc(4), Buffer.alloc(4)];
      writeU16(mine, 1, value);
      theirs.writeUInt16LE(value, 1);
      assert.deepEqual(mine, theirs);
    }),
  );
});

test('a text is written as Buffer writes it, short or long, in ASCII or beyond', () => {
  const text = fc.oneof(fc.string({maxLength: 80}), fc.string({unit: 'grapheme', maxLength: 80}));
  fc.assert(
    fc.property(text, value => {
      const [mine, theirs] = [Buffer.alloc(400), Buffer.alloc(400)];
      assert.equal(writeText(mine, 1, value), theirs.write(value, 1));
      assert.deepEqual(
        mine.subarray(0, 1 + Buffer.byteLength(value)),
        theirs.subarray(0, 1 + Buffer.byteLength(value)),
      );
    }),
    {numRuns: 300},
  );
});

test('two halves make the number that they are halves of', () => {
  const check = (value: bigint) => {
    assert.equal(wideOf(Number(value >> 32n), Number(BigInt.asUintN(32, value))), value);
  };
  edges.forEach(check);
  fc.assert(fc.property(int64, check));
});

test('64 bits are written and read as Buffer does it', () => {
  const check = (value: bigint) => {
    const [mine, theirs] = [Buffer.alloc(10), Buffer.alloc(10)];
    writeWide(mine, 1, value);
    theirs.writeBigInt64LE(value, 1);
    assert.deepEqual(mine, theirs);
    assert.equal(readWide(mine, 1), value);
  };
  edges.forEach(check);
  fc.assert(fc.property(int64, check));
});

test('a wider number leaves its low 64 bits', () => {
  const buffer = Buffer.alloc(8);
  writeWide(buffer, 0, (7n << 64n) | 5n);
  assert.equal(readWide(buffer, 0), 5n);
});

test('ordered bytes compare as their numbers', () => {
  const bytesOf = (value: bigint) => {
    const buffer = Buffer.alloc(8);
    writeOrdered(buffer, 0, value);
    return buffer;
  };
  const check = (a: bigint, b: bigint) =>
    assert.equal(Buffer.compare(bytesOf(a), bytesOf(b)), a < b ? -1 : a > b ? 1 : 0);
  for (const a of edges) for (const b of edges) check(a, b);
  fc.assert(fc.property(int64, int64, check));
});

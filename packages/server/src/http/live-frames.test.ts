import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {describe, it} from 'node:test';
import {gunzipSync} from 'node:zlib';
import fc from 'fast-check';
import {frameOf, Tail} from './live-frames.ts';

/** Reads one unmasked frame, as RFC 6455 has it. */
function readFrame(bytes: Buffer): {opcode: number; payload: Buffer} {
  assert.equal(bytes[0]! & 0xf0, 0x80, 'the only frame of its message, without extensions');
  let length = bytes[1]!;
  let at = 2;
  if (length === 126) {
    length = bytes.readUInt16BE(2);
    at = 4;
    assert.ok(length > 125, 'the shortest form');
  } else if (length === 127) {
    length = Number(bytes.readBigUInt64BE(2));
    at = 10;
    assert.ok(length > 0xffff, 'the shortest form');
  }
  assert.equal(bytes.length, at + length);
  return {opcode: bytes[0]! & 0x0f, payload: bytes.subarray(at)};
}

async function read(head: string, tail: Tail, isCompressed: boolean): Promise<{isGzipped: boolean; text: string}> {
  const message = {isText: true, head: Buffer.from(head), tail};
  const {opcode, payload} = readFrame(Buffer.concat(await frameOf(message, isCompressed)));
  const isGzipped = opcode === 2;
  assert.ok(isGzipped || opcode === 1);
  return {isGzipped, text: (isGzipped ? gunzipSync(payload) : payload).toString()};
}

describe('frames', () => {
  const sizes = [0, 1, 125, 126, 511, 512, 65_535, 65_536, 200_000];
  for (const size of sizes)
    it(`carry ${size} bytes, plain and compressed`, async () => {
      const tail = new Tail(Buffer.from('a'.repeat(size)));
      assert.deepEqual(await read('head:', tail, false), {isGzipped: false, text: `head:${'a'.repeat(size)}`});
      const packed = await read('head:', tail, true);
      assert.deepEqual(packed, {isGzipped: 5 + size >= 512, text: `head:${'a'.repeat(size)}`});
    });

  it('of the same tail are deflated once, under any head', async () => {
    const tail = new Tail(Buffer.from('row '.repeat(500)));
    for (const head of ['', 'x', 'y'.repeat(300)])
      assert.deepEqual(await read(head, tail, true), {isGzipped: true, text: head + 'row '.repeat(500)});
    assert.equal(tail.deflated(), tail.deflated());
  });

  it('stay plain where compressing makes them no smaller', async () => {
    const noise = createHash('shake256', {outputLength: 600}).update('noise').digest();
    const {isGzipped} = await read('', new Tail(noise), true);
    assert.equal(isGzipped, false);
  });

  it('come back as any inflater reads them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({maxLength: 300}),
        fc.string({maxLength: 3000}),
        fc.nat(20),
        async (head, part, times) => {
          const tail = part.repeat(times);
          const {text} = await read(head, new Tail(Buffer.from(tail)), true);
          assert.equal(text, Buffer.from(head).toString() + Buffer.from(tail).toString());
        },
      ),
      {numRuns: 200},
    );
  });
});

import assert from 'node:assert/strict';
import type {Socket} from 'node:net';
import {test} from 'node:test';
import fc from 'fast-check';
import {FRAME, type FrameKind, FrameReader, sendFrame} from './frames.ts';

const KINDS = Object.values(FRAME);
const frame = fc.tuple(fc.constantFrom(...KINDS), fc.uint8Array({maxLength: 300}));

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(frame, {maxLength: 8}),
      fc.array(fc.integer({min: 1, max: 40}), {minLength: 1}),
      (frames, cuts) => {
        const stream = streamOf(frames);
        const seen: [FrameKind, string][] = [];
        const reader = new FrameReader((kind, payload) => seen.push([kind, payload.toString('hex')]));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          reader.push(stream.subarray(at, end));
          at = end;
        }
        assert.deepEqual(
          seen,
          frames.map(([kind, payload]) => [kind, Buffer.from(payload).toString('hex')]),
        );
      },
    ),
  );
});

test('a frame of impossible length is refused', () => {
  const reader = new FrameReader(() => assert.fail('nothing is whole'));
  assert.throws(() => reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff, 1])), /a frame is bounded/);
  const other = new FrameReader(() => assert.fail('nothing is whole'));
  assert.throws(() => other.push(Buffer.from([0, 0, 0, 0, 1])), /a frame is bounded/);
});

function streamOf(frames: readonly (readonly [FrameKind, Uint8Array])[]): Buffer {
  const parts: Uint8Array[] = [];
  const socket = {write: (part: Uint8Array) => parts.push(part) > 0} as unknown as Socket;
  for (const [kind, payload] of frames) sendFrame(socket, kind, payload.subarray(0, 3), payload.subarray(3));
  return Buffer.concat(parts);
}

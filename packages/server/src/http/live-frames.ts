/**
 * Live frames: the bytes of one message to one client, of which most are shared by all who get the same.
 *
 *     message = head (type and id of the subscription, one client's own) + tail (everything else, shared)
 *     frame   = 2 to 10 bytes of length + head + tail                                   text for JSON, binary for MessagePack
 *     gzipped = the same around  gzip header + head, stored + tail, deflated once + checksum of both        always binary
 *
 * A server's frames are not masked, and a message is one frame, so nothing here depends on what was sent before.
 *
 * Law: a tail is deflated at most once, whoever it goes to, and large ones by another thread.
 */
import {promisify} from 'node:util';
import {constants, crc32, deflateRaw, deflateRawSync} from 'node:zlib';
import {GZIP_BYTES_MIN} from '@kalamdb/protocol/messages.ts';

const TEXT = 0x1;
const BINARY = 0x2;
const FINAL = 0x80;
/** Larger tails would hold up the loop. */
const INLINE_BYTES_MAX = 32 * 1024;
const DEFLATE = {level: constants.Z_BEST_SPEED};
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** Of a stored block: its three header bits with padding, its length and that length inverted. */
const STORED_HEAD_BYTES = 5;
const STORED_BYTES_MAX = 0xffff;
const GZIP_TRAILER_BYTES = 8;

const deflateElsewhere = promisify<Buffer, typeof DEFLATE, Buffer>(deflateRaw);

export class Tail {
  readonly bytes: Buffer;
  #deflated: Buffer | Promise<Buffer> | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  deflated(): Buffer | Promise<Buffer> {
    if (this.#deflated !== undefined) return this.#deflated;
    if (this.bytes.length <= INLINE_BYTES_MAX) {
      this.#deflated = deflateRawSync(this.bytes, DEFLATE);
      return this.#deflated;
    }
    const later = deflateElsewhere(this.bytes, DEFLATE).then(bytes => {
      this.#deflated = bytes;
      return bytes;
    });
    this.#deflated = later;
    return later;
  }
}

export interface Message {
  readonly isText: boolean;
  readonly head: Buffer;
  readonly tail: Tail;
}

/** The frame of a message as chunks to be written one after the other, or a promise of them. */
export function frameOf({isText, head, tail}: Message, isCompressed: boolean): Buffer[] | Promise<Buffer[]> {
  const plain = () => frame(isText ? TEXT : BINARY, [head, tail.bytes]);
  if (!isCompressed || head.length + tail.bytes.length < GZIP_BYTES_MIN || head.length > STORED_BYTES_MAX)
    return plain();
  const finish = (deflated: Buffer) => {
    const gzipBytes = GZIP_HEADER.length + STORED_HEAD_BYTES + head.length + deflated.length + GZIP_TRAILER_BYTES;
    return gzipBytes < head.length + tail.bytes.length ? frame(BINARY, gzip(head, tail, deflated)) : plain();
  };
  const deflated = tail.deflated();
  return deflated instanceof Promise ? deflated.then(finish) : finish(deflated);
}

/** A text frame, never compressed. */
export function textFrame(text: string): Buffer[] {
  return frame(TEXT, [Buffer.from(text)]);
}

function frame(opcode: number, chunks: Buffer[]): Buffer[] {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  return [frameHead(opcode, length), ...chunks];
}

function frameHead(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([FINAL | opcode, length]);
  if (length <= 0xffff) return Buffer.from([FINAL | opcode, 126, length >> 8, length & 0xff]);
  const head = Buffer.alloc(10);
  head[0] = FINAL | opcode;
  head[1] = 127;
  head.writeUIntBE(length, 4, 6);
  return head;
}

/** RFC 1952 and 1951: a stored block that is not the last, then the tail's own blocks, of which the last is marked so. */
function gzip(head: Buffer, tail: Tail, deflated: Buffer): Buffer[] {
  const stored = Buffer.allocUnsafe(STORED_HEAD_BYTES);
  stored[0] = 0;
  stored.writeUInt16LE(head.length, 1);
  stored.writeUInt16LE(~head.length & 0xffff, 3);
  const trailer = Buffer.allocUnsafe(GZIP_TRAILER_BYTES);
  trailer.writeUInt32LE(crc32(tail.bytes, crc32(head)), 0);
  trailer.writeUInt32LE((head.length + tail.bytes.length) >>> 0, 4);
  return [GZIP_HEADER, stored, head, deflated, trailer];
}

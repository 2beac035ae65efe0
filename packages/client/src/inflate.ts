/**
 * Inflate: the bytes of a binary frame, as they are or compressed by gzip; the first two bytes tell.
 */
import {KalamError} from './error.ts';

/** What the server may send in one frame is less; whatever claims more is not from it. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** A promise only of what is compressed. */
export function bytesOfFrame(frame: ArrayBuffer): Uint8Array | Promise<Uint8Array> {
  const bytes = new Uint8Array(frame);
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? inflate(frame) : bytes;
}

async function inflate(frame: ArrayBuffer): Promise<Uint8Array> {
  const reader = new Blob([frame]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
    if (size <= MESSAGE_BYTES_MAX) continue;
    await reader.cancel();
    throw new KalamError('BAD_RESPONSE', `A message is larger than ${MESSAGE_BYTES_MAX} bytes.`);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/**
 * Inflate: the text of a binary frame, which is JSON as it is or compressed by gzip; the first two bytes tell.
 */
import {KalamError} from './error.ts';

/** What the server may send in one frame is less; whatever claims more is not from it. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

export async function textOfFrame(bytes: ArrayBuffer): Promise<string> {
  const head = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return new TextDecoder().decode(isGzip ? await inflate(bytes) : bytes);
}

async function inflate(bytes: ArrayBuffer): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
    if (size <= TEXT_BYTES_MAX) continue;
    await reader.cancel();
    throw new KalamError('BAD_RESPONSE', `A message is larger than ${TEXT_BYTES_MAX} bytes.`);
  }
  const text = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    text.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return text;
}

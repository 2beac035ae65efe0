/** CRC-32 (zlib's polynomial) of the bytes, as an unsigned 32-bit integer. `before` continues an earlier one. */
import zlib from 'node:zlib';

export function crc32(bytes: Uint8Array, before = 0): number {
  return zlib.crc32(bytes, before);
}

/**
 * Ids: ULID and UUID texts from a clock and random bytes. ULIDs and UUIDs of version 7 sort by time to the millisecond.
 * Layouts: ULID spec (48 bits ms, 80 bits random, Crockford base 32); RFC 9562 §5.4, §5.7.
 */
import type {Clock, Ids} from './clock.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 26 characters. */
export function newUlid(clock: Clock, ids: Ids): string {
  let text = '';
  let ms = clock.nowMs();
  for (let i = 0; i < 10; i++) {
    text = CROCKFORD[ms % 32]! + text;
    ms = Math.floor(ms / 32);
  }
  // 80 random bits are 16 characters of five bits: one random byte each is wasteful but plain.
  for (const byte of ids.bytes(16)) text += CROCKFORD[byte & 31]!;
  return text;
}

/** Canonical lower-case text. */
export function newUuidV7(clock: Clock, ids: Ids): string {
  const bytes = Buffer.from(ids.bytes(16));
  bytes.writeUIntBE(clock.nowMs(), 0, 6);
  return uuidText(bytes, 0x70);
}

/** The same, of random bits alone. */
export function newUuidV4(ids: Ids): string {
  return uuidText(Buffer.from(ids.bytes(16)), 0x40);
}

function uuidText(bytes: Buffer, version: number): string {
  bytes[6] = (bytes[6]! & 0x0f) | version;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Uniform in [0, 1), 32 bits. */
export function randomUnit(ids: Ids): number {
  return Buffer.from(ids.bytes(4)).readUInt32LE(0) / 0x1_0000_0000;
}

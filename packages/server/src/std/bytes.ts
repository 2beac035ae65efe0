/**
 * Bytes: integers into and out of buffers on paths that are walked once per row. Several times quicker than the methods of Buffer, which check
 * what the caller here knows: that the place is inside, and that the value fits.
 */

/** Little endian; of a larger number the low 16 bits. */
export function writeU16(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
}

/** Little endian; of a larger number, or a negative one, the low 32 bits. */
export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}

/** Up to here a loop is quicker than the call into the runtime. */
const SHORT_LENGTH = 64;

/** One 64-bit integer seen as two halves. */
const wide = new BigInt64Array(1);
const halves = new Uint32Array(wide.buffer);
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** Signed, little endian. */
export function readWide(buffer: Buffer, at: number): bigint {
  halves[LOW] = buffer.readUInt32LE(at);
  halves[HIGH] = buffer.readUInt32LE(at + 4);
  return wide[0]!;
}

/** high × 2³² + low, signed. */
export function wideOf(high: number, low: number): bigint {
  halves[LOW] = low;
  halves[HIGH] = high;
  return wide[0]!;
}

/** The UTF-8 bytes of a text, quickly if it is short. Returns how many they are. */
export function writeText(buffer: Buffer, at: number, text: string): number {
  if (text.length > SHORT_LENGTH) return buffer.write(text, at);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return buffer.write(text, at);
    buffer[at + i] = code;
  }
  return text.length;
}

/** Little endian; of a larger number the low 64 bits. */
export function writeWide(buffer: Uint8Array, at: number, value: bigint): void {
  wide[0] = value;
  writeU32(buffer, at, halves[LOW]!);
  writeU32(buffer, at + 4, halves[HIGH]!);
}

/** Big endian with the sign bit flipped, so that bytes have the order of the numbers. */
export function writeOrdered(buffer: Uint8Array, at: number, value: bigint): void {
  wide[0] = value;
  const [low, high] = [halves[LOW]!, halves[HIGH]! ^ 0x8000_0000];
  buffer[at] = high >>> 24;
  buffer[at + 1] = high >>> 16;
  buffer[at + 2] = high >>> 8;
  buffer[at + 3] = high;
  buffer[at + 4] = low >>> 24;
  buffer[at + 5] = low >>> 16;
  buffer[at + 6] = low >>> 8;
  buffer[at + 7] = low;
}

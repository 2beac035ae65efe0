/**
 * Key filter: says "surely not here" for most keys a segment does not hold. Random keys defeat zone maps; this does not.
 *
 * A Bloom filter of 10 bits and 7 probes a key (≈ 0.8 % false yes), probe positions by double hashing (Kirsch & Mitzenmacher 2006)
 * of one 2 × 32-bit hash of the encoded key. Bytes: one byte of version, then the bits.
 * Law: the hash never changes for a version; filters lie in segment files.
 */
const VERSION = 1;
const BITS_PER_KEY = 10;
const PROBES = 7;

/** Collects the hashes of keys first, since the number of bits depends on their count. */
export class KeyFilterBuilder {
  readonly #hashes: number[] = [];

  add(key: Uint8Array): void {
    this.#hashes.push(hash(key, 0x9e3779b1), hash(key, 0x85ebca77));
  }

  finish(): Uint8Array {
    const bytes = new Uint8Array(1 + Math.max(8, Math.ceil((this.#hashes.length / 2) * (BITS_PER_KEY / 8))));
    bytes[0] = VERSION;
    const bitCount = (bytes.length - 1) * 8;
    for (let i = 0; i < this.#hashes.length; i += 2) {
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = probeBit(this.#hashes[i]!, this.#hashes[i + 1]!, probe, bitCount);
        bytes[1 + (bit >>> 3)]! |= 1 << (bit & 7);
      }
    }
    return bytes;
  }
}

/** False only if the key was never added. A filter of an unknown version says yes to everything. */
export function mayContain(filter: Uint8Array, key: Uint8Array): boolean {
  if (filter[0] !== VERSION || filter.length < 2) return true;
  const [first, second] = [hash(key, 0x9e3779b1), hash(key, 0x85ebca77)];
  const bitCount = (filter.length - 1) * 8;
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = probeBit(first, second, probe, bitCount);
    if ((filter[1 + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function probeBit(first: number, second: number, probe: number, bitCount: number): number {
  return ((first + Math.imul(probe, second | 1)) >>> 0) % bitCount;
}

/** MurmurHash3 x86 32 (Appleby, public domain), byte by byte into words. */
function hash(key: Uint8Array, seed: number): number {
  let h = seed;
  const whole = key.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const word = key[i]! | (key[i + 1]! << 8) | (key[i + 2]! << 16) | (key[i + 3]! << 24);
    h ^= scramble(word);
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = key.length - 1; i >= whole; i--) tail = (tail << 8) | key[i]!;
  h ^= scramble(tail) ^ key.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

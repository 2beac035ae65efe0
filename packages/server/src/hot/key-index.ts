/**
 * Key index: the addresses of the rows of one large scope, in key order.
 *
 * A list of chunks of at most 512 addresses. Keys are not copied: a comparison reads them from the slab. Freezing hands out the list as it
 * is and starts a new epoch; a chunk or a list of an older epoch is copied before its first change, so what was frozen never changes.
 * Laws: addresses are in strictly ascending key order over all chunks; no chunk is empty.
 */
import {compareEntryKey, type SlabList} from './slab.ts';

export const CHUNK_ENTRIES_MAX = 512;
const FIRST_ENTRIES = 8;
const ADDRESS_BYTES = 8;
/** A position is chunk × 1024 + index in it. */
const CHUNK_BITS = 10;
const INDEX_MASK = (1 << CHUNK_BITS) - 1;

export interface Chunk {
  readonly addresses: readonly number[];
  readonly count: number;
}

interface OwnChunk {
  addresses: number[];
  count: number;
  epoch: number;
}

export class KeyIndex {
  #chunks: OwnChunk[] = [];
  #epoch = 0;
  #listEpoch = 0;
  #bytes = 0;

  /** Of the address arrays. */
  get bytes(): number {
    return this.#bytes;
  }

  get chunks(): readonly Chunk[] {
    return this.#chunks;
  }

  /** The chunks as they are now, for ever. O(1); the next change of each chunk copies it once. */
  freeze(): readonly Chunk[] {
    this.#epoch++;
    return this.#chunks;
  }

  address(position: number): number {
    return this.#chunks[position >> CHUNK_BITS]!.addresses[position & INDEX_MASK]!;
  }

  replace(position: number, address: number): void {
    this.#ownChunk(position >> CHUNK_BITS).addresses[position & INDEX_MASK] = address;
  }

  /** Puts an address before the one at `position`. */
  insert(position: number, address: number): void {
    if (this.#chunks.length === 0) {
      const first = newChunk(FIRST_ENTRIES, this.#epoch);
      this.#chunks = [first];
      this.#listEpoch = this.#epoch;
      this.#bytes += bytesOf(first);
    }
    let number = position >> CHUNK_BITS;
    let index = position & INDEX_MASK;
    let chunk = this.#ownChunk(number);
    if (chunk.count === chunk.addresses.length) {
      if (chunk.count < CHUNK_ENTRIES_MAX) {
        this.#resize(chunk, chunk.count * 2);
      } else {
        const isAtEnd = index === chunk.count;
        this.#split(number, isAtEnd ? index : CHUNK_ENTRIES_MAX / 2);
        if (isAtEnd || index > CHUNK_ENTRIES_MAX / 2) {
          index -= chunk.count;
          chunk = this.#chunks[++number]!;
        }
      }
    }
    const {addresses} = chunk;
    for (let i = chunk.count++; i > index; i--) addresses[i] = addresses[i - 1]!;
    addresses[index] = address;
  }

  remove(position: number): void {
    const number = position >> CHUNK_BITS;
    const index = position & INDEX_MASK;
    const chunk = this.#ownChunk(number);
    if (chunk.count === 1) {
      this.#ownList().splice(number, 1);
      this.#bytes -= bytesOf(chunk);
      return;
    }
    takeOut(chunk, index, 1);
  }

  /** How many addresses stand before the position. O(chunks). */
  rank(position: number): number {
    let count = position & INDEX_MASK;
    for (let number = (position >> CHUNK_BITS) - 1; number >= 0; number--) count += this.#chunks[number]!.count;
    return count;
  }

  /** Takes out the first addresses and shows each. */
  removeFirst(count: number, visit: (address: number) => void): void {
    let left = count;
    let whole = 0;
    for (const chunk of this.#chunks) {
      for (let i = 0; i < Math.min(left, chunk.count); i++) visit(chunk.addresses[i]!);
      if (chunk.count > left) break;
      left -= chunk.count;
      whole++;
    }
    for (const chunk of this.#ownList().splice(0, whole)) this.#bytes -= bytesOf(chunk);
    if (left === 0 || this.#chunks.length === 0) return;
    const first = this.#ownChunk(0);
    takeOut(first, 0, left);
  }

  /** Of so many chunks, keeps the addresses for which `isKept` says so, packed into full chunks. Returns how many chunks those are. */
  filter({from, count}: {from: number; count: number}, isKept: (address: number) => boolean): number {
    const kept: OwnChunk[] = [];
    let last = newChunk(CHUNK_ENTRIES_MAX, this.#epoch);
    for (const chunk of this.#chunks.slice(from, from + count)) {
      this.#bytes -= bytesOf(chunk);
      for (let i = 0; i < chunk.count; i++) {
        const address = chunk.addresses[i]!;
        if (!isKept(address)) continue;
        if (last.count === CHUNK_ENTRIES_MAX) {
          kept.push(last);
          last = newChunk(CHUNK_ENTRIES_MAX, this.#epoch);
        }
        last.addresses[last.count++] = address;
      }
    }
    if (last.count > 0) {
      last.addresses = last.addresses.slice(0, Math.max(FIRST_ENTRIES, last.count));
      kept.push(last);
    }
    for (const chunk of kept) this.#bytes += bytesOf(chunk);
    this.#ownList().splice(from, count, ...kept);
    return kept.length;
  }

  /** Moves the entries from `from` on into a chunk of their own behind this one. */
  #split(number: number, from: number): void {
    const chunk = this.#chunks[number]!;
    const moved = chunk.count - from;
    const right = newChunk(moved === 0 ? FIRST_ENTRIES * 4 : CHUNK_ENTRIES_MAX, this.#epoch);
    for (let i = 0; i < moved; i++) right.addresses[i] = chunk.addresses[from + i]!;
    right.count = moved;
    chunk.count = from;
    this.#insertChunk(number + 1, right);
  }

  #insertChunk(number: number, chunk: OwnChunk): void {
    this.#ownList().splice(number, 0, chunk);
    this.#bytes += bytesOf(chunk);
  }

  #resize(chunk: OwnChunk, entries: number): void {
    const addresses = doubles(Math.min(CHUNK_ENTRIES_MAX, entries));
    for (let i = 0; i < chunk.count; i++) addresses[i] = chunk.addresses[i]!;
    this.#bytes -= bytesOf(chunk);
    chunk.addresses = addresses;
    this.#bytes += bytesOf(chunk);
  }

  #ownChunk(number: number): OwnChunk {
    const chunk = this.#chunks[number]!;
    if (chunk.epoch === this.#epoch) return chunk;
    const copy = {addresses: chunk.addresses.slice(), count: chunk.count, epoch: this.#epoch};
    this.#ownList()[number] = copy;
    return copy;
  }

  #ownList(): OwnChunk[] {
    if (this.#listEpoch !== this.#epoch) {
      this.#chunks = this.#chunks.slice();
      this.#listEpoch = this.#epoch;
    }
    return this.#chunks;
  }
}

function newChunk(entries: number, epoch: number): OwnChunk {
  return {addresses: doubles(entries), count: 0, epoch};
}

/** An array whose elements the runtime keeps as doubles side by side. A typed array would be three objects, all of which a read looks at. */
function doubles(count: number): number[] {
  return new Array<number>(count).fill(-0.5);
}

function bytesOf({addresses}: Chunk): number {
  return addresses.length * ADDRESS_BYTES;
}

function takeOut(chunk: OwnChunk, from: number, count: number): void {
  const {addresses} = chunk;
  chunk.count -= count;
  for (let i = from; i < chunk.count; i++) addresses[i] = addresses[i + count]!;
}

/** The same as `seek`, for keys that mostly ascend: one greater than all costs one comparison. */
export function seekFromEnd(chunks: readonly Chunk[], slabs: SlabList, key: Uint8Array): number {
  if (chunks.length === 0) return ~0;
  const lastNumber = chunks.length - 1;
  const last = chunks[lastNumber]!;
  const toLast = compareEntryKey(slabs, last.addresses[last.count - 1]!, key);
  if (toLast < 0) return ~((lastNumber << CHUNK_BITS) + last.count);
  if (toLast === 0) return (lastNumber << CHUNK_BITS) + last.count - 1;
  return seek(chunks, slabs, key);
}

/**
 * Position of the key, or ~position of the first greater one (one past the last entry of a chunk, if it falls behind it).
 * O(log entries) comparisons, each of which may miss the cache.
 */
export function seek(chunks: readonly Chunk[], slabs: SlabList, key: Uint8Array): number {
  if (chunks.length === 0) return ~0;
  let number = 0;
  for (let high = chunks.length - 1; number < high; ) {
    const middle = (number + high + 1) >> 1;
    if (compareEntryKey(slabs, chunks[middle]!.addresses[0]!, key) <= 0) number = middle;
    else high = middle - 1;
  }
  const {addresses, count} = chunks[number]!;
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >> 1;
    const order = compareEntryKey(slabs, addresses[middle]!, key);
    if (order === 0) return (number << CHUNK_BITS) + middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return ~((number << CHUNK_BITS) + low);
}

export function positionOf(chunk: number, index: number): number {
  return (chunk << CHUNK_BITS) + index;
}

export function chunkOf(position: number): number {
  return position >> CHUNK_BITS;
}

export function indexOf(position: number): number {
  return position & INDEX_MASK;
}

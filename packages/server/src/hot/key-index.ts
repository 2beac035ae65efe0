/**
 * Key index: the addresses of one scope's rows in key order.
 *
 * A list of chunks of at most 512 addresses. Keys are not copied: a comparison reads them from the slab. Freezing hands out the list as it
 * is and starts a new epoch; a chunk or a list of an older epoch is copied before its first change, so what was frozen never changes.
 * Laws: addresses are in strictly ascending key order over all chunks; no chunk is empty. A small scope has one small chunk.
 */
import {compareEntryKey, type SlabList} from './slab.ts';

export const CHUNK_ENTRIES_MAX = 512;
const FIRST_ENTRIES = 8;
/** A position is chunk × 1024 + index in it. */
const CHUNK_BITS = 10;
const INDEX_MASK = (1 << CHUNK_BITS) - 1;

export interface Chunk {
  readonly addresses: Float64Array;
  readonly count: number;
}

interface OwnChunk {
  addresses: Float64Array;
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
      // A list that grows from nothing has room for many: more than all else of a small scope takes.
      this.#chunks = [first];
      this.#listEpoch = this.#epoch;
      this.#bytes += first.addresses.byteLength;
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
    chunk.addresses.copyWithin(index + 1, index, chunk.count);
    chunk.addresses[index] = address;
    chunk.count++;
  }

  remove(position: number): void {
    const number = position >> CHUNK_BITS;
    const index = position & INDEX_MASK;
    const chunk = this.#ownChunk(number);
    if (chunk.count === 1) {
      this.#ownList().splice(number, 1);
      this.#bytes -= chunk.addresses.byteLength;
      return;
    }
    chunk.addresses.copyWithin(index, index + 1, chunk.count);
    chunk.count--;
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
    for (const chunk of this.#ownList().splice(0, whole)) this.#bytes -= chunk.addresses.byteLength;
    if (left === 0 || this.#chunks.length === 0) return;
    const first = this.#ownChunk(0);
    first.addresses.copyWithin(0, left, first.count);
    first.count -= left;
  }

  /** Of so many chunks, keeps the addresses for which `isKept` says so, packed into full chunks. Returns how many chunks those are. */
  filter({from, count}: {from: number; count: number}, isKept: (address: number) => boolean): number {
    const kept: OwnChunk[] = [];
    let last = newChunk(CHUNK_ENTRIES_MAX, this.#epoch);
    for (const chunk of this.#chunks.slice(from, from + count)) {
      this.#bytes -= chunk.addresses.byteLength;
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
    for (const chunk of kept) this.#bytes += chunk.addresses.byteLength;
    this.#ownList().splice(from, count, ...kept);
    return kept.length;
  }

  /** Moves the entries from `from` on into a chunk of their own behind this one. */
  #split(number: number, from: number): void {
    const chunk = this.#chunks[number]!;
    const moved = chunk.addresses.subarray(from, chunk.count);
    const right = newChunk(moved.length === 0 ? FIRST_ENTRIES * 4 : CHUNK_ENTRIES_MAX, this.#epoch);
    right.addresses.set(moved);
    right.count = moved.length;
    chunk.count = from;
    this.#insertChunk(number + 1, right);
  }

  #insertChunk(number: number, chunk: OwnChunk): void {
    this.#ownList().splice(number, 0, chunk);
    this.#bytes += chunk.addresses.byteLength;
  }

  #resize(chunk: OwnChunk, entries: number): void {
    const addresses = new Float64Array(Math.min(CHUNK_ENTRIES_MAX, entries));
    addresses.set(chunk.addresses);
    this.#bytes += addresses.byteLength - chunk.addresses.byteLength;
    chunk.addresses = addresses;
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
  return {addresses: new Float64Array(entries), count: 0, epoch};
}

/**
 * Position of the key, or ~position of the first greater one (one past the last entry of a chunk, if it falls behind it).
 * O(log entries) comparisons; a key greater than all costs one.
 */
export function seek(chunks: readonly Chunk[], slabs: SlabList, key: Uint8Array): number {
  if (chunks.length === 0) return ~0;
  const lastNumber = chunks.length - 1;
  const last = chunks[lastNumber]!;
  const toLast = compareEntryKey(slabs, last.addresses[last.count - 1]!, key);
  if (toLast < 0) return ~((lastNumber << CHUNK_BITS) + last.count);
  if (toLast === 0) return (lastNumber << CHUNK_BITS) + last.count - 1;
  let number = 0;
  for (let high = lastNumber; number < high; ) {
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

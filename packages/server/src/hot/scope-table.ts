/**
 * Scope table: what the hot tier knows of each scope, by slot.
 *
 *     slot → block │ rows, bytes, lowest seq, last write, entries, –, –, – │ a a a a a a a a │ …      a = address of a row
 *
 * There may be a million scopes, and nearly all of them have few rows. Such a scope is 128 bytes of numbers and no object: nothing for the collector to
 * follow, and a read misses the cache once here. What has more rows than that holds has a key index of its own.
 *
 * Laws: addresses are in strictly ascending key order. Positions are those of a key index, in whose first chunk a small scope lies. An image never
 * changes: a block is copied before its first change after one was taken. A block without a scope takes no memory.
 */
import assert from 'node:assert/strict';
import type {Seq} from '../model/names.ts';
import {type Chunk, KeyIndex, seek, seekFromEnd} from './key-index.ts';
import {compareEntryKey, type SlabList} from './slab.ts';

/** What there is room for. */
export const SMALL_ENTRIES_MAX = 8;
/** The row that had the lowest seq of a scope went away: it has to be looked for again. */
export const UNKNOWN_SEQ: Seq = 0n;

/** Few enough that a copy is made at once, and that one scope which stays keeps little; so many that all blocks are in the cache. */
const BLOCK_SLOTS = 512;
const BLOCK_BITS = 9;
/** Most tables of scopes are those of a transaction, and have one or two. */
const FIRST_BLOCK_SLOTS = 4;
const NUMBER_BYTES = 8;
/** Numbers of one slot, and where in them they are. */
const NUMBERS = 16;
export const SLOT_BYTES = NUMBERS * NUMBER_BYTES;
const ROW_COUNT = 0;
const BYTES = 1;
/** Read through the view of seqs. */
const MIN_SEQ = 2;
const LAST_WRITE = 3;
/** How many addresses follow; of a large scope -1 - its number. */
const ENTRIES = 4;
const ADDRESSES = 8;
/** Of a large scope beside the arrays of its index. */
const LARGE_BYTES = 290;

interface Block {
  readonly numbers: Float64Array;
  readonly seqs: BigInt64Array;
  readonly epoch: number;
}

/** One with too many rows for a block. */
export interface LargeScope {
  readonly slot: number;
  readonly index: KeyIndex;
  /** The boundary of the newest flush, and what came after it. */
  captured: {readonly through: Seq; rowCount: number; bytes: number} | undefined;
  /** Entries up to this seq are no rows any more; undefined when all are swept. */
  retiredThrough: Seq | undefined;
  sweptChunks: number;
}

/** The scopes of one moment. */
export interface TableImage {
  scope(slot: number): {readonly chunks: readonly Chunk[]; readonly retiredThrough: Seq | undefined};
}

export class ScopeTable {
  readonly #smallEntriesMax: number;
  /** One without a scope is `FREE`. */
  readonly #blocks: Block[] = [];
  /** Scopes of each block. */
  readonly #used: number[] = [];
  readonly #large: (LargeScope | undefined)[] = [];
  readonly #freeLarge: number[] = [];
  #epoch = 0;
  #blockBytes = 0;
  #indexBytes = 0;

  constructor(smallEntriesMax = SMALL_ENTRIES_MAX) {
    assert(smallEntriesMax <= SMALL_ENTRIES_MAX);
    this.#smallEntriesMax = smallEntriesMax;
  }

  /** Of blocks, with slots that are free beside taken ones. */
  get blockBytes(): number {
    return this.#blockBytes;
  }

  /** Of large scopes. */
  get largeBytes(): number {
    return this.#indexBytes + (this.#large.length - this.#freeLarge.length) * LARGE_BYTES;
  }

  /** The lowest slot that is free. */
  add(slot: number): void {
    this.#makeRoom(slot);
    this.#used[slot >> BLOCK_BITS]!++;
  }

  /** Its entries must be gone. */
  free(slot: number): void {
    const number = slot >> BLOCK_BITS;
    const entries = this.#number(slot, ENTRIES);
    if (entries < 0) {
      this.#large[-1 - entries] = undefined;
      this.#freeLarge.push(-1 - entries);
    }
    if (--this.#used[number]! === 0) this.#setBlock(number, FREE);
    else this.#own(slot).numbers.fill(0, numbersAt(slot), numbersAt(slot) + NUMBERS);
  }

  rowCount(slot: number): number {
    return this.#number(slot, ROW_COUNT);
  }

  bytes(slot: number): number {
    return this.#number(slot, BYTES);
  }

  setCounts(slot: number, {rowCount, bytes}: {rowCount: number; bytes: number}): void {
    const {numbers} = this.#own(slot);
    const at = numbersAt(slot);
    numbers[at + ROW_COUNT] = rowCount;
    numbers[at + BYTES] = bytes;
  }

  /** One row more or less, and so many bytes. */
  count(slot: number, rows: number, bytes: number): void {
    const {numbers} = this.#own(slot);
    const at = numbersAt(slot);
    numbers[at + ROW_COUNT]! += rows;
    numbers[at + BYTES]! += bytes;
  }

  lastWriteMs(slot: number): number {
    return this.#number(slot, LAST_WRITE);
  }

  /** A row of this seq was written, and counted. */
  noteWrite(slot: number, seq: Seq, nowMs: number): void {
    const {numbers, seqs} = this.#own(slot);
    const at = numbersAt(slot);
    numbers[at + LAST_WRITE] = nowMs;
    const lowest = seqs[at + MIN_SEQ]!;
    if (numbers[at + ROW_COUNT] === 1 || (lowest !== UNKNOWN_SEQ && seq < lowest)) seqs[at + MIN_SEQ] = seq;
  }

  minSeq(slot: number): Seq {
    return this.#blocks[slot >> BLOCK_BITS]!.seqs[numbersAt(slot) + MIN_SEQ]!;
  }

  setMinSeq(slot: number, seq: Seq): void {
    this.#own(slot).seqs[numbersAt(slot) + MIN_SEQ] = seq;
  }

  large(slot: number): LargeScope | undefined {
    const entries = this.#number(slot, ENTRIES);
    return entries < 0 ? this.#large[-1 - entries] : undefined;
  }

  /** Position of the key, or ~position of the first greater one. */
  seek(slot: number, slabs: SlabList, key: Uint8Array): number {
    const {numbers} = this.#blocks[slot >> BLOCK_BITS]!;
    const first = numbersAt(slot) + ADDRESSES;
    const entries = numbers[first - ADDRESSES + ENTRIES]!;
    if (entries < 0) return seek(this.#large[-1 - entries]!.index.chunks, slabs, key);
    let low = 0;
    for (let high = entries; low < high; ) {
      const middle = (low + high) >> 1;
      const order = compareEntryKey(slabs, numbers[first + middle]!, key);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** The same, for keys that mostly ascend: one greater than all costs one comparison. */
  seekFromEnd(slot: number, slabs: SlabList, key: Uint8Array): number {
    const {numbers} = this.#blocks[slot >> BLOCK_BITS]!;
    const first = numbersAt(slot) + ADDRESSES;
    const entries = numbers[first - ADDRESSES + ENTRIES]!;
    if (entries < 0) return seekFromEnd(this.#large[-1 - entries]!.index.chunks, slabs, key);
    const isLast = entries > 0 && compareEntryKey(slabs, numbers[first + entries - 1]!, key) < 0;
    return isLast ? ~entries : this.seek(slot, slabs, key);
  }

  address(slot: number, position: number): number {
    const large = this.large(slot);
    return large === undefined ? this.#number(slot, ADDRESSES + position) : large.index.address(position);
  }

  replace(slot: number, position: number, address: number): void {
    const large = this.large(slot);
    if (large === undefined) this.#own(slot).numbers[numbersAt(slot) + ADDRESSES + position] = address;
    else large.index.replace(position, address);
  }

  /** Puts an address before the one at `position`. */
  insert(slot: number, position: number, address: number): void {
    const {numbers} = this.#own(slot);
    const at = numbersAt(slot);
    const entries = numbers[at + ENTRIES]!;
    if (entries < 0 || entries === this.#smallEntriesMax) {
      const {index} = entries < 0 ? this.#large[-1 - entries]! : this.#grow(slot);
      const before = index.bytes;
      index.insert(position, address);
      this.#indexBytes += index.bytes - before;
      return;
    }
    const end = at + ADDRESSES + entries;
    for (let i = end; i > at + ADDRESSES + position; i--) numbers[i] = numbers[i - 1]!;
    numbers[at + ADDRESSES + position] = address;
    numbers[at + ENTRIES] = entries + 1;
  }

  remove(slot: number, position: number): void {
    const large = this.large(slot);
    if (large === undefined) {
      this.#takeOut(slot, position, 1);
      return;
    }
    const before = large.index.bytes;
    large.index.remove(position);
    this.#indexBytes += large.index.bytes - before;
  }

  /** How many addresses stand before the position. */
  rank(slot: number, position: number): number {
    return this.large(slot)?.index.rank(position) ?? position;
  }

  /** Takes out the first addresses, at most so many, and shows each. Returns whether any are left. */
  removeFirst(slot: number, count: number, visit: (address: number) => void): boolean {
    const large = this.large(slot);
    if (large !== undefined) {
      const before = large.index.bytes;
      large.index.removeFirst(count, visit);
      this.#indexBytes += large.index.bytes - before;
      return large.index.chunks.length > 0;
    }
    const entries = this.#number(slot, ENTRIES);
    const taken = Math.min(count, entries);
    for (let i = 0; i < taken; i++) visit(this.address(slot, i));
    this.#takeOut(slot, 0, taken);
    return taken < entries;
  }

  /** Of so many chunks of a large scope, keeps the addresses for which `isKept` says so. Returns how many chunks those are. */
  filter({index}: LargeScope, chunks: {from: number; count: number}, isKept: (address: number) => boolean): number {
    const before = index.bytes;
    const kept = index.filter(chunks, isKept);
    this.#indexBytes += index.bytes - before;
    return kept;
  }

  /** The addresses, until the next change. */
  chunks(slot: number): readonly Chunk[] {
    return this.large(slot)?.index.chunks ?? smallChunks(this.#blocks[slot >> BLOCK_BITS]!.numbers, numbersAt(slot));
  }

  /** The same, for ever. */
  freeze(slot: number): readonly Chunk[] {
    return this.large(slot)?.index.freeze() ?? this.chunks(slot);
  }

  /** Every scope as it is now, for ever. O(blocks), and O(large scopes). */
  image(): TableImage {
    this.#epoch++;
    const blocks = this.#blocks.slice();
    const large = this.#large.map(
      scope => scope && {chunks: scope.index.freeze(), retiredThrough: scope.retiredThrough},
    );
    return {
      scope(slot) {
        const {numbers} = blocks[slot >> BLOCK_BITS]!;
        const entries = numbers[numbersAt(slot) + ENTRIES]!;
        if (entries < 0) return large[-1 - entries]!;
        return {chunks: smallChunks(numbers, numbersAt(slot)), retiredThrough: undefined};
      },
    };
  }

  #number(slot: number, field: number): number {
    return this.#blocks[slot >> BLOCK_BITS]!.numbers[numbersAt(slot) + field]!;
  }

  #takeOut(slot: number, position: number, count: number): void {
    const {numbers} = this.#own(slot);
    const at = numbersAt(slot);
    const entries = numbers[at + ENTRIES]!;
    const from = at + ADDRESSES + position;
    numbers.copyWithin(from, from + count, at + ADDRESSES + entries);
    numbers[at + ENTRIES] = entries - count;
  }

  #grow(slot: number): LargeScope {
    const index = new KeyIndex();
    const {numbers} = this.#own(slot);
    const at = numbersAt(slot);
    for (let i = 0; i < this.#smallEntriesMax; i++) index.insert(i, numbers[at + ADDRESSES + i]!);
    const number = this.#freeLarge.pop() ?? this.#large.length;
    const large: LargeScope = {slot, index, captured: undefined, retiredThrough: undefined, sweptChunks: 0};
    this.#large[number] = large;
    this.#indexBytes += index.bytes;
    numbers[at + ENTRIES] = -1 - number;
    return large;
  }

  #makeRoom(slot: number): void {
    const number = slot >> BLOCK_BITS;
    const block = this.#blocks[number] ?? FREE;
    if (block === FREE) {
      this.#used[number] = 0;
      this.#setBlock(number, newBlock(number === 0 ? FIRST_BLOCK_SLOTS : BLOCK_SLOTS, this.#epoch));
    } else if (numbersAt(slot) >= block.numbers.length) {
      this.#setBlock(number, copyOf(block, block.numbers.length * 2, this.#epoch));
    }
  }

  /** The block of the slot, to be changed. */
  #own(slot: number): Block {
    const number = slot >> BLOCK_BITS;
    const block = this.#blocks[number]!;
    if (block.epoch === this.#epoch) return block;
    const copy = copyOf(block, block.numbers.length, this.#epoch);
    this.#setBlock(number, copy);
    return copy;
  }

  #setBlock(number: number, block: Block): void {
    this.#blockBytes += bytesOf(block) - bytesOf(this.#blocks[number] ?? FREE);
    this.#blocks[number] = block;
  }
}

function smallChunks(numbers: Float64Array, at: number): readonly Chunk[] {
  const count = numbers[at + ENTRIES]!;
  if (count === 0) return [];
  const addresses = [-0.5, -0.5, -0.5, -0.5, -0.5, -0.5, -0.5, -0.5];
  for (let i = 0; i < count; i++) addresses[i] = numbers[at + ADDRESSES + i]!;
  return [{addresses, count}];
}

function bytesOf(block: Block): number {
  return block === FREE ? 0 : block.numbers.byteLength;
}

function numbersAt(slot: number): number {
  return (slot % BLOCK_SLOTS) * NUMBERS;
}

/** Nobody writes into it: it is of no epoch. */
const FREE = newBlock(BLOCK_SLOTS, -1);

function newBlock(slots: number, epoch: number): Block {
  return blockOf(new Float64Array(slots * NUMBERS), epoch);
}

function copyOf({numbers}: Block, length: number, epoch: number): Block {
  const copy = new Float64Array(length);
  copy.set(numbers);
  return blockOf(copy, epoch);
}

function blockOf(numbers: Float64Array<ArrayBuffer>, epoch: number): Block {
  return {numbers, seqs: new BigInt64Array(numbers.buffer), epoch};
}

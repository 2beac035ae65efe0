/**
 * Slabs: where row versions lie. Large buffers that are only ever appended to, so that a row costs the collector nothing.
 *
 *     slab   entry │ entry │ …        entry = u32 scope slot │ u32 key length │ key │ row
 *
 * An address is slab number × 2³² + offset, as a double. Laws: bytes behind an address never change; `list` is replaced, never changed,
 * when slabs come or go, so whoever holds a list keeps its slabs alive and readable. A slab without live entries leaves the list, unless it
 * is the one that is written. Numbers of slabs that left are used again: an address means something only together with its list.
 */
import assert from 'node:assert/strict';
import type {RowBytes} from '../model/row.ts';
import {writeU32} from '../std/bytes.ts';

export const SLAB_BYTES = 8 * 1024 * 1024;

const ENTRY_HEADER_BYTES = 8;
const ADDRESS_UNIT = 2 ** 32;
/** Up to here a loop is quicker than the call into the runtime. */
const LOOP_BYTES_MAX = 48;

export interface Slab {
  readonly buffer: Buffer;
  usedBytes: number;
  liveBytes: number;
}

export type SlabList = readonly (Slab | undefined)[];

export class Slabs {
  readonly #slabBytes: number;
  #list: (Slab | undefined)[] = [];
  #current: Slab | undefined;
  #currentNumber = -1;
  #bytes = 0;
  #liveBytes = 0;

  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  get list(): SlabList {
    return this.#list;
  }

  /** Of the live entries alone. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Of all slabs in the list, free space included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What `bytes` can be at most when every slab is at least half live, save for the one that is written. */
  get evacuatedBytes(): number {
    return Math.min(this.#bytes, 2 * this.#liveBytes + this.#slabBytes);
  }

  /** Copies key and row in. */
  append(scopeSlot: number, key: Uint8Array, row: RowBytes): number {
    const entryBytes = ENTRY_HEADER_BYTES + key.length + row.length;
    // A row that would leave much of a slab empty behind it gets a slab of its own size.
    const isLone = entryBytes > this.#slabBytes / 4;
    const number = isLone ? this.#add(entryBytes) : this.#withRoom(entryBytes);
    const slab = this.#list[number]!;
    const offset = slab.usedBytes;
    slab.usedBytes += entryBytes;
    slab.liveBytes += entryBytes;
    this.#liveBytes += entryBytes;
    const {buffer} = slab;
    writeU32(buffer, offset, scopeSlot);
    writeU32(buffer, offset + 4, key.length);
    const keyAt = offset + ENTRY_HEADER_BYTES;
    if (key.length <= LOOP_BYTES_MAX) for (let i = 0; i < key.length; i++) buffer[keyAt + i] = key[i]!;
    else buffer.set(key, keyAt);
    row.buffer.copy(buffer, keyAt + key.length, row.offset, row.offset + row.length);
    return number * ADDRESS_UNIT + offset;
  }

  /** Nobody in the present state points at the entry any more; snapshots may. */
  release(address: number): void {
    const number = slabNumber(address);
    const slab = this.#list[number]!;
    const bytes = entryBytesAt(slab.buffer, address >>> 0);
    slab.liveBytes -= bytes;
    this.#liveBytes -= bytes;
    assert(slab.liveBytes >= 0, 'an entry is released once');
    if (slab.liveBytes === 0 && slab !== this.#current) this.#remove(number);
  }

  /** The slab with the smallest live part, if that is less than half of it; never the one that is written. */
  mostlyDead(): number | undefined {
    let found: number | undefined;
    let lowest = 0.5;
    for (const [number, slab] of this.#list.entries()) {
      if (slab === undefined || slab === this.#current) continue;
      const livePart = slab.liveBytes / slab.buffer.length;
      if (livePart >= lowest) continue;
      lowest = livePart;
      found = number;
    }
    return found;
  }

  #withRoom(entryBytes: number): number {
    const current = this.#current;
    if (current !== undefined && current.usedBytes + entryBytes <= current.buffer.length) return this.#currentNumber;
    const previous = this.#currentNumber;
    this.#currentNumber = this.#add(this.#slabBytes);
    this.#current = this.#list[this.#currentNumber]!;
    if (current !== undefined && current.liveBytes === 0) this.#remove(previous);
    return this.#currentNumber;
  }

  #add(bytes: number): number {
    const list = this.#list.slice();
    const free = list.indexOf(undefined);
    const number = free < 0 ? list.length : free;
    list[number] = {buffer: Buffer.allocUnsafeSlow(bytes), usedBytes: 0, liveBytes: 0};
    this.#list = list;
    this.#bytes += bytes;
    return number;
  }

  #remove(number: number): void {
    const list = this.#list.slice();
    this.#bytes -= list[number]!.buffer.length;
    list[number] = undefined;
    this.#list = list;
  }
}

/** Sign of (key of the entry − `key`), byte by byte. */
export function compareEntryKey(list: SlabList, address: number, key: Uint8Array): number {
  const offset = address >>> 0;
  const {buffer} = list[(address - offset) / ADDRESS_UNIT]!;
  const length = buffer.readUInt32LE(offset + 4);
  const start = offset + ENTRY_HEADER_BYTES;
  const shared = Math.min(length, key.length);
  if (shared > LOOP_BYTES_MAX) return buffer.compare(key, 0, key.length, start, start + length);
  for (let i = 0; i < shared; i++) {
    const difference = buffer[start + i]! - key[i]!;
    if (difference !== 0) return difference;
  }
  return length - key.length;
}

/** A view of the entry's key. */
export function entryKey(list: SlabList, address: number): Buffer {
  const offset = address >>> 0;
  const {buffer} = list[(address - offset) / ADDRESS_UNIT]!;
  const start = offset + ENTRY_HEADER_BYTES;
  return buffer.subarray(start, start + buffer.readUInt32LE(offset + 4));
}

export function entryRow(list: SlabList, address: number): RowBytes {
  const offset = address >>> 0;
  const {buffer} = list[(address - offset) / ADDRESS_UNIT]!;
  const start = offset + ENTRY_HEADER_BYTES + buffer.readUInt32LE(offset + 4);
  return {buffer, offset: start, length: buffer.readUInt32LE(start)};
}

export function entryBytes(list: SlabList, address: number): number {
  return entryBytesAt(list[slabNumber(address)]!.buffer, address >>> 0);
}

/** Every entry that was ever put into the slab, live or not, in the order they were put. */
export function* slabEntries(list: SlabList, number: number): Generator<{address: number; scopeSlot: number}> {
  const {buffer, usedBytes} = list[number]!;
  for (let offset = 0; offset < usedBytes; offset += entryBytesAt(buffer, offset)) {
    yield {address: number * ADDRESS_UNIT + offset, scopeSlot: buffer.readUInt32LE(offset)};
  }
}

function slabNumber(address: number): number {
  return (address - (address >>> 0)) / ADDRESS_UNIT;
}

function entryBytesAt(buffer: Buffer, offset: number): number {
  const head = ENTRY_HEADER_BYTES + buffer.readUInt32LE(offset + 4);
  return head + buffer.readUInt32LE(offset + head);
}

/**
 * Hot snapshot: one scope at one moment. It holds the frozen chunks and the slab list of that moment, and so everything they point at. Rows that a
 * flush took away and nobody has swept yet are passed over.
 */
import type {Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {rowSeq} from '../model/row-codec.ts';
import type {HotSnapshot, KeyRange} from './hot.ts';
import {type Chunk, chunkOf, indexOf, positionOf, seek} from './key-index.ts';
import {entryKey, entryRow, type SlabList} from './slab.ts';

type Visit = (row: RowBytes, key: Uint8Array) => boolean;

const NO_KEY = new Uint8Array(0);

export class FrozenScope implements HotSnapshot {
  readonly rowCount: number;
  readonly bytes: number;
  readonly #chunks: readonly Chunk[];
  readonly #slabs: SlabList;
  readonly #retiredThrough: Seq | undefined;

  constructor(
    chunks: readonly Chunk[],
    slabs: SlabList,
    {rowCount, bytes, retiredThrough}: {rowCount: number; bytes: number; retiredThrough: Seq | undefined},
  ) {
    this.#chunks = chunks;
    this.#slabs = slabs;
    this.#retiredThrough = retiredThrough;
    this.rowCount = rowCount;
    this.bytes = bytes;
  }

  get(key: Uint8Array): RowBytes | undefined {
    const position = seek(this.#chunks, this.#slabs, key);
    if (position < 0) return undefined;
    const row = entryRow(this.#slabs, this.#chunks[chunkOf(position)]!.addresses[indexOf(position)]!);
    return this.#isRetired(row) ? undefined : row;
  }

  /** A visitor with exactly one parameter is given no key: making a view of each would cost more than the scan. */
  scan(range: KeyRange, reverse: boolean, visit: Visit): Uint8Array | undefined {
    if (this.#chunks.length === 0) return undefined;
    const start = this.#start(range);
    const end = this.#end(range);
    if (start >= end) return undefined;
    return reverse ? this.#backward(start, end, visit) : this.#forward(start, end, visit);
  }

  *rows(range: KeyRange = {}): Generator<{key: Uint8Array; row: RowBytes}> {
    if (this.#chunks.length === 0) return;
    const start = this.#start(range);
    const end = this.#end(range);
    let index = indexOf(start);
    for (let number = chunkOf(start); number <= chunkOf(end); number++) {
      const {addresses, count} = this.#chunks[number]!;
      const stop = number === chunkOf(end) ? indexOf(end) : count;
      for (; index < stop; index++) {
        const address = addresses[index]!;
        const row = entryRow(this.#slabs, address);
        if (!this.#isRetired(row)) yield {key: entryKey(this.#slabs, address), row};
      }
      index = 0;
    }
  }

  #forward(start: number, end: number, visit: Visit): Uint8Array | undefined {
    const slabs = this.#slabs;
    const wantsKey = visit.length !== 1;
    let index = indexOf(start);
    for (let number = chunkOf(start); number <= chunkOf(end); number++) {
      const {addresses, count} = this.#chunks[number]!;
      const stop = number === chunkOf(end) ? indexOf(end) : count;
      for (; index < stop; index++) {
        const address = addresses[index]!;
        const row = entryRow(slabs, address);
        if (this.#isRetired(row)) continue;
        if (!visit(row, wantsKey ? entryKey(slabs, address) : NO_KEY)) return entryKey(slabs, address);
      }
      index = 0;
    }
    return undefined;
  }

  #backward(start: number, end: number, visit: Visit): Uint8Array | undefined {
    const slabs = this.#slabs;
    const wantsKey = visit.length !== 1;
    let index = indexOf(end) - 1;
    for (let number = chunkOf(end); number >= chunkOf(start); ) {
      const {addresses} = this.#chunks[number]!;
      const stop = number === chunkOf(start) ? indexOf(start) : 0;
      for (; index >= stop; index--) {
        const address = addresses[index]!;
        const row = entryRow(slabs, address);
        if (this.#isRetired(row)) continue;
        if (!visit(row, wantsKey ? entryKey(slabs, address) : NO_KEY)) return entryKey(slabs, address);
      }
      number--;
      index = (this.#chunks[number]?.count ?? 0) - 1;
    }
    return undefined;
  }

  #isRetired(row: RowBytes): boolean {
    return this.#retiredThrough !== undefined && rowSeq(row) <= this.#retiredThrough;
  }

  /** Position of the first row in the range. */
  #start(range: KeyRange): number {
    if (range.from === undefined) return 0;
    const position = seek(this.#chunks, this.#slabs, range.from);
    return position < 0 ? ~position : position;
  }

  /** One past the last row in the range, in the chunk of that row. */
  #end(range: KeyRange): number {
    if (range.to !== undefined) {
      const position = seek(this.#chunks, this.#slabs, range.to);
      return position < 0 ? ~position : position + 1;
    }
    const last = this.#chunks.length - 1;
    return positionOf(last, this.#chunks[last]!.count);
  }
}

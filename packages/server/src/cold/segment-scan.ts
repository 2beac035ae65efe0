/**
 * Segment scan: the live rows of many segments as one stream in key order.
 *
 * Every segment is a stream that knows where it stands: a bound from the manifest before it is opened, its next live row after. A heap
 * keeps the streams by that key; the first one gives rows until it passes the second one. Segments that do not overlap are thus
 * opened one after another and handed on whole, without a comparison per row.
 */
import {compareKeys} from '../model/key-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {ColdFilter, ColdRow} from './cold.ts';
import {firstAtOrAfter} from './deletion-vector.ts';
import {isGroupPruned} from './prune.ts';
import type {DecodedGroup} from './row-group.ts';
import type {ListedSegment} from './segment.ts';
import {
  elementsFor,
  firstRowAtOrAfter,
  groupEndKey,
  loadGroup,
  type OpenSegment,
  openSegment,
  type ReadContext,
} from './segment-reader.ts';

export const BATCH_ROWS_MAX = 2000;

export interface SegmentScan {
  readonly schema: Schema;
  readonly segments: readonly ListedSegment[];
  readonly filter: ColdFilter;
  readonly columns: readonly number[] | undefined;
  readonly isReverse: boolean;
}

export async function* scanSegments(context: ReadContext, scan: SegmentScan): AsyncGenerator<ColdRow[]> {
  const direction = scan.isReverse ? -1 : 1;
  const heap = new StreamHeap(direction);
  for (const segment of scan.segments) heap.push(new SegmentStream(context, scan, segment));
  let batch: ColdRow[] = [];
  for (let stream = heap.first; stream !== undefined; stream = heap.first) {
    if (stream.isReady) stream.takeInto(batch, heap.second?.key);
    else await stream.load();
    heap.settleFirst();
    if (batch.length < BATCH_ROWS_MAX) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

class SegmentStream {
  /** No row still to come stands before this key. */
  key: Uint8Array;
  isDone = false;
  readonly #context: ReadContext;
  readonly #scan: SegmentScan;
  readonly #segment: ListedSegment;
  readonly #direction: 1 | -1;
  #open: OpenSegment | undefined;
  #elements: number[] = [];
  #groupIndex = -1;
  #group: DecodedGroup | undefined;
  /** Live rows of the group inside the key range, in the order of the scan, and how far they are taken. */
  #rows: number[] = [];
  #taken = 0;

  constructor(context: ReadContext, scan: SegmentScan, segment: ListedSegment) {
    this.#context = context;
    this.#scan = scan;
    this.#segment = segment;
    this.#direction = scan.isReverse ? -1 : 1;
    this.key = scan.isReverse ? segment.maxKey : segment.minKey;
  }

  get isReady(): boolean {
    return this.#taken < this.#rows.length;
  }

  /** Opens the segment at first; then steps to the next row group that is needed and reads it. */
  async load(): Promise<void> {
    if (this.#open === undefined) {
      this.#open = await openSegment(this.#context, this.#segment, this.#scan.schema);
      this.#elements = elementsFor(this.#open.map, this.#scan.columns);
      this.#groupIndex = this.#direction === 1 ? -1 : this.#open.footer.groups.length;
    }
    const {groups} = this.#open.footer;
    do {
      this.#groupIndex += this.#direction;
      if (this.#groupIndex < 0 || this.#groupIndex >= groups.length) {
        this.isDone = true;
        return;
      }
    } while (this.#isPruned(this.#open));
    this.#group = await loadGroup(this.#context, this.#open, groups[this.#groupIndex]!, this.#elements);
    this.#rows = this.#liveRows(this.#group);
    if (this.#scan.isReverse) this.#rows.reverse();
    this.#taken = 0;
    this.#place();
  }

  /** Hands on rows that do not pass `limit`, up to a full batch. */
  takeInto(batch: ColdRow[], limit: Uint8Array | undefined): void {
    const group = this.#group!;
    const isWhole = limit === undefined || this.#order(group.key(this.#rows.at(-1)!), limit) <= 0;
    while (this.isReady && batch.length < BATCH_ROWS_MAX) {
      const index = this.#rows[this.#taken]!;
      if (!isWhole && this.#order(group.key(index), limit) > 0) break;
      batch.push(group.row(index));
      this.#taken++;
    }
    this.#place();
  }

  #isPruned(open: OpenSegment): boolean {
    const group = open.footer.groups[this.#groupIndex]!;
    return isGroupPruned({group, endKey: groupEndKey(open, this.#groupIndex)}, this.#scan.filter, open.map);
  }

  #liveRows(group: DecodedGroup): number[] {
    const {keys} = this.#scan.filter;
    const {rowStart, rowCount} = group.group;
    const from = keys?.from === undefined ? 0 : firstRowAtOrAfter(group, keys.from);
    const {dead} = this.#segment;
    const rows: number[] = [];
    let nextDead = firstAtOrAfter(dead, rowStart + from);
    let end = rowCount;
    if (keys?.to !== undefined) {
      end = firstRowAtOrAfter(group, keys.to);
      if (end < rowCount && compareKeys(group.key(end), keys.to) === 0) end++;
    }
    for (let index = from; index < end; index++) {
      if (dead[nextDead] === rowStart + index) nextDead++;
      else rows.push(index);
    }
    return rows;
  }

  /** Moves `key` to where the stream stands now. A finished group in reverse leaves its first key as bound. */
  #place(): void {
    const group = this.#group!;
    if (this.isReady) this.key = group.key(this.#rows[this.#taken]!);
    else if (this.#direction === -1) this.key = group.group.firstKey;
    else this.key = groupEndKey(this.#open!, this.#groupIndex);
  }

  #order(a: Uint8Array, b: Uint8Array): number {
    return compareKeys(a, b) * this.#direction;
  }
}

/** A binary heap of streams by key; only its first stream ever changes. */
class StreamHeap {
  readonly #streams: SegmentStream[] = [];
  readonly #direction: 1 | -1;

  constructor(direction: 1 | -1) {
    this.#direction = direction;
  }

  get first(): SegmentStream | undefined {
    return this.#streams[0];
  }

  /** The stream that would be first if the first were gone. */
  get second(): SegmentStream | undefined {
    const [, left, right] = this.#streams;
    if (left === undefined || right === undefined) return left;
    return this.#isBefore(right, left) ? right : left;
  }

  push(stream: SegmentStream): void {
    let index = this.#streams.push(stream) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#isBefore(this.#streams[index]!, this.#streams[parent]!)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** Puts the first stream where it belongs after it moved on, or drops it when it is done. */
  settleFirst(): void {
    if (this.#streams[0]!.isDone) {
      const last = this.#streams.pop()!;
      if (this.#streams.length === 0) return;
      this.#streams[0] = last;
    }
    for (let index = 0; ; ) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#streams.length && this.#isBefore(this.#streams[child]!, this.#streams[least]!)) least = child;
      }
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(a: SegmentStream, b: SegmentStream): boolean {
    return compareKeys(a.key, b.key) * this.#direction < 0;
  }

  #swap(a: number, b: number): void {
    [this.#streams[a], this.#streams[b]] = [this.#streams[b]!, this.#streams[a]!];
  }
}

/**
 * Manifest: which segments hold the flushed rows of one scope, and which of their rows are dead.
 *
 *     header │ place of each record │ order by first key, greatest last key up to there │ folders │ records
 *
 * A manifest is the bytes it is stored as: a server holds one for every user who was ever flushed, so it costs the collector nothing and is
 * read in place. Looking for the segments of a key reads no record but theirs.
 * Laws: manifests are immutable; a change makes a new one from a delta, and readers keep the one they took. Over all segments minus dead rows a key
 * occurs at most once. A segment's name is never used again. `batch` only grows. A delta names the version it was made against; applying it to
 * any other is a bug.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {KeyRange} from '../hot/hot.ts';
import type {ScopeKey, Seq} from '../model/names.ts';
import {ByteReader, ByteWriter} from '../std/byte-fields.ts';
import {type Folder, ListedSegment, passName, readName, writeName} from './segment.ts';

/** Where fields of the header lie. Written by `manifest-delta.ts`. */
export const HEADER = {
  lengthAt: 0,
  layoutAt: 4,
  versionAt: 5,
  batchAt: 9,
  flushedThroughAt: 13,
  publishSeqAt: 21,
  createdAtAt: 29,
  updatedAtAt: 35,
  rowsAt: 41,
  deadRowsAt: 47,
  tombstonesAt: 53,
  sizeAt: 59,
  countAt: 65,
  bytes: 69,
} as const;
/** Of the bytes, as this release writes them. */
export const LAYOUT = 1;
/** Going through so few segments costs less than the order of them takes. */
export const UNORDERED_MAX = 16;

/** Up to here a loop is quicker than the call into the runtime. */
const LOOP_BYTES_MAX = 48;

/** Bytes before the folders. */
export function tablesEnd(segmentCount: number): number {
  return HEADER.bytes + 4 * segmentCount * (segmentCount > UNORDERED_MAX ? 3 : 1);
}

export class Manifest {
  readonly scope: ScopeKey;
  readonly #buffer: Buffer;
  readonly #at: number;
  #segments: readonly ListedSegment[] | undefined;
  #folders: readonly Folder[] | undefined;

  /** `buffer` holds the bytes of a manifest from `at` on, and never changes there. */
  constructor(scope: ScopeKey, buffer: Buffer, at: number) {
    this.scope = scope;
    this.#buffer = buffer;
    this.#at = at;
  }

  /** A view. */
  get bytes(): Buffer {
    return this.#buffer.subarray(this.#at, this.#at + this.#buffer.readUInt32LE(this.#at + HEADER.lengthAt));
  }

  /** 0 = nothing was ever flushed; +1 per delta. */
  get version(): number {
    return this.#buffer.readUInt32LE(this.#at + HEADER.versionAt);
  }

  /** Number of the newest batch; -1 before the first. */
  get batch(): number {
    return this.#buffer.readInt32LE(this.#at + HEADER.batchAt);
  }

  /** Every version of this scope with seq ≤ this is in a segment or superseded. */
  get flushedThrough(): Seq {
    return this.#buffer.readBigInt64LE(this.#at + HEADER.flushedThroughAt);
  }

  /** Of the batch that published it. */
  get publishSeq(): Seq {
    return this.#buffer.readBigInt64LE(this.#at + HEADER.publishSeqAt);
  }

  get createdAt(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.createdAtAt, 6);
  }

  get updatedAt(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.updatedAtAt, 6);
  }

  /** Of all segments, dead ones included. */
  get rowCount(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.rowsAt, 6);
  }

  get deadCount(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.deadRowsAt, 6);
  }

  get sizeBytes(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.sizeAt, 6);
  }

  /** Live or not. */
  get tombstoneCount(): number {
    return this.#buffer.readUIntLE(this.#at + HEADER.tombstonesAt, 6);
  }

  get segmentCount(): number {
    return this.#buffer.readUInt32LE(this.#at + HEADER.countAt);
  }

  /** All of them, oldest first. O(segments). */
  get segments(): readonly ListedSegment[] {
    this.#segments ??= Array.from({length: this.segmentCount}, (_, i) => this.segment(i));
    return this.#segments;
  }

  segment(position: number): ListedSegment {
    return new ListedSegment(this.#buffer, this.#recordAt(position), this.scope.incarnation, this.folders);
  }

  /** Those that may hold a key of the range, oldest first. Others are passed over unread. */
  segmentsIn({from, to}: KeyRange): readonly ListedSegment[] {
    if (from === undefined && to === undefined) return this.segments;
    const found: ListedSegment[] = [];
    for (let i = 0; i < this.segmentCount; i++) {
      if (from !== undefined && this.compareLastKey(i, from) < 0) continue;
      if (to === undefined || this.compareFirstKey(i, to) <= 0) found.push(this.segment(i));
    }
    return found;
  }

  /**
   * Positions of the segments whose bounds hold the key, newest first. In order of their first keys they end at the last one that begins at or
   * below the key, and begin behind the nearest one up to which all have ended.
   */
  segmentsOfKey(key: Uint8Array): number[] {
    const {segmentCount} = this;
    const found: number[] = [];
    const addIfInside = (i: number) => {
      if (this.compareFirstKey(i, key) <= 0 && this.compareLastKey(i, key) >= 0) found.push(i);
    };
    if (segmentCount <= UNORDERED_MAX) {
      for (let i = segmentCount - 1; i >= 0; i--) addIfInside(i);
      return found;
    }
    const orderAt = this.#at + HEADER.bytes + 4 * segmentCount;
    const greatestAt = orderAt + 4 * segmentCount;
    const at = (table: number, index: number) => this.#buffer.readUInt32LE(table + 4 * index);
    let low = 0;
    for (let high = segmentCount; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.compareFirstKey(at(orderAt, middle), key) <= 0) low = middle + 1;
      else high = middle;
    }
    for (let index = low - 1; index >= 0 && this.compareLastKey(at(greatestAt, index), key) >= 0; index--) {
      addIfInside(at(orderAt, index));
    }
    return found.sort((a, b) => b - a);
  }

  /** Where they lie. */
  get folders(): readonly Folder[] {
    this.#folders ??= this.#readFolders();
    return this.#folders;
  }

  /** Positions of those of the names that are listed. O(segments), of which next to none is decoded. */
  positionsOf(names: ReadonlySet<string>): Map<string, number> {
    const {incarnation} = this.scope;
    const endings = new Set<number>();
    for (const name of names) {
      const writer = new ByteWriter(64);
      writeName(writer, name, incarnation);
      endings.add(writer.bytes().readUInt16LE(writer.length - 2));
    }
    const positions = new Map<string, number>();
    for (let i = 0; i < this.segmentCount; i++) {
      const reader = this.#factsReader(i);
      reader.pass();
      reader.pass();
      const {at} = reader;
      passName(reader);
      if (!endings.has(this.#buffer.readUInt16LE(reader.at - 2))) continue;
      reader.at = at;
      const name = readName(reader, incarnation);
      if (names.has(name)) positions.set(name, i);
    }
    return positions;
  }

  /** Where a record begins, from the start of all bytes. */
  recordOffset(position: number): number {
    return this.#recordAt(position) - this.#at;
  }

  /** The records of the segments from one position to before another, as they lie there. */
  records(from: number, to: number): Buffer {
    return this.#buffer.subarray(this.#recordAt(from), this.#recordAt(to));
  }

  /** Of a segment's record, what lies behind its dead rows. */
  facts(position: number): Buffer {
    return this.#buffer.subarray(this.#factsReader(position).at, this.#recordAt(position + 1));
  }

  /** Positions in order of first keys, each with the position of the greatest last key up to there; none if there are too few segments for that. */
  order(): {position: number; greatest: number}[] {
    const {segmentCount} = this;
    if (segmentCount <= UNORDERED_MAX) return [];
    const orderAt = this.#at + HEADER.bytes + 4 * segmentCount;
    return Array.from({length: segmentCount}, (_, i) => ({
      position: this.#buffer.readUInt32LE(orderAt + 4 * i),
      greatest: this.#buffer.readUInt32LE(orderAt + 4 * (segmentCount + i)),
    }));
  }

  /** Sign of (first key of the segment − the key). */
  compareFirstKey(position: number, key: Uint8Array): number {
    return this.#compareNext(this.#factsReader(position), key);
  }

  firstKey(position: number): Buffer {
    return this.#factsReader(position).sized();
  }

  lastKey(position: number): Buffer {
    const reader = this.#factsReader(position);
    reader.pass();
    return reader.sized();
  }

  compareLastKey(position: number, key: Uint8Array): number {
    const reader = this.#factsReader(position);
    reader.pass();
    return this.#compareNext(reader, key);
  }

  #compareNext(reader: ByteReader, key: Uint8Array): number {
    const length = reader.varint();
    const {at} = reader;
    const shared = Math.min(length, key.length);
    if (shared > LOOP_BYTES_MAX) return this.#buffer.compare(key, 0, key.length, at, at + length);
    for (let i = 0; i < shared; i++) {
      const difference = this.#buffer[at + i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return length - key.length;
  }

  #factsReader(position: number): ByteReader {
    const reader = new ByteReader(this.#buffer, this.#recordAt(position));
    const deadCount = reader.varint();
    reader.at += 4 * deadCount;
    return reader;
  }

  /** Where it begins; of the position behind the last one, where all end. */
  #recordAt(position: number): number {
    if (position === this.segmentCount) return this.#at + this.#buffer.readUInt32LE(this.#at + HEADER.lengthAt);
    return this.#at + this.#buffer.readUInt32LE(this.#at + HEADER.bytes + 4 * position);
  }

  #readFolders(): Folder[] {
    const reader = new ByteReader(this.#buffer, this.#at + tablesEnd(this.segmentCount));
    const folders: Folder[] = [];
    for (let left = reader.varint(); left > 0; left--) folders.push({storageId: reader.text(), path: reader.text()});
    return folders;
  }
}

/** The manifest whose `bytes` these are. Throws DATA_CORRUPTED on what it cannot read. */
export function manifestOf(scope: ScopeKey, bytes: Buffer): Manifest {
  const isWhole = bytes.length >= HEADER.bytes && bytes.readUInt32LE(HEADER.lengthAt) === bytes.length;
  if (!isWhole || bytes[HEADER.layoutAt] !== LAYOUT)
    throw new DbError('DATA_CORRUPTED', 'A manifest is damaged, or was written by a newer release.');
  return new Manifest(scope, bytes, 0);
}

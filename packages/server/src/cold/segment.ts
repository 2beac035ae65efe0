/**
 * Segment: what a manifest says of one segment file, and the bytes it says it in.
 *
 *     record = dead rows (count as varint, u32 each) │ first key │ last key │ name │ numbers │ statistics
 *
 * Laws: facts of a segment never change, its dead rows only grow. So a record with other dead rows is the same bytes behind them.
 */
import type {Incarnation, Seq} from '../model/names.ts';
import {assert} from '../std/assert.ts';
import {ByteReader, type ByteWriter} from '../std/byte-fields.ts';
import {EMPTY_VECTOR} from './deletion-vector.ts';

/** Smallest and largest value of one column over live and dead rows of a segment; JSON wire form; absent when all are null or too long. */
export interface ColumnStats {
  readonly min?: string;
  readonly max?: string;
  readonly nullCount: number;
}

/** Version of the Parquet layout and of `manifest.json`. */
export const COLD_FORMAT_VERSION = 1;

export interface Segment {
  /** Unique for ever: `batch-<n>-<incarnation>-<ulid>.parquet`, in the scope's folder. */
  readonly name: string;
  /** Path below the storage's base; it ends with the name. */
  readonly path: string;
  readonly storageId: string;
  readonly schemaVersion: number;
  readonly rowCount: number;
  readonly sizeBytes: number;
  /** Of its rows as memory holds them; not kept by release 0.1.0. */
  readonly rowBytes?: number;
  /** CRC-32 of the whole file. */
  readonly checksum: number;
  readonly footerBytes: number;
  readonly minSeq: Seq;
  readonly maxSeq: Seq;
  /** Encoded key bounds (inclusive), as `model/key-codec.ts` gives them. */
  readonly minKey: Uint8Array;
  readonly maxKey: Uint8Array;
  readonly tombstoneCount: number;
  /** By column id. */
  readonly columnStats: Readonly<Record<number, ColumnStats>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Where segments lie: the same for nearly all of a scope, so a manifest holds it once. */
export interface Folder {
  readonly storageId: string;
  readonly path: string;
}

export function folderOf({storageId, path, name}: Pick<Segment, 'storageId' | 'path' | 'name'>): Folder {
  assert(path.endsWith(`/${name}`), 'a path ends with the name of its segment');
  return {storageId, path: path.slice(0, -name.length - 1)};
}

/** A segment as a manifest lists it. Keys are views of the manifest's bytes; what is seldom asked for is read when it is. */
export class ListedSegment implements Segment {
  readonly name: string;
  readonly path: string;
  readonly storageId: string;
  readonly schemaVersion: number;
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly rowBytes?: number;
  readonly checksum: number;
  readonly footerBytes: number;
  readonly minSeq: Seq;
  readonly maxSeq: Seq;
  readonly minKey: Buffer;
  readonly maxKey: Buffer;
  readonly tombstoneCount: number;
  readonly createdAt: number;
  readonly deadCount: number;
  readonly #buffer: Buffer;
  readonly #recordAt: number;
  readonly #deadAt: number;
  readonly #statsAt: number;
  #columnStats: Record<number, ColumnStats> | undefined;
  #dead: Uint32Array | undefined;

  constructor(buffer: Buffer, at: number, incarnation: Incarnation, folders: readonly Folder[]) {
    const reader = new ByteReader(buffer, at);
    this.#buffer = buffer;
    this.#recordAt = at;
    this.deadCount = reader.varint();
    this.#deadAt = reader.at;
    reader.at += 4 * this.deadCount;
    this.minKey = reader.sized();
    this.maxKey = reader.sized();
    this.name = readName(reader, incarnation);
    const folder = folders[reader.varint()]!;
    this.storageId = folder.storageId;
    this.path = `${folder.path}/${this.name}`;
    this.schemaVersion = reader.varint();
    this.rowCount = reader.varint();
    this.tombstoneCount = reader.varint();
    this.sizeBytes = reader.varint();
    this.footerBytes = reader.varint();
    const rowBytes = reader.varint();
    if (rowBytes > 0) this.rowBytes = rowBytes - 1;
    this.checksum = reader.u32();
    this.minSeq = reader.i64();
    this.maxSeq = reader.i64();
    this.createdAt = reader.u48();
    this.#statsAt = reader.at;
  }

  get columnStats(): Readonly<Record<number, ColumnStats>> {
    this.#columnStats ??= readStats(new ByteReader(this.#buffer, this.#statsAt));
    return this.#columnStats;
  }

  /** Positions of the dead rows: sorted, ascending. */
  get dead(): Uint32Array {
    this.#dead ??= readDead(new ByteReader(this.#buffer, this.#recordAt));
    return this.#dead;
  }

  /** O(log dead rows), without reading the others. */
  isDead(position: number): boolean {
    let low = 0;
    let high = this.deadCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.#buffer.readUInt32LE(this.#deadAt + 4 * middle);
      if (found === position) return true;
      if (found < position) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

export function writeDead(writer: ByteWriter, dead: Uint32Array): void {
  writer.varint(dead.length);
  for (const position of dead) writer.u32(position);
}

function readDead(reader: ByteReader): Uint32Array {
  const count = reader.varint();
  return count === 0 ? EMPTY_VECTOR : Uint32Array.from({length: count}, () => reader.u32());
}

/** All of a record but its dead rows. `folder` is the index of its folder in the manifest. */
export function writeFacts(writer: ByteWriter, segment: Segment, incarnation: Incarnation, folder: number): void {
  writer.sized(segment.minKey);
  writer.sized(segment.maxKey);
  writeName(writer, segment.name, incarnation);
  writer.varint(folder);
  writer.varint(segment.schemaVersion);
  writer.varint(segment.rowCount);
  writer.varint(segment.tombstoneCount);
  writer.varint(segment.sizeBytes);
  writer.varint(segment.footerBytes);
  writer.varint(segment.rowBytes === undefined ? 0 : segment.rowBytes + 1);
  writer.u32(segment.checksum);
  writer.i64(segment.minSeq);
  writer.i64(segment.maxSeq);
  writer.u48(segment.createdAt);
  const stats = Object.entries(segment.columnStats);
  writer.varint(stats.length);
  for (const [columnId, {min, max, nullCount}] of stats) {
    writer.varint(Number(columnId));
    writer.varint(nullCount);
    // No fragment of JSON is empty.
    writer.text(min ?? '');
    writer.text(max ?? '');
  }
}

function readStats(reader: ByteReader): Record<number, ColumnStats> {
  const stats: Record<number, ColumnStats> = {};
  for (let left = reader.varint(); left > 0; left--) {
    const columnId = reader.varint();
    const nullCount = reader.varint();
    const min = reader.text();
    const max = reader.text();
    stats[columnId] = {...(min === '' ? {} : {min}), ...(max === '' ? {} : {max}), nullCount};
  }
  return stats;
}

const OTHER_NAME = 0;
const BATCH_NAME = 1;

/** Equal names have equal bytes, of which there are two or more. */
export function writeName(writer: ByteWriter, name: string, incarnation: Incarnation): void {
  const [, batch, life, rest] = /^batch-(0|[1-9]\d{0,8})-(\d+)-(.+)\.parquet$/s.exec(name) ?? [];
  if (batch === undefined || rest === undefined || life !== String(incarnation)) {
    writer.u8(OTHER_NAME);
    writer.text(name);
    return;
  }
  writer.u8(BATCH_NAME);
  writer.varint(Number(batch));
  writer.text(rest);
}

export function readName(reader: ByteReader, incarnation: Incarnation): string {
  if (reader.u8() === OTHER_NAME) return reader.text();
  const batch = reader.varint();
  return `batch-${batch}-${incarnation}-${reader.text()}.parquet`;
}

export function passName(reader: ByteReader): void {
  if (reader.u8() === BATCH_NAME) reader.varint();
  reader.pass();
}

/**
 * Manifest delta: one change of a manifest, and the manifest after it.
 *
 *     bytes of a delta = manifest of the segments added │ names removed │ dead rows of segments that stay
 *
 * Records of segments that stay are copied as they are, so a publish costs a copy of the scope's bytes and the segments it adds.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Incarnation, ScopeKey, Seq, UserId} from '../model/names.ts';
import {assert} from '../std/assert.ts';
import {ByteReader, ByteWriter} from '../std/byte-fields.ts';
import {writeU32} from '../std/bytes.ts';
import {decodeVector, EMPTY_VECTOR, encodeVector, isSortedVector, vectorFromBase64} from './deletion-vector.ts';
import {HEADER, LAYOUT, Manifest, manifestOf, tablesEnd, UNORDERED_MAX} from './manifest.ts';
import {type Folder, folderOf, type Segment, writeDead, writeFacts} from './segment.ts';

/** Segments added and removed, and the whole new vectors of the segments whose dead rows changed. */
export interface ManifestDelta {
  readonly scope: ScopeKey;
  readonly baseVersion: number;
  readonly add: readonly Segment[];
  readonly remove: readonly string[];
  readonly vectors: ReadonlyMap<string, Uint32Array>;
  readonly flushedThrough: Seq;
  readonly batch: number;
  readonly at: number;
  /** Only in checkpoints of release 0.1.0: the delta is a whole manifest of that version, to be applied to the empty one. */
  readonly whole?: {readonly version: number; readonly createdAt: number};
  /** If it was read from bytes: the manifest of the segments added, as they lie there. */
  readonly packed?: Manifest;
}

/** For the first buffer; it grows. */
const RECORD_BYTES = 160;

/** A manifest of nothing: of any scope that was never flushed, or of which no segment is left. */
export function emptyManifest(scope: ScopeKey): Manifest {
  return new Manifest(scope, NOTHING, 0);
}

/** The manifest after a delta that was published at `publishSeq`; the one given stays as it is. Removed segments lose their vectors. */
export function applyDelta(manifest: Manifest, delta: ManifestDelta, publishSeq: Seq): Manifest {
  const {scope} = manifest;
  assert(delta.scope.incarnation === scope.incarnation, 'a delta belongs to one table life');
  assert(delta.scope.owner === scope.owner, 'a delta belongs to one scope');
  // What is empty is forgotten, so whatever follows it may go on counting.
  const isFirst = manifest.version === 0;
  assert(isFirst || delta.baseVersion === manifest.version, 'a delta is applied to the version it was made against');
  assert(delta.batch >= manifest.batch, 'batch numbers only grow');
  assert(delta.flushedThrough >= manifest.flushedThrough, 'flushedThrough only grows');
  const isAllNew = manifest.segmentCount === 0 && delta.remove.length === 0 && delta.vectors.size === 0;
  if (isFirst && isAllNew && delta.packed !== undefined) return firstManifest(delta.packed, publishSeq);
  const packer = new Packer(manifest, delta);
  return packer.pack({
    version: delta.whole?.version ?? delta.baseVersion + 1,
    batch: delta.batch,
    flushedThrough: delta.flushedThrough,
    publishSeq,
    createdAt: delta.whole?.createdAt ?? (isFirst ? delta.at : manifest.createdAt),
    updatedAt: delta.at,
  });
}

/** Nearly every user who was ever flushed was so once since the last checkpoint: the bytes are those of the delta, but for a few fields. */
function firstManifest(packed: Manifest, publishSeq: Seq): Manifest {
  const bytes = Buffer.from(packed.bytes);
  bytes.writeUInt32LE(packed.version + 1, HEADER.versionAt);
  bytes.writeBigInt64LE(publishSeq, HEADER.publishSeqAt);
  return new Manifest(packed.scope, bytes, 0);
}

type Head = Pick<Manifest, 'version' | 'batch' | 'flushedThrough' | 'publishSeq' | 'createdAt' | 'updatedAt'>;

interface Totals {
  rowCount: number;
  deadCount: number;
  tombstoneCount: number;
  sizeBytes: number;
}

class Packer {
  readonly #manifest: Manifest;
  readonly #delta: ManifestDelta;
  readonly #totals: Totals;
  /** Positions of the segments that stay. */
  readonly #kept: number[] = [];
  /** Of those, by position, the dead rows that are new. */
  readonly #vectors = new Map<number, Uint32Array>();

  constructor(manifest: Manifest, delta: ManifestDelta) {
    this.#manifest = manifest;
    this.#delta = delta;
    const {rowCount, deadCount, tombstoneCount, sizeBytes} = manifest;
    this.#totals = {rowCount, deadCount, tombstoneCount, sizeBytes};
    const {add, remove, vectors} = delta;
    const added = new Set(add.map(segment => segment.name));
    const positions = manifest.positionsOf(new Set([...added, ...remove, ...vectors.keys()]));
    assert(added.size === add.length, 'a segment name is never used again');
    for (const name of added) assert(!positions.has(name), `a segment name is never used again: ${name}`);
    const removed = new Set(remove.map(name => positions.get(name)));
    assert(removed.size === remove.length && !removed.has(undefined), 'a delta removes listed segments');
    for (let i = 0; i < manifest.segmentCount; i++) {
      if (removed.has(i)) this.#count(manifest.segment(i), -1);
      else this.#kept.push(i);
    }
    for (const [name, vector] of vectors) {
      if (added.has(name)) continue;
      const position = positions.get(name);
      assert(position !== undefined && !removed.has(position), `a vector belongs to a listed segment: ${name}`);
      const segment = manifest.segment(position);
      checkVector(segment, vector, segment.deadCount);
      this.#vectors.set(position, vector);
      this.#totals.deadCount += vector.length - segment.deadCount;
    }
  }

  pack(head: Head): Manifest {
    const {add} = this.#delta;
    const {scope} = this.#manifest;
    const folders = this.#kept.length === 0 ? [] : [...this.#manifest.folders];
    const folderIndexes = add.map(segment => indexIn(folders, folderOf(segment)));
    const segmentCount = this.#kept.length + add.length;
    const writer = new ByteWriter(this.#manifest.bytes.length + RECORD_BYTES * (add.length + 1));
    const tables = writer.skip(tablesEnd(segmentCount)) + HEADER.bytes;
    writer.varint(folders.length);
    for (const {storageId, path} of folders) {
      writer.text(storageId);
      writer.text(path);
    }
    this.#writeKept(writer, tables);
    for (const [i, segment] of add.entries()) {
      writer.setU32(tables + 4 * (this.#kept.length + i), writer.length);
      this.#writeAdded(writer, segment, folderIndexes[i]!);
    }
    const bytes = writer.bytes();
    writeHeader(bytes, head, this.#totals, segmentCount);
    const packed = new Manifest(scope, bytes, 0);
    if (segmentCount > UNORDERED_MAX) this.#writeOrder(packed, bytes);
    return packed;
  }

  /** Neighbours that stay as they are are copied at once. */
  #writeKept(writer: ByteWriter, tables: number): void {
    for (let i = 0; i < this.#kept.length; ) {
      const from = this.#kept[i]!;
      const vector = this.#vectors.get(from);
      if (vector !== undefined) {
        writer.setU32(tables + 4 * i++, writer.length);
        writeDead(writer, vector);
        writer.raw(this.#manifest.facts(from));
        continue;
      }
      const begin = this.#manifest.recordOffset(from) - writer.length;
      let to = from;
      for (; this.#kept[i] === to && !this.#vectors.has(to); to++) {
        writer.setU32(tables + 4 * i++, this.#manifest.recordOffset(to) - begin);
      }
      writer.raw(this.#manifest.records(from, to));
    }
  }

  #writeAdded(writer: ByteWriter, segment: Segment, folder: number): void {
    const vector = this.#delta.vectors.get(segment.name) ?? EMPTY_VECTOR;
    checkVector(segment, vector, 0);
    this.#count({...segment, deadCount: vector.length}, 1);
    writeDead(writer, vector);
    writeFacts(writer, segment, this.#manifest.scope.incarnation, folder);
  }

  /** Those that stay are in order already, if there were enough of them. */
  #writeOrder(packed: Manifest, bytes: Buffer): void {
    const {segmentCount} = packed;
    const old = this.#manifest.order();
    const isAppended = this.#kept.length === this.#manifest.segmentCount;
    const order = isAppended ? old.map(({position}) => position) : this.#movedOrder(old);
    // Up to the first one that is new, or came closer because others went, all is as it was.
    let changedFrom = isAppended ? order.length : 0;
    for (let position = order.length === 0 ? 0 : this.#kept.length; position < segmentCount; position++) {
      const place = countUpTo(packed, order, packed.firstKey(position));
      changedFrom = Math.min(changedFrom, place);
      order.splice(place, 0, position);
    }
    let greatest = changedFrom === 0 ? order[0]! : old[changedFrom - 1]!.greatest;
    let lastKey = packed.lastKey(greatest);
    const orderAt = HEADER.bytes + 4 * segmentCount;
    for (const [i, position] of order.entries()) {
      if (i >= changedFrom && packed.compareLastKey(position, lastKey) > 0) {
        greatest = position;
        lastKey = packed.lastKey(position);
      }
      writeU32(bytes, orderAt + 4 * i, position);
      writeU32(bytes, orderAt + 4 * (segmentCount + i), i < changedFrom ? old[i]!.greatest : greatest);
    }
  }

  #movedOrder(old: readonly {position: number}[]): number[] {
    const places = new Map(this.#kept.map((position, place) => [position, place]));
    return old.map(({position}) => places.get(position)).filter(place => place !== undefined);
  }

  #count({rowCount, deadCount, tombstoneCount, sizeBytes}: Readonly<Totals>, sign: 1 | -1): void {
    this.#totals.rowCount += sign * rowCount;
    this.#totals.deadCount += sign * deadCount;
    this.#totals.tombstoneCount += sign * tombstoneCount;
    this.#totals.sizeBytes += sign * sizeBytes;
  }
}

function writeHeader(bytes: Buffer, head: Head, totals: Totals, segmentCount: number): void {
  bytes.writeUInt32LE(bytes.length, HEADER.lengthAt);
  bytes.writeUInt8(LAYOUT, HEADER.layoutAt);
  bytes.writeUInt32LE(head.version, HEADER.versionAt);
  bytes.writeInt32LE(head.batch, HEADER.batchAt);
  bytes.writeBigInt64LE(head.flushedThrough, HEADER.flushedThroughAt);
  bytes.writeBigInt64LE(head.publishSeq, HEADER.publishSeqAt);
  bytes.writeUIntLE(head.createdAt, HEADER.createdAtAt, 6);
  bytes.writeUIntLE(head.updatedAt, HEADER.updatedAtAt, 6);
  bytes.writeUIntLE(totals.rowCount, HEADER.rowsAt, 6);
  bytes.writeUIntLE(totals.deadCount, HEADER.deadRowsAt, 6);
  bytes.writeUIntLE(totals.tombstoneCount, HEADER.tombstonesAt, 6);
  bytes.writeUIntLE(totals.sizeBytes, HEADER.sizeAt, 6);
  bytes.writeUInt32LE(segmentCount, HEADER.countAt);
}

function checkVector(segment: Pick<Segment, 'name' | 'rowCount'>, vector: Uint32Array, deadCount: number): void {
  assert(isSortedVector(vector), `a vector is sorted: ${segment.name}`);
  assert((vector.at(-1) ?? -1) < segment.rowCount, `a vector names rows of its segment: ${segment.name}`);
  assert(vector.length >= deadCount, `dead rows stay dead: ${segment.name}`);
}

function indexIn(folders: Folder[], folder: Folder): number {
  const found = folders.findIndex(one => one.storageId === folder.storageId && one.path === folder.path);
  return found < 0 ? folders.push(folder) - 1 : found;
}

/** How many of the positions have a first key at or below the key. */
function countUpTo(manifest: Manifest, order: readonly number[], key: Uint8Array): number {
  let low = 0;
  for (let high = order.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (manifest.compareFirstKey(order[middle]!, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const NOTHING = Buffer.alloc(tablesEnd(0) + 1);
writeHeader(
  NOTHING,
  {version: 0, batch: -1, flushedThrough: 0n, publishSeq: 0n, createdAt: 0, updatedAt: 0},
  {rowCount: 0, deadCount: 0, tombstoneCount: 0, sizeBytes: 0},
  0,
);

/** As a log record holds it, without its scope. */
export function deltaToBytes(delta: ManifestDelta): Buffer {
  const {scope, baseVersion, add, remove, vectors, flushedThrough, batch, at} = delta;
  const names = new Set(add.map(segment => segment.name));
  const [own, others] = [new Map<string, Uint32Array>(), new Map<string, Uint32Array>()];
  for (const [name, vector] of vectors) (names.has(name) ? own : others).set(name, vector);
  const whole = {version: baseVersion, createdAt: at};
  const listing = {scope, baseVersion, add, remove: [], vectors: own, flushedThrough, batch, at, whole};
  const added = applyDelta(emptyManifest(scope), listing, 0n).bytes;
  const writer = new ByteWriter(added.length + RECORD_BYTES);
  writer.raw(added);
  writer.varint(remove.length);
  for (const name of remove) writer.text(name);
  writer.varint(others.size);
  for (const [name, vector] of others) {
    writer.text(name);
    writer.sized(encodeVector(vector));
  }
  return writer.bytes();
}

/** Throws DATA_CORRUPTED on bytes that `deltaToBytes` did not make. */
export function deltaFromBytes(scope: ScopeKey, bytes: Buffer): ManifestDelta {
  try {
    const length = bytes.readUInt32LE(HEADER.lengthAt);
    const packed = manifestOf(scope, bytes.subarray(0, length));
    const reader = new ByteReader(bytes, length);
    const remove = Array.from({length: reader.varint()}, () => reader.text());
    const vectors = new Map<string, Uint32Array>();
    if (packed.deadCount > 0) for (const {name, dead} of packed.segments) vectors.set(name, dead);
    for (let left = reader.varint(); left > 0; left--) vectors.set(reader.text(), decodeVector(reader.sized()));
    const {version: baseVersion, flushedThrough, batch, updatedAt: at} = packed;
    return {
      ...{scope, baseVersion, remove, vectors, flushedThrough, batch, at, packed},
      get add() {
        return packed.segments;
      },
    };
  } catch (cause) {
    throw new DbError('DATA_CORRUPTED', 'A manifest record is damaged.', {cause});
  }
}

/** What release 0.1.0 wrote: one JSON object, seqs as strings, keys as base64url, vectors as base64. Throws DATA_CORRUPTED on other text. */
export function deltaFromJson(text: string): ManifestDelta {
  try {
    const json = JSON.parse(text);
    return {
      scope: {incarnation: json.scope.incarnation as Incarnation, owner: json.scope.owner as UserId | null},
      baseVersion: json.baseVersion,
      add: json.add.map(segmentFromJson),
      remove: json.remove,
      vectors: new Map(Object.entries<string>(json.vectors).map(([name, base64]) => [name, vectorFromBase64(base64)])),
      flushedThrough: BigInt(json.flushedThrough),
      batch: json.batch,
      at: json.at,
      ...(json.whole === undefined ? {} : {whole: json.whole}),
    };
  } catch (cause) {
    throw new DbError('DATA_CORRUPTED', 'A manifest record is damaged.', {cause});
  }
}

type SegmentJson = Omit<Segment, 'minSeq' | 'maxSeq' | 'minKey' | 'maxKey'> &
  Record<'minSeq' | 'maxSeq' | 'minKey' | 'maxKey', string>;

function segmentFromJson(json: SegmentJson): Segment {
  return {
    ...json,
    minSeq: BigInt(json.minSeq),
    maxSeq: BigInt(json.maxSeq),
    minKey: Buffer.from(json.minKey, 'base64url'),
    maxKey: Buffer.from(json.maxKey, 'base64url'),
  };
}

/**
 * Manifest: which segments hold the flushed rows of one scope, and which of their rows are dead.
 *
 * Manifests and vectors are immutable; a change makes a new one from a delta, and readers keep the one they took.
 * Laws: over all segments minus vectors a key occurs at most once. A segment's name is never used again. `batch` only grows. A delta names
 * the version it was made against; applying it to any other is a bug.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Incarnation, ScopeKey, Seq, UserId} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {assert} from '../std/assert.ts';
import {isSortedVector, vectorFromBase64, vectorToBase64} from './deletion-vector.ts';

/** Smallest and largest value of one column over live and dead rows of a segment; JSON wire form; absent when all are null or too long. */
export interface ColumnStats {
  readonly min?: string;
  readonly max?: string;
  readonly nullCount: number;
}

export interface Segment {
  /** Unique for ever: `batch-<n>-<incarnation>-<ulid>.parquet`, in the scope's folder. */
  readonly name: string;
  /** Path below the storage's base. */
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
  /** Encoded key bounds (inclusive), as `model/key-codec.ts` gives them, in base64url. */
  readonly minKey: string;
  readonly maxKey: string;
  readonly tombstoneCount: number;
  /** By column id. */
  readonly columnStats: Readonly<Record<number, ColumnStats>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface Manifest {
  readonly scope: ScopeKey;
  /** 0 = nothing was ever flushed; +1 per delta. */
  readonly version: number;
  readonly segments: readonly Segment[];
  /** Dead row positions by segment name: sorted, ascending. Segments without dead rows have no entry. */
  readonly vectors: ReadonlyMap<string, Uint32Array>;
  /** Every version of this scope with seq ≤ this is in a segment or superseded. */
  readonly flushedThrough: Seq;
  /** Number of the newest batch; -1 before the first. */
  readonly batch: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One change: segments added and removed, and the whole new vectors of the segments whose dead rows changed. */
export interface ManifestDelta {
  readonly scope: ScopeKey;
  readonly baseVersion: number;
  readonly add: readonly Segment[];
  readonly remove: readonly string[];
  readonly vectors: ReadonlyMap<string, Uint32Array>;
  readonly flushedThrough: Seq;
  readonly batch: number;
  readonly at: number;
  /** Only in checkpoints: the delta is a whole manifest of that version, to be applied to the empty one. */
  readonly whole?: {readonly version: number; readonly createdAt: number};
}

/** Version of the Parquet layout and of the JSON forms below. */
export const COLD_FORMAT_VERSION = 1;

export function emptyManifest(scope: ScopeKey): Manifest {
  return {
    scope,
    version: 0,
    segments: [],
    vectors: new Map(),
    flushedThrough: 0n,
    batch: -1,
    createdAt: 0,
    updatedAt: 0,
  };
}

/** The manifest after a delta; the one given stays as it is. Removed segments lose their vectors; an empty vector is dropped. */
export function applyDelta(manifest: Manifest, delta: ManifestDelta): Manifest {
  assert(delta.scope.incarnation === manifest.scope.incarnation, 'a delta belongs to one table life');
  assert(delta.scope.owner === manifest.scope.owner, 'a delta belongs to one scope');
  assert(delta.baseVersion === manifest.version, 'a delta is applied to the version it was made against');
  assert(delta.batch >= manifest.batch, 'batch numbers only grow');
  assert(delta.flushedThrough >= manifest.flushedThrough, 'flushedThrough only grows');

  const removed = new Set(delta.remove);
  const segments = manifest.segments.filter(segment => !removed.has(segment.name));
  assert(segments.length + removed.size === manifest.segments.length, 'a delta removes listed segments');
  const known = new Set(manifest.segments.map(segment => segment.name));
  for (const segment of delta.add) {
    assert(!known.has(segment.name), `a segment name is never used again: ${segment.name}`);
    known.add(segment.name);
    segments.push(segment);
  }

  return {
    scope: manifest.scope,
    version: delta.whole?.version ?? manifest.version + 1,
    segments,
    vectors: vectorsAfter(manifest, delta, segments),
    flushedThrough: delta.flushedThrough,
    batch: delta.batch,
    createdAt: delta.whole?.createdAt ?? (manifest.version === 0 ? delta.at : manifest.createdAt),
    updatedAt: delta.at,
  };
}

function vectorsAfter(
  manifest: Manifest,
  delta: ManifestDelta,
  segments: readonly Segment[],
): Map<string, Uint32Array> {
  const rowCounts = new Map(segments.map(segment => [segment.name, segment.rowCount]));
  const vectors = new Map([...manifest.vectors].filter(([name]) => rowCounts.has(name)));
  for (const [name, vector] of delta.vectors) {
    const rowCount = rowCounts.get(name);
    assert(rowCount !== undefined, `a vector belongs to a listed segment: ${name}`);
    assert(isSortedVector(vector), `a vector is sorted: ${name}`);
    assert((vector.at(-1) ?? -1) < rowCount, `a vector names rows of its segment: ${name}`);
    assert(vector.length >= (vectors.get(name)?.length ?? 0), `dead rows stay dead: ${name}`);
    if (vector.length > 0) vectors.set(name, vector);
  }
  return vectors;
}

/** The whole manifest as one delta from the empty one, for checkpoints. */
export function manifestToDelta(manifest: Manifest): ManifestDelta {
  return {
    scope: manifest.scope,
    baseVersion: 0,
    add: manifest.segments,
    remove: [],
    vectors: manifest.vectors,
    flushedThrough: manifest.flushedThrough,
    batch: manifest.batch,
    at: manifest.updatedAt,
    whole: {version: manifest.version, createdAt: manifest.createdAt},
  };
}

/** One compact JSON object: seqs as strings, vectors as base64. */
export function deltaToJson(delta: ManifestDelta): string {
  return JSON.stringify({
    ...delta,
    add: delta.add.map(segment => ({...segment, minSeq: String(segment.minSeq), maxSeq: String(segment.maxSeq)})),
    vectors: Object.fromEntries([...delta.vectors].map(([name, vector]) => [name, vectorToBase64(vector)])),
    flushedThrough: String(delta.flushedThrough),
  });
}

/** Throws DATA_CORRUPTED on text that `deltaToJson` did not make. */
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

function segmentFromJson(json: Segment & {minSeq: string; maxSeq: string}): Segment {
  return {...json, minSeq: BigInt(json.minSeq), maxSeq: BigInt(json.maxSeq)};
}

/** Text of the `manifest.json` that is mirrored beside the segments for people and other programs; never read back. */
export function manifestJson(manifest: Manifest, schema: Schema): string {
  const json = {
    format_version: COLD_FORMAT_VERSION,
    table_id: {namespace_id: schema.name.namespace, table_name: schema.name.table},
    incarnation: manifest.scope.incarnation,
    user_id: manifest.scope.owner,
    version: manifest.version,
    created_at: manifest.createdAt,
    updated_at: manifest.updatedAt,
    segments: manifest.segments.map(segment => segmentMirror(segment, manifest.vectors.get(segment.name))),
    last_sequence_number: Math.max(0, manifest.batch),
    flushed_through: String(manifest.flushedThrough),
    files: null,
  };
  return JSON.stringify(json, null, 2);
}

/** `min` and `max` are the values' own JSON fragments, spliced in as they are parsed: they are small and few. */
function segmentMirror(segment: Segment, vector: Uint32Array | undefined): object {
  const stats = Object.entries(segment.columnStats).map(([columnId, {min, max, nullCount}]) => [
    columnId,
    {
      min: min === undefined ? null : JSON.parse(min),
      max: max === undefined ? null : JSON.parse(max),
      null_count: nullCount,
      value_count: segment.rowCount - nullCount,
    },
  ]);
  return {
    id: segment.name,
    path: segment.name,
    storage_id: segment.storageId,
    columns_present: Object.keys(segment.columnStats).map(Number),
    column_stats: Object.fromEntries(stats),
    min_key: segment.minKey,
    max_key: segment.maxKey,
    min_seq: String(segment.minSeq),
    max_seq: String(segment.maxSeq),
    row_count: segment.rowCount,
    delete_count: vector?.length ?? 0,
    tombstone_count: segment.tombstoneCount,
    size_bytes: segment.sizeBytes,
    footer_bytes: segment.footerBytes,
    checksum: segment.checksum.toString(16).padStart(8, '0'),
    created_at: segment.createdAt,
    schema_version: segment.schemaVersion,
    status: 'committed',
  };
}

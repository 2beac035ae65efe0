/**
 * Manifest: which segments hold the flushed rows of one scope, and which of their rows are dead.
 *
 * Manifests and vectors are immutable; a change makes a new one from a delta, and readers keep the one they took.
 * Laws: over all segments minus vectors a key occurs at most once. A segment's name is never used again. `batch` only grows. A delta names
 * the version it was made against; applying it to any other is a bug.
 */
import type {ScopeKey, Seq} from '../model/names.ts';

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
}

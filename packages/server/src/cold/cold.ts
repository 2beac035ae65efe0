/**
 * Cold: the door to flushed rows. Segments are Parquet files sorted by primary key; see `manifest.ts` for what is listed.
 *
 * Laws: a segment is read back and compared value by value before anybody is told of it. A listed file that is missing, short or
 * damaged is an error that names it, never skipped. 64-bit integers, decimals and microseconds come back exactly.
 */
import type {KeyRange} from '../hot/hot.ts';
import type {Value} from '../model/datatype.ts';
import type {Seq} from '../model/names.ts';
import type {Row, RowBytes} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import type {Manifest} from './manifest.ts';
import type {ListedSegment, Segment} from './segment.ts';

/** What the query knows that lets segments and row groups be skipped. Skipping is only ever an optimisation. */
export interface ColdFilter {
  readonly keys?: KeyRange;
  /** `column op literal` facts that must hold for every wanted row, by column id. */
  readonly bounds?: readonly {columnId: number; min?: Value; max?: Value}[];
  readonly afterSeq?: Seq;
}

/** A cold row at a known place. Valid until the iteration moves on. */
export interface ColdRow {
  readonly row: Row;
  readonly key: Uint8Array;
  readonly segment: ListedSegment;
  readonly position: number;
}

export interface SegmentSource {
  readonly schema: Schema;
  /** Whole path below the storage's base; `name` is its last part. */
  readonly path: string;
  readonly name: string;
  readonly storageId: string;
  readonly createdAt: number;
  /** In key order, tombstones included. */
  readonly rows: Iterable<{key: Uint8Array; row: RowBytes}>;
  /** Of the rows when packed, if the caller can tell. */
  readonly bytesExpected?: number;
}

export interface Cold {
  /** Encodes off the event loop, puts, reads back, verifies. The caller publishes the result in a log record. */
  writeSegment(source: SegmentSource, signal: AbortSignal): Promise<Segment>;
  /** Live rows (vectors applied; tombstone rows included) of one scope in key order, merged over segments. */
  scan(
    schema: Schema,
    segments: Pick<Manifest, 'segmentCount' | 'segmentsIn'>,
    filter: ColdFilter,
    columns: readonly number[] | undefined,
    reverse: boolean,
  ): AsyncIterable<ColdRow[]>;
  /** The live row of one key (may be a tombstone), or undefined. Prunes by key range and key filter; newest segment first. */
  get(schema: Schema, manifest: Manifest, key: Uint8Array): Promise<ColdRow | undefined>;
  /**
   * Visits the live row (may be a tombstone) of each of the keys that has one, segment by segment. Each row group is read once, so that many
   * keys cost what a scan costs. What `visit` throws ends it.
   */
  visit(
    schema: Schema,
    manifest: Manifest,
    keys: readonly Uint8Array[],
    visit: (keyIndex: number, found: ColdRow) => void,
  ): Promise<void>;
  /** Which of the sorted keys are live in which segment, at which position. For deletion vectors and key checks. */
  locate(
    schema: Schema,
    manifest: Manifest,
    keys: readonly Uint8Array[],
  ): Promise<{keyIndex: number; segment: ListedSegment; position: number; isTombstone: boolean}[]>;
  /** Forgets cached footers of these segments. */
  forget(segmentPaths: readonly string[]): void;
  stats(): {
    cachedFooters: number;
    cacheBytes: number;
    footerHits: number;
    footerMisses: number;
    segmentsPruned: number;
    segmentsRead: number;
  };
}

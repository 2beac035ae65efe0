/**
 * Flush: moves the newest versions of a scope from hot to a new segment, by one published record.
 *
 *     open boundary ─ wait for what is in flight ─ capture hot, B = watermark ─ encode, put, read back ─ look up flagged keys in older
 *     segments ─ scope latch ─ publish { segment, vectors, hot versions ≤ B gone }  ← THE commit point ─ mirror manifest.json
 *
 * Laws: before the publish record is durable nothing has changed; after it everything has. A version written since the boundary opened over a
 * row ≤ B says that it has a cold predecessor, and so does one that was in flight when it opened, since the capture waits for those.
 * At most one flush of a table runs at a time: the job lease sees to that, and the manifest version is checked in the turn of the publish.
 * Tombstones are flushed as rows; `compact.ts` drops them later. Memory is bounded by one segment.
 */
import {unionVectors, vectorOf} from '../cold/deletion-vector.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Segment} from '../cold/segment.ts';
import type {Hot, HotSnapshot} from '../hot/hot.ts';
import type {ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {FLAG_COLD_PREDECESSOR, FLAG_TOMBSTONE, rowFlags} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Latches} from './latches.ts';
import {throwIfOver} from './merge.ts';
import {
  droppedMeanwhile,
  type OutputOptions,
  SEGMENT_BYTES_MAX,
  SEGMENT_ROWS_MAX,
  SegmentOutput,
} from './segment-output.ts';

/** A boundary that no seq reaches: every predecessor counts until the capture says better. */
const OPEN_BOUNDARY = (1n << 63n) - 1n;

export interface FlushOptions extends OutputOptions {
  readonly hot: Hot;
  readonly latches: Latches;
}

export interface ScopeFlush {
  readonly rowsScanned: number;
  readonly rowsWritten: number;
  readonly tombstonesKept: number;
  readonly versionsSuperseded: number;
  readonly files: number;
  readonly bytesWritten: number;
  readonly bytesHotFreed: number;
  readonly boundarySeq: Seq;
  readonly encodeMs: number;
  readonly publishMs: number;
}

/** Flushes one scope. Returns undefined if it had no rows. Throws if the signal fires, a write fails or the table was dropped. */
export async function flushScope(
  options: FlushOptions,
  schema: Schema,
  scope: ScopeKey,
  signal: AbortSignal,
): Promise<ScopeFlush | undefined> {
  const {manifests, commit} = options;
  manifests.openBoundary(scope, OPEN_BOUNDARY);
  try {
    await commit.write({isUrgent: true});
    const boundary = commit.watermark;
    const captured = options.hot.capture(scope, boundary);
    // Of the same turn as the capture: no captured row can be of a newer version than this schema.
    const current = options.current(schema);
    if (current === undefined) throw droppedMeanwhile(schema);
    manifests.openBoundary(scope, boundary);
    if (captured.rowCount === 0) return undefined;
    return await flushCaptured(options, current, scope, captured, boundary, signal);
  } finally {
    manifests.closeBoundary(scope);
  }
}

async function flushCaptured(
  options: FlushOptions,
  schema: Schema,
  scope: ScopeKey,
  captured: HotSnapshot,
  boundary: Seq,
  signal: AbortSignal,
): Promise<ScopeFlush> {
  const {manifests, clock} = options;
  const release = manifests.hold();
  const manifest = manifests.get(scope);
  const output = new SegmentOutput(options, schema, manifest);
  try {
    const started = clock.monotonicMs();
    const written = await writeSegments(output, captured, signal);
    const dead = await deadRows(options, schema, manifest, written.flaggedKeys);
    const encoded = clock.monotonicMs();
    await publish(options, {schema, manifest, output, dead, boundary}, signal);
    await options.mirrors.published(scope);
    return {
      rowsScanned: captured.rowCount,
      rowsWritten: captured.rowCount,
      tombstonesKept: written.tombstones,
      versionsSuperseded: dead.count,
      files: output.segments.length,
      bytesWritten: output.bytes,
      bytesHotFreed: captured.bytes,
      boundarySeq: boundary,
      encodeMs: encoded - started,
      publishMs: clock.monotonicMs() - encoded,
    };
  } catch (error) {
    await output.discardAfter(error);
    throw error;
  } finally {
    release();
  }
}

async function publish(
  options: FlushOptions,
  flushed: {schema: Schema; manifest: Manifest; output: SegmentOutput; dead: DeadRows; boundary: Seq},
  signal: AbortSignal,
): Promise<void> {
  const {manifests, commit, clock, latches, files} = options;
  const {schema, manifest, output, dead, boundary} = flushed;
  const {scope} = manifest;
  const release = await latches.acquireScope(scope);
  try {
    throwIfOver(signal);
    // From here to the append no other code runs: what is checked holds when the record is made.
    if (options.current(schema) === undefined) throw droppedMeanwhile(schema);
    if (manifests.get(scope).version !== manifest.version)
      throw new Error('another flush published while this one ran');
    await commit.write({
      isUrgent: true,
      rows: files.names.announced(dead.emptied),
      removes: files.names.struck(output.segments),
      publish: {
        scope,
        baseVersion: manifest.version,
        add: output.segments,
        remove: dead.emptied.map(segment => segment.name),
        vectors: dead.byName,
        flushedThrough: boundary,
        batch: output.batch,
        at: clock.nowMs(),
      },
    });
  } finally {
    release();
  }
}

interface WrittenRows {
  readonly flaggedKeys: Uint8Array[];
  tombstones: number;
}

async function writeSegments(output: SegmentOutput, captured: HotSnapshot, signal: AbortSignal): Promise<WrittenRows> {
  const written: WrittenRows = {flaggedKeys: [], tombstones: 0};
  const slices = new SliceReader(captured, ({key, row}) => {
    const flags = rowFlags(row);
    if ((flags & FLAG_TOMBSTONE) !== 0) written.tombstones++;
    if ((flags & FLAG_COLD_PREDECESSOR) !== 0) written.flaggedKeys.push(key);
  });
  // What the slabs take for a row is what it takes when packed.
  for (let bytesLeft = captured.bytes; !slices.isAtEnd; bytesLeft = Math.max(0, bytesLeft - SEGMENT_BYTES_MAX)) {
    throwIfOver(signal);
    await output.write({rows: slices.next(), bytesExpected: Math.min(bytesLeft, SEGMENT_BYTES_MAX)}, signal);
  }
  return written;
}

type KeyedRow = {readonly key: Uint8Array; readonly row: RowBytes};

/** Cuts a captured scope into segment-sized slices, in key order. Rows are made as they are taken: lists of them would be work for the collector. */
class SliceReader {
  readonly #rows: Iterator<KeyedRow>;
  readonly #note: (row: KeyedRow) => void;
  #ahead: IteratorResult<KeyedRow>;

  constructor(captured: HotSnapshot, note: (row: KeyedRow) => void) {
    this.#rows = captured.rows()[Symbol.iterator]();
    this.#note = note;
    this.#ahead = this.#rows.next();
  }

  get isAtEnd(): boolean {
    return this.#ahead.done === true;
  }

  /** To be taken to its end before the next one. */
  *next(): Generator<KeyedRow> {
    for (let bytes = 0, count = 0; count < SEGMENT_ROWS_MAX && bytes < SEGMENT_BYTES_MAX; count++) {
      if (this.#ahead.done) return;
      const row = this.#ahead.value;
      bytes += row.row.length;
      this.#note(row);
      yield row;
      this.#ahead = this.#rows.next();
    }
  }
}

interface DeadRows {
  /** New vectors of the segments that hold rows the flushed versions replace. */
  readonly byName: Map<string, Uint32Array>;
  /** Segments of which no row is left. */
  readonly emptied: Segment[];
  readonly count: number;
}

async function deadRows(
  options: FlushOptions,
  schema: Schema,
  manifest: Manifest,
  keys: readonly Uint8Array[],
): Promise<DeadRows> {
  const dead: DeadRows = {byName: new Map(), emptied: [], count: 0};
  if (keys.length === 0 || manifest.segmentCount === 0) return dead;
  const located = await options.cold.locate(schema, manifest, keys);
  for (const [segment, rows] of Map.groupBy(located, row => row.segment)) {
    const positions = vectorOf(rows.map(row => row.position));
    const vector = unionVectors(segment.dead, positions);
    if (vector.length === segment.rowCount) dead.emptied.push(segment);
    else dead.byName.set(segment.name, vector);
  }
  return {...dead, count: located.length};
}

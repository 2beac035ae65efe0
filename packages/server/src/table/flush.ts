/**
 * Flush: moves the newest versions of a scope from hot to a new segment, by one published record.
 *
 *     open boundary ─ wait for what is in flight ─ capture hot, B = watermark ─ encode, put, read back ─ look up flagged keys in older
 *     segments ─ publish { segment, vectors, hot versions ≤ B gone }  ← THE commit point ─ mirror manifest.json
 *
 * Laws: before the publish record is durable nothing has changed; after it everything has. A version written since the boundary opened over a
 * row ≤ B says that it has a cold predecessor, and so does one that was in flight when it opened, since the capture waits for those.
 * At most one flush of a table runs at a time: the job lease sees to that, and the manifest version is checked in the turn of the publish.
 * Tombstones are flushed as rows. Memory is bounded by one segment.
 */
import type {Blob} from '../blob/blob.ts';
import type {Cold} from '../cold/cold.ts';
import {EMPTY_VECTOR, liveCount, unionVectors, vectorOf} from '../cold/deletion-vector.ts';
import {type Manifest, manifestJson, type Segment} from '../cold/manifest.ts';
import type {Hot, HotSnapshot} from '../hot/hot.ts';
import type {ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {FLAG_COLD_PREDECESSOR, FLAG_TOMBSTONE, rowFlags} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import type {Commit} from './commit.ts';
import type {Files, StoredFile} from './files.ts';
import type {Manifests} from './manifests.ts';
import {throwIfOver} from './merge.ts';

/** Limits of one segment; a larger scope becomes several, published together. */
const SEGMENT_ROWS_MAX = 65_536;
const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;
/** A boundary that no seq reaches: every predecessor counts until the capture says better. */
const OPEN_BOUNDARY = (1n << 63n) - 1n;

export interface FlushPlace {
  readonly storageId: string;
  /** Folder of the scope below the storage's base. */
  readonly folder: string;
}

export interface FlushOptions {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly commit: Commit;
  readonly manifests: Manifests;
  readonly clock: Clock;
  readonly blobOf: (storageId: string) => Blob;
  readonly placeOf: (schema: Schema, scope: ScopeKey) => FlushPlace;
  readonly nextUlid: () => string;
  /** The table's schema now, or undefined once it was dropped. */
  readonly current: (schema: Schema) => Schema | undefined;
  readonly files: Files;
  readonly warn: (text: string) => void;
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
    const captured = options.hot.snapshot(scope);
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
  const begun: StoredFile[] = [];
  let isPublishing = false;
  try {
    const manifest = manifests.get(scope);
    const started = clock.monotonicMs();
    const written = await writeSegments(options, schema, scope, {manifest, captured, begun}, signal);
    const vectors = await deadRows(options, schema, manifest, written.flaggedKeys);
    const encoded = clock.monotonicMs();
    throwIfOver(signal);
    // From here to the append no other code runs: what is checked holds when the record is made.
    if (options.current(schema) === undefined) throw droppedMeanwhile(schema);
    if (manifests.get(scope).version !== manifest.version)
      throw new Error('another flush published while this one ran');
    isPublishing = true;
    const {names} = options.files;
    await options.commit.write({
      isUrgent: true,
      rows: names.announced(vectors.emptied),
      removes: names.struck(written.segments),
      publish: {
        scope,
        baseVersion: manifest.version,
        add: written.segments,
        remove: vectors.emptied.map(segment => segment.name),
        vectors: vectors.byName,
        flushedThrough: boundary,
        batch: manifest.batch + written.segments.length,
        at: clock.nowMs(),
      },
    });
    await mirror(options, schema, scope);
    return {
      rowsScanned: captured.rowCount,
      rowsWritten: captured.rowCount,
      tombstonesKept: written.tombstones,
      versionsSuperseded: vectors.count,
      files: written.segments.length,
      bytesWritten: written.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0),
      bytesHotFreed: captured.bytes,
      boundarySeq: boundary,
      encodeMs: encoded - started,
      publishMs: clock.monotonicMs() - encoded,
    };
  } catch (error) {
    // A publish that failed may still be in the log; before it nobody can know the files.
    if (!isPublishing) await discard(options, begun);
    throw error;
  } finally {
    release();
  }
}

async function discard({files, warn}: FlushOptions, begun: readonly StoredFile[]): Promise<void> {
  await files
    .delete(begun)
    .catch(error =>
      warn(`Files of a flush that failed were not deleted and wait for the next start: ${String(error)}`),
    );
}

interface WrittenSegments {
  readonly segments: Segment[];
  readonly flaggedKeys: Uint8Array[];
  tombstones: number;
}

async function writeSegments(
  options: FlushOptions,
  schema: Schema,
  scope: ScopeKey,
  {manifest, captured, begun}: {manifest: Manifest; captured: HotSnapshot; begun: StoredFile[]},
  signal: AbortSignal,
): Promise<WrittenSegments> {
  const {storageId, folder} = options.placeOf(schema, scope);
  const slices = new SliceReader(captured);
  const written: WrittenSegments = {segments: [], flaggedKeys: [], tombstones: 0};
  for (let rows = slices.next(); rows.length > 0; rows = slices.next()) {
    throwIfOver(signal);
    const name = `batch-${manifest.batch + 1 + written.segments.length}-${scope.incarnation}-${options.nextUlid()}.parquet`;
    const path = `${folder}/${name}`;
    await options.files.announce([{storageId, path}]);
    begun.push({storageId, path});
    for (const {key, row} of rows) {
      const flags = rowFlags(row);
      if ((flags & FLAG_TOMBSTONE) !== 0) written.tombstones++;
      if ((flags & FLAG_COLD_PREDECESSOR) !== 0) written.flaggedKeys.push(key);
    }
    written.segments.push(
      await options.cold.writeSegment({schema, path, name, storageId, createdAt: options.clock.nowMs(), rows}, signal),
    );
  }
  return written;
}

/** Cuts a captured scope into segment-sized slices, in key order. */
class SliceReader {
  readonly #rows: Iterator<{key: Uint8Array; row: RowBytes}>;

  constructor(captured: HotSnapshot) {
    this.#rows = captured.rows()[Symbol.iterator]();
  }

  next(): {key: Uint8Array; row: RowBytes}[] {
    const slice: {key: Uint8Array; row: RowBytes}[] = [];
    for (let bytes = 0; slice.length < SEGMENT_ROWS_MAX && bytes < SEGMENT_BYTES_MAX; ) {
      const step = this.#rows.next();
      if (step.done) break;
      slice.push({key: step.value.key, row: step.value.row});
      bytes += step.value.row.length;
    }
    return slice;
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
  if (keys.length === 0 || manifest.segments.length === 0) return dead;
  const located = await options.cold.locate(schema, manifest, keys);
  for (const [segment, rows] of Map.groupBy(located, row => row.segment)) {
    const positions = vectorOf(rows.map(row => row.position));
    const vector = unionVectors(manifest.vectors.get(segment.name) ?? EMPTY_VECTOR, positions);
    if (liveCount(segment.rowCount, vector) === 0) dead.emptied.push(segment);
    else dead.byName.set(segment.name, vector);
  }
  return {...dead, count: located.length};
}

/** manifest.json is for people and tools: the log is the truth, so a failure here is a warning and the next flush writes it anew. */
async function mirror(options: FlushOptions, schema: Schema, scope: ScopeKey): Promise<void> {
  const {storageId, folder} = options.placeOf(schema, scope);
  const text = manifestJson(options.manifests.get(scope), schema);
  try {
    await options.blobOf(storageId).replace(`${folder}/manifest.json`, Buffer.from(text));
  } catch (error) {
    options.warn(`manifest.json of ${folder} was not written: ${String(error)}`);
  }
}

function droppedMeanwhile({name}: Schema): Error {
  return new Error(`table ${name.namespace}.${name.table} was dropped during its flush`);
}

/**
 * Compact: rewrites segments of one scope as fewer, without the rows that nobody needs, by one published record.
 *
 *     merge of the live rows, in key order ─ slices of a segment's size: encode, put, read back ─ publish { add, remove }  ← THE commit point
 *     ─ mirror manifest.json                                             the files replaced: announced in the same batch, see `files.ts`
 *
 * What it drops: rows that vectors call dead, and tombstones whose retention is over. A live tombstone is, like any live row, the only one of its
 * key in all segments (rows it replaced are dead by their vectors), so no key comes back when it goes. A hot version over it loses nothing but
 * a look-up: its flush finds no row to call dead.
 * Laws: hot rows and `flushedThrough` stay as they are, and for every key the live row stays the same but for tombstones; so writers that looked
 * at segments beforehand may go on, and positions are free to change. Vectors change by flush and compaction only, and at most one of both works on
 * a table: the job lease sees to that, and the manifest version is checked in the turn of the publish. Readers keep the manifest they took, with
 * its files. Memory is bounded by a row group per segment read and one segment written.
 */
import type {ColdRow} from '../cold/cold.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {ListedSegment} from '../cold/segment.ts';
import type {ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {encodeRow, FLAG_TOMBSTONE, setRowSeq} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {WriteRow} from './commit.ts';
import {filesOf} from './manifests.ts';
import {throwIfOver} from './merge.ts';
import {droppedMeanwhile, type OutputOptions, SEGMENT_ROWS_MAX, SegmentOutput} from './segment-output.ts';

/** The loop gets a turn after so many rows are read and encoded. */
const ROWS_PER_BREATH = 128;

export interface GroupRequest {
  readonly scope: ScopeKey;
  /** Listed in the scope's manifest. */
  readonly segments: readonly ListedSegment[];
  /** A segment is cut when its rows have so many bytes. */
  readonly segmentBytes: number;
  /** Tombstones below this are dropped. */
  readonly tombstonesBefore: Seq;
}

export interface GroupCompaction {
  readonly filesRead: number;
  readonly filesWritten: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly rowsDropped: number;
  readonly tombstonesDropped: number;
  readonly tombstonesKept: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly encodeMs: number;
  readonly publishMs: number;
}

/** Rewrites one group of segments. Throws if the signal fires, a read or write fails or the table was dropped; then nothing has changed. */
export async function compactGroup(
  options: OutputOptions,
  table: Schema,
  request: GroupRequest,
  signal: AbortSignal,
): Promise<GroupCompaction> {
  const {manifests, clock} = options;
  const {scope, segments} = request;
  const schema = options.current(table);
  if (schema === undefined) throw droppedMeanwhile(table);
  const release = manifests.hold();
  const manifest = manifests.get(scope);
  const output = new SegmentOutput(options, schema, manifest);
  try {
    const started = clock.monotonicMs();
    const merged = await writeMerged(options, schema, request, output, signal);
    const encoded = clock.monotonicMs();
    throwIfOver(signal);
    const marks = merged.tombstonesDropped > 0 ? [options.tombstoneMark(schema, merged.droppedThrough)] : [];
    await publish(options, schema, manifest, {replaced: segments, output, marks});
    await options.mirrors.published(scope);
    const rowsRead = segments.reduce((sum, segment) => sum + segment.rowCount, 0);
    return {
      filesRead: segments.length,
      filesWritten: output.segments.length,
      rowsRead,
      rowsDropped: rowsRead - merged.rows - merged.tombstonesDropped,
      rowsWritten: merged.rows,
      tombstonesDropped: merged.tombstonesDropped,
      tombstonesKept: merged.tombstonesKept,
      bytesRead: segments.reduce((sum, segment) => sum + segment.sizeBytes, 0),
      bytesWritten: output.bytes,
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

/** Synchronous up to the append: what is checked holds when the record is made. */
async function publish(
  options: OutputOptions,
  schema: Schema,
  manifest: Manifest,
  {replaced, output, marks}: {replaced: readonly ListedSegment[]; output: SegmentOutput; marks: readonly WriteRow[]},
): Promise<void> {
  const {scope, version, flushedThrough} = manifest;
  if (options.current(schema) === undefined) throw droppedMeanwhile(schema);
  if (options.manifests.get(scope).version !== version) throw new Error('a flush published while a compaction ran');
  const {names} = options.files;
  const isLast = output.segments.length === 0 && replaced.length === manifest.segmentCount;
  await options.commit.write({
    isUrgent: true,
    rows: [...names.announced(isLast ? filesOf(manifest) : replaced), ...marks],
    removes: names.struck(output.segments),
    publish: {
      scope,
      baseVersion: version,
      add: output.segments,
      remove: replaced.map(segment => segment.name),
      vectors: new Map(),
      flushedThrough,
      batch: output.batch,
      at: options.clock.nowMs(),
    },
  });
}

interface Merged {
  rows: number;
  tombstonesKept: number;
  tombstonesDropped: number;
  /** The newest seq among the dropped ones. */
  droppedThrough: Seq;
}

async function writeMerged(
  {cold}: OutputOptions,
  schema: Schema,
  {segments, segmentBytes, tombstonesBefore}: GroupRequest,
  output: SegmentOutput,
  signal: AbortSignal,
): Promise<Merged> {
  const merged: Merged = {rows: 0, tombstonesKept: 0, tombstonesDropped: 0, droppedThrough: 0n};
  let slice: {key: Uint8Array; row: RowBytes}[] = [];
  let bytes = 0;
  let unbroken = 0;
  const group = {segmentCount: segments.length, segmentsIn: () => segments};
  for await (const batch of cold.scan(schema, group, {}, undefined, false)) {
    for (const found of batch) {
      if (++unbroken % ROWS_PER_BREATH === 0) await breathe(signal);
      if (found.row.isTombstone && found.row.seq < tombstonesBefore) {
        merged.tombstonesDropped++;
        if (found.row.seq > merged.droppedThrough) merged.droppedThrough = found.row.seq;
        continue;
      }
      if (found.row.isTombstone) merged.tombstonesKept++;
      merged.rows++;
      const row = rowBytes(schema, found);
      slice.push({key: found.key, row});
      bytes += row.length;
      if (slice.length < SEGMENT_ROWS_MAX && bytes < segmentBytes) continue;
      await output.write({rows: slice}, signal);
      slice = [];
      bytes = 0;
    }
  }
  throwIfOver(signal);
  if (slice.length > 0) await output.write({rows: slice}, signal);
  return merged;
}

async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve));
  throwIfOver(signal);
}

/** The row as memory would hold it, in today's columns. A tombstone keeps what its row held. */
function rowBytes(schema: Schema, {row}: ColdRow): RowBytes {
  const {isTombstone, seq} = row;
  const values = schema.columns.map((_, i) => row.value(i));
  const buffer = encodeRow(schema, values, isTombstone ? FLAG_TOMBSTONE : 0);
  setRowSeq(buffer, 0, seq);
  return {buffer, offset: 0, length: buffer.length};
}

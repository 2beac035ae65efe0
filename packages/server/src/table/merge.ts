/**
 * Merge: one scope at one moment, newest version of each key, hot over cold, in key order.
 *
 *     segments − vectors − keys that are hot   ∪   hot
 *
 * Laws: hot is captured whole in the turn the snapshot is taken, together with the manifest; nothing later changes what is seen. A hot
 * tombstone hides its cold row. Cold rows may be skipped by bounds on other columns, hot rows never: they shadow by key alone.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Cold, ColdFilter} from '../cold/cold.ts';
import type {Manifest} from '../cold/manifest.ts';
import {pruneReason} from '../cold/prune.ts';
import type {HotSnapshot, KeyRange} from '../hot/hot.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {Row, RowBytes} from '../model/row.ts';
import {RowView} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {ScanRequest, TableParts, TableSnapshot} from './table.ts';

/** A scan gives the loop back after so many rows. */
const ROWS_PER_BREATH = 8192;
const HOT_BLOCK_ROWS = 512;

export type SchemaOf = (version: number) => Schema;

export function openSnapshot(options: {
  schema: Schema;
  schemaOf: SchemaOf;
  hot: HotSnapshot;
  cold: Cold;
  manifest: Manifest;
  release: () => void;
}): TableSnapshot {
  const {schema, schemaOf, hot, cold, manifest} = options;
  const view = new RowView(schema, schemaOf);
  return {
    schema,
    get coldRowCount() {
      return coldRowCount(manifest);
    },
    point(key, includeTombstones) {
      const found = hot.get(key);
      if (found !== undefined) return visible(view.at(found), includeTombstones);
      if (manifest.segmentCount === 0) return undefined;
      return cold
        .get(schema, manifest, key)
        .then(row => (row === undefined ? undefined : visible(row.row, includeTombstones)));
    },
    scan(request, visit, signal) {
      if (manifest.segmentCount === 0) return scanHot({schema, schemaOf, hot, view}, request, visit, signal);
      return scanMerged({schema, schemaOf, hot, cold, manifest}, request, visit, signal);
    },
    describe(request) {
      const filter = filterOf(request);
      const segments = manifest.segments.map(segment => ({
        name: segment.name,
        rowCount: segment.rowCount,
        pruned: pruneReason(segment, filter, schema, schemaOf(segment.schemaVersion)),
      }));
      return {hotRows: hot.rowCount, coldRows: coldRowCount(manifest), segments};
    },
    parts: () => partsOf(schema, schemaOf, hot, manifest),
    close: options.release,
  };
}

function coldRowCount({rowCount, deadCount}: Manifest): number {
  return rowCount - deadCount;
}

function partsOf(schema: Schema, schemaOf: SchemaOf, hot: HotSnapshot, manifest: Manifest): TableParts {
  const byName = new Map(manifest.segments.map(segment => [segment.name, segment]));
  return {
    versions: Array.from({length: schema.version}, (_, i) => schemaOf(i + 1)),
    hotRowCount: hot.rowCount,
    hot: range => hot.rows(range),
    segments: manifest.segments.map(({name, storageId, path, schemaVersion, rowCount, checksum, dead}) => {
      return {name, storageId, path, schemaVersion, rowCount, checksum, dead};
    }),
    pruned: (part, filter) => pruneReason(byName.get(part.name)!, filter, schema, schemaOf(part.schemaVersion)),
  };
}

function filterOf({keys, bounds, afterSeq}: Pick<ScanRequest, 'keys' | 'bounds' | 'afterSeq'>): ColdFilter {
  return {keys, ...(bounds === undefined ? {} : {bounds}), ...(afterSeq === undefined ? {} : {afterSeq})};
}

function visible(row: Row, includeTombstones: boolean): Row | undefined {
  return row.isTombstone && !includeTombstones ? undefined : row;
}

/** Rows in memory alone: a short scan is done at once. */
function scanHot(
  source: {schema: Schema; schemaOf: SchemaOf; hot: HotSnapshot; view: RowView},
  request: ScanRequest,
  visit: (row: Row) => boolean,
  signal: AbortSignal,
): void | Promise<void> {
  const {hot} = source;
  if (hot.rowCount > ROWS_PER_BREATH) return scanHotInSlices(source, request, visit, signal);
  scanHotSlice(hot, source.view, request, visit);
}

async function scanHotInSlices(
  {schema, schemaOf, hot}: {schema: Schema; schemaOf: SchemaOf; hot: HotSnapshot},
  request: ScanRequest,
  visit: (row: Row) => boolean,
  signal: AbortSignal,
): Promise<void> {
  // Another scan of the snapshot may move the shared view between slices.
  const view = new RowView(schema, schemaOf);
  let {keys} = request;
  for (let isFirst = true; ; isFirst = false) {
    const next = scanHotSlice(hot, view, {...request, keys}, visit, isFirst ? 0 : 1);
    if (next === undefined) return;
    await breathe(signal);
    keys = request.isReverse ? {...keys, to: next} : {...keys, from: next};
  }
}

/** Shows rows until `visit` has enough or the slice is full; then answers the key of the last one, where the next slice begins: `skip` 1. */
function scanHotSlice(
  hot: HotSnapshot,
  view: RowView,
  request: ScanRequest,
  visit: (row: Row) => boolean,
  skip = 0,
): Uint8Array | undefined {
  const {includeTombstones} = request;
  let [count, isEnough] = [0, false];
  const stopped = hot.scan(request.keys, request.isReverse, bytes => {
    count++;
    if (count <= skip) return true;
    const row = view.at(bytes);
    if (row.isTombstone && !includeTombstones) return count < ROWS_PER_BREATH;
    isEnough = !visit(row);
    return !isEnough && count < ROWS_PER_BREATH;
  });
  return isEnough ? undefined : stopped;
}

async function scanMerged(
  source: {schema: Schema; schemaOf: SchemaOf; hot: HotSnapshot; cold: Cold; manifest: Manifest},
  request: ScanRequest,
  visit: (row: Row) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const view = new RowView(source.schema, source.schemaOf);
  const direction = request.isReverse ? -1 : 1;
  const cursor = new HotCursor(source.hot, request.keys, request.isReverse);
  const breath = new Breath(signal);
  const show = (row: Row): boolean => (row.isTombstone && !request.includeTombstones ? true : visit(row));
  const {schema, manifest} = source;
  for await (const batch of source.cold.scan(schema, manifest, filterOf(request), request.columns, request.isReverse)) {
    for (const cold of batch) {
      for (; cursor.key !== undefined; cursor.next()) {
        const order = compareKeys(cursor.key, cold.key) * direction;
        if (order > 0) break;
        if (breath.isDue()) await breath.take();
        if (!show(view.at(cursor.row))) return;
        if (order === 0) break;
      }
      const isShadowed = cursor.key !== undefined && compareKeys(cursor.key, cold.key) === 0;
      if (isShadowed) cursor.next();
      else if (!show(cold.row)) return;
    }
    await breath.take();
  }
  for (; cursor.key !== undefined; cursor.next()) {
    if (breath.isDue()) await breath.take();
    if (!show(view.at(cursor.row))) return;
  }
}

/** Walks a hot snapshot in either direction, a block at a time, so that the walk can pause between rows. */
export class HotCursor {
  readonly #hot: HotSnapshot;
  readonly #isReverse: boolean;
  #range: KeyRange;
  #block: {key: Uint8Array; row: RowBytes}[] = [];
  #at = 0;
  #isLast = false;

  constructor(hot: HotSnapshot, range: KeyRange, isReverse: boolean) {
    this.#hot = hot;
    this.#range = range;
    this.#isReverse = isReverse;
    this.#fill(undefined);
  }

  get key(): Uint8Array | undefined {
    return this.#block[this.#at]?.key;
  }

  get row(): RowBytes {
    return this.#block[this.#at]!.row;
  }

  next(): void {
    this.#at++;
    if (this.#at === this.#block.length && !this.#isLast) this.#fill(this.#block[this.#at - 1]!.key);
  }

  #fill(after: Uint8Array | undefined): void {
    if (after !== undefined)
      this.#range = this.#isReverse ? {...this.#range, to: after} : {...this.#range, from: after};
    const block: {key: Uint8Array; row: RowBytes}[] = [];
    this.#hot.scan(this.#range, this.#isReverse, (row, key) => {
      // Bounds are inclusive: the row the last block ended with comes first again.
      if (after !== undefined && block.length === 0 && compareKeys(key, after) === 0) return true;
      block.push({
        key: Uint8Array.prototype.slice.call(key),
        row: {buffer: row.buffer, offset: row.offset, length: row.length},
      });
      return block.length < HOT_BLOCK_ROWS;
    });
    this.#block = block;
    this.#at = 0;
    this.#isLast = block.length < HOT_BLOCK_ROWS;
  }
}

/** Gives the event loop a turn now and then, and ends the scan when its statement is over. */
class Breath {
  readonly #signal: AbortSignal;
  #rows = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  isDue(): boolean {
    return ++this.#rows % ROWS_PER_BREATH === 0;
  }

  take(): Promise<void> {
    return breathe(this.#signal);
  }
}

async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise(resolve => setImmediate(resolve));
  throwIfOver(signal);
}

export function throwIfOver(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof DbError) throw signal.reason;
  throw new DbError('STATEMENT_TIMEOUT', 'The statement was stopped.');
}

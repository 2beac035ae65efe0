/**
 * Rows: the query doors of `table.ts`, made of hot, cold, latches and the commit door.
 *
 *     write:  latch the keys ─ newest version of each, hot else cold ─ decide ─ [ check the manifest again ─ append ] ─ durable ─ unlatch
 *                                                                             └ one synchronous turn ┘
 * Laws: a version written over a row that is (or, by an open flush, will be) in a segment carries `hasColdPredecessor`, so that its own
 * flush can mark that row dead; a false yes costs a look-up, a missed one would resurrect rows. What was read from segments is valid only
 * until the next flush of the scope publishes; else it is read again. A compaction in between moves rows and changes none. Whoever read three times in
 * vain takes the scope latch, without which no flush publishes: nobody starves beside flushes, or is refused because of them.
 * The signal is looked at in the turn of the append: nobody hears that it was too late and finds the write made nevertheless.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Cold} from '../cold/cold.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Hot} from '../hot/hot.ts';
import type {MemoryBudget} from '../hot/memory-budget.ts';
import type {Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type Incarnation, type ScopeKey, scopeId, tableText} from '../model/names.ts';
import type {Row, RowBytes} from '../model/row.ts';
import {
  encodeRow,
  FLAG_COLD_PREDECESSOR,
  FLAG_TOMBSTONE,
  RowView,
  rowFlags,
  rowSeq,
  setRowFlags,
  setRowSeq,
} from '../model/row-codec.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import {valueText} from '../model/values.ts';
import type {Commit, WriteRow} from './commit.ts';
import type {Latches} from './latches.ts';
import type {Manifests} from './manifests.ts';
import {openSnapshot, throwIfOver} from './merge.ts';
import type {Streams} from './streams.ts';
import type {Change, ScanRequest, TableSnapshot, Tables} from './table.ts';

/** So often a write reads segments beside flushes that publish; then they wait for it. */
const READS_BESIDE_FLUSHES = 3;
const KEYS_PER_BREATH = 4096;

export interface RowsOptions {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly commit: Commit;
  readonly manifests: Manifests;
  readonly latches: Latches;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  /** The schema of a living table, or undefined. */
  readonly current: (incarnation: Incarnation) => Schema | undefined;
  readonly memory: MemoryBudget;
  readonly streams: Streams;
  /** Is somebody told of the changes of this table life, and of the rows they replace? */
  readonly isWatched: (incarnation: Incarnation) => boolean;
}

export function createTables(options: RowsOptions): Tables {
  return {
    snapshot: (scope, schema) => snapshot(options, scope, schema),
    insert: (scope, schema, rows, signal) => insert(options, scope, schema, rows, signal),
    change: (scope, schema, request, change, signal) => changeRows(options, scope, schema, request, change, signal),
  };
}

function snapshot(options: RowsOptions, scope: Scope, schema: Schema): TableSnapshot {
  checkCurrent(options, schema);
  if (!TABLE_KINDS[schema.kind].isDurable) return options.streams.snapshot(scope, schema);
  return openSnapshot({
    scope,
    schema,
    schemaOf: version => options.schemaOf(schema.incarnation, version),
    hot: options.hot,
    cold: options.cold,
    manifest: options.manifests.get(scope),
    release: options.manifests.hold(),
  });
}

async function insert(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  rows: readonly (readonly Value[])[],
  signal: AbortSignal,
): Promise<number> {
  if (rows.length === 0) return 0;
  if (!TABLE_KINDS[schema.kind].isDurable) {
    checkCurrent(options, schema);
    options.memory.check();
    return options.streams.insert(scope, schema, rows);
  }
  const key = schema.columns[schema.primaryKey]!;
  const keys = rows.map(row => encodeKey(key.type, row[schema.primaryKey]!));
  const ids = latchIds(keys);
  if (rows.length > 1) checkDistinct(schema, rows, ids);
  const acquired = options.latches.acquire(scopeId(scope), ids);
  const release = typeof acquired === 'function' ? acquired : await acquired;
  try {
    const lookUp = (manifest: Manifest) =>
      manifest.segmentCount === 0
        ? NOTHING_COLD
        : held(options, () => lookUpCold(options, scope, schema, manifest, keys));
    return await onceSettled(options, scope, lookUp, async cold => {
      throwIfOver(signal);
      checkCurrent(options, schema);
      options.memory.check();
      const batch = rows.map((values, i) => newRow(options, scope, schema, values, keys[i]!, cold.get(i)));
      await options.commit.write({rows: batch});
      return rows.length;
    });
  } finally {
    release();
  }
}

/** Calls `append` with what `read` found in segments, in a turn in which that still holds unless the table is gone. */
async function onceSettled<T>(
  {manifests, latches}: RowsOptions,
  scope: ScopeKey,
  read: (manifest: Manifest) => T | Promise<T>,
  append: (found: T) => Promise<number>,
): Promise<number> {
  for (let reads = 0; reads < READS_BESIDE_FLUSHES; reads++) {
    const manifest = manifests.get(scope);
    const reading = read(manifest);
    const found = reading instanceof Promise ? await reading : reading;
    // See the law of `manifests.ts` on `flushedThrough`.
    if (manifests.get(scope).flushedThrough === manifest.flushedThrough) return append(found);
  }
  const release = await latches.acquireScope(scope);
  try {
    return await append(await read(manifests.get(scope)));
  } finally {
    release();
  }
}

/** A write reads segments as a reader does: what is replaced meanwhile keeps its files until it has read them. */
async function held<T>({manifests}: RowsOptions, read: () => Promise<T>): Promise<T> {
  const release = manifests.hold();
  try {
    return await read();
  } finally {
    release();
  }
}

/** What segments say of a key: a live row, or a tombstone row. */
type ColdState = 'live' | 'tombstone';
const NOTHING_COLD: ReadonlyMap<number, ColdState> = new Map();

/** Looks up those keys that are not hot. Index in `keys` → what segments hold. */
async function lookUpCold(
  options: RowsOptions,
  scope: ScopeKey,
  schema: Schema,
  manifest: Manifest,
  keys: readonly Uint8Array[],
): Promise<Map<number, ColdState>> {
  const wanted = keys.map((_, i) => i).filter(i => options.hot.get(scope, keys[i]!) === undefined);
  wanted.sort((a, b) => Buffer.compare(keys[a]!, keys[b]!));
  const found = new Map<number, ColdState>();
  if (wanted.length === 0) return found;
  const located = await options.cold.locate(
    schema,
    manifest,
    wanted.map(i => keys[i]!),
  );
  for (const {keyIndex, isTombstone} of located) found.set(wanted[keyIndex]!, isTombstone ? 'tombstone' : 'live');
  return found;
}

/** The record of an inserted row, or the error that its key is taken. Runs in the turn of the append. */
function newRow(
  options: RowsOptions,
  scope: ScopeKey,
  schema: Schema,
  values: readonly Value[],
  key: Uint8Array,
  cold: ColdState | undefined,
): WriteRow {
  const hot = options.hot.get(scope, key);
  const isTaken = hot === undefined ? cold === 'live' : (rowFlags(hot) & FLAG_TOMBSTONE) === 0;
  if (isTaken) {
    options.commit.checkWritable();
    const column = schema.columns[schema.primaryKey]!;
    const text = valueText(column.type, values[schema.primaryKey]!);
    throw fail.alreadyExists(`Primary key violation: value '${text}' already exists in column '${column.name}'`);
  }
  const flags = predecessorFlag(options, scope, hot, cold !== undefined);
  return {scope, key, row: encodeRow(schema, values, flags), before: null};
}

function predecessorFlag(options: RowsOptions, scope: ScopeKey, hot: ReturnType<Hot['get']>, isCold: boolean): number {
  if (hot === undefined) return isCold ? FLAG_COLD_PREDECESSOR : 0;
  const boundary = options.manifests.boundary(scope);
  const willBeCold = boundary !== undefined && rowSeq(hot) <= boundary;
  return willBeCold ? FLAG_COLD_PREDECESSOR : rowFlags(hot) & FLAG_COLD_PREDECESSOR;
}

async function changeRows(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  request: ScanRequest,
  change: Change,
  signal: AbortSignal,
): Promise<number> {
  if (!TABLE_KINDS[schema.kind].isDurable) {
    checkCurrent(options, schema);
    return options.streams.remove(scope, schema, change, signal);
  }
  const keys = [...(request.points ?? (await candidates(options, scope, schema, request, change, signal)))];
  if (keys.length === 0) return 0;
  const acquired = options.latches.acquire(scopeId(scope), latchIds(keys));
  const release = typeof acquired === 'function' ? acquired : await acquired;
  try {
    throwIfOver(signal);
    const timely: Change = row => {
      throwIfOver(signal);
      return change(row);
    };
    const read = (manifest: Manifest) => held(options, () => decide(options, scope, schema, manifest, keys, timely));
    return await onceSettled(options, scope, read, async batch => {
      throwIfOver(signal);
      checkCurrent(options, schema);
      if (batch.length === 0) {
        options.commit.checkWritable();
        return 0;
      }
      if (batch.some(isLive)) options.memory.check();
      settleFlags(options, scope, batch);
      await options.commit.write({rows: batch});
      return batch.length;
    });
  } finally {
    release();
  }
}

/** Keys of the rows that the change would touch at this moment. They are decided again under their latches. */
async function candidates(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  request: ScanRequest,
  change: Change,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const {from, to} = request.keys;
  // No snapshot for one key: it would make the next writes to its scope copy what it froze.
  if (from !== undefined && to !== undefined && Buffer.compare(from, to) === 0) return [from];
  const table = snapshot(options, scope, schema);
  try {
    const key = schema.columns[schema.primaryKey]!;
    const keys: Uint8Array[] = [];
    const collect = (row: Row): boolean => {
      if (change(row) !== undefined) keys.push(encodeKey(key.type, row.value(schema.primaryKey)));
      return true;
    };
    await table.scan(request, collect, signal);
    return keys;
  } finally {
    table.close();
  }
}

/** Offers the newest version of each key to `change`. No waiting for keys that are hot or were never flushed. */
async function decide(
  options: RowsOptions,
  scope: ScopeKey,
  schema: Schema,
  manifest: Manifest,
  keys: readonly Uint8Array[],
  change: Change,
): Promise<WriteRow[]> {
  const view = new RowView(schema, version => options.schemaOf(schema.incarnation, version));
  const batch: (WriteRow | undefined)[] = keys.map(() => undefined);
  const isWatched = options.isWatched(schema.incarnation);
  const offer = (row: Row, keyIndex: number, hot?: RowBytes): void => {
    const changed = row.isTombstone ? undefined : change(row);
    if (changed === undefined) return;
    const isDelete = changed === 'delete';
    const values = isDelete ? schema.columns.map((_, i) => row.value(i)) : changed;
    const bytes = encodeRow(schema, values, isDelete ? FLAG_TOMBSTONE : 0);
    const before = hot ?? (isWatched ? copyOf(schema, row) : undefined);
    batch[keyIndex] = {scope, key: keys[keyIndex]!, row: bytes, ...(before === undefined ? {} : {before})};
  };
  const cold: number[] = [];
  for (const [keyIndex, key] of keys.entries()) {
    // The keys are latched, so nothing that was decided changes while others have their turn.
    if (keyIndex % KEYS_PER_BREATH === KEYS_PER_BREATH - 1) await new Promise(resolve => setImmediate(resolve));
    const hot = options.hot.get(scope, key);
    if (hot !== undefined) offer(view.at(hot), keyIndex, hot);
    else cold.push(keyIndex);
  }
  if (cold.length > 0 && manifest.segmentCount > 0) {
    const coldKeys = cold.map(keyIndex => keys[keyIndex]!);
    await options.cold.visit(schema, manifest, coldKeys, (i, {row}) => offer(row, cold[i]!));
  }
  return batch.filter(row => row !== undefined);
}

/** A row of a segment, as memory would hold it. */
function copyOf(schema: Schema, row: Row): RowBytes {
  const values = schema.columns.map((_, i) => row.value(i));
  const buffer = encodeRow(schema, values, 0);
  setRowSeq(buffer, 0, row.seq);
  return {buffer, offset: 0, length: buffer.length};
}

/** In the turn of the append: a flush boundary may have opened while a row was read from disk. */
function settleFlags(options: RowsOptions, scope: ScopeKey, batch: readonly WriteRow[]): void {
  for (const {key, row} of batch) {
    const hot = options.hot.get(scope, key);
    const flags = rowFlags({buffer: row, offset: 0, length: row.length});
    setRowFlags(row, 0, flags | predecessorFlag(options, scope, hot, true));
  }
}

function latchIds(keys: readonly Uint8Array[]): string[] {
  return keys.map(key => {
    const bytes = key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length);
    return bytes.toString('latin1');
  });
}

function checkDistinct(schema: Schema, rows: readonly (readonly Value[])[], ids: readonly string[]): void {
  // Generated keys, and those of most loads, ascend.
  if (ids.every((id, i) => i === 0 || ids[i - 1]! < id)) return;
  const seen = new Set<string>();
  for (const [i, id] of ids.entries()) {
    if (!seen.has(id)) {
      seen.add(id);
      continue;
    }
    const column = schema.columns[schema.primaryKey]!;
    const text = valueText(column.type, rows[i]![schema.primaryKey]!);
    throw fail.alreadyExists(
      `Primary key violation: value '${text}' appears multiple times in the insert batch for column '${column.name}'`,
    );
  }
}

function checkCurrent(options: RowsOptions, schema: Schema): void {
  const current = options.current(schema.incarnation);
  if (current === undefined)
    throw fail.tableNotFound(`table '${tableText(schema.name)}' was dropped while the statement ran`);
  if (current.version !== schema.version) {
    throw new DbError(
      'WRITE_CONFLICT',
      `Table '${tableText(schema.name)}' was altered while the statement ran; try again.`,
    );
  }
}

/** Deletes go on at the hard limit: they are how people make room. */
function isLive({row}: WriteRow): boolean {
  return (rowFlags({buffer: row, offset: 0, length: row.length}) & FLAG_TOMBSTONE) === 0;
}

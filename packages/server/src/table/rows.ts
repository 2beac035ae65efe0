/**
 * Rows: the query doors of `table.ts`, made of hot, cold, latches and the commit door.
 *
 *     write:  latch the keys ─ newest version of each, hot else cold ─ decide ─ [ check the manifest again ─ append ] ─ durable ─ unlatch
 *                                                                             └ one synchronous turn ┘
 * Laws: what was read from segments is valid only until the next flush of the scope publishes; else it is read again. A compaction in between moves
 * rows and changes none. Whoever read three times in vain takes the scope latch, without which no flush publishes: nobody starves beside flushes, or is
 * refused because of them. The signal is looked at in the turn of the append: nobody hears that it was too late and finds the write made nevertheless.
 * RETURNING is answered in that turn too, when rows have their seqs: what it throws makes nothing of the write.
 */
import type {Manifest} from '../cold/manifest.ts';
import type {Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type ScopeKey, scopeId} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {encodeRow, FLAG_TOMBSTONE, rowFlags, setRowFlags} from '../model/row-codec.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import type {WriteRow} from './commit.ts';
import {
  type Asked,
  type Decided,
  decideChange,
  decideInsert,
  isLive,
  keyRepeated,
  keyTaken,
  latchIds,
  type Visit,
  whole,
} from './decide.ts';
import type {Release} from './latches.ts';
import {openSnapshot, throwIfOver} from './merge.ts';
import {
  candidates,
  checkCurrent,
  held,
  knownKeys,
  predecessorFlag,
  type RowsOptions,
  viewOf,
  visitNewest,
} from './newest.ts';
import type {Change, InsertOptions, ScanRequest, TableSnapshot, Tables, WriteOptions} from './table.ts';

/** So often a write reads segments beside flushes that publish; then they wait for it. */
const READS_BESIDE_FLUSHES = 3;

export function createTables(options: RowsOptions): Tables {
  return {
    snapshot: (scope, schema) => snapshot(options, scope, schema),
    insert: (scope, schema, rows, how) => insert(options, scope, schema, rows, how),
    change: (scope, schema, request, change, how) => changeRows(options, scope, schema, request, change, how),
  };
}

function snapshot(options: RowsOptions, scope: Scope, schema: Schema): TableSnapshot {
  checkCurrent(options, schema);
  if (!TABLE_KINDS[schema.kind].isDurable) return options.streams.snapshot(scope, schema);
  return openSnapshot({
    schema,
    schemaOf: version => options.schemaOf(schema.incarnation, version),
    hot: options.hot.snapshot(scope),
    cold: options.cold,
    manifest: options.manifests.get(scope),
    release: options.manifests.hold(),
  });
}

/** A function with few promises: most requests of an application come through here. */
function insert(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  rows: readonly (readonly Value[])[],
  how: InsertOptions,
): number | Promise<number> {
  if (rows.length === 0) return 0;
  if (!TABLE_KINDS[schema.kind].isDurable) {
    checkCurrent(options, schema);
    options.memory.check();
    return options.streams.insert(scope, schema, rows, how.returning);
  }
  const key = schema.columns[schema.primaryKey]!;
  const keys = rows.map(row => encodeKey(key.type, row[schema.primaryKey]!));
  const ids = latchIds(keys);
  if (how.onConflict !== undefined) return upsert(options, scope, schema, {rows, keys, ids}, how);
  if (rows.length > 1) checkDistinct(schema, rows, ids);
  return latched(options, scope, ids, {
    count: rows.length,
    write: () => insertLatched(options, scope, schema, {rows, keys, ids}, how),
  });
}

/** A write of so many rows: known when it has begun. */
interface Writing {
  count: number;
  write(): unknown | Promise<unknown>;
}

/** Writes under latches and releases them, however the write ends. `ids` are distinct. At once, where nothing waits. */
function latched(options: RowsOptions, scope: Scope, ids: string[], writing: Writing): number | Promise<number> {
  const acquired = options.latches.acquire(scopeId(scope), ids);
  return typeof acquired === 'function'
    ? releasing(acquired, writing)
    : acquired.then(held => releasing(held, writing));
}

function releasing(release: Release, writing: Writing): number | Promise<number> {
  const fail = (error: unknown): never => {
    release();
    throw error;
  };
  const end = () => {
    release();
    return writing.count;
  };
  let written: unknown;
  try {
    written = writing.write();
  } catch (error) {
    return fail(error);
  }
  return written instanceof Promise ? written.then(end, fail) : end();
}

function insertLatched(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  {rows, keys}: Proposed,
  how: InsertOptions,
): unknown | Promise<unknown> {
  const lookUp = (manifest: Manifest) =>
    manifest.segmentCount === 0
      ? NOTHING_COLD
      : held(options, () => lookUpCold(options, scope, schema, manifest, keys));
  return onceSettled(options, scope, lookUp, cold => {
    throwIfOver(how.signal);
    checkCurrent(options, schema);
    options.memory.check();
    const batch = rows.map((values, i) => newRow(options, scope, schema, values, keys[i]!, cold.get(i)));
    const images = how.returning === undefined ? [] : batch.map(({row}) => whole(row));
    return options.commit.write({rows: batch, beforeAppend: () => show(options, schema, images, how)});
  });
}

interface Proposed {
  readonly rows: readonly (readonly Value[])[];
  readonly keys: readonly Uint8Array[];
  readonly ids: readonly string[];
}

/** INSERT … ON CONFLICT: keys may be taken, so their rows are read as those of a change are. */
function upsert(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  {rows, keys, ids}: Proposed,
  how: InsertOptions,
): number | Promise<number> {
  const decide = (visit: Visit) => decideInsert(askedOf(options, schema, keys, how), rows, how.onConflict, visit);
  return writeDecided(options, scope, schema, [...new Set(ids)], decide, how);
}

function askedOf(options: RowsOptions, schema: Schema, keys: readonly Uint8Array[], {returning}: WriteOptions): Asked {
  return {schema, keys, wantsImages: returning !== undefined, isWatched: options.isWatched(schema.incarnation)};
}

/** Latches the keys, decides on their newest versions, and writes that. `ids` are distinct. */
function writeDecided(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  ids: string[],
  decide: (visit: Visit) => Decided[] | Promise<Decided[]>,
  how: WriteOptions,
): number | Promise<number> {
  const hot = {get: (key: Uint8Array) => options.hot.get(scope, key)};
  const read = (manifest: Manifest) =>
    decide((keys, offer) =>
      visitNewest(options, schema, {hot, manifest}, keys, (row, keyIndex, bytes) => {
        throwIfOver(how.signal);
        // What a newer version of the schema holds must not be decided on by the rules of this one.
        checkCurrent(options, schema);
        offer(row, keyIndex, bytes);
      }),
    );
  const writing: Writing = {
    count: 0,
    write() {
      throwIfOver(how.signal);
      return onceSettled(options, scope, read, decided => {
        const batch = settled(options, scope, decided);
        writing.count = batch.length;
        return append(options, schema, decided, batch, how);
      });
    },
  };
  return latched(options, scope, ids, writing);
}

/** Undefined: there is nothing to write. */
function append(
  options: RowsOptions,
  schema: Schema,
  decided: readonly Decided[],
  batch: readonly WriteRow[],
  how: WriteOptions,
): undefined | Promise<unknown> {
  throwIfOver(how.signal);
  checkCurrent(options, schema);
  const images = how.returning === undefined ? [] : decided.flatMap(({image}) => image ?? []);
  if (batch.length === 0) {
    options.commit.checkWritable();
    show(options, schema, images, how);
    return undefined;
  }
  if (batch.some(({row}) => isLive(row))) options.memory.check();
  return options.commit.write({rows: batch, beforeAppend: () => show(options, schema, images, how)});
}

function show(options: RowsOptions, schema: Schema, images: readonly RowBytes[], {returning}: WriteOptions): void {
  if (returning === undefined) return;
  const view = viewOf(options, schema);
  for (const image of images) returning(view.at(image));
}

/** In the turn of the append: a flush boundary may have opened while a row was read from disk. */
function settled(options: RowsOptions, scope: ScopeKey, decided: readonly Decided[]): WriteRow[] {
  const batch: WriteRow[] = [];
  for (const {key, row, before, isCold} of decided) {
    if (row === undefined) continue;
    const flags = rowFlags(whole(row)) | predecessorFlag(options, scope, options.hot.get(scope, key), isCold);
    setRowFlags(row, 0, flags);
    batch.push({scope, key, row, ...(before === undefined ? {} : {before})});
  }
  return batch;
}

/**
 * Calls `append` with what `read` found in segments, in a turn in which that still holds unless the table is gone. Where there is nothing to wait
 * for it is called in this very turn.
 */
function onceSettled<Found, Done>(
  options: RowsOptions,
  scope: ScopeKey,
  read: (manifest: Manifest) => Found | Promise<Found>,
  append: (found: Found) => Done | Promise<Done>,
): Done | Promise<Done> {
  const found = read(options.manifests.get(scope));
  return found instanceof Promise ? onceRead(options, scope, {read, found}, append) : append(found);
}

async function onceRead<Found, Done>(
  {manifests, latches}: RowsOptions,
  scope: ScopeKey,
  {read, found: first}: {read: (manifest: Manifest) => Found | Promise<Found>; found: Promise<Found>},
  append: (found: Found) => Done | Promise<Done>,
): Promise<Done> {
  for (let reads = 1; reads <= READS_BESIDE_FLUSHES; reads++) {
    const {flushedThrough} = manifests.get(scope);
    const found = await (reads === 1 ? first : read(manifests.get(scope)));
    // See the law of `manifests.ts` on `flushedThrough`.
    if (manifests.get(scope).flushedThrough === flushedThrough) return append(found);
  }
  const release = await latches.acquireScope(scope);
  try {
    return await append(await read(manifests.get(scope)));
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
    throw keyTaken(schema, values);
  }
  const flags = predecessorFlag(options, scope, hot, cold !== undefined);
  return {scope, key, row: encodeRow(schema, values, flags), before: null};
}

function changeRows(
  options: RowsOptions,
  scope: Scope,
  schema: Schema,
  request: ScanRequest,
  change: Change,
  how: WriteOptions,
): number | Promise<number> {
  if (!TABLE_KINDS[schema.kind].isDurable) {
    checkCurrent(options, schema);
    return options.streams.remove(scope, schema, change, how);
  }
  const changeKeys = (keys: readonly Uint8Array[]) => {
    if (keys.length === 0) {
      options.commit.checkWritable();
      return 0;
    }
    const decide = (visit: Visit) => decideChange(askedOf(options, schema, keys, how), change, visit);
    return writeDecided(options, scope, schema, latchIds(keys), decide, how);
  };
  const known = knownKeys(request);
  if (known !== undefined) return changeKeys([...known]);
  return candidates(() => snapshot(options, scope, schema), schema, request, change, how).then(changeKeys);
}

function checkDistinct(schema: Schema, rows: readonly (readonly Value[])[], ids: readonly string[]): void {
  // Generated keys, and those of most loads, ascend.
  if (ids.every((id, i) => i === 0 || ids[i - 1]! < id)) return;
  const seen = new Set<string>();
  for (const [i, id] of ids.entries()) {
    if (seen.has(id)) throw keyRepeated(schema, rows[i]!);
    seen.add(id);
  }
}

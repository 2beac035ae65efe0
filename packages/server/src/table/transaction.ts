/**
 * Transaction: the doors of `table.ts` over one moment and what the transaction itself has written; all of that is committed at once, or none of it.
 *
 *     begin    the places that its statements name are captured in one turn
 *     read     own rows over captured ones, as one hot snapshot (overlay.ts)            both executors read it as any other
 *     write    decide (decide.ts) on that ─ keep the new versions                      own; nothing is latched, nobody sees it
 *     commit   latch all its keys ─ was any of them written since? ─ [ check again ─ append one batch ] ─ durable ─ unlatch
 *                                                                    └ one synchronous turn ┘
 *
 * Laws: all reads see the moment of the beginning and own writes (snapshot isolation). Of two transactions that write one key the first to commit wins,
 * whether the key was there or not: a version above the moment makes the commit WRITE_CONFLICT, and nothing is written. A schema that changed meanwhile
 * does too. The batch takes its seqs when it is appended and lies in one block of the log, so a crash finds all of it or nothing. Until then own rows
 * have provisional seqs of the same counter: distinct, above the moment, seen by nobody else. What it keeps, versions that it replaced or took back included,
 * is at most one batch of the log. A place that was not captured at the beginning may be captured later only if nobody wrote there since. Latches are
 * taken place by place in the order of their ids, as those of one place are in the order of theirs, so writers never wait in a circle.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Hot, HotSnapshot} from '../hot/hot.ts';
import {createHot} from '../hot/hot-store.ts';
import type {Value} from '../model/datatype.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type Seq, scopeId, tableText} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {FLAG_COLD_PREDECESSOR, FLAG_TOMBSTONE, rowFlags, rowSeq, setRowFlags, setRowSeq} from '../model/row-codec.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import type {WriteRow} from './commit.ts';
import {type Asked, type Decided, decideChange, decideInsert, isLive, latchIds, type Visit, whole} from './decide.ts';
import type {Release} from './latches.ts';
import {openSnapshot, throwIfOver} from './merge.ts';
import {candidates, checkCurrent, predecessorFlag, type RowsOptions, viewOf, visitNewest} from './newest.ts';
import {overlay} from './overlay.ts';
import type {
  Change,
  InsertOptions,
  Place,
  ScanRequest,
  TableSnapshot,
  Tables,
  Transaction,
  TransactionFacts,
  WriteOptions,
} from './table.ts';

/** Most transactions are small. */
const OWN_SLAB_BYTES = 64 * 1024;
const CHECKS_BESIDE_FLUSHES = 3;

/** `id` is how its errors name it. */
export function beginTransaction(options: RowsOptions, places: readonly Place[], id: string): Transaction {
  return new OpenTransaction(options, places, id);
}

/** A place at the moment of the transaction. */
interface Captured {
  readonly scope: Scope;
  readonly schema: Schema;
  readonly hot: HotSnapshot;
  readonly manifest: Manifest;
}

/** A version that it wrote, and its own one that this replaced. */
interface Step {
  readonly scope: Scope;
  readonly key: Uint8Array;
  readonly replaced: RowBytes | undefined;
}

class OpenTransaction implements Transaction {
  readonly id: string;
  readonly #options: RowsOptions;
  readonly #moment: Seq;
  readonly #captured = new Map<string, Captured>();
  readonly #streams = new Map<string, TableSnapshot>();
  #own: Hot;
  /** Places it wrote to. */
  readonly #written = new Map<string, Captured>();
  /** For the change feed: rows in segments that own ones replace, by place and key. */
  readonly #before = new Map<string, RowBytes>();
  /** What to undo, the last first. */
  readonly #steps: Step[] = [];
  #savepoints: {readonly name: string; readonly stepCount: number}[] = [];
  /** Of all it ever kept: what is undone lies in memory still. */
  #bytes = 0;
  #releaseFiles: Release | undefined;

  constructor(options: RowsOptions, places: readonly Place[], id: string) {
    this.id = id;
    this.#options = options;
    this.#moment = options.commit.watermark;
    this.#own = createHot({slabBytes: OWN_SLAB_BYTES});
    this.#releaseFiles = options.manifests.hold();
    for (const {scope, schema} of places) this.#capture(scope, schema);
  }

  get facts(): TransactionFacts {
    const placeCount = this.#written.size;
    return {moment: this.#moment, writeCount: this.#own.rowCount(), writeBytes: this.#bytes, placeCount};
  }

  snapshot(scope: Scope, schema: Schema): TableSnapshot {
    return this.#snapshot(scope, schema, this.#own);
  }

  insert(scope: Scope, schema: Schema, rows: readonly (readonly Value[])[], how: InsertOptions): Promise<number> {
    return this.#insert(scope, schema, rows, how, this.#own);
  }

  change(scope: Scope, schema: Schema, request: ScanRequest, change: Change, how: WriteOptions): Promise<number> {
    return this.#change(scope, schema, request, change, how, this.#own);
  }

  frozen(): Tables {
    const scopes = [...this.#written.values()].map(({scope}) => scope);
    const frozen = new Map(scopes.map(scope => [scopeId(scope), this.#own.snapshot(scope)]));
    const nothing = createHot({slabBytes: OWN_SLAB_BYTES});
    const own: OwnRows = {snapshot: scope => frozen.get(scopeId(scope)) ?? nothing.snapshot(scope)};
    return {
      snapshot: (scope, schema) => this.#snapshot(scope, schema, own),
      insert: (scope, schema, rows, how) => this.#insert(scope, schema, rows, how, own),
      change: (scope, schema, request, change, how) => this.#change(scope, schema, request, change, how, own),
    };
  }

  #snapshot(scope: Scope, schema: Schema, own: OwnRows): TableSnapshot {
    checkCurrent(this.#options, schema);
    if (!TABLE_KINDS[schema.kind].isDurable)
      return this.#streams.get(scopeId(scope)) ?? this.#options.streams.snapshot(scope, schema);
    const place = this.#placeOf(scope, schema);
    const {cold, schemaOf} = this.#options;
    return openSnapshot({
      schema,
      schemaOf: version => schemaOf(schema.incarnation, version),
      hot: seen(place, own),
      cold,
      manifest: place.manifest,
      release() {},
    });
  }

  async #insert(
    scope: Scope,
    schema: Schema,
    rows: readonly (readonly Value[])[],
    how: InsertOptions,
    own: OwnRows,
  ): Promise<number> {
    const place = this.#writable(scope, schema);
    this.#options.memory.check();
    const {type} = schema.columns[schema.primaryKey]!;
    const keys = rows.map(row => encodeKey(type, row[schema.primaryKey]!));
    const decided = await decideInsert(
      this.#asked(schema, keys, how),
      rows,
      how.onConflict,
      this.#visit(place, how, own),
    );
    return this.#keep(place, decided, how, own);
  }

  async #change(
    scope: Scope,
    schema: Schema,
    request: ScanRequest,
    change: Change,
    how: WriteOptions,
    own: OwnRows,
  ): Promise<number> {
    const place = this.#writable(scope, schema);
    const open = () => this.#snapshot(scope, schema, own);
    const keys = await candidates(open, schema, request, change, how);
    const decided = await decideChange(this.#asked(schema, keys, how), change, this.#visit(place, how, own));
    return this.#keep(place, decided, how, own);
  }

  savepoint(name: string): void {
    this.#savepoints.push({name, stepCount: this.#steps.length});
  }

  rollbackTo(name: string): void {
    const at = this.#savepointAt(name);
    this.#savepoints.length = at + 1;
    for (const {scope, key, replaced} of this.#steps.splice(this.#savepoints[at]!.stepCount).reverse()) {
      if (replaced === undefined) this.#own.remove(scope, key);
      else this.#own.put({scope, key, row: replaced}, 0);
    }
  }

  release(name: string): void {
    this.#savepoints.length = this.#savepointAt(name);
  }

  /** Its rows become visible at once, or the error says why none does. */
  async commit(signal: AbortSignal, beside: readonly WriteRow[] = []): Promise<void> {
    const {commit, memory} = this.#options;
    const writes = [...this.#written.values()].map(place => this.#writesOf(place)).filter(({rows}) => rows.length > 0);
    writes.sort((a, b) => (a.id < b.id ? -1 : 1));
    const releases: Release[] = [];
    const checkTables = () => {
      for (const {place} of writes) checkCurrent(this.#options, place.schema);
    };
    checkTables();
    try {
      for (const {id, rows} of writes) {
        releases.push(await this.#options.latches.acquire(id, latchIds(rows.map(({key}) => key))));
        throwIfOver(signal);
      }
      await this.#onceSettled(writes, releases, async () => {
        throwIfOver(signal);
        checkTables();
        const batch = writes.flatMap(({place, rows}) => rows.map(row => this.#finalRow(place, row)));
        if (batch.some(({row}) => isLive(row))) memory.check();
        // Who wrote nothing has promised nothing.
        if (batch.length + beside.length > 0) await commit.write({rows: [...batch, ...beside]});
      });
    } finally {
      for (const release of releases) release();
    }
  }

  end(): void {
    this.#releaseFiles?.();
    this.#releaseFiles = undefined;
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#own = createHot({slabBytes: OWN_SLAB_BYTES});
    this.#captured.clear();
    this.#written.clear();
    this.#steps.length = 0;
    this.#savepoints = [];
  }

  #capture(scope: Scope, schema: Schema): void {
    const id = scopeId(scope);
    const {hot, manifests, streams} = this.#options;
    if (!TABLE_KINDS[schema.kind].isDurable) this.#streams.set(id, streams.snapshot(scope, schema));
    else this.#captured.set(id, {scope, schema, hot: hot.snapshot(scope), manifest: manifests.get(scope)});
  }

  #placeOf(scope: Scope, schema: Schema): Captured {
    const id = scopeId(scope);
    if (!this.#captured.has(id)) {
      this.#capture(scope, schema);
      if (!this.#isOfMoment(this.#captured.get(id)!)) {
        this.#captured.delete(id);
        throw this.#conflict(schema, 'was written after the transaction began, and is read only now');
      }
    }
    const place = this.#captured.get(id)!;
    if (place.schema.version !== schema.version) throw this.#conflict(schema, 'was altered meanwhile');
    return place;
  }

  /** Is what was captured just now what it was at the moment? */
  #isOfMoment({hot, manifest}: Captured): boolean {
    if (this.#options.commit.watermark === this.#moment) return true;
    if (manifest.flushedThrough > this.#moment) return false;
    // Of a scope that was emptied meanwhile nothing tells any more: it may be any.
    if (manifest.segmentCount === 0 && this.#options.manifests.newestEmptied > this.#moment) return false;
    let isOfMoment = true;
    hot.scan({}, false, row => {
      isOfMoment = rowSeq(row) <= this.#moment;
      return isOfMoment;
    });
    return isOfMoment;
  }

  #writable(scope: Scope, schema: Schema): Captured {
    if (!TABLE_KINDS[schema.kind].isDurable)
      throw fail.invalidOperation('stream tables are not supported inside explicit transactions');
    checkCurrent(this.#options, schema);
    this.#options.commit.checkWritable();
    return this.#placeOf(scope, schema);
  }

  #asked(schema: Schema, keys: readonly Uint8Array[], {returning}: WriteOptions): Asked {
    const isWatched = this.#options.isWatched(schema.incarnation);
    let bytes = this.#bytes;
    const spend = (more: number) => {
      bytes += more;
      this.#checkBytes(bytes);
    };
    return {schema, keys, wantsImages: returning !== undefined, isWatched, spend};
  }

  #visit(place: Captured, {signal}: WriteOptions, seenOwn: OwnRows): Visit {
    const ground = {hot: seen(place, seenOwn), manifest: place.manifest};
    return (keys, offer) =>
      visitNewest(this.#options, place.schema, ground, keys, (row, keyIndex, hot) => {
        throwIfOver(signal);
        offer(row, keyIndex, hot);
      });
  }

  /** Keeps what was decided. Returns how many rows that are. */
  #keep(place: Captured, decided: readonly Decided[], {signal, returning}: WriteOptions, seenOwn: OwnRows): number {
    throwIfOver(signal);
    const {hot, commit} = this.#options;
    const {scope, schema} = place;
    const id = scopeId(scope);
    const view = viewOf(this.#options, schema);
    const decidedOn = seenOwn.snapshot(scope);
    let count = 0;
    for (const {key, row, image, before, isCold} of decided) {
      if (row !== undefined) {
        const newest = hot.get(scope, key);
        if (newest !== undefined && rowSeq(newest) > this.#moment) throw this.#conflict(schema, CHANGED);
        const own = this.#own.get(scope, key);
        if (own !== undefined && !isSame(own, decidedOn.get(key))) throw writtenTwice(schema);
        const replaced = own ?? place.hot.get(key);
        const isOverCold = replaced === undefined ? isCold : (rowFlags(replaced) & FLAG_COLD_PREDECESSOR) !== 0;
        setRowFlags(row, 0, rowFlags(whole(row)) | (isOverCold ? FLAG_COLD_PREDECESSOR : 0));
        setRowSeq(row, 0, commit.nextId());
        if (isCold && before) this.#before.set(beforeId(id, key), before);
        this.#steps.push({scope, key, replaced: own});
        this.#own.put({scope, key, row: whole(row)}, 0);
        this.#bytes += bytesOf(key, row.length) + (isCold && before ? before.length : 0);
        count++;
      }
      if (image !== undefined) returning?.(view.at(image));
    }
    this.#checkBytes(this.#bytes);
    if (count > 0) this.#written.set(id, place);
    return count;
  }

  #checkBytes(bytes: number): void {
    const {maxBatchBytes} = this.#options.commit;
    if (bytes <= maxBatchBytes) return;
    throw new DbError(
      'LIMIT_EXCEEDED',
      `transaction '${this.id}' exceeded buffer limit of ${maxBatchBytes} bytes and was aborted. It is one batch of the log, so maxBatchBytes is its limit; commit in smaller parts.`,
    );
  }

  #savepointAt(name: string): number {
    const at = this.#savepoints.findLastIndex(savepoint => savepoint.name === name);
    if (at < 0) throw fail.invalidOperation(`savepoint "${name}" does not exist`);
    return at;
  }

  /** What is to be written of a place. A row that the transaction made and deleted itself leaves no trace. */
  #writesOf(place: Captured): PlaceWrites {
    const rows = [...this.#own.snapshot(place.scope).rows()].filter(({key, row}) => {
      const old = place.hot.get(key);
      const isNothing = old === undefined ? (rowFlags(row) & FLAG_COLD_PREDECESSOR) === 0 : isTombstone(old);
      return !isNothing || !isTombstone(row);
    });
    return {id: scopeId(place.scope), place, rows};
  }

  /** Calls `append` in a turn in which nobody has written any of the keys since the moment. Its latches may grow by those of the places. */
  async #onceSettled(writes: readonly PlaceWrites[], releases: Release[], append: () => Promise<void>): Promise<void> {
    const {manifests, latches} = this.#options;
    for (let checks = 0; ; checks++) {
      if (checks === CHECKS_BESIDE_FLUSHES)
        for (const {place} of writes) releases.push(await latches.acquireScope(place.scope));
      const read = writes.map(({place}) => manifests.get(place.scope));
      let hasWaited = false;
      for (const [i, {place, rows}] of writes.entries()) {
        const moved = this.#checkHot(place, rows, read[i]!);
        if (moved.length === 0) continue;
        hasWaited = true;
        await this.#checkCold(place, moved, read[i]!);
      }
      // See the law of `manifests.ts` on `flushedThrough`.
      const isSettled = writes.every(
        ({place}, i) => manifests.get(place.scope).flushedThrough === read[i]!.flushedThrough,
      );
      if (!hasWaited || isSettled) return append();
    }
  }

  /** Answers the rows whose newest versions only segments can tell. */
  #checkHot({scope, schema, hot, manifest}: Captured, rows: readonly OwnRow[], now: Manifest): OwnRow[] {
    return rows.filter(({key}) => {
      const newest = this.#options.hot.get(scope, key);
      if (newest === undefined) return hot.get(key) !== undefined || now.flushedThrough !== manifest.flushedThrough;
      if (rowSeq(newest) > this.#moment) throw this.#conflict(schema, CHANGED);
      return false;
    });
  }

  async #checkCold({schema, hot}: Captured, rows: readonly OwnRow[], now: Manifest): Promise<void> {
    const isFound = rows.map(() => false);
    const ground = {hot: NO_HOT, manifest: now};
    const keys = rows.map(({key}) => key);
    await visitNewest(this.#options, schema, ground, keys, (row, keyIndex) => {
      isFound[keyIndex] = true;
      if (row.seq > this.#moment) throw this.#conflict(schema, CHANGED);
    });
    for (const [i, {key, row}] of rows.entries()) {
      const old = hot.get(key);
      const wasThere = old === undefined ? (rowFlags(row) & FLAG_COLD_PREDECESSOR) !== 0 : !isTombstone(old);
      // Deleted, flushed and compacted: even its tombstone is gone.
      if (wasThere && !isFound[i]) throw this.#conflict(schema, CHANGED);
    }
  }

  /** In the turn of the append. */
  #finalRow({scope, hot}: Captured, {key, row}: OwnRow): WriteRow {
    const bytes = Buffer.from(row.buffer.subarray(row.offset, row.offset + row.length));
    const old = hot.get(key);
    const newest = this.#options.hot.get(scope, key);
    const isOverCold = old !== undefined || (rowFlags(row) & FLAG_COLD_PREDECESSOR) !== 0;
    const flags = rowFlags(row) & ~FLAG_COLD_PREDECESSOR;
    setRowFlags(bytes, 0, flags | predecessorFlag(this.#options, scope, newest, isOverCold));
    const known = old === undefined ? this.#before.get(beforeId(scopeId(scope), key)) : isTombstone(old) ? null : old;
    const before = known ?? (isOverCold ? undefined : null);
    return {scope, key, row: bytes, ...(before === undefined ? {} : {before})};
  }

  #conflict(schema: Schema, why: string): DbError {
    return new DbError(
      'WRITE_CONFLICT',
      `transaction '${this.id}' was rolled back: table '${tableText(schema.name)}' ${why}. Try it again.`,
    );
  }
}

/** Rows of the transaction's own, as some statement sees them. */
type OwnRows = Pick<Hot, 'snapshot'>;

function seen({scope, hot}: Captured, own: OwnRows): HotSnapshot {
  return overlay(hot, own.snapshot(scope));
}

function isSame(row: RowBytes, other: RowBytes | undefined): boolean {
  return other !== undefined && rowSeq(row) === rowSeq(other);
}

function writtenTwice({name}: Schema): DbError {
  return fail.execution(`a row of '${tableText(name)}' is written by two parts of one statement`);
}

const CHANGED = 'has a row that it writes and that somebody else wrote since it began';
const NO_HOT = {get: () => undefined};

type OwnRow = {readonly key: Uint8Array; readonly row: RowBytes};

interface PlaceWrites {
  readonly id: string;
  readonly place: Captured;
  readonly rows: readonly OwnRow[];
}

function isTombstone(row: RowBytes): boolean {
  return (rowFlags(row) & FLAG_TOMBSTONE) !== 0;
}

function beforeId(place: string, key: Uint8Array): string {
  return `${place}\n${latchIds([key])[0]}`;
}

/** About what it takes in the log. */
function bytesOf(key: Uint8Array, rowBytes: number): number {
  return 16 + key.length + rowBytes;
}

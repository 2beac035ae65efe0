/**
 * Commit: the only door through which anything is written.
 *
 * Callers hand in batches; the log joins batches that wait together into one block and one fsync:
 *     batch a ┐
 *     batch b ├─ seqs given, bytes appended (one synchronous turn each) → log block → durable → applied → listeners → answer
 *     batch c ┘
 * Laws: a seq is given once, in append order, in the turn that appends. Nothing is visible before it is durable. The watermark is the
 * newest applied seq; hot, manifests and listeners have seen exactly the batches up to it, in order. Replay applies through the same code.
 * Behind the record of a new schema version no row of an older one is appended: who comes too early waits for it and decides again.
 * Table lives are given out in order, and a schema or a ceiling names one before anything else does: a record of one above all those is damage.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {ManifestDelta} from '../cold/manifest-delta.ts';
import type {Hot} from '../hot/hot.ts';
import type {Log} from '../log/log.ts';
import {FIRST_USER_INCARNATION, type Incarnation, type ScopeKey, type Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {FLAG_COLD_PREDECESSOR, FLAG_TOMBSTONE, rowFlags, rowSeq, setRowSeq} from '../model/row-codec.ts';
import type {Clock} from '../std/clock.ts';
import type {ChangeFeed} from './change-feed.ts';
import type {Manifests} from './manifests.ts';
import {type LogRecord, RecordReader, RecordWriter} from './record.ts';
import {SeqSource} from './seq.ts';

export interface WriteRow {
  readonly scope: ScopeKey;
  readonly key: Uint8Array;
  /** As `encodeRow` made it; its seq is filled in here. */
  readonly row: Buffer;
  /** For the change feed: the live row that is replaced, as the writer found it under its latch; null: there is none; undefined: look in memory. */
  readonly before?: RowBytes | null;
}

export interface WriteBatch {
  readonly rows?: readonly WriteRow[];
  readonly removes?: readonly {scope: ScopeKey; key: Uint8Array}[];
  readonly publish?: ManifestDelta;
  readonly drop?: Incarnation;
  /** Called when the rows have their seqs; what it throws is thrown, and nothing is appended. */
  readonly beforeAppend?: () => void;
  /** The life whose new schema version is among the rows. */
  readonly alters?: Incarnation;
  /** May use the spare log space that is kept for a full disk: publish, delete and job records. */
  readonly isUrgent?: boolean;
}

type RowRecord = Extract<LogRecord, {kind: 'row'}>;

/** Rows of one scope that no log keeps. */
export interface VolatileRows {
  readonly scope: ScopeKey;
  readonly rows: readonly Buffer[];
  readonly keyOf: (seq: Seq) => Uint8Array;
  /** Shown each row with its seq, before any is to be seen; what it throws makes nothing of all. */
  readonly beforeApply: (row: RowBytes) => void;
}

/** Called for each applied record, after hot and manifests know it, in order; also during replay. Must not throw. */
export type RecordListener = (record: LogRecord) => void;

/** Sees a row of a table in the turn in which it is appended. False: it would not be right if the table were altered as somebody wants. */
export type RowWitness = (row: RowBytes) => boolean;

export class Commit {
  readonly #hot: Hot;
  readonly #manifests: Manifests;
  readonly #clock: Clock;
  readonly #seqs: SeqSource;
  readonly #listener: RecordListener;
  readonly #feed: ChangeFeed | undefined;
  readonly #onApplied: () => void;
  readonly #newestIncarnation: () => number;
  #log: Log | undefined;
  #watermark: Seq = 0n;
  #incarnation = FIRST_USER_INCARNATION - 1;
  #ceiling: Seq = 0n;
  #isCeilingPending = false;
  /** Of the log, if a batch may or may not be on disk. */
  #failure: Error | undefined;
  /** The first record that cannot be right. That of a log with a hole has a better reason to be told, which opening the log finds. */
  #damage: DbError | undefined;
  /** Lives whose drop is appended and did not fail: nothing may be appended behind it. Incarnations never come back. */
  readonly #ended = new Set<Incarnation>();
  /** Lives whose new schema version is appended and not known to all yet. */
  readonly #altering = new Map<Incarnation, Promise<unknown>>();
  readonly #witnesses = new Map<Incarnation, Set<RowWitness>>();

  constructor(options: {
    hot: Hot;
    manifests: Manifests;
    clock: Clock;
    listener: RecordListener;
    feed?: ChangeFeed;
    /** After each applied batch: budget and checkpoint rules look here. */
    onApplied: () => void;
    /** Of the lives that schemas in the log have named so far. */
    newestIncarnation: () => number;
  }) {
    this.#hot = options.hot;
    this.#manifests = options.manifests;
    this.#clock = options.clock;
    this.#seqs = new SeqSource(options.clock);
    this.#listener = options.listener;
    this.#feed = options.feed;
    this.#onApplied = options.onApplied;
    this.#newestIncarnation = options.newestIncarnation;
  }

  /** What one batch may hold. */
  get maxBatchBytes(): number {
    return this.#log?.maxBatchBytes ?? 0;
  }

  get watermark(): Seq {
    return this.#watermark;
  }

  get ceiling(): {seq: Seq; incarnation: Incarnation} {
    return {seq: this.#ceiling, incarnation: this.#incarnation as Incarnation};
  }

  /** Folds a batch of the log or a checkpoint into memory. Only before `start`, which tells of damage. */
  replay(bytes: Uint8Array, lastSeq: Seq): void {
    this.#apply(bytes, lastSeq);
    // Nobody waits for a turn yet.
    while (this.#hot.sweep());
    while (this.#manifests.sweep());
  }

  /** The log is open and replayed: begin above everything it promised. Throws DATA_CORRUPTED if a record cannot be right. */
  async start(log: Log, firstIncarnation: Incarnation): Promise<void> {
    if (this.#damage !== undefined) {
      await log.close();
      throw this.#damage;
    }
    this.#log = log;
    this.#incarnation = Math.max(this.#incarnation, firstIncarnation - 1);
    this.#seqs.raise(this.#watermark);
    this.#seqs.raise(this.#ceiling);
    await this.write({isUrgent: true});
  }

  /** Appends in this very turn: what the caller checked before the call without waiting still holds. Resolves when visible. */
  write(batch: WriteBatch): Promise<Seq> {
    if (this.#isOfEndedLife(batch)) return Promise.reject(endedLife());
    const altering = this.#alteringUnder(batch);
    if (altering !== undefined) return altering.then(() => Promise.reject(alteredMeanwhile()));
    const writer = new RecordWriter(estimate(batch));
    let lastSeq = 0n;
    for (const {scope, key, row} of batch.rows ?? []) {
      lastSeq = this.#seqs.next();
      setRowSeq(row, 0, lastSeq);
      writer.row(scope, key, {buffer: row, offset: 0, length: row.length});
    }
    batch.beforeAppend?.();
    if (this.#witnesses.size > 0) for (const {scope, row} of batch.rows ?? []) this.#tell(scope, row);
    if (batch.drop !== undefined) this.#ended.add(batch.drop);
    for (const {scope, key} of batch.removes ?? []) writer.remove(scope, key);
    // What is removed has a seq of its own, so that who watches can tell it from the rows of the batch.
    if (batch.removes !== undefined && batch.removes.length > 0) lastSeq = this.#seqs.next();
    if (batch.publish !== undefined) writer.publish(batch.publish);
    if (batch.drop !== undefined) writer.drop(batch.drop);
    if (lastSeq === 0n) lastSeq = this.#seqs.next();
    const ceiling = this.#seqs.wantedCeiling();
    if (ceiling !== undefined) writer.ceiling(ceiling, this.#incarnation as Incarnation);
    const written = this.#append(writer.bytes(), lastSeq, batch);
    const {drop, alters} = batch;
    if (alters !== undefined) this.#beginAltering(alters, written);
    // A drop that was refused, or of which nobody knows, ends nothing in this run; the caller hears of the failure.
    if (drop !== undefined) written.catch(() => this.#ended.delete(drop));
    return written;
  }

  /**
   * Rows of a table that promises nothing across a restart: visible and told to listeners in this turn, never in the log. They take their seqs
   * from the one counter and leave the watermark where it is, so they have an order of their own beside what still waits for the disk.
   */
  writeVolatile({scope, rows, keyOf, beforeApply}: VolatileRows): void {
    this.#refuseEnded(scope);
    const nowMs = this.#clock.nowMs();
    const records = rows.map(buffer => {
      const seq = this.nextId();
      setRowSeq(buffer, 0, seq);
      const row = {buffer, offset: 0, length: buffer.length};
      beforeApply(row);
      return {kind: 'row', scope, key: keyOf(seq), row} as const;
    });
    const areRight = !rows.map(row => this.#tell(scope, row)).includes(false);
    if (!areRight && this.#altering.has(scope.incarnation)) throw alteredMeanwhile();
    for (const record of records) {
      this.#hot.put(record, nowMs);
      this.#listener(record);
      this.#feed?.row({...scope, key: record.key, seq: rowSeq(record.row), before: null, after: record.row});
    }
    this.#feed?.committed();
  }

  removeVolatile(scope: ScopeKey, keys: readonly Uint8Array[]): void {
    this.#refuseEnded(scope);
    const isWatched = this.#feed?.isWatched(scope.incarnation) === true;
    for (const key of keys) {
      const before = isWatched ? this.#hot.get(scope, key) : undefined;
      this.#hot.remove(scope, key);
      this.#listener({kind: 'remove', scope, key});
      if (before !== undefined) this.#feed!.row({...scope, key, seq: this.nextId(), before, after: 'removed'});
    }
    this.#feed?.committed();
  }

  /** Takes rows away from the low end of the key order, as `Hot.trim` does. Returns how many. */
  trimVolatile(scope: ScopeKey, bounds: {readonly through: Uint8Array; readonly rowsMax: number}): number {
    if (this.#feed?.isWatched(scope.incarnation) !== true) return this.#hot.trim(scope, bounds);
    const before = this.#hot.snapshot(scope);
    const count = this.#hot.trim(scope, bounds);
    let left = count;
    if (count > 0) {
      before.scan({}, false, (row, key) => {
        const change = {...scope, key: Uint8Array.prototype.slice.call(key), seq: this.nextId()};
        this.#feed!.row({...change, before: row, after: 'evicted'});
        return --left > 0;
      });
    }
    this.#feed.committed();
    return count;
  }

  /** Tells the witness of every row of the table that is appended from now on, until it is released. */
  addWitness(incarnation: Incarnation, witness: RowWitness): () => void {
    const witnesses = this.#witnesses.get(incarnation) ?? new Set();
    this.#witnesses.set(incarnation, witnesses.add(witness));
    return () => {
      witnesses.delete(witness);
      if (witnesses.size === 0) this.#witnesses.delete(incarnation);
    };
  }

  /**
   * Throws READ_ONLY once a write or sync of the log has failed. Who decides without writing, that a key is taken or that no row is there, asks
   * first: what is in memory may then be less than what a restart finds.
   */
  checkWritable(): void {
    if (this.#failure === undefined) return;
    throw new DbError('READ_ONLY', 'A disk write failed earlier; the server only reads until it is restarted.', {
      cause: this.#failure,
    });
  }

  /** A new id from the commit counter, for SNOWFLAKE_ID(). */
  nextId(): bigint {
    const id = this.#seqs.next();
    if (this.#seqs.wantedCeiling() !== undefined) this.#renewCeiling();
    return id;
  }

  /** Before ids that stand in no batch are shown to anybody: undefined if none of them can come again after a crash. */
  secureIds(): Promise<unknown> | undefined {
    return this.#seqs.isPastCeiling() ? this.write({isUrgent: true}) : undefined;
  }

  /** A table life that was never used; durable with the next batch that uses it (rows of it raise it again at replay). */
  nextIncarnation(): Incarnation {
    return ++this.#incarnation as Incarnation;
  }

  #refuseEnded({incarnation}: ScopeKey): void {
    if (this.#ended.has(incarnation)) throw endedLife();
  }

  /** Tells all witnesses; false if one of them says so. */
  #tell({incarnation}: ScopeKey, row: Buffer): boolean {
    let isRight = true;
    for (const witness of this.#witnesses.get(incarnation) ?? [])
      isRight = witness({buffer: row, offset: 0, length: row.length}) && isRight;
    return isRight;
  }

  #alteringUnder({rows = []}: WriteBatch): Promise<unknown> | undefined {
    if (this.#altering.size === 0) return undefined;
    const row = rows.find(({scope}) => this.#altering.has(scope.incarnation));
    return row && this.#altering.get(row.scope.incarnation);
  }

  #beginAltering(incarnation: Incarnation, written: Promise<unknown>): void {
    const settle = () => {
      this.#altering.delete(incarnation);
    };
    this.#altering.set(incarnation, written.then(settle, settle));
  }

  #isOfEndedLife({rows = [], publish}: WriteBatch): boolean {
    if (this.#ended.size === 0) return false;
    if (publish !== undefined && this.#ended.has(publish.scope.incarnation)) return true;
    return rows.some(row => this.#ended.has(row.scope.incarnation));
  }

  #append(bytes: Uint8Array, lastSeq: Seq, {rows, isUrgent = false}: WriteBatch): Promise<Seq> {
    const log = this.#log;
    if (log === undefined) throw new DbError('SHUTTING_DOWN', 'The database is not open.');
    return new Promise((resolve, reject) => {
      log.append(
        {bytes, lastSeq},
        error => {
          if (error !== undefined) {
            this.#failure = isOfBrokenLog(error) ? error : this.#failure;
            return reject(error);
          }
          this.#apply(bytes, lastSeq, rows);
          this.#onApplied();
          resolve(lastSeq);
        },
        isUrgent,
      );
    });
  }

  /** `written`: what the row records of the batch were made of, unless they come out of a log. */
  #apply(bytes: Uint8Array, lastSeq: Seq, written: readonly WriteRow[] = []): void {
    const records = new RecordReader(bytes);
    const nowMs = this.#clock.nowMs();
    let rowIndex = 0;
    while (!records.atEnd) {
      const record = records.next();
      this.#checkIncarnation(record, lastSeq);
      switch (record.kind) {
        case 'row':
          this.#tellRow(record, written[rowIndex++]?.before);
          this.#hot.put(record, nowMs);
          break;
        case 'remove':
          this.#tellRemove(record, lastSeq);
          this.#hot.remove(record.scope, record.key);
          break;
        case 'publish':
          this.#publish(record.delta, lastSeq);
          break;
        case 'manifest':
          this.#manifests.restore(record.manifest);
          break;
        case 'drop':
          this.#hot.drop(record.incarnation);
          this.#manifests.drop(record.incarnation);
          break;
        case 'ceiling':
          if (record.seq > this.#ceiling) this.#ceiling = record.seq;
          if (record.incarnation > this.#incarnation) this.#incarnation = record.incarnation;
          this.#seqs.allowUpTo(record.seq);
          break;
        default:
          record satisfies never;
      }
      this.#listener(record);
    }
    if (lastSeq > this.#watermark) this.#watermark = lastSeq;
    this.#feed?.committed();
  }

  #tellRow({scope, key, row}: RowRecord, given: RowBytes | null | undefined): void {
    if (this.#feed?.isWatched(scope.incarnation) !== true) return;
    const before = given === undefined ? this.#rowBefore(scope, key, row) : given;
    this.#feed.row({...scope, key, seq: rowSeq(row), before, after: row});
  }

  #rowBefore(scope: ScopeKey, key: Uint8Array, row: RowBytes): RowBytes | null | undefined {
    const hot = this.#hot.get(scope, key);
    if (hot !== undefined) return (rowFlags(hot) & FLAG_TOMBSTONE) === 0 ? hot : null;
    return (rowFlags(row) & FLAG_COLD_PREDECESSOR) === 0 ? null : undefined;
  }

  #tellRemove({scope, key}: {scope: ScopeKey; key: Uint8Array}, seq: Seq): void {
    if (this.#feed?.isWatched(scope.incarnation) !== true) return;
    const before = this.#hot.get(scope, key);
    if (before !== undefined) this.#feed.row({...scope, key, seq, before, after: 'removed'});
  }

  #publish(delta: ManifestDelta, seq: Seq): void {
    // A compaction takes nothing out of memory, and looking for it would cost a pass over the scope's rows.
    if (this.#manifests.apply(delta, seq)) this.#hot.retire(delta.scope, delta.flushedThrough);
  }

  #checkIncarnation(record: LogRecord, lastSeq: Seq): void {
    if (record.kind === 'ceiling') return;
    const {incarnation} = lifeOf(record);
    if (incarnation <= this.#incarnation) return;
    this.#incarnation = Math.max(this.#incarnation, this.#newestIncarnation());
    if (incarnation <= this.#incarnation) return;
    this.#damage ??= new DbError(
      'DATA_CORRUPTED',
      `The batch of seq ${lastSeq} holds a ${record.kind} record of table life ${incarnation}, but none above ${this.#incarnation} was ever given out. Run fsck before anything else.`,
    );
  }

  #renewCeiling(): void {
    if (this.#isCeilingPending) return;
    this.#isCeilingPending = true;
    const done = () => {
      this.#isCeilingPending = false;
    };
    // A failure here is the log's: every later write reports it, and ids go on in steps of one below the old ceiling.
    this.write({isUrgent: true}).then(done, done);
  }
}

function lifeOf(record: Exclude<LogRecord, {kind: 'ceiling'}>): {readonly incarnation: Incarnation} {
  if (record.kind === 'publish') return record.delta.scope;
  if (record.kind === 'manifest') return record.manifest.scope;
  return record.kind === 'drop' ? record : record.scope;
}

function alteredMeanwhile(): DbError {
  return new DbError('WRITE_CONFLICT', 'The table was altered while the statement ran; try again.');
}

function endedLife(): DbError {
  return fail.tableNotFound('the table was dropped while the statement ran');
}

function estimate(batch: WriteBatch): number {
  let bytes = 64;
  for (const {scope, key, row} of batch.rows ?? [])
    bytes += 16 + (scope.owner?.length ?? 0) * 3 + key.length + row.length;
  return bytes;
}

function isOfBrokenLog(error: Error): boolean {
  return error instanceof DbError && (error.code === 'COMMIT_UNKNOWN' || error.code === 'READ_ONLY');
}

/**
 * Memory log: the log without files, for tests and simulations of the rooms above. Its state outlives it, as files do.
 *
 * Laws: those of `log.ts`. Every batch is a segment of its own. Whoever opens the state again ends the life of the log before it.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import {assert} from '../std/assert.ts';
import {Histogram} from '../std/histogram.ts';
import type {Log, LogBatch, LogStats, OpenLog} from './log.ts';

const MEGABYTE = 1024 * 1024;

/** What survives a restart, and what a test may set. */
export interface MemoryLogState {
  batches: LogBatch[];
  /** The next write fails: of its batches the first `survivors` are found after a restart. */
  failure: {readonly survivors: number} | undefined;
  /** Only urgent batches are taken. */
  isFull: boolean;
  /** How often it was opened: a log of an earlier life writes nothing. */
  life: number;
}

export interface MemoryLogLimits {
  readonly maxBatchBytes?: number;
  readonly maxQueuedBytes?: number;
}

export function memoryLogState(): MemoryLogState {
  return {batches: [], failure: undefined, isFull: false, life: 0};
}

export function openMemoryLog(state: MemoryLogState, limits: MemoryLogLimits = {}): OpenLog {
  return async (from, visit) => {
    state.life++;
    state.failure = undefined;
    for (const batch of state.batches) if (batch.lastSeq > from) visit(batch);
    return new MemoryLog(state, limits);
  };
}

interface Waiting {
  readonly batch: LogBatch;
  readonly done: (error: Error | undefined) => void;
}

class MemoryLog implements Log {
  readonly #state: MemoryLogState;
  readonly #life: number;
  readonly maxBatchBytes: number;
  readonly #maxQueuedBytes: number;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #isScheduled = false;
  #hasFailed = false;
  #isClosed = false;
  #lastSeq: Seq;
  #drained: (() => void)[] = [];
  #appendedBytes = 0;
  #blocks = 0;
  readonly #syncSeconds = new Histogram([]);
  #batches = 0;

  constructor(state: MemoryLogState, limits: MemoryLogLimits) {
    this.#state = state;
    this.#life = state.life;
    this.#lastSeq = state.batches.at(-1)?.lastSeq ?? 0n;
    this.maxBatchBytes = limits.maxBatchBytes ?? 16 * MEGABYTE;
    this.#maxQueuedBytes = limits.maxQueuedBytes ?? 64 * MEGABYTE;
  }

  append(batch: LogBatch, done: (error: Error | undefined) => void, urgent = false): void {
    const {length} = batch.bytes;
    if (this.#isClosed) throw new DbError('SHUTTING_DOWN', 'The log is closed.');
    if (this.#hasFailed) throw readOnly();
    if (length > this.maxBatchBytes) {
      throw new DbError(
        'LIMIT_EXCEEDED',
        `One batch of ${length} bytes exceeds the limit maxBatchBytes of ${this.maxBatchBytes}.`,
      );
    }
    if (this.#state.isFull && !urgent) throw new DbError('DISK_FULL', 'There is no space for the next log segment.');
    if (this.#queuedBytes + length > this.#maxQueuedBytes) {
      throw new DbError('WRITE_QUEUE_FULL', `More than ${this.#maxQueuedBytes} bytes wait for the disk.`);
    }
    assert(batch.lastSeq >= this.#lastSeq, 'batches are appended in the order of their seqs');
    this.#lastSeq = batch.lastSeq;
    this.#queue.push({batch, done});
    this.#queuedBytes += length;
    this.#appendedBytes += length;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  async sync(): Promise<void> {
    if (this.#isScheduled) await new Promise<void>(resolve => this.#drained.push(resolve));
    if (this.#hasFailed) throw readOnly();
  }

  async release(seq: Seq): Promise<void> {
    await this.sync();
    const {batches} = this.#state;
    const kept = batches.findIndex((batch, i) => batch.lastSeq > seq || i === batches.length - 1);
    this.#state.batches = batches.slice(Math.max(0, kept));
  }

  stats(): LogStats {
    return {
      blocks: this.#blocks,
      batches: this.#batches,
      syncs: this.#blocks,
      syncMicros: 0,
      syncSeconds: this.#syncSeconds,
      segments: this.#state.batches.length,
      state: this.#hasFailed ? 'failed' : this.#isClosed ? 'closed' : this.#state.isFull ? 'full' : 'open',
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#hasFailed) await this.sync();
  }

  #turn(): void {
    this.#isScheduled = false;
    const group = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const {failure} = this.#state;
    const isDead = this.#life !== this.#state.life;
    this.#hasFailed = failure !== undefined || isDead;
    const survivors = isDead ? 0 : (failure?.survivors ?? group.length);
    // The caller may use its bytes again once it is answered.
    for (const {batch} of group.slice(0, survivors)) {
      this.#state.batches.push({bytes: Uint8Array.from(batch.bytes), lastSeq: batch.lastSeq});
    }
    this.#blocks++;
    if (!this.#hasFailed) this.#batches += group.length;
    for (const {done} of group) done(this.#hasFailed ? commitUnknown() : undefined);
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function readOnly(): DbError {
  return new DbError('READ_ONLY', 'A disk write failed earlier; the server only reads until it is restarted.');
}

function commitUnknown(): DbError {
  return new DbError(
    'COMMIT_UNKNOWN',
    'The disk failed during commit; after a restart this write may be there or not.',
  );
}

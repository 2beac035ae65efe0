/**
 * File log: the commit log in segment files, with group commit.
 *
 *     append ─ queue ─ (end of the loop's turn) ─ one block ─ write + fdatasync ─ done × n
 *
 * The sync runs on this thread while it is fast, since handing it to another costs more than it takes; else one is in flight in the background and
 * appends made meanwhile form the next block. D1 answers after the write and syncs once a second; D0 answers at once.
 * Laws: those of `log.ts`. After the first failed write or sync nothing is written any more: pages the kernel gave up on may look clean.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import type {Clock} from '../std/clock.ts';
import type {Disk} from '../std/disk.ts';
import {encodeBlock, encodedBytes, SEGMENT_HEADER_BYTES} from './block.ts';
import type {Durability, Log, LogBatch, LogStats, OpenLog} from './log.ts';
import {type ClosedSegment, recoverLog} from './recover.ts';
import {type OpenSegment, ReadySegments} from './segments.ts';

const SYNC_NOW_MICROS = 250;
const LAZY_SYNC_MS = 1000;
const BLOCK_BYTES_TARGET = 4 * 1024 * 1024;

export interface FileLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly durability: Durability;
  readonly segmentBytes?: number;
  readonly maxBatchBytes?: number;
  readonly maxQueuedBytes?: number;
}

export function openFileLog(options: FileLogOptions): OpenLog {
  return async (from, visit) => {
    await options.disk.makeDirectory(options.directory);
    const recovered = await recoverLog(options.disk, options.directory, from, visit);
    const maxBatchBytes = options.maxBatchBytes ?? 16 * 1024 * 1024;
    const segmentBytes = Math.max(options.segmentBytes ?? 16 * 1024 * 1024, maxBatchBytes + 64 * 1024);
    const ready = new ReadySegments({
      disk: options.disk,
      clock: options.clock,
      directory: options.directory,
      bytes: segmentBytes,
      nextNumber: recovered.nextSegment,
    });
    ready.fill();
    const current = await ready.take();
    return new FileLog(options, maxBatchBytes, ready, current, recovered.segments, recovered.lastBlock);
  };
}

interface Waiting {
  readonly batch: LogBatch;
  readonly done: (error: Error | undefined) => void;
}

class FileLog implements Log {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #durability: Durability;
  readonly #maxBatchBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #ready: ReadySegments;
  readonly #closed: ClosedSegment[];
  readonly #stopLazySync = new AbortController();
  #current: OpenSegment;
  #position = SEGMENT_HEADER_BYTES;
  #currentLastSeq: Seq = 0n;
  #blockNumber: number;
  #syncedBlock: number;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #isScheduled = false;
  #writing: Promise<void> | undefined;
  #failure: Error | undefined;
  #isClosed = false;
  #sinceMark = 0;
  #appendedBytes = 0;
  #batches = 0;
  #syncs = 0;
  #syncMicros = 0;

  constructor(
    options: FileLogOptions,
    maxBatchBytes: number,
    ready: ReadySegments,
    current: OpenSegment,
    closed: ClosedSegment[],
    lastBlock: number,
  ) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#durability = options.durability;
    this.#maxBatchBytes = maxBatchBytes;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 64 * 1024 * 1024;
    this.#ready = ready;
    this.#current = current;
    this.#closed = closed;
    this.#blockNumber = lastBlock;
    this.#syncedBlock = lastBlock;
    if (this.#durability !== 'D2') void this.#syncLazily();
  }

  append(batch: LogBatch, done: (error: Error | undefined) => void, urgent = false): void {
    this.#checkOpen();
    if (batch.bytes.length > this.#maxBatchBytes) {
      throw new DbError(
        'LIMIT_EXCEEDED',
        `One statement wrote ${batch.bytes.length} bytes; the limit of a batch is ${this.#maxBatchBytes} bytes. Write fewer rows at once.`,
      );
    }
    if (urgent ? this.#ready.isExhausted : this.#ready.isFull) {
      throw new DbError(
        'DISK_FULL',
        'The disk has no room for the next log segment. Free some space; writes go on by themselves.',
      );
    }
    if (this.#queuedBytes > this.#maxQueuedBytes) {
      throw new DbError('WRITE_QUEUE_FULL', `More than ${this.#maxQueuedBytes} bytes wait for the disk; try again.`);
    }
    this.#queuedBytes += batch.bytes.length;
    this.#sinceMark += batch.bytes.length;
    this.#appendedBytes += batch.bytes.length;
    this.#batches++;
    if (this.#durability === 'D0') {
      this.#queue.push({batch, done: () => {}});
      done(undefined);
    } else {
      this.#queue.push({batch, done});
    }
    this.#schedule();
  }

  bytesSinceMark(): number {
    return this.#sinceMark;
  }

  mark(): void {
    this.#sinceMark = 0;
  }

  async sync(): Promise<void> {
    await this.#drain();
    this.#checkFailure();
    if (this.#syncedBlock < this.#blockNumber) await this.#syncCurrent();
    this.#checkFailure();
  }

  async release(seq: Seq): Promise<void> {
    await this.sync();
    while (this.#closed.length > 0 && this.#closed[0]!.lastSeq <= seq) {
      await this.#disk.remove(this.#closed[0]!.path);
      this.#closed.shift();
    }
    await this.#disk.syncDirectory(this.#current.path.replace(/\/[^/]*$/, ''));
  }

  stats(): LogStats {
    const state = this.#isClosed
      ? 'closed'
      : this.#failure !== undefined
        ? 'failed'
        : this.#ready.isFull
          ? 'full'
          : 'open';
    return {
      appendedBytes: this.#appendedBytes,
      blocks: this.#blockNumber,
      batches: this.#batches,
      syncs: this.#syncs,
      syncMicros: this.#syncMicros,
      segments: this.#closed.length + 1,
      state,
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopLazySync.abort();
    await this.#drain();
    if (this.#failure === undefined && this.#syncedBlock < this.#blockNumber) await this.#syncCurrent();
    await this.#current.file.close();
    await this.#ready.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new DbError('SHUTTING_DOWN', 'The log is closed.');
    this.#checkFailure();
  }

  #checkFailure(): void {
    if (this.#failure === undefined) return;
    throw readOnly(this.#failure);
  }

  /** Appends of one turn of the loop share a block: the write begins when the turn's callbacks have run. */
  #schedule(): void {
    if (this.#isScheduled || this.#writing !== undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#writing === undefined) this.#start();
    });
  }

  #start(): void {
    if (this.#queue.length === 0) return;
    if (this.#canWriteNow()) {
      this.#writeNow();
      if (this.#queue.length > 0) this.#schedule();
      return;
    }
    this.#writing = this.#writeQueue().finally(() => {
      this.#writing = undefined;
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #canWriteNow(): boolean {
    if (this.#failure !== undefined || this.#syncMicros >= SYNC_NOW_MICROS) return false;
    return this.#fits(this.#peekGroup());
  }

  #fits(group: readonly Waiting[]): boolean {
    return this.#position + encodedBytes(group.map(one => one.batch)) <= this.#current.bytes;
  }

  /** The batches of the next block: at least one, then as many as stay under the target. */
  #peekGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const {batch} of this.#queue) {
      bytes += batch.bytes.length + 12;
      if (count > 0 && bytes > BLOCK_BYTES_TARGET) break;
      count++;
    }
    return this.#queue.slice(0, count);
  }

  #takeGroup(): {group: Waiting[]; block: Buffer} {
    const group = this.#peekGroup();
    this.#queue.splice(0, group.length);
    for (const {batch} of group) this.#queuedBytes -= batch.bytes.length;
    const batches = group.map(one => one.batch);
    const block = encodeBlock(batches, ++this.#blockNumber, this.#syncedBlock);
    this.#currentLastSeq = batches.at(-1)!.lastSeq;
    return {group, block};
  }

  #writeNow(): void {
    const {group, block} = this.#takeGroup();
    try {
      this.#current.file.writeNow(block, this.#position);
      if (this.#durability === 'D2') {
        const started = this.#clock.monotonicMs();
        this.#current.file.datasyncNow();
        this.#synced(this.#blockNumber, started);
      }
    } catch (error) {
      return this.#fail(error, group);
    }
    this.#position += block.length;
    for (const {done} of group) done(undefined);
  }

  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0 && this.#failure === undefined) {
      if (!this.#fits(this.#peekGroup()) && !(await this.#roll())) return;
      const {group, block} = this.#takeGroup();
      try {
        await this.#current.file.write(block, this.#position);
        this.#position += block.length;
        if (this.#durability === 'D2') await this.#datasync(this.#blockNumber);
      } catch (error) {
        return this.#fail(error, group);
      }
      for (const {done} of group) done(undefined);
      if (this.#syncMicros < SYNC_NOW_MICROS) return;
    }
    if (this.#failure !== undefined) this.#refuseQueue();
  }

  /** False if there is no next segment: what waits is refused, nothing of it was written. */
  async #roll(): Promise<boolean> {
    try {
      if (this.#syncedBlock < this.#blockNumber) await this.#datasync(this.#blockNumber);
    } catch (error) {
      this.#fail(error, []);
      return false;
    }
    let next: OpenSegment;
    try {
      next = await this.#ready.take();
    } catch (error) {
      for (const {done} of this.#emptyQueue()) {
        done(
          new DbError(
            'DISK_FULL',
            'The disk has no room for the next log segment. Free some space; writes go on by themselves.',
            {cause: error},
          ),
        );
      }
      return false;
    }
    const {number, path, file} = this.#current;
    await file.close();
    this.#closed.push({number, path, lastSeq: this.#currentLastSeq});
    this.#current = next;
    this.#position = SEGMENT_HEADER_BYTES;
    return true;
  }

  async #syncCurrent(): Promise<void> {
    try {
      await this.#datasync(this.#blockNumber);
    } catch (error) {
      this.#fail(error, []);
    }
  }

  async #datasync(block: number): Promise<void> {
    const started = this.#clock.monotonicMs();
    await this.#current.file.datasync();
    this.#synced(block, started);
  }

  #synced(block: number, startedMs: number): void {
    const micros = (this.#clock.monotonicMs() - startedMs) * 1000;
    this.#syncMicros = this.#syncs === 0 ? micros : this.#syncMicros * 0.95 + micros * 0.05;
    this.#syncs++;
    this.#syncedBlock = Math.max(this.#syncedBlock, block);
  }

  #fail(error: unknown, group: readonly Waiting[]): void {
    this.#failure = error as Error;
    const unknown = new DbError(
      'COMMIT_UNKNOWN',
      'The disk failed while this write was made durable; after a restart it may be there or not. The server only reads until it is restarted.',
      {cause: error},
    );
    for (const {done} of group) done(unknown);
    this.#refuseQueue();
  }

  #refuseQueue(): void {
    for (const {done} of this.#emptyQueue()) done(readOnly(this.#failure!));
  }

  #emptyQueue(): Waiting[] {
    this.#queuedBytes = 0;
    return this.#queue.splice(0);
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#writing !== undefined) {
      if (this.#writing === undefined) this.#start();
      await this.#writing;
    }
  }

  async #syncLazily(): Promise<void> {
    while (!this.#stopLazySync.signal.aborted) {
      await this.#clock.sleep(LAZY_SYNC_MS, this.#stopLazySync.signal).catch(() => {});
      if (this.#isClosed || this.#failure !== undefined) return;
      if (this.#syncedBlock < this.#blockNumber) await this.sync().catch(() => {});
    }
  }
}

function readOnly(cause: Error): DbError {
  return new DbError(
    'READ_ONLY',
    'A disk write failed earlier, so the server only reads until it is restarted. See the log for the cause.',
    {cause},
  );
}

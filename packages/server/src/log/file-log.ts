/**
 * File log: the commit log in segment files, with group commit.
 *
 *     append ─ queue ─ (end of the loop's turn) ─ one block ─ write + fdatasync ─ done × n
 *
 * For few callers a sync costs more than their requests do. So a block waits a moment until all who were just answered have come again, and a
 * fast sync runs on this thread, since handing it to another costs more than it takes. For many callers, or a slow disk, one sync is in flight
 * in the background, and appends made meanwhile form the next block. How long one in the background took is not known here: its end waits
 * for the loop. So the fast way is tried again now and then. D1 answers after the write and syncs within a second; D0 answers before it.
 * Laws: those of `log.ts`. After the first failed write or sync nothing is written any more: pages the system gave up on look clean. A
 * segment is synced before the next one is begun, in every durability class, so that only the last written one can have a torn tail.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import {assert} from '../std/assert.ts';
import type {Clock} from '../std/clock.ts';
import type {Disk} from '../std/disk.ts';
import {Histogram} from '../std/histogram.ts';
import {blockBytes, encodeBlock, SEGMENT_HEADER_BYTES} from './block.ts';
import {GroupQueue, type Waiting} from './group-queue.ts';
import type {Durability, Log, LogBatch, LogStats, OpenLog} from './log.ts';
import {type RecoveredLog, recoverLog} from './recover.ts';
import {Segments} from './segments.ts';

const MEGABYTE = 1024 * 1024;
/** A sync that takes no longer may run on this thread. */
const SYNC_NOW_MICROS_MAX = 500;
/** More callers than these keep this thread busy while another one syncs. */
const FEW_CALLERS_MAX = 16;
const WRITE_NOW_BYTES_MAX = 256 * 1024;
/** Groups beyond this size gain nothing from being larger. */
const GROUP_BYTES_MAX = MEGABYTE;
const LAZY_SYNC_MS = 1000;
/** The newest sync's weight in the moving average. */
const SYNC_WEIGHT = 1 / 8;
const SYNC_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
/** While syncs are just too slow for this thread, one of so many groups tries again; while they are slower, one of more. */
const GROUPS_PER_PROBE = 32;

export interface FileLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly durability: Durability;
  readonly segmentBytes?: number;
  /** Segments grow to hold one such batch. Default: 16 MB, or what a smaller segment holds. */
  readonly maxBatchBytes?: number;
  readonly maxQueuedBytes?: number;
  /** How long a block waits for callers after the last one was answered, by a clock that runs by itself. Default: 0. */
  readonly commitDelayMs?: number;
}

export function openFileLog(options: FileLogOptions): OpenLog {
  return async (from, visit) => {
    const {disk, directory} = options;
    await disk.makeDirectory(directory);
    await disk.syncDirectory(parentOf(directory));
    const recovered = await recoverLog(disk, directory, {from, visit});
    return new FileLog(options, recovered);
  };
}

class FileLog implements Log {
  readonly #clock: Clock;
  readonly #durability: Durability;
  readonly maxBatchBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #commitDelayMs: number;
  readonly #segments: Segments;
  readonly #queue = new GroupQueue();
  readonly #stop = new AbortController();
  /** Where the next block goes: in the current segment, and in all blocks ever. */
  #offset = 0;
  #position: number;
  #syncedThrough: number;
  #appendedSeq: Seq;
  #writtenSeq: Seq;
  /** Where blocks are put together; a larger one than a group gets a buffer of its own. */
  readonly #block = Buffer.allocUnsafeSlow(GROUP_BYTES_MAX);
  #isScheduled = false;
  #isFlying = false;
  #isLazySyncPlanned = false;
  #failure: Error | undefined;
  #isClosed = false;
  #progressWaiters: (() => void)[] = [];
  #appendedBytes = 0;
  #blocks = 0;
  #batches = 0;
  #syncs = 0;
  /** Moving average of the syncs on this thread. */
  #syncMicros = 0;
  readonly #syncSeconds = new Histogram(SYNC_SECONDS);
  #slowGroups = 0;
  /** Who waited when the last group was answered, those of the group included; only where they wait for a sync. */
  #callers = 0;
  #answeredMs = 0;

  constructor(options: FileLogOptions, recovered: RecoveredLog) {
    const wanted = options.segmentBytes ?? 16 * MEGABYTE;
    const fitting = wanted - SEGMENT_HEADER_BYTES - blockBytes(1, 0);
    this.maxBatchBytes = options.maxBatchBytes ?? (wanted < 16 * MEGABYTE ? fitting : 16 * MEGABYTE);
    assert(this.maxBatchBytes > 0, 'a segment holds at least one batch');
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 64 * MEGABYTE;
    this.#commitDelayMs = options.commitDelayMs ?? 0;
    this.#clock = options.clock;
    this.#durability = options.durability;
    this.#position = recovered.end;
    this.#syncedThrough = recovered.end;
    this.#appendedSeq = recovered.lastSeq;
    this.#writtenSeq = recovered.lastSeq;
    this.#segments = new Segments({
      disk: options.disk,
      clock: options.clock,
      directory: options.directory,
      segmentBytes: Math.max(wanted, SEGMENT_HEADER_BYTES + blockBytes(1, this.maxBatchBytes)),
      written: recovered.written,
      nextNumber: recovered.nextNumber,
      isCurrentWritten: () => this.#offset > SEGMENT_HEADER_BYTES,
      onChange: () => this.#schedule(),
    });
    this.#segments.prepare();
  }

  append(batch: LogBatch, done: (error: Error | undefined) => void, urgent = false): void {
    const {length} = batch.bytes;
    if (this.#isClosed) throw new DbError('SHUTTING_DOWN', 'The log is closed.');
    if (this.#failure !== undefined) throw readOnly(this.#failure);
    if (length > this.maxBatchBytes) {
      throw new DbError(
        'LIMIT_EXCEEDED',
        `One batch of ${length} bytes exceeds the limit maxBatchBytes of ${this.maxBatchBytes}.`,
      );
    }
    const {fault} = this.#segments;
    if (fault !== undefined && !(urgent && this.#hasRoomForUrgent(length))) throw diskFull(fault);
    if (!urgent && this.#queue.hasRefused) throw diskFull(fault);
    if (this.#queue.bytes + length > this.#maxQueuedBytes) {
      throw new DbError('WRITE_QUEUE_FULL', `More than ${this.#maxQueuedBytes} bytes wait for the disk.`);
    }
    assert(batch.lastSeq >= this.#appendedSeq, 'batches are appended in the order of their seqs');
    this.#appendedSeq = batch.lastSeq;
    this.#queue.add({batch, done, isUrgent: urgent, isRefused: false});
    this.#appendedBytes += length;
    this.#schedule();
  }

  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  async sync(): Promise<void> {
    const upTo = this.#queue.addedCount;
    while (this.#queue.settledCount < upTo && this.#failure === undefined) {
      await new Promise<void>(resolve => this.#progressWaiters.push(resolve));
    }
    if (this.#failure !== undefined) throw readOnly(this.#failure);
    await this.#syncWritten();
  }

  async release(seq: Seq): Promise<void> {
    await this.sync();
    await this.#segments.release(seq);
  }

  stats(): LogStats {
    return {
      blocks: this.#blocks,
      batches: this.#batches,
      syncs: this.#syncs,
      syncMicros: this.#syncMicros,
      syncSeconds: this.#syncSeconds,
      segments: this.#segments.count,
      state: this.#state(),
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort();
    try {
      if (this.#failure === undefined) await this.sync();
    } finally {
      await this.#segments.close();
    }
  }

  #state(): LogStats['state'] {
    if (this.#failure !== undefined) return 'failed';
    if (this.#isClosed) return 'closed';
    return this.#segments.fault === undefined ? 'open' : 'full';
  }

  #hasRoomForUrgent(length: number): boolean {
    return this.#segments.canAdvance({isUrgent: true}) || this.#fits(1, this.#queue.bytes + length);
  }

  /** Everything appended in one turn of the loop is written in one go, when the turn's callbacks have run. */
  #schedule(): void {
    if (this.#isScheduled || this.#isFlying) return;
    this.#isScheduled = true;
    const look = () => {
      if (this.#isGathering()) {
        setImmediate(look);
        return;
      }
      this.#isScheduled = false;
      if (!this.#isFlying && this.#failure === undefined) this.#turn();
    };
    setImmediate(look);
  }

  #isGathering(): boolean {
    const {count} = this.#queue;
    if (this.#isClosed || count === 0 || count >= this.#callers || this.#callers > FEW_CALLERS_MAX) return false;
    return this.#clock.monotonicMs() - this.#answeredMs < this.#commitDelayMs;
  }

  /** Writes one group, or makes room for it. */
  #turn(): void {
    for (const {done} of this.#queue.takeRefused()) done(diskFull(this.#segments.fault));
    const head = this.#queue.head;
    this.#tellProgress();
    if (head === undefined) return;
    if (this.#fits(1, head.batch.bytes.length)) this.#writeGroup();
    else this.#makeRoom(head);
  }

  #writeGroup(): void {
    const group = this.#queue.take(Math.min(GROUP_BYTES_MAX, this.#roomBytes()));
    const block = this.#encode(group);
    if (this.#durability === 'D0') answer(group);
    if (block.length > WRITE_NOW_BYTES_MAX) {
      this.#fly(group, () => this.#write(block));
      return;
    }
    try {
      this.#segments.current!.file.writeNow(block, this.#offset);
      this.#move(block.length);
      if (this.#durability === 'D2' && !this.#isSyncQuick()) {
        this.#fly(group, () => this.#syncWritten());
        return;
      }
      if (this.#durability === 'D2') this.#syncNow();
    } catch (error) {
      this.#fail(error, group);
      return;
    }
    this.#finish(group);
  }

  /** Now and then yes although it was slow: only a sync on this thread tells how long the disk takes, not how busy the loop is. */
  #isSyncQuick(): boolean {
    if (this.#callers > FEW_CALLERS_MAX) return false;
    if (this.#syncMicros < SYNC_NOW_MICROS_MAX) return true;
    this.#slowGroups++;
    if (this.#slowGroups * SYNC_NOW_MICROS_MAX < this.#syncMicros * GROUPS_PER_PROBE) return false;
    this.#slowGroups = 0;
    return true;
  }

  /** Work that takes turns of the loop; nothing else is begun meanwhile. */
  #fly(group: readonly Waiting[], work: () => Promise<void>): void {
    this.#isFlying = true;
    work().then(
      () => {
        this.#isFlying = false;
        if (this.#failure === undefined) this.#finish(group);
        else this.#fail(this.#failure, group);
      },
      error => {
        this.#isFlying = false;
        this.#fail(error, group);
      },
    );
  }

  #makeRoom(head: Waiting): void {
    const {fault} = this.#segments;
    const isUrgent = head.isUrgent && fault !== undefined;
    if (this.#segments.canAdvance({isUrgent})) {
      this.#fly([], () => this.#advance());
    } else if (fault !== undefined) {
      this.#queue.refuse();
      this.#schedule();
    }
    // Else a segment is being made, and `onChange` comes back here.
  }

  async #advance(): Promise<void> {
    await this.#syncWritten();
    // In the turn in which the segment changes: what is asked meanwhile is asked of the new one.
    this.#offset = SEGMENT_HEADER_BYTES;
    await this.#segments.advance(this.#writtenSeq);
  }

  #roomBytes(): number {
    const {current} = this.#segments;
    return current === undefined ? 0 : current.bytes - this.#offset;
  }

  #fits(batchCount: number, payloadBytes: number): boolean {
    return blockBytes(batchCount, payloadBytes) <= this.#roomBytes();
  }

  #encode(group: readonly Waiting[]): Buffer {
    const batches = group.map(waiting => waiting.batch);
    const bytes = blockBytes(
      batches.length,
      batches.reduce((sum, batch) => sum + batch.bytes.length, 0),
    );
    const into = bytes <= this.#block.length ? this.#block : Buffer.allocUnsafeSlow(bytes);
    const place = {segment: this.#segments.current!.number, offset: this.#offset};
    return encodeBlock(into, batches, {
      place,
      position: this.#position,
      syncedThrough: this.#syncedThrough,
      previousSeq: this.#writtenSeq,
    });
  }

  #syncNow(): void {
    const startedMs = this.#clock.monotonicMs();
    this.#segments.current!.file.datasyncNow();
    const micros = (this.#clock.monotonicMs() - startedMs) * 1000;
    this.#syncMicros += this.#syncMicros === 0 ? micros : (micros - this.#syncMicros) * SYNC_WEIGHT;
    this.#syncSeconds.observe(micros / 1e6);
    this.#noteSync(this.#position);
  }

  async #write(block: Buffer): Promise<void> {
    await this.#segments.current!.file.write(block, this.#offset);
    this.#move(block.length);
    if (this.#durability === 'D2') await this.#syncWritten();
  }

  #move(bytes: number): void {
    this.#offset += bytes;
    this.#position += bytes;
    this.#blocks++;
  }

  /** Syncs what has been written by now. A failure is the log's, whoever asked. */
  async #syncWritten(): Promise<void> {
    const {current} = this.#segments;
    const through = this.#position;
    if (current === undefined || this.#syncedThrough >= through) return;
    const startedMs = this.#clock.monotonicMs();
    try {
      await current.file.datasync();
    } catch (error) {
      if (this.#failure === undefined) this.#fail(error, []);
      throw readOnly(error);
    }
    // One that failed meanwhile may have been for pages that this one then found clean.
    if (this.#failure !== undefined) throw readOnly(this.#failure);
    this.#syncSeconds.observe((this.#clock.monotonicMs() - startedMs) / 1000);
    this.#noteSync(through);
  }

  #noteSync(through: number): void {
    this.#syncs++;
    this.#syncedThrough = Math.max(this.#syncedThrough, through);
  }

  #finish(group: readonly Waiting[]): void {
    const last = group.at(-1);
    if (last !== undefined) {
      this.#writtenSeq = last.batch.lastSeq;
      this.#batches += group.length;
      this.#queue.settle(group.length);
      if (this.#durability === 'D2') {
        this.#callers = group.length + this.#queue.count;
        this.#answeredMs = this.#clock.monotonicMs();
      }
      if (this.#durability !== 'D0') answer(group);
      if (this.#durability !== 'D2') this.#planLazySync();
    }
    this.#tellProgress();
    if (this.#queue.head !== undefined) this.#schedule();
  }

  /** The bytes of `group` may have reached the disk; those of the queue cannot have. */
  #fail(error: unknown, group: readonly Waiting[]): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    const unknown = new DbError(
      'COMMIT_UNKNOWN',
      'The disk failed during commit; after a restart this write may be there or not.',
      {cause: error},
    );
    this.#queue.settle(group.length);
    if (this.#durability !== 'D0') answer(group, unknown);
    // While a group is in flight its callbacks come first; it ends here too.
    if (!this.#isFlying) for (const {done} of this.#queue.empty()) done(readOnly(this.#failure));
    this.#tellProgress();
  }

  #tellProgress(): void {
    for (const resolve of this.#progressWaiters.splice(0)) resolve();
  }

  /** Within a second of the first write that is not synced. */
  #planLazySync(): void {
    if (this.#isLazySyncPlanned || this.#isClosed) return;
    this.#isLazySyncPlanned = true;
    this.#clock
      .sleep(LAZY_SYNC_MS, this.#stop.signal)
      .then(() => {
        this.#isLazySyncPlanned = false;
        return this.#failure === undefined ? this.#syncWritten() : undefined;
      })
      // A failed sync has put the log into its failed state, which is how it is told; an aborted pause means `close` syncs.
      .catch(() => undefined);
  }
}

function answer(group: readonly Waiting[], error?: Error): void {
  for (const {done} of group) done(error);
}

function parentOf(directory: string): string {
  const end = directory.replace(/\/+$/, '').lastIndexOf('/');
  if (end < 0) return '.';
  return directory.slice(0, end) || '/';
}

function readOnly(cause: unknown): DbError {
  return new DbError('READ_ONLY', 'A disk write failed earlier; the server only reads until it is restarted.', {cause});
}

function diskFull(cause: Error | undefined): DbError {
  return new DbError(
    'DISK_FULL',
    'There is no space for the next log segment. Writes go on by themselves when space is freed.',
    {cause},
  );
}

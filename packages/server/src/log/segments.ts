/**
 * Segments: the files of an open log, from the oldest kept one to those filled with zeros ahead of use.
 *
 *     closed … closed │ current │ next │ spare          `prepare` keeps two ready, in the background
 *
 * Laws: while no further segment can be made the log is full: the spare one is for urgent batches, and only for them. It heals by itself:
 * making one is tried again every second and after every release. Closed segments are deleted oldest first, each durably before the
 * next, so that what a crash leaves has no gap; the newest block is never deleted, since it alone tells where the log ends.
 */
import type {Seq} from '../model/names.ts';
import type {Clock} from '../std/clock.ts';
import type {Disk} from '../std/disk.ts';
import type {WrittenSegment} from './scan.ts';
import {createSegment, type OpenSegment, removeIfThere} from './segment-file.ts';

const READY_SEGMENTS = 2;
const RETRY_MS = 1000;

export interface SegmentsOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly written: WrittenSegment[];
  readonly nextNumber: number;
  /** Does the current segment hold a block? */
  readonly isCurrentWritten: () => boolean;
  /** A segment was made, or could not be made. */
  readonly onChange: () => void;
}

export class Segments {
  readonly #options: SegmentsOptions;
  readonly #closed: WrittenSegment[];
  readonly #ready: OpenSegment[] = [];
  #current: OpenSegment | undefined;
  #nextNumber: number;
  #preparing: Promise<void> | undefined;
  #releasing: Promise<void> = Promise.resolve();
  #fault: Error | undefined;
  #isStopped = false;
  /** Ends the pause between two tries. */
  #pause = new AbortController();

  constructor(options: SegmentsOptions) {
    this.#options = options;
    this.#closed = [...options.written];
    this.#nextNumber = options.nextNumber;
  }

  get current(): OpenSegment | undefined {
    return this.#current;
  }

  /** Why no further segment could be made when last tried; undefined while all is well. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  get count(): number {
    return this.#closed.length + (this.#current === undefined ? 0 : 1);
  }

  canAdvance({isUrgent}: {isUrgent: boolean}): boolean {
    return this.#ready.length >= (isUrgent ? 1 : READY_SEGMENTS);
  }

  /** The next segment becomes the current one. The caller has synced the old one, whose newest batch is `lastSeq`. */
  async advance(lastSeq: Seq): Promise<void> {
    const old = this.#current;
    this.#current = this.#ready.shift();
    this.prepare();
    if (old === undefined) return;
    this.#closed.push({number: old.number, path: old.path, lastSeq});
    await old.file.close();
  }

  /** Fills up what is ready, now and for as long as it takes. */
  prepare(): void {
    this.#pause.abort();
    if (this.#isStopped) return;
    this.#preparing ??= this.#prepareAll().finally(() => {
      this.#preparing = undefined;
    });
  }

  release(seq: Seq): Promise<void> {
    const released = this.#releasing.then(() => this.#removeThrough(seq));
    this.#releasing = released.catch(() => undefined);
    return released;
  }

  /** Closes all files; segments never written to are removed. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.#pause.abort();
    await this.#preparing;
    await this.#releasing;
    await this.#current?.file.close();
    for (const {file, path} of this.#ready.splice(0)) {
      await file.close();
      await removeIfThere(this.#options.disk, path);
    }
  }

  async #prepareAll(): Promise<void> {
    while (this.#ready.length < READY_SEGMENTS && !this.#isStopped) {
      const {disk, directory, segmentBytes, onChange} = this.#options;
      this.#pause = new AbortController();
      try {
        this.#ready.push(await createSegment(disk, {directory, number: this.#nextNumber, bytes: segmentBytes}));
        this.#nextNumber++;
        this.#fault = undefined;
        onChange();
      } catch (error) {
        this.#fault = error as Error;
        onChange();
        await this.#rest();
      }
    }
  }

  async #rest(): Promise<void> {
    if (this.#isStopped) return;
    // An aborted pause is one cut short; nothing else can end it early.
    await this.#options.clock.sleep(RETRY_MS, this.#pause.signal).catch(() => undefined);
  }

  async #removeThrough(seq: Seq): Promise<void> {
    const {disk, directory, isCurrentWritten} = this.#options;
    for (let oldest = this.#closed[0]; oldest !== undefined && oldest.lastSeq <= seq; oldest = this.#closed[0]) {
      if (this.#closed.length === 1 && !isCurrentWritten()) break;
      await removeIfThere(disk, oldest.path);
      await disk.syncDirectory(directory);
      this.#closed.shift();
    }
    this.prepare();
  }
}

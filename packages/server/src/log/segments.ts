/**
 * Segments: the files of a log. Filled with zeros ahead of use, in the background; written once; deleted, never reused.
 *
 * One segment more than the next is kept ready: while the disk is full, records that end things (publish, drop, jobs) may still use it.
 * Laws: a file that was ever appended to is not written again by a later start. Numbers only grow.
 */
import type {Clock} from '../std/clock.ts';
import type {Disk, DiskFile} from '../std/disk.ts';
import {SEGMENT_HEADER_BYTES, segmentHeader} from './block.ts';

const READY_TARGET = 2;
const ZERO_CHUNK_BYTES = 1024 * 1024;
const RETRY_MS = 500;
const NAME = /^segment-(\d{12})\.log$/;

export interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  readonly bytes: number;
}

export function segmentPath(directory: string, number: number): string {
  return `${directory}/segment-${String(number).padStart(12, '0')}.log`;
}

/** In order of number. */
export async function listSegments(disk: Disk, directory: string): Promise<{number: number; path: string}[]> {
  const found: {number: number; path: string}[] = [];
  for (const name of await disk.list(directory)) {
    const match = NAME.exec(name);
    if (match !== null) found.push({number: Number(match[1]), path: `${directory}/${name}`});
  }
  return found.sort((a, b) => a.number - b.number);
}

export class ReadySegments {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #bytes: number;
  readonly #closed = new AbortController();
  #ready: OpenSegment[] = [];
  #nextNumber: number;
  #filling: Promise<void> | undefined;
  #lastError: Error | undefined;
  #waiters: (() => void)[] = [];

  constructor(options: {disk: Disk; clock: Clock; directory: string; bytes: number; nextNumber: number}) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#directory = options.directory;
    this.#bytes = options.bytes;
    this.#nextNumber = options.nextNumber;
  }

  /** The disk did not take another segment when last tried, and only the one kept in reserve is left. */
  get isFull(): boolean {
    return this.#lastError !== undefined && this.#ready.length < READY_TARGET;
  }

  get isExhausted(): boolean {
    return this.#lastError !== undefined && this.#ready.length === 0;
  }

  /** A fresh segment; waits while one is being filled. Throws what the disk said if there is none and none can be made. */
  async take(): Promise<OpenSegment> {
    for (;;) {
      const segment = this.#ready.shift();
      this.fill();
      if (segment !== undefined) return segment;
      if (this.#lastError !== undefined) throw this.#lastError;
      await new Promise<void>(resolve => this.#waiters.push(resolve));
    }
  }

  /** Keeps the reserve full; goes on in the background and tries again while the disk is full. */
  fill(): void {
    this.#filling ??= this.#fillUp().finally(() => {
      this.#filling = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#filling;
    for (const segment of this.#ready) {
      await segment.file.close();
      await this.#disk.remove(segment.path);
    }
    this.#ready = [];
  }

  async #fillUp(): Promise<void> {
    while (this.#ready.length < READY_TARGET && !this.#closed.signal.aborted) {
      try {
        this.#ready.push(await this.#make());
        this.#lastError = undefined;
      } catch (error) {
        this.#lastError = error as Error;
      }
      for (const waiter of this.#waiters.splice(0)) waiter();
      if (this.#lastError !== undefined) await this.#clock.sleep(RETRY_MS, this.#closed.signal).catch(() => {});
    }
  }

  async #make(): Promise<OpenSegment> {
    const number = this.#nextNumber++;
    const path = segmentPath(this.#directory, number);
    const file = await this.#disk.open(path, 'create');
    try {
      const zeros = Buffer.alloc(Math.min(ZERO_CHUNK_BYTES, this.#bytes));
      for (let at = SEGMENT_HEADER_BYTES; at < this.#bytes; at += zeros.length) {
        await file.write(zeros.subarray(0, Math.min(zeros.length, this.#bytes - at)), at);
      }
      await file.write(segmentHeader(number), 0);
      await file.datasync();
      await this.#disk.syncDirectory(this.#directory);
      return {number, path, file, bytes: this.#bytes};
    } catch (error) {
      await file.close().catch(() => {});
      await this.#disk.remove(path).catch(() => {});
      throw error;
    }
  }
}

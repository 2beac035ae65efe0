/**
 * Checkpointer: when a checkpoint is written, and what the log may forget afterwards.
 *
 *     log since the last one > max(its limit, bytes of hot rows) ─ capture ─ log synced ─ write ─ release the log up to the checkpoint before
 *
 * Laws: one is written at a time. The log forgets only what the *older* of two whole checkpoints holds. A failed one loses nothing: all counts go on as
 * if it had not been tried, and the next try waits.
 */
import type {Hot} from '../hot/hot.ts';
import type {Log} from '../log/log.ts';
import type {Incarnation, Seq} from '../model/names.ts';
import type {Clock} from '../std/clock.ts';
import type {Disk} from '../std/disk.ts';
import {writeCheckpoint} from './checkpoint.ts';
import type {Commit} from './commit.ts';
import type {Manifests} from './manifests.ts';

const RETRY_MS = 10_000;

/** The checkpoint a start loaded, 0 if there was none, and the bytes of log it replayed after it. */
export interface LoadedCheckpoint {
  readonly seq: Seq;
  readonly replayedBytes: number;
}

export interface CheckpointerOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly hot: Hot;
  readonly manifests: Manifests;
  readonly commit: Commit;
  readonly log: Log;
  /** Do rows of this table life outlive a restart? */
  readonly isDurable: (incarnation: Incarnation) => boolean;
  /** The least log that is worth a checkpoint. */
  readonly logBytes: number;
  readonly loaded: LoadedCheckpoint;
  readonly warn: (text: string) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #newest: Seq;
  /** Value of `log.appendedBytes` when the newest checkpoint was captured; below zero while replayed bytes count. */
  #capturedBytes: number;
  #retryAtMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#newest = options.loaded.seq;
    this.#capturedBytes = -options.loaded.replayedBytes;
  }

  /** Its seq; 0 before the first. */
  get newest(): Seq {
    return this.#newest;
  }

  /** Begins a checkpoint if one is due. Cheap: called after every applied batch. */
  look(): void {
    const {log, hot, logBytes, clock, warn} = this.#options;
    const sinceLast = log.appendedBytes - this.#capturedBytes;
    if (sinceLast <= logBytes || this.#running !== undefined) return;
    if (sinceLast <= hot.liveBytes() || clock.monotonicMs() < this.#retryAtMs) return;
    this.#running = this.#write()
      .catch(error => {
        this.#retryAtMs = clock.monotonicMs() + RETRY_MS;
        warn(`A checkpoint failed and will be tried again: ${String(error)}`);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async settle(): Promise<void> {
    await this.#running;
  }

  async #write(): Promise<void> {
    const {disk, directory, hot, manifests, commit, log, isDurable} = this.#options;
    // One synchronous turn: rows, manifests and ceilings of the same moment.
    const image = {
      seq: commit.watermark,
      ceiling: commit.ceiling,
      rows: hot.captureAll(isDurable),
      manifests: manifests.captureAll(),
    };
    const capturedBytes = log.appendedBytes;
    const previous = this.#newest;
    // The image must not be newer than the log on disk, in any durability class.
    await log.sync();
    const breathe = () => new Promise<void>(resolve => setImmediate(resolve));
    await writeCheckpoint(disk, directory, {image, previous}, breathe);
    this.#newest = image.seq;
    this.#capturedBytes = capturedBytes;
    if (previous > 0n) await log.release(previous);
  }
}

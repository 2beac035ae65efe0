/**
 * Files: how segment files come and go.
 *
 *     announce ─ put ─ publish (lists it, takes the name back)           a flush
 *     publish (lists it no more, announces it) ─ last reader ─ delete    a flush or compaction that replaced it, a drop
 *
 * Laws: a file that no manifest lists is announced: its name stands in the log from before it exists until it is durably gone. So a start has only to
 * delete what is announced and not listed, and no folder is ever searched. Both are only the files of a table of very many, while it is dropped. Nothing is deleted before the log that no longer needs it is on disk, in any durability class.
 * What could not be deleted is tried again, with growing pauses: a storage that is away for an hour keeps nobody from anything else.
 */
import type {Blob} from '../blob/blob.ts';
import type {Clock} from '../std/clock.ts';
import type {Commit, WriteBatch, WriteRow} from './commit.ts';

/** So many names are struck out in one batch. */
const FILES_AT_ONCE = 4096;
const FIRST_PAUSE_MS = 1000;
const PAUSE_MAX_MS = 600_000;

export interface StoredFile {
  readonly storageId: string;
  readonly path: string;
}

/** How an announced name is written down and struck out, for batches that do more in the same moment. */
export interface FileNames {
  readonly announced: (files: readonly StoredFile[]) => WriteRow[];
  readonly struck: (files: readonly StoredFile[]) => NonNullable<WriteBatch['removes']>;
}

export interface FilesOptions {
  readonly commit: Commit;
  readonly names: FileNames;
  readonly syncLog: () => Promise<void>;
  readonly blobOf: (storageId: string) => Blob;
  /** Whatever is cached of these paths is of no use any more. */
  readonly forget: (paths: readonly string[]) => void;
  /** The files that may really go: those whose path has not come into use again. */
  readonly unused: (files: readonly StoredFile[]) => readonly StoredFile[];
  /** Told of each file handed to `delete` once it is gone, or kept for good because its path is in use. */
  readonly gone: (files: readonly StoredFile[]) => void;
  readonly clock: Clock;
  readonly warn: (text: string) => void;
}

export class Files {
  readonly names: FileNames;
  readonly #options: FilesOptions;
  #deletingCount = 0;
  /** What could not be deleted, for how many times in a row, and when it is tried again. */
  #putOff: StoredFile[] = [];
  #failures = 0;
  #retryAtMs = 0;
  readonly #running = new Set<Promise<number>>();
  #isStopped = false;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.names = options.names;
  }

  /** Resolves when the names are on disk, in any durability class: no power loss may keep a file and forget its name. */
  async announce(files: readonly StoredFile[]): Promise<void> {
    await this.#options.commit.write({rows: this.names.announced(files), isUrgent: true});
    await this.#options.syncLog();
  }

  /**
   * Deletes announced files, and those put off whose time has come, then strikes their names out. Never rejects: what fails stays announced, and a later
   * call tries again. Returns how many are gone.
   */
  async delete(files: readonly StoredFile[]): Promise<number> {
    const work = this.#delete([...this.#takeDue(), ...files]);
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  /** Resolves when nothing is being deleted any more. What is left then is announced. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #delete(all: readonly StoredFile[]): Promise<number> {
    this.#deletingCount += all.length;
    const failed: StoredFile[] = [];
    let cause: unknown;
    let count = 0;
    for (const [storageId, of] of Map.groupBy(all, file => file.storageId)) {
      for (let from = 0; from < of.length; from += FILES_AT_ONCE) {
        if (this.#isStopped) break;
        const some = of.slice(from, from + FILES_AT_ONCE);
        try {
          count += await this.#deleteFrom(storageId, some);
        } catch (error) {
          failed.push(...some);
          cause = error;
        }
      }
    }
    this.#deletingCount -= all.length;
    if (failed.length > 0) this.#putThemOff(failed, cause);
    else if (all.length > 0) this.#failures = 0;
    return count;
  }

  /**
   * Of the files that a start finds announced, those that are to be deleted. A DROP that was cut off, or refused, has left names of files that are
   * listed: those are struck out here.
   */
  async leftOf(announced: readonly StoredFile[], listed: Iterable<StoredFile>): Promise<StoredFile[]> {
    if (announced.length === 0) return [];
    const left = new Map(announced.map(file => [`${file.storageId}:${file.path}`, file]));
    const kept: StoredFile[] = [];
    for (const {storageId, path} of listed) if (left.delete(`${storageId}:${path}`)) kept.push({storageId, path});
    for (let from = 0; from < kept.length; from += FILES_AT_ONCE) {
      await this.#strike(kept.slice(from, from + FILES_AT_ONCE));
    }
    return [...left.values()];
  }

  /** Files that are being deleted now, whoever asked for it, or wait to be tried again. */
  get deletingCount(): number {
    return this.#deletingCount + this.#putOff.length;
  }

  /** Those of them that could not be deleted when it was tried last. */
  get putOffCount(): number {
    return this.#putOff.length;
  }

  #takeDue(): StoredFile[] {
    if (this.#putOff.length === 0 || this.#options.clock.monotonicMs() < this.#retryAtMs) return [];
    return this.#putOff.splice(0);
  }

  #putThemOff(files: readonly StoredFile[], cause: unknown): void {
    const {clock, warn} = this.#options;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, PAUSE_MAX_MS);
    this.#retryAtMs = clock.monotonicMs() + pauseMs;
    for (const file of files) this.#putOff.push(file);
    warn(
      `${files.length} file(s) in storage '${files[0]!.storageId}' could not be deleted; tried again in ${pauseMs / 1000} s: ${String(cause)}`,
    );
  }

  async #deleteFrom(storageId: string, files: readonly StoredFile[]): Promise<number> {
    const {syncLog, forget, unused, gone, blobOf} = this.#options;
    await syncLog();
    const paths = unused(files).map(file => file.path);
    forget(paths);
    await blobOf(storageId).remove(paths);
    await this.#strike(files);
    gone(files);
    return paths.length;
  }

  async #strike(files: readonly StoredFile[]): Promise<void> {
    await this.#options.commit.write({removes: this.names.struck(files), isUrgent: true});
  }
}

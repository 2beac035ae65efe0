/**
 * Files: how segment files come and go.
 *
 *     announce ─ put ─ publish (lists it, takes the name back)           a flush
 *     publish (lists it no more, announces it) ─ last reader ─ delete    a flush or compaction that replaced it, a drop
 *
 * Laws: a file that no manifest lists is announced: its name stands in the log from before it exists until it is durably gone. So a start has only to
 * delete what is announced, and no folder is ever searched. Nothing is deleted before the log that no longer needs it is on disk, in any durability class.
 */
import type {Blob} from '../blob/blob.ts';
import type {Commit, WriteBatch, WriteRow} from './commit.ts';

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
}

export class Files {
  readonly names: FileNames;
  readonly #options: FilesOptions;
  #deletingCount = 0;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.names = options.names;
  }

  /** Resolves when the names are on disk, in any durability class: no power loss may keep a file and forget its name. */
  async announce(files: readonly StoredFile[]): Promise<void> {
    await this.#options.commit.write({rows: this.names.announced(files), isUrgent: true});
    await this.#options.syncLog();
  }

  /** Deletes announced files, then strikes their names out. What fails stays announced, and the next start tries again. */
  async delete(files: readonly StoredFile[]): Promise<number> {
    if (files.length === 0) return 0;
    this.#deletingCount += files.length;
    try {
      return await this.#deleteAll(files);
    } finally {
      this.#deletingCount -= files.length;
    }
  }

  /** Files that are being deleted now, whoever asked for it. */
  get deletingCount(): number {
    return this.#deletingCount;
  }

  async #deleteAll(files: readonly StoredFile[]): Promise<number> {
    const {syncLog, forget, unused, blobOf, commit} = this.#options;
    await syncLog();
    const gone = unused(files);
    forget(gone.map(file => file.path));
    for (const [storageId, of] of Map.groupBy(gone, file => file.storageId)) {
      await blobOf(storageId).remove(of.map(file => file.path));
    }
    await commit.write({removes: this.names.struck(files), isUrgent: true});
    return gone.length;
  }
}

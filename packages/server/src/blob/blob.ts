/**
 * Blob: where segment files lie. Backends: file system, memory (S3 later). One contract suite runs on each.
 *
 * Laws: `put` resolves when the object is durable and complete under its name; a failed or interrupted put leaves nothing under that
 * name. Names are never reused and objects are never changed. Paths are relative, use `/`, and stay inside the storage's base.
 */
export interface Blob {
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Like put, but replaces what is there (manifest mirrors only). Readers see the old or the new object, never a mix. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Bytes [start, end) of the object. Throws DATA_CORRUPTED naming the path if it is missing or shorter. */
  read(path: string, start: number, end: number): Promise<Buffer>;
  size(path: string): Promise<number | undefined>;
  /**
   * Resolves when it is durable that the objects, and what interrupted puts of them left, are gone. No error for one that was not there. A folder
   * that is left empty goes too, where there are folders.
   */
  remove(paths: readonly string[]): Promise<void>;
  /**
   * A file of this machine that holds the object, for programs that read files themselves, until it is released; undefined when there is none
   * and none can be made. The path is absolute and below `directory`.
   */
  file(path: string): Promise<LocalFile | undefined>;
  /** Absolute; undefined: objects have no files on this machine. */
  readonly directory: string | undefined;
  /** All object paths below a prefix, sorted. Leftovers of interrupted puts are not listed. */
  list(prefix: string): Promise<string[]>;
}

export interface LocalFile {
  readonly path: string;
  release(): void;
}

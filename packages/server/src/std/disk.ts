/**
 * Disk: the file operations that durability rests on, as a contract with a real and a simulated twin.
 *
 * Laws: what `write` wrote may vanish, wholly or in any part, until `datasync` of that file returned. A file created, renamed
 * or removed may come back or vanish until `syncDirectory` of its directory returned. Errors carry `code` as in node:fs
 * (`ENOENT`, `ENOSPC`, `EIO`). Paths are absolute or relative to the working directory, and use `/`.
 */
export interface DiskFile {
  /** Reads up to `length` bytes at `position`; fewer only at end of file. */
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all bytes or throws. Nothing is promised about which bytes landed when it throws. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** The same, at once, on the calling thread. */
  writeNow(bytes: Uint8Array, position: number): void;
  datasync(): Promise<void>;
  datasyncNow(): void;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /** `create` makes a new file and fails with EEXIST if there is one; `read` and `update` fail with ENOENT if there is none. */
  open(path: string, mode: 'read' | 'update' | 'create'): Promise<DiskFile>;
  readFile(path: string): Promise<Buffer>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  /** Names in the directory, sorted; empty if it does not exist. */
  list(path: string): Promise<string[]>;
  syncDirectory(path: string): Promise<void>;
  /** Of the file system that holds the path. */
  space(path: string): Promise<{totalBytes: number; usedBytes: number}>;
}

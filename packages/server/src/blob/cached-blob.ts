/**
 * Cached blob: a remote storage with copies of its objects on the local disk.
 *
 *     read ─ in the cache? ─ yes → range of the local file
 *                          └ no  → whole object fetched once, for all who wait → kept, oldest use first out
 *
 * Objects are never changed and names never reused, so a copy is good as long as its object. Objects larger than the cache are read in ranges.
 * Laws: the cache holds at most `bytesMax`, plus what is being read, and files that somebody holds. It begins empty: a copy is never older than
 * the process. A cache that cannot be written is no error: reads go to the storage.
 */
import {resolve} from 'node:path';
import type {Disk} from '../std/disk.ts';
import type {Blob, LocalFile} from './blob.ts';
import {missingObject} from './object-path.ts';

export interface CacheOptions {
  readonly remote: Blob;
  readonly disk: Disk;
  /** Only files of this cache lie in it. */
  readonly directory: string;
  readonly bytesMax: number;
}

interface Copy {
  readonly file: string;
  readonly bytes: number;
  /** Who holds the file. It is removed by the last one, once the copy is forgotten. */
  holders: number;
  isForgotten: boolean;
}

export function openCachedBlob({remote, ...options}: CacheOptions): Blob {
  const copies = new Copies(options);
  const fetching = new Map<string, Promise<Buffer>>();

  function fetchWhole(path: string, size: number): Promise<Buffer> {
    let whole = fetching.get(path);
    if (whole === undefined) {
      whole = fetched(path, size).finally(() => fetching.delete(path));
      fetching.set(path, whole);
    }
    return whole;
  }

  async function fetched(path: string, size: number): Promise<Buffer> {
    const bytes = await remote.read(path, 0, size);
    await copies.keep(path, bytes);
    return bytes;
  }

  return {
    put: (path, bytes) => remote.put(path, bytes),
    async replace(path, bytes) {
      await remote.replace(path, bytes);
      await copies.forget(path);
    },
    async read(path, start, end) {
      const kept = await copies.read(path, start, end);
      if (kept !== undefined) return kept;
      const size = await remote.size(path);
      if (size === undefined || size > options.bytesMax || end > size) return await remote.read(path, start, end);
      return (await fetchWhole(path, size)).subarray(start, end);
    },
    async file(path) {
      const kept = copies.hold(path);
      if (kept !== undefined) return kept;
      const size = await remote.size(path);
      if (size === undefined) throw missingObject(path);
      if (size > options.bytesMax) return undefined;
      await fetchWhole(path, size);
      return copies.hold(path);
    },
    directory: resolve(options.directory),
    size: path => remote.size(path),
    async remove(paths) {
      for (const path of paths) await copies.forget(path);
      await remote.remove(paths);
    },
    list: prefix => remote.list(prefix),
  };
}

/** Files of a local directory that hold objects of a storage. */
class Copies {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #bytesMax: number;
  /** By object path, in order of use, oldest first. */
  readonly #copies = new Map<string, Copy>();
  #emptied: Promise<void> | undefined;
  #bytes = 0;
  #fileCount = 0;

  constructor({disk, directory, bytesMax}: Omit<CacheOptions, 'remote'>) {
    this.#disk = disk;
    this.#directory = directory;
    this.#bytesMax = bytesMax;
  }

  /** Undefined if there is no copy that can be read. */
  async read(path: string, start: number, end: number): Promise<Buffer | undefined> {
    const copy = this.#copies.get(path);
    if (copy === undefined) return undefined;
    this.#copies.delete(path);
    this.#copies.set(path, copy);
    try {
      const file = await this.#disk.open(copy.file, 'read');
      try {
        const bytes = await file.read(start, end - start);
        if (bytes.length === end - start) return bytes;
      } finally {
        await file.close();
      }
    } catch {
      // Pushed out meanwhile, or the disk fails: the storage has the object.
    }
    await this.forget(path);
    return undefined;
  }

  async keep(path: string, bytes: Buffer): Promise<void> {
    const file = `${this.#directory}/${++this.#fileCount}`;
    for (const oldest of this.#copies.keys()) {
      if (this.#bytes + bytes.length <= this.#bytesMax) break;
      await this.forget(oldest);
    }
    try {
      this.#emptied ??= this.#empty();
      await this.#emptied;
      const handle = await this.#disk.open(file, 'create');
      try {
        await handle.write(bytes, 0);
      } finally {
        await handle.close();
      }
    } catch {
      await this.#disk.remove(file).catch(() => undefined);
      return;
    }
    this.#copies.set(path, {file, bytes: bytes.length, holders: 0, isForgotten: false});
    this.#bytes += bytes.length;
  }

  async forget(path: string): Promise<void> {
    const copy = this.#copies.get(path);
    if (copy === undefined) return;
    this.#copies.delete(path);
    this.#bytes -= copy.bytes;
    copy.isForgotten = true;
    if (copy.holders === 0) await this.#disk.remove(copy.file).catch(() => undefined);
  }

  hold(path: string): LocalFile | undefined {
    const copy = this.#copies.get(path);
    if (copy === undefined) return undefined;
    copy.holders++;
    const release = () => {
      if (--copy.holders === 0 && copy.isForgotten) void this.#disk.remove(copy.file).catch(() => undefined);
    };
    return {path: resolve(copy.file), release};
  }

  async #empty(): Promise<void> {
    await this.#disk.makeDirectory(this.#directory);
    for (const name of await this.#disk.list(this.#directory)) await this.#disk.remove(`${this.#directory}/${name}`);
  }
}

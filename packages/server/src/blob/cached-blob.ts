/**
 * Cached blob: a remote storage with copies of its objects on the local disk.
 *
 *     read ─ in the cache? ─ yes → range of the local file
 *                          └ no  → whole object fetched once, for all who wait → kept, oldest use first out
 *
 * Objects are never changed and names never reused, so a copy is good as long as its object. Objects larger than the cache are read in ranges.
 * Laws: the cache holds at most `bytesMax`, plus what is being read. It begins empty: a copy is never older than the process. A cache that cannot be
 * written is no error: reads go to the storage.
 */
import type {Disk} from '../std/disk.ts';
import type {Blob} from './blob.ts';

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
}

/** Throws what the disk throws if the directory cannot be made or emptied. */
export async function openCachedBlob({remote, disk, directory, bytesMax}: CacheOptions): Promise<Blob> {
  await disk.makeDirectory(directory);
  for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
  /** In order of use, oldest first. */
  const copies = new Map<string, Copy>();
  const fetching = new Map<string, Promise<Buffer>>();
  let keptBytes = 0;
  let fileCount = 0;

  async function forget(path: string): Promise<void> {
    const copy = copies.get(path);
    if (copy === undefined) return;
    copies.delete(path);
    keptBytes -= copy.bytes;
    await disk.remove(copy.file).catch(() => undefined);
  }

  async function keep(path: string, bytes: Buffer): Promise<void> {
    const file = `${directory}/${++fileCount}`;
    for (const oldest of copies.keys()) {
      if (keptBytes + bytes.length <= bytesMax) break;
      await forget(oldest);
    }
    try {
      const handle = await disk.open(file, 'create');
      try {
        await handle.write(bytes, 0);
      } finally {
        await handle.close();
      }
    } catch {
      await disk.remove(file).catch(() => undefined);
      return;
    }
    copies.set(path, {file, bytes: bytes.length});
    keptBytes += bytes.length;
  }

  async function fetchWhole(path: string, size: number): Promise<Buffer> {
    const bytes = await remote.read(path, 0, size);
    await keep(path, bytes);
    return bytes;
  }

  async function readCopy(path: string, copy: Copy, start: number, end: number): Promise<Buffer | undefined> {
    copies.delete(path);
    copies.set(path, copy);
    try {
      const file = await disk.open(copy.file, 'read');
      try {
        const bytes = await file.read(start, end - start);
        return bytes.length === end - start ? bytes : undefined;
      } finally {
        await file.close();
      }
    } catch {
      // Pushed out meanwhile, or the disk fails: the storage has it.
      return undefined;
    }
  }

  return {
    put: (path, bytes) => remote.put(path, bytes),
    async replace(path, bytes) {
      await remote.replace(path, bytes);
      await forget(path);
    },
    async read(path, start, end) {
      const copy = copies.get(path);
      const kept = copy === undefined ? undefined : await readCopy(path, copy, start, end);
      if (kept !== undefined) return kept;
      const size = await remote.size(path);
      if (size === undefined || size > bytesMax || end > size) return await remote.read(path, start, end);
      let whole = fetching.get(path);
      if (whole === undefined) {
        whole = fetchWhole(path, size).finally(() => fetching.delete(path));
        fetching.set(path, whole);
      }
      return (await whole).subarray(start, end);
    },
    size: path => remote.size(path),
    async remove(paths) {
      for (const path of paths) await forget(path);
      await remote.remove(paths);
    },
    list: prefix => remote.list(prefix),
  };
}

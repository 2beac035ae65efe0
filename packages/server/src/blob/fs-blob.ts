/**
 * File-system blob: objects are files below one base folder.
 *
 *     put = create `<path>.tmp` → write → datasync → rename → sync folder       (folders that were missing: made and synced first)
 *     remove = unlink → sync folder → remove the folder and those above it, while they are empty and nobody puts anything below them
 *
 * Laws: an object is never seen under its name before its bytes are durable. What a crash leaves is the name with `.tmp`: it is never listed, and goes
 * when the object is removed or put again. No path leads out of the base. Folders are made and removed by one caller at a time.
 */

import {resolve} from 'node:path';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {assert} from '../std/assert.ts';
import type {Disk, DiskFile} from '../std/disk.ts';
import type {Blob} from './blob.ts';
import {checkObjectPath, checkPrefix, missingObject, shortObject} from './object-path.ts';

const LEFTOVER = '.tmp';
/** Folders remembered as existing; forgetting them costs a system call each. */
const KNOWN_FOLDERS_MAX = 20_000;

export function openFsBlob(options: {disk: Disk; base: string}): Blob {
  const {disk} = options;
  const base = options.base.length > 1 ? options.base.replace(/\/+$/, '') : options.base;
  const folders = new Folders(disk, base);

  return {
    async put(path, bytes) {
      checkOwnName(path);
      assert((await sizeOf(disk, `${base}/${path}`)) === undefined, `an object name is used once: ${path}`);
      await folders.use(folderOf(`${base}/${path}`), async () => {
        await writeObject(disk, `${base}/${path}`, bytes);
        await nameObject(disk, `${base}/${path}`).catch(async error => {
          throw await afterCleanup(disk, `${base}/${path}`, error);
        });
      });
    },
    async replace(path, bytes) {
      checkOwnName(path);
      await folders.use(folderOf(`${base}/${path}`), async () => {
        await writeObject(disk, `${base}/${path}`, bytes);
        await nameObject(disk, `${base}/${path}`);
      });
    },
    async read(path, start, end) {
      checkObjectPath(path);
      const file = await openIfThere(disk, `${base}/${path}`);
      if (file === undefined) throw missingObject(path);
      try {
        const bytes = await file.read(start, end - start);
        if (bytes.length < end - start) throw shortObject(path, {end, size: start + bytes.length});
        return bytes;
      } finally {
        await file.close();
      }
    },
    async file(path) {
      checkObjectPath(path);
      return {path: `${resolve(base)}/${path}`, release() {}};
    },
    directory: resolve(base),
    async size(path) {
      checkObjectPath(path);
      return sizeOf(disk, `${base}/${path}`);
    },
    async remove(paths) {
      for (const path of paths) checkObjectPath(path);
      for (const path of paths) {
        await removeIfThere(disk, `${base}/${path}`);
        await removeIfThere(disk, `${base}/${path}${LEFTOVER}`);
      }
      // Also where nothing was: an earlier life may have removed it and not lived to see that durable.
      for (const folder of new Set(paths.map(path => folderOf(`${base}/${path}`)))) {
        await syncIfThere(disk, folder);
        await folders.removeEmpty(folder);
      }
    },
    async list(prefix) {
      checkPrefix(prefix);
      const files = await filesBelow(disk, base, prefix.replace(/\/$/, ''));
      return files.filter(path => !path.endsWith(LEFTOVER)).sort();
    },
  };
}

function checkOwnName(path: string): void {
  checkObjectPath(path);
  if (path.endsWith(LEFTOVER)) throw new DbError('INVALID_INPUT', `Object path '${path}' must not end in ${LEFTOVER}.`);
}

async function writeObject(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = path + LEFTOVER;
  try {
    const file = await createAnew(disk, temporary);
    try {
      await file.write(bytes, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw await afterCleanup(disk, temporary, error);
  }
}

/** A crash may have left a file of this name; that is rare enough to be met, not looked for. */
async function createAnew(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, 'create');
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    await removeIfThere(disk, path);
    return disk.open(path, 'create');
  }
}

async function nameObject(disk: Disk, path: string): Promise<void> {
  try {
    await disk.rename(path + LEFTOVER, path);
  } catch (error) {
    throw await afterCleanup(disk, path + LEFTOVER, error);
  }
  await disk.syncDirectory(folderOf(path));
}

/** The error to report: the first one. A leftover that cannot be removed now goes with its object. */
async function afterCleanup(disk: Disk, path: string, error: unknown): Promise<unknown> {
  await removeIfThere(disk, path).catch(() => undefined);
  if (errorCode(error) !== 'ENOSPC') return error;
  return new DbError('DISK_FULL', `No space left to write '${path}'.`, {cause: error});
}

/** Makes a folder and those above it, as far as they are missing; they are durable then. */
export async function makeFolder(disk: Disk, path: string): Promise<void> {
  await new Folders(disk, path).use(path, async () => undefined);
}

/** The folders below one base: made when something is put into them, removed when nothing is left. */
class Folders {
  readonly #disk: Disk;
  readonly #base: string;
  readonly #known = new Set<string>();
  /** How many puts are under way below a folder: such a folder stays. */
  readonly #users = new Map<string, number>();
  /** Makes and removals, one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, base: string) {
    this.#disk = disk;
    this.#base = base;
  }

  /** Does the work while the folder exists; it is made and durable before. */
  async use(folder: string, work: () => Promise<void>): Promise<void> {
    const path = this.#upToBase(folder);
    for (const one of path) this.#users.set(one, (this.#users.get(one) ?? 0) + 1);
    try {
      if (!this.#known.has(folder)) await this.#alone(() => this.#make(folder));
      await work();
    } finally {
      for (const one of path) {
        const left = this.#users.get(one)! - 1;
        if (left > 0) this.#users.set(one, left);
        else this.#users.delete(one);
      }
    }
  }

  /** Removes the folder if it is empty, then the one above it, up to the base. A failure leaves folders behind, no more. */
  async removeEmpty(folder: string): Promise<void> {
    await this.#alone(async () => {
      for (const one of this.#upToBase(folder)) {
        if (one === this.#base || this.#users.has(one) || !(await this.#remove(one))) return;
      }
    });
  }

  async #remove(folder: string): Promise<boolean> {
    // Forgotten first: a put that begins meanwhile must make it anew.
    const wasKnown = this.#known.delete(folder);
    try {
      await this.#disk.removeDirectory(folder);
      return true;
    } catch (error) {
      if (wasKnown && ['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) this.#known.add(folder);
      return false;
    }
  }

  /** The folder and those above it, ending with the base. */
  #upToBase(folder: string): string[] {
    const path = [folder];
    for (let one = folder; one !== this.#base && one.startsWith(`${this.#base}/`); ) {
      one = folderOf(one);
      path.push(one);
    }
    return path;
  }

  async #alone(change: () => Promise<void>): Promise<void> {
    const turn = this.#changes.then(change);
    this.#changes = turn.catch(() => undefined);
    await turn;
  }

  /** Makes the missing folders from the top down; each is durable in its parent before anything is put into it. */
  async #make(folder: string): Promise<void> {
    if (folder === '' || folder === '.' || folder === '/' || this.#known.has(folder)) return;
    const parent = folderOf(folder);
    await this.#make(parent);
    const isNew = await this.#disk.makeDirectory(folder).then(
      () => true,
      error => {
        if (errorCode(error) === 'EEXIST') return false;
        throw error;
      },
    );
    if (isNew) await this.#disk.syncDirectory(parent === '' ? '/' : parent);
    if (this.#known.size >= KNOWN_FOLDERS_MAX) this.#known.clear();
    this.#known.add(folder);
  }
}

/** Paths relative to `base` of all files below `prefix`. The contract of Disk has no stat: a folder is what can be listed. */
async function filesBelow(disk: Disk, base: string, prefix: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [prefix];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of await disk.list(folder === '' ? base : `${base}/${folder}`)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (await isFile(disk, `${base}/${path}`)) files.push(path);
      else folders.push(path);
    }
  }
  return files;
}

async function isFile(disk: Disk, path: string): Promise<boolean> {
  let file: DiskFile | undefined;
  try {
    file = await disk.open(path, 'read');
    await file.read(0, 1);
    return true;
  } catch (error) {
    if (['EISDIR', 'ENOENT', 'EACCES'].includes(errorCode(error) ?? '')) return false;
    throw error;
  } finally {
    await file?.close();
  }
}

async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'read');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function sizeOf(disk: Disk, path: string): Promise<number | undefined> {
  const file = await openIfThere(disk, path);
  if (file === undefined) return undefined;
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

/** Was it there? */
async function removeIfThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.remove(path);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return false;
  }
}

async function syncIfThere(disk: Disk, folder: string): Promise<void> {
  try {
    await disk.syncDirectory(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

function errorCode(error: unknown): string | undefined {
  return (error as {code?: string} | undefined)?.code;
}

/** The folder of a path; '' for the root's own children (`/x`), '.' for a bare name. */
function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end < 0 ? '.' : path.slice(0, end);
}

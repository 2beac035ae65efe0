/** The real disk, over node:fs. Short writes are continued; a write that makes no progress throws. */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import {dirname} from 'node:path';
import type {Disk, DiskFile} from './disk.ts';

const FLAGS = {read: 'r', update: 'r+', create: 'wx+'} as const;
/** What a database keeps is nobody's business but its server's. */
const OWNER_ALONE = 0o600;

export const realDisk: Disk = {
  async open(path, mode) {
    return fileOf(await fsp.open(path, FLAGS[mode], OWNER_ALONE));
  },
  readFile: path => fsp.readFile(path),
  rename: (from, to) => fsp.rename(from, to),
  remove: path => fsp.unlink(path),
  makeDirectory,
  removeDirectory: path => fsp.rmdir(path),
  async list(path) {
    try {
      return (await fsp.readdir(path)).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  },
  async syncDirectory(path) {
    const handle = await fsp.open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async space(path) {
    const {bsize, blocks, bfree} = await fsp.statfs(path);
    return {totalBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize};
  },
};

function fileOf(handle: fsp.FileHandle): DiskFile {
  return {
    async read(position, length) {
      const buffer = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const {bytesRead} = await handle.read(buffer, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
    async write(bytes, position) {
      for (let done = 0; done < bytes.length; ) {
        const {bytesWritten} = await handle.write(bytes, done, bytes.length - done, position + done);
        done += progress(bytesWritten);
      }
    },
    writeNow(bytes, position) {
      for (let done = 0; done < bytes.length; ) {
        done += progress(fs.writeSync(handle.fd, bytes, done, bytes.length - done, position + done));
      }
    },
    datasync: () => handle.datasync(),
    datasyncNow: () => fs.fdatasyncSync(handle.fd),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

function progress(bytesWritten: number): number {
  if (bytesWritten === 0) throw Object.assign(new Error('a write made no progress'), {code: 'EIO'});
  return bytesWritten;
}

/** Node's own way to make parents goes on for ever where a system answers ENOENT below a directory that is there, as in /proc. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeDirectory(parent);
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await fsp.mkdir(path);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST' && (await fsp.stat(path)).isDirectory();
    if (!isThere) throw error;
  }
}

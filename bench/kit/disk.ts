/** Disk: how many syncs a second the disk under a directory gives, one after another: the bound for a commit log without groups. */
import {closeSync, fdatasyncSync, openSync, rmSync, writeSync} from 'node:fs';
import {join} from 'node:path';

const FILE_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/** fdatasync calls per second, each after one block of 4 KiB was written to a file whose space exists. */
export function syncsPerSecond(directory: string, durationMs: number): number {
  const path = join(directory, 'sync-loop.tmp');
  const fd = openSync(path, 'wx+');
  try {
    writeSync(fd, Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
    fdatasyncSync(fd);
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    const startedMs = performance.now();
    let count = 0;
    for (let at = 0; performance.now() - startedMs < durationMs; at = (at + BLOCK_BYTES) % FILE_BYTES) {
      writeSync(fd, block, 0, BLOCK_BYTES, at);
      fdatasyncSync(fd);
      count++;
    }
    return Math.round(count / ((performance.now() - startedMs) / 1000));
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

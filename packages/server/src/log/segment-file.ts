/**
 * Segment files: their names, and how one is made.
 *
 *     create `<number>.tmp` → header, zeros → datasync → rename to `<number>.log` → sync directory
 *
 * Laws: a file named `.log` has had a whole header from its first moment, so that a bad header is damage. Numbers only grow; a file that
 * was written to is never written again by a later start.
 */
import type {Disk, DiskFile} from '../std/disk.ts';
import {segmentHeader} from './block.ts';

const ZERO_CHUNK_BYTES = 1024 * 1024;
const NAME = /^(\d{12})\.(log|tmp)$/;

export interface SegmentName {
  readonly number: number;
  readonly path: string;
  readonly isTemporary: boolean;
}

/** A segment that can be written to. */
export interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  readonly bytes: number;
}

/** In order of number. Files of other names are not ours and are never touched. */
export async function listSegments(disk: Disk, directory: string): Promise<SegmentName[]> {
  const found: SegmentName[] = [];
  for (const name of await disk.list(directory)) {
    const match = NAME.exec(name);
    if (match === null) continue;
    found.push({number: Number(match[1]), path: `${directory}/${name}`, isTemporary: match[2] === 'tmp'});
  }
  return found.sort((a, b) => a.number - b.number);
}

export async function createSegment(
  disk: Disk,
  {directory, number, bytes}: {directory: string; number: number; bytes: number},
): Promise<OpenSegment> {
  const {file, path} = await writeDurably(disk, {directory, number}, async file => {
    const zeros = Buffer.alloc(Math.min(ZERO_CHUNK_BYTES, bytes));
    const header = segmentHeader(number);
    for (let at = header.length; at < bytes; at += zeros.length) {
      await file.write(zeros.subarray(0, Math.min(zeros.length, bytes - at)), at);
    }
    await file.write(header, 0);
  });
  return {number, path, file, bytes};
}

/** Puts a file with these bytes in place of the segment, durable before the old one is gone. */
export async function replaceSegment(
  disk: Disk,
  {directory, number, bytes}: {directory: string; number: number; bytes: Buffer},
): Promise<void> {
  const {file} = await writeDurably(disk, {directory, number}, file => file.write(bytes, 0));
  await file.close();
}

export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** May be tried again with the same number after a failure. */
async function writeDurably(
  disk: Disk,
  {directory, number}: {directory: string; number: number},
  fill: (file: DiskFile) => Promise<void>,
): Promise<{file: DiskFile; path: string}> {
  const stem = `${directory}/${String(number).padStart(12, '0')}`;
  await removeIfThere(disk, `${stem}.tmp`);
  const file = await disk.open(`${stem}.tmp`, 'create');
  try {
    await fill(file);
    await file.datasync();
    await disk.rename(`${stem}.tmp`, `${stem}.log`);
    await disk.syncDirectory(directory);
    return {file, path: `${stem}.log`};
  } catch (error) {
    // The space must come back, or a full disk would stay full of our own leftovers. The first error is the one to report.
    await file.close().catch(() => undefined);
    await removeIfThere(disk, `${stem}.tmp`).catch(() => undefined);
    throw error;
  }
}

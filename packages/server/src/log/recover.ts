/**
 * Recover: makes what was read durable before anybody relies on it, and clears what a crash cut off.
 *
 * The page cache is not trusted: after a failed sync or the death of the process it may hold blocks that the disk does not. So the valid
 * part of the last written segment is copied to a new file, synced, and renamed over; earlier segments were synced before it was begun.
 * Law: whatever point a crash interrupts this at, the next start finds the same log.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import type {Disk} from '../std/disk.ts';
import type {LogBatch} from './log.ts';
import {scanLog, type WrittenSegment} from './scan.ts';
import {removeIfThere, replaceSegment} from './segment-file.ts';

export interface RecoveredLog {
  readonly written: WrittenSegment[];
  readonly end: number;
  readonly nextNumber: number;
  readonly lastSeq: Seq;
}

export async function recoverLog(
  disk: Disk,
  directory: string,
  {from, visit}: {from: Seq; visit: (batch: LogBatch) => void},
): Promise<RecoveredLog> {
  const {written, lastBytes, unused, end, nextNumber, damage} = await scanLog(disk, directory, batch => {
    if (batch.lastSeq > from) visit(batch);
  });
  if (damage !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `The log file ${damage.path} is damaged at byte ${damage.offset}: ${damage.text}. Nothing was changed. Run fsck, and restore the file from a copy.`,
    );
  }
  for (const path of unused) await removeIfThere(disk, path);
  const last = written.at(-1);
  // Removals are synced by what follows: by this replacement, and by the making of the segment that is written next.
  if (last !== undefined && lastBytes !== undefined) {
    await replaceSegment(disk, {directory, number: last.number, bytes: lastBytes}).catch(error => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      throw new DbError(
        'DISK_FULL',
        `A start needs ${lastBytes.length} bytes of free space in ${directory} to copy the last log segment. Nothing is lost; free some and start again.`,
        {cause: error},
      );
    });
  }
  return {written, end, nextNumber, lastSeq: last?.lastSeq ?? 0n};
}

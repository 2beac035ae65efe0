/**
 * Recover: makes what was read durable before anybody relies on it, and clears what a crash cut off.
 *
 * The page cache is not trusted: after a failed sync or the death of the process it may hold blocks that the disk does not. So the valid
 * part of the last written segment is copied to a new file, synced, and renamed over; earlier segments were synced before it was begun.
 * Laws: whatever point a crash interrupts this at, the next start finds the same log. What is known without the log (`from`) and the log
 * together have no hole: a log that begins later, or ends before it, has lost files.
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
  const {written, lastBytes, unused, previousSeq, end, nextNumber, damage} = await scanLog(disk, directory, batch => {
    if (batch.lastSeq > from) visit(batch);
  });
  if (damage !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `The log file ${damage.path} is damaged at byte ${damage.offset}: ${damage.text}. Nothing was changed. Run fsck, and restore the file from a copy.`,
    );
  }
  const last = written.at(-1);
  const lost = lostSegments({from, previousSeq, lastSeq: last?.lastSeq ?? 0n});
  if (lost !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `Log segments are missing in ${directory}: ${lost}. Nothing was changed. Restore the files from a copy.`,
    );
  }
  for (const path of unused) await removeIfThere(disk, path);
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

/** What is missing between the state that is known up to `from` and a log of these seqs, in words; undefined if nothing is. */
export function lostSegments({
  from,
  previousSeq,
  lastSeq,
}: {
  from: Seq;
  previousSeq: Seq;
  lastSeq: Seq;
}): string | undefined {
  const known = from === 0n ? 'there is no checkpoint' : `the newest whole checkpoint is of seq ${from}`;
  if (previousSeq > from) return `${known}, and the log begins after seq ${previousSeq}`;
  if (lastSeq < from) return `${known}, and the log ends at seq ${lastSeq}`;
  return undefined;
}

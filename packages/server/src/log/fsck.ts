/**
 * Fsck of a log directory: says what a start would find, file by file, and changes nothing.
 *
 *     damage   a start refuses: synced blocks are missing or unreadable
 *     tail     a write that a crash cut off; a start cuts it
 *     note     worth knowing: leftovers, files that are not the log's
 */
import type {Seq} from '../model/names.ts';
import type {Disk} from '../std/disk.ts';
import {scanLog} from './scan.ts';
import {listSegments} from './segment-file.ts';

export interface LogFinding {
  readonly severity: 'damage' | 'tail' | 'note';
  readonly file: string;
  readonly offset: number;
  readonly text: string;
}

export interface LogCheck {
  /** Damage first. Empty for a log in order. */
  readonly findings: readonly LogFinding[];
  /** The newest seq before the oldest batch that is kept; 0 if the log goes back to its beginning. */
  readonly previousSeq: Seq;
  readonly segmentCount: number;
  readonly batchCount: number;
  /** Of the valid batches; 0 if there are none. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
}

/** Reads every segment once, one in memory at a time. Use it on a log that no server has open. */
export async function checkLog(disk: Disk, directory: string): Promise<LogCheck> {
  let batchCount = 0;
  let firstSeq: Seq = 0n;
  let lastSeq: Seq = 0n;
  const disorder: LogFinding[] = [];
  const {written, unused, previousSeq, tail, damage} = await scanLog(disk, directory, batch => {
    if (batchCount++ === 0) firstSeq = batch.lastSeq;
    if (batch.lastSeq < lastSeq) disorder.push(note(directory, `seq ${batch.lastSeq} follows ${lastSeq}`));
    lastSeq = batch.lastSeq;
  });
  const findings: LogFinding[] = [];
  if (damage !== undefined) {
    findings.push({severity: 'damage', file: damage.path, offset: damage.offset, text: damage.text});
  }
  if (tail !== undefined && tail.path !== damage?.path) {
    findings.push({severity: 'tail', file: tail.path, offset: tail.offset, text: tail.text});
  }
  findings.push(...disorder);
  for (const file of unused.filter(path => path.endsWith('.tmp'))) {
    findings.push(note(file, 'a segment whose making was interrupted; the next start removes it'));
  }
  const ours = new Set((await listSegments(disk, directory)).map(segment => segment.path));
  for (const name of await disk.list(directory)) {
    const file = `${directory}/${name}`;
    if (!ours.has(file)) findings.push(note(file, 'not a file of the log; it is never touched'));
  }
  return {findings, previousSeq, segmentCount: written.length, batchCount, firstSeq, lastSeq};
}

function note(file: string, text: string): LogFinding {
  return {severity: 'note', file, offset: 0, text};
}

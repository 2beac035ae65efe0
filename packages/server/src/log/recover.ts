/**
 * Recover: reads a log's files, finds where the valid log ends, and makes that end durable before anybody relies on it.
 *
 *     blocks 1 2 3 … n ✗           nothing after n, or nothing that says n + 1 was synced → torn tail: cut
 *     blocks 1 2 ✗ 4 (synced ≥ 3)  a block that was on disk is gone → damage: refuse
 *
 * The page cache is not trusted: the valid part of the last written segment is copied to a new file, synced, and renamed over.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import type {Disk} from '../std/disk.ts';
import {
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  readBatches,
  readBlock,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from './block.ts';
import type {LogBatch} from './log.ts';
import {listSegments} from './segments.ts';

export interface ClosedSegment {
  readonly number: number;
  readonly path: string;
  readonly lastSeq: Seq;
}

export interface Recovered {
  readonly segments: ClosedSegment[];
  readonly lastBlock: number;
  readonly nextSegment: number;
}

/** Where reading ended, and what stands there. */
export interface LogEnd {
  readonly path: string;
  readonly offset: number;
  readonly damage: string | undefined;
}

interface Scanned {
  readonly number: number;
  readonly path: string;
  readonly validEnd: number;
  readonly lastSeq: Seq;
}

export async function recoverLog(
  disk: Disk,
  directory: string,
  from: Seq,
  visit: (batch: LogBatch) => void,
): Promise<Recovered> {
  const {scanned, unused, lastBlock, end} = await scanLog(disk, directory, batch => {
    if (batch.lastSeq > from) visit(batch);
  });
  if (end?.damage !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `The log is damaged: ${end.damage} (${end.path}, byte ${end.offset}). Nothing was changed; run fsck and restore the file.`,
    );
  }
  for (const path of unused) await disk.remove(path);
  await disk.syncDirectory(directory);
  const last = scanned.at(-1);
  if (last !== undefined) await rewrite(disk, directory, last);
  const numbers = [
    ...scanned.map(segment => segment.number),
    ...(await listSegments(disk, directory)).map(segment => segment.number),
  ];
  return {segments: scanned, lastBlock, nextSegment: Math.max(0, ...numbers) + 1 + unused.length};
}

/**
 * Reads all segments in order. `unused` are files after the end: never written, or holding only blocks beyond a torn tail.
 * `end.damage` tells why the log cannot be used.
 */
export async function scanLog(
  disk: Disk,
  directory: string,
  visit: (batch: LogBatch) => void,
): Promise<{scanned: Scanned[]; unused: string[]; lastBlock: number; end: LogEnd | undefined}> {
  const scanned: Scanned[] = [];
  const unused: string[] = [];
  let lastBlock = 0;
  let end: LogEnd | undefined;
  for (const {number, path} of await listSegments(disk, directory)) {
    const bytes = await disk.readFile(path);
    const header = readSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
    if (typeof header === 'string') {
      // A header is synced before the first block: without it the file was never used, unless blocks say otherwise.
      if (hasBlockSyncing(bytes, lastBlock))
        return {scanned, unused, lastBlock, end: {path, offset: 0, damage: header}};
      unused.push(path);
      continue;
    }
    const segment = readSegment(
      bytes,
      end === undefined ? lastBlock : Number.POSITIVE_INFINITY,
      scanned.length === 0,
      visit,
    );
    const missing =
      end ?? (segment.startsAfterGap ? {path, offset: SEGMENT_HEADER_BYTES, damage: undefined} : undefined);
    const stop = missing ?? (segment.isTorn ? {path, offset: segment.end, damage: undefined} : undefined);
    if (
      stop !== undefined &&
      hasBlockSyncing(bytes.subarray(missing === undefined ? segment.end : 0), segment.lastBlock ?? lastBlock)
    ) {
      const damage = `block ${(segment.lastBlock ?? lastBlock) + 1} was on disk and is not there now`;
      return {scanned, unused, lastBlock, end: {...stop, damage}};
    }
    end = stop;
    if (segment.lastBlock === undefined) {
      unused.push(path);
      continue;
    }
    lastBlock = segment.lastBlock;
    scanned.push({number, path, validEnd: segment.end, lastSeq: segment.lastSeq});
  }
  return {scanned, unused, lastBlock, end};
}

function readSegment(bytes: Buffer, lastBlock: number, isFirst: boolean, visit: (batch: LogBatch) => void) {
  let at = SEGMENT_HEADER_BYTES;
  let last: BlockHeader | undefined;
  let startsAfterGap = false;
  for (;;) {
    const block = readBlock(bytes, at);
    if (block === undefined) break;
    // The oldest kept segment says where numbering begins; all others go on from the block before.
    const expected = last !== undefined ? last.number + 1 : lastBlock + 1;
    if (block.number !== expected && !(isFirst && last === undefined)) {
      startsAfterGap = last === undefined;
      break;
    }
    for (const batch of readBatches(bytes, at, block)) visit(batch);
    last = block;
    at += BLOCK_HEADER_BYTES + block.length;
  }
  const isTorn = !startsAfterGap && !isZero(bytes, at);
  return {end: at, lastBlock: last?.number, lastSeq: last?.lastSeq ?? 0n, isTorn, startsAfterGap};
}

function isZero(bytes: Buffer, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Is there a whole block anywhere that says block `number` + 1 had been synced? */
function hasBlockSyncing(bytes: Buffer, number: number): boolean {
  for (let at = 0; at + BLOCK_HEADER_BYTES <= bytes.length; at++) {
    // Block numbers are far below 2^48: two zero bytes at the end of the field rule most places out cheaply.
    if (bytes[at + 14] !== 0 || bytes[at + 15] !== 0) continue;
    if (bytes.readUInt32LE(at) === 0 || bytes.readUInt32LE(at + 32) === 0) continue;
    const synced = bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20) * 2 ** 32;
    if (synced <= number) continue;
    if (readBlock(bytes, at) !== undefined) return true;
  }
  return false;
}

async function rewrite(disk: Disk, directory: string, segment: Scanned): Promise<void> {
  const bytes = (await disk.readFile(segment.path)).subarray(0, segment.validEnd);
  const temporary = `${segment.path}.tmp`;
  await disk.remove(temporary).catch(ignoreMissing);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(bytes, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, segment.path);
  await disk.syncDirectory(directory);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Scan: reads a log's files from the oldest on and finds where the valid log ends, and why. Changes nothing.
 *
 *     a b c ✗ · ·          nothing after, or only blocks that do not claim the missing one was synced → torn tail: the log ends at ✗
 *     a b ✗ d              d says the log was on disk beyond ✗ → damage
 *
 * Laws: a segment is written to only after the one before it is synced, so any block of a later segment proves an earlier one damaged if
 * its end is missing. At D1 and D0 a power cut may keep a later block and lose an earlier one: that is a tail, not damage.
 */
import type {Seq} from '../model/names.ts';
import type {Disk} from '../std/disk.ts';
import {type Block, findBlocks, readBlock, SEGMENT_HEADER_BYTES, segmentHeaderFault} from './block.ts';
import type {LogBatch} from './log.ts';
import {listSegments} from './segment-file.ts';

/** A segment with at least one valid block. */
export interface WrittenSegment {
  readonly number: number;
  readonly path: string;
  readonly lastSeq: Seq;
}

export interface LogFault {
  readonly path: string;
  readonly offset: number;
  readonly text: string;
}

export interface ScannedLog {
  readonly written: WrittenSegment[];
  /** The bytes of the last written segment up to its last valid block. */
  readonly lastBytes: Buffer | undefined;
  /** Files after the end of the log: never written, or holding only blocks beyond a torn tail; and leftovers of a preparation. */
  readonly unused: string[];
  /** The newest seq before the first valid block: above 0 if older segments were released. */
  readonly previousSeq: Seq;
  /** Where the next block goes, in bytes of blocks over all segments. */
  readonly end: number;
  readonly nextNumber: number;
  /** Bytes after the end that are not zeros: writes that a crash cut off. */
  readonly tail: LogFault | undefined;
  readonly damage: LogFault | undefined;
}

/** The place where the chain of blocks broke. */
interface Break {
  readonly path: string;
  readonly segment: number;
  readonly offset: number;
  /** Of the block that should be there; unknown if no block was read yet. */
  readonly position: number | undefined;
}

/** The segments' bytes are read one at a time and are not reused: a visitor may keep what it is given. */
export async function scanLog(disk: Disk, directory: string, visit: (batch: LogBatch) => void): Promise<ScannedLog> {
  const names = await listSegments(disk, directory);
  const written: WrittenSegment[] = [];
  const unused = names.filter(name => name.isTemporary).map(name => name.path);
  let lastBytes: Buffer | undefined;
  let previousSeq: Seq | undefined;
  let position: number | undefined;
  let broken: Break | undefined;
  let tail: LogFault | undefined;
  let damage: LogFault | undefined;
  for (const {number, path, isTemporary} of names) {
    if (isTemporary) continue;
    const bytes = await disk.readFile(path);
    const fault = segmentHeaderFault(bytes, number);
    if (fault !== undefined) {
      damage = {path, offset: 0, text: fault};
      break;
    }
    // Only the oldest segment may begin at any position; later ones go on from the one before or are beyond the end.
    const chain =
      position !== undefined || broken === undefined ? readChain(bytes, {number, position, visit}) : undefined;
    if (chain?.last !== undefined) {
      written.push({number, path, lastSeq: chain.last.lastSeq});
      lastBytes = bytes.subarray(0, chain.end);
      previousSeq ??= chain.previousSeq;
      position = chain.last.position + chain.last.bytes;
      broken = {path, segment: number, offset: chain.end, position};
    } else {
      unused.push(path);
      broken ??= {path, segment: number, offset: SEGMENT_HEADER_BYTES, position};
    }
    damage = findDamage(bytes, number, broken);
    if (damage !== undefined) break;
    tail ??= findTail(bytes, {path, offset: chain?.end ?? SEGMENT_HEADER_BYTES});
  }
  const nextNumber = Math.max(0, ...names.map(name => name.number)) + 1;
  return {written, lastBytes, unused, previousSeq: previousSeq ?? 0n, end: position ?? 0, nextNumber, tail, damage};
}

/** Blocks one after the other, from the first on, as long as each is whole and continues the one before. */
function readChain(
  bytes: Buffer,
  options: {number: number; position: number | undefined; visit: (batch: LogBatch) => void},
): {last: Block | undefined; previousSeq: Seq | undefined; end: number} {
  let {position} = options;
  let previousSeq: Seq | undefined;
  let last: Block | undefined;
  let offset = SEGMENT_HEADER_BYTES;
  for (;;) {
    const block = readBlock(bytes, {segment: options.number, offset});
    if (block === undefined || (position !== undefined && block.position !== position)) {
      return {last, previousSeq, end: offset};
    }
    previousSeq ??= block.previousSeq;
    for (const batch of block.batches) options.visit(batch);
    last = block;
    position = block.position + block.bytes;
    offset += block.bytes;
  }
}

/** Is there a block after the break, in this segment, that says the missing one was on disk? */
function findDamage(bytes: Buffer, number: number, broken: Break): LogFault | undefined {
  const isSame = broken.segment === number;
  for (const block of findBlocks(bytes, {segment: number, offset: isSame ? broken.offset : SEGMENT_HEADER_BYTES})) {
    // Within a segment positions run with offsets; from a later segment every position of an earlier one is in the past.
    const missing = broken.position ?? (isSame ? block.position - (block.offset - broken.offset) : -1);
    if (block.syncedThrough <= missing) continue;
    const {path, offset} = broken;
    return {
      path,
      offset,
      text: `a block that was on disk is missing or damaged, as segment ${number} proves at byte ${block.offset}`,
    };
  }
  return undefined;
}

function findTail(bytes: Buffer, {path, offset}: {path: string; offset: number}): LogFault | undefined {
  const rest = bytes.subarray(offset);
  if (rest.equals(Buffer.alloc(rest.length))) return undefined;
  return {path, offset, text: 'a write that was cut off by a crash'};
}

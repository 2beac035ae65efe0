/**
 * Block: how batches lie in a log segment. Pure.
 *
 *     segment   header: magic, format, number, crc        then blocks, then zeros to the end of the file
 *     block     length │ crc │ number │ syncedThrough │ lastSeq │ count │ (batch length, lastSeq, bytes) × count
 *
 * `number` counts blocks over all segments; `syncedThrough` is the newest block number that was known to be on disk when this one was written. It tells a
 * torn tail from damage: a bad block that a later good one declares synced cannot be a tail.
 */
import type {Seq} from '../model/names.ts';
import {crc32} from '../std/crc32.ts';
import type {LogBatch} from './log.ts';

export const SEGMENT_HEADER_BYTES = 24;
export const BLOCK_HEADER_BYTES = 36;
const BATCH_HEADER_BYTES = 12;
const MAGIC = 'KDBLOG\0\0';
const FORMAT = 1;

export interface BlockHeader {
  /** Bytes after the header. */
  readonly length: number;
  readonly crc: number;
  readonly number: number;
  readonly syncedThrough: number;
  readonly lastSeq: Seq;
  readonly count: number;
}

export function segmentHeader(segment: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(FORMAT, 8);
  header.writeBigUInt64LE(BigInt(segment), 12);
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** The segment's number, or what is wrong with its header. */
export function readSegmentHeader(header: Buffer): number | string {
  if (header.length < SEGMENT_HEADER_BYTES) return 'its header is cut';
  if (crc32(header.subarray(0, 20)) !== header.readUInt32LE(20)) return 'its header fails its checksum';
  if (header.toString('latin1', 0, 8) !== MAGIC) return 'it is not a log segment';
  const format = header.readUInt32LE(8);
  if (format !== FORMAT) return `its format ${format} is not known to this release`;
  return Number(header.readBigUInt64LE(12));
}

export function encodedBytes(batches: readonly LogBatch[]): number {
  let bytes = BLOCK_HEADER_BYTES;
  for (const batch of batches) bytes += BATCH_HEADER_BYTES + batch.bytes.length;
  return bytes;
}

export function encodeBlock(batches: readonly LogBatch[], number: number, syncedThrough: number): Buffer {
  const block = Buffer.allocUnsafe(encodedBytes(batches));
  block.writeUInt32LE(block.length - BLOCK_HEADER_BYTES, 0);
  block.writeBigUInt64LE(BigInt(number), 8);
  block.writeBigUInt64LE(BigInt(syncedThrough), 16);
  block.writeBigInt64LE(batches.at(-1)!.lastSeq, 24);
  block.writeUInt32LE(batches.length, 32);
  let at = BLOCK_HEADER_BYTES;
  for (const {bytes, lastSeq} of batches) {
    at = block.writeUInt32LE(bytes.length, at);
    at = block.writeBigInt64LE(lastSeq, at);
    block.set(bytes, at);
    at += bytes.length;
  }
  block.writeUInt32LE(crc32(block.subarray(8), crc32(block.subarray(0, 4))), 4);
  return block;
}

/** The block that begins at `offset`, or undefined if there is none that is whole. */
export function readBlock(segment: Buffer, offset: number): BlockHeader | undefined {
  if (offset + BLOCK_HEADER_BYTES > segment.length) return undefined;
  const length = segment.readUInt32LE(offset);
  const end = offset + BLOCK_HEADER_BYTES + length;
  if (length === 0 || end > segment.length) return undefined;
  const crc = segment.readUInt32LE(offset + 4);
  if (crc32(segment.subarray(offset + 8, end), crc32(segment.subarray(offset, offset + 4))) !== crc) return undefined;
  return {
    length,
    crc,
    number: Number(segment.readBigUInt64LE(offset + 8)),
    syncedThrough: Number(segment.readBigUInt64LE(offset + 16)),
    lastSeq: segment.readBigInt64LE(offset + 24),
    count: segment.readUInt32LE(offset + 32),
  };
}

export function* readBatches(segment: Buffer, offset: number, header: BlockHeader): Generator<LogBatch> {
  let at = offset + BLOCK_HEADER_BYTES;
  for (let i = 0; i < header.count; i++) {
    const length = segment.readUInt32LE(at);
    const lastSeq = segment.readBigInt64LE(at + 4);
    at += BATCH_HEADER_BYTES;
    yield {bytes: segment.subarray(at, at + length), lastSeq};
    at += length;
  }
}

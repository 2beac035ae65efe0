/**
 * Block: how batches lie in a log segment. Pure.
 *
 *     segment   header page: magic, format, number, crc      then blocks, each beginning at a multiple of 8, then zeros to the end
 *     block     magic │ crc │ length │ batch count │ position │ syncedThrough │ previousSeq │ lastSeq │ (length, lastSeq, bytes) per batch
 *
 * `position` counts bytes of blocks over all segments, so that a missing block shows as a gap. `syncedThrough` is the position up to which
 * the log was known to be on disk when the block was written: it tells a torn tail from damage. `previousSeq` is the newest seq before the
 * block: of the oldest block that is left, it tells up to where the log was released.
 * Laws: the crc covers everything after itself, and the segment and offset the block was written to: a copy of a block elsewhere, as in
 * the bytes of a row, is not a block. The header has a page of its own, which no write of a block touches.
 */

import type {Seq} from '../model/names.ts';
import {assert} from '../std/assert.ts';
import {writeU32, writeWide} from '../std/bytes.ts';
import {crc32} from '../std/crc32.ts';
import type {LogBatch} from './log.ts';

export const SEGMENT_HEADER_BYTES = 4096;
const BLOCK_HEADER_BYTES = 48;
export const BATCH_HEADER_BYTES = 12;
const SEGMENT_MAGIC = 'KDBLOG\0\0';
const FORMAT = 1;
const HEADER_FIELDS_BYTES = 24;
const BLOCK_MAGIC = 0x4b4c424b;
const BLOCK_MAGIC_BYTES = Buffer.from('4b424c4b', 'hex');

/** Where in which segment a block lies. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

export interface Block {
  readonly offset: number;
  /** Bytes the block takes in the file, up to where the next one begins. */
  readonly bytes: number;
  readonly position: number;
  readonly syncedThrough: number;
  readonly previousSeq: Seq;
  readonly lastSeq: Seq;
  readonly batches: readonly LogBatch[];
}

export function segmentHeader(segment: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.write(SEGMENT_MAGIC, 0, 'latin1');
  header.writeUInt32LE(FORMAT, 8);
  header.writeBigUInt64LE(BigInt(segment), 12);
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** What is wrong with the header of the segment with this number, or undefined. */
export function segmentHeaderFault(bytes: Buffer, segment: number): string | undefined {
  if (bytes.length < HEADER_FIELDS_BYTES) return 'its header is cut';
  if (bytes.toString('latin1', 0, 8) !== SEGMENT_MAGIC) return 'it does not begin as a log segment';
  if (crc32(bytes.subarray(0, 20)) !== bytes.readUInt32LE(20)) return 'its header fails its checksum';
  const format = bytes.readUInt32LE(8);
  if (format !== FORMAT) return `its format ${format} is not known to this release`;
  const number = Number(bytes.readBigUInt64LE(12));
  return number === segment ? undefined : `its header says it is segment ${number}`;
}

/** Bytes a block of such batches takes in the file. `payloadBytes` is the sum of their lengths. */
export function blockBytes(batchCount: number, payloadBytes: number): number {
  return alignUp(BLOCK_HEADER_BYTES + BATCH_HEADER_BYTES * batchCount + payloadBytes);
}

/** Writes the block to the start of `into` and returns its bytes, padding included. */
export function encodeBlock(
  into: Buffer,
  batches: readonly LogBatch[],
  {
    place,
    position,
    syncedThrough,
    previousSeq,
  }: Pick<Block, 'position' | 'syncedThrough' | 'previousSeq'> & {place: Place},
): Buffer {
  const last = batches.at(-1);
  assert(last !== undefined, 'a block holds at least one batch');
  let at = BLOCK_HEADER_BYTES;
  for (const {bytes, lastSeq} of batches) {
    writeU32(into, at, bytes.length);
    writeWide(into, at + 4, lastSeq);
    at += BATCH_HEADER_BYTES;
    into.set(bytes, at);
    at += bytes.length;
  }
  into.writeUInt32LE(BLOCK_MAGIC, 0);
  into.writeUInt32LE(at, 8);
  into.writeUInt32LE(batches.length, 12);
  into.writeBigUInt64LE(BigInt(position), 16);
  into.writeBigUInt64LE(BigInt(syncedThrough), 24);
  into.writeBigInt64LE(previousSeq, 32);
  into.writeBigInt64LE(last.lastSeq, 40);
  into.writeUInt32LE(blockCrc(into.subarray(8, at), place), 4);
  const end = alignUp(at);
  into.fill(0, at, end);
  return into.subarray(0, end);
}

/** The whole block that begins at the place, or undefined if there is none. `bytes` is the segment from its start. */
export function readBlock(bytes: Buffer, place: Place): Block | undefined {
  const {offset} = place;
  if (offset + BLOCK_HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== BLOCK_MAGIC) return undefined;
  const length = bytes.readUInt32LE(offset + 8);
  if (length < BLOCK_HEADER_BYTES || offset + length > bytes.length) return undefined;
  if (blockCrc(bytes.subarray(offset + 8, offset + length), place) !== bytes.readUInt32LE(offset + 4)) return undefined;
  return {
    offset,
    bytes: alignUp(length),
    position: Number(bytes.readBigUInt64LE(offset + 16)),
    syncedThrough: Number(bytes.readBigUInt64LE(offset + 24)),
    previousSeq: bytes.readBigInt64LE(offset + 32),
    lastSeq: bytes.readBigInt64LE(offset + 40),
    batches: readBatches(bytes.subarray(offset, offset + length), bytes.readUInt32LE(offset + 12)),
  };
}

/** Every whole block that begins at `offset` or later, whatever lies between. */
export function* findBlocks(bytes: Buffer, {segment, offset}: Place): Generator<Block> {
  let at = bytes.indexOf(BLOCK_MAGIC_BYTES, offset);
  while (at >= 0) {
    const block = at % 8 === 0 ? readBlock(bytes, {segment, offset: at}) : undefined;
    if (block !== undefined) yield block;
    at = bytes.indexOf(BLOCK_MAGIC_BYTES, block === undefined ? at + 1 : at + block.bytes);
  }
}

function readBatches(block: Buffer, count: number): LogBatch[] {
  const batches: LogBatch[] = [];
  let at = BLOCK_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const length = block.readUInt32LE(at);
    const lastSeq = block.readBigInt64LE(at + 4);
    at += BATCH_HEADER_BYTES;
    batches.push({bytes: block.subarray(at, at + length), lastSeq});
    at += length;
  }
  assert(at === block.length, 'the batches of a block fill it');
  return batches;
}

const placeBytes = Buffer.alloc(16);

function blockCrc(rest: Buffer, {segment, offset}: Place): number {
  placeBytes.writeBigUInt64LE(BigInt(segment), 0);
  placeBytes.writeBigUInt64LE(BigInt(offset), 8);
  return crc32(rest, crc32(placeBytes));
}

function alignUp(bytes: number): number {
  return (bytes + 7) & ~7;
}

/**
 * Packed rows: many row versions in one ArrayBuffer, so that they cross to another thread or process without a copy per row.
 *
 * Each entry: key length, row length (32 bits each), key bytes, row bytes.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {RowBytes} from './row.ts';
import {rowSchemaVersion} from './row-codec.ts';

/** What is packed as one is used as one, at a few times this size. */
const PACKED_BYTES_MAX = 512 * 1024 * 1024;
/** Most scopes are small. */
const FIRST_BYTES = 8192;
const CHUNK_BYTES = 4 * 1024 * 1024;
const ROWS_PER_SLICE = 4096;
/** Of work that nobody waits for. */
const BACKGROUND_ROWS_PER_SLICE = 256;
/** Of an entry, before its key. */
const HEAD_BYTES = 8;

export interface PackedRows {
  readonly bytes: ArrayBuffer;
  readonly length: number;
  readonly rowCount: number;
  /** Every schema version the rows were written with. */
  readonly schemaVersions: readonly number[];
}

interface Entry {
  readonly key: Uint8Array;
  readonly row: RowBytes;
}

/**
 * Copies the rows in the background: the event loop breathes often. `bytesExpected` of entries spare the copies that growing costs; more or fewer
 * may come. Throws LIMIT_EXCEEDED, or the signal's reason.
 */
export async function packRows(
  rows: Iterable<Entry>,
  signal: AbortSignal,
  bytesExpected: number = FIRST_BYTES,
): Promise<PackedRows> {
  const packer = new Packer(PACKED_BYTES_MAX, bytesExpected);
  const breath = new Breath(signal, BACKGROUND_ROWS_PER_SLICE);
  for (const entry of rows) {
    packer.add(entry);
    if (breath.isDue()) await breath.take();
  }
  return packer.take();
}

/** The same in chunks of a few megabytes, each made when it is asked for, so that a scope of any size can be handed on. */
export async function* packChunks(
  rows: Iterable<Entry>,
  signal: AbortSignal,
  chunkBytes: number = CHUNK_BYTES,
): AsyncGenerator<PackedRows> {
  let packer = new Packer(PACKED_BYTES_MAX);
  const breath = new Breath(signal, ROWS_PER_SLICE);
  for (const entry of rows) {
    packer.add(entry);
    if (breath.isDue()) await breath.take();
    if (packer.length < chunkBytes) continue;
    yield packer.take();
    packer = new Packer(PACKED_BYTES_MAX);
  }
  if (packer.length > 0) yield packer.take();
}

class Packer {
  length = 0;
  readonly #bytesMax: number;
  readonly #versions = new Set<number>();
  #out: Buffer;
  #rowCount = 0;

  constructor(bytesMax: number, bytesExpected: number = FIRST_BYTES) {
    this.#bytesMax = bytesMax;
    this.#out = Buffer.allocUnsafeSlow(Math.min(bytesMax, bytesExpected));
  }

  add({key, row}: Entry): void {
    const keyAt = this.length + HEAD_BYTES;
    const end = keyAt + key.length + row.length;
    if (end > this.#out.length) this.#grow(end);
    this.#out.writeUInt32LE(key.length, this.length);
    this.#out.writeUInt32LE(row.length, this.length + 4);
    this.#out.set(key, keyAt);
    row.buffer.copy(this.#out, keyAt + key.length, row.offset, row.offset + row.length);
    this.length = end;
    this.#rowCount++;
    this.#versions.add(rowSchemaVersion(row));
  }

  take(): PackedRows {
    return {
      bytes: this.#out.buffer as ArrayBuffer,
      length: this.length,
      rowCount: this.#rowCount,
      schemaVersions: [...this.#versions],
    };
  }

  #grow(needed: number): void {
    if (needed > this.#bytesMax)
      throw new DbError('LIMIT_EXCEEDED', `At most ${this.#bytesMax} bytes of rows are handled as one.`);
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#bytesMax, Math.max(needed, this.#out.length * 4)));
    this.#out.copy(larger, 0, 0, this.length);
    this.#out = larger;
  }
}

class Breath {
  readonly #signal: AbortSignal;
  readonly #rowsPerSlice: number;
  #rows = 0;

  constructor(signal: AbortSignal, rowsPerSlice: number) {
    this.#signal = signal;
    this.#rowsPerSlice = rowsPerSlice;
  }

  isDue(): boolean {
    return ++this.#rows % this.#rowsPerSlice === 0;
  }

  async take(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve));
    this.#signal.throwIfAborted();
  }
}

/** The entries again; keys and rows are views. */
export function* unpackRows(packed: PackedRows): Generator<{key: Buffer; row: RowBytes}> {
  const buffer = Buffer.from(packed.bytes, 0, packed.length);
  for (let at = 0; at < buffer.length; ) {
    const keyStart = at + HEAD_BYTES;
    const rowStart = keyStart + buffer.readUInt32LE(at);
    const length = buffer.readUInt32LE(at + 4);
    yield {key: buffer.subarray(keyStart, rowStart), row: {buffer, offset: rowStart, length}};
    at = rowStart + length;
  }
}

/** Walks the rows of packed buffers and makes nothing per row: `row` is one object that is moved on. */
export class PackedCursor {
  readonly row: {buffer: Buffer; offset: number; length: number};
  readonly #buffers: readonly Buffer[];
  #number = 0;
  #next = 0;

  constructor(buffers: readonly Buffer[]) {
    this.#buffers = buffers;
    this.row = {buffer: Buffer.alloc(0), offset: 0, length: 0};
  }

  /** False after the last row. */
  next(): boolean {
    let buffer = this.#buffers[this.#number];
    while (buffer !== undefined && this.#next >= buffer.length) {
      buffer = this.#buffers[++this.#number];
      this.#next = 0;
    }
    if (buffer === undefined) return false;
    this.row.buffer = buffer;
    this.row.offset = this.#next + HEAD_BYTES + buffer.readUInt32LE(this.#next);
    this.row.length = buffer.readUInt32LE(this.#next + 4);
    this.#next = this.row.offset + this.row.length;
    return true;
  }
}

/**
 * Packed rows: many row versions in one ArrayBuffer, so that they cross to the encoder thread without a copy per row.
 *
 * Each entry: key length, row length (32 bits each), key bytes, row bytes.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {RowBytes} from '../model/row.ts';
import {rowSchemaVersion} from '../model/row-codec.ts';

/** A segment is encoded in memory, at a few times this size. */
const PACKED_BYTES_MAX = 512 * 1024 * 1024;
const ROWS_PER_SLICE = 4096;
/** Most scopes are small, and what is handed over is cleared first and collected by the other thread. */
const FIRST_BYTES = 8192;

export interface PackedRows {
  readonly bytes: ArrayBuffer;
  readonly length: number;
  readonly rowCount: number;
  /** Every schema version the rows were written with. */
  readonly schemaVersions: readonly number[];
}

/** Copies the rows, letting the event loop breathe every few thousand. Throws LIMIT_EXCEEDED, or the signal's reason. */
export async function packRows(
  rows: Iterable<{key: Uint8Array; row: RowBytes}>,
  signal: AbortSignal,
): Promise<PackedRows> {
  let out = Buffer.from(new ArrayBuffer(FIRST_BYTES));
  let length = 0;
  let rowCount = 0;
  const versions = new Set<number>();
  for (const {key, row} of rows) {
    const end = length + 8 + key.length + row.length;
    if (end > out.length) out = grown(out, length, end);
    out.writeUInt32LE(key.length, length);
    out.writeUInt32LE(row.length, length + 4);
    out.set(key, length + 8);
    row.buffer.copy(out, length + 8 + key.length, row.offset, row.offset + row.length);
    length = end;
    versions.add(rowSchemaVersion(row));
    if (++rowCount % ROWS_PER_SLICE !== 0) continue;
    await new Promise(resolve => setImmediate(resolve));
    signal.throwIfAborted();
  }
  return {bytes: out.buffer as ArrayBuffer, length, rowCount, schemaVersions: [...versions]};
}

/** The entries again; keys and rows are views. */
export function* unpackRows(packed: PackedRows): Generator<{key: Buffer; row: RowBytes}> {
  const buffer = Buffer.from(packed.bytes, 0, packed.length);
  for (let at = 0; at < buffer.length; ) {
    const keyStart = at + 8;
    const rowStart = keyStart + buffer.readUInt32LE(at);
    const length = buffer.readUInt32LE(at + 4);
    yield {key: buffer.subarray(keyStart, rowStart), row: {buffer, offset: rowStart, length}};
    at = rowStart + length;
  }
}

function grown(out: Buffer<ArrayBuffer>, length: number, needed: number): Buffer<ArrayBuffer> {
  if (needed > PACKED_BYTES_MAX) {
    throw new DbError('LIMIT_EXCEEDED', `A segment holds at most ${PACKED_BYTES_MAX} bytes of rows.`);
  }
  const larger = Buffer.from(new ArrayBuffer(Math.min(PACKED_BYTES_MAX, Math.max(needed, out.length * 2))));
  out.copy(larger, 0, 0, length);
  return larger;
}

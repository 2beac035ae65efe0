/**
 * File check: whether a segment file is the one that the manifest lists. DuckDB decodes what it finds; damaged values would be an answer.
 *
 * A file is checked once in the life of a server, before DuckDB first reads it (files are immutable), and again when a query fails on
 * what could be its fault.
 */
import {closeSync, openSync, readSync} from 'node:fs';
import {basename} from 'node:path';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {crc32} from '../std/crc32.ts';

const PIECE_BYTES = 1024 * 1024;
const BYTES_PER_BREATH = 16 * PIECE_BYTES;

export interface ListedFile {
  readonly path: string;
  readonly checksum: number;
}

/** Throws DATA_CORRUPTED for the first that is not as listed. `breathe` is called between large pieces and may throw. */
export async function checkFiles(files: readonly ListedFile[], breathe: () => void): Promise<void> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let sinceBreath = 0;
  for (const {path, checksum} of files) {
    const file = openListed(path);
    try {
      let sum = 0;
      for (let length = readPiece(path, file, piece); length > 0; length = readPiece(path, file, piece)) {
        sum = crc32(piece.subarray(0, length), sum);
        sinceBreath += length;
        if (sinceBreath < BYTES_PER_BREATH) continue;
        sinceBreath = 0;
        await new Promise(resolve => setImmediate(resolve));
        breathe();
      }
      if (sum !== checksum) throw damaged(path, 'It does not match its checksum.');
    } finally {
      closeSync(file);
    }
  }
}

function openListed(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw damaged(path, 'It cannot be opened.', cause);
  }
}

function readPiece(path: string, file: number, piece: Buffer): number {
  try {
    return readSync(file, piece);
  } catch (cause) {
    throw damaged(path, 'It cannot be read.', cause);
  }
}

function damaged(path: string, reason: string, cause?: unknown): DbError {
  return new DbError('DATA_CORRUPTED', `Segment file '${basename(path)}' is damaged. ${reason}`, {cause});
}

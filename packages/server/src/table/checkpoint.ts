/**
 * Checkpoint: the whole state at one seq, as records in one file, so that a start needs only the log after it.
 *
 *     checkpoint-<seq, 20 digits>:   block │ block │ … │ end block        block = length, crc, kind, records
 *
 * Written in slices between requests from a captured image, made durable under a temporary name, read back, renamed, then the directory is synced.
 * Laws: a file without its end block is not a checkpoint. What a checkpoint says is exactly the state at its seq. The newest whole one before a
 * new one stays: a checkpoint that turns out damaged later still leaves a way to start.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {KeyedRow} from '../hot/hot.ts';
import type {Incarnation, Seq} from '../model/names.ts';
import {crc32} from '../std/crc32.ts';
import type {Disk, DiskFile} from '../std/disk.ts';
import {RecordWriter} from './record.ts';

const BLOCK_BYTES = 256 * 1024;
/** Read in one go, as many blocks as are in it. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const HEADER_BYTES = 9;
const KIND_RECORDS = 1;
const KIND_END = 2;
const NAME = /^checkpoint-(\d{20})$/;
const LEFTOVER = /^checkpoint-\d{20}\.tmp$/;

export interface Image {
  readonly seq: Seq;
  readonly ceiling: {readonly seq: Seq; readonly incarnation: Incarnation};
  readonly rows: Iterable<KeyedRow>;
  readonly manifests: Iterable<Manifest>;
}

/** Writes the image. Afterwards there are this checkpoint and the one of `previous`, the newest other one known to be whole, and no more. */
export async function writeCheckpoint(
  disk: Disk,
  directory: string,
  {image, previous}: {image: Image; previous: Seq},
  breathe: () => Promise<void>,
): Promise<void> {
  await removeLeftovers(disk, directory);
  const path = `${directory}/${nameOf(image.seq)}`;
  try {
    await writeImage(disk, `${path}.tmp`, image, breathe);
    const damage = await checkCheckpoint(disk, `${path}.tmp`);
    if (damage !== undefined) throw new Error(`the checkpoint does not read back as it was written: ${damage}`);
    await disk.rename(`${path}.tmp`, path);
  } catch (error) {
    // The space must come back; what cannot be removed now is removed before the next one is begun. The first error is the one to report.
    await removeLeftovers(disk, directory).catch(() => undefined);
    throw error;
  }
  await disk.syncDirectory(directory);
  for (const {name, seq} of await listCheckpoints(disk, directory)) {
    if (seq !== image.seq && seq !== previous) await disk.remove(`${directory}/${name}`);
  }
}

/** What writing a checkpoint left when it was cut off. */
export async function removeLeftovers(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) if (LEFTOVER.test(name)) await disk.remove(`${directory}/${name}`);
}

async function writeImage(disk: Disk, path: string, image: Image, breathe: () => Promise<void>): Promise<void> {
  const file = await disk.open(path, 'create');
  try {
    await writeBlocks(file, image, breathe);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function writeBlocks(file: DiskFile, image: Image, breathe: () => Promise<void>): Promise<void> {
  const writer = new RecordWriter(BLOCK_BYTES * 2);
  let position = 0;
  const put = async (kind: number): Promise<void> => {
    const block = frame(kind, writer.bytes());
    await file.write(block, position);
    position += block.length;
    writer.clear();
    await breathe();
  };
  writer.ceiling(image.ceiling.seq, image.ceiling.incarnation);
  for (const manifest of image.manifests) {
    writer.manifest(manifest);
    if (writer.length > BLOCK_BYTES) await put(KIND_RECORDS);
  }
  // Rows come after the manifests: a publish record also says that hot rows up to its bound are gone.
  for (const {scope, key, row} of image.rows) {
    writer.row(scope, key, row);
    if (writer.length > BLOCK_BYTES) await put(KIND_RECORDS);
  }
  if (writer.length > 0) await put(KIND_RECORDS);
  await put(KIND_END);
}

function frame(kind: number, records: Buffer): Buffer {
  const block = Buffer.allocUnsafe(HEADER_BYTES + records.length);
  block.writeUInt32LE(records.length, 0);
  block.writeUInt8(kind, 8);
  records.copy(block, HEADER_BYTES);
  block.writeUInt32LE(crc32(block.subarray(8)), 4);
  return block;
}

function nameOf(seq: Seq): string {
  return `checkpoint-${String(seq).padStart(20, '0')}`;
}

/** Newest first. */
export async function listCheckpoints(disk: Disk, directory: string): Promise<{name: string; seq: Seq}[]> {
  const found: {name: string; seq: Seq}[] = [];
  for (const name of await disk.list(directory)) {
    const match = NAME.exec(name);
    if (match !== null) found.push({name, seq: BigInt(match[1]!)});
  }
  return found.sort((a, b) => (a.seq < b.seq ? 1 : -1));
}

/**
 * Loads the newest checkpoint that is whole, through `visit`, and returns its seq; 0 if there was never one.
 * A damaged newest one is passed over with a warning; if none is whole, throws DATA_CORRUPTED.
 */
export async function loadCheckpoint(
  disk: Disk,
  directory: string,
  visit: (records: Uint8Array, seq: Seq) => void,
  warn: (text: string) => void,
): Promise<Seq> {
  const found = await listCheckpoints(disk, directory);
  if (found.length === 0) return 0n;
  for (const {name, seq} of found) {
    const path = `${directory}/${name}`;
    const damage = await checkCheckpoint(disk, path);
    if (damage !== undefined) {
      warn(`${path} is damaged (${damage}); the checkpoint before it is used.`);
      continue;
    }
    await eachBlock(disk, path, records => visit(records, seq));
    return seq;
  }
  throw new DbError(
    'DATA_CORRUPTED',
    `No checkpoint in ${directory} is whole (${found.map(one => one.name).join(', ')}). Run fsck before anything else.`,
  );
}

/** What is wrong with a checkpoint file, or undefined. Reads it once, keeps nothing. */
export async function checkCheckpoint(disk: Disk, path: string): Promise<string | undefined> {
  return await eachBlock(disk, path, () => {});
}

async function eachBlock(disk: Disk, path: string, visit: (records: Buffer) => void): Promise<string | undefined> {
  const file = await disk.open(path, 'read');
  try {
    const size = await file.size();
    let window: Buffer = Buffer.alloc(0);
    let start = 0;
    /** The bytes of the file at `position`, from the window or from the next one. */
    const bytesAt = async (position: number, length: number): Promise<Buffer> => {
      if (position + length > start + window.length) {
        start = position;
        window = await file.read(start, Math.max(WINDOW_BYTES, length));
      }
      return window.subarray(position - start, position - start + length);
    };
    for (let position = 0; position < size; ) {
      if (position + HEADER_BYTES > size) return `a block header is cut at byte ${position}`;
      const header = await bytesAt(position, HEADER_BYTES);
      const [length, checksum] = [header.readUInt32LE(0), header.readUInt32LE(4)];
      if (position + HEADER_BYTES + length > size) return `a block is cut at byte ${position}`;
      const body = await bytesAt(position + 8, length + 1);
      if (crc32(body) !== checksum) return `a block at byte ${position} fails its checksum`;
      if (body[0] === KIND_END) return undefined;
      visit(body.subarray(1));
      position += HEADER_BYTES + length;
    }
    return 'its end block is missing';
  } finally {
    await file.close();
  }
}

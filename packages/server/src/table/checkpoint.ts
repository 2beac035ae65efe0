/**
 * Checkpoint: the whole state at one seq, as records in one file, so that a start needs only the log after it.
 *
 *     checkpoint-<seq, 20 digits>:   block │ block │ … │ end block        block = length, crc, kind, records
 *
 * Written in slices between requests from a captured image; made durable under a temporary name, then renamed, then the directory is synced;
 * only then may the log forget, and only up to the *older* of the two newest checkpoints: a damaged newest one still leaves a way to start.
 * Laws: a file without its end block is not a checkpoint. What a checkpoint says is exactly the state at its seq.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Manifest, manifestToDelta} from '../cold/manifest.ts';
import type {KeyedRow} from '../hot/hot.ts';
import type {Incarnation, Seq} from '../model/names.ts';
import {crc32} from '../std/crc32.ts';
import type {Disk, DiskFile} from '../std/disk.ts';
import {RecordWriter} from './record.ts';

const BLOCK_BYTES = 256 * 1024;
const HEADER_BYTES = 9;
const KIND_RECORDS = 1;
const KIND_END = 2;
const NAME = /^checkpoint-(\d{20})$/;

export interface Image {
  readonly seq: Seq;
  readonly ceiling: {readonly seq: Seq; readonly incarnation: Incarnation};
  readonly rows: Iterable<KeyedRow>;
  readonly manifests: readonly Manifest[];
}

/** Writes the image and removes all but the two newest checkpoints. Returns the seq up to which the log may forget. */
export async function writeCheckpoint(
  disk: Disk,
  directory: string,
  image: Image,
  breathe: () => Promise<void>,
): Promise<Seq> {
  const name = `checkpoint-${String(image.seq).padStart(20, '0')}`;
  const temporary = `${directory}/${name}.tmp`;
  await disk.remove(temporary).catch(ignoreMissing);
  const file = await disk.open(temporary, 'create');
  try {
    await writeImage(file, image, breathe);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, `${directory}/${name}`);
  await disk.syncDirectory(directory);
  const kept = await listCheckpoints(disk, directory);
  for (const old of kept.splice(2)) await disk.remove(`${directory}/${old.name}`);
  return kept.length < 2 ? 0n : kept[1]!.seq;
}

async function writeImage(file: DiskFile, image: Image, breathe: () => Promise<void>): Promise<void> {
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
    if (manifest.version > 0) writer.publish(manifestToDelta(manifest));
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
    for (let position = 0; position < size; ) {
      const header = await file.read(position, HEADER_BYTES);
      if (header.length < HEADER_BYTES) return `a block header is cut at byte ${position}`;
      const length = header.readUInt32LE(0);
      const body = await file.read(position + 8, length + 1);
      if (body.length < length + 1) return `a block is cut at byte ${position}`;
      if (crc32(body) !== header.readUInt32LE(4)) return `a block at byte ${position} fails its checksum`;
      if (body[0] === KIND_END) return undefined;
      visit(body.subarray(1));
      position += HEADER_BYTES + length;
    }
    return 'its end block is missing';
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

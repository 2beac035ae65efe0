/**
 * Data format: the version that a data directory carries, so that no release takes the data of another for its own.
 *
 * Law: the file FORMAT is whole or not there. A first start that a crash cut off leaves a directory that the next start makes its own.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Disk} from './std/disk.ts';

const FORMAT_VERSION = '1';

export async function checkFormat(disk: Disk, directory: string): Promise<void> {
  const path = `${directory}/FORMAT`;
  const found = (await disk.list(directory)).includes('FORMAT')
    ? (await disk.readFile(path)).toString().trim()
    : undefined;
  if (found === FORMAT_VERSION) return;
  if (found !== undefined) {
    throw new DbError(
      'DATA_CORRUPTED',
      `The data directory ${directory} has format version '${found}'; this release reads version ${FORMAT_VERSION}. Use the release that wrote it.`,
    );
  }
  const temporary = `${path}.tmp`;
  await disk.remove(temporary).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(Buffer.from(`${FORMAT_VERSION}\n`), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
}

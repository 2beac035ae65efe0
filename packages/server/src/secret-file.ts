/**
 * Secret file: what tokens are signed with, if nobody chose a secret: made once, kept in the data directory, read by its owner alone.
 *
 * Law: the file is whole or not there. Without it every token made so far is void, and nothing else is lost.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Ids} from './std/clock.ts';
import type {Disk} from './std/disk.ts';

const NAME = 'jwt-secret';
const SECRET_BYTES = 48;

export async function keptSecret(disk: Disk, directory: string, ids: Ids): Promise<string> {
  const path = `${directory}/${NAME}`;
  if ((await disk.list(directory)).includes(NAME)) {
    const secret = (await disk.readFile(path)).toString().trim();
    if (/^[\w-]{64}$/.test(secret)) return secret;
    throw new DbError(
      'DATA_CORRUPTED',
      `${path} does not hold a secret of this server. Remove it and all users sign in again, or set KALAMDB_JWT_SECRET.`,
    );
  }
  const secret = Buffer.from(ids.bytes(SECRET_BYTES)).toString('base64url');
  const temporary = `${path}.tmp`;
  await disk.remove(temporary).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(Buffer.from(`${secret}\n`), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
  return secret;
}

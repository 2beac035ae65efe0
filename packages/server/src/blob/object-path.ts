import {DbError} from '@kalamdb/protocol/errors.ts';

const PATH_BYTES_MAX = 1024;

/**
 * Checks that a path names something inside the storage's base: relative, `/` between parts, no `.`, `..`, empty part, NUL or
 * backslash. Throws INVALID_INPUT. A prefix may be empty and may end in `/`.
 */
export function checkObjectPath(path: string): void {
  const isBad =
    path === '' ||
    Buffer.byteLength(path) > PATH_BYTES_MAX ||
    /[\0\\]/.test(path) ||
    path.split('/').some(part => part === '' || part === '.' || part === '..');
  if (isBad) throw new DbError('INVALID_INPUT', `Invalid object path ${JSON.stringify(path)}.`);
}

export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkObjectPath(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

export function missingObject(path: string, cause?: unknown): DbError {
  return new DbError('DATA_CORRUPTED', `File '${path}' is missing.`, {cause});
}

export function shortObject(path: string, range: {end: number; size: number}): DbError {
  return new DbError(
    'DATA_CORRUPTED',
    `File '${path}' is too short: ${range.end} bytes expected, ${range.size} found.`,
  );
}

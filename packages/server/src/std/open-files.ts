/** Open files of this process, counted where the system tells of them (Linux). */
import {readdir, stat} from 'node:fs/promises';

const DESCRIPTORS = '/proc/self/fd';

export interface OpenFiles {
  readonly total: number;
  /** Files on a disk. */
  readonly regular: number;
}

/** Undefined where the system does not tell. One descriptor after the other: with thousands of sockets it must keep nobody waiting. */
export async function countOpenFiles(): Promise<OpenFiles | undefined> {
  const names = await readdir(DESCRIPTORS).catch(() => undefined);
  if (names === undefined) return undefined;
  let regular = 0;
  for (const name of names) {
    // Closed since the list was read.
    const file = await stat(`${DESCRIPTORS}/${name}`).catch(() => undefined);
    if (file?.isFile() === true) regular++;
  }
  return {total: names.length, regular};
}

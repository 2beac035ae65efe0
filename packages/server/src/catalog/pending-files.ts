/**
 * Pending files: the names of announced files (see `table/files.ts`), one row of `system.meta` each.
 */
import {META} from '../system/meta.ts';
import type {FileNames, StoredFile} from '../table/files.ts';
import {scopeOf, systemRow, textKey} from './ddl.ts';

const PREFIX = 'file:';

export const pendingFiles: FileNames = {
  announced: files =>
    files.map(file => systemRow(META.schema, META.toValues({key: keyText(file), value: ''}), textKey(keyText(file)))),
  struck: files => files.map(file => ({scope: scopeOf(META.schema), key: textKey(keyText(file))})),
};

/** The file a row of `system.meta` speaks of, or undefined if it is about something else. */
export function pendingFile(key: string): StoredFile | undefined {
  if (!key.startsWith(PREFIX)) return undefined;
  const at = key.indexOf(':', PREFIX.length);
  return {storageId: key.slice(PREFIX.length, at), path: key.slice(at + 1)};
}

function keyText({storageId, path}: StoredFile): string {
  return `${PREFIX}${storageId}:${path}`;
}

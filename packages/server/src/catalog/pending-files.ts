/**
 * Pending files: segment files that may exist although no manifest lists them.
 *
 * A row stands in `system.meta` from before a segment is created until the publish record that lists it (one batch removes the one and makes the other
 * true), and from the drop record until the file is deleted. So every file is pending or listed, whatever crash comes between, and a start
 * only has to delete what is still pending. Files nobody announced are never touched.
 */
import type {ScopeKey} from '../model/names.ts';
import {META} from '../system/meta.ts';
import type {WriteRow} from '../table/commit.ts';
import {scopeOf, systemRow, textKey} from './ddl.ts';

export interface StoredFile {
  readonly storageId: string;
  readonly path: string;
}

const PREFIX = 'file:';

export function pendingRows(files: readonly StoredFile[]): WriteRow[] {
  return files.map(file =>
    systemRow(META.schema, META.toValues({key: keyText(file), value: ''}), textKey(keyText(file))),
  );
}

export function pendingRemoves(files: readonly StoredFile[]): {scope: ScopeKey; key: Uint8Array}[] {
  return files.map(file => ({scope: scopeOf(META.schema), key: textKey(keyText(file))}));
}

/** The file a row of `system.meta` speaks of, or undefined if it is about something else. */
export function pendingFile(key: string): StoredFile | undefined {
  if (!key.startsWith(PREFIX)) return undefined;
  const at = key.indexOf(':', PREFIX.length);
  return {storageId: key.slice(PREFIX.length, at), path: key.slice(at + 1)};
}

function keyText({storageId, path}: StoredFile): string {
  return `${PREFIX}${storageId}:${path}`;
}

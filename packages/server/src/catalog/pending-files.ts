/**
 * Pending files: the names of announced files (see `table/files.ts`), one row of `system.meta` each.
 */
import type {Hot} from '../hot/hot.ts';
import {RowView} from '../model/row-codec.ts';
import {META} from '../system/meta.ts';
import type {FileNames, StoredFile} from '../table/files.ts';
import {scopeOf, systemRow, textKey} from './ddl.ts';

const PREFIX = 'file:';

export const pendingFiles: FileNames = {
  announced: files =>
    files.map(file => systemRow(META.schema, META.toValues({key: keyText(file), value: ''}), textKey(keyText(file)))),
  struck: files => files.map(file => ({scope: scopeOf(META.schema), key: textKey(keyText(file))})),
};

/** The files that stand announced now. */
export function announcedFiles(hot: Hot): StoredFile[] {
  const view = new RowView(META.schema, () => META.schema);
  const files: StoredFile[] = [];
  hot.snapshot(scopeOf(META.schema)).scan({}, false, row => {
    const {key} = META.fromRow(view.at(row));
    if (!key.startsWith(PREFIX)) return true;
    const at = key.indexOf(':', PREFIX.length);
    files.push({storageId: key.slice(PREFIX.length, at), path: key.slice(at + 1)});
    return true;
  });
  return files;
}

function keyText({storageId, path}: StoredFile): string {
  return `${PREFIX}${storageId}:${path}`;
}

/**
 * Fold: what is committed to the catalog's tables changes the catalog. Commit and catalog speak through rows alone, so replay and live commits are one.
 */
import {RowView} from '../model/row-codec.ts';
import {NAMESPACES} from '../system/namespaces.ts';
import {SCHEMAS} from '../system/schemas.ts';
import {STORAGES} from '../system/storages.ts';
import {VIEWS} from '../system/views.ts';
import type {LogRecord} from '../table/record.ts';
import type {Catalog} from './catalog.ts';
import {schemaFromRecord} from './schema-json.ts';
import type {StorageOpener} from './storage-opener.ts';
import {LOCAL_STORAGE, type Storages} from './storages.ts';
import {viewFromRecord} from './view-record.ts';

export function createFold(catalog: Catalog, storages: Storages, open: StorageOpener): (record: LogRecord) => void {
  const schemaView = new RowView(SCHEMAS.schema, () => SCHEMAS.schema);
  const namespaceView = new RowView(NAMESPACES.schema, () => NAMESPACES.schema);
  const viewView = new RowView(VIEWS.schema, () => VIEWS.schema);
  const storageView = new RowView(STORAGES.schema, () => STORAGES.schema);
  return record => {
    switch (record.kind) {
      case 'row':
        if (record.scope.incarnation === SCHEMAS.schema.incarnation) {
          catalog.putSchema(schemaFromRecord(SCHEMAS.fromRow(schemaView.at(record.row))));
        } else if (record.scope.incarnation === NAMESPACES.schema.incarnation) {
          const {name, created_at, options} = NAMESPACES.fromRow(namespaceView.at(record.row));
          catalog.putNamespace({name, createdAt: created_at, options});
        } else if (record.scope.incarnation === VIEWS.schema.incarnation) {
          catalog.putView(viewFromRecord(VIEWS.fromRow(viewView.at(record.row))));
        } else if (record.scope.incarnation === STORAGES.schema.incarnation) {
          const storage = STORAGES.fromRow(storageView.at(record.row));
          // Its place is the data directory of this start, which may have moved.
          if (storage.storage_id === LOCAL_STORAGE) break;
          storages.add({
            id: storage.storage_id,
            sharedTemplate: storage.shared_tables_template,
            userTemplate: storage.user_tables_template,
            blob: open(storage, {isCached: true}),
            base: storage.base_directory,
          });
        }
        break;
      case 'remove':
        if (record.scope.incarnation === NAMESPACES.schema.incarnation) catalog.removeNamespace(textOf(record.key));
        else if (record.scope.incarnation === VIEWS.schema.incarnation) catalog.removeView(textOf(record.key));
        else if (record.scope.incarnation === STORAGES.schema.incarnation) storages.remove(textOf(record.key));
        break;
      case 'drop':
        catalog.dropTable(record.incarnation);
        break;
      default:
    }
  };
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString();
}

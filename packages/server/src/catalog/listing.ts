/**
 * Listing: the rows of the computed system tables, made from what is in memory when somebody reads.
 *
 * Law: a table of these shows the state of one moment, the watermark of its statement, and never a user's row.
 */

import {manifestJson} from '../cold/manifest-mirror.ts';
import type {Hot} from '../hot/hot.ts';
import type {TypeName, Value} from '../model/datatype.ts';
import {type Owner, pathComponent, tableText} from '../model/names.ts';
import {DELETED_COLUMN, type Schema, SEQ_COLUMN, TABLE_KINDS} from '../model/schema.ts';
import {sqlName, TYPES, type TypeFacts} from '../model/type-table.ts';
import type {View} from '../model/view.ts';
import {COLUMNS} from '../system/columns.ts';
import {DATATYPES} from '../system/datatypes.ts';
import {MANIFEST} from '../system/manifest.ts';
import {NAMESPACES_VIEW} from '../system/namespaces.ts';
import {SCHEMAS_VIEW} from '../system/schemas.ts';
import {STORAGE_LOCATIONS} from '../system/storage-locations.ts';
import type {StorageRecord} from '../system/storages.ts';
import {TABLE_SCHEMAS} from '../system/table-schemas.ts';
import {TABLES} from '../system/tables.ts';
import type {Manifests} from '../table/manifests.ts';
import type {Catalog} from './catalog.ts';
import {schemaChanges} from './schema-changes.ts';
import {columnsToJson, optionsToJson, policyToJson, viewColumnsJson} from './schema-json.ts';
import {shownColumns} from './shown-columns.ts';
import type {Storages} from './storages.ts';

/** Their tables are counted as far as somebody may know of them. */
export function* namespaceRows(catalog: Catalog, mayKnow: (schema: Schema) => boolean): Generator<readonly Value[]> {
  const counts = new Map<string, number>();
  for (const {name} of catalog.tables().filter(mayKnow))
    counts.set(name.namespace, (counts.get(name.namespace) ?? 0) + 1);
  for (const {name, createdAt, options} of catalog.namespaces()) {
    yield NAMESPACES_VIEW.toValues({
      namespace_id: name,
      name,
      created_at: createdAt,
      options,
      table_count: counts.get(name) ?? 0,
    });
  }
}

export function* schemaRows(catalog: Catalog): Generator<readonly Value[]> {
  for (const one of tablesAndViews(catalog)) {
    if (one.kind === 'view') yield viewSchemaRow(one);
    else yield* catalog.versions(one.incarnation).map(schema => schemaRow(one, schema));
  }
}

/** Older versions go by the name that the table has now. */
function schemaRow(newest: Schema, schema: Schema): readonly Value[] {
  return SCHEMAS_VIEW.toValues({
    schema_id: `${tableId(newest)}:${schema.version}`,
    table_id: tableId(newest),
    table_name: newest.name.table,
    namespace_id: newest.name.namespace,
    table_type: schema.kind,
    created_at: schema.createdAt,
    schema_version: schema.version,
    columns: columnsToJson(schema),
    table_comment: null,
    updated_at: schema.updatedAt,
    options: optionsToJson(schema),
    access_level: schema.options.accessLevel,
    is_latest: newest === schema,
    storage_id: schema.options.storageId,
    use_user_storage: schema.kind === 'user' ? false : null,
  });
}

/** A view has one version: what replaces it is a view of its own. */
function viewSchemaRow(view: View): readonly Value[] {
  return SCHEMAS_VIEW.toValues({
    schema_id: `${tableId(view)}:1`,
    table_id: tableId(view),
    table_name: view.name.table,
    namespace_id: view.name.namespace,
    table_type: 'view',
    created_at: view.createdAt,
    schema_version: 1,
    columns: viewColumnsJson(view),
    table_comment: null,
    updated_at: view.updatedAt,
    options: viewOptions(view),
    access_level: null,
    is_latest: true,
    storage_id: null,
    use_user_storage: null,
  });
}

function viewOptions({text}: View): string {
  return JSON.stringify({table_type: 'VIEW', query: text});
}

/** Tables in their newest versions and views, by namespace and name. */
function tablesAndViews(catalog: Catalog): readonly (Schema | View)[] {
  const views = catalog.views();
  if (views.length === 0) return catalog.tables();
  const text = (one: Schema | View) => tableText(one.name);
  return [...catalog.tables(), ...views].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

/** `arrow_schema` is an ordered array: the user's columns, then the system columns. */
export function* tableSchemaRows(catalog: Catalog): Generator<readonly Value[]> {
  let previous: Schema | undefined;
  for (const {newest, schema} of eachVersion(catalog)) {
    const before = previous?.incarnation === schema.incarnation ? previous : undefined;
    previous = schema;
    const columns = JSON.parse(columnsToJson(schema)) as {ordinal_position: number}[];
    const {hasDeleted} = TABLE_KINDS[schema.kind];
    const system = schema.kind === 'system' ? [] : hasDeleted ? [SEQ_COLUMN, DELETED_COLUMN] : [SEQ_COLUMN];
    const ordered = [...columns, ...system.map((name, i) => systemColumn(name, columns.length + i + 1))];
    yield TABLE_SCHEMAS.toValues({
      schema_id: `${tableId(newest)}:${schema.version}`,
      table_id: tableId(newest),
      version: schema.version,
      arrow_schema: JSON.stringify(ordered),
      created_at: schema.updatedAt,
      changes: JSON.stringify(schemaChanges(before, schema)),
    });
  }
}

function systemColumn(name: string, ordinal: number): object {
  return {
    column_name: name,
    data_type: name === SEQ_COLUMN ? 'BigInt' : 'Boolean',
    ordinal_position: ordinal,
    is_nullable: false,
    is_primary_key: false,
    is_system: true,
  };
}

export function* tableRows(catalog: Catalog, storages: Storages): Generator<readonly Value[]> {
  for (const schema of tablesAndViews(catalog)) {
    if (schema.kind === 'view') {
      yield viewTableRow(schema);
      continue;
    }
    const {isFlushed} = TABLE_KINDS[schema.kind];
    const policy = policyToJson(schema.options.flushPolicy);
    yield TABLES.toValues({
      namespace_id: schema.name.namespace,
      table_name: schema.name.table,
      table_type: schema.kind,
      storage_id: schema.options.storageId,
      version: BigInt(schema.version),
      options: optionsToJson(schema),
      comment: null,
      updated_at: schema.updatedAt,
      created_at: schema.createdAt,
      table_id: tableId(schema),
      namespace: schema.name.namespace,
      storage_location: isFlushed ? storages.location(schema) : null,
      use_user_storage: false,
      flush_policy: policy === null ? null : JSON.stringify(policy),
      schema_version: schema.version,
      deleted_retention_hours: isFlushed ? schema.options.deletedRetentionHours : null,
    });
  }
}

function viewTableRow(view: View): readonly Value[] {
  return TABLES.toValues({
    namespace_id: view.name.namespace,
    table_name: view.name.table,
    table_type: 'view',
    storage_id: null,
    version: 1n,
    options: viewOptions(view),
    comment: null,
    updated_at: view.updatedAt,
    created_at: view.createdAt,
    table_id: tableId(view),
    namespace: view.name.namespace,
    storage_location: null,
    use_user_storage: false,
    flush_policy: null,
    schema_version: 1,
    deleted_retention_hours: null,
  });
}

/** Of tables in their newest versions, and of views. */
export function* columnRows(catalog: Catalog): Generator<readonly Value[]> {
  for (const one of tablesAndViews(catalog)) {
    for (const column of shownColumns(one)) {
      yield COLUMNS.toValues({
        namespace_id: one.name.namespace,
        table_name: one.name.table,
        version: one.kind === 'view' ? 1n : BigInt(one.version),
        column_id: BigInt(column.id),
        column_name: column.name,
        comment: column.comment,
        data_type: sqlName(column.type),
        default_value: column.default,
        ordinal: BigInt(column.ordinal),
        nullable: column.isNullable,
        primary_key: column.isPrimaryKey,
        primary_key_pos: column.isPrimaryKey ? 1n : null,
      });
    }
  }
}

/** What engines of this family call the form of each type in memory. */
const ARROW_TYPES: Readonly<Record<TypeName, string>> = {
  boolean: 'Boolean',
  smallint: 'Int16',
  int: 'Int32',
  bigint: 'Int64',
  float: 'Float32',
  double: 'Float64',
  decimal: 'Decimal128(precision, scale)',
  text: 'Utf8',
  bytes: 'Binary',
  json: 'Utf8',
  timestamp: 'Timestamp(Microsecond, None)',
  datetime: 'Timestamp(Microsecond, Some("UTC"))',
  date: 'Date32',
  time: 'Time64(Microsecond)',
  uuid: 'FixedSizeBinary(16)',
  embedding: 'FixedSizeList(Float32, dimension)',
  file: 'Utf8',
};

export function* datatypeRows(): Generator<readonly Value[]> {
  for (const [name, {json, sqlName: spelling, wire, input}] of Object.entries<TypeFacts>(TYPES)) {
    yield DATATYPES.toValues({
      arrow_type: ARROW_TYPES[name as TypeName],
      kalam_type: json,
      sql_name: spelling,
      description: `In JSON ${wire}; from a text: ${input}.`.replaceAll('`', ''),
    });
  }
}

export function* storageLocationRows(catalog: Catalog, stored: Iterable<StorageRecord>): Generator<readonly Value[]> {
  for (const storage of stored) {
    const uses = catalog
      .tables()
      .filter(schema => schema.kind !== 'system' && schema.options.storageId === storage.storage_id);
    yield STORAGE_LOCATIONS.toValues({
      location_name: storage.storage_id,
      location_type: storage.storage_type,
      path: storage.base_directory,
      credentials_ref: null,
      usage_count: uses.length,
      created_at: storage.created_at,
      updated_at: storage.updated_at,
    });
  }
}

export function* manifestRows(options: {
  catalog: Catalog;
  manifests: Manifests;
  hot: Hot;
  isFlushing: (schema: Schema) => boolean;
}): Generator<readonly Value[]> {
  for (const schema of options.catalog.tables()) {
    if (!TABLE_KINDS[schema.kind].isFlushed) continue;
    for (const manifest of options.manifests.of(schema.incarnation)) {
      const {owner} = manifest.scope;
      const isPending = options.hot.scopeStats(manifest.scope) !== undefined;
      const at = BigInt(manifest.updatedAt) * 1000n;
      yield MANIFEST.toValues({
        cache_key: `${tableId(schema)}:${scopeName(owner)}`,
        namespace_id: schema.name.namespace,
        table_name: schema.name.table,
        scope: owner ?? 'shared',
        etag: null,
        last_refreshed: at,
        last_accessed: at,
        in_memory: true,
        sync_state: isPending ? (options.isFlushing(schema) ? 'syncing' : 'pending_write') : 'in_sync',
        manifest_json: manifestJson(manifest, schema),
      });
    }
  }
}

/** The shared scope and a user called "shared" are different places and get different keys. */
function scopeName(owner: Owner): string {
  return owner === null ? 'shared' : `user/${pathComponent(owner)}`;
}

function* eachVersion(catalog: Catalog): Generator<{newest: Schema; schema: Schema}> {
  for (const newest of catalog.tables())
    for (const schema of catalog.versions(newest.incarnation)) yield {newest, schema};
}

function tableId({name}: Schema | View): string {
  return `${name.namespace}:${name.table}`;
}

/**
 * DDL: the only writer of namespaces, schemas, views and storages.
 *
 * Laws: one DDL statement at a time, each decided on the catalog as it is durable and written as one batch, so a name is taken once and a
 * table is made or dropped whole. DROP ends a life: its rows are gone in the same record, its incarnation never comes back. An ALTER that has to look at
 * rows holds up nobody while it does, and is decided again if another came first.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Hot} from '../hot/hot.ts';
import type {Value} from '../model/datatype.ts';
import {FIRST_USER_INCARNATION, type Incarnation, type Seq, type TableName, tableText} from '../model/names.ts';
import {encodeRow, rowSeq} from '../model/row-codec.ts';
import {COLUMNS_MAX, type Column, type Schema, TABLE_KINDS, type TableOptions} from '../model/schema.ts';
import type {View} from '../model/view.ts';
import type {Clock} from '../std/clock.ts';
import {META} from '../system/meta.ts';
import {NAMESPACES, type NamespaceRecord} from '../system/namespaces.ts';
import {SCHEMAS} from '../system/schemas.ts';
import {STORAGES, type StorageRecord} from '../system/storages.ts';
import {VIEWS} from '../system/views.ts';
import type {Commit, WriteRow} from '../table/commit.ts';
import type {Latches} from '../table/latches.ts';
import {throwIfOver} from '../table/merge.ts';
import {type Demand, type RowCheckOptions, withCheckedRows} from '../table/row-check.ts';
import {type Alteration, demandsOf} from './alterations.ts';
import type {Catalog} from './catalog.ts';
import {columnsToJson, optionsToJson} from './schema-json.ts';
import type {Storages} from './storages.ts';
import {viewRecord} from './view-record.ts';

/** Names are looked up in memory and every version of every table is kept there: bounds, so that none grows without end. */
const TABLES_MAX = 100_000;
const VERSIONS_MAX = 2000;
const VIEWS_MAX = 10_000;
const NAMESPACE_OPTIONS_MAX = 65_536;
/** So often an ALTER looks at the rows of a table that others alter meanwhile. */
const ALTER_ATTEMPTS = 3;

export interface NewTable {
  readonly name: TableName;
  readonly kind: 'user' | 'shared' | 'stream';
  readonly columns: readonly Omit<Column, 'id'>[];
  readonly primaryKey: number;
  readonly options: TableOptions;
}

/** What a table is after an ALTER. */
export interface Altered {
  readonly schema: Schema;
  readonly isChanged: boolean;
}

interface AlterPlan {
  readonly current: Schema;
  /** Undefined: there is nothing to change. */
  readonly next: Schema | undefined;
  readonly demands: readonly Demand[];
}

export class Ddl {
  readonly #catalog: Catalog;
  readonly #commit: Commit;
  readonly #latches: Latches;
  readonly #clock: Clock;
  readonly #storages: Storages;
  readonly #rows: RowCheckOptions;

  constructor(options: {
    catalog: Catalog;
    storages: Storages;
    commit: Commit;
    latches: Latches;
    clock: Clock;
    rows: RowCheckOptions;
  }) {
    this.#catalog = options.catalog;
    this.#storages = options.storages;
    this.#commit = options.commit;
    this.#latches = options.latches;
    this.#clock = options.clock;
    this.#rows = options.rows;
  }

  /** False if it exists already. */
  createNamespace(name: string): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#catalog.namespace(name) !== undefined) return false;
      await this.#commit.write({
        rows: [namespaceRow({namespace_id: name, name, created_at: this.#now(), options: null})],
      });
      return true;
    });
  }

  /** Puts the options beside those it has; one of the same name is replaced. False if there is no such namespace. */
  alterNamespace(name: string, options: Readonly<Record<string, unknown>>): Promise<boolean> {
    return this.#alone(async () => {
      const namespace = this.#catalog.namespace(name);
      if (namespace === undefined) return false;
      const merged = JSON.stringify({...JSON.parse(namespace.options ?? '{}'), ...options});
      if (merged.length > NAMESPACE_OPTIONS_MAX) {
        const message = `The options of a namespace have at most ${NAMESPACE_OPTIONS_MAX} characters as JSON.`;
        throw new DbError('LIMIT_EXCEEDED', message);
      }
      const record = {namespace_id: name, name, created_at: namespace.createdAt, options: merged};
      await this.#commit.write({rows: [namespaceRow(record)]});
      return true;
    });
  }

  /** False if there is one of that name and it may not be replaced. */
  createView(view: Pick<View, 'name' | 'text' | 'columns'>, isReplacing: boolean): Promise<boolean> {
    return this.#alone(async () => {
      const {namespace} = view.name;
      if (this.#catalog.namespace(namespace) === undefined) {
        throw fail.invalidOperation(
          `Namespace '${namespace}' does not exist. Create it first with CREATE NAMESPACE ${namespace}`,
        );
      }
      if (this.#catalog.find(view.name) !== undefined)
        throw fail.alreadyExists(`Table ${tableText(view.name)} already exists; a view cannot take its name`);
      const before = this.#catalog.view(view.name);
      if (before !== undefined && !isReplacing) return false;
      if (before === undefined && this.#catalog.views().length >= VIEWS_MAX)
        throw new DbError('LIMIT_EXCEEDED', `A server holds at most ${VIEWS_MAX} views.`);
      const now = this.#now();
      const record = viewRecord({kind: 'view', ...view, createdAt: before?.createdAt ?? now, updatedAt: now});
      await this.#commit.write({rows: [systemRow(VIEWS.schema, VIEWS.toValues(record), textKey(record.view_id))]});
      return true;
    });
  }

  /** False if there is none. */
  dropView(name: TableName): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#catalog.view(name) === undefined) return false;
      const key = textKey(tableText(name));
      await this.#commit.write({removes: [{scope: scopeOf(VIEWS.schema), key}], isUrgent: true});
      return true;
    });
  }

  /** False if there is none. The caller has dropped its tables and views, or there were none: else Conflict. */
  dropNamespace(name: string): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#catalog.namespace(name) === undefined) return false;
      const held = [...this.#catalog.tables(), ...this.#catalog.views()].filter(one => one.name.namespace === name);
      if (held.length > 0) {
        throw fail.conflict(
          `Namespace '${name}' still holds ${held.length} table(s) or view(s); drop them first or use CASCADE`,
        );
      }
      await this.#commit.write({removes: [{scope: scopeOf(NAMESPACES.schema), key: textKey(name)}], isUrgent: true});
      return true;
    });
  }

  /** Undefined if a table of that name exists. */
  createTable(table: NewTable): Promise<Schema | undefined> {
    return this.#alone(async () => {
      const {namespace} = table.name;
      if (this.#catalog.namespace(namespace) === undefined) {
        throw fail.invalidOperation(
          `Namespace '${namespace}' does not exist. Create it first with CREATE NAMESPACE ${namespace}`,
        );
      }
      if (this.#catalog.find(table.name) !== undefined) return undefined;
      if (this.#catalog.view(table.name) !== undefined)
        throw fail.alreadyExists(`View ${tableText(table.name)} already exists; a table cannot take its name`);
      if (!this.#storages.has(table.options.storageId))
        throw fail.invalidOperation(`Storage '${table.options.storageId}' does not exist`);
      if (table.columns.length > COLUMNS_MAX)
        throw new DbError('LIMIT_EXCEEDED', `A table has at most ${COLUMNS_MAX} columns.`);
      if (this.#catalog.tableCount >= TABLES_MAX)
        throw new DbError('LIMIT_EXCEEDED', `A server holds at most ${TABLES_MAX} tables.`);
      const now = this.#now();
      const incarnation = this.#commit.nextIncarnation();
      const schema: Schema = {
        ...table,
        incarnation,
        // No name of a table has a hyphen.
        ...(this.#catalog.isFolderTaken(table.name) ? {folder: `${table.name.table}-${incarnation}`} : {}),
        version: 1,
        columns: table.columns.map((column, i) => ({...column, id: i + 1})),
        createdAt: now,
        updatedAt: now,
      };
      await this.#commit.write({rows: [schemaRow(schema)]});
      return schema;
    });
  }

  /** False if one of that id exists (`create`), or none does (`alter`). */
  putStorage(record: StorageRecord, how: 'create' | 'alter'): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#storages.has(record.storage_id) === (how === 'create')) return false;
      await this.#commit.write({
        rows: [systemRow(STORAGES.schema, STORAGES.toValues(record), textKey(record.storage_id))],
      });
      return true;
    });
  }

  /** False if there is none. `waitingFiles` counts the files in it that are still to be deleted. */
  dropStorage(id: string, waitingFiles: () => number): Promise<boolean> {
    return this.#alone(async () => {
      if (!this.#storages.has(id)) return false;
      const tableCount = this.#catalog.tables().filter(schema => isIn(schema, id)).length;
      if (tableCount > 0)
        throw fail.invalidOperation(`Cannot drop storage '${id}': ${tableCount} table(s) still using it`);
      const fileCount = waitingFiles();
      if (fileCount > 0) {
        throw fail.invalidOperation(
          `Cannot drop storage '${id}': ${fileCount} file(s) of dropped tables are still being deleted; try again shortly`,
        );
      }
      await this.#commit.write({removes: [{scope: scopeOf(STORAGES.schema), key: textKey(id)}], isUrgent: true});
      return true;
    });
  }

  /**
   * Begins a new version of the table's schema, once its rows are as that asks (`row-check.ts`). Throws the refusal of a demand, or the signal's
   * reason; WRITE_CONFLICT if other ALTERs kept coming first while rows were looked at.
   */
  async alterTable(schema: Schema, alteration: Alteration, signal: AbortSignal): Promise<Altered> {
    for (let attempt = 0; attempt < ALTER_ATTEMPTS; attempt++) {
      const planned = this.#plan(schema, alteration);
      if (planned.next === undefined) return {schema: planned.current, isChanged: false};
      const {current, demands} = planned;
      const publish = (confirm: () => void) => this.#publish(schema, alteration, planned, confirm);
      const altered =
        demands.length === 0
          ? await publish(() => throwIfOver(signal))
          : await withCheckedRows(this.#rows, current, demands, signal, publish);
      if (altered !== undefined) return altered;
    }
    throw new DbError('WRITE_CONFLICT', `Table '${tableText(schema.name)}' kept being altered meanwhile; try again.`);
  }

  #plan({incarnation, name}: Schema, alteration: Alteration): AlterPlan {
    const current = this.#catalog.current(incarnation);
    if (current === undefined) throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    const changed = alteration(current, this.#catalog.nextColumnId(incarnation));
    if (changed === undefined) return {current, next: undefined, demands: []};
    if (current.version >= VERSIONS_MAX) {
      throw new DbError(
        'LIMIT_EXCEEDED',
        `Table ${tableText(name)} was altered ${VERSIONS_MAX - 1} times, the most a table can be; make a new one.`,
      );
    }
    const next = {...changed, version: current.version + 1, updatedAt: this.#now()};
    return {current, next, demands: demandsOf(current, next)};
  }

  /** Decides again, alone. Undefined if rows are to be looked at and were looked at for another version, or not at all. */
  #publish(
    schema: Schema,
    alteration: Alteration,
    checked: AlterPlan,
    confirm: () => void,
  ): Promise<Altered | undefined> {
    return this.#alone(async () => {
      const {current, next, demands} = this.#plan(schema, alteration);
      if (next === undefined) return {schema: current, isChanged: false};
      if (demands.length > 0 && current !== checked.current) return undefined;
      confirm();
      await this.#commit.write({rows: [schemaRow(next)], alters: next.incarnation});
      return {schema: next, isChanged: true};
    });
  }

  /**
   * Ends the table's life: definition, rows and segments at one moment. False if it was gone already.
   * `announceFiles` names its files, which are still to be deleted, and gives the rows of those it did not name yet, in the turn of the record.
   */
  dropTable(schema: Schema, announceFiles: () => Promise<() => WriteRow[]>): Promise<boolean> {
    return this.#alone(async () => {
      const versions = this.#catalog.versions(schema.incarnation);
      if (versions.length === 0) return false;
      const leftFiles = await announceFiles();
      const removes = [
        ...versions.map(version => ({scope: scopeOf(SCHEMAS.schema), key: schemaKey(version)})),
        {scope: scopeOf(META.schema), key: textKey(tombstoneMarkKey(schema.incarnation))},
      ];
      await this.#commit.write({rows: leftFiles(), removes, drop: schema.incarnation, isUrgent: true});
      return true;
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#latches.acquire('ddl', ['']);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #now(): bigint {
    return BigInt(this.#clock.nowMs()) * 1000n;
  }
}

function isIn(schema: Schema, storageId: string): boolean {
  return TABLE_KINDS[schema.kind].isFlushed && schema.options.storageId === storageId;
}

export function namespaceRow(record: NamespaceRecord): WriteRow {
  return systemRow(NAMESPACES.schema, NAMESPACES.toValues(record), textKey(record.namespace_id));
}

export function systemRow(schema: Schema, values: readonly Value[], key: Uint8Array): WriteRow {
  return {scope: scopeOf(schema), key, row: encodeRow(schema, values, 0)};
}

export function scopeOf(schema: Schema): {incarnation: Incarnation; owner: null} {
  return {incarnation: schema.incarnation, owner: null};
}

export function textKey(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Of the row of `system.meta` that goes with the table: see `tombstone-mark.ts`. */
export function tombstoneMarkKey(incarnation: Incarnation): string {
  return `tombstones_dropped_through:${incarnation}`;
}

/** When the version became the current one; 0 for the server's own tables, which are not stored. */
export function versionSeq(hot: Hot, schema: Schema): Seq {
  const row = hot.get(scopeOf(SCHEMAS.schema), schemaKey(schema));
  return row === undefined ? 0n : rowSeq(row);
}

function schemaRow(schema: Schema): WriteRow {
  const values = SCHEMAS.toValues({
    table_id: `${schema.name.namespace}:${schema.name.table}`,
    table_name: schema.name.table,
    namespace_id: schema.name.namespace,
    table_type: schema.kind,
    created_at: schema.createdAt,
    schema_version: schema.version,
    columns: columnsToJson(schema),
    table_comment: null,
    updated_at: schema.updatedAt,
    options: optionsToJson(schema),
    access_level: schema.options.accessLevel,
    is_latest: true,
    storage_id: schema.options.storageId,
    use_user_storage: schema.kind === 'user' ? false : null,
  });
  return systemRow(SCHEMAS.schema, values, schemaKey(schema));
}

/** One row per table life and version; unlike a table id it never comes again. */
function schemaKey(schema: Schema): Uint8Array {
  return textKey(
    `${tableText(schema.name)}:${String(schema.incarnation).padStart(10, '0')}:${String(schema.version).padStart(10, '0')}`,
  );
}

export function firstFreeIncarnation(catalog: Catalog): Incarnation {
  return Math.max(FIRST_USER_INCARNATION, catalog.newestIncarnation() + 1) as Incarnation;
}

/**
 * Catalog: names → schemas and views, folded from the rows of `system.namespaces`, `system.schemas` and of views as they are committed.
 *
 * Laws: what is here is exactly what is durable. A schema object never changes; a new version is a new object. Every version is kept while
 * its table lives, since rows and segments name the version that wrote them. Only `ddl.ts` writes the rows this is folded from. Hidden
 * system tables have versions and no name, so that no statement and no list can meet them.
 */

import {type Incarnation, type TableName, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {View} from '../model/view.ts';
import {assert} from '../std/assert.ts';
import type {SystemTableFacts} from '../system/define.ts';
import {INFORMATION_NAMESPACE} from '../system/information.ts';

/** A statement lives 30 seconds: this many drops do not fit into it. */
const ENDED_MAX = 10_000;

export interface Namespace {
  readonly name: string;
  readonly createdAt: bigint;
  readonly options: string | null;
}

/** One table from CREATE to DROP. */
interface Life {
  readonly versions: Map<number, Schema>;
  newest: Schema;
  /** Above every column id of every version, so that ids are never reused. */
  nextColumnId: number;
}

export class Catalog {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #byName = new Map<string, Schema>();
  readonly #views = new Map<string, View>();
  readonly #lives = new Map<Incarnation, Life>();
  /** Of tables whose folder is not that of their name. */
  readonly #folders = new Map<Incarnation, string>();
  /** Versions of lives that are over: statements that began before the drop still read by them. */
  readonly #ended = new Map<Incarnation, Map<number, Schema>>();
  /** Told of each version that is put after a start, and of each end. */
  onSchema: (schema: Schema) => void = () => {};
  onDrop: (incarnation: Incarnation) => void = () => {};
  #generation = 0;
  #sorted: {readonly generation: number; readonly schemas: readonly Schema[]} | undefined;

  constructor(systemTables: readonly SystemTableFacts[]) {
    for (const {schema, isVisible} of systemTables) {
      this.#putVersion(schema);
      if (isVisible) this.#byName.set(tableText(schema.name), schema);
    }
  }

  /** Grows with every change of any schema: what cached plans are checked against. */
  get generation(): number {
    return this.#generation;
  }

  namespace(name: string): Namespace | undefined {
    return this.#namespaces.get(name);
  }

  namespaces(): Namespace[] {
    return [...this.#namespaces.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: TableName): Schema | undefined {
    return this.#byName.get(tableText(name));
  }

  /** A name is one of a table or of a view, never both. */
  view(name: TableName): View | undefined {
    return this.#views.size === 0 ? undefined : this.#views.get(tableText(name));
  }

  /** Ordered by namespace and name. */
  views(): View[] {
    return [...this.#views].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, view]) => view);
  }

  /** The newest version of a living table. */
  current(incarnation: Incarnation): Schema | undefined {
    return this.#lives.get(incarnation)?.newest;
  }

  version(incarnation: Incarnation, version: number): Schema {
    const schema = (this.#lives.get(incarnation)?.versions ?? this.#ended.get(incarnation))?.get(version);
    assert(schema !== undefined, `schema version ${version} of table life ${incarnation} is kept while rows use it`);
    return schema;
  }

  versions(incarnation: Incarnation): Schema[] {
    return [...(this.#lives.get(incarnation)?.versions.values() ?? [])].sort((a, b) => a.version - b.version);
  }

  /** The id that a column added to a living table gets. */
  nextColumnId(incarnation: Incarnation): number {
    const life = this.#lives.get(incarnation);
    assert(life !== undefined, `table life ${incarnation} has not ended`);
    return life.nextColumnId;
  }

  /** Newest versions, ordered by namespace and name; visible system tables included, those of `information_schema` left out: they are about tables. */
  tables(): readonly Schema[] {
    if (this.#sorted?.generation !== this.#generation) {
      const listed = [...this.#byName].filter(([, {name}]) => name.namespace !== INFORMATION_NAMESPACE);
      const byText = listed.sort(([a], [b]) => (a < b ? -1 : 1));
      this.#sorted = {generation: this.#generation, schemas: byText.map(([, schema]) => schema)};
    }
    return this.#sorted.schemas;
  }

  get tableCount(): number {
    return this.#byName.size;
  }

  putNamespace(namespace: Namespace): void {
    this.#namespaces.set(namespace.name, namespace);
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name);
  }

  putView(view: View): void {
    this.#views.set(tableText(view.name), view);
    this.#generation++;
  }

  /** `id` is its name as text. */
  removeView(id: string): void {
    this.#views.delete(id);
    this.#generation++;
  }

  /** Versions come in any order when they come out of a checkpoint. */
  putSchema(schema: Schema): void {
    const before = this.#lives.get(schema.incarnation)?.newest;
    this.#putVersion(schema);
    if (this.#lives.get(schema.incarnation)!.newest === schema) {
      if (before !== undefined && tableText(before.name) !== tableText(schema.name)) this.#leaveName(before);
      this.#byName.set(tableText(schema.name), schema);
    }
    this.#generation++;
    this.onSchema(schema);
  }

  /** The table goes by another name now. A table made after it may have this one already. */
  #leaveName({incarnation, name}: Schema): void {
    const text = tableText(name);
    if (this.#byName.get(text)?.incarnation !== incarnation) return;
    this.#byName.delete(text);
    for (const {newest} of this.#lives.values())
      if (newest.incarnation !== incarnation && tableText(newest.name) === text) this.#byName.set(text, newest);
  }

  /** Does a table that goes by another name keep its segments in the folder of this one? */
  isFolderTaken(name: TableName): boolean {
    return this.#folders.values().some(folder => folder === tableText(name));
  }

  #putVersion(schema: Schema): void {
    const life = this.#lives.get(schema.incarnation) ?? {versions: new Map(), newest: schema, nextColumnId: 1};
    this.#lives.set(schema.incarnation, life);
    life.versions.set(schema.version, schema);
    if (life.newest.version <= schema.version) life.newest = schema;
    const {folder, name} = life.newest;
    if (folder === undefined) this.#folders.delete(schema.incarnation);
    else this.#folders.set(schema.incarnation, tableText({...name, table: folder}));
    for (const {id} of schema.columns) life.nextColumnId = Math.max(life.nextColumnId, id + 1);
  }

  /** The table life is over: its name is free again. */
  dropTable(incarnation: Incarnation): void {
    const life = this.#lives.get(incarnation);
    this.#generation++;
    if (life === undefined) return;
    this.#keepEnded(incarnation, life.versions);
    this.#lives.delete(incarnation);
    this.#folders.delete(incarnation);
    const name = tableText(life.newest.name);
    if (this.#byName.get(name)?.incarnation === incarnation) this.#byName.delete(name);
    this.onDrop(incarnation);
  }

  #keepEnded(incarnation: Incarnation, versions: Map<number, Schema>): void {
    this.#ended.set(incarnation, versions);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= ENDED_MAX) return;
      this.#ended.delete(oldest);
    }
  }

  newestIncarnation(): number {
    let newest = 0;
    for (const incarnation of this.#lives.keys()) newest = Math.max(newest, incarnation);
    return newest;
  }
}

/**
 * Catalog: names → schemas, folded from the rows of `system.namespaces` and `system.schemas` as they are committed.
 *
 * Laws: what is here is exactly what is durable. A schema object never changes; a new version is a new object. Every version is kept while
 * its table lives, since rows and segments name the version that wrote them. Only `ddl.ts` writes the rows this is folded from.
 */

import {type Incarnation, type TableName, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {assert} from '../std/assert.ts';

/** A statement lives 30 seconds: this many drops do not fit into it. */
const ENDED_MAX = 10_000;

export interface Namespace {
  readonly name: string;
  readonly createdAt: bigint;
  readonly options: string | null;
}

export class Catalog {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #byName = new Map<string, Schema>();
  readonly #versions = new Map<Incarnation, Map<number, Schema>>();
  readonly #newest = new Map<Incarnation, Schema>();
  /** Versions of lives that are over: statements that began before the drop still read by them. */
  readonly #ended = new Map<Incarnation, Map<number, Schema>>();
  #generation = 0;
  #sorted: {readonly generation: number; readonly schemas: readonly Schema[]} | undefined;

  constructor(systemTables: readonly Schema[]) {
    for (const schema of systemTables) this.putSchema(schema);
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

  /** The newest version of a living table. */
  current(incarnation: Incarnation): Schema | undefined {
    return this.#newest.get(incarnation);
  }

  version(incarnation: Incarnation, version: number): Schema {
    const schema = (this.#versions.get(incarnation) ?? this.#ended.get(incarnation))?.get(version);
    assert(schema !== undefined, `schema version ${version} of table life ${incarnation} is kept while rows use it`);
    return schema;
  }

  versions(incarnation: Incarnation): Schema[] {
    return [...(this.#versions.get(incarnation)?.values() ?? [])].sort((a, b) => a.version - b.version);
  }

  /** Newest versions, ordered by namespace and name; system tables included. */
  tables(): readonly Schema[] {
    if (this.#sorted?.generation !== this.#generation) {
      const byText = [...this.#byName].sort(([a], [b]) => (a < b ? -1 : 1));
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

  putSchema(schema: Schema): void {
    let versions = this.#versions.get(schema.incarnation);
    if (versions === undefined) {
      versions = new Map();
      this.#versions.set(schema.incarnation, versions);
    }
    versions.set(schema.version, schema);
    const newest = this.#newest.get(schema.incarnation);
    if (newest === undefined || newest.version < schema.version) this.#newest.set(schema.incarnation, schema);
    const current = this.#byName.get(tableText(schema.name));
    if (current === undefined || current.incarnation !== schema.incarnation || current.version < schema.version) {
      this.#byName.set(tableText(schema.name), schema);
    }
    this.#generation++;
  }

  /** The table life is over: its name is free again. */
  dropTable(incarnation: Incarnation): void {
    const schema = this.current(incarnation);
    const versions = this.#versions.get(incarnation);
    if (versions !== undefined) this.#keepEnded(incarnation, versions);
    this.#versions.delete(incarnation);
    this.#newest.delete(incarnation);
    if (schema !== undefined && this.#byName.get(tableText(schema.name))?.incarnation === incarnation) {
      this.#byName.delete(tableText(schema.name));
    }
    this.#generation++;
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
    for (const incarnation of this.#versions.keys()) newest = Math.max(newest, incarnation);
    return newest;
  }
}

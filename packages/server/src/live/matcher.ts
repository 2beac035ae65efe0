/**
 * Matcher: which queries a change concerns, without asking all of them.
 *
 *     change ─ its table ─ its scope ─┬ by key, by the value of a column before and after ─ queries that ask for just that value
 *                                     └ the others, one by one
 *            ─ each of those: filter, project (operators.ts) ─ the group's changes of this commit
 *
 * A group is one query of one scope: a shape with its parameters, and whoever subscribed to it. It is evaluated and encoded once for all of them.
 * Laws: the index is only a sieve: the whole condition is evaluated on every row it lets through. A group is in the index under each value that a
 * row must have, in one column, to match it; so a row, before or after its change, meets every group it can match. A change whose row before is
 * not known is held against all groups of its scope. A condition that fails on a row fails its group, as it would fail a SELECT.
 */
import type {Env, Param} from '../expr/expr.ts';
import type {Value} from '../model/datatype.ts';
import type {Incarnation, Owner} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import {FLAG_TOMBSTONE, RowView, rowFlags, rowSeq} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Role, Scope, Session} from '../model/session.ts';
import {assert} from '../std/assert.ts';
import type {RowChange} from '../table/change-feed.ts';
import {ChangeGroupBuilder} from './change-group.ts';
import type {History} from './history.ts';
import type {Change, ChangeGroup} from './live.ts';
import {type Delta, Filter, Project} from './operators.ts';
import {type Cells, type Compiled, cellsOf, keyCells, oldCells, type ShapeQuery} from './shape.ts';

/** Of these, equal values are equal keys of a Map. */
const INDEXED_TYPES: ReadonlySet<string> = new Set(
  'boolean smallint int bigint decimal text uuid timestamp datetime date time'.split(' '),
);

type IndexKey = string | bigint | number | boolean;
/** Of a column by its id, or of the primary key as bytes. */
type IndexColumn = number | 'key';

/** What conditions may know besides the row. What changes by time or chance is refused at subscribe. */
export class CallerEnv implements Env {
  readonly params: readonly Param[];
  readonly userId: string;
  readonly role: Role;
  /** Its table is named with the namespace, so none is looked for. */
  readonly namespace = 'default';

  constructor({userId, role}: Session, params: readonly Param[]) {
    this.params = params;
    this.userId = userId;
    this.role = role;
  }

  get nowMicros(): bigint {
    throw unsteady();
  }
  nextSnowflake(): bigint {
    throw unsteady();
  }
  uuidV7(): string {
    throw unsteady();
  }
  uuidV4(): string {
    throw unsteady();
  }
  ulid(): string {
    throw unsteady();
  }
  random(): number {
    throw unsteady();
  }
}

function unsteady(): Error {
  return new Error('a live query asks neither time nor chance');
}

/** What queries of the same shape on one table share. */
export class Shape {
  readonly id: number;
  readonly query: ShapeQuery;
  compiled: Compiled;
  readonly project: Project<ImageRow, Cells>;
  groupCount = 0;

  constructor(id: number, query: ShapeQuery, compiled: Compiled) {
    this.id = id;
    this.query = query;
    this.compiled = compiled;
    this.project = new Project(({row}) => cellsOf(this.compiled, row));
  }
}

/** A row as an operator sees it. */
export interface ImageRow {
  readonly row: Row;
}

export class Group<Member> {
  readonly key: string;
  readonly shape: Shape;
  readonly scope: ScopeWatch<Member>;
  readonly env: Env;
  readonly filter: Filter<ImageRow>;
  readonly members: Member[] = [];
  /** Where it stands in the index; empty: among the others. */
  indexed: {readonly column: IndexColumn; readonly keys: readonly IndexKey[]} | undefined;
  /** Of the commit that is being told. */
  pending: ChangeGroupBuilder | undefined;
  failure: unknown;
  /** The number of the change it was last held against, in its scope. */
  met = 0;

  constructor(key: string, shape: Shape, scope: ScopeWatch<Member>, env: Env) {
    this.key = key;
    this.shape = shape;
    this.scope = scope;
    this.env = env;
    this.filter = new Filter(({row}) => this.matches(row));
  }

  matches(row: Row): boolean {
    const {where} = this.shape.compiled;
    return where === undefined || where(row, this.env) === true;
  }
}

/** What is watched in one table. */
export class TableWatch<Member> {
  schema: Schema;
  readonly shapes = new Map<string, Shape>();
  readonly scopes = new Map<Owner, ScopeWatch<Member>>();
  readonly #schemaOf: (incarnation: Incarnation, version: number) => Schema;
  #before: RowView;
  #after: RowView;
  #columns = new Map<number, number>();

  constructor(schema: Schema, schemaOf: (incarnation: Incarnation, version: number) => Schema) {
    this.schema = schema;
    this.#schemaOf = schemaOf;
    this.#before = this.newView();
    this.#after = this.newView();
  }

  /** Reads with the columns of the newest version. Compiled shapes are of that version too. */
  newView(): RowView {
    const {incarnation} = this.schema;
    return new RowView(this.schema, version => this.#schemaOf(incarnation, version));
  }

  alter(schema: Schema): void {
    this.schema = schema;
    this.#before = this.newView();
    this.#after = this.newView();
    this.#columns = new Map();
  }

  images({before, after}: RowChange): {
    before: RowView | null | undefined;
    after: RowView | null;
    tombstone: RowView | null;
  } {
    const isGone = typeof after === 'string';
    const isTombstone = !isGone && (rowFlags(after) & FLAG_TOMBSTONE) !== 0;
    const was = before === undefined || before === null ? before : this.#before.at(before);
    if (!isTombstone) return {before: was, after: isGone ? null : this.#after.at(after), tombstone: null};
    const tombstone = this.#after.at(after);
    // A tombstone holds what its row held.
    return {before: was === undefined ? tombstone : was, after: null, tombstone};
  }

  valueOf(view: RowView, columnId: number): Value {
    let index = this.#columns.get(columnId);
    if (index === undefined) {
      index = this.schema.columns.findIndex(column => column.id === columnId);
      this.#columns.set(columnId, index);
    }
    return view.value(index);
  }
}

export class ScopeWatch<Member> {
  readonly table: TableWatch<Member>;
  /** Of whoever came first: all others have the same. */
  readonly scope: Scope;
  readonly groups = new Map<string, Group<Member>>();
  readonly history: History;
  /** A time was set after which it goes, if it still has no group. */
  isRetiring = false;
  /** A stream's next look for rows past their TTL is planned. */
  isExpiryPlanned = false;
  #index: Map<IndexColumn, Map<IndexKey, Group<Member>[]>> | undefined;
  #others: Group<Member>[] = [];
  #changeCount = 0;

  constructor(table: TableWatch<Member>, scope: Scope, history: History) {
    this.table = table;
    this.scope = scope;
    this.history = history;
  }

  /** Throws what the values of the condition throw. */
  add(group: Group<Member>): void {
    const {compiled} = group.shape;
    const indexed = placeOf(compiled.facts(group.env), compiled.schema);
    group.indexed = indexed;
    this.groups.set(group.key, group);
    if (indexed === undefined) {
      this.#others.push(group);
      return;
    }
    // No row can match it.
    if (indexed.keys.length === 0) return;
    this.#index ??= new Map();
    let values = this.#index.get(indexed.column);
    if (values === undefined) {
      values = new Map();
      this.#index.set(indexed.column, values);
    }
    for (const key of indexed.keys) {
      const found = values.get(key);
      if (found === undefined) values.set(key, [group]);
      else found.push(group);
    }
  }

  remove(group: Group<Member>): void {
    this.groups.delete(group.key);
    const {indexed} = group;
    if (indexed === undefined) {
      take(this.#others, group);
      return;
    }
    if (indexed.keys.length === 0) return;
    const values = this.#index!.get(indexed.column)!;
    for (const key of indexed.keys) {
      const found = values.get(key)!;
      take(found, group);
      if (found.length === 0) values.delete(key);
    }
    if (values.size === 0) this.#index!.delete(indexed.column);
  }

  /** Holds the change against every group it may concern. `touched` is told of those that have something to tell, or failed. */
  match(change: RowChange, touched: (group: Group<Member>) => void): void {
    const images = this.table.images(change);
    const number = ++this.#changeCount;
    const meet = (group: Group<Member>): void => {
      if (group.met === number || group.failure !== undefined) return;
      group.met = number;
      meetGroup(group, change, images, touched);
    };
    for (const group of this.#others) meet(group);
    if (this.#index === undefined) return;
    if (images.before === undefined) {
      for (const group of this.groups.values()) meet(group);
      return;
    }
    for (const [column, values] of this.#index) {
      if (column === 'key') {
        for (const group of values.get(latin1(change.key)) ?? []) meet(group);
        continue;
      }
      for (const view of [images.before, images.after]) {
        if (view === null) continue;
        for (const group of values.get(this.table.valueOf(view, column) as IndexKey) ?? []) meet(group);
      }
    }
  }
}

type Images = ReturnType<TableWatch<unknown>['images']>;

function meetGroup<Member>(
  group: Group<Member>,
  change: RowChange,
  {before, after, tombstone}: Images,
  touched: (group: Group<Member>) => void,
): void {
  const delta: Delta<ImageRow> = {
    seq: change.seq,
    before: before && {row: before},
    after: after && {row: after},
  };
  try {
    group.filter.push(delta, passed => {
      const {compiled, project} = group.shape;
      project.push(passed, shown => {
        if (group.pending === undefined) {
          group.pending = new ChangeGroupBuilder(compiled);
          touched(group);
        }
        collect(group.pending, compiled, {change, shown, source: {before, after, tombstone}});
      });
    });
  } catch (error) {
    group.failure = error;
    if (group.pending === undefined) touched(group);
  }
}

interface Shown {
  readonly change: RowChange;
  readonly shown: Delta<Cells>;
  readonly source: Images;
}

function collect(builder: ChangeGroupBuilder, compiled: Compiled, {change, shown, source}: Shown): void {
  const {seq} = change;
  const {before, after} = shown;
  if (after !== null) {
    if (before === null) {
      const reason = source.before === null ? 'new' : 'enter';
      builder.add({kind: 'insert', reason, isCatchUp: false}, {seq, cells: after});
    } else if (before === undefined) {
      builder.add({kind: 'insert', reason: 'enter', isCatchUp: true}, {seq, cells: after});
    } else {
      const row = {seq, cells: after, old: oldCells(compiled, before, after)};
      builder.add({kind: 'update', reason: 'stay', isCatchUp: false}, row);
    }
    return;
  }
  const reason = goneReason(change);
  if (before === undefined || before === null) {
    // Only a row that lives on can have an unknown past here; a tombstone tells its own.
    const keyJson = keyJsonOf(compiled, source.after!);
    builder.add({kind: 'delete', reason, isCatchUp: true}, {seq, cells: keyCells(compiled, keyJson, seq)});
    return;
  }
  const last = source.tombstone ?? source.before!;
  const row = {seq, cells: cellsOf(compiled, last, seq)};
  const removed = typeof change.after === 'string' ? {removedSeq: rowSeq(change.before!)} : {};
  builder.add({kind: 'delete', reason, isCatchUp: false}, {...row, ...removed});
}

function goneReason({after}: RowChange): Change['reason'] {
  if (after === 'evicted') return 'evicted';
  if (after === 'removed') return 'deleted';
  return (rowFlags(after) & FLAG_TOMBSTONE) === 0 ? 'leave' : 'deleted';
}

export function keyJsonOf({schema}: Compiled, row: Row): string | undefined {
  return schema.primaryKey < 0 ? undefined : row.json(schema.primaryKey);
}

/** The changes of the commit that was told, for all who subscribed to the group. */
export function takePending<Member>(group: Group<Member>): ChangeGroup | undefined {
  const built = group.pending?.build();
  group.pending = undefined;
  return built;
}

/** The column whose values let fewest rows through, and the values that do. */
function placeOf(facts: ReturnType<Compiled['facts']>, schema: Schema): Group<unknown>['indexed'] {
  if (facts.isEmpty) return {column: 'key', keys: []};
  if (facts.point !== undefined) return {column: 'key', keys: [latin1(facts.point)]};
  if (facts.points !== undefined) return {column: 'key', keys: facts.points.map(latin1)};
  for (const {columnId, min, max} of facts.bounds) {
    if (min === undefined || min !== max) continue;
    const type = schema.columns.find(column => column.id === columnId)!.type.name;
    if (INDEXED_TYPES.has(type)) return {column: columnId, keys: [min as IndexKey]};
  }
  return undefined;
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function take<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  assert(at >= 0, 'a group is where it was put');
  list[at] = list.at(-1)!;
  list.pop();
}

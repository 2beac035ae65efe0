/**
 * Watches: the tables and scopes somebody subscribes to, or did a while ago.
 *
 *     join ─ table ─ scope ─ group, each made when it is the first      leave ─ group gone with its last member
 *     row ─ history of the scope ─ its groups                           a scope without groups keeps its history for a while, for resumes
 *
 * Laws: a table is watched in the feed exactly while it has a scope here. What histories hold is bounded over all: the oldest scopes forget first.
 */
import type {Incarnation, Seq} from '../model/names.ts';
import {FLAG_TOMBSTONE, rowFlags, rowSeq} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Scope, Session} from '../model/session.ts';
import type {Wheel} from '../std/wheel.ts';
import type {ChangeFeed, RowChange} from '../table/change-feed.ts';
import {type Entry, History} from './history.ts';
import {CallerEnv, Group, latin1, ScopeWatch, Shape, TableWatch} from './matcher.ts';
import {compileShape, type ShapeQuery} from './shape.ts';

/** Of the rows that histories may hold together, one scope's at most. */
const SCOPE_SHARE = 1 / 8;

export interface WatchesOptions {
  readonly feed: ChangeFeed;
  readonly wheel: Wheel;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  readonly newestSeq: (schema: Schema) => Seq;
  readonly historyRowsMax: number;
  readonly historyMs: number;
}

export class Watches<Member> {
  readonly #options: WatchesOptions;
  readonly #tables = new Map<Incarnation, TableWatch<Member>>();
  #shapeCount = 0;
  #historyRows = 0;
  #touched: Group<Member>[] = [];

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  table(incarnation: Incarnation): TableWatch<Member> | undefined {
    return this.#tables.get(incarnation);
  }

  /** The group of a query. Whoever is added to its members leaves it by `leave`. Throws what compiling the query throws, and leaves nothing then. */
  join(schema: Schema, scope: Scope, query: ShapeQuery, session: Session): Group<Member> {
    const {feed, schemaOf, newestSeq} = this.#options;
    const table = this.#tables.get(schema.incarnation) ?? new TableWatch<Member>(schema, schemaOf);
    const shape = table.shapes.get(query.key) ?? new Shape(this.#shapeCount++, query, compileShape(query, schema));
    const watch = table.scopes.get(scope.owner) ?? new ScopeWatch<Member>(table, scope, new History(newestSeq(schema)));
    const key = groupKey(shape, query, session);
    const known = watch.groups.get(key);
    if (known !== undefined) return known;
    const group = new Group<Member>(key, shape, watch, new CallerEnv(session, query.params));
    watch.add(group);
    shape.groupCount++;
    table.shapes.set(query.key, shape);
    table.scopes.set(scope.owner, watch);
    this.#tables.set(schema.incarnation, table);
    feed.watch(schema.incarnation);
    return group;
  }

  leave(group: Group<Member>, member: Member): void {
    const {members, scope: watch, shape} = group;
    const at = members.indexOf(member);
    if (at >= 0) {
      members[at] = members.at(-1)!;
      members.pop();
    }
    if (members.length > 0 || watch.groups.get(group.key) !== group) return;
    watch.remove(group);
    const {table} = watch;
    shape.groupCount--;
    if (shape.groupCount === 0) table.shapes.delete(shape.query.key);
    if (watch.groups.size > 0 || watch.isRetiring) return;
    watch.isRetiring = true;
    this.#options.wheel.after(this.#options.historyMs, () => {
      watch.isRetiring = false;
      if (watch.groups.size === 0) this.#retire(watch);
    });
  }

  /** Takes down a change, and holds it against the groups of its scope. */
  row(change: RowChange): ScopeWatch<Member> | undefined {
    const watch = this.#tables.get(change.incarnation)?.scopes.get(change.owner);
    if (watch === undefined) return undefined;
    this.#remember(watch, change);
    if (watch.groups.size > 0) watch.match(change, group => this.#touched.push(group));
    return watch;
  }

  /** Groups that have something to tell of the commit that was told, or failed. */
  takeTouched(): readonly Group<Member>[] {
    const touched = this.#touched;
    this.#touched = [];
    return touched;
  }

  /** The table is gone: nothing of it is remembered. */
  drop(incarnation: Incarnation): void {
    const table = this.#tables.get(incarnation);
    if (table === undefined) return;
    this.#tables.delete(incarnation);
    this.#options.feed.unwatch(incarnation);
    for (const {history} of table.scopes.values()) this.#historyRows -= history.size;
  }

  #remember(watch: ScopeWatch<Member>, change: RowChange): void {
    const {history} = watch;
    const {historyRowsMax} = this.#options;
    this.#historyRows -= history.size;
    history.add(entryOf(watch.table, change), Math.ceil(historyRowsMax * SCOPE_SHARE));
    this.#historyRows += history.size;
    if (this.#historyRows > historyRowsMax) this.#forgetOldest(historyRowsMax / 2);
  }

  #forgetOldest(rowsMax: number): void {
    for (const {scopes} of this.#tables.values()) {
      for (const {history} of scopes.values()) {
        if (this.#historyRows <= rowsMax) return;
        this.#historyRows -= history.size;
        history.clear();
      }
    }
  }

  #retire(watch: ScopeWatch<Member>): void {
    const {table, scope, history} = watch;
    if (table.scopes.get(scope.owner) !== watch) return;
    table.scopes.delete(scope.owner);
    if (this.#tables.get(scope.incarnation) !== table) return;
    this.#historyRows -= history.size;
    if (table.scopes.size === 0) this.drop(scope.incarnation);
  }
}

function groupKey({id, query: {asksCaller}}: Shape, {params}: ShapeQuery, {userId, role}: Session): string {
  return `${id} ${JSON.stringify(params)}${asksCaller ? ` ${role} ${userId}` : ''}`;
}

function entryOf<Member>(table: TableWatch<Member>, change: RowChange): Entry {
  const {seq, before, after} = change;
  const isTombstone = typeof after !== 'string' && (rowFlags(after) & FLAG_TOMBSTONE) !== 0;
  return {
    seq,
    key: latin1(change.key),
    hadRow: before === undefined ? undefined : before !== null,
    gone: isTombstone || typeof after === 'string' ? goneOf(table, change) : undefined,
  };
}

function goneOf<Member>(table: TableWatch<Member>, {before, after}: RowChange): Entry['gone'] {
  const {primaryKey} = table.schema;
  const row = typeof after === 'string' ? before! : after;
  return {
    keyJson: primaryKey < 0 ? undefined : table.newView().at(row).json(primaryKey),
    removedSeq: typeof after === 'string' ? rowSeq(before!) : undefined,
  };
}

/**
 * Room: where subscriptions begin, are told of commits, catch up and end. See `live.ts` for what is promised.
 *
 *     subscribe ─ read the text, ask for the right, compile, watch the scope, take the snapshot     in one turn, so that nothing lies between
 *     commit ─ row by row into histories and matcher ─ committed ─ per group: one ChangeGroup to all its live members
 *     behind ─ catch up from the history, or by a pass over the table, in parts ─ live in the turn in which nothing is left
 *
 * Laws: who is not live is told nothing as it happens; the history and the rows hold it for them. A subscription becomes live only in a turn in
 * which its catch-up found nothing more, so no commit falls between. A resume from a seq is answered only if every change after it can be found
 * (`resume.ts`). An ALTER that leaves what a query shows and asks for as it is goes unnoticed; any other ends its subscriptions, since rows that no
 * commit changed would look different.
 */
import {DbError, ERRORS, fail} from '@kalamdb/protocol/errors.ts';
import type {Catalog} from '../catalog/catalog.ts';
import {holdsSecrets} from '../catalog/system-reader.ts';
import {type Incarnation, type Seq, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Scope, Session, SessionWatch} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import {Wheel} from '../std/wheel.ts';
import {systemTable} from '../system/index.ts';
import type {ChangeFeed, ChangeListener, RowChange} from '../table/change-feed.ts';
import type {TableSnapshot, Tables} from '../table/table.ts';
import {type Missed, missedByHistory, missedByScan} from './catch-up.ts';
import {cellBytes} from './change-group.ts';
import {Connection} from './connection.ts';
import {type Evictions, StreamExpiry} from './expiry.ts';
import {Gate} from './gate.ts';
import type {ConnectOptions, Live, LiveConnection, LiveQuery, SubscribeOptions, SubscribeRequest} from './live.ts';
import {readLiveQuery} from './live-query.ts';
import {type Group, type ScopeWatch, takePending} from './matcher.ts';
import {checkId, type LiveLimits, Places} from './places.ts';
import {Progress} from './progress.ts';
import {canResume, type ResumeFacts} from './resume.ts';
import {SessionEnds} from './session-ends.ts';
import {compileShape, isSame, shapeQuery} from './shape.ts';
import {type ReadBatch, SnapshotReader} from './snapshot.ts';
import {checkOptions, LiveSubscription} from './subscription.ts';
import {Watches} from './watches.ts';

export interface LiveOptions extends ResumeFacts {
  readonly feed: ChangeFeed;
  readonly tables: Pick<Tables, 'snapshot'>;
  readonly catalog: Pick<Catalog, 'find' | 'view' | 'current' | 'version'>;
  readonly sessions: SessionWatch;
  readonly scopeFor: (session: Session, schema: Schema, what: 'read') => Scope;
  readonly streams: Evictions;
  /** Waited for before seqs that stand in no batch are shown. */
  readonly secureIds: () => Promise<unknown> | undefined;
  readonly clock: Clock;
  readonly limits: LiveLimits;
  /** Told of an error that nobody expected. */
  readonly onFault: (error: unknown) => void;
}

const TICK_MS = 250;
/** Catch-ups and snapshots that wait for files at the same time. */
const READS_AT_ONCE = 16;
const CATCH_UP_BYTES = 256 * 1024;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const WHOLE_BYTES_MAX = 8 * 1024 * 1024;
const READY = {batchNum: 0, hasMore: false, status: 'ready', lastSeq: null} as const;

export class LiveRoom implements Live, ChangeListener {
  readonly limits: LiveLimits;
  readonly wheel: Wheel;
  readonly #options: LiveOptions;
  readonly #watches: Watches<LiveSubscription>;
  readonly #connections = new Set<Connection>();
  readonly #gate = new Gate(READS_AT_ONCE);
  readonly #places: Places;
  readonly #sessionEnds: SessionEnds;
  readonly #expiry: StreamExpiry;
  readonly #progress: Progress;
  #dirty = new Set<Connection>();
  #isClosed = false;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.#places = new Places(options.limits);
    this.wheel = new Wheel(options.clock, TICK_MS);
    this.#progress = new Progress(this.wheel, options.limits.progressMs);
    this.#watches = new Watches({
      feed: options.feed,
      wheel: this.wheel,
      schemaOf: (incarnation, version) => options.catalog.version(incarnation, version),
      newestSeq: options.newestSeq,
      ...options.limits,
    });
    this.#expiry = new StreamExpiry(options.streams, this.wheel, incarnation => this.#watches.table(incarnation));
    options.feed.listener = this;
    this.#sessionEnds = new SessionEnds({...options, wheel: this.wheel, connections: this.#connections});
  }

  connect(options: ConnectOptions): LiveConnection {
    if (this.#isClosed) throw new DbError('SHUTTING_DOWN', 'The server is stopping.');
    const connection = new Connection(this, options);
    this.#connections.add(connection);
    this.#sessionEnds.plan(connection);
    return connection;
  }

  check(session: Session, sql: string): void {
    const select = readLiveQuery(sql);
    const schema = this.#find(select.table);
    this.#options.scopeFor(session, schema, 'read');
    compileShape(shapeQuery(select, schema), schema);
  }

  kill(liveId: string): boolean {
    for (const {subscriptions} of this.#connections) {
      for (const subscription of subscriptions.values()) {
        if (subscription.liveId !== liveId) continue;
        this.end(subscription, new DbError('SUBSCRIPTION_FAILED', 'The live query was killed.'));
        return true;
      }
    }
    return false;
  }

  *list(): Iterable<LiveQuery> {
    for (const {subscriptions} of this.#connections) {
      for (const subscription of subscriptions.values()) yield subscription.describe();
    }
  }

  get counts(): Live['counts'] {
    let behind = 0;
    for (const {subscriptions} of this.#connections) {
      for (const {state} of subscriptions.values()) if (state === 'behind' || state === 'catching') behind++;
    }
    return {connections: this.#connections.size, subscriptions: this.#places.taken, behind};
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#connections]) {
      connection.end(new DbError('SHUTTING_DOWN', 'The server is stopping.'));
    }
    this.#sessionEnds.stop();
    this.#flush();
    this.wheel.close();
    this.#options.feed.listener = undefined;
  }

  // What connections and subscriptions call.

  planEnd(connection: Connection): void {
    this.#sessionEnds.plan(connection);
  }

  isStillValid({session}: Connection): boolean {
    return this.#options.sessions.isStillValid(session);
  }

  /** Of durations. */
  nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  newestSeq(schema: Schema): Seq {
    return this.#options.newestSeq(schema);
  }

  subscribe(connection: Connection, request: SubscribeRequest): LiveSubscription {
    if (connection.isClosed) throw new DbError('SHUTTING_DOWN', 'The connection is closed.');
    checkId(request.id);
    const {session} = connection;
    const replaced = connection.get(request.id);
    if (replaced === undefined) this.#places.check(connection);
    const batchSize = checkOptions(request.options ?? {});
    const select = readLiveQuery(request.sql);
    const schema = this.#find(select.table);
    const scope = this.#options.scopeFor(session, schema, 'read');
    const group = this.#watches.join(schema, scope, shapeQuery(select, schema), session);
    const {id, sql, optionsText = null, wantsProgress = false} = request;
    const parts = {id, sql, optionsText, wantsProgress, batchSize, nowMs: this.#options.clock.nowMs()};
    this.#expiry.look(group.scope);
    const {begin, isResync} = this.#beginning(group, request.options);
    const subscription = new LiveSubscription(connection, group, parts, begin);
    subscription.isResync = isResync;
    this.#add(subscription);
    try {
      this.#begin(subscription, request.options);
    } catch (error) {
      subscription.close();
      throw error;
    }
    replaced?.close();
    if (!subscription.isEnded) connection.subscriptions.set(id, subscription);
    if (wantsProgress) this.#progress.plan(connection);
    return subscription;
  }

  /** The client asks for the next batch of a snapshot. */
  next(subscription: LiveSubscription): void {
    if (!subscription.move('next')) return;
    subscription.expiry?.stop();
    this.#readNext(subscription);
  }

  /** The socket has room again. */
  goOn(subscription: LiveSubscription): void {
    if (subscription.isDelayed) this.#readNext(subscription);
    else this.#catchUp(subscription);
  }

  /** Ends it without a word. */
  remove(subscription: LiveSubscription): void {
    if (!subscription.move('end')) return;
    const {connection, reader, expiry, group, id} = subscription;
    subscription.reading?.abort();
    reader?.close();
    expiry?.stop();
    if (connection.get(id) === subscription) connection.subscriptions.delete(id);
    this.#watches.leave(group, subscription);
    this.#places.count(connection.session, -1);
  }

  end(subscription: LiveSubscription, reason: unknown): void {
    if (subscription.isEnded) return;
    if (!(reason instanceof DbError)) this.#options.onFault(reason);
    const error =
      reason instanceof DbError ? reason : new DbError('INTERNAL_ERROR', 'The subscription failed.', {cause: reason});
    this.remove(subscription);
    const isResumable = ERRORS[error.code].retry;
    subscription.connection.push({kind: 'end', subscription, error, isResumable}, 0);
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#dirty.delete(connection);
  }

  scheduleFlush(connection: Connection): void {
    if (this.#dirty.size === 0) setImmediate(() => this.#flush());
    this.#dirty.add(connection);
  }

  // What the feed tells.

  row(change: RowChange): void {
    const watch = this.#watches.row(change);
    if (watch !== undefined) this.#expiry.plan(watch);
  }

  committed(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const group of this.#watches.takeTouched()) {
      const changes = takePending(group);
      if (group.failure !== undefined) {
        for (const member of [...group.members]) this.end(member, group.failure);
        continue;
      }
      if (changes === undefined) continue;
      for (const member of group.members) {
        if (member.state !== 'live') continue;
        if (member.connection.hasRoom(changes.bytes)) {
          member.changes(changes, changes.lastSeq, nowMs);
        } else {
          member.miss(changes);
          member.connection.hold();
        }
      }
    }
  }

  altered(schema: Schema): void {
    const table = this.#watches.table(schema.incarnation);
    if (table === undefined || table.schema.version >= schema.version) return;
    const before = table.schema;
    table.alter(schema);
    const changed = new DbError('SCHEMA_CHANGED', `Table '${tableText(schema.name)}' was altered; subscribe again.`);
    const isKept = new Map(
      [...table.shapes.values()].map(shape => {
        const isUnseen = isSame(shape.query.tree, before, schema);
        // What compiled with these columns before compiles again.
        if (isUnseen) shape.compiled = compileShape(shape.query, schema);
        return [shape, isUnseen];
      }),
    );
    for (const member of membersOf(table.scopes.values())) {
      if (isKept.get(member.group.shape) === true) this.#checkRight(member, schema);
      else this.end(member, changed);
    }
  }

  dropped(incarnation: Incarnation): void {
    const table = this.#watches.table(incarnation);
    if (table === undefined) return;
    const error = new DbError('NOT_FOUND', `Table '${tableText(table.schema.name)}' was dropped.`);
    for (const member of membersOf(table.scopes.values())) this.end(member, error);
    this.#watches.drop(incarnation);
  }

  #flush(): void {
    const waiting = this.#options.secureIds();
    if (waiting !== undefined) {
      const fail = (error: unknown) => {
        for (const connection of this.#takeDirty()) connection.end(error as DbError);
      };
      waiting.then(() => this.#flush(), fail);
      return;
    }
    for (const connection of this.#takeDirty()) connection.flush();
  }

  #takeDirty(): ReadonlySet<Connection> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    return dirty;
  }

  #find(name: {namespace: string; table: string}): Schema {
    const schema = this.#options.catalog.find(name);
    if (this.#options.catalog.view(name) !== undefined)
      throw fail.notSupported(`a live query on the view '${tableText(name)}'; name the table behind it`);
    if (schema === undefined) throw new DbError('NOT_FOUND', `Table '${tableText(name)}' does not exist.`);
    if (schema.kind !== 'system') return schema;
    const isStored = systemTable(schema.incarnation)?.kind === 'stored';
    if (isStored && !holdsSecrets(schema)) return schema;
    throw fail.notSupported(`a live query on '${tableText(name)}'`);
  }

  #add(subscription: LiveSubscription): void {
    const {connection, group} = subscription;
    group.members.push(subscription);
    this.#places.count(connection.session, 1);
  }

  #beginning(group: Group<LiveSubscription>, options: SubscribeOptions | undefined) {
    const newest = this.newestSeq(group.scope.table.schema);
    if (options === undefined) return {begin: {state: 'live', seq: newest} as const, isResync: false};
    const {from} = options;
    if (from !== undefined && canResume(this.#options, group, from, newest)) {
      return {begin: {state: 'behind', seq: from} as const, isResync: false};
    }
    return {begin: {state: 'reading', seq: 0n} as const, isResync: from !== undefined};
  }

  #begin(subscription: LiveSubscription, options: SubscribeOptions | undefined): void {
    const {state, group} = subscription;
    if (state === 'live') {
      subscription.ack('changes', READY);
    } else if (state === 'behind') {
      subscription.ack('resume', READY);
      this.#catchUp(subscription);
    } else {
      const {scope, table} = group.scope;
      const newestRows = options?.from === undefined ? options?.lastRows : undefined;
      subscription.snapshotSeq = this.newestSeq(table.schema);
      const question = {compiled: group.shape.compiled, env: group.env};
      subscription.reader = new SnapshotReader(this.#snapshot(scope, table.schema), question, newestRows);
      this.#readBatch(subscription);
    }
  }

  #snapshot(scope: Scope, schema: Schema): TableSnapshot {
    return this.#options.tables.snapshot(scope, schema);
  }

  #readNext(subscription: LiveSubscription): void {
    try {
      this.#readBatch(subscription);
    } catch (error) {
      this.end(subscription, error);
    }
  }

  #readBatch(subscription: LiveSubscription): void {
    const {batchSize, connection} = subscription;
    subscription.isDelayed = !connection.hasRoom(0);
    if (subscription.isDelayed) {
      connection.hold();
      return;
    }
    const bytes = batchSize === Number.POSITIVE_INFINITY ? WHOLE_BYTES_MAX : BATCH_BYTES_MAX;
    const signal = subscription.newSignal();
    const batch = this.#gate.run(() =>
      // One that ended while it waited at the gate has no reader.
      subscription.isEnded ? {rows: [], hasMore: false} : subscription.reader!.read({rows: batchSize, bytes}, signal),
    );
    if (!(batch instanceof Promise)) this.#tellBatch(subscription, batch);
    else
      this.#settle(
        subscription,
        batch.then(one => this.#tellBatch(subscription, one)),
      );
  }

  #tellBatch(subscription: LiveSubscription, batch: ReadBatch): void {
    if (subscription.isEnded) return;
    subscription.batch(
      batch,
      batch.rows.reduce((sum, {cells}) => sum + cellBytes(cells), 0),
    );
    if (batch.hasMore) {
      subscription.move('batch');
      const {snapshotIdleMs} = this.limits;
      subscription.expiry = this.wheel.after(snapshotIdleMs, () => {
        const message = `The next batch was not asked for in ${snapshotIdleMs / 1000} s; subscribe again from the last row.`;
        this.end(subscription, new DbError('SNAPSHOT_EXPIRED', message));
      });
      return;
    }
    subscription.reader!.close();
    subscription.reader = undefined;
    subscription.move('lastBatch');
    this.#catchUp(subscription);
  }

  #catchUp(subscription: LiveSubscription): void {
    if (subscription.move('catchUp')) this.#catchUpOn(subscription);
  }

  /** In the state `catching`: goes on until nothing is left, or the socket has no room. */
  #catchUpOn(subscription: LiveSubscription): void {
    const {connection} = subscription;
    try {
      for (;;) {
        if (subscription.isEnded) return;
        if (!connection.hasRoom(0)) {
          subscription.move('held');
          connection.hold();
          return;
        }
        const missed = this.#gate.run(() => this.#missed(subscription));
        if (missed instanceof Promise) {
          this.#settle(
            subscription,
            missed.then(one => {
              this.#tellMissed(subscription, one);
              this.#catchUpOn(subscription);
            }),
          );
          return;
        }
        if (!this.#tellMissed(subscription, missed)) continue;
        subscription.move('caughtUp');
        return;
      }
    } catch (error) {
      this.#fail(subscription, error);
    }
  }

  /** What it missed, or a part of that, as of now. */
  #missed(subscription: LiveSubscription): Told | Promise<Told> {
    if (subscription.isEnded) return {group: undefined, through: undefined, newest: 0n};
    const {group, through: from} = subscription;
    const {scope, table, history} = group.scope;
    const newest = this.newestSeq(table.schema);
    const isRemembered = history.floor <= from;
    if (isRemembered && !history.hasAfter(from)) return {group: undefined, through: undefined, newest};
    if (!isRemembered && !canResume(this.#options, group, from, newest)) {
      throw new DbError('SLOW_CONSUMER', 'The connection missed more than is remembered; connect again.');
    }
    const question = {compiled: group.shape.compiled, env: group.env};
    const catchUp = {question, table: this.#snapshot(scope, table.schema), from, bytesMax: CATCH_UP_BYTES};
    const signal = subscription.newSignal();
    const missed = isRemembered ? missedByHistory(catchUp, history, signal) : missedByScan(catchUp, signal);
    return missed instanceof Promise ? missed.then(one => ({...one, newest})) : {...missed, newest};
  }

  /** Returns whether nothing is left, as of the moment it was read. */
  #tellMissed(subscription: LiveSubscription, {group, through, newest}: Told): boolean {
    if (subscription.isEnded) return true;
    const upTo = through ?? newest;
    if (group === undefined) subscription.passed(upTo);
    else subscription.changes(group, upTo, this.#options.clock.nowMs());
    return through === undefined;
  }

  #settle(subscription: LiveSubscription, work: Promise<void>): void {
    work.catch(error => this.#fail(subscription, error));
  }

  #fail(subscription: LiveSubscription, error: unknown): void {
    if (error instanceof DbError && error.code === 'SLOW_CONSUMER') subscription.connection.end(error);
    else this.end(subscription, error);
  }

  #checkRight(member: LiveSubscription, schema: Schema): void {
    try {
      this.#options.scopeFor(member.connection.session, schema, 'read');
    } catch (error) {
      this.end(member, error);
    }
  }
}

interface Told extends Missed {
  /** The moment it was read. */
  readonly newest: Seq;
}

function* membersOf(scopes: Iterable<ScopeWatch<LiveSubscription>>): Generator<LiveSubscription> {
  for (const {groups} of [...scopes]) for (const {members} of [...groups.values()]) yield* [...members];
}

/**
 * Subscription: one subscriber of one group, and how far it has come.
 *
 * Law: everything up to `#through` was handed to the connection, in order, and everything up to `#deliveredThrough` left it. A live one that has
 * nothing on its way knows everything there is.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Seq} from '../model/names.ts';
import type {Timer} from '../std/wheel.ts';
import {noChange} from './change-group.ts';
import type {Connection} from './connection.ts';
import type {BatchControl, ChangeGroup, LiveEvent, LiveQuery, SubscribeOptions, Subscription} from './live.ts';
import type {Group} from './matcher.ts';
import type {ReadBatch, SnapshotReader} from './snapshot.ts';
import {type Event, nextState, type State} from './transitions.ts';

export interface SubscriptionParts {
  readonly id: string;
  readonly sql: string;
  readonly optionsText: string | null;
  readonly batchSize: number;
  readonly wantsProgress: boolean;
  readonly nowMs: number;
}

export class LiveSubscription implements Subscription {
  readonly id: string;
  readonly connection: Connection;
  readonly group: Group<LiveSubscription>;
  readonly sql: string;
  readonly optionsText: string | null;
  readonly batchSize: number;
  /** Its client is to be told now and then how far it is. */
  readonly wantsProgress: boolean;
  readonly createdMs: number;
  lastChangeMs: number;
  changeCount = 0;
  state: State;
  isResync = false;
  /** Its client does not want to hear of it any more. */
  isSilent = false;
  reader: SnapshotReader | undefined;
  /** Its next batch is read when the socket has room. */
  isDelayed = false;
  /** The moment of its snapshot. */
  snapshotSeq: Seq = 0n;
  expiry: Timer | undefined;
  /** Ends the read that is under way. */
  reading: AbortController | undefined;
  /** The last part of a catch-up said that there is more. */
  isInParts = false;
  #batchNum = 0;
  #through: Seq;
  #deliveredThrough: Seq;
  #isOnItsWay = false;
  /** The cursor that its client was given last. */
  #toldSeq: Seq;
  /** It resumed from an old cursor and wants to know how far that has brought it. */
  #owesCursor: boolean;

  constructor(
    connection: Connection,
    group: Group<LiveSubscription>,
    parts: SubscriptionParts,
    begin: {state: State; seq: Seq},
  ) {
    this.connection = connection;
    this.group = group;
    this.id = parts.id;
    this.sql = parts.sql;
    this.optionsText = parts.optionsText;
    this.batchSize = parts.batchSize;
    this.wantsProgress = parts.wantsProgress;
    this.createdMs = parts.nowMs;
    this.lastChangeMs = parts.nowMs;
    this.state = begin.state;
    this.#through = begin.seq;
    this.#deliveredThrough = begin.seq;
    this.#toldSeq = begin.seq;
    this.#owesCursor = parts.wantsProgress && begin.state === 'behind';
  }

  get liveId(): string {
    return `${this.connection.session.userId}-${this.connection.id}-${this.id}`;
  }

  newSignal(): AbortSignal {
    this.reading = new AbortController();
    return this.reading.signal;
  }

  get resumeFrom(): Seq {
    if (this.#isOnItsWay) return this.#deliveredThrough;
    return this.state === 'live' ? this.connection.room.newestSeq(this.group.shape.compiled.schema) : this.#through;
  }

  /** Where a catch-up begins. */
  get through(): Seq {
    return this.#through;
  }

  get isEnded(): boolean {
    return this.state === 'ended';
  }

  next(): void {
    this.connection.room.next(this);
  }

  close(): void {
    this.isSilent = true;
    this.connection.room.remove(this);
  }

  /** Returns whether the event meant something. */
  move(event: Event): boolean {
    const before = this.state;
    this.state = nextState(before, event);
    return this.state !== before;
  }

  ack(start: Extract<LiveEvent, {kind: 'ack'}>['start'], control: BatchControl): void {
    const {columns} = this.group.shape.compiled;
    this.connection.push({kind: 'ack', subscription: this, start, columns, control: {...control, lastSeq: null}}, 0);
  }

  /** Hands on a batch of the snapshot, the first one behind its ack. */
  batch({rows, hasMore}: ReadBatch, bytes: number): void {
    const batchNum = this.#batchNum++;
    const lastSeq = rows.at(-1)?.seq ?? null;
    const status = !hasMore ? 'ready' : batchNum === 0 ? 'loading' : 'loading_batch';
    const control: BatchControl = {batchNum, hasMore, status, lastSeq};
    if (batchNum === 0) this.ack(this.isResync ? 'resync' : 'snapshot', control);
    const {rowColumns: columns} = this.group.shape.compiled;
    this.#isOnItsWay = true;
    if (lastSeq !== null) this.#through = lastSeq;
    if (!hasMore) this.#through = this.snapshotSeq;
    this.#toldSeq = this.#through;
    const {isResync} = this;
    this.connection.push(
      {kind: 'batch', subscription: this, isResync, columns, rows, control, seq: this.#through},
      bytes,
    );
  }

  /** Changes of commits up to `through`, the first of which is the first after all that was handed on before. */
  changes(group: ChangeGroup, through: Seq, nowMs: number): void {
    if (!this.#isOnItsWay) this.#deliveredThrough = this.state === 'live' ? firstSeq(group) - 1n : this.#through;
    this.lastChangeMs = nowMs;
    this.#tell(group, through);
    for (const {rows} of group.changes) this.changeCount += rows.length;
  }

  /** A catch-up has found nothing, or nothing more, up to there. */
  passed(through: Seq): void {
    if (this.isInParts || (this.#owesCursor && through > this.#toldSeq)) {
      if (!this.#isOnItsWay) this.#deliveredThrough = this.#through;
      this.#tell(noChange(this.group.shape.compiled, through), through);
    } else {
      this.#through = through;
    }
  }

  /** Where it has come to, if it wants to know and does not. */
  mark(): void {
    if (!this.wantsProgress || this.state !== 'live' || this.#isOnItsWay) return;
    const {compiled} = this.group.shape;
    const newest = this.connection.room.newestSeq(compiled.schema);
    if (newest <= this.#toldSeq) return;
    this.#deliveredThrough = newest;
    this.#tell(noChange(compiled, newest), newest);
  }

  #tell(group: ChangeGroup, through: Seq): void {
    this.#isOnItsWay = true;
    this.isInParts = group.hasMore;
    this.#through = through;
    this.#toldSeq = through;
    this.#owesCursor = false;
    this.connection.push({kind: 'changes', subscription: this, group}, group.bytes);
  }

  /** A live one cannot be told of these now. */
  miss(group: ChangeGroup): void {
    if (!this.#isOnItsWay) this.#through = firstSeq(group) - 1n;
    this.move('missed');
  }

  delivered(): void {
    this.#isOnItsWay = false;
    this.#deliveredThrough = this.#through;
  }

  describe(): LiveQuery {
    const {connection, group, state} = this;
    return {
      subscription: this,
      connectionId: connection.id,
      session: connection.session,
      table: group.shape.compiled.schema.name,
      sql: this.sql,
      optionsText: this.optionsText,
      status: state === 'live' ? 'live' : state === 'behind' || state === 'catching' ? 'behind' : 'loading',
      createdMs: this.createdMs,
      lastChangeMs: this.lastChangeMs,
      changeCount: this.changeCount,
      heardMs: connection.heardMs,
    };
  }
}

function firstSeq({changes}: ChangeGroup): Seq {
  return changes[0]!.rows[0]!.seq;
}

const BATCH_ROWS = 1000;
const BATCH_ROWS_MAX = 10_000;

/** Rows per batch. Throws NOT_SUPPORTED or INVALID_PARAMETER. */
export function checkOptions({batchSize = BATCH_ROWS, lastRows}: SubscribeOptions): number {
  if (batchSize !== Number.POSITIVE_INFINITY) checkCount('batch_size', batchSize, 1);
  if (lastRows === undefined) return batchSize;
  checkCount('last_rows', lastRows, 0);
  if (lastRows <= batchSize) return batchSize;
  throw fail.notSupported(
    `last_rows (${lastRows}) cannot exceed batch_size (${batchSize}); paginated last_rows replay is not supported`,
  );
}

function checkCount(name: string, count: number, min: number): void {
  if (Number.isInteger(count) && count >= min && count <= BATCH_ROWS_MAX) return;
  throw fail.invalidSql(`${name} is a whole number from ${min} to ${BATCH_ROWS_MAX}`);
}

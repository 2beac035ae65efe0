/**
 * Subscriber: a client of the live room without a socket. It does with events what a client does with messages: it keeps the query's rows.
 */
import assert from 'node:assert/strict';
import type {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import type {
  BatchControl,
  Change,
  LiveConnection,
  LiveEvent,
  LiveRow,
  LiveSink,
  RowColumn,
  SubscribeOptions,
  Subscription,
} from '../../src/live/live.ts';
import type {LiveRoom} from '../../src/live/room.ts';
import type {Seq} from '../../src/model/names.ts';
import type {Session} from '../../src/model/session.ts';
import {systemClock} from '../../src/std/system-clock.ts';

let connectionCount = 0;

/** A socket: it takes events at once, or when it is told to. */
export class Client implements LiveSink {
  readonly session: Session;
  readonly connection: LiveConnection;
  readonly answers = new Map<Subscription, Answer>();
  queuedBytes = 0;
  /** Reads nothing from its socket. */
  isSlow = false;
  deliveries = 0;
  closed: DbError | undefined;

  constructor(live: LiveRoom, user: string | Session = 'root') {
    this.session = typeof user === 'string' ? developmentSession(user === 'root' ? undefined : user) : user;
    this.connection = live.connect({id: `c${++connectionCount}`, session: this.session, sink: this});
  }

  subscribe(
    sql: string,
    options?: SubscribeOptions,
    {
      id = `s${this.answers.size + 1}`,
      held,
      wantsProgress = false,
    }: {id?: string; held?: Answer; wantsProgress?: boolean} = {},
  ): Answer {
    const subscription = this.connection.subscribe({id, sql, options, wantsProgress});
    const answer = new Answer(subscription, held);
    this.answers.set(subscription, answer);
    return answer;
  }

  deliver(events: readonly LiveEvent[]): void {
    this.deliveries++;
    assert.equal(this.closed, undefined, 'nothing is delivered to a closed connection');
    for (const event of events) {
      if (this.isSlow) this.queuedBytes += event.kind === 'changes' ? event.group.bytes : 100;
      this.answers.get(event.subscription)!.take(event);
    }
  }

  close(error: DbError): void {
    this.closed = error;
  }

  /** Reads everything from its socket. */
  drain(): void {
    this.queuedBytes = 0;
    this.connection.drained();
  }
}

export type Cells = Readonly<Record<string, unknown>>;

/** What one subscriber holds, and what it was told. */
export class Answer {
  readonly subscription: Subscription;
  readonly events: LiveEvent[] = [];
  /** By primary key, or by `_seq`. */
  rows = new Map<string, Cells>();
  start: string | undefined;
  control: BatchControl | undefined;
  error: DbError | undefined;
  /** In the middle of a catch-up. */
  isPartial = false;
  lastSeq: Seq = 0n;
  /** What the last whole message said it can be resumed from. */
  cursor: Seq = 0n;

  /** `held`: what it has from an earlier subscription, from which it resumes. */
  constructor(subscription: Subscription, held?: Answer) {
    this.subscription = subscription;
    if (held === undefined) return;
    this.rows = new Map(held.rows);
    this.lastSeq = held.lastSeq;
    this.cursor = held.cursor;
  }

  take(event: LiveEvent): void {
    assert.equal(this.error, undefined, 'nothing comes after the end');
    this.events.push(event);
    switch (event.kind) {
      case 'ack':
        assert.equal(this.start, undefined, 'one ack');
        this.start = event.start;
        break;
      case 'batch':
        if (event.control.batchNum === 0 && event.isResync) {
          this.rows.clear();
          this.lastSeq = 0n;
          this.cursor = 0n;
        }
        this.control = event.control;
        this.cursor = event.seq;
        for (const row of event.rows) this.#put(event.columns, row, {isOfBatch: true});
        break;
      case 'changes':
        this.isPartial = event.group.hasMore;
        for (const change of event.group.changes) this.#change(event.group.columns, change);
        assert.ok(event.group.lastSeq > this.cursor, `cursor ${event.group.lastSeq} comes after ${this.cursor}`);
        this.cursor = event.group.lastSeq;
        break;
      case 'end':
        this.error = event.error;
        break;
      default:
        event satisfies never;
    }
  }

  /** Changes in short: `insert 1`, `delete 2 (leave)`. */
  get told(): string[] {
    return this.events.flatMap(event => {
      if (event.kind !== 'changes') return [];
      const {columns, changes} = event.group;
      return changes.flatMap(({kind, reason, isCatchUp, rows}) =>
        rows.map(row => `${kind} ${this.#key(columns, row)} (${reason}${isCatchUp ? ', caught up' : ''})`),
      );
    });
  }

  sorted(): Cells[] {
    return [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }

  #change(columns: readonly RowColumn[], {kind, rows}: Change): void {
    for (const row of rows) {
      assert.ok(row.seq > this.lastSeq, `seq ${row.seq} comes after ${this.lastSeq}`);
      this.lastSeq = row.seq;
      if (kind === 'delete') this.rows.delete(this.#key(columns, row));
      else this.#put(columns, row, {isOfBatch: false});
    }
  }

  #put(columns: readonly RowColumn[], row: LiveRow, {isOfBatch}: {isOfBatch: boolean}): void {
    if (isOfBatch) {
      assert.ok(row.seq > this.lastSeq, `a batch is in the order of seq`);
      this.lastSeq = row.seq;
    }
    const cells = columns.map(({name}, i) => [name, JSON.parse(row.cells[i]!)]);
    this.rows.set(this.#key(columns, row), Object.fromEntries(cells));
  }

  #key(columns: readonly RowColumn[], row: LiveRow): string {
    const at = columns.findIndex(column => column.isKey);
    if (at >= 0) return row.cells[at]!;
    return `"${row.removedSeq ?? row.seq}"`;
  }
}

/** Turns of the loop, until what is under way in memory is done. */
export async function settle(turns = 4): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>(resolve => setImmediate(resolve));
}

/** Waits for what takes reads of files. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let looks = 0; !isSo(); looks++) {
    assert.ok(looks < 5000, 'it does not come about');
    await systemClock.sleep(1);
  }
}

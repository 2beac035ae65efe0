/**
 * Subscription: one live query over as many connections as it takes.
 *
 * What to do when is decided by the table in `subscription-states.ts`; this file carries it out, and keeps the cursor: the place in the order
 * of commits up to which everything was taken. On a new connection the server is asked for what came after it, deletes included. Where the
 * server no longer knows (`resync`), a whole snapshot takes the place of all rows.
 *
 * Laws: the cursor stands at whole commits: changes are held back until those of their commit, or of their catching up, are all there, and
 *       are handed on together. Rows whose `_seq` is not above the cursor were handed on before and are dropped.
 */
import {
  type ChangeMessage,
  type ClientMessage,
  type ErrorMessage,
  type InitialDataBatchMessage,
  LIVE_ERRORS,
  type LiveErrorFacts,
  type LiveRow,
  type SeqText,
  type SubscribeOptions,
  type SubscriptionAckMessage,
} from '@kalamdb/protocol/messages.ts';
import {backoffMs} from './backoff.ts';
import {KalamError} from './error.ts';
import type {Environment} from './std/environment.ts';
import {
  SUBSCRIPTION_STEPS,
  type SubscriptionAction,
  type SubscriptionEvent,
  type SubscriptionState,
} from './subscription-states.ts';

export type SubscriptionMessage = SubscriptionAckMessage | InitialDataBatchMessage | ChangeMessage | ErrorMessage;

/** Who is told. A snapshot is what comes between `onSnapshotBegin` and `onSnapshotCommit`; until then it may be dropped. */
export interface SubscriptionListener {
  onAck(ack: SubscriptionAckMessage): void;
  onSnapshotBegin?(): void;
  onBatch(batch: InitialDataBatchMessage): void;
  onSnapshotCommit?(): void;
  onSnapshotDrop?(): void;
  /** All of one commit, or all that was missed. */
  onChanges(changes: readonly ChangeMessage[]): void;
  /** Nothing is missing any more, or what is follows as changes. */
  onLive?(): void;
  onDown?(): void;
  /** The last that is heard. `message` is that of the server, if it ended the subscription. */
  onEnd(error: KalamError, message: ErrorMessage | undefined): void;
}

/** The connection, and the world. */
export interface SubscriptionDoor {
  readonly environment: Environment;
  send(message: ClientMessage): void;
  /** It has ended: nothing will arrive for it. */
  remove(subscription: Subscription): void;
}

/** What ends a subscription without anything being wrong with it. */
const PASSING: ReadonlySet<string> = new Set(['BATCH_FETCH_FAILED', 'SNAPSHOT_EXPIRED', 'SCHEMA_CHANGED']);
const POSTPONED = {initialMs: 500, maxMs: 10_000};
/** A subscription that the server ended so often without being live in between has ended. */
const POSTPONED_MAX = 5;

export class Subscription {
  readonly id: string;
  readonly sql: string;
  readonly createdAtMs: number;
  readonly #options: SubscribeOptions | undefined;
  readonly #door: SubscriptionDoor;
  readonly #listener: SubscriptionListener;
  #state: SubscriptionState = 'waiting';
  #cursor: SeqText | undefined;
  /** The greatest seq of the snapshot that is being received. */
  #snapshotSeq: SeqText | undefined;
  /** Changes of a commit that is not whole yet. */
  #partial: ChangeMessage[] = [];
  #asksFrom = false;
  #postponedCount = 0;
  #message: SubscriptionMessage | undefined;
  #failure: KalamError | undefined;

  /** `options` undefined: no snapshot, changes only. */
  constructor(
    id: string,
    sql: string,
    options: SubscribeOptions | undefined,
    door: SubscriptionDoor,
    listener: SubscriptionListener,
  ) {
    this.id = id;
    this.sql = sql;
    this.createdAtMs = door.environment.nowMs();
    this.#options = options;
    this.#cursor = options?.from;
    this.#door = door;
    this.#listener = listener;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  /** Everything up to here was handed on. */
  get cursor(): SeqText | undefined {
    return this.#cursor;
  }

  up(): void {
    this.#happen('up');
  }

  down(): void {
    this.#happen('down');
  }

  again(): void {
    this.#happen('again');
  }

  close(): void {
    this.#happen('close');
  }

  /** Ended without word of the server, as when there will be no connection any more. */
  fail(error: KalamError): void {
    this.#failure = error;
    this.#happen('refused');
  }

  receive(message: SubscriptionMessage): void {
    this.#message = message;
    this.#happen(this.#eventOf(message));
    this.#message = undefined;
  }

  #eventOf(message: SubscriptionMessage): SubscriptionEvent {
    switch (message.type) {
      case 'subscription_ack':
        return this.#ackEvent(message);
      case 'initial_data_batch':
        return message.batch_control.has_more ? 'batch' : 'lastBatch';
      case 'change':
        return 'change';
      case 'error':
        return this.#mayAskAgain(message) ? 'postponed' : 'refused';
      default:
        return message satisfies never;
    }
  }

  /** Batches follow unless changes alone were asked for. A server that is asked by a cursor does not look at `last_rows`. */
  #ackEvent({resync}: SubscriptionAckMessage): SubscriptionEvent {
    if (resync === true) return this.#options?.last_rows === undefined ? 'ackResync' : 'ackAnew';
    return this.#asksFrom || this.#options === undefined ? 'ackLive' : 'ack';
  }

  #mayAskAgain({code, retry_after_ms}: ErrorMessage): boolean {
    return (retry_after_ms !== undefined || PASSING.has(code)) && this.#postponedCount < POSTPONED_MAX;
  }

  #happen(event: SubscriptionEvent): void {
    const step = SUBSCRIPTION_STEPS[this.#state][event];
    if (step === undefined) return;
    const [next, ...actions] = step;
    this.#state = next;
    if (next === 'ended') this.#door.remove(this);
    for (const action of actions) {
      this.#do(action);
      // A listener may have closed the subscription.
      if (this.#state !== next) return;
    }
  }

  #do(action: SubscriptionAction): void {
    switch (action) {
      case 'ask':
        this.#ask();
        break;
      case 'askLater':
        this.#askLater();
        break;
      case 'forgetCursor':
        this.#cursor = undefined;
        break;
      case 'takeAck':
        this.#takeAck(this.#message as SubscriptionAckMessage);
        break;
      case 'beginSnapshot':
        this.#snapshotSeq = undefined;
        this.#listener.onSnapshotBegin?.();
        break;
      case 'takeBatch':
        this.#takeBatch(this.#message as InitialDataBatchMessage);
        break;
      case 'takeLateBatch':
        this.#takeLateBatch(this.#message as InitialDataBatchMessage);
        break;
      case 'askBatch':
        this.#askBatch();
        break;
      case 'commitSnapshot':
        this.#cursor = this.#snapshotSeq;
        this.#listener.onSnapshotCommit?.();
        break;
      case 'takeChange':
        this.#takeChange(this.#message as ChangeMessage);
        break;
      case 'dropSnapshot':
        this.#listener.onSnapshotDrop?.();
        break;
      case 'tellLive':
        this.#listener.onLive?.();
        break;
      case 'tellDown':
        this.#listener.onDown?.();
        break;
      case 'tellEnd':
        this.#tellEnd();
        break;
      case 'unsubscribe':
        this.#door.send({type: 'unsubscribe', subscription_id: this.id});
        break;
      default:
        action satisfies never;
    }
  }

  #ask(): void {
    const {id, sql} = this;
    this.#partial = [];
    this.#asksFrom = this.#cursor !== undefined;
    const options = this.#asksFrom ? {...this.#options, from: this.#cursor!} : withoutFrom(this.#options);
    const subscription = {id, sql, progress: true, ...(options === undefined ? undefined : {options})};
    this.#door.send({type: 'subscribe', subscription});
  }

  #askLater(): void {
    const {environment} = this.#door;
    const {retry_after_ms} = this.#message as ErrorMessage;
    const delayMs = backoffMs(POSTPONED, ++this.#postponedCount, environment.random());
    environment.setTimer(Math.max(delayMs, retry_after_ms ?? 0), () => this.again());
  }

  #takeAck(ack: SubscriptionAckMessage): void {
    if (this.#state === 'live') {
      this.#postponedCount = 0;
      this.#moveCursor(ack.seq);
    }
    this.#listener.onAck(ack);
  }

  #takeBatch(batch: InitialDataBatchMessage): void {
    this.#postponedCount = 0;
    this.#snapshotSeq = later(this.#snapshotSeq, batch.seq ?? greatestSeq(batch.rows));
    this.#listener.onBatch(batch);
  }

  /** Servers that do not tell of deletes resume with a batch of what is newer than the cursor. */
  #takeLateBatch(batch: InitialDataBatchMessage): void {
    this.#moveCursor(batch.seq ?? greatestSeq(batch.rows));
    this.#listener.onBatch(batch);
  }

  #askBatch(): void {
    const last = this.#state === 'live' ? this.#cursor : this.#snapshotSeq;
    if (last === undefined) return;
    this.#door.send({type: 'next_batch', subscription_id: this.id, last_seq_id: last});
  }

  #takeChange(change: ChangeMessage): void {
    this.#partial.push(change);
    if (change.more === true) return;
    const changes = this.#partial;
    this.#partial = [];
    const before = this.#state === 'live' ? this.#cursor : undefined;
    const told = changes.filter(hasRows);
    const fresh = before === undefined ? told : told.flatMap(each => newerThan(before, each) ?? []);
    for (const each of changes) {
      const seq = each.seq ?? greatestSeq([...(each.rows ?? []), ...(each.old_values ?? [])]);
      if (this.#state === 'live') this.#moveCursor(seq);
      else this.#snapshotSeq = later(this.#snapshotSeq, seq);
    }
    if (fresh.length > 0) this.#listener.onChanges(fresh);
  }

  #moveCursor(seq: SeqText | undefined): void {
    this.#cursor = later(this.#cursor, seq);
  }

  #tellEnd(): void {
    const message = this.#failure === undefined ? (this.#message as ErrorMessage) : undefined;
    this.#listener.onEnd(this.#failure ?? errorOf(message!), message);
  }
}

/** One without rows tells the cursor alone. */
function hasRows({rows, old_values}: ChangeMessage): boolean {
  return (rows?.length ?? 0) + (old_values?.length ?? 0) > 0;
}

function errorOf({code, message}: ErrorMessage): KalamError {
  const facts: LiveErrorFacts | undefined = LIVE_ERRORS[code];
  return new KalamError(code, message, {retryable: facts?.retry ?? false});
}

function withoutFrom(options: SubscribeOptions | undefined): SubscribeOptions | undefined {
  if (options?.from === undefined) return options;
  const {from: _, ...others} = options;
  return others;
}

function later(a: SeqText | undefined, b: SeqText | undefined): SeqText | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return BigInt(a) < BigInt(b) ? b : a;
}

function greatestSeq(rows: readonly LiveRow[]): SeqText | undefined {
  let greatest: SeqText | undefined;
  for (const {_seq} of rows) {
    if (_seq !== undefined && _seq !== null) greatest = later(greatest, String(_seq));
  }
  return greatest;
}

/** What of the change lies behind the cursor; undefined if nothing does. Rows without `_seq` always do. */
function newerThan(cursor: SeqText, change: ChangeMessage): ChangeMessage | undefined {
  const position = BigInt(cursor);
  const images = (change.change_type === 'delete' ? change.old_values : change.rows) ?? [];
  const isNew = images.map(({_seq}) => _seq === undefined || _seq === null || BigInt(String(_seq)) > position);
  if (isNew.every(Boolean)) return change;
  if (!isNew.includes(true)) return undefined;
  const {rows, old_values, ...others} = change;
  const keep = (_: LiveRow, i: number) => isNew[i];
  return {
    ...others,
    ...(rows === undefined ? undefined : {rows: rows.filter(keep)}),
    ...(old_values === undefined ? undefined : {old_values: old_values.filter(keep)}),
  };
}

/**
 * Connection: the subscriptions of one socket, and what is on its way to it.
 *
 *     push ─ outbox ─ (end of the turn) ─ deliver, once
 *
 * Laws: what a turn pushes is delivered in one call, in order. The outbox is emptied each turn, so with what the socket says is queued it bounds what a
 * connection holds: changes beyond that are not pushed (`hasRoom`), nor batches read, and the connection is held until the socket has drained; one
 * that takes nothing for too long is closed. Acks and ends are pushed always. Nothing is delivered to a session that is over.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Session} from '../model/session.ts';
import type {Timer} from '../std/wheel.ts';
import type {ConnectOptions, LiveConnection, LiveEvent, LiveSink, SubscribeRequest, Subscription} from './live.ts';
import type {LiveRoom} from './room.ts';
import type {LiveSubscription} from './subscription.ts';

const LOOK_MS = 1000;

export class Connection implements LiveConnection {
  readonly id: string;
  session: Session;
  readonly room: LiveRoom;
  readonly subscriptions = new Map<string, LiveSubscription>();
  readonly #sink: LiveSink;
  #outbox: LiveEvent[] = [];
  #outboxBytes = 0;
  /** What the socket had queued when the outbox was empty last. */
  #queuedBytes = 0;
  #held: Timer | undefined;
  sessionEnd: Timer | undefined;
  progress: Timer | undefined;
  isClosed = false;

  constructor(room: LiveRoom, {id, session, sink}: ConnectOptions) {
    this.room = room;
    this.id = id;
    this.session = session;
    this.#sink = sink;
  }

  subscribe(request: SubscribeRequest): Subscription {
    return this.room.subscribe(this, request);
  }

  get(subscriptionId: string): LiveSubscription | undefined {
    return this.subscriptions.get(subscriptionId);
  }

  renew(session: Session): void {
    this.session = session;
    this.room.planEnd(this);
  }

  get heardMs(): number | undefined {
    return this.#sink.heardMs;
  }

  /** May so many bytes more be handed to the socket? */
  hasRoom(bytes: number): boolean {
    // Asked once a turn: while it lasts, the socket is given nothing.
    if (this.#outbox.length === 0) this.#queuedBytes = this.#sink.queuedBytes;
    return this.#outboxBytes + this.#queuedBytes + bytes <= this.room.limits.queuedBytesMax;
  }

  push(event: LiveEvent, bytes: number): void {
    if (this.isClosed) return;
    if (this.#outbox.length === 0) this.room.scheduleFlush(this);
    this.#outbox.push(event);
    this.#outboxBytes += bytes;
  }

  /** Delivers what the turn has brought; then those that fell behind meanwhile may go on, if there is room. */
  flush(): void {
    const events = this.#outbox.filter(
      ({kind, subscription}) => kind === 'end' || !(subscription as LiveSubscription).isSilent,
    );
    this.#outbox = [];
    this.#outboxBytes = 0;
    if (this.isClosed) return;
    if (!this.room.isStillValid(this)) {
      this.end(sessionOver());
      return;
    }
    if (events.length > 0) this.#sink.deliver(events);
    for (const {subscription} of events) (subscription as LiveSubscription).delivered();
    if (this.#held !== undefined && this.#sink.queuedBytes === 0) this.drained();
  }

  /** Somebody is behind: the socket has so long to take something. */
  hold(): void {
    if (this.isClosed || this.#held !== undefined) return;
    const {queuedBytes} = this.#sink;
    this.#lookAgain(queuedBytes, this.room.nowMs());
    // It may be that nothing waits, and one commit alone is more than may be queued.
    if (queuedBytes === 0) this.room.scheduleFlush(this);
  }

  /** Nothing depends on being told of a drain alone. `sinceMs`: when so many bytes were first seen queued. */
  #lookAgain(queuedBytes: number, sinceMs: number): void {
    const {slowMs} = this.room.limits;
    this.#held = this.room.wheel.after(Math.min(LOOK_MS, slowMs), () => {
      this.#held = undefined;
      const now = this.#sink.queuedBytes;
      if (this.hasRoom(0)) this.drained();
      else if (now < queuedBytes) this.#lookAgain(now, this.room.nowMs());
      else if (this.room.nowMs() - sinceMs < slowMs) this.#lookAgain(queuedBytes, sinceMs);
      else this.end(tooSlow(slowMs));
    });
  }

  drained(): void {
    this.#held?.stop();
    this.#held = undefined;
    for (const subscription of [...this.subscriptions.values()]) this.room.goOn(subscription);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#held?.stop();
    this.sessionEnd?.stop();
    this.progress?.stop();
    this.#outbox = [];
    for (const subscription of [...this.subscriptions.values()]) subscription.close();
    this.room.forget(this);
  }

  /** Ends it from this side. */
  end(error: DbError): void {
    if (this.isClosed) return;
    // While the subscriptions still know how far they came.
    this.#sink.close(error);
    this.close();
  }
}

export function sessionOver(): DbError {
  return new DbError(
    'TOKEN_EXPIRED',
    'The session is over: its token has expired, or was ended. Sign in again and resume.',
  );
}

function tooSlow(slowMs: number): DbError {
  return new DbError('SLOW_CONSUMER', `The connection took nothing for ${slowMs / 1000} s; connect again and resume.`);
}

/**
 * Live connection: one WebSocket, from its upgrade to its end.
 *
 *     frame ─ rate ─ decode ─ event ─ CONNECTION_TABLE ─ action ─ feeds, answers, close
 *
 * Back-pressure goes both ways. What the client does not take, the live room holds back (`queuedBytes`); while much is queued or being read for it,
 * nothing more is read from it. Messages that came with the last read wait in order meanwhile.
 *
 * Laws: what happens at an event is in the table, and nowhere else. Whoever is silent, takes nothing, or does not say who they are in time is closed:
 * no connection lives for ever by doing nothing. Pings of a client cost as much as its messages.
 */
import type {Socket} from 'node:net';
import type {Duplex} from 'node:stream';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {MessageError} from '@kalamdb/protocol/message-reader.ts';
import {
  type AuthenticateMessage,
  type AuthSuccessMessage,
  CLOSES,
  type ClientMessage,
  type CloseName,
  type Encoding,
  ERROR_IDS,
  type ErrorMessage,
} from '@kalamdb/protocol/messages.ts';
import type {RawData, WebSocket} from 'ws';
import type {Live, LiveEvent, LiveSink, LiveConnection as Room} from '../live/live.ts';
import type {Session} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import type {Timer, Wheel} from '../std/wheel.ts';
import {decodeFrame} from './live-decoder.ts';
import {errorText} from './live-encoder.ts';
import {Feeds} from './live-feeds.ts';
import {textFrame} from './live-frames.ts';
import {CONNECTION_TABLE, type ConnectionAction, type ConnectionEvent, type ConnectionState} from './live-states.ts';
import {LiveWriter} from './live-writer.ts';
import {TokenBucket} from './rate-limits.ts';

export interface LiveSocketLimits {
  readonly messageBytesMax: number;
  readonly messagesPerSecond: number;
  /** Messages at once, after a pause. */
  readonly messagesBurst: number;
  readonly connectionsMax: number;
  /** For a client to say who it is. */
  readonly authMs: number;
  /** Of silence. */
  readonly idleMs: number;
  readonly heartbeatMs: number;
  readonly queuedBytesMax: number;
  /** A connection that takes nothing for so long, while nothing is read from it either, is closed. */
  readonly slowMs: number;
}

/** What all connections share. */
export interface LiveEdge {
  readonly live: Live;
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly limits: LiveSocketLimits;
  /** A DbError as it is; a bug is logged and becomes INTERNAL_ERROR. */
  expected(thrown: unknown, connectionId: string): DbError;
}

export interface LiveConnectionOptions {
  readonly id: string;
  readonly ws: WebSocket;
  readonly socket: Duplex;
  readonly encoding: Encoding;
  /** The upgrade request names the caller; else an authenticate message will. */
  readonly isNamed: boolean;
  /** The caller by the token of an authenticate message, or by the upgrade request. Throws or rejects with DbError. */
  signIn(token: string | undefined): Session | Promise<Session>;
  /** Told when it is over. */
  onGone(connection: LiveConnection): void;
}

/** Larger answers to pings than this are not queued. */
const CONTROL_BYTES_MAX = 64 * 1024;
const PING = Buffer.from([0x89, 0]);
const REASON_BYTES_MAX = 123;

export class LiveConnection {
  readonly id: string;
  readonly #edge: LiveEdge;
  readonly #options: LiveConnectionOptions;
  readonly #writer: LiveWriter;
  readonly #rate: TokenBucket;
  readonly #timers: {auth?: Timer; beat?: Timer; flood?: Timer} = {};
  #state: ConnectionState = 'unknown';
  #encoding: Encoding;
  #session: Session | undefined;
  #room: Room | undefined;
  #feeds: Feeds | undefined;
  /** Messages that came and are not acted on yet. */
  #held: ClientMessage[] = [];
  #pausedSinceMs: number | undefined;
  #isContinuing = false;
  /** Somebody else is asked whose its token is. */
  #isSigningIn = false;
  #heardMs: number;
  #takenBytes = 0;

  constructor(edge: LiveEdge, options: LiveConnectionOptions) {
    const {ws, socket, id} = options;
    const {clock, wheel, limits} = edge;
    this.id = id;
    this.#edge = edge;
    this.#options = options;
    this.#encoding = options.encoding;
    this.#heardMs = clock.monotonicMs();
    this.#rate = new TokenBucket(limits.messagesPerSecond, this.#heardMs, limits.messagesBurst);
    this.#writer = new LiveWriter(socket, {onDrained: () => this.#onDrained(), onBroken: error => this.#fail(error)});
    ws.on('message', (data, isBinary) => this.#onFrame(data, isBinary));
    ws.on('ping', data => this.#onPing(data));
    ws.on('pong', () => this.#hear());
    ws.on('close', () => this.#on('gone'));
    ws.on('error', () => {}); // 'close' follows, with the code that ws chose.
    this.#timers.beat = wheel.after(limits.heartbeatMs, () => this.#beat());
    if (options.isNamed) this.#signIn(undefined, this.#encoding);
    else this.#timers.auth = wheel.after(limits.authMs, () => this.#on('authTimeout'));
  }

  /** The server stops. */
  shutDown(): void {
    this.#on('shutdown');
  }

  /** Without waiting for anybody. */
  destroy(): void {
    this.#options.ws.terminate();
  }

  // Frames in.

  #onFrame(data: RawData, isBinary: boolean): void {
    this.#hear();
    if (this.#state === 'closing' || this.#state === 'closed') return;
    if (!this.#rate.take(this.#edge.clock.monotonicMs())) {
      this.#onFlood();
      return;
    }
    try {
      const limits = {serialization: this.#encoding.serialization, bytesMax: this.#edge.limits.messageBytesMax};
      const message = decodeFrame({bytes: data as Buffer, isBinary}, limits);
      this.#held.push(message);
    } catch (error) {
      if (!(error instanceof MessageError)) this.#fail(error);
      else this.#on(error.code === 'PROTOCOL' ? 'malformed' : 'unreadable', {complaint: complaintOf(error)});
      return;
    }
    this.#continue();
  }

  #onFlood(): void {
    const {waitMs} = this.#rate;
    const {messagesPerSecond} = this.#edge.limits;
    const message = `Too many messages: ${messagesPerSecond} per second are allowed; this one was dropped`;
    const complaint = {subscription_id: ERROR_IDS.rateLimit, code: 'RATE_LIMIT_EXCEEDED', message} as const;
    this.#on('flood', {complaint: {...complaint, retry_after_ms: waitMs}});
    // Nothing more is read until a message may come again.
    this.#timers.flood ??= this.#edge.wheel.after(waitMs, () => {
      delete this.#timers.flood;
      this.#continue();
    });
    this.#continue();
  }

  #onPing(data: Buffer): void {
    this.#hear();
    if (!this.#rate.take(this.#edge.clock.monotonicMs())) this.#onFlood();
    else if (this.#writer.queuedBytes <= CONTROL_BYTES_MAX) this.#options.ws.pong(data);
  }

  #hear(): void {
    this.#heardMs = this.#edge.clock.monotonicMs();
  }

  /** Acts on what came, and reads on, as far as there is room; later if this is inside of a delivery. */
  #continue(): void {
    const feeds = this.#feeds;
    feeds?.push();
    while (this.#held.length > 0 && !this.#mustWait) this.#act(this.#held.shift()!);
    const {ws} = this.#options;
    if (this.#held.length > 0 || this.#mustWait) {
      this.#pausedSinceMs ??= this.#edge.clock.monotonicMs();
      ws.pause();
    } else if (this.#pausedSinceMs !== undefined) {
      this.#pausedSinceMs = undefined;
      this.#hear();
      ws.resume();
    }
  }

  get #mustWait(): boolean {
    if (this.#state === 'closing' || this.#state === 'closed') return false;
    return this.#isSigningIn || this.#feeds?.isFull === true || this.#timers.flood !== undefined;
  }

  #continueLater(): void {
    if (this.#isContinuing) return;
    this.#isContinuing = true;
    setImmediate(() => {
      this.#isContinuing = false;
      this.#continue();
    });
  }

  #act(message: ClientMessage): void {
    this.#on(MESSAGE_EVENTS[message.type], {message});
  }

  // The table, and what its actions do.

  #on(event: ConnectionEvent, facts: Facts = {}): void {
    const [next, action] = CONNECTION_TABLE[this.#state][event];
    this.#state = next;
    LiveConnection.#ACTIONS[action](this, facts, event);
  }

  static readonly #ACTIONS: Record<
    ConnectionAction,
    (it: LiveConnection, facts: Facts, event: ConnectionEvent) => void
  > = {
    ignore() {},
    complain: (it, {complaint}) => it.#complain(complaint!),
    demand: it => it.#complain(AUTH_REQUIRED),
    check: (it, {message}) => it.#check(message as AuthenticateMessage),
    welcome: (it, {session}) => it.#welcome(session!),
    refuse: (it, {error = authTimeout(it.#edge.limits.authMs)}, event) => it.#refuse(error, event),
    subscribe: (it, {message}) => it.#feed(message!),
    nextBatch: (it, {message}) => it.#feed(message!),
    unsubscribe: (it, {message}) => it.#feed(message!),
    close: (it, facts, event) => it.#close(facts, event),
    forget: it => it.#forget(),
  };

  #check(message: AuthenticateMessage): void {
    const {protocol = {}} = message;
    const encoding: Encoding = {
      serialization: protocol.serialization ?? 'json',
      compression: this.#options.encoding.compression === 'none' ? 'none' : (protocol.compression ?? 'gzip'),
    };
    this.#signIn(message.token, encoding);
  }

  #signIn(token: string | undefined, encoding: Encoding): void {
    try {
      const session = this.#options.signIn(token);
      if (session instanceof Promise) void this.#signInLater(session, encoding);
      else this.#admit(session, encoding);
    } catch (thrown) {
      this.#on('refused', {error: this.#edge.expected(thrown, this.id)});
    }
  }

  async #signInLater(session: Promise<Session>, encoding: Encoding): Promise<void> {
    this.#isSigningIn = true;
    try {
      this.#admit(await session, encoding);
    } catch (thrown) {
      this.#on('refused', {error: this.#edge.expected(thrown, this.id)});
    }
    this.#isSigningIn = false;
    this.#continue();
  }

  #admit(session: Session, encoding: Encoding): void {
    const before = this.#session;
    if (before !== undefined && (before.userId !== session.userId || before.role !== session.role))
      throw new DbError('INVALID_CREDENTIALS', 'This connection belongs to another user or role; open a new one.');
    if (before === undefined) this.#encoding = encoding;
    this.#on('signedIn', {session});
  }

  #welcome(session: Session): void {
    const isFirst = this.#session === undefined;
    this.#session = session;
    this.#timers.auth?.stop();
    if (isFirst) this.#enter(session);
    else this.#room?.renew(session);
    if (this.#state !== 'open') return;
    const {userId: user, role, proof} = session;
    const success: AuthSuccessMessage = {type: 'auth_success', user, role, protocol: this.#encoding};
    if (proof.kind === 'token') success.expires_at = proof.expiresAtMs;
    this.#writer.send([textFrame(JSON.stringify(success))], 0);
  }

  #enter(session: Session): void {
    const {live, limits} = this.#edge;
    try {
      this.#room = live.connect({
        id: this.id,
        session,
        sink: this.#sink(),
      });
    } catch (thrown) {
      this.#on('ended', {error: this.#edge.expected(thrown, this.id)});
      return;
    }
    this.#feeds = new Feeds({
      room: this.#room,
      writer: this.#writer,
      encoding: this.#encoding,
      isPushed: !this.#options.isNamed,
      queuedBytesMax: limits.queuedBytesMax,
      expected: thrown => this.#edge.expected(thrown, this.id),
    });
  }

  #sink(): LiveSink {
    const writer = this.#writer;
    const {clock} = this.#edge;
    const wallClockMs = () => clock.nowMs() - (clock.monotonicMs() - this.#heardMs);
    return {
      deliver: events => this.#deliver(events),
      get queuedBytes() {
        return writer.queuedBytes;
      },
      get heardMs() {
        return wallClockMs();
      },
      close: error => this.#on('ended', {error}),
    };
  }

  /** Called by the live room: nothing in it may call back into the room. */
  #deliver(events: readonly LiveEvent[]): void {
    const feeds = this.#feeds;
    if (this.#state !== 'open' || feeds === undefined) return;
    try {
      feeds.deliver(events);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#held.length > 0 || feeds.hasDue || this.#pausedSinceMs !== undefined) this.#continueLater();
  }

  #onDrained(): void {
    this.#room?.drained();
    this.#continue();
  }

  #feed(message: ClientMessage): void {
    const feeds = this.#feeds!;
    try {
      if (message.type === 'subscribe') feeds.subscribe(message);
      else if (message.type === 'next_batch') feeds.nextBatch(message);
      else if (message.type === 'unsubscribe') feeds.unsubscribe(message.subscription_id);
    } catch (error) {
      this.#fail(error);
    }
  }

  #complain(complaint: Complaint): void {
    // Who is told something with each message, and takes nothing, has made it so.
    if (this.#writer.queuedBytes <= this.#edge.limits.queuedBytesMax)
      this.#writer.send([textFrame(errorText(complaint))], 0);
  }

  /** A bug. */
  #fail(thrown: unknown): void {
    this.#on('ended', {error: this.#edge.expected(thrown, this.id)});
  }

  // The end.

  #refuse({message}: DbError, event: ConnectionEvent): void {
    this.#writer.send([textFrame(JSON.stringify({type: 'auth_error', message}))], 0);
    this.#finish(event === 'authTimeout' ? 'authenticationTimeout' : 'authenticationFailed');
  }

  #close({complaint, error}: Facts, event: ConnectionEvent): void {
    if (complaint !== undefined) this.#complain(complaint);
    const name = closeNameOf(event, error);
    if (name === 'tokenExpired' || name === 'authenticationFailed')
      this.#writer.send([textFrame(JSON.stringify({type: 'auth_error', message: error!.message}))], 0);
    this.#finish(name, complaint?.message);
  }

  #finish(name: CloseName, reason: string = CLOSES[name].reason): void {
    this.#held = [];
    this.#stopTimers();
    // From a call of the room that ends this connection, its own end comes next.
    setImmediate(() => this.#room?.close());
    const {ws} = this.#options;
    ws.resume();
    this.#writer.whenIdle(() => ws.close(CLOSES[name].code, cut(reason)));
  }

  #forget(): void {
    this.#held = [];
    this.#stopTimers();
    this.#room?.close();
    this.#options.onGone(this);
  }

  #stopTimers(): void {
    for (const timer of Object.values(this.#timers)) timer.stop();
  }

  /** Looks whether anybody is there, and asks them to say so. */
  #beat(): void {
    const {clock, limits, wheel} = this.#edge;
    const nowMs = clock.monotonicMs();
    const takenBytes = socketBytesTaken(this.#options.socket);
    // Who takes something is there.
    if (takenBytes > this.#takenBytes && this.#writer.queuedBytes > 0) this.#heardMs = nowMs;
    this.#takenBytes = takenBytes;
    // While nothing is read from it, it cannot be heard either.
    const isPaused = this.#pausedSinceMs !== undefined;
    const silentMs = nowMs - Math.max(this.#pausedSinceMs ?? 0, this.#heardMs);
    if (!isPaused && silentMs >= limits.idleMs) this.#on('idle');
    // Nor is it slow while it waits for the server.
    else if (isPaused && silentMs >= limits.slowMs && this.#writer.queuedBytes > 0)
      this.#on('ended', {error: tooSlow()});
    if (this.#state === 'closing' || this.#state === 'closed') return;
    if (this.#writer.queuedBytes <= CONTROL_BYTES_MAX) this.#writer.send([[PING]], 0);
    this.#timers.beat = wheel.after(limits.heartbeatMs, () => this.#beat());
  }
}

const MESSAGE_EVENTS: Record<ClientMessage['type'], ConnectionEvent> = {
  authenticate: 'authenticate',
  subscribe: 'subscribe',
  next_batch: 'nextBatch',
  unsubscribe: 'unsubscribe',
  ping: 'ping',
};

type Complaint = Omit<ErrorMessage, 'type'>;

/** What an event comes with, as far as its action wants it. */
interface Facts {
  readonly message?: ClientMessage;
  readonly complaint?: Complaint;
  readonly session?: Session;
  readonly error?: DbError;
}

const AUTH_REQUIRED: Complaint = {
  subscription_id: ERROR_IDS.subscribe,
  code: 'AUTH_REQUIRED',
  message: 'Authenticate before subscribing',
};

function complaintOf({code, subscriptionId, message}: MessageError): Complaint {
  return {subscription_id: subscriptionId, code, message};
}

function tooSlow(): DbError {
  return new DbError('SLOW_CONSUMER', CLOSES.tooSlow.reason);
}

function authTimeout(authMs: number): DbError {
  return new DbError(
    'MISSING_AUTHORIZATION',
    `Authentication timeout - no auth message received within ${authMs / 1000} seconds`,
  );
}

function closeNameOf(event: ConnectionEvent, error: DbError | undefined): CloseName {
  if (event === 'idle') return 'heartbeatTimeout';
  if (event === 'shutdown') return 'shuttingDown';
  if (event === 'malformed') return 'protocolError';
  switch (error?.code) {
    case 'TOKEN_EXPIRED':
      return 'tokenExpired';
    case 'INVALID_CREDENTIALS':
      return 'authenticationFailed';
    case 'SHUTTING_DOWN':
      return 'shuttingDown';
    case 'SLOW_CONSUMER':
      return 'tooSlow';
    default:
      return 'internalError';
  }
}

/** As many whole characters as a close frame holds. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_BYTES_MAX) return reason;
  let end = REASON_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** By the kernel. */
function socketBytesTaken(socket: Duplex): number {
  return ((socket as Partial<Socket>).bytesWritten ?? 0) - socket.writableLength;
}

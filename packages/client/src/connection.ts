/**
 * Connection: one authenticated socket to the server, made again whenever it is lost.
 *
 * What to do when is decided by the table in `connection-states.ts`; this file carries it out and turns what sockets, timers and tokens do
 * into events. Messages are JSON texts, or bytes in binary frames, as they are or gzipped: of JSON, or of the serialization that was given. They are
 * handed on in the order they came.
 *
 * A browser cannot see the pings of the protocol, and a network may vanish without a word. So a connection that is silent for long is
 * probed by authenticating again, which the server always answers; that is also how a fresh token takes the place of an old one.
 *
 * Laws: between `onUp` and `onDown` messages arrive and can be sent, else neither. Nothing of a socket that was dropped is heard any more.
 */
import {parseServerMessage, readServerMessage} from '@kalamdb/protocol/message-reader.ts';
import type {ClientMessage, Serialization, ServerMessage} from '@kalamdb/protocol/messages.ts';
import {type Backoff, backoffMs} from './backoff.ts';
import {
  CONNECTION_STEPS,
  type ConnectionAction,
  type ConnectionEvent,
  type ConnectionState,
} from './connection-states.ts';
import {KalamError, toKalamError} from './error.ts';
import {bytesOfFrame} from './inflate.ts';
import type {Environment, SocketLike} from './std/environment.ts';

/** How the server is asked to say what is not about the connection itself, in place of JSON. */
export interface BinarySerialization {
  readonly name: Exclude<Serialization, 'json'>;
  /** Throws at bytes that are no whole value. */
  decode(bytes: Uint8Array): unknown;
}

export interface ConnectionSettings {
  /** Address of the endpoint, ws: or wss:. */
  url: string;
  isCompressed: boolean;
  /** Default: JSON. */
  serialization?: BinarySerialization | undefined;
  reconnects: boolean;
  backoff: Backoff;
  /** Failures in a row after which no further attempt is made; undefined = never. */
  attemptsMax: number | undefined;
  /** 0 = no pings. */
  pingIntervalMs: number;
}

/** Who the connection is of. */
export interface TokenDoor {
  /** A token that is good for now. Rejects with a KalamError; one that is not `retryable` says that there is none at all. */
  current(): Promise<string>;
  /** Soon `current` will have another. */
  isDue(): boolean;
  /** The server does not take this one. */
  forget(token: string): void;
}

export interface ConnectionListener {
  onUp(): void;
  onDown(error: KalamError | undefined): void;
  onMessage(message: ServerMessage): void;
  /** An attempt failed, or a message could not be read. The connection goes on trying unless `isFinal`. */
  onError(error: KalamError, isFinal: boolean): void;
  /** `text` makes the JSON of the message, whatever it came as. */
  onReceive?(text: () => string): void;
  onSend?(text: string): void;
}

const STATE_MS: Partial<Record<ConnectionState, number>> = {
  authorizing: 30_000,
  opening: 10_000,
  authenticating: 10_000,
};
/** Longer silence is probed, and a probe must be answered. */
const SILENCE_MS = 25_000;
const PROBE_MS = 10_000;
/** A connection that was ready this long is a success: the next loss starts the back-off anew. */
const STABLE_MS = 5000;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: KalamError) => void;
}

export class Connection {
  readonly settings: ConnectionSettings;
  readonly #environment: Environment;
  readonly #tokens: TokenDoor;
  readonly #listener: ConnectionListener;
  #state: ConnectionState = 'idle';
  /** Counts attempts, so that a token which comes late is known as one of an earlier attempt. */
  #attempt = 0;
  #failureCount = 0;
  #lastError: KalamError | undefined;
  #socket: SocketLike | undefined;
  #token = '';
  #cancelTimer: (() => void) | undefined;
  #unwatchNetwork: (() => void) | undefined;
  #waiting: Waiting[] = [];
  #readyAtMs = 0;
  #heardAtMs = 0;
  #probedAtMs: number | undefined;

  constructor(environment: Environment, tokens: TokenDoor, settings: ConnectionSettings, listener: ConnectionListener) {
    this.#environment = environment;
    this.#tokens = tokens;
    this.settings = settings;
    this.#listener = listener;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get failureCount(): number {
    return this.#failureCount;
  }

  /** Resolves when the connection is ready; rejects when there will be none. */
  connect(): Promise<void> {
    if (this.#state === 'ready') return Promise.resolve();
    if (this.#state === 'ended') return Promise.reject(new KalamError('CLOSED', 'The client was shut down.'));
    const ready = new Promise<void>((resolve, reject) => this.#waiting.push({resolve, reject}));
    this.#unwatchNetwork ??= this.#environment.watchNetwork(isOnline => this.#happen(isOnline ? 'online' : 'offline'));
    this.#happen('connect');
    return ready;
  }

  disconnect(): void {
    this.#happen('disconnect');
  }

  /** For good. */
  end(): void {
    this.#happen('end');
    this.#unwatchNetwork?.();
    this.#unwatchNetwork = undefined;
  }

  /** Only while it is ready; what is sent else is lost. */
  send(message: ClientMessage): void {
    if (this.#state === 'ready') this.#write(message);
  }

  #happen(event: ConnectionEvent): void {
    const step = CONNECTION_STEPS[this.#state][event];
    if (step === undefined) return;
    const [next, ...actions] = step;
    this.#state = next;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const action of actions) {
      this.#do(action);
      // It may have led to another step: what is left here is of a state that is over.
      if (this.#state !== next) return;
    }
    this.#startTimer();
  }

  #startTimer(): void {
    const delayMs = this.#delayMs();
    if (delayMs === undefined || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#environment.setTimer(delayMs, () => {
      this.#cancelTimer = undefined;
      if (this.#state === 'authorizing' || this.#state === 'opening' || this.#state === 'authenticating')
        this.#lastError = new KalamError('TIMEOUT', `The server did not answer in time (${this.#state}).`);
      this.#happen('timer');
    });
  }

  #delayMs(): number | undefined {
    if (this.#state === 'ready') return this.settings.pingIntervalMs || undefined;
    if (this.#state === 'offline') return this.settings.backoff.maxMs;
    if (this.#state === 'waiting')
      return backoffMs(this.settings.backoff, this.#failureCount, this.#environment.random());
    return STATE_MS[this.#state];
  }

  #do(action: ConnectionAction): void {
    switch (action) {
      case 'askToken':
        this.#askToken();
        break;
      case 'openSocket':
        this.#openSocket();
        break;
      case 'authenticate':
        this.#authenticate();
        break;
      case 'ping':
        this.#ping();
        break;
      case 'probe':
        this.#probe();
        break;
      case 'dropSocket':
        this.#dropSocket();
        break;
      case 'countFailure':
        this.#countFailure();
        break;
      case 'resetFailures':
        this.#failureCount = 0;
        break;
      case 'forgetToken':
        this.#tokens.forget(this.#token);
        break;
      case 'tellUp':
        this.#tellUp();
        break;
      case 'tellDown':
        this.#listener.onDown(this.#lastError);
        break;
      case 'tellRefused':
        this.#tellRefused();
        break;
      case 'tellEnd':
        this.#settle(waiting => waiting.reject(new KalamError('CLOSED', 'The connection was closed.')));
        break;
      default:
        action satisfies never;
    }
  }

  #askToken(): void {
    this.#lastError = undefined;
    const isCurrent = this.#sameAttempt();
    this.#tokens.current().then(
      token => {
        if (!isCurrent()) return;
        this.#token = token;
        this.#happen('token');
      },
      thrown => {
        if (!isCurrent()) return;
        this.#lastError = toKalamError(thrown);
        this.#happen(this.#lastError.retryable ? 'noToken' : 'refused');
      },
    );
  }

  /** False once another attempt has begun, or this one is over. */
  #sameAttempt(): () => boolean {
    const attempt = ++this.#attempt;
    return () => attempt === this.#attempt && this.#state === 'authorizing';
  }

  #openSocket(): void {
    let socket: SocketLike;
    try {
      socket = this.#environment.openSocket(this.settings.url);
    } catch (thrown) {
      // An address that is none: browsers throw at once.
      this.#lastError = toKalamError(thrown);
      this.#happen('lost');
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#happen('opened');
    socket.onmessage = this.#reader(socket);
    socket.onerror = () => {};
    socket.onclose = ({code, reason}: {code?: number; reason?: string}) => {
      const why = reason || `The connection to ${this.settings.url} was closed`;
      this.#lastError ??= new KalamError('NETWORK_ERROR', code === undefined ? why : `${why} (${code}).`);
      this.#happen('lost');
    };
  }

  /** Frames that must be inflated take turns; those behind them wait. */
  #reader(socket: SocketLike): (event: {data: unknown}) => void {
    let inflating = 0;
    let line = Promise.resolve();
    const take = (data: string | Uint8Array) => {
      if (this.#socket === socket) this.#hear(data);
    };
    return ({data}) => {
      const content = typeof data === 'string' ? data : bytesOfFrame(data as ArrayBuffer);
      if (!(content instanceof Promise) && inflating === 0) return take(content);
      inflating++;
      line = line
        .then(async () => take(await content))
        .catch(thrown => {
          if (this.#socket === socket) this.#fail(toKalamError(thrown));
        })
        .finally(() => void inflating--);
    };
  }

  #hear(data: string | Uint8Array): void {
    this.#heardAtMs = this.#environment.nowMs();
    this.#probedAtMs = undefined;
    let message: ServerMessage;
    try {
      message = this.#read(data);
    } catch (cause) {
      this.#fail(new KalamError('BAD_RESPONSE', `A message could not be read: ${String(cause)}`, {cause}));
      return;
    }
    if (message.type === 'auth_success') this.#happen('welcomed');
    else if (message.type === 'auth_error') {
      this.#lastError = new KalamError('TOKEN_REJECTED', message.message, {retryable: true});
      this.#happen('rejected');
    } else if (this.#state === 'ready') this.#listener.onMessage(message);
  }

  #read(data: string | Uint8Array): ServerMessage {
    const {serialization} = this.settings;
    if (typeof data !== 'string' && serialization !== undefined) {
      const message = readServerMessage(serialization.decode(data));
      this.#listener.onReceive?.(() => JSON.stringify(message));
      return message;
    }
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    this.#listener.onReceive?.(() => text);
    return parseServerMessage(text);
  }

  /** What was lost with the message can only be had again by resuming. */
  #fail(error: KalamError): void {
    this.#lastError = error;
    this.#happen('lost');
  }

  #authenticate(): void {
    const {serialization, isCompressed} = this.settings;
    this.#write({
      type: 'authenticate',
      method: 'jwt',
      token: this.#token,
      protocol: {serialization: serialization?.name ?? 'json', compression: isCompressed ? 'gzip' : 'none'},
    });
  }

  #write(message: ClientMessage): void {
    const text = JSON.stringify(message);
    this.#listener.onSend?.(message.type === 'authenticate' ? JSON.stringify({...message, token: '***'}) : text);
    this.#socket?.send(text);
  }

  #ping(): void {
    const nowMs = this.#environment.nowMs();
    if (this.#probedAtMs !== undefined && nowMs - this.#probedAtMs >= PROBE_MS) {
      this.#lastError = new KalamError('NETWORK_ERROR', 'The connection went silent.');
      this.#happen('lost');
      return;
    }
    this.#write({type: 'ping'});
    if (this.#tokens.isDue()) this.#renewToken();
    else if (this.#probedAtMs === undefined && nowMs - this.#heardAtMs >= SILENCE_MS) this.#probe();
  }

  #probe(): void {
    this.#probedAtMs ??= this.#environment.nowMs();
    this.#authenticate();
  }

  /** In the open connection. If it fails, the one that is there serves until the server ends it. */
  #renewToken(): void {
    const socket = this.#socket;
    this.#tokens.current().then(
      token => {
        if (this.#socket !== socket || this.#state !== 'ready' || token === this.#token) return;
        this.#token = token;
        this.#authenticate();
      },
      thrown => this.#listener.onError(toKalamError(thrown), false),
    );
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    socket.close(1000, 'Client closed');
  }

  #countFailure(): void {
    const wasStable = this.#readyAtMs > 0 && this.#environment.nowMs() - this.#readyAtMs >= STABLE_MS;
    this.#readyAtMs = 0;
    this.#failureCount = wasStable ? 1 : this.#failureCount + 1;
    const {reconnects, attemptsMax} = this.settings;
    if (reconnects && this.#failureCount <= (attemptsMax ?? Number.POSITIVE_INFINITY)) {
      if (this.#lastError !== undefined) this.#listener.onError(this.#lastError, false);
      return;
    }
    const why = this.#lastError?.message ?? 'the connection was lost';
    this.#lastError = new KalamError('GAVE_UP', `No further attempt is made: ${why}`, {cause: this.#lastError});
    this.#happen('refused');
  }

  #tellUp(): void {
    this.#readyAtMs = this.#heardAtMs = this.#environment.nowMs();
    this.#probedAtMs = undefined;
    this.#lastError = undefined;
    this.#settle(waiting => waiting.resolve());
    this.#listener.onUp();
  }

  #tellRefused(): void {
    const error = this.#lastError ?? new KalamError('GAVE_UP', 'No further attempt is made.');
    this.#settle(waiting => waiting.reject(error));
    this.#listener.onError(error, true);
  }

  #settle(tell: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) tell(each);
  }
}

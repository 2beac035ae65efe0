/**
 * Live socket: `GET /v1/ws`, the road of live queries.
 *
 *     upgrade request ─ may it be served? ─ handshake ─ live-connection.ts
 *
 *     live-states.ts       what happens at which event             live-decoder.ts   frames of clients to messages
 *     live-feeds.ts        subscriptions, to and from the room      live-encoder.ts   events of the room to messages, shared
 *     live-writer.ts       one write per delivery                   live-frames.ts    messages to frames, compressed once
 *
 * Who asks is told by the upgrade request (`Authorization`; in development `X-USER-ID`), or else by an authenticate message.
 *
 * Laws: a page from elsewhere gets no socket, since browsers send it without asking. What is refused before the handshake is plain HTTP. At the end
 * every connection is told so, and has a short time to agree.
 */
import {type IncomingMessage, STATUS_CODES} from 'node:http';
import type {Duplex} from 'node:stream';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Encoding} from '@kalamdb/protocol/messages.ts';
import {type WebSocket, WebSocketServer} from 'ws';
import type {Session} from '../model/session.ts';
import {Wheel} from '../std/wheel.ts';
import {statusOf} from './answer.ts';
import type {RequestHead} from './exchange.ts';
import {checkLocal, signIn, signInByToken} from './guard.ts';
import {LiveConnection, type LiveEdge, type LiveSocketLimits} from './live-connection.ts';
import {headOf} from './node-exchange.ts';
import {refusalText} from './refusal.ts';
import {brokenRule} from './request-rules.ts';
import type {ServerState} from './server.ts';
import {expected} from './sql-route.ts';

export interface LiveSocketOptions extends LiveSocketLimits {
  /** Programs outside of browsers must send an Origin too. */
  readonly isOriginRequired: boolean;
}

const TICK_MS = 250;
/** For a client to answer a close. */
const CLOSE_MS = 5000;
/** What is beyond a message's limit is still read, up to this many times it, so that the client can be told. */
const READ_TIMES = 2;
const FRAGMENTS_MAX = 1024;

export class LiveSocket {
  readonly #state: ServerState;
  readonly #options: LiveSocketOptions;
  readonly #edge: LiveEdge;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<LiveConnection>();
  readonly #idPrefix: string;
  #count = 0;

  constructor(state: ServerState) {
    const {clock, logger, live, liveSocket: options} = state.options;
    this.#state = state;
    this.#options = options;
    this.#idPrefix = clock.nowMs().toString(36);
    this.#edge = {
      live,
      clock,
      wheel: new Wheel(clock, TICK_MS),
      limits: options,
      expected: (thrown, id) => expected(thrown, id, logger),
    };
    const newerOptions = {maxFragments: FRAGMENTS_MAX, closeTimeout: CLOSE_MS};
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.messageBytesMax * READ_TIMES,
      ...newerOptions,
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, bytes: Buffer): void {
    let refusal: string | undefined;
    try {
      refusal = this.#refusal(request);
    } catch (thrown) {
      const error = expected(thrown, this.#state.newRequestId(), this.#state.options.logger);
      refusal = plainAnswer(statusOf(error), error.message);
    }
    if (refusal === undefined)
      this.#server.handleUpgrade(request, socket, bytes, ws => this.#open(request, socket, ws));
    else socket.on('error', () => socket.destroy()).end(refusal);
  }

  close(): void {
    for (const connection of this.#connections) connection.shutDown();
    const cut = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, CLOSE_MS);
    cut.unref();
  }

  /** The answer to a request that gets no socket. Throws what `headOf` and `checkLocal` throw. */
  #refusal(request: IncomingMessage): string | undefined {
    const {connectionsMax, isOriginRequired} = this.#options;
    const {options, rates, traffic, isClosing} = this.#state;
    if (isClosing()) return plainAnswer(503, 'Server shutting down');
    const rule = brokenRule(request);
    if (rule !== undefined) return plainAnswer(400, rule);
    const head = headOf(request, this.#state);
    const limited = rates.of(head.client)?.takeRequest(options.clock.monotonicMs());
    if (limited !== undefined) {
      traffic.refused[limited.code]++;
      return refusalText(limited);
    }
    if (this.#connections.size >= connectionsMax)
      return plainAnswer(503, `Too many live connections: ${connectionsMax} are allowed`);
    const {origin, host} = head.headers;
    if (origin === undefined && isOriginRequired) return plainAnswer(403, 'Origin header required');
    if (origin !== undefined && !options.cors.isAllowed(origin, host)) return plainAnswer(403, 'Origin not allowed');
    if (options.sessions.isDevelopment) checkLocal(head);
    return undefined;
  }

  #open(request: IncomingMessage, socket: Duplex, ws: WebSocket): void {
    const head = headOf(request, this.#state);
    const {authorization, 'x-user-id': userId} = head.headers;
    const isNamed = authorization !== undefined || (userId !== undefined && this.#state.options.sessions.isDevelopment);
    const connection = new LiveConnection(this.#edge, {
      id: `${this.#idPrefix}-${(++this.#count).toString(36)}`,
      ws,
      socket,
      encoding: encodingOf(request.url ?? '', isNamed),
      isNamed,
      signIn: token => this.#signIn(head, token),
      onGone: gone => this.#connections.delete(gone),
    });
    this.#connections.add(connection);
  }

  #signIn(head: RequestHead, token: string | undefined): Session | Promise<Session> {
    const {rates, traffic, options} = this.#state;
    const limited = rates.of(head.client)?.takeSignIn(options.clock.monotonicMs());
    if (limited !== undefined) {
      traffic.refused[limited.code]++;
      throw new DbError(limited.code, 'Too many sign-ins from this address; try again in a moment.');
    }
    return token === undefined ? signIn(head, options) : signInByToken(token, options.sessions);
  }
}

/** `compress=false` holds in either way of authenticating; the rest is for clients that send no authenticate message. */
function encodingOf(url: string, isNamed: boolean): Encoding {
  const query = new URLSearchParams(url.split('?').slice(1).join('?'));
  const isPlain = query.get('compress') === 'false' || (isNamed && query.get('compression') === 'none');
  return {
    serialization: isNamed && query.get('serialization') === 'msgpack' ? 'msgpack' : 'json',
    compression: isPlain ? 'none' : 'gzip',
  };
}

function plainAnswer(status: number, text: string): string {
  const length = `content-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n${length}\r\n${text}`;
}

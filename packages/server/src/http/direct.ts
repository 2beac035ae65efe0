/**
 * Direct: takes the usual request for the SQL route straight from its socket and answers it there: node:http costs more than most statements.
 *
 *     connection ─ read ─ one whole usual request?  yes ─ answerSql ─ one write       the next read comes here again
 *                                                   no  ─ node:http, from that read on, for good
 *
 * What is usual `request-head.ts` decides. Everything else, be it right or wrong, is put back unread for node:http, so that nothing about
 * HTTP is decided twice.
 *
 * Laws: a connection has one request at a time; what is read meanwhile waits, and beyond a bound nothing more is read: up to there a caller who
 * leaves is noticed at once, though its requests wait. Nothing here waits for the rest of a request. Answers are those of node:http, byte for byte. Answers found in the turn of their requests go out together at its end: a
 * reader that is woken by the first is still awake for the others.
 */
import {STATUS_CODES} from 'node:http';
import type {Socket} from 'node:net';
import {drained, type Headers, RETRY_HEADERS, SAFE_HEADERS, STALLED_MS} from './answer.ts';
import {decodeBody} from './body.ts';
import {type Client, clientOf} from './client.ts';
import type {Exchange} from './exchange.ts';
import type {AddressLimit} from './rate-limits.ts';
import {readUsualRequest, type UsualRequest} from './request-head.ts';
import {SQL_PATH} from './routes.ts';
import type {ServerState} from './server.ts';
import type {SharedReads} from './shared-reads.ts';
import {answerSql} from './sql-route.ts';

/** Of one connection, besides the read that crosses it. */
const HELD_BYTES_MAX = 64 * 1024;
const HELD_READS_MAX = 64;
const CHUNK_END = Buffer.from('\r\n');
const SAFE_LINES = linesOf(SAFE_HEADERS);
const RETRY_LINE = linesOf(RETRY_HEADERS);

export interface DirectOptions {
  readonly state: ServerState;
  /** For the first request of a connection to come. */
  readonly headersMs: number;
  /** What callers are told. */
  readonly keepAliveMs: number;
  /** For a further request to come; longer than callers are told, so that none is on its way to a closed connection. */
  readonly idleMs: number;
  /** Gives the connection to node:http. */
  handOver(socket: Socket): void;
  /** Ends a connection on which nothing came. */
  refuseSlow(socket: Socket): void;
}

/** The connections that node:http does not have. */
export class DirectConnections {
  readonly options: DirectOptions;
  readonly #open = new Set<DirectConnection>();
  readonly #dates: HttpDate;
  #answered: DirectConnection[] = [];

  constructor(options: DirectOptions) {
    this.options = options;
    this.#dates = new HttpDate(() => options.state.options.clock.nowMs());
  }

  take(reads: SharedReads): void {
    const connection = new DirectConnection(this, reads);
    this.#open.add(connection);
  }

  forget(connection: DirectConnection): void {
    this.#open.delete(connection);
  }

  /** Sends the connection's answer at the end of the turn. */
  sendLater(connection: DirectConnection): void {
    if (this.#answered.push(connection) === 1) setImmediate(() => this.#sendAll());
  }

  /** Idle ones; the others end by themselves when they have answered. */
  closeIdle(): void {
    for (const connection of this.#open) if (connection.isIdle) connection.end();
  }

  closeAll(): void {
    for (const connection of this.#open) connection.destroy();
  }

  /** What every answer's head ends with. */
  headTail(): string {
    const {state, keepAliveMs} = this.options;
    if (state.isClosing()) return `connection: close\r\nDate: ${this.#dates.text()}\r\n`;
    const seconds = Math.floor(keepAliveMs / 1000);
    return `Date: ${this.#dates.text()}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
  }

  #sendAll(): void {
    const connections = this.#answered;
    this.#answered = [];
    for (const connection of connections) connection.send();
  }
}

/** Texts of ASCII alone are the same bytes in both; the first is copied, the second looked through. */
type AnswerEncoding = 'latin1' | 'utf8';

class DirectConnection {
  readonly #all: DirectConnections;
  readonly #socket: Socket;
  readonly #reads: SharedReads;
  readonly client: Client;
  /** Undefined: nothing is counted. */
  readonly #limit: AddressLimit | undefined;
  #exchange: DirectExchange | undefined;
  #isInTurn = false;
  /** An answer that waits for the end of the turn. */
  #answer: string | undefined;
  #encoding: AnswerEncoding = 'utf8';
  /** What was read while a request was under way, read by read. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFirst = true;
  #hasEnded = false;

  constructor(all: DirectConnections, reads: SharedReads) {
    const {socket} = reads;
    this.#all = all;
    this.#socket = socket;
    this.#reads = reads;
    // Whoever passes requests on says so in headers, and those go to node:http.
    this.client = clientOf(socket.remoteAddress ?? '', {}, all.options.state.options.trustedProxies);
    this.#limit = all.options.state.rates.of(this.client);
    socket.setTimeout(all.options.headersMs);
    reads.onBytes = this.#onBytes;
    socket.on('end', this.#onEnd).on('close', this.#onClose).on('timeout', this.#onTimeout).on('error', ignore);
    // Nothing comes by the stream but its end.
    socket.resume();
  }

  get isIdle(): boolean {
    return this.#exchange === undefined;
  }

  get socket(): Socket {
    return this.#socket;
  }

  get all(): DirectConnections {
    return this.#all;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** As soon as what was answered has been taken, whether the caller hangs up or not. */
  end(): void {
    this.#socket.destroySoon();
  }

  answer(text: string, encoding: AnswerEncoding): void {
    this.#answer = text;
    this.#encoding = encoding;
    if (this.#isInTurn) this.#all.sendLater(this);
    else this.send();
  }

  send(): void {
    const text = this.#answer!;
    this.#answer = undefined;
    this.#socket.write(text, this.#encoding);
    this.finish();
  }

  /** The answer is with the socket. */
  finish(): void {
    if (this.#hasEnded || this.#all.options.state.isClosing()) this.end();
    else if (this.#socket.writableNeedDrain) this.#socket.once('drain', this.#next);
    else this.#next();
  }

  readonly #next = () => {
    this.#exchange = undefined;
    const bytes = this.#held.shift();
    if (bytes === undefined) return;
    this.#heldBytes -= bytes.length;
    if (this.#socket.isPaused() && !this.#isFull()) this.#socket.resume();
    this.#onBytes(bytes);
  };

  /** They are good during the call alone. */
  readonly #onBytes = (bytes: Buffer) => {
    // Nothing runs that could not be answered.
    if (!this.#socket.writable) return;
    if (this.#exchange !== undefined) {
      this.#held.push(Buffer.from(bytes));
      this.#heldBytes += bytes.length;
      if (this.#isFull()) this.#socket.pause();
      return;
    }
    const {state, idleMs} = this.#all.options;
    const request = readUsualRequest(bytes);
    const isServed =
      request !== undefined &&
      bytes.length - request.bodyAt <= state.options.limits.bodyBytesMax &&
      this.#limit?.tryRequest(state.options.clock.monotonicMs()) !== false;
    if (!isServed) {
      this.#release(bytes);
      return;
    }
    if (this.#isFirst) this.#socket.setTimeout(idleMs);
    this.#isFirst = false;
    this.#exchange = new DirectExchange(this, request, bytes, state.newRequestId());
    this.#isInTurn = true;
    const exchange = this.#exchange;
    answerSql(exchange, state);
    this.#isInTurn = false;
    exchange.keepBody();
  };

  #isFull(): boolean {
    return this.#heldBytes >= HELD_BYTES_MAX || this.#held.length >= HELD_READS_MAX;
  }

  /** From here on it is a connection like any other. */
  #release(bytes: Buffer): void {
    const socket = this.#socket;
    this.#all.forget(this);
    this.#reads.onBytes = undefined;
    socket.off('end', this.#onEnd).off('close', this.#onClose);
    socket.off('timeout', this.#onTimeout).off('error', ignore);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(Buffer.concat([bytes, ...this.#held]));
    this.#all.options.handOver(socket);
    socket.resume();
  }

  /** Who sends no more is taken as gone, since most who end do not wait; what was found by then is still sent. */
  readonly #onEnd = () => {
    this.#hasEnded = true;
    this.#held = [];
    if (this.#answer === undefined) this.#socket.end();
  };

  readonly #onClose = () => {
    this.#all.forget(this);
    this.#exchange?.onGone?.();
  };

  /** Who takes an answer slowly is not idle, but does not have for ever either. */
  readonly #onTimeout = () => {
    const {idleMs} = this.#all.options;
    const isTaking = this.#socket.writableLength > 0;
    if (isTaking && this.#socket.timeout === idleMs) this.#socket.setTimeout(idleMs + STALLED_MS);
    else if (this.#exchange !== undefined && !isTaking) return;
    else if (this.#isFirst) this.#all.options.refuseSlow(this.#socket);
    else this.#socket.destroy();
  };
}

class DirectExchange implements Exchange {
  readonly requestId: string;
  readonly headers: UsualRequest['headers'];
  onGone: (() => void) | undefined;
  readonly #connection: DirectConnection;
  readonly #bodyAt: number;
  /** Undefined when the body was read out of them. */
  #bytes: Buffer | undefined;
  #hasBegun = false;

  constructor(connection: DirectConnection, {headers, bodyAt}: UsualRequest, bytes: Buffer, requestId: string) {
    this.#connection = connection;
    this.headers = headers;
    this.#bodyAt = bodyAt;
    this.#bytes = bytes;
    this.requestId = requestId;
  }

  get client(): Client {
    return this.#connection.client;
  }

  isRepeated(): boolean {
    return false;
  }

  body(): string {
    const bytes = this.#bytes!;
    this.#bytes = undefined;
    return decodeBody(bytes, this.#bodyAt);
  }

  /** A caller whose token somebody else judges: the body is read later, when other bytes are where it was. */
  keepBody(): void {
    if (this.#bytes !== undefined) this.#bytes = Buffer.from(this.#bytes);
  }

  get isGone(): boolean {
    return this.#connection.socket.destroyed;
  }

  sendJson(status: number, text: string): void {
    this.#count(status);
    const bytes = Buffer.byteLength(text);
    const head = this.#head(status, `content-length: ${bytes}\r\n`);
    const encoding = bytes === text.length ? 'latin1' : 'utf8';
    this.#connection.answer(`${head}${this.#connection.all.headTail()}\r\n${text}`, encoding);
  }

  async sendSlices(slices: Iterable<string> | AsyncIterable<Buffer>, headers: Headers = {}): Promise<void> {
    const {socket, all} = this.#connection;
    this.#hasBegun = true;
    this.#count(200);
    let before = `${this.#head(200, linesOf(headers))}${all.headTail()}Transfer-Encoding: chunked\r\n\r\n`;
    for await (const slice of slices) {
      if (socket.destroyed) return;
      before += `${Buffer.byteLength(slice).toString(16)}\r\n`;
      const isText = typeof slice === 'string';
      const chunk = isText ? `${before}${slice}\r\n` : Buffer.concat([Buffer.from(before), slice, CHUNK_END]);
      before = '';
      if (!socket.write(chunk) && !(await drained(socket))) {
        socket.destroy();
        return;
      }
    }
    socket.write(`${before}0\r\n\r\n`);
    this.#connection.finish();
  }

  sendError(status: number, text: string): void {
    if (this.#hasBegun || this.isGone) this.#connection.destroy();
    else this.sendJson(status, text);
  }

  #count(status: number): void {
    this.#connection.all.options.state.traffic.count(SQL_PATH, status);
  }

  #head(status: number, length: string): string {
    const retry = status === 429 ? RETRY_LINE : '';
    return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\n${length}${retry}x-request-id: ${this.requestId}\r\n${SAFE_LINES}`;
  }
}

/** The Date header, made once a second. */
class HttpDate {
  readonly #nowMs: () => number;
  #second = 0;
  #text = '';

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  text(): string {
    const second = Math.floor(this.#nowMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toUTCString();
    }
    return this.#text;
  }
}

function linesOf(headers: Headers): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

function ignore(): void {}

/**
 * Server: sockets in, answers out. `node:http` with every limit set, a route table, and an orderly end.
 *
 *     connection ─ limits ─ request ─ request id ─ route ─ handler ─ answer
 *                └ direct.ts, as long as only usual requests for the SQL route come
 *
 * Laws: every request is answered, a handler that throws included. Requests of one connection run one after the other, so that a read behind
 * a write sees it though both were sent at once. Closing lets requests that began finish, closes idle connections at once,
 * and cuts the rest when the drain time is over.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {assert} from '../std/assert.ts';
import type {Clock} from '../std/clock.ts';
import {errorJson, sendJson, statusOf} from './answer.ts';
import {BodyBudget, type BodyLimits} from './body.ts';
import type {AddressRanges} from './client.ts';
import type {Cors} from './cors.ts';
import {DirectConnections} from './direct.ts';
import type {Logger, RunSql} from './engine.ts';
import {checkLocal, checkOrigin} from './guard.ts';
import {headOf} from './node-exchange.ts';
import {findRoute, type RouteContext} from './routes.ts';
import {expected} from './sql-route.ts';

export interface HttpLimits extends BodyLimits {
  readonly handlerTimeoutMs: number;
  readonly slowQueryMs: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** False: `node:http` reads every request. Default: true. */
  readonly directRequests?: boolean;
}

export interface HttpServerOptions {
  readonly runSql: RunSql;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly limits: HttpLimits;
  readonly cors: Cors;
  /** Addresses and ranges of proxies whose X-Forwarded-For is believed; this machine is one of them. */
  readonly trustedProxies: AddressRanges;
  readonly logger: Logger;
  readonly version: string;
  readonly buildDate: string;
  readonly clock: Clock;
}

export interface HttpServer {
  /** Rejects with the socket's error, such as EADDRINUSE. */
  listen(): Promise<{port: number}>;
  /** Resolves when the last connection is gone. */
  close(): Promise<void>;
}

/** What all requests share. */
export interface ServerState {
  readonly options: HttpServerOptions;
  readonly bodies: BodyBudget;
  readonly startMs: number;
  isClosing(): boolean;
  newRequestId(): string;
}

const HEADERS_MS = 5000;
const REQUEST_MS = 60_000;
const HEADER_BYTES_MAX = 16_384;
const BACKLOG = 4096;
const BODIES_BYTES_MAX = 256 * 1024 * 1024;
/** Unanswered requests of one connection; who sends more without reading is cut off. */
const PIPELINED_MAX = 1000;
const DRAIN_MS = 10_000;
const IDLE_SWEEP_MS = 50;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const {clock, logger, limits} = options;
  const idPrefix = `${clock.nowMs().toString(36)}-`;
  let requestCount = 0;
  let closing = false;
  const state: ServerState = {
    options,
    bodies: new BodyBudget(BODIES_BYTES_MAX),
    startMs: clock.monotonicMs(),
    isClosing: () => closing,
    newRequestId: () => idPrefix + ++requestCount,
  };
  const pipeline = new Pipeline();

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const requestId = requestIdOf(request) ?? state.newRequestId();
    const headers = {'x-request-id': requestId, ...(closing ? {connection: 'close'} : undefined)};
    options.cors.nameOrigin(request, response);
    pipeline.run(request.socket, () => answer(request, response, {...state, requestId, headers}));
  };

  const server = createServer(
    {
      keepAliveTimeout: limits.keepAliveMs,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
    },
    onRequest,
  );
  server.maxConnections = limits.connectionsMax;
  server.on('checkContinue', onRequest);
  server.on('clientError', refuseMalformed);
  server.on('drop', () =>
    logger.warn({connectionsMax: limits.connectionsMax}, 'A connection was dropped: there are too many.'),
  );

  const direct = readDirectly(server, state);

  return {
    listen: () => listen(server, options),
    close: () => {
      closing = true;
      return drain(server, direct);
    },
  };
}

/** New connections begin at `direct.ts`; node:http gets them from there. */
function readDirectly(server: Server, state: ServerState): DirectConnections | undefined {
  if (state.options.limits.directRequests === false) return undefined;
  const [serve, ...others] = server.listeners('connection');
  assert(serve !== undefined && others.length === 0, 'node:http listens for connections, and nobody else');
  server.off('connection', serve as () => void);
  const direct = new DirectConnections({
    state,
    headersMs: HEADERS_MS,
    keepAliveMs: server.keepAliveTimeout,
    idleMs: server.keepAliveTimeout + server.keepAliveTimeoutBuffer,
    handOver: socket => serve.call(server, socket),
    refuseSlow: socket => refuseMalformed({code: 'ERR_HTTP_REQUEST_TIMEOUT'}, socket),
  });
  server.on('connection', (socket: Socket) => direct.take(socket));
  return direct;
}

/** The requests of each connection that are not answered yet. */
class Pipeline {
  readonly #waiting = new WeakMap<Socket, {count: number; last: Promise<void>}>();

  run(socket: Socket, work: () => Promise<void>): void {
    const line = this.#waiting.get(socket);
    if (line !== undefined && line.count >= PIPELINED_MAX) {
      socket.destroy();
      return;
    }
    const last = line === undefined ? work() : line.last.then(() => (socket.destroyed ? undefined : work()));
    const next = line ?? {count: 0, last};
    next.count++;
    next.last = last;
    this.#waiting.set(socket, next);
    void last.then(() => {
      if (--next.count === 0) this.#waiting.delete(socket);
    });
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
  try {
    const found = findRoute(request.method ?? '', request.url ?? '');
    if (typeof found === 'function') await found(request, response, context);
    else if (found === undefined) response.writeHead(404, {'content-length': 0, ...context.headers}).end();
    else if (request.method === 'OPTIONS') {
      const head = headOf(request, context);
      checkLocal(head);
      checkOrigin(head, context.options.cors);
      context.options.cors.answerOptions(request, response, {allow: found.allow, ...context.headers});
    } else {
      const error = new DbError('METHOD_NOT_ALLOWED', `Use ${found.allow} here.`);
      sendJson(response, statusOf(error), errorJson(error, undefined, 0), {allow: found.allow, ...context.headers});
    }
  } catch (thrown) {
    const error = expected(thrown, context.requestId, context.options.logger);
    if (response.headersSent) response.destroy();
    else sendJson(response, statusOf(error), errorJson(error, undefined, 0), context.headers);
  }
}

/** The caller's own id, if it is short and harmless to log. */
function requestIdOf(request: IncomingMessage): string | undefined {
  const id = request.headers['x-request-id'];
  return typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined;
}

/** Bytes that are no HTTP request, or headers that are too long or too slow. */
function refuseMalformed(error: {readonly code?: string}, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const statuses: Record<string, string> = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  };
  socket.end(
    `HTTP/1.1 ${statuses[error.code ?? ''] ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
  );
}

function listen(server: Server, {host, port, logger}: HttpServerOptions): Promise<{port: number}> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({host, port, backlog: BACKLOG}, () => {
      server.off('error', reject);
      server.on('error', err => logger.error({err}, 'The listening socket failed.'));
      resolve({port: (server.address() as AddressInfo).port});
    });
  });
}

function drain(server: Server, direct: DirectConnections | undefined): Promise<void> {
  return new Promise(resolve => {
    const sweepIdle = () => {
      server.closeIdleConnections();
      direct?.closeIdle();
    };
    const sweep = setInterval(sweepIdle, IDLE_SWEEP_MS);
    const cut = setTimeout(() => {
      server.closeAllConnections();
      direct?.closeAll();
    }, DRAIN_MS);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(cut);
      resolve();
    });
  });
}

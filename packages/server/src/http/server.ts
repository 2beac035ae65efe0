/**
 * Server: sockets in, answers out. `node:http` with every limit set, a route table, and an orderly end.
 *
 *     connection ─ limits ─ request ─ request id ─ route ─ handler ─ answer
 *                └ direct.ts, as long as only usual requests for the SQL route come
 *                                    └ an upgrade to live queries ─ live-socket.ts
 *
 * Laws: every request is answered, a handler that throws included. Requests of one connection run one after the other, so that a read behind
 * a write sees it though both were sent at once. Closing lets requests that began finish, closes idle connections at once,
 * and cuts the rest when the drain time is over.
 */
import {createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import type {Sessions} from '../auth/sessions.ts';
import type {SignInDesk} from '../auth/sign-in-desk.ts';
import type {Users} from '../auth/users.ts';
import type {Live} from '../live/live.ts';
import {assert} from '../std/assert.ts';
import type {Clock} from '../std/clock.ts';
import {Admission} from './admission.ts';
import {SAFE_HEADERS, STALLED_MS} from './answer.ts';
import {BodyBudget, type BodyLimits} from './body.ts';
import type {AddressRanges} from './client.ts';
import {Compression} from './compression.ts';
import type {Cors} from './cors.ts';
import {Deadlines} from './deadlines.ts';
import {DirectConnections} from './direct.ts';
import {answer, refuseBroken, requestIdOf} from './dispatch.ts';
import type {Logger, Measures, RunSql} from './engine.ts';
import {LiveSocket, type LiveSocketOptions} from './live-socket.ts';
import {Pipeline} from './pipeline.ts';
import {type RateLimitOptions, RateLimits} from './rate-limits.ts';
import {brokenRule} from './request-rules.ts';
import {isLiveUpgrade} from './routes.ts';
import {shareReads} from './shared-reads.ts';
import {KILL_MS} from './sql-route.ts';
import {Traffic} from './traffic.ts';

export interface HttpLimits extends BodyLimits {
  readonly handlerTimeoutMs: number;
  readonly slowQueryMs: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** For the head of a request to come. */
  readonly headersMs: number;
  /** For a whole request to come. */
  readonly requestMs: number;
  readonly headerBytesMax: number;
  /** False: `node:http` reads every request. Default: true. */
  readonly directRequests?: boolean;
  /** Whether long answers are compressed for callers that take it. */
  readonly isCompressing: boolean;
}

export interface HttpServerOptions {
  readonly runSql: RunSql;
  readonly sessions: Sessions;
  readonly live: Live;
  readonly liveSocket: LiveSocketOptions;
  readonly auth: {
    readonly desk: SignInDesk;
    readonly users: Users;
    readonly allowRemoteSetup: boolean;
    /** Cookies given out over https are marked Secure. */
    readonly isCookieSecure: boolean;
    readonly passwordLengthMax: number;
  };
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly limits: HttpLimits;
  readonly rates: RateLimitOptions;
  readonly cors: Cors;
  /** Addresses and ranges of proxies whose X-Forwarded-For is believed; this machine is one of them. */
  readonly trustedProxies: AddressRanges;
  /** Who may read /metrics, besides programs of this machine. */
  readonly metricsReaders: AddressRanges;
  /** Without it `/metrics` tells of the edge alone. */
  readonly measures?: () => Measures;
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
  readonly rates: RateLimits;
  readonly compression: Compression;
  readonly traffic: Traffic;
  /** Of statements that are waited for. */
  readonly deadlines: Deadlines;
  readonly startMs: number;
  isClosing(): boolean;
  newRequestId(): string;
}

const HEADERS_MAX = 100;
const BACKLOG = 4096;
const BODIES_BYTES_MAX = 256 * 1024 * 1024;
const DRAIN_MS = 10_000;
const IDLE_SWEEP_MS = 50;
const WARN_EVERY_MS = 1000;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const {clock, logger, limits} = options;
  const idPrefix = `${clock.nowMs().toString(36)}-`;
  let requestCount = 0;
  let closing = false;
  const state: ServerState = {
    options,
    bodies: new BodyBudget(BODIES_BYTES_MAX),
    rates: new RateLimits(options.rates, () => clock.monotonicMs()),
    compression: new Compression({isOn: limits.isCompressing}),
    traffic: new Traffic(),
    deadlines: new Deadlines(clock, limits.handlerTimeoutMs),
    startMs: clock.monotonicMs(),
    isClosing: () => closing,
    newRequestId: () => idPrefix + ++requestCount,
  };
  const pipeline = new Pipeline();

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const requestId = requestIdOf(request) ?? state.newRequestId();
    const headers = {'x-request-id': requestId, ...SAFE_HEADERS, ...(closing ? {connection: 'close'} : undefined)};
    options.cors.nameOrigin(request, response);
    const pair = {request, response};
    const context = {...state, requestId, headers};
    const rule = brokenRule(request);
    if (rule === undefined) pipeline.run(pair, () => answer(request, response, context));
    else pipeline.runLast(pair, () => refuseBroken(rule, request, response, context));
  };

  const server = newNodeServer(options, pipeline, onRequest);
  const warn = new SteadyWarning(clock, logger);
  server.on('drop', () => {
    state.traffic.connectionsDropped++;
    warn.tell({connectionsMax: limits.connectionsMax}, 'A connection was dropped: there are too many.');
  });
  const liveSocket = takeUpgrades(server, state, pipeline);
  const direct = takeConnections(server, state, warn);

  const stopWatching = state.traffic.watchLoop(() => clock.monotonicMs());

  return {
    listen: () => listen(server, options),
    close: () => {
      closing = true;
      stopWatching();
      liveSocket.close();
      return drain(server, direct);
    },
  };
}

/** Every limit of node:http is set. */
function newNodeServer({limits}: HttpServerOptions, pipeline: Pipeline, onRequest: RequestListener): Server {
  const server = createServer(
    {
      keepAliveTimeout: limits.keepAliveMs,
      headersTimeout: Math.min(limits.headersMs, limits.requestMs),
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: limits.headerBytesMax,
      noDelay: true,
      // Any other request that would like to speak something else is answered as what it is besides.
      shouldUpgradeCallback: isLiveUpgrade,
      // Asked for by request-rules.ts: node:http would answer beside the pipeline.
      requireHostHeader: false,
    },
    onRequest,
  );
  server.maxConnections = limits.connectionsMax;
  server.maxHeadersCount = HEADERS_MAX;
  // No statement is silent for longer; whoever takes nothing of an answer is.
  server.timeout = limits.handlerTimeoutMs + KILL_MS + STALLED_MS;
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
  server.on('clientError', (error: {code?: string}, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else pipeline.afterWhole(socket, () => refuseMalformed(error, socket));
  });
  return server;
}

function takeUpgrades(server: Server, state: ServerState, pipeline: Pipeline): LiveSocket {
  const liveSocket = new LiveSocket(state);
  server.on('upgrade', (request, socket, bytes) => {
    // What was asked for before is not answered yet, and its answer would fall between frames.
    if (pipeline.isBusy(request.socket)) socket.destroy();
    else liveSocket.upgrade(request, socket, bytes);
  });
  return liveSocket;
}

/** New connections are admitted, and begin at `direct.ts`; node:http gets them from there. */
function takeConnections(server: Server, state: ServerState, warn: SteadyWarning): DirectConnections | undefined {
  const {traffic} = state;
  const {limits, trustedProxies, clock} = state.options;
  const [listener, ...others] = server.listeners('connection');
  assert(listener !== undefined && others.length === 0, 'node:http listens for connections, and nobody else');
  server.off('connection', listener as () => void);
  const serve = (socket: Socket) => listener.call(server, socket);
  const admission = new Admission({
    limits: state.rates,
    trustedProxies,
    nowMs: () => clock.monotonicMs(),
    onRefused({code}) {
      traffic.refused[code]++;
      warn.tell({code}, 'A connection was refused.');
    },
  });
  const direct =
    limits.directRequests === false
      ? undefined
      : new DirectConnections({
          state,
          headersMs: limits.headersMs,
          keepAliveMs: server.keepAliveTimeout,
          idleMs: server.keepAliveTimeout + server.keepAliveTimeoutBuffer,
          handOver: serve,
          refuseSlow: socket => refuseMalformed({code: 'ERR_HTTP_REQUEST_TIMEOUT'}, socket),
        });
  server.on('connection', (accepted: Socket) => {
    const reads = direct && shareReads(accepted);
    const socket = reads?.socket ?? accepted;
    traffic.connectionsTaken++;
    traffic.connectionsOpen++;
    socket.once('close', () => traffic.connectionsOpen--);
    if (!admission.admit(socket)) return;
    if (reads === undefined) serve(socket);
    else direct!.take(reads);
  });
  return direct;
}

/** One line a second, with the number of those it stands for: strangers do not fill the log. */
class SteadyWarning {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #toldMs = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  tell(facts: object, text: string): void {
    this.#untold++;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs < WARN_EVERY_MS) return;
    this.#logger.warn({...facts, times: this.#untold}, text);
    this.#toldMs = nowMs;
    this.#untold = 0;
  }
}

/** Bytes that are no HTTP request, or headers that are too long or too slow. */
function refuseMalformed(error: {readonly code?: string}, socket: Socket): void {
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

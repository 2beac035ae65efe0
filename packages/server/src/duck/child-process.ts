/**
 * Child process: the server's side of one child. It starts it, sends one request at a time, and makes sure that it ends.
 *
 *     starting ─ ready ─┬─ idle ⇄ running ─┬─ ended
 *                       └──────────────────┘   by end(), by a kill, by itself
 *
 * Laws: `run` settles when the child has answered or is gone, and not before. After an abort that is `killAfterMs` at most. An idle child keeps
 * no process alive. What a child writes to its standard error goes to the log when it is lost.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import type {Socket} from 'node:net';
import {fileURLToPath} from 'node:url';
import {serialize} from 'node:v8';
import {DbError, ERRORS, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {compileCacheEnv} from '../std/compile-cache.ts';
import type {DuckAnswer, DuckRequest} from './duck.ts';
import type {Failure} from './errors.ts';
import type {ListedFile} from './file-check.ts';
import {
  type ChildSettings,
  type Done,
  FRAME,
  type FrameKind,
  FrameReader,
  type RequestHead,
  sendFrame,
} from './frames.ts';

const PRLIMIT = '/usr/bin/prlimit';
/** Beside DuckDB's limit: what Node takes and reserves, and hot rows. */
const OWN_DATA_BYTES = 1.25 * 1024 ** 3;
const HEAP_MEGABYTES = 256;
const STDERR_LENGTH_MAX = 4096;

interface Run {
  readonly request: DuckRequest;
  readonly rows: string[];
  bytes: number;
  resolve(answer: DuckAnswer): void;
  reject(error: unknown): void;
}

export class QueryChild {
  readonly settings: ChildSettings;
  /** Resolves when the process is gone; never rejects. */
  readonly gone: Promise<void>;
  queryCount = 0;
  /** Not to be given another request. */
  isSpent = false;
  wasKilled = false;
  wasEnded = false;
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #killAfterMs: number;
  readonly #log: (text: string) => void;
  #isGone = false;
  #stderr = '';
  #run: Run | undefined;

  constructor(options: {settings: ChildSettings; killAfterMs: number; log: (text: string) => void}) {
    this.settings = options.settings;
    this.#killAfterMs = options.killAfterMs;
    this.#log = options.log;
    this.#process = start(options.settings);
    const socket = this.#process.stdio?.[3];
    if (socket === undefined) throw unavailable('No process could be started for the query; try again.');
    this.#socket = socket as Socket;
    const reader = new FrameReader((kind, payload) => this.#receive(kind, payload));
    this.#socket.on('data', (chunk: Buffer) => this.#guarded(() => reader.push(chunk)));
    // Mostly it has ended by itself, and its end tells why.
    this.#socket.on('error', () => this.#process.kill('SIGKILL'));
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_LENGTH_MAX);
    });
    this.gone = new Promise(resolve => {
      this.#process.once('error', error => this.#end(`could not be started: ${error.message}`, resolve));
      this.#process.once('close', (code, signal) => this.#end(`ended with ${signal ?? `code ${code}`}`, resolve));
    });
  }

  /** Undefined if it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** One at a time. Rejects with whatever making the hot rows threw, or with the child's error. */
  async run(request: DuckRequest, unchecked: readonly ListedFile[], signal: AbortSignal): Promise<DuckAnswer> {
    this.queryCount++;
    this.#keepProcess(true);
    let killTimer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      sendFrame(this.#socket, FRAME.cancel);
      killTimer ??= setTimeout(() => this.kill(), this.#killAfterMs);
    };
    signal.addEventListener('abort', stop, {once: true});
    try {
      const answer = this.#answerTo(request);
      const sendError = await this.#send(request, unchecked, signal).then(
        () => undefined,
        error => error as unknown,
      );
      if (sendError !== undefined) stop();
      return await answer.catch(error => {
        throw sendError ?? error;
      });
    } finally {
      signal.removeEventListener('abort', stop);
      clearTimeout(killTimer);
      this.#run = undefined;
      this.#keepProcess(false);
    }
  }

  #answerTo(request: DuckRequest): Promise<DuckAnswer> {
    const answer = new Promise<DuckAnswer>((resolve, reject) => {
      this.#run = {request, rows: [], bytes: 0, resolve, reject};
      if (this.#isGone) reject(lost());
    });
    // It may come while the request is still being sent, before anybody waits for it.
    answer.catch(() => {});
    return answer;
  }

  /** Lets it end; kills it when it does not. */
  async end(): Promise<void> {
    this.isSpent = true;
    if (this.#isGone) return;
    this.wasEnded = true;
    this.#socket.end();
    const timer = setTimeout(() => this.kill(), this.#killAfterMs);
    await this.gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.isSpent = true;
    if (this.#isGone) return;
    this.wasKilled = true;
    this.#process.kill('SIGKILL');
  }

  async #send(request: DuckRequest, unchecked: readonly ListedFile[], signal: AbortSignal): Promise<void> {
    const relations = request.relations.map(({hot: _, ...head}) => head);
    const head: RequestHead = {...request, relations, unchecked};
    const socket = this.#socket;
    socket.cork();
    sendFrame(socket, FRAME.head, serialize(head));
    try {
      for (const [number, {hot}] of request.relations.entries()) {
        const name = Buffer.alloc(4);
        name.writeUInt32LE(number);
        for await (const {bytes, length} of hot) {
          if (this.#isGone || signal.aborted) return;
          if (sendFrame(socket, FRAME.rows, name, new Uint8Array(bytes, 0, length))) continue;
          socket.uncork();
          await this.#drained();
          socket.cork();
        }
      }
      if (!signal.aborted) sendFrame(socket, FRAME.go);
    } finally {
      socket.uncork();
    }
  }

  /** Or the child is gone. */
  #drained(): Promise<unknown> {
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    return Promise.race([new Promise(resolve => this.#socket.once('drain', resolve)), this.gone]);
  }

  #receive(kind: FrameKind, payload: Buffer): void {
    const run = this.#run;
    switch (kind) {
      case FRAME.ready:
        break;
      case FRAME.answer:
        if (run !== undefined) takeRows(run, payload);
        break;
      case FRAME.done: {
        const done = JSON.parse(payload.toString('utf8')) as Done;
        if (done.residentBytes > this.settings.memoryBytes + OWN_DATA_BYTES / 2) this.isSpent = true;
        run?.resolve({rows: run.rows, isTruncated: done.isTruncated === true});
        break;
      }
      case FRAME.failed:
        run?.reject(this.#failure(JSON.parse(payload.toString('utf8')) as Failure));
        break;
      default:
        throw new Error(`A frame of kind ${kind} is not for the server.`);
    }
  }

  #failure({code, message, log, isFatal}: Failure): DbError {
    if (isFatal === true) this.isSpent = true;
    if (log !== undefined) this.#log(`An analytic query failed: ${log}`);
    const known: ErrorCode = Object.hasOwn(ERRORS, code) ? code : 'INTERNAL_ERROR';
    return new DbError(known, message);
  }

  /** A child that does not keep to the protocol is not listened to any longer. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log(`A query process sent what cannot be read: ${String(error)}`);
      this.kill();
    }
  }

  #end(how: string, resolve: () => void): void {
    this.#isGone = true;
    this.isSpent = true;
    this.#socket.destroy();
    if (!this.wasKilled && !this.wasEnded) this.#log(`A query process ${how}. ${this.#stderr}`.trimEnd());
    this.#run?.reject(lost());
    resolve();
  }

  #keepProcess(isKept: boolean): void {
    const method = isKept ? 'ref' : 'unref';
    this.#process[method]();
    this.#socket[method]();
    (this.#process.stderr as Socket)[method]();
  }
}

function lost(): DbError {
  return unavailable('The process that ran the query ended before it answered; try again.');
}

function unavailable(text: string): DbError {
  return new DbError('QUERY_UNAVAILABLE', text);
}

function takeRows(run: Run, payload: Buffer): void {
  run.bytes += payload.length;
  if (run.bytes > run.request.maxBytes) throw new Error('an answer larger than asked for');
  for (const row of payload.toString('utf8').split('\n')) run.rows.push(row);
}

/** Without the server's environment: nothing of it is for the child to know. */
function start(settings: ChildSettings): ChildProcess {
  const file = import.meta.url.endsWith('.ts') ? './child.ts' : './child.js';
  const node = [`--max-old-space-size=${HEAP_MEGABYTES}`, fileURLToPath(new URL(file, import.meta.url))];
  const command = [process.execPath, ...node, JSON.stringify(settings)];
  if (existsSync(PRLIMIT)) {
    const bytes = Math.ceil(settings.memoryBytes + OWN_DATA_BYTES);
    command.unshift(PRLIMIT, `--data=${bytes}`, '--core=0', '--');
  }
  return spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: compileCacheEnv(),
    cwd: '/',
  });
}

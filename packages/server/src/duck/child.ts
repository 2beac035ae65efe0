/**
 * Child: the process that DuckDB lives in. It serves one request after another over the socket pair it is started with, and ends with it.
 *
 * Law: it ends by a signal to itself. A query may still run on another thread then, and an orderly exit would wait for it.
 */
import {flushCompileCache} from 'node:module';
import {Socket} from 'node:net';
import {deserialize} from 'node:v8';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {Engine, type Job, RefusedSql} from './engine.ts';
import {type Failure, failureOf, OWN_FAULT} from './errors.ts';
import {checkFiles} from './file-check.ts';
import {type ChildSettings, FRAME, type FrameKind, FrameReader, type RequestHead, sendFrame} from './frames.ts';
import {addHotRows, type HotRelation} from './table-functions.ts';

/** Standard input, output and error come first. */
const SOCKET_FD = 3;

const settings = JSON.parse(process.argv[2]!) as ChildSettings;
const socket = new Socket({fd: SOCKET_FD, readable: true, writable: true});
let job: {readonly head: RequestHead; readonly relations: HotRelation[]} | undefined;
let isRunning = false;

function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

socket.on('end', end);
socket.on('close', end);
socket.on('error', end);

const engine = await Engine.open(settings);
const reader = new FrameReader(receive);
socket.on('data', (chunk: Buffer) => reader.push(chunk));
sendFrame(socket, FRAME.ready);
// Node would write it at the exit, and a child has none.
flushCompileCache();

function receive(kind: FrameKind, payload: Buffer): void {
  switch (kind) {
    case FRAME.head:
      job = openJob(payload);
      break;
    case FRAME.rows:
      if (job !== undefined) addHotRows(job.relations[payload.readUInt32LE()]!, payload.subarray(4));
      break;
    case FRAME.go:
      if (job !== undefined) void answer(job);
      break;
    case FRAME.cancel:
      cancel();
      break;
    default:
      throw new Error(`A frame of kind ${kind} is not for a child.`);
  }
}

function openJob(payload: Buffer): {head: RequestHead; relations: HotRelation[]} {
  const head = deserialize(payload) as RequestHead;
  return {head, relations: head.relations.map(one => ({head: one, buffers: [], rowCount: 0, hiddenKeyCount: 0}))};
}

/** Before `go` nothing runs yet: the request is dropped and that is the answer. */
function cancel(): void {
  if (isRunning) engine.cancel();
  else if (job !== undefined)
    sendJson(FRAME.failed, {code: 'STATEMENT_TIMEOUT', message: 'The statement was stopped.'});
  if (!isRunning) job = undefined;
}

async function answer(asked: Job): Promise<void> {
  isRunning = true;
  try {
    const done = await engine.run(asked, emit);
    sendJson(FRAME.done, done);
  } catch (error) {
    sendJson(FRAME.failed, await failure(error, asked));
  } finally {
    isRunning = false;
    job = undefined;
  }
}

function emit(lines: Buffer): Promise<void> | undefined {
  if (sendFrame(socket, FRAME.answer, lines)) return undefined;
  return new Promise(resolve => socket.once('drain', resolve));
}

function sendJson(kind: FrameKind, value: object): void {
  sendFrame(socket, kind, Buffer.from(JSON.stringify(value)));
}

async function failure(error: unknown, asked: Job): Promise<Failure> {
  if (error instanceof DbError) return {code: error.code, message: error.message};
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof RefusedSql) return {...OWN_FAULT, log: `${text} ${asked.head.sql}`};
  const known = failureOf(text, settings.memoryBytes);
  if (known.mayBeFile !== true) return known;
  try {
    await checkFiles(
      asked.head.relations.flatMap(relation => relation.files),
      () => {},
    );
    return known;
  } catch (damage) {
    return {code: 'DATA_CORRUPTED', message: (damage as DbError).message, log: text};
  }
}

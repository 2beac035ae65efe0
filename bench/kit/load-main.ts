/**
 * Load generator: a process of its own that sends ready-made requests over kept connections, one in flight on each, and counts answers.
 *
 * It reads its job (JSON, see `load.ts`) from the file named as its argument and prints the outcome as JSON. To cost little it does not
 * look into answers beyond status, length and whether the body begins as a success.
 */
import {readFileSync} from 'node:fs';
import {connect, type Socket} from 'node:net';
import type {LoadJob, LoadOutcome} from './load.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = /\r\ncontent-length: (\d+)/i;
const STATUS_OK = 'HTTP/1.1 200 ';

const job = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as LoadJob;
const requests = job.requests.map(text => Buffer.from(text));
const micros: number[] = [];
let nextRequest = job.firstRequest;
let failed = 0;
let firstFailure: string | undefined;
let isOver = false;

const sockets = await Promise.all(Array.from({length: job.connections}, open));
const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
const over = () => {
  isOver = true;
};
const timer = setTimeout(over, job.durationMs);
process.on('SIGTERM', over);
await Promise.all(sockets.map(drive));
clearTimeout(timer);
const seconds = (performance.now() - startedMs) / 1000;
const cpu = process.cpuUsage(cpuBefore);
for (const socket of sockets) socket.destroy();
micros.sort((a, b) => a - b);
const outcome: LoadOutcome = {
  requests: micros.length,
  failed,
  firstFailure,
  seconds,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  nextRequest,
  micros: {p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), max: micros.at(-1) ?? 0},
};
process.stdout.write(JSON.stringify(outcome));

function percentile(part: number): number {
  return Math.round(micros[Math.min(micros.length - 1, Math.floor(micros.length * part))] ?? 0);
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({port: job.port, host: '127.0.0.1', noDelay: true}, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Resolves when time is over, or the requests that may be used once are used. */
function drive(socket: Socket, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentMs = 0;
    let rest: Buffer | undefined;
    const send = (fromMs: number) => {
      if (isOver || (job.isOnce && nextRequest >= requests.length)) return resolve();
      sentMs = fromMs;
      socket.write(requests[nextRequest++ % requests.length]!);
    };
    const next = job.perSecond ? paced(job.perSecond, index, send) : () => send(performance.now());
    socket.on('data', (bytes: Buffer) => {
      const answer = rest === undefined ? bytes : Buffer.concat([rest, bytes]);
      const bodyAt = wholeBodyAt(answer);
      rest = bodyAt < 0 ? answer : undefined;
      if (bodyAt < 0) return;
      micros.push((performance.now() - sentMs) * 1000);
      note(answer, bodyAt);
      next();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed a connection')));
    next();
  });
}

/**
 * Sends when it is time; at once if that has passed, and then the time from when it should have been sent counts. A timer that fires late is
 * the load generator's own fault and does not count.
 */
function paced(perSecond: number, index: number, send: (fromMs: number) => void): () => void {
  const everyMs = (1000 * job.connections) / perSecond;
  let dueMs = startedMs + (everyMs * index) / job.connections;
  return () => {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) setTimeout(() => send(performance.now()), waitMs);
    else send(dueMs);
    dueMs += everyMs;
  };
}

/** Where the body begins, or -1 while some of the answer is missing. */
function wholeBodyAt(answer: Buffer): number {
  const headEnd = answer.indexOf(HEAD_END);
  if (headEnd < 0) return -1;
  const length = LENGTH.exec(answer.toString('latin1', 0, headEnd));
  if (length === null) throw new Error(`an answer without a length:\n${answer.toString()}`);
  const bodyAt = headEnd + HEAD_END.length;
  return answer.length >= bodyAt + Number(length[1]) ? bodyAt : -1;
}

function note(answer: Buffer, bodyAt: number): void {
  const isGood =
    answer.toString('latin1', 0, STATUS_OK.length) === STATUS_OK &&
    answer.toString('latin1', bodyAt, bodyAt + job.bodyBegins.length) === job.bodyBegins;
  if (isGood) return;
  failed++;
  firstFailure ??= answer.toString();
}

/**
 * Live sockets: very many sockets with live queries, all in this process: `node live-sockets-main.ts '<job>'` prints what they took and saw.
 *
 * Every socket has a user of its own and queries of one room each; a change is one that concerns one query of every socket.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {residentBytes} from './child.ts';
import {sql} from './kalamdb.ts';
import {WireSocket} from './wire.ts';

export interface SocketsJob {
  readonly port: number;
  /** Of the server. */
  readonly pid: number;
  readonly sockets: number;
  readonly queries: number;
  readonly samples: number;
}

export interface SocketsFigures {
  /** What the server's process grew by for a socket with its queries. */
  readonly socketBytes: number;
  readonly openSeconds: number;
  /** From the request to the frame at a socket, over all sockets and samples. */
  readonly p50: number;
  readonly p99: number;
}

const OPENED_AT_ONCE = 100;
const SETTLE_MS = 2000;
const WAIT_MS_MAX = 60_000;
const PAUSE_MS = 50;

const job = JSON.parse(process.argv[2]!) as SocketsJob;
console.log(JSON.stringify(await measure(job)));
process.exit(0);

async function measure(job: SocketsJob): Promise<SocketsFigures> {
  const {port, pid, sockets, queries, samples} = job;
  await sleep(SETTLE_MS);
  const before = residentBytes(pid);
  const startedMs = performance.now();
  const all: WireSocket[] = [];
  while (all.length < sockets) {
    const count = Math.min(OPENED_AT_ONCE, sockets - all.length);
    all.push(...(await Promise.all(Array.from({length: count}, (_, i) => open(port, all.length + i, queries)))));
  }
  const openSeconds = (performance.now() - startedMs) / 1000;
  await sleep(SETTLE_MS);
  const socketBytes = (residentBytes(pid) - before) / sockets;
  const millis: number[] = [];
  // One more than counts: code gets warm.
  for (let sample = 0; sample <= samples; sample++) {
    const told = await oneChange(port, all, sample);
    if (sample > 0) millis.push(...told);
    await sleep(PAUSE_MS);
  }
  millis.sort((a, b) => a - b);
  const at = (share: number) => millis[Math.floor(millis.length * share)]!;
  return {socketBytes, openSeconds, p50: at(0.5), p99: at(0.99)};
}

async function open(port: number, number: number, queries: number): Promise<WireSocket> {
  const socket = await WireSocket.open(port, '/v1/ws?compress=false', {'X-USER-ID': `user${number}`});
  const {promise, resolve} = Promise.withResolvers<void>();
  let left = queries;
  socket.onFrame = payload => {
    if (payload.toString('latin1', 0, 26) === '{"type":"subscription_ack"' && --left === 0) resolve();
  };
  for (let room = 0; room < queries; room++) {
    const subscription = {id: `s${room}`, sql: `SELECT * FROM bench.events WHERE room = 'room ${room}'`};
    socket.send(JSON.stringify({type: 'subscribe', subscription}));
  }
  await promise;
  return socket;
}

/** Milliseconds at each socket. Throws if one is told twice, or not at all. */
async function oneChange(port: number, all: readonly WireSocket[], sample: number): Promise<number[]> {
  const millis: number[] = [];
  const {promise, resolve, reject} = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`${all.length - millis.length} sockets were not told`)), WAIT_MS_MAX);
  const startedMs = performance.now();
  for (const socket of all) {
    let isTold = false;
    socket.onFrame = payload => {
      if (payload.toString('latin1', 0, 16) !== '{"type":"change"') return;
      if (isTold) reject(new Error('a socket was told twice'));
      isTold = true;
      millis.push(performance.now() - startedMs);
      if (millis.length === all.length) resolve();
    };
  }
  await sql(port, `INSERT INTO bench.events (id, room, body) VALUES (${sample}, 'room 0', 'a text')`, {user: 'bench'});
  await promise;
  clearTimeout(timer);
  return millis;
}

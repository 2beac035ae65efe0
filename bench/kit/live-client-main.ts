/**
 * Live client: all sockets of one measurement in a process of its own: `node live-client-main.ts '<job>'` prints what they saw.
 *
 * A sample begins when the change is asked for, an INSERT over HTTP or a word to the peer, and ends at each socket with the frame that tells it.
 */

import {once} from 'node:events';
import {connect, type Socket} from 'node:net';
import {setTimeout as sleep} from 'node:timers/promises';
import {cpuSeconds} from './child.ts';
import {sqlRequest} from './kalamdb.ts';
import {WireSocket} from './wire.ts';

export interface DeliveryJob {
  readonly side: 'KalamDB' | 'ws';
  readonly port: number;
  /** Of the server. */
  readonly pid: number;
  readonly sockets: number;
  /** The subscription of each socket has an id of its own; else all have the same, as clients that count them have. */
  readonly hasOwnIds?: boolean;
  readonly samples: number;
  /** Changes asked for at once. */
  readonly changes: number;
  /** Of the keys it inserts. */
  readonly firstId: number;
}

export interface DeliveryFigures {
  readonly p50: number;
  readonly p99: number;
  /** From the first ask to the last frame of all samples together. */
  readonly seconds: number;
  readonly frames: number;
  /** Of the server, for one frame; without what it took to open the sockets. */
  readonly cpuMicros: number;
}

const PAUSE_MS = 5;
const WAIT_MS_MAX = 30_000;
const PAYLOAD = JSON.stringify({
  ...{type: 'change', subscription_id: 's', change_type: 'insert'},
  rows: [
    {
      id: '1',
      room: 'general',
      body: 'a message of some words, as people write them',
      _seq: '264905551186497555',
      _deleted: false,
    },
  ],
  seq: '264905551186497555',
});

const job = JSON.parse(process.argv[2]!) as DeliveryJob;
console.log(JSON.stringify(await measure(job)));
process.exit(0);

async function measure(job: DeliveryJob): Promise<DeliveryFigures> {
  const {side, port, pid, sockets, samples, changes, firstId} = job;
  const all = await Promise.all(Array.from({length: sockets}, (_, i) => openSocket(job, i)));
  const ask = side === 'ws' ? await asksOfPeer(port, changes) : await asksOfServer(port, changes, firstId);
  const millis: number[] = [];
  let [left, startedMs, done] = [0, 0, () => {}];
  for (const socket of all) {
    socket.onFrame = payload => {
      if (payload.toString('latin1', 0, 16) !== '{"type":"change"') return;
      millis.push(performance.now() - startedMs);
      if (--left === 0) done();
    };
  }
  let seconds = 0;
  let cpuBefore = 0;
  // One more than counts: code gets warm.
  for (let sample = 0; sample <= samples; sample++) {
    left = sockets * changes;
    const {promise, resolve, reject} = Promise.withResolvers<void>();
    done = resolve;
    const timer = setTimeout(() => reject(new Error(`${left} frames are missing`)), WAIT_MS_MAX);
    startedMs = performance.now();
    ask(sample);
    await promise;
    clearTimeout(timer);
    if (sample > 0) seconds += (performance.now() - startedMs) / 1000;
    await sleep(PAUSE_MS);
    if (sample > 0) continue;
    millis.length = 0;
    cpuBefore = cpuSeconds(pid);
  }
  const cpuMicros = ((cpuSeconds(pid) - cpuBefore) * 1e6) / millis.length;
  millis.sort((a, b) => a - b);
  const at = (share: number) => millis[Math.floor(millis.length * share)]!;
  return {p50: at(0.5), p99: at(0.99), seconds, frames: millis.length, cpuMicros};
}

async function openSocket({side, port, hasOwnIds = false}: DeliveryJob, index: number): Promise<WireSocket> {
  if (side === 'ws') return await WireSocket.open(port, '/');
  const socket = await WireSocket.open(port, '/v1/ws?compress=false', {'X-USER-ID': `user${index}`});
  const id = hasOwnIds ? `s${index}` : 's';
  socket.send(JSON.stringify({type: 'subscribe', subscription: {id, sql: 'SELECT * FROM bench.events'}}));
  await socket.next('{"type":"subscription_ack"');
  return socket;
}

async function asksOfPeer(port: number, count: number): Promise<() => void> {
  const control = await WireSocket.open(port, '/control');
  const text = JSON.stringify({count, payload: PAYLOAD});
  return () => control.send(text);
}

/** Each INSERT on a connection of its own, so that they come together. */
async function asksOfServer(port: number, count: number, firstId: number): Promise<(sample: number) => void> {
  const connections: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({port, host: '127.0.0.1', noDelay: true});
    await once(socket, 'connect');
    socket.resume();
    connections.push(socket);
  }
  return sample => {
    for (const [i, socket] of connections.entries()) {
      const id = firstId + sample * count + i;
      const sql = 'INSERT INTO bench.events (id, room, body) VALUES ($1, $2, $3)';
      const params = [id, 'general', 'a message of some words, as people write them'];
      socket.write(sqlRequest({user: 'bench', sql, params}));
    }
  };
}

/** Live idle: live queries that never match, in a process of its own: `node --expose-gc live-idle-main.ts '<job>'` prints what they cost. */
import {setTimeout as sleep} from 'node:timers/promises';
import {developmentSession} from '../../packages/server/src/auth/sessions.ts';
import type {LiveSink} from '../../packages/server/src/live/live.ts';
import {userName} from './chat.ts';
import {openEmbedded} from './embedded.ts';
import {median} from './report.ts';

export interface LiveJob {
  readonly directory: string;
  readonly kind: 'shared' | 'user';
  readonly queries: number;
}

/** Microseconds of an INSERT alone, of what the queries add to it, and of a subscribe; bytes of a query. */
export interface LiveFigures {
  readonly alone: number;
  readonly write: number;
  readonly subscribe: number;
  readonly bytes: number;
}

const WRITES = 5000;
const OF_CONNECTION = 100;
const USERS = 10_000;
const SETTLE_MS = 200;
const SILENT: LiveSink = {queuedBytes: 0, deliver() {}, close() {}};

const job = JSON.parse(process.argv[2]!) as LiveJob;
console.log(JSON.stringify(await measure(job)));
process.exit(0);

async function measure({directory, kind, queries}: LiveJob): Promise<LiveFigures> {
  const limits = {subscriptionsMax: 1e6, connectionSubscriptionsMax: OF_CONNECTION, userSubscriptionsMax: 1e6};
  const more = {
    queuedBytesMax: 2 ** 20,
    slowMs: 60_000,
    snapshotIdleMs: 60_000,
    historyRowsMax: 200_000,
    historyMs: 60_000,
    progressMs: 60_000,
  };
  const db = await openEmbedded(directory, {durability: 'D1', flushCheckMs: 0, live: {...limits, ...more}});
  await db.sql('CREATE NAMESPACE bench');
  await db.sql(`CREATE ${kind.toUpperCase()} TABLE bench.events (id BIGINT PRIMARY KEY, room TEXT, body TEXT)`);
  let id = 0;
  const write = async () => {
    const params = [{number: String(++id)}];
    const startMs = performance.now();
    await db.sql("INSERT INTO bench.events (id, room, body) VALUES ($1, 'none', 'a text')", {
      user: userName(0),
      params,
    });
    return (performance.now() - startMs) * 1000;
  };
  const writes = async () => {
    const micros: number[] = [];
    for (let i = 0; i < WRITES; i++) micros.push(await write());
    return median(micros);
  };
  await writes();
  const alone = await writes();
  const users = kind === 'user' ? USERS : 1;
  const connections = Array.from({length: Math.max(users, queries / OF_CONNECTION)}, (_, i) =>
    db.live.connect({id: String(i), session: developmentSession(userName(i % users)), sink: SILENT}),
  );
  const before = await liveBytes();
  const startMs = performance.now();
  for (let i = 0; i < queries; i++) {
    const sql = `SELECT * FROM bench.events WHERE room = 'room ${i}'`;
    connections[i % connections.length]!.subscribe({id: `s${i}`, sql, options: undefined});
  }
  const subscribe = ((performance.now() - startMs) * 1000) / queries;
  const bytes = ((await liveBytes()) - before) / queries;
  const beside = await writes();
  await db.close();
  return {alone, write: Math.max(0, beside - alone), subscribe, bytes};
}

async function liveBytes(): Promise<number> {
  await sleep(SETTLE_MS);
  for (let i = 0; i < 3; i++) gc!();
  const {heapUsed, external} = process.memoryUsage();
  return heapUsed + external;
}

/**
 * How fast does a change reach who watches: one client (P8), 1,000 sockets (P9), and a snapshot (P7)?
 *
 * P8 stands beside PostgreSQL's NOTIFY, sent in the transaction that inserts the row; P9 beside a server that does nothing but `ws.send` to each
 * socket. Times begin when the change is asked for: ours hold the request, the statement and the sync of the log.
 */
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {freePort, output, startChild} from './kit/child.ts';
import {type Kalamdb, QUIET, startKalamdb} from './kit/kalamdb.ts';
import type {DeliveryFigures, DeliveryJob} from './kit/live-client-main.ts';
import {NotifyClient} from './kit/notify.ts';
import type {Postgres} from './kit/postgres.ts';
import {type Measure, median} from './kit/report.ts';
import {WireSocket} from './kit/wire.ts';

const CLIENT = fileURLToPath(new URL('./kit/live-client-main.ts', import.meta.url));
const PEER = fileURLToPath(new URL('./kit/raw-ws-main.ts', import.meta.url));
const SOCKETS = 1000;
const ONE_SAMPLES = 1000;
const FAN_SAMPLES = 60;
const MANY = 100;
const MANY_SAMPLES = 20;
const SNAPSHOT_ROWS = 1000;
const SNAPSHOTS = 100;

export const liveDelivery: Bench = {title: 'a change on its way to those who watch', rounds: 3, run};

async function run(context: BenchContext): Promise<Findings> {
  const server = await startKalamdb(join(context.directory, 'kalamdb'), QUIET);
  const port = await freePort();
  const peer = await startChild(process.execPath, [PEER, String(port)], {ready: 'ready'});
  try {
    const postgres = await context.postgres();
    await prepare(server, postgres);
    const rounds = new Rounds();
    let firstId = 1_000_000;
    for (let round = 0; round < context.rounds; round++) {
      rounds.add('snapshot', await snapshotMillis(server.port, 'compress=false'));
      rounds.add('snapshot gzip', await snapshotMillis(server.port, ''));
      const shapes = [
        {name: 'one', sockets: 1, changes: 1, samples: ONE_SAMPLES},
        {name: 'fan', sockets: SOCKETS, changes: 1, samples: FAN_SAMPLES},
        {name: 'many', sockets: SOCKETS, changes: MANY, samples: MANY_SAMPLES},
      ];
      for (const {name, ...shape} of shapes) {
        const ours = await delivered({...shape, side: 'KalamDB', port: server.port, pid: server.pid, firstId});
        firstId += (shape.samples + 1) * shape.changes;
        const raw = await delivered({...shape, side: 'ws', port, pid: peer.pid, firstId});
        context.say(`${name}: ${JSON.stringify({ours, raw})}`);
        if (name === 'many') {
          const apart = {
            ...shape,
            side: 'KalamDB',
            hasOwnIds: true,
            port: server.port,
            pid: server.pid,
            firstId,
          } as const;
          rounds.add('many apart', (await delivered(apart)).cpuMicros);
          firstId += (shape.samples + 1) * shape.changes;
        }
        for (const [figure, value] of Object.entries(ours)) rounds.add(`${name} ${figure}`, value);
        for (const [figure, value] of Object.entries(raw)) rounds.add(`${name} raw ${figure}`, value);
      }
      if (postgres !== undefined) rounds.add('notify', await notifyMillis(postgres));
    }
    return findings(rounds);
  } finally {
    await peer.stop();
    await server.stop();
  }
}

async function prepare(server: Kalamdb, postgres: Postgres | undefined): Promise<void> {
  await server.sql('CREATE NAMESPACE bench');
  await server.sql(
    "CREATE SHARED TABLE bench.events (id BIGINT PRIMARY KEY, room TEXT, body TEXT) WITH (ACCESS_LEVEL = 'PUBLIC')",
  );
  await server.sql('CREATE USER TABLE bench.mine (id BIGINT PRIMARY KEY, room TEXT, body TEXT, size INT)');
  const values = Array.from(
    {length: SNAPSHOT_ROWS},
    (_, i) => `(${i}, 'general', 'a message of some words, number ${i}', ${i})`,
  );
  await server.sql(`INSERT INTO bench.mine (id, room, body, size) VALUES ${values.join()}`, {user: 'reader'});
  await postgres?.sql('CREATE TABLE events (id BIGINT PRIMARY KEY, room TEXT, body TEXT)');
}

async function delivered(job: DeliveryJob): Promise<DeliveryFigures> {
  return JSON.parse(await output(process.execPath, [CLIENT, JSON.stringify(job)]));
}

async function snapshotMillis(port: number, query: string): Promise<number> {
  const socket = await WireSocket.open(port, `/v1/ws?${query}`, {'X-USER-ID': 'reader'});
  const millis: number[] = [];
  for (let i = 0; i <= SNAPSHOTS; i++) {
    const {promise, resolve} = Promise.withResolvers<void>();
    socket.onFrame = payload => {
      // A large frame is the batch, as JSON or compressed.
      if (payload.length > 2000) resolve();
    };
    const startedMs = performance.now();
    const subscription = {id: 's', sql: 'SELECT * FROM bench.mine', options: {}};
    socket.send(JSON.stringify({type: 'subscribe', subscription}));
    await promise;
    if (i > 0) millis.push(performance.now() - startedMs);
    // Fewer than a second allows.
    await new Promise(then => setTimeout(then, 25));
  }
  socket.close();
  return median(millis);
}

async function notifyMillis(postgres: Postgres): Promise<number> {
  const {port} = postgres;
  const listener = await NotifyClient.open(port, 'postgres');
  const writer = await NotifyClient.open(port, 'postgres');
  await listener.done('LISTEN events');
  await writer.done('TRUNCATE events');
  const millis: number[] = [];
  for (let i = 0; i < ONE_SAMPLES; i++) {
    const told = new Promise<void>(resolve => {
      listener.onNotification = resolve;
    });
    const startedMs = performance.now();
    const done = writer.done(
      `INSERT INTO events VALUES (${i}, 'general', 'a message of some words'); NOTIFY events, '${i}'`,
    );
    await told;
    millis.push(performance.now() - startedMs);
    await done;
  }
  listener.close();
  writer.close();
  return median(millis);
}

function findings(rounds: Rounds): Findings {
  const series = (name: string, of: string) => ({name, rounds: rounds.of(of)});
  const notify = rounds.of('notify').length === 0 ? {} : {peer: series('NOTIFY', 'notify')};
  const value = (floor: number, aim: number) => ({by: 'value', better: 'less', floor, aim}) as const;
  const ratio = (floor: number, aim: number) => ({by: 'ratio', better: 'less', floor, aim}) as const;
  const measures: Measure[] = [
    {
      ...{
        goal: 'P7',
        what: `snapshot of ${SNAPSHOT_ROWS} rows, subscribe to last byte`,
        unit: 'ms',
        judge: value(6, 3),
      },
      ours: series('KalamDB', 'snapshot'),
      facts: {'with gzip': median(rounds.of('snapshot gzip'))},
    },
    {
      ...{goal: 'P8', what: 'INSERT asked for → change at its one subscriber, median', unit: 'ms', judge: value(2, 1)},
      ours: series('KalamDB', 'one p50'),
      ...notify,
      facts: {p99: median(rounds.of('one p99'))},
    },
    {
      ...{goal: 'P9', what: `one change → ${SOCKETS} sockets, p99`, unit: 'ms', judge: ratio(2, 1.25)},
      ours: series('KalamDB', 'fan p99'),
      peer: series('ws.send', 'fan raw p99'),
      facts: {p50: median(rounds.of('fan p50')), 'p50 of ws.send': median(rounds.of('fan raw p50'))},
    },
    {
      ...{
        goal: 'P9',
        what: `CPU of the server for a frame, ${MANY} changes at once → ${SOCKETS} sockets`,
        unit: 'µs',
        judge: ratio(1, 0.2),
      },
      ours: series('KalamDB', 'many cpuMicros'),
      peer: series('ws.send', 'many raw cpuMicros'),
      facts: {
        'with ids of subscriptions that all differ': median(rounds.of('many apart')),
        'frames/s': median(rounds.of('many frames')) / median(rounds.of('many seconds')),
        'frames/s of ws.send': median(rounds.of('many raw frames')) / median(rounds.of('many raw seconds')),
      },
    },
  ];
  return {
    durability: 'D2; the peer of P9 keeps nothing',
    settings: {...QUIET, sockets: SOCKETS, 'changes at once': MANY},
    notes: ['Server, peer and the process with all sockets share the CPUs. Without compression, unless stated.'],
    measures,
  };
}

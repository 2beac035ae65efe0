/**
 * How many bytes of memory does one user, row, segment, table or idle connection cost?
 *
 * Each kind is measured in a process of its own, by the difference that very many of them make. The page in the guide is written from the result.
 */
import {once} from 'node:events';
import {connect, type Socket} from 'node:net';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {output, residentBytes} from './kit/child.ts';
import {QUIET, startKalamdb} from './kit/kalamdb.ts';
import type {MemoryFigures, MemoryJob} from './kit/memory-main.ts';
import type {Measure} from './kit/report.ts';

const MAIN = fileURLToPath(new URL('./kit/memory-main.ts', import.meta.url));
const CONNECTIONS = 1000;
const SETTLE_MS = 3000;

const KINDS: readonly {kind: MemoryJob['kind']; count: number; what: string}[] = [
  {kind: 'hot scopes', count: 100_000, what: 'user with one row in memory'},
  {kind: 'hot rows', count: 50_000, what: 'row in memory, of users with ten'},
  {kind: 'cold scopes', count: 100_000, what: 'user with nothing in memory and one segment'},
  {kind: 'segments', count: 100_000, what: 'further segment of a scope'},
  {kind: 'tables', count: 10_000, what: 'table of three columns, empty'},
];

export const memoryCosts: Bench = {title: 'memory of one of each kind, from the difference of many', rounds: 1, run};

async function run(context: BenchContext): Promise<Findings> {
  const rounds = new Rounds();
  for (let round = 0; round < context.rounds; round++) {
    for (const {kind, count} of KINDS) {
      const figures = await measured({kind, count, directory: join(context.directory, `${kind}-${round}`)});
      context.say(`${kind}: ${JSON.stringify(figures)}`);
      for (const [name, value] of Object.entries(figures)) rounds.add(`${kind} ${name}`, Math.round(value));
    }
    rounds.add('connections resident', await connectionBytes(join(context.directory, `connections-${round}`)));
  }
  return {
    durability: 'D1',
    settings: {...QUIET},
    notes: [
      'ours = what the process holds more after a start, live objects and buffers after a collection; facts: resident = its resident memory, counted = what the memory limits count.',
      'Rows have a key, an INT and a text of 24 bytes. Segments are entries of manifests, made without files.',
    ],
    measures: [...KINDS.map(one => measureOf(rounds, one)), connectionMeasure(rounds)],
  };
}

async function measured(job: Omit<MemoryJob, 'step'>): Promise<MemoryFigures> {
  const step = (name: MemoryJob['step']) =>
    output(process.execPath, ['--expose-gc', MAIN, JSON.stringify({...job, step: name})]);
  await step('fill');
  return JSON.parse(await step('measure'));
}

function measureOf(rounds: Rounds, {kind, count, what}: (typeof KINDS)[number]): Measure {
  const first = (name: string) => rounds.of(`${kind} ${name}`)[0]!;
  return {
    goal: 'memory',
    what,
    unit: 'bytes',
    ours: {name: 'live', rounds: rounds.of(`${kind} live`)},
    judge: undefined,
    facts: {count, resident: first('resident'), counted: first('counted')},
  };
}

function connectionMeasure(rounds: Rounds): Measure {
  return {
    goal: 'memory',
    what: 'idle HTTP connection, after one request',
    unit: 'bytes',
    ours: {name: 'resident', rounds: rounds.of('connections resident')},
    judge: undefined,
    facts: {count: CONNECTIONS, counted: 0},
  };
}

async function connectionBytes(directory: string): Promise<number> {
  const server = await startKalamdb(directory, QUIET);
  const sockets: Socket[] = [];
  try {
    // The first ones pay for code that is compiled and pools that are filled.
    sockets.push(...(await opened(server.port, CONNECTIONS / 10)));
    await sleep(SETTLE_MS);
    const before = residentBytes(server.pid);
    sockets.push(...(await opened(server.port, CONNECTIONS)));
    await sleep(SETTLE_MS);
    return Math.round((residentBytes(server.pid) - before) / CONNECTIONS);
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  }
}

async function opened(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await once(socket, 'data');
    sockets.push(socket);
  }
  return sockets;
}

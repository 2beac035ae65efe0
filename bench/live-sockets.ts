/**
 * What do very many sockets with live queries take: 100,000 queries on 1,000 sockets, and 10,000 sockets?
 *
 * Server and sockets are in processes of their own, each with its own limit of open files; where that is too low for a shape, it is left out, and the
 * report says so. That every socket is told of every change once is checked as it is measured.
 */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {output} from './kit/child.ts';
import {LARGE_MEMORY, QUIET, startKalamdb} from './kit/kalamdb.ts';
import type {SocketsFigures, SocketsJob} from './kit/live-sockets-main.ts';
import {type Measure, median} from './kit/report.ts';

const MAIN = fileURLToPath(new URL('./kit/live-sockets-main.ts', import.meta.url));
const SHAPES = [
  {sockets: 1000, queries: 100, samples: 20},
  {sockets: 10_000, queries: 1, samples: 20},
] as const;
/** Files of a process beside its sockets. */
const OTHER_FILES = 200;
const SETTINGS = {
  ...QUIET,
  ...LARGE_MEMORY,
  'performance.max_connections': 25_000,
  'rate_limit.max_messages_per_sec': 1000,
};

export const liveSockets: Bench = {title: 'very many sockets with live queries', rounds: 1, run};

async function run(context: BenchContext): Promise<Findings> {
  const filesMax = openFilesMax();
  const shapes = SHAPES.filter(({sockets}) => sockets + OTHER_FILES <= filesMax);
  const rounds = new Rounds();
  for (let round = 0; round < context.rounds; round++) {
    for (const shape of shapes) {
      const server = await startKalamdb(join(context.directory, `${shape.sockets}-${round}`), SETTINGS);
      try {
        await server.sql('CREATE NAMESPACE bench');
        await server.sql(
          "CREATE SHARED TABLE bench.events (id BIGINT PRIMARY KEY, room TEXT, body TEXT) WITH (ACCESS_LEVEL = 'PUBLIC')",
        );
        const job: SocketsJob = {...shape, port: server.port, pid: server.pid};
        const figures: SocketsFigures = JSON.parse(await output(process.execPath, [MAIN, JSON.stringify(job)]));
        context.say(`${shape.sockets}: ${JSON.stringify(figures)}`);
        for (const [name, value] of Object.entries(figures)) rounds.add(`${shape.sockets} ${name}`, value);
      } finally {
        await server.stop();
      }
    }
  }
  const left = SHAPES.filter(({sockets}) => sockets + OTHER_FILES > filesMax);
  return {
    durability: 'D2',
    settings: {...SETTINGS, 'open files of a process': filesMax},
    notes: [
      'Memory: what the resident memory of the server grew by, for a socket with its queries.',
      ...left.map(({sockets}) => `${sockets} sockets: left out, as a process may open ${filesMax} files.`),
    ],
    measures: shapes.flatMap(shape => measuresOf(shape, rounds)),
  };
}

function measuresOf({sockets, queries}: (typeof SHAPES)[number], rounds: Rounds): Measure[] {
  const what = `${sockets.toLocaleString('en-US')} sockets, live queries of each: ${queries}`;
  const series = (name: string) => ({name: 'KalamDB', rounds: rounds.of(`${sockets} ${name}`)});
  const fact = (name: string) => median(rounds.of(`${sockets} ${name}`));
  const measure = {goal: 'sockets', judge: undefined};
  return [
    {
      ...measure,
      what: `${what}: memory of a socket`,
      unit: 'bytes',
      ours: series('socketBytes'),
      facts: {'seconds to open all': fact('openSeconds')},
    },
    {
      ...measure,
      what: `${what}: INSERT → each of them told, p99`,
      unit: 'ms',
      ours: series('p99'),
      facts: {p50: fact('p50')},
    },
  ];
}

/** Node raises what a process may open to what it is allowed to. */
function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const found = /^Max open files\s+(\d+)/m.exec(limits);
  return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
}

/**
 * How many single-row INSERTs a second are durable, over HTTP? (P1; P1b at durability class D1)
 *
 * The peer is PostgreSQL, driven by pgbench with prepared statements; with `synchronous_commit=off` beside class D1. Each database makes the
 * keys itself. Our rows are spread over the tables of 200 users.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {
  bodyText,
  CHAT_TABLE,
  insertRequests,
  POSTGRES_CHAT_TABLE,
  POSTGRES_INSERT,
  randomOf,
  USERS,
} from './kit/chat.ts';
import {syncsPerSecond} from './kit/disk.ts';
import {type Kalamdb, LARGE_MEMORY, QUIET, startKalamdb} from './kit/kalamdb.ts';
import type {Postgres} from './kit/postgres.ts';
import {type Measure, median} from './kit/report.ts';
import {factsOf, type Side, sideBySide, takeOurs, takePgbench} from './kit/side-by-side.ts';

const CLIENTS = [16, 64] as const;
const REQUESTS = 8192;
const DISK_MS = 1000;

const CLASSES = [
  {goal: 'P1', durability: 'D2', synchronousCommit: 'on', floor: 1, aim: 1.6},
  {goal: 'P1b', durability: 'D1', synchronousCommit: 'off', floor: 0.6, aim: 1},
] as const;
type Class = (typeof CLASSES)[number];

export const insertHttp: Bench = {title: 'single-row INSERT over HTTP', rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const settings = {...QUIET, ...LARGE_MEMORY};
  const postgres = await context.postgres();
  await postgres?.sql(POSTGRES_CHAT_TABLE);
  const measures: Measure[] = [];
  const disk: number[] = [];
  for (const one of CLASSES) {
    const server = await startKalamdb(join(context.directory, one.durability), {
      ...settings,
      'storage.durability': one.durability,
    });
    try {
      for (const statement of CHAT_TABLE) await server.sql(statement);
      disk.push(syncsPerSecond(context.directory, DISK_MS));
      measures.push(...(await compare(context, one, server, postgres)));
    } finally {
      await server.stop();
    }
  }
  return {
    durability: 'P1: D2 beside fsync=on, synchronous_commit=on; P1b: D1 beside synchronous_commit=off',
    settings: {...settings, ...prefixed(postgres?.settings ?? {}), users: USERS, 'body characters': 100},
    notes: [
      `One fdatasync after another, each after 4 KiB: ${Math.round(median(disk))} a second on this disk.`,
      'Each client has one request in flight. Server and load generator share the CPUs; what each costs is in its facts.',
    ],
    measures,
  };
}

async function compare(
  context: BenchContext,
  one: Class,
  server: Kalamdb,
  postgres: Postgres | undefined,
): Promise<Measure[]> {
  const {directory, seconds, seed} = context;
  const requests = insertRequests(REQUESTS, randomOf(seed));
  const body = bodyText(randomOf(seed + 1));
  const ours = (clients: number): Side => ({
    name: `KalamDB ${clients}`,
    take: () => takeOurs(server, directory, {connections: clients, durationMs: seconds * 1000, requests}),
  });
  const peer = (clients: number, to: Postgres): Side => ({
    name: `PostgreSQL ${clients}`,
    take: () =>
      takePgbench(to, {
        clients,
        seconds,
        seed,
        scripts: [POSTGRES_INSERT],
        variables: {body},
        session: {synchronous_commit: one.synchronousCommit},
      }),
  });
  context.say(`${one.goal}: ${context.rounds} rounds`);
  const found = await sideBySide(
    context,
    CLIENTS.flatMap(clients => [ours(clients), ...(postgres === undefined ? [] : [peer(clients, postgres)])]),
  );
  return CLIENTS.map(clients => {
    const us = found.get(`KalamDB ${clients}`)!;
    const them = found.get(`PostgreSQL ${clients}`);
    return {
      goal: one.goal,
      what: `INSERT, class ${one.durability}, ${clients} in flight`,
      unit: '/s',
      ours: us.series,
      ...(them === undefined ? {} : {peer: {...them.series, name: 'PostgreSQL'}}),
      judge: {by: 'ratio', better: 'more', floor: one.floor, aim: one.aim},
      facts: factsOf(us, them),
    };
  });
}

function prefixed(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`PostgreSQL ${name}`, value]));
}

/**
 * How many rows a second are read by primary key, over HTTP? (P2)
 *
 * The bound is a bare node:http server that parses the same requests and sends them back; the peer is PostgreSQL with prepared statements.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {bodyText, type Random, randomOf} from './kit/chat.ts';
import {startEcho} from './kit/echo.ts';
import {type Kalamdb, QUIET, sqlRequest, startKalamdb} from './kit/kalamdb.ts';
import type {Postgres} from './kit/postgres.ts';
import type {Measure} from './kit/report.ts';
import {factsOf, type Side, sideBySide, takeLoad, takeOurs, takePgbench} from './kit/side-by-side.ts';

const CLIENTS = [16, 64] as const;
const ROWS = 10_000;
const ROWS_PER_INSERT = 500;
const REQUESTS = 8192;
const COLUMNS = 'id, name, n, price';

export const readByKey: Bench = {title: `SELECT by primary key, ${ROWS} rows, with a parameter`, rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const {directory, seconds, seed} = context;
  const server = await startKalamdb(join(directory, 'kalamdb'), QUIET);
  const echo = await startEcho();
  try {
    const postgres = await context.postgres();
    await fill(server, postgres, randomOf(seed));
    const requests = selects(randomOf(seed));
    const durationMs = seconds * 1000;
    const sides = CLIENTS.flatMap((clients): Side[] => [
      {
        name: `KalamDB ${clients}`,
        take: () => takeOurs(server, directory, {connections: clients, durationMs, requests}),
      },
      {
        name: `echo ${clients}`,
        take: () =>
          takeLoad(echo, echo.port, directory, {connections: clients, durationMs, requests, bodyBegins: '{"sql":'}),
      },
      ...(postgres === undefined
        ? []
        : [{name: `PostgreSQL ${clients}`, take: () => takePgbench(postgres, pgbenchJob(clients, seconds, seed))}]),
    ]);
    const found = await sideBySide(context, sides);
    const against = (clients: number, name: string, limits: {floor?: number; aim: number}): Measure[] => {
      const us = found.get(`KalamDB ${clients}`)!;
      const them = found.get(`${name} ${clients}`);
      if (them === undefined) return [];
      return [
        {
          goal: 'P2',
          what: `SELECT by key, ${clients} in flight, beside ${name}`,
          unit: '/s',
          ours: us.series,
          peer: {...them.series, name},
          judge: {by: 'ratio', better: 'more', ...limits},
          facts: factsOf(us, them),
        },
      ];
    };
    return {
      durability: 'D2; nothing is written',
      settings: {...QUIET, rows: ROWS},
      notes: [
        'The echo runs on the same Node and gets the same bytes: it is what node:http, JSON.parse and JSON.stringify cost.',
      ],
      measures: CLIENTS.flatMap(clients => [
        ...against(clients, 'echo', {floor: 0.4, aim: 0.6}),
        ...against(clients, 'PostgreSQL', {aim: 1}),
      ]),
    };
  } finally {
    await echo.stop();
    await server.stop();
  }
}

async function fill(server: Kalamdb, postgres: Postgres | undefined, random: Random): Promise<void> {
  const columns = 'id INT PRIMARY KEY, name TEXT NOT NULL, n BIGINT NOT NULL, price DOUBLE PRECISION NOT NULL';
  await server.sql('CREATE NAMESPACE bench');
  await server.sql(`CREATE SHARED TABLE bench.items (${columns})`);
  await postgres?.sql(`CREATE TABLE items (${columns})`);
  for (let from = 1; from <= ROWS; from += ROWS_PER_INSERT) {
    const rows = Array.from(
      {length: ROWS_PER_INSERT},
      (_, i) => `(${from + i}, '${bodyText(random)}', ${Math.floor(random() * 1e12)}, ${random().toFixed(6)})`,
    ).join(', ');
    await server.sql(`INSERT INTO bench.items (${COLUMNS}) VALUES ${rows}`);
    await postgres?.sql(`INSERT INTO items (${COLUMNS}) VALUES ${rows}`);
  }
  await postgres?.sql('VACUUM ANALYZE items');
}

function selects(random: Random): string[] {
  const sql = `SELECT ${COLUMNS} FROM bench.items WHERE id = $1`;
  return Array.from({length: REQUESTS}, () =>
    sqlRequest({user: 'bench', sql, params: [1 + Math.floor(random() * ROWS)]}),
  );
}

function pgbenchJob(clients: number, seconds: number, seed: number) {
  const script = `\\set id random(1, ${ROWS})\nSELECT ${COLUMNS} FROM items WHERE id = :id;\n`;
  return {clients, seconds, seed, scripts: [script]};
}

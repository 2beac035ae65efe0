/**
 * How many rows a second do 50-row INSERT statements with literals write, over HTTP? (P3)
 *
 * No statement is sent twice within the reach of a statement cache, so each is parsed. The peer gets statements of the same kind, as texts.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {bodyText, CHAT_TABLE, POSTGRES_CHAT_TABLE, type Random, ROOMS, randomOf, USERS, userName} from './kit/chat.ts';
import {LARGE_MEMORY, QUIET, sqlRequest, startKalamdb} from './kit/kalamdb.ts';
import type {Series} from './kit/report.ts';
import {factsOf, type Side, sideBySide, takeLoad, takePgbench} from './kit/side-by-side.ts';

const CLIENTS = 16;
const ROWS = 50;
/** Some 30 MB of texts: the statement cache holds 4 MB. */
const STATEMENTS = 4096;
/** pgbench takes no more than 128 files. */
const SCRIPTS = 100;

export const bulkInsert: Bench = {title: `${ROWS}-row INSERT statements with literals`, rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const {directory, seconds, seed} = context;
  const settings = {...QUIET, ...LARGE_MEMORY};
  const server = await startKalamdb(join(directory, 'kalamdb'), settings);
  try {
    for (const statement of CHAT_TABLE) await server.sql(statement);
    const postgres = await context.postgres();
    await postgres?.sql(POSTGRES_CHAT_TABLE);
    const requests = statements(randomOf(seed));
    const scripts = postgresScripts(randomOf(seed));
    const sides: Side[] = [
      {
        name: 'KalamDB',
        take: () =>
          takeLoad(server, server.port, directory, {connections: CLIENTS, durationMs: seconds * 1000, requests}),
      },
    ];
    if (postgres !== undefined) {
      const job = {clients: CLIENTS, seconds, seed, scripts, mode: 'simple'} as const;
      sides.push({name: 'PostgreSQL', take: () => takePgbench(postgres, job)});
    }
    const found = await sideBySide(context, sides);
    const us = found.get('KalamDB')!;
    const them = found.get('PostgreSQL');
    return {
      durability: 'D2 beside fsync=on, synchronous_commit=on',
      settings: {...settings, users: USERS, 'rows per statement': ROWS, clients: CLIENTS},
      notes: ['CPU and latency are per statement.'],
      measures: [
        {
          goal: 'P3',
          what: `rows of ${ROWS}-row INSERTs, ${CLIENTS} in flight`,
          unit: 'rows/s',
          ours: rowsOf(us.series),
          ...(them === undefined ? {} : {peer: rowsOf(them.series)}),
          judge: {by: 'value', better: 'more', floor: 50_000, aim: 100_000},
          facts: factsOf(us, them),
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

function rowsOf({name, rounds}: Series): Series {
  return {name, rounds: rounds.map(count => count * ROWS)};
}

function statements(random: Random): string[] {
  return Array.from({length: STATEMENTS}, (_, i) => {
    const rows = Array.from({length: ROWS}, () => `(${room(random)}, '${bodyText(random)}')`).join(', ');
    return sqlRequest({
      user: userName(i % USERS),
      sql: `INSERT INTO bench.messages (room, body) VALUES ${rows}`,
    });
  });
}

function postgresScripts(random: Random): string[] {
  return Array.from({length: SCRIPTS}, (_, i) => {
    const user = userName(i % USERS);
    const rows = Array.from({length: ROWS}, () => `('${user}', ${room(random)}, '${bodyText(random)}')`).join(', ');
    return `INSERT INTO messages (user_id, room, body) VALUES ${rows};\n`;
  });
}

function room(random: Random): number {
  return 1 + Math.floor(random() * ROOMS);
}

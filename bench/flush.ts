/**
 * How fast do rows leave memory for Parquet, and what do inserts feel of it? (P13)
 *
 *     many rows     1M chat rows of 200 users, flushed while inserts into the same table arrive at an even rate
 *     many scopes   10k users with a few rows each
 *
 * Inserts arrive on time whether or not the last one was answered, so that waiting in line counts. Their 99th percentile during the flush is
 * held against the one before it.
 */
import {join} from 'node:path';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {untilCalm} from './kit/calm.ts';
import {chatTable, fillChat, insertRequests, randomOf, USERS} from './kit/chat.ts';
import {FLUSH_MS_MAX, flushTable} from './kit/flush-job.ts';
import {type Kalamdb, LARGE_MEMORY, QUIET, startKalamdb} from './kit/kalamdb.ts';
import {startLoad} from './kit/load.ts';
import type {Measure} from './kit/report.ts';

const ROWS = 1_000_000;
const SMALL_USERS = 10_000;
const ROWS_PER_SMALL_USER = 10;
/** About a tenth of what the server can do. */
const INSERTS_PER_SECOND = 500;
const CONNECTIONS = 16;
const REQUESTS = 4096;
const IDLE_MS = 5000;

export const flush: Bench = {title: 'flush of rows in memory to Parquet segments', rounds: 3, run};

async function run(context: BenchContext): Promise<Findings> {
  const settings = {...QUIET, ...LARGE_MEMORY};
  const rounds = new Rounds();
  // The first round warms up.
  for (let round = 0; round <= context.rounds; round++) {
    await untilCalm(context.patienceMs);
    const server = await startKalamdb(join(context.directory, `round-${round}`), settings);
    try {
      await server.sql('CREATE NAMESPACE bench');
      const found = {...(await manyRows(server, context)), ...(await manyScopes(server, context))};
      context.say(`round ${round}: ${JSON.stringify(found)}`);
      if (round > 0) for (const [name, value] of Object.entries(found)) rounds.add(name, value);
    } finally {
      await server.stop();
    }
  }
  return {
    durability: 'D2',
    settings: {
      ...settings,
      rows: ROWS,
      users: USERS,
      'small users': SMALL_USERS,
      'inserts per second': INSERTS_PER_SECOND,
    },
    notes: ['Every round has a server and a data directory of its own.'],
    measures: measuresOf(rounds),
  };
}

function measuresOf(rounds: Rounds): Measure[] {
  const ours = (name: string) => ({name: 'KalamDB', rounds: rounds.of(name)});
  return [
    {
      goal: 'P13',
      what: `flush of ${ROWS / 1e6}M rows of ${USERS} users`,
      unit: 'rows/s',
      ours: ours('rowsPerSecond'),
      judge: {by: 'value', better: 'more', floor: 100_000, aim: 180_000},
      facts: {},
    },
    {
      goal: 'P13',
      what: `flush of ${SMALL_USERS / 1000}k users with ${ROWS_PER_SMALL_USER} rows each`,
      unit: 'scopes/s',
      ours: ours('scopesPerSecond'),
      judge: {by: 'value', better: 'more', floor: 200, aim: 500},
      facts: {},
    },
    {
      goal: 'P13',
      what: 'p99 of an INSERT during the large flush',
      unit: 'ms',
      ours: ours('p99DuringMillis'),
      peer: {name: 'before it', rounds: rounds.of('p99IdleMillis')},
      judge: {by: 'ratio', better: 'less', floor: 5, aim: 2},
      facts: {},
    },
  ];
}

async function manyRows(server: Kalamdb, {directory, seed}: BenchContext) {
  const random = randomOf(seed);
  await server.sql(chatTable('bench.messages'));
  await fillChat(server, 'bench.messages', {users: USERS, perUser: ROWS / USERS}, random);
  const job = {
    port: server.port,
    connections: CONNECTIONS,
    perSecond: INSERTS_PER_SECOND,
    requests: insertRequests(REQUESTS, random),
  };
  const idle = await (await startLoad(directory, {...job, durationMs: IDLE_MS})).outcome;
  const load = await startLoad(directory, {...job, durationMs: FLUSH_MS_MAX});
  const {seconds, rows} = await flushTable(server, 'bench.messages');
  load.end();
  const during = await load.outcome;
  return {
    rowsPerSecond: Math.round(rows / seconds),
    p99IdleMillis: idle.micros.p99 / 1000,
    p99DuringMillis: during.micros.p99 / 1000,
  };
}

async function manyScopes(server: Kalamdb, {seed}: BenchContext) {
  await server.sql(chatTable('bench.small'));
  await fillChat(server, 'bench.small', {users: SMALL_USERS, perUser: ROWS_PER_SMALL_USER}, randomOf(seed + 1));
  const {seconds} = await flushTable(server, 'bench.small');
  return {scopesPerSecond: Math.round(SMALL_USERS / seconds)};
}

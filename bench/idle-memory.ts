/**
 * How much memory do the processes of an idle server hold? (P12)
 *
 *     after the start          nothing was asked yet
 *     after analytic queries   DuckDB was at work in a process of its own, which has ended since
 */
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {untilCalm} from './kit/calm.ts';
import {randomOf} from './kit/chat.ts';
import {childrenOf, residentBytes} from './kit/child.ts';
import {type Kalamdb, QUIET, startKalamdb} from './kit/kalamdb.ts';
import {addMessages, createMessages, MESSAGES} from './kit/messages.ts';
import type {Measure} from './kit/report.ts';

const SETTINGS = {...QUIET, 'analytic.idle_seconds': 1};
const SETTLE_MS = 3000;
const ROWS = 1000;
const QUERIES = 10;
const CHILD_MS_MAX = 30_000;
const JOIN = `SELECT COUNT(*) AS n FROM ${MESSAGES.kalamdb} a JOIN ${MESSAGES.kalamdb} b ON a.author = b.author`;

export const idleMemory: Bench = {title: 'memory of the processes of an idle server', rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const rounds = new Rounds();
  for (let round = 0; round < context.rounds; round++) {
    await untilCalm(context.patienceMs);
    const server = await startKalamdb(join(context.directory, `round-${round}`), SETTINGS);
    try {
      await sleep(SETTLE_MS);
      rounds.add('start', mebibytes(server));
      await createMessages(server, undefined);
      await addMessages(server, undefined, {first: 1, count: ROWS}, randomOf(context.seed));
      await sleep(SETTLE_MS);
      rounds.add('rows', mebibytes(server));
      for (let i = 0; i < QUERIES; i++) await server.sql(JOIN);
      rounds.add('child', mebibytes(server));
      await untilAlone(server);
      await sleep(SETTLE_MS);
      rounds.add('alone', mebibytes(server));
    } finally {
      await server.stop();
    }
  }
  const measure = (what: string, name: string, judge: Measure['judge']): Measure => ({
    goal: 'P12',
    what,
    unit: 'MiB',
    ours: {name: 'KalamDB', rounds: rounds.of(name)},
    judge,
    facts: {},
  });
  const limits = {by: 'value', better: 'less', floor: 160, aim: 115} as const;
  return {
    durability: 'D2',
    settings: {...SETTINGS, rows: ROWS, 'analytic queries': QUERIES},
    notes: [
      'Resident memory of the server and its children, from source; pages that several of them share count for each.',
    ],
    measures: [
      measure('idle after the start', 'start', limits),
      measure('idle after analytic queries, their process ended', 'alone', limits),
      measure(`idle with ${ROWS} rows in memory`, 'rows', undefined),
      measure('right after analytic queries, their process idle', 'child', undefined),
    ],
  };
}

function mebibytes({pid}: Kalamdb): number {
  return Math.round(residentBytes(pid) / 1024 ** 2);
}

async function untilAlone({pid}: Kalamdb): Promise<void> {
  for (const endMs = performance.now() + CHILD_MS_MAX; performance.now() < endMs; await sleep(100)) {
    if (childrenOf(pid).length === 0) return;
  }
  throw new Error('a process that ran queries did not end');
}

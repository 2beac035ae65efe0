/**
 * How long do GROUP BY, SUM and AVG over rows in memory take, over HTTP? (P5)
 *
 * The peer is PostgreSQL with the same rows in its cache and prepared statements.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {randomOf} from './kit/chat.ts';
import {QUIET, startKalamdb} from './kit/kalamdb.ts';
import {askInTurn, millisOf, type Question} from './kit/latency.ts';
import {addMessages, createMessages, MESSAGES, ROOM_COUNT} from './kit/messages.ts';
import {factsOf} from './kit/side-by-side.ts';

const ROWS = 10_000;

export const groupHot: Bench = {title: `GROUP BY, SUM and AVG over ${ROWS} rows in memory`, rounds: 5, run};

const QUESTIONS: readonly Question[] = [
  question('GROUP BY with COUNT, SUM and AVG', table => [
    `SELECT room, COUNT(*) AS n, SUM(size) AS total, AVG(amount) AS mean FROM ${table} GROUP BY room`,
  ]),
  question('SUM and AVG of all rows', table => [`SELECT SUM(size) AS total, AVG(amount) AS mean FROM ${table}`]),
];

function question(name: string, sqls: (table: string) => string[]): Question {
  return {
    name,
    statements: sqls(MESSAGES.kalamdb).map(sql => ({sql})),
    script: sqls(MESSAGES.postgres).join(';\n') + ';\n',
  };
}

async function run(context: BenchContext): Promise<Findings> {
  const server = await startKalamdb(join(context.directory, 'kalamdb'), QUIET);
  try {
    const postgres = await context.postgres();
    await createMessages(server, postgres);
    await addMessages(server, postgres, {first: 1, count: ROWS}, randomOf(context.seed));
    await postgres?.sql(`VACUUM ANALYZE ${MESSAGES.postgres}`);
    const answered = await askInTurn(context, server, postgres, QUESTIONS);
    return {
      durability: 'D2; nothing is written',
      settings: {...QUIET, rows: ROWS, groups: ROOM_COUNT},
      notes: ['One client, one statement at a time.'],
      measures: answered.map(({question: {name}, ours, peer}) => ({
        goal: 'P5',
        what: name,
        unit: 'ms',
        ours: millisOf(ours),
        ...(peer === undefined ? {} : {peer: millisOf(peer)}),
        judge: {by: 'value', better: 'less', floor: 15, aim: 5},
        facts: factsOf(ours, peer),
      })),
    };
  } finally {
    await server.stop();
  }
}

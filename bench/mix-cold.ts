/**
 * How long do common questions about flushed rows take, over HTTP? (P6)
 *
 *     count      all rows
 *     filter     a condition on a column that is no key
 *     group      the ten largest of 500 groups
 *     key        one row
 *     range      a twentieth of the keys, sorted by another column, the first hundred rows
 *
 * The figure is the mean of the five, each asked alone by one client. The peer is PostgreSQL with the same rows in its cache. They are asked again
 * when some rows all over the segments have newer versions in memory.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {type Random, randomOf} from './kit/chat.ts';
import {flushTable} from './kit/flush-job.ts';
import {QUIET, type Settings, startKalamdb} from './kit/kalamdb.ts';
import {type Answered, askInTurn, millisOf, type Question} from './kit/latency.ts';
import {addMessages, createMessages, MESSAGES} from './kit/messages.ts';
import {figure, type Measure, median, type Series} from './kit/report.ts';
import {factsOf, type Takings} from './kit/side-by-side.ts';

const SEGMENTS = 20;
const ROWS_PER_SEGMENT = 10_000;
const ROWS = SEGMENTS * ROWS_PER_SEGMENT;
const RANGE_ROWS = 10_000;
const VALUES = 256;
const CHANGED_ROWS = 1000;
const SETTINGS: Settings = {...QUIET, 'compaction.check_interval_seconds': 0};

export const mixCold: Bench = {title: `mix of questions about ${ROWS} rows in ${SEGMENTS} segments`, rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const server = await startKalamdb(join(context.directory, 'kalamdb'), SETTINGS);
  try {
    const postgres = await context.postgres();
    await createMessages(server, postgres);
    const random = randomOf(context.seed);
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const first = 1 + segment * ROWS_PER_SEGMENT;
      await addMessages(server, postgres, {first, count: ROWS_PER_SEGMENT}, random);
      await flushTable(server, MESSAGES.kalamdb);
    }
    await postgres?.sql(`VACUUM ANALYZE ${MESSAGES.postgres}`);
    const asked = questions(random);
    const answered = await askInTurn(context, server, postgres, asked);
    await server.sql(`UPDATE ${MESSAGES.kalamdb} SET size = size + 1 WHERE id % ${ROWS / CHANGED_ROWS} = 0`);
    const changed = await askInTurn(context, server, undefined, asked);
    return {
      durability: 'D2; nothing is written',
      settings: {...SETTINGS, rows: ROWS, segments: SEGMENTS},
      notes: ['One client, one statement at a time; every segment was read before.'],
      measures: [
        mixOf('mean of the mix', answered),
        ...answered.map(shapeOf),
        {...mixOf(`mean of the mix, ${CHANGED_ROWS} rows changed since`, changed), judge: undefined},
      ],
    };
  } finally {
    await server.stop();
  }
}

function questions(random: Random): Question[] {
  const of = (name: string, sql: (table: string) => string): Question => ({
    name,
    statements: [{sql: sql(MESSAGES.kalamdb)}],
    script: `${sql(MESSAGES.postgres)};\n`,
  });
  const keyed = (name: string, keysMax: number, sql: (table: string, id: string) => string): Question => ({
    name,
    statements: Array.from({length: VALUES}, () => ({
      sql: sql(MESSAGES.kalamdb, '$1'),
      params: [1 + Math.floor(random() * keysMax)],
    })),
    script: `\\set id random(1, ${keysMax})\n${sql(MESSAGES.postgres, ':id')};\n`,
  });
  return [
    of('COUNT', table => `SELECT COUNT(*) AS n FROM ${table}`),
    of('filter', table => `SELECT COUNT(*) AS n FROM ${table} WHERE amount > 1400`),
    of('GROUP BY, top 10', table => {
      const sums = 'COUNT(*) AS n, SUM(amount) AS total';
      return `SELECT author, ${sums} FROM ${table} GROUP BY author ORDER BY n DESC, author LIMIT 10`;
    }),
    keyed('one key', ROWS, (table, id) => `SELECT * FROM ${table} WHERE id = ${id}`),
    keyed('range, ORDER BY, LIMIT 100', ROWS - RANGE_ROWS, (table, id) => {
      const range = `id >= ${id} AND id < ${id} + ${RANGE_ROWS}`;
      return `SELECT * FROM ${table} WHERE ${range} ORDER BY amount DESC, id LIMIT 100`;
    }),
  ];
}

function mixOf(what: string, answered: readonly Answered[]): Measure {
  const peers = answered.flatMap(({peer}) => peer ?? []);
  const shapes = answered.map(({question, ours}) => [question.name, `${figure(median(millis(ours)))} ms`]);
  return {
    goal: 'P6',
    what,
    unit: 'ms',
    ours: meanOf(answered.map(({ours}) => ours)),
    ...(peers.length === 0 ? {} : {peer: meanOf(peers)}),
    judge: {by: 'value', better: 'less', floor: 40, aim: 20},
    facts: Object.fromEntries(shapes),
  };
}

function shapeOf({question, ours, peer}: Answered): Measure {
  return {
    goal: 'P6',
    what: question.name,
    unit: 'ms',
    ours: millisOf(ours),
    ...(peer === undefined ? {} : {peer: millisOf(peer)}),
    judge: undefined,
    facts: factsOf(ours, peer),
  };
}

function meanOf(shapes: readonly Takings[]): Series {
  const columns = shapes.map(millis);
  const rounds = columns[0]!.map((_, round) => {
    const sum = columns.reduce((total, column) => total + column[round]!, 0);
    return Number((sum / columns.length).toPrecision(4));
  });
  return {name: shapes[0]!.series.name, rounds};
}

function millis(takings: Takings): readonly number[] {
  return millisOf(takings).rounds;
}

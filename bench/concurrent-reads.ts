/**
 * How long do 1,000 SELECTs of four shapes over one table take, 128 in flight, over HTTP? (P15)
 *
 * The peer is PostgreSQL with the same rows in its cache, as many clients, and prepared statements.
 */
import {join} from 'node:path';
import type {Bench, BenchContext, Findings} from './kit/bench.ts';
import {randomOf} from './kit/chat.ts';
import {QUIET, sqlRequest, startKalamdb} from './kit/kalamdb.ts';
import {addMessages, createMessages, MESSAGES} from './kit/messages.ts';
import {factsOf, type Side, sideBySide, type Takings, takeLoad, takePgbench} from './kit/side-by-side.ts';

const ROWS = 1000;
const SELECTS = 1000;
const IN_FLIGHT = 128;

export const concurrentReads: Bench = {
  title: `${SELECTS} SELECTs of four shapes, ${IN_FLIGHT} in flight`,
  rounds: 5,
  run,
};

const SHAPES: readonly ((table: string, i: number) => string)[] = [
  (table, i) => `SELECT id, room, body FROM ${table} WHERE id = ${1 + (i % ROWS)}`,
  table => `SELECT id, author, size FROM ${table} WHERE size > 100 ORDER BY size DESC LIMIT 20`,
  table => `SELECT COUNT(*) AS n FROM ${table} WHERE size > 50 AND amount < 500`,
  (table, i) => `SELECT id, body FROM ${table} WHERE id BETWEEN ${1 + (i % (ROWS - 50))} AND ${50 + (i % (ROWS - 50))}`,
];

async function run(context: BenchContext): Promise<Findings> {
  const {directory, seconds, seed} = context;
  const server = await startKalamdb(join(directory, 'kalamdb'), QUIET);
  try {
    const postgres = await context.postgres();
    await createMessages(server, postgres);
    await addMessages(server, postgres, {first: 1, count: ROWS}, randomOf(seed));
    await postgres?.sql(`VACUUM ANALYZE ${MESSAGES.postgres}`);
    const requests = Array.from({length: SELECTS}, (_, i) =>
      sqlRequest({user: 'bench', sql: SHAPES[i % SHAPES.length]!(MESSAGES.kalamdb, i)}),
    );
    const scripts = SHAPES.map(shape => `${shape(MESSAGES.postgres, 7)};\n`);
    const sides: Side[] = [
      {
        name: 'KalamDB',
        take: () =>
          takeLoad(server, server.port, directory, {connections: IN_FLIGHT, durationMs: seconds * 1000, requests}),
      },
      ...(postgres === undefined
        ? []
        : [{name: 'PostgreSQL', take: () => takePgbench(postgres, {clients: IN_FLIGHT, seconds, seed, scripts})}]),
    ];
    const found = await sideBySide(context, sides);
    const ours = found.get('KalamDB')!;
    const peer = found.get('PostgreSQL');
    return {
      durability: 'D2; nothing is written',
      settings: {...QUIET, rows: ROWS, 'in flight': IN_FLIGHT},
      notes: ['Milliseconds are what so many take of a run of some seconds.'],
      measures: [
        {
          goal: 'P15',
          what: `${SELECTS} SELECTs: by key, ORDER BY with LIMIT, COUNT, a range`,
          unit: 'ms',
          ours: millisOf(ours),
          ...(peer === undefined ? {} : {peer: millisOf(peer)}),
          judge: {by: 'value', better: 'less', floor: 150, aim: 60},
          facts: factsOf(ours, peer),
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

function millisOf({series: {name, rounds}}: Takings) {
  return {name, rounds: rounds.map(perSecond => Number(((1000 * SELECTS) / perSecond).toPrecision(4)))};
}

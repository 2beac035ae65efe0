/**
 * What does it cost to understand a statement that was never seen before? Microseconds per statement, on one thread.
 *
 *     parse     text → tree; beside PostgreSQL's own parser compiled to WebAssembly (libpg-query)
 *     bind      tree → plan: names, types, compiled expressions, access path
 *
 * A server pays this once per text: it keeps trees by text and plans by text and schema version.
 */
import {loadModule, parseSync} from 'libpg-query';
import type {DataType} from '../packages/server/src/model/datatype.ts';
import type {Incarnation} from '../packages/server/src/model/names.ts';
import type {Schema} from '../packages/server/src/model/schema.ts';
import type {Insert, Query} from '../packages/server/src/parser/ast.ts';
import {TokenCursor} from '../packages/server/src/parser/cursor.ts';
import {splitStatements} from '../packages/server/src/parser/split.ts';
import {planAnalytic} from '../packages/server/src/query/analytic.ts';
import {planInsert} from '../packages/server/src/query/dml.ts';
import {planSelect} from '../packages/server/src/query/plan.ts';
import {matchHead} from '../packages/server/src/sql/heads.ts';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import type {Measure} from './kit/report.ts';

const BATCH_MS = 100;

const TYPES: Readonly<Record<string, DataType>> = {
  id: {name: 'bigint'},
  room: {name: 'text'},
  author: {name: 'text'},
  body: {name: 'text'},
  amount: {name: 'double'},
  sent: {name: 'timestamp'},
};

const SCHEMA: Schema = {
  incarnation: 64 as Incarnation,
  name: {namespace: 'bench', table: 'messages'},
  kind: 'shared',
  version: 1,
  columns: Object.entries(TYPES).map(([name, type], i) => ({
    ...{id: i + 1, name, type, isNullable: i > 0, initial: null},
    default: {kind: 'none'},
  })),
  primaryKey: 0,
  options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
  createdAt: 0n,
  updatedAt: 0n,
};

const ROW = "(7, 'general', 'ana', 'a message of a few words', 1.5, '2026-01-01 10:00:00')";

interface Sample {
  readonly name: string;
  readonly sql: string;
  readonly bind: (tree: unknown, text: string) => unknown;
}

const asSelect: Sample['bind'] = (tree, text) => planSelect(tree as Query, SCHEMA, {text});
const asInsert: Sample['bind'] = (tree, text) => planInsert(tree as Insert, SCHEMA, {text});
const asQuery: Sample['bind'] = (tree, text) => planAnalytic(tree as Query, {text}, () => SCHEMA);

const SAMPLES: readonly Sample[] = [
  {name: 'SELECT by key', sql: 'SELECT id, body FROM bench.messages WHERE id = $1', bind: asSelect},
  {
    name: 'SELECT with filter, order and limit',
    sql: "SELECT id, author, body FROM bench.messages WHERE room = 'general' AND amount > 10.5 ORDER BY sent DESC LIMIT 20",
    bind: asSelect,
  },
  {
    name: 'INSERT of one row',
    sql: `INSERT INTO bench.messages (id, room, author, body, amount, sent) VALUES ${ROW}`,
    bind: asInsert,
  },
  {
    name: 'INSERT of 100 rows',
    sql: `INSERT INTO bench.messages (id, room, author, body, amount, sent) VALUES ${Array.from({length: 100}, () => ROW).join(', ')}`,
    bind: asInsert,
  },
  {name: 'WITH of ten parts, joined', sql: tenParts(), bind: asQuery},
];

function tenParts(): string {
  const part = (i: number) =>
    `p${i} AS (\n  SELECT room, COUNT(*) AS n${i}, AVG(amount) AS a${i}\n  FROM bench.messages\n  WHERE id > ${i} AND body LIKE 'm%'\n  GROUP BY room\n)`;
  const parts = Array.from({length: 10}, (_, i) => part(i));
  const joins = Array.from({length: 9}, (_, i) => `JOIN p${i + 1} ON p${i + 1}.room = p0.room`);
  return `WITH ${parts.join(',\n')}\nSELECT p0.room, n0 + n9 AS n FROM p0\n${joins.join('\n')}\nORDER BY n DESC LIMIT 10`;
}

export const parseBind: Bench = {title: 'parsing and binding one statement', rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  await loadModule();
  const rounds = new Rounds();
  // The first round warms up.
  for (let round = 0; round <= context.rounds; round++) {
    for (const {name, sql, bind} of SAMPLES) {
      const tree = parse(sql);
      const found = {
        parse: microsOf(() => parse(sql)),
        oracle: microsOf(() => parseSync(sql)),
        bind: microsOf(() => bind(tree, sql)),
      };
      if (round > 0) for (const [step, micros] of Object.entries(found)) rounds.add(`${step} ${name}`, micros);
    }
    context.say(`round ${round} done`);
  }
  return {
    durability: 'nothing is stored',
    settings: {},
    notes: [
      'One text over and over: its parts are in the caches of the processor, trees and plans are made anew each time.',
    ],
    measures: SAMPLES.flatMap(({name}) => measuresOf(rounds, name)),
  };
}

function measuresOf(rounds: Rounds, name: string): Measure[] {
  const measure = {goal: 'SQL', unit: 'µs', judge: undefined, facts: {}};
  return [
    {
      ...measure,
      what: `parse ${name}`,
      ours: {name: 'KalamDB', rounds: rounds.of(`parse ${name}`)},
      peer: {name: 'libpg-query', rounds: rounds.of(`oracle ${name}`)},
    },
    {...measure, what: `bind ${name}`, ours: {name: 'KalamDB', rounds: rounds.of(`bind ${name}`)}},
  ];
}

/** As `sql/run.ts` does it for a text that it does not know. */
function parse(sql: string): unknown {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const tree = matchHead(cursor).parse(cursor);
  cursor.expectEnd();
  return tree;
}

function microsOf(work: () => unknown): number {
  const startMs = performance.now();
  let count = 0;
  let elapsedMs = 0;
  for (; elapsedMs < BATCH_MS; elapsedMs = performance.now() - startMs) {
    for (let i = 0; i < 10; i++) work();
    count += 10;
  }
  return (elapsedMs * 1000) / count;
}

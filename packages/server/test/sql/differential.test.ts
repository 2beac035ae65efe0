/**
 * One answer: seeded random queries, each run by both executors on the same rows in three placements; all six answers must be the same to the
 * character, as sets of rows when the query has no order.
 *
 * A query that fails is made smaller, first itself, then the rows, and printed with the command that runs it again:
 *
 *     KALAMDB_DIFF_QUERIES=100000 node scripts/test.ts packages/server/test/sql/differential.test.ts     more queries
 *     KALAMDB_DIFF_SEED=7 node scripts/test.ts packages/server/test/sql/differential.test.ts             those of one world; with both: from it on
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Executor} from '../../src/sql/define.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';
import {Random} from './random.ts';
import {approximateItems, isEager, randomSpec, type Spec, smallerSpecs, specMayFail, specText} from './spec.ts';
import {buildWorld, PLACEMENTS, type Placement, randomWorld, type World} from './world.ts';

const QUERIES_PER_WORLD = 50;
const firstSeed = process.env['KALAMDB_DIFF_SEED'];
const QUERIES = Number(process.env['KALAMDB_DIFF_QUERIES'] ?? (firstSeed === undefined ? 150 : QUERIES_PER_WORLD));
const FILE = 'packages/server/test/sql/differential.test.ts';
const SMALLER_TRIES_MAX = 1500;
const TIMEOUT_MS = 120_000 + QUERIES * 300;

let database: TestDatabase;
before(async () => {
  database = await openTestDatabase();
});
after(() => database.stop());

test(`both executors give the same answers to ${QUERIES} random queries`, {timeout: TIMEOUT_MS}, async () => {
  const counts = {answers: 0, errors: 0, undecided: 0};
  for (let world = 0; world * QUERIES_PER_WORLD < QUERIES; world++) await compareWorld(Number(firstSeed ?? 1) + world);
  // If nearly all queries were errors, equal errors would prove little.
  assert.ok(counts.answers > counts.errors + counts.undecided, JSON.stringify(counts));

  async function compareWorld(seed: number): Promise<void> {
    const random = new Random(seed);
    const world = randomWorld(random);
    await buildWorld(database, world);
    for (let i = 0; i < QUERIES_PER_WORLD; i++) {
      const spec = randomSpec(random, world);
      const outcome = await compare(spec);
      if (outcome.difference !== undefined) throw await reported(seed, world, spec);
      counts[outcome.kind]++;
    }
  }
});

type Answer =
  | {readonly kind: 'rows'; readonly schema: string; readonly rows: readonly string[]}
  | {readonly kind: 'error'; readonly code: string; readonly message: string};

interface Outcome {
  readonly kind: 'answers' | 'errors' | 'undecided';
  readonly difference?: string;
}

async function compare(spec: Spec): Promise<Outcome> {
  const {sql, params} = specText(spec);
  const isOrdered = spec.orderBy.length > 0;
  const answers: [string, Answer][] = [];
  for (const placement of PLACEMENTS) {
    for (const executor of ['direct', 'analytic'] as const) {
      answers.push([`${executor}, ${placement}`, await answer(placement, executor)]);
    }
  }
  const [, first] = answers[0]!;
  const isUndecided = specMayFail(spec) && answers.some(([, one]) => one.kind === 'error');
  if (isUndecided && !isEager(spec)) {
    const crash = answers.find(
      ([, one]) => one.kind === 'error' && one.code !== 'SQL_EXECUTION_ERROR' && one.code !== 'LIMIT_EXCEEDED',
    );
    return crash === undefined ? {kind: 'undecided'} : {kind: 'undecided', difference: told(answers)};
  }
  const isSame = answers.every(([, one]) => sameAnswer(first, one, isOrdered, spec));
  const kind = first.kind === 'rows' ? 'answers' : 'errors';
  return isSame ? {kind} : {kind, difference: told(answers)};

  async function answer(placement: Placement, executor: Executor): Promise<Answer> {
    try {
      const {schema, json} = await database.sql(sql.replace('TABLE', `w.${placement}`), {params, executor});
      return {kind: 'rows', schema: JSON.stringify(schema), rows: isOrdered ? json : json.toSorted()};
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      return {kind: 'error', code: error.code, message: error.message};
    }
  }
}

function sameAnswer(a: Answer, b: Answer, isOrdered: boolean, spec: Spec): boolean {
  if (a.kind === 'error' || b.kind === 'error')
    return a.kind === b.kind && (a as {code: string}).code === (b as {code: string}).code;
  if (a.schema !== b.schema || a.rows.length !== b.rows.length) return false;
  const isApproximate = approximateItems(spec);
  if (!isApproximate.includes(true)) return a.rows.every((row, i) => row === b.rows[i]);
  const [rowsA, rowsB] = [a, b].map(({rows}) => sortedExactly(rows, isApproximate, isOrdered));
  return rowsA!.every((row, i) => nearlySame(row, rowsB![i]!, isApproximate));
}

/** Rows whose order says nothing, ordered by their exact columns. */
function sortedExactly(rows: readonly string[], isApproximate: readonly boolean[], isOrdered: boolean): unknown[][] {
  const parsed = rows.map(row => JSON.parse(row) as unknown[]);
  const key = (row: unknown[]) => JSON.stringify(row.filter((_, i) => !isApproximate[i]));
  return isOrdered ? parsed : parsed.toSorted((x, y) => (key(x) < key(y) ? -1 : 1));
}

function nearlySame(a: readonly unknown[], b: readonly unknown[], isApproximate: readonly boolean[]): boolean {
  return a.every((value, i) => {
    const other = b[i];
    if (!isApproximate[i] || value === null || other === null) return JSON.stringify(value) === JSON.stringify(other);
    const [x, y] = [Number(value), Number(other)];
    return Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
  });
}

function told(answers: readonly [string, Answer][]): string {
  return answers
    .map(
      ([name, one]) =>
        `  ${name}: ${one.kind === 'rows' ? `${one.schema}\n    ${one.rows.join('\n    ')}` : `${one.code} ${one.message}`}`,
    )
    .join('\n');
}

/** The smallest failing query and the fewest rows that can be found by leaving out one thing at a time. */
async function reported(seed: number, world: World, given: Spec): Promise<Error> {
  let tries = 0;
  const fails = async (spec: Spec) => ++tries <= SMALLER_TRIES_MAX && (await compare(spec)).difference !== undefined;
  let spec = given;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const less of smallerSpecs(spec)) {
      if (!(await fails(less))) continue;
      spec = less;
      isSmaller = true;
      break;
    }
  }
  const rows = await fewerStatements(world, spec);
  await buildWorld(database, rows);
  const {sql, params} = specText(spec);
  const {difference} = await compare(spec);
  const table = world.columns.map(({name, sqlType}) => `${name} ${sqlType}`).join(', ');
  return new Error(
    `World ${seed}: ${specText(given).sql}\nSmallest: ${sql} ${JSON.stringify(params)}\n${difference}\nTABLE (${table})\n${rows.history.join('\n')}\n` +
      `Replay: KALAMDB_DIFF_SEED=${seed} node scripts/test.ts ${FILE}`,
  );
}

async function fewerStatements(world: World, spec: Spec): Promise<World> {
  let kept = world;
  for (let size = Math.ceil(world.history.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.history.length; ) {
      const less = {...kept, history: kept.history.toSpliced(at, size)};
      await buildWorld(database, less);
      if ((await compare(spec)).difference === undefined) at += size;
      else kept = less;
    }
  }
  return kept;
}

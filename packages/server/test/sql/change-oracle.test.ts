/**
 * Change oracle: random stories of two tables that are altered, written and read go as they go in PostgreSQL: the same rows and counts, errors where it
 * has errors, and the same tables after each step, however the rows lie: in memory, flushed, compacted, read again from the log.
 *
 * A story that differs is told again without one step after the other, and printed as short as that makes it:
 *
 *     KALAMDB_CHANGE_STEPS=100000 node scripts/test.ts packages/server/test/sql/change-oracle.test.ts     more steps
 *     KALAMDB_CHANGE_SEED=7 node scripts/test.ts packages/server/test/sql/change-oracle.test.ts           the story of one seed; with both: from it on
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import {dateText, timestampText} from '../../src/model/moments.ts';
import type {StatementResult} from '../../src/sql/define.ts';
import {type Cell, compact, flush, openTestDatabase, type TestDatabase} from '../test-database.ts';
import {firstSteps, nextStep, type Said, type Step, wholeTable} from './change-steps.ts';
import {openPostgres, type Postgres, postgresPrograms} from './oracle.ts';
import {Random} from './random.ts';

const STEPS_PER_STORY = 60;
const firstSeed = process.env['KALAMDB_CHANGE_SEED'];
const STEPS = Number(process.env['KALAMDB_CHANGE_STEPS'] ?? (firstSeed === undefined ? 360 : STEPS_PER_STORY));
const FILE = 'packages/server/test/sql/change-oracle.test.ts';
const SHORTER_TRIES_MAX = 300;
/** Each is made by one of the first steps. */
const TABLES = 2;
const TIMEOUT_MS = 120_000 + STEPS * 100;

const programs = postgresPrograms();
const skip = programs === undefined ? 'PostgreSQL is not installed' : false;

interface Sides {
  readonly database: TestDatabase;
  readonly postgres: Postgres;
}

test(`${STEPS} random changes of tables go as in PostgreSQL`, {skip, timeout: TIMEOUT_MS}, async () => {
  const [database, postgres] = await Promise.all([openTestDatabase(), openPostgres(programs!)]);
  const count = {answers: 0, errors: 0};
  try {
    for (let story = 0; story * STEPS_PER_STORY < STEPS; story++)
      await tellStory(Number(firstSeed ?? 1) + story, {database, postgres}, count);
    // If most steps were errors, equal errors would prove little.
    assert.ok(count.answers > 2 * count.errors, JSON.stringify(count));
  } finally {
    await Promise.all([database.stop(), postgres.stop()]);
  }
});

async function tellStory(seed: number, sides: Sides, count: {answers: number; errors: number}): Promise<void> {
  const random = new Random(seed);
  const {tables, steps: history} = firstSteps(random);
  await begin(sides);
  for (const step of history) assert.equal((await compare(step, sides)).difference, undefined);
  for (let i = 0; i < STEPS_PER_STORY; i++) {
    const {step, done} = nextStep(random, tables);
    history.push(step);
    const {isError, difference} = await compare(step, sides);
    if (difference !== undefined) throw await shortest(seed, history, sides);
    if (!isError) done();
    count[isError ? 'errors' : 'answers']++;
    const whole: Step = {kind: 'statement', said: wholeTable(random, random.pick(tables))};
    history.push(whole);
    if ((await compare(whole, sides)).difference !== undefined) throw await shortest(seed, history, sides);
  }
}

async function begin({database, postgres}: Sides): Promise<void> {
  await database.sql('DROP NAMESPACE IF EXISTS w CASCADE; CREATE NAMESPACE w');
  await postgres.run('DROP SCHEMA IF EXISTS w CASCADE; CREATE SCHEMA w');
}

interface Compared {
  readonly isError: boolean;
  readonly difference?: Difference;
}

interface Difference {
  readonly way: 'only ours is an error' | 'only theirs is an error' | 'other answers';
  readonly text: string;
}

/** One text for each thing said, or the error. */
type Answer = {readonly texts: readonly string[]} | {readonly error: string};

async function compare(step: Step, {database, postgres}: Sides): Promise<Compared> {
  switch (step.kind) {
    case 'restart':
      await database.restart();
      return {isError: false};
    case 'flush':
    case 'compact':
      await (step.kind === 'flush' ? flush : compact)(database, step.table);
      return {isError: false};
    default: {
      const said = step.kind === 'statement' ? [step.said] : step.said;
      const [ours, theirs] = [await ourAnswer(said, database), await theirAnswer(said, postgres)];
      const isError = 'error' in theirs;
      if (isError && 'error' in ours) return {isError};
      if (!isError && !('error' in ours) && ours.texts.every((text, i) => text === theirs.texts[i])) return {isError};
      const way = isError ? 'only theirs is an error' : 'error' in ours ? 'only ours is an error' : 'other answers';
      return {isError, difference: {way, text: `ours: ${told(ours)}\nPostgreSQL: ${told(theirs)}`}};
    }
  }
}

const told = (answer: Answer) => ('error' in answer ? answer.error : answer.texts.join('\n  then '));

async function ourAnswer(said: readonly Said[], database: TestDatabase): Promise<Answer> {
  try {
    const results = await database.runSql({
      sql: said.map(({ours}) => ours).join(';\n'),
      params: [],
      namespace: undefined,
      session: developmentSession(undefined),
      signal: new AbortController().signal,
      ...(said[0]?.isAnalytic ? {executor: 'analytic' as const} : {}),
    });
    return {texts: said.map(({answer}, i) => resultText(answer, results[i]!))};
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return {error: `${error.code} ${error.message}`};
  }
}

function resultText(answer: Said['answer'], {columns = [], rows = [], rowCount}: StatementResult): string {
  if (answer === 'none') return '';
  if (answer === 'count') return String(rowCount);
  const types = columns.map(column => column.data_type);
  return rowsText(rows.map(row => (JSON.parse(row) as Cell[]).map((value, i) => ourText(value, types[i]!))));
}

/** As PostgreSQL writes it. */
function ourText(value: Cell, type: DataTypeJson): string | null {
  if (value === null) return null;
  if (type === 'Boolean') return value === true ? 't' : 'f';
  if (type === 'Date') return dateText(Number(value));
  return type === 'Timestamp' ? timestampText(BigInt(value)) : String(value);
}

/** In a transaction an error ends all of it, so no later statement is asked. */
async function theirAnswer(said: readonly Said[], postgres: Postgres): Promise<Answer> {
  const texts: string[] = [];
  for (const {ours, theirs = ours, answer} of said) {
    const given = answer === 'none' ? await postgres.errorOf(theirs) : await postgres.query(theirs);
    if (typeof given === 'string' || (given !== undefined && 'error' in given)) {
      if (said.length > 1) await postgres.run('ROLLBACK');
      return {error: typeof given === 'string' ? given : given.error};
    }
    if (given === undefined) texts.push('');
    else texts.push(answer === 'count' ? String(given.rows.length) : rowsText(given.rows));
  }
  return {texts};
}

/** Rows as a sorted text. */
function rowsText(rows: readonly (readonly (string | null)[])[]): string {
  return rows
    .map(row => row.map(plain).join(' | '))
    .toSorted()
    .join('\n');
}

/** Numbers without the zeros that end them and without exponents; zero has no sign in JSON as we write it. */
function plain(value: string | null): string {
  if (value === null) return 'NULL';
  if (value === '-0') return '0';
  if (/^-?\d+(?:\.\d+)?e[+-]\d+$/.test(value)) return String(Number(value));
  return value.replace(/^(-?\d+\.\d*?)0+$/, '$1').replace(/\.$/, '');
}

/** The history without each step that its last one does not need to differ in the same way; the tables stay. */
async function shortest(seed: number, history: readonly Step[], sides: Sides): Promise<Error> {
  let kept = [...history];
  let told = await retold(kept, sides);
  const way = told?.way;
  let tries = 0;
  for (let size = Math.ceil(kept.length / 2); size >= 1 && way !== undefined; size = Math.floor(size / 2)) {
    for (let at = TABLES; at < kept.length - 1 && tries < SHORTER_TRIES_MAX; tries++) {
      const fewer = kept.toSpliced(at, Math.min(size, kept.length - 1 - at));
      const found = await retold(fewer, sides);
      if (found?.way !== way) at += size;
      else [kept, told] = [fewer, found];
    }
  }
  return new Error(
    `Story ${seed}:\n${kept.map(stepText).join('\n')}\n${told?.text ?? 'told again, it does not differ'}\n` +
      `Replay: KALAMDB_CHANGE_SEED=${seed} node scripts/test.ts ${FILE}`,
  );
}

/** How the last step differs; undefined: it does not, or one before it does. */
async function retold(history: readonly Step[], sides: Sides): Promise<Difference | undefined> {
  await begin(sides);
  for (const [i, step] of history.entries()) {
    const {difference} = await compare(step, sides);
    if (difference !== undefined) return i === history.length - 1 ? difference : undefined;
  }
  return undefined;
}

function stepText(step: Step): string {
  switch (step.kind) {
    case 'statement':
      return `${saidText(step.said)};`;
    case 'transaction':
      return `${step.said.map(saidText).join('; ')};`;
    case 'restart':
      return 'restart';
    default:
      return `${step.kind} ${step.table}`;
  }
}

const saidText = ({ours, isAnalytic}: Said) => `${ours}${isAnalytic ? ' -- by the analytic executor' : ''}`;

/**
 * Function oracle: random calls of functions, operators and aggregates answer as in PostgreSQL, on both executors; errors where it has errors.
 *
 *     KALAMDB_ORACLE_QUERIES=100000 node scripts/test.ts packages/server/test/sql/function-oracle.test.ts     more queries
 *     KALAMDB_ORACLE_SEED=7 node scripts/test.ts packages/server/test/sql/function-oracle.test.ts             those of one seed; with both: from it on
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {dateText, timestampText, timeText} from '../../src/model/moments.ts';
import type {Executor} from '../../src/sql/define.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';
import {CallExpressions} from './function-expressions.ts';
import {CALL_DDL, CALL_SQL_TYPES, CALL_TYPES, type CallType, callRow} from './function-world.ts';
import {type Node, render, smaller} from './node.ts';
import {openPostgres, type Postgres, postgresPrograms} from './oracle.ts';
import {Random} from './random.ts';

const QUERIES_PER_SEED = 100;
const firstSeed = process.env['KALAMDB_ORACLE_SEED'];
const QUERIES = Number(process.env['KALAMDB_ORACLE_QUERIES'] ?? (firstSeed === undefined ? 200 : QUERIES_PER_SEED));
const ROWS = 14;
const EXECUTORS: readonly Executor[] = ['direct', 'analytic'];
const SMALLER_TRIES_MAX = 200;
const FILE = 'packages/server/test/sql/function-oracle.test.ts';
const TIMEOUT_MS = 120_000 + QUERIES * 100;

const programs = postgresPrograms();
const skip = programs === undefined ? 'PostgreSQL is not installed' : false;

interface Sides {
  readonly database: TestDatabase;
  readonly postgres: Postgres;
}

interface Asked {
  readonly isGrouped: boolean;
  readonly root: Node;
}

test(`${QUERIES} random calls of functions answer as in PostgreSQL`, {skip, timeout: TIMEOUT_MS}, async () => {
  const [database, postgres] = await Promise.all([openTestDatabase(), openPostgres(programs!)]);
  const count = {answers: 0, errors: 0};
  try {
    for (let number = 0; number * QUERIES_PER_SEED < QUERIES; number++)
      await compareSeed(Number(firstSeed ?? 1) + number, {database, postgres}, count);
    assert.ok(count.answers > 2 * count.errors, `${JSON.stringify(count)}: errors prove little`);
  } finally {
    await Promise.all([database.stop(), postgres.stop()]);
  }
});

async function compareSeed(seed: number, sides: Sides, count: {answers: number; errors: number}): Promise<void> {
  const random = new Random(seed);
  await buildTable(random, sides);
  const expressions = new CallExpressions(random);
  for (let i = 0; i < QUERIES_PER_SEED; i++) {
    const isGrouped = random.chance(0.25);
    const root = isGrouped ? expressions.aggregate() : expressions.of(random.pick(CALL_TYPES), 1 + random.below(3));
    const {isError, difference} = await compare({isGrouped, root}, sides);
    if (difference !== undefined) throw await smallest(seed, {isGrouped, root}, sides);
    count[isError ? 'errors' : 'answers']++;
  }
}

async function buildTable(random: Random, {database, postgres}: Sides): Promise<void> {
  await database.sql(
    `CREATE NAMESPACE IF NOT EXISTS w; DROP TABLE IF EXISTS w.v; CREATE SHARED TABLE w.v (${CALL_DDL})`,
  );
  await postgres.run(`CREATE SCHEMA IF NOT EXISTS w; DROP TABLE IF EXISTS w.v; CREATE TABLE w.v (${CALL_DDL})`);
  const rows = Array.from({length: ROWS}, (_, id) => callRow(random, id));
  await database.sql(`INSERT INTO w.v VALUES ${rows.slice(0, ROWS / 2).join(', ')}`);
  await flush(database, 'w.v');
  await database.sql(`INSERT INTO w.v VALUES ${rows.slice(ROWS / 2).join(', ')}`);
  await postgres.run(`INSERT INTO w.v VALUES ${rows.join(', ')}`);
}

/** A part that is left out keeps its type. */
function typed(root: Node): Node {
  if (root.form !== 'NULL') return {...root, parts: root.parts.map(typed)};
  return {...root, form: `CAST(NULL AS ${CALL_SQL_TYPES[root.type as CallType]})`};
}

const sqlOf = ({isGrouped, root}: Asked) => {
  const text = render(typed(root), []);
  return isGrouped ? `SELECT k, ${text} AS c FROM w.v GROUP BY k` : `SELECT id, ${text} AS c FROM w.v`;
};

interface Compared {
  readonly isError: boolean;
  readonly difference?: string;
}

/** Values by the key of their row. */
type Answer = {readonly values: ReadonlyMap<string, string | null>} | {readonly error: string};

async function compare(asked: Asked, {database, postgres}: Sides): Promise<Compared> {
  const sql = sqlOf(asked);
  const given = await postgres.query(sql);
  const isError = 'error' in given;
  const theirs: Answer = isError ? given : {values: new Map(given.rows.map(([key, value]) => [key!, value!]))};
  for (const executor of EXECUTORS) {
    const ours = await ourAnswer(sql, executor, asked.root.type, database);
    const difference = differenceOf(ours, theirs, asked.root.type);
    if (difference !== undefined) return {isError, difference: `${executor}: ${difference}`};
  }
  return {isError};
}

async function ourAnswer(sql: string, executor: Executor, type: Node['type'], database: TestDatabase): Promise<Answer> {
  try {
    const {json} = await database.sql(sql, {executor});
    return {values: new Map(json.map(row => keyAndValue(row, type)))};
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return {error: `${error.code} ${error.message}`};
  }
}

/** The value as PostgreSQL writes it. */
function keyAndValue(row: string, type: Node['type']): [string, string | null] {
  const [key, value] = JSON.parse(row) as [number, string | number | boolean | null];
  if (value === null) return [String(key), null];
  if (type === 'boolean') return [String(key), value === true ? 't' : 'f'];
  if (type === 'date') return [String(key), dateText(Number(value))];
  if (type === 'timestamp') return [String(key), timestampText(BigInt(value))];
  return [String(key), type === 'time' ? timeText(BigInt(value)) : String(value)];
}

function differenceOf(ours: Answer, theirs: Answer, type: Node['type']): string | undefined {
  if ('error' in ours && 'error' in theirs) return undefined;
  if ('error' in ours) return `ours is an error: ${ours.error}`;
  if ('error' in theirs) return isUnderflow(theirs.error) ? undefined : `theirs is an error: ${theirs.error}`;
  if (ours.values.size !== theirs.values.size) return `${ours.values.size} rows, theirs ${theirs.values.size}`;
  const other = [...theirs.values].filter(([key, value]) => !isSame(ours.values.get(key), value, type));
  if (other.length === 0) return undefined;
  return other.map(([key, value]) => `row ${key}: ours ${ours.values.get(key)}, theirs ${value}`).join('; ');
}

/** What is too small for a double is 0 to us. */
const isUnderflow = (error: string) => error.endsWith('underflow');

/** Doubles and quotients as far as both keep digits; JSON as what it says. */
function isSame(ours: string | null | undefined, theirs: string | null, type: Node['type']): boolean {
  if (ours === theirs) return true;
  if (ours === null || ours === undefined || theirs === null) return false;
  switch (type) {
    case 'double':
    case 'decimal': {
      const [a, b] = [Number(ours), Number(theirs)];
      return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
    }
    case 'json':
      return canonical(ours) === canonical(theirs);
    case 'timestamp':
      return ours.replace(/\.?0+$/, '') === theirs.replace(/\.?0+$/, '');
    default:
      return false;
  }
}

function canonical(json: string): string {
  return JSON.stringify(JSON.parse(json), (_, value: unknown) => {
    if (typeof value === 'number') return value.toPrecision(8);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

async function smallest(seed: number, given: Asked, sides: Sides): Promise<Error> {
  let {root} = given;
  let tries = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const less of smaller(root)) {
      if (++tries > SMALLER_TRIES_MAX) break;
      if ((await compare({...given, root: less}, sides)).difference === undefined) continue;
      root = less;
      isSmaller = true;
      break;
    }
  }
  const asked = {...given, root};
  const {difference} = await compare(asked, sides);
  return new Error(
    `Seed ${seed}: ${sqlOf(given)}\nSmallest: ${sqlOf(asked)}\n${difference}\nReplay: KALAMDB_ORACLE_SEED=${seed} node scripts/test.ts ${FILE}`,
  );
}

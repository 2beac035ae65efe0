/**
 * Oracle: random queries of every wide shape answer as PostgreSQL answers them, on the same rows, hot and flushed.
 *
 *     KALAMDB_ORACLE_QUERIES=100000 node scripts/test.ts packages/server/test/sql/oracle.test.ts     more queries
 *     KALAMDB_ORACLE_SEED=7 node scripts/test.ts packages/server/test/sql/oracle.test.ts             those of one seed; with both: from it on
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {dateText} from '../../src/model/moments.ts';
import {type Cell, flush, openTestDatabase, type TestDatabase} from '../test-database.ts';
import {isCancelled, type OracleAnswer, openPostgres, type Postgres, postgresPrograms} from './oracle.ts';
import {Random} from './random.ts';
import {WIDE_DDL, WIDE_TABLES, WideQueries, type WideType, wideRow} from './wide.ts';

const QUERIES_PER_SEED = 50;
const firstSeed = process.env['KALAMDB_ORACLE_SEED'];
const QUERIES = Number(process.env['KALAMDB_ORACLE_QUERIES'] ?? (firstSeed === undefined ? 150 : QUERIES_PER_SEED));
/** Beyond this an answer of ours is cut. */
const ROWS_MAX = 100_000;
const TOLD_MAX = 20;
const FILE = 'packages/server/test/sql/oracle.test.ts';
const TIMEOUT_MS = 120_000 + QUERIES * 300;

const programs = postgresPrograms();
const skip = programs === undefined ? 'PostgreSQL is not installed' : false;

test(`${QUERIES} random wide queries answer as PostgreSQL does`, {skip, timeout: TIMEOUT_MS}, async () => {
  const [database, postgres] = await Promise.all([openTestDatabase(), openPostgres(programs!)]);
  try {
    const first = Number(firstSeed ?? 1);
    const seeds = Array.from({length: Math.ceil(QUERIES / QUERIES_PER_SEED)}, (_, i) => first + i);
    const count = {errors: 0, refused: 0};
    for (const seed of seeds) await compareSeed(seed, database, postgres, count);
    const most = (seeds.length * QUERIES_PER_SEED) / 5;
    assert.ok(count.errors < most, `${count.errors} queries are errors to PostgreSQL: they prove little`);
    assert.ok(count.refused < most / 2, `${count.refused} queries are refused`);
  } finally {
    await Promise.all([database.stop(), postgres.stop()]);
  }
});

/** Adds to the counts the queries that are errors to PostgreSQL, and those that we say we do not support. */
async function compareSeed(
  seed: number,
  database: TestDatabase,
  postgres: Postgres,
  count: {errors: number; refused: number},
): Promise<void> {
  const random = new Random(seed);
  await buildTables(random, database, postgres);
  const queries = new WideQueries(random);
  for (let i = 0; i < QUERIES_PER_SEED; i++) {
    const {sql, types} = queries.next();
    const expected = await postgres.query(sql);
    if ('error' in expected) count.errors++;
    else if (expected.rows.length >= ROWS_MAX) continue;
    if (isCancelled(expected)) continue;
    const actual = await ours(database, sql, types);
    const [wanted, got] = [said(expected), said(actual)];
    if (wanted === got || ('error' in expected && 'error' in actual)) continue;
    if ('error' in actual && actual.error.startsWith('NOT_SUPPORTED ')) {
      count.refused++;
      continue;
    }
    throw new Error(
      `Seed ${seed}: ${sql}\nPostgreSQL: ${onlyIn(wanted, got)}\nours: ${onlyIn(got, wanted)}\nReplay: KALAMDB_ORACLE_SEED=${seed} node scripts/test.ts ${FILE}`,
    );
  }
}

/** The lines that the other text has not, as far as one reads them. */
function onlyIn(text: string, other: string): string {
  const known = new Set(other.split('\n'));
  const lines = text.split('\n');
  const own = lines.filter(line => !known.has(line));
  return [`${lines.length} lines, of them only here ${own.length}`, ...own.slice(0, TOLD_MAX)].join('\n  ');
}

async function buildTables(random: Random, database: TestDatabase, postgres: Postgres): Promise<void> {
  await database.sql('CREATE NAMESPACE IF NOT EXISTS w');
  await postgres.run('DROP SCHEMA IF EXISTS w CASCADE; CREATE SCHEMA w');
  for (const table of WIDE_TABLES) {
    await database.sql(`DROP TABLE IF EXISTS w.${table}`);
    await database.sql(`CREATE SHARED TABLE w.${table} (${WIDE_DDL})`);
    await postgres.run(`CREATE TABLE w.${table} (${WIDE_DDL})`);
    const rows = Array.from({length: 4 + random.below(9)}, (_, id) => wideRow(random, id));
    const half = Math.floor(rows.length / 2);
    await database.sql(`INSERT INTO w.${table} VALUES ${rows.slice(0, half).join(', ')}`);
    await flush(database, `w.${table}`);
    await database.sql(`INSERT INTO w.${table} VALUES ${rows.slice(half).join(', ')}`);
    await postgres.run(`INSERT INTO w.${table} VALUES ${rows.join(', ')}`);
    const change = `UPDATE w.${table} SET n = 2 WHERE id = ${random.below(4)}`;
    await database.sql(change);
    await postgres.run(change);
  }
}

async function ours(database: TestDatabase, sql: string, types: readonly WideType[]): Promise<OracleAnswer> {
  try {
    const {rows} = await database.sql(sql, {executor: 'analytic'});
    return {rows: rows.map(row => row.map((value, i) => textOf(value, types[i]!)))};
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return {error: `${error.code} ${error.message}`};
  }
}

/** As PostgreSQL writes it. */
function textOf(value: Cell, type: WideType): string | null {
  if (value === null) return null;
  if (type === 'bool') return value === true ? 't' : 'f';
  return type === 'date' ? dateText(Number(value)) : String(value);
}

/** Rows as a sorted text; numbers without the zeros that end them. */
function said(answer: OracleAnswer): string {
  if ('error' in answer) return answer.error;
  const lines = answer.rows.map(row =>
    row.map(value => (value === null ? 'NULL' : value.replace(/^(-?\d+\.\d*?)0+$/, '$1').replace(/\.$/, ''))).join('|'),
  );
  return lines.toSorted().join('\n');
}

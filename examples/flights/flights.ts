/**
 * Flights: loads real data into two SHARED tables and a USER table, and holds every answer against DuckDB reading the same files.
 *
 *     load ─ round 1 ─ flush, change ─ round 2 ─ SIGKILL, start ─ round 3 ─ flush ─ round 4
 *
 * In round 1 rows lie in memory and in what flushed by itself meanwhile; in 2 and 3 changed rows in memory hide flushed ones; in 4 deletion
 * vectors do. A server given by its URL is not killed: round 3 is left out.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {type Result, runSql, Server} from '../server.ts';
import {Oracle} from './oracle.ts';
import {CHANGES, QUESTIONS, type Question} from './questions.ts';
import {FLIGHTS_DDL, flightRows, MOVIES_DDL, movieRows, ROUTES_DDL, routeRows} from './sources.ts';

const TABLES = ['example.flights', 'example.routes', 'example.movies'];
const FLIGHTS_PER_BATCH = 2000;
const BATCH_ROWS = 500;
/** Requests under way at once while loading. */
const LOADERS = 4;
const PAGE_ROWS = 1000;
const FLUSH_MS_MAX = 60_000;

export interface Answer {
  readonly about: string;
  readonly rowCount: number;
  readonly tookMs: number;
  /** The first one found, or undefined: the engines agree. */
  readonly difference: string | undefined;
}

export interface Round {
  readonly name: string;
  readonly answers: readonly Answer[];
}

export interface Voice {
  say(line: string): void;
  /** Of a load, from 0 to 1. */
  progress(what: string, done: number, total: number, rowsPerSecond: number): void;
}

/** Throws if a statement is refused, or changes more or fewer rows than in DuckDB. */
export async function runFlights(voice: Voice, url?: string): Promise<Round[]> {
  const own = url === undefined ? await Server.create('flights') : undefined;
  const oracle = await Oracle.open();
  try {
    const startMs = await own?.start();
    const urlNow = () => url ?? own!.url;
    if (startMs !== undefined) voice.say(`A server listens on ${urlNow()} after ${Math.round(startMs)} ms.`);
    await load(voice, urlNow());
    const rounds = [await ask(voice, 'loaded', urlNow(), oracle)];
    await flush(voice, urlNow());
    await change(voice, urlNow(), oracle);
    rounds.push(await ask(voice, 'changed', urlNow(), oracle));
    if (own !== undefined) {
      await own.kill();
      voice.say(`Killed; started again in ${Math.round(await own.start())} ms.`);
      rounds.push(await ask(voice, 'killed', urlNow(), oracle));
    }
    await flush(voice, urlNow());
    rounds.push(await ask(voice, 'flushed', urlNow(), oracle));
    return rounds;
  } finally {
    oracle.close();
    await own?.remove();
  }
}

async function load(voice: Voice, url: string): Promise<void> {
  const run = (sql: string) => runSql(url, 'ana', sql);
  await run('CREATE NAMESPACE IF NOT EXISTS example');
  for (const table of TABLES) await run(`DROP TABLE IF EXISTS ${table}`);
  for (const ddl of [FLIGHTS_DDL, ROUTES_DDL, MOVIES_DDL]) await run(ddl);
  await loadTable(voice, {url, user: 'ana', table: 'flights', rows: await flightRows(), batchRows: FLIGHTS_PER_BATCH});
  await loadTable(voice, {url, user: 'ben', table: 'routes', rows: await routeRows(), batchRows: BATCH_ROWS});
  const movies = await movieRows();
  const ofBen = movies.filter((_, i) => (i + 1) % 3 === 0);
  await loadTable(voice, {url, user: 'ana', table: 'movies', rows: movies, batchRows: BATCH_ROWS});
  await loadTable(voice, {url, user: 'ben', table: 'movies', rows: ofBen, batchRows: BATCH_ROWS});
}

interface Load {
  readonly url: string;
  readonly user: string;
  readonly table: string;
  readonly rows: readonly string[];
  readonly batchRows: number;
}

async function loadTable(voice: Voice, {url, user, table, rows, batchRows}: Load): Promise<void> {
  const startedMs = performance.now();
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < rows.length) {
      const batch = rows.slice(next, next + batchRows);
      next += batchRows;
      await runSql(url, user, `INSERT INTO example.${table} VALUES (${batch.join('), (')})`);
      done += batch.length;
      const seconds = (performance.now() - startedMs) / 1000;
      voice.progress(`example.${table} of ${user}`, done, rows.length, done / seconds);
    }
  };
  await Promise.all(Array.from({length: LOADERS}, worker));
}

/** Until the tables have no rows in memory; what is being flushed already is waited for. */
async function flush(voice: Voice, url: string): Promise<void> {
  const startedMs = performance.now();
  const pending = new Set(TABLES);
  while (pending.size > 0) {
    for (const table of pending) {
      const {message} = await runSql(url, 'ana', `STORAGE FLUSH TABLE ${table}`);
      if (message!.includes('no pending writes')) pending.delete(table);
    }
    if (performance.now() - startedMs > FLUSH_MS_MAX) {
      const {rows} = await runSql(url, 'ana', "SELECT * FROM system.jobs WHERE status <> 'completed'");
      throw new Error(`The flush does not end: ${JSON.stringify(rows)}`);
    }
    await sleep(20);
  }
  voice.say(`Flushed in ${Math.round(performance.now() - startedMs)} ms.`);
}

async function change(voice: Voice, url: string, oracle: Oracle): Promise<void> {
  for (const {user, sql} of CHANGES) {
    const startedMs = performance.now();
    const {row_count: count} = await runSql(url, user, sql);
    const tookMs = performance.now() - startedMs;
    const expected = await oracle.change(user, sql);
    if (count !== expected) throw new Error(`${sql}\n  changed ${count} rows, in DuckDB ${expected}`);
    voice.say(`${String(count).padStart(6)} rows, ${tookMs.toFixed(0).padStart(4)} ms: ${sql}`);
  }
}

async function ask(voice: Voice, name: string, url: string, oracle: Oracle): Promise<Round> {
  voice.say(`Round '${name}': ${await tiers(url, 'example.flights')}; ${await tiers(url, 'example.movies')}.`);
  const answers: Answer[] = [];
  for (const question of QUESTIONS) {
    const order = question.isPaged === true ? ' ORDER BY id' : '';
    const expected = await oracle.ask(question.user, question.sql + order);
    const startedMs = performance.now();
    const rows = await answer(url, question);
    const tookMs = performance.now() - startedMs;
    answers.push({about: question.about, rowCount: rows.length, tookMs, difference: differenceOf(rows, expected)});
  }
  const agreeing = answers.filter(({difference}) => difference === undefined).length;
  voice.say(`Round '${name}': ${agreeing} of ${answers.length} answers agree.`);
  return {name, answers};
}

/** `example.flights 8,120 rows in memory, 190,000 in 19 segments`, as ana sees it. */
async function tiers(url: string, table: string): Promise<string> {
  const {rows} = await runSql(url, 'ana', `EXPLAIN SELECT id FROM ${table}`);
  const plan = String(rows!.at(-1)!.at(-1));
  const count = (pattern: RegExp) => Number(pattern.exec(plan)![1]).toLocaleString('en');
  return `${table} has ${count(/hot rows: (\d+)/)} rows in memory, ${count(/cold rows: (\d+)/)} in ${count(/segments: \d+ of (\d+)/)} segments`;
}

async function answer(url: string, {user, sql, isPaged}: Question): Promise<string[][]> {
  if (isPaged !== true) return shownRows(await runSql(url, user, sql));
  const rows: string[][] = [];
  for (;;) {
    const last = rows.at(-1)?.[0] ?? '0';
    const page = shownRows(await runSql(url, user, `${sql} WHERE id > ${last} ORDER BY id LIMIT ${PAGE_ROWS}`));
    rows.push(...page);
    if (page.length < PAGE_ROWS) return rows;
  }
}

/** As the oracle shows its rows. BIGINT and DECIMAL come as texts, dates as numbers: the schema tells. */
function shownRows({schema, rows, truncated}: Result): string[][] {
  if (truncated === true) throw new Error(`an answer was cut after ${rows!.length} rows`);
  const types = schema!.map(column => column.data_type);
  return rows!.map(row =>
    row.map((value, i) => {
      if (value === null) return 'NULL';
      if (types[i] === 'Text' || types[i] === 'Json') return JSON.stringify(value);
      return types[i] === 'Date' ? `day ${value}` : String(value);
    }),
  );
}

function differenceOf(rows: readonly string[][], expected: readonly string[][]): string | undefined {
  const shared = Math.max(rows.length, expected.length);
  for (let i = 0; i < shared; i++) {
    const [found, wanted] = [rows[i]?.join(', ') ?? 'no row', expected[i]?.join(', ') ?? 'no row'];
    if (found !== wanted) return `row ${i + 1}: KalamDB (${found}), DuckDB (${wanted})`;
  }
  return undefined;
}

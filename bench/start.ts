/**
 * How long from starting the server to its first answer, with a million rows in memory to be restored? (P14)
 *
 *     log           everything is replayed from the log
 *     checkpoint    the newest checkpoint is loaded, then the log after it
 *
 * The first answer is that of a SELECT of one of the rows. Each start follows a kill.
 */
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {untilCalm} from './kit/calm.ts';
import {chatTable, fillChat, randomOf, USERS, userName} from './kit/chat.ts';
import {output} from './kit/child.ts';
import {type Kalamdb, LARGE_MEMORY, QUIET, type Settings, startKalamdb} from './kit/kalamdb.ts';
import type {Measure} from './kit/report.ts';

const ROWS = 1_000_000;
const CHECKPOINT_MS_MAX = 60_000;
/** A log that is never long enough for a checkpoint, and one that soon is. */
const NEVER = 64 * 1024 ** 3;
const SOON = 64 * 1024 ** 2;

export const start: Bench = {title: 'start to first answer', rounds: 5, run};

async function run(context: BenchContext): Promise<Findings> {
  const {directory, rounds} = context;
  const settings = {...QUIET, ...LARGE_MEMORY};
  const fromLog = {...settings, 'checkpoint.log_bytes': NEVER};
  const fromCheckpoint = {...settings, 'checkpoint.log_bytes': SOON};
  const found = new Rounds();
  await filled(context, 'log', fromLog);
  await filled(context, 'checkpoint', fromCheckpoint);
  await filled(context, 'both', fromCheckpoint);
  for (let round = 0; round < rounds; round++) {
    await untilCalm(context.patienceMs);
    found.add('bare', await bareNodeSeconds());
    found.add('empty', await startSeconds(join(directory, `empty-${round}`), settings, 'SELECT 1'));
    const sql = 'SELECT body FROM bench.messages LIMIT 1';
    found.add('log', await startSeconds(join(directory, 'log'), fromLog, sql));
    for (const name of ['checkpoint', 'both'])
      found.add(name, await startSeconds(join(directory, name), fromCheckpoint, sql));
  }
  const bare = {name: 'node that does nothing', rounds: found.of('bare')};
  const measure = (what: string, name: string): Measure => ({
    goal: 'P14',
    what,
    unit: 's',
    ours: {name: 'KalamDB', rounds: found.of(name)},
    peer: bare,
    judge: {by: 'value', better: 'less', floor: 2.5, aim: 1},
    facts: {},
  });
  return {
    durability: 'D2; every start follows a kill',
    settings: {...settings, rows: ROWS, users: USERS},
    notes: ['From source, so that the time includes stripping the types of all files. Files are in the page cache.'],
    measures: [
      measure(`start with ${ROWS / 1e6}M rows in the log`, 'log'),
      measure(`start with ${ROWS / 1e6}M rows, from a checkpoint`, 'checkpoint'),
      {...measure('the same with every row once more in the log', 'both'), judge: undefined},
      {...measure('start on an empty directory', 'empty'), judge: undefined},
    ],
  };
}

/** A data directory with the rows, left behind by a kill. */
async function filled(
  {directory, seed, say}: BenchContext,
  name: 'log' | 'checkpoint' | 'both',
  settings: Settings,
): Promise<void> {
  const place = join(directory, name);
  const server = await startKalamdb(place, settings);
  try {
    say(`filling for a start from: ${name}`);
    await server.sql('CREATE NAMESPACE bench');
    await server.sql(chatTable('bench.messages'));
    await fillChat(server, 'bench.messages', {users: USERS, perUser: ROWS / USERS}, randomOf(seed));
    if (name !== 'log') await growUntilCheckpoint(server, place, name === 'both');
  } finally {
    await server.stop('SIGKILL');
  }
}

/**
 * A checkpoint is due when the log is longer than the rows it would hold, so rows are written again. Those that came while rows were first
 * written hold only some of them.
 */
async function growUntilCheckpoint(server: Kalamdb, place: string, isWhole: boolean): Promise<void> {
  const directory = join(place, 'data', 'checkpoint');
  const early = await readdir(directory);
  const made = async () => (await readdir(directory)).filter(name => !early.includes(name));
  for (let user = 0; user < USERS; user++) {
    if (!isWhole && (await made()).length > 0) break;
    await server.sql('UPDATE bench.messages SET room = room + 1 WHERE id > 0', {user: userName(user)});
  }
  for (const endMs = performance.now() + CHECKPOINT_MS_MAX; performance.now() < endMs; await sleep(100)) {
    if ((await made()).some(name => !name.endsWith('.tmp'))) return;
  }
  throw new Error('no checkpoint was written');
}

async function startSeconds(place: string, settings: Settings, sql: string): Promise<number> {
  const startedMs = performance.now();
  const server = await startKalamdb(place, settings);
  try {
    const [result] = await server.sql(sql, {user: userName(0)});
    const seconds = (performance.now() - startedMs) / 1000;
    if (result?.rows?.length !== 1) throw new Error(`no row came back: ${sql}`);
    return seconds;
  } finally {
    await server.stop('SIGKILL');
  }
}

async function bareNodeSeconds(): Promise<number> {
  const startedMs = performance.now();
  await output(process.execPath, ['-e', '0']);
  return (performance.now() - startedMs) / 1000;
}

/**
 * Make fixture: writes a data directory as this release leaves it when it is killed, and what must be found in it.
 *
 *     node scripts/make-fixture.ts        → packages/server/test/fixtures/data-<version>/{data/, expected.json}
 *
 * Later releases must open it (see `packages/server/test/e2e/fixtures.test.ts`), so the fixture of a release is written once, when it is
 * made, and never again: the script refuses to.
 *
 *     tables, rows, flushes, ALTERs, a DROP ─ checkpoint ─ the same again, into the log after it ─ a flush that hangs ─ copy = kill
 *
 * Log segments and slabs are small here, so that the directory is; everything else is as in a server.
 */
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {cp, mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {realDisk} from '../packages/server/src/std/real-disk.ts';
import {VERSION} from '../packages/server/src/std/version.ts';
import {flush, jobIdOf, openTestDatabase, type TestDatabase} from '../packages/server/test/test-database.ts';
import {
  AFTER_CHECKPOINT,
  BEFORE_CHECKPOINT,
  INTERRUPTED_TABLE,
  type Question,
  type Step,
  SYSTEM_QUESTIONS,
  TABLE_QUESTIONS,
} from './fixture-story.ts';

const KIB = 1024;
const CHECKPOINT_UPDATES_MAX = 1000;
const PROGRESS_MS_MAX = 10_000;

const target = resolve(import.meta.dirname, `../packages/server/test/fixtures/data-${VERSION}`);
if (existsSync(target)) {
  console.error(
    `${target} is there. The fixture of a release is never written again; remove it if it is not released yet.`,
  );
  process.exit(1);
}
const workplace = await mkdtemp(join(tmpdir(), 'kalamdb-fixture-'));
// Paths that get into the data are then relative to it.
process.chdir(workplace);
const gate = {isClosed: false, isMet: false};
const database = await openTestDatabase({
  directory: 'data',
  durability: 'D2',
  disk: gatedDisk(),
  logSegmentBytes: 12 * KIB,
  slabBytes: 2 * KIB,
  checkpointLogBytes: 32 * KIB,
  jobs: {maxConcurrent: 4, maxRetries: 3, retryBackoffMs: 100, keepFinishedDays: 30},
});
try {
  await play(database, BEFORE_CHECKPOINT);
  const newest = await fillLogUntilCheckpoint(database);
  await play(database, AFTER_CHECKPOINT);
  const tables = await answers(database, TABLE_QUESTIONS);
  const system = await answers(database, SYSTEM_QUESTIONS);
  const interruptedJob = await hangInFlush(database, INTERRUPTED_TABLE);
  assert.equal(await newestCheckpoint(), newest, 'what came after the checkpoint is in the log alone');
  await mkdir(target, {recursive: true});
  await cp('data', join(target, 'data'), {recursive: true, filter: path => !/\.(?:sock|tmp)$/.test(path)});
  const head = JSON.stringify({release: VERSION, interruptedJob}).slice(0, -1);
  await writeFile(join(target, 'expected.json'), `${head}, "tables": ${tables}, "system": ${system}}\n`);
  console.log(`${target} is written.`);
} finally {
  gate.isClosed = false;
  await database.stop();
  process.chdir(tmpdir());
  await rm(workplace, {recursive: true, force: true});
}

async function play(database: TestDatabase, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if ('flush' in step) await flush(database, step.flush);
    else await database.sql(step.sql, {user: step.user});
  }
}

/** Checkpoints come by the length of the log alone. Returns the name of the new one. */
async function fillLogUntilCheckpoint(database: TestDatabase): Promise<string> {
  const filler = 'x'.repeat(500);
  const before = await newestCheckpoint();
  for (let i = 1; ; i++) {
    const newest = await newestCheckpoint();
    if (newest !== undefined && newest !== before) return newest;
    assert(i < CHECKPOINT_UPDATES_MAX, 'the log has grown enough for a checkpoint');
    await database.sql(`UPDATE app.counter SET n = ${i}, filler = '${filler}' WHERE id = 1`);
  }
}

async function newestCheckpoint(): Promise<string | undefined> {
  const names = await readdir('data/checkpoint');
  return names
    .filter(name => !name.endsWith('.tmp'))
    .sort()
    .at(-1);
}

/** As JSON text with one line a row, so that people can read and compare it. Rows are written as they were sent. */
async function answers(database: TestDatabase, questions: readonly Question[]): Promise<string> {
  const blocks: string[] = [];
  for (const {user, sql} of questions) {
    const {columns, json} = await database.sql(sql, {user});
    const head = JSON.stringify({user, sql, columns}).slice(0, -1);
    blocks.push(`  ${head}, "rows": [${json.map(row => `\n    ${row}`).join(',')}]}`);
  }
  return `[\n${blocks.join(',\n')}]`;
}

/** Starts a flush and returns its job when the job has said which file it will write, but has not written it. */
async function hangInFlush(database: TestDatabase, table: string): Promise<string> {
  gate.isClosed = true;
  const jobId = jobIdOf(await database.sql(`FLUSH TABLE ${table}`));
  for (let waitedMs = 0; !gate.isMet; waitedMs += 5) {
    assert(waitedMs < PROGRESS_MS_MAX, 'the flush comes to its first file');
    await sleep(5);
  }
  return jobId;
}

function gatedDisk(): typeof realDisk {
  return {
    ...realDisk,
    async open(path, mode) {
      if (mode === 'create' && path.includes('.parquet')) {
        while (gate.isClosed) {
          gate.isMet = true;
          await sleep(5);
        }
      }
      return realDisk.open(path, mode);
    },
  };
}

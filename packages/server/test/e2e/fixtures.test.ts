/**
 * Fixtures: the data directories that releases wrote must be opened by this one, with every row and value in place.
 *
 * Each was copied from a server that was killed, see `scripts/make-fixture.ts`. Numbers are compared by their digits: a double would hide
 * the last ones.
 */
import assert from 'node:assert/strict';
import {cp, mkdtemp, readdir, readFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {jobEnd, openTestDatabase, type TestDatabase} from '../test-database.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures');
/** A fixture's finished jobs are older every day. */
const KEEP_JOBS_DAYS = 1_000_000;

interface Question {
  readonly user: string;
  readonly sql: string;
  readonly columns: readonly string[];
  readonly rows: readonly unknown[];
}

interface Expected {
  readonly release: string;
  readonly interruptedJob: string;
  readonly tables: readonly Question[];
  readonly system: readonly Question[];
}

const names = (await readdir(FIXTURES)).filter(name => name.startsWith('data-'));

test('there is a data directory of the first release', () => assert.ok(names.includes('data-0.1.0')));

for (const name of names) {
  test(`${name}: rows, schemas and jobs are as the release left them, in either tier, and go on from there`, async () => {
    const expected = exact(await readFile(join(FIXTURES, name, 'expected.json'), 'utf8')) as Expected;
    const directory = await mkdtemp(join(tmpdir(), 'kalamdb-fixture-'));
    await cp(join(FIXTURES, name, 'data'), directory, {recursive: true});
    const database = await openTestDatabase({
      directory,
      logSegmentBytes: 1024 * 1024,
      jobs: {maxConcurrent: 4, maxRetries: 3, retryBackoffMs: 1, keepFinishedDays: KEEP_JOBS_DAYS},
    });
    try {
      await compare(database, [...expected.tables, ...expected.system], 'opened');
      assert.deepEqual(
        (await database.sql('SELECT * FROM app.events', {user: 'ana'})).rows,
        [],
        'a stream is not kept',
      );
      const interrupted = await jobEnd(database, expected.interruptedJob);
      assert.deepEqual([interrupted['status'], interrupted['retry_count']], ['completed', 1]);
      await compare(database, [...expected.tables, ...expected.system], 'after its interrupted job');
      await database.restart();
      await compare(database, [...expected.tables, ...expected.system], 'opened again');
      await flushAll(database);
      await compare(database, expected.tables, 'flushed');
      await goOn(database);
      await database.restart();
      await compare(database, expected.tables.filter(isUntouched), 'changed and opened again');
    } finally {
      await database.stop();
    }
  });
}

async function compare(database: TestDatabase, questions: readonly Question[], when: string): Promise<void> {
  for (const {user, sql, columns, rows} of questions) {
    const found = await database.sql(sql, {user});
    assert.deepEqual(found.columns, columns, `${when}: columns of ${sql} as ${user}`);
    assert.deepEqual(found.json.map(exact), rows, `${when}: ${sql} as ${user}`);
  }
}

async function flushAll(database: TestDatabase): Promise<void> {
  const {message} = await database.sql('FLUSH ALL TABLES IN app');
  for (const jobId of message.match(/FL-[0-9a-f]{12}/g) ?? []) {
    assert.equal((await jobEnd(database, jobId))['status'], 'completed', jobId);
  }
  const {rows} = await database.sql('EXPLAIN SELECT * FROM app.types');
  assert.match(String(rows.at(-1)!.at(-1)), /hot rows: 0\n/);
}

const isUntouched = ({sql}: Question): boolean => !sql.includes('app.items');

/** New rows are newer than all old ones, old keys are known, and old rows can be changed. */
async function goOn(database: TestDatabase): Promise<void> {
  const newest = async () => BigInt(String((await database.sql('SELECT MAX(_seq) FROM app.items')).rows[0]![0]));
  const before = await newest();
  await assert.rejects(database.sql("INSERT INTO app.items (id, name) VALUES (4, 'taken')"), /already exists/);
  await database.sql("INSERT INTO app.items (name, price) VALUES ('new', 7)");
  assert.ok((await newest()) > before, 'seqs grow over releases');
  assert.equal((await database.sql("UPDATE app.items SET colour = 'new' WHERE id <= 6")).rowCount, 6);
  assert.equal((await database.sql('DELETE FROM app.items WHERE id = 6')).rowCount, 1);
  await flushAll(database);
  const {rows} = await database.sql("SELECT COUNT(*), SUM(id) FROM app.items WHERE id <= 6 AND colour = 'new'");
  assert.deepEqual(rows, [['5', '15']]);
}

/** JSON with each number as its own text. */
function exact(json: string): unknown {
  return JSON.parse(json, function (this: unknown, _key: string, value: unknown, context?: {source?: string}) {
    return typeof value === 'number' ? `number ${context!.source}` : value;
  });
}

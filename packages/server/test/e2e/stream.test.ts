/**
 * STREAM tables as their users meet them. The clock is moved by hand.
 */
import assert from 'node:assert/strict';
import {readdir, readFile} from 'node:fs/promises';
import {test} from 'node:test';
import type {Clock} from '../../src/std/clock.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {jobEnd, openTestDatabase, type TestDatabase} from '../test-database.ts';

const TABLE = 'CREATE STREAM TABLE app.typing (room TEXT NOT NULL, body TEXT) WITH (TTL_SECONDS = 30)';

test('a stream shows each user the own rows in the order of their coming, doubles included', async () => {
  await withDatabase({}, async db => {
    for (const room of ['b', 'a', 'a']) await say(db, room);
    await say(db, 'c', 'ben');
    assert.deepEqual(await rooms(db), ['b', 'a', 'a']);
    assert.deepEqual(await rooms(db, 'ben'), ['c']);
    assert.deepEqual(await rooms(db, 'eve'), []);
    const star = await db.sql('SELECT * FROM app.typing', {user: 'ana'});
    assert.deepEqual(star.columns, ['room', 'body', '_seq'], 'there is no _deleted');
    const newest = await db.sql('SELECT room FROM app.typing ORDER BY _seq DESC LIMIT 2', {user: 'ana'});
    assert.deepEqual(newest.rows, [['a'], ['a']]);
    const counted = await db.sql('SELECT room, COUNT(*) FROM app.typing GROUP BY room ORDER BY 2 DESC', {user: 'ana'});
    assert.deepEqual(counted.rows, [
      ['a', '2'],
      ['b', '1'],
    ]);
  });
});

test('a row is gone to the millisecond when its TTL is over, whether or not it was evicted', async () => {
  await withDatabase({}, async (db, time) => {
    await say(db, 'early');
    time.pass(1);
    await say(db, 'late');
    time.pass(29_999);
    assert.deepEqual(await rooms(db), ['early', 'late']);
    time.pass(1);
    assert.deepEqual(await rooms(db), ['late']);
    time.pass(1);
    assert.deepEqual(await rooms(db), []);
  });
});

test('another TTL holds at once, for the rows that are there too', async () => {
  await withDatabase({}, async (db, time) => {
    await say(db, 'early');
    time.pass(20_000);
    await say(db, 'late');
    await db.sql('ALTER TABLE app.typing SET TBLPROPERTIES (TTL_SECONDS = 10)');
    assert.deepEqual(await rooms(db), ['late']);
    await db.sql('ALTER TABLE app.typing SET TBLPROPERTIES (TTL_SECONDS = 3600)');
    time.pass(60_000);
    assert.deepEqual(await rooms(db), ['early', 'late']);
  });
});

test('the eviction job frees what is past the TTL and says how much', async () => {
  await withDatabase({streams: {scopeRowsMax: 1000, tableBytesMax: 1 << 24, evictMs: 10}}, async (db, time) => {
    for (const user of ['ana', 'ben']) for (let i = 0; i < 5; i++) await say(db, `${i}`, user);
    time.pass(30_001);
    await say(db, 'new');
    for (let i = 0; i < 300 && (await evictions(db)).length === 0; i++) await systemClock.sleep(10);
    const [jobId] = (await evictions(db))[0]!;
    const job = await jobEnd(db, String(jobId));
    assert.match(String(jobId), /^SE-/);
    assert.equal(job['status'], 'completed');
    assert.equal(job['message'], 'Evicted 5 expired rows from app.typing', 'the rows of ana went with her insert');
    assert.deepEqual(await rooms(db), ['new']);
  });
});

test('a user has a bounded number of rows: the oldest make room', async () => {
  await withDatabase({streams: {scopeRowsMax: 3, tableBytesMax: 1 << 24, evictMs: 3_600_000}}, async db => {
    for (let i = 0; i < 10; i++) await say(db, `${i}`);
    await say(db, 'x', 'ben');
    assert.deepEqual(await rooms(db), ['7', '8', '9']);
    await db.sql("INSERT INTO app.typing (room) VALUES ('p'), ('q'), ('r'), ('s'), ('t')", {user: 'ana'});
    assert.deepEqual(await rooms(db), ['r', 's', 't']);
    assert.deepEqual(await rooms(db, 'ben'), ['x']);
  });
});

test('a table that holds too many bytes refuses rows until some expire', async () => {
  await withDatabase({streams: {scopeRowsMax: 1e6, tableBytesMax: 20_000, evictMs: 3_600_000}}, async (db, time) => {
    const fill = async () => {
      for (let i = 0; i < 50; i++) await say(db, 'x'.repeat(1000));
    };
    const refusal =
      /Stream table 'app\.typing' is at its limit of 20000 bytes; rows go when they are older than its TTL of 30 s\./;
    await assert.rejects(fill(), {code: 'MEMORY_LIMIT', message: refusal}, 'not how much all users have in it');
    time.pass(30_001);
    await say(db, 'again');
    assert.deepEqual(await rooms(db), ['again']);
  });
});

test('DELETE removes rows at once; UPDATE and flushes are refused', async () => {
  await withDatabase({}, async db => {
    for (const room of ['a', 'b', 'a']) await say(db, room);
    await say(db, 'a', 'ben');
    const deleted = await db.sql("DELETE FROM app.typing WHERE room = 'a'", {user: 'ana'});
    assert.equal(deleted.rowCount, 2);
    assert.deepEqual(await rooms(db), ['b']);
    assert.deepEqual(await rooms(db, 'ben'), ['a']);
    const refused: [sql: string, message: RegExp][] = [
      ["UPDATE app.typing SET room = 'c' WHERE room = 'b'", /UPDATE not supported for STREAM tables/],
      ['FLUSH TABLE app.typing', /Cannot flush stream table 'app\.typing'\. Only user tables can be flushed\./],
      ['STORAGE FLUSH TABLE app.typing', /STORAGE FLUSH TABLE is not supported for STREAM tables/],
    ];
    for (const [sql, message] of refused) await assert.rejects(db.sql(sql, {user: 'ana'}), {message});
  });
});

test('nothing of a stream reaches the disk, its definition does', async () => {
  await withDatabase({}, async db => {
    await say(db, 'a secret that is only said');
    await db.close();
    for (const name of await readdir(`${db.directory}/log`)) {
      assert.equal((await readFile(`${db.directory}/log/${name}`)).includes('only said'), false);
    }
    await db.restart();
    assert.deepEqual(await rooms(db), []);
    await say(db, 'new');
    assert.deepEqual(await rooms(db), ['new']);
  });
});

test('DROP and CREATE give an empty stream; rows of the old one never come back', async () => {
  await withDatabase({}, async db => {
    await say(db, 'old');
    await db.sql('DROP TABLE app.typing');
    await assert.rejects(rooms(db), {message: /Table not found/});
    await db.sql(TABLE);
    assert.deepEqual(await rooms(db), []);
  });
});

test('a key of a stream is shown in its order and need not be unique', async () => {
  await withDatabase({}, async db => {
    await db.sql('CREATE TABLE app.seen (id BIGINT PRIMARY KEY, n INT) TTL 60');
    const at = (id: number, n: number) => db.sql(`INSERT INTO app.seen VALUES (${id}, ${n})`, {user: 'ana'});
    await at(2, 1);
    await at(1, 2);
    await at(2, 3);
    const all = await db.sql('SELECT id, n FROM app.seen', {user: 'ana'});
    assert.deepEqual(all.rows, [
      ['1', 2],
      ['2', 1],
      ['2', 3],
    ]);
    const some = await db.sql('SELECT n FROM app.seen WHERE id = 2', {user: 'ana'});
    assert.deepEqual(some.rows, [[1], [3]]);
    await db.sql('DELETE FROM app.seen WHERE id IN (2)', {user: 'ana'});
    assert.deepEqual((await db.sql('SELECT n FROM app.seen', {user: 'ana'})).rows, [[2]]);
  });
});

test('an ALTER shows on rows that are there', async () => {
  await withDatabase({}, async db => {
    await say(db, 'a');
    await db.sql('ALTER TABLE app.typing ADD COLUMN n INT DEFAULT 7');
    await db.sql('ALTER TABLE app.typing DROP COLUMN body');
    await db.sql("INSERT INTO app.typing (room, n) VALUES ('b', 8)", {user: 'ana'});
    const {rows} = await db.sql('SELECT room, n FROM app.typing', {user: 'ana'});
    assert.deepEqual(rows, [
      ['a', 7],
      ['b', 8],
    ]);
  });
});

const refusals: [why: string, sql: string, message: RegExp][] = [
  ['no TTL', 'CREATE STREAM TABLE app.x (a INT)', /STREAM tables must specify 'TTL_SECONDS'/],
  ['TTL of nothing', 'CREATE STREAM TABLE app.x (a INT) WITH (TTL_SECONDS = 0)', /Invalid TTL_SECONDS/],
  ['TTL elsewhere', 'CREATE USER TABLE app.x (a INT PRIMARY KEY) WITH (TTL_SECONDS = 5)', /only supported for STREAM/],
];
for (const [why, sql, message] of refusals) {
  test(`CREATE STREAM TABLE is refused with its reason: ${why}`, async () => {
    await withDatabase({}, async db => {
      await assert.rejects(db.sql(sql), {message});
    });
  });
}

interface Time {
  pass(ms: number): void;
}

async function withDatabase(
  changes: Parameters<typeof openTestDatabase>[0],
  body: (db: TestDatabase, time: Time) => Promise<void>,
): Promise<void> {
  let nowMs = Date.UTC(2026, 0, 1);
  const clock: Clock = {...systemClock, nowMs: () => nowMs};
  const db = await openTestDatabase({clock, ...changes});
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql(TABLE);
    await body(db, {
      pass: ms => {
        nowMs += ms;
      },
    });
  } finally {
    await db.stop();
  }
}

async function say(db: TestDatabase, room: string, user = 'ana'): Promise<void> {
  await db.sql('INSERT INTO app.typing (room) VALUES ($1)', {user, params: [room]});
}

async function rooms(db: TestDatabase, user = 'ana'): Promise<unknown[]> {
  return (await db.sql('SELECT room FROM app.typing', {user})).rows.map(row => row[0]);
}

async function evictions(db: TestDatabase): Promise<readonly unknown[][]> {
  const {rows} = await db.sql("SELECT job_id FROM system.jobs WHERE job_type = 'stream_eviction'");
  return rows.map(row => [...row]);
}

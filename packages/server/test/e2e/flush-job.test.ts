/**
 * Flush job: its life as a user sees it, and what flushes must never do to rows.
 *
 * The disk is the real one with a gate before segment files: closed, a flush stands still in the middle; broken, it fails.
 */
import assert from 'node:assert/strict';
import {readdir} from 'node:fs/promises';
import {test} from 'node:test';
import {systemClock} from '../../src/std/system-clock.ts';
import {flush, jobEnd, jobIdOf, jobRow} from '../test-database.ts';
import {segmentFiles} from './gated-disk.ts';
import {ids, insert, TABLE, values, withTable} from './small-table.ts';

test('a flush is queued, runs, and completes with its counts; what it moved is still there', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1, 2, 3]);
    gate.close();
    const answer = await db.sql('FLUSH TABLE app.t');
    const jobId = jobIdOf(answer);
    assert.equal(answer.message, `Flush started for table 'app.t'. Job ID: ${jobId}`);
    await gate.reached();
    const running = await jobRow(db, jobId);
    assert.equal(running['status'], 'running');
    assert.equal(running['table_name'], 'app.t');
    assert.ok(running['started_at'] !== null && running['finished_at'] === null);
    assert.deepEqual(await ids(db), ['1', '2', '3'], 'rows are read while they move');
    gate.open();
    const ended = await jobEnd(db, jobId);
    assert.equal(ended['status'], 'completed');
    assert.match(String(ended['message']), /^Flushed 3 rows/);
    assert.ok(ended['finished_at'] !== null);
    const result = JSON.parse(String(ended['result']));
    assert.deepEqual([result.rows_written, result.files, result.scopes_flushed], [3, 1, 1]);
    assert.deepEqual(await ids(db), ['1', '2', '3']);
    assert.equal((await segmentFiles(db)).length, 1);
    await db.restart();
    assert.equal((await jobRow(db, jobId))['status'], 'completed', 'the row of a job outlives the server');
    assert.deepEqual(await ids(db), ['1', '2', '3']);
  });
});

test('while a flush runs every other FLUSH is refused by name, and the next one after it is not', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1]);
    gate.close();
    const jobId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await gate.reached();
    const refusal = `Flush job already running for table 'app.t' (job_id: ${jobId}). Please wait for it to complete.`;
    await assert.rejects(db.sql('FLUSH TABLE app.t'), {message: `Statement 1 failed: Conflict: ${refusal}`});
    const voice = await db.sql('STORAGE FLUSH TABLE app.t');
    assert.match(voice.message, /already queued or running/);
    gate.open();
    await jobEnd(db, jobId);
    await insert(db, [2]);
    await flush(db, 'app.t');
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('parallel FLUSHes of one table make exactly one job', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1]);
    gate.close();
    const answers = await Promise.allSettled(Array.from({length: 10}, () => db.sql('FLUSH TABLE app.t')));
    assert.equal(answers.filter(answer => answer.status === 'fulfilled').length, 1);
    assert.equal((await db.sql("SELECT job_id FROM system.jobs WHERE job_type = 'flush'")).rows.length, 1);
    gate.open();
  });
});

test('a flush that cannot write fails with the cause, loses nothing, and frees the table', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1, 2]);
    gate.break('the disk is on fire');
    const failed = await jobEnd(db, jobIdOf(await db.sql('FLUSH TABLE app.t')));
    assert.equal(failed['status'], 'failed');
    assert.match(String(failed['message']), /1 of 1 scopes of app\.t failed.*the disk is on fire/);
    assert.deepEqual(await ids(db), ['1', '2']);
    const left = await readdir(`${db.directory}/storage`, {recursive: true, withFileTypes: true});
    assert.deepEqual(
      left.filter(one => one.isFile()),
      [],
      'no part of a file is left',
    );
    gate.open();
    await flush(db, 'app.t');
    await db.restart();
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('a segment whose last row was replaced is listed no more, and its file goes', async () => {
  await withTable(
    async db => {
      await insert(db, [1, 2]);
      await flush(db, 'app.t');
      const [first] = await segmentFiles(db);
      await db.sql("UPDATE app.t SET v = 'new' WHERE id = 1", {user: 'ana'});
      await flush(db, 'app.t');
      assert.equal((await segmentFiles(db)).length, 2, 'one of its rows is still live');
      await db.sql('DELETE FROM app.t WHERE id = 2', {user: 'ana'});
      await flush(db, 'app.t');
      for (let i = 0; i < 200 && (await segmentFiles(db)).includes(first!); i++) await systemClock.sleep(10);
      assert.equal((await segmentFiles(db)).length, 2);
      assert.ok(!(await segmentFiles(db)).includes(first!));
      await db.restart();
      assert.deepEqual(await values(db), [['new', '1']]);
    },
    {flushCheckMs: 10},
  );
});

test('one scope that fails does not hold up the others, and its rows are flushed by the next job', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1], 'ana');
    await insert(db, [2], 'ben');
    gate.break('no room for ana', '/ana/');
    const failed = await jobEnd(db, jobIdOf(await db.sql('FLUSH TABLE app.t')));
    assert.equal(failed['status'], 'failed');
    assert.equal((await segmentFiles(db)).filter(path => path.includes('/ben/')).length, 1);
    gate.open();
    await flush(db, 'app.t');
    assert.equal((await segmentFiles(db)).filter(path => path.includes('/ana/')).length, 1);
    assert.deepEqual([await ids(db, 'ana'), await ids(db, 'ben')], [['1'], ['2']]);
  });
});

test('a flush of nothing completes and writes no file', async () => {
  await withTable(async db => {
    assert.match(String((await flush(db, 'app.t'))['message']), /^Flushed 0 rows/);
    assert.deepEqual(await segmentFiles(db), []);
  });
});

test('KILL JOB answers when the flush has stopped: nothing was published, and the table is free', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1, 2]);
    gate.close();
    const jobId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await gate.reached();
    let isKilled = false;
    const killed = db.sql(`KILL JOB '${jobId}'`).then(() => {
      isKilled = true;
    });
    await systemClock.sleep(20);
    assert.equal(isKilled, false, 'the work stands in the gate and has not stopped yet');
    gate.open();
    await killed;
    const job = await jobRow(db, jobId);
    assert.equal(job['status'], 'cancelled');
    assert.deepEqual(await segmentFiles(db), [], 'what it wrote is gone');
    await systemClock.sleep(20);
    assert.deepEqual(job, await jobRow(db, jobId), 'a last status is the last');
    assert.deepEqual(await ids(db), ['1', '2']);
    await assert.rejects(db.sql(`KILL JOB '${jobId}'`), /Cannot cancel job in status Cancelled/);
    await flush(db, 'app.t');
    await db.restart();
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('what is written while its row is being flushed wins over what was flushed', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1, 2, 3, 4]);
    gate.close();
    const jobId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await gate.reached();
    await db.sql("UPDATE app.t SET v = 'new' WHERE id = 1", {user: 'ana'});
    await db.sql('DELETE FROM app.t WHERE id = 2', {user: 'ana'});
    await db.sql('DELETE FROM app.t WHERE id = 3', {user: 'ana'});
    await db.sql("INSERT INTO app.t (v, id) VALUES ('again', 3)", {user: 'ana'});
    gate.open();
    assert.equal((await jobEnd(db, jobId))['status'], 'completed');
    const expected = [
      ['new', '1'],
      ['again', '3'],
      ['v4', '4'],
    ];
    assert.deepEqual(await values(db), expected);
    await flush(db, 'app.t');
    assert.deepEqual(await values(db), expected);
    await db.restart();
    assert.deepEqual(await values(db), expected);
  });
});

test('a row deleted after its flush stays deleted, through the next flush and a restart; and may come back', async () => {
  await withTable(async db => {
    await insert(db, [1, 2]);
    await flush(db, 'app.t');
    assert.equal((await db.sql('DELETE FROM app.t WHERE id = 1', {user: 'ana'})).rowCount, 1);
    for (const step of [() => {}, () => flush(db, 'app.t'), () => db.restart(), () => flush(db, 'app.t')]) {
      await step();
      assert.deepEqual(await ids(db), ['2']);
      assert.equal((await db.sql('DELETE FROM app.t WHERE id = 1', {user: 'ana'})).rowCount, 0);
    }
    await insert(db, [1]);
    await flush(db, 'app.t');
    await assert.rejects(insert(db, [1]), /already exists/);
    await db.sql("UPDATE app.t SET v = 'third' WHERE id = 1", {user: 'ana'});
    await flush(db, 'app.t');
    await db.restart();
    assert.deepEqual(await values(db), [
      ['third', '1'],
      ['v2', '2'],
    ]);
  });
});

test('rows flushed before and between ALTERs read as the columns are now', async () => {
  await withTable(async db => {
    await insert(db, [1]);
    await flush(db, 'app.t');
    await db.sql("ALTER TABLE app.t ADD COLUMN w TEXT DEFAULT 'first'");
    await insert(db, [2]);
    await flush(db, 'app.t');
    await db.sql("UPDATE app.t SET w = 'set' WHERE id = 1", {user: 'ana'});
    await db.sql('ALTER TABLE app.t DROP COLUMN w');
    await flush(db, 'app.t');
    await db.sql("ALTER TABLE app.t ADD COLUMN w TEXT DEFAULT 'second'");
    await insert(db, [3]);
    for (const step of [() => {}, () => flush(db, 'app.t'), () => db.restart()]) {
      await step();
      const {columns, rows} = await db.sql('SELECT * FROM app.t', {user: 'ana'});
      assert.deepEqual(columns, ['v', 'id', 'w', '_seq', '_deleted']);
      assert.deepEqual(
        rows.map(row => row.slice(0, 3)),
        [
          ['v1', '1', 'second'],
          ['v2', '2', 'second'],
          ['v3', '3', 'second'],
        ],
      );
    }
  });
});

test('an ALTER while a flush runs: both end, no row is lost and none reads wrong', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1]);
    gate.close();
    const jobId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await gate.reached();
    const altered = db.sql('ALTER TABLE app.t ADD COLUMN n INT DEFAULT 5');
    await systemClock.sleep(10);
    gate.open();
    await altered;
    assert.equal((await jobEnd(db, jobId))['status'], 'completed');
    assert.deepEqual((await db.sql('SELECT v, id, n FROM app.t', {user: 'ana'})).rows, [['v1', '1', 5]]);
  });
});

test('DROP TABLE while a flush runs: the new table of that name is empty for ever, and the files go', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1]);
    await flush(db, 'app.t');
    await insert(db, [2]);
    gate.close();
    await db.sql('FLUSH TABLE app.t');
    await gate.reached();
    const dropped = db.sql('DROP TABLE app.t');
    await systemClock.sleep(10);
    gate.open();
    const cleanUp = jobIdOf(await dropped);
    await db.sql(TABLE);
    assert.equal((await jobEnd(db, cleanUp))['status'], 'completed');
    assert.deepEqual(await segmentFiles(db), []);
    await insert(db, [9]);
    await flush(db, 'app.t');
    await db.restart();
    assert.deepEqual(await ids(db), ['9']);
  });
});

test('a stop while a flush runs waits for it; the next start finds every row once', async () => {
  await withTable(async (db, gate) => {
    await insert(db, [1, 2]);
    gate.close();
    const jobId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await gate.reached();
    const restarted = db.restart();
    gate.open();
    await restarted;
    assert.equal((await jobEnd(db, jobId))['status'], 'completed');
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test("I10: no statement of one user reads or changes another's rows, hot or flushed", async () => {
  await withTable(async db => {
    await insert(db, [1, 2], 'ana');
    for (const step of [() => {}, () => flush(db, 'app.t'), () => db.restart()]) {
      await step();
      const asBen = async (sql: string) => await db.sql(sql, {user: 'ben'});
      for (const where of ['', 'WHERE id = 1', 'WHERE id IN (1, 2)', 'WHERE id > 0 ORDER BY id DESC', "WHERE v = 'v1'"])
        assert.deepEqual((await asBen(`SELECT * FROM app.t ${where}`)).rows, [], where);
      assert.deepEqual((await asBen('SELECT count(*), max(id) FROM app.t')).rows, [['0', null]]);
      assert.equal((await asBen("UPDATE app.t SET v = 'stolen' WHERE id > 0")).rowCount, 0);
      assert.equal((await asBen("UPDATE app.t SET v = 'stolen' WHERE id = 1")).rowCount, 0);
      assert.equal((await asBen('DELETE FROM app.t WHERE id = 1')).rowCount, 0);
      assert.equal((await asBen("DELETE FROM app.t WHERE v LIKE '%'")).rowCount, 0);
      assert.doesNotMatch(JSON.stringify((await asBen('EXPLAIN SELECT * FROM app.t')).rows), /batch-/);
      assert.deepEqual(await values(db), [
        ['v1', '1'],
        ['v2', '2'],
      ]);
    }
    await db.sql("INSERT INTO app.t (v, id) VALUES ('of ben', 1)", {user: 'ben'});
    await flush(db, 'app.t');
    assert.deepEqual(await values(db, 'ben'), [['of ben', '1']]);
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('users with odd ids keep rows and folders of their own', async () => {
  const users = ['a:b', 'a', 'b', 'A', 'shared', 'ünï', '.', 'a%3Ab', 'null', 'local', '😀', "o'brien", 'x y'];
  await withTable(async db => {
    for (const user of users) await db.sql('INSERT INTO app.t (v, id) VALUES ($1, 1)', {user, params: [user]});
    await flush(db, 'app.t');
    await db.restart();
    for (const user of users) assert.deepEqual(await values(db, user), [[user, '1']], user);
    const files = await segmentFiles(db);
    assert.equal(files.length, users.length);
    assert.equal(new Set(files.map(path => path.slice(0, path.lastIndexOf('/')))).size, users.length);
    for (const path of files) assert.match(path, /^app\/t\/[^/]+\/[^/]+$/, 'one folder below the table');
  });
});

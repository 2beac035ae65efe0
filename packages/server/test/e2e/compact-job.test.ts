/** Compact job: its life as a user sees it. */
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import {systemClock} from '../../src/std/system-clock.ts';
import {compact, flush, jobEnd, jobIdOf, jobRow} from '../test-database.ts';
import {segmentFiles, storedFiles} from './gated-disk.ts';
import {ids, insert, segments, TABLE, values, withTable} from './small-table.ts';

test('a compaction is queued, runs, and completes with its counts; the rows are the same, the files fewer', async () => {
  await withTable(async (db, gate) => {
    await segments(db, [[1, 2], [3], [4, 5]]);
    await db.sql("UPDATE app.t SET v = 'new' WHERE id = 4", {user: 'ana'});
    await flush(db, 'app.t');
    const before = await values(db);
    gate.close();
    const answer = await db.sql('STORAGE COMPACT TABLE app.t');
    const jobId = jobIdOf(answer);
    assert.equal(answer.message, `Storage compaction started for table 'app.t'. Job ID: ${jobId}`);
    assert.match(jobId, /^CO-/);
    await gate.reached();
    const running = await jobRow(db, jobId);
    assert.deepEqual([running['status'], running['table_name'], running['job_type']], ['running', 'app.t', 'compact']);
    assert.deepEqual(JSON.parse(String(running['parameters'])).table_type, 'User');
    assert.deepEqual(await values(db), before, 'rows are read while they move');
    gate.open();
    const ended = await jobEnd(db, jobId);
    assert.deepEqual([ended['status'], ended['message']], ['completed', 'Compaction completed for app.t']);
    const result = JSON.parse(String(ended['result']));
    assert.deepEqual(
      [result.scopes_compacted, result.files_removed, result.files_written, result.rows_written, result.rows_dropped],
      [1, 4, 1, 5, 1],
    );
    assert.equal(result.bytes_freed, result.bytes_before - result.bytes_written);
    assert.ok(result.bytes_freed > 0);
    const [file, ...others] = await segmentFiles(db);
    assert.deepEqual(others, []);
    const mirror = JSON.parse(await readFile(`${db.directory}/storage/app/t/ana/manifest.json`, 'utf8'));
    assert.deepEqual(
      mirror.segments.map((segment: {path: string; delete_count: number}) => [segment.path, segment.delete_count]),
      [[file!.slice(file!.lastIndexOf('/') + 1), 0]],
    );
    for (const step of [() => {}, () => db.restart()]) {
      await step();
      assert.deepEqual(await values(db), before);
    }
  });
});

test('the statements answer in the words of the contract', async () => {
  await withTable(async db => {
    await db.sql('CREATE NAMESPACE empty');
    await db.sql('CREATE SHARED TABLE app.s (id BIGINT PRIMARY KEY)');
    const refused: [why: string, sql: string, message: RegExp][] = [
      ['no such table', 'STORAGE COMPACT TABLE app.x', /Not found: Table app\.x not found$/],
      ['not qualified', 'STORAGE COMPACT TABLE t', /must be qualified \(namespace\.table\) for STORAGE COMPACT TABLE/],
      ['system', 'STORAGE COMPACT TABLE system.jobs', /COMPACT TABLE is not supported for SYSTEM tables$/],
      ['more words', 'STORAGE COMPACT TABLE app.t now', /now/],
      ['nothing to compact', 'STORAGE COMPACT ALL IN empty', /No compactable tables found in namespace empty$/],
      ['no such namespace', 'STORAGE COMPACT ALL IN nowhere', /Namespace 'nowhere' does not exist$/],
    ];
    for (const [why, sql, message] of refused) await assert.rejects(db.sql(sql), {message}, why);
    for (const sql of ['STORAGE COMPACT ALL IN app', 'storage compact all in namespace app']) {
      const {message} = await db.sql(sql);
      assert.match(
        message,
        /^Storage compaction started for 2 table\(s\) in namespace 'app'\. Job IDs: \[CO-\w+, CO-\w+\]$/,
      );
      for (const [id] of message.matchAll(/CO-\w+/g)) {
        const job = await jobEnd(db, id);
        assert.equal(job['status'], 'completed', 'nothing to do is done');
      }
    }
  });
});

test('a compaction is refused by name while a flush of the table, or another one, is queued or runs', async () => {
  await withTable(async (db, gate) => {
    await segments(db, [[1], [2]]);
    await insert(db, [3]);
    gate.close();
    const flushId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    await assert.rejects(db.sql('STORAGE COMPACT TABLE app.t'), {
      message: `Statement 1 failed: Conflict: Flush job already running for table 'app.t' (job_id: ${flushId}). Please wait for it to complete.`,
    });
    assert.match(
      (await db.sql('STORAGE COMPACT ALL IN app')).message,
      /^Storage compaction started for 0 table\(s\).*\[\]\. Skipped, a flush or compaction is already queued or running: app\.t$/,
    );
    gate.open();
    await jobEnd(db, flushId);
    gate.close();
    const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    await assert.rejects(db.sql('STORAGE COMPACT TABLE app.t'), {
      message: `Statement 1 failed: Conflict: Compaction job already running for table 'app.t' (job_id: ${jobId}). Please wait for it to complete.`,
    });
    gate.open();
    await jobEnd(db, jobId);
    assert.equal((await segmentFiles(db)).length, 1);
  });
});

test('a compaction makes room for a flush after the group it works on, and goes on afterwards', async () => {
  await withTable(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [[1], [2]], user);
    await insert(db, [3]);
    gate.close();
    const compactId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    const flushId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
    assert.equal((await jobRow(db, flushId))['status'], 'queued', 'it has a row and waits');
    await assert.rejects(db.sql('FLUSH TABLE app.t'), /Flush job already running.*FL-/, 'and holds off other flushes');
    gate.open();
    const flushed = await jobEnd(db, flushId);
    const compacted = await jobEnd(db, compactId);
    assert.deepEqual([flushed['status'], compacted['status']], ['completed', 'completed']);
    assert.ok(String(flushed['finished_at']) <= String(compacted['started_at']), 'the flush came in between');
    const result = JSON.parse(String(compacted['result']));
    assert.deepEqual(
      [result.scopes_compacted, result.files_removed],
      [3, 6],
      'the counts of both tries; ana came twice',
    );
    assert.deepEqual(
      [await ids(db), await ids(db, 'ben')],
      [
        ['1', '2', '3'],
        ['1', '2'],
      ],
    );
  });
});

test('KILL JOB answers when the compaction has stopped: nothing was published, and the table is free', async () => {
  await withTable(async (db, gate) => {
    await segments(db, [[1], [2]]);
    const before = await segmentFiles(db);
    gate.close();
    const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    const killed = db.sql(`KILL JOB '${jobId}'`);
    await systemClock.sleep(20);
    gate.open();
    await killed;
    assert.equal((await jobRow(db, jobId))['status'], 'cancelled');
    assert.deepEqual(await segmentFiles(db), before, 'what it wrote is gone');
    await compact(db, 'app.t');
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('one scope that fails keeps its segments and does not hold up the others', async () => {
  await withTable(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [[1], [2]], user);
    gate.break('no room for ana', '/ana/');
    const failed = await jobEnd(db, jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t')));
    assert.equal(failed['status'], 'failed');
    assert.match(
      String(failed['message']),
      /^1 scopes of app\.t failed to compact, 1 were compacted\. .*no room for ana/,
    );
    const count = async (user: string) => (await segmentFiles(db)).filter(path => path.includes(`/${user}/`)).length;
    assert.deepEqual([await count('ana'), await count('ben')], [2, 1]);
    gate.open();
    await compact(db, 'app.t');
    assert.deepEqual([await count('ana'), await count('ben')], [1, 1]);
    assert.deepEqual(
      [await ids(db), await ids(db, 'ben')],
      [
        ['1', '2'],
        ['1', '2'],
      ],
    );
  });
});

test('by itself: as many small segments as the setting says are merged, fewer are left alone', async () => {
  await withTable(
    async db => {
      await segments(db, [[1], [2]]);
      await systemClock.sleep(60);
      assert.equal((await segmentFiles(db)).length, 2);
      await segments(db, [[3]]);
      for (let i = 0; i < 300 && (await segmentFiles(db)).length > 1; i++) await systemClock.sleep(10);
      assert.equal((await segmentFiles(db)).length, 1);
      const {rows} = await db.sql("SELECT parameters FROM system.jobs WHERE job_type = 'compact'");
      assert.deepEqual(
        rows.map(([parameters]) => JSON.parse(String(parameters)).trigger),
        ['schedule'],
      );
      assert.deepEqual(await ids(db), ['1', '2', '3']);
    },
    {compaction: {checkMs: 10, minSegments: 3, deadPercent: 20}},
  );
});

test('by itself: a table whose compaction fails is left alone for a while', async () => {
  await withTable(
    async (db, gate) => {
      // The two flushes write batches 0 and 1, so this one is the compaction's.
      gate.break('the disk is on fire', '/batch-2-');
      await segments(db, [[1], [2]]);
      const made = async () => (await db.sql("SELECT status FROM system.jobs WHERE job_type = 'compact'")).rows;
      while (!(await made()).some(([status]) => status === 'failed')) await systemClock.sleep(5);
      await systemClock.sleep(100);
      assert.deepEqual(await made(), [['failed']]);
      assert.deepEqual(await ids(db), ['1', '2']);
    },
    {compaction: {checkMs: 10, minSegments: 2, deadPercent: 20}},
  );
});

test('DROP TABLE while a compaction runs: the new table of that name is empty for ever, and the files go', async () => {
  await withTable(
    async (db, gate) => {
      await segments(db, [[1], [2]]);
      gate.close();
      const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
      await gate.reached();
      const flushId = jobIdOf(await db.sql('FLUSH TABLE app.t'));
      const dropped = db.sql('DROP TABLE app.t');
      await systemClock.sleep(10);
      gate.open();
      const cleanUp = jobIdOf(await dropped);
      assert.deepEqual(
        [(await jobRow(db, jobId))['status'], (await jobRow(db, flushId))['status']],
        ['cancelled', 'cancelled'],
      );
      assert.equal((await jobEnd(db, cleanUp))['status'], 'completed');
      assert.deepEqual(await storedFiles(db), [], 'no file and no folder');
      await db.sql(TABLE);
      await segments(db, [[9]]);
      await db.restart();
      await systemClock.sleep(50);
      assert.deepEqual(await ids(db), ['9']);
      assert.equal((await storedFiles(db)).filter(path => path.endsWith('manifest.json')).length, 1);
    },
    {flushCheckMs: 10},
  );
});

test('a stop while a compaction runs waits for its group only; the job goes on after the start', async () => {
  await withTable(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [[1], [2]], user);
    gate.close();
    const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    const restarted = db.restart();
    gate.open();
    await restarted;
    const ended = await jobEnd(db, jobId);
    assert.deepEqual([ended['status'], ended['retry_count']], ['completed', 0], 'a stop in order costs no try');
    assert.equal(JSON.parse(String(ended['result'])).scopes_compacted, 2);
    assert.equal((await segmentFiles(db)).length, 2);
    assert.deepEqual(
      [await ids(db), await ids(db, 'ben')],
      [
        ['1', '2'],
        ['1', '2'],
      ],
    );
  });
});

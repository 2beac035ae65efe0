/**
 * Compact job: its life as a user sees it, what it frees, and what it must never do to rows.
 */
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {test} from 'node:test';
import {systemClock} from '../../src/std/system-clock.ts';
import {compact, flush, jobEnd, jobIdOf, jobRow, type openTestDatabase, type TestDatabase} from '../test-database.ts';
import {type Gate, segmentFiles, storedFiles, withGatedDatabase} from './gated-disk.ts';

const TABLE = 'CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)';

test('a compaction is queued, runs, and completes with its counts; the rows are the same, the files fewer', async () => {
  await withDatabase(async (db, gate) => {
    await segments(db, [1, 2], [3], [4, 5]);
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
  await withDatabase(async db => {
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
  await withDatabase(async (db, gate) => {
    await segments(db, [1], [2]);
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
  await withDatabase(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [1], [2], {user});
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
  await withDatabase(async (db, gate) => {
    await segments(db, [1], [2]);
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
  await withDatabase(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [1], [2], {user});
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

test('a reader that began before a compaction reads its moment; the files go when it has ended', async () => {
  await withDatabase(
    async (db, gate) => {
      await segments(db, [1, 2], [3]);
      const old = await segmentFiles(db);
      await values(db);
      const held = gate.holdRead();
      const reading = values(db);
      await held.reached;
      await db.sql("UPDATE app.t SET v = 'new' WHERE id = 1", {user: 'ana'});
      await db.sql('DELETE FROM app.t WHERE id = 3', {user: 'ana'});
      await flush(db, 'app.t');
      await compact(db, 'app.t');
      await systemClock.sleep(50);
      for (const path of old) assert.ok((await segmentFiles(db)).includes(path), 'it stays for its reader');
      held.go();
      assert.deepEqual(await reading, [
        ['v1', '1'],
        ['v2', '2'],
        ['v3', '3'],
      ]);
      assert.deepEqual(await values(db), [
        ['new', '1'],
        ['v2', '2'],
      ]);
      for (let i = 0; i < 200 && (await segmentFiles(db)).length > 1; i++) await systemClock.sleep(10);
      assert.equal((await segmentFiles(db)).length, 1);
    },
    {flushCheckMs: 10},
  );
});

test('a writer that looks at segments while they are replaced finds them, and need not look again', async () => {
  const writes: [sql: string, then: string[]][] = [
    ["INSERT INTO app.t (v, id) VALUES ('w', 100)", ['1', '2', '100']],
    ["UPDATE app.t SET v = 'w' WHERE id = 2", ['1', '2']],
    ['DELETE FROM app.t WHERE id = 2', ['1']],
  ];
  for (const [sql, then] of writes) {
    await withDatabase(
      async (db, gate) => {
        // Each of the writes has to look into a segment: at a live row, or at the tombstone of one that was deleted.
        await segments(db, [1, 100], [2, 101]);
        await db.sql('DELETE FROM app.t WHERE id >= 100', {user: 'ana'});
        await flush(db, 'app.t');
        await values(db);
        const held = gate.holdRead();
        const writing = db.sql(sql, {user: 'ana'});
        await held.reached;
        await compact(db, 'app.t');
        await systemClock.sleep(50);
        held.go();
        assert.equal((await writing).rowCount, 1, sql);
        for (const step of [() => {}, () => flush(db, 'app.t'), () => compact(db, 'app.t'), () => db.restart()]) {
          await step();
          assert.deepEqual(await ids(db), then, sql);
        }
      },
      {flushCheckMs: 10},
    );
  }
});

test('what is written while its row is being compacted wins, now and after every later move', async () => {
  await withDatabase(async (db, gate) => {
    await segments(db, [1, 2], [3, 4]);
    gate.close();
    const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    await db.sql("UPDATE app.t SET v = 'new' WHERE id = 1", {user: 'ana'});
    await db.sql('DELETE FROM app.t WHERE id = 2', {user: 'ana'});
    await db.sql('DELETE FROM app.t WHERE id = 3', {user: 'ana'});
    await db.sql("INSERT INTO app.t (v, id) VALUES ('again', 3)", {user: 'ana'});
    gate.open();
    assert.equal((await jobEnd(db, jobId))['status'], 'completed');
    for (const step of [() => {}, () => flush(db, 'app.t'), () => compact(db, 'app.t'), () => db.restart()]) {
      await step();
      assert.deepEqual(await values(db), [
        ['new', '1'],
        ['again', '3'],
        ['v4', '4'],
      ]);
    }
  });
});

test('tombstones stay while their retention runs', async () => {
  await withDatabase(async db => {
    await segments(db, [1], [2]);
    await db.sql('DELETE FROM app.t WHERE id = 1', {user: 'ana'});
    await flush(db, 'app.t');
    const {result} = await compact(db, 'app.t');
    const {tombstones_kept: kept, tombstones_dropped: dropped} = JSON.parse(String(result));
    assert.deepEqual([kept, dropped], [1, 0]);
    assert.equal(await tombstones(db), 1);
    await insert(db, [1]);
    await flush(db, 'app.t');
    assert.deepEqual(await ids(db), ['1', '2']);
  });
});

test('expired tombstones vanish, nothing comes back, and a scope without rows leaves no file and no folder', async () => {
  await withDatabase(
    async db => {
      await insert(db, [7], 'ben');
      await segments(db, [1, 2], [3]);
      await db.sql('DELETE FROM app.t WHERE id < 3', {user: 'ana'});
      await flush(db, 'app.t');
      assert.equal(await tombstones(db), 2);
      await compact(db, 'app.t');
      assert.equal(await tombstones(db), 0);
      for (const step of [() => {}, () => db.restart()]) {
        await step();
        assert.deepEqual(await ids(db), ['3']);
      }
      await insert(db, [1]);
      await assert.rejects(insert(db, [3]), /already exists/);
      await db.sql('DELETE FROM app.t WHERE id > 0', {user: 'ana'});
      await flush(db, 'app.t');
      await compact(db, 'app.t');
      assert.deepEqual(
        (await storedFiles(db)).filter(path => path.includes('ana')),
        [],
      );
      assert.deepEqual([await ids(db), await ids(db, 'ben')], [[], ['7']]);
      await insert(db, [1]);
      await flush(db, 'app.t');
      assert.ok((await storedFiles(db)).includes('app/t/ana/manifest.json'));
      await db.restart();
      assert.deepEqual(await ids(db), ['1']);
      await systemClock.sleep(50);
      assert.ok((await storedFiles(db)).includes('app/t/ana/manifest.json'), 'the one that went is not this one');
    },
    {retentionHours: 0, flushCheckMs: 10},
  );
});

test('by itself: as many small segments as the setting says are merged, fewer are left alone', async () => {
  await withDatabase(
    async db => {
      await segments(db, [1], [2]);
      await systemClock.sleep(60);
      assert.equal((await segmentFiles(db)).length, 2);
      await segments(db, [3]);
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
  await withDatabase(
    async (db, gate) => {
      gate.break('the disk is on fire', '/none/');
      await segments(db, [1], [2]);
      gate.break('the disk is on fire');
      await systemClock.sleep(150);
      const {rows} = await db.sql("SELECT status FROM system.jobs WHERE job_type = 'compact'");
      assert.deepEqual(rows, [['failed']]);
    },
    {compaction: {checkMs: 10, minSegments: 2, deadPercent: 20}},
  );
});

test('DROP TABLE while a compaction runs: the new table of that name is empty for ever, and the files go', async () => {
  await withDatabase(
    async (db, gate) => {
      await segments(db, [1], [2]);
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
      await segments(db, [9]);
      await db.restart();
      await systemClock.sleep(50);
      assert.deepEqual(await ids(db), ['9']);
      assert.equal((await storedFiles(db)).filter(path => path.endsWith('manifest.json')).length, 1);
    },
    {flushCheckMs: 10},
  );
});

test('a compaction writes the columns of today: dropped ones go, added ones keep their first value', async () => {
  await withDatabase(async db => {
    await segments(db, [1]);
    await db.sql("ALTER TABLE app.t ADD COLUMN w TEXT DEFAULT 'first'");
    await segments(db, [2]);
    await db.sql('ALTER TABLE app.t DROP COLUMN v');
    await db.sql('ALTER TABLE app.t ADD COLUMN n INT');
    await db.sql('UPDATE app.t SET n = 5 WHERE id = 2', {user: 'ana'});
    await flush(db, 'app.t');
    await compact(db, 'app.t');
    await db.sql("ALTER TABLE app.t ADD COLUMN v TEXT DEFAULT 'other'");
    for (const step of [() => {}, () => compact(db, 'app.t'), () => db.restart()]) {
      await step();
      assert.deepEqual((await db.sql('SELECT id, w, n, v FROM app.t', {user: 'ana'})).rows, [
        ['1', 'first', null, 'other'],
        ['2', 'first', 5, 'other'],
      ]);
    }
  });
});

test('an ALTER while a compaction runs: both end, no row is lost and none reads wrong', async () => {
  await withDatabase(async (db, gate) => {
    await segments(db, [1], [2]);
    gate.close();
    const jobId = jobIdOf(await db.sql('STORAGE COMPACT TABLE app.t'));
    await gate.reached();
    await db.sql('ALTER TABLE app.t ADD COLUMN n INT DEFAULT 5');
    await db.sql('ALTER TABLE app.t DROP COLUMN v');
    gate.open();
    assert.equal((await jobEnd(db, jobId))['status'], 'completed');
    for (const step of [() => {}, () => db.restart(), () => compact(db, 'app.t')]) {
      await step();
      assert.deepEqual((await db.sql('SELECT id, n FROM app.t', {user: 'ana'})).rows, [
        ['1', 5],
        ['2', 5],
      ]);
    }
  });
});

test('a stop while a compaction runs waits for its group only; the job goes on after the start', async () => {
  await withDatabase(async (db, gate) => {
    for (const user of ['ana', 'ben']) await segments(db, [1], [2], {user});
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

test('I15: files stay within a small factor of what the live rows need', async () => {
  await withDatabase(
    async db => {
      const sizeOf = async (table: string) => {
        const {rows} = await db.sql(`SELECT manifest_json FROM system.manifest WHERE table_name = '${table}'`);
        const mirrors = rows.map(([json]) => JSON.parse(String(json)) as {segments: {size_bytes: number}[]});
        return mirrors.flatMap(mirror => mirror.segments).reduce((sum, {size_bytes: bytes}) => sum + bytes, 0);
      };
      const keysPerRound = 400;
      for (let round = 0; round < 8; round++) {
        const first = round * keysPerRound;
        await insert(
          db,
          Array.from({length: keysPerRound}, (_, i) => first + i),
        );
        await db.sql(`UPDATE app.t SET v = 'round ${round}' WHERE id % 3 = 0`, {user: 'ana'});
        await db.sql(`DELETE FROM app.t WHERE id < ${first} AND id % 4 <> 0`, {user: 'ana'});
        await flush(db, 'app.t');
        await db.sql('STORAGE COMPACT TABLE app.t').then(answer => jobEnd(db, jobIdOf(answer)));
      }
      const rows = await values(db);
      await db.sql('CREATE USER TABLE app.copy (v TEXT, id BIGINT PRIMARY KEY)');
      const literals = rows.map(([v, id]) => `('${v}', ${id})`).join(', ');
      await db.sql(`INSERT INTO app.copy (v, id) VALUES ${literals}`, {user: 'ana'});
      await flush(db, 'app.copy');
      const [bytes, least] = [await sizeOf('t'), await sizeOf('copy')];
      assert.ok(bytes <= least * 1.2, `${bytes} bytes of segments for rows that need ${least}`);
      const onDisk = (await segmentFiles(db)).filter(path => path.startsWith('app/t/'));
      assert.equal(onDisk.length, 1, 'no replaced file is left');
    },
    {retentionHours: 0},
  );
});

async function withDatabase(
  body: (db: TestDatabase, gate: Gate) => Promise<void>,
  changes: Parameters<typeof openTestDatabase>[0] = {},
): Promise<void> {
  await withGatedDatabase(TABLE, body, changes);
}

/** Each list of keys becomes one segment. */
async function segments(db: TestDatabase, ...lists: (readonly number[] | {user: string})[]): Promise<void> {
  const user = lists.find(one => 'user' in one)?.user ?? 'ana';
  for (const keys of lists) {
    if ('user' in keys) continue;
    await insert(db, keys, user);
    await flush(db, 'app.t');
  }
}

async function insert(db: TestDatabase, keys: readonly number[], user = 'ana'): Promise<void> {
  const rows = keys.map(key => `('v${key}', ${key})`).join(', ');
  await db.sql(`INSERT INTO app.t (v, id) VALUES ${rows}`, {user});
}

async function ids(db: TestDatabase, user = 'ana'): Promise<unknown[]> {
  return (await db.sql('SELECT id FROM app.t', {user})).rows.map(row => row[0]);
}

async function values(db: TestDatabase, user = 'ana'): Promise<readonly (readonly unknown[])[]> {
  return (await db.sql('SELECT v, id FROM app.t', {user})).rows;
}

/** Tombstone rows in all segments of the table. */
async function tombstones(db: TestDatabase): Promise<number> {
  const {rows} = await db.sql("SELECT manifest_json FROM system.manifest WHERE table_name = 't'");
  const mirrors = rows.map(([json]) => JSON.parse(String(json)) as {segments: {tombstone_count: number}[]});
  return mirrors.flatMap(mirror => mirror.segments).reduce((sum, segment) => sum + segment.tombstone_count, 0);
}

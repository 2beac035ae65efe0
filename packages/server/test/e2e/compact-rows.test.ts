/** What a compaction frees, and what it must never do to rows, readers and writers. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {systemClock} from '../../src/std/system-clock.ts';
import {compact, flush, jobEnd, jobIdOf, type TestDatabase} from '../test-database.ts';
import {segmentFiles, storedFiles} from './gated-disk.ts';
import {ids, insert, segments, values, withTable} from './small-table.ts';

test('a reader that began before a compaction reads its moment; the files go when it has ended', async () => {
  await withTable(
    async (db, gate) => {
      await segments(db, [[1, 2], [3]]);
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
    await withTable(
      async (db, gate) => {
        // Each of the writes has to look into a segment: at a live row, or at the tombstone of one that was deleted.
        await segments(db, [
          [1, 100],
          [2, 101],
        ]);
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
  await withTable(async (db, gate) => {
    await segments(db, [
      [1, 2],
      [3, 4],
    ]);
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
  await withTable(async db => {
    await segments(db, [[1], [2]]);
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
  await withTable(
    async db => {
      await insert(db, [7], 'ben');
      await segments(db, [[1, 2], [3]]);
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

test('a compaction writes the columns of today: dropped ones go, added ones keep their first value', async () => {
  await withTable(async db => {
    await segments(db, [[1]]);
    await db.sql("ALTER TABLE app.t ADD COLUMN w TEXT DEFAULT 'first'");
    await segments(db, [[2]]);
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
  await withTable(async (db, gate) => {
    await segments(db, [[1], [2]]);
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

test('I15: files stay within a small factor of what the live rows need', async () => {
  await withTable(
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

/** Tombstone rows in all segments of the table. */
async function tombstones(db: TestDatabase): Promise<number> {
  const {rows} = await db.sql("SELECT manifest_json FROM system.manifest WHERE table_name = 't'");
  const mirrors = rows.map(([json]) => JSON.parse(String(json)) as {segments: {tombstone_count: number}[]});
  return mirrors.flatMap(mirror => mirror.segments).reduce((sum, segment) => sum + segment.tombstone_count, 0);
}

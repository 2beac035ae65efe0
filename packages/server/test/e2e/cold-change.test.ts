/**
 * UPDATE and DELETE of flushed rows, with an eye on the segment reads below them.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {flush, openTestDatabase} from '../test-database.ts';

const ROWS = 6000;

/** Tells of every read of a segment. */
function watchedDisk(onSegmentRead: () => void): typeof realDisk {
  return {
    ...realDisk,
    open(path, mode) {
      if (mode === 'read' && path.endsWith('.parquet')) onSegmentRead();
      return realDisk.open(path, mode);
    },
  };
}

async function openFlushed(onSegmentRead: () => void) {
  const database = await openTestDatabase({disk: watchedDisk(onSegmentRead)});
  await database.sql('CREATE NAMESPACE app; CREATE SHARED TABLE app.items (id INT PRIMARY KEY, n INT, note TEXT)');
  const rows = Array.from({length: ROWS}, (_, id) => `(${id}, 0, 'note ${id}')`);
  await database.sql(`INSERT INTO app.items VALUES ${rows.join(', ')}`);
  await flush(database, 'app.items');
  return database;
}

test('UPDATE and DELETE read each row group as often as a scan does, however many rows of it they change', async () => {
  let reads = 0;
  const database = await openFlushed(() => reads++);
  try {
    for (const statement of [
      'UPDATE app.items SET n = n + 1 WHERE id % 2 = 0',
      'DELETE FROM app.items WHERE id % 2 = 1',
    ]) {
      reads = 0;
      await database.sql('SELECT COUNT(note) FROM app.items');
      const scanReads = reads;
      reads = 0;
      const {rowCount} = await database.sql(statement);
      assert.equal(rowCount, ROWS / 2);
      assert.ok(reads <= 2 * scanReads, `${statement}: ${reads} reads, a scan takes ${scanReads}`);
    }
    const {rows} = await database.sql('SELECT COUNT(*), MIN(n), MAX(n), SUM(id) FROM app.items');
    assert.deepEqual(rows, [[String(ROWS / 2), 1, 1, String((ROWS / 2) * (ROWS / 2 - 1))]]);
  } finally {
    await database.stop();
  }
});

test('a change that is stopped while it reads segments changes nothing, then or later', async () => {
  let reads = 0;
  let stopAt = Number.POSITIVE_INFINITY;
  const abort = new AbortController();
  const database = await openFlushed(() => {
    if (++reads === stopAt) abort.abort(new DbError('STATEMENT_TIMEOUT', 'too late'));
  });
  try {
    for (let i = 0; i < 2; i++) {
      // The second time the footer is known.
      reads = 0;
      await database.sql('SELECT COUNT(*) FROM app.items WHERE n = 0');
    }
    // The first reads find the rows, the last one is of those that are then to be changed.
    stopAt = 2 * reads;
    reads = 0;
    const late = database.sql('UPDATE app.items SET n = 1 WHERE n = 0', {signal: abort.signal});
    await assert.rejects(late, (error: DbError) => error.code === 'STATEMENT_TIMEOUT');
    assert.equal(reads, stopAt);
    await database.restart();
    assert.deepEqual((await database.sql('SELECT COUNT(*) FROM app.items WHERE n = 0')).rows, [[String(ROWS)]]);
    assert.equal((await database.sql('UPDATE app.items SET n = 2 WHERE id = 7')).rowCount, 1, 'its latches are free');
  } finally {
    await database.stop();
  }
});

test('WHERE _deleted shows the same rows, with all they held, before and after their flush', async () => {
  const database = await openFlushed(() => {});
  try {
    await database.sql("INSERT INTO app.items VALUES (-1, NULL, 'never flushed')");
    await database.sql('DELETE FROM app.items WHERE id < 3');
    const deleted = async () => (await database.sql('SELECT * FROM app.items WHERE _deleted AND id >= -1')).rows;
    const before = await deleted();
    assert.deepEqual(
      before.map(row => row.slice(0, 3)),
      [[-1, null, 'never flushed'], ...[0, 1, 2].map(id => [id, 0, `note ${id}`])],
    );
    await flush(database, 'app.items');
    assert.deepEqual(await deleted(), before);
    await database.restart();
    assert.deepEqual(await deleted(), before);
  } finally {
    await database.stop();
  }
});

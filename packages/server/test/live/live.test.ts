import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {SimClock} from '../../src/std/sim-clock.ts';
import {compact, flush, openTestDatabase, type TestDatabase} from '../test-database.ts';
import {type Answer, Client, settle, until} from './subscriber.ts';

describe('live queries', () => {
  let database: TestDatabase;
  const sql = (text: string, user = 'ana') => database.sql(text, {user});

  beforeEach(async () => {
    database = await openTestDatabase();
    await sql('CREATE NAMESPACE app');
    await sql("CREATE TABLE app.todo (id BIGINT PRIMARY KEY, room TEXT, title TEXT, n INT) WITH (TYPE = 'USER')");
  });

  afterEach(() => database.stop());

  function client(user = 'ana'): Client {
    return new Client(database.live, user);
  }

  /** What the subscriber holds is what SELECT answers now. */
  async function agrees(answer: Answer, query: string, user = 'ana'): Promise<void> {
    await settle();
    const {rows, columns} = await sql(query, user);
    const expected = rows.map(row => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
    const shown = answer.sorted().map(row => Object.fromEntries(columns.map(name => [name, row[name]])));
    const byKey = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    assert.deepEqual(shown.sort(byKey), expected.sort(byKey));
  }

  test('LQ-1: a snapshot and the changes after it give what SELECT answers', async () => {
    await sql("INSERT INTO app.todo (id, room, title) VALUES (1, 'a', 'one'), (2, 'b', 'two')");
    const answer = client().subscribe('SELECT * FROM app.todo', {});
    await settle();
    assert.equal(answer.start, 'snapshot');
    assert.deepEqual(answer.control, {batchNum: 0, hasMore: false, status: 'ready', lastSeq: answer.lastSeq});
    await sql("INSERT INTO app.todo (id, room, title) VALUES (3, 'a', 'three')");
    await sql('UPDATE app.todo SET title = NULL WHERE id = 2');
    await sql('DELETE FROM app.todo WHERE id = 1');
    await agrees(answer, 'SELECT * FROM app.todo');
    assert.deepEqual(answer.told, ['insert "3" (new)', 'update "2" (stay)', 'delete "1" (deleted)']);
  });

  test('LQ-3: a row enters, stays and leaves by what the condition says of it before and after', async () => {
    const answer = client().subscribe("SELECT id, title FROM app.todo WHERE room = 'a' AND n > 1", {});
    await sql("INSERT INTO app.todo (id, room, title, n) VALUES (1, 'b', 'x', 5), (2, 'a', 'y', 1), (3, 'a', 'z', 2)");
    await sql("UPDATE app.todo SET room = 'a' WHERE id = 1");
    await sql('UPDATE app.todo SET n = NULL WHERE id = 3');
    await sql('UPDATE app.todo SET n = 2 WHERE id = 2');
    await sql("UPDATE app.todo SET title = 'new' WHERE id = 1");
    await sql('DELETE FROM app.todo WHERE id = 2');
    await sql('DELETE FROM app.todo WHERE id = 3');
    await settle();
    assert.deepEqual(answer.told, [
      'insert "3" (new)',
      'insert "1" (enter)',
      'delete "3" (leave)',
      'insert "2" (enter)',
      'update "1" (stay)',
      'delete "2" (deleted)',
    ]);
    await agrees(answer, "SELECT id, title FROM app.todo WHERE room = 'a' AND n > 1");
  });

  test('LQ-4: an update carries the whole row, nulls included, and what the changed columns held', async () => {
    await sql("INSERT INTO app.todo (id, room, title, n) VALUES (1, 'a', 'one', 7)");
    const answer = client().subscribe('SELECT title, n FROM app.todo');
    await sql('UPDATE app.todo SET n = NULL WHERE id = 1');
    await settle();
    const last = answer.events.at(-1)!;
    assert.equal(last.kind, 'changes');
    if (last.kind !== 'changes') return;
    assert.deepEqual(
      last.group.columns.map(column => column.name),
      ['title', 'n', 'id', '_seq'],
    );
    const {cells, old, seq} = last.group.changes[0]!.rows[0]!;
    assert.deepEqual(cells, ['"one"', 'null', '"1"', `"${seq}"`]);
    assert.deepEqual(old, [undefined, '7', '"1"', undefined]);
  });

  test('LQ-3: the row before a change is found in a segment', async () => {
    await sql("INSERT INTO app.todo (id, room) VALUES (1, 'a'), (2, 'b'), (3, 'a')");
    await flush(database, 'app.todo');
    const answer = client().subscribe("SELECT * FROM app.todo WHERE room = 'a'", {});
    await until(() => answer.start !== undefined);
    await sql("UPDATE app.todo SET room = 'b' WHERE id = 1");
    await sql("UPDATE app.todo SET room = 'a' WHERE id = 2");
    await sql('UPDATE app.todo SET n = 1 WHERE id = 3');
    await flush(database, 'app.todo');
    await sql('DELETE FROM app.todo WHERE id = 2');
    await settle();
    assert.deepEqual(answer.told, [
      'delete "1" (leave)',
      'insert "2" (enter)',
      'update "3" (stay)',
      'delete "2" (deleted)',
    ]);
    await agrees(answer, "SELECT * FROM app.todo WHERE room = 'a'");
  });

  test('LQ-2: all batches are of the commit at which the subscription began, and what came after follows them', async () => {
    const values = Array.from({length: 10}, (_, i) => `(${i}, 'a')`).join();
    await sql(`INSERT INTO app.todo (id, room) VALUES ${values}`);
    const answer = client().subscribe('SELECT * FROM app.todo', {batchSize: 3});
    await settle();
    assert.equal(answer.control?.status, 'loading');
    await sql('DELETE FROM app.todo WHERE id = 9');
    await sql("INSERT INTO app.todo (id, room) VALUES (10, 'b')");
    await sql('UPDATE app.todo SET n = 1 WHERE id = 0');
    for (let i = 0; i < 3; i++) {
      answer.subscription.next();
      answer.subscription.next();
      await settle();
    }
    const batches = answer.events.filter(event => event.kind === 'batch');
    assert.deepEqual(
      batches.map(batch => batch.rows.length),
      [3, 3, 3, 1],
    );
    assert.deepEqual(
      batches.map(batch => batch.control.status),
      ['loading', 'loading_batch', 'loading_batch', 'ready'],
    );
    assert.deepEqual(answer.told, [
      'delete "9" (deleted, caught up)',
      'insert "10" (new, caught up)',
      'update "0" (stay, caught up)',
    ]);
    await agrees(answer, 'SELECT * FROM app.todo');
  });

  test('LQ-2: last_rows 0 is one empty batch of this moment, and every later change', async () => {
    await sql("INSERT INTO app.todo (id, room) VALUES (1, 'a'), (2, 'a')");
    const answer = client().subscribe('SELECT * FROM app.todo', {lastRows: 0});
    await sql("UPDATE app.todo SET room = 'b' WHERE id = 1");
    await settle();
    assert.deepEqual(answer.control, {batchNum: 0, hasMore: false, status: 'ready', lastSeq: null});
    assert.deepEqual(answer.told, ['update "1" (stay)']);
  });

  test('LQ-2: last_rows gives the newest rows, oldest first', async () => {
    await sql('INSERT INTO app.todo (id) VALUES (5), (3), (9), (1)');
    await sql('UPDATE app.todo SET n = 1 WHERE id = 5');
    const answer = client().subscribe('SELECT id FROM app.todo', {lastRows: 2});
    await settle();
    assert.deepEqual([...answer.rows.keys()], ['"1"', '"5"']);
    assert.equal(answer.control?.hasMore, false);
  });

  test('LQ-10: a slow socket is told nothing more, and catches up when it has drained', async () => {
    const slow = client();
    const answer = slow.subscribe('SELECT * FROM app.todo', {});
    await settle();
    slow.isSlow = true;
    slow.queuedBytes = 2 * 1024 * 1024;
    for (let i = 0; i < 5; i++) await sql(`INSERT INTO app.todo (id, n) VALUES (${i}, 0)`);
    await sql('DELETE FROM app.todo WHERE id = 0');
    await sql('UPDATE app.todo SET n = 1 WHERE id >= 0');
    await settle();
    assert.deepEqual(answer.told, []);
    assert.equal(database.live.counts.behind, 1);
    slow.isSlow = false;
    slow.drain();
    await agrees(answer, 'SELECT * FROM app.todo');
    assert.deepEqual(
      answer.told,
      [1, 2, 3, 4].map(id => `insert "${id}" (new, caught up)`),
    );
    await sql('DELETE FROM app.todo WHERE id = 1');
    await agrees(answer, 'SELECT * FROM app.todo');
    assert.equal(database.live.counts.behind, 0);
  });

  test('LQ-11: who resumes is told what was inserted, changed, deleted and left meanwhile, across flush, compaction and restart', async () => {
    await sql("INSERT INTO app.todo (id, room) VALUES (1, 'a'), (2, 'a'), (3, 'a'), (4, 'b')");
    const query = "SELECT * FROM app.todo WHERE room = 'a'";
    const first = client().subscribe(query, {});
    await settle();
    const {resumeFrom} = first.subscription;
    const rows = new Map(first.rows);
    await sql('DELETE FROM app.todo WHERE id = 1');
    await sql("UPDATE app.todo SET room = 'b' WHERE id = 2");
    await flush(database, 'app.todo');
    await sql("UPDATE app.todo SET room = 'a' WHERE id = 4");
    await sql("INSERT INTO app.todo (id, room) VALUES (5, 'a')");
    for (const step of ['memory', 'flushed', 'compacted', 'restarted']) {
      if (step === 'flushed') await flush(database, 'app.todo');
      if (step === 'compacted') await compact(database, 'app.todo');
      if (step === 'restarted') await database.restart();
      const answer = client().subscribe(query, {from: resumeFrom});
      answer.rows = new Map(rows);
      await until(() => answer.rows.size === 3 && answer.rows.has('"5"'));
      assert.equal(answer.start, 'resume', step);
      await agrees(answer, query);
    }
  });

  test('LQ-13: below the floor a resume gives a whole snapshot, marked as one', async () => {
    await sql("INSERT INTO app.todo (id, room) VALUES (1, 'a')");
    const {subscription} = client().subscribe('SELECT * FROM app.todo', {});
    await settle();
    const before = subscription.resumeFrom;
    await sql('ALTER TABLE app.todo ADD COLUMN more INT DEFAULT 5');
    const altered = client().subscribe('SELECT * FROM app.todo', {from: before});
    const unseen = client().subscribe('SELECT id FROM app.todo', {from: before});
    const never = client().subscribe('SELECT id FROM app.todo', {from: 0n});
    const future = client().subscribe('SELECT id FROM app.todo', {from: 1n << 62n});
    await settle();
    assert.deepEqual(
      [altered, unseen, never, future].map(one => one.start),
      ['resync', 'resume', 'resync', 'resync'],
    );
  });

  test('LQ-13: a tombstone that a compaction dropped is known to be missing, also after a restart', async () => {
    const clock = new SimClock();
    const other = await openTestDatabase({clock, retentionHours: 0});
    try {
      await other.sql('CREATE NAMESPACE app');
      await other.sql('CREATE SHARED TABLE app.board (id BIGINT PRIMARY KEY)');
      await other.sql('INSERT INTO app.board (id) VALUES (1), (2), (3)');
      const answer = new Client(other.live).subscribe('SELECT * FROM app.board', {});
      await settle();
      await clock.advance(60_000);
      await other.sql('DELETE FROM app.board WHERE id = 1');
      await settle();
      const known = answer.lastSeq;
      await clock.advance(60_000);
      await other.sql('DELETE FROM app.board WHERE id = 2');
      await flush(other, 'app.board');
      await clock.advance(60_000);
      await other.restart();
      const before = new Client(other.live).subscribe('SELECT * FROM app.board', {from: known});
      await compact(other, 'app.board');
      await other.restart();
      const after = new Client(other.live).subscribe('SELECT * FROM app.board', {from: known});
      await until(() => after.control?.status === 'ready');
      const newer = new Client(other.live).subscribe('SELECT * FROM app.board', {from: after.subscription.resumeFrom});
      await until(() => newer.start !== undefined);
      assert.deepEqual([before.start, after.start, newer.start], ['resume', 'resync', 'resume']);
      assert.deepEqual([...after.rows.keys()], ['"3"']);
      assert.deepEqual(newer.told, []);
    } finally {
      await other.stop();
    }
  });
});

/** Answers larger than what is held or handed on at once: snapshots in several passes, catch-ups in parts. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {flush, openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';
import {type Answer, Client, settle, until} from './subscriber.ts';

const ROWS = 9000;
const TEXT = 'x'.repeat(300);
const QUERY = 'SELECT id, v, n FROM app.big WHERE n < 5';

describe('large live queries', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await openTestDatabase({live: {...TEST_OPTIONS.live, historyRowsMax: 1_000_000}});
    await database.sql('CREATE NAMESPACE app');
    await database.sql('CREATE SHARED TABLE app.big (id BIGINT PRIMARY KEY, v TEXT, n INT)');
    for (let from = 0; from < ROWS; from += 1000) {
      const values = Array.from({length: 1000}, (_, i) => `(${ROWS - from - i}, '${TEXT}', ${i % 7})`);
      await database.sql(`INSERT INTO app.big (id, v, n) VALUES ${values.join()}`);
    }
  });

  afterEach(() => database.stop());

  async function agrees(answer: Answer): Promise<void> {
    const {rows} = await database.sql(QUERY);
    await until(() => answer.rows.size === rows.length && !answer.isPartial);
    const held = answer.sorted().map(({id, v, n}) => JSON.stringify([id, v, n]));
    assert.deepEqual(held.sort(), rows.map(row => JSON.stringify(row)).sort());
  }

  /** Changes most rows: some leave, some enter, some go. */
  async function changeAll(): Promise<void> {
    await database.sql('UPDATE app.big SET n = 6 WHERE n = 1');
    await database.sql("UPDATE app.big SET n = 2, v = 'new' WHERE n = 5");
    await database.sql('DELETE FROM app.big WHERE n = 3');
    await database.sql(`UPDATE app.big SET v = '${TEXT}y' WHERE n = 0`);
  }

  test('LQ-2: a snapshot that takes several passes is of one commit, in the order of _seq', async () => {
    const answer = new Client(database.live).subscribe(QUERY, {batchSize: 1000});
    await until(() => answer.control !== undefined);
    await changeAll();
    for (let batches = 1; answer.control!.hasMore; batches++) {
      assert.ok(batches < 20, 'it comes to an end');
      answer.subscription.next();
      await until(() => answer.control!.batchNum === batches);
    }
    const batches = answer.events.filter(event => event.kind === 'batch');
    assert.equal(
      batches.reduce((sum, {rows}) => sum + rows.length, 0),
      (ROWS / 1000) * 715,
      'the rows of its commit',
    );
    await agrees(answer);
  });

  test('LQ-10, LQ-11: a catch-up comes in parts, from the history and from the rows', async () => {
    const first = new Client(database.live).subscribe(QUERY, {batchSize: Number.POSITIVE_INFINITY});
    await until(() => first.control?.status === 'ready');
    first.subscription.close();
    await changeAll();
    for (const step of ['history', 'memory', 'segments']) {
      if (step === 'memory') await database.restart();
      if (step === 'segments') await flush(database, 'app.big');
      const answer = new Client(database.live).subscribe(QUERY, {from: first.lastSeq}, {held: first});
      await agrees(answer);
      const parts = answer.events.filter(event => event.kind === 'changes');
      assert.equal(answer.start, 'resume', step);
      assert.ok(parts.length > 1, `${step}: ${parts.length} parts`);
      assert.deepEqual(
        parts.map(part => part.group.hasMore),
        parts.map((_, i) => i < parts.length - 1),
        step,
      );
      await settle();
      await database.sql(`UPDATE app.big SET v = '${step}' WHERE id = 1`);
      await agrees(answer);
    }
  });

  test('LQ-10: the end of the parts is told, though nothing that is left concerns the query', async () => {
    const client = new Client(database.live);
    const answer = client.subscribe(QUERY, {batchSize: Number.POSITIVE_INFINITY});
    await until(() => answer.control?.status === 'ready');
    client.queuedBytes = 2 ** 21;
    await database.sql(`UPDATE app.big SET v = '${'y'.repeat(300_000)}' WHERE id = 2`);
    await database.sql('INSERT INTO app.big (id, n) VALUES (100000, 0)');
    await database.sql('DELETE FROM app.big WHERE id = 100000');
    client.drain();
    await agrees(answer);
    const parts = answer.events.filter(event => event.kind === 'changes');
    assert.ok(parts.length > 1, `${parts.length} parts`);
    assert.equal(parts.at(-1)!.group.hasMore, false);
  });
});

/** ALTER TABLE beside writers, flushes and compactions: what it promises of every row holds, and it takes none away. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {compact, flush, jobEnd, jobIdOf, type TestDatabase} from '../test-database.ts';
import {type Gate, segmentFiles, withGatedDatabase} from './gated-disk.ts';

const TABLE = 'CREATE USER TABLE app.t (id INT PRIMARY KEY, n TEXT, must INT NOT NULL)';

function withTable(body: (db: TestDatabase, gate: Gate) => Promise<void>): Promise<void> {
  return withGatedDatabase(TABLE, body);
}

const put = (db: TestDatabase, id: number, n: string, user = 'ana') =>
  db.sql(`INSERT INTO app.t (id, n, must) VALUES (${id}, ${n}, 1)`, {user});

async function rows(db: TestDatabase, sql = 'SELECT id, n FROM app.t', user = 'ana') {
  return (await db.sql(sql, {user})).rows;
}

/** The answers of both executors, hot, flushed, compacted and after a restart. */
async function everywhere(db: TestDatabase, sql: string, expected: readonly (readonly unknown[])[]): Promise<void> {
  const steps = {
    now: () => {},
    flushed: () => flush(db, 'app.t'),
    compacted: () => compact(db, 'app.t'),
    restarted: () => db.restart(),
  };
  for (const [place, step] of Object.entries(steps)) {
    await step();
    for (const executor of ['direct', 'analytic'] as const) {
      const answer = await db.sql(sql, {user: 'ana', executor});
      assert.deepEqual(answer.rows, expected, `${place}, ${executor}: ${sql}`);
    }
  }
}

/** An ALTER that has to read a segment, held at that. */
async function heldAlter(db: TestDatabase, gate: Gate, sql: string, signal?: AbortSignal) {
  await put(db, 1, "'1'");
  await flush(db, 'app.t');
  await rows(db);
  const held = gate.holdRead();
  const altering = db.sql(sql, signal === undefined ? {} : {signal});
  altering.catch(() => {});
  await held.reached;
  return {altering, go: held.go};
}

const later: [why: string, value: string, fits: boolean][] = [
  ['fits', "'22'", true],
  ['does not fit', "'22x'", false],
];
for (const [why, value, fits] of later) {
  for (const user of ['ana', 'ben']) {
    test(`a row of ${user} that is written while rows are looked at and ${why}: nobody waits, and the ALTER ends accordingly`, async () => {
      await withTable(async (db, gate) => {
        const {altering, go} = await heldAlter(db, gate, 'ALTER TABLE app.t MODIFY n INT');
        assert.equal((await put(db, 2, value, user)).rowCount, 1);
        go();
        if (fits) assert.match((await altering).message, /MODIFY COLUMN n INT \(version 2\)/);
        else await assert.rejects(altering, /Column 'n' of table app\.t holds a value that does not fit INT/);
        const written = await rows(db, 'SELECT n FROM app.t WHERE id = 2', user);
        assert.deepEqual(written, [[fits ? 22 : '22x']]);
        if (fits) await assert.rejects(put(db, 3, "'x'"), /Unable to cast value 'x' to INT/);
        else await put(db, 3, "'x'");
      });
    });
  }
}

test('a row that does not fit and is deleted before it is looked at is no reason to refuse', async () => {
  await withTable(async db => {
    await put(db, 1, "'x'");
    await put(db, 2, "'2'");
    await flush(db, 'app.t');
    await db.sql('DELETE FROM app.t WHERE id = 1', {user: 'ana'});
    await db.sql('ALTER TABLE app.t MODIFY n INT');
    await everywhere(db, 'SELECT id, n FROM app.t', [[2, 2]]);
    assert.deepEqual(await rows(db, 'SELECT id, n FROM app.t WHERE _deleted = true'), [[1, null]]);
  });
});

test('an ALTER that is stopped while it looks has changed nothing', async () => {
  await withTable(async (db, gate) => {
    const controller = new AbortController();
    const {altering, go} = await heldAlter(db, gate, 'ALTER TABLE app.t MODIFY n INT', controller.signal);
    controller.abort(new DbError('STATEMENT_TIMEOUT', 'Its time is over.'));
    go();
    await assert.rejects(altering, {code: 'STATEMENT_TIMEOUT'});
    await put(db, 2, "'x'");
    assert.deepEqual(await rows(db), [
      [1, '1'],
      [2, 'x'],
    ]);
  });
});

test('another ALTER may come first: what was looked at is looked at again, and both hold', async () => {
  await withTable(async (db, gate) => {
    const {altering, go} = await heldAlter(db, gate, 'ALTER TABLE app.t MODIFY n INT');
    await db.sql('ALTER TABLE app.t ADD COLUMN extra INT DEFAULT 5');
    go();
    assert.match((await altering).message, /version 3/);
    await everywhere(db, 'SELECT id, n, extra FROM app.t', [[1, 1, 5]]);
  });
});

test('a column that is dropped while its rows are looked at is said not to exist', async () => {
  await withTable(async (db, gate) => {
    const {altering, go} = await heldAlter(db, gate, 'ALTER TABLE app.t MODIFY n INT NOT NULL');
    await db.sql('ALTER TABLE app.t DROP COLUMN n');
    await db.sql('INSERT INTO app.t (id, must) VALUES (2, 1)', {user: 'ana'});
    go();
    await assert.rejects(altering, /Column 'n' does not exist/);
  });
});

test('ALTERs that come together all come through', async () => {
  await withTable(async db => {
    await put(db, 1, 'NULL');
    const names = Array.from({length: 12}, (_, i) => `c${i}`);
    await Promise.all(names.map((name, i) => db.sql(`ALTER TABLE app.t ADD COLUMN ${name} INT DEFAULT ${i}`)));
    await everywhere(db, `SELECT ${names.join(', ')} FROM app.t`, [names.map((_, i) => i)]);
  });
});

const ALTERS = [
  'ALTER TABLE app.t RENAME COLUMN n TO label',
  "ALTER TABLE app.t ADD COLUMN n TEXT DEFAULT 'later'",
  'ALTER TABLE app.t MODIFY id BIGINT',
  'ALTER TABLE app.t MODIFY label INT NOT NULL',
  'ALTER TABLE app.t DROP COLUMN must',
];
for (const [what, prepare, begin] of [
  ['flush', () => Promise.resolve(), 'STORAGE FLUSH TABLE app.t'],
  ['compaction', (db: TestDatabase) => flush(db, 'app.t'), 'STORAGE COMPACT TABLE app.t'],
] as const) {
  test(`ALTERs in the middle of a ${what} lose nothing`, async () => {
    await withTable(async (db, gate) => {
      await put(db, 1, "'1'");
      if (what === 'compaction') await flush(db, 'app.t');
      await put(db, 2, "'2'");
      await prepare(db);
      gate.close();
      const job = jobIdOf(await db.sql(begin));
      await gate.reached();
      for (const sql of ALTERS) await db.sql(sql);
      await db.sql('INSERT INTO app.t (id, label) VALUES (5000000000, 3)', {user: 'ana'});
      await db.sql("UPDATE app.t SET n = 'set', label = 20 WHERE id = 2", {user: 'ana'});
      gate.open();
      assert.equal((await jobEnd(db, job))['status'], 'completed');
      await everywhere(db, 'SELECT * FROM (SELECT id, label, n FROM app.t) AS t ORDER BY id', [
        ['1', 1, 'later'],
        ['2', 20, 'set'],
        ['5000000000', 3, 'later'],
      ]);
    });
  });
}

test('a write that was planned on an older version is planned again, also when it waits for a segment', async () => {
  await withTable(async (db, gate) => {
    await put(db, 1, "'1'");
    await put(db, 2, "'2'");
    await flush(db, 'app.t');
    await rows(db);
    const held = gate.holdRead();
    const updating = db.sql("UPDATE app.t SET n = n || '0' WHERE id IN (1, 2)", {user: 'ana'});
    await held.reached;
    await db.sql('ALTER TABLE app.t DROP COLUMN must');
    await db.sql("UPDATE app.t SET n = 'x' WHERE id = 2", {user: 'ana'});
    held.go();
    assert.equal((await updating).rowCount, 2);
    await everywhere(db, 'SELECT id, n FROM app.t', [
      [1, '10'],
      [2, 'x0'],
    ]);
  });
});

test('another flush policy holds at once', async () => {
  await withGatedDatabase(
    TABLE,
    async db => {
      await put(db, 1, "'1'");
      await put(db, 2, "'2'");
      await db.sql("ALTER TABLE app.t SET TBLPROPERTIES (FLUSH_POLICY = 'rows:2')");
      for (let i = 0; i < 500 && (await segmentFiles(db)).length === 0; i++) await systemClock.sleep(10);
      assert.equal((await segmentFiles(db)).length, 1);
    },
    {flushCheckMs: 10},
  );
});

test('another retention holds for tombstones that are there already', async () => {
  await withTable(async db => {
    await put(db, 1, "'1'");
    await put(db, 2, "'2'");
    await flush(db, 'app.t');
    await db.sql('DELETE FROM app.t WHERE id = 1', {user: 'ana'});
    await flush(db, 'app.t');
    await compact(db, 'app.t');
    assert.deepEqual(await rows(db, 'SELECT id FROM app.t WHERE _deleted = true'), [[1]]);
    await db.sql('ALTER TABLE app.t SET TBLPROPERTIES (DELETED_RETENTION_HOURS = 0)');
    await compact(db, 'app.t');
    assert.deepEqual(await rows(db, 'SELECT id FROM app.t WHERE _deleted = true'), []);
    assert.deepEqual(await rows(db), [[2, '2']]);
  });
});

test('a view reads by names: one that is gone is missed, and one that came back is another column', async () => {
  await withTable(async db => {
    await put(db, 1, "'1'");
    await db.sql('CREATE VIEW app.v AS SELECT id, n FROM app.t');
    assert.deepEqual(await rows(db, 'SELECT * FROM app.v'), [[1, '1']]);
    await db.sql('ALTER TABLE app.t RENAME COLUMN n TO label');
    await assert.rejects(rows(db, 'SELECT * FROM app.v'), /No field named n/);
    await db.sql("ALTER TABLE app.t ADD COLUMN n TEXT DEFAULT 'new'");
    assert.deepEqual(await rows(db, 'SELECT * FROM app.v'), [[1, 'new']]);
    await assert.rejects(db.sql('ALTER TABLE app.v ADD COLUMN x INT'), /app\.v is a view; use CREATE OR REPLACE VIEW/);
  });
});

/** Writes what fits and what does not, until it is over. */
async function write(
  db: TestDatabase,
  user: string,
  below: (limit: number) => number,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const id = below(6);
    const value = ['NULL', "'7'", "'70000'", "'7'", "'7'"][below(5)];
    const sql = [
      `INSERT INTO app.t (id, n, must) VALUES (${id}, ${value}, 1) ON CONFLICT DO NOTHING`,
      `UPDATE app.t SET n = ${value} WHERE id = ${id}`,
      `UPDATE app.t SET n = '7' WHERE id >= 0`,
      `DELETE FROM app.t WHERE id = ${id}`,
    ][below(4)]!;
    await db.sql(sql, {user}).catch(error => {
      assert.match(error.message, /NOT NULL constraint violation|Unable to cast|was altered/);
    });
  }
}

async function move(db: TestDatabase, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await flush(db, 'app.t');
    await compact(db, 'app.t');
  }
}

/** Tightens and loosens the column again and again; answers how often every row was found to fit. */
async function tighten(db: TestDatabase, below: (limit: number) => number): Promise<number> {
  let count = 0;
  for (let round = 0; round < 30; round++) {
    const type = ['SMALLINT', 'INT'][below(2)]!;
    const isTight = await db.sql(`ALTER TABLE app.t MODIFY n ${type} NOT NULL`).then(
      () => true,
      error => {
        assert.match(error.message, /holds a value that is NULL or does not fit|kept being altered/);
        return false;
      },
    );
    if (!isTight) continue;
    count++;
    const wrong = `SELECT id FROM app.t WHERE n IS NULL${type === 'SMALLINT' ? ' OR n > 32767' : ''}`;
    for (const user of ['ana', 'ben']) assert.deepEqual(await rows(db, wrong, user), [], `round ${round}`);
    await db.sql('ALTER TABLE app.t MODIFY n TEXT NULL');
  }
  return count;
}

test('what an ALTER found of all rows stays so, whoever writes, flushes and compacts meanwhile', async () => {
  await withTable(async db => {
    const random = seededRandom(7);
    const below = (limit: number) => Math.floor(random() * limit);
    let isDone = false;
    const isOver = () => isDone;
    const others = [...['ana', 'ana', 'ben'].map(user => write(db, user, below, isOver)), move(db, isOver)];
    const all = Promise.all(others);
    try {
      const tightened = await Promise.race([tighten(db, below), all.then(() => 0)]);
      assert.ok(tightened > 2, `${tightened} of 30 rounds found every row to fit`);
    } finally {
      isDone = true;
    }
    await all;
  });
});

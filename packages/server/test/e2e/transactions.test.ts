/**
 * Transactions of one request: what they see, whom they meet, and what is left of them. Others write at chosen places inside a transaction: when a
 * query of it has its answer, and its statement does not know it yet.
 */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import {type Duck, type DuckOptions, openDuck} from '../../src/duck/duck.ts';
import type {Executor} from '../../src/sql/define.ts';
import {type Cell, compact, flush, openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';

/** A query that our own executor leaves to DuckDB: others get their turn while it runs. */
const PAUSE = 'SELECT 1 UNION SELECT 2';

let database: TestDatabase;
let between: (() => Promise<unknown>) | undefined;

function watchedDuck(options: DuckOptions): Duck {
  const duck = openDuck(options);
  return {
    async query(request, signal) {
      const answer = await duck.query(request, signal);
      const other = between;
      between = undefined;
      await other?.();
      return answer;
    },
    stats: () => duck.stats(),
    close: () => duck.close(),
  };
}

/** The rows of each statement that has some. */
async function answers(sql: string, {user, executor}: {user?: string; executor?: Executor} = {}): Promise<Cell[][][]> {
  const session = developmentSession(user);
  const request = {sql, params: [], namespace: undefined, session, signal: new AbortController().signal};
  const results = await database.runSql(executor === undefined ? request : {...request, executor});
  return results.flatMap(({rows}) => (rows === undefined ? [] : [rows.map(row => JSON.parse(row) as Cell[])]));
}

async function rows(): Promise<readonly (readonly Cell[])[]> {
  return (await database.sql('SELECT id, v FROM app.t')).rows;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    error => (error instanceof DbError ? error.code : String(error)),
  );
}

describe('a transaction', () => {
  beforeEach(async () => {
    between = undefined;
    database = await openTestDatabase({analytic: {...TEST_OPTIONS.analytic, maxChildren: 4, openDuck: watchedDuck}});
    await database.sql('CREATE NAMESPACE app');
    await database.sql('CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v INT)');
    await database.sql('CREATE SHARED TABLE app.other (id INT PRIMARY KEY, v INT)');
    await database.sql('INSERT INTO app.t VALUES (1, 1), (2, 2), (3, 3)');
  });
  afterEach(() => database.stop());

  const CHANGES = `INSERT INTO app.t VALUES (4, 4), (0, 0); UPDATE app.t SET v = v * 10 WHERE id IN (1, 2); DELETE FROM app.t WHERE id = 3`;
  const CHANGED = [
    [0, 0],
    [1, 10],
    [2, 20],
    [4, 4],
  ];

  for (const executor of ['direct', 'analytic'] as const) {
    test(`sees what it wrote, over hot and flushed rows, by the ${executor} executor`, async () => {
      const ask = (sql: string) => answers(`BEGIN; ${CHANGES}; ${sql}; ROLLBACK`, {executor});
      for (const isFlushed of [false, true]) {
        if (isFlushed) await flush(database, 'app.t');
        assert.deepEqual(await ask('SELECT id, v FROM app.t ORDER BY id'), [CHANGED]);
        assert.deepEqual(await ask('SELECT id, v FROM app.t ORDER BY id DESC'), [CHANGED.toReversed()]);
        assert.deepEqual(await ask('SELECT id, v FROM app.t WHERE id >= 1 AND id < 4 ORDER BY id'), [
          CHANGED.slice(1, 3),
        ]);
        assert.deepEqual(await ask('SELECT v FROM app.t WHERE id = 2'), [[[20]]]);
        assert.deepEqual(await ask('SELECT v FROM app.t WHERE id = 3'), [[]]);
        assert.deepEqual(await ask('SELECT id FROM app.t WHERE id IN (3, 4, 0) ORDER BY id'), [[[0], [4]]]);
        assert.deepEqual(await ask('SELECT count(*), sum(v), max(id) FROM app.t'), [[['4', '34', 4]]]);
        assert.deepEqual(await ask('SELECT id FROM app.t WHERE _deleted'), [[[3]]]);
        assert.deepEqual(await rows(), [
          [1, 1],
          [2, 2],
          [3, 3],
        ]);
      }
    });
  }

  test('sees the moment of its beginning, whatever is committed or flushed meanwhile', async () => {
    between = async () => {
      await database.sql('UPDATE app.other SET v = 100 WHERE id > 0');
      await database.sql('INSERT INTO app.other VALUES (2, 200)');
      await flush(database, 'app.other');
      await database.sql('DELETE FROM app.other WHERE id = 1');
    };
    await database.sql('INSERT INTO app.other VALUES (1, 1)');
    const read = 'SELECT id, v FROM app.other';
    // `other` is named behind the pause only: its moment is that of BEGIN nevertheless.
    const found = await answers(
      `BEGIN; ${PAUSE}; ${read}; ${read} WHERE id = 1; ${read} a WHERE id IN (SELECT id FROM app.other); COMMIT; ${read}`,
    );
    const before = [[1, 1]];
    assert.deepEqual(found.slice(1), [before, before, before, [[2, 200]]]);
  });

  test('begins for its caller, whoever BEGIN is said as', async () => {
    await database.sql('CREATE USER TABLE app.own (id INT PRIMARY KEY)');
    await database.sql('INSERT INTO app.own VALUES (1)');
    between = () => database.sql('INSERT INTO app.own VALUES (2)');
    const found = await answers(
      `EXECUTE AS USER 'ana' (BEGIN); ${PAUSE}; SELECT id FROM app.own; EXECUTE AS USER 'bob' (SELECT id FROM app.own); COMMIT`,
    );
    assert.deepEqual(found.slice(1), [[[1]], []]);
  });

  const MEETINGS: [what: string, mine: string, other: string, code: string][] = [
    [
      'an update of a row that another updated',
      'UPDATE app.t SET v = v + 1 WHERE id = 1',
      'UPDATE app.t SET v = 50 WHERE id = 1',
      'WRITE_CONFLICT',
    ],
    [
      'an update of a row that another deleted',
      'UPDATE app.t SET v = v + 1 WHERE id = 1',
      'DELETE FROM app.t WHERE id = 1',
      'WRITE_CONFLICT',
    ],
    [
      'a delete of a row that another updated',
      'DELETE FROM app.t WHERE id = 1',
      'UPDATE app.t SET v = 50 WHERE id = 1',
      'WRITE_CONFLICT',
    ],
    [
      'an insert of a key that another inserted',
      'INSERT INTO app.t VALUES (9, 9)',
      'INSERT INTO app.t VALUES (9, 0)',
      'WRITE_CONFLICT',
    ],
    [
      'an insert of a key that another inserted and deleted',
      'INSERT INTO app.t VALUES (9, 9)',
      'INSERT INTO app.t VALUES (9, 0); DELETE FROM app.t WHERE id = 9',
      'WRITE_CONFLICT',
    ],
    [
      'an upsert of a key that another inserted',
      'INSERT INTO app.t VALUES (9, 9) ON CONFLICT (id) DO UPDATE SET v = excluded.v',
      'INSERT INTO app.t VALUES (9, 0)',
      'WRITE_CONFLICT',
    ],
    [
      'a row that it only read and another wrote',
      'INSERT INTO app.other SELECT id, v FROM app.t WHERE id = 1',
      'UPDATE app.t SET v = 50 WHERE id = 1',
      'done',
    ],
    [
      'another row of the same table',
      'UPDATE app.t SET v = v + 1 WHERE id = 1',
      'UPDATE app.t SET v = 50 WHERE id = 2',
      'done',
    ],
    [
      'a row that it made and deleted',
      'INSERT INTO app.t VALUES (9, 9); DELETE FROM app.t WHERE id = 9',
      'INSERT INTO app.t VALUES (9, 0)',
      'done',
    ],
    [
      'a change of the table',
      'UPDATE app.t SET v = v + 1 WHERE id = 1',
      'ALTER TABLE app.t ADD COLUMN w INT',
      'WRITE_CONFLICT',
    ],
    [
      'the end of the table',
      'UPDATE app.t SET v = v + 1 WHERE id = 1',
      'DROP TABLE app.t; CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v INT)',
      'SQL_EXECUTION_ERROR',
    ],
  ];

  for (const [what, mine, other, code] of MEETINGS) {
    for (const place of ['hot', 'flushed before', 'flushed meanwhile'] as const) {
      test(`meets ${what}, ${place}: ${code}`, async () => {
        if (place === 'flushed before') await flush(database, 'app.t');
        let after: unknown;
        between = async () => {
          await database.sql(other);
          if (place === 'flushed meanwhile') await flush(database, 'app.t');
          after = await rows();
        };
        const outcome = await codeOf(answers(`BEGIN; INSERT INTO app.other VALUES (77, 7); ${mine}; ${PAUSE}; COMMIT`));
        assert.equal(outcome, code);
        const seen = (await database.sql('SELECT v FROM app.other WHERE id = 77')).rows;
        assert.deepEqual(seen, code === 'done' ? [[7]] : [], 'all of it is written, or nothing');
        if (code !== 'done') assert.deepEqual(await rows(), after);
      });
    }
  }

  test('meets a delete whose tombstone is flushed and compacted away', async () => {
    const make = 'CREATE SHARED TABLE app.brief (id INT PRIMARY KEY, v INT) WITH (DELETED_RETENTION_HOURS = 0)';
    for (const isFlushed of [false, true]) {
      for (const isLast of [false, true]) {
        await database.sql(`DROP TABLE IF EXISTS app.brief; ${make}; INSERT INTO app.brief VALUES (8, 8)`);
        if (!isLast) await database.sql('INSERT INTO app.brief VALUES (9, 9)');
        if (isFlushed) await flush(database, 'app.brief');
        between = async () => {
          await database.sql('DELETE FROM app.brief WHERE id = 8');
          await flush(database, 'app.brief');
          await compact(database, 'app.brief');
        };
        const outcome = codeOf(answers(`BEGIN; UPDATE app.brief SET v = 0 WHERE id = 8; ${PAUSE}; COMMIT`));
        assert.equal(await outcome, 'WRITE_CONFLICT', `flushed: ${isFlushed}, the last row: ${isLast}`);
        const all = 'SELECT count(*) FROM app.brief WHERE _deleted OR NOT _deleted';
        assert.deepEqual((await database.sql(all)).rows, [[isLast ? '0' : '1']], 'even the tombstone is gone');
      }
    }
  });

  test('does not take a table for empty that was emptied meanwhile, and which no statement named when it began', async () => {
    await database.sql(`CREATE SHARED TABLE app.u (id INT PRIMARY KEY) WITH (DELETED_RETENTION_HOURS = 0)`);
    await database.sql('INSERT INTO app.u VALUES (1)');
    for (const isFlushed of [true, false]) {
      if (isFlushed) await flush(database, 'app.u');
      await database.sql('DROP VIEW IF EXISTS app.w');
      between = async () => {
        await database.sql('DELETE FROM app.u WHERE TRUE');
        await flush(database, 'app.u');
        if (isFlushed) await compact(database, 'app.u');
        await database.sql('CREATE VIEW app.w AS SELECT id FROM app.u');
      };
      assert.equal(await codeOf(answers(`BEGIN; ${PAUSE}; SELECT COUNT(*) FROM app.w; COMMIT`)), 'WRITE_CONFLICT');
      await database.sql('INSERT INTO app.u VALUES (2)');
    }
  });

  test('that fails leaves nothing, and the error names the statement', async () => {
    const failing = `BEGIN; ${CHANGES}; INSERT INTO app.t VALUES (1, 1); COMMIT`;
    await assert.rejects(answers(failing), {message: /^Statement 5 failed: .*value '1' already exists/});
    await assert.rejects(answers(`BEGIN; ${CHANGES}; SELECT 1 / 0; COMMIT`), {
      message: /Statement 5 failed.*division by zero/,
    });
    await assert.rejects(answers(`BEGIN; ${CHANGES}`), {
      message: 'Request completed with an open explicit transaction; rolled back automatically',
    });
    assert.deepEqual(await rows(), [
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  test('goes back to savepoints, the last of a name first, and keeps what was before', async () => {
    const found = await answers(`BEGIN; UPDATE app.t SET v = 10 WHERE id = 1;
      SAVEPOINT a; UPDATE app.t SET v = 20 WHERE id = 1; INSERT INTO app.t VALUES (5, 5);
      SAVEPOINT a; DELETE FROM app.t WHERE id > 0; SELECT count(*) FROM app.t;
      ROLLBACK TO a; SELECT id, v FROM app.t WHERE id IN (1, 5); DELETE FROM app.t WHERE id = 1; ROLLBACK TO a;
      RELEASE a; ROLLBACK TO SAVEPOINT a; SELECT id, v FROM app.t; COMMIT`);
    assert.deepEqual(found, [
      [['0']],
      [
        [1, 20],
        [5, 5],
      ],
      [
        [1, 10],
        [2, 2],
        [3, 3],
      ],
    ]);
    assert.deepEqual(await rows(), found[2]);
    await assert.rejects(answers('BEGIN; SAVEPOINT a; RELEASE a; ROLLBACK TO a; COMMIT'), {
      message: /savepoint "a" does not exist/,
    });
    await assert.rejects(answers('BEGIN; SAVEPOINT a; SAVEPOINT b; ROLLBACK TO a; RELEASE b; COMMIT'), {
      message: /savepoint "b" does not exist/,
    });
  });

  const REFUSED: [sql: string, message: RegExp][] = [
    ['CREATE NAMESPACE x', /DDL is not allowed inside explicit transaction '[-0-9a-f]{36}'/],
    ['DROP TABLE app.t', /DDL is not allowed inside explicit transaction/],
    ['ALTER TABLE app.t ADD COLUMN w INT', /DDL is not allowed inside explicit transaction/],
    ['FLUSH TABLE app.t', /FLUSH TABLE is not allowed inside explicit transaction/],
    ['STORAGE COMPACT TABLE app.t', /STORAGE COMPACT TABLE is not allowed inside explicit transaction/],
    ["KILL JOB 'FL-000000000000'", /KILL JOB is not allowed inside explicit transaction/],
    ['START TRANSACTION', /request owner 'sql-req-[0-9a-f]+' already has an active transaction '[-0-9a-f]{36}'/],
    ['INSERT INTO app.ticks VALUES (1)', /stream tables are not supported inside explicit transactions/],
    ['DELETE FROM app.ticks WHERE id = 1', /stream tables are not supported inside explicit transactions/],
    ["DELETE FROM system.jobs WHERE job_id = 'x'", /system tables are not supported inside explicit transactions/],
  ];

  test('refuses by name what is none of its statements, and is rolled back', async () => {
    await database.sql('CREATE STREAM TABLE app.ticks (id INT PRIMARY KEY) WITH (TTL_SECONDS = 3600)');
    for (const [sql, message] of REFUSED) {
      await assert.rejects(answers(`BEGIN; DELETE FROM app.t WHERE id = 1; ${sql}; COMMIT`), {message}, sql);
      assert.equal((await rows()).length, 3, sql);
    }
    for (const sql of ['COMMIT', 'ROLLBACK', 'END WORK', 'SAVEPOINT a', 'RELEASE a', 'ROLLBACK TO a', 'ABORT'])
      await assert.rejects(answers(sql), {message: /requires an active explicit SQL transaction/}, sql);
    await assert.rejects(answers('BEGIN; COMMIT; COMMIT'), {message: /^Statement 3 failed: .*COMMIT requires/});
  });

  test('reads streams and system tables beside its own tables', async () => {
    await database.sql(
      'CREATE STREAM TABLE app.ticks (id INT PRIMARY KEY) WITH (TTL_SECONDS = 3600); INSERT INTO app.ticks VALUES (7)',
    );
    between = () => database.sql('INSERT INTO app.ticks VALUES (8)');
    const found = await answers(
      `BEGIN; ${PAUSE}; INSERT INTO app.t SELECT id, 0 FROM app.ticks; SELECT count(*) FROM system.namespaces WHERE namespace_id = 'app'; SHOW NAMESPACES; COMMIT`,
    );
    assert.deepEqual(found[1], [['1']]);
    assert.deepEqual((await rows()).at(-1), [7, 0]);
  });

  test('holds at most one batch of the log, and says so', async () => {
    const big = `INSERT INTO app.big SELECT g.n, repeat('x', 100000) FROM generate_series(1, 100) AS g(n)`;
    await database.sql('CREATE SHARED TABLE app.big (id INT PRIMARY KEY, v TEXT)');
    await database.sql(big);
    const error = await answers(
      "BEGIN; UPDATE app.big SET v = v || 'y' WHERE id > 0; UPDATE app.big SET v = v || 'z' WHERE id > 0; COMMIT",
    ).then(
      () => undefined,
      thrown => thrown as DbError,
    );
    assert.equal(error?.code, 'LIMIT_EXCEEDED');
    assert.match(error!.message, /transaction '[-0-9a-f]{36}' exceeded buffer limit of 16777216 bytes and was aborted/);
    assert.deepEqual((await database.sql("SELECT count(*) FROM app.big WHERE v LIKE '%y'")).rows, [['0']]);
  });

  test('gives its rows seqs at COMMIT, in one run, above all that was there', async () => {
    await database.sql('INSERT INTO app.other VALUES (1, 1)');
    between = () => database.sql('INSERT INTO app.other VALUES (2, 2)');
    const [provisional] = await answers(`BEGIN; INSERT INTO app.t VALUES (9, 9) RETURNING _seq; ${PAUSE}; COMMIT`);
    const seqOf = async (sql: string) => BigInt(String((await database.sql(sql)).rows[0]![0]));
    const own = await seqOf('SELECT _seq FROM app.t WHERE id = 9');
    assert.ok(own > (await seqOf('SELECT _seq FROM app.other WHERE id = 2')), 'it was committed later');
    assert.ok(BigInt(String(provisional![0]![0])) < own);
  });

  test('of one user sees and writes nothing of another', async () => {
    await database.sql('CREATE USER TABLE app.mine (id INT PRIMARY KEY, v TEXT)');
    for (const user of ['ana', 'ben']) await database.sql(`INSERT INTO app.mine VALUES (1, '${user}')`, {user});
    between = () => database.sql("UPDATE app.mine SET v = 'ben 2' WHERE id = 1", {user: 'ben'});
    const found = await answers(
      `BEGIN; UPDATE app.mine SET v = v || '!' WHERE id > 0 RETURNING v; INSERT INTO app.mine VALUES (2, 'x'); ${PAUSE}; SELECT v FROM app.mine; COMMIT`,
      {user: 'ana'},
    );
    assert.deepEqual(found, [[['ana!']], [[1], [2]], [['ana!'], ['x']]]);
    assert.deepEqual((await database.sql('SELECT v FROM app.mine', {user: 'ben'})).rows, [['ben 2']]);
  });

  test('acts as another where a statement says so, each on rows of its own', async () => {
    await database.sql('CREATE USER TABLE app.mine (id INT PRIMARY KEY, v TEXT)');
    await database.sql("INSERT INTO app.mine VALUES (1, 'ben')", {user: 'ben'});
    between = () => database.sql("INSERT INTO app.mine VALUES (3, 'later')", {user: 'ben'});
    const asBen = (sql: string) => `EXECUTE AS USER 'ben' (${sql})`;
    const found = await answers(
      `BEGIN; ${PAUSE}; INSERT INTO app.mine VALUES (1, 'root'); ${asBen("INSERT INTO app.mine VALUES (2, 'by root')")};
       ${asBen('SELECT id, v FROM app.mine')}; SELECT id, v FROM app.mine; COMMIT`,
    );
    assert.deepEqual(found.slice(1), [
      [
        [1, 'ben'],
        [2, 'by root'],
      ],
      [[1, 'root']],
    ]);
    assert.equal((await database.sql('SELECT id FROM app.mine', {user: 'ben'})).rows.length, 3);
  });

  test('stays after a restart, with its rows hot, flushed and replaced', async () => {
    await flush(database, 'app.t');
    await answers(`BEGIN; ${CHANGES}; COMMIT`);
    await database.restart();
    assert.deepEqual(await rows(), CHANGED);
    await flush(database, 'app.t');
    assert.deepEqual(await rows(), CHANGED);
    await database.restart();
    assert.deepEqual(await rows(), CHANGED);
  });
});

/** What is refused at subscribe, what ends a subscription or its connection, and what goes unnoticed. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession} from '../../src/auth/sessions.ts';
import {liveCode} from '../../src/live/live.ts';
import type {Role, Session} from '../../src/model/session.ts';
import {SimClock} from '../../src/std/sim-clock.ts';
import {flush, openTestDatabase, type TestDatabase} from '../test-database.ts';
import {Client, settle} from './subscriber.ts';

function sessionOf(user: string, role: Role): Session {
  return {...developmentSession(user), role};
}

describe('live queries end', () => {
  let database: TestDatabase;
  let clock: SimClock;
  const sql = (text: string, user = 'root') => database.sql(text, {user});

  beforeEach(async () => {
    clock = new SimClock();
    database = await openTestDatabase({
      clock,
      live: {
        subscriptionsMax: 6,
        connectionSubscriptionsMax: 4,
        userSubscriptionsMax: 5,
        queuedBytesMax: 4000,
        slowMs: 10_000,
        snapshotIdleMs: 10_000,
        historyRowsMax: 80,
        historyMs: 1000,
        progressMs: 1000,
      },
    });
    await sql('CREATE NAMESPACE app');
    await sql('CREATE USER TABLE app.mine (id BIGINT PRIMARY KEY, v TEXT, n INT)');
    await sql("CREATE SHARED TABLE app.board (id BIGINT PRIMARY KEY, v TEXT) WITH (ACCESS_LEVEL = 'PUBLIC')");
    await sql('CREATE VIEW app.shown AS SELECT id, v FROM app.board');
    await sql('CREATE STREAM TABLE app.pulse (who TEXT PRIMARY KEY, v TEXT) WITH (TTL_SECONDS = 2)');
  });

  afterEach(() => database.stop());

  const refused: [why: string, query: string, code: string][] = [
    ['there is no such table', 'SELECT * FROM app.none', 'NOT_FOUND'],
    ['a name without its namespace', 'SELECT * FROM mine', 'CONVERSION_ERROR'],
    ['no SELECT', 'DELETE FROM app.mine WHERE id = 1', 'INVALID_SQL'],
    ['two statements', 'SELECT * FROM app.mine; SELECT * FROM app.mine', 'INVALID_SQL'],
    ['no SQL', 'SELECT FROM WHERE', 'INVALID_SQL'],
    ['nothing', ' ; ', 'INVALID_SQL'],
    ['a join', 'SELECT * FROM app.mine a JOIN app.board b ON a.id = b.id', 'UNSUPPORTED'],
    ['a subquery', 'SELECT * FROM app.mine WHERE id IN (SELECT id FROM app.board)', 'UNSUPPORTED'],
    ['WITH', 'WITH x AS (SELECT 1) SELECT * FROM app.mine', 'UNSUPPORTED'],
    ['DISTINCT', 'SELECT DISTINCT v FROM app.mine', 'UNSUPPORTED'],
    ['GROUP BY', 'SELECT v FROM app.mine GROUP BY v', 'UNSUPPORTED'],
    ['ORDER BY', 'SELECT * FROM app.mine ORDER BY id', 'UNSUPPORTED'],
    ['LIMIT', 'SELECT * FROM app.mine LIMIT 1', 'UNSUPPORTED'],
    ['an aggregate', 'SELECT count(*) FROM app.mine', 'UNSUPPORTED'],
    ['an expression in the list', 'SELECT id + 1 FROM app.mine', 'UNSUPPORTED'],
    ['an alias', 'SELECT id AS key FROM app.mine', 'UNSUPPORTED'],
    ['_seq in the list', 'SELECT id, _seq FROM app.mine', 'INVALID_SQL'],
    ['deleted rows', 'SELECT * FROM app.mine WHERE _deleted = true', 'UNSUPPORTED'],
    ['what time alone changes', 'SELECT * FROM app.mine WHERE v < CAST(NOW() AS TEXT)', 'UNSUPPORTED'],
    ['chance', 'SELECT * FROM app.mine WHERE RANDOM() < 0.5', 'UNSUPPORTED'],
    ['parameters', 'SELECT * FROM app.mine WHERE id = $1', 'UNSUPPORTED'],
    ['an unknown column', 'SELECT * FROM app.mine WHERE x = 1', 'CONVERSION_ERROR'],
    ['a condition that is none', 'SELECT * FROM app.mine WHERE v', 'CONVERSION_ERROR'],
    ['a view', 'SELECT * FROM app.shown', 'UNSUPPORTED'],
    ['a computed system table', 'SELECT * FROM system.stats', 'UNSUPPORTED'],
    ['a system table with secrets', 'SELECT * FROM system.users', 'UNSUPPORTED'],
  ];

  test('LQ-6: what cannot be kept exactly is refused, and leaves nothing behind', () => {
    const client = new Client(database.live);
    for (const [why, query, code] of refused) {
      assert.throws(
        () => client.subscribe(query, {}),
        (error: unknown) => {
          assert.ok(error instanceof DbError, why);
          assert.equal(liveCode(error), code, `${why}: ${error.message}`);
          return true;
        },
      );
    }
    assert.equal(database.live.counts.subscriptions, 0);
  });

  test('LQ-6: options that make no sense are refused', () => {
    const client = new Client(database.live);
    const query = 'SELECT * FROM app.mine';
    assert.throws(
      () => client.subscribe(query, {lastRows: 5, batchSize: 4}),
      /last_rows \(5\) cannot exceed batch_size \(4\); paginated/,
    );
    assert.throws(() => client.subscribe(query, {lastRows: 5, batchSize: 4, from: 1n}), /cannot exceed/);
    assert.throws(() => client.subscribe(query, {batchSize: 0}), /batch_size/);
    assert.throws(() => client.subscribe(query, {batchSize: 20_000}), /batch_size/);
    assert.throws(() => client.subscribe(query, {}, {id: ' '}), {code: 'INVALID_INPUT'});
    assert.throws(() => client.subscribe(query, {}, {id: 'x'.repeat(257)}), {code: 'INVALID_INPUT'});
  });

  test('LQ-8: a condition that fails on a row ends its subscriptions, as it would fail SELECT, and no other', async () => {
    const client = new Client(database.live);
    const fails = client.subscribe('SELECT * FROM app.mine WHERE 10 / n > 1');
    const works = client.subscribe('SELECT * FROM app.mine');
    await sql('INSERT INTO app.mine (id, n) VALUES (1, 2)');
    await sql('INSERT INTO app.mine (id, n) VALUES (2, 0)');
    await sql('INSERT INTO app.mine (id, n) VALUES (3, 2)');
    await settle();
    assert.deepEqual(fails.told, ['insert "1" (new)']);
    assert.match(fails.error!.message, /division by zero/);
    assert.equal(works.told.length, 3);
    assert.throws(() => client.subscribe('SELECT * FROM app.mine WHERE 10 / n > 1', {}), /division by zero/);
    assert.equal(database.live.counts.subscriptions, 1);
  });

  test('LQ-14: nobody sees rows of another user, whatever the role', async () => {
    const ana = new Client(database.live, 'ana').subscribe('SELECT * FROM app.mine', {});
    const ben = new Client(database.live, 'ben').subscribe('SELECT * FROM app.mine', {});
    const pulse = new Client(database.live, 'ben').subscribe('SELECT * FROM app.pulse', {});
    await sql("INSERT INTO app.mine (id, v) VALUES (1, 'x')", 'ana');
    await sql("INSERT INTO app.pulse (who, v) VALUES ('a', 'x')", 'ana');
    await settle();
    assert.deepEqual([ana.told.length, ben.told.length, pulse.told.length], [1, 0, 0]);
  });

  test('LQ-14: who loses the right to a shared table is ended by the ALTER that takes it, others go on', async () => {
    const user = new Client(database.live, sessionOf('ana', 'user')).subscribe('SELECT * FROM app.board', {});
    const service = new Client(database.live, sessionOf('bot', 'service')).subscribe('SELECT * FROM app.board', {});
    await settle();
    await sql('INSERT INTO app.board (id) VALUES (1)');
    await sql('ALTER TABLE app.board SET ACCESS LEVEL PRIVATE');
    await sql('INSERT INTO app.board (id) VALUES (2)');
    await settle();
    assert.equal(liveCode(user.error), 'UNAUTHORIZED');
    assert.deepEqual([user.told.length, service.told.length], [1, 2]);
    const again = new Client(database.live, sessionOf('ana', 'user'));
    assert.throws(() => again.subscribe('SELECT * FROM app.board', {}), {code: 'PERMISSION_DENIED'});
  });

  test('LQ-14: who resumes with a token is told nothing after its end, and the connection is closed', async () => {
    const proof = {
      kind: 'token',
      signInId: undefined,
      issuedAtMs: clock.nowMs(),
      expiresAtMs: clock.nowMs() + 5000,
    } as const;
    const client = new Client(database.live, {...sessionOf('root', 'system'), proof});
    const answer = client.subscribe('SELECT * FROM app.board', {});
    await clock.advance(4900);
    await sql('INSERT INTO app.board (id) VALUES (1)');
    await settle();
    assert.deepEqual(answer.told, ['insert "1" (new)']);
    clock.jump(200);
    await sql('INSERT INTO app.board (id) VALUES (2)');
    await settle();
    assert.deepEqual([answer.told.length, client.closed?.code], [1, 'TOKEN_EXPIRED']);
    const idle = new Client(database.live, {
      ...sessionOf('root', 'system'),
      proof: {...proof, expiresAtMs: clock.nowMs() + 1000},
    });
    await clock.advance(1500);
    assert.equal(idle.closed?.code, 'TOKEN_EXPIRED');
  });

  test('LQ-14: a token that ends between two batches ends the snapshot: no row is read for it any more', async () => {
    await sql('INSERT INTO app.board (id) VALUES (1), (2), (3)');
    const expiresAtMs = clock.nowMs() + 5000;
    const proof = {kind: 'token', signInId: undefined, issuedAtMs: clock.nowMs(), expiresAtMs} as const;
    const client = new Client(database.live, {...sessionOf('root', 'system'), proof});
    const answer = client.subscribe('SELECT * FROM app.board', {batchSize: 2});
    await settle();
    assert.equal(answer.rows.size, 2);
    clock.jump(5200);
    answer.subscription.next();
    await settle();
    assert.deepEqual([answer.rows.size, client.closed?.code], [2, 'TOKEN_EXPIRED']);
    assert.equal(database.live.counts.subscriptions, 0);
  });

  test('LQ-14: development sign-in ends with its connections when root gets a password', async () => {
    const client = new Client(database.live, 'ana');
    const answer = client.subscribe('SELECT * FROM app.board', {});
    await settle();
    await sql("ALTER USER root SET PASSWORD 'a long pass phrase'");
    await settle();
    assert.equal(client.closed?.code, 'TOKEN_EXPIRED');
    assert.equal(answer.subscription.isEnded, true);
  });

  test('LQ-15: DROP TABLE ends its subscriptions, and a table of the same name is another one', async () => {
    const client = new Client(database.live);
    const answer = client.subscribe('SELECT * FROM app.board', {});
    await sql('INSERT INTO app.board (id) VALUES (1)');
    await settle();
    await sql('DROP TABLE app.board');
    await settle();
    assert.equal(liveCode(answer.error), 'NOT_FOUND');
    await sql('CREATE SHARED TABLE app.board (id BIGINT PRIMARY KEY, v TEXT)');
    await sql('INSERT INTO app.board (id) VALUES (2)');
    const again = client.subscribe('SELECT * FROM app.board', {from: answer.lastSeq}, {held: answer});
    await settle();
    assert.equal(again.start, 'resync');
    assert.deepEqual([...again.rows.keys()], ['"2"']);
  });

  test('LQ-16: an ALTER of columns that a query shows or asks for ends it; of others it goes unnoticed', async () => {
    const client = new Client(database.live);
    const star = client.subscribe('SELECT * FROM app.mine', {});
    const some = client.subscribe('SELECT v FROM app.mine WHERE n > 0', {});
    await sql('ALTER TABLE app.mine ADD COLUMN more INT DEFAULT 7');
    await sql("INSERT INTO app.mine (id, v, n) VALUES (1, 'x', 1)");
    await settle();
    assert.equal(liveCode(star.error), 'SCHEMA_CHANGED');
    const end = star.events.at(-1)!;
    assert.equal(end.kind === 'end' && end.isResumable, true);
    assert.deepEqual(
      some.sorted().map(row => row['v']),
      ['x'],
    );
    await sql('ALTER TABLE app.mine DROP COLUMN n');
    await settle();
    assert.equal(liveCode(some.error), 'SCHEMA_CHANGED');
  });

  test('LQ-9: a stream tells of rows that are evicted, in time', async () => {
    const client = new Client(database.live, 'ana');
    const answer = client.subscribe('SELECT * FROM app.pulse', {});
    await sql("INSERT INTO app.pulse (who, v) VALUES ('a', 'x'), ('b', 'y')", 'ana');
    await settle();
    assert.equal(answer.rows.size, 2);
    await clock.advance(1000);
    await sql("INSERT INTO app.pulse (who, v) VALUES ('c', 'z')", 'ana');
    await clock.advance(1500);
    await settle();
    const who = () => answer.sorted().map(row => row['who']);
    assert.deepEqual(who(), ['c']);
    assert.deepEqual(answer.told.map(text => text.replace(/".*"/, 'row')).slice(-2), [
      'delete row (evicted)',
      'delete row (evicted)',
    ]);
    await sql("DELETE FROM app.pulse WHERE who = 'c'", 'ana');
    await settle();
    assert.match(answer.told.at(-1)!, /^delete .* \(deleted\)$/);
    assert.deepEqual(who(), []);
  });

  test('LQ-9: rows of a stream that share a key are told apart: one goes when its own time is over', async () => {
    const answer = new Client(database.live, 'ana').subscribe('SELECT * FROM app.pulse', {});
    await sql("INSERT INTO app.pulse (who, v) VALUES ('a', 'first')", 'ana');
    await clock.advance(1500);
    await sql("INSERT INTO app.pulse (who, v) VALUES ('a', 'second')", 'ana');
    await settle();
    assert.equal(answer.rows.size, 2);
    await clock.advance(1000);
    await settle();
    assert.deepEqual(
      answer.sorted().map(row => row['v']),
      ['second'],
    );
    const ack = answer.events[0]!;
    assert.ok(
      ack.kind === 'ack' && ack.columns.every(({flags = []}) => !flags.includes('pk')),
      'no column is said to be the key',
    );
  });

  test('LQ-20: who asks for progress is told a later cursor, once, though nothing concerns the query', async () => {
    const client = new Client(database.live);
    const query = 'SELECT * FROM app.mine WHERE id = 0';
    const quiet = client.subscribe(query);
    const answer = client.subscribe(query, {}, {wantsProgress: true});
    await settle();
    const {cursor} = answer;
    await sql('INSERT INTO app.mine (id) VALUES (1)');
    await clock.advance(1500);
    await settle();
    assert.ok(answer.cursor > cursor);
    assert.equal(answer.subscription.resumeFrom, answer.cursor);
    const told = answer.events.length;
    await clock.advance(5000);
    await settle();
    assert.equal(answer.events.length, told, 'nothing happened since');
    client.queuedBytes = 5000;
    await sql('INSERT INTO app.mine (id) VALUES (2)');
    await clock.advance(1500);
    assert.equal(answer.events.length, told, 'there is no room');
    client.drain();
    await sql('INSERT INTO app.mine (id) VALUES (0)');
    await settle();
    assert.deepEqual([...answer.rows.keys()], ['"0"']);
    assert.deepEqual(quiet.told, ['insert "0" (new)']);
    assert.equal(quiet.events.length, 2, 'who does not ask is told of changes alone');
  });

  test('LQ-10: a socket that takes nothing for too long is closed, and its client resumes', async () => {
    const client = new Client(database.live);
    const answer = client.subscribe('SELECT * FROM app.mine', {});
    await sql('INSERT INTO app.mine (id) VALUES (1)');
    await settle();
    client.queuedBytes = 5000;
    await sql('INSERT INTO app.mine (id) VALUES (2)');
    await settle();
    await clock.advance(9000);
    assert.ok(client.closed === undefined, 'it may still drain');
    await clock.advance(2000);
    assert.equal((client.closed as DbError | undefined)?.code, 'SLOW_CONSUMER');
    assert.equal(answer.subscription.resumeFrom, answer.lastSeq);
    assert.equal(database.live.counts.subscriptions, 0);
    const again = new Client(database.live).subscribe('SELECT * FROM app.mine', {from: answer.lastSeq}, {held: answer});
    await settle();
    assert.deepEqual([again.start, again.rows.size], ['resume', 2]);
  });

  test('LQ-10: a commit larger than may be queued is told in parts, and the socket is never given more', async () => {
    const client = new Client(database.live);
    const answer = client.subscribe('SELECT * FROM app.mine', {});
    await settle();
    const text = 'x'.repeat(300);
    const values = Array.from({length: 60}, (_, i) => `(${i}, '${text}')`).join();
    await sql(`INSERT INTO app.mine (id, v) VALUES ${values}`);
    await settle(20);
    assert.equal(answer.rows.size, 60);
    assert.equal(answer.isPartial, false);
  });

  test('LQ-10: batches wait for room in the socket, however many subscriptions begin at once', async () => {
    const text = 'x'.repeat(300);
    await sql(`INSERT INTO app.mine (id, v) VALUES ${Array.from({length: 20}, (_, i) => `(${i}, '${text}')`).join()}`);
    const client = new Client(database.live);
    client.isSlow = true;
    client.queuedBytes = 5000;
    const answers = [1, 2, 3].map(() => client.subscribe('SELECT * FROM app.mine', {}));
    await sql("INSERT INTO app.mine (id, v) VALUES (100, 'later')");
    await settle();
    assert.deepEqual(
      answers.map(answer => answer.start),
      [undefined, undefined, undefined],
    );
    client.isSlow = false;
    client.drain();
    await settle(20);
    for (const answer of answers) assert.equal(answer.rows.size, 21);
  });

  test('LQ-10: a socket that takes a little now and then is not closed', async () => {
    const client = new Client(database.live);
    client.subscribe('SELECT * FROM app.mine', {});
    await settle();
    client.queuedBytes = 9000;
    await sql('INSERT INTO app.mine (id) VALUES (2)');
    for (let i = 0; i < 4; i++) {
      await clock.advance(8000);
      client.queuedBytes -= 1000;
    }
    assert.equal(client.closed, undefined);
    await clock.advance(30_000);
    assert.equal((client.closed as DbError | undefined)?.code, 'SLOW_CONSUMER');
  });

  test('LQ-2: a snapshot whose next batch nobody asks for is let go, and can be resumed from its last row', async () => {
    await sql('INSERT INTO app.mine (id) VALUES (1), (2), (3)');
    const client = new Client(database.live);
    const answer = client.subscribe('SELECT * FROM app.mine', {batchSize: 2});
    await settle();
    await clock.advance(11_000);
    await settle();
    assert.equal(liveCode(answer.error), 'SNAPSHOT_EXPIRED');
    assert.equal(answer.subscription.resumeFrom, answer.lastSeq);
    const again = client.subscribe('SELECT * FROM app.mine', {from: answer.lastSeq}, {held: answer});
    await settle();
    assert.deepEqual([again.start, again.rows.size], ['resume', 3]);
  });

  test('LQ-17: limits of connection, user and server hold, and closing makes room', () => {
    const one = new Client(database.live, 'ana');
    const two = new Client(database.live, 'ana');
    const query = 'SELECT * FROM app.mine';
    const answers = [1, 2, 3, 4].map(() => one.subscribe(query));
    assert.throws(() => one.subscribe(query), {code: 'SUBSCRIPTION_LIMIT_EXCEEDED', message: /The connection .* 4/});
    two.subscribe(query);
    assert.throws(() => two.subscribe(query), {code: 'SUBSCRIPTION_LIMIT_EXCEEDED', message: /'ana' .* 5/});
    const ben = new Client(database.live, 'ben');
    ben.subscribe(query);
    assert.throws(() => ben.subscribe(query), {message: /The server .* 6/});
    answers[0]!.subscription.close();
    answers[0]!.subscription.close();
    ben.subscribe(query);
    assert.throws(() => ben.subscribe(query), {code: 'SUBSCRIPTION_LIMIT_EXCEEDED'});
    one.connection.close();
    assert.equal(database.live.counts.subscriptions, 3);
  });

  test('LQ-17: an id that is taken is replaced and counted once', async () => {
    const client = new Client(database.live, 'ana');
    const first = client.subscribe('SELECT * FROM app.mine', {}, {id: 'same'});
    const second = client.subscribe('SELECT * FROM app.mine', {}, {id: 'same'});
    await sql('INSERT INTO app.mine (id) VALUES (1)', 'ana');
    await settle();
    assert.deepEqual([first.told, second.told], [[], ['insert "1" (new)']]);
    assert.equal(database.live.counts.subscriptions, 1);
    assert.throws(() => client.subscribe('SELECT nothing FROM app.mine', {}, {id: 'same'}));
    await sql('INSERT INTO app.mine (id) VALUES (2)', 'ana');
    await settle();
    assert.equal(second.told.length, 2, 'a refused one replaces nothing');
  });

  test('LQ-18: a live query is listed and can be killed', async () => {
    const client = new Client(database.live, 'ana');
    const answer = client.subscribe("SELECT * FROM app.mine WHERE v = 'x'", {}, {id: 'mine'});
    await settle();
    const [listed] = [...database.live.list()];
    assert.equal(listed!.subscription.liveId, `ana-${listed!.connectionId}-mine`);
    assert.deepEqual([listed!.status, listed!.sql], ['live', "SELECT * FROM app.mine WHERE v = 'x'"]);
    assert.equal(database.live.kill('ana-none-mine'), false);
    assert.equal(database.live.kill(listed!.subscription.liveId), true);
    await settle();
    assert.equal(liveCode(answer.error), 'SUBSCRIPTION_FAILED');
    assert.equal(database.live.counts.subscriptions, 0);
  });

  test('LQ-18: closing the database closes every connection', async () => {
    const client = new Client(database.live, 'ana');
    client.subscribe('SELECT * FROM app.mine', {});
    await database.close();
    assert.equal(client.closed?.code, 'SHUTTING_DOWN');
    await database.restart();
  });

  test('LQ-19: a stored system table can be watched by those who may read it', async () => {
    const client = new Client(database.live);
    const answer = client.subscribe('SELECT job_id, status FROM system.jobs', {});
    assert.throws(
      () => new Client(database.live, sessionOf('ana', 'user')).subscribe('SELECT * FROM system.jobs', {}),
      {
        code: 'PERMISSION_DENIED',
      },
    );
    await sql('INSERT INTO app.mine (id) VALUES (1)');
    await flush(database, 'app.mine');
    await settle();
    assert.deepEqual(
      [...answer.rows.values()].map(row => row['status']),
      ['completed'],
    );
  });

  test('LQ-5: one turn delivers once to a connection, all its commits and subscriptions together', async () => {
    const client = new Client(database.live);
    const answers = [1, 2, 3].map(() => client.subscribe('SELECT * FROM app.mine'));
    await settle();
    const before = client.deliveries;
    await Promise.all([1, 2, 3, 4].map(id => sql(`INSERT INTO app.mine (id) VALUES (${id})`)));
    await settle();
    assert.ok(client.deliveries - before <= 2, `${client.deliveries - before} deliveries for commits of one group`);
    for (const answer of answers) assert.equal(answer.told.length, 4);
    const groups = answers.map(answer => {
      const event = answer.events.at(-1)!;
      return event.kind === 'changes' ? event.group : undefined;
    });
    assert.ok(groups[0] !== undefined && groups.every(group => group === groups[0]), 'all share one group');
  });
});

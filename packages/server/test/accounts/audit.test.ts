/** The audit log keeps what it promises, and no more. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import type {UserId} from '../../src/model/names.ts';
import type {Session} from '../../src/model/session.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';
import {LateClock, until} from './late-clock.ts';

describe('the audit log', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase({audit: {retentionDays: 1, rowsMax: 100}});
    await database.sql('CREATE NAMESPACE app');
  });
  after(() => database.stop());

  const rows = async (what: string) =>
    (await database.sql(`SELECT ${what} FROM system.audit_log ORDER BY audit_id`)).rows;
  const entry = {actor: 'ana', action: 'LOGIN', target: 'session', address: '127.0.0.1', result: 'success'};

  test('tells who did what from where, and how it ended', async () => {
    const session: Session = {userId: 'ana' as UserId, role: 'user', proof: {kind: 'development'}};
    const signal = new AbortController().signal;
    const ask = (sql: string) =>
      database.runSql({sql, params: [], namespace: undefined, session, signal, address: '203.0.113.5'});
    await ask('CREATE USER TABLE app.own (id INT PRIMARY KEY)');
    for (let i = 0; i < 3; i++)
      await assert.rejects(async () => ask('DROP TABLE app.own'), {code: 'PERMISSION_DENIED'});
    await assert.rejects(async () => ask("CREATE USER eve WITH PASSWORD 'in the open' ROLE dba"), {
      code: 'PERMISSION_DENIED',
    });
    assert.deepEqual(await rows('actor_user_id, action, target, details, ip_address, result'), [
      ['root', 'CREATE_NAMESPACE', 'app', 'CREATE NAMESPACE app', null, 'success'],
      ['ana', 'CREATE_TABLE', 'app.own', 'CREATE USER TABLE app.own (id INT PRIMARY KEY)', '203.0.113.5', 'success'],
      ['ana', 'DROP_TABLE', 'app.own', 'DROP TABLE app.own', '203.0.113.5', 'PERMISSION_DENIED'],
      ['ana', 'CREATE_USER', 'eve', "CREATE USER eve WITH PASSWORD '***' ROLE dba", '203.0.113.5', 'PERMISSION_DENIED'],
    ]);
  });

  test('is written by nobody but the server', async () => {
    for (const sql of [
      'DELETE FROM system.audit_log',
      "UPDATE system.audit_log SET action = 'x'",
      'DROP TABLE system.audit_log',
    ]) {
      await assert.rejects(database.sql(sql), /Cannot \w+ system table 'system.audit_log'/);
    }
    assert.ok((await rows('audit_id')).length > 0);
  });

  test('is durable when the statement is answered', async () => {
    const found = await rows('audit_id');
    await database.restart();
    assert.deepEqual(await rows('audit_id'), found);
  });

  test('is cut from its old end by a job, by number and by age', async () => {
    const clock = new LateClock();
    const short = await openTestDatabase({audit: {retentionDays: 1, rowsMax: 100, checkMs: 10}, clock});
    try {
      const targets = async () =>
        (await short.sql('SELECT target FROM system.audit_log ORDER BY audit_id')).rows.flat();
      await Promise.all(Array.from({length: 130}, (_, i) => short.auth.audit.write({...entry, target: `${i}`})));
      await until(async () => (await targets()).length === 100);
      const kept = await targets();
      await short.auth.audit.write({...entry, target: 'newest'});
      await until(async () => (await targets()).length === 100);
      assert.deepEqual(await targets(), [...kept.slice(1), 'newest']);
      clock.lateMs = 86_400_000 + 60_000;
      await until(async () => (await targets()).length === 0);
      const statuses = async () =>
        (await short.sql("SELECT status FROM system.jobs WHERE job_type = 'audit_retention'")).rows.flat();
      await until(async () => (await statuses()).every(status => status === 'completed'));
      assert.ok((await statuses()).length >= 3);
    } finally {
      await short.stop();
    }
  });
});

/** The tables of `dba` on a real database; the time of samples is told. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {type DbaTables, type DbaTablesOptions, openDbaTables} from '../../src/dba-tables.ts';
import {SimClock} from '../../src/std/sim-clock.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const SAMPLED = [
  'active_connections',
  'active_subscriptions',
  'cpu_usage_percent',
  'jobs_queued',
  'jobs_running',
  'memory_usage_mb',
  'open_files_regular',
  'open_files_total',
  'total_jobs',
  'total_namespaces',
  'total_tables',
];

describe('the tables of dba', () => {
  let database: TestDatabase;
  let clock: SimClock;
  let open: DbaTables | undefined;
  let warnings: string[];

  beforeEach(async () => {
    database = await openTestDatabase();
    clock = new SimClock(START_MS);
    warnings = [];
  });

  afterEach(async () => {
    await open?.stop();
    open = undefined;
    await database.stop();
  });

  async function start(changes: Partial<DbaTablesOptions> = {}): Promise<void> {
    const warn = (text: string) => void warnings.push(text);
    open = await openDbaTables({
      ...{runSql: database.runSql, clock, stats: () => database.measures().stats, isSampled: true, keepDays: 7},
      ...{cpuMs: () => clock.monotonicMs() / 4, openFiles: async () => ({total: 20, regular: 5})},
      logger: {warn, error: warn},
      ...changes,
    });
  }

  /** Until `count` rows are there. */
  async function samples(count: number): Promise<void> {
    for (let turn = 0; turn < 2000; turn++) {
      if ((await values('SELECT COUNT(*) FROM dba.stats'))[0] === String(count)) return;
      await new Promise<void>(resolve => setImmediate(resolve));
    }
    assert.fail(`no ${count} samples; ${warnings.join(' ')}`);
  }

  async function values(sql: string): Promise<unknown[]> {
    return (await database.sql(sql)).rows.map(row => row[0]);
  }

  test('every server has them, with the columns and rights that clients know', async () => {
    await start();
    const columns = async (table: string) =>
      (await database.sql(`SELECT * FROM dba.${table}`)).schema!.map(({name, data_type: type}) => `${name} ${type}`);
    assert.deepEqual(await columns('notifications'), [
      'id Text',
      'user_id Text',
      'title Text',
      'body Text',
      'is_read Boolean',
      'created_at Timestamp',
      'updated_at Timestamp',
      '_seq BigInt',
      '_deleted Boolean',
    ]);
    assert.deepEqual(await columns('stats'), [
      'id Text',
      'node_id BigInt',
      'metric_name Text',
      'metric_value Double',
      'metric_unit Text',
      'sampled_at Timestamp',
      '_seq BigInt',
      '_deleted Boolean',
    ]);
    const {rows} = await database.sql(
      `SELECT table_name, table_type, access_level FROM system.schemas WHERE namespace_id = 'dba' ORDER BY table_name`,
    );
    assert.deepEqual(rows, [
      ['notifications', 'shared', 'public'],
      ['stats', 'shared', 'dba'],
    ]);
  });

  test('every half a minute there is a row for each figure, under an id that sorts by time', async () => {
    await start();
    await clock.advance(30_000);
    await samples(SAMPLED.length);
    await clock.advance(30_000);
    await samples(2 * SAMPLED.length);
    assert.deepEqual(await values('SELECT DISTINCT metric_name FROM dba.stats ORDER BY metric_name'), SAMPLED);
    const {rows} = await database.sql(
      `SELECT id, metric_value, metric_unit, sampled_at FROM dba.stats WHERE metric_name = 'cpu_usage_percent' ORDER BY id`,
    );
    assert.deepEqual(
      rows,
      [30_000, 60_000].map(ms => [`${START_MS + ms}:1:cpu_usage_percent`, 25, '%', (START_MS + ms) * 1000]),
    );
    assert.deepEqual(
      await values(`SELECT metric_value FROM dba.stats WHERE metric_name = 'total_tables' LIMIT 1`),
      [2],
    );
    assert.deepEqual(warnings, []);
  });

  test('samples older than they are kept are deleted, and no other', async () => {
    await start();
    const at = (hours: number) => `('${START_MS - hours * HOUR_MS}:1:x', 1, 'x', 1, NOW())`;
    const old = [24 * 7 + 30, 24 * 7 + 2, 24 * 7 + 1, 24 * 7 - 1, 1].map(at).join(', ');
    await database.sql(`INSERT INTO dba.stats (id, node_id, metric_name, metric_value, sampled_at) VALUES ${old}`);
    await clock.advance(30_000);
    await samples(SAMPLED.length + 2);
    assert.deepEqual(await values(`SELECT id FROM dba.stats WHERE metric_name = 'x' ORDER BY id`), [
      `${START_MS - (24 * 7 - 1) * HOUR_MS}:1:x`,
      `${START_MS - HOUR_MS}:1:x`,
    ]);
  });

  test('a stop waits for one deletion, not for all that are due', async () => {
    let stopped: Promise<void> | undefined;
    await start({
      runSql: request => {
        if (request.sql.startsWith('DELETE')) stopped ??= open!.stop();
        return database.runSql(request);
      },
    });
    const old = [3, 2, 1].map(hours => `('${START_MS - (24 * 7 + hours) * HOUR_MS}:1:x', 1, 'x', 1, NOW())`);
    await database.sql(
      `INSERT INTO dba.stats (id, node_id, metric_name, metric_value, sampled_at) VALUES ${old.join(', ')}`,
    );
    await clock.advance(30_000);
    await samples(SAMPLED.length + 2);
    await stopped;
    assert.deepEqual(await values(`SELECT COUNT(*) FROM dba.stats WHERE metric_name = 'x'`), ['2']);
  });

  test('an id of another form ends the deletion and stays', async () => {
    await start();
    await database.sql(
      `INSERT INTO dba.stats (id, node_id, metric_name, metric_value, sampled_at) VALUES ('1:odd', 1, 'x', 1, NOW())`,
    );
    await clock.advance(30_000);
    await samples(SAMPLED.length + 1);
    assert.deepEqual(warnings, []);
  });

  test('a table that was dropped is told of once and made again at the next start, whatever else is in the namespace', async () => {
    await start();
    await database.sql('DROP TABLE dba.stats');
    await database.sql('CREATE TABLE dba.favorites (id TEXT PRIMARY KEY, payload JSON)');
    for (let i = 0; i < 3; i++) {
      await clock.advance(30_000);
      for (let turn = 0; turn < 20; turn++) await new Promise<void>(resolve => setImmediate(resolve));
    }
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /dba\.stats could not be written: .*not found/);
    await open!.stop();
    await start();
    assert.deepEqual(await values(`SELECT table_name FROM system.tables WHERE namespace_id = 'dba' ORDER BY 1`), [
      'favorites',
      'notifications',
      'stats',
    ]);
  });

  test('a start that finds them writes nothing', async () => {
    await start({isSampled: false});
    await open!.stop();
    const appended = database.measures().stats.log_appended_bytes;
    await start({isSampled: false});
    await clock.advance(90_000);
    assert.equal(database.measures().stats.log_appended_bytes, appended);
    assert.deepEqual(await values('SELECT COUNT(*) FROM dba.stats'), ['0']);
  });
});

/** What an operator sees: health for probes, and metrics that tell what really happened. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {AddressRanges} from '../../src/http/client.ts';
import {METRICS} from '../../src/http/metrics.ts';
import {send, startServer, type TestServer} from './server.ts';

let server: TestServer;
const get = (path: string, headers: Record<string, string> = {}) => send(server.port, {method: 'GET', path, headers});
const sql = (text: string, headers: Record<string, string> = {}) =>
  send(server.port, {body: JSON.stringify({sql: text}), headers: {'content-type': 'application/json', ...headers}});

/** By name and labels as they are written. */
async function metrics(): Promise<Map<string, number>> {
  const {text} = await get('/metrics');
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

describe('metrics', () => {
  before(async () => {
    server = await startServer({}, {metricsReaders: new AddressRanges(['192.0.2.0/24'], 'test')});
  });
  after(() => server.stop());

  test('the text is what Prometheus reads: help, type, then samples of that name alone, each once', async () => {
    const {text, headers} = await get('/metrics');
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.ok(text.endsWith('\n'));
    let current = '';
    const seen = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
      if (head !== null) {
        if (head[1] === 'TYPE') assert.match(head[3]!, /^(?:counter|gauge|histogram)$/);
        current = head[2]!;
        continue;
      }
      const [, name, labels, value] = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
      assert.equal(name!.replace(/_(?:bucket|sum|count)$/, ''), current.replace(/_(?:sum|count)$/, ''), line);
      assert.ok(Number.isFinite(Number(value)), line);
      assert.ok(!seen.has(`${name}{${labels}}`), line);
      seen.add(`${name}{${labels}}`);
    }
  });

  test('every metric of the table is told, with the labels it promises', async () => {
    await sql('SELECT 1');
    const {text} = await get('/metrics');
    for (const {name, labels = []} of METRICS) {
      assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
      const first = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(text)?.[1];
      if (first !== undefined)
        assert.deepEqual(
          [...first.matchAll(/(\w+)="/g)].map(match => match[1]),
          labels,
        );
    }
  });

  test('statements are timed by kind, one by one, failed ones included and those that never ran left out', async () => {
    const of = (what: string, kind: string) => `kalamdb_sql_statement_seconds_${what}{kind="${kind}"}`;
    const first = await metrics();
    await sql('CREATE NAMESPACE timed; CREATE USER TABLE timed.t (id INT PRIMARY KEY)');
    await sql('BEGIN; INSERT INTO timed.t VALUES (1); INSERT INTO timed.t VALUES (2); COMMIT');
    await sql('INSERT INTO timed.t VALUES (2)');
    await sql('SELECT * FROM timed.none');
    await sql('SELEC 1');
    const next = await metrics();
    const grown = (name: string) => (next.get(name) ?? 0) - (first.get(name) ?? 0);
    assert.equal(grown(of('count', 'INSERT')), 3);
    assert.equal(grown(of('count', 'SELECT')), 1);
    assert.equal(grown(of('count', 'COMMIT')), 1);
    assert.ok(grown(of('sum', 'INSERT')) > 0);
    const all = 'kalamdb_sql_statement_seconds_bucket{kind="INSERT",le="+Inf"}';
    assert.equal(next.get(all), next.get(of('count', 'INSERT')));
    assert.ok(!next.has(of('count', 'KILL JOB')));
  });

  test('requests are counted by route and status, whichever reader they came through', async () => {
    const key = (route: string, status: number) => `kalamdb_http_requests_total{route="${route}",status="${status}"}`;
    const first = await metrics();
    await sql('SELECT 1');
    await sql('SELECT 1', {'x-other': 'makes it one for node:http'});
    await sql('SELEC 1');
    await get('/nowhere');
    await get('/nowhere/else?secret=1');
    await sql('SELECT 1', {'transfer-encoding': 'gzip, chunked'}).catch(() => {});
    const next = await metrics();
    const grown = (name: string) => next.get(name)! - (first.get(name) ?? 0);
    assert.equal(grown(key('/v1/api/sql', 200)), 2);
    assert.equal(grown(key('other', 404)), 2);
    assert.equal(grown('kalamdb_statement_seconds_count'), 3);
    assert.ok(grown('kalamdb_statement_seconds_sum') > 0);
    assert.ok(![...next.keys()].some(name => name.includes('secret')), 'no text of a caller becomes a label');
  });

  test('commits, bytes, syncs and jobs are those that were', async () => {
    await sql('CREATE NAMESPACE m; CREATE SHARED TABLE m.t (id INT PRIMARY KEY)');
    const first = await metrics();
    for (let i = 0; i < 5; i++) await sql(`INSERT INTO m.t VALUES (${i})`);
    const next = await metrics();
    const grown = (name: string) => next.get(name)! - first.get(name)!;
    assert.ok(grown('kalamdb_commits_total') >= 5);
    assert.ok(grown('kalamdb_log_bytes_total') > 100);
    assert.ok(grown('kalamdb_hot_rows') >= 5);
    assert.ok(next.get('kalamdb_hot_bytes')! > 0);
    assert.ok(next.get('kalamdb_memory_soft_limit_bytes')! <= next.get('kalamdb_memory_hard_limit_bytes')!);
    assert.equal(next.get('kalamdb_log_state{state="open"}'), 1);
    await sql('FLUSH TABLE m.t');
    const done = 'kalamdb_jobs_finished_total{type="flush",status="completed"}';
    for (const endMs = performance.now() + 10_000; ((await metrics()).get(done) ?? 0) < 1; ) {
      assert.ok(performance.now() < endMs, 'the flush did not end');
    }
    assert.equal((await metrics()).get('kalamdb_cold_segments'), 1);
  });

  test('they are for this machine and for whom the setting names', async () => {
    assert.equal((await get('/metrics', {'x-forwarded-for': '198.51.100.1'})).status, 403);
    assert.equal((await get('/metrics', {host: 'evil.example'})).status, 403);
    assert.equal((await get('/metrics', {'x-forwarded-for': '192.0.2.9', host: 'db.example'})).status, 200);
    assert.equal((await get('/metrics', {'x-forwarded-for': '192.0.2.9', origin: 'https://evil.example'})).status, 403);
  });
});

describe('probes', () => {
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  test('whoever asks hears that the server lives and is ready, and no more', async () => {
    for (const [path, text] of [
      ['/healthz', '{"status":"ok"}'],
      ['/readyz', '{"status":"ready"}'],
    ] as const) {
      const answer = await get(path, {host: 'kalamdb.svc:8080', 'x-forwarded-for': '198.51.100.1'});
      assert.deepEqual([answer.status, answer.text], [200, text]);
    }
  });

  test('a log that failed is not ready', async () => {
    const broken = {...server.database.measures(), stats: {log_state: 'failed'}};
    const other = await startServer({}, {measures: () => broken});
    try {
      const {status, text} = await send(other.port, {method: 'GET', path: '/readyz'});
      assert.deepEqual([status, text], [503, '{"status":"read_only"}']);
      assert.equal((await send(other.port, {method: 'GET', path: '/healthz'})).status, 200);
    } finally {
      await other.stop();
    }
  });
});

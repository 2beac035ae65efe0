/** Secrets are planted wherever one is taken, and looked for wherever something is told. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {readConfig, shownValue} from '../../src/config.ts';
import {databaseOptions} from '../../src/database-options.ts';
import type {OptionFacts} from '../../src/option-facts.ts';
import {OPTIONS, type OptionKey} from '../../src/options.ts';
import {send, startServer, type TestServer} from './server.ts';

/** Long enough for any policy, and found in nothing else. */
const SECRET = 'Zq7-planted-secret-0123456789-abcdef!A';
const quiet = {info() {}, warn() {}, error() {}, debug() {}};

const STATEMENTS: readonly string[] = [
  `CREATE USER 'ana' WITH PASSWORD '${SECRET}' ROLE user`,
  `CREATE USER 'ana' WITH PASSWORD '${SECRET}' ROLE user`,
  `ALTER USER 'ana' SET PASSWORD '${SECRET}x'`,
  `ALTER USER 'nobody' SET PASSWORD '${SECRET}'`,
  `CREATE USER 'bob' WITH PASSWORD E'${SECRET}\\'' ROLE nonsense`,
  `CREATE USER 'cleo' WITH PASSWORD /* ' */ '${SECRET}' ROLE user; SELECT nope`,
  `CREATE STORAGE s1 TYPE s3 NAME 'n' BASE_DIRECTORY 's3://bucket/x' CREDENTIALS '{"access_key_id":"k","secret_access_key":"${SECRET}"}'`,
  `CREATE STORAGE s2 TYPE filesystem NAME 'n' PATH '/dev/null/nowhere' CREDENTIALS '{"secret_access_key":"${SECRET}"}'`,
  `ALTER STORAGE local SET CREDENTIALS '{"secret_access_key":"${SECRET}"}'`,
  `DESCRIBE TABLE CREATE USER x WITH PASSWORD '${SECRET}'`,
  `FLUSH TABLE app.t PASSWORD '${SECRET}'`,
  `ALTER STORAGE nothing SET CREDENTIALS '{"secret_access_key":"${SECRET}"}'`,
  `CREATE STORAGE s3 TYPE s3 CREDENTIALS '{"broken":"${SECRET}"`,
];

describe('secrets', () => {
  let server: TestServer;
  const logged: string[] = [];
  before(async () => {
    const log = (facts: object, text: string) => void logged.push(text + JSON.stringify(facts));
    // Every statement is a slow one, so that each is logged.
    server = await startServer({slowQueryMs: 0}, {logger: {debug: log, info: log, warn: log, error: log}});
  });
  after(() => server.stop());

  const ask = async (sql: string) =>
    (await send(server.port, {body: JSON.stringify({sql}), headers: {'content-type': 'application/json'}})).text;

  test('no answer, log line, system table or SHOW tells one that a statement was given', async () => {
    const told: [what: string, text: string][] = [];
    for (const sql of STATEMENTS) told.push([sql, await ask(sql)]);
    const tables = JSON.parse(await ask("SELECT table_name FROM system.tables WHERE namespace_id = 'system'"));
    const names = (tables.results?.[0]?.rows ?? []).map((row: [string]) => row[0]) as string[];
    const more = ['users', 'storages', 'settings', 'audit_log', 'jobs', 'stats', 'tables', 'live_queries'];
    for (const name of new Set([...names, ...more]))
      told.push([name, await ask(`SELECT * FROM system.${name} LIMIT 1000`)]);
    for (const sql of ['SHOW ALL', 'SHOW STORAGES', 'SHOW USERS', 'SHOW STATS', 'EXPLAIN SELECT * FROM system.users']) {
      told.push([sql, await ask(sql)]);
    }
    told.push(['metrics', (await send(server.port, {method: 'GET', path: '/metrics'})).text]);
    assert.ok(told.filter(([, text]) => text.includes('"success"')).length > 10, 'most were answered');
    for (const [what, text] of told) assert.ok(!text.includes(SECRET), `${what} told it: ${text}`);
    assert.ok(
      logged.some(line => line.includes('CREATE USER')),
      'statements were logged',
    );
    for (const line of logged) assert.ok(!line.includes(SECRET), `logged: ${line}`);
  });
});

describe('secret settings', () => {
  const keys = (Object.entries(OPTIONS) as [OptionKey, OptionFacts][]).filter(([, facts]) => facts.isSecret);

  test('there are some, and each is one by its name too', () => {
    assert.ok(keys.length > 0);
    const looksSecret = (Object.keys(OPTIONS) as OptionKey[]).filter(
      key => typeof OPTIONS[key].default === 'string' && /password$|secret$|token$|credentials$/.test(key),
    );
    assert.deepEqual(
      looksSecret,
      keys.map(([key]) => key),
    );
  });

  for (const [key, facts] of keys) {
    test(`${key} is shown as set or not, and never as what it is`, () => {
      const name = [facts.env ?? []].flat()[0]!;
      const {config, warnings} = readConfig({env: {[name]: SECRET}});
      assert.equal(config[key], SECRET);
      assert.equal(shownValue(key, config), '***');
      assert.equal(shownValue(key, readConfig({env: {}}).config), '');
      assert.ok(
        !JSON.stringify([databaseOptions(config, {logger: quiet, recent: () => []}).settings, warnings]).includes(
          SECRET,
        ),
      );
    });

    test(`${key} of a wrong type is refused without its value`, () => {
      const [section, word] = key.split('.');
      for (const value of [`["${SECRET}"]`, `{a = "${SECRET}"}`, '7']) {
        const text = `[${section}]\n${word} = ${value}\n`;
        let told = '';
        try {
          told = JSON.stringify(readConfig({file: {name: 'server.toml', text}, env: {}}).warnings);
        } catch (error) {
          told = String((error as Error).message);
        }
        assert.notEqual(told, '[]');
        assert.ok(!told.includes(SECRET), told);
      }
    });
  }
});

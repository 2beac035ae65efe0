/**
 * The program against a real server, as a person runs it.
 */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const SERVER = fileURLToPath(new URL('../../server/src/main.mjs', import.meta.url));

let directory: string;
let server: ChildProcess;
let port: number;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kalam-cli-'));
  port = await freePort();
  const env = {...process.env, KALAMDB_SERVER_PORT: String(port), KALAMDB_DATA_DIR: join(directory, 'data')};
  server = spawn(process.execPath, [SERVER], {env, cwd: directory, stdio: ['ignore', 'pipe', 'inherit']});
  await new Promise<void>((resolve, reject) => {
    server.stdout!.on('data', text => String(text).includes('listens on') && resolve());
    server.once('exit', code => reject(new Error(`the server ended with ${code}`)));
  });
});
after(async () => {
  server.kill('SIGTERM');
  await new Promise(resolve => server.once('exit', resolve));
  await rm(directory, {recursive: true, force: true});
});

test('statements from arguments, files and the standard input run, and the exit code tells', async () => {
  const setup = 'CREATE NAMESPACE app; CREATE USER TABLE app.t (id BIGINT PRIMARY KEY, v TEXT)';
  assert.equal((await kalam(['-c', setup])).code, 0);
  const file = join(directory, 'rows.sql');
  await writeFile(file, "-- two rows\nINSERT INTO app.t VALUES (1, 'a;b');\nINSERT INTO app.t\n  VALUES (2, NULL);\n");
  assert.equal((await kalam(['--user', 'ana', '-f', file])).out, 'Inserted 1 row(s)\nInserted 1 row(s)\n');
  const csv = await kalam(['--user', 'ana', '--csv'], 'SELECT id, v FROM app.t ORDER BY id;\n');
  assert.deepEqual(csv, {code: 0, out: 'id,v\n1,a;b\n2,\n', err: ''});
  const other = await kalam(['--user', 'ben', '-c', 'SELECT COUNT(*) AS n FROM app.t']);
  assert.match(other.out, /\n 0\n/);
  const failed = await kalam(['-c', 'SELEC 1', '-c', 'SELECT 2']);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /^INVALID_SQL: .*'SELEC' \(did you mean SELECT\?\) at line 1, column 1/);
  assert.equal(failed.out, '', 'what came after the failure did not run');
});

test('a server that is not there, and arguments that mean nothing, are told in a sentence', async () => {
  const unused = await freePort();
  const none = await kalam(['-p', String(unused), '-c', 'SELECT 1']);
  assert.equal(none.code, 1);
  assert.match(none.err, /^Nothing listens on http:\/\/127\.0\.0\.1:\d+\. Start a server with 'npm start'/);
  const wrong = await kalam(['--format', 'xml']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /--format is one of table, json, csv/);
});

test('on a server with accounts a name and a password sign in', async () => {
  const setup = {user: 'admin', password: 'Adm1n-pass!', root_password: 'R00t-pass!'};
  const done = await fetch(`http://127.0.0.1:${port}/v1/api/auth/setup`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(setup),
  });
  assert.equal(done.status, 200);
  const who = ['--csv', '-c', 'SELECT CURRENT_USER, CURRENT_ROLE'];
  assert.match((await kalam(['--user', 'admin', '--password', 'Adm1n-pass!', ...who])).out, /admin,dba/);
  const wrong = await kalam(['--user', 'admin', '--password', 'wrong', ...who]);
  assert.deepEqual([wrong.code, wrong.err], [1, 'admin is not signed in: Invalid credentials\n']);
  assert.match((await kalam(['--password', 'x', ...who])).err, /^A password needs --user/);
  assert.match((await kalam(['--user', 'admin', ...who])).err, /^MISSING_AUTHORIZATION/);
});

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function kalam(args: readonly string[], input = ''): Promise<Run> {
  const at = args.includes('-p') ? [] : ['-p', String(port)];
  const child = spawn(process.execPath, [MAIN, ...at, ...args], {stdio: ['pipe', 'pipe', 'pipe']});
  let out = '';
  let err = '';
  child.stdout.on('data', text => {
    out += text;
  });
  child.stderr.on('data', text => {
    err += text;
  });
  child.stdin.end(input);
  return new Promise(resolve => child.once('close', code => resolve({code: code ?? -1, out, err})));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {type AddressInfo, connect, createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';

const MAIN = fileURLToPath(new URL('./main.mjs', import.meta.url));

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'main-'));
});
after(() => rm(directory, {recursive: true}));

interface Started {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  output(): string;
  /** Resolves when the text was printed, rejects if the process ends without. */
  says(text: string): Promise<void>;
}

function start(env: Record<string, string>, ...args: string[]): Started {
  const child = spawn(process.execPath, [MAIN, ...args], {cwd: directory, env: {...process.env, ...env}});
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const says = async (text: string) => {
    for (let isOver = false; !output.includes(text); ) {
      if (isOver) throw new Error(`the server ended without saying "${text}": ${output}`);
      isOver = await Promise.race([exit.then(() => true), once(child.stdout, 'data').then(() => false)]);
    }
  };
  return {child, exit, says, output: () => output};
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  return port;
}

async function environment(data: string): Promise<Record<string, string>> {
  return {
    KALAMDB_DATA_DIR: join(directory, data),
    KALAMDB_SERVER_PORT: String(await freePort()),
    KALAMDB_SERVER_HOST: '127.0.0.1',
  };
}

test('the server says how to use it, serves, keeps its directory to itself, and a signal told twice stops it with 0', async () => {
  const env = await environment('one');
  const first = start(env);
  await first.says('Try: curl');
  const port = env['KALAMDB_SERVER_PORT'];
  for (const part of [
    `http://127.0.0.1:${port}`,
    env['KALAMDB_DATA_DIR']!,
    'Durability D2',
    'Sign-in: development',
    '512 MiB',
  ]) {
    assert.ok(first.output().includes(part), `${part} in ${first.output()}`);
  }
  const health = await fetch(`http://127.0.0.1:${port}/health`);
  assert.equal(((await health.json()) as {status: string}).status, 'healthy');

  const second = start({...env, KALAMDB_SERVER_PORT: String(await freePort())});
  assert.equal(await second.exit, 1);
  assert.match(second.output(), /^KalamDB cannot start: The data directory .* is in use/);

  first.child.kill('SIGTERM');
  first.child.kill('SIGINT');
  assert.equal(await first.exit, 0);
  assert.match(first.output(), /Stopped\.\n$/);
});

test('a second signal after a second stops at once with 1', async () => {
  const env = await environment('two');
  const {child, exit, says} = start(env);
  await says('Try: curl');
  const socket = connect(Number(env['KALAMDB_SERVER_PORT']), '127.0.0.1');
  socket.on('error', () => {});
  const head =
    'POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{';
  await new Promise<void>(resolve => socket.write(head, () => resolve()));
  await fetch(`http://127.0.0.1:${env['KALAMDB_SERVER_PORT']}/health`);
  child.kill('SIGTERM');
  await says('Stopping');
  setTimeout(() => child.kill('SIGTERM'), 1200);
  assert.equal(await exit, 1);
});

const refusals: [why: string, env: Record<string, string>, file: string | undefined, message: RegExp][] = [
  [
    'an address others can reach, while root has no password',
    {KALAMDB_SERVER_HOST: '0.0.0.0'},
    undefined,
    /server\.host 0\.0\.0\.0 can be reached from other machines, and root has no password/,
  ],
  [
    'an address others can reach, with a secret they can guess',
    {KALAMDB_SERVER_HOST: '0.0.0.0', KALAMDB_ROOT_PASSWORD: 'R00t-pass!', KALAMDB_JWT_SECRET: 'secret'},
    undefined,
    /auth\.jwt_secret must have at least 32 characters/,
  ],
  [
    'a weak root password',
    {KALAMDB_ROOT_PASSWORD: 'password'},
    undefined,
    /auth\.root_password: Password is too common/,
  ],
  ['a value that cannot be used', {KALAMDB_SERVER_PORT: 'x'}, undefined, /KALAMDB_SERVER_PORT must be a whole number/],
  ['a config file that is not there', {}, 'gone.toml', /The config file gone\.toml cannot be read: ENOENT/],
];

for (const [why, env, file, message] of refusals) {
  test(`refused with one line and exit code 1: ${why}`, async () => {
    const {exit, output} = start({...(await environment('none')), ...env}, ...(file === undefined ? [] : [file]));
    assert.equal(await exit, 1);
    assert.match(output(), /^KalamDB cannot start: [^\n]*\n$/);
    assert.match(output(), message);
  });
}

test('a taken port is one clear line, and the data directory is free again', async () => {
  const env = await environment('three');
  const other = createServer().listen(Number(env['KALAMDB_SERVER_PORT']), '127.0.0.1');
  await once(other, 'listening');
  const blocked = start(env);
  assert.equal(await blocked.exit, 1);
  assert.match(blocked.output(), /^KalamDB cannot start: Port \d+ of 127\.0\.0\.1 is taken[^\n]*\n$/);
  other.close();
});

test('an unknown key of the config file is warned about by name', async () => {
  await writeFile(join(directory, 'k.toml'), '[server]\nprot = 1\n');
  const {child, exit, output, says} = start(await environment('four'), 'k.toml');
  await says('Try: curl');
  assert.match(output(), /warn Unknown key server\.prot in k\.toml is ignored\. Did you mean server\.port\?/);
  child.kill('SIGTERM');
  assert.equal(await exit, 0);
});

const told: [argument: string, code: number, output: RegExp][] = [
  ['--version', 0, /^KalamDB \d+\.\d+\.\d+\n$/],
  ['--help', 0, /^Usage: node \S+ \[CONFIG_PATH\]\n/],
  ['--port', 1, /^KalamDB cannot start: There is no option --port\.\nUsage: /],
  ['none.toml', 1, /^KalamDB cannot start: The config file none\.toml cannot be read: ENOENT\.\n$/],
];
for (const [argument, code, text] of told) {
  test(`the argument ${argument} is answered, and no server started`, async () => {
    const {exit, output} = start({}, argument);
    assert.equal(await exit, code);
    assert.match(output(), text);
  });
}

test('the first file asks at once only for what every Node has, so that an old one can say that it is too old', async () => {
  const text = await readFile(new URL('main.mjs', import.meta.url), 'utf8');
  const imports = [...text.matchAll(/^import .*from '(.*)';$/gm)].map(match => match[0]);
  assert.deepEqual(imports, ["import {fileURLToPath} from 'node:url';"]);
});

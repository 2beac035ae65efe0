/**
 * PostgreSQL: the peer, as a child process on a free port and a data directory of its own.
 *
 * Loads are driven by its own client, pgbench, over loopback TCP as ours are. Root may not run it, so under root it runs as the account that
 * its package makes.
 */
import {existsSync} from 'node:fs';
import {chown, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir, userInfo} from 'node:os';
import {delimiter, join} from 'node:path';
import {type Child, endedChildrenSeconds, freePort, output, startChild} from './child.ts';

const PACKAGE_DIRECTORY = '/usr/lib/postgresql';
const ACCOUNT = 'postgres';
const PROGRAMS = ['initdb', 'postgres', 'pgbench', 'psql'];

/** Beside these everything is as initdb writes it: fsync and full-page writes are on. */
const SETTINGS = {
  fsync: 'on',
  shared_buffers: '512MB',
  max_connections: '200',
  max_wal_size: '8GB',
  autovacuum: 'off',
} as const;

export interface Postgres extends Child {
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly port: number;
  sql(text: string): Promise<string>;
  pgbench(job: PgbenchJob): Promise<PgbenchOutcome>;
}

export interface PgbenchJob {
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
  /** Each run is of one of them, chosen at random. */
  readonly scripts: readonly string[];
  readonly mode?: 'prepared' | 'simple';
  readonly variables?: Readonly<Record<string, string>>;
  /** Settings of its sessions. */
  readonly session?: Readonly<Record<string, string>>;
}

export interface PgbenchOutcome {
  readonly perSecond: number;
  readonly transactions: number;
  readonly averageMillis: number;
  /** Of pgbench itself. */
  readonly cpuSeconds: number;
}

/** Undefined where its programs are not installed. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = existsSync(PACKAGE_DIRECTORY) ? (await readdir(PACKAGE_DIRECTORY)).sort().reverse() : [];
  const directories = [
    ...versions.map(version => join(PACKAGE_DIRECTORY, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return directories.find(directory => PROGRAMS.every(program => existsSync(join(directory, program))));
}

export async function startPostgres(programs: string): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'kalamdb-bench-postgres-'));
  const account = await accountFor(directory);
  const data = join(directory, 'data');
  const run: Run = (program, args, env = {}) =>
    output(join(programs, program), args, {...account, cwd: directory, env: {...process.env, ...env}});
  await run('initdb', ['-D', data, '-U', ACCOUNT, '-A', 'trust', '--no-locale', '-E', 'UTF8']);
  const port = await freePort();
  const settings = {...SETTINGS, port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: ''};
  const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const child = await startChild(join(programs, 'postgres'), ['-D', data, ...args], {
    ...account,
    cwd: directory,
    ready: 'ready to accept connections',
  });
  const login = ['-h', '127.0.0.1', '-p', String(port), '-U', ACCOUNT];
  return {
    ...child,
    // SIGINT asks for its fast shutdown: sessions are ended, data is written.
    async stop() {
      await child.stop('SIGINT');
      await rm(directory, {recursive: true});
    },
    version: (await run('postgres', ['--version'])).trim(),
    settings: SETTINGS,
    port,
    sql: text => run('psql', [...login, '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', text, 'postgres']),
    pgbench: job => pgbench(run, directory, login, job),
  };
}

async function accountFor(directory: string): Promise<{uid?: number; gid?: number}> {
  if (userInfo().uid !== 0) return {};
  const uid = Number(await output('id', ['-u', ACCOUNT]));
  const gid = Number(await output('id', ['-g', ACCOUNT]));
  await chown(directory, uid, gid);
  return {uid, gid};
}

type Run = (program: string, args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<string>;

async function pgbench(
  run: Run,
  directory: string,
  login: readonly string[],
  job: PgbenchJob,
): Promise<PgbenchOutcome> {
  const files: string[] = [];
  for (const [i, script] of job.scripts.entries()) {
    const file = join(directory, `script-${i}.sql`);
    await writeFile(file, script);
    files.push('-f', file);
  }
  const variables = Object.entries(job.variables ?? {}).flatMap(([name, value]) => ['-D', `${name}=${value}`]);
  const {clients, seconds, seed, mode = 'prepared', session = {}} = job;
  const options = Object.entries(session).map(([name, value]) => `-c ${name}=${value}`);
  const load = ['-n', '-M', mode, '-c', String(clients), '-j', '1', '-T', String(seconds), `--random-seed=${seed}`];
  const cpuBefore = endedChildrenSeconds();
  const text = await run('pgbench', [...login, ...load, ...variables, ...files, 'postgres'], {
    PGOPTIONS: options.join(' '),
  });
  const cpuSeconds = endedChildrenSeconds() - cpuBefore;
  const transactions = numberIn(text, /transactions actually processed: (\d+)/);
  return {
    perSecond: numberIn(text, /^tps = ([\d.]+)/m),
    transactions,
    averageMillis: numberIn(text, /latency average = ([\d.]+) ms/),
    cpuSeconds,
  };
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`pgbench did not say ${pattern}:\n${text}`);
  return Number(found[1]);
}

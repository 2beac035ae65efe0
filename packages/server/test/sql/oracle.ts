/** PostgreSQL as an oracle: a server of its own on a temporary directory, spoken to through psql. */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {chownSync, existsSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {systemClock} from '../../src/std/system-clock.ts';

const BASE = '/usr/lib/postgresql';
/** PostgreSQL refuses to run as root. */
const NOBODY = 65534;
const START_TRIES_MAX = 300;
const END = '=== end of answer ===';
/** Of a random query that multiplies rows for minutes; it is an error then. */
const STATEMENT_MS = 3000;

export type OracleAnswer = {readonly rows: readonly (readonly (string | null)[])[]} | {readonly error: string};

export interface Postgres {
  /** One query, its values as text. */
  query(sql: string): Promise<OracleAnswer>;
  run(sql: string): Promise<void>;
  /** Its message if it is an error. */
  errorOf(sql: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** It took too long to be asked of another. */
export function isCancelled(answer: OracleAnswer): boolean {
  return 'error' in answer && answer.error.includes('due to statement timeout');
}

/** Folder of the programs; undefined: none is installed. */
export function postgresPrograms(): string | undefined {
  if (!existsSync(BASE)) return undefined;
  const versions = readdirSync(BASE).toSorted((a, b) => Number(b) - Number(a));
  return versions.map(version => join(BASE, version, 'bin')).find(bin => existsSync(join(bin, 'initdb')));
}

export async function openPostgres(programs: string): Promise<Postgres> {
  const directory = mkdtempSync(join(tmpdir(), 'kalamdb-pg-'));
  const user = process.getuid?.() === 0 ? {uid: NOBODY, gid: NOBODY} : {};
  if ('uid' in user) chownSync(directory, NOBODY, NOBODY);
  const data = join(directory, 'data');
  const options = {...user, cwd: directory, stdio: 'ignore' as const};
  const initial = [
    '-D',
    data,
    '-A',
    'trust',
    '-U',
    'test',
    '--no-sync',
    '--locale=C',
    '--lc-ctype=C.UTF-8',
    '-E',
    'UTF8',
  ];
  execFileSync(join(programs, 'initdb'), initial, options);
  const server = startServer(programs, directory, data, user);
  const psql = await openPsql(programs, directory);
  const ask = psqlAsker(psql);
  const errorOf = async (sql: string) => /^ERROR: .*$/m.exec(await ask(`${sql};`))?.[0];
  return {
    errorOf,
    async query(sql) {
      const text = await ask(`COPY (${sql}) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *);`);
      const error = /^ERROR: .*$/m.exec(text);
      return error === null ? {rows: rowsOf(text)} : {error: error[0]};
    },
    async run(sql) {
      const error = await errorOf(sql);
      if (error !== undefined) throw new Error(error);
    },
    async stop() {
      psql.stdin!.end();
      const ended = new Promise(resolve => server.once('exit', resolve));
      server.stdin!.end();
      await ended;
      rmSync(directory, {recursive: true, force: true});
    },
  };
}

/** However this process ends, its pipe closes, and with that the server ends and its files go. */
const UNTIL_END_OF_INPUT =
  'directory=$1; shift; "$@" & server=$!; cat; kill -INT $server; wait $server; rm -rf "$directory"';

function startServer(
  programs: string,
  directory: string,
  data: string,
  user: {uid?: number; gid?: number},
): ChildProcess {
  const settings = [
    'listen_addresses=',
    `unix_socket_directories=${directory}`,
    'fsync=off',
    // Compiling a plan costs a hundred times what running it on a few rows does.
    'jit=off',
    `statement_timeout=${STATEMENT_MS}`,
  ];
  const command = [join(programs, 'postgres'), '-D', data, ...settings.flatMap(one => ['-c', one])];
  const shell = ['-c', UNTIL_END_OF_INPUT, 'sh', directory, ...command];
  return spawn('/bin/sh', shell, {...user, cwd: tmpdir(), stdio: ['pipe', 'ignore', 'ignore'], detached: true});
}

async function openPsql(programs: string, directory: string): Promise<ChildProcess> {
  const connect = ['-h', directory, '-U', 'test', '-d', 'postgres', '-X', '-q', '-A', '-t'];
  for (let tries = 0; ; tries++) {
    try {
      execFileSync(join(programs, 'psql'), [...connect, '-c', 'SELECT 1'], {stdio: 'ignore'});
      break;
    } catch (error) {
      if (tries === START_TRIES_MAX) throw error;
      await systemClock.sleep(50);
    }
  }
  // Errors must come in the order of the answers, so both go through one pipe.
  const command = `exec "$0" ${connect.map(part => `'${part}'`).join(' ')} 2>&1`;
  return spawn('/bin/sh', ['-c', command, join(programs, 'psql')], {stdio: ['pipe', 'pipe', 'ignore']});
}

/** One question at a time. */
function psqlAsker(psql: ChildProcess): (sql: string) => Promise<string> {
  let text = '';
  let settle: ((answer: string) => void) | undefined;
  psql.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf(`${END}\n`);
    if (end < 0) return;
    settle?.(text.slice(0, end));
    text = '';
  });
  return sql =>
    new Promise(resolve => {
      settle = resolve;
      psql.stdin!.write(`${sql.replaceAll('\n', ' ')}\n\\echo ${END}\n`);
    });
}

/** CSV in which every value but NULL is quoted. */
function rowsOf(text: string): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let row: (string | null)[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] === '"') {
      const found = /"((?:[^"]|"")*)"/y;
      found.lastIndex = at;
      const [all, value] = found.exec(text)!;
      row.push(value!.replaceAll('""', '"'));
      at += all.length;
    } else row.push(null);
    if (text[at] === '\n') {
      rows.push(row);
      row = [];
    }
    at++;
  }
  return rows;
}

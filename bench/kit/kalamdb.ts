/**
 * KalamDB: this server as a child process, on a free port and a data directory of its own.
 */
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Child, freePort, startChild} from './child.ts';

const MAIN = fileURLToPath(new URL('../../packages/server/src/main.mjs', import.meta.url));

/** Keys of server.toml. */
export type Settings = Readonly<Record<string, string | number>>;

/** So that nothing but the statements themselves is measured; what a bench measures besides, it turns on. */
export const QUIET: Settings = {'logging.level': 'error', 'flush.check_interval_seconds': 0};

/** So that no run meets the bounds of memory, which are early flushes and refused writes. */
export const LARGE_MEMORY: Settings = {
  'memory.soft_limit_bytes': 6 * 1024 ** 3,
  'memory.hard_limit_bytes': 8 * 1024 ** 3,
};

export interface Kalamdb extends Child {
  readonly port: number;
  /** One result per statement of the text. Throws what the server refused. */
  sql(text: string, options?: {user?: string; params?: readonly unknown[]}): Promise<Result[]>;
  /** A number of `system.stats`. */
  stat(name: string): Promise<number>;
}

export interface Result {
  readonly rows?: readonly (readonly unknown[])[];
  readonly row_count: number;
  readonly message?: string;
}

export async function startKalamdb(directory: string, settings: Settings): Promise<Kalamdb> {
  await mkdir(directory, {recursive: true});
  const port = await freePort();
  const file = join(directory, 'server.toml');
  await writeFile(file, toToml({...settings, 'server.port': port, 'storage.data_path': join(directory, 'data')}));
  const args = [...extraArguments(), MAIN, file];
  const child = await startChild(process.execPath, args, {cwd: directory, ready: 'listens on'});
  const ask: Kalamdb['sql'] = (text, options = {}) => sql(port, text, options);
  return {
    ...child,
    port,
    sql: ask,
    async stat(name) {
      const text = `SELECT metric_value FROM system.stats WHERE metric_name = '${name}'`;
      return Number((await ask(text))[0]!.rows![0]![0]);
    },
  };
}

/** `KALAMDB_BENCH_NODE='--cpu-prof --cpu-prof-dir=/tmp/prof'` looks into the server while it is measured. */
function extraArguments(): string[] {
  return (process.env['KALAMDB_BENCH_NODE'] ?? '').split(' ').filter(argument => argument !== '');
}

function toToml(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');
}

export async function sql(
  port: number,
  text: string,
  {user, params = []}: {user?: string; params?: readonly unknown[]},
): Promise<Result[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/api/sql`, {
    method: 'POST',
    headers: {'content-type': 'application/json', ...(user === undefined ? {} : {'x-user-id': user})},
    body: JSON.stringify({sql: text, params}),
  });
  const body = (await response.json()) as {status: string; results: Result[]; error?: {message: string}};
  if (body.status !== 'success') throw new Error(`${body.error?.message} (${text.slice(0, 200)})`);
  return body.results;
}

/** The bytes of a request to the SQL route, for the load generator. */
export function sqlRequest({user, sql, params}: {user: string; sql: string; params?: readonly unknown[]}): string {
  return httpRequest('/v1/api/sql', params === undefined ? {sql} : {sql, params}, `X-USER-ID: ${user}`);
}

export function httpRequest(path: string, body: object, ...headers: readonly string[]): string {
  const json = JSON.stringify(body);
  const more = headers.map(header => `${header}\r\n`).join('');
  return (
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
    `${more}Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
  );
}

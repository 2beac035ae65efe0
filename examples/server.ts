/**
 * Server: a KalamDB process of our own, on a free port and a data directory that may be temporary, which may be killed; and how any is spoken to.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {rmSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const MAIN = fileURLToPath(new URL('../packages/server/src/main.mjs', import.meta.url));
const START_MS_MAX = 30_000;

/** One statement's result as `POST /v1/api/sql` gives it. */
export interface Result {
  readonly schema?: readonly {readonly name: string; readonly data_type: unknown}[];
  readonly rows?: readonly (readonly (string | number | boolean | null)[])[];
  readonly row_count: number;
  readonly message?: string;
  readonly truncated?: boolean;
}

/** The result of the first statement. Throws with the server's own words if it refuses. */
export async function runSql(url: string, user: string, sql: string): Promise<Result> {
  const response = await fetch(`${url}/v1/api/sql`, {
    method: 'POST',
    headers: {'Content-Type': 'application/json', 'X-USER-ID': user},
    body: JSON.stringify({sql}),
  }).catch(error => {
    throw new Error(`No KalamDB answers at ${url}: ${error.cause?.message ?? error.message}`, {cause: error});
  });
  const {status, results, error} = (await response.json()) as {
    status: string;
    results: Result[];
    error?: {code: string; message: string};
  };
  if (status !== 'success') throw new Error(`${error?.code}: ${error?.message}\n  ${sql.slice(0, 300)}`);
  return results[0]!;
}

export interface ServerOptions {
  /** It goes with the server if this is a temporary one. */
  readonly directory: string;
  readonly isTemporary: boolean;
  /** Settings of the process, besides those of this one. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where its `server.toml` is. */
  readonly config?: string;
}

export class Server {
  readonly directory: string;
  readonly #options: ServerOptions;
  #process: ChildProcess | undefined;
  #port: number | undefined;
  #url = '';
  /** However this process ends, it leaves no server behind, and no data that was temporary. */
  readonly #onExit = () => {
    this.#process?.kill('SIGKILL');
    if (this.#options.isTemporary) rmSync(this.directory, {recursive: true, force: true});
  };

  constructor(options: ServerOptions) {
    this.directory = options.directory;
    this.#options = options;
    process.once('exit', this.#onExit);
  }

  /** On a temporary directory. `settings`: the text of its `server.toml`. */
  static async create(name: string, settings?: string): Promise<Server> {
    const directory = await mkdtemp(join(tmpdir(), `kalamdb-${name}-`));
    if (settings === undefined) return new Server({directory, isTemporary: true});
    const config = join(directory, 'server.toml');
    await writeFile(config, settings);
    return new Server({directory, isTemporary: true, config});
  }

  get url(): string {
    return this.#url;
  }

  /** Resolves when it listens; milliseconds it took. Started again it has the port it had. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    this.#port ??= await freePort();
    const port = this.#port;
    this.#url = `http://127.0.0.1:${port}`;
    const env = {
      ...process.env,
      KALAMDB_DATA_DIR: join(this.directory, 'data'),
      KALAMDB_SERVER_PORT: String(port),
      ...this.#options.env,
    };
    const {config} = this.#options;
    const args = config === undefined ? [MAIN] : [MAIN, config];
    const child = spawn(process.execPath, args, {cwd: this.directory, env, stdio: ['ignore', 'pipe', 'pipe']});
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const read = (bytes: Buffer) => {
        output += bytes.toString();
        if (output.includes('listens on')) resolve();
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', code => reject(new Error(`the server ended with ${code}:\n${output}`)));
      setTimeout(() => reject(new Error(`the server did not start:\n${output}`)), START_MS_MAX).unref();
    });
    return performance.now() - startedMs;
  }

  /** In order. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** The process has no chance to put anything in order. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async remove(): Promise<void> {
    await this.kill();
    process.off('exit', this.#onExit);
    if (this.#options.isTemporary) await rm(this.directory, {recursive: true, force: true});
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as {port: number};
  server.close();
  await once(server, 'close');
  return port;
}

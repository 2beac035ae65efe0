/**
 * Kill: a real server is killed at a random moment under concurrent writers, flushes and compactions; what it acknowledged must be there after the
 * restart.
 *
 * Each writer owns a small set of keys in two tables and remembers what was acknowledged; the one request that had no answer yet may have
 * happened or not, and if it was a transaction over both tables, then whole. All writers share tables, scopes, log blocks and flushes. What is found is then what the next round starts from. The log is kept
 * short, so that checkpoints are written and log segments go, too.
 *
 * KALAMDB_KILL_ROUNDS=50 kills more often; KALAMDB_KILL_SEED=7 makes the choices of that run again (the moments remain the machine's).
 */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {seededRandom} from '../../src/std/sim-clock.ts';

const MAIN = fileURLToPath(new URL('../../src/main.mjs', import.meta.url));
const ROUNDS = Number(process.env['KALAMDB_KILL_ROUNDS'] ?? 4);
const SEED = Number(process.env['KALAMDB_KILL_SEED'] ?? 1);
const WRITERS = 6;
const KEYS_EACH = 4;
const RUN_MS_MAX = 400;
const START_MS_MAX = 20_000;
const ROUND_MS_MAX = 30_000;
const LONG_CHARS = 20_000;
/** By then the log has been longer than a checkpoint may wait for. */
const WRITES_TO_CHECKPOINT = 800;
const CONFIG = 'server.toml';
const SETTINGS = '[checkpoint]\nlog_bytes = 1_048_576\n';
const TABLES = ['app.own_rows', 'app.shared_rows'] as const;

const name = `I2: what ${ROUNDS} killed servers acknowledged is there after the restart (seed ${SEED})`;
test(name, {timeout: (ROUNDS + 2) * ROUND_MS_MAX}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kalamdb-kill-'));
  await writeFile(join(directory, CONFIG), SETTINGS);
  const random = seededRandom(SEED);
  const writers = Array.from({length: WRITERS}, (_, i) => new Writer(i, seededRandom(SEED * 1000 + i)));
  let server = await Server.start(directory);
  try {
    await server.sql('root', 'CREATE NAMESPACE app');
    await server.sql('root', 'CREATE USER TABLE app.own_rows (v TEXT, id TEXT PRIMARY KEY, n BIGINT)');
    await server.sql('root', 'CREATE SHARED TABLE app.shared_rows (v TEXT, id TEXT PRIMARY KEY, n BIGINT)');
    let acknowledged = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      const running = [...writers.map(writer => writer.run(server)), moveUntilKilled(server, random)];
      await sleep(20 + random() * RUN_MS_MAX);
      await server.kill();
      await Promise.all(running);
      acknowledged += writers.reduce((sum, writer) => sum + writer.takeCount(), 0);
      // A start may be killed too, before it answers anything.
      if (random() < 0.25) await Server.killStarting(directory, random() * 300);
      server = await Server.start(directory);
      for (const writer of writers) await writer.check(server, `round ${round}, seed ${SEED}`);
      await checkNoStrangers(server, writers);
    }
    const checkpoints = await readdir(join(directory, 'data', 'checkpoint'));
    assert.ok(acknowledged < WRITES_TO_CHECKPOINT || checkpoints.length > 0, 'checkpoints take part');
    assert.ok(acknowledged > ROUNDS, `only ${acknowledged} writes were acknowledged: the test proves nothing`);
  } finally {
    await server.kill();
    await rm(directory, {recursive: true, force: true});
  }
});

type Row = {readonly v: string; readonly n: string};

/** A connection that broke off: the request may have happened or not. */
class NoAnswer extends Error {}

class Server {
  readonly #process: ChildProcess;
  readonly #port: number;

  constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.#port = port;
  }

  static #spawn(directory: string, port: number) {
    return spawn(process.execPath, [MAIN, join(directory, CONFIG)], {
      cwd: directory,
      env: {...process.env, KALAMDB_DATA_DIR: join(directory, 'data'), KALAMDB_SERVER_PORT: String(port)},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  static async killStarting(directory: string, afterMs: number): Promise<void> {
    const child = Server.#spawn(directory, await freePort());
    const exit = once(child, 'exit');
    await sleep(afterMs);
    child.kill('SIGKILL');
    await exit;
  }

  static async start(directory: string): Promise<Server> {
    const port = await freePort();
    const child = Server.#spawn(directory, port);
    let output = '';
    const ready = new Promise<void>((resolve, reject) => {
      const read = (bytes: Buffer) => {
        output += bytes.toString();
        if (output.includes('listens on')) resolve();
      };
      child.stdout!.on('data', read);
      child.stderr!.on('data', read);
      child.once('exit', code => reject(new Error(`the server ended with ${code}:\n${output}`)));
      setTimeout(() => reject(new Error(`the server did not start:\n${output}`)), START_MS_MAX).unref();
    });
    await ready.catch(error => {
      child.kill('SIGKILL');
      throw error;
    });
    return new Server(child, port);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  /** Throws NoAnswer if the connection broke, Error with the server's text if it refused. */
  async sql(user: string, sql: string): Promise<{rows: unknown[][]; rowCount: number}> {
    let text: string;
    try {
      const response = await fetch(`http://127.0.0.1:${this.#port}/v1/api/sql`, {
        method: 'POST',
        headers: {'Content-Type': 'application/json', 'X-USER-ID': user},
        body: JSON.stringify({sql}),
      });
      text = await response.text();
    } catch (error) {
      throw new NoAnswer('no answer', {cause: error});
    }
    const body = JSON.parse(text);
    if (body.status !== 'success') throw new Error(`${sql}: ${text}`);
    return {rows: body.results[0].rows ?? [], rowCount: body.results[0].row_count};
  }
}

/** Inserts, updates and deletes its own keys, one request at a time. */
class Writer {
  readonly name: string;
  readonly #random: () => number;
  /** By table and key; undefined = no such row. */
  readonly #rows = new Map<string, Row | undefined>();
  /** The request without an answer: what its rows become if it happened, all of them or none. */
  #open = new Map<string, Row | undefined>();
  #step = 0;
  #acknowledged = 0;

  constructor(index: number, random: () => number) {
    this.name = `w${index}`;
    this.#random = random;
  }

  async run(server: Server): Promise<void> {
    try {
      for (;;) await this.#write(server);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
    }
  }

  takeCount(): number {
    const count = this.#acknowledged;
    this.#acknowledged = 0;
    return count;
  }

  async #write(server: Server): Promise<void> {
    const first = this.#random() < 0.5 ? 0 : 1;
    const changes = [this.#change(TABLES[first])];
    // A transaction writes both tables.
    if (this.#random() < 0.3) changes.push(this.#change(TABLES[1 - first]!));
    this.#open = new Map(changes.map(({slot, after}) => [slot, after]));
    const [one] = changes;
    if (changes.length === 1) {
      const {rowCount} = await server.sql(this.name, one!.sql);
      assert.equal(rowCount, 1, `${one!.sql} changes its row`);
    } else await server.sql(this.name, `BEGIN; ${changes.map(({sql}) => sql).join('; ')}; COMMIT`);
    for (const [slot, after] of this.#open) this.#rows.set(slot, after);
    this.#open = new Map();
    this.#acknowledged++;
  }

  #change(table: string): {slot: string; after: Row | undefined; sql: string} {
    const id = `${this.name}-${Math.floor(this.#random() * KEYS_EACH)}`;
    const slot = `${table} ${id}`;
    const before = this.#rows.get(slot);
    const v = `${this.name}.${++this.#step}${'.'.repeat(this.#random() < 0.3 ? LONG_CHARS : 0)}`;
    if (before === undefined)
      return {slot, after: {v, n: '0'}, sql: `INSERT INTO ${table} (v, id, n) VALUES ('${v}', '${id}', 0)`};
    if (this.#random() < 0.3) return {slot, after: undefined, sql: `DELETE FROM ${table} WHERE id = '${id}'`};
    const after = {v, n: String(BigInt(before.n) + 1n)};
    return {slot, after, sql: `UPDATE ${table} SET v = '${v}', n = n + 1 WHERE id = '${id}'`};
  }

  /** Compares what is there with what was acknowledged, and goes on from what is there. */
  async check(server: Server, where: string): Promise<void> {
    const found = new Map<string, Row>();
    for (const table of TABLES) {
      const {rows} = await server.sql(this.name, `SELECT id, v, n FROM ${table} WHERE id LIKE '${this.name}-%'`);
      for (const [id, v, n] of rows as string[][]) {
        const slot = `${table} ${id}`;
        assert.ok(!found.has(slot), `${slot} is there twice (${where})`);
        found.set(slot, {v: v!, n: n!});
      }
    }
    const hasHappened = [...this.#open].every(([slot, after]) => same(found.get(slot), after));
    if (hasHappened) for (const [slot, after] of this.#open) this.#rows.set(slot, after);
    for (const slot of new Set([...this.#rows.keys(), ...found.keys()]))
      assert.deepEqual(found.get(slot), this.#rows.get(slot), `${slot} as acknowledged (${where})`);
    this.#open = new Map();
  }

  count(table: string): number {
    return [...this.#rows].filter(([slot, row]) => row !== undefined && slot.startsWith(`${table} `)).length;
  }
}

/** No writer's scope holds rows of another, and the shared table holds nothing but what its writers wrote. */
async function checkNoStrangers(server: Server, writers: readonly Writer[]): Promise<void> {
  for (const writer of writers) {
    const {rows} = await server.sql(writer.name, 'SELECT id FROM app.own_rows');
    assert.equal(rows.length, writer.count('app.own_rows'), `rows in the scope of ${writer.name}`);
  }
  const {rows} = await server.sql('root', 'SELECT id FROM app.shared_rows');
  const expected = writers.reduce((sum, writer) => sum + writer.count('app.shared_rows'), 0);
  assert.equal(rows.length, expected, 'rows of the shared table');
}

async function moveUntilKilled(server: Server, random: () => number): Promise<void> {
  try {
    for (;;) {
      for (const table of TABLES) {
        await server.sql('root', `STORAGE FLUSH TABLE ${table}`);
        if (random() < 0.3) await server.sql('root', `STORAGE COMPACT ALL IN app`);
      }
      await sleep(random() * 20);
    }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
  }
}

function same(a: Row | undefined, b: Row | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.v === b.v && a.n === b.n);
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

/**
 * Dba tables: the namespace `dba` that every server has, for those who tend it.
 *
 *     dba.notifications   notices to people, which whoever tends the server writes
 *     dba.stats           every half a minute a row for each of METRICS, for charts; old ones are deleted
 *
 * Laws: both are ordinary SHARED tables, made and written by SQL as anybody's are, and nothing in the server depends on them. One that was dropped is
 * made again at the next start; one of the same name with other columns is left alone. That samples cannot be written is told once, and stops nobody.
 */
import {SERVER_SESSION} from './auth/sessions.ts';
import {NODE_ID} from './cluster-rows.ts';
import type {Param} from './expr/expr.ts';
import type {Measures} from './http/engine.ts';
import {causeText} from './jobs/retry.ts';
import {createSchedule} from './jobs/schedule.ts';
import type {RunSql} from './sql/run.ts';
import type {Clock} from './std/clock.ts';
import type {OpenFiles} from './std/open-files.ts';

const SAMPLE_MS = 30_000;
const SAMPLES_PER_CLEANING = (12 * 3_600_000) / SAMPLE_MS;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const STATEMENT_MS = 30_000;

const TABLES: Readonly<Record<string, string>> = {
  notifications: `CREATE TABLE IF NOT EXISTS dba.notifications (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, title TEXT NOT NULL, body TEXT, is_read BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL
  ) WITH (TYPE = 'SHARED', ACCESS_LEVEL = 'PUBLIC')`,
  stats: `CREATE TABLE IF NOT EXISTS dba.stats (
    id TEXT PRIMARY KEY, node_id BIGINT NOT NULL, metric_name TEXT NOT NULL, metric_value DOUBLE NOT NULL, metric_unit TEXT,
    sampled_at TIMESTAMP NOT NULL
  ) WITH (TYPE = 'SHARED', ACCESS_LEVEL = 'DBA', FLUSH_POLICY = 'rows:10000')`,
};

/** What is sampled, with its unit: figures of `system.stats` by their names there, CPU since the last sample, and open files. */
const METRICS: Readonly<Record<string, string | undefined>> = {
  active_connections: undefined,
  active_subscriptions: undefined,
  memory_usage_mb: 'MB',
  cpu_usage_percent: '%',
  total_jobs: undefined,
  jobs_running: undefined,
  jobs_queued: undefined,
  total_tables: undefined,
  total_namespaces: undefined,
  open_files_total: undefined,
  open_files_regular: undefined,
};

export interface DbaTablesOptions {
  readonly runSql: RunSql;
  readonly clock: Clock;
  readonly stats: () => Measures['stats'];
  /** Of this process, in milliseconds since it began. */
  readonly cpuMs: () => number;
  readonly openFiles: () => Promise<OpenFiles | undefined>;
  readonly isSampled: boolean;
  readonly keepDays: number;
  readonly logger: {warn(text: string): void; error(text: string): void};
}

export interface DbaTables {
  /** After it resolves nothing is written any more. */
  stop(): Promise<void>;
}

/** Makes what is not there yet. A server that cannot, since its disk is full, say, runs without. */
export async function openDbaTables(options: DbaTablesOptions): Promise<DbaTables> {
  const {clock, logger, isSampled} = options;
  const sampler = new Sampler(options);
  await sampler.makeTables().catch(error => logger.warn(`The tables of dba could not be made: ${causeText(error)}`));
  if (!isSampled) return {stop: async () => undefined};
  const schedule = createSchedule({clock, everyMs: SAMPLE_MS, logger, tick: signal => sampler.tick(signal)});
  schedule.start();
  return schedule;
}

class Sampler {
  readonly #options: DbaTablesOptions;
  #ticks = 0;
  /** Why the last sample was not written; told when it changes. */
  #fault: string | undefined;
  #last: {readonly cpuMs: number; readonly atMs: number};

  constructor(options: DbaTablesOptions) {
    this.#options = options;
    this.#last = {cpuMs: options.cpuMs(), atMs: options.clock.monotonicMs()};
  }

  async makeTables(): Promise<void> {
    const wanted = Object.keys(TABLES);
    const rows = await this.#run(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = 'dba' AND table_name IN ($1, $2)`,
      wanted,
    );
    const names = new Set(rows.map(row => (JSON.parse(row) as [string])[0]));
    const missing = wanted.filter(name => !names.has(name));
    if (missing.length > 0) await this.#run('CREATE NAMESPACE IF NOT EXISTS dba');
    for (const name of missing) await this.#run(TABLES[name]!);
  }

  async tick(signal: AbortSignal): Promise<void> {
    const {logger} = this.#options;
    try {
      await this.#sample();
      if (this.#ticks++ % SAMPLES_PER_CLEANING === 0) await this.#clean(signal);
      this.#fault = undefined;
    } catch (error) {
      const fault = causeText(error);
      if (fault !== this.#fault) logger.warn(`The figures of dba.stats could not be written: ${fault}`);
      this.#fault = fault;
    }
  }

  async #sample(): Promise<void> {
    const {clock} = this.#options;
    const figures = await this.#figures();
    const nowMs = clock.nowMs();
    const params: Param[] = [timeText(nowMs)];
    const rows = Object.entries(METRICS).flatMap(([name, unit]) => {
      const value = figures[name];
      if (value === undefined) return [];
      const at = params.push(idOf(nowMs, name), {number: String(Number(value))});
      return [`($${at - 1}, ${NODE_ID}, '${name}', $${at}, ${unit === undefined ? 'NULL' : `'${unit}'`}, $1)`];
    });
    const columns = '(id, node_id, metric_name, metric_value, metric_unit, sampled_at)';
    // Clocks may be set back; what was written then stays.
    const insert = `INSERT INTO dba.stats ${columns} VALUES ${rows.join(', ')} ON CONFLICT (id) DO NOTHING`;
    await this.#run(insert, params);
  }

  async #figures(): Promise<Readonly<Record<string, string | number | bigint | undefined>>> {
    const {stats, clock, cpuMs, openFiles} = this.#options;
    const files = await openFiles();
    const now = {cpuMs: cpuMs(), atMs: clock.monotonicMs()};
    const passedMs = now.atMs - this.#last.atMs;
    // That of `system.stats` is the mean since the start, which shows no load.
    const cpuPercent = passedMs > 0 ? ((now.cpuMs - this.#last.cpuMs) / passedMs) * 100 : 0;
    this.#last = now;
    const counts = {open_files_total: files?.total, open_files_regular: files?.regular};
    return {...stats(), ...counts, cpu_usage_percent: cpuPercent.toFixed(1)};
  }

  /** An hour's samples at a time, so that no statement is large, and a stop waits for one alone. */
  async #clean(signal: AbortSignal): Promise<void> {
    const {clock, keepDays} = this.#options;
    const endMs = clock.nowMs() - keepDays * DAY_MS;
    let oldest = await this.#oldestMs();
    while (oldest < endMs && !signal.aborted) {
      const upTo = idOf(Math.min(endMs, oldest + HOUR_MS), '');
      await this.#run('DELETE FROM dba.stats WHERE id < $1', [upTo]);
      const next = await this.#oldestMs();
      // Somebody wrote an id of another form.
      if (!(next > oldest)) return;
      oldest = next;
    }
  }

  /** By its id; Infinity if there is none. */
  async #oldestMs(): Promise<number> {
    const [row] = await this.#run('SELECT MIN(id) FROM dba.stats');
    const [oldest] = JSON.parse(row!) as [string | null];
    return oldest === null ? Number.POSITIVE_INFINITY : Number.parseInt(oldest, 10);
  }

  /** The rows of its one result. A statement that takes too long ends. */
  async #run(sql: string, params: readonly Param[] = []): Promise<readonly string[]> {
    const signal = AbortSignal.timeout(STATEMENT_MS);
    const {runSql} = this.#options;
    const [result] = await runSql({sql, params, namespace: undefined, session: SERVER_SESSION, signal});
    return result?.rows ?? [];
  }
}

/** In the order of time. */
function idOf(ms: number, name: string): string {
  return `${String(ms).padStart(13, '0')}:${NODE_ID}:${name}`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * Side by side: the same question put to several servers in turn, round after round, and what each answer cost.
 *
 * The first round warms up and is not counted. In every round each server has the machine to itself, save for its load generator.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import type {BenchContext} from './bench.ts';
import {cpuTimes, othersShare, untilCalm} from './calm.ts';
import type {Child} from './child.ts';
import type {Kalamdb} from './kalamdb.ts';
import {type LoadJob, runLoad} from './load.ts';
import type {PgbenchJob, Postgres} from './postgres.ts';
import {median, type Series} from './report.ts';

/** What one timed run found. */
export interface Taken {
  readonly perSecond: number;
  /** pgbench tells the mean alone. */
  readonly p50Millis?: number;
  readonly p99Millis?: number;
  readonly meanMillis?: number;
  /** CPU microseconds per request, in all threads and processes of the server, and in the load generator. */
  readonly serverMicros: number;
  readonly clientMicros: number;
  readonly rowsPerSync?: number;
  /** Part of all CPUs that went to neither of them. */
  readonly othersShare: number;
}

export interface Side {
  readonly name: string;
  take(): Promise<Taken>;
}

export interface Takings {
  readonly series: Series;
  readonly facts: Readonly<Record<string, number>>;
}

export async function sideBySide(
  {rounds, patienceMs, pauseMs}: Pick<BenchContext, 'rounds' | 'patienceMs' | 'pauseMs'>,
  sides: readonly Side[],
): Promise<Map<string, Takings>> {
  const taken = new Map<string, Taken[]>(sides.map(side => [side.name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const side of sides) {
      await sleep(pauseMs);
      await untilCalm(patienceMs);
      const one = await side.take();
      if (round > 0) taken.get(side.name)!.push(one);
    }
  }
  return new Map(sides.map(({name}) => [name, takings(name, taken.get(name)!)]));
}

function takings(name: string, all: readonly Taken[]): Takings {
  const fact = (label: string, read: (one: Taken) => number | undefined): [string, number][] => {
    const values = all.map(read).filter(value => value !== undefined);
    return values.length === 0 ? [] : [[label, Number(median(values).toPrecision(3))]];
  };
  return {
    series: {name, rounds: all.map(one => Number(one.perSecond.toPrecision(5)))},
    facts: Object.fromEntries([
      ...fact('p50 ms', one => one.p50Millis),
      ...fact('p99 ms', one => one.p99Millis),
      ...fact('mean ms', one => one.meanMillis),
      ...fact('server CPU µs', one => one.serverMicros),
      ...fact('client CPU µs', one => one.clientMicros),
      ...fact('rows per fsync', one => one.rowsPerSync),
      ...fact('CPU of others %', one => one.othersShare * 100),
    ]),
  };
}

/** The facts of both sides in one record, told apart by name. */
export function factsOf(ours: Takings, peer?: Takings): Record<string, number> {
  const theirs = Object.entries(peer?.facts ?? {}).map(([name, value]) => [`${peer!.series.name} ${name}`, value]);
  return {...ours.facts, ...Object.fromEntries(theirs)};
}

export type LoadShape = Omit<LoadJob, 'firstRequest' | 'isOnce' | 'bodyBegins' | 'port'> & Partial<LoadJob>;

/** One row a request, or the rows per fsync mean nothing. */
export async function takeOurs(server: Kalamdb, directory: string, shape: LoadShape): Promise<Taken> {
  const syncsBefore = await server.stat('log_syncs');
  const batchesBefore = await server.stat('log_batches');
  const taken = await takeLoad(server, server.port, directory, shape);
  const syncs = (await server.stat('log_syncs')) - syncsBefore;
  const rows = (await server.stat('log_batches')) - batchesBefore;
  return syncs === 0 ? taken : {...taken, rowsPerSync: rows / syncs};
}

export async function takeLoad(server: Child, port: number, directory: string, shape: LoadShape): Promise<Taken> {
  const [before, cpuBefore] = [cpuTimes(), server.cpuSeconds()];
  const {requests, seconds, micros, cpuSeconds} = await runLoad(directory, {...shape, port});
  const serverSeconds = server.cpuSeconds() - cpuBefore;
  return {
    perSecond: requests / seconds,
    p50Millis: micros.p50 / 1000,
    p99Millis: micros.p99 / 1000,
    serverMicros: (serverSeconds * 1e6) / requests,
    clientMicros: (cpuSeconds * 1e6) / requests,
    othersShare: othersShare(before, serverSeconds + cpuSeconds),
  };
}

export async function takePgbench(server: Postgres, job: PgbenchJob): Promise<Taken> {
  const [before, cpuBefore] = [cpuTimes(), server.cpuSeconds()];
  const {perSecond, transactions, averageMillis, cpuSeconds} = await server.pgbench(job);
  const serverSeconds = server.cpuSeconds() - cpuBefore;
  return {
    perSecond,
    meanMillis: averageMillis,
    serverMicros: (serverSeconds * 1e6) / transactions,
    clientMicros: (cpuSeconds * 1e6) / transactions,
    othersShare: othersShare(before, serverSeconds + cpuSeconds),
  };
}

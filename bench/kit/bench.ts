/**
 * Bench: what a question file exports, and what it is given. `bench/run.ts` runs them.
 */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {VERSION} from '../../packages/server/src/std/version.ts';
import {describeMachine, loadAverage} from './machine.ts';
import {findPostgres, type Postgres, startPostgres} from './postgres.ts';
import type {Report} from './report.ts';

export interface Bench {
  readonly title: string;
  /** Rounds when none are asked for. */
  readonly rounds: number;
  run(context: BenchContext): Promise<Findings>;
  /** An SVG beside the result. */
  plot?(report: Report): string;
}

export type Findings = Pick<Report, 'durability' | 'settings' | 'notes' | 'measures'>;

export interface BenchContext {
  /** For data directories; removed afterwards. */
  readonly directory: string;
  readonly seed: number;
  readonly rounds: number;
  /** Of one timed run. */
  readonly seconds: number;
  /** How long each timed run may be put off until the machine is calm. */
  readonly patienceMs: number;
  /** Between two timed runs. */
  readonly pauseMs: number;
  /** The peer, started at the first call and stopped after the bench; undefined where it is not installed. */
  postgres(): Promise<Postgres | undefined>;
  say(text: string): void;
}

export async function runBench(
  name: string,
  bench: Bench,
  options: Pick<BenchContext, 'seed' | 'seconds' | 'patienceMs' | 'pauseMs'> & {readonly rounds: number | undefined},
): Promise<Report> {
  const {seed, rounds = bench.rounds} = options;
  const directory = await mkdtemp(join(tmpdir(), 'kalamdb-bench-'));
  const loadBefore = loadAverage();
  let peer: Promise<Postgres | undefined> | undefined;
  const startPeer = async () => {
    const programs = await findPostgres();
    if (programs !== undefined) return startPostgres(programs);
    console.log('PostgreSQL is not installed: its side is skipped.');
    return undefined;
  };
  const postgres = () => {
    peer ??= startPeer();
    return peer;
  };
  try {
    const say = (text: string) => console.log(`  … ${text}`);
    const found = await bench.run({...options, directory, rounds, postgres, say});
    const version = (await peer)?.version;
    return {
      bench: name,
      title: bench.title,
      machine: describeMachine(directory),
      versions: {KalamDB: VERSION, Node: process.version, ...(version === undefined ? {} : {PostgreSQL: version})},
      durability: found.durability,
      settings: found.settings,
      seed,
      rounds,
      loadAverage: [loadBefore, loadAverage()],
      notes: found.notes,
      measures: found.measures,
    };
  } finally {
    await (await peer)?.stop();
    await rm(directory, {recursive: true, force: true});
  }
}

/** What was measured in each round, by name, in order of first appearance. */
export class Rounds {
  readonly #series = new Map<string, number[]>();

  add(name: string, value: number): void {
    const known = this.#series.get(name);
    if (known === undefined) this.#series.set(name, [value]);
    else known.push(value);
  }

  of(name: string): readonly number[] {
    return this.#series.get(name) ?? [];
  }
}

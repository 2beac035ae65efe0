/**
 * Does the cost of a start, a read, an insert and a flush stay flat while users, tables and segments grow? (How cost grows)
 *
 * Each size is a database of its own, without HTTP, made in one process and measured in another. A database of very many is measured beside the smallest of its kind: what
 * is judged is the ratio. Starts grow with what has to be loaded, so they are shown and not judged.
 */
import {fileURLToPath} from 'node:url';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {output} from './kit/child.ts';
import type {Figure, ManyFigures, ManyJob} from './kit/many-main.ts';
import {growthPlot} from './kit/plot.ts';
import type {Measure, Report} from './kit/report.ts';

const MAIN = fileURLToPath(new URL('./kit/many-main.ts', import.meta.url));
/** Takes some minutes of its own. */
const MILLION = process.env['KALAMDB_BENCH_MILLION'] === undefined ? [] : [1_000_000];
const SIZES = {
  users: [1000, 10_000, 100_000, ...MILLION],
  tables: [10, 1000, 10_000],
  segments: [0, 1000, 10_000],
} as const satisfies Record<string, readonly number[]>;
const KINDS = Object.keys(SIZES) as (keyof typeof SIZES)[];

const WHAT: Readonly<Record<Figure, string>> = {
  read: 'SELECT by key of a row in memory',
  insert: 'INSERT of one row',
  flush: 'FLUSH of 20 small scopes of another table',
  stall: 'longest stall while schedules look at everything',
  start: 'start to the first answer',
  fill: 'making them',
};
const UNITS: Readonly<Record<Figure, string>> = {
  ...{read: 'µs', insert: 'µs', flush: 'ms', stall: 'ms', start: 'ms', fill: 'ms'},
};
/** As a multiple of what the smallest size costs. */
const JUDGED: Readonly<Partial<Record<Figure, {floor: number; aim: number}>>> = {
  read: {floor: 2, aim: 1.25},
  insert: {floor: 2, aim: 1.25},
  flush: {floor: 2, aim: 1.25},
};

export const many: Bench = {
  title: 'cost of one statement beside very many users, tables, segments',
  rounds: 1,
  run,
  plot,
};

function plot({title, measures}: Report): string {
  return growthPlot(
    title,
    measures.filter(one => !one.what.startsWith(WHAT.fill)),
  );
}

async function run(context: BenchContext): Promise<Findings> {
  const rounds = new Rounds();
  for (let round = 0; round < context.rounds; round++) {
    for (const kind of KINDS) {
      for (const count of SIZES[kind]) {
        const figures = await measured(context, {kind, count, round});
        context.say(`${count} ${kind}: ${JSON.stringify(figures)}`);
        for (const [name, value] of Object.entries(figures)) rounds.add(seriesName(kind, count, name), value);
      }
    }
  }
  return {
    durability: 'D1',
    settings: {'rows of a user': 3, 'users beside tables': 1000},
    notes: [
      'Without HTTP, one statement at a time; medians of 2000, after 10,000. All segments lie in the one scope that is read and written; they are entries of the manifest without files.',
      'Flushes sync files and stalls are the longest of all, so both feel whatever else the machine does: see the load average.',
    ],
    measures: (Object.keys(WHAT) as Figure[]).flatMap(figure =>
      KINDS.flatMap(kind => measuresOf(rounds, figure, kind)),
    ),
  };
}

function measuresOf(rounds: Rounds, figure: Figure, kind: keyof typeof SIZES): Measure[] {
  const series = (count: number) => ({
    name: `${count.toLocaleString('en-US')} ${kind}`,
    rounds: rounds.of(seriesName(kind, count, figure)),
  });
  const [smallest, ...larger]: readonly number[] = SIZES[kind];
  const limits = JUDGED[figure];
  return larger.map(count => ({
    goal: 'grow',
    what: `${WHAT[figure]}, ${count.toLocaleString('en-US')} ${kind}`,
    unit: UNITS[figure],
    ours: series(count),
    peer: series(smallest!),
    judge: limits && {by: 'ratio', better: 'less', ...limits},
    facts: {},
  }));
}

function seriesName(kind: string, count: number, figure: string): string {
  return `${figure} ${kind} ${count}`;
}

async function measured(
  {directory, seed}: BenchContext,
  {kind, count, round}: {kind: ManyJob['kind']; count: number; round: number},
): Promise<ManyFigures> {
  const job = {directory: `${directory}/${kind}-${count}-${round}`, seed: seed + round, kind, count};
  const step = async (name: ManyJob['step']): Promise<ManyFigures> =>
    JSON.parse(await output(process.execPath, ['--expose-gc', MAIN, JSON.stringify({...job, step: name})]));
  return {...(await step('fill')), ...(await step('measure'))};
}

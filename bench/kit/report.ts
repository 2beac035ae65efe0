/**
 * Report: what a bench found, as data. Everything that is printed, and the page in the guide, is made from it.
 */
import type {Machine} from './machine.ts';

/** One figure per round; all of one measure are of the same unit. */
export interface Series {
  readonly name: string;
  readonly rounds: readonly number[];
}

export interface Measure {
  /** `P1` of the goals. */
  readonly goal: string;
  readonly what: string;
  readonly unit: string;
  readonly ours: Series;
  /** Taken in the same rounds, ours and the peer's in turn. */
  readonly peer?: Series;
  /** What is held against the goal: our figure, or its ratio to the peer's. */
  readonly judge: Judge | undefined;
  readonly facts: Readonly<Record<string, number | string>>;
}

export interface Judge {
  readonly by: 'value' | 'ratio';
  readonly better: 'more' | 'less';
  /** Undefined: nothing is promised, and the goal alone is held against it. */
  readonly floor?: number;
  readonly aim: number;
}

export interface Report {
  readonly bench: string;
  readonly title: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly durability: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly seed: number;
  readonly rounds: number;
  /** When the bench began, and when it ended: the load of the whole machine, this bench included. */
  readonly loadAverage: readonly [number, number];
  readonly notes: readonly string[];
  readonly measures: readonly Measure[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of the ratios of the rounds: what disturbs a whole round does not count. Undefined without a peer. */
export function ratioOf({ours, peer}: Measure): number | undefined {
  return peer && median(ours.rounds.map((value, i) => value / peer.rounds[i]!));
}

/** The figure that is judged. */
export function judged(measure: Measure): number | undefined {
  if (measure.judge === undefined) return undefined;
  return measure.judge.by === 'ratio' ? ratioOf(measure) : median(measure.ours.rounds);
}

export type Verdict = 'goal' | 'floor' | 'below' | 'short';

export function verdictOf(measure: Measure): Verdict | undefined {
  const value = judged(measure);
  if (measure.judge === undefined || value === undefined) return undefined;
  const {better, floor, aim} = measure.judge;
  const reaches = (limit: number) => (better === 'more' ? value >= limit : value <= limit);
  if (reaches(aim)) return 'goal';
  if (floor === undefined) return 'short';
  return reaches(floor) ? 'floor' : 'below';
}

/** Four digits that count, thousands apart. */
export function figure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function textOf(report: Report): string {
  const {machine, versions, settings} = report;
  const facts = (record: Readonly<Record<string, string | number>>) =>
    Object.entries(record)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  return [
    `${report.bench}: ${report.title}`,
    `  machine     ${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGiB} GiB, ${machine.system}, ${machine.filesystem}`,
    `  versions    ${facts(versions)}`,
    `  durability  ${report.durability}`,
    `  settings    ${facts(settings)}`,
    `  seed ${report.seed}, ${report.rounds} rounds, medians; load average ${report.loadAverage.join(' → ')} (all processes of this machine)`,
    ...report.measures.map(lineOf),
    ...report.notes.map(note => `  ${note}`),
  ].join('\n');
}

function lineOf(measure: Measure): string {
  const {goal, what, unit, ours, peer, judge, facts} = measure;
  const ratio = ratioOf(measure);
  const against = peer && ` · ${peer.name} ${figure(median(peer.rounds))} · ratio ${figure(ratio!)}`;
  const limit = judge && ` · floor ${judge.floor ?? 'none'}, goal ${judge.aim}: ${verdictOf(measure)}`;
  const more = Object.entries(facts).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? figure(value) : value}`,
  );
  return [
    `  ${goal.padEnd(4)} ${what}: ${figure(median(ours.rounds))} ${unit}${against ?? ''}${limit ?? ''}`,
    ...(more.length === 0 ? [] : [`         ${more.join(' · ')}`]),
  ].join('\n');
}

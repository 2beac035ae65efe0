/**
 * Statement times: how long statements took, by kind, from their plan to their answer. Those of a transaction are timed one by one; failed ones count too.
 *
 * Law: a statement costs two looks at the clock and an increment, and no memory.
 */
import {Histogram} from '../std/histogram.ts';
import type {StatementKind} from './define.ts';

/** From a point read in memory to the longest statement. */
const SECONDS = [
  0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30,
];

export class StatementTimes {
  readonly #byKind: ReadonlyMap<StatementKind, Histogram>;

  constructor(kinds: readonly StatementKind[]) {
    this.#byKind = new Map(kinds.map(kind => [kind, new Histogram(SECONDS)]));
  }

  observe(kind: StatementKind, ms: number): void {
    this.#byKind.get(kind)?.observe(ms / 1000);
  }

  /** Of the kinds that ran. */
  *all(): Generator<{kind: string; seconds: Histogram}> {
    for (const [{name}, seconds] of this.#byKind) if (seconds.count > 0) yield {kind: name, seconds};
  }
}

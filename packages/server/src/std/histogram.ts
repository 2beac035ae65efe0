/** Histogram: how often what was measured lay below each of some bounds. Observing costs a few compares and no memory. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Per bound, and beyond the last one. Of each by itself, not of all below it. */
  readonly counts: Float64Array;
  sum = 0;

  /** Bounds grow; a value that equals one belongs to it. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += value;
  }

  get count(): number {
    let count = 0;
    for (const one of this.counts) count += one;
    return count;
  }
}

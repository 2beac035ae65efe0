/**
 * Applied times: when the version of a seq was applied, without a timestamp per row.
 *
 * Rows are applied in seq order, so a list of (seq, clock) marks tells it for all of them. A mark is made when the clock has moved on; when
 * the list is full every second mark is left out, so that old times grow coarse. An answer is never later than the truth, save for rows
 * that came out of order, from a checkpoint: they count from when loading began.
 */
import type {Seq} from '../model/names.ts';

const MARKS_MAX = 4096;

export class AppliedTimes {
  #seqs: Seq[] = [];
  #times: number[] = [];

  note(seq: Seq, nowMs: number): void {
    const last = this.#seqs.length - 1;
    if (last >= 0 && (nowMs <= this.#times[last]! || seq <= this.#seqs[last]!)) return;
    if (this.#seqs.length === MARKS_MAX) {
      this.#seqs = this.#seqs.filter((_, i) => i % 2 === 0);
      this.#times = this.#times.filter((_, i) => i % 2 === 0);
    }
    this.#seqs.push(seq);
    this.#times.push(nowMs);
  }

  at(seq: Seq): number {
    let low = 0;
    for (let high = this.#seqs.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1;
      if (this.#seqs[middle]! <= seq) low = middle;
      else high = middle - 1;
    }
    return this.#times[low] ?? 0;
  }
}

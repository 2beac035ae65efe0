/**
 * Seq: the one counter that orders all commits and feeds SNOWFLAKE_ID().
 *
 *     41 bits ms since 2024-01-01 │ 10 bits worker │ 12 bits counter
 *
 * Laws: values only grow, whatever the clock does: next = max(last + 1, clock). Taking one never waits and never fails; a full
 * counter goes on in the next millisecond. No value handed out before a crash comes again: values stay below a ceiling that is
 * in the log, and a start begins above it.
 */
import type {Seq} from '../model/names.ts';
import {wideOf} from '../std/bytes.ts';
import type {Clock} from '../std/clock.ts';

const EPOCH_MS = 1_704_067_200_000;
const COUNTER_MAX = 4095;
/** How far ahead of the clock a ceiling is set. Seqs after a restart run ahead of the clock by at most this. */
const CEILING_LEAD_MS = 10_000;

/** The first seq of a moment, as seqs follow the clock: by some seconds, one taken then may be above or below. */
export function seqAt(clockMs: number): Seq {
  return BigInt(Math.max(0, Math.floor(clockMs) - EPOCH_MS)) << 22n;
}

export class SeqSource {
  readonly #clock: Clock;
  readonly #worker: number;
  #ms = 0;
  #counter = -1;
  #ceilingMs = 0;

  constructor(clock: Clock, worker = 1) {
    this.#clock = clock;
    this.#worker = worker << 12;
  }

  next(): Seq {
    // Past the ceiling the clock is not followed: only +1 steps, until a new ceiling is in the log.
    const now = Math.min(this.#clock.nowMs() - EPOCH_MS, this.#ceilingMs);
    if (now > this.#ms) {
      this.#ms = now;
      this.#counter = 0;
    } else if (this.#counter < COUNTER_MAX) {
      this.#counter++;
    } else {
      this.#ms++;
      this.#counter = 0;
    }
    return this.#seq(this.#ms, this.#counter);
  }

  /** Everything up to `seq` is taken: found in the log, or below a ceiling in it. */
  raise(seq: Seq): void {
    const ms = Number(seq >> 22n);
    const counter = Number(seq & 0xfffn);
    if (ms > this.#ms || (ms === this.#ms && counter > this.#counter)) {
      this.#ms = ms;
      this.#counter = counter;
    }
  }

  /** Were values handed out that a start after a crash would hand out again? */
  isPastCeiling(): boolean {
    return this.#ms > this.#ceilingMs;
  }

  /** A new ceiling to log, or undefined while the present one is far enough ahead. Asked when a value was taken. */
  wantedCeiling(): Seq | undefined {
    // The newest value is of this moment, unless the ceiling held it back.
    if (this.#ceilingMs - this.#ms > CEILING_LEAD_MS / 2) return undefined;
    const now = Math.max(this.#clock.nowMs() - EPOCH_MS, this.#ms);
    return this.#seq(now + CEILING_LEAD_MS, COUNTER_MAX);
  }

  /** `seq` is durable as a ceiling: the clock may be followed up to it. */
  allowUpTo(ceiling: Seq): void {
    this.#ceilingMs = Math.max(this.#ceilingMs, Number(ceiling >> 22n));
  }

  #seq(ms: number, counter: number): Seq {
    return wideOf(Math.floor(ms / 1024), ((ms % 1024) << 22) | this.#worker | counter);
  }
}

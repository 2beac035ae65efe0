/**
 * Deadlines: when the time of each of many requests is up, by one timer for all: to arm and clear one costs more than a small request waits for.
 *
 * All have the same time, so they are due in the order in which they were added. Law: none is due early, and who is removed in time is never
 * due.
 */
import type {Clock} from '../std/clock.ts';

export interface Due {
  /** Called once, unless it was removed before. Must not throw. */
  onDue(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #afterMs: number;
  /** Before the first and behind the last. */
  readonly #ends: Deadline;
  #isArmed = false;

  constructor(clock: Clock, afterMs: number) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#ends = new Deadline(Number.POSITIVE_INFINITY, {onDue() {}});
  }

  add(due: Due): Deadline {
    const added = new Deadline(this.#clock.monotonicMs() + this.#afterMs, due);
    added.putBefore(this.#ends);
    if (!this.#isArmed) this.#arm(this.#afterMs);
    return added;
  }

  /** The timer is left armed when nobody waits any more; it keeps no process alive. */
  #arm(ms: number): void {
    this.#isArmed = true;
    setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#ends.after; first.atMs <= nowMs; first = this.#ends.after) {
      first.remove();
      first.due.onDue();
    }
    this.#isArmed = false;
    const first = this.#ends.after;
    if (first !== this.#ends) this.#arm(Math.ceil(first.atMs - nowMs));
  }
}

/** One in the ring of all. */
export class Deadline {
  readonly atMs: number;
  readonly due: Due;
  after: Deadline = this;
  #before: Deadline = this;

  constructor(atMs: number, due: Due) {
    this.atMs = atMs;
    this.due = due;
  }

  putBefore(other: Deadline): void {
    this.after = other;
    this.#before = other.#before;
    other.#before.after = this;
    other.#before = this;
  }

  remove(): void {
    this.#before.after = this.after;
    this.after.#before = this.#before;
  }
}

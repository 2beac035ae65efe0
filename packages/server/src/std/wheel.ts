/**
 * Wheel: many timers on one sleep. Coarse: a timer fires within one tick after its time, never before it.
 *
 *     after(ms) ─ slot of its tick ─ … one sleep a tick, while any timer waits ─ all of the slot, in the order of their making
 *
 * Setting and stopping one is O(1), and a wheel without timers does not sleep at all.
 */
import type {Clock} from './clock.ts';

export interface Timer {
  stop(): void;
}

class WheelTimer implements Timer {
  readonly #slot: Set<WheelTimer>;
  readonly run: () => void;

  constructor(slot: Set<WheelTimer>, run: () => void) {
    this.#slot = slot;
    this.run = run;
  }

  stop(): void {
    this.#slot.delete(this);
  }
}

export class Wheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  /** By the number of the tick at which they fire. */
  readonly #slots = new Map<number, Set<WheelTimer>>();
  readonly #stop = new AbortController();
  #isTurning = false;
  #doneTick: number;

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#doneTick = Math.floor(clock.monotonicMs() / tickMs);
  }

  after(ms: number, run: () => void): Timer {
    const tick = Math.max(this.#doneTick + 1, Math.ceil((this.#clock.monotonicMs() + ms) / this.#tickMs));
    let slot = this.#slots.get(tick);
    if (slot === undefined) {
      slot = new Set();
      this.#slots.set(tick, slot);
    }
    const timer = new WheelTimer(slot, run);
    slot.add(timer);
    if (!this.#isTurning && !this.#stop.signal.aborted) void this.#turn();
    return timer;
  }

  /** No timer fires any more. */
  close(): void {
    this.#stop.abort();
    this.#slots.clear();
  }

  async #turn(): Promise<void> {
    this.#isTurning = true;
    if (this.#slots.size > 0) this.#doneTick = Math.max(this.#doneTick, this.#tickNow() - 1);
    while (this.#slots.size > 0) {
      // An aborted sleep is the end of the wheel; nothing else can end it early.
      await this.#clock.sleep(this.#tickMs, this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      const now = this.#tickNow();
      for (let tick = this.#doneTick + 1; tick <= now; tick++) this.#fire(tick);
    }
    this.#isTurning = false;
  }

  #tickNow(): number {
    return Math.floor(this.#clock.monotonicMs() / this.#tickMs);
  }

  #fire(tick: number): void {
    this.#doneTick = tick;
    const slot = this.#slots.get(tick);
    if (slot === undefined) return;
    this.#slots.delete(tick);
    for (const timer of slot) {
      // Before it runs, so that one that stops itself does nothing.
      slot.delete(timer);
      timer.run();
    }
  }
}

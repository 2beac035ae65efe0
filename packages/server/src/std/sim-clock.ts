/**
 * The clock, ids and randomness of a simulation: time moves only when told, and one seed gives one history.
 */
import type {Clock, Ids} from './clock.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** Time stands still between calls of `advance`. */
export class SimClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  /** In order of waking; sleepers of the same moment in order of going to sleep. */
  readonly #sleepers: Sleeper[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      const sleeper: Sleeper = {
        wakeAtMs: this.#monotonicMs + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
      };
      const stop = () => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
        reject(aborted());
      };
      signal?.addEventListener('abort', stop, {once: true});
      const later = this.#sleepers.findIndex(other => other.wakeAtMs > sleeper.wakeAtMs);
      this.#sleepers.splice(later < 0 ? this.#sleepers.length : later, 0, sleeper);
    });
  }

  /** Lets time pass; whoever sleeps wakes at his moment, and what he then does is done before time goes on. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    for (let next = this.#sleepers[0]; next !== undefined && next.wakeAtMs <= untilMs; next = this.#sleepers[0]) {
      this.#sleepers.shift();
      this.#moveTo(next.wakeAtMs);
      next.wake();
      await turn();
    }
    this.#moveTo(untilMs);
    await turn();
  }

  /** Sets the wall clock forward or back, as an administrator may; durations do not notice. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  get sleeperCount(): number {
    return this.#sleepers.length;
  }

  /** Never back: two may let time pass at once. */
  #moveTo(monotonicMs: number): void {
    if (monotonicMs <= this.#monotonicMs) return;
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** Looking at the time takes time: whatever is measured, such as a sync, looks slow. */
export class SlowClock extends SimClock {
  #ticksMs = 0;

  override monotonicMs(): number {
    this.#ticksMs += 5;
    return super.monotonicMs() + this.#ticksMs;
  }
}

/** Mulberry32: numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export function seededIds(seed: number): Ids {
  const random = seededRandom(seed);
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = random() * 256;
      return bytes;
    },
  };
}

function aborted(): Error {
  return Object.assign(new Error('The operation was aborted'), {name: 'AbortError', code: 'ABORT_ERR'});
}

/** One turn of the event loop: all promises that can settle have settled. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** Memory watch: wakes the flush schedule while the hot tier is above its soft limit. */
import type {Clock} from '../std/clock.ts';
import type {Hot} from './hot.ts';

const MEMORY_WAKE_MS = 250;

export class MemoryWatch {
  readonly #hot: Hot;
  readonly #clock: Clock;
  readonly #softBytes: number;
  #nextMs = 0;
  onHigh: () => void = () => {};

  constructor(hot: Hot, clock: Clock, softBytes: number) {
    this.#hot = hot;
    this.#clock = clock;
    this.#softBytes = softBytes;
  }

  /** Called after every applied batch. A tick looks at every scope, so it is not asked for more often than it can help. */
  look(): void {
    if (this.#hot.bytes() <= this.#softBytes) return;
    const now = this.#clock.monotonicMs();
    if (now < this.#nextMs) return;
    this.#nextMs = now + MEMORY_WAKE_MS;
    this.onHigh();
  }
}

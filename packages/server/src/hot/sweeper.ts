/** Sweeper: frees the memory of what flushes and drops took away, one slice a turn of the loop. */
import type {Hot} from './hot.ts';

export class Sweeper {
  readonly #hot: Hot;
  #isPlanned = false;

  constructor(hot: Hot) {
    this.#hot = hot;
  }

  /** Cheap when there is nothing to do: called after every applied batch. */
  look(): void {
    if (this.#isPlanned || !this.#hot.isSweepDue) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#hot.sweep();
      this.look();
    });
  }
}

/** Sweeper: frees the memory of what flushes and drops took away, one slice a turn of the loop. */

/** Rows, and manifests. */
export interface Swept {
  readonly isSweepDue: boolean;
  /** Frees a slice. Returns whether there is more. */
  sweep(): boolean;
}

export class Sweeper {
  readonly #swept: readonly Swept[];
  #isPlanned = false;

  constructor(...swept: Swept[]) {
    this.#swept = swept;
  }

  /** Cheap when there is nothing to do: called after every applied batch. */
  look(): void {
    if (this.#isPlanned || !this.#swept.some(one => one.isSweepDue)) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      for (const one of this.#swept) one.sweep();
      this.look();
    });
  }
}

/** Gate: lets so much work wait for files at once; what needs no waiting passes. First come, first served. */
export class Gate {
  readonly #width: number;
  #inside = 0;
  readonly #queue: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  run<T>(work: () => T | Promise<T>): T | Promise<T> {
    if (this.#inside < this.#width) return this.#start(work);
    return new Promise<void>(resolve => this.#queue.push(resolve)).then(() => this.run(work));
  }

  #start<T>(work: () => T | Promise<T>): T | Promise<T> {
    let result: T | Promise<T> | undefined;
    try {
      result = work();
    } finally {
      // Who has not to wait, or fails at once, has taken no place.
      if (!(result instanceof Promise)) this.#wake();
    }
    if (!(result instanceof Promise)) return result;
    this.#inside++;
    return result.finally(() => {
      this.#inside--;
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#inside < this.#width) this.#queue.shift()?.();
  }
}

/** Gate: lets so much work wait for files at once; what needs no waiting passes. First come, first served. */
export class Gate {
  readonly #width: number;
  #inside = 0;
  readonly #queue: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  run<T>(work: () => T | Promise<T>): T | Promise<T> {
    if (this.#inside >= this.#width) {
      return new Promise<void>(resolve => this.#queue.push(resolve)).then(() => this.run(work));
    }
    const result = work();
    if (!(result instanceof Promise)) return result;
    this.#inside++;
    return result.finally(() => {
      this.#inside--;
      this.#queue.shift()?.();
    });
  }
}

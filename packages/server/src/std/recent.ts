/** Recent: the newest of many, as many as there is room for. */
export class Recent<T> {
  readonly #items: T[] = [];
  readonly #max: number;
  /** Where the oldest is, once there are as many as may be. */
  #oldest = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(item: T): void {
    if (this.#max === 0) return;
    if (this.#items.length < this.#max) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#oldest] = item;
    this.#oldest = (this.#oldest + 1) % this.#max;
  }

  /** The oldest first. */
  all(): T[] {
    return [...this.#items.slice(this.#oldest), ...this.#items.slice(0, this.#oldest)];
  }
}

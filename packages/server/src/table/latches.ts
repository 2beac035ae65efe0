/**
 * Latches: one writer at a time per key, first come first served.
 *
 * A caller takes all its latches in the order of their ids, so callers never wait for each other in a circle. A latch is held until
 * the write is durable and visible: the next writer then needs to know nothing of writes that could still be lost.
 * Law: every acquire that resolved is released exactly once.
 */
export type Release = () => void;

/** Resolvers of those who wait for a latch, in order. */
type Queue = (() => void)[];

const NOBODY: Queue = [];

export class Latches {
  readonly #held = new Map<string, Queue>();

  /** Resolves when all ids are held. `ids` must be free of duplicates; they are sorted in place. Synchronous when none is taken. */
  acquire(ids: string[]): Release | Promise<Release> {
    if (ids.length > 1) ids.sort();
    for (let i = 0; i < ids.length; i++) {
      if (this.#held.has(ids[i]!)) return this.#wait(ids, i);
      this.#held.set(ids[i]!, NOBODY);
    }
    return this.#releaser(ids);
  }

  get heldCount(): number {
    return this.#held.size;
  }

  async #wait(ids: string[], from: number): Promise<Release> {
    for (let i = from; i < ids.length; i++) {
      const queue = this.#held.get(ids[i]!);
      if (queue === undefined) this.#held.set(ids[i]!, NOBODY);
      else await new Promise<void>(resolve => this.#held.set(ids[i]!, [...queue, resolve]));
    }
    return this.#releaser(ids);
  }

  #releaser(ids: readonly string[]): Release {
    return () => {
      for (const id of ids) {
        // The latch passes straight to the next in line and is never seen free in between.
        const next = this.#held.get(id)!.shift();
        if (next === undefined) this.#held.delete(id);
        else next();
      }
    };
  }
}

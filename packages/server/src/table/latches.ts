/**
 * Latches: one writer at a time per key, first come first served.
 *
 * A caller takes latches of one place only, all of them in the order of their ids, so callers never wait for each other in a circle. A latch is held until
 * the write is durable and visible: the next writer then needs to know nothing of writes that could still be lost.
 * The scope latch stands beside those of its keys: a flush holds it while it publishes, and a write that could not get ahead of flushes while it reads.
 * Whoever waits for it may hold keys; whoever holds it waits for no key.
 * Law: every acquire that resolved is released exactly once.
 */
import {type ScopeKey, scopeId} from '../model/names.ts';

export type Release = () => void;

/** Resolvers of those who wait for a latch, in order. */
type Queue = (() => void)[];

const NOBODY: Queue = [];
/** Places come and go with nearly every write; so many maps of places that went are kept for those that come. */
const SPARES_MAX = 256;

export class Latches {
  /** Place → id. Ids of one place are short and compared often; the place is looked up once. */
  readonly #held = new Map<string, Map<string, Queue>>();
  readonly #spares: Map<string, Queue>[] = [];

  /** Resolves when all ids of the place are held. `ids` must be free of duplicates; they are sorted in place. Synchronous when none is taken. */
  acquire(place: string, ids: string[]): Release | Promise<Release> {
    if (ids.length > 1) ids.sort();
    const held = this.#heldAt(place);
    for (let i = 0; i < ids.length; i++) {
      if (held.has(ids[i]!)) return this.#wait(place, ids, i);
      held.set(ids[i]!, NOBODY);
    }
    return this.#releaser(place, ids);
  }

  acquireScope(scope: ScopeKey): Release | Promise<Release> {
    return this.acquire(`scope ${scopeId(scope)}`, ['']);
  }

  get heldCount(): number {
    let count = 0;
    for (const held of this.#held.values()) count += held.size;
    return count;
  }

  async #wait(place: string, ids: string[], from: number): Promise<Release> {
    for (let i = from; i < ids.length; i++) {
      // While one waits the place may have become empty and been forgotten.
      const held = this.#heldAt(place);
      const queue = held.get(ids[i]!);
      if (queue === undefined) held.set(ids[i]!, NOBODY);
      else {
        await new Promise<void>(resolve => {
          if (queue === NOBODY) held.set(ids[i]!, [resolve]);
          else queue.push(resolve);
        });
      }
    }
    return this.#releaser(place, ids);
  }

  #heldAt(place: string): Map<string, Queue> {
    let held = this.#held.get(place);
    if (held === undefined) {
      held = this.#spares.pop() ?? new Map();
      this.#held.set(place, held);
    }
    return held;
  }

  #releaser(place: string, ids: readonly string[]): Release {
    return () => {
      const held = this.#held.get(place)!;
      for (const id of ids) {
        // The latch passes straight to the next in line and is never seen free in between.
        const next = held.get(id)!.shift();
        if (next === undefined) held.delete(id);
        else next();
      }
      if (held.size > 0) return;
      this.#held.delete(place);
      if (this.#spares.length < SPARES_MAX) this.#spares.push(held);
    };
  }
}

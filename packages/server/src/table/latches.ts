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
import {textHash} from '../std/text-index.ts';

export type Release = () => void;

/** Resolvers of those who wait for a latch, in order. */
type Queue = (() => void)[];

/** A latch that is held. */
interface Held {
  readonly place: string;
  readonly id: string;
  queue: Queue | undefined;
  /** In the same bucket. */
  next: Held | undefined;
}

/** A power of two. */
const BUCKETS = 4096;

export class Latches {
  /** A hash table of our own: a Map would put the text of every key that is written among those the runtime keeps only once, which costs more. */
  readonly #buckets = new Array<Held | undefined>(BUCKETS).fill(undefined);
  #heldCount = 0;

  /** Resolves when all ids of the place are held. `ids` must be free of duplicates; they are sorted in place. Synchronous when none is taken. */
  acquire(place: string, ids: string[]): Release | Promise<Release> {
    if (ids.length > 1) ids.sort();
    const hash = textHash(place, 0);
    for (let i = 0; i < ids.length; i++) {
      const bucket = textHash(ids[i]!, hash) & (BUCKETS - 1);
      if (this.#find(bucket, place, ids[i]!) !== undefined) return this.#wait(place, ids, i);
      this.#hold(bucket, place, ids[i]!);
    }
    return this.#releaser(place, ids);
  }

  acquireScope(scope: ScopeKey): Release | Promise<Release> {
    return this.acquire(`scope ${scopeId(scope)}`, ['']);
  }

  isHeld(place: string, id: string): boolean {
    return this.#find(textHash(id, textHash(place, 0)) & (BUCKETS - 1), place, id) !== undefined;
  }

  get heldCount(): number {
    return this.#heldCount;
  }

  async #wait(place: string, ids: string[], from: number): Promise<Release> {
    const hash = textHash(place, 0);
    for (let i = from; i < ids.length; i++) {
      const bucket = textHash(ids[i]!, hash) & (BUCKETS - 1);
      const held = this.#find(bucket, place, ids[i]!);
      if (held === undefined) this.#hold(bucket, place, ids[i]!);
      else {
        await new Promise<void>(resolve => {
          if (held.queue === undefined) held.queue = [resolve];
          else held.queue.push(resolve);
        });
      }
    }
    return this.#releaser(place, ids);
  }

  #find(bucket: number, place: string, id: string): Held | undefined {
    let held = this.#buckets[bucket];
    while (held !== undefined && !(held.id === id && held.place === place)) held = held.next;
    return held;
  }

  #hold(bucket: number, place: string, id: string): void {
    this.#buckets[bucket] = {place, id, queue: undefined, next: this.#buckets[bucket]};
    this.#heldCount++;
  }

  #releaser(place: string, ids: readonly string[]): Release {
    return () => {
      const hash = textHash(place, 0);
      for (const id of ids) {
        const bucket = textHash(id, hash) & (BUCKETS - 1);
        const held = this.#find(bucket, place, id)!;
        // The latch passes straight to the next in line and is never seen free in between.
        const next = held.queue?.shift();
        if (next === undefined) this.#free(bucket, held);
        else next();
      }
    };
  }

  #free(bucket: number, held: Held): void {
    this.#heldCount--;
    if (this.#buckets[bucket] === held) {
      this.#buckets[bucket] = held.next;
      return;
    }
    let before = this.#buckets[bucket]!;
    while (before.next !== held) before = before.next!;
    before.next = held.next;
  }
}

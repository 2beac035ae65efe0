/**
 * Scope index: a slot for each scope, found by table life and owner. What is known of the scope lies elsewhere, by slot.
 *
 *     incarnation → owner → slot
 *
 * Laws: a slot belongs to one scope until it is freed, and is then given to another. A life that was dropped does not come again. Whoever walks the scopes
 * of a life while others come and go meets those that are there all the time once, by ascending slot; it costs a step for each slot that is passed.
 */
import type {Incarnation, Owner, ScopeKey} from '../model/names.ts';
import {NumberPool} from '../std/number-pool.ts';
import {ownText, TextIndex} from '../std/text-index.ts';

export const NO_SLOT = -1;
/** Nobody finds what has the slot any more, or it is free. */
const NO_INCARNATION = 0 as Incarnation;
/** A life that has less than one slot in so many is sorted, where it would take long to pass all others. */
const SLOTS_PER_SCOPE_MAX = 8;

/** The scopes of one moment. */
export interface NamedSlot {
  readonly slot: number;
  readonly scope: ScopeKey;
}

export class ScopeIndex {
  readonly #lives = new Map<Incarnation, TextIndex<Owner>>();
  readonly #pool = new NumberPool();
  readonly #incarnations: Incarnation[] = [];
  readonly #owners: Owner[] = [];
  readonly #ownerOf = (slot: number) => this.#owners[slot]!;

  /** Slots that are taken. */
  get size(): number {
    return this.#pool.size;
  }

  find({incarnation, owner}: ScopeKey): number {
    return this.#lives.get(incarnation)?.get(owner) ?? NO_SLOT;
  }

  scope(slot: number): ScopeKey {
    return {incarnation: this.#incarnations[slot]!, owner: this.#owners[slot]!};
  }

  incarnation(slot: number): Incarnation {
    return this.#incarnations[slot]!;
  }

  lives(): Iterable<Incarnation> {
    return this.#lives.keys();
  }

  /** How many scopes the life has. */
  count(incarnation: Incarnation): number {
    return this.#lives.get(incarnation)?.size ?? 0;
  }

  /** Ascending. */
  *of(incarnation: Incarnation): Generator<number, undefined> {
    const life = this.#lives.get(incarnation);
    if (life === undefined) return;
    for (const slot of this.#candidates(life)) {
      if (!this.#lives.has(incarnation)) return;
      if (this.#incarnations[slot] === incarnation) yield slot;
    }
  }

  /** It must not be there. */
  add({incarnation, owner}: ScopeKey): number {
    const slot = this.#pool.take();
    this.#incarnations[slot] = incarnation;
    this.#owners[slot] = ownText(owner);
    let life = this.#lives.get(incarnation);
    if (life === undefined) {
      life = new TextIndex(this.#ownerOf);
      this.#lives.set(incarnation, life);
    }
    life.add(owner, slot);
    return slot;
  }

  /** Nobody finds it any more, but the slot stays taken. Returns whether it was the last of its life. */
  hide(slot: number): boolean {
    const {incarnation, owner} = this.scope(slot);
    const life = this.#lives.get(incarnation)!;
    life.delete(owner);
    this.#incarnations[slot] = NO_INCARNATION;
    if (life.size > 0) return false;
    this.#lives.delete(incarnation);
    return true;
  }

  /** It must be hidden, or of a life that was dropped. */
  free(slot: number): void {
    this.#incarnations[slot] = NO_INCARNATION;
    this.#owners[slot] = null;
    this.#pool.give(slot);
    const {end} = this.#pool;
    if (end === this.#owners.length) return;
    this.#owners.length = end;
    this.#incarnations.length = end;
  }

  /** Nobody finds a scope of the life any more. Shows the slots it had, each to be freed. */
  drop(incarnation: Incarnation): Iterator<number, undefined> {
    const life = this.#lives.get(incarnation);
    this.#lives.delete(incarnation);
    return life === undefined ? [].values() : this.#members(incarnation, life);
  }

  /** The scopes of some lives as they are now, for ever. O(slots), by copies of arrays. */
  image(isTaken: (incarnation: Incarnation) => boolean): Iterable<NamedSlot> {
    const taken = new Set(this.#lives.keys().filter(isTaken));
    const [incarnations, owners] = [this.#incarnations.slice(), this.#owners.slice()];
    return {
      *[Symbol.iterator]() {
        for (let slot = 0; slot < owners.length; slot++) {
          const incarnation = incarnations[slot]!;
          if (taken.has(incarnation)) yield {slot, scope: {incarnation, owner: owners[slot]!}};
        }
      },
    };
  }

  *#members(incarnation: Incarnation, life: TextIndex<Owner>): Generator<number, undefined> {
    let left = life.size;
    for (const slot of this.#candidates(life)) {
      if (this.#incarnations[slot] !== incarnation || life.get(this.#owners[slot]!) !== slot) continue;
      yield slot;
      if (--left === 0) return;
    }
  }

  /** Those of the life and perhaps others, ascending. */
  #candidates(life: TextIndex<Owner>): Iterable<number> {
    const {end} = this.#pool;
    return SLOTS_PER_SCOPE_MAX * life.size > end ? below(end) : life.numbers().sort();
  }
}

function* below(end: number): Generator<number, undefined> {
  for (let slot = 0; slot < end; slot++) yield slot;
}

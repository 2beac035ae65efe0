/**
 * Recent map: what was used lately, bounded in number. Two generations: what is used moves to the young one; when that has half of the bound it
 * becomes the old one, and what was old is forgotten. A look costs one or two reads of a Map and no bookkeeping.
 *
 * Laws: never more than `countMax` entries. Nothing is forgotten before `countMax / 2` others were used after it.
 */
export class RecentMap<K, V> {
  readonly #half: number;
  readonly #create: (key: K) => V;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  constructor(countMax: number, create: (key: K) => V) {
    this.#half = Math.max(1, Math.floor(countMax / 2));
    this.#create = create;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Made if it is not there. */
  of(key: K): V {
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const value = this.#old.get(key) ?? this.#create(key);
    this.#old.delete(key);
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    return value;
  }
}

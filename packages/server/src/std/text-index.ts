/**
 * Text index: very many numbers, each found by a text. The texts are kept by the caller, who says which one a number has.
 *
 *     slots   hash, number + 1 │ 0, 0 │ hash, number + 1 │ …      open addressing, at most half full
 *
 * A Map first looks for the text among all those the runtime keeps only once, and adds it there. With a million of them that is several misses of the
 * cache more than the search itself, and work for the collector; here a search reads one line of memory and the text it finds.
 */

import {randomInt} from 'node:crypto';

/** Who may choose texts cannot know which ones fall together. No order is ever taken from a hash. */
const SEED = randomInt(2 ** 32) | 0;
/** Slots; a power of two. */
const CAPACITY_MIN = 8;
/** With fewer than one number in so many slots, there are a quarter of the slots. */
const SLOTS_PER_NUMBER_MAX = 16;

export class TextIndex<Key extends string | null> {
  readonly #keyOf: (number: number) => Key;
  #slots = new Int32Array(2 * CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  constructor(keyOf: (number: number) => Key) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#size;
  }

  /** -1: there is none. */
  get(key: Key): number {
    const slot = this.#find(key, keyHash(key));
    return slot < 0 ? -1 : this.#slots[2 * slot + 1]! - 1;
  }

  /** There must be none of this key, and the number must have it already. */
  add(key: Key, number: number): void {
    this.#size++;
    if (2 * this.#size > this.#mask) this.#resize(2 * (this.#mask + 1));
    this.#fill(keyHash(key), number);
  }

  /** While the number still has the key. */
  delete(key: Key): void {
    const slot = this.#find(key, keyHash(key));
    if (slot < 0) return;
    this.#close(slot);
    this.#size--;
    const capacity = this.#mask + 1;
    if (capacity > CAPACITY_MIN && SLOTS_PER_NUMBER_MAX * this.#size < capacity)
      this.#resize(Math.max(CAPACITY_MIN, capacity / 4));
  }

  /** All of them, in any order. */
  numbers(): Int32Array {
    const numbers = new Int32Array(this.#size);
    let count = 0;
    for (let at = 1; count < numbers.length; at += 2)
      if (this.#slots[at] !== 0) numbers[count++] = this.#slots[at]! - 1;
    return numbers;
  }

  #find(key: Key, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = slots[2 * slot + 1]! - 1;
      if (number < 0) return -1;
      if (slots[2 * slot] === hash && this.#keyOf(number) === key) return slot;
    }
  }

  #fill(hash: number, number: number): void {
    let slot = hash & this.#mask;
    while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = number + 1;
  }

  /** Frees a slot. Those behind it that are not where they belong move up, so that no search ends before what it looks for. */
  #close(slot: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let free = slot;
    for (let next = (slot + 1) & mask; slots[2 * next + 1] !== 0; next = (next + 1) & mask) {
      if (((next - slots[2 * next]!) & mask) < ((next - free) & mask)) continue;
      slots.copyWithin(2 * free, 2 * next, 2 * next + 2);
      free = next;
    }
    slots.fill(0, 2 * free, 2 * free + 2);
  }

  #resize(capacity: number): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * capacity);
    this.#mask = capacity - 1;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] !== 0) this.#fill(before[at]!, before[at + 1]! - 1);
    }
  }
}

function keyHash(key: string | null): number {
  return key === null ? SEED : textHash(key, SEED);
}

/** The same text, not cut out of another: that one would be kept for as long. */
export function ownText<Text extends string | null>(text: Text): Text {
  return JSON.parse(JSON.stringify(text));
}

/** FNV-1a over the text, going on from the hash of another. 32 bits, signed. */
export function textHash(text: string, before: number): number {
  let hash = before;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

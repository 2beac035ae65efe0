/**
 * Number pool: which of the numbers from 0 on are in use.
 *
 *     free    a bit for each number, 1 = free        │ word │ word │ …
 *     words   a bit for each word that has a 1 in it │ word │ …
 *
 * Law: the lowest free number is given out first. So what is in use gathers at the low end however it comes and goes, and what others keep by number can be
 * given back behind it.
 */
const NONE = new Uint32Array(0);
const WORDS_MIN = 32;

export class NumberPool {
  #free = NONE;
  #words = NONE;
  #freeCount = 0;
  #end = 0;

  /** All numbers in use are below, and the last below is in use. */
  get end(): number {
    return this.#end;
  }

  /** How many are in use. */
  get size(): number {
    return this.#end - this.#freeCount;
  }

  take(): number {
    if (this.#freeCount === 0) return this.#end++;
    let at = 0;
    while (this.#words[at] === 0) at++;
    const word = 32 * at + lowestBit(this.#words[at]!);
    const number = 32 * word + lowestBit(this.#free[word]!);
    this.#clear(number);
    return number;
  }

  /** It must be in use. */
  give(number: number): void {
    const word = number >>> 5;
    if (word >= this.#free.length) this.#grow(word);
    this.#free[word]! |= 1 << (number & 31);
    this.#words[word >>> 5]! |= 1 << (word & 31);
    this.#freeCount++;
    while (this.#freeCount > 0 && this.#isFree(this.#end - 1)) this.#clear(--this.#end);
  }

  #isFree(number: number): boolean {
    const word = number >>> 5;
    return word < this.#free.length && (this.#free[word]! & (1 << (number & 31))) !== 0;
  }

  #clear(number: number): void {
    const word = number >>> 5;
    this.#free[word]! &= ~(1 << (number & 31));
    if (this.#free[word] === 0) this.#words[word >>> 5]! &= ~(1 << (word & 31));
    this.#freeCount--;
  }

  #grow(word: number): void {
    let length = Math.max(WORDS_MIN, this.#free.length);
    while (length <= word) length *= 2;
    this.#free = copyOf(this.#free, length);
    this.#words = copyOf(this.#words, length / 32);
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function copyOf(words: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(length);
  copy.set(words);
  return copy;
}

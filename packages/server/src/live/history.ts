/**
 * History: which rows of one scope were changed of late, so that who missed something can be told without reading the table.
 *
 * An entry is a key and a seq; the row itself is looked up when it is needed, in its newest version. Of a row that is gone it keeps what names it.
 *
 * Laws: every change of the scope after `floor` is here, in order of seq. What is forgotten raises the floor.
 */
import type {Seq} from '../model/names.ts';

export interface Entry {
  readonly seq: Seq;
  /** One character per byte. */
  readonly key: string;
  /** Was there a row before? undefined: not known. */
  readonly hadRow: boolean | undefined;
  /** Of a row that is gone: its primary key as JSON, where the table has one. */
  readonly gone: {readonly keyJson: string | undefined; readonly removedSeq: Seq | undefined} | undefined;
}

/** One row's newest entry, and whether it was there before the first one asked for. */
export interface Changed {
  readonly newest: Entry;
  readonly hadRow: boolean | undefined;
}

const NONE: Entry[] = [];

export class History {
  #entries: Entry[] = NONE;
  #floor: Seq;

  constructor(floor: Seq) {
    this.#floor = floor;
  }

  get floor(): Seq {
    return this.#floor;
  }

  get size(): number {
    return this.#entries.length;
  }

  add(entry: Entry, sizeMax: number): void {
    if (this.#entries === NONE) this.#entries = [];
    this.#entries.push(entry);
    // In larger steps, so that forgetting costs little per entry.
    if (this.#entries.length > sizeMax) this.#forget(Math.ceil(sizeMax / 4));
  }

  clear(): void {
    this.#forget(this.#entries.length);
  }

  hasAfter(seq: Seq): boolean {
    const newest = this.#entries.at(-1);
    return newest !== undefined && newest.seq > seq;
  }

  /** Rows changed after `seq`, by their newest change, in its order. Only of a seq that is not below the floor. */
  after(seq: Seq): Changed[] {
    const found = new Map<string, {newest: Entry; hadRow: boolean | undefined}>();
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i]!;
      if (entry.seq <= seq) break;
      const later = found.get(entry.key);
      if (later === undefined) found.set(entry.key, {newest: entry, hadRow: entry.hadRow});
      else later.hadRow = entry.hadRow;
    }
    return [...found.values()].reverse();
  }

  #forget(count: number): void {
    if (count === 0) return;
    this.#floor = this.#entries[count - 1]!.seq;
    this.#entries = count === this.#entries.length ? NONE : this.#entries.slice(count);
  }
}

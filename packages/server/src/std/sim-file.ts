/**
 * One file of the simulated disk: what is surely on the platter, and the writes that may still be lost.
 *
 *     write → `seen` (what every reader gets) and `unsynced`;   datasync → `synced`;   power loss → `synced` + any part of `unsynced`
 *
 * Law: a write that `datasync` failed on is never synced by a later one: the system has marked its pages clean.
 */
const SECTOR_BYTES = 512;

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
  /** A failed datasync covered it. */
  isForgotten: boolean;
}

export class SimFile {
  #seen: Bytes = new Bytes();
  #synced: Bytes = new Bytes();
  #unsynced: Write[] = [];

  get size(): number {
    return this.#seen.length;
  }

  /** Bytes that survive any power loss, or the whole file as it is seen. */
  content(which: 'seen' | 'synced'): Buffer {
    return Buffer.from((which === 'seen' ? this.#seen : this.#synced).view());
  }

  read(position: number, length: number): Buffer {
    return Buffer.from(this.#seen.view().subarray(position, position + length));
  }

  write(bytes: Uint8Array, position: number): void {
    const write = {position, bytes: Buffer.from(bytes), isForgotten: false};
    this.#unsynced.push(write);
    this.#seen.put(write.bytes, position);
  }

  /** The writes a datasync that begins now is answerable for. */
  beginSync(): readonly Write[] {
    return this.#unsynced.filter(write => !write.isForgotten);
  }

  endSync(writes: readonly Write[]): void {
    const done = new Set(writes);
    const open = new Set(this.#unsynced);
    for (const write of writes) {
      // Another sync beside this one may have done it, and what was written over it.
      if (!open.has(write)) continue;
      this.#synced.put(write.bytes, write.position);
      for (const other of this.#unsynced) if (other.isForgotten) overlay(other, write);
    }
    this.#unsynced = this.#unsynced.filter(write => !done.has(write));
  }

  failSync(writes: readonly Write[]): void {
    for (const write of writes) write.isForgotten = true;
  }

  /** Power is gone: each unsynced write survives wholly, in part, or not at all. */
  losePower(random: () => number): void {
    for (const write of this.#unsynced) survive(write, this.#synced, random);
    this.#unsynced = [];
    this.#seen = new Bytes();
    this.#seen.put(Buffer.from(this.#synced.view()), 0);
  }

  copy(): SimFile {
    const copy = new SimFile();
    copy.#seen = this.#seen.copy();
    copy.#synced = this.#synced.copy();
    copy.#unsynced = this.#unsynced.map(write => ({...write, bytes: Buffer.from(write.bytes)}));
    return copy;
  }

  /** Damages bytes that were safe, as a failing medium does. */
  flip(position: number): void {
    for (const bytes of [this.#seen, this.#synced]) {
      const view = bytes.view();
      if (position < view.length) view[position] = view[position]! ^ 0xff;
    }
  }
}

/** A growing byte array: gaps read as zeros. */
class Bytes {
  #buffer = Buffer.alloc(0);
  length = 0;

  view(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  copy(): Bytes {
    const copy = new Bytes();
    copy.put(this.view(), 0);
    return copy;
  }

  put(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.length);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, position);
    this.length = Math.max(this.length, end);
  }
}

/** What was synced over a forgotten write is not undone by it at a power loss. */
function overlay(old: Write, newer: Write): void {
  const start = Math.max(old.position, newer.position);
  const end = Math.min(old.position + old.bytes.length, newer.position + newer.bytes.length);
  if (start < end) newer.bytes.copy(old.bytes, start - old.position, start - newer.position, end - newer.position);
}

function survive({position, bytes}: Write, onto: Bytes, random: () => number): void {
  const fate = random();
  if (fate < 0.3) return;
  if (fate < 0.6) onto.put(bytes, position);
  else if (fate < 0.8) onto.put(bytes.subarray(0, random() * bytes.length), position);
  else surviveBySector({position, bytes}, onto, random);
}

function surviveBySector(
  {position, bytes}: Pick<Write, 'position' | 'bytes'>,
  onto: Bytes,
  random: () => number,
): void {
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((position + start) % SECTOR_BYTES));
    if (random() < 0.5) onto.put(bytes.subarray(start, end), position + start);
    start = end;
  }
}

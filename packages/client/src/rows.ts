/**
 * Rows: folds what a subscription is told into the rows of its query.
 *
 *     snapshot   begin ─ add ─ add ─ … ─ commit      all batches take the place of what was there, at once
 *     change     insert, update → upsert by key      delete → remove by key
 *
 * Laws: `rows` is the answer of the query at one moment and never a snapshot half received. Every version is applied once: one whose
 *       `_seq` is not above the version held for its key changes nothing, so what arrives twice after a resume is harmless. Rows that did
 *       not change keep their identity, and so does the list. Rows stand in key order, as the server answers without ORDER BY, or in the
 *       order that was given. A snapshot costs O(n log n), a change O(log n) comparisons and the moving of list entries.
 */
import type {Cell, ChangeMessage, LiveRow} from '@kalamdb/protocol/messages.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {type Compare, keyOrder} from './key-order.ts';

export interface RowsOptions {
  /** Columns that tell rows apart; by default those the schema marks as primary key, else `id`, else `_seq`. */
  readonly keyColumns?: readonly string[];
  /** In place of key columns. */
  readonly getKey?: (row: LiveRow) => string;
  /** Rows are kept in this order; by default in key order. */
  readonly compare?: Compare<LiveRow>;
  /** At most so many rows: those with the greatest `_seq`. */
  readonly limit?: number;
}

interface Entry {
  readonly key: string;
  readonly seq: bigint;
  readonly row: LiveRow;
}

type Entries = Map<string, Entry>;

export class LiveRows {
  readonly #options: RowsOptions;
  #keyOf: (row: LiveRow) => string = row => JSON.stringify([row['id'] ?? row['_seq'] ?? row]);
  #compare: Compare<LiveRow> = () => 0;
  /** What updates, and so rows that are first heard of by one, leave out. */
  #unsaid: LiveRow = {};
  #held = new EntryList(new Map(), this.#compare);
  /** The snapshot that is being received; it is put in order when it is whole. */
  #staged: Entries | undefined;
  /** What `rows` answered last, until it is no longer true. */
  #list: readonly LiveRow[] | undefined;

  constructor(options: RowsOptions = {}) {
    this.#options = options;
  }

  /** Must come before rows do. A schema that names other key columns than before belongs to a snapshot that replaces all rows. */
  useSchema(schema: readonly ResultColumn[]): void {
    const columns = this.#options.keyColumns ?? keyColumnsOf(schema);
    this.#keyOf = this.#options.getKey ?? (row => JSON.stringify(columns.map(name => row[name] ?? null)));
    this.#unsaid = schema.some(({name}) => name === '_deleted') ? {_deleted: false} : {};
    const byKey = keyOrder(columns, schema);
    const {compare} = this.#options;
    this.#compare = compare === undefined ? byKey : (a, b) => compare(a, b) || byKey(a, b);
    // Where no snapshot comes first, changes begin a list of their own.
    if (this.#held.size === 0) this.#held = new EntryList(new Map(), this.#compare);
  }

  /** In order. The same list until a row changes. */
  get rows(): readonly LiveRow[] {
    this.#list ??= this.#held.toRows();
    return this.#list;
  }

  beginSnapshot(): void {
    this.#staged = new Map();
  }

  /** Rows of a batch go to the snapshot that was begun. Outside of one they are changes, as older servers resume. */
  addBatch(rows: readonly LiveRow[]): void {
    for (const row of rows) this.#upsert(row, row);
  }

  /** The snapshot is whole: it takes the place of the rows held. */
  commitSnapshot(): void {
    if (this.#staged === undefined) return;
    this.#held = new EntryList(newest(this.#staged, this.#limit), this.#compare);
    this.#staged = undefined;
    this.#list = undefined;
  }

  /** The connection broke: what was received of the snapshot is worth nothing, the rows held are. */
  dropSnapshot(): void {
    this.#staged = undefined;
  }

  apply(change: ChangeMessage): void {
    if (change.change_type === 'delete') {
      for (const [i, row] of (change.old_values ?? []).entries()) {
        const seq = change.removed_seqs?.[i];
        // Rows without another key are told apart by the seq they had.
        this.#remove(row, this.#keyOf(seq === undefined ? row : {...row, _seq: seq}));
      }
      return;
    }
    for (const [i, row] of (change.rows ?? []).entries()) {
      // A changed column that the new image leaves out became NULL: so do servers that send no NULLs.
      const cleared = change.change_type === 'update' ? nullsOf(change.old_values?.[i], row) : undefined;
      const before = this.#entry(this.#keyOf(row))?.row ?? this.#unsaid;
      this.#upsert(row, {...before, ...cleared, ...row});
    }
  }

  get #limit(): number {
    return this.#options.limit ?? Number.POSITIVE_INFINITY;
  }

  #entry(key: string): Entry | undefined {
    return this.#staged === undefined ? this.#held.get(key) : this.#staged.get(key);
  }

  #upsert(image: LiveRow, row: LiveRow): void {
    const key = this.#keyOf(image);
    const seq = seqOf(image);
    const before = this.#entry(key);
    if (before !== undefined && seq !== undefined && seq <= before.seq) return;
    const entry = {key, seq: seq ?? before?.seq ?? 0n, row};
    if (this.#staged !== undefined) {
      this.#staged.set(key, entry);
      return;
    }
    this.#held.put(entry);
    if (this.#held.size > this.#limit) this.#held.removeOldest();
    this.#list = undefined;
  }

  #remove(image: LiveRow, key: string): void {
    const before = this.#entry(key);
    const seq = seqOf(image);
    if (before === undefined || (seq !== undefined && seq < before.seq)) return;
    if (this.#staged !== undefined) {
      this.#staged.delete(key);
      return;
    }
    this.#held.remove(before);
    this.#list = undefined;
  }
}

/** Entries by key, and their rows in order. */
class EntryList {
  readonly #byKey: Entries;
  readonly #ordered: LiveRow[];
  readonly #compare: Compare<LiveRow>;

  constructor(entries: Entries, compare: Compare<LiveRow>) {
    this.#byKey = entries;
    this.#compare = compare;
    this.#ordered = Array.from(entries.values(), entry => entry.row).sort(compare);
  }

  get size(): number {
    return this.#ordered.length;
  }

  get(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  put(entry: Entry): void {
    const before = this.#byKey.get(entry.key);
    if (before !== undefined) this.#ordered.splice(this.#indexOf(before.row), 1);
    this.#byKey.set(entry.key, entry);
    this.#ordered.splice(this.#placeFor(entry.row), 0, entry.row);
  }

  remove(entry: Entry): void {
    this.#byKey.delete(entry.key);
    this.#ordered.splice(this.#indexOf(entry.row), 1);
  }

  removeOldest(): void {
    let oldest: Entry | undefined;
    for (const entry of this.#byKey.values()) {
      if (oldest === undefined || entry.seq < oldest.seq) oldest = entry;
    }
    if (oldest !== undefined) this.remove(oldest);
  }

  toRows(): LiveRow[] {
    return this.#ordered.slice();
  }

  #indexOf(row: LiveRow): number {
    const place = this.#placeFor(row) - 1;
    // Rows that compare alike, which only a given order or key can have, stand before it.
    return this.#ordered[place] === row ? place : this.#ordered.indexOf(row);
  }

  /** Behind all that come before it or compare alike. New rows mostly come last. */
  #placeFor(row: LiveRow): number {
    let low = 0;
    let high = this.#ordered.length;
    if (high > 0 && this.#compare(this.#ordered[high - 1]!, row) <= 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#ordered[middle]!, row) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Those with the greatest seqs. */
function newest(entries: Entries, limit: number): Entries {
  if (entries.size <= limit) return entries;
  const bySeq = [...entries].sort(([, a], [, b]) => (a.seq < b.seq ? 1 : -1));
  return new Map(bySeq.slice(0, limit));
}

function keyColumnsOf(schema: readonly ResultColumn[]): string[] {
  const keys = schema.filter(column => column.flags?.includes('pk')).map(column => column.name);
  if (keys.length > 0) return keys;
  return [schema.some(column => column.name === 'id') ? 'id' : '_seq'];
}

function nullsOf(before: LiveRow | undefined, image: LiveRow): LiveRow {
  const cleared: Record<string, Cell> = {};
  for (const name of Object.keys(before ?? {})) {
    if (!(name in image)) cleared[name] = null;
  }
  return cleared;
}

function seqOf(row: LiveRow): bigint | undefined {
  const seq = row['_seq'];
  return typeof seq === 'string' || typeof seq === 'number' ? BigInt(seq) : undefined;
}

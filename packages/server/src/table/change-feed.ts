/**
 * Change feed: what each commit changed in the tables that somebody watches, told in the turn in which it became visible.
 *
 *     commit ─ of each record, in order ─ row(scope, key, before, after) …  then ─ committed(seq)
 *     streams ─ of each row put or taken away, at once ─ the same            catalog ─ a new version, or the end, of a table
 *
 * Laws: a change is told after it is durable (rows of STREAM tables: visible), in the turn that applies it, once; so whoever takes a snapshot and
 * begins to watch in one turn misses nothing and sees nothing twice. Of one table `seq` only grows. All changes of a batch are told before its
 * `committed`, and nothing of another batch between them: a batch is seen whole or not at all. The row before is the one the writer replaced
 * under its latch, from memory or from a segment; where that is not known (`undefined`), a watcher decides by the new row alone. Tables that nobody
 * watches cost one look-up per record. A flush or compaction moves rows and changes none, so it is not told. Replay tells nothing.
 */
import type {Incarnation, Owner, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';

export interface RowChange {
  readonly incarnation: Incarnation;
  readonly owner: Owner;
  /** Valid as long as it is held, as are the rows. */
  readonly key: Uint8Array;
  readonly seq: Seq;
  /** The live row it replaces; null: there was none; undefined: not known. */
  readonly before: RowBytes | null | undefined;
  /** A tombstone, where the table keeps them; else a word: the row is gone without a trace, by a statement or of age. */
  readonly after: RowBytes | 'removed' | 'evicted';
}

/** Must not throw: what it is told is committed. */
export interface ChangeListener {
  row(change: RowChange): void;
  /** All rows told since the last call are one commit. */
  committed(): void;
  /** A newer version of a watched table is the current one. */
  altered(schema: Schema): void;
  /** A watched table is gone. */
  dropped(incarnation: Incarnation): void;
}

export class ChangeFeed {
  /** Set once, by who listens. */
  listener: ChangeListener | undefined;
  readonly #watched = new Set<Incarnation>();
  #isOpen = false;

  watch(incarnation: Incarnation): void {
    this.#watched.add(incarnation);
  }

  unwatch(incarnation: Incarnation): void {
    this.#watched.delete(incarnation);
  }

  isWatched(incarnation: Incarnation): boolean {
    return this.#watched.has(incarnation);
  }

  row(change: RowChange): void {
    if (!this.#watched.has(change.incarnation)) return;
    this.#isOpen = true;
    this.listener?.row(change);
  }

  /** The end of a batch, whether or not it changed what is watched. */
  committed(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.listener?.committed();
  }

  altered(schema: Schema): void {
    if (this.#watched.has(schema.incarnation)) this.listener?.altered(schema);
  }

  dropped(incarnation: Incarnation): void {
    if (!this.#watched.has(incarnation)) return;
    this.#watched.delete(incarnation);
    this.listener?.dropped(incarnation);
  }
}

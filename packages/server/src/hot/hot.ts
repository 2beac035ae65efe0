/**
 * Hot: the newest version of every key that is not (only) in a segment, in memory.
 *
 * Rows lie as bytes in slabs; each scope keeps the addresses of its rows in key order, in small sorted chunks that are copied
 * on write. A snapshot is the list of chunks at one moment: taking one is O(1), synchronous, and needs no unpinning, since a
 * slab lives while anybody still holds it. A scope with few rows is no object at all, but a line of a table.
 *
 *     scope ─ chunk [a a a a] ─ chunk [a a a] …      a = address → slab bytes: slot of the scope, key, row
 *
 * Laws: only durable rows are applied, in seq order, each batch in one synchronous turn; so what is here at any moment is exactly the
 * state at the watermark. A snapshot never changes. A key has at most one version here. A scope without rows costs nothing, once no other keeps its block. However many rows a
 * flush or a drop takes away, they are gone from every answer in its turn; their memory is given back in later ones, a slice each.
 */
import type {Incarnation, ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';

/** A row version with its key, for passing into and out of the hot tier. Bytes are copied in, never out. */
export interface KeyedRow {
  readonly scope: ScopeKey;
  readonly key: Uint8Array;
  readonly row: RowBytes;
}

/** Inclusive bounds in key order; undefined = open. */
export interface KeyRange {
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
}

export interface HotSnapshot {
  readonly rowCount: number;
  readonly bytes: number;
  get(key: Uint8Array): RowBytes | undefined;
  /**
   * Rows in key order (or reverse), tombstones included. `visit` returns false to stop. `key` is only valid during the call; a `visit`
   * that declares the row as its only parameter is given an empty one, which spares a view per row. Answers the key of the row at which
   * the scan was stopped.
   */
  scan(range: KeyRange, reverse: boolean, visit: (row: RowBytes, key: Uint8Array) => boolean): Uint8Array | undefined;
  /** The same as an iterable, for slow consumers that pause between rows. */
  rows(range?: KeyRange): Iterable<{key: Uint8Array; row: RowBytes}>;
}

/** Per-scope counters, kept as rows come and go. */
export interface HotScopeStats {
  readonly scope: ScopeKey;
  readonly rowCount: number;
  readonly bytes: number;
  readonly minSeq: Seq;
  /** When the oldest row that is still here was applied, clock ms. */
  readonly oldestMs: number;
  readonly lastWriteMs: number;
}

export interface Hot {
  /** Puts a version in place of any older one of its key. `nowMs` is the clock, read once for all rows of a batch. */
  put(row: KeyedRow, nowMs: number): void;
  /** Newest version of the key, tombstones included. */
  get(scope: ScopeKey, key: Uint8Array): RowBytes | undefined;
  snapshot(scope: ScopeKey): HotSnapshot;
  /** The same for a flush, when no seq is above `boundary` yet: what comes after is counted apart, so that `retire` has nothing to count. */
  capture(scope: ScopeKey, boundary: Seq): HotSnapshot;
  /** Removes every key of the scope whose version has seq ≤ boundary: those are in a published segment now. O(rows) if not captured so. */
  retire(scope: ScopeKey, boundary: Seq): void;
  /** Frees a slice of what `retire` and `drop` took away; both do one themselves. Returns false when nothing is left. */
  sweep(): boolean;
  readonly isSweepDue: boolean;
  /** Removes one key, whatever its version (system tables). */
  remove(scope: ScopeKey, key: Uint8Array): void;
  /**
   * Removes rows from the low end of the key order: all with a key ≤ `through`, and as many more as the scope has above `rowsMax`. Returns
   * how many. O(rows removed + chunks).
   */
  trim(scope: ScopeKey, bounds: {readonly through: Uint8Array; readonly rowsMax: number}): number;
  /** Is there a row in the range? */
  has(scope: ScopeKey, range: KeyRange): boolean;
  /** Removes all scopes of one table life, which never comes again. */
  drop(incarnation: Incarnation): void;
  scopes(incarnation: Incarnation): IterableIterator<HotScopeStats>;
  /** The same without the counters. */
  scopeKeys(incarnation: Incarnation): IterableIterator<ScopeKey>;
  /** Bytes of the rows of one table life. */
  tableBytes(incarnation: Incarnation): number;
  /** Rows of one table life. O(1). */
  tableRows(incarnation: Incarnation): number;
  /** When one of them was last written, clock ms; 0 if there is none. */
  tableLastWriteMs(incarnation: Incarnation): number;
  scopeStats(scope: ScopeKey): HotScopeStats | undefined;
  /** Bytes of all slabs and indexes, free space in them included; what the memory budget looks at. */
  bytes(): number;
  /**
   * What `bytes` can be at most once slabs that are mostly dead are evacuated, and but for what few scopes keep of the table of scopes: a flush need not
   * go on for what only waits for that.
   */
  evacuatedBytes(): number;
  /** Bytes of the rows alone: about what a checkpoint of them takes. */
  liveBytes(): number;
  rowCount(): number;
  /** Every row of every scope of the table lives that `isTaken` names, for a checkpoint: captured now, readable in slices later. */
  captureAll(isTaken: (incarnation: Incarnation) => boolean): Iterable<KeyedRow>;
  /** Moves live rows out of slabs that are mostly dead, one slab a call. Returns false when there was nothing to do. */
  evacuateOne(): boolean;
}

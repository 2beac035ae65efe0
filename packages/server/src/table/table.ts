/**
 * Table: the query doors to rows. Everything above speaks to user rows through these and only with a `Scope`.
 *
 *     read    snapshot() ─ point(), scan()      hot over cold at one moment, newest version per key
 *     write   insert(), change()                latch keys → check → append → durable → visible → answer
 *
 * Laws: one statement reads one moment. A version is visible only once durable. Per key and scope there is at most one live row, under
 * any concurrency, over hot ∪ cold. Either all rows of a call are written or none. A key's writers queue until the one before them is
 * durable, so no answer ever depends on a write that could still be lost. Once its signal has fired a write appends nothing; what was appended before
 * is answered as what it became.
 */
import type {ColdFilter} from '../cold/cold.ts';
import type {KeyRange} from '../hot/hot.ts';
import type {Value} from '../model/datatype.ts';
import type {Seq} from '../model/names.ts';
import type {Row, RowBytes} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import type {Scope} from '../model/session.ts';
import type {WriteRow} from './commit.ts';

export interface ScanRequest {
  /** Of a change that knows its rows: only these keys, and nothing is scanned. */
  readonly points?: readonly Uint8Array[];
  readonly keys: KeyRange;
  readonly isReverse: boolean;
  /** Facts that let cold row groups be skipped; the caller still evaluates its whole predicate. */
  readonly bounds: ColdFilter['bounds'];
  /** Column indexes that will be read; undefined = all. */
  readonly columns: readonly number[] | undefined;
  readonly includeTombstones: boolean;
  /** Rows up to this seq may be left out; the caller still looks at each. */
  readonly afterSeq?: Seq;
}

/** One table at one moment. Hold it for one statement. */
export interface TableSnapshot {
  readonly schema: Schema;
  /** Rows of segments that are not dead; hot rows may hide some of them. */
  readonly coldRowCount: number;
  /** Newest version of the key: a live row, or undefined. Synchronous when the key is hot or nothing was flushed. */
  point(key: Uint8Array, includeTombstones: boolean): Row | undefined | Promise<Row | undefined>;
  /**
   * Rows in key order. `visit` is called row by row, with a cursor that is only valid during the call; returning false stops.
   * Returns a promise only if cold rows take part or the scan is long (it breathes every few thousand rows and looks at `signal`).
   */
  scan(request: ScanRequest, visit: (row: Row) => boolean, signal: AbortSignal): void | Promise<void>;
  /** Hot row count, cold row count, segments in all and after pruning: for EXPLAIN. */
  describe(request: ScanRequest): {
    hotRows: number;
    coldRows: number;
    segments: {name: string; rowCount: number; pruned: string | undefined}[];
  };
  /** The same moment as what it is made of, for an executor that reads files itself. */
  parts(): TableParts;
  /** Ends the hold on segment files. */
  close(): void;
}

/** Segments minus dead rows minus keys that are hot, plus hot rows. Good until the snapshot is closed. */
export interface TableParts {
  /** Every schema version that rows may have been written with. */
  readonly versions: readonly Schema[];
  readonly hotRowCount: number;
  /** In key order, with their keys, tombstones included. */
  hot(range: KeyRange): Iterable<{key: Uint8Array; row: RowBytes}>;
  readonly segments: readonly SegmentPart[];
  /** Why a segment holds no wanted row; undefined when it must be read. */
  pruned(segment: SegmentPart, filter: ColdFilter): string | undefined;
}

export interface SegmentPart {
  readonly name: string;
  readonly storageId: string;
  /** Below the storage's base. */
  readonly path: string;
  readonly schemaVersion: number;
  readonly rowCount: number;
  /** CRC-32 of the whole file. */
  readonly checksum: number;
  /** Positions of dead rows, sorted. */
  readonly dead: Uint32Array;
}

/**
 * What an UPDATE or DELETE decides for one newest row: new values in column order, 'delete', 'keep' = it is meant and stays as it is, undefined = it is
 * not meant.
 */
export type Change = (row: Row) => readonly Value[] | 'delete' | 'keep' | undefined;

/**
 * What becomes of a row that an INSERT proposes and whose key is taken: nothing, or what DO UPDATE makes of the row that has it; undefined = it stays,
 * as its WHERE does not hold. It may be asked again, so it must be pure.
 */
export type OnConflict =
  | 'nothing'
  | ((existing: Row, proposed: readonly Value[]) => readonly Value[] | 'keep' | undefined);

export interface WriteOptions {
  readonly signal: AbortSignal;
  /**
   * Shown each row that was meant, in order, before any of it is durable: its new version, the old one if it is deleted or stays. What it throws makes
   * nothing of the write. The row is good during the call alone.
   */
  readonly returning?: ((row: Row) => void) | undefined;
}

export interface InsertOptions extends WriteOptions {
  /** undefined: a taken key is an error. */
  readonly onConflict?: OnConflict | undefined;
}

export interface Tables {
  /** Throws SQL_EXECUTION_ERROR if the table was dropped meanwhile. */
  snapshot(scope: Scope, schema: Schema): TableSnapshot;
  /** Values in column order of `schema`, already of the right type. Throws or rejects with Already exists on a taken key. The rows written. */
  insert(
    scope: Scope,
    schema: Schema,
    rows: readonly (readonly Value[])[],
    options: InsertOptions,
  ): number | Promise<number>;
  /**
   * Scans `request`, offers each live row to `change`, and writes what it returns. `change` is called again on the newest version under
   * the key's latch, so it must be pure. Returns the number of rows written; a new version equal to the old is not written.
   */
  change(
    scope: Scope,
    schema: Schema,
    request: ScanRequest,
    change: Change,
    options: WriteOptions,
  ): number | Promise<number>;
}

/** The right to one scope, and what its rows look like. */
export interface Place {
  readonly scope: Scope;
  readonly schema: Schema;
}

export interface TransactionFacts {
  readonly moment: Seq;
  /** Versions that a commit would write. */
  readonly writeCount: number;
  /** Of all that it keeps. */
  readonly writeBytes: number;
  /** Written to. */
  readonly placeCount: number;
}

/** The same doors, over one moment and own writes: see `transaction.ts`. Whoever began it ends it, however it went. */
export interface Transaction extends Tables {
  readonly id: string;
  readonly facts: TransactionFacts;
  /** For a statement of several parts: they read what is there now, and none sees what another writes. No row may be written by two of them. */
  frozen(): Tables;
  savepoint(name: string): void;
  /** Throws if there is none of that name. It stays, those after it go. */
  rollbackTo(name: string): void;
  /** Throws if there is none of that name. Those after it go too. */
  release(name: string): void;
  /** Resolves when all of it is durable and visible, and `beside` with it. Throws WRITE_CONFLICT if somebody else wrote one of its keys since it began. */
  commit(signal: AbortSignal, beside?: readonly WriteRow[]): Promise<void>;
  end(): void;
}

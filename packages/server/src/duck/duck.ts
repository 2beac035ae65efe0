/**
 * Duck: the one door to DuckDB, which runs the queries that our own executor does not.
 *
 * DuckDB lives in child processes, never in the server: some of its calls escape its own memory limit and its interrupt. A child answers one
 * request at a time and keeps nothing of it: every request gets a fresh, empty, locked DuckDB instance that sees its relations as views.
 *
 *     query() ─ pool.ts: a free child, or a new one, or wait ─ frames over a socket pair ─ child.ts
 *         child: a view per relation = Parquet files − dead rows − keys that are hot ∪ hot rows ─ one SELECT ─ rows as JSON texts
 *
 * Laws: the SQL is made by us, never taken from outside; it is one SELECT, it reads its relations and nothing else. A child that does not stop
 * when it is told to is killed. `query` settles only when nobody reads the request's files any more. Whatever happens to a child, the
 * server goes on. DuckDB's own error texts stay inside (`errors.ts`).
 */
import type {DataType, Value} from '../model/datatype.ts';
import type {PackedRows} from '../model/packed-rows.ts';
import type {Schema} from '../model/schema.ts';
import {Pool} from './pool.ts';

/** A table as the SQL sees it: a view of that name over the newest version of each key. */
export interface Relation {
  /** Quoted in the SQL. */
  readonly name: string;
  /** The reader's schema: column ids, types, primary key (−1 = none). */
  readonly schema: Schema;
  /** Every schema version that files or hot rows use. */
  readonly versions: readonly Schema[];
  /** Indexes of the wanted columns, SEQ_INDEX and DELETED_INDEX among them; the view has them in this order, under their names. */
  readonly columns: readonly number[];
  readonly includeTombstones: boolean;
  readonly files: readonly RelationFile[];
  /** Hot rows with their tombstones, in chunks; taken while they are sent. Those flagged FLAG_COLD_PREDECESSOR hide their cold row. */
  readonly hot: Iterable<PackedRows> | AsyncIterable<PackedRows>;
}

export interface RelationFile {
  /** Absolute. */
  readonly path: string;
  readonly schemaVersion: number;
  /** CRC-32 of the whole file as the manifest lists it. */
  readonly checksum: number;
  /** Positions of dead rows, sorted. */
  readonly dead: Uint32Array;
}

export interface DuckRequest {
  /**
   * One SELECT. A WITH of the whole query stands first. Tables are relations or WITH queries, without a schema in front. Columns of the answer
   * have names given to them: DuckDB would make them of values, which fails for timestamps beyond its calendar.
   */
  readonly sql: string;
  /** `$1` is the first. The SQL uses each of them, and casts those that may be null. */
  readonly params: readonly {readonly type: DataType; readonly value: Value}[];
  readonly relations: readonly Relation[];
  /** Our own code that the SQL calls, by `programCall`. */
  readonly programs?: {readonly context: string; readonly list: readonly ProgramSpec[]};
  /** Type of each output column; the SQL casts to them, by `duckType`. */
  readonly outputs: readonly DataType[];
  /** The query is run, and its profile is the answer: one row of two texts, the second of them JSON. */
  readonly isProfiled?: true;
  /** Further rows are left out and the answer is marked as truncated. */
  readonly maxRows: number;
  /** More bytes of JSON are LIMIT_EXCEEDED. */
  readonly maxBytes: number;
}

/** A function of values that DuckDB has no form of. */
export interface ProgramSpec {
  /** What `loadProgram` of the program module makes it from. */
  readonly text: string;
  readonly args: readonly DataType[];
  readonly result: DataType;
}

/** Of the module that `DuckOptions.programModule` names. Values are in memory form; what it throws ends the query. */
export type LoadProgram = (text: string, context: string) => (values: readonly Value[]) => Value;

export interface DuckAnswer {
  /** One JSON array a row, of the fragments that `toJson` of `model/values.ts` makes. */
  readonly rows: string[];
  readonly isTruncated: boolean;
}

export interface DuckStats {
  readonly children: number;
  readonly pids: readonly number[];
  readonly running: number;
  readonly waiting: number;
  /** Since the start: */
  readonly queries: number;
  readonly childrenStarted: number;
  readonly childrenKilled: number;
  readonly childrenLost: number;
}

export interface Duck {
  /**
   * Aborting interrupts the query: it rejects with the signal's reason once the child has let go, `killAfterMs` later at most. Throws
   * QUERY_UNAVAILABLE (retryable) when the child dies or too many queries wait, DATA_CORRUPTED naming a damaged file, LIMIT_EXCEEDED when
   * memory does not suffice, and the errors of the query itself.
   */
  query(request: DuckRequest, signal: AbortSignal): Promise<DuckAnswer>;
  stats(): DuckStats;
  /** Fails what waits, stops what runs, and resolves when no child is left. */
  close(): Promise<void>;
}

export interface DuckLogger {
  warn(text: string): void;
}

export interface DuckOptions {
  readonly maxChildren: number;
  /** DuckDB's memory limit in each child. */
  readonly memoryBytes: number;
  /** Where segment files lie, at this moment: a child reaches no file outside of them. */
  readonly directories: () => readonly string[];
  /** A child without work ends after this. */
  readonly idleMs: number;
  /** From interrupt to kill. */
  readonly killAfterMs: number;
  /** Where large sorts and joins spill, at most `memoryBytes` of it per child; without it nothing spills. */
  readonly tempDirectory?: string;
  /** URL of the module that exports `loadProgram`; children import it when a query needs it. */
  readonly programModule?: string;
  readonly logger: DuckLogger;
}

/** Starts nothing: children come with the first query. */
export function openDuck(options: DuckOptions): Duck {
  return new Pool(options);
}

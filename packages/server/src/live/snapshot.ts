/**
 * Snapshot: the rows of a live query at one commit, in batches in the order of `_seq`, so that whoever breaks off knows by one seq what they have.
 *
 *     table at one moment ─ scan ─ the rows that match, lowest seqs first, as many as may be held ─ batches ─ scan again for the next ones …
 *
 * Laws: every batch is read from the same moment. What is held is bounded in bytes, however large the answer; the moment itself is let go as soon as
 * no row is left to be read.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Env} from '../expr/expr.ts';
import type {Seq} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import type {ScanRequest, TableSnapshot} from '../table/table.ts';
import {cellBytes} from './change-group.ts';
import type {LiveRow} from './live.ts';
import {type Compiled, cellsOf} from './shape.ts';

/** Rows that one scan may keep for the next batches. */
const HELD_BYTES_MAX = 2 * 1024 * 1024;
const NEWEST_BYTES_MAX = 8 * 1024 * 1024;

export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

export interface ReadBatch {
  readonly rows: readonly LiveRow[];
  readonly hasMore: boolean;
}

export interface Question {
  readonly compiled: Compiled;
  readonly env: Env;
}

export function matches({compiled: {where}, env}: Question, row: Row): boolean {
  return where === undefined || where(row, env) === true;
}

/** Where the query's rows can be; undefined: there can be none. */
export function scanRequest({compiled, env}: Question): ScanRequest | undefined {
  const {keys, bounds, isEmpty} = compiled.facts(env);
  if (isEmpty) return undefined;
  return {keys, bounds, columns: compiled.reads, isReverse: false, includeTombstones: false};
}

/** Keeps the rows of lowest seq, up to a number of bytes. */
export class LowestRows<T extends {readonly seq: Seq}> {
  readonly #bytesMax: number;
  readonly #bytesOf: (row: T) => number;
  #rows: T[] = [];
  #bytes = 0;
  /** Rows were left out. */
  isCut = false;

  constructor(bytesMax: number, bytesOf: (row: T) => number) {
    this.#bytesMax = bytesMax;
    this.#bytesOf = bytesOf;
  }

  add(row: T): void {
    this.#rows.push(row);
    this.#bytes += this.#bytesOf(row);
    // Sorting at each cut costs little when as much again is let in before the next.
    if (this.#bytes > 2 * this.#bytesMax) this.#cut();
  }

  sorted(): T[] {
    this.#cut();
    return this.#rows;
  }

  #cut(): void {
    this.#rows.sort(bySeq);
    if (this.#bytes <= this.#bytesMax) return;
    this.#bytes = 0;
    let count = 0;
    for (const row of this.#rows) {
      const bytes = this.#bytesOf(row);
      if (count > 0 && this.#bytes + bytes > this.#bytesMax) break;
      this.#bytes += bytes;
      count++;
    }
    if (count === this.#rows.length) return;
    this.isCut = true;
    this.#rows.length = count;
  }
}

export function bySeq(a: {readonly seq: Seq}, b: {readonly seq: Seq}): number {
  return a.seq < b.seq ? -1 : 1;
}

export class SnapshotReader {
  readonly #question: Question;
  readonly #newestRows: number | undefined;
  readonly #request: ScanRequest | undefined;
  #table: TableSnapshot | undefined;
  #held: LiveRow[] = [];
  /** Rows up to this seq were handed out or are held. */
  #readThrough: Seq = 0n;

  /** Takes over the snapshot. */
  constructor(table: TableSnapshot, question: Question, newestRows: number | undefined) {
    this.#question = question;
    this.#newestRows = newestRows;
    this.#request = newestRows === 0 ? undefined : scanRequest(question);
    if (this.#request === undefined) table.close();
    else this.#table = table;
  }

  /** At least one row, unless none is left. A promise if segments or very many rows are read. */
  read(limits: BatchLimits, signal: AbortSignal): ReadBatch | Promise<ReadBatch> {
    if (this.#held.length > 0 || this.#table === undefined) return this.#take(limits);
    const filling = this.#newestRows === undefined ? this.#fill(limits, signal) : this.#fillNewest(signal);
    return filling instanceof Promise ? filling.then(() => this.#take(limits)) : this.#take(limits);
  }

  close(): void {
    this.#table?.close();
    this.#table = undefined;
    this.#held = [];
  }

  #take({rows: rowsMax, bytes: bytesMax}: BatchLimits): ReadBatch {
    let count = 0;
    for (let bytes = 0; count < rowsMax && count < this.#held.length; count++) {
      bytes += cellBytes(this.#held[count]!.cells);
      if (count > 0 && bytes > bytesMax) break;
    }
    const rows = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return {rows, hasMore: this.#held.length > 0 || this.#table !== undefined};
  }

  #fill({bytes}: BatchLimits, signal: AbortSignal): void | Promise<void> {
    const lowest = new LowestRows<LiveRow>(Math.max(bytes, HELD_BYTES_MAX), row => cellBytes(row.cells));
    const after = this.#readThrough;
    const keep = () => {
      this.#held = lowest.sorted();
      if (lowest.isCut) this.#readThrough = this.#held.at(-1)!.seq;
      else this.#release();
    };
    const scanned = this.#scan(after, row => lowest.add(row), signal);
    return scanned instanceof Promise ? scanned.then(keep) : keep();
  }

  #fillNewest(signal: AbortSignal): void | Promise<void> {
    const rowsMax = this.#newestRows!;
    let rows: LiveRow[] = [];
    let bytes = 0;
    const cut = () => {
      rows = rows.sort(bySeq).slice(Math.max(0, rows.length - rowsMax));
      bytes = rows.reduce((sum, row) => sum + cellBytes(row.cells), 0);
      if (bytes <= NEWEST_BYTES_MAX) return;
      throw new DbError(
        'LIMIT_EXCEEDED',
        `The newest ${rowsMax} rows take more than ${NEWEST_BYTES_MAX} bytes; ask for fewer, or for batches.`,
      );
    };
    const add = (row: LiveRow) => {
      rows.push(row);
      bytes += cellBytes(row.cells);
      if (rows.length > 2 * rowsMax + 1000 || bytes > 2 * NEWEST_BYTES_MAX) cut();
    };
    const keep = () => {
      cut();
      this.#held = rows;
      this.#release();
    };
    const scanned = this.#scan(-1n, add, signal);
    return scanned instanceof Promise ? scanned.then(keep) : keep();
  }

  #scan(after: Seq, add: (row: LiveRow) => void, signal: AbortSignal): void | Promise<void> {
    const {compiled} = this.#question;
    const request = after > 0n ? {...this.#request!, afterSeq: after} : this.#request!;
    return this.#table!.scan(
      request,
      row => {
        const {seq} = row;
        if (seq > after && matches(this.#question, row)) add({seq, cells: cellsOf(compiled, row)});
        return true;
      },
      signal,
    );
  }

  #release(): void {
    this.#table?.close();
    this.#table = undefined;
  }
}

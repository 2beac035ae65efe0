/**
 * Row: one version of one row, wherever it lies: bytes in a slab, or columns of a Parquet row group.
 *
 * Column arguments are indexes into the columns of the *reader's* schema, not of the version that wrote the row: a row older
 * than a column reads the column's `initial`. A Row may be a moving cursor: keep values, never the Row, past the next step
 * of the iteration that gave it.
 */
import type {Value} from './datatype.ts';
import type {Seq} from './names.ts';

/** Bytes of one row version as `row-codec.ts` lays them out, at `offset` in `buffer`. */
export interface RowBytes {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly length: number;
}

export interface Row {
  readonly seq: Seq;
  readonly isTombstone: boolean;
  /** The value in memory form (`datatype.ts`). */
  value(column: number): Value;
  /** The value as it stands on the wire: a JSON fragment such as `42`, `"42"`, `"a\nb"`, `[1,2]` or `null`. */
  json(column: number): string;
}

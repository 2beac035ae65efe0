/**
 * Expr: a typed expression over one row, compiled to a function.
 *
 * Used by SELECT, UPDATE, DELETE, defaults, and later by live filters. Pure: the same inputs give the same value; clock, ids and
 * session come in through `Env`. Semantics are PostgreSQL's: three-valued logic, truncating integer division, errors on overflow and
 * division by zero, text ordered by bytes.
 */
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import type {Role} from '../model/session.ts';

/** What an expression may know besides its row. One per statement execution. */
export interface Env {
  readonly params: readonly Param[];
  /** Statement time, microseconds since the epoch: NOW() is one value per statement. */
  readonly nowMicros: bigint;
  readonly userId: string;
  readonly role: Role;
  /** One new value per call. */
  nextSnowflake(): bigint;
  uuidV7(): string;
  ulid(): string;
  random(): number;
}

/** A parameter as it came in JSON; numbers keep their text so that 64-bit integers and decimals stay exact. */
export type Param = null | boolean | string | {readonly number: string};

/** Compiled: the value of the expression for one row. Throws DbError for runtime errors (overflow, division by zero, bad cast). */
export type Eval = (row: Row, env: Env) => Value;

export interface TypedExpr {
  readonly type: DataType;
  readonly eval: Eval;
  /** Known without a row or an env. */
  readonly constant: {readonly value: Value} | undefined;
}

/**
 * Expr: a typed expression over one row, compiled to a function.
 *
 * Used by SELECT, UPDATE, DELETE, defaults, and later by live filters. Pure: the same inputs give the same value; clock, ids and
 * session come in through `Env`. Semantics are PostgreSQL's: three-valued logic, truncating integer division, errors on overflow and
 * division by zero, text ordered by bytes.
 *
 *     parser's Expr + ColumnScope ─ compile.ts ─ TypedExpr {type, eval}
 *                                    ├ operators.ts, like.ts, json.ts    what operators do
 *                                    ├ functions.ts, text-functions.ts   scalar functions as a table
 *                                    └ aggregates.ts                     aggregate functions as a table
 *     WHERE tree + env ─ key-range.ts ─ which keys and segments can hold wanted rows
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import type {Role} from '../model/session.ts';
import type {Expr, Node} from '../parser/ast.ts';

/** What an expression may know besides its row. One per statement execution. */
export interface Env {
  readonly params: readonly Param[];
  /** Statement time, microseconds since the epoch: NOW() is one value per statement. */
  readonly nowMicros: bigint;
  readonly userId: string;
  readonly role: Role;
  /** Where unqualified names of the statement are found. */
  readonly namespace: string;
  /** One new value per call. */
  nextSnowflake(): bigint;
  uuidV7(): string;
  uuidV4(): string;
  ulid(): string;
  random(): number;
}

/** A parameter as it came in JSON; numbers keep their text so that 64-bit integers and decimals stay exact, as do arrays and objects. */
export type Param = null | boolean | string | {readonly number: string} | {readonly json: string};

/** Compiled: the value of the expression for one row. Throws DbError for runtime errors (overflow, division by zero, bad cast). */
export type Eval = (row: Row, env: Env) => Value;

export interface TypedExpr {
  readonly type: DataType;
  readonly eval: Eval;
  /** Known without a row or an env. */
  readonly constant: {readonly value: Value} | undefined;
  /** What `eval` throws whenever it is called. Told when the plan is made, unless the expression stands in a branch that may not be taken. */
  readonly failure?: DbError;
  /** Index of the column this is, plain; SEQ_INDEX and DELETED_INDEX for the system columns. */
  readonly column?: number;
  /** Has no type of its own yet and takes that of its surroundings, like PostgreSQL's `unknown`. */
  readonly open?: OpenValue;
  /** Exact digits of a numeric literal, signed. */
  readonly digits?: string;
  /** The same for DuckDB; undefined where DuckDB has no form of exactly this meaning. Of the SQL type that `duckType` names. */
  readonly sql?: ((out: SqlWriter) => string) | undefined;
}

export type OpenValue =
  | {readonly kind: 'null'}
  | {readonly kind: 'string'; readonly text: string}
  | {readonly kind: 'param'; readonly index: number};

/** Takes part in one execution by DuckDB: gives the SQL of what the text alone cannot say. */
export interface SqlWriter {
  readonly env: Env;
  /** A value of exactly this type that the statement says: digits, or a parameter. */
  value(type: DataType, value: Value): string;
  /** The same for a value of this execution: always a parameter, so that the text is the same for the next one. */
  given(type: DataType, value: Value): string;
  /** A call of our own code for the expression, on the columns that it names. */
  program(expr: Expr, scope: ColumnScope, type: DataType): string;
  /** A call of our own conversion. */
  convert(sql: string, from: DataType, to: DataType): string;
}

/** Something in FROM whose columns have names. */
export interface Source {
  /** Lower case: the alias, or the table's name; undefined: its columns have no qualifier. */
  readonly name: string | undefined;
  /** Of a table without an alias. */
  readonly namespace: string | undefined;
  /** Of a table. */
  readonly schema: Schema | undefined;
  /** Columns that only a qualifier reaches, since a join merged them. Grows while FROM is read. */
  readonly hidden?: ReadonlySet<string>;
  /** Throws when several columns have this name. */
  find(name: string, node: Node): SourceColumn | undefined;
  /** In the order of `*`. */
  names(): readonly string[];
}

export interface SourceColumn {
  readonly type: DataType;
  /** Place in the row; in a table the index of the schema, SEQ_INDEX or DELETED_INDEX. */
  readonly index: number;
  readonly sql?: (out: SqlWriter) => string;
}

/** Which names an expression may use. */
export interface ColumnScope {
  /** Empty without FROM. */
  readonly sources: readonly Source[];
  /** Of the query around this one, where it may be looked at. */
  readonly outer?: ColumnScope | undefined;
  /** What stands left of the query in FROM and is not seen, as the word LATERAL is missing. */
  readonly beside?: readonly Source[];
  /** The statement, for line and column of errors. */
  readonly text: string;
  /** Types of parameters that no context decides, by index from 0; text when unknown. */
  readonly paramTypes?: readonly (DataType | undefined)[];
  /** Asked first for every node: aggregates and grouped columns are answered by the query that owns them. */
  readonly override?: (expr: Expr) => TypedExpr | undefined;
  /** The expression will be written as SQL, so every part gets `sql`. */
  readonly isForDuck?: boolean;
}

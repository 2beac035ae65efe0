/**
 * Schemas: what one version of a table looks like.
 *
 * Laws: `columns` holds the user's columns in CREATE TABLE order, later ADDs after them. System columns (`_seq`, `_deleted`)
 * are not in the list: they are appended wherever all columns are shown. Column ids are never reused within a table.
 * A schema version is kept while a record or a segment uses it.
 */
import type {DataType, Value} from './datatype.ts';
import type {Incarnation, TableName} from './names.ts';

/** What the kinds of tables are, for every room that treats them differently. */
export const TABLE_KINDS = {
  /** Each user sees a table of their own. */
  user: {isScoped: true, isDurable: true, isFlushed: true, hasDeleted: true},
  /** One table for all; its access level decides. */
  shared: {isScoped: false, isDurable: true, isFlushed: true, hasDeleted: true},
  /** Short-lived events of each user, in memory until their TTL is over. */
  stream: {isScoped: true, isDurable: false, isFlushed: false, hasDeleted: false},
  /** The server's own facts. */
  system: {isScoped: false, isDurable: true, isFlushed: false, hasDeleted: false},
} as const;

export type TableKindName = keyof typeof TABLE_KINDS;
export type AccessLevel = 'public' | 'private' | 'restricted' | 'dba';

/** How an omitted column is filled at INSERT. */
export type ColumnDefault =
  | {readonly kind: 'none'}
  | {readonly kind: 'literal'; readonly value: Value}
  | {
      readonly kind: 'function';
      readonly name:
        | 'NOW'
        | 'CURRENT_TIMESTAMP'
        | 'CURRENT_DATE'
        | 'SNOWFLAKE_ID'
        | 'UUID_V7'
        | 'GEN_RANDOM_UUID'
        | 'ULID'
        | 'CURRENT_USER';
    };

export interface Column {
  /** From 1, never reused; the Parquet field id. */
  readonly id: number;
  readonly name: string;
  readonly type: DataType;
  readonly isNullable: boolean;
  readonly default: ColumnDefault;
  /** What rows written before this column existed read as; null unless the column was added with a default. */
  readonly initial: Value;
  /** The types it had before, oldest first. */
  readonly formerTypes?: readonly FormerType[];
  readonly comment?: string;
}

export interface FormerType {
  readonly type: DataType;
  /** The last version of the schema in which the column had it. */
  readonly throughVersion: number;
}

/** Rows ≥ `rows` in the table, or the oldest unflushed row older than `seconds`; both given = whichever comes first. */
export interface FlushPolicy {
  readonly rows?: number;
  readonly seconds?: number;
}

export interface TableOptions {
  readonly storageId: string;
  readonly flushPolicy: FlushPolicy | null;
  readonly accessLevel: AccessLevel | null;
  readonly deletedRetentionHours: number;
  readonly ttlSeconds: number | null;
}

export interface Schema {
  readonly incarnation: Incarnation;
  readonly name: TableName;
  readonly kind: TableKindName;
  /** From 1; +1 at each effective ALTER. */
  readonly version: number;
  readonly columns: readonly Column[];
  /** Index in `columns`. -1 only for stream tables without a key. */
  readonly primaryKey: number;
  readonly options: TableOptions;
  /** Where its segments lie, when that is not by its name: it was renamed, or the folder of its name was in use. */
  readonly folder?: string;
  /** Microseconds since the epoch. */
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

/** Of one table, system columns not counted: every row and every plan knows them all. */
export const COLUMNS_MAX = 1000;

export const SEQ_COLUMN = '_seq';
export const DELETED_COLUMN = '_deleted';
/** Where the index of a column is wanted, the system columns have these. */
export const SEQ_INDEX = -1;
export const DELETED_INDEX = -2;

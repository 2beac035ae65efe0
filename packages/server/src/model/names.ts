/**
 * Branded ids: two strings or numbers of different meaning never mix.
 *
 * Laws: an incarnation id names one life of one table and only grows; names are stored lower case.
 */
declare const brand: unique symbol;
type Brand<T, Name extends string> = T & {readonly [brand]: Name};

/** Position of a version in the one commit order of the server: ((ms - 2024-01-01) << 22) | worker << 12 | counter. */
export type Seq = bigint;

/** One life of one table. DROP ends it; a table of the same name made later gets another. 1..63 are system tables. */
export type Incarnation = Brand<number, 'Incarnation'>;
export const FIRST_USER_INCARNATION = 64 as Incarnation;

/** 1..128 bytes of UTF-8, no NUL, `/`, `\` or `..`. */
export type UserId = Brand<string, 'UserId'>;

/** The owner of a scope: a user id, or `null` for tables that are not scoped. A tag, never the string "shared". */
export type Owner = UserId | null;

/** The place of one scope in log, hot and cold. It carries no authority: only rooms below the query doors use it. */
export interface ScopeKey {
  readonly incarnation: Incarnation;
  readonly owner: Owner;
}

/** A key for Maps: unique per scope, since user ids never contain NUL. */
export function scopeId(scope: ScopeKey): string {
  return scope.owner === null ? `${scope.incarnation}` : `${scope.incarnation}\0${scope.owner}`;
}

export interface TableName {
  readonly namespace: string;
  readonly table: string;
}

export function tableText(name: TableName): string {
  return `${name.namespace}.${name.table}`;
}

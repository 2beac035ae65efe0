/**
 * Branded ids: two strings or numbers of different meaning never mix.
 *
 * Laws: an incarnation id names one life of one table and only grows; names are stored lower case.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';

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

export const RESERVED_NAMESPACES: ReadonlySet<string> = new Set(
  'system sys root kalamdb kalam main default sql admin internal information_schema pg_catalog datafusion'.split(' '),
);

export const RESERVED_COLUMNS: ReadonlySet<string> = new Set(
  '_seq _deleted _id _row_id _rowid _key _updated _created _timestamp _version _hash'.split(' '),
);

/** Lower case. Words that would make a table or column unreadable in a statement. */
const RESERVED_WORDS: ReadonlySet<string> = new Set(
  `select from where group having order limit offset fetch union except intersect join inner left right full cross natural on using with
  window qualify lateral values set as and or not null true false case when then else end in is between like distinct all any exists cast
  into returning table tables tablespace index view schema database insert update delete create drop alter`.split(
    /\s+/,
  ),
);

const NAME_LENGTH_MAX = 64;
const USER_ID_BYTES_MAX = 128;

export function isReservedWord(word: string): boolean {
  return RESERVED_WORDS.has(word.toLowerCase());
}

/**
 * Refuses what cannot be the name of a namespace, table or column. `what` is `Name`, or says whose name it is and is put before the
 * reason: `Invalid column name 'x': Name cannot contain spaces`.
 */
export function checkName(text: string, what: string): void {
  const reason = wrongName(text);
  if (reason !== undefined) throw fail.invalidOperation(what === 'Name' ? reason : `${what}: ${reason}`);
}

function wrongName(text: string): string | undefined {
  if (text === '') return 'Name cannot be empty';
  const length = [...text].length;
  if (length > NAME_LENGTH_MAX) return `Name is too long (${length} characters, max ${NAME_LENGTH_MAX})`;
  if (text.startsWith('_')) return 'Name cannot start with underscore (reserved for system columns)';
  if (/^\d/.test(text)) return 'Name cannot start with a number';
  if (text.includes(' ')) return 'Name cannot contain spaces';
  if (!/^[A-Za-z0-9_]+$/.test(text)) {
    return `Name '${text}' contains invalid characters (only alphanumeric and underscore allowed)`;
  }
  if (isReservedWord(text)) return `Name '${text}' is a reserved SQL keyword and cannot be used`;
  return undefined;
}

/** Throws INVALID_INPUT for what cannot be a user id. */
export function checkUserId(text: string): UserId {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0 || bytes > USER_ID_BYTES_MAX) {
    throw new DbError('INVALID_INPUT', `A user id has 1 to ${USER_ID_BYTES_MAX} bytes, this one has ${bytes}.`);
  }
  if (text.includes('..') || /[/\\\x00-\x1f\x7f-\x9f]/.test(text) || !text.isWellFormed()) {
    throw new DbError('INVALID_INPUT', "A user id must not contain '..', '/', '\\' or control characters.");
  }
  return text as UserId;
}

/** The user id as one part of a path: everything but `[A-Za-z0-9_-]` is percent-encoded, byte by byte. */
export function pathComponent(userId: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(userId)) return userId;
  return Array.from(Buffer.from(userId), byte => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

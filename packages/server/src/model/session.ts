/**
 * Session: who asks. Minted by `auth/` alone, carried by every statement.
 *
 * `Scope` is authority: the brand that the query doors of `table/table.ts` demand. Holding one means that the right to read
 * or write that place was checked. It is unforgeable outside `auth/` because nothing else exports a way to make one.
 */
import type {Incarnation, Owner, UserId} from './names.ts';

export type Role = 'anonymous' | 'user' | 'service' | 'dba' | 'system';

export interface Session {
  readonly userId: UserId;
  readonly role: Role;
}

declare const scopeBrand: unique symbol;

/** The right to one scope of one table, granted to one session. */
export interface Scope {
  readonly [scopeBrand]: true;
  readonly incarnation: Incarnation;
  readonly owner: Owner;
}

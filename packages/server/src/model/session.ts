/**
 * Session: who asks. Minted by `auth/` alone, carried by every statement.
 *
 * A request makes a session and is soon over. Who keeps one for longer, as a socket does, asks `SessionWatch` before each use of it.
 *
 * `Scope` is authority: the brand that the query doors of `table/table.ts` demand. Holding one means that the right to read
 * or write that place was checked. It is unforgeable outside `auth/` because nothing else exports a way to make one.
 */
import type {Incarnation, Owner, UserId} from './names.ts';

export type Role = 'anonymous' | 'user' | 'service' | 'dba' | 'system';

export interface Session {
  readonly userId: UserId;
  readonly role: Role;
  readonly proof: Proof;
}

/** Why somebody was believed to be who they are. */
export type Proof =
  /** A caller of this machine said so, and there was no root password yet. */
  | {readonly kind: 'development'}
  /** A signed access token. */
  | {
      readonly kind: 'token';
      /** Undefined: a token made elsewhere with the server's secret. */
      readonly signInId: string | undefined;
      /** Who a trusted issuer says it is; undefined: the token was signed with the server's secret. */
      readonly identity?: string;
      readonly issuedAtMs: number;
      /** Wall clock. */
      readonly expiresAtMs: number;
    }
  /** EXECUTE AS: the statement acts as its user, and `actor` answers for it. */
  | {readonly kind: 'actor'; readonly actor: Session};

/**
 * Whether sessions that live longer than a request may still be used. They end when their user is dropped or gets another role, signs out or is
 * signed out (REVOKE SESSIONS, a replayed refresh token), when the token expires, and for development sign-in when root gets a password.
 */
export interface SessionWatch {
  /** Cheap enough for every message and every commit. */
  isStillValid(session: Session): boolean;
  /**
   * The listener is told whose sessions may have ended, in the turn in which that became durable; undefined: anybody's. Expiry is not told: it
   * stands in the token. Returns what ends the listening. The listener must not throw.
   */
  onSessionsChanged(listener: (userId: UserId | undefined) => void): () => void;
}

declare const scopeBrand: unique symbol;

/** The right to one scope of one table, granted to one session. */
export interface Scope {
  readonly [scopeBrand]: true;
  readonly incarnation: Incarnation;
  readonly owner: Owner;
}

/**
 * Auth: who asks, who they are, and what they may touch.
 *
 *     every request        Authorization ─ sessions.ts ─ Session
 *     every statement      Session ─ roles.ts, the matrix as data
 *     every table access   Session + Schema + read|write ─ scope.ts ─ Scope
 *
 * Who keeps a session for longer than a request watches it: `sessions.isStillValid`, `sessions.onSessionsChanged` (model/session.ts).
 *
 * Laws: only this room makes a Session or a Scope. What is true of accounts and sign-ins is what is durable.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Clock} from '../std/clock.ts';
import {Sessions} from './sessions.ts';
import {TokenSigner} from './token.ts';

export interface AuthOptions {
  /** That tokens are signed with. */
  readonly secret: string;
  /** The server can be reached from this machine alone. */
  readonly isLocal: boolean;
}

export interface Auth {
  readonly sessions: Sessions;
}

/** Before the log is replayed: `sessions.apply` folds its records. */
export function createAuth({secret, isLocal, clock}: AuthOptions & {clock: Clock}): Auth {
  return {sessions: new Sessions({signer: new TokenSigner(secret), clock, isLocal})};
}

/** Shipped in examples, or first in every list of guesses. */
const KNOWN_SECRETS = new Set(
  `CHANGE_ME_IN_PRODUCTION kalamdb-dev-secret-key-change-in-production your-secret-key-at-least-32-chars-change-me-in-production
  test secret password`.split(/\s+/),
);
const SECRET_LENGTH_MIN = 32;

/** Whether a secret that somebody chose could be guessed. */
export function isWeakSecret(secret: string): boolean {
  return secret.length < SECRET_LENGTH_MIN || KNOWN_SECRETS.has(secret);
}

/** A server that others can reach must not sign with what they can guess. */
export function checkSecret(secret: string, isLocal: boolean): void {
  if (isLocal || !isWeakSecret(secret)) return;
  throw new DbError(
    'INVALID_INPUT',
    `auth.jwt_secret must have at least ${SECRET_LENGTH_MIN} characters and be no example, since others can reach this server. Without one a random secret is made and kept.`,
  );
}

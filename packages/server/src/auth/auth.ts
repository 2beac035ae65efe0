/**
 * Auth: who asks, who they are, and what they may touch.
 *
 *     every request           Authorization ─ sessions.ts ─ Session
 *     every statement         Session ─ roles.ts, the matrix as data
 *     every table access      Session + Schema + read|write ─ scope.ts ─ Scope
 *     tokens of others        external-tokens.ts
 *     sign in, refresh, out   sign-in-desk.ts, which makes the tokens that the first line reads
 *     accounts                users.ts
 *     what was done           audit.ts
 *     asked again by key      idempotency-keys.ts
 *
 * Who keeps a session for longer than a request watches it: `sessions.isStillValid`, `sessions.onSessionsChanged` (model/session.ts).
 *
 * Laws: only this room makes a Session or a Scope. What is true of accounts and sign-ins is what is durable. Passwords are hashed away from the
 * event loop, and what an answer, an error or a duration tells is the same for an unknown name and a wrong password.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Hot} from '../hot/hot.ts';
import type {Clock, Ids} from '../std/clock.ts';
import type {Commit} from '../table/commit.ts';
import type {Latches} from '../table/latches.ts';
import {Audit} from './audit.ts';
import {type ExternalOptions, ExternalTokens} from './external-tokens.ts';
import {IdempotencyKeys, type IdempotencyLimits} from './idempotency-keys.ts';
import {type PasswordCost, Passwords} from './password.ts';
import type {PasswordPolicy} from './password-policy.ts';
import {Sessions} from './sessions.ts';
import {SignInDesk} from './sign-in-desk.ts';
import {TokenSigner} from './token.ts';
import {Users} from './users.ts';

export interface AuthOptions {
  /** The server can be reached from this machine alone. */
  readonly isLocal: boolean;
  readonly accessTokenMs: number;
  readonly external: ExternalOptions;
  readonly idempotency: IdempotencyLimits;
  readonly passwords: PasswordPolicy & {readonly cost: PasswordCost; readonly atOnce: number};
}

export interface Auth {
  readonly idempotency: IdempotencyKeys;
  readonly sessions: Sessions;
  readonly desk: SignInDesk;
  readonly users: Users;
  readonly audit: Audit;
  readonly passwords: Passwords;
}

/** What the log is folded into, and what reads tokens. */
export interface Identities {
  readonly sessions: Sessions;
  readonly signer: TokenSigner;
}

/** Before the log is replayed: `sessions.apply` folds its records. */
export function openIdentities(options: {secret: string; isLocal: boolean; clock: Clock}): Identities {
  const {secret, isLocal, clock} = options;
  const signer = new TokenSigner(secret);
  return {signer, sessions: new Sessions({signer, clock, isLocal})};
}

export function openAuth(
  {isLocal, accessTokenMs, external, idempotency: limits, passwords: asked}: AuthOptions,
  below: Identities & {
    hot: Hot;
    commit: Commit;
    latches: Latches;
    clock: Clock;
    ids: Ids;
    warn: (text: string) => void;
  },
): Auth {
  const {sessions} = below;
  const passwords = new Passwords({cost: asked.cost, atOnce: asked.atOnce});
  const audit = new Audit(below);
  const desk = new SignInDesk({...below, passwords, audit, isLocal, accessTokenMs});
  const users = new Users({...below, passwords, policy: asked, audit});
  sessions.external = new ExternalTokens(external, {...below, accounts: sessions.accounts, users});
  const idempotency = new IdempotencyKeys({...below, limits});
  return {sessions, desk, users, audit, passwords, idempotency};
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

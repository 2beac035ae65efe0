/**
 * Sessions: from what a caller shows to who they are, and whether they still are.
 *
 *     Authorization: Bearer … ─ known text? ─ yes: the same Session again, if it is still valid
 *                                           └ no: verify the token, look at the account and the family ─ Session
 *     development sign-in     ─ X-USER-ID ─ Session (role dba; without a name: root, role system)
 *     a token of a trusted issuer   ─ external-tokens.ts ─ Session
 *
 * Laws: every use of a token asks the accounts and families of this moment, so a dropped user or an ended family is refused at once; what is
 * remembered is only that the signature was right. Development sign-in ends for good when root has a password.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {checkUserId, type UserId} from '../model/names.ts';
import type {Session, SessionWatch} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import {Lru} from '../std/lru.ts';
import type {UserRecord} from '../system/users.ts';
import type {LogRecord} from '../table/record.ts';
import {Accounts, ROOT_ID} from './accounts.ts';
import type {ExternalTokens} from './external-tokens.ts';
import {SignIns} from './sign-ins.ts';
import {endOf, invalidCredentials, LEEWAY_SECONDS, type TokenSigner} from './token.ts';

const CACHE_BYTES = 4 * 1024 * 1024;
const DEVELOPMENT = {kind: 'development'} as const;
const ROOT: Session = {userId: ROOT_ID, role: 'system', proof: DEVELOPMENT};
/** Of what the server does by itself. */
export const SERVER_SESSION: Session = {...ROOT, userId: 'system' as UserId};

/** The caller of a server without a root password. `userId` as it was sent. Throws if it is not a valid user id. */
export function developmentSession(userId: string | undefined): Session {
  return userId === undefined ? ROOT : {userId: checkUserId(userId), role: 'dba', proof: DEVELOPMENT};
}

interface SessionsOptions {
  readonly signer: TokenSigner;
  readonly clock: Clock;
  /** The server can be reached from this machine alone. */
  readonly isLocal: boolean;
}

type Listener = (userId: UserId | undefined) => void;

export class Sessions implements SessionWatch {
  readonly accounts = new Accounts();
  readonly signIns = new SignIns();
  readonly #signer: TokenSigner;
  readonly #clock: Clock;
  readonly #isLocal: boolean;
  /** By the whole header: what is asked of it in every request is one look. */
  readonly #known = new Lru<string, Session>(CACHE_BYTES);
  readonly #listeners = new Set<Listener>();
  /** Judges tokens of others; undefined: nobody else is trusted. */
  external: ExternalTokens | undefined;

  constructor({signer, clock, isLocal}: SessionsOptions) {
    this.#signer = signer;
    this.#clock = clock;
    this.#isLocal = isLocal;
  }

  /** Folds a record of the log, then tells who listens. */
  apply(record: LogRecord): void {
    const wasDevelopment = this.accounts.needsSetup;
    const userId = this.accounts.apply(record) ?? this.signIns.apply(record);
    if (userId === undefined) return;
    const told = wasDevelopment && !this.accounts.needsSetup ? undefined : userId;
    for (const listener of this.#listeners) listener(told);
  }

  /** Callers of this machine name themselves, since nobody has a password that could be asked for. */
  get isDevelopment(): boolean {
    return this.#isLocal && this.accounts.needsSetup;
  }

  /**
   * The caller by the `Authorization` header; a promise if a trusted issuer has to be asked first. Undefined: it shows nothing that needs to be proved,
   * which is only so in development. Throws or rejects with INVALID_CREDENTIALS, TOKEN_EXPIRED, MISSING_AUTHORIZATION, SETUP_REQUIRED or
   * AUTHENTICATION_ERROR.
   */
  authenticate(authorization: string | undefined): Session | Promise<Session> | undefined {
    if (authorization === undefined) {
      if (this.isDevelopment) return undefined;
      if (this.accounts.needsSetup) throw setupRequired();
      throw new DbError('MISSING_AUTHORIZATION', 'Authentication required');
    }
    const known = this.#known.get(authorization);
    if (known !== undefined && this.isStillValid(known)) return known;
    const token = /^Bearer(?: +(.*))?$/.exec(authorization);
    if (token === null) throw invalidCredentials();
    const text = token[1] ?? '';
    if (this.isDevelopment && !LOOKS_LIKE_TOKEN.test(text)) return undefined;
    const session = this.external?.takes(text) ? this.#authenticateExternal(text) : this.authenticateBearer(text);
    if (session instanceof Promise) return session.then(found => this.#remember(authorization, found));
    return this.#remember(authorization, session);
  }

  #remember(authorization: string, session: Session): Session {
    this.#known.set(authorization, session, authorization.length + SESSION_BYTES);
    return session;
  }

  #authenticateExternal(token: string): Session | Promise<Session> {
    if (!this.#isLocal && this.accounts.needsSetup) throw setupRequired();
    const admit = (session: Session) => {
      if (!this.isStillValid(session)) throw invalidCredentials();
      return session;
    };
    const session = this.external!.authenticate(token);
    return session instanceof Promise ? session.then(admit) : admit(session);
  }

  /** The caller by an access token of this server alone. Throws like `authenticate`. */
  authenticateBearer(token: string): Session {
    if (!this.#isLocal && this.accounts.needsSetup) throw setupRequired();
    const claims = this.#signer.verify(token, this.#clock.nowMs());
    if (claims.token_type !== 'access') throw invalidCredentials();
    const session: Session = {
      userId: claims.sub as UserId,
      role: claims.role,
      proof: {kind: 'token', signInId: claims.sid, issuedAtMs: claims.iat * 1000, expiresAtMs: endOf(claims)},
    };
    if (!this.isStillValid(session)) throw invalidCredentials();
    return session;
  }

  isStillValid({userId, role, proof}: Session): boolean {
    switch (proof.kind) {
      case 'development':
        return this.isDevelopment;
      case 'actor':
        return this.isStillValid(proof.actor);
      case 'token': {
        if (this.#clock.nowMs() >= proof.expiresAtMs || this.accounts.living(userId)?.role !== role) return false;
        if (proof.signInId !== undefined) return this.signIns.family(proof.signInId)?.user_id === userId;
        const {identity} = proof;
        if (identity === undefined && isOlder(proof, this.accounts.living(userId)!)) return false;
        if (identity !== undefined && !this.accounts.isOf(identity, userId)) return false;
        const endedAt = this.signIns.endedAt(userId);
        return endedAt === undefined || BigInt(Math.floor(proof.issuedAtMs)) * 1000n > endedAt;
      }
      default:
        throw new TypeError(`unknown proof ${proof satisfies never}`);
    }
  }

  onSessionsChanged(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** A token that was made before its account is of another that had the id; root has always been there, and clocks differ. */
function isOlder({issuedAtMs}: {issuedAtMs: number}, {user_id, created_at}: UserRecord): boolean {
  return user_id !== ROOT_ID && issuedAtMs + LEEWAY_MS < Number(created_at) / 1000;
}

const LEEWAY_MS = LEEWAY_SECONDS * 1000;
/** Of an entry besides the text of its header. */
const SESSION_BYTES = 512;
/** Three parts: whoever sends that means it as proof, in development too. */
const LOOKS_LIKE_TOKEN = /^[^.\s]+\.[^.\s]+\.[^.\s]*$/;

function setupRequired(): DbError {
  return new DbError('SETUP_REQUIRED', 'This server is not set up: give root a password first.');
}

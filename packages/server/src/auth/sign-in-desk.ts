/**
 * Sign-in desk: passwords in, tokens out.
 *
 *     signIn    name, password ─ back-off ─ check ─ one batch: family, last_login_at, audit ─ access and refresh token
 *     refresh   refresh token  ─ the family's newest? yes ─ the next pair
 *                                                      no ─ it was used before, here or by a thief: the family ends
 *     signOut   any token of a family ─ the family ends
 *
 * Laws: an unknown name, a wrong password and an account without one are answered alike, after the same work. A refresh token is good once. Tokens
 * leave only when what they rest on is durable.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Role} from '../model/session.ts';
import type {Clock, Ids} from '../std/clock.ts';
import {newUlid} from '../std/ids.ts';
import type {SignInRecord} from '../system/sign-ins.ts';
import type {UserRecord} from '../system/users.ts';
import type {Commit, WriteBatch} from '../table/commit.ts';
import type {Latches} from '../table/latches.ts';
import {ROOT_ID, USERS_PLACE, userRow} from './accounts.ts';
import type {Audit} from './audit.ts';
import {BackOff} from './back-off.ts';
import type {Passwords} from './password.ts';
import {isAdmin} from './roles.ts';
import type {Sessions} from './sessions.ts';
import {removed, signInRow} from './sign-ins.ts';
import {type Claims, invalidCredentials, type TokenSigner} from './token.ts';

/** Of one user; the one that signed in longest ago makes room. */
const FAMILIES_MAX = 1000;
/** Sign-ins of one name from one address at the same time. */
const LINE_MAX = 64;
/** Lives of an access token. */
const REFRESH_LIVES = 7;
const LOCKED_MS = 60_000;

/** Where a caller is. */
export interface Caller {
  /** What limits are counted by: an address, or the network of one. */
  readonly address: string;
  /** A program on this machine. */
  readonly isLocal: boolean;
}

export interface SignedIn {
  readonly account: UserRecord;
  readonly accessToken: string;
  readonly expiresAtMs: number;
  readonly refreshToken: string;
  readonly refreshExpiresAtMs: number;
}

interface SignInDeskOptions {
  readonly sessions: Sessions;
  readonly signer: TokenSigner;
  readonly passwords: Passwords;
  readonly audit: Audit;
  readonly commit: Commit;
  readonly latches: Latches;
  readonly clock: Clock;
  readonly ids: Ids;
  /** The server can be reached from this machine alone. */
  readonly isLocal: boolean;
  readonly accessTokenMs: number;
}

export class SignInDesk {
  readonly #options: SignInDeskOptions;
  readonly #backOff: BackOff;
  /** Sign-ins that are not answered yet, by name and address. */
  readonly #waiting = new Map<string, number>();

  constructor(options: SignInDeskOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.clock);
  }

  /** Throws INVALID_CREDENTIALS, ACCOUNT_LOCKED, SETUP_REQUIRED, INSUFFICIENT_PERMISSIONS or RATE_LIMIT_EXCEEDED. */
  async signIn(name: string, password: string, caller: Caller): Promise<SignedIn> {
    const {accounts} = this.#options.sessions;
    if (accounts.needsSetup && (!this.#options.isLocal || (name === ROOT_ID && password === ''))) {
      throw new DbError('SETUP_REQUIRED', 'This server is not set up: give root a password first.');
    }
    // One after the other, so that no more of them are looked at than may fail.
    const line = `${name}\0${caller.address}`;
    const waiting = this.#waiting.get(line) ?? 0;
    if (waiting >= LINE_MAX)
      throw new DbError('RATE_LIMIT_EXCEEDED', 'Too many sign-ins wait for this name; try again.');
    this.#waiting.set(line, waiting + 1);
    const release = await this.#options.latches.acquire('sign-in', [line]);
    try {
      const account = await this.#check(name, password, caller);
      return await this.#begin(account, password, caller);
    } finally {
      const left = this.#waiting.get(line)! - 1;
      if (left === 0) this.#waiting.delete(line);
      else this.#waiting.set(line, left);
      release();
    }
  }

  /** Throws INVALID_CREDENTIALS or TOKEN_EXPIRED. */
  async refresh(token: string, caller: Caller): Promise<SignedIn> {
    const {signer, clock, sessions, audit, commit} = this.#options;
    const claims = signer.verify(token, clock.nowMs());
    if (claims.token_type !== 'refresh') throw refused('Refresh endpoint requires a refresh token');
    return this.#alone(claims.sub, async () => {
      const account = sessions.accounts.living(claims.sub);
      if (account === undefined || account.role !== claims.role) throw refused('User no longer valid');
      const family = claims.sid === undefined ? undefined : sessions.signIns.family(claims.sid);
      if (family?.user_id !== claims.sub) throw invalidCredentials();
      if (claims.jti !== family.refresh_id) {
        const told = {actor: claims.sub, action: 'REFRESH_REPLAYED', target: 'session', subject: claims.sub};
        const row = audit.row({...told, address: caller.address, result: 'INVALID_CREDENTIALS'});
        await commit.write({rows: [row], removes: [removed(family.sign_in_id)], isUrgent: true});
        throw invalidCredentials();
      }
      return this.#grant(account, family.sign_in_id, family.signed_in_at, {});
    });
  }

  /** Ends the family of a token that this server signed, expired or not; anything else ends nothing. */
  async signOut(token: string, caller: Caller): Promise<void> {
    const {signer, sessions, audit, commit} = this.#options;
    const claims = signer.read(token);
    const family = claims?.sid === undefined ? undefined : sessions.signIns.family(claims.sid);
    if (family === undefined || family.user_id !== claims?.sub) return;
    const row = audit.row({
      ...{actor: family.user_id, action: 'LOGOUT', target: 'session', subject: family.user_id},
      ...{address: caller.address, result: 'success'},
    });
    const rows = isAdmin({role: claims.role}) ? [row] : [];
    await commit.write({rows, removes: [removed(family.sign_in_id)], isUrgent: true});
  }

  /** Forgets families whose refresh token has expired. */
  async prune(): Promise<void> {
    const now = BigInt(this.#options.clock.nowMs()) * 1000n;
    const over = [...this.#options.sessions.signIns.families()].filter(
      ({expires_at: end}) => end !== null && end < now,
    );
    for (let i = 0; i < over.length; i += PRUNED_AT_ONCE) {
      const some = over.slice(i, i + PRUNED_AT_ONCE);
      await this.#options.commit.write({removes: some.map(family => removed(family.sign_in_id)), isUrgent: true});
    }
  }

  /** The account, if the password is right. */
  async #check(name: string, password: string, caller: Caller): Promise<UserRecord> {
    const {sessions, passwords, audit} = this.#options;
    const waitMs = this.#backOff.waitMs(name, caller.address);
    if (waitMs > 0) throw locked(waitMs);
    const account = sessions.accounts.living(name);
    const stored = account === undefined || account.auth_type === 'OAuth' ? '' : account.password_hash;
    if (stored === '' && account?.role === 'system' && !caller.isLocal)
      throw new DbError(
        'INSUFFICIENT_PERMISSIONS',
        'This account has no password, so it signs in on the machine itself.',
      );
    const isRight = await passwords.verify(stored || undefined, password, caller.address);
    // It may have been dropped or have got another password meanwhile.
    const now = sessions.accounts.living(name);
    if (isRight && now !== undefined && now.password_hash === stored) {
      this.#backOff.succeed(name, caller.address);
      return now;
    }
    if (this.#backOff.fail(name, caller.address)) {
      // What a stranger typed for a name may be a password.
      const who = now === undefined ? {actor: 'unknown'} : {actor: name, subject: name};
      const told = {
        ...who,
        action: 'LOGIN_LOCKED',
        target: 'session',
        address: caller.address,
        result: 'ACCOUNT_LOCKED',
      };
      await audit.writeOnce({...told, details: 'Too many wrong passwords from this address'}, LOCKED_MS);
    }
    throw invalidCredentials();
  }

  #begin(checked: UserRecord, password: string, caller: Caller): Promise<SignedIn> {
    const {passwords, sessions, audit, clock, ids} = this.#options;
    return this.#alone(checked.user_id, async () => {
      const account = sessions.accounts.living(checked.user_id);
      if (account === undefined || account.password_hash !== checked.password_hash) throw invalidCredentials();
      const isOutdated = passwords.isOutdated(account.password_hash);
      const hash = isOutdated ? await passwords.hash(password, caller.address) : account.password_hash;
      const now = BigInt(clock.nowMs()) * 1000n;
      const rows = [userRow({...account, password_hash: hash, failed_login_attempts: 0, last_login_at: now})];
      if (isAdmin({role: account.role as Role})) {
        const told = {actor: account.user_id, action: 'LOGIN', target: 'session', subject: account.user_id};
        rows.push(audit.row({...told, address: caller.address, result: 'success'}));
      }
      const all = sessions.signIns.familiesOf(account.user_id);
      const removes = all.slice(0, Math.max(0, all.length - FAMILIES_MAX + 1)).map(one => removed(one.sign_in_id));
      return this.#grant(account, newUlid(clock, ids), now, {rows, removes});
    });
  }

  /** The next pair of tokens of a family, which is there or comes to be. `batch` is written with it. */
  async #grant(account: UserRecord, sid: string, signedInAt: bigint, batch: WriteBatch): Promise<SignedIn> {
    const {clock, ids, signer, commit, accessTokenMs} = this.#options;
    const iat = Math.floor(clock.nowMs() / 1000);
    const lifeSeconds = Math.floor(accessTokenMs / 1000);
    const [exp, refreshExp] = [iat + lifeSeconds, iat + lifeSeconds * REFRESH_LIVES];
    const refreshId = newUlid(clock, ids);
    const row: SignInRecord = {
      ...{sign_in_id: sid, user_id: account.user_id, refresh_id: refreshId, signed_in_at: signedInAt},
      ...{refreshed_at: BigInt(iat) * 1_000_000n, expires_at: BigInt(refreshExp) * 1_000_000n},
    };
    await commit.write({...batch, rows: [...(batch.rows ?? []), signInRow(row)]});
    const facts = {sub: account.user_id, role: account.role as Role, email: account.email, iat, sid};
    const access: Claims = {...facts, token_type: 'access', exp, jti: newUlid(clock, ids)};
    const refresh: Claims = {...facts, token_type: 'refresh', exp: refreshExp, jti: refreshId};
    return {
      account,
      accessToken: signer.sign(access),
      expiresAtMs: exp * 1000,
      refreshToken: signer.sign(refresh),
      refreshExpiresAtMs: refreshExp * 1000,
    };
  }

  async #alone<T>(userId: string, work: () => Promise<T>): Promise<T> {
    const release = await this.#options.latches.acquire(USERS_PLACE, [userId]);
    try {
      return await work();
    } finally {
      release();
    }
  }
}

const PRUNED_AT_ONCE = 1000;

function refused(why: string): DbError {
  return new DbError('INVALID_CREDENTIALS', why);
}

function locked(waitMs: number): DbError {
  return new DbError('ACCOUNT_LOCKED', `Account locked. Try again in ${Math.ceil(waitMs / 60_000)} minute(s)`);
}

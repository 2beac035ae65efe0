/**
 * Auth: who the client is, and the token that says so.
 *
 *     auth provider ─ credentials ─ basic: sign in ─┐
 *                                 ─ jwt ────────────┼─ access token ─ due, or refused by the server ─┐
 *                     refresh token: refresh ───────┘←────────────────────────────────────────────────┘
 *
 * Laws: at most one request for a token is under way, whoever asks. A token the server refused is not used again; where there is no other,
 *       the error says so and is final. How long a token is good is measured from its arrival by its own times, so a wrong clock does no harm.
 */
import {type Backoff, backoffMs} from './backoff.ts';
import type {TokenDoor} from './connection.ts';
import {KalamError, toKalamError} from './error.ts';
import type {LoginResponse} from './http.ts';
import type {Environment} from './std/environment.ts';

export type Credentials =
  | {readonly type: 'basic'; readonly username: string; readonly password: string}
  | {readonly type: 'jwt'; readonly token: string}
  | {readonly type: 'none'};

/** Asked whenever a token is needed and none is left: at first, and when the last was refused. */
export type AuthProvider = () => Credentials | Promise<Credentials>;

export const Auth = {
  /** A user of the server. The password is exchanged for a token, and sent with no other request. */
  basic: (username: string, password: string): Credentials => ({type: 'basic', username, password}),
  jwt: (token: string): Credentials => ({type: 'jwt', token}),
  /** For servers with development sign-in, which take every caller of their machine. */
  none: (): Credentials => ({type: 'none'}),
};

export interface AuthDoor {
  login(username: string, password: string): Promise<LoginResponse>;
  refresh(refreshToken: string): Promise<LoginResponse>;
}

export interface TokenSettings {
  readonly provider: AuthProvider;
  /** How often a failing provider is asked in a row. */
  readonly attemptsMax: number;
  readonly backoff: Backoff;
}

/** A token is replaced when so much of its life is left, at most this long before its end. */
const DUE_SHARE = 0.1;
const DUE_MS_MAX = 60_000;

export class Tokens implements TokenDoor {
  readonly #environment: Environment;
  readonly #door: AuthDoor;
  readonly #settings: TokenSettings;
  #access: {readonly token: string; readonly dueMs: number} | undefined;
  #refresh: string | undefined;
  #refused: string | undefined;
  #asking: Promise<string> | undefined;

  constructor(environment: Environment, door: AuthDoor, settings: TokenSettings) {
    this.#environment = environment;
    this.#door = door;
    this.#settings = settings;
  }

  current(): Promise<string> {
    if (this.#access !== undefined && !this.isDue()) return Promise.resolve(this.#access.token);
    this.#asking ??= this.#renewOrKeep().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** One that is due and not over serves until another can be had. */
  async #renewOrKeep(): Promise<string> {
    try {
      return await this.#renew();
    } catch (thrown) {
      if (this.#access === undefined || !toKalamError(thrown).retryable) throw thrown;
      return this.#access.token;
    }
  }

  isDue(): boolean {
    return this.#access !== undefined && this.#environment.nowMs() >= this.#access.dueMs;
  }

  forget(token: string): void {
    if (this.#access?.token !== token) return;
    this.#refused = token;
    this.#access = undefined;
  }

  /** As a sign-in answered. */
  keep({access_token, refresh_token}: LoginResponse): string {
    this.#refresh = refresh_token;
    return this.#keepAccess(access_token);
  }

  async #renew(): Promise<string> {
    const refreshed = await this.#tryRefresh();
    if (refreshed !== undefined) return refreshed;
    const credentials = await this.#askProvider();
    switch (credentials.type) {
      case 'basic':
        return this.keep(await this.#door.login(credentials.username, credentials.password));
      case 'jwt':
        if (credentials.token === this.#refused)
          throw new KalamError('TOKEN_REJECTED', 'The server refused the token, and the auth provider has no other.');
        return this.#keepAccess(credentials.token);
      case 'none':
        if (this.#refused === '')
          throw new KalamError('TOKEN_REJECTED', 'The server wants a sign-in, and the auth provider has none.');
        return this.#keepAccess('');
      default:
        credentials satisfies never;
        throw new KalamError('INVALID_ARGUMENT', 'The auth provider must answer Auth.basic, Auth.jwt or Auth.none.');
    }
  }

  /** Undefined if there is no refresh token, or it is good no more. A server that cannot be reached is an error. */
  async #tryRefresh(): Promise<string | undefined> {
    const refresh = this.#refresh;
    if (refresh === undefined) return undefined;
    try {
      return this.keep(await this.#door.refresh(refresh));
    } catch (thrown) {
      const error = toKalamError(thrown);
      if (error.retryable || error.status === undefined) throw error;
      this.#refresh = undefined;
      return undefined;
    }
  }

  async #askProvider(): Promise<Credentials> {
    const {provider, attemptsMax, backoff} = this.#settings;
    for (let attempt = 1; ; attempt++) {
      try {
        return await provider();
      } catch (thrown) {
        if (attempt >= attemptsMax || (thrown instanceof KalamError && !thrown.retryable)) throw toKalamError(thrown);
        const delayMs = backoffMs(backoff, attempt, this.#environment.random());
        await new Promise<void>(resolve => this.#environment.setTimer(delayMs, resolve));
      }
    }
  }

  #keepAccess(token: string): string {
    const lifeMs = lifeOf(token);
    const leftMs = lifeMs - Math.min(DUE_MS_MAX, lifeMs * DUE_SHARE);
    this.#access = {token, dueMs: this.#environment.nowMs() + leftMs};
    return token;
  }
}

/** Milliseconds from issue to expiry; endless where the token does not tell. */
function lifeOf(token: string): number {
  try {
    const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const {iat, exp} = JSON.parse(atob(payload)) as {iat?: unknown; exp?: unknown};
    if (typeof iat === 'number' && typeof exp === 'number' && exp > iat) return (exp - iat) * 1000;
  } catch {
    // Not a JWT, or not one that can be read here: the server will say when it is over.
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * Rate limits: how much one client, and one user, may ask in a second.
 *
 *     request ─ address banned?   ─ yes: 429 IP_BANNED
 *             ─ address's bucket  ─ empty: 429 RATE_LIMIT_EXCEEDED, and a violation; every tenth is a ban that grows with their number
 *             ─ sign-in routes: a smaller bucket of the address
 *             ─ statements: the user's bucket ─ empty: 429 RATE_LIMIT_EXCEEDED in the SQL envelope
 *
 * A bucket holds what may be asked in one second and fills evenly; buckets begin full. Addresses are counted by `limitKey`: of IPv6 a /64.
 * Programs of this machine are exempt unless told otherwise, so most requests of an application server beside it pay nothing.
 *
 * Laws: memory is bounded whatever strangers send (std/recent-map.ts): who is forgotten begins anew, and whoever has enough addresses to make
 * others forgotten could use those as well. Time is the monotonic clock of the server.
 */
import {RecentMap} from '../std/recent-map.ts';
import {type Client, limitKey} from './client.ts';
import type {Refusal} from './refusal.ts';

export interface RateLimitOptions {
  readonly isOn: boolean;
  readonly isLocalExempt: boolean;
  readonly requestsPerSecond: number;
  readonly signInsPerSecond: number;
  readonly queriesPerSecond: number;
  readonly connectionsPerAddress: number;
  readonly banMs: number;
  /** Violations that make a ban; 0 = nobody is banned. */
  readonly banAfter: number;
  /** A violation is forgotten after so long without another. */
  readonly forgetMs: number;
  /** Addresses, and users, that are remembered. */
  readonly rememberedMax: number;
}

/** Refills evenly: in one second by what is allowed in it, up to that or to `most`. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number, most = perSecond) {
    this.#perMs = perSecond / 1000;
    this.#most = most;
    this.#tokens = most;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#most, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Until there is one to take, as of the last `take`. */
  get waitMs(): number {
    return Math.ceil(Math.max(0, (1 - this.#tokens) / this.#perMs));
  }
}

const BAN_FACTOR_MAX = 6;
const SLOW_DOWN: Refusal = {code: 'RATE_LIMIT_EXCEEDED'};

/** What one address has used up. */
export class AddressLimit {
  readonly #options: RateLimitOptions;
  readonly #requests: TokenBucket;
  readonly #signIns: TokenBucket;
  #violations = 0;
  #violatedMs = 0;
  #bannedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: RateLimitOptions, nowMs: number) {
    this.#options = options;
    this.#requests = new TokenBucket(options.requestsPerSecond, nowMs);
    this.#signIns = new TokenBucket(options.signInsPerSecond, nowMs);
  }

  isBanned(nowMs: number): boolean {
    return nowMs < this.#bannedUntilMs;
  }

  /** Whether a request may be served, without a word to the one that may not. */
  tryRequest(nowMs: number): boolean {
    return !this.isBanned(nowMs) && this.#requests.take(nowMs);
  }

  takeRequest(nowMs: number): Refusal | undefined {
    return this.banOf(nowMs) ?? (this.#requests.take(nowMs) ? undefined : this.#violate(nowMs));
  }

  takeSignIn(nowMs: number): Refusal | undefined {
    return this.banOf(nowMs) ?? (this.#signIns.take(nowMs) ? undefined : this.#violate(nowMs));
  }

  banOf(nowMs: number): Refusal | undefined {
    if (!this.isBanned(nowMs)) return undefined;
    return {code: 'IP_BANNED', seconds: Math.ceil((this.#bannedUntilMs - nowMs) / 1000)};
  }

  #violate(nowMs: number): Refusal {
    const {banAfter, banMs, forgetMs} = this.#options;
    const sinceMs = nowMs - Math.max(this.#violatedMs, this.#bannedUntilMs);
    this.#violations = sinceMs > forgetMs ? 1 : this.#violations + 1;
    this.#violatedMs = nowMs;
    if (banAfter === 0 || this.#violations % banAfter !== 0) return SLOW_DOWN;
    this.#bannedUntilMs = nowMs + banMs * Math.min(this.#violations / banAfter, BAN_FACTOR_MAX);
    return this.banOf(nowMs) ?? SLOW_DOWN;
  }
}

export class RateLimits {
  readonly options: RateLimitOptions;
  readonly #nowMs: () => number;
  readonly #addresses: RecentMap<string, AddressLimit>;
  readonly #users: RecentMap<string, TokenBucket>;

  constructor(options: RateLimitOptions, nowMs: () => number) {
    this.options = options;
    this.#nowMs = nowMs;
    const {rememberedMax, queriesPerSecond} = options;
    this.#addresses = new RecentMap(rememberedMax, () => new AddressLimit(options, nowMs()));
    this.#users = new RecentMap(rememberedMax, () => new TokenBucket(queriesPerSecond, nowMs()));
  }

  /** Undefined: nothing is counted for this client. */
  of(client: Client): AddressLimit | undefined {
    const {isOn, isLocalExempt} = this.options;
    return isOn && !(client.isLocal && isLocalExempt) ? this.#addresses.of(limitKey(client.address)) : undefined;
  }

  /** False: the user asked too much in this second. */
  takeQuery(userId: string, client: Client): boolean {
    const {isOn, isLocalExempt} = this.options;
    return !isOn || (client.isLocal && isLocalExempt) || this.#users.of(userId).take(this.#nowMs());
  }
}

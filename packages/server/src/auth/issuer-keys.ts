/**
 * Issuer keys: the public keys of one issuer of tokens, as it publishes them.
 *
 *     discovery   {issuer}/.well-known/openid-configuration ─ jwks_uri        left out if the settings name it
 *     keys        jwks_uri ─ keys, by id
 *
 * They are asked for when a token needs a key that is not here, and again in the background once they are old; nobody waits for that.
 * Laws: an issuer is asked by one request at a time, not sooner than a while after the last, and later and later while it fails: strangers who invent key ids
 * make no traffic. An answer is bounded in bytes, time and keys; it comes over https, or from this machine if the issuer is on it. Keys that could not be
 * asked for in a day are not believed any more.
 */
import type {Clock} from '../std/clock.ts';
import type {FetchJson} from '../std/fetch-json.ts';
import {type AlgorithmName, fits, type WebKey, webKeyOf} from './web-key.ts';

export interface IssuerKeysOptions {
  readonly issuer: string;
  /** Where its keys are; undefined: discovery tells. */
  readonly jwksUri: string | undefined;
  readonly clock: Clock;
  readonly fetchJson: FetchJson;
  readonly warn: (text: string) => void;
}

const LIMITS = {bytesMax: 256 * 1024, timeoutMs: 5000};
const KEYS_MAX = 100;
/** Between two requests, when a token names a key that is not here. */
const ASK_EVERY_MS = 30_000;
const OLD_MS = 600_000;
const LOST_MS = 86_400_000;
/** After a first failure; it doubles. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 300_000;

export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: readonly WebKey[] = [];
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #nextMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #asking: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** The key a token names. One that names none gets the only key that fits. */
  find(id: string | undefined, algorithm: AlgorithmName): WebKey | undefined {
    const ageMs = this.#options.clock.monotonicMs() - this.#fetchedMs;
    if (ageMs > LOST_MS) return undefined;
    if (ageMs > OLD_MS) void this.ask();
    const fitting = this.#keys.filter(key => (id === undefined || key.id === id) && fits(algorithm, key));
    return fitting.length === 1 ? fitting[0] : undefined;
  }

  /** What the issuer publishes is here: a key that is not is none of its own. */
  get areKnown(): boolean {
    return this.#failures === 0 && this.#options.clock.monotonicMs() - this.#fetchedMs <= LOST_MS;
  }

  /** Resolves when the issuer has answered, or failed to. Undefined: it is not asked again yet. */
  ask(): Promise<void> | undefined {
    if (this.#asking !== undefined) return this.#asking;
    if (this.#options.clock.monotonicMs() < this.#nextMs) return undefined;
    this.#asking = this.#fetch().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #fetch(): Promise<void> {
    const {issuer, clock, warn} = this.#options;
    try {
      this.#keys = await this.#read();
      this.#fetchedMs = clock.monotonicMs();
      this.#failures = 0;
      this.#nextMs = this.#fetchedMs + ASK_EVERY_MS;
    } catch (error) {
      const waitMs = Math.min(RETRY_MS * 2 ** this.#failures++, RETRY_MAX_MS);
      this.#nextMs = clock.monotonicMs() + waitMs;
      const why = error instanceof Error ? error.message : String(error);
      if (this.#failures === 1)
        warn(`The keys of the issuer ${issuer} could not be read, and are asked for again: ${why}`);
    }
  }

  async #read(): Promise<readonly WebKey[]> {
    const {fetchJson, jwksUri = await this.#discover()} = this.#options;
    const {keys} = objectOf(await fetchJson(jwksUri, LIMITS));
    if (!Array.isArray(keys)) throw new Error(`${jwksUri}: no list of keys`);
    if (keys.length > KEYS_MAX) throw new Error(`${jwksUri}: more than ${KEYS_MAX} keys`);
    const usable = keys.map(webKeyOf).filter(key => key !== undefined);
    if (usable.length === 0) throw new Error(`${jwksUri}: no key that signatures could be checked with`);
    return usable;
  }

  async #discover(): Promise<string> {
    const {issuer, fetchJson} = this.#options;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const {issuer: named, jwks_uri: jwksUri} = objectOf(await fetchJson(url, LIMITS));
    if (named !== issuer) throw new Error(`${url}: it is of another issuer`);
    if (typeof jwksUri !== 'string' || !isSafeUrl(jwksUri, isOfThisMachine(issuer)))
      throw new Error(`${url}: no jwks_uri that could be trusted`);
    return jwksUri;
  }
}

/** Whether what comes from there is what was sent: over https; from this machine, where `isLocalAllowed`, over http too. */
export function isSafeUrl(text: string, isLocalAllowed: boolean): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (isLocalAllowed && isOfThisMachine(text));
}

function isOfThisMachine(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
}

function objectOf(json: unknown): Record<string, unknown> {
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
}

/**
 * External tokens: JSON web tokens of issuers that the settings trust (OpenID Connect), and the accounts they are of.
 *
 *     header, claims ─ issuer is trusted? ─ its key (issuer-keys.ts) ─ signature ─ times, audience ─ (provider, subject) ─ account ─ Session
 *                                                                                                          └ none: one is made, if that is allowed
 *
 * Laws: these and the server's own tokens never meet: its own are HS256 and nothing else, these never, and an issuer cannot be called as it is. No claim is
 * believed before the signature over it was found right with a key of the very issuer it names. An account is known by provider and subject together,
 * never by a name that a token says, and its role is the one it has here. Nobody waits for an issuer but who shows a token of it.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Role, Session} from '../model/session.ts';
import type {Clock} from '../std/clock.ts';
import type {FetchJson} from '../std/fetch-json.ts';
import {type Accounts, identityKey} from './accounts.ts';
import {IssuerKeys} from './issuer-keys.ts';
import {invalidCredentials, LEEWAY_SECONDS} from './token.ts';
import type {Users} from './users.ts';
import {type AlgorithmName, isAlgorithm, isSigned, type WebKey} from './web-key.ts';

export interface TrustedIssuer {
  readonly issuer: string;
  /** What accounts call it. */
  readonly provider: string;
  /** A token must be for one of them; empty: it may be for anybody. */
  readonly audiences: readonly string[];
  readonly jwksUri: string | undefined;
}

export interface ExternalOptions {
  readonly issuers: readonly TrustedIssuer[];
  /** Of accounts that are made for whoever comes with a token; undefined: none are. */
  readonly provisionRole: Role | undefined;
  readonly fetchJson: FetchJson;
}

interface Below {
  readonly accounts: Accounts;
  readonly users: Users;
  readonly clock: Clock;
  readonly warn: (text: string) => void;
}

/** As much as a head of a request may hold. */
const TOKEN_LENGTH_MAX = 16 * 1024;
const TEXT_LENGTH_MAX = 255;
const EMAIL_LENGTH_MAX = 320;

export class ExternalTokens {
  readonly #options: ExternalOptions;
  readonly #below: Below;
  readonly #issuers: ReadonlyMap<string, {readonly trusted: TrustedIssuer; readonly keys: IssuerKeys}>;

  constructor(options: ExternalOptions, below: Below) {
    this.#options = options;
    this.#below = below;
    const {fetchJson} = options;
    this.#issuers = new Map(
      options.issuers.map(trusted => {
        const {issuer, jwksUri} = trusted;
        return [issuer, {trusted, keys: new IssuerKeys({issuer, jwksUri, fetchJson, ...below})}];
      }),
    );
  }

  /** Whether the text is to be judged here: it claims to be signed as the server's own tokens are not, and there is somebody to trust. */
  takes(token: string): boolean {
    if (this.#issuers.size === 0) return false;
    const dot = token.indexOf('.');
    const header = dot === -1 || token.length > TOKEN_LENGTH_MAX ? undefined : jsonPart(token.slice(0, dot));
    return isAlgorithm(header?.['alg']);
  }

  /**
   * Whose the token is; a promise if the issuer has to be asked for its keys, or an account has to be made. Throws or rejects with INVALID_CREDENTIALS,
   * TOKEN_EXPIRED, or AUTHENTICATION_ERROR if the issuer could not be asked.
   */
  authenticate(token: string): Session | Promise<Session> {
    const parsed = parse(token);
    const issuer = this.#issuers.get(parsed.issuer);
    if (issuer === undefined) throw invalidCredentials();
    const key = issuer.keys.find(parsed.keyId, parsed.algorithm);
    if (key !== undefined) return this.#admit(parsed, key, issuer.trusted);
    const asked = issuer.keys.ask();
    if (asked === undefined) throw issuer.keys.areKnown ? invalidCredentials() : unavailable();
    return asked.then(() => {
      const found = issuer.keys.find(parsed.keyId, parsed.algorithm);
      if (found !== undefined) return this.#admit(parsed, found, issuer.trusted);
      throw issuer.keys.areKnown ? invalidCredentials() : unavailable();
    });
  }

  #admit(parsed: ParsedToken, key: WebKey, {provider, audiences}: TrustedIssuer): Session | Promise<Session> {
    const {algorithm, signed, signature} = parsed;
    if (!isSigned(algorithm, key, signed, signature)) throw invalidCredentials();
    const claims = claimsOf(parsed.claims);
    if (claims === undefined || !isFor(claims.audiences, audiences)) throw invalidCredentials();
    const now = this.#below.clock.nowMs() / 1000;
    if (Math.max(claims.iat, claims.nbf) > now + LEEWAY_SECONDS) throw invalidCredentials();
    if (claims.exp + LEEWAY_SECONDS <= now) throw new DbError('TOKEN_EXPIRED', 'Invalid credentials');
    const identity = identityKey(provider, claims.sub);
    const sessionOf = ({user_id, role}: {user_id: string; role: string}): Session => ({
      userId: user_id as Session['userId'],
      role: role as Role,
      proof: {
        ...{kind: 'token', signInId: undefined, identity, issuedAtMs: claims.iat * 1000},
        expiresAtMs: (claims.exp + LEEWAY_SECONDS) * 1000,
      },
    });
    const {accounts, users} = this.#below;
    const ids = accounts.idsOf(identity);
    const account = ids.length === 1 ? accounts.living(ids[0]!) : undefined;
    if (account !== undefined) return sessionOf(account);
    const {provisionRole} = this.#options;
    // Who was dropped stays so.
    if (ids.length > 0 || provisionRole === undefined) throw invalidCredentials();
    const user = {provider, subject: claims.sub, email: claims.email, role: provisionRole};
    return users.provision(user).then(sessionOf);
  }
}

interface ParsedToken {
  readonly algorithm: AlgorithmName;
  readonly keyId: string | undefined;
  /** What it claims; nothing is proved yet. */
  readonly issuer: string;
  readonly claims: Record<string, unknown>;
  readonly signed: string;
  readonly signature: Buffer;
}

/** Throws INVALID_CREDENTIALS for what is no token of the kind. */
function parse(token: string): ParsedToken {
  const [head = '', body = '', tail = '', ...rest] = token.split('.');
  const header = jsonPart(head);
  const claims = jsonPart(body);
  if (rest.length > 0 || header === undefined || claims === undefined || !BASE64URL.test(tail))
    throw invalidCredentials();
  const {alg, kid, typ, crit} = header;
  const isRefresh = [typ, claims['typ'], claims['token_type']].some(one => /refresh/i.test(String(one)));
  // What `crit` names must be understood, and nothing of it is.
  if (!isAlgorithm(alg) || crit !== undefined || isRefresh) throw invalidCredentials();
  const {iss} = claims;
  if (typeof iss !== 'string' || (kid !== undefined && typeof kid !== 'string')) throw invalidCredentials();
  const signature = Buffer.from(tail, 'base64url');
  return {algorithm: alg, keyId: kid, issuer: iss, claims, signed: `${head}.${body}`, signature};
}

const BASE64URL = /^[\w-]+$/;

function jsonPart(part: string): Record<string, unknown> | undefined {
  if (!BASE64URL.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface ExternalClaims {
  readonly sub: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  readonly nbf: number;
  readonly audiences: readonly string[];
  readonly email: string | null;
}

function claimsOf({sub, iat, exp, nbf = 0, aud, email, email_verified: isVerified}: Record<string, unknown>) {
  if (typeof sub !== 'string' || sub === '' || sub.length > TEXT_LENGTH_MAX || !sub.isWellFormed()) return undefined;
  if (!isSeconds(iat) || !isSeconds(exp) || !isSeconds(nbf)) return undefined;
  const audiences = [aud].flat().filter(one => typeof one === 'string');
  const isShown = typeof email === 'string' && email.length <= EMAIL_LENGTH_MAX && email.isWellFormed();
  const claims: ExternalClaims = {
    ...{sub, iat, exp, nbf, audiences},
    email: isShown && isVerified !== false ? email : null,
  };
  return claims;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isFor(audiences: readonly string[], wanted: readonly string[]): boolean {
  return wanted.length === 0 || audiences.some(one => wanted.includes(one));
}

function unavailable(): DbError {
  return new DbError('AUTHENTICATION_ERROR', 'Authentication failed');
}

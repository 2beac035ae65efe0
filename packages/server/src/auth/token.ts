/**
 * Token: JSON web tokens (RFC 7519) signed with HS256, as bytes and claims. Pure; whether their user may still come is asked elsewhere.
 *
 *     header {"typ":"JWT","alg":"HS256"} . claims {sub, iss, iat, exp, email, role, token_type, sid, jti} . signature
 *
 * Laws: only HS256 is read, whatever a header claims, and the signature is checked over the bytes as they came before any claim is believed.
 * What is signed right and expired is told apart from what is wrong, since clients then refresh.
 */
import {createHmac, createSecretKey, type KeyObject, timingSafeEqual} from 'node:crypto';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Role} from '../model/session.ts';
import {ROLES} from './roles.ts';

export const TOKEN_ISSUER = 'kalamdb';
/** Clocks of two machines may differ by this. */
export const LEEWAY_SECONDS = 60;
/** Far above any token of ours. */
const TOKEN_LENGTH_MAX = 4096;

type TokenType = 'access' | 'refresh';

export interface Claims {
  readonly sub: string;
  readonly role: Role;
  readonly token_type: TokenType;
  readonly email: string | null;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  /** The family of tokens; absent in tokens made elsewhere. */
  readonly sid?: string;
  readonly jti?: string;
}

export class TokenSigner {
  readonly #key: KeyObject;

  constructor(secret: string) {
    this.#key = createSecretKey(Buffer.from(secret));
  }

  sign({sub, iat, exp, email, role, token_type, sid, jti}: Claims): string {
    const claims = {sub, iss: TOKEN_ISSUER, iat, exp, email, role, token_type, sid, jti};
    const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${signed}.${this.#signature(signed)}`;
  }

  /** Throws INVALID_CREDENTIALS, or TOKEN_EXPIRED if nothing else is wrong with it. */
  verify(token: string, nowMs: number): Claims {
    const claims = this.read(token);
    if (claims === undefined) throw invalidCredentials();
    const now = nowMs / 1000;
    if (claims.iat > now + LEEWAY_SECONDS) throw invalidCredentials();
    if (claims.exp + LEEWAY_SECONDS <= now) throw new DbError('TOKEN_EXPIRED', 'Invalid credentials');
    return claims;
  }

  /** Undefined unless this server, or somebody with its secret, signed it; it may have expired. */
  read(token: string): Claims | undefined {
    if (token.length > TOKEN_LENGTH_MAX) return undefined;
    const parts = token.split('.');
    if (parts.length !== 3) return undefined;
    const [header, body, signature] = parts as [string, string, string];
    if ((jsonPart(header) as {alg?: unknown} | undefined)?.alg !== 'HS256') return undefined;
    // As texts: base64 has several spellings of the same bytes.
    const given = Buffer.from(signature);
    const right = Buffer.from(this.#signature(`${header}.${body}`));
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    return claimsOf(jsonPart(body));
  }

  #signature(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}

export function invalidCredentials(): DbError {
  return new DbError('INVALID_CREDENTIALS', 'Invalid credentials');
}

/** The moment from which `verify` refuses it. */
export function endOf({exp}: Claims): number {
  return (exp + LEEWAY_SECONDS) * 1000;
}

const HEADER = Buffer.from('{"typ":"JWT","alg":"HS256"}').toString('base64url');

function jsonPart(part: string): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function claimsOf(json: object | undefined): Claims | undefined {
  if (json === undefined) return undefined;
  const {sub, iss, iat, exp, email = null, role, token_type, sid, jti} = json as Record<string, unknown>;
  if (iss !== TOKEN_ISSUER || typeof sub !== 'string' || sub === '' || !isSeconds(iat) || !isSeconds(exp))
    return undefined;
  if (token_type !== 'access' && token_type !== 'refresh') return undefined;
  const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';
  if (!isText(sid) || !isText(jti) || (email !== null && typeof email !== 'string')) return undefined;
  const known = ROLES.find(one => one === role);
  if (known === undefined) return undefined;
  return {
    ...{sub, iat, exp, email, role: known, token_type},
    ...(sid === undefined ? {} : {sid}),
    ...(jti === undefined ? {} : {jti}),
  };
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

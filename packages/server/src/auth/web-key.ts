/**
 * Web key: public keys as issuers publish them (RFC 7517), and signatures made with their private halves (RFC 7518). Pure.
 *
 * Laws: an algorithm stands with the one type of key, and of elliptic curves the one curve, that it is for; a secret is never a key here, so no header can
 * make a public text the secret of a signature. Keys that could be too weak, or cost too much, are passed over like any that are not understood.
 */
import {constants, createPublicKey, type KeyObject, verify, type webcrypto} from 'node:crypto';

interface Algorithm {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  readonly type: 'RSA' | 'EC';
  readonly curve?: 'P-256' | 'P-384';
  readonly isPss?: true;
}

const ALGORITHMS = {
  RS256: {hash: 'sha256', type: 'RSA'},
  RS384: {hash: 'sha384', type: 'RSA'},
  RS512: {hash: 'sha512', type: 'RSA'},
  PS256: {hash: 'sha256', type: 'RSA', isPss: true},
  PS384: {hash: 'sha384', type: 'RSA', isPss: true},
  PS512: {hash: 'sha512', type: 'RSA', isPss: true},
  ES256: {hash: 'sha256', type: 'EC', curve: 'P-256'},
  ES384: {hash: 'sha384', type: 'EC', curve: 'P-384'},
} as const satisfies Record<string, Algorithm>;

export type AlgorithmName = keyof typeof ALGORITHMS;

export function isAlgorithm(name: unknown): name is AlgorithmName {
  return typeof name === 'string' && Object.hasOwn(ALGORITHMS, name);
}

const RSA_BITS = {min: 2048, max: 8192};
const RSA_EXPONENT_MAX = 2n ** 32n;

/** One key of an issuer. */
export interface WebKey {
  readonly id: string | undefined;
  readonly type: 'RSA' | 'EC';
  readonly curve: string | undefined;
  /** What it says that it is for; undefined: whatever fits its type. */
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

/** Undefined for what is no key that signatures are checked with. */
export function webKeyOf(json: unknown): WebKey | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const {kty, kid, alg, use, key_ops: operations, n, e, crv, x, y} = json as Record<string, unknown>;
  if (kty !== 'RSA' && kty !== 'EC') return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return undefined;
  if ((kid !== undefined && typeof kid !== 'string') || (alg !== undefined && typeof alg !== 'string'))
    return undefined;
  // Of a key that came with its private half by mistake only the public one is read.
  const key = publicKey(kty === 'RSA' ? {kty, n, e} : {kty, crv, x, y});
  if (key === undefined) return undefined;
  return {id: kid, type: kty, curve: kty === 'EC' ? String(crv) : undefined, algorithm: alg, key};
}

function publicKey(jwk: {[name: string]: unknown}): KeyObject | undefined {
  let key: KeyObject;
  try {
    key = createPublicKey({key: jwk as webcrypto.JsonWebKey, format: 'jwk'});
  } catch {
    // Whoever publishes it says something that this runtime does not know.
    return undefined;
  }
  if (jwk['kty'] !== 'RSA') return key;
  const {modulusLength: bits = 0, publicExponent = 0n} = key.asymmetricKeyDetails ?? {};
  const isUsual =
    bits >= RSA_BITS.min && bits <= RSA_BITS.max && publicExponent > 2n && publicExponent < RSA_EXPONENT_MAX;
  return isUsual ? key : undefined;
}

export function fits(name: AlgorithmName, {type, curve, algorithm}: WebKey): boolean {
  const wanted: Algorithm = ALGORITHMS[name];
  return type === wanted.type && curve === wanted.curve && (algorithm === undefined || algorithm === name);
}

/** Whether `signature` over the text is of the key; which fits. */
export function isSigned(name: AlgorithmName, {key}: WebKey, text: string, signature: Buffer): boolean {
  const {hash, type, isPss}: Algorithm = ALGORITHMS[name];
  const options =
    type === 'EC'
      ? {key, dsaEncoding: 'ieee-p1363' as const}
      : isPss
        ? {key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST}
        : {key, padding: constants.RSA_PKCS1_PADDING};
  return verify(hash, Buffer.from(text), options, signature);
}

import assert from 'node:assert/strict';
import {constants, generateKeyPairSync, type KeyObject, sign} from 'node:crypto';
import {test} from 'node:test';
import {type AlgorithmName, fits, isAlgorithm, isSigned, webKeyOf} from './web-key.ts';

const rsa = generateKeyPairSync('rsa', {modulusLength: 2048});
const short = generateKeyPairSync('rsa', {modulusLength: 1024});
const p256 = generateKeyPairSync('ec', {namedCurve: 'P-256'});
const p384 = generateKeyPairSync('ec', {namedCurve: 'P-384'});
const jwk = (key: KeyObject) => key.export({format: 'jwk'}) as Record<string, unknown>;

const pss = {padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST};
const ieee = {dsaEncoding: 'ieee-p1363'} as const;
type Pair = {readonly publicKey: KeyObject; readonly privateKey: KeyObject};
const made: [name: AlgorithmName, pair: Pair, hash: string, how: object][] = [
  ['RS256', rsa, 'sha256', {}],
  ['RS384', rsa, 'sha384', {}],
  ['RS512', rsa, 'sha512', {}],
  ['PS256', rsa, 'sha256', pss],
  ['PS384', rsa, 'sha384', pss],
  ['PS512', rsa, 'sha512', pss],
  ['ES256', p256, 'sha256', ieee],
  ['ES384', p384, 'sha384', ieee],
];

for (const [name, {publicKey, privateKey}, hash, how] of made) {
  test(`${name}: a signature is right for its text, its key and its algorithm alone`, () => {
    const key = webKeyOf(jwk(publicKey))!;
    const signature = sign(hash, Buffer.from('a.b'), {key: privateKey, ...how});
    assert.ok(fits(name, key));
    assert.ok(isSigned(name, key, 'a.b', signature));
    assert.ok(!isSigned(name, key, 'a.c', signature), 'another text');
    assert.ok(!isSigned(name, key, 'a.b', signature.subarray(1)), 'cut');
    assert.ok(!isSigned(name, key, 'a.b', Buffer.alloc(0)), 'none');
    assert.ok(!isSigned(name, key, 'a.b', Buffer.alloc(signature.length)), 'zeros');
    for (const [other, pair] of made) {
      if (other === name) continue;
      const otherKey = webKeyOf(jwk(pair.publicKey))!;
      assert.ok(!fits(other, otherKey) || !isSigned(other, otherKey, 'a.b', signature), other);
    }
  });
}

test('an elliptic signature in the other encoding is not one', () => {
  const signature = sign('sha256', Buffer.from('a.b'), p256.privateKey);
  assert.ok(!isSigned('ES256', webKeyOf(jwk(p256.publicKey))!, 'a.b', signature));
});

test('a key is for its type, its curve and the algorithm it says', () => {
  const cases: [why: string, name: AlgorithmName, key: object, isFit: boolean][] = [
    ['an RSA key for an elliptic algorithm', 'ES256', jwk(rsa.publicKey), false],
    ['an elliptic key for an RSA algorithm', 'RS256', jwk(p256.publicKey), false],
    ['another curve', 'ES384', jwk(p256.publicKey), false],
    ['another algorithm than it says', 'RS512', {...jwk(rsa.publicKey), alg: 'RS256'}, false],
    ['the one it says', 'RS256', {...jwk(rsa.publicKey), alg: 'RS256'}, true],
  ];
  for (const [why, name, key, isFit] of cases) assert.equal(fits(name, webKeyOf(key)!), isFit, why);
});

test('no name but those of public signatures is an algorithm', () => {
  for (const name of [
    'none',
    'None',
    'HS256',
    'HS512',
    'rs256',
    'ES512',
    'toString',
    '__proto__',
    '',
    null,
    1,
    ['RS256'],
  ])
    assert.ok(!isAlgorithm(name), String(name));
});

test('what is no key of that kind is passed over', () => {
  const cases: [why: string, json: unknown][] = [
    ['a secret', {kty: 'oct', k: 'c2VjcmV0', alg: 'HS256'}],
    ['a key for encryption', {...jwk(rsa.publicKey), use: 'enc'}],
    ['a key that only signs', {...jwk(rsa.publicKey), key_ops: ['sign']}],
    ['a short key', jwk(short.publicKey)],
    ['an exponent of one', {...jwk(rsa.publicKey), e: 'AQ'}],
    ['half a key', {kty: 'RSA', e: 'AQAB'}],
    ['a point that is not on the curve', {...jwk(p256.publicKey), x: jwk(p256.publicKey)['y']}],
    ['an unknown curve', {...jwk(p256.publicKey), crv: 'P-255'}],
    ['a curve of another kind', {kty: 'OKP', crv: 'Ed25519', x: 'AAAA'}],
    ['an id that is no text', {...jwk(rsa.publicKey), kid: 7}],
    ['numbers instead of texts', {kty: 'RSA', n: 1, e: 2}],
    ['nothing', null],
    ['a text', 'key'],
  ];
  for (const [why, json] of cases) assert.equal(webKeyOf(json), undefined, why);
});

test('of a key that is published with its private half the public one is taken', () => {
  assert.equal(webKeyOf(jwk(rsa.privateKey))!.key.type, 'public');
});

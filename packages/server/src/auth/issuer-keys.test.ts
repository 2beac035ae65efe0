import assert from 'node:assert/strict';
import {generateKeyPairSync} from 'node:crypto';
import {test} from 'node:test';
import {SimClock} from '../std/sim-clock.ts';
import {IssuerKeys, isSafeUrl} from './issuer-keys.ts';

const ISSUER = 'https://issuer.example/realm/';
const DISCOVERY = 'https://issuer.example/realm/.well-known/openid-configuration';
const JWKS = 'https://keys.example/jwks';
const {publicKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'});
const key = (kid?: string) => ({...publicKey.export({format: 'jwk'}), ...(kid === undefined ? {} : {kid})});

function open(jwksUri?: string) {
  const clock = new SimClock();
  const asked: string[] = [];
  const warnings: string[] = [];
  const world: Record<string, unknown> = {
    [DISCOVERY]: {issuer: ISSUER, jwks_uri: JWKS},
    [JWKS]: {keys: [key('a'), key('b')]},
  };
  const keys = new IssuerKeys({
    ...{issuer: ISSUER, jwksUri, clock},
    warn: text => warnings.push(text),
    async fetchJson(url) {
      asked.push(url);
      const answer = world[url];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return {keys, clock, asked, warnings, world};
}

test('keys are found by discovery, once, and then by their ids', async () => {
  const {keys, asked} = open();
  assert.equal(keys.find('a', 'ES256'), undefined);
  assert.equal(keys.areKnown, false);
  await Promise.all([keys.ask(), keys.ask(), keys.ask()]);
  assert.deepEqual(asked, [DISCOVERY, JWKS], 'one request for all who wait');
  assert.equal(keys.find('a', 'ES256')?.id, 'a');
  assert.equal(keys.find('c', 'ES256'), undefined);
  assert.equal(keys.find('a', 'RS256'), undefined, 'it is for another algorithm');
  assert.equal(keys.find(undefined, 'ES256'), undefined, 'which of the two is meant nobody knows');
});

test('a token without a key id gets the only key there is', async () => {
  const {keys, world} = open();
  world[JWKS] = {keys: [key()]};
  await keys.ask();
  assert.ok(keys.find(undefined, 'ES256'));
  assert.equal(keys.find('a', 'ES256'), undefined);
});

test('an address in the settings spares discovery', async () => {
  const {keys, asked} = open(JWKS);
  await keys.ask();
  assert.deepEqual(asked, [JWKS]);
});

test('whoever invents key ids makes no traffic; a new key is found a while later', async () => {
  const {keys, clock, asked, world} = open(JWKS);
  await keys.ask();
  for (let i = 0; i < 1000; i++) assert.equal(keys.ask(), undefined);
  await clock.advance(29_000);
  assert.equal(keys.ask(), undefined);
  world[JWKS] = {keys: [key('new')]};
  await clock.advance(2000);
  await keys.ask();
  assert.equal(keys.find('new', 'ES256')?.id, 'new');
  assert.equal(keys.find('a', 'ES256'), undefined, 'what is not published any more is not believed');
  assert.equal(asked.length, 2);
});

test('old keys are good while they are asked for again in the background', async () => {
  const {keys, clock, asked, world} = open(JWKS);
  await keys.ask();
  await clock.advance(601_000);
  world[JWKS] = {keys: [key('b')]};
  assert.equal(keys.find('a', 'ES256')?.id, 'a');
  await keys.ask();
  assert.equal(asked.length, 2);
  assert.equal(keys.find('a', 'ES256'), undefined);
});

test('an issuer that fails is asked later and later, told of once, and its keys are believed for a day', async () => {
  const {keys, clock, asked, warnings, world} = open(JWKS);
  await keys.ask();
  world[JWKS] = new Error('connect ECONNREFUSED');
  await clock.advance(600_000);
  for (let minute = 0; minute < 60; minute++) {
    await clock.advance(60_000);
    assert.ok(keys.find('a', 'ES256'));
    await keys.ask();
    assert.equal(keys.areKnown, false, 'it may have others by now');
  }
  assert.ok(asked.length < 25, `${asked.length} requests in an hour`);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /https:\/\/issuer\.example\/realm\/ could not be read.*ECONNREFUSED/);
  await clock.advance(86_400_000);
  assert.equal(keys.find('a', 'ES256'), undefined);
  assert.equal(keys.areKnown, false);
  world[JWKS] = {keys: [key('a')]};
  await keys.ask();
  assert.ok(keys.find('a', 'ES256'), 'and again when it is back');
});

const bad: [why: string, changes: Record<string, unknown>][] = [
  ['a discovery document of another issuer', {[DISCOVERY]: {issuer: 'https://evil.example/', jwks_uri: JWKS}}],
  ['the same issuer without its slash', {[DISCOVERY]: {issuer: ISSUER.slice(0, -1), jwks_uri: JWKS}}],
  ['keys that come unprotected', {[DISCOVERY]: {issuer: ISSUER, jwks_uri: 'http://keys.example/jwks'}}],
  ['keys of this machine', {[DISCOVERY]: {issuer: ISSUER, jwks_uri: 'http://127.0.0.1:9/jwks'}}],
  ['keys in a file', {[DISCOVERY]: {issuer: ISSUER, jwks_uri: 'file:///etc/passwd'}}],
  ['no address of keys', {[DISCOVERY]: {issuer: ISSUER}}],
  ['no document', {[DISCOVERY]: null}],
  ['no list of keys', {[JWKS]: {keys: 'a'}}],
  ['no keys', {[JWKS]: {keys: []}}],
  ['secrets alone', {[JWKS]: {keys: [{kty: 'oct', k: 'AAAA', kid: 'a'}]}}],
  ['too many keys', {[JWKS]: {keys: Array.from({length: 101}, (_, i) => key(`k${i}`))}}],
];
for (const [why, changes] of bad) {
  test(`an issuer has no keys by ${why}`, async () => {
    const {keys, world, warnings} = open();
    Object.assign(world, changes);
    await keys.ask();
    assert.equal(keys.areKnown, false);
    assert.equal(keys.find('a', 'ES256'), undefined);
    assert.equal(warnings.length, 1);
  });
}

test('two keys of one id are no key', async () => {
  const {keys, world} = open(JWKS);
  world[JWKS] = {keys: [key('a'), key('a')]};
  await keys.ask();
  assert.equal(keys.find('a', 'ES256'), undefined);
});

test('addresses are https, or of this machine where that is allowed', () => {
  const cases: [url: string, isLocalAllowed: boolean, isSafe: boolean][] = [
    ['https://a.example/x', false, true],
    ['http://a.example/x', true, false],
    ['http://127.0.0.1:80/x', true, true],
    ['http://127.0.0.1:80/x', false, false],
    ['http://localhost/x', true, true],
    ['http://[::1]:8/x', true, true],
    ['http://localhost.a.example/x', true, false],
    ['http://127.0.0.1.a.example/', true, false],
    ['https://user:pass@a.example/', true, false],
    ['https://a.example/#x', true, false],
    ['ftp://a.example/', true, false],
    ['a.example', true, false],
    ['', true, false],
  ];
  for (const [url, isLocalAllowed, isSafe] of cases) assert.equal(isSafeUrl(url, isLocalAllowed), isSafe, url);
});

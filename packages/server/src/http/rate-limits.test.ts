import assert from 'node:assert/strict';
import {beforeEach, describe, test} from 'node:test';
import type {Client} from './client.ts';
import {type RateLimitOptions, RateLimits} from './rate-limits.ts';

const OPTIONS: RateLimitOptions = {
  isOn: true,
  isLocalExempt: true,
  requestsPerSecond: 5,
  signInsPerSecond: 2,
  queriesPerSecond: 3,
  connectionsPerAddress: 2,
  banMs: 300_000,
  banAfter: 10,
  forgetMs: 600_000,
  rememberedMax: 1000,
};

const stranger = (address: string): Client => ({address, isLocal: false, isSecure: false});
const LOCAL: Client = {address: '127.0.0.1', isLocal: true, isSecure: false};
const A = stranger('203.0.113.1');

describe('rate limits', () => {
  let nowMs = 0;
  let limits: RateLimits;
  const open = (changes: Partial<RateLimitOptions> = {}) => {
    limits = new RateLimits({...OPTIONS, ...changes}, () => nowMs);
  };
  beforeEach(() => {
    nowMs = 1000;
    open();
  });
  const request = (client: Client) => limits.of(client)?.takeRequest(nowMs);
  /** What each of so many requests in one moment is answered. */
  const burst = (client: Client, count: number) => Array.from({length: count}, () => request(client)?.code);

  test('a second of requests may come at once, and no more', () => {
    assert.deepEqual(burst(A, 7), [...Array(5).fill(undefined), 'RATE_LIMIT_EXCEEDED', 'RATE_LIMIT_EXCEEDED']);
  });

  test('a bucket fills evenly, and never beyond a second', () => {
    burst(A, 5);
    nowMs += 200;
    assert.deepEqual(burst(A, 2), [undefined, 'RATE_LIMIT_EXCEEDED']);
    nowMs += 3_600_000;
    assert.deepEqual(burst(A, 6), [...Array(5).fill(undefined), 'RATE_LIMIT_EXCEEDED']);
  });

  test('the steady rate is served without a refusal', () => {
    for (let i = 0; i < 1000; i++) {
      assert.equal(request(A), undefined);
      nowMs += 200;
    }
  });

  test('one address does not pay for another', () => {
    burst(A, 9);
    assert.equal(request(stranger('203.0.113.2')), undefined);
  });

  test('another address of the same /64 is no way around, and one of another /64 is another client', () => {
    burst(stranger('2001:db8:1:2::1'), 14);
    assert.equal(request(stranger('2001:db8:1:2:ffff::9'))?.code, 'IP_BANNED', 'the tenth violation');
    assert.equal(request(stranger('2001:db8:1:2:abcd::3'))?.code, 'IP_BANNED');
    assert.equal(request(stranger('2001:db8:1:3::1')), undefined);
  });

  test('the tenth violation bans for the first time', () => {
    const codes = burst(A, 16);
    assert.deepEqual(codes.slice(5, 14), Array(9).fill('RATE_LIMIT_EXCEEDED'));
    assert.deepEqual(codes.slice(14), ['IP_BANNED', 'IP_BANNED']);
    assert.deepEqual(request(A), {code: 'IP_BANNED', seconds: 300});
    nowMs += 299_001;
    assert.deepEqual(request(A), {code: 'IP_BANNED', seconds: 1});
    nowMs += 999;
    assert.equal(request(A), undefined, 'a ban ends');
  });

  test('a ban grows with the number of violations, up to six times', () => {
    const seconds: number[] = [];
    for (let i = 0; i < 8; i++) {
      while (request(A)?.code !== 'IP_BANNED');
      const ban = request(A) as {seconds: number};
      seconds.push(ban.seconds);
      nowMs += ban.seconds * 1000;
    }
    assert.deepEqual(seconds, [300, 600, 900, 1200, 1500, 1800, 1800, 1800]);
  });

  test('violations are forgotten after their time without another', () => {
    burst(A, 14);
    nowMs += OPTIONS.forgetMs + 1;
    assert.ok(!burst(A, 14).includes('IP_BANNED'));
  });

  test('being asked whether there is a token is no violation', () => {
    burst(A, 5);
    const limit = limits.of(A)!;
    for (let i = 0; i < 100; i++) assert.equal(limit.tryRequest(nowMs), false);
    assert.equal(limit.isBanned(nowMs), false);
  });

  test('nobody is banned where bans are off', () => {
    open({banAfter: 0});
    assert.ok(!burst(A, 1000).includes('IP_BANNED'));
  });

  test('sign-ins have a smaller bucket of their own, and violate too', () => {
    const limit = limits.of(A)!;
    const codes = Array.from({length: 12}, () => limit.takeSignIn(nowMs)?.code);
    assert.deepEqual(codes.slice(0, 3), [undefined, undefined, 'RATE_LIMIT_EXCEEDED']);
    assert.equal(codes.at(-1), 'IP_BANNED');
  });

  test('users are counted wherever they come from, and by themselves', () => {
    assert.deepEqual(
      Array.from({length: 4}, (_, i) => limits.takeQuery('ana', stranger(`203.0.113.${i}`))),
      [true, true, true, false],
    );
    assert.equal(limits.takeQuery('ben', A), true);
  });

  test('programs of this machine are exempt, unless told otherwise', () => {
    assert.equal(limits.of(LOCAL), undefined);
    assert.ok(Array.from({length: 100}, () => limits.takeQuery('ana', LOCAL)).every(Boolean));
    open({isLocalExempt: false});
    assert.equal(burst(LOCAL, 6).at(-1), 'RATE_LIMIT_EXCEEDED');
    assert.deepEqual(Array.from({length: 4}, () => limits.takeQuery('ana', LOCAL)).at(-1), false);
  });

  test('what came through a proxy of this machine is not exempt', () => {
    assert.notEqual(limits.of({address: '127.0.0.1', isLocal: false, isSecure: false}), undefined);
  });

  test('off is off', () => {
    open({isOn: false});
    assert.equal(limits.of(A), undefined);
    assert.ok(Array.from({length: 100}, () => limits.takeQuery('ana', A)).every(Boolean));
  });

  test('a clock that stands still gives nothing', () => {
    assert.equal(burst(A, 30).filter(code => code === undefined).length, 5);
  });
});

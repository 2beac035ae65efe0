import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FakeWorld, settle} from '../test/fake-world.ts';
import {Auth, type AuthProvider, Tokens} from './auth.ts';
import {KalamError} from './error.ts';
import type {LoginResponse} from './http.ts';

function jwt(lifeSeconds: number, mark: string): string {
  return `h.${btoa(JSON.stringify({iat: 1000, exp: 1000 + lifeSeconds, mark}))}.s`;
}

function setUp(provider: AuthProvider, refresh?: () => LoginResponse) {
  const world = new FakeWorld();
  const asked: string[] = [];
  let count = 0;
  const answer = (refreshToken?: string) =>
    ({access_token: jwt(100, `t${++count}`), refresh_token: refreshToken}) as LoginResponse;
  const door = {
    async login(username: string, password: string) {
      asked.push(`login ${username} ${password}`);
      return answer(refresh === undefined ? undefined : `r${count + 1}`);
    },
    async refresh(token: string) {
      asked.push(`refresh ${token}`);
      return refresh!();
    },
  };
  const settings = {provider, attemptsMax: 3, backoff: {initialMs: 250, maxMs: 2000}};
  return {world, asked, tokens: new Tokens(world, door, settings), answer};
}

test('a password is exchanged once, for all who ask at the same time and until the token is due', async () => {
  const {world, asked, tokens} = setUp(() => Auth.basic('ana', 'secret'));
  const [first, second] = await Promise.all([tokens.current(), tokens.current()]);
  assert.equal(first, second);
  await world.pass(89_000);
  assert.equal(tokens.isDue(), false);
  assert.equal(await tokens.current(), first);
  await world.pass(1000);
  assert.equal(tokens.isDue(), true);
  assert.notEqual(await tokens.current(), first);
  assert.deepEqual(asked, ['login ana secret', 'login ana secret']);
});

test('a refresh token takes the place of the password, until the server does not take it', async () => {
  let isGood = true;
  const {asked, tokens, answer} = setUp(
    () => Auth.basic('ana', 'secret'),
    () => {
      if (isGood) return answer('r2');
      throw new KalamError('unauthorized', 'no', {status: 401});
    },
  );
  tokens.forget(await tokens.current());
  tokens.forget(await tokens.current());
  isGood = false;
  await tokens.current();
  assert.deepEqual(asked, ['login ana secret', 'refresh r1', 'refresh r2', 'login ana secret']);
});

test('a refresh that does not reach the server is no reason to ask for the password', async () => {
  const {asked, tokens} = setUp(
    () => Auth.basic('ana', 'secret'),
    () => {
      throw new KalamError('NETWORK_ERROR', 'no route');
    },
  );
  tokens.forget(await tokens.current());
  await assert.rejects(tokens.current(), {code: 'NETWORK_ERROR'});
  assert.deepEqual(asked, ['login ana secret', 'refresh r1']);
});

test('a token that is due serves on while no other can be had', async () => {
  const {world, tokens} = setUp(
    () => Auth.basic('ana', 'secret'),
    () => {
      throw new KalamError('rate_limited', 'slow down', {status: 429, retryable: true});
    },
  );
  const token = await tokens.current();
  await world.pass(95_000);
  assert.equal(await tokens.current(), token);
  tokens.forget(token);
  await assert.rejects(tokens.current(), {code: 'rate_limited'});
});

test('a token that was refused is not used again; a provider that has no other ends the matter', async () => {
  const supply = ['t1', 't1', 't2'];
  const {tokens} = setUp(() => Auth.jwt(supply.shift()!));
  tokens.forget(await tokens.current());
  await assert.rejects(tokens.current(), {code: 'TOKEN_REJECTED', retryable: false});
  assert.equal(await tokens.current(), 't2');
  tokens.forget('t1');
  assert.equal(await tokens.current(), 't2', 'an older token may be refused late');
});

test('without sign-in the token is empty, and a server that wants one is told so once', async () => {
  const {tokens} = setUp(() => Auth.none());
  assert.equal(await tokens.current(), '');
  tokens.forget('');
  await assert.rejects(tokens.current(), {code: 'TOKEN_REJECTED'});
});

test('a provider that fails is asked three times', async () => {
  let count = 0;
  const {world, tokens} = setUp(() => {
    count++;
    throw new Error('vault is closed');
  });
  const failed = assert.rejects(tokens.current(), {message: 'vault is closed', retryable: true});
  await settle();
  await world.pass(125);
  assert.equal(count, 2);
  await world.pass(250);
  await failed;
  assert.equal(count, 3);
});

/** Where a server may listen, and with which password of root. */
import assert from 'node:assert/strict';
import {readFile, stat, writeFile} from 'node:fs/promises';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {readConfig} from '../../src/config.ts';
import {checkSigners, describeAccounts, startAccounts} from '../../src/start-accounts.ts';
import {openTestDatabase, TEST_OPTIONS, type TestDatabase} from '../test-database.ts';

const PASSWORD = 'R00t-pass!';

describe('a server that others can reach', () => {
  let database: TestDatabase;
  let said: string[];
  const logger = {info: (text: string) => void said.push(text), warn: (text: string) => void said.push(text)};
  const start = (env: Record<string, string> = {}) => {
    const {config} = readConfig({env: {KALAMDB_SERVER_HOST: '203.0.113.1', ...env}});
    checkSigners(config, logger);
    return startAccounts(config, database.auth, logger);
  };
  beforeEach(async () => {
    said = [];
    database = await openTestDatabase({auth: {...TEST_OPTIONS.auth, isLocal: false}});
  });
  afterEach(() => database.stop());

  test('does not start while root has no password and nobody may give one', async () => {
    await assert.rejects(start(), {code: 'INVALID_INPUT', message: /^server\.host 203\.0\.113\.1 can be reached/});
  });

  test('starts with a root password, once; later ones are not looked at, over restarts too', async () => {
    await start({KALAMDB_ROOT_PASSWORD: PASSWORD});
    assert.match(
      describeAccounts(database.auth, 'http://x').join('\n'),
      /accounts.*\nTry: curl -s http:\/\/x\/v1\/api\/auth\/login /,
    );
    await database.restart();
    await start();
    await start({KALAMDB_ROOT_PASSWORD: 'An0ther-pass!'});
    assert.match(said.join(), /Root has a password already/);
    const {desk} = database.auth;
    const caller = {address: '203.0.113.9', isLocal: false};
    assert.equal((await desk.signIn('root', PASSWORD, caller)).account.role, 'system');
    await assert.rejects(desk.signIn('root', 'An0ther-pass!', caller), {code: 'INVALID_CREDENTIALS'});
  });

  test('refuses a weak password of root', async () => {
    await assert.rejects(start({KALAMDB_ROOT_PASSWORD: 'password'}), {code: 'WEAK_PASSWORD'});
    assert.equal(database.auth.sessions.accounts.needsSetup, true);
  });

  test('starts without, if others may set it up; nobody signs in before', async () => {
    await start({KALAMDB_ALLOW_REMOTE_SETUP: 'true'});
    assert.match(
      describeAccounts(database.auth, 'http://x').join('\n'),
      /none yet.*\nTry: curl -s http:\/\/x\/v1\/api\/auth\/setup /,
    );
    const {desk, sessions} = database.auth;
    const caller = {address: '203.0.113.9', isLocal: false};
    await assert.rejects(desk.signIn('ana', 'x', caller), {code: 'SETUP_REQUIRED'});
    assert.throws(() => sessions.authenticate(undefined), {code: 'SETUP_REQUIRED'});
  });

  test('does not sign with what others can guess', async () => {
    for (const secret of ['test', 'CHANGE_ME_IN_PRODUCTION', 'x'.repeat(31)]) {
      assert.throws(() => start({KALAMDB_JWT_SECRET: secret}), {code: 'INVALID_INPUT'}, secret);
    }
    await start({KALAMDB_JWT_SECRET: 'x'.repeat(32), KALAMDB_ROOT_PASSWORD: PASSWORD});
  });
});

test('a server of this machine starts with any secret, and warns of a weak one', async () => {
  const texts: string[] = [];
  const logger = {info() {}, warn: (text: string) => void texts.push(text)};
  checkSigners(readConfig({env: {KALAMDB_JWT_SECRET: 'test'}}).config, logger);
  assert.match(texts.join(), /auth\.jwt_secret is short/);
});

test('without a chosen secret one is made, kept in a file of the owner alone, and the same after a restart', async () => {
  const database = await openTestDatabase({auth: {...TEST_OPTIONS.auth, secret: undefined}});
  try {
    const path = `${database.directory}/jwt-secret`;
    const secret = await readFile(path, 'utf8');
    assert.match(secret, /^[\w-]{64}\n$/);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await database.restart();
    assert.equal(await readFile(path, 'utf8'), secret);
    await database.close();
    await writeFile(path, 'cut');
    await assert.rejects(database.restart(), {code: 'DATA_CORRUPTED', message: /jwt-secret does not hold a secret/});
  } finally {
    await database.stop();
  }
});

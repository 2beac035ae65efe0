import assert from 'node:assert/strict';
import {createHmac} from 'node:crypto';
import {describe, test} from 'node:test';
import {scopeOf, systemRow, textKey} from '../catalog/ddl.ts';
import type {UserId} from '../model/names.ts';
import type {Session} from '../model/session.ts';
import {SimClock} from '../std/sim-clock.ts';
import {SIGN_INS, type SignInRecord} from '../system/sign-ins.ts';
import {USERS, type UserRecord} from '../system/users.ts';
import type {LogRecord} from '../table/record.ts';
import {Sessions} from './sessions.ts';
import {type Claims, TokenSigner} from './token.ts';

const SECRET = 'a secret of these tests alone, long enough';
const NOW_S = 1_800_000_000;
const ANA: UserRecord = {
  ...{user_id: 'ana', username: 'ana', role: 'user', password_hash: 'a hash', email: null, auth_type: 'Password'},
  ...{auth_data: null, storage_mode: 'table', storage_id: null, failed_login_attempts: 0, locked_until: null},
  ...{last_login_at: null, created_at: 0n, updated_at: 0n, last_seen: null, deleted_at: null},
};
const ROOT: UserRecord = {...ANA, user_id: 'root', username: 'root', role: 'system'};
const CLAIMS: Claims = {sub: 'ana', role: 'user', token_type: 'access', email: null, iat: NOW_S, exp: NOW_S + 3600};
const FAMILY: SignInRecord = {
  ...{sign_in_id: 's1', user_id: 'ana', refresh_id: 'r1', signed_in_at: 0n, refreshed_at: 0n, expires_at: null},
};

function user(record: UserRecord): LogRecord {
  const {scope, row, key} = systemRow(USERS.schema, USERS.toValues(record), textKey(record.user_id));
  return {kind: 'row', scope, key, row: {buffer: row, offset: 0, length: row.length}};
}

function signIn(record: SignInRecord): LogRecord {
  const {scope, row, key} = systemRow(SIGN_INS.schema, SIGN_INS.toValues(record), textKey(record.sign_in_id));
  return {kind: 'row', scope, key, row: {buffer: row, offset: 0, length: row.length}};
}

function open(records: readonly LogRecord[] = [user(ROOT), user(ANA)], isLocal = true) {
  const clock = new SimClock(1);
  clock.nowMs = () => NOW_S * 1000 + clock.monotonicMs();
  const signer = new TokenSigner(SECRET);
  const sessions = new Sessions({signer, clock, isLocal});
  for (const record of records) sessions.apply(record);
  return {sessions, clock, signer};
}

const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');

/** A token as anybody could make it. */
function forge(header: object, claims: object, secret = SECRET, hash = 'sha256'): string {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}

/** By a token of the server's own, which nobody has to be asked about. */
function own(sessions: Sessions, header: string): Session {
  const session = sessions.authenticate(header);
  assert.ok(session !== undefined && !(session instanceof Promise));
  return session;
}

const HS256 = {typ: 'JWT', alg: 'HS256'};
const PAYLOAD = {...CLAIMS, iss: 'kalamdb'};

test('a token made elsewhere with the secret and the specified claims is good', () => {
  const {sessions} = open();
  const {userId, role} = sessions.authenticateBearer(forge(HS256, PAYLOAD));
  assert.deepEqual([userId, role], ['ana', 'user']);
});

const unsigned = `${part({typ: 'JWT', alg: 'none'})}.${part(PAYLOAD)}.`;
const good = forge(HS256, PAYLOAD);
const otherRole = part({...PAYLOAD, role: 'system'});
const attacks: [why: string, token: string][] = [
  ['no algorithm', unsigned],
  ['no algorithm, with a signature', forge({typ: 'JWT', alg: 'none'}, PAYLOAD)],
  ['the algorithm in other letters', forge({typ: 'JWT', alg: 'hs256'}, PAYLOAD)],
  ['another hash of the same secret', forge({typ: 'JWT', alg: 'HS512'}, PAYLOAD, SECRET, 'sha512')],
  ['an asymmetric algorithm signed with the secret as if it were a public key', forge({alg: 'RS256'}, PAYLOAD)],
  ['no header claims', forge({}, PAYLOAD)],
  ['another secret', forge(HS256, PAYLOAD, 'another secret, which is long enough too')],
  ['claims of one token under the signature of another', good.replace(/\..*\./, `.${otherRole}.`)],
  ['no signature', good.replace(/[^.]*$/, '')],
  ['a longer signature', `${good}A`],
  ['a signature with padding', `${good}=`],
  ['other bits behind the last byte of the signature', otherSpelling(good)],
  ['a part more', `${good}.x`],
  ['a part less', good.slice(0, good.lastIndexOf('.'))],
  ['nothing', ''],
  ['claims that are no JSON', forgeText('no json')],
  ['claims that are no object', forgeText('null')],
  ['another issuer', forge(HS256, {...PAYLOAD, iss: 'https://accounts.example.org'})],
  ['no issuer', forge(HS256, {...PAYLOAD, iss: undefined})],
  ['an issuer in other letters', forge(HS256, {...PAYLOAD, iss: 'KalamDB'})],
  ['a refresh token', forge(HS256, {...PAYLOAD, token_type: 'refresh'})],
  ['a token of no type', forge(HS256, {...PAYLOAD, token_type: undefined})],
  ['no end', forge(HS256, {...PAYLOAD, exp: undefined})],
  ['an end that is no number', forge(HS256, {...PAYLOAD, exp: '9999999999'})],
  ['made in the future', forge(HS256, {...PAYLOAD, iat: NOW_S + 61})],
  ['a role above the stored one', forge(HS256, {...PAYLOAD, role: 'dba'})],
  ['a role below the stored one', forge(HS256, {...PAYLOAD, role: 'anonymous'})],
  ['no such role', forge(HS256, {...PAYLOAD, role: 'root'})],
  ['no such user', forge(HS256, {...PAYLOAD, sub: 'bob'})],
  ['a user id that is no text', forge(HS256, {...PAYLOAD, sub: ['ana']})],
  ['a family that never was', forge(HS256, {...PAYLOAD, sid: 's9'})],
  ['a family that is no text', forge(HS256, {...PAYLOAD, sid: {}})],
  ['5000 characters', forge(HS256, {...PAYLOAD, email: 'x'.repeat(5000)})],
];

function forgeText(claims: string): string {
  const signed = `${part(HS256)}.${Buffer.from(claims).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** 32 bytes are 43 characters of base64, whose last one holds two bits that mean nothing. */
function otherSpelling(token: string): string {
  const last = token.at(-1)!;
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1]!;
}

for (const [why, token] of attacks) {
  test(`a token is refused: ${why}`, () => {
    const withPassword = open();
    assert.throws(() => withPassword.sessions.authenticateBearer(token), {code: 'INVALID_CREDENTIALS'});
    assert.throws(() => withPassword.sessions.authenticate(`Bearer ${token}`), {code: 'INVALID_CREDENTIALS'});
    const {sessions} = open([user({...ROOT, password_hash: ''}), user(ANA)]);
    if (token.split('.').length === 3)
      assert.throws(() => sessions.authenticate(`Bearer ${token}`), {code: 'INVALID_CREDENTIALS'});
  });
}

test('an expired token is told apart from a wrong one, a minute after its end', () => {
  const {sessions, clock} = open();
  const token = forge(HS256, PAYLOAD);
  clock.monotonicMs = () => (3600 + 59) * 1000;
  assert.equal(own(sessions, `Bearer ${token}`).userId, 'ana');
  clock.monotonicMs = () => (3600 + 60) * 1000;
  assert.throws(() => sessions.authenticate(`Bearer ${token}`), {
    code: 'TOKEN_EXPIRED',
    message: 'Invalid credentials',
  });
  const tampered = forge(HS256, PAYLOAD, 'another secret, which is long enough too');
  assert.throws(() => sessions.authenticate(`Bearer ${tampered}`), {code: 'INVALID_CREDENTIALS'});
});

test('a sign-in of the user, or another address, is told to nobody', () => {
  const {sessions} = open();
  const heard: unknown[] = [];
  sessions.onSessionsChanged(userId => heard.push(userId));
  sessions.apply(user({...ANA, last_login_at: 5n, email: 'e', password_hash: 'another'}));
  sessions.apply(signIn(FAMILY));
  assert.deepEqual(heard, []);
});

describe('a session ends', () => {
  const ends: [why: string, record: LogRecord, told: string | undefined, survivesWithoutFamily: boolean][] = [
    ['its user is dropped', user({...ANA, deleted_at: 1n}), 'ana', false],
    ['its user gets another role', user({...ANA, role: 'service'}), 'ana', false],
    ['its user signs out', {kind: 'remove', scope: scopeOf(SIGN_INS.schema), key: textKey('s1')}, 'ana', true],
  ];
  for (const [why, record, told, survivesWithoutFamily] of ends) {
    test(`when ${why}, and who listens is told`, () => {
      const {sessions} = open([user(ROOT), user(ANA), signIn(FAMILY)]);
      const header = `Bearer ${forge(HS256, {...PAYLOAD, sid: 's1'})}`;
      const session = own(sessions, header);
      const foreign = own(sessions, `Bearer ${good}`);
      const heard: (UserId | undefined)[] = [];
      const stop = sessions.onSessionsChanged(userId => heard.push(userId));
      assert.ok(sessions.isStillValid(session));
      assert.equal(sessions.authenticate(header), session, 'the same object while it is good');
      sessions.apply(record);
      assert.deepEqual(heard, [told]);
      assert.equal(sessions.isStillValid(session), false);
      assert.throws(() => sessions.authenticate(header), {code: 'INVALID_CREDENTIALS'});
      assert.equal(sessions.isStillValid(foreign), survivesWithoutFamily);
      assert.equal(sessions.isStillValid(asBob(session)), false, 'who acts as another ends with the actor');
      stop();
      sessions.apply(record);
      assert.equal(heard.length, 1, 'nothing is told any more');
    });
  }

  test('when all sessions of its user are ended, tokens made elsewhere included; later ones are good', () => {
    const {sessions} = open();
    const before = own(sessions, `Bearer ${good}`);
    const mark = {...FAMILY, sign_in_id: 'user:ana', refresh_id: null};
    sessions.apply(signIn({...mark, signed_in_at: BigInt(NOW_S) * 1_000_000n + 999_999n}));
    assert.equal(sessions.isStillValid(before), false);
    const later = forge(HS256, {...PAYLOAD, iat: NOW_S + 1});
    assert.equal(sessions.authenticateBearer(later).userId, 'ana');
  });

  test('when root gets a password, for all who named themselves', () => {
    const {sessions} = open([user({...ROOT, password_hash: ''})]);
    assert.equal(sessions.isDevelopment, true);
    assert.equal(sessions.authenticate(undefined), undefined);
    assert.equal(sessions.authenticate('Bearer test-token'), undefined);
    assert.equal(sessions.authenticate('Bearer'), undefined);
    assert.throws(() => sessions.authenticate('Basic cm9vdDo='), {code: 'INVALID_CREDENTIALS'});
    const session: Session = {userId: 'ana' as UserId, role: 'dba', proof: {kind: 'development'}};
    assert.ok(sessions.isStillValid(session));
    const heard: (UserId | undefined)[] = [];
    sessions.onSessionsChanged(userId => heard.push(userId));
    sessions.apply(user(ROOT));
    assert.deepEqual(heard, [undefined]);
    assert.equal(sessions.isStillValid(session), false);
    assert.throws(() => sessions.authenticate(undefined), {code: 'MISSING_AUTHORIZATION'});
    assert.throws(() => sessions.authenticate('Bearer test-token'), {code: 'INVALID_CREDENTIALS'});
  });
});

test('a server that others can reach has no development sign-in, and serves nobody before it is set up', () => {
  const {sessions} = open([user({...ROOT, password_hash: ''}), user(ANA)], false);
  assert.equal(sessions.isDevelopment, false);
  for (const header of [undefined, 'Bearer test-token', `Bearer ${good}`]) {
    assert.throws(() => sessions.authenticate(header), {code: 'SETUP_REQUIRED'}, header);
  }
});

function asBob(actor: Session): Session {
  return {userId: 'bob' as UserId, role: 'user', proof: {kind: 'actor', actor}};
}

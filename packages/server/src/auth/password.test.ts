import assert from 'node:assert/strict';
import {test} from 'node:test';
import {SimClock} from '../std/sim-clock.ts';
import {BackOff} from './back-off.ts';
import {isHash, Passwords} from './password.ts';
import {type PasswordPolicy, weakness} from './password-policy.ts';

const CHEAP = {cost: {memoryKib: 8, passes: 1}, atOnce: 1};
/** Of 'correct horse', as other servers made them. */
const BCRYPT = '$2b$04$i.7OIsiJlQBZP0pq2X8htuVPuQAmwVYOGXe0x.zyBkP7rXOA6BzfC';

test('a password is right for its hash alone, and two hashes of it differ', async () => {
  const passwords = new Passwords(CHEAP);
  const [one, other] = [await passwords.hash('correct horse', 'a'), await passwords.hash('correct horse', 'a')];
  assert.notEqual(one, other);
  assert.match(one, /^\$argon2id\$v=19\$m=8,t=1,p=1\$/);
  assert.equal(await passwords.verify(one, 'correct horse', 'a'), true);
  assert.equal(await passwords.verify(one, 'Correct horse', 'a'), false);
  assert.equal(passwords.isOutdated(one), false);
  assert.equal(new Passwords({...CHEAP, cost: {memoryKib: 16, passes: 1}}).isOutdated(one), true);
});

test('a bcrypt hash is checked, and is outdated', async () => {
  const passwords = new Passwords(CHEAP);
  assert.equal(await passwords.verify(BCRYPT, 'correct horse', 'a'), true);
  assert.equal(await passwords.verify(BCRYPT, 'wrong', 'a'), false);
  assert.equal(passwords.isOutdated(BCRYPT), true);
});

test('without an account the same work is done, and the answer is no, even for the password of nobody', async () => {
  const passwords = new Passwords(CHEAP);
  assert.equal(await passwords.verify(undefined, 'nobody', 'a'), false);
  assert.equal(passwords.checks, 1);
});

test('who sends many waits behind themselves: another is next but one', async () => {
  const passwords = new Passwords(CHEAP);
  const order: string[] = [];
  const ask = (caller: string) => passwords.verify(undefined, 'x', caller).then(() => order.push(caller));
  const flood = Array.from({length: 10}, () => ask('flood'));
  await Promise.all([...flood, ask('ana'), ask('bob')]);
  assert.deepEqual(order.slice(0, 4), ['flood', 'flood', 'ana', 'bob']);
});

test('lines have a length, and meeting it is an answer', async () => {
  const passwords = new Passwords(CHEAP);
  const asked = Array.from({length: 40}, () =>
    passwords.verify(undefined, 'x', 'flood').then(String, error => error.code),
  );
  const answers = await Promise.all([...asked, passwords.verify(undefined, 'x', 'ana').then(String)]);
  assert.equal(answers.at(-1), 'false');
  assert.ok(answers.includes('RATE_LIMIT_EXCEEDED'));
  assert.equal(await passwords.verify(undefined, 'x', 'flood'), false, 'the line is free again');
});

test('the event loop turns while passwords are hashed', async () => {
  const passwords = new Passwords({cost: {memoryKib: 19_456, passes: 2}, atOnce: 1});
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  turn();
  await passwords.hash('x', 'a');
  isOver = true;
  assert.ok(turns > 10, `${turns} turns`);
});

const hashes: [why: string, text: string, isOne: boolean][] = [
  [
    'argon2id',
    '$argon2id$v=19$m=19456,t=2,p=1$Zq8vz8XO8h5UiVwA8IcDfw$o/fHAc2Og9xBP0i+IqbRYSKGZc+R1vyE1KRMpzpsnbM',
    true,
  ],
  ['bcrypt', BCRYPT, true],
  ['a cost nobody wants to pay at each sign-in', BCRYPT.replace('$04$', '$15$'), false],
  ['a cost below the least', BCRYPT.replace('$04$', '$03$'), false],
  [
    'memory nobody wants to give',
    '$argon2id$v=19$m=4194304,t=2,p=1$Zq8vz8XO8h5UiVwA8IcDfw$o/fHAc2Og9xBP0i+IqbRYSKGZc+R1vyE1KRMpzpsnbM',
    false,
  ],
  [
    'argon2i',
    '$argon2i$v=19$m=19456,t=2,p=1$Zq8vz8XO8h5UiVwA8IcDfw$o/fHAc2Og9xBP0i+IqbRYSKGZc+R1vyE1KRMpzpsnbM',
    false,
  ],
  ['a cut one', BCRYPT.slice(0, -1), false],
  ['a password', 'correct horse', false],
  ['a password that begins like one', '$2b$04$', false],
];
for (const [why, text, isOne] of hashes)
  test(`taken for a hash or not: ${why}`, () => assert.equal(isHash(text), isOne));

const LAX: PasswordPolicy = {minLength: 8, maxLength: 20, isComplex: false};
const STRICT: PasswordPolicy = {...LAX, isComplex: true};
const weak: [why: string, password: string, policy: PasswordPolicy, reason: string | undefined][] = [
  ['short', '1234567', LAX, 'Password must be at least 8 characters (weak)'],
  ['eight characters', 'x7k2m9q4', LAX, undefined],
  ['characters are counted, not bytes', 'ééééééé', LAX, 'Password must be at least 8 characters (weak)'],
  ['long', 'x'.repeat(21), LAX, 'Password must be at most 20 characters (bcrypt limit, weak)'],
  ['common', 'football', LAX, 'Password is too common'],
  ['common in capitals', 'FootBall', LAX, 'Password is too common'],
  ['the own name', 'ana-maria', LAX, 'Password is too common'],
  ['no capital', 'correct-horse-1', STRICT, 'Password must include at least one uppercase letter'],
  ['no small letter', 'CORRECT-HORSE-1', STRICT, 'Password must include at least one lowercase letter'],
  ['no digit', 'Correct-Horse', STRICT, 'Password must include at least one digit'],
  ['nothing special', 'CorrectHorse1', STRICT, 'Password must include at least one special character'],
  ['all of them', 'Correct-Horse-1', STRICT, undefined],
];
for (const [why, password, policy, reason] of weak) {
  test(`a new password: ${why}`, () => assert.equal(weakness(password, 'Ana-Maria', policy), reason));
}

test('back-off doubles from a minute to fifteen, is forgotten in quiet, and is of one name at one address', () => {
  const clock = new SimClock(0);
  let now = 0;
  clock.monotonicMs = () => now;
  const backOff = new BackOff(clock);
  const waits: number[] = [];
  for (let i = 0; i < 11; i++) {
    backOff.fail('ana', 'here');
    waits.push(backOff.waitMs('ana', 'here') / 60_000);
    now += backOff.waitMs('ana', 'here');
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15]);
  now -= 1;
  assert.ok(backOff.waitMs('ana', 'here') > 0);
  assert.equal(backOff.waitMs('ana', 'elsewhere'), 0);
  assert.equal(backOff.waitMs('bob', 'here'), 0);
  now += 15 * 60_000 + 2;
  assert.equal(backOff.fail('ana', 'here'), false, 'forgotten');
});

test('many names from one address are one guesser', () => {
  const clock = new SimClock(0);
  const backOff = new BackOff(clock);
  for (let i = 0; i < 49; i++) assert.equal(backOff.fail(`user${i}`, 'here'), false);
  assert.equal(backOff.fail('user50', 'here'), true);
  assert.ok(backOff.waitMs('ana', 'here') > 0);
  assert.equal(backOff.waitMs('ana', 'elsewhere'), 0);
});

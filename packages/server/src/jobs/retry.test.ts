import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError, ERRORS, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {backoffMs, isTransient, traceText} from './retry.ts';

test('an error is transient if its code says so', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    assert.equal(isTransient(new DbError(code, 'x')), ERRORS[code].retry, code);
  }
  const cases: [why: string, error: unknown, expected: boolean][] = [
    ['a full disk', Object.assign(new Error('x'), {code: 'ENOSPC'}), true],
    ['a broken disk', Object.assign(new Error('x'), {code: 'EIO'}), false],
    ['a bug', new TypeError('x'), false],
    ['texts are not read', new Error('ENOSPC'), false],
    ['not an error', 'ENOSPC', false],
  ];
  for (const [why, error, expected] of cases) assert.equal(isTransient(error), expected, why);
});

test('waits double up to a minute, and chance takes off up to half', () => {
  assert.deepEqual(
    [1, 2, 3, 4].map(attempt => backoffMs(100, attempt, 0)),
    [100, 200, 400, 800],
  );
  assert.equal(backoffMs(100, 1000, 0), 60_000);
  assert.equal(backoffMs(100, 1, 0.5), 75);
  assert.ok(backoffMs(100, 1, 0.999) >= 50);
});

test('a trace is bounded and names the cause', () => {
  const error = new Error('outer', {cause: new Error('inner')});
  assert.match(traceText(error)!, /outer[\s\S]*caused by Error: inner/);
  assert.equal(traceText('text'), null);
  assert.ok(traceText(new Error('x'.repeat(100_000)))!.length <= 8000);
});

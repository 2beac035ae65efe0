import assert from 'node:assert/strict';
import {test} from 'node:test';
import {ERRORS} from '@kalamdb/protocol/errors.ts';
import {KalamError} from './error.ts';

test('an error of the server may be tried again if the table of the protocol says so', () => {
  for (const [code, {status, retry}] of Object.entries(ERRORS)) {
    assert.equal(new KalamError(code, 'x', {status}).retryable, retry, code);
  }
});

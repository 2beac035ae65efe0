import assert from 'node:assert/strict';
import {test} from 'node:test';
import {messageOf} from './server-log.ts';

const cases: [why: string, line: object, level: string, message: string][] = [
  ['a text alone', {level: 30, time: 't', msg: 'Ready.'}, 'info', 'Ready.'],
  ['facts stand behind it', {level: 40, time: 't', msg: 'Slow.', ms: 12}, 'warn', 'Slow. {"ms":12}'],
  ['an error has its stack', {level: 50, time: 't', msg: 'No.', err: {stack: 'at x'}}, 'error', 'No.\nat x'],
  ['or its message', {level: 60, time: 't', msg: 'No.', err: {message: 'why'}}, 'fatal', 'No.\nwhy'],
  ['facts without a text', {level: 20, time: 't', a: 1}, 'debug', ' {"a":1}'],
];

for (const [why, line, level, message] of cases) {
  test(`a message of the log is shown with what belongs to it: ${why}`, () => {
    const place = {thread: null, target: null, line: null};
    assert.deepEqual(messageOf(JSON.stringify(line)), {timestamp: 't', level, ...place, message});
  });
}

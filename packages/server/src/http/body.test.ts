import assert from 'node:assert/strict';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {PassThrough} from 'node:stream';
import {test} from 'node:test';
import {BodyBudget, readBody} from './body.ts';

const LIMITS = {bodyBytesMax: 100, parametersMax: 50, parameterBytesMax: 100};

/** A request whose body comes as it is written. */
function request() {
  const stream = new PassThrough();
  const message = Object.assign(stream, {headers: {}, complete: false}) as unknown as IncomingMessage & PassThrough;
  const read = (budget: BodyBudget) => readBody(message, {} as ServerResponse, LIMITS, budget);
  const end = () => {
    message.complete = true;
    stream.end();
  };
  return {stream, read, end};
}

const turn = () => new Promise(resolve => setImmediate(resolve));

test('bodies that come at once share a bound, and give back what they took, whatever became of them', async () => {
  const budget = new BodyBudget(10);
  const [first, second, third] = [request(), request(), request()];
  const whole = first.read(budget);
  first.stream.write('12345678');
  await turn();
  const refused = assert.rejects(second.read(budget), {code: 'MEMORY_LIMIT', message: /would exceed 10 bytes/});
  second.stream.write('123');
  await refused;
  first.end();
  assert.equal(await whole, '12345678');
  const later = third.read(budget);
  third.stream.write('1234567890');
  third.end();
  assert.equal(await later, '1234567890', 'there is room again for all of it');
});

test('a body that grows beyond its own limit gives back what it took', async () => {
  const budget = new BodyBudget(150);
  const large = request();
  const refused = assert.rejects(large.read(budget), {code: 'BODY_TOO_LARGE'});
  large.stream.write('x'.repeat(90));
  await turn();
  large.stream.write('x'.repeat(90));
  await refused;
  budget.take(150);
});

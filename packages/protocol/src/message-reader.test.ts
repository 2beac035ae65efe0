import {deepEqual, equal, throws} from 'node:assert/strict';
import {describe, it} from 'node:test';
import {MessageError, parseClientMessage, parseServerMessage, readClientMessage} from './message-reader.ts';
import {BATCH_ROWS_MAX, SUBSCRIPTION_ID_LENGTH_MAX} from './messages.ts';

const SEQ = '7188000000000000001';

function failureOf(read: () => unknown): [code: string, subscriptionId: string, message: string] {
  try {
    read();
  } catch (error) {
    if (error instanceof MessageError) return [error.code, error.subscriptionId, error.message];
    throw error;
  }
  throw new Error('the message was read');
}

function subscribe(subscription: object): string {
  return JSON.stringify({type: 'subscribe', subscription: {id: 's', sql: 'SELECT * FROM app.todo', ...subscription}});
}

describe('messages of clients', () => {
  const whole: [why: string, text: string, message: object][] = [
    [
      'authenticate without protocol',
      '{"type":"authenticate","method":"jwt","token":"t"}',
      {type: 'authenticate', method: 'jwt', token: 't'},
    ],
    [
      'authenticate with a part of protocol',
      '{"type":"authenticate","method":"jwt","token":"t","protocol":{"serialization":"msgpack"}}',
      {type: 'authenticate', method: 'jwt', token: 't', protocol: {serialization: 'msgpack'}},
    ],
    ['ping; unknown fields are ignored', '{"type":"ping","at":1}', {type: 'ping'}],
    ['unsubscribe', '{"type":"unsubscribe","subscription_id":"s"}', {type: 'unsubscribe', subscription_id: 's'}],
    [
      'a cursor as integer beyond 2^53 keeps its digits',
      `{"type":"next_batch","subscription_id":"s","last_seq_id" : ${SEQ} }`,
      {type: 'next_batch', subscription_id: 's', last_seq_id: SEQ},
    ],
    [
      'a cursor as text',
      `{"type":"next_batch","subscription_id":"s","last_seq_id":"${SEQ}"}`,
      {type: 'next_batch', subscription_id: 's', last_seq_id: SEQ},
    ],
    ['no cursor', '{"type":"next_batch","subscription_id":"s"}', {type: 'next_batch', subscription_id: 's'}],
  ];
  for (const [why, text, message] of whole) it(`reads: ${why}`, () => deepEqual(parseClientMessage(text), message));

  const options: [why: string, options: string, read: object | undefined][] = [
    ['null is no initial data', 'null', undefined],
    ['an empty object is all rows', '{}', {}],
    ['a batch size above the cap counts as the cap', '{"batch_size":4294967295}', {batch_size: BATCH_ROWS_MAX}],
    ['from keeps its digits', `{"from":${SEQ}}`, {from: SEQ}],
    ['from_seq_id is from', `{"from_seq_id":${SEQ}}`, {from: SEQ}],
    ['from outranks its alias', `{"from_seq_id":1,"from":${SEQ}}`, {from: SEQ}],
    ['no rows at first is a number of rows', '{"last_rows":0}', {last_rows: 0}],
    ['from beside last_rows', '{"from":5,"last_rows":10}', {from: '5', last_rows: 10}],

    ['null members are absent', '{"from":null,"batch_size":null,"last_rows":null}', {}],
  ];
  for (const [why, text, read] of options)
    it(`options: ${why}`, () => {
      const message = parseClientMessage(`{"type":"subscribe","subscription":{"id":"s","sql":"q","options":${text}}}`);
      const subscription = read === undefined ? {id: 's', sql: 'q'} : {id: 's', sql: 'q', options: read};
      deepEqual(message, {type: 'subscribe', subscription});
    });

  it('reads whether progress is wanted', () => {
    const message = (progress: string) =>
      parseClientMessage(`{"type":"subscribe","subscription":{"id":"s","sql":"q","progress":${progress}}}`);
    deepEqual(message('true'), {type: 'subscribe', subscription: {id: 's', sql: 'q', progress: true}});
    for (const other of ['false', 'null', '1'])
      deepEqual(message(other), {type: 'subscribe', subscription: {id: 's', sql: 'q'}});
  });

  it('takes the digits of the member, not of a text that looks like one', () => {
    const sql = `SELECT * FROM app.todo WHERE note = '"from":7188000000000000002'`;
    const text = subscribe({sql, options: {from: 0}}).replace('"from":0', `"from":${SEQ}`);
    deepEqual(parseClientMessage(text), {type: 'subscribe', subscription: {id: 's', sql, options: {from: SEQ}}});
  });

  it('reads what MessagePack decodes: integers as bigint', () => {
    const options = {from: BigInt(SEQ), batch_size: 2n};
    deepEqual(readClientMessage({type: 'subscribe', subscription: {id: 's', sql: 'q', options}}), {
      type: 'subscribe',
      subscription: {id: 's', sql: 'q', options: {from: SEQ, batch_size: 2}},
    });
  });

  const refused: [why: string, text: string, code: string, id: string, message: RegExp][] = [
    ['no JSON', '{', 'PROTOCOL', 'protocol', /^Invalid message: the text is not JSON$/],
    ['no object', '[]', 'PROTOCOL', 'protocol', /^Invalid message: a message must be an object$/],
    ['null', 'null', 'PROTOCOL', 'protocol', /a message must be an object/],
    ['no type', '{}', 'PROTOCOL', 'protocol', /type must be a string; there are authenticate, subscribe, next_batch/],
    ['an unknown type', '{"type":"pong"}', 'PROTOCOL', 'protocol', /unknown type 'pong'; there are authenticate/],
    ['a type of servers', '{"type":"change"}', 'PROTOCOL', 'protocol', /unknown type 'change'/],
    [
      'another method',
      '{"type":"authenticate","method":"basic","token":"t"}',
      'PROTOCOL',
      'protocol',
      /method must be 'jwt'/,
    ],
    ['no token', '{"type":"authenticate","method":"jwt"}', 'PROTOCOL', 'protocol', /token must be a string/],
    [
      'an unknown serialization',
      '{"type":"authenticate","method":"jwt","token":"t","protocol":{"serialization":"cbor"}}',
      'PROTOCOL',
      'protocol',
      /protocol.serialization must be 'json' or 'msgpack'/,
    ],
    ['no subscription', '{"type":"subscribe"}', 'PROTOCOL', 'protocol', /subscription must be an object/],
    ['no SQL', subscribe({sql: 5}), 'PROTOCOL', 'protocol', /subscription.sql must be a string/],
    ['a blank id', subscribe({id: '  '}), 'INVALID_SUBSCRIPTION_ID', 'invalid_subscription', /cannot be empty/],
    [
      'a long id',
      subscribe({id: 'x'.repeat(SUBSCRIPTION_ID_LENGTH_MAX + 1)}),
      'INVALID_SUBSCRIPTION_ID',
      'invalid_subscription',
      /has 257 characters; at most 256/,
    ],
    [
      'no rows per batch',
      subscribe({options: {batch_size: 0}}),
      'UNSUPPORTED',
      's',
      /batch_size must be an integer from 1/,
    ],
    ['half a row', subscribe({options: {last_rows: 0.5}}), 'UNSUPPORTED', 's', /last_rows must be an integer from 0/],
    [
      'more last rows than a batch, though from is given',
      subscribe({options: {last_rows: 1001, from: 5}}),
      'UNSUPPORTED',
      's',
      /^last_rows \(1001\) cannot exceed batch_size \(1000\); paginated last_rows replay is not supported$/,
    ],
    ['a negative seq', subscribe({options: {from: -1}}), 'UNSUPPORTED', 's', /options.from must be a seq/],
    ['a seq that is no integer', subscribe({options: {from: 1e19}}), 'UNSUPPORTED', 's', /options.from must be a seq/],
    [
      'a seq above 2^63 - 1',
      subscribe({options: {from: '9223372036854775808'}}),
      'UNSUPPORTED',
      's',
      /integer from 0 to 9223372036854775807/,
    ],
    ['a seq with a fraction', subscribe({options: {from: '1.0'}}), 'UNSUPPORTED', 's', /options.from must be a seq/],
    ['a batch of nothing', '{"type":"next_batch"}', 'PROTOCOL', 'protocol', /subscription_id must be a string/],
  ];
  for (const [why, text, code, id, message] of refused)
    it(`refuses: ${why}`, () => {
      const [gotCode, gotId, gotMessage] = failureOf(() => parseClientMessage(text));
      deepEqual([gotCode, gotId], [code, id]);
      equal(message.test(gotMessage), true, gotMessage);
    });
});

describe('messages of the server', () => {
  const control = `"batch_control":{"batch_num":0,"has_more":true,"status":"loading","last_seq_id":${SEQ}}`;

  it('keep the digits of last_seq_id', () => {
    const text = `{"type":"initial_data_batch","subscription_id":"s","rows":[{"last_seq_id":5}],${control}}`;
    const message = parseServerMessage(text);
    equal(message.type === 'initial_data_batch' && message.batch_control.last_seq_id, SEQ);
  });

  it('of an unknown type are refused', () => {
    throws(() => parseServerMessage('{"type":"pong"}'), /unknown type 'pong'; there are auth_success/);
  });

  const refused: [why: string, text: string, message: RegExp][] = [
    ['a batch without rows', `{"type":"initial_data_batch","subscription_id":"s",${control}}`, /rows must be an array/],
    [
      'an ack without schema',
      `{"type":"subscription_ack","subscription_id":"s",${control}}`,
      /schema must be an array/,
    ],
    ['a change of no kind', '{"type":"change","subscription_id":"s","rows":[]}', /change_type must be/],
    ['an insert of nothing', '{"type":"change","subscription_id":"s","change_type":"insert"}', /rows must be an array/],
    ['a delete of nothing', '{"type":"change","subscription_id":"s","change_type":"delete"}', /old_values must be/],
    ['an error of nothing', '{"type":"error","code":"PROTOCOL","message":"m"}', /subscription_id must be a string/],
  ];
  for (const [why, text, message] of refused)
    it(`are refused: ${why}`, () => throws(() => parseServerMessage(text), message));
});

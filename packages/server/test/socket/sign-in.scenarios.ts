/**
 * Dialogues about who is there, what may be sent, and when a connection ends. A client without headers is a browser: it authenticates by a message and
 * never asks for batches.
 */
import type {Dialogue} from './dialogue.ts';
import {ack, batch, control, error, row, SCHEMA, subscribe, TODO, welcome} from './parts.ts';

const AUTHENTICATE = {type: 'authenticate', method: 'jwt', token: 'anything'};
const ROOT_TODO = 'SELECT * FROM app.todo';

/** The limits of the server that these are for. */
export const NARROW = {
  messageBytesMax: 2048,
  messagesPerSecond: 20,
  messagesBurst: 20,
  authMs: 500,
  heartbeatMs: 250,
  idleMs: 1000,
};

export const SIGN_IN: readonly Dialogue[] = [
  {
    name: 'a browser: authenticate, subscribe, ping, unsubscribe',
    lines: [
      ['>', {...AUTHENTICATE, protocol: {serialization: 'json', compression: 'gzip'}}],
      ['<', welcome('root', 'json')],
      ['sql', "DELETE FROM app.todo WHERE id > 0; INSERT INTO app.todo VALUES (1, 'a', false)", 'root'],
      ['>', subscribe('sub-1a2b', TODO, {})],
      ['<', ack('sub-1a2b', SCHEMA)],
      ['<', batch('sub-1a2b', [row(1, 'a', '$a')], control(0, 'ready', '$a'), '$at')],
      ['>', {type: 'ping'}],
      ['>', {type: 'unsubscribe', subscription_id: 'sub-1a2b'}],
      ['silence', 50],
    ],
  },
  {
    name: 'a browser gets all rows in one batch, whatever size it asked for',
    lines: [
      ['>', AUTHENTICATE],
      ['<', welcome('root', 'json')],
      [
        'sql',
        "DELETE FROM app.todo WHERE id > 0; INSERT INTO app.todo VALUES (1, 'a', false), (2, 'b', false)",
        'root',
      ],
      ['>', subscribe('s', ROOT_TODO, {batch_size: 1})],
      ['<', ack('s', SCHEMA)],
      ['<', batch('s', [row(1, 'a', '$a'), row(2, 'b', '$b')], control(0, 'ready', '$b'), '$at')],
    ],
  },
  {
    name: 'a browser that resumes gets the changes behind the ack, and no batch',
    lines: [
      ['>', AUTHENTICATE],
      ['<', welcome('root', 'json')],
      ['sql', "DELETE FROM app.todo WHERE id > 0; INSERT INTO app.todo VALUES (1, 'a', false)", 'root'],
      ['>', subscribe('s', 'SELECT id FROM app.todo', {})],
      ['<', ack('s', SCHEMA.slice(0, 1))],
      ['<', batch('s', [{id: '1', _seq: '$a'}], control(0, 'ready', '$a'), '$at')],
      ['>', {type: 'unsubscribe', subscription_id: 's'}],
      ['sql', "INSERT INTO app.todo VALUES (2, 'b', false)", 'root'],
      ['>', subscribe('s', 'SELECT id FROM app.todo', {from: '$at'})],
      ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$at'})],
      ['<', {type: 'change', subscription_id: 's', change_type: 'insert', rows: [{id: '2', _seq: '$b'}], seq: '$b'}],
    ],
  },
  {
    name: 'a browser may agree on MessagePack; what it said before is JSON, as are errors',
    lines: [
      ['>', {...AUTHENTICATE, protocol: {serialization: 'msgpack', compression: 'none'}}],
      ['<', welcome('root', 'msgpack', 'none')],
      ['>', subscribe('s', 'SELECT nothing FROM app.todo')],
      ['<', error('s', 'INVALID_SQL', '$')],
    ],
  },
  {
    name: 'compress=false outranks what the message asks for',
    upgrade: {query: '?compress=false'},
    lines: [
      ['>', {...AUTHENTICATE, protocol: {compression: 'gzip'}}],
      ['<', welcome('root', 'json', 'none')],
    ],
  },
  {
    name: 'authenticating again is answered again and changes nothing',
    lines: [
      ['>', AUTHENTICATE],
      ['<', welcome('root', 'json')],
      ['>', {...AUTHENTICATE, protocol: {serialization: 'msgpack'}}],
      ['<', welcome('root', 'json')],
    ],
  },
  {
    name: 'before authenticating, subscribe is refused, ping and the rest are ignored',
    lines: [
      ['>', subscribe('s', TODO)],
      ['<', error('subscribe', 'AUTH_REQUIRED', 'Authenticate before subscribing')],
      ['>', {type: 'ping'}],
      ['>', {type: 'next_batch', subscription_id: 's'}],
      ['>', {type: 'unsubscribe', subscription_id: 's'}],
      ['>', AUTHENTICATE],
      ['<', welcome('root', 'json')],
    ],
  },
  {
    name: 'who does not say who they are is told so and closed',
    lines: [
      ['<', {type: 'auth_error', message: 'Authentication timeout - no auth message received within 0.5 seconds'}],
      ['end', 1008, 'Authentication timeout'],
    ],
  },
  {
    name: 'another scheme than Bearer is refused after the upgrade',
    upgrade: {headers: {authorization: 'Basic YTpi'}},
    lines: [
      ['<', {type: 'auth_error', message: '$'}],
      ['end', 1008, 'Authentication failed'],
    ],
  },
  {
    name: 'binary frames in JSON are refused, and the connection goes on',
    upgrade: {headers: {'x-user-id': 'ana'}},
    lines: [
      ['<', welcome('ana', 'json')],
      ['>>', Buffer.from([0x81, 0xa4])],
      ['<', error('protocol', 'UNSUPPORTED_DATA', 'Binary not supported')],
      ['>', subscribe('s', 'SELECT id FROM app.todo')],
      ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$at'})],
    ],
  },
  {
    name: 'in MessagePack, frames that are none are refused, and JSON texts are taken',
    upgrade: {headers: {'x-user-id': 'ana'}, query: '?serialization=msgpack'},
    lines: [
      ['<', welcome('ana', 'msgpack')],
      ['>>', Buffer.from([0xc1])],
      ['<', error('protocol', 'UNSUPPORTED_DATA', '$')],
      ['>>', Buffer.from([0x1f, 0x8b, 0, 0])],
      ['<', error('protocol', 'UNSUPPORTED_DATA', 'The frame begins like gzip and cannot be inflated')],
      ['>>', JSON.stringify(subscribe('s', 'SELECT id FROM app.todo'))],
      ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$at'})],
    ],
  },
  {
    name: 'an unknown type ends the connection, with the reason',
    upgrade: {headers: {'x-user-id': 'ana'}},
    lines: [
      ['<', welcome('ana', 'json')],
      ['>', {type: 'pong'}],
      ['<', error('protocol', 'PROTOCOL', '$')],
      ['end', 1011, /^Invalid message: unknown type 'pong'/],
    ],
  },
  {
    name: 'what is no JSON ends the connection',
    lines: [
      ['>>', '{"type":'],
      ['<', error('protocol', 'PROTOCOL', 'Invalid message: the text is not JSON')],
      ['end', 1011, 'Invalid message: the text is not JSON'],
    ],
  },
  {
    name: 'brackets within brackets end the connection',
    lines: [
      ['>>', '['.repeat(1000)],
      ['<', error('protocol', 'PROTOCOL', 'Invalid message: it nests deeper than 32 levels')],
      ['end', 1011, /nests deeper/],
    ],
  },
  {
    name: 'a message above the limit is refused, and the connection goes on',
    upgrade: {headers: {'x-user-id': 'ana'}},
    lines: [
      ['<', welcome('ana', 'json')],
      ['>', subscribe('s', `SELECT * FROM app.todo WHERE title = '${'x'.repeat(2048)}'`)],
      ['<', error('protocol', 'MESSAGE_TOO_LARGE', 'Message exceeds the limit of 2048 bytes')],
      ['>', {type: 'ping'}],
      ['silence', 30],
    ],
  },
  {
    name: 'a message that is not even read to its end closes the connection',
    upgrade: {headers: {'x-user-id': 'ana'}},
    lines: [
      ['<', welcome('ana', 'json')],
      ['>>', 'x'.repeat(5000)],
      ['end', 1009, ''],
    ],
  },
  {
    name: 'a client that answers no pings is closed',
    upgrade: {headers: {'x-user-id': 'ana'}, autoPong: false},
    lines: [
      ['<', welcome('ana', 'json')],
      ['end', 1000, 'Heartbeat timeout'],
    ],
  },
];

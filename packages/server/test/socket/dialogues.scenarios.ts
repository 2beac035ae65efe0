/**
 * Dialogues that are the same in JSON and in MessagePack, by a client that names itself in the upgrade request and asks for its batches.
 */
import type {Serialization} from '@kalamdb/protocol/messages.ts';
import type {Dialogue} from './dialogue.ts';
import {ack, batch, control, error, row, SCHEMA, subscribe, TODO, welcome} from './parts.ts';

const EMPTY = 'DELETE FROM app.todo WHERE id > 0';

export function dialogues(serialization: Serialization): Dialogue[] {
  const upgrade = {headers: {'x-user-id': 'ana'}, query: `?serialization=${serialization}&compression=gzip`};
  const hello = ['<', welcome('ana', serialization)] as const;
  return [
    {
      name: 'all rows first, then every change: insert, update, delete',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'buy milk', false)`],
        ['>', subscribe('s', TODO, {})],
        ['<', ack('s', SCHEMA)],
        ['<', batch('s', [row(1, 'buy milk', '$milk')], control(0, 'ready', '$milk'), '$snapshot')],
        ['sql', "INSERT INTO app.todo VALUES (2, 'call bob', false)"],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'insert',
            rows: [row(2, 'call bob', '$bob')],
            seq: '$bob',
          },
        ],
        ['sql', "UPDATE app.todo SET title = 'call ann' WHERE id = 2"],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'update',
            rows: [{id: '2', title: 'call ann', done: false, _seq: '$ann'}],
            old_values: [{id: '2', title: 'call bob'}],
            seq: '$ann',
          },
        ],
        ['sql', 'DELETE FROM app.todo WHERE id = 2'],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'delete',
            old_values: [{id: '2', title: 'call ann', done: false, _seq: '$gone', _deleted: true}],
            seq: '$gone',
          },
        ],
      ],
    },
    {
      name: 'NULL is told as null, and a row that begins or ceases to match comes and goes with the reason',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', false), (2, 'b', true)`],
        ['>', subscribe('s', TODO)],
        ['<', ack('s', SCHEMA, 'ready', {seq: '$start'})],
        ['sql', 'UPDATE app.todo SET title = NULL WHERE id = 1'],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'update',
            rows: [{id: '1', title: null, done: false, _seq: '$null'}],
            old_values: [{id: '1', title: 'a'}],
            seq: '$null',
          },
        ],
        ['sql', 'UPDATE app.todo SET done = false WHERE id = 2'],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'insert',
            rows: [row(2, 'b', '$enter')],
            reason: 'enter',
            seq: '$enter',
          },
        ],
        ['sql', 'UPDATE app.todo SET done = true WHERE id = 2'],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's',
            change_type: 'delete',
            old_values: [{...row(2, 'b', '$leave')}],
            reason: 'leave',
            seq: '$leave',
          },
        ],
      ],
    },
    {
      name: 'pages are sent when they are asked for, once each, and a cursor behind them is ignored',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', false), (2, 'b', false), (3, 'c', false)`],
        ['>', subscribe('x', TODO, {batch_size: 2})],
        ['<', ack('x', SCHEMA, 'loading')],
        ['<', batch('x', [row(1, 'a', '$a'), row(2, 'b', '$b')], control(0, 'loading', '$b'), '$b')],
        ['>', {type: 'next_batch', subscription_id: 'x', last_seq_id: '$a'}],
        ['silence', 50],
        ['>', {type: 'next_batch', subscription_id: 'x', last_seq_id: '$b'}],
        ['>', {type: 'next_batch', subscription_id: 'x', last_seq_id: '$b'}],
        ['<', batch('x', [row(3, 'c', '$c')], control(1, 'ready', '$c'), '$snapshot')],
        ['silence', 50],
        ['>', {type: 'next_batch', subscription_id: 'unknown'}],
        ['silence', 50],
      ],
    },
    {
      name: 'resume: an ack, an empty batch, then everything that happened, deletes too, the last of it without more',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', false), (2, 'b', false), (3, 'c', false)`],
        ['>', subscribe('x', TODO, {})],
        ['<', ack('x', SCHEMA)],
        ['<', batch('x', [row(1, 'a', '$a'), row(2, 'b', '$b'), row(3, 'c', '$c')], control(0, 'ready', '$c'), '$at')],
        ['>', {type: 'unsubscribe', subscription_id: 'x'}],
        ['sql', 'DELETE FROM app.todo WHERE id = 1'],
        ['sql', "INSERT INTO app.todo VALUES (4, 'd', false)"],
        ['sql', 'UPDATE app.todo SET done = true WHERE id = 3'],
        ['>', subscribe('x', TODO, {from: '$at'})],
        ['<', ack('x', SCHEMA, 'ready', {seq: '$at'})],
        ['<', {type: 'initial_data_batch', subscription_id: 'x', rows: [], ...control(0, 'ready', null)}],
        [
          '<',
          {
            type: 'change',
            subscription_id: 'x',
            change_type: 'delete',
            old_values: [{id: '1', _seq: '$gone', _deleted: true}],
            seq: '$gone',
            more: true,
          },
        ],
        [
          '<',
          {
            type: 'change',
            subscription_id: 'x',
            change_type: 'insert',
            rows: [row(4, 'd', '$d')],
            seq: '$d',
            more: true,
          },
        ],
        [
          '<',
          {
            type: 'change',
            subscription_id: 'x',
            change_type: 'delete',
            old_values: [{id: '3', _seq: '$left'}],
            reason: 'leave',
            seq: '$left',
          },
        ],
      ],
    },
    {
      name: 'last_rows are the newest, oldest first',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', false), (2, 'b', false), (3, 'c', false)`],
        ['>', subscribe('s2', 'SELECT id, title FROM app.todo', {last_rows: 2})],
        ['<', ack('s2', SCHEMA.slice(0, 2))],
        [
          '<',
          batch(
            's2',
            [
              {id: '2', title: 'b', _seq: '$b'},
              {id: '3', title: 'c', _seq: '$c'},
            ],
            control(0, 'ready', '$c'),
            '$at',
          ),
        ],
      ],
    },
    {
      name: 'who resumes and asks for progress is told a later cursor, though nothing concerned the query',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', true)`],
        ['>', subscribe('p', TODO)],
        ['<', ack('p', SCHEMA, 'ready', {seq: '$at'})],
        ['>', {type: 'unsubscribe', subscription_id: 'p'}],
        ['sql', "INSERT INTO app.todo VALUES (1, 'b', false) ON CONFLICT (id) DO UPDATE SET title = 'c'", 'ben'],
        ['>', {type: 'subscribe', subscription: {id: 'p', sql: TODO, options: {from: '$at'}, progress: true}}],
        ['<', ack('p', SCHEMA, 'ready', {seq: '$at'})],
        ['<', {type: 'initial_data_batch', subscription_id: 'p', rows: [], ...control(0, 'ready', null)}],
        ['<', {type: 'change', subscription_id: 'p', change_type: 'delete', old_values: [], seq: '$later'}],
      ],
    },
    {
      name: 'last_rows 0 is one empty batch, then changes',
      upgrade,
      lines: [
        hello,
        ['sql', `${EMPTY}; INSERT INTO app.todo VALUES (1, 'a', false)`],
        ['>', subscribe('s0', 'SELECT id, title FROM app.todo', {last_rows: 0})],
        ['<', ack('s0', SCHEMA.slice(0, 2))],
        ['<', batch('s0', [], control(0, 'ready', null), '$at')],
        ['sql', 'DELETE FROM app.todo WHERE id = 1'],
        [
          '<',
          {
            type: 'change',
            subscription_id: 's0',
            change_type: 'delete',
            old_values: [{id: '1', title: 'a', _seq: '$gone'}],
            seq: '$gone',
          },
        ],
      ],
    },
    {
      name: 'what cannot be served is refused with the id, and the connection goes on',
      upgrade,
      lines: [
        hello,
        ['>', subscribe('s', 'SELECT * FROM app.todo', {last_rows: 1001, from: 5})],
        [
          '<',
          error(
            's',
            'UNSUPPORTED',
            'last_rows (1001) cannot exceed batch_size (1000); paginated last_rows replay is not supported',
          ),
        ],
        ['>', subscribe(' ', 'SELECT * FROM app.todo')],
        ['<', error('invalid_subscription', 'INVALID_SUBSCRIPTION_ID', 'Subscription ID cannot be empty')],
        ['>', {type: 'ping'}],
        ['>', subscribe('s', 'SELECT * FROM app.todo')],
        ['<', ack('s', SCHEMA, 'ready', {seq: '$start'})],
      ],
    },
    {
      name: 'an id that is taken is replaced',
      upgrade,
      lines: [
        hello,
        ['sql', EMPTY],
        ['>', subscribe('s', TODO)],
        ['<', ack('s', SCHEMA, 'ready', {seq: '$one'})],
        ['>', subscribe('s', 'SELECT id FROM app.todo')],
        ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$one'})],
        ['sql', "INSERT INTO app.todo VALUES (1, 'a', false)"],
        ['<', {type: 'change', subscription_id: 's', change_type: 'insert', rows: [{id: '1', _seq: '$a'}], seq: '$a'}],
        ['silence', 50],
      ],
    },
    {
      name: 'an id that is taken is not replaced by what is refused',
      upgrade,
      lines: [
        hello,
        ['sql', EMPTY],
        ['>', subscribe('s', 'SELECT id FROM app.todo')],
        ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$one'})],
        ['>', subscribe('s', 'SELECT id FROM app.nothing')],
        ['<', error('s', 'NOT_FOUND', "Table 'app.nothing' does not exist.")],
        ['sql', "INSERT INTO app.todo VALUES (1, 'a', false)"],
        ['<', {type: 'change', subscription_id: 's', change_type: 'insert', rows: [{id: '1', _seq: '$a'}], seq: '$a'}],
      ],
    },
    {
      name: 'after unsubscribe nothing comes, and doing so twice is no mistake',
      upgrade,
      lines: [
        hello,
        ['sql', EMPTY],
        ['>', subscribe('s', TODO)],
        ['<', ack('s', SCHEMA, 'ready', {seq: '$start'})],
        ['>', {type: 'unsubscribe', subscription_id: 's'}],
        ['>', {type: 'unsubscribe', subscription_id: 's'}],
        ['silence', 30],
        ['sql', "INSERT INTO app.todo VALUES (1, 'a', false)"],
        ['silence', 50],
      ],
    },
    {
      name: 'a dropped table ends its subscriptions',
      upgrade,
      lines: [
        hello,
        ['sql', 'CREATE USER TABLE app.brief (id BIGINT PRIMARY KEY)'],
        ['>', subscribe('s', 'SELECT id FROM app.brief')],
        ['<', ack('s', SCHEMA.slice(0, 1), 'ready', {seq: '$start'})],
        ['sql', 'DROP TABLE app.brief'],
        ['<', error('s', 'NOT_FOUND', "Table 'app.brief' was dropped.")],
      ],
    },
  ];
}

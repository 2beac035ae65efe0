/**
 * Parts: what dialogues say again and again.
 */

export const TODO = 'SELECT * FROM app.todo WHERE done = false';

export const SCHEMA = [
  {name: 'id', data_type: 'BigInt', index: 0, flags: ['nn', 'pk', 'uq']},
  {name: 'title', data_type: 'Text', index: 1},
  {name: 'done', data_type: 'Boolean', index: 2},
  {name: '_seq', data_type: 'BigInt', index: 3, flags: ['nn']},
  {name: '_deleted', data_type: 'Boolean', index: 4, flags: ['nn']},
];

export function subscribe(id: string, sql: string, options?: object | null): object {
  return {type: 'subscribe', subscription: options === undefined ? {id, sql} : {id, sql, options}};
}

export function control(batchNum: number, status: 'loading' | 'loading_batch' | 'ready', last: string | null): object {
  return {batch_control: {batch_num: batchNum, has_more: status !== 'ready', status, last_seq_id: last}};
}

export function ack(id: string, schema: object[], status: 'loading' | 'ready' = 'ready', more: object = {}): object {
  return {type: 'subscription_ack', subscription_id: id, total_rows: 0, ...control(0, status, null), schema, ...more};
}

export function row(id: number, title: string | null, seq: string, done = false): object {
  return {id: String(id), title, done, _seq: seq, _deleted: false};
}

export function batch(id: string, rows: object[], controlled: object, seq: string): object {
  return {type: 'initial_data_batch', subscription_id: id, rows, ...controlled, seq};
}

export function welcome(
  user: string,
  serialization: 'json' | 'msgpack',
  compression: 'gzip' | 'none' = 'gzip',
): object {
  const role = user === 'root' ? 'system' : 'dba';
  return {type: 'auth_success', user, role, protocol: {serialization, compression}};
}

export function error(id: string, code: string, message: string, more: object = {}): object {
  return {type: 'error', subscription_id: id, code, message, ...more};
}

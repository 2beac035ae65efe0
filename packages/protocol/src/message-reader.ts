/**
 * Message reader: texts and decoded values become the messages of `messages.ts`, or an error that says which field is wrong.
 *
 * Laws: unknown fields are left alone, unknown types are refused. Seqs keep all their digits, whatever the JSON parser does to numbers. What
 * a client sent is checked whole; of what a server sent, what decides over the client's next step.
 */
import {
  type AuthErrorMessage,
  type AuthenticateMessage,
  type AuthSuccessMessage,
  BATCH_ROWS_DEFAULT,
  BATCH_ROWS_MAX,
  type ChangeMessage,
  type ClientMessage,
  type Encoding,
  ERROR_IDS,
  type ErrorMessage,
  type InitialDataBatchMessage,
  type LiveErrorCode,
  type NextBatchMessage,
  type SeqText,
  type ServerMessage,
  SUBSCRIPTION_ID_LENGTH_MAX,
  type SubscribeMessage,
  type SubscribeOptions,
  type SubscriptionAckMessage,
} from './messages.ts';

/**
 * A message that cannot be used. `subscriptionId` is one of ERROR_IDS or the id that the message named; `code` says what becomes of the
 * connection: PROTOCOL closes it, after all others it goes on.
 */
export class MessageError extends Error {
  readonly code: LiveErrorCode;
  readonly subscriptionId: string;

  constructor(code: LiveErrorCode, subscriptionId: string, message: string) {
    super(message);
    this.name = 'MessageError';
    this.code = code;
    this.subscriptionId = subscriptionId;
  }
}

/** A client message from its JSON text. Throws MessageError. */
export function parseClientMessage(text: string): ClientMessage {
  return readClientMessage(parseExact(text));
}

/** A client message from a decoded value: of JSON with exact seqs, or of MessagePack, where integers are numbers or bigints. Throws MessageError. */
export function readClientMessage(value: unknown): ClientMessage {
  const message = objectOf(value, 'a message');
  switch (message['type']) {
    case 'authenticate':
      return readAuthenticate(message);
    case 'subscribe':
      return readSubscribe(objectOf(message['subscription'], 'subscription'));
    case 'next_batch': {
      const last = message['last_seq_id'] ?? undefined;
      const next: NextBatchMessage = {type: 'next_batch', subscription_id: textOf(message, 'subscription_id')};
      if (last !== undefined) next.last_seq_id = seqOf(last, 'last_seq_id');
      return next;
    }
    case 'unsubscribe':
      return {type: 'unsubscribe', subscription_id: textOf(message, 'subscription_id')};
    case 'ping':
      return {type: 'ping'};
    default:
      throw unknownType(message['type'], 'authenticate, subscribe, next_batch, unsubscribe and ping');
  }
}

/**
 * A server message from its JSON text. Types and the fields that decide what a client does are checked; rows and schema are taken as they
 * are. Throws MessageError.
 */
export function parseServerMessage(text: string): ServerMessage {
  return readServerMessage(parseExact(text));
}

/** The same of a decoded value, as of MessagePack. */
export function readServerMessage(value: unknown): ServerMessage {
  const message = objectOf(value, 'a message');
  switch (message['type']) {
    case 'auth_success':
      textOf(message, 'user');
      textOf(message, 'role');
      return message as unknown as AuthSuccessMessage;
    case 'auth_error':
      textOf(message, 'message');
      return message as unknown as AuthErrorMessage;
    case 'subscription_ack':
      textOf(message, 'subscription_id');
      listOf(message['schema'], 'schema');
      return withSeqs(message) as unknown as SubscriptionAckMessage;
    case 'initial_data_batch':
      textOf(message, 'subscription_id');
      listOf(message['rows'], 'rows');
      return withSeqs(message) as unknown as InitialDataBatchMessage;
    case 'change':
      textOf(message, 'subscription_id');
      readChange(message);
      return message as unknown as ChangeMessage;
    case 'error':
      textOf(message, 'subscription_id');
      textOf(message, 'code');
      textOf(message, 'message');
      return message as unknown as ErrorMessage;
    default:
      throw unknownType(
        message['type'],
        'auth_success, auth_error, subscription_ack, initial_data_batch, change and error',
      );
  }
}

function readAuthenticate(message: Fields): AuthenticateMessage {
  if (message['method'] !== 'jwt') throw malformed(`method must be 'jwt'`);
  const authenticate: AuthenticateMessage = {type: 'authenticate', method: 'jwt', token: textOf(message, 'token')};
  const protocol = message['protocol'] ?? undefined;
  if (protocol !== undefined) authenticate.protocol = readEncoding(objectOf(protocol, 'protocol'));
  return authenticate;
}

function readEncoding(fields: Fields): Partial<Encoding> {
  const encoding: Partial<Encoding> = {};
  const serialization = fields['serialization'] ?? undefined;
  const compression = fields['compression'] ?? undefined;
  if (serialization === 'json' || serialization === 'msgpack') encoding.serialization = serialization;
  else if (serialization !== undefined) throw malformed(`protocol.serialization must be 'json' or 'msgpack'`);
  if (compression === 'gzip' || compression === 'none') encoding.compression = compression;
  else if (compression !== undefined) throw malformed(`protocol.compression must be 'gzip' or 'none'`);
  return encoding;
}

function readSubscribe(fields: Fields): SubscribeMessage {
  const id = textOf(fields, 'id', 'subscription.id');
  if (id.trim() === '' || id.length > SUBSCRIPTION_ID_LENGTH_MAX)
    throw new MessageError(
      'INVALID_SUBSCRIPTION_ID',
      ERROR_IDS.invalidSubscription,
      id.trim() === ''
        ? 'Subscription ID cannot be empty'
        : `Subscription ID has ${id.length} characters; at most ${SUBSCRIPTION_ID_LENGTH_MAX} are allowed`,
    );
  const sql = textOf(fields, 'sql', 'subscription.sql');
  const options = fields['options'] ?? undefined;
  const subscription: SubscribeMessage['subscription'] = {id, sql};
  if (options !== undefined) subscription.options = readOptions(id, objectOf(options, 'subscription.options'));
  if (fields['progress'] === true) subscription.progress = true;
  return {type: 'subscribe', subscription};
}

function readOptions(id: string, fields: Fields): SubscribeOptions {
  const options: SubscribeOptions = {};
  const batchRows = countOf(id, fields, 'batch_size', 1);
  const lastRows = countOf(id, fields, 'last_rows', 0);
  const from = fields['from'] ?? fields['from_seq_id'] ?? undefined;
  if (batchRows !== undefined) options.batch_size = Math.min(batchRows, BATCH_ROWS_MAX);
  if (lastRows !== undefined) options.last_rows = lastRows;
  if (from !== undefined) options.from = seqOf(from, 'options.from', id);
  const size = options.batch_size ?? BATCH_ROWS_DEFAULT;
  if (lastRows !== undefined && lastRows > size)
    throw new MessageError(
      'UNSUPPORTED',
      id,
      `last_rows (${lastRows}) cannot exceed batch_size (${size}); paginated last_rows replay is not supported`,
    );
  return options;
}

/** A row count of the options: an integer, as number or bigint; undefined when absent or null. */
function countOf(id: string, fields: Fields, name: string, min: number): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  const count = typeof value === 'bigint' ? Number(value) : value;
  if (typeof count === 'number' && Number.isInteger(count) && count >= min) return count;
  throw new MessageError('UNSUPPORTED', id, `options.${name} must be an integer from ${min}`);
}

function readChange(message: Fields): void {
  const type = message['change_type'];
  if (type !== 'insert' && type !== 'update' && type !== 'delete')
    throw malformed(`change_type must be 'insert', 'update' or 'delete'`);
  if (type !== 'delete') listOf(message['rows'], 'rows');
  if (type === 'delete') listOf(message['old_values'], 'old_values');
}

/** The message with `batch_control.last_seq_id` as text. */
function withSeqs(message: Fields): Fields {
  const control = objectOf(message['batch_control'], 'batch_control');
  const status = control['status'];
  if (status !== 'loading' && status !== 'loading_batch' && status !== 'ready')
    throw malformed(`batch_control.status must be 'loading', 'loading_batch' or 'ready'`);
  if (typeof control['has_more'] !== 'boolean') throw malformed('batch_control.has_more must be a boolean');
  const last = control['last_seq_id'] ?? null;
  const seq = last === null ? null : seqOf(last, 'batch_control.last_seq_id');
  return {...message, batch_control: {...control, last_seq_id: seq}};
}

// ---- values ----------------------------------------------------------------------------------------------------------------------------

type Fields = Record<string, unknown>;

const SEQ_MAX = 9_223_372_036_854_775_807n;
const SEQ_TEXT = /^(?:0|[1-9][0-9]{0,18})$/;
const SEQ_FIELDS = ['from', 'from_seq_id', 'last_seq_id'];

/** JSON.parse, where seqs that a double cannot hold become their texts. Other numbers are small enough, or are texts already. */
function parseExact(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed('the text is not JSON');
    throw error;
  }
  const message = fieldsOf(value);
  for (const holder of [
    message,
    fieldsOf(fieldsOf(message?.['subscription'])?.['options']),
    fieldsOf(message?.['batch_control']),
  ])
    for (const name of SEQ_FIELDS) {
      const number = holder?.[name];
      if (typeof number === 'number' && !Number.isSafeInteger(number)) holder![name] = digitsOf(text, name, number);
    }
  return value;
}

/**
 * The digits of which JSON.parse made `number`, for a member of this name. Inside of a string a quote is escaped, so that only members are
 * found; of members with the same name in other objects only one that rounds to the same number can be taken for it.
 */
function digitsOf(text: string, name: string, number: number): string | number {
  for (const [, digits] of text.matchAll(new RegExp(`"${name}"\\s*:\\s*([0-9]+)(?![0-9.eE])`, 'g')))
    if (Number(digits) === number) return digits!;
  return number;
}

function seqOf(value: unknown, name: string, subscriptionId?: string): SeqText {
  const text =
    typeof value === 'string' || typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : '';
  if (SEQ_TEXT.test(text) && BigInt(text) <= SEQ_MAX) return text;
  const expected = `${name} must be a seq: an integer from 0 to ${SEQ_MAX}, as number or text`;
  throw subscriptionId === undefined ? malformed(expected) : new MessageError('UNSUPPORTED', subscriptionId, expected);
}

function objectOf(value: unknown, name: string): Fields {
  const fields = fieldsOf(value);
  if (fields === undefined) throw malformed(`${name} must be an object`);
  return fields;
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function listOf(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw malformed(`${name} must be an array`);
  return value;
}

function textOf(fields: Fields, name: string, path = name): string {
  const value = fields[name];
  if (typeof value !== 'string') throw malformed(`${path} must be a string`);
  return value;
}

function unknownType(type: unknown, known: string): MessageError {
  const name = typeof type === 'string' ? `unknown type '${type.slice(0, 64)}'` : 'type must be a string';
  return malformed(`${name}; there are ${known}`);
}

function malformed(what: string): MessageError {
  return new MessageError('PROTOCOL', ERROR_IDS.protocol, `Invalid message: ${what}`);
}

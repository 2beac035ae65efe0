/**
 * The messages of `GET /v1/ws`: everything that client and server say to each other about live queries, as two closed unions.
 *
 * A message is one JSON text or one MessagePack map with the same keys. Seqs are 64-bit: on the wire `last_seq_id` is a bare integer that
 * no double holds, so decoded messages carry every seq as decimal text; readers take integers and texts alike.
 *
 * The sets of types are closed: an unknown `type` breaks clients that were released earlier, so whatever is new rides in fields which they
 * ignore. Those fields are marked "extension" and are optional to understand: who ignores all of them still holds the right rows.
 *
 * What a client may build on, for each subscription:
 *   cursor    after a message with `seq` is applied, the rows held are those of the query at that moment, or on the way there while
 *             `more` says so; `from: <that seq>` on a new connection returns all that happened later, deletes included.
 *   order     messages arrive in ascending `_seq`, and their ranges do not overlap.
 *   resync    an ack with `resync` says that the moment asked for is no longer kept: forget all rows, a whole snapshot follows.
 *
 * Law: this module imports nothing that runs, and has no state: browsers load it.
 */
import type {ResultColumn} from './values.ts';

/** A seq as decimal text, `0` to `9223372036854775807`: a place in the one order of all commits. Compare as BigInt, never as number. */
export type SeqText = string;

/** JSON: texts, or gzip in binary frames. MessagePack: always binary frames. */
export type Serialization = 'json' | 'msgpack';

/** gzip: messages of at least `GZIP_BYTES_MIN` bytes are compressed where that makes them smaller; known by their first bytes, 1f 8b. */
export type Compression = 'gzip' | 'none';

export interface Encoding {
  serialization: Serialization;
  compression: Compression;
}

// ---- client to server ------------------------------------------------------------------------------------------------------------------

export type ClientMessage =
  | AuthenticateMessage
  | SubscribeMessage
  | NextBatchMessage
  | UnsubscribeMessage
  | PingMessage;

/**
 * Who is there; first message of a connection that had no Authorization header, always JSON text. Again on a connection that is
 * authenticated it is answered alike, changes no encoding, and takes the later expiry of a fresh token of the same user.
 */
export interface AuthenticateMessage {
  type: 'authenticate';
  method: 'jwt';
  token: string;
  protocol?: Partial<Encoding>;
}

/** Opens a subscription. An id that is open on this connection is replaced. */
export interface SubscribeMessage {
  type: 'subscribe';
  subscription: {
    /** Chosen by the client, at most `SUBSCRIPTION_ID_LENGTH_MAX` characters, not blank; names the subscription on this connection. */
    id: string;
    /** `SELECT * | column, … FROM namespace.table [WHERE …]` */
    sql: string;
    /** Absent or null: no initial rows, changes only. `{}`: all rows first. */
    options?: SubscribeOptions | null;
    /** Extension. While nothing concerns the query, changes of no row are to tell the cursor now and then. */
    progress?: boolean;
  };
}

export interface SubscribeOptions {
  /** Rows per batch, 1 to `BATCH_ROWS_MAX` (more counts as that); `BATCH_ROWS_DEFAULT` when absent. */
  batch_size?: number;
  /** Only the newest rows by `_seq`, oldest first, in one batch; 0, which is an empty batch, to `batch_size`. */
  last_rows?: number;
  /** Resume: what happened after this seq. Wins over `last_rows`. Also spelled `from_seq_id` on the wire. */
  from?: SeqText;
}

/** Asks for the next batch of initial rows. A `last_seq_id` behind what was sent is ignored: nothing is sent twice. */
export interface NextBatchMessage {
  type: 'next_batch';
  subscription_id: string;
  /** Of the batch received last. */
  last_seq_id?: SeqText;
}

/** Ends a subscription. Not acknowledged; an unknown id is ignored. */
export interface UnsubscribeMessage {
  type: 'unsubscribe';
  subscription_id: string;
}

/** Keeps the connection from counting as idle. Not answered. */
export interface PingMessage {
  type: 'ping';
}

// ---- server to client ------------------------------------------------------------------------------------------------------------------

export type ServerMessage =
  | AuthSuccessMessage
  | AuthErrorMessage
  | SubscriptionAckMessage
  | InitialDataBatchMessage
  | ChangeMessage
  | ErrorMessage;

/** Always JSON text, as are auth_error and error. Comes unasked where the upgrade request was authenticated. */
export interface AuthSuccessMessage {
  type: 'auth_success';
  user: string;
  role: string;
  protocol: Encoding;
  /** Extension. When the token ends, in milliseconds since 1970; the connection ends then unless it is authenticated again. */
  expires_at?: number;
}

/** The connection is closed next, with 1008. */
export interface AuthErrorMessage {
  type: 'auth_error';
  message: string;
}

/** loading, loading_batch: more batches follow (first, later). ready: this one is the last; changes follow. */
export type BatchStatus = 'loading' | 'loading_batch' | 'ready';

export interface BatchControl {
  /** From 0. */
  batch_num: number;
  has_more: boolean;
  status: BatchStatus;
  /** Greatest `_seq` in the batch; null in acks and in batches without rows. A bare integer on the wire. */
  last_seq_id: SeqText | null;
}

/** First answer to subscribe. `batch_control` tells of batch 0 what that will say itself; without initial rows it says ready. */
export interface SubscriptionAckMessage {
  type: 'subscription_ack';
  subscription_id: string;
  /** Always 0. */
  total_rows: number;
  batch_control: BatchControl;
  /** Columns of the rows; of `*` all columns with `_seq`, and `_deleted` where the table has it. */
  schema: ResultColumn[];
  /** Extension. The seq that was asked for is below the resume floor: a snapshot of all rows follows. */
  resync?: true;
  /** Extension. Where changes begin, if no batch follows: the first cursor. */
  seq?: SeqText;
}

/** A cell as in answers of the SQL route: 64-bit integers and decimals are texts, times are microseconds, bytes arrays of 0 to 255. */
export type Cell = null | boolean | number | string | number[];

/** A row by column names, with `_seq`. */
export type LiveRow = Record<string, Cell>;

/** Rows that match, in ascending `_seq`. All batches of a subscription come from one moment. */
export interface InitialDataBatchMessage {
  type: 'initial_data_batch';
  subscription_id: string;
  rows: LiveRow[];
  batch_control: BatchControl;
  /** Extension, as in the ack: these rows take the place of all that were there before. */
  resync?: true;
  /** Extension. The cursor: of the last batch the moment of the snapshot, of those before it their `last_seq_id`. */
  seq?: SeqText;
}

export type ChangeType = 'insert' | 'update' | 'delete';

/**
 * Extension: why a row came or went, where that is not INSERT or DELETE. enter: an UPDATE made it match (insert). leave: an UPDATE made it
 * match no more (delete). expired: its time was over or its place was needed, in a STREAM table (delete).
 */
export type ChangeReason = 'enter' | 'leave' | 'expired';

/**
 * Rows of one kind of change, contiguous in `_seq`.
 *   insert   rows: all columns
 *   update   rows: selected columns of the new version, NULLs as null, with key columns and `_seq`;
 *            old_values: key columns, and the columns that changed, as they were
 *   delete   old_values: the last row that was known, or, when a resume catches up, its key alone; with the `_seq` of its end
 */
export interface ChangeMessage {
  type: 'change';
  subscription_id: string;
  change_type: ChangeType;
  rows?: LiveRow[];
  old_values?: LiveRow[];
  /** Extension. Of each row of a delete the `_seq` under which it was known, where rows have no other key or leave no tombstone. */
  removed_seqs?: SeqText[];
  /** Extension. The reason of all rows of the message. */
  reason?: ChangeReason;
  /** Extension. The cursor after this message. One without rows, sent to who asked for `progress`, says nothing else. */
  seq?: SeqText;
  /** Extension. More messages of the same commit, or of the same catching up, follow: the rows are not yet those of one moment. */
  more?: true;
}

/**
 * Something failed. With the id of a subscription: that subscription has ended or was never opened. Else the id is one of `ERROR_IDS`, and
 * all subscriptions stay.
 */
export interface ErrorMessage {
  type: 'error';
  subscription_id: string;
  code: LiveErrorCode;
  message: string;
  /** Extension. The same message may be sent again after this time. */
  retry_after_ms?: number;
  /** Extension. A subscription that ended can be resumed `from` here. */
  seq?: SeqText;
}

/** Ids of errors that concern no subscription. */
export const ERROR_IDS = {
  /** A subscribe before authentication. */
  subscribe: 'subscribe',
  /** A subscription whose id cannot be used. */
  invalidSubscription: 'invalid_subscription',
  /** A frame or message that cannot be read. */
  protocol: 'protocol',
  /** A message that was dropped, since there were too many. */
  rateLimit: 'rate_limit',
} as const;

export interface LiveErrorFacts {
  /** Sent with the id of a subscription, which does not exist after it. */
  ends: boolean;
  /** The same message may succeed later without change. */
  retry: boolean;
  about: string;
}

/** Codes of error messages. A code, once released, keeps its meaning. */
export const LIVE_ERRORS = {
  AUTH_REQUIRED: {ends: false, retry: false, about: 'Authenticate first.'},
  INVALID_SUBSCRIPTION_ID: {ends: false, retry: false, about: 'The id is blank or too long.'},
  MESSAGE_TOO_LARGE: {ends: false, retry: false, about: 'The message exceeds the limit and was not read.'},
  UNSUPPORTED_DATA: {ends: false, retry: false, about: 'The frame does not hold what this connection speaks.'},
  PROTOCOL: {ends: false, retry: false, about: 'The message is malformed; the connection is closed next.'},
  RATE_LIMIT_EXCEEDED: {ends: false, retry: true, about: 'Too many messages; this one was dropped.'},
  SUBSCRIPTION_LIMIT_EXCEEDED: {
    ends: true,
    retry: true,
    about: 'Too many subscriptions of the connection or the user.',
  },
  UNAUTHORIZED: {ends: true, retry: false, about: 'The user may not read this table, or no longer may.'},
  NOT_FOUND: {ends: true, retry: false, about: 'There is no such table, or no longer.'},
  INVALID_SQL: {ends: true, retry: false, about: 'The query could not be parsed or bound.'},
  UNSUPPORTED: {ends: true, retry: false, about: 'The query or an option cannot be served exactly as a live query.'},
  SCHEMA_CHANGED: {ends: true, retry: true, about: 'A column that the query shows or asks for was altered.'},
  SNAPSHOT_EXPIRED: {ends: true, retry: true, about: 'The next batch was asked for too late; subscribe again.'},
  SUBSCRIPTION_FAILED: {
    ends: true,
    retry: true,
    about: 'The subscription ended: killed, or the server could not keep it.',
  },
  CONVERSION_ERROR: {ends: true, retry: false, about: 'A value has no JSON form.'},
  BATCH_FETCH_FAILED: {ends: true, retry: true, about: 'Initial rows could not be read.'},
} as const satisfies Record<string, LiveErrorFacts>;

export type LiveErrorCode = keyof typeof LIVE_ERRORS;

/** How the server closes a connection. All but the first two mean: connect again and resume. */
export const CLOSES = {
  authenticationFailed: {code: 1008, reason: 'Authentication failed'},
  authenticationTimeout: {code: 1008, reason: 'Authentication timeout'},
  tokenExpired: {code: 1008, reason: 'Token expired'},
  heartbeatTimeout: {code: 1000, reason: 'Heartbeat timeout'},
  shuttingDown: {code: 1001, reason: 'Server shutting down'},
  /** The reason of the error message, cut, stands in its place. */
  protocolError: {code: 1011, reason: 'Protocol error'},
  internalError: {code: 1011, reason: 'Internal error'},
  tooSlow: {code: 1013, reason: 'Too slow: connect again and resume'},
} as const;

export type CloseName = keyof typeof CLOSES;

// ---- sizes -----------------------------------------------------------------------------------------------------------------------------

/** Characters of a subscription's id. */
export const SUBSCRIPTION_ID_LENGTH_MAX = 256;
export const BATCH_ROWS_DEFAULT = 1000;
export const BATCH_ROWS_MAX = 10_000;
/** Shorter messages are never compressed, in bytes. */
export const GZIP_BYTES_MIN = 512;

/**
 * Live: queries that are kept answered. What a subscriber holds equals its query's answer at some commit, and moves forward.
 *
 *     the socket calls                              live calls back, on the sink of the connection
 *     live.connect({id, session, sink})
 *       connection.subscribe({id, sql, options})    deliver([ack])   then, if rows were asked for: deliver([batch])
 *       subscription.next()                         deliver([batch]) the next one; nothing if none is left, or one is being read
 *                                                   deliver([changes, …]) after commits, once the last batch is out
 *       subscription.close()                        nothing of it any more, from this turn on
 *       connection.drained()                        deliver(…)       what was held back while the socket was slow
 *       connection.close()                          nothing any more
 *     live.kill(liveId), DROP TABLE, lost rights …  deliver([end])   the last event of a subscription
 *     a session that is over, a socket too slow     close(error)     the last call on a sink; all its subscriptions are gone
 *
 * How a subscription begins (`ack.start`): `changes` without rows; `snapshot` with the query's rows of one commit, in batches in the order of `_seq`;
 * `resume` with the changes since `from`, after an ack and no batch; `resync` where those are not known any more, with a snapshot after which
 * whatever the client held is void.
 *
 * Laws, for each subscription (docs/spec/live.md has them as numbered rules):
 * - The snapshot is of one commit. Changes are of later commits, each after it is durable, in strictly ascending seq; none is missing or comes
 *   twice, whatever is written, flushed, compacted or altered meanwhile.
 * - A commit's changes come in one `changes` event: all of them, or none yet. Events come in the order of their commits. Only what is caught up on
 *   may come in parts, all but the last of which say `hasMore`.
 * - Rows are told apart by primary key (in a table without one, and in a stream, by `_seq`). `insert` and `update` give the whole row; applying them by key, and
 *   `delete` by key, to the rows held gives the query's answer. A change known by key alone (`isCatchUp`) may say again what the client knows.
 * - Whoever holds everything up to `resumeFrom` may subscribe `from` there, on any connection, after any restart.
 * - What cannot be kept exactly is refused by `subscribe`, which throws a DbError and leaves nothing behind; `liveCode` is its code on the wire.
 * - Nothing is queued for a sink whose `queuedBytes` is above the limit. Its subscriptions fall behind and catch up by key after `drained`.
 * - `deliver` is called at most once per connection and turn of the loop, never from inside a call of the socket's into this room.
 * - What subscribers of one query share is one object: encode a `ChangeGroup` once per format, keep the bytes in its `encoded`, and add only what
 *   differs, the subscription's id, per subscriber.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Seq, TableName} from '../model/names.ts';
import type {Session} from '../model/session.ts';

export interface Live {
  connect(options: ConnectOptions): LiveConnection;
  /** Throws what `subscribe` would throw at this query, and opens nothing. */
  check(session: Session, sql: string): void;
  /** Ends the subscription with that id (`<user>-<connection>-<subscription>`). False: there is none. */
  kill(liveId: string): boolean;
  /** Every open subscription, for system.live. */
  list(): Iterable<LiveQuery>;
  readonly counts: {readonly connections: number; readonly subscriptions: number; readonly behind: number};
  /** Ends all connections with SHUTTING_DOWN. */
  close(): void;
}

export interface ConnectOptions {
  /** Unique in this process; part of `liveId`. */
  readonly id: string;
  readonly session: Session;
  readonly sink: LiveSink;
}

/** One socket. Its calls must not throw, and must not call back into the room before they return. */
export interface LiveSink {
  /** All that is there for this connection now, in order; to be written in one go. Acks and batches of several subscriptions may be among it. */
  deliver(events: readonly LiveEvent[]): void;
  /** Bytes given to the socket and not yet taken by the kernel. O(1): asked before each delivery. */
  readonly queuedBytes: number;
  /** When anything last came from the other side, in clock ms; undefined: that is not noted. */
  readonly heardMs?: number;
  /** The connection is over for this reason; every subscription's `resumeFrom` is still to be read. */
  close(error: DbError): void;
}

export interface LiveConnection {
  /** An id that is taken is replaced: the older subscription is closed. Throws DbError. */
  subscribe(request: SubscribeRequest): Subscription;
  get(subscriptionId: string): Subscription | undefined;
  /** A fresher session, of the same user in the same role, takes the place of the one that it was opened by. */
  renew(session: Session): void;
  /** `queuedBytes` fell to zero, or to what the socket thinks little. */
  drained(): void;
  close(): void;
}

export interface SubscribeRequest {
  /** The client's; 1 to 256 characters, not blank. */
  readonly id: string;
  /** One SELECT of columns or `*` from one table, with WHERE or without. */
  readonly sql: string;
  /** undefined: no rows at first, changes only. */
  readonly options: SubscribeOptions | undefined;
  /** When nothing was told for a while: `changes` of no row now and then, whose `lastSeq` is a cursor. */
  readonly wantsProgress?: boolean;
  /** Of the client, as it stood, for system.live. */
  readonly optionsText?: string;
}

export interface SubscribeOptions {
  /** Rows per batch, 1 to a maximum; Infinity: as many as fit into one batch's bytes, for clients that never ask for the next. */
  readonly batchSize?: number;
  /** Only the newest so many rows by `_seq`, oldest first, in one batch; 0 to `batchSize`. */
  readonly lastRows?: number;
  /** Resume: everything up to this seq is known to the client. Wins over `lastRows`. */
  readonly from?: Seq;
}

export interface Subscription {
  readonly id: string;
  readonly liveId: string;
  /** Every effect of commits up to this on the query's rows was delivered. While batches are out: that of the last batch. */
  readonly resumeFrom: Seq;
  readonly isEnded: boolean;
  next(): void;
  close(): void;
}

export type LiveEvent =
  | {
      readonly kind: 'ack';
      readonly subscription: Subscription;
      readonly start: 'changes' | 'snapshot' | 'resume' | 'resync';
      /** Of the select list; for `*` all columns and the system columns. */
      readonly columns: readonly ResultColumn[];
      /** `hasMore` and `status` are those of the first batch; its `lastSeq` is null, since no row is out yet. */
      readonly control: BatchControl;
    }
  | {
      readonly kind: 'batch';
      readonly subscription: Subscription;
      readonly isResync: boolean;
      readonly columns: readonly RowColumn[];
      /** Ascending by seq. */
      readonly rows: readonly LiveRow[];
      readonly control: BatchControl;
      /** What the client can resume from when it has this batch and those before it. */
      readonly seq: Seq;
    }
  | {readonly kind: 'changes'; readonly subscription: Subscription; readonly group: ChangeGroup}
  | {
      readonly kind: 'end';
      readonly subscription: Subscription;
      readonly error: DbError;
      /** Subscribing again `from: subscription.resumeFrom` is of use. */
      readonly isResumable: boolean;
    };

export interface BatchControl {
  /** From 0. */
  readonly batchNum: number;
  readonly hasMore: boolean;
  readonly status: 'loading' | 'loading_batch' | 'ready';
  /** Greatest seq of the batch's rows; null if it has none. */
  readonly lastSeq: Seq | null;
}

/** A cell of every row: the columns of the select list, then the primary key and `_seq` if they are not among them. */
export interface RowColumn {
  readonly name: string;
  readonly type: DataTypeJson;
  readonly isKey: boolean;
}

export interface LiveRow {
  /** Of the row in a batch, an insert or an update; of a delete that of what took the row away. */
  readonly seq: Seq;
  /** JSON fragments in the order of the columns, `_seq` included; undefined: not known, leave it out (only in deletes). */
  readonly cells: readonly (string | undefined)[];
  /** Of an update: what the changed columns held before, and the key; undefined elsewhere, or where it is not known. */
  readonly old?: readonly (string | undefined)[];
  /** Of a delete in a table without tombstones, STREAM and system: the seq of the row that is gone. */
  readonly removedSeq?: Seq;
}

/** The changes of one commit to the answer of one query, shared by all who subscribed to it; or those that one subscriber catches up on. */
export interface ChangeGroup {
  readonly table: TableName;
  readonly columns: readonly RowColumn[];
  /** In ascending order of seq: one message on the wire each, whose ranges of seq do not overlap. */
  readonly changes: readonly Change[];
  readonly lastSeq: Seq;
  /** About what the rows take as JSON. */
  readonly bytes: number;
  /** Part of a catch-up that goes on: after it the rows held are not yet those of one commit. The last part may be a change of no row. */
  readonly hasMore: boolean;
  /** For the encoder alone, by its own names of formats. Lives as long as the group, which is one or few turns. */
  readonly encoded: Map<string, unknown>;
}

/** Rows that follow one another and were changed in the same way. */
export interface Change {
  readonly kind: 'insert' | 'update' | 'delete';
  /** How the commit changed the row, as the query sees it: a new row, one that began to match, changed, ceased to match, was deleted, was evicted. */
  readonly reason: 'new' | 'enter' | 'stay' | 'leave' | 'deleted' | 'evicted';
  /** Found by key, not seen as it happened: the client may know it already, or may never have had the row of a delete. */
  readonly isCatchUp: boolean;
  readonly rows: readonly LiveRow[];
}

export interface LiveQuery {
  readonly subscription: Subscription;
  readonly connectionId: string;
  readonly session: Session;
  readonly table: TableName;
  readonly sql: string;
  readonly optionsText: string | null;
  readonly status: 'loading' | 'live' | 'behind';
  /** Clock ms. */
  readonly createdMs: number;
  readonly lastChangeMs: number;
  /** When its connection was last heard of. */
  readonly heardMs: number | undefined;
  readonly changeCount: number;
}

/** What ends or refuses a subscription, as it stands in `code` of an `error` message. */
export type LiveCode =
  | 'INVALID_SUBSCRIPTION_ID'
  | 'INVALID_SQL'
  | 'UNSUPPORTED'
  | 'UNAUTHORIZED'
  | 'NOT_FOUND'
  | 'SUBSCRIPTION_LIMIT_EXCEEDED'
  | 'SCHEMA_CHANGED'
  | 'SNAPSHOT_EXPIRED'
  | 'CONVERSION_ERROR'
  | 'BATCH_FETCH_FAILED'
  | 'SUBSCRIPTION_FAILED';

export function liveCode(error: unknown): LiveCode {
  if (!(error instanceof DbError)) return 'SUBSCRIPTION_FAILED';
  switch (error.code) {
    case 'INVALID_INPUT':
      return 'INVALID_SUBSCRIPTION_ID';
    case 'EMPTY_SQL':
    case 'BATCH_PARSE_ERROR':
    case 'INVALID_SQL':
    case 'INVALID_PARAMETER':
      return 'INVALID_SQL';
    case 'NOT_SUPPORTED':
      return 'UNSUPPORTED';
    case 'PERMISSION_DENIED':
      return 'UNAUTHORIZED';
    case 'SQL_EXECUTION_ERROR':
      return 'CONVERSION_ERROR';
    case 'STORAGE_UNAVAILABLE':
    case 'DATA_CORRUPTED':
      return 'BATCH_FETCH_FAILED';
    case 'NOT_FOUND':
    case 'SUBSCRIPTION_LIMIT_EXCEEDED':
    case 'SCHEMA_CHANGED':
    case 'SNAPSHOT_EXPIRED':
      return error.code;
    default:
      return 'SUBSCRIPTION_FAILED';
  }
}

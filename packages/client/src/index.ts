/**
 * Everything the package offers.
 */
export type {
  Cell,
  ChangeMessage,
  ErrorMessage,
  InitialDataBatchMessage,
  LiveRow,
  SubscriptionAckMessage,
} from '@kalamdb/protocol/messages.ts';
export type {ColumnFlag, DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
export {Auth, type AuthProvider, type Credentials} from './auth.ts';
export {FileRef, type FileRefData, KalamCellValue, type RowData, SeqId, wrapRowMap} from './cells.ts';
export {
  createClient,
  KalamDBClient,
  type LiveOptions,
  type LiveQueryOptions,
  type SubscriptionCallback,
  type SubscriptionInfo,
  type SubscriptionOptions,
  type Unsubscribe,
} from './client.ts';
export type {BinarySerialization} from './connection.ts';
export {CLIENT_ERRORS, type ClientErrorCode, KalamError} from './error.ts';
export type {LoginResponse, Param, QueryOptions, QueryResponse, QueryResult, UploadFile} from './http.ts';
export type {LiveQuery, LiveState, LiveStatus} from './live-query.ts';
export {type Values, withLiterals} from './statements.ts';
export type {Environment, FetchRequest, FetchResponse, SocketLike} from './std/environment.ts';
export type {SubscriptionMessage} from './subscription.ts';
export type {AnySchema, Rows, Selection, Table, Writable} from './table.ts';
export type {ClientOptions} from './wiring.ts';

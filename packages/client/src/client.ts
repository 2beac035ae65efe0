/**
 * Client: everything a program does with a KalamDB server.
 *
 *     query, insert, update, delete, table(…)        HTTP, a request each
 *     live, subscribe, liveQuery, table(…).live      one socket for all, made when the first needs it, and again whenever it is lost
 *
 * The methods have the names and shapes of the official SDK, so that a program moves by changing an import; there cells are wrapped in
 * KalamCellValue. `table`, `rows` and `liveQuery` give rows as plain objects, typed by the schema that `createClient` is told.
 */
import type {ErrorMessage, LiveRow, SubscribeOptions} from '@kalamdb/protocol/messages.ts';
import type {AuthProvider, Tokens} from './auth.ts';
import {type RowData, wrapRowMap} from './cells.ts';
import {KalamError} from './error.ts';
import type {Http, LoginResponse, Param, QueryOptions, QueryResponse, UploadFile} from './http.ts';
import {LiveQuery} from './live-query.ts';
import type {RowsOptions} from './rows.ts';
import {
  asUser,
  deleteStatement,
  insertStatement,
  tableName,
  updateStatement,
  type Values,
  withLiterals,
} from './statements.ts';
import type {SubscriptionListener, SubscriptionMessage} from './subscription.ts';
import type {ConnectionEvents, Subscriptions} from './subscriptions.ts';
import {type AnySchema, type Rows, Table} from './table.ts';
import {tell} from './tell.ts';
import {type ClientOptions, wire} from './wiring.ts';

export type Unsubscribe = () => Promise<void>;

export interface SubscriptionOptions {
  batch_size?: number;
  batchSize?: number;
  last_rows?: number;
  lastRows?: number;
  from?: string | bigint | {toString(): string};
}

export interface LiveOptions<Row> {
  /** Keeps the newest so many rows. */
  limit?: number;
  lastRows?: number;
  from?: SubscriptionOptions['from'];
  keyColumns?: readonly string[];
  getKey?: (row: RowData) => string;
  mapRow?: (row: RowData) => Row;
  onError?: (error: KalamError) => void;
  subscriptionOptions?: SubscriptionOptions;
}

export interface LiveQueryOptions<Row = LiveRow> {
  /** For `$1`, `$2` … in the SQL. */
  params?: readonly Param[];
  /** Starts with, and keeps, the newest so many rows. */
  limit?: number;
  /** In place of key order. */
  compare?: (a: Row, b: Row) => number;
  keyColumns?: readonly string[];
}

export interface SubscriptionInfo {
  id: string;
  query: string;
  lastSeqId: string | null;
  createdAt: Date;
  closed: boolean;
}

export type SubscriptionCallback = (message: SubscriptionMessage) => void;

type EventName = keyof ConnectionEvents;

export function createClient<Schema extends AnySchema = AnySchema>(options: ClientOptions): KalamDBClient<Schema> {
  return new KalamDBClient<Schema>(options);
}

export class KalamDBClient<Schema extends AnySchema = AnySchema> {
  readonly #http: Http;
  readonly #tokens: Tokens;
  readonly #subscriptions: Subscriptions;
  readonly #provider: AuthProvider;
  readonly #isLazy: boolean;
  readonly #handlers: {[Name in EventName]: ((...told: Parameters<ConnectionEvents[Name]>) => void) | undefined};

  constructor(options: ClientOptions) {
    const {wsLazyConnect = true, onConnect, onDisconnect, onError, onReceive, onSend} = options;
    this.#handlers = {onConnect, onDisconnect, onError, onReceive: undefined, onSend};
    if (onReceive !== undefined) this.onReceive(onReceive);
    this.#isLazy = wsLazyConnect;
    const {provider, http, tokens, subscriptions} = wire(options, this.#events());
    this.#provider = provider;
    this.#http = http;
    this.#tokens = tokens;
    this.#subscriptions = subscriptions;
  }

  // ---- connection ------------------------------------------------------------------------------------------------------------------

  /** Signs in, and connects unless `wsLazyConnect`. It is not needed: the first request or subscription does the same. */
  async initialize(): Promise<void> {
    await this.#tokens.current();
    if (!this.#isLazy) await this.connect();
  }

  /** Resolves when the connection is ready; it is kept from then on. Rejects when there will be none. */
  connect(): Promise<void> {
    return this.#subscriptions.connection.connect();
  }

  /** Until `connect`, or a new subscription. Those that are open wait, and resume then. */
  disconnect(): Promise<void> {
    this.#subscriptions.connection.disconnect();
    return Promise.resolve();
  }

  /** For good: subscriptions end. */
  shutdown(): Promise<void> {
    this.#subscriptions.end();
    return Promise.resolve();
  }

  isConnected(): boolean {
    return this.#subscriptions.connection.state === 'ready';
  }

  isReconnecting(): boolean {
    return this.#subscriptions.connection.failureCount > 0 && !['ready', 'idle', 'ended'].includes(this.#state);
  }

  getReconnectAttempts(): number {
    return this.#subscriptions.connection.failureCount;
  }

  setAutoReconnect(isOn: boolean): void {
    this.#subscriptions.connection.settings.reconnects = isOn;
  }

  setReconnectDelay(initialMs: number | bigint, maxMs: number | bigint): void {
    this.#subscriptions.connection.settings.backoff = {initialMs: Number(initialMs), maxMs: Number(maxMs)};
  }

  /** Null or undefined: without end. */
  setMaxReconnectAttempts(attempts: number | null | undefined): void {
    this.#subscriptions.connection.settings.attemptsMax = attempts ?? undefined;
  }

  onConnect(handler: () => void): void {
    this.#handlers.onConnect = handler;
  }

  onDisconnect(handler: (error?: KalamError) => void): void {
    this.#handlers.onDisconnect = handler;
  }

  onError(handler: (error: KalamError) => void): void {
    this.#handlers.onError = handler;
  }

  onReceive(handler: (text: string) => void): void {
    this.#handlers.onReceive = text => handler(text());
  }

  onSend(handler: (text: string) => void): void {
    this.#handlers.onSend = handler;
  }

  // ---- signing in ------------------------------------------------------------------------------------------------------------------

  /** With the credentials of the auth provider, which must be a name and a password. */
  async login(): Promise<LoginResponse> {
    const credentials = await this.#provider();
    if (credentials.type !== 'basic')
      throw new KalamError('INVALID_ARGUMENT', 'login needs an auth provider that answers Auth.basic.');
    const response = await this.#http.login(credentials.username, credentials.password);
    this.#tokens.keep(response);
    return response;
  }

  async refreshToken(refreshToken: string): Promise<LoginResponse> {
    const response = await this.#http.refresh(refreshToken);
    this.#tokens.keep(response);
    return response;
  }

  /** A token that is good for now, for requests to a server of the program's own, which can ask the database whose it is. */
  accessToken(): Promise<string> {
    return this.#tokens.current();
  }

  // ---- SQL -------------------------------------------------------------------------------------------------------------------------

  /** Throws KalamError if a statement fails. */
  query(sql: string, params?: readonly Param[], options?: QueryOptions): Promise<QueryResponse> {
    return this.#http.query(sql, params, this.#tokens, options);
  }

  /** Rows of the first statement, as plain objects. */
  async rows<Row = LiveRow>(sql: string, params?: readonly Param[]): Promise<Row[]> {
    const response = await this.query(sql, params);
    return (response.results[0]?.named_rows ?? []) as Row[];
  }

  async queryAll(sql: string, params?: readonly Param[]): Promise<RowData[]> {
    return (await this.rows(sql, params)).map(wrapRowMap);
  }

  queryRows(sql: string, params?: readonly Param[]): Promise<RowData[]> {
    return this.queryAll(sql, params);
  }

  async queryOne(sql: string, params?: readonly Param[]): Promise<RowData | null> {
    return (await this.queryAll(sql, params))[0] ?? null;
  }

  executeAsUser(sql: string, user: string, params?: readonly Param[]): Promise<QueryResponse> {
    return this.query(asUser(sql, user), params);
  }

  /** Each file by the name that `FILE("name")` in the statement has. */
  queryWithFiles(
    sql: string,
    files: Readonly<Record<string, Blob | UploadFile>>,
    params?: readonly Param[],
  ): Promise<QueryResponse> {
    return this.#http.upload(sql, files, params, this.#tokens);
  }

  insert(table: keyof Schema & string, row: Values): Promise<QueryResponse> {
    const {sql, params} = insertStatement(table, row);
    return this.query(sql, params);
  }

  /** `id` is the value of the column `id`, or those of other key columns by name. */
  update(table: keyof Schema & string, id: Param | Values, row: Values): Promise<QueryResponse> {
    const {sql, params} = updateStatement(table, keyOf(id), row);
    return this.query(sql, params);
  }

  delete(table: keyof Schema & string, id: Param | Values): Promise<QueryResponse> {
    const {sql, params} = deleteStatement(table, keyOf(id));
    return this.query(sql, params);
  }

  /** A table, with rows typed by the schema. */
  table<Name extends keyof Schema & string>(name: Name): Table<Rows<Schema, Name>> {
    return new Table(this, name);
  }

  // ---- live ------------------------------------------------------------------------------------------------------------------------

  /** The rows of a query as they are now and will be, as a store. Nothing to wait for: its state says how far it is. */
  liveQuery<Row = LiveRow>(sql: string, options: LiveQueryOptions<Row> = {}): LiveQuery<Row> {
    const {params, limit, compare, keyColumns} = options;
    if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
      throw new KalamError('INVALID_ARGUMENT', `limit must be a whole number from 1, not ${limit}.`);
    const query = new LiveQuery<Row>({
      ...(limit === undefined ? undefined : {limit}),
      ...(keyColumns === undefined ? undefined : {keyColumns}),
      ...(compare === undefined ? undefined : {compare: compare as RowsOptions['compare']}),
    } as RowsOptions);
    const text = params === undefined ? sql : withLiterals(sql, params);
    const lastRows = limit === undefined ? {} : {last_rows: limit, batch_size: limit};
    const subscription = this.#subscriptions.open(text, lastRows, query);
    query.endWith(() => subscription.close());
    return query;
  }

  /** Tells the rows of a query, at first and after each commit that changes them. Resolves when the first are there. */
  async live<Row = RowData>(
    sql: string,
    callback: (rows: Row[]) => void,
    options: LiveOptions<Row> = {},
  ): Promise<Unsubscribe> {
    const {limit, keyColumns, getKey, onError} = options;
    const mapRow = options.mapRow ?? ((row: RowData) => row as Row);
    const query = new LiveQuery({
      ...(limit === undefined ? undefined : {limit}),
      ...(keyColumns === undefined ? undefined : {keyColumns}),
      ...(getKey === undefined ? undefined : {getKey: row => getKey(wrapRowMap(row))}),
    });
    const mapped = new WeakMap<LiveRow, Row>();
    const mapOnce = (row: LiveRow) => {
      const made = mapped.get(row) ?? mapRow(wrapRowMap(row));
      mapped.set(row, made);
      return made;
    };
    const subscription = this.#subscriptions.open(sql, wireOptions(options), query);
    query.endWith(() => subscription.close());
    let told: readonly LiveRow[] | undefined;
    await new Promise<void>((resolve, reject) => {
      query.watch(({rows, status, error}) => {
        if (status === 'ended' && error !== undefined) {
          reject(error);
          onError?.(error);
        } else if (status === 'live' && rows !== told) {
          told = rows;
          resolve();
          callback(rows.map(mapOnce));
        } else if (status !== 'loading') resolve();
      });
    });
    return () => Promise.resolve(query.close());
  }

  liveTableRows<Row = RowData>(
    table: keyof Schema & string,
    callback: (rows: Row[]) => void,
    options?: LiveOptions<Row>,
  ): Promise<Unsubscribe> {
    return this.live(`SELECT * FROM ${tableName(table)}`, callback, options);
  }

  subscribeRows<Row = RowData>(
    table: keyof Schema & string,
    callback: (rows: Row[]) => void,
    options?: LiveOptions<Row>,
  ): Promise<Unsubscribe> {
    return this.liveTableRows(table, callback, options);
  }

  /** The messages of a table's subscription as the server sends them. Resolves when it is open. */
  subscribe(
    table: keyof Schema & string,
    callback: SubscriptionCallback,
    options?: SubscriptionOptions | null,
  ): Promise<Unsubscribe> {
    return this.subscribeWithSql(`SELECT * FROM ${tableName(table)}`, callback, options);
  }

  /**
   * The same of a query. `options` null: changes only. After a reconnect an ack comes again, and then what was missed, as changes; an ack whose
   * batches follow says that all rows are told anew.
   */
  async subscribeWithSql(
    sql: string,
    callback: SubscriptionCallback,
    options: SubscriptionOptions | null = {},
  ): Promise<Unsubscribe> {
    const wire = options === null ? undefined : wireOptions({subscriptionOptions: options});
    let opened: () => void = () => {};
    let failed: (error: KalamError) => void = () => {};
    const isOpen = new Promise<void>((resolve, reject) => {
      opened = resolve;
      failed = reject;
    });
    const listener: SubscriptionListener = {
      onAck(ack) {
        opened();
        tell(callback, ack);
      },
      onBatch: batch => tell(callback, batch),
      onChanges: changes => {
        for (const change of changes) tell(callback, change);
      },
      onEnd(error, message) {
        failed(error);
        const code = error.code as ErrorMessage['code'];
        tell(callback, message ?? {type: 'error', subscription_id: subscription.id, code, message: error.message});
      },
    };
    const subscription = this.#subscriptions.open(sql, wire, listener);
    await isOpen;
    return () => this.unsubscribe(subscription.id);
  }

  unsubscribe(id: string): Promise<void> {
    this.#subscriptions.get(id)?.close();
    return Promise.resolve();
  }

  unsubscribeAll(): Promise<void> {
    this.#subscriptions.closeAll();
    return Promise.resolve();
  }

  getSubscriptions(): SubscriptionInfo[] {
    return [...this.#subscriptions].map(({id, sql, cursor, createdAtMs}) => ({
      id,
      query: sql,
      lastSeqId: cursor ?? null,
      createdAt: new Date(createdAtMs),
      closed: false,
    }));
  }

  /** Up to which commit the subscription has told everything; `from` of another client resumes there. */
  getLastSeqId(id: string): string | undefined {
    return this.#subscriptions.get(id)?.cursor;
  }

  get #state() {
    return this.#subscriptions.connection.state;
  }

  #events(): ConnectionEvents {
    const handlers = this.#handlers;
    return {
      onConnect: () => tell(handlers.onConnect),
      onDisconnect: error => tell(handlers.onDisconnect, error),
      onError: error => tell(handlers.onError, error),
      onReceive: text => tell(handlers.onReceive, text),
      onSend: text => tell(handlers.onSend, text),
    };
  }
}

function wireOptions({
  lastRows,
  from,
  subscriptionOptions = {},
}: Pick<LiveOptions<unknown>, 'lastRows' | 'from' | 'subscriptionOptions'>): SubscribeOptions {
  const last = lastRows ?? subscriptionOptions.lastRows ?? subscriptionOptions.last_rows;
  const size = subscriptionOptions.batchSize ?? subscriptionOptions.batch_size;
  const start = from ?? subscriptionOptions.from;
  return {
    ...(last === undefined ? undefined : {last_rows: last}),
    ...(size === undefined ? undefined : {batch_size: size}),
    ...(start === undefined ? undefined : {from: String(start)}),
  };
}

function keyOf(id: Param | Values): Values {
  const isKey = typeof id === 'object' && id !== null && Object.getPrototypeOf(id) === Object.prototype;
  return isKey ? (id as Values) : {id: id as Param};
}

/**
 * Core: the surface that the official wrapper expects of its core, which there is compiled to WebAssembly. A program that brings the wrapper along
 * gives it this module instead.
 *
 * Answers, rows, options and messages are JSON texts, seqs decimal texts. Settings of the connection hold from the next one on.
 */
import type {SubscribeOptions} from '@kalamdb/protocol/messages.ts';
import {Auth, type AuthProvider} from './auth.ts';
import {KalamError} from './error.ts';
import type {LoginResponse, Param} from './http.ts';
import {LiveQuery} from './live-query.ts';
import {deleteStatement, insertStatement, tableName, type Values} from './statements.ts';
import type {SubscriptionListener, SubscriptionMessage} from './subscription.ts';
import type {ConnectionEvents} from './subscriptions.ts';
import {tell} from './tell.ts';
import {type ClientOptions, type Parts, wire} from './wiring.ts';

/** Nothing is to be loaded. */
export default async function init(): Promise<void> {}

type TextCallback = (json: string) => void;
type Handlers = {[Name in keyof ConnectionEvents]?: (...told: never[]) => void};

interface LiveOptions {
  readonly limit?: number;
  readonly key_columns?: readonly string[];
  readonly subscription_options?: SubscribeOptions;
}

export class KalamClient {
  readonly #handlers: Handlers = {};
  readonly #parts: Parts;
  #authType = 'none';
  #provider: AuthProvider = () => Auth.none();

  /** `options` are for what the wrapper has no word for. An empty name is nobody's. */
  constructor(url: string, username: string, password: string, options: Partial<ClientOptions> = {}) {
    if (username !== '') this.#signInBy('basic', () => Auth.basic(username, password));
    const told = (name: keyof ConnectionEvents) => (what?: unknown) =>
      tell(this.#handlers[name] as ((what: unknown) => void) | undefined, what);
    this.#parts = wire(
      {...options, url, authProvider: () => this.#provider()},
      {
        onConnect: told('onConnect'),
        onDisconnect: told('onDisconnect'),
        onError: told('onError'),
        onReceive: told('onReceive'),
        onSend: told('onSend'),
      },
    );
  }

  static withJwt(url: string, token: string, options?: Partial<ClientOptions>): KalamClient {
    const client = new KalamClient(url, '', '', options);
    client.#signInBy('jwt', () => Auth.jwt(token));
    return client;
  }

  static anonymous(url: string, options?: Partial<ClientOptions>): KalamClient {
    return new KalamClient(url, '', '', options);
  }

  // ---- settings --------------------------------------------------------------------------------------------------------------------

  getAuthType(): string {
    return this.#authType;
  }

  setAuthProvider(provider: AuthProvider): void {
    this.#signInBy('provider', provider);
  }

  clearAuthProvider(): void {
    this.#signInBy('none', () => Auth.none());
  }

  setDisableCompression(isDisabled: boolean): void {
    const {settings} = this.#connection;
    settings.isCompressed = !isDisabled;
    settings.url = settings.url.replace(/\?.*/, '') + (isDisabled ? '?compress=false' : '');
  }

  /** Without meaning here: the first subscription connects, and so does `connect`. */
  setWsLazyConnect(_isLazy: boolean): void {}

  setPingInterval(ms: number): void {
    this.#connection.settings.pingIntervalMs = ms;
  }

  setAutoReconnect(isOn: boolean): void {
    this.#connection.settings.reconnects = isOn;
  }

  setReconnectDelay(initialMs: bigint | number, maxMs: bigint | number): void {
    this.#connection.settings.backoff = {initialMs: Number(initialMs), maxMs: Number(maxMs)};
  }

  setMaxReconnectAttempts(attempts: number | null | undefined): void {
    this.#connection.settings.attemptsMax = attempts ?? undefined;
  }

  // ---- connection ------------------------------------------------------------------------------------------------------------------

  connect(): Promise<void> {
    return this.#connection.connect();
  }

  async disconnect(): Promise<void> {
    this.#connection.disconnect();
  }

  isConnected(): boolean {
    return this.#connection.state === 'ready';
  }

  isReconnecting(): boolean {
    const state = this.#connection.state;
    return this.getReconnectAttempts() > 0 && !['ready', 'idle', 'ended'].includes(state);
  }

  getReconnectAttempts(): number {
    return this.#connection.failureCount;
  }

  sendPing(): void {
    this.#parts.subscriptions.send({type: 'ping'});
  }

  onConnect(handler: () => void): void {
    this.#handlers.onConnect = handler;
  }

  onDisconnect(handler: (reason: {message: string; code?: number}) => void): void {
    this.#handlers.onDisconnect = (error?: KalamError) => handler({message: error?.message ?? 'closed'});
  }

  onError(handler: (error: {message: string; recoverable: boolean}) => void): void {
    this.#handlers.onError = ({message, retryable}: KalamError) => handler({message, recoverable: retryable});
  }

  onReceive(handler: TextCallback): void {
    this.#handlers.onReceive = (text: () => string) => handler(text());
  }

  onSend(handler: TextCallback): void {
    this.#handlers.onSend = handler;
  }

  // ---- SQL -------------------------------------------------------------------------------------------------------------------------

  query(sql: string): Promise<string> {
    return this.#query(sql, []);
  }

  queryWithParams(sql: string, paramsJson?: string): Promise<string> {
    return this.#query(sql, parse(paramsJson, []));
  }

  async insert(table: string, rowJson: string): Promise<string> {
    const {sql, params} = insertStatement(table, parse<Values>(rowJson, {}));
    return await this.#query(sql, params);
  }

  async delete(table: string, id: string): Promise<string> {
    const {sql, params} = deleteStatement(table, {id});
    return await this.#query(sql, params);
  }

  async login(): Promise<LoginResponse> {
    const {provider, http, tokens} = this.#parts;
    const credentials = await provider();
    if (credentials.type !== 'basic') throw new KalamError('INVALID_ARGUMENT', 'login needs a name and a password.');
    const response = await http.login(credentials.username, credentials.password);
    tokens.keep(response);
    return response;
  }

  async refresh_access_token(refreshToken: string): Promise<LoginResponse> {
    const {http, tokens} = this.#parts;
    const response = await http.refresh(refreshToken);
    tokens.keep(response);
    return response;
  }

  // ---- live ------------------------------------------------------------------------------------------------------------------------

  async subscribe(table: string, callback: TextCallback): Promise<string> {
    return await this.subscribeWithSql(`SELECT * FROM ${tableName(table)}`, undefined, callback);
  }

  /** The id, when the server has acknowledged it. */
  subscribeWithSql(sql: string, optionsJson: string | undefined, callback: TextCallback): Promise<string> {
    const say = (message: SubscriptionMessage) => tell(callback, JSON.stringify(message));
    return this.#open(sql, parse<SubscribeOptions>(optionsJson, {}), {
      onAck: say,
      onBatch: say,
      onChanges: changes => changes.forEach(say),
      onEnd: (_, message) => message !== undefined && say(message),
    });
  }

  liveQueryRowsWithSql(sql: string, optionsJson: string | undefined, callback: TextCallback): Promise<string> {
    const {limit, key_columns, subscription_options = {}} = parse<LiveOptions>(optionsJson, {});
    const query = new LiveQuery({
      ...(limit === undefined ? undefined : {limit}),
      ...(key_columns === undefined ? undefined : {keyColumns: key_columns}),
    });
    let id = '';
    query.watch(({status, rows, error}) => {
      const told = {subscription_id: id};
      if (status === 'live') callback(JSON.stringify({type: 'rows', ...told, rows}));
      if (error !== undefined)
        callback(JSON.stringify({type: 'error', ...told, code: error.code, message: error.message}));
    });
    return this.#open(sql, subscription_options, query, given => {
      id = given;
    });
  }

  async unsubscribe(id: string): Promise<void> {
    this.#parts.subscriptions.get(id)?.close();
  }

  getLastSeqId(id: string): string | undefined {
    return this.#parts.subscriptions.get(id)?.cursor;
  }

  getSubscriptions(): string {
    const open = [...this.#parts.subscriptions];
    return JSON.stringify(
      open.map(({id, sql, cursor}) => ({id, query: sql, lastSeqId: cursor ?? null, closed: false})),
    );
  }

  free(): void {
    this.#parts.subscriptions.end();
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------------------

  get #connection(): Parts['subscriptions']['connection'] {
    return this.#parts.subscriptions.connection;
  }

  #signInBy(type: string, provider: AuthProvider): void {
    this.#authType = type;
    this.#provider = provider;
  }

  async #query(sql: string, params: readonly Param[]): Promise<string> {
    const {http, tokens} = this.#parts;
    return JSON.stringify(await http.query(sql, params, tokens));
  }

  #open(
    sql: string,
    options: SubscribeOptions,
    listener: SubscriptionListener,
    onId: (id: string) => void = () => {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const {id} = this.#parts.subscriptions.open(sql, options, {
        ...bound(listener),
        onAck(ack) {
          listener.onAck(ack);
          resolve(id);
        },
        onEnd(error, message) {
          listener.onEnd(error, message);
          reject(error);
        },
      });
      onId(id);
    });
  }
}

/** What of it is there, also of a class. */
function bound(listener: SubscriptionListener): SubscriptionListener {
  return {
    onAck: ack => listener.onAck(ack),
    onSnapshotBegin: () => listener.onSnapshotBegin?.(),
    onBatch: batch => listener.onBatch(batch),
    onSnapshotCommit: () => listener.onSnapshotCommit?.(),
    onSnapshotDrop: () => listener.onSnapshotDrop?.(),
    onChanges: changes => listener.onChanges(changes),
    onLive: () => listener.onLive?.(),
    onDown: () => listener.onDown?.(),
    onEnd: (error, message) => listener.onEnd(error, message),
  };
}

function parse<T>(json: string | undefined, absent: T): T {
  if (json === undefined || json === '') return absent;
  try {
    return JSON.parse(json) as T;
  } catch (cause) {
    throw new KalamError('INVALID_ARGUMENT', `This is not JSON: ${json.slice(0, 100)}`, {cause});
  }
}

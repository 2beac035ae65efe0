/**
 * HTTP: requests to the SQL route and to sign-in, and what their answers say.
 *
 * Laws: a 64-bit integer is never a JavaScript number on the way: `bigint` parameters are sent with all their digits. Every failure is a
 *       KalamError. No statement is sent twice, but for one whose token was refused, which did nothing.
 */
import type {Cell} from '@kalamdb/protocol/messages.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {KalamError} from './error.ts';
import type {Environment, FetchRequest, FetchResponse} from './std/environment.ts';

/** What can be sent as a parameter. Dates become ISO texts, bytes arrays of numbers; objects are for JSON and FILE columns. */
export type Param =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | readonly unknown[]
  | {readonly [key: string]: unknown};

export interface QueryResult {
  schema?: ResultColumn[];
  rows?: Cell[][];
  row_count: number;
  message?: string;
  as_user?: string;
  /** True if a limit of the server cut the rows. */
  truncated?: boolean;
  /** `rows` by column names. */
  named_rows?: Record<string, Cell>[];
}

export interface QueryResponse {
  status: 'success' | 'error';
  results: QueryResult[];
  /** Milliseconds in the server. */
  took: number;
}

export interface LoginResponse {
  user: {id: string; role: string; email?: string | null; created_at: string; updated_at: string};
  admin_ui_access: boolean;
  expires_at: string;
  access_token: string;
  refresh_token?: string;
  refresh_expires_at?: string;
}

export interface QueryOptions {
  /** Made by the caller for one write, say `crypto.randomUUID()`: with it the call can be made again after a failure, and is done once. */
  readonly idempotencyKey?: string | undefined;
}

export interface UploadFile {
  readonly name: string;
  readonly data: Blob;
}

interface Tokens {
  current(): Promise<string>;
  forget(token: string): void;
}

export interface HttpSettings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly namespace?: string | undefined;
}

type Outcome =
  | {readonly response: QueryResponse; readonly error: undefined}
  | {readonly response: undefined; readonly error: KalamError};

const SQL_PATH = '/v1/api/sql';
/** Said before anything ran: of a token whose time is over, or which was ended with its sign-in. */
const TOKEN_ERRORS: ReadonlySet<string> = new Set(['TOKEN_EXPIRED', 'INVALID_CREDENTIALS']);

export class Http {
  readonly #environment: Environment;
  readonly #settings: HttpSettings;

  constructor(environment: Environment, settings: HttpSettings) {
    this.#environment = environment;
    this.#settings = settings;
  }

  login(username: string, password: string): Promise<LoginResponse> {
    return this.#signIn('/v1/api/auth/login', {}, JSON.stringify({user: username, password}));
  }

  refresh(refreshToken: string): Promise<LoginResponse> {
    return this.#signIn('/v1/api/auth/refresh', {Authorization: `Bearer ${refreshToken}`}, '{}');
  }

  /** Throws KalamError with the server's code if a statement failed. */
  query(
    sql: string,
    params: readonly Param[] | undefined,
    tokens: Tokens,
    {idempotencyKey}: QueryOptions = {},
  ): Promise<QueryResponse> {
    const {namespace} = this.#settings;
    const fields = [`"sql":${JSON.stringify(sql)}`];
    if (params !== undefined && params.length > 0) fields.push(`"params":${paramsJson(params)}`);
    if (namespace !== undefined) fields.push(`"namespace_id":${JSON.stringify(namespace)}`);
    const headers: Record<string, string> = {'Content-Type': 'application/json'};
    if (idempotencyKey !== undefined) headers['Idempotency-Key'] = idempotencyKey;
    return this.#ask({method: 'POST', headers, body: `{${fields.join(',')}}`}, tokens);
  }

  /** Files by the names that `FILE("name")` in the statement has. */
  upload(
    sql: string,
    files: Readonly<Record<string, Blob | UploadFile>>,
    params: readonly Param[] | undefined,
    tokens: Tokens,
  ): Promise<QueryResponse> {
    const form = new FormData();
    form.set('sql', sql);
    if (params !== undefined && params.length > 0) form.set('params', paramsJson(params));
    if (this.#settings.namespace !== undefined) form.set('namespace_id', this.#settings.namespace);
    for (const [name, file] of Object.entries(files)) {
      if ('data' in file) form.set(`file:${name}`, file.data, file.name);
      else form.set(`file:${name}`, file, 'name' in file ? String(file.name) : name);
    }
    return this.#ask({method: 'POST', headers: {}, body: form}, tokens);
  }

  async #ask(request: FetchRequest, tokens: Tokens): Promise<QueryResponse> {
    const token = await tokens.current();
    const {error, response} = await this.#try(request, token);
    if (response !== undefined) return response;
    if (!TOKEN_ERRORS.has(error.code) || token === '') throw error;
    tokens.forget(token);
    const other = await tokens.current().catch(() => token);
    if (other === token) throw error;
    const second = await this.#try(request, other);
    if (second.response !== undefined) return second.response;
    if (TOKEN_ERRORS.has(second.error.code)) tokens.forget(other);
    throw second.error;
  }

  async #try(request: FetchRequest, token: string): Promise<Outcome> {
    const headers = token === '' ? request.headers : {...request.headers, Authorization: `Bearer ${token}`};
    const {status, body} = await this.#send(SQL_PATH, {...request, headers});
    const response = body as (QueryResponse & {error?: {code: string; message: string} | string | null}) | undefined;
    if (response?.status === 'success' && Array.isArray(response.results))
      return {response: withNamedRows(response), error: undefined};
    if (typeof response?.error === 'string') throw refused(response, status);
    if (typeof response?.error?.code !== 'string') throw notKalam(status);
    const {code, message} = response.error;
    return {response: undefined, error: new KalamError(code, message, {status})};
  }

  async #signIn(path: string, headers: Record<string, string>, json: string): Promise<LoginResponse> {
    const {status, body} = await this.#send(path, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', ...headers},
      body: json,
    });
    const answer = body as (LoginResponse & {error?: unknown; message?: unknown}) | undefined;
    if (status === 200 && typeof answer?.access_token === 'string') return answer;
    if (typeof answer?.error !== 'string') throw notKalam(status);
    throw refused(answer, status);
  }

  /** The answer's body as JSON; undefined if it is none. */
  async #send(path: string, request: FetchRequest): Promise<{status: number; body: unknown}> {
    const {url, timeoutMs} = this.#settings;
    const abort = new AbortController();
    const cancel = this.#environment.setTimer(timeoutMs, () => abort.abort());
    let response: FetchResponse;
    let text: string;
    try {
      response = await this.#environment.fetch(url + path, {...request, signal: abort.signal});
      text = await response.text();
    } catch (cause) {
      if (abort.signal.aborted)
        throw new KalamError('TIMEOUT', `${url} did not answer within ${timeoutMs} ms.`, {cause});
      throw new KalamError('NETWORK_ERROR', `${url} could not be reached: ${reasonOf(cause)}`, {cause});
    } finally {
      cancel();
    }
    return {status: response.status, body: parseJson(text)};
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** By the sign-in routes, or by the limits in front of all routes. */
function refused({error, message}: {error?: unknown; message?: unknown}, status: number): KalamError {
  return new KalamError(String(error), String(message ?? error), {status, retryable: isBusy(status)});
}

function notKalam(status: number): KalamError {
  const text = `The answer (HTTP ${status}) is not one of KalamDB.`;
  return new KalamError('BAD_RESPONSE', text, {status, retryable: isBusy(status)});
}

function isBusy(status: number): boolean {
  return status === 429 || status >= 500;
}

/** Node tells the cause of a failed fetch in `cause`, browsers not at all. */
function reasonOf(thrown: unknown): string {
  const {message, cause} = thrown as {message?: string; cause?: {message?: string}};
  return cause?.message || message || String(thrown);
}

function withNamedRows(response: QueryResponse): QueryResponse {
  for (const result of response.results) {
    const {schema, rows} = result;
    if (schema === undefined || rows === undefined) continue;
    result.named_rows = rows.map(row => Object.fromEntries(schema.map(({name}, i) => [name, row[i] ?? null])));
  }
  return response;
}

/** JSON with integers of any size, as the server reads numbers by their digits. */
export function paramsJson(params: readonly Param[]): string {
  return `[${params.map(paramJson).join(',')}]`;
}

function paramJson(param: Param, i: number): string {
  if (typeof param === 'bigint') return param.toString();
  if (typeof param === 'number' && !Number.isFinite(param))
    throw new KalamError('INVALID_ARGUMENT', `Parameter $${i + 1} is ${param}, which JSON has no word for.`);
  if (param instanceof Uint8Array) return JSON.stringify([...param]);
  const json = JSON.stringify(param);
  if (json === undefined)
    throw new KalamError('INVALID_ARGUMENT', `Parameter $${i + 1} cannot be sent: it is ${typeof param}.`);
  return json;
}

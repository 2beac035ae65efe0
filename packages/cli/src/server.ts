/**
 * Server: one KalamDB server as the shell speaks to it: `POST /v1/api/sql`.
 *
 * Law: every failure is a `CliError` with a sentence that says what to do; nothing else is thrown for what a server or a network may do.
 */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';

export type Cell = string | number | boolean | null | readonly Cell[] | {readonly [name: string]: Cell};

export interface Result {
  readonly schema?: readonly ResultColumn[];
  readonly rows?: readonly (readonly Cell[])[];
  readonly row_count: number;
  readonly message?: string;
  readonly as_user?: string;
  readonly truncated?: boolean;
}

export interface Reply {
  readonly status: 'success' | 'error';
  readonly results: readonly Result[];
  /** Milliseconds in the server. */
  readonly took: number;
  readonly error?: {readonly code: string; readonly message: string};
}

export interface ServerOptions {
  readonly url: string;
  readonly user: string | undefined;
  readonly token: string | undefined;
  /** For a server with accounts: signed in at first, and again when the token has expired. */
  readonly account: {readonly user: string | undefined; readonly password: string} | undefined;
  readonly timeoutMs: number;
}

/** Unqualified names mean tables of `namespace`. Resolves for errors of statements too: they are replies. */
export type Ask = (sql: string, how?: {readonly namespace?: string; readonly user?: string}) => Promise<Reply>;

export class CliError extends Error {}

export function connect(options: ServerOptions): Ask {
  const {user, account} = options;
  let {token} = options;
  const askOnce: Ask = async (sql, how = {}) => {
    const caller = how.user ?? user;
    const headers: Record<string, string> = {
      ...(caller === undefined ? {} : {'x-user-id': caller}),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    };
    const body = {sql, ...(how.namespace === undefined ? {} : {namespace_id: how.namespace})};
    return replyOf(await post('/v1/api/sql', body, headers, options));
  };
  return async (sql, how) => {
    if (account === undefined) return askOnce(sql, how);
    token ??= await signIn(account, options);
    const reply = await askOnce(sql, how);
    if (reply.error?.code !== 'TOKEN_EXPIRED') return reply;
    token = await signIn(account, options);
    return askOnce(sql, how);
  };
}

interface Answer {
  readonly text: string;
  readonly status: number;
  readonly route: string;
}

async function post(
  path: string,
  body: object,
  headers: Record<string, string>,
  {url, timeoutMs}: ServerOptions,
): Promise<Answer> {
  const route = `${url.replace(/\/+$/, '')}${path}`;
  const signal = AbortSignal.timeout(timeoutMs);
  const request = {
    method: 'POST',
    headers: {'content-type': 'application/json', ...headers},
    body: JSON.stringify(body),
    signal,
  };
  try {
    const answer = await fetch(route, request);
    return {text: await answer.text(), status: answer.status, route};
  } catch (error) {
    throw unreachable(url, error as Error, timeoutMs);
  }
}

async function signIn(
  {user, password}: NonNullable<ServerOptions['account']>,
  options: ServerOptions,
): Promise<string> {
  if (user === undefined) throw new CliError('A password needs --user, whose it is.');
  const {text, status, route} = await post('/v1/api/auth/login', {user, password}, {}, options);
  const answer = parse(text) as {access_token?: unknown; message?: unknown} | undefined;
  if (status === 200 && typeof answer?.access_token === 'string') return answer.access_token;
  throw new CliError(`${user} is not signed in: ${answer?.message ?? `${route} answered ${status}`}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whatever answered is no KalamDB server; whoever asked says so.
    return undefined;
  }
}

function replyOf({text, status, route}: Answer): Reply {
  const answer = parse(text);
  const reply = answer as Reply | null | undefined;
  if (reply?.status === 'success' || reply?.status === 'error') return reply;
  // Limits of addresses and of sizes are told before the route is asked, in a shorter form.
  const refusal = answer as {error?: unknown; message?: unknown} | null | undefined;
  if (typeof refusal?.error === 'string') throw new CliError(`${refusal.error}: ${refusal.message ?? status}`);
  throw new CliError(
    `${route} answered ${status} with something else than a KalamDB reply. Is this the right address?`,
  );
}

function unreachable(url: string, error: Error, timeoutMs: number): CliError {
  if (error.name === 'TimeoutError')
    return new CliError(`${url} did not answer within ${timeoutMs / 1000} s. Give it more with --timeout.`);
  const {cause} = error as {cause?: {code?: string; message?: string}};
  if (cause?.code === 'ECONNREFUSED')
    return new CliError(`Nothing listens on ${url}. Start a server with 'npm start', or name another with --url.`);
  if (cause?.code === 'ENOTFOUND') return new CliError(`The host of ${url} is not known. Check the name after --url.`);
  return new CliError(`${url} cannot be reached: ${cause?.code ?? cause?.message ?? error.message}.`);
}

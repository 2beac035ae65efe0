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
  readonly timeoutMs: number;
}

/** Unqualified names mean tables of `namespace`. Resolves for errors of statements too: they are replies. */
export type Ask = (sql: string, how?: {readonly namespace?: string; readonly user?: string}) => Promise<Reply>;

export class CliError extends Error {}

export function connect({url, user, token, timeoutMs}: ServerOptions): Ask {
  const route = `${url.replace(/\/+$/, '')}/v1/api/sql`;
  return async (sql, how = {}) => {
    const caller = how.user ?? user;
    const headers = {
      'content-type': 'application/json',
      ...(caller === undefined ? {} : {'x-user-id': caller}),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    };
    const body = JSON.stringify({sql, ...(how.namespace === undefined ? {} : {namespace_id: how.namespace})});
    const signal = AbortSignal.timeout(timeoutMs);
    const answer = await fetch(route, {method: 'POST', headers, body, signal}).catch(error => {
      throw unreachable(url, error, timeoutMs);
    });
    return replyOf(await answer.text(), {status: answer.status, route});
  };
}

function replyOf(text: string, {status, route}: {status: number; route: string}): Reply {
  try {
    const reply = JSON.parse(text);
    if (reply.status === 'success' || reply.status === 'error') return reply;
  } catch {
    // Said below: whatever answered is no KalamDB server.
  }
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

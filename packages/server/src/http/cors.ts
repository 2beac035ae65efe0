/**
 * CORS: which pages may read answers in a browser.
 *
 * Without accounts only pages of this machine are served at all (guard.ts), so only their origins are named in answers, each by itself and
 * never as `*`. Credentials are not allowed: there are no cookies yet that a page could send.
 * Law: a preflight is answered before sign-in and before any limit, since browsers send it without credentials.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {checkLocal, isLocalOrigin} from './guard.ts';
import {headOf} from './node-exchange.ts';

const METHODS = 'GET, POST, PUT, DELETE, PATCH, OPTIONS';
const HEADERS = 'Authorization, Content-Type, Accept, Origin, X-Requested-With, X-Request-ID, X-USER-ID';
const MAX_AGE_SECONDS = '3600';

/** Names the origin in whatever the answer will be, an error included. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  const {origin} = request.headers;
  if (origin === undefined) return;
  response.setHeader('vary', 'Origin');
  if (isLocalOrigin(origin)) response.setHeader('access-control-allow-origin', origin);
}

/** OPTIONS of a path that exists; `headers` hold the methods it has. Throws REMOTE_ACCESS_DENIED for callers that no method would serve. */
export function answerOptions(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>> & {readonly allow: string},
): void {
  checkLocal(headOf(request));
  const isPreflight =
    request.headers.origin !== undefined && request.headers['access-control-request-method'] !== undefined;
  if (isPreflight) {
    response.setHeader('access-control-allow-methods', METHODS);
    response.setHeader('access-control-allow-headers', HEADERS);
    response.setHeader('access-control-max-age', MAX_AGE_SECONDS);
  }
  response.writeHead(204, {...headers, allow: `${headers.allow}, OPTIONS`}).end();
}

/**
 * Guard: may this caller be served at all, and as whom.
 *
 * A server without accounts trusts the machine it runs on, and nothing else. A web page opened on the same machine is not trusted: it could
 * send requests to loopback too. So four facts are asked for, each of which a page from elsewhere cannot fake:
 *
 *     client          on this machine, no proxy   nobody on the network (client.ts)
 *     Host            localhost, 127/8, [::1]     no page whose name was re-bound to 127.0.0.1
 *     Origin          absent or loopback          no page of another site
 *     Content-Type    application/json            no plain form post, which browsers send without asking
 *
 * Law: all four hold before a byte of the body is looked at.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {developmentSession, type Sessions} from '../auth/sessions.ts';
import type {Session} from '../model/session.ts';
import {isLoopback} from './client.ts';
import {type Cors, hostName, isLocalOrigin} from './cors.ts';
import type {RequestHead} from './exchange.ts';

/** Throws REMOTE_ACCESS_DENIED unless peer, Host and Origin are of this machine. */
export function checkLocal(request: RequestHead): void {
  if (!request.client.isLocal)
    throw new DbError('REMOTE_ACCESS_DENIED', 'Access denied: only callers on this machine are served.');
  const {host, origin} = request.headers;
  if (host === undefined || !isLocalHost(host)) {
    throw new DbError(
      'REMOTE_ACCESS_DENIED',
      'Access denied: the Host header must name this machine, such as 127.0.0.1:8080.',
    );
  }
  if (origin !== undefined && !isLocalOrigin(origin)) {
    throw new DbError('REMOTE_ACCESS_DENIED', 'Access denied: requests from pages of other sites are not served.');
  }
}

/** Throws REMOTE_ACCESS_DENIED for pages that may not ask. */
export function checkOrigin({headers: {origin, host}}: RequestHead, cors: Cors): void {
  if (origin === undefined || cors.isAllowed(origin, host)) return;
  throw new DbError(
    'REMOTE_ACCESS_DENIED',
    'Access denied: pages of this origin are not served; security.cors.allowed_origins names those that are.',
  );
}

/** The one that was found good last: callers send the same again and again. */
let knownHost = '';

function isLocalHost(host: string): boolean {
  if (host === knownHost) return true;
  if (!isLoopback(hostName(host))) return false;
  knownHost = host;
  return true;
}

/**
 * The caller by `Authorization`; in development by `X-USER-ID`. A promise if the issuer of the token has to be asked first. Throws what
 * `Sessions.authenticate` throws, REMOTE_ACCESS_DENIED, or what a bad user id throws.
 */
export function signIn(
  request: RequestHead,
  {sessions, cors}: {sessions: Sessions; cors: Cors},
): Session | Promise<Session> {
  if (sessions.isDevelopment) checkLocal(request);
  else checkOrigin(request, cors);
  const session = sessions.authenticate(request.headers.authorization);
  if (session !== undefined) return session;
  return developmentSession(userIdOf(request));
}

/** Of X-USER-ID. Throws INVALID_INPUT. */
export function userIdOf(request: RequestHead): string | undefined {
  const userId = request.headers['x-user-id'];
  return userId === undefined ? undefined : oneUserId(request, String(userId));
}

/** The caller by the token of an authenticate message. Throws what `Sessions.authenticate` throws. */
export function signInByToken(token: string, sessions: Sessions): Session | Promise<Session> {
  return sessions.authenticate(`Bearer ${token}`) ?? developmentSession(undefined);
}

/** Throws INVALID_INPUT for one that is none. */
export function idempotencyKeyOf(request: RequestHead): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key) && !request.isRepeated('idempotency-key')) return key;
  throw new DbError(
    'INVALID_INPUT',
    'The Idempotency-Key header must be 1 to 255 printable characters without blanks, once.',
  );
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** Throws UNSUPPORTED_MEDIA_TYPE unless the body is announced as plain JSON. */
export function checkJson(request: RequestHead): void {
  const type = request.headers['content-type'] ?? '';
  const isJson = type === 'application/json' || /^application\/json\s*(?:;|$)/i.test(type);
  if (isJson && (request.headers['content-encoding'] ?? 'identity') === 'identity') return;
  if (/^multipart\/form-data\b/i.test(type))
    throw new DbError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Files (multipart/form-data) are not supported yet; send statements as Content-Type: application/json.',
    );
  throw new DbError(
    'UNSUPPORTED_MEDIA_TYPE',
    'The request body must be sent as Content-Type: application/json, uncompressed.',
  );
}

/** Node joins repeated headers by a comma, which would make a third name of two; and it reads header bytes as latin1. */
function oneUserId(request: RequestHead, userId: string): string {
  // What nearly every id is; it needs no decoder.
  if (/^[\w.@-]+$/.test(userId)) return userId;
  if (userId.includes(',') && request.isRepeated('x-user-id')) {
    throw new DbError('INVALID_INPUT', 'The X-USER-ID header was sent more than once.');
  }
  try {
    return strictUtf8.decode(Buffer.from(userId, 'latin1'));
  } catch (cause) {
    throw new DbError('INVALID_INPUT', 'The X-USER-ID header is not valid UTF-8.', {cause});
  }
}

const strictUtf8 = new TextDecoder('utf-8', {fatal: true});

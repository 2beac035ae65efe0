/**
 * Dispatch: one request that node:http read, from its head to its answer.
 *
 *     rules of HTTP ─ limits of the address ─ route ─ handler       any step may refuse or throw; there is one answer
 *
 * Law: every request is answered and counted, whatever a handler throws.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {errorJson, type Headers, sendJson, statusOf} from './answer.ts';
import {authFailure} from './auth-routes.ts';
import {discardRest} from './body.ts';
import {checkLocal, checkOrigin} from './guard.ts';
import {headOf} from './node-exchange.ts';
import {type Refusal, sendRefusal} from './refusal.ts';
import {findRoute, isAuthPath, type RouteContext, routeLabel} from './routes.ts';
import {expected} from './sql-route.ts';

export async function answer(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
  try {
    const refusal = refusalOf(request, context);
    if (refusal === undefined) await run(request, response, context);
    else refuse(refusal, request, response, context);
  } catch (thrown) {
    const error = expected(thrown, context.requestId, context.options.logger);
    if (response.headersSent) response.destroy();
    else fail(error, request, response, context.headers);
  }
  context.traffic.count(routeLabel(request.url ?? ''), response.statusCode);
}

async function run(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
  const {headers, options} = context;
  const found = findRoute(request.method ?? '', request.url ?? '');
  if (typeof found === 'function') return await found(request, response, context);
  if (found === undefined) response.writeHead(404, {'content-length': 0, ...headers}).end();
  else if (request.method === 'OPTIONS') {
    const head = headOf(request, context);
    if (options.sessions.isDevelopment) checkLocal(head);
    else checkOrigin(head, options.cors);
    options.cors.answerOptions(request, response, {allow: found.allow, ...headers});
  } else {
    const error = new DbError('METHOD_NOT_ALLOWED', `Use ${found.allow} here.`);
    fail(error, request, response, {allow: found.allow, ...headers});
  }
}

/** In the form of the route that was asked. */
function fail(error: DbError, {url = ''}: IncomingMessage, response: ServerResponse, headers: Headers): void {
  if (isAuthPath(url)) {
    const {status, body} = authFailure(error);
    sendJson(response, status, JSON.stringify(body), headers);
  } else sendJson(response, statusOf(error), errorJson(error, false, 0), headers);
}

/** Preflights are answered before any limit. */
function refusalOf(request: IncomingMessage, context: RouteContext): Refusal | undefined {
  if (request.method === 'OPTIONS') return undefined;
  const {client} = headOf(request, context);
  const refusal = context.rates.of(client)?.takeRequest(context.options.clock.monotonicMs());
  if (refusal !== undefined) return refusal;
  const {bodyBytesMax} = context.options.limits;
  const bytes = Number(request.headers['content-length'] ?? 0);
  return bytes <= bodyBytesMax ? undefined : {code: 'BODY_TOO_LARGE', bytes, bytesMax: bodyBytesMax};
}

function refuse(refusal: Refusal, request: IncomingMessage, response: ServerResponse, context: RouteContext): void {
  context.traffic.refused[refusal.code]++;
  sendRefusal(response, refusal, context.headers);
  if (!request.complete) discardRest(request);
}

/** The last answer of its connection. */
export function refuseBroken(
  rule: string,
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
): void {
  const error = new DbError('INVALID_INPUT', `The request is refused: ${rule}.`);
  fail(error, request, response, {...context.headers, connection: 'close'});
  if (!request.complete) discardRest(request);
  context.traffic.count(routeLabel(request.url ?? ''), response.statusCode);
}

/** The caller's own id, if it is short and harmless to log. */
export function requestIdOf(request: IncomingMessage): string | undefined {
  const id = request.headers['x-request-id'];
  return typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined;
}

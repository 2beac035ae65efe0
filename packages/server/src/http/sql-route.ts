/**
 * SQL route: `POST /v1/api/sql`, the road of every statement.
 *
 *     guard ─ sign in ─ body ─ JSON ─ runSql ─ envelope          any step may throw; one place answers
 *
 * Laws: a request gets exactly one answer. When its time is up the signal aborts, and for one more second the real outcome is awaited, since a
 * write may be on its way to the disk. What is not a DbError is a bug: it is logged with its stack and answered as INTERNAL_ERROR.
 */

import type {IncomingMessage, ServerResponse} from 'node:http';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {isAdmin} from '../auth/auth.ts';
import type {Session} from '../model/session.ts';
import {redactSecrets} from '../sql/redact.ts';
import {errorJson, sendJson, sendSlices, statusOf, successJson} from './answer.ts';
import {discardRest, parseSqlBody, readBody, type SqlBody} from './body.ts';
import type {RunSql} from './engine.ts';
import {checkJson, checkLocal, signIn} from './guard.ts';
import type {RouteContext} from './routes.ts';

const KILL_MS = 1000;
const LOGGED_SQL_LENGTH = 1000;

export async function sqlRoute(
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
): Promise<void> {
  const {options, requestId, headers} = context;
  const startMs = options.clock.monotonicMs();
  let session: Session | undefined;
  try {
    checkLocal(request);
    checkJson(request);
    session = signIn(request);
    if (context.isClosing()) throw new DbError('SHUTTING_DOWN', 'The server is stopping.');
    const body = parseSqlBody(await readBody(request, response, options.limits, context.bodies), options.limits);
    const results = await runInTime(body, session, response, context);
    const tookMs = options.clock.monotonicMs() - startMs;
    logSlow(body, session, tookMs, context);
    const texts = successJson(results, tookMs);
    if (response.destroyed) return;
    if (typeof texts === 'string') sendJson(response, 200, texts, headers);
    else await sendSlices(response, texts, headers);
  } catch (thrown) {
    const error = expected(thrown, requestId, options.logger);
    if (!request.complete) discardRest(request);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const details = session !== undefined && isAdmin(session) ? error.details : undefined;
    sendJson(response, statusOf(error), errorJson(error, details, options.clock.monotonicMs() - startMs), headers);
  }
}

/** A DbError as it is; anything else is logged and becomes INTERNAL_ERROR. */
export function expected(thrown: unknown, requestId: string, logger: RouteContext['options']['logger']): DbError {
  if (thrown instanceof DbError) return thrown;
  logger.error({requestId, err: thrown}, 'A request failed by a bug.');
  return new DbError('INTERNAL_ERROR', `Internal error; the server's log tells more under request ${requestId}.`, {
    cause: thrown,
  });
}

/** Results that are there at once, as of rows in memory, cost no timer. */
function runInTime(
  body: SqlBody,
  session: Session,
  response: ServerResponse,
  {options}: RouteContext,
): ReturnType<RunSql> {
  const abort = new AbortController();
  const outcome = options.runSql({...body, session, signal: abort.signal});
  return outcome instanceof Promise ? inTime(outcome, abort, response, options.limits.handlerTimeoutMs) : outcome;
}

function inTime<T>(
  outcome: Promise<T>,
  abort: AbortController,
  response: ServerResponse,
  handlerTimeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onClose = () => abort.abort(new DbError('STATEMENT_TIMEOUT', 'The caller closed the connection.'));
    let timer = setTimeout(() => {
      const error = new DbError('STATEMENT_TIMEOUT', `Handler execution timeout: exceeded ${handlerTimeoutMs / 1000}s`);
      abort.abort(error);
      timer = setTimeout(fail, KILL_MS, error);
    }, handlerTimeoutMs);
    const settle = () => {
      clearTimeout(timer);
      response.off('close', onClose);
    };
    const fail = (error: unknown) => {
      settle();
      reject(error);
    };
    response.once('close', onClose);
    outcome.then(result => {
      settle();
      resolve(result);
    }, fail);
  });
}

function logSlow({sql, params}: SqlBody, session: Session, tookMs: number, {options, requestId}: RouteContext): void {
  if (tookMs < options.limits.slowQueryMs) return;
  const facts = {
    requestId,
    tookMs: Math.round(tookMs),
    userId: session.userId,
    sql: redactSecrets(sql).slice(0, LOGGED_SQL_LENGTH),
    params: params.length,
  };
  options.logger.warn(facts, 'Slow statement.');
}

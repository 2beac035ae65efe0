/**
 * SQL route: `POST /v1/api/sql`, the road of every statement.
 *
 *     guard ─ sign in ─ body ─ JSON ─ runSql ─ envelope          any step may throw; one place answers
 *
 * Laws: a request gets exactly one answer. When its time is up the signal aborts, and for one more second the real outcome is awaited, since a
 * write may be on its way to the disk; who may have changed something is then told that nobody knows. What is not a DbError is a bug: it is
 * logged with its stack and answered as INTERNAL_ERROR.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import {isAdmin} from '../auth/roles.ts';
import type {Session} from '../model/session.ts';
import {redactSecrets} from '../sql/redact.ts';
import {errorJson, statusOf, successJson} from './answer.ts';
import {parseSqlBody, type SqlBody} from './body.ts';
import {GZIP_HEADERS} from './compression.ts';
import type {Logger, RunSql, StatementResult} from './engine.ts';
import type {Exchange, RequestHead} from './exchange.ts';
import {checkJson, signIn} from './guard.ts';
import type {ServerState} from './server.ts';

/** From the end of a request's time to its answer at the latest. */
export const KILL_MS = 1000;
const LOGGED_SQL_LENGTH = 1000;

/** Never throws or rejects. Without a promise if the results were there at once. */
export function answerSql(exchange: Exchange, state: ServerState): void | Promise<void> {
  const call = new SqlCall(exchange, state);
  try {
    const text = call.open();
    const results = text instanceof Promise ? text.then(whole => call.run(whole)) : call.run(text);
    if (!(results instanceof Promise)) return call.answer(results);
    return results.then(
      all => call.answer(all),
      error => call.fail(error),
    );
  } catch (error) {
    call.fail(error);
  }
}

/** The steps of one request, in order. */
class SqlCall {
  readonly #exchange: Exchange;
  readonly #state: ServerState;
  readonly #startMs: number;
  #session: Session | undefined;
  #body: SqlBody | undefined;
  #mayHaveChanged = false;

  constructor(exchange: Exchange, state: ServerState) {
    this.#exchange = exchange;
    this.#state = state;
    this.#startMs = state.options.clock.monotonicMs();
  }

  open(): string | Promise<string> {
    const session = signIn(this.#exchange, this.#state.options);
    return session instanceof Promise ? session.then(found => this.#admit(found)) : this.#admit(session);
  }

  #admit(session: Session): string | Promise<string> {
    this.#session = session;
    if (!this.#state.rates.takeQuery(session.userId, this.#exchange.client)) {
      this.#state.traffic.usersRefused++;
      throw new DbError('RATE_LIMIT_EXCEEDED', 'Too many queries per second. Please slow down.');
    }
    checkJson(this.#exchange);
    if (this.#state.isClosing()) throw new DbError('SHUTTING_DOWN', 'The server is stopping.');
    return this.#exchange.body();
  }

  run(text: string): ReturnType<RunSql> {
    const {limits, runSql} = this.#state.options;
    this.#body = parseSqlBody(text, limits);
    const abort = new AbortController();
    const onChange = () => {
      this.#mayHaveChanged = true;
    };
    const origin = originOf(this.#exchange, this.#state.options.cors.publicOrigin);
    const outcome = runSql({
      ...this.#body,
      session: this.#session!,
      address: this.#exchange.client.address,
      origin,
      signal: abort.signal,
      onChange,
    });
    // Results that are there at once, as of rows in memory, cost no timer.
    return outcome instanceof Promise ? this.#inTime(outcome, abort) : outcome;
  }

  answer(results: readonly StatementResult[]): void | Promise<void> {
    try {
      return this.#send(results)?.catch(error => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  #send(results: readonly StatementResult[]): void | Promise<void> {
    const tookMs = this.#tookMs();
    this.#state.traffic.statementSeconds.observe(tookMs / 1000);
    if (tookMs >= this.#state.options.limits.slowQueryMs) this.#logSlow(tookMs);
    const texts = successJson(results, tookMs);
    if (this.#exchange.isGone) return;
    const gzip = this.#state.compression.tryGzip(texts, this.#exchange.headers['accept-encoding']);
    if (gzip !== undefined) return this.#exchange.sendSlices(gzip, GZIP_HEADERS);
    if (typeof texts !== 'string') return this.#exchange.sendSlices(texts);
    this.#exchange.sendJson(200, texts);
  }

  fail(thrown: unknown): void {
    const error = expected(thrown, this.#exchange.requestId, this.#state.options.logger);
    const isForAdmin = this.#session !== undefined && isAdmin(this.#session);
    if (isForAdmin && this.#body !== undefined) error.details ??= redactSecrets(this.#body.sql);
    const tookMs = this.#tookMs();
    this.#state.traffic.statementSeconds.observe(tookMs / 1000);
    this.#exchange.sendError(statusOf(error), errorJson(error, isForAdmin, tookMs));
  }

  #inTime<T>(outcome: Promise<T>, abort: AbortController): Promise<T> {
    const {handlerTimeoutMs} = this.#state.options.limits;
    return new Promise((resolve, reject) => {
      const onGone = () => abort.abort(new DbError('STATEMENT_TIMEOUT', 'The caller closed the connection.'));
      let timer = setTimeout(() => {
        const seconds = handlerTimeoutMs / 1000;
        abort.abort(new DbError('STATEMENT_TIMEOUT', `Handler execution timeout: exceeded ${seconds}s`));
        timer = setTimeout(() => fail(this.#mayHaveChanged ? unknownOutcome() : abort.signal.reason), KILL_MS);
      }, handlerTimeoutMs);
      const settle = () => {
        clearTimeout(timer);
        stopListening();
      };
      const fail = (error: unknown) => {
        settle();
        reject(error);
      };
      const stopListening = this.#exchange.onGone(onGone);
      outcome.then(result => {
        settle();
        resolve(result);
      }, fail);
    });
  }

  #tookMs(): number {
    return this.#state.options.clock.monotonicMs() - this.#startMs;
  }

  #logSlow(tookMs: number): void {
    const {sql, params} = this.#body!;
    const facts = {
      requestId: this.#exchange.requestId,
      tookMs: Math.round(tookMs),
      userId: this.#session!.userId,
      sql: redactSecrets(sql).slice(0, LOGGED_SQL_LENGTH),
      params: params.length,
    };
    this.#state.options.logger.warn(facts, 'Slow statement.');
  }
}

/** Where the server says it is, or else where the caller found it. */
function originOf({client, headers: {host = 'localhost'}}: RequestHead, publicOrigin: string): string {
  return publicOrigin === '' ? `${client.isSecure ? 'https' : 'http'}://${host}` : publicOrigin;
}

/** A DbError as it is; anything else is logged and becomes INTERNAL_ERROR. */
export function expected(thrown: unknown, requestId: string, logger: Logger): DbError {
  if (thrown instanceof DbError) return thrown;
  logger.error({requestId, err: thrown}, 'A request failed by a bug.');
  return new DbError('INTERNAL_ERROR', `Internal error; the server's log tells more under request ${requestId}.`, {
    cause: thrown,
  });
}

function unknownOutcome(): DbError {
  return new DbError('COMMIT_UNKNOWN', 'The statement did not end in time; what it changes may be there or not.');
}

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
import type {Deadline, Due} from './deadlines.ts';
import type {Logger, StatementResult} from './engine.ts';
import type {Exchange, RequestHead} from './exchange.ts';
import {checkJson, idempotencyKeyOf, signIn} from './guard.ts';
import type {ServerState} from './server.ts';

/** From the end of a request's time to its answer at the latest. */
export const KILL_MS = 1000;
const LOGGED_SQL_LENGTH = 1000;

/** Never throws. `answered` is called when the answer is with the socket. */
export function answerSql(exchange: Exchange, state: ServerState, answered: () => void = () => {}): void {
  new SqlCall(exchange, state, answered).begin();
}

/** The steps of one request, in order. */
class SqlCall implements Due {
  readonly #exchange: Exchange;
  readonly #state: ServerState;
  readonly #answered: () => void;
  readonly #startMs: number;
  #session: Session | undefined;
  #body: SqlBody | undefined;
  #mayHaveChanged = false;
  #abort: AbortController | undefined;
  #deadline: Deadline | undefined;
  /** The outcome is not waited for any more. */
  #isOver = false;

  constructor(exchange: Exchange, state: ServerState, answered: () => void) {
    this.#exchange = exchange;
    this.#state = state;
    this.#answered = answered;
    this.#startMs = state.options.clock.monotonicMs();
  }

  begin(): void {
    try {
      const text = this.#open();
      if (text instanceof Promise) text.then(whole => this.#run(whole)).catch(error => this.#fail(error));
      else this.#run(text);
    } catch (error) {
      this.#fail(error);
    }
  }

  #open(): string | Promise<string> {
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

  #run(text: string): void {
    const {limits, runSql} = this.#state.options;
    this.#body = parseSqlBody(text, limits);
    const abort = new AbortController();
    const outcome = runSql({
      ...this.#body,
      session: this.#session!,
      address: this.#exchange.client.address,
      origin: originOf(this.#exchange, this.#state.options.cors.publicOrigin),
      signal: abort.signal,
      onChange: () => {
        this.#mayHaveChanged = true;
      },
      idempotencyKey: idempotencyKeyOf(this.#exchange),
    });
    // Results that are there at once, as of rows in memory, need no deadline.
    if (outcome instanceof Promise) this.#wait(outcome, abort);
    else this.#answer(outcome);
  }

  #wait(outcome: Promise<readonly StatementResult[]>, abort: AbortController): void {
    this.#abort = abort;
    this.#deadline = this.#state.deadlines.add(this);
    this.#exchange.onGone = () => abort.abort(new DbError('STATEMENT_TIMEOUT', 'The caller closed the connection.'));
    outcome.then(
      results => {
        if (this.#settle()) this.#answer(results);
      },
      error => {
        if (this.#settle()) this.#fail(error);
      },
    );
  }

  /** Once true: whoever calls has the outcome. */
  #settle(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#deadline?.remove();
    this.#exchange.onGone = undefined;
    return true;
  }

  onDue(): void {
    const {handlerTimeoutMs} = this.#state.options.limits;
    this.#deadline = undefined;
    const {signal} = this.#abort!;
    this.#abort!.abort(
      new DbError('STATEMENT_TIMEOUT', `Handler execution timeout: exceeded ${handlerTimeoutMs / 1000}s`),
    );
    setTimeout(() => {
      if (this.#settle()) this.#fail(this.#mayHaveChanged ? unknownOutcome() : signal.reason);
    }, KILL_MS).unref();
  }

  #answer(results: readonly StatementResult[]): void {
    try {
      const slices = this.#send(results);
      if (slices === undefined) this.#answered();
      else slices.then(this.#answered, error => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #send(results: readonly StatementResult[]): undefined | Promise<void> {
    const tookMs = this.#tookMs();
    this.#state.traffic.statementSeconds.observe(tookMs / 1000);
    if (tookMs >= this.#state.options.limits.slowQueryMs) this.#logSlow(tookMs);
    const texts = successJson(results, tookMs);
    if (this.#exchange.isGone) return undefined;
    const gzip = this.#state.compression.tryGzip(texts, this.#exchange.headers['accept-encoding']);
    if (gzip !== undefined) return this.#exchange.sendSlices(gzip, GZIP_HEADERS);
    if (typeof texts !== 'string') return this.#exchange.sendSlices(texts);
    this.#exchange.sendJson(200, texts);
    return undefined;
  }

  #fail(thrown: unknown): void {
    const error = expected(thrown, this.#exchange.requestId, this.#state.options.logger);
    const isForAdmin = this.#session !== undefined && isAdmin(this.#session);
    if (isForAdmin && this.#body !== undefined) error.details ??= redactSecrets(this.#body.sql);
    const tookMs = this.#tookMs();
    this.#state.traffic.statementSeconds.observe(tookMs / 1000);
    this.#exchange.sendError(statusOf(error), errorJson(error, isForAdmin, tookMs));
    this.#answered();
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

/**
 * Run: from a request's text to one result per statement.
 *
 *     split ─ match head ─ authorise ─ parse      for every statement, before any runs
 *           ─ execute in order                    the first failure ends the request; what came before stays done, but for an open transaction
 *
 * Laws: nothing runs unless every statement parsed and is allowed. A parsed text is reused as it is: trees are immutable and know nothing of the
 * session. A statement that met an ALTER between its plan and its write is planned again, a bounded number of times.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {KeepResults} from '../auth/idempotency-keys.ts';
import type {Param} from '../expr/expr.ts';
import {maxParam} from '../expr/walk.ts';
import type {UserId} from '../model/names.ts';
import type {Session} from '../model/session.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {type Statement, splitStatements} from '../parser/split.ts';
import {positionAt} from '../parser/tokenizer.ts';
import {Lru} from '../std/lru.ts';
import {throwIfOver} from '../table/merge.ts';
import {audited} from './audited.ts';
import type {Executor, Services, StatementContext, StatementKind, StatementResult} from './define.ts';
import {parseExecuteAs} from './execute-as.ts';
import {refuseUnlessAllowed, sessionOf} from './gate.ts';
import {matchHead} from './heads.ts';
import {redactSecrets} from './redact.ts';
import {RequestTransaction} from './request-transaction.ts';
import {begin, commit, rollback} from './statements/transactions.ts';

const CACHE_BYTES = 4 * 1024 * 1024;
const CACHED_TEXT_MAX = 8 * 1024;
const REPLANS_MAX = 3;
const STATEMENTS_PER_BREATH = 64;

export interface SqlRequest {
  readonly sql: string;
  readonly params: readonly Param[];
  /** Why there are none: told when all statements are known and allowed. */
  readonly badParams?: Error | undefined;
  readonly namespace: string | undefined;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Told when a statement that may change something begins. */
  readonly onChange?: () => void;
  /** Where the caller is; undefined: in this process. */
  readonly address?: string;
  /** Where the caller reached the server. */
  readonly origin?: string;
  /** Of the caller: the request is run once, however often it comes. */
  readonly idempotencyKey?: string | undefined;
  /** For tests of one executor against the other. */
  readonly executor?: Executor;
}

export interface Parsed {
  readonly kind: StatementKind;
  /** Whom EXECUTE AS names. */
  readonly target: UserId | undefined;
  readonly tree: unknown;
  readonly text: string;
  /** Offset of the text in its request. */
  readonly start: number;
  readonly paramCount: number;
}

/** Throws or rejects. A lone statement that never waits is answered at once, without a promise. */
export type RunSql = (request: SqlRequest) => StatementResult[] | Promise<StatementResult[]>;

export function createRunSql(services: Services): RunSql {
  const cache = new Lru<string, readonly Parsed[]>(CACHE_BYTES);
  return request => {
    let statements = cache.get(request.sql);
    if (statements === undefined) {
      statements = parseAll(request.sql);
      if (request.sql.length <= CACHED_TEXT_MAX) cache.set(request.sql, statements, request.sql.length * 8 + 256);
    }
    const refused = refuseUnlessAllowed(services, request, statements);
    if (refused !== undefined) return refused;
    checkParams(statements, request);
    if (request.idempotencyKey !== undefined && statements.some(({kind}) => !kind.isReadOnly))
      return executeOnce(services, request, statements, request.idempotencyKey);
    if (statements.length > 1 || statements[0]!.kind === begin) return executeAll(services, request, statements);
    throwIfOver(request.signal);
    return execute(services, request, statements[0]!, 0, NO_TRANSACTION, result => [result]);
  };
}

/** As one transaction, which is tried again when it met the writes of others. */
function executeOnce(
  services: Services,
  request: SqlRequest,
  statements: readonly Parsed[],
  key: string,
): Promise<StatementResult[]> {
  checkKeyed(statements);
  const {session, sql, params, namespace, signal} = request;
  const asked = [sql, params, namespace ?? null];
  return services.auth.idempotency.once({userId: session.userId, key, asked}, async keep => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await executeAll(services, request, statements, keep);
      } catch (error) {
        const isConflict = error instanceof DbError && error.code === 'WRITE_CONFLICT';
        if (!isConflict || attempt === REPLANS_MAX || signal.aborted) throw error;
      }
    }
  });
}

/** Throws NOT_SUPPORTED for what cannot be part of that transaction. */
function checkKeyed(statements: readonly Parsed[]): void {
  const wrong = statements.find(({kind}) => ENDS.includes(kind) || !(kind.runsInTransaction || kind.isReadOnly));
  if (wrong === undefined) return;
  throw fail.notSupported(
    `${wrong.kind.name} in a request with Idempotency-Key, which is one transaction of INSERT, UPDATE, DELETE and queries`,
  );
}

const ENDS: readonly StatementKind[] = [begin, commit, rollback];

/** `keep`: all of it is one transaction, with what that makes of the results beside its rows. */
async function executeAll(
  services: Services,
  request: SqlRequest,
  statements: readonly Parsed[],
  keep?: KeepResults,
): Promise<StatementResult[]> {
  const results: StatementResult[] = [];
  let {namespace} = request;
  const transaction = new RequestTransaction(statements);
  try {
    if (keep !== undefined) transaction.begin({services, session: request.session, namespace: namespace ?? 'default'});
    for (const [i, statement] of statements.entries()) {
      // Statements that wait for nothing must not keep everybody else waiting.
      if (i % STATEMENTS_PER_BREATH === STATEMENTS_PER_BREATH - 1) await new Promise(resolve => setImmediate(resolve));
      throwIfOver(request.signal);
      const result = await execute(services, {...request, namespace}, statement, i, transaction, one => one);
      namespace = result.namespace ?? namespace;
      results.push(result);
    }
    if (keep === undefined) transaction.checkEnded();
    else {
      const kept = keep(results);
      request.onChange?.();
      await transaction.commit(request.signal, [kept]);
    }
    return results;
  } finally {
    transaction.end();
  }
}

/** Of a lone statement that does not begin one. */
const NO_TRANSACTION = new RequestTransaction([]);

function parseAll(sql: string): Parsed[] {
  return splitStatements(sql).map(statement => {
    try {
      return parseOne(statement);
    } catch (error) {
      if (error instanceof DbError) error.details ??= redactSecrets(statement.text);
      throw error;
    }
  });
}

function parseOne(statement: Statement): Parsed {
  const outer = new TokenCursor(statement);
  const wrapped = parseExecuteAs(outer);
  const {text, start} = wrapped?.inner ?? statement;
  const cursor = wrapped === undefined ? outer : new TokenCursor(wrapped.inner);
  const kind = matchHead(cursor);
  const tree = kind.parse(cursor);
  cursor.expectEnd();
  return {
    kind,
    target: wrapped?.target,
    tree,
    text,
    start,
    paramCount: kind.takesParams ? maxParam(tree as Parameters<typeof maxParam>[0]) : 0,
  };
}

function checkParams(statements: readonly Parsed[], {params, badParams}: SqlRequest): void {
  if (badParams !== undefined) throw badParams;
  if (statements.length > 1) {
    if (params.length === 0) return;
    throw new DbError('PARAMS_WITH_BATCH', 'Parameters not supported with multi-statement batches');
  }
  const {kind, paramCount} = statements[0]!;
  if (params.length > 0 && !kind.takesParams) {
    throw new DbError('INVALID_PARAMETER', `Parameters not supported for ${kind.name} statements`);
  }
  if (paramCount === params.length) return;
  throw new DbError(
    'INVALID_PARAMETER',
    `Parameter count mismatch: expected ${paramCount} parameters, got ${params.length}`,
  );
}

/** `show` makes of the result what the caller wants, without a promise of its own. */
function execute<Shown>(
  services: Services,
  request: SqlRequest,
  statement: Parsed,
  index: number,
  transaction: RequestTransaction,
  show: (result: StatementResult) => Shown,
): Shown | Promise<Shown> {
  const {tables = services.tables} = transaction;
  const isOpen = tables !== services.tables;
  const context: StatementContext = {
    services,
    session: sessionOf(services, request.session, statement.target),
    address: request.address,
    params: request.params,
    signal: request.signal,
    namespace: request.namespace ?? 'default',
    text: statement.text,
    origin: request.origin,
    executor: request.executor,
    tables,
    transaction,
  };
  const {clock, times} = services;
  const startMs = clock.monotonicMs();
  // Without rows no id is shown: what was written is then answered as done, whatever the log says next.
  const secure = (result: StatementResult) => {
    times.observe(statement.kind, clock.monotonicMs() - startMs);
    const secured = result.rows === undefined ? undefined : services.secureIds();
    return secured === undefined ? show(result) : secured.then(() => show(result), again);
  };
  let attempt = 0;
  const run = (): Shown | Promise<Shown> => {
    attempt++;
    try {
      transaction.enter(index, statement);
      // What stays in an open transaction has changed nothing yet.
      if (!statement.kind.isReadOnly && (!isOpen || statement.kind === commit)) request.onChange?.();
      const result = statement.kind.run(statement.tree, context);
      return result instanceof Promise ? result.then(secure, again) : secure(result);
    } catch (error) {
      return again(error);
    }
  };
  const again = (error: unknown): Shown | Promise<Shown> => {
    if (!(error instanceof DbError)) throw error;
    if (error.code === 'WRITE_CONFLICT' && !isOpen && attempt < REPLANS_MAX && !request.signal.aborted) return run();
    times.observe(statement.kind, clock.monotonicMs() - startMs);
    throw inStatement(error, {request: request.sql, statement, index});
  };
  return audited(statement, context, run);
}

/** The error as the caller sees it: which statement, and where in the request. */
function inStatement(
  error: DbError,
  {request, statement, index}: {request: string; statement: Parsed; index: number},
): DbError {
  const message = `Statement ${index + 1} failed: ${error.message}`;
  // What is wrong with a statement that was parsed and allowed its caller may read.
  const isSafe = error.isSafe || error.code === 'INVALID_SQL';
  const position = error.position && positionAt(request, statement.start + error.position.offset);
  const wrapped =
    position === undefined
      ? new DbError(error.code, message, {cause: error, isSafe})
      : new DbError(error.code, `${message} (line ${position.line}, column ${position.column})`, {
          cause: error,
          position,
          isSafe,
        });
  wrapped.details = redactSecrets(statement.text);
  return wrapped;
}

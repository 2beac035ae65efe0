/**
 * Run: from a request's text to one result per statement.
 *
 *     split ─ match head ─ authorise ─ parse      for every statement, before any runs
 *           ─ execute in order                    the first failure ends the request; what came before stays done
 *
 * Laws: nothing runs unless every statement parsed and is allowed. A parsed text is reused as it is: trees are immutable and know nothing of the
 * session. A statement that met an ALTER between its plan and its write is planned again, a bounded number of times.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../expr/expr.ts';
import {maxParam} from '../expr/walk.ts';
import type {Session} from '../model/session.ts';
import {TokenCursor} from '../parser/cursor.ts';
import {splitStatements} from '../parser/split.ts';
import {Lru} from '../std/lru.ts';
import {throwIfOver} from '../table/merge.ts';
import type {Executor, Services, StatementContext, StatementKind, StatementResult} from './define.ts';
import {STATEMENTS} from './statements/index.ts';
import {select} from './statements/select.ts';

const CACHE_BYTES = 4 * 1024 * 1024;
const CACHED_TEXT_MAX = 8 * 1024;
const REPLANS_MAX = 3;

export interface SqlRequest {
  readonly sql: string;
  readonly params: readonly Param[];
  readonly namespace: string | undefined;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** For tests of one executor against the other. */
  readonly executor?: Executor;
}

interface Parsed {
  readonly kind: StatementKind;
  readonly tree: unknown;
  readonly text: string;
  readonly paramCount: number;
}

export function createRunSql(services: Services): (request: SqlRequest) => Promise<StatementResult[]> {
  const cache = new Lru<string, readonly Parsed[]>(CACHE_BYTES);
  return async request => {
    let statements = cache.get(request.sql);
    if (statements === undefined) {
      statements = parseAll(request.sql);
      if (request.sql.length <= CACHED_TEXT_MAX) cache.set(request.sql, statements, request.sql.length * 8 + 256);
    }
    for (const {kind} of statements) authorise(kind, request.session);
    checkParams(statements, request.params);
    const results: StatementResult[] = [];
    for (const [i, statement] of statements.entries()) {
      throwIfOver(request.signal);
      results.push(await execute(services, request, statement, i));
    }
    return results;
  };
}

function parseAll(sql: string): Parsed[] {
  return splitStatements(sql).map(statement => {
    const cursor = new TokenCursor(statement);
    const kind = matchHead(cursor);
    const tree = kind.parse(cursor);
    cursor.expectEnd();
    return {
      kind,
      tree,
      text: statement.text,
      paramCount: kind.takesParams ? maxParam(tree as Parameters<typeof maxParam>[0]) : 0,
    };
  });
}

function matchHead(cursor: TokenCursor): StatementKind {
  if (cursor.isSymbol('(')) return select;
  let best: StatementKind | undefined;
  let bestWords = 0;
  for (const kind of STATEMENTS) {
    for (const head of kind.heads) {
      const words = head.split(' ');
      if (words.length > bestWords && cursor.areKeywords(...words)) {
        best = kind;
        bestWords = words.length;
      }
    }
  }
  if (best !== undefined) return best;
  throw cursor.expected('a statement such as SELECT, INSERT, UPDATE, DELETE, CREATE TABLE or FLUSH TABLE');
}

function authorise(kind: StatementKind, session: Session): void {
  if (kind.access === 'any' || session.role === 'dba' || session.role === 'system') return;
  throw fail.unauthorized(`Admin privileges (DBA or System role) required for ${kind.access.admin}`);
}

function checkParams(statements: readonly Parsed[], params: readonly Param[]): void {
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

async function execute(
  services: Services,
  request: SqlRequest,
  statement: Parsed,
  index: number,
): Promise<StatementResult> {
  const context: StatementContext = {
    services,
    session: request.session,
    params: request.params,
    signal: request.signal,
    namespace: request.namespace ?? 'default',
    text: statement.text,
    executor: request.executor,
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await statement.kind.run(statement.tree, context);
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      if (error.code === 'WRITE_CONFLICT' && attempt < REPLANS_MAX && !request.signal.aborted) continue;
      throw inStatement(error, statement.text, index);
    }
  }
}

function inStatement(error: DbError, text: string, index: number): DbError {
  const wrapped = new DbError(error.code, `Statement ${index + 1} failed: ${error.message}`, {
    cause: error,
    ...(error.position === undefined ? {} : {position: error.position}),
  });
  wrapped.details = text;
  return wrapped;
}

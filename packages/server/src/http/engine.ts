/**
 * Engine: what the HTTP edge asks of the database behind it. Types only; `database.ts` hands in the implementation.
 *
 * Laws: `RunSql` throws DbError for everything a caller can mend; anything else it throws is a bug. When `signal` aborts it stops as soon as
 * it safely can and rejects; a write that already reached the log is still answered as what it became.
 */
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Param} from '../expr/expr.ts';
import type {Session} from '../model/session.ts';
import type {Histogram} from '../std/histogram.ts';

export interface StatementResult {
  /** Absent for statements that have no rows to show. */
  readonly columns?: readonly ResultColumn[];
  /** Each one a JSON array text, in column order. */
  readonly rows?: readonly string[];
  readonly rowCount: number;
  readonly message?: string;
  readonly asUser: string;
  /** An implicit limit cut the rows. */
  readonly isTruncated?: boolean;
}

export interface SqlRequest {
  readonly sql: string;
  readonly params: readonly Param[];
  /** Why there are no parameters: to be thrown when all statements are known and allowed. */
  readonly badParams?: Error | undefined;
  /** For unqualified names; undefined = the server's default. */
  readonly namespace: string | undefined;
  readonly session: Session;
  /** Where the caller is. */
  readonly address: string;
  /** Aborts when the caller went away or the time is up; its reason is the DbError to throw. */
  readonly signal: AbortSignal;
  /** Where the caller reached the server, such as `https://db.example.org`. */
  readonly origin?: string;
  /** Of the caller: the request is run once, however often it comes. */
  readonly idempotencyKey?: string | undefined;
  /** Told when a statement that may change something begins. */
  readonly onChange?: () => void;
}

export type RunSql = (request: SqlRequest) => Promise<readonly StatementResult[]> | readonly StatementResult[];

/** What the database measures of itself. */
export interface Measures {
  /** The rows of `system.stats`. */
  readonly stats: Readonly<Record<string, string | number | bigint>>;
  readonly jobs: {readonly active: readonly JobCount[]; readonly finished: readonly JobCount[]};
  readonly syncSeconds: Histogram;
  readonly statements: Iterable<{readonly kind: string; readonly seconds: Histogram}>;
}

interface JobCount {
  readonly type: string;
  readonly status: string;
  readonly count: number;
}

/** Satisfied by pino. */
export interface Logger {
  debug(facts: object, text: string): void;
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

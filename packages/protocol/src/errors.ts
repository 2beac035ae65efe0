/**
 * The error table: every code a client can meet, its HTTP status, whether a retry can help, and what it means.
 *
 * Clients match on codes, never on texts. `kind` texts are display prefixes that are part of the client-visible message.
 * Law: a code, once released, keeps its meaning and its status.
 */
export interface ErrorFacts {
  status: number;
  /** The same request may succeed later without change. */
  retry: boolean;
  about: string;
  /** What callers who are no admins are told instead of the message, unless the error says that its own text is safe. */
  toUsers?: string;
}

export const ERRORS = {
  EMPTY_SQL: {status: 400, retry: false, about: 'The request holds no statement.'},
  BATCH_PARSE_ERROR: {
    status: 400,
    retry: false,
    about: 'The text could not be split into statements.',
    toUsers: 'Failed to parse SQL batch',
  },
  PARAMS_WITH_BATCH: {status: 400, retry: false, about: 'Parameters were sent with more than one statement.'},
  INVALID_SQL: {
    status: 400,
    retry: false,
    about: 'The statement could not be parsed or is not allowed.',
    toUsers: 'SQL statement is invalid or not allowed',
  },
  INVALID_INPUT: {status: 400, retry: false, about: 'The request is malformed.'},
  INVALID_PARAMETER: {status: 400, retry: false, about: 'A parameter value cannot be used.'},
  SQL_EXECUTION_ERROR: {
    status: 400,
    retry: false,
    about: 'The statement was understood and failed.',
    toUsers: 'SQL statement failed',
  },
  NOT_SUPPORTED: {status: 400, retry: false, about: 'The statement is valid SQL that this release does not run.'},
  PERMISSION_DENIED: {status: 403, retry: false, about: 'The caller may not do this.'},
  MISSING_AUTHORIZATION: {status: 401, retry: false, about: 'No credentials were sent.'},
  INVALID_CREDENTIALS: {status: 401, retry: false, about: 'The credentials are not valid.'},
  SETUP_REQUIRED: {status: 401, retry: false, about: 'Root has no password yet; the server must be set up first.'},
  ACCOUNT_LOCKED: {status: 401, retry: true, about: 'Too many wrong passwords from this address; wait.'},
  AUTHENTICATION_ERROR: {
    status: 500,
    retry: true,
    about: 'Who signed the token could not be asked for their keys; try again.',
  },
  INSUFFICIENT_PERMISSIONS: {status: 403, retry: false, about: 'This account does not sign in from here.'},
  ALREADY_CONFIGURED: {status: 409, retry: false, about: 'The server is set up already.'},
  INVALID_USER: {status: 400, retry: false, about: 'The id cannot be that of the first dba of a new server.'},
  USER_EXISTS: {status: 409, retry: false, about: 'An account of that id exists, or existed.'},
  WEAK_PASSWORD: {status: 400, retry: false, about: 'The password is too short, too long or too common.'},
  TOKEN_EXPIRED: {status: 401, retry: false, about: 'The token is past its expiry; refresh it.'},
  REMOTE_ACCESS_DENIED: {status: 403, retry: false, about: 'Only loopback callers are served.'},
  NOT_FOUND: {status: 404, retry: false, about: 'There is no such route.'},
  METHOD_NOT_ALLOWED: {status: 405, retry: false, about: 'The route exists, not with this method.'},
  RATE_LIMIT_EXCEEDED: {status: 429, retry: true, about: 'Too many requests or statements in one second; slow down.'},
  IP_BANNED: {status: 429, retry: true, about: 'The address went on asking too much and is not served for a while.'},
  TOO_MANY_CONNECTIONS: {status: 503, retry: true, about: 'The address has too many open connections.'},
  BODY_TOO_LARGE: {status: 413, retry: false, about: 'The request body exceeds the limit.'},
  UNSUPPORTED_MEDIA_TYPE: {status: 415, retry: false, about: 'The body must be application/json.'},
  STATEMENT_TIMEOUT: {status: 400, retry: true, about: 'The statement ran longer than allowed and was stopped.'},
  SNAPSHOT_EXPIRED: {status: 400, retry: true, about: 'The data version a statement read from is gone.'},
  WRITE_CONFLICT: {status: 409, retry: true, about: 'The write kept meeting concurrent changes; try again.'},
  IDEMPOTENCY_KEY_IN_USE: {
    status: 409,
    retry: true,
    about: 'A request with the same Idempotency-Key is running; try again to get its answer.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    retry: false,
    about: 'The Idempotency-Key was sent with another request before.',
  },
  WRITE_QUEUE_FULL: {status: 503, retry: true, about: 'Too many writes wait for the disk; try again.'},
  MEMORY_LIMIT: {
    status: 503,
    retry: true,
    about: 'Rows in memory and manifests are at their hard limit; try again after a flush.',
  },
  DISK_FULL: {status: 503, retry: true, about: 'No space to prepare the log; heals when space is freed.'},
  STORAGE_UNAVAILABLE: {status: 503, retry: true, about: 'A storage failed or could not be reached; try again.'},
  QUERY_UNAVAILABLE: {
    status: 503,
    retry: true,
    about: 'Too many queries wait for the analytic executor, or the process that ran this one ended; try again.',
  },
  READ_ONLY: {
    status: 503,
    retry: false,
    about: 'A disk write failed earlier; the server only reads until it is restarted.',
  },
  COMMIT_UNKNOWN: {
    status: 503,
    retry: false,
    about: 'The disk failed or did not answer during commit; the write may be there or not.',
  },
  LIMIT_EXCEEDED: {status: 400, retry: false, about: 'A limit named in the message was exceeded.'},
  DATA_CORRUPTED: {status: 500, retry: false, about: 'A file of the database is damaged; it is named in the message.'},
  SUBSCRIPTION_LIMIT_EXCEEDED: {
    status: 429,
    retry: true,
    about: 'The connection, the user or the server has as many subscriptions as it may; close some.',
  },
  SUBSCRIPTION_FAILED: {status: 400, retry: true, about: 'The subscription was ended; subscribe again.'},
  SCHEMA_CHANGED: {
    status: 409,
    retry: true,
    about: 'A column that the subscription shows or asks for was altered; subscribe again to get the new ones.',
  },
  SLOW_CONSUMER: {
    status: 408,
    retry: true,
    about: 'The connection did not take what was sent; connect again and resume after the last change that arrived.',
  },
  SHUTTING_DOWN: {status: 503, retry: true, about: 'The server is stopping.'},
  INTERNAL_ERROR: {
    status: 500,
    retry: false,
    about: 'A bug in the server; details are in its log.',
    toUsers: 'SQL request failed',
  },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

/** Where in a statement's text an error lies. `offset` in UTF-16 units from 0; `line` and `column` from 1. */
export interface SqlPosition {
  offset: number;
  line: number;
  column: number;
}

interface ErrorOptions {
  position?: SqlPosition;
  cause?: unknown;
  isSafe?: boolean;
}

/** The one class of expected failures. Anything else that is thrown is a bug and becomes INTERNAL_ERROR at the edge. */
export class DbError extends Error {
  readonly code: ErrorCode;
  readonly position: SqlPosition | undefined;
  /** The message tells nothing but what its caller said or may see. Of an error made from another it is what it was there. */
  readonly isSafe: boolean;
  /** The statement that failed; set by the edge that knows it, shown to admins only. */
  details: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause});
    this.name = 'DbError';
    this.code = code;
    this.position = options.position;
    this.isSafe = options.isSafe ?? (options.cause instanceof DbError && options.cause.isSafe);
  }
}

/** What the caller is told of it. */
export function messageFor({code, message, isSafe}: DbError, isAdmin: boolean): string {
  const {toUsers}: ErrorFacts = ERRORS[code];
  return isAdmin || isSafe || toUsers === undefined ? message : toUsers;
}

/** Of a failure whose caller can mend it: its text is safe. */
function mendable(prefix: string, text: string): DbError {
  return new DbError('SQL_EXECUTION_ERROR', `${prefix}: ${text}`, {isSafe: true});
}

/** Display prefixes of execution failures; they are part of the message clients see. */
export const fail = {
  invalidSql: (text: string) => new DbError('INVALID_SQL', `Invalid SQL: ${text}`),
  notFound: (text: string) => mendable('Not found', text),
  /** That there is no such table is not for everybody to know: those that may not be read are none for some. */
  noTable: (text: string) => new DbError('SQL_EXECUTION_ERROR', `Not found: ${text}`),
  tableNotFound: (text: string) => new DbError('SQL_EXECUTION_ERROR', `Table not found: ${text}`),
  namespaceNotFound: (text: string) => mendable('Namespace not found', text),
  alreadyExists: (text: string) => mendable('Already exists', text),
  invalidOperation: (text: string) => mendable('Invalid operation', text),
  schemaEvolution: (text: string) => mendable('Invalid schema evolution', text),
  systemColumn: (text: string) => mendable('System column violation', text),
  constraint: (text: string) => mendable('Constraint violation', text),
  conflict: (text: string) => mendable('Conflict', text),
  execution: (text: string) => mendable('Execution error', text),
  unauthorized: (text: string) => new DbError('PERMISSION_DENIED', `Unauthorized: ${text}`),
  permissionDenied: (text: string) => new DbError('PERMISSION_DENIED', `Permission denied: ${text}`),
  notSupported: (text: string) => new DbError('NOT_SUPPORTED', `Not supported: ${text}`),
};

/**
 * Errors: the one class of failures a program is meant to meet. Match on `code`, never on the text.
 *
 * Codes of the server are passed on as they are (docs/reference/errors.md, and LIVE_ERRORS of the protocol for subscriptions); those of
 * the client itself are the rows of CLIENT_ERRORS.
 */
export const CLIENT_ERRORS = {
  NETWORK_ERROR: {retry: true, about: 'The server could not be reached, or the connection broke before it answered.'},
  TIMEOUT: {retry: true, about: 'The server did not answer in time. A write may have happened.'},
  BAD_RESPONSE: {retry: false, about: 'The answer is not one of KalamDB: the address may be of another server.'},
  TOKEN_REJECTED: {retry: false, about: 'The server refused the token, and there is no way to get another.'},
  CLOSED: {retry: false, about: 'The client was shut down or disconnected, or the subscription has ended.'},
  GAVE_UP: {retry: true, about: 'The connection was lost, and all attempts that are allowed failed.'},
  INVALID_ARGUMENT: {retry: false, about: 'A value or name cannot be sent.'},
} as const;

/** Of the server's codes those whose statuses do not say it: whether the same call may succeed later. */
const RETRY: Readonly<Record<string, boolean>> = {
  WRITE_CONFLICT: true,
  IDEMPOTENCY_KEY_IN_USE: true,
  SCHEMA_CHANGED: true,
  SLOW_CONSUMER: true,
  STATEMENT_TIMEOUT: true,
  SNAPSHOT_EXPIRED: true,
  SUBSCRIPTION_FAILED: true,
  ACCOUNT_LOCKED: true,
  AUTHENTICATION_ERROR: true,
  READ_ONLY: false,
  COMMIT_UNKNOWN: false,
};

export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

export class KalamError extends Error {
  readonly code: string;
  /** Of the HTTP answer, where there was one. */
  readonly status: number | undefined;
  /** The same call may succeed later without change. */
  readonly retryable: boolean;

  constructor(code: string, message: string, facts: {status?: number; retryable?: boolean; cause?: unknown} = {}) {
    super(message, facts.cause === undefined ? undefined : {cause: facts.cause});
    this.name = 'KalamError';
    this.code = code;
    this.status = facts.status;
    this.retryable = facts.retryable ?? isRetryable(code, facts.status);
  }
}

function isRetryable(code: string, status: number | undefined): boolean {
  if (code in CLIENT_ERRORS) return CLIENT_ERRORS[code as ClientErrorCode].retry;
  return RETRY[code] ?? (status === 429 || status === 503);
}

export function toKalamError(thrown: unknown): KalamError {
  if (thrown instanceof KalamError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new KalamError('NETWORK_ERROR', text, {cause: thrown});
}

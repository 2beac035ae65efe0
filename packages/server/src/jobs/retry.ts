/**
 * Retry: which failures may pass by themselves, and how long to wait for that. Pure.
 */
import {DbError, ERRORS} from '@kalamdb/protocol/errors.ts';

export const BACKOFF_MAX_MS = 60_000;
const CAUSE_CHARS_MAX = 2_000;
const TRACE_CHARS_MAX = 8_000;

/** System errors that come and go: full disks, too many files, networks that blink. */
const TRANSIENT_ERRNOS: ReadonlySet<unknown> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EBUSY',
  'ETIMEDOUT',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'EAI_AGAIN',
]);

export function isTransient(error: unknown): boolean {
  if (error instanceof DbError) return ERRORS[error.code].retry;
  return error instanceof Error && 'code' in error && TRANSIENT_ERRNOS.has(error.code);
}

/**
 * Wait before try `attempt` (from 1) after the first: doubles each time up to a minute, then a part between none and half of it is cut
 * off by `random` (0 ≤ random < 1), so that what failed together does not come back together.
 */
export function backoffMs(baseMs: number, attempt: number, random: number): number {
  const full = Math.min(baseMs * 2 ** (attempt - 1), BACKOFF_MAX_MS);
  return Math.round(full * (1 - random / 2));
}

export function causeText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, CAUSE_CHARS_MAX);
}

export function traceText(error: unknown): string | null {
  if (!(error instanceof Error) || error.stack === undefined) return null;
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack ?? error.cause.message}` : '';
  return (error.stack + cause).slice(0, TRACE_CHARS_MAX);
}

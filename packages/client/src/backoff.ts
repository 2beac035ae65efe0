/**
 * Back-off: how long to wait before the next attempt. Doubles from the first to the longest delay; the upper half is left to chance, so that
 * clients which lost one server do not all come back in the same moment.
 */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** `failureCount` from 1; `random` from 0 to below 1. */
export function backoffMs({initialMs, maxMs}: Backoff, failureCount: number, random: number): number {
  const ceiling = Math.min(maxMs, initialMs * 2 ** Math.min(failureCount - 1, 30));
  return ceiling / 2 + (ceiling / 2) * random;
}

/** Storm: what goes on between two moments of rest, and what an error says about a statement in it. */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Table} from './oracle.ts';
import {isPlanned} from './sim-world.ts';

export class Storm {
  /** The tables whose columns, and whose lives, change meanwhile. */
  readonly altered: Table | undefined;
  readonly dropped: Table | undefined;
  readonly work: Promise<void>[] = [];
  readonly failures: unknown[] = [];
  /** A write or sync of the log failed: nothing more is written in this life. */
  isLogBroken = false;

  constructor(tables: {altered?: Table | undefined; dropped?: Table | undefined} = {}) {
    this.altered = tables.altered;
    this.dropped = tables.dropped;
  }

  add(work: Promise<unknown>): void {
    const noted = work.then(
      () => undefined,
      error => {
        this.failures.push(error);
      },
    );
    this.work.push(noted);
  }
}

/**
 * `failed`: it did nothing, and may be tried again or not; `unknown`: it happened or not; else why it was refused.
 * Throws what nothing in a storm can have caused.
 */
export function meaningOf(error: unknown): string {
  const code = error instanceof DbError ? error.code : undefined;
  if (isPlanned(error)) return code === 'COMMIT_UNKNOWN' ? 'unknown' : 'failed';
  if (!(error instanceof DbError)) throw error;
  if (code === 'DISK_FULL' || code === 'WRITE_CONFLICT' || code === 'STORAGE_UNAVAILABLE') return 'failed';
  if (error.message.includes('already exists')) return 'exists';
  if (error.message.includes('already running')) return 'busy';
  if (!/not found|does not exist|was dropped/i.test(error.message)) throw error;
  return /column/i.test(error.message) ? 'no column' : 'gone';
}

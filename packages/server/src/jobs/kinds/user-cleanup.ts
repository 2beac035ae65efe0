/**
 * User cleanup job: takes away a dropped account whose time of grace is over, with all rows that are its own.
 *
 *     rows of USER and STREAM tables, table by table ─ the keys of requests ─ then, in one batch: the account, the end of its sessions, the row in the audit log
 *
 * Laws: the id is free only when its rows were taken away, so it does not come to mean somebody else's. What the user wrote into SHARED tables
 * belongs to those. Stopped half way, the account is still there and the next one goes on.
 */

import type {Accounts} from '../../auth/accounts.ts';
import type {IdempotencyKeys} from '../../auth/idempotency-keys.ts';
import {scopeFor} from '../../auth/scope.ts';
import type {Users} from '../../auth/users.ts';
import type {Schema} from '../../model/schema.ts';
import type {Clock} from '../../std/clock.ts';
import {clearScope} from '../../table/clear.ts';
import type {Tables} from '../../table/table.ts';
import {defineJobKind, type JobOutcome} from '../job.ts';
import type {Jobs} from '../jobs.ts';

export type UserCleanupParams = {
  readonly user_id: string;
  readonly username: string;
  /** With the user's rows. */
  readonly cascade: true;
  /** The account that was dropped then, in microseconds, and none that came after it. */
  readonly deleted_at: string;
};

export interface GraceLimits {
  readonly days: number;
  /** How often accounts are looked at. */
  readonly checkMs?: number;
}

export interface UserCleanupOptions {
  readonly users: Users;
  readonly tables: () => readonly Schema[];
  readonly rows: Tables;
  /** What requests of the user were answered. */
  readonly keys: Pick<IdempotencyKeys, 'forget'>;
}

const DAY_MICROS = 86_400_000_000n;

export function userCleanupJob({users, tables, rows, keys}: UserCleanupOptions) {
  return defineJobKind<UserCleanupParams>({
    name: 'user_cleanup',
    prefix: 'UC',
    isIdempotent: true,
    maxParallel: 1,
    async run({user_id: id, deleted_at: deletedAt}, {signal}): Promise<JobOutcome> {
      let count = 0;
      const isPurged = await users.purge(id, BigInt(deletedAt), async session => {
        for (const schema of tables()) {
          if (schema.kind !== 'user' && schema.kind !== 'stream') continue;
          signal.throwIfAborted();
          count += await clearScope(rows, scopeFor(session, schema, 'write'), schema, signal);
        }
        await keys.forget(session.userId, signal);
        signal.throwIfAborted();
      });
      if (!isPurged) return {status: 'skipped', message: `User '${id}' is not there any more`};
      const message = `Removed user '${id}' and ${count} rows`;
      return {status: 'completed', message, result: {rows_deleted: count}};
    },
  });
}

/** A job for each dropped account that is due, one after the other. */
export async function purgeAccounts(
  {accounts, clock, jobs}: {accounts: Accounts; clock: Clock; jobs: Jobs},
  {days}: GraceLimits,
  signal: AbortSignal,
): Promise<void> {
  const stopped = new Promise(resolve => signal.addEventListener('abort', resolve, {once: true}));
  const due = BigInt(clock.nowMs()) * 1000n - BigInt(days) * DAY_MICROS;
  for (const {user_id, username, deleted_at} of [...accounts.dropped()]) {
    if (signal.aborted) return;
    if (deleted_at === null || deleted_at > due) continue;
    const params: UserCleanupParams = {user_id, username, cascade: true, deleted_at: String(deleted_at)};
    const made = await jobs.enqueue({
      kind: 'user_cleanup',
      params,
      uniqueKey: `user_cleanup-${user_id}`,
      trigger: 'schedule',
    });
    const {job_id} = 'job' in made ? made.job : made.conflict;
    await Promise.race([jobs.whenOver(job_id), stopped]);
  }
}

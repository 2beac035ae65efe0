/**
 * Audit retention job: removes rows of the audit log that are past their time, and the oldest beyond the number it may hold.
 *
 * Laws: nothing else removes rows of it, and this removes only from its old end. Stopped half way, the next one goes on.
 */
import {scopeOf} from '../../catalog/ddl.ts';
import type {Hot} from '../../hot/hot.ts';
import {RowView} from '../../model/row-codec.ts';
import type {Clock} from '../../std/clock.ts';
import {AUDIT_LOG} from '../../system/audit-log.ts';
import {defineJobKind, type JobOutcome} from '../job.ts';
import type {Jobs} from '../jobs.ts';

export type AuditRetentionParams = {readonly retention_days: number; readonly rows_max: number};

export interface AuditRetentionOptions {
  readonly hot: Hot;
  readonly clock: Clock;
  readonly remove: (ids: readonly string[]) => Promise<void>;
}

export interface AuditLimits {
  readonly retentionDays: number;
  readonly rowsMax: number;
  /** How often they are looked after. */
  readonly checkMs?: number;
}

const REMOVED_AT_ONCE = 1000;
const DAY_MICROS = 86_400_000_000n;

export function auditRetentionJob({hot, clock, remove}: AuditRetentionOptions) {
  return defineJobKind<AuditRetentionParams>({
    name: 'audit_retention',
    prefix: 'AR',
    isIdempotent: true,
    maxParallel: 1,
    async run({retention_days, rows_max}, context): Promise<JobOutcome> {
      const since = BigInt(clock.nowMs()) * 1000n - BigInt(retention_days) * DAY_MICROS;
      const old = rowsBeyond(hot, since, rows_max);
      for (let i = 0; i < old.length; i += REMOVED_AT_ONCE) {
        context.signal.throwIfAborted();
        await remove(old.slice(i, i + REMOVED_AT_ONCE));
      }
      const message = `Removed ${old.length} rows from the audit log`;
      return {status: 'completed', message, result: {rows_removed: old.length}};
    },
  });
}

/** Starts the job if there is something for it. */
export async function trimAuditLog({hot, clock, jobs}: {hot: Hot; clock: Clock; jobs: Jobs}, limits: AuditLimits) {
  const {retentionDays, rowsMax} = limits;
  const since = BigInt(clock.nowMs()) * 1000n - BigInt(retentionDays) * DAY_MICROS;
  if (rowsBeyond(hot, since, rowsMax).length === 0) return;
  await jobs.enqueue({
    kind: 'audit_retention',
    params: {retention_days: retentionDays, rows_max: rowsMax},
    uniqueKey: 'audit_retention',
    tableName: 'system.audit_log',
    trigger: 'schedule',
  });
}

/** Ids, the oldest first: they begin with their moment. */
function rowsBeyond(hot: Hot, since: bigint, rowsMax: number): string[] {
  const view = new RowView(AUDIT_LOG.schema, () => AUDIT_LOG.schema);
  const all: {id: string; at: bigint}[] = [];
  hot.snapshot(scopeOf(AUDIT_LOG.schema)).scan({}, false, row => {
    const {audit_id: id, timestamp: at} = AUDIT_LOG.fromRow(view.at(row));
    all.push({id, at});
    return true;
  });
  const tooMany = Math.max(0, all.length - rowsMax);
  return all.filter(({at}, i) => i < tooMany || at < since).map(({id}) => id);
}

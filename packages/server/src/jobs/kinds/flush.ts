/**
 * Flush job: moves a table's hot rows into segments, a few scopes at a time.
 *
 * Laws: each scope is published by itself; a scope that fails keeps its rows hot and fails the job, the others go on. Running it again is harmless:
 * what was published has no hot rows left. The table lease of the job is what keeps two flushes of a table apart.
 */
import {type Incarnation, type ScopeKey, tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Clock} from '../../std/clock.ts';
import {type FlushOptions, flushScope, type ScopeFlush} from '../../table/flush.ts';
import {SEGMENT_BYTES_MAX} from '../../table/segment-output.ts';
import {defineJobKind, type JobOutcome, type JobTrigger} from '../job.ts';

/** Stored as JSON in the job's row. */
export type FlushParams = {
  readonly table_id: string;
  readonly table_type: 'User' | 'Shared';
  readonly incarnation: number;
};

export interface FlushJobOptions {
  readonly flush: FlushOptions;
  readonly clock: Clock;
  readonly current: (incarnation: Incarnation) => Schema | undefined;
  /** The scopes this trigger takes at the moment the job runs. */
  readonly scopes: (schema: Schema, trigger: JobTrigger) => Promise<readonly ScopeKey[]>;
  readonly location: (schema: Schema) => string;
  /** Whether a flush for memory may end; what it leaves are the scopes that were written last. */
  readonly isMemoryEnough: () => boolean;
  /** Scopes of one job that are in work together. */
  readonly scopesAtOnce: number;
}

const ERRORS_KEPT = 10;
/** Encoding has one worker and the disk one head: more at once would only hold more memory. */
const FLUSHES_AT_ONCE = 2;
/**
 * Rows in work together, unless one scope alone has more. Small scopes share syncs; of large ones each sync holds up those of the log, so
 * they come one by one.
 */
const BYTES_AT_ONCE = 1024 * 1024;

type Totals = {
  rows_scanned: number;
  versions_superseded: number;
  tombstones_kept: number;
  tombstones_dropped: number;
  rows_written: number;
  scopes_flushed: number;
  scopes_failed: {scope: string; error: string}[];
  files: number;
  bytes_written: number;
  bytes_hot_freed: number;
  encode_ms: number;
  publish_ms: number;
  boundary_seq: string;
  trigger: JobTrigger;
};

export function flushJob(options: FlushJobOptions) {
  return defineJobKind<FlushParams>({
    name: 'flush',
    prefix: 'FL',
    isIdempotent: true,
    maxParallel: FLUSHES_AT_ONCE,
    async run(params, context): Promise<JobOutcome> {
      const schema = options.current(params.incarnation as Incarnation);
      if (schema === undefined) return {status: 'skipped', message: `Table ${params.table_id} no longer exists`};
      const totals = emptyTotals(params.trigger);
      const scopes = await options.scopes(schema, params.trigger);
      let scopesDone = 0;
      const bounds = {signal: context.signal, atOnce: options.scopesAtOnce, weightOf: weightIn(options)};
      await eachAtOnce(scopes, bounds, async scope => {
        if (params.trigger === 'memory' && options.isMemoryEnough()) return;
        try {
          add(totals, await flushScope(options.flush, schema, scope, context.signal));
        } catch (error) {
          if (context.signal.aborted) return;
          totals.scopes_failed.push({scope: scope.owner ?? 'shared', error: messageOf(error)});
        }
        scopesDone++;
        context.progress({scopes_done: scopesDone, scopes_total: scopes.length, rows_written: totals.rows_written});
      });
      context.signal.throwIfAborted();
      return outcome(totals, options.location(schema), tableText(schema.name));
    },
  });
}

/** What its segments take in memory while they are made, about. */
function weightIn({flush}: FlushJobOptions): (scope: ScopeKey) => number {
  return scope => Math.min(flush.hot.scopeStats(scope)?.bytes ?? 0, SEGMENT_BYTES_MAX);
}

/** Calls `work`, which must not reject, for one item after the other, several at a time. Begins no more once the signal fires. */
async function eachAtOnce<Item>(
  items: readonly Item[],
  {signal, atOnce, weightOf}: {signal: AbortSignal; atOnce: number; weightOf: (item: Item) => number},
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let bytes = 0;
  for (const item of items) {
    const weight = weightOf(item);
    while (running.size > 0 && (running.size >= atOnce || bytes + weight > BYTES_AT_ONCE)) {
      await Promise.race(running);
    }
    if (signal.aborted) break;
    bytes += weight;
    const one = work(item).finally(() => {
      running.delete(one);
      bytes -= weight;
    });
    running.add(one);
  }
  await Promise.all(running);
}

function outcome(totals: Totals, location: string, table: string): JobOutcome {
  const failed = totals.scopes_failed;
  const result = {...totals, scopes_failed: failed.slice(0, ERRORS_KEPT)};
  if (failed.length > 0) {
    const what = `${failed.length} of ${failed.length + totals.scopes_flushed} scopes of ${table} failed to flush`;
    return {
      status: 'failed',
      message: `${what}. Rows flushed before failure: ${totals.rows_written}. First error: ${failed[0]!.error}`,
      result,
    };
  }
  const message = `Flushed ${totals.rows_written} rows for ${totals.scopes_flushed} users. Storage location: ${location}. Parquet files: ${totals.files}`;
  return {status: 'completed', message, result};
}

function emptyTotals(trigger: JobTrigger): Totals {
  return {
    rows_scanned: 0,
    versions_superseded: 0,
    tombstones_kept: 0,
    tombstones_dropped: 0,
    rows_written: 0,
    scopes_flushed: 0,
    scopes_failed: [],
    files: 0,
    bytes_written: 0,
    bytes_hot_freed: 0,
    encode_ms: 0,
    publish_ms: 0,
    boundary_seq: '0',
    trigger,
  };
}

function add(totals: Totals, scope: ScopeFlush | undefined): void {
  if (scope === undefined) return;
  totals.rows_scanned += scope.rowsScanned;
  totals.versions_superseded += scope.versionsSuperseded;
  totals.tombstones_kept += scope.tombstonesKept;
  totals.rows_written += scope.rowsWritten;
  totals.scopes_flushed++;
  totals.files += scope.files;
  totals.bytes_written += scope.bytesWritten;
  totals.bytes_hot_freed += scope.bytesHotFreed;
  totals.encode_ms += scope.encodeMs;
  totals.publish_ms += scope.publishMs;
  totals.boundary_seq = String(scope.boundarySeq);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Compact job: rewrites the segments of a table, scope by scope, as the policy says.
 *
 * Laws: each group of segments is published by itself; a scope that fails keeps its segments and fails the job, the others go on. Running it again
 * is harmless: what was rewritten is no candidate any more. Between two groups it makes room for a flush of the table and for a stop of the
 * server, and goes on later with the counts it had.
 */
import {type Incarnation, type ScopeKey, tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import {compactGroup, type GroupCompaction} from '../../table/compact.ts';
import type {Manifests} from '../../table/manifests.ts';
import type {OutputOptions} from '../../table/segment-output.ts';
import {type CompactPolicy, compactionGroups} from '../compact-policy.ts';
import {defineJobKind, type JobContext, type JobOutcome, type JobTrigger, type Json} from '../job.ts';
import {causeText} from '../retry.ts';

/** Stored as JSON in the job's row. */
export type CompactParams = {
  readonly table_id: string;
  readonly table_type: 'User' | 'Shared';
  readonly incarnation: number;
  /** A segment is full when its rows have so many MiB in memory; its file is smaller. */
  readonly target_file_size_mb: number;
};

export interface CompactJobOptions {
  readonly output: OutputOptions;
  readonly manifests: Manifests;
  readonly current: (incarnation: Incarnation) => Schema | undefined;
  readonly policy: (schema: Schema, trigger: JobTrigger) => Omit<CompactPolicy, 'segmentBytes'>;
  /** Deletes the files that nobody can read any more. */
  readonly sweep: () => Promise<unknown>;
}

const MIB = 1024 * 1024;
const ERRORS_KEPT = 10;
/** What a pass merged may be merged again by the next; it comes to an end long before. */
const PASSES_MAX = 20;
/** Scopes looked at in one turn of the loop. */
const SCOPES_PER_BREATH = 500;

type Totals = {
  scopes_compacted: number;
  scopes_failed: {scope: string; error: string}[];
  files_removed: number;
  files_written: number;
  rows_read: number;
  rows_written: number;
  rows_dropped: number;
  tombstones_dropped: number;
  tombstones_kept: number;
  bytes_before: number;
  bytes_written: number;
  encode_ms: number;
  publish_ms: number;
  trigger: JobTrigger;
};

export function compactJob(options: CompactJobOptions) {
  return defineJobKind<CompactParams>({
    name: 'compact',
    prefix: 'CO',
    isIdempotent: true,
    // One encoder, one disk; and what it frees is not in a hurry.
    maxParallel: 1,
    isYielding: true,
    async run(params, context): Promise<JobOutcome> {
      const schema = options.current(params.incarnation as Incarnation);
      if (schema === undefined) return {status: 'skipped', message: `Table ${params.table_id} no longer exists`};
      const work = new TableCompaction(options, schema, {
        ...options.policy(schema, params.trigger),
        segmentBytes: params.target_file_size_mb * MIB,
      });
      const totals = totalsSoFar(context, params.trigger);
      const isDone = await work.run(totals, context);
      if (!isDone) return {status: 'queued', message: `Made room, goes on later: ${progressText(totals)}`};
      await options.sweep();
      return outcome(totals, tableText(schema.name));
    },
  });
}

class TableCompaction {
  readonly #options: CompactJobOptions;
  readonly #schema: Schema;
  readonly #policy: CompactPolicy;

  constructor(options: CompactJobOptions, schema: Schema, policy: CompactPolicy) {
    this.#options = options;
    this.#schema = schema;
    this.#policy = policy;
  }

  /** False if it stopped early because others want the table. */
  async run(totals: Totals, context: JobContext): Promise<boolean> {
    const {manifests} = this.#options;
    const {incarnation} = this.#schema;
    const scopesTotal = manifests.scopeCount(incarnation);
    let done = 0;
    for (const {scope} of manifests.of(incarnation)) {
      context.signal.throwIfAborted();
      try {
        const tell = () => context.progress(progress(totals, {scopes_done: done, scopes_total: scopesTotal}));
        if (!(await this.#runScope(scope, totals, context, tell))) return false;
      } catch (error) {
        if (context.signal.aborted) throw error;
        totals.scopes_failed.push({scope: scope.owner ?? 'shared', error: causeText(error)});
      }
      if (++done % SCOPES_PER_BREATH === 0) await new Promise<void>(resolve => setImmediate(resolve));
    }
    return true;
  }

  async #runScope(scope: ScopeKey, totals: Totals, context: JobContext, tell: () => void): Promise<boolean> {
    const {manifests, output} = this.#options;
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const groups = compactionGroups(manifests.get(scope), this.#policy);
      for (const segments of groups) {
        if (context.isYieldWanted()) {
          tell();
          return false;
        }
        add(totals, await compactGroup(output, this.#schema, {...this.#policy, scope, segments}, context.signal));
        tell();
      }
      if (groups.length === 0) break;
      if (pass === 0) totals.scopes_compacted++;
    }
    return true;
  }
}

/** An earlier try of the same job may have done a part. What failed then is tried again now. */
function totalsSoFar({job}: JobContext, trigger: JobTrigger): Totals {
  const earlier: {totals?: Partial<Totals>} = job.progress === null ? {} : JSON.parse(job.progress);
  return {...emptyTotals(trigger), ...earlier.totals, scopes_failed: []};
}

function progress({scopes_failed: _, ...totals}: Totals, place: {scopes_done: number; scopes_total: number}): Json {
  return {...place, totals};
}

function progressText(totals: Totals): string {
  return `${totals.files_removed} files became ${totals.files_written} so far`;
}

function outcome(totals: Totals, table: string): JobOutcome {
  const failed = totals.scopes_failed;
  const result = {
    ...totals,
    bytes_freed: totals.bytes_before - totals.bytes_written,
    scopes_failed: failed.slice(0, ERRORS_KEPT),
  };
  if (failed.length === 0) return {status: 'completed', message: `Compaction completed for ${table}`, result};
  const what = `${failed.length} scopes of ${table} failed to compact, ${totals.scopes_compacted} were compacted`;
  return {status: 'failed', message: `${what}. First error: ${failed[0]!.error}`, result};
}

function emptyTotals(trigger: JobTrigger): Totals {
  return {
    scopes_compacted: 0,
    scopes_failed: [],
    files_removed: 0,
    files_written: 0,
    rows_read: 0,
    rows_written: 0,
    rows_dropped: 0,
    tombstones_dropped: 0,
    tombstones_kept: 0,
    bytes_before: 0,
    bytes_written: 0,
    encode_ms: 0,
    publish_ms: 0,
    trigger,
  };
}

function add(totals: Totals, group: GroupCompaction): void {
  totals.files_removed += group.filesRead;
  totals.files_written += group.filesWritten;
  totals.rows_read += group.rowsRead;
  totals.rows_written += group.rowsWritten;
  totals.rows_dropped += group.rowsDropped;
  totals.tombstones_dropped += group.tombstonesDropped;
  totals.tombstones_kept += group.tombstonesKept;
  totals.bytes_before += group.bytesRead;
  totals.bytes_written += group.bytesWritten;
  totals.encode_ms += group.encodeMs;
  totals.publish_ms += group.publishMs;
}

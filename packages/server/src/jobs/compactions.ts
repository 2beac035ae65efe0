/**
 * Compactions: starts compact jobs, for statements and by itself.
 *
 *     STORAGE COMPACT TABLE ─┐
 *     schedule ──────────────┴─ start ─ one unique key per table, its lease shared with flush ─ jobs
 *
 * Laws: none begins while a flush of the table is queued or running; one that runs makes room for a flush. By itself at most one table is worked
 * on at a time, and none while memory is short: then flushes need the encoder.
 */

import type {Seq} from '../model/names.ts';
import {tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import type {Manifests} from '../table/manifests.ts';
import {SEGMENT_BYTES_MAX} from '../table/segment-output.ts';
import {seqAt} from '../table/seq.ts';
import {type CompactPolicy, compactionGroups} from './compact-policy.ts';
import {tableKey} from './flushes.ts';
import type {JobRecord, JobTrigger} from './job.ts';
import type {Jobs} from './jobs.ts';
import type {CompactParams} from './kinds/compact.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Manifests looked at in one turn of the loop. */
const MANIFESTS_PER_BREATH = 1000;
/** A table whose compaction failed is left alone so long: its cause seldom passes sooner, and each try leaves a row in system.jobs. */
const REST_MS = 600_000;

export interface CompactionsOptions {
  readonly jobs: Jobs;
  readonly manifests: Manifests;
  readonly clock: Clock;
  readonly tables: () => readonly Schema[];
  readonly minSegments: number;
  readonly deadPercent: number;
  readonly isMemoryShort: () => boolean;
  readonly newestSeq: () => Seq;
}

export type CompactionStart =
  | {readonly jobId: string; readonly holder?: undefined}
  | {readonly jobId?: undefined; readonly holder: JobRecord};

export class Compactions {
  readonly #options: CompactionsOptions;
  /** Tables that rest, by lease key, and until when on the monotonic clock. */
  readonly #resting = new Map<string, number>();

  constructor(options: CompactionsOptions) {
    this.#options = options;
  }

  /** Makes a job, or names the one that is in the way. */
  async start(schema: Schema, trigger: JobTrigger): Promise<CompactionStart> {
    const params: CompactParams = {
      table_id: tableText(schema.name),
      table_type: schema.kind === 'user' ? 'User' : 'Shared',
      incarnation: schema.incarnation,
      target_file_size_mb: SEGMENT_BYTES_MAX / MIB,
    };
    const answer = await this.#options.jobs.enqueue({
      kind: 'compact',
      params,
      uniqueKey: `compact-${schema.name.namespace}-${schema.name.table}-${schema.incarnation}`,
      tableKey: tableKey(schema),
      tableName: tableText(schema.name),
      trigger,
    });
    return 'conflict' in answer ? {holder: answer.conflict} : {jobId: answer.job.job_id};
  }

  /** Who asks for it gets all that can be done; by itself only what is worth its cost. */
  policy(schema: Schema, trigger: JobTrigger): Omit<CompactPolicy, 'segmentBytes'> {
    const {minSegments, deadPercent} = this.#options;
    const tombstonesBefore = this.#tombstonesBefore(schema);
    if (trigger === 'manual') return {minSegments: 2, deadPercent: 0, isEager: true, tombstonesBefore};
    return {minSegments, deadPercent, isEager: false, tombstonesBefore};
  }

  /** Deleted rows are kept for whoever was away and catches up; who may come back from longer ago must lower this. */
  #tombstonesBefore({options}: Schema): Seq {
    const {clock, newestSeq} = this.#options;
    // Seqs may be ahead of the clock; without a retention even those go.
    if (options.deletedRetentionHours === 0) return newestSeq() + 1n;
    return seqAt(clock.nowMs() - options.deletedRetentionHours * HOUR_MS);
  }

  /** One look at every table: what the schedule does on its tick. Works on one table after the other until none needs it. */
  async tick(signal: AbortSignal): Promise<void> {
    const {tables, jobs, isMemoryShort} = this.#options;
    this.#wakeRested();
    for (const schema of tables()) {
      if (signal.aborted || isMemoryShort()) return;
      if (schema.kind !== 'user' && schema.kind !== 'shared') continue;
      if (this.#resting.has(tableKey(schema)) || jobs.leaseHolder(tableKey(schema)) !== undefined) continue;
      if (!(await this.#isDue(schema, signal))) continue;
      const {jobId} = await this.start(schema, 'schedule');
      if (jobId !== undefined) await this.#outcome(schema, jobId, signal);
    }
  }

  #wakeRested(): void {
    const now = this.#options.clock.monotonicMs();
    for (const [key, untilMs] of this.#resting) if (untilMs <= now) this.#resting.delete(key);
  }

  async #isDue(schema: Schema, signal: AbortSignal): Promise<boolean> {
    const policy = {...this.policy(schema, 'schedule'), segmentBytes: SEGMENT_BYTES_MAX};
    let count = 0;
    for (const manifest of this.#options.manifests.of(schema.incarnation)) {
      if (compactionGroups(manifest, policy).length > 0) return true;
      if (++count % MANIFESTS_PER_BREATH === 0) await new Promise<void>(resolve => setImmediate(resolve));
      if (signal.aborted) return false;
    }
    return false;
  }

  async #outcome(schema: Schema, jobId: string, signal: AbortSignal): Promise<void> {
    const {jobs, clock} = this.#options;
    const over = jobs.whenOver(jobId);
    if (over === undefined) return;
    const stopped = Promise.withResolvers<undefined>();
    const stop = () => stopped.resolve(undefined);
    signal.addEventListener('abort', stop, {once: true});
    const record = await Promise.race([over, stopped.promise]);
    signal.removeEventListener('abort', stop);
    if (record?.status === 'failed') this.#resting.set(tableKey(schema), clock.monotonicMs() + REST_MS);
  }
}

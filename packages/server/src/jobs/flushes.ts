/**
 * Flushes: starts flush jobs, for statements and for the scheduler alike, and cleans up after dropped tables.
 *
 *     FLUSH TABLE ─┐
 *     scheduler ───┴─ start ─ one unique key and lease per table ─ jobs
 *
 * Laws: a table has at most one flush queued or running, whoever asked. A DROP that is durable is answered as done, whatever happens to its files.
 * A table none of whose scopes qualifies gets no job. The scheduler makes few jobs at once, and under memory pressure no more than it takes. A compaction of the
 * table is not in the way: it makes room.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Hot, HotScopeStats} from '../hot/hot.ts';
import type {MemoryBudget} from '../hot/memory-budget.ts';
import {type Owner, type ScopeKey, type Seq, tableText} from '../model/names.ts';
import {type FlushPolicy, type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import {eachInSlices} from '../std/slices.ts';
import type {WriteRow} from '../table/commit.ts';
import type {Files} from '../table/files.ts';
import {filesOf, type Manifests} from '../table/manifests.ts';
import {flushDecision, type TablePolicy, tablesToRelieve, triggerOf} from './flush-policy.ts';
import type {JobTrigger} from './job.ts';
import type {Jobs} from './jobs.ts';
import type {CleanupParams} from './kinds/cleanup.ts';
import type {FlushParams} from './kinds/flush.ts';

/** Jobs that the scheduler lets wait and run at once: statements find room beside them, and memory is looked at again before more are made. */
const FLUSHES_MAX = 256;

export interface FlushesOptions {
  readonly jobs: Jobs;
  readonly hot: Hot;
  readonly manifests: Manifests;
  readonly clock: Clock;
  readonly tables: () => readonly Schema[];
  readonly files: Files;
  readonly defaultPolicy: FlushPolicy | null;
  readonly smallScopeAgeSeconds: number;
  readonly memory: MemoryBudget;
  readonly warn: (text: string) => void;
  /** Names of files in one batch. */
  readonly namesAtOnce?: number | undefined;
}

const NAMES_AT_ONCE = 4096;

type TableContents = Required<Pick<CleanupParams, 'rows' | 'bytes' | 'manifests'>>;

export class Flushes {
  readonly #options: FlushesOptions;
  #lastLooked = 0;

  constructor(options: FlushesOptions) {
    this.#options = options;
  }

  hasPending(schema: Schema): boolean {
    return this.#options.hot.tableRows(schema.incarnation) > 0;
  }

  isFlushing(schema: Schema): boolean {
    return this.#options.jobs.leaseHolder(tableKey(schema))?.job_type === 'flush';
  }

  async start(schema: Schema, trigger: JobTrigger): Promise<{jobId: string; isNew: boolean}> {
    const params: FlushParams = {
      table_id: tableText(schema.name),
      table_type: schema.kind === 'user' ? 'User' : 'Shared',
      incarnation: schema.incarnation,
    };
    const uniqueKey = `flush-${schema.name.namespace}-${schema.name.table}-${schema.incarnation}`;
    const answer = await this.#options.jobs.enqueue({
      kind: 'flush',
      params,
      uniqueKey,
      tableKey: tableKey(schema),
      tableName: tableText(schema.name),
      trigger,
    });
    if ('conflict' in answer) return {jobId: answer.conflict.job_id, isNew: false};
    return {jobId: answer.job.job_id, isNew: true};
  }

  cancelFor(schema: Schema): Promise<void> {
    return this.#options.jobs.cancelForTable(tableKey(schema));
  }

  /**
   * Announces the files of a table that is about to be dropped. The batch that drops it has room for so many names only: those above come before it,
   * and though listed are announced. Returns the names that are left then: the last ones, and of whatever was flushed or compacted meanwhile.
   */
  async announceFiles({incarnation}: Schema): Promise<() => WriteRow[]> {
    const {manifests, files, namesAtOnce = NAMES_AT_ONCE} = this.#options;
    const announced = new Map<Owner, Seq>();
    let some: Manifest[] = [];
    let count = 0;
    for (const manifest of manifests.of(incarnation)) {
      some.push(manifest);
      count += filesOf(manifest).length;
      if (count < namesAtOnce) continue;
      await files.announce(some.flatMap(filesOf));
      for (const {scope, publishSeq} of some) announced.set(scope.owner, publishSeq);
      some = [];
      count = 0;
    }
    return () => {
      const isLeft = ({scope, publishSeq}: Manifest) => announced.get(scope.owner) !== publishSeq;
      return files.names.announced([...manifests.of(incarnation)].filter(isLeft).flatMap(filesOf));
    };
  }

  /** Rows in memory and live ones of segments, bytes of its segments, and scopes that have some. */
  contentsOf({incarnation}: Schema): TableContents {
    const {hot, manifests} = this.#options;
    const contents = {rows: hot.tableRows(incarnation), bytes: 0, manifests: 0};
    for (const manifest of manifests.of(incarnation)) {
      contents.rows += manifest.rowCount - manifest.deadCount;
      contents.bytes += manifest.sizeBytes;
      contents.manifests++;
    }
    return contents;
  }

  /**
   * The job that deletes the files of a dropped table; undefined if it could not be made. The table is dropped for all that, and its files go with the
   * next look at what is to be deleted.
   */
  async cleanUp(schema: Schema, contents: TableContents): Promise<string | undefined> {
    const params: CleanupParams = {
      table_id: tableText(schema.name),
      table_type: schema.kind.charAt(0).toUpperCase() + schema.kind.slice(1),
      operation: 'drop_table',
      storage: schema.options.storageId,
      incarnation: schema.incarnation,
      ...contents,
    };
    const request = {
      kind: 'cleanup',
      params,
      uniqueKey: `drop-${schema.name.namespace}-${schema.name.table}-${schema.incarnation}`,
      tableName: tableText(schema.name),
      trigger: 'drop',
    } as const;
    try {
      const answer = await this.#options.jobs.enqueue(request);
      return 'conflict' in answer ? answer.conflict.job_id : answer.job.job_id;
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      this.#options.warn(`No job deletes the files of ${request.tableName} that was dropped: ${error.message}`);
      return undefined;
    }
  }

  /** The scopes that a trigger takes now. A manual flush and an interval take all. */
  async scopes(schema: Schema, trigger: JobTrigger): Promise<readonly ScopeKey[]> {
    const {hot} = this.#options;
    if (trigger === 'rows' || trigger === 'memory') {
      const scopes = hot.scopes(schema.incarnation);
      const decision = await flushDecision({...this.#policy(schema), scopes, pressure: trigger === 'memory'}, nextTurn);
      return decision?.scopes ?? [];
    }
    const scopes: ScopeKey[] = [];
    await eachInSlices(hot.scopeKeys(schema.incarnation), scope => scopes.push(scope) > 0, nextTurn);
    return scopes;
  }

  /** One look at every table: what the scheduler does on its tick. Memory first, then policies; what finds no room comes first the next time. */
  async tick(): Promise<void> {
    const {hot, tables} = this.#options;
    const pending = tables().filter(({kind, incarnation}) => {
      return TABLE_KINDS[kind].isFlushed && hot.tableRows(incarnation) > 0;
    });
    const idle = pending.filter(schema => !this.isFlushing(schema));
    let room = FLUSHES_MAX - (pending.length - idle.length);
    // Where memory is full and a flush that is under way does not help, those behind it are next.
    const pressed = new Set(this.#pressed(this.#options.memory.isFull ? idle : pending));
    for (const schema of pressed) {
      if (this.isFlushing(schema)) continue;
      if (room-- <= 0) return;
      await this.start(schema, 'memory');
    }
    for (const schema of this.#inTurn(idle)) {
      if (room <= 0) return;
      this.#lastLooked = schema.incarnation;
      const trigger = pressed.has(schema) ? undefined : await this.#trigger(schema);
      if (trigger === undefined) continue;
      await this.start(schema, trigger);
      room--;
    }
  }

  /** The tables whose flush, begun or not, frees the memory that is wanted. */
  #pressed(tables: readonly Schema[]): Schema[] {
    const {memory, hot} = this.#options;
    if (!memory.isFlushDue()) return [];
    const loads = tables.map(schema => ({
      schema,
      bytes: hot.tableBytes(schema.incarnation),
      lastWriteMs: hot.tableLastWriteMs(schema.incarnation),
    }));
    return tablesToRelieve(loads, memory.wantedBytes()).map(({schema}) => schema);
  }

  #inTurn(tables: readonly Schema[]): Schema[] {
    const ordered = tables.toSorted((a, b) => a.incarnation - b.incarnation);
    const next = ordered.findIndex(({incarnation}) => incarnation > this.#lastLooked);
    return next <= 0 ? ordered : [...ordered.slice(next), ...ordered.slice(0, next)];
  }

  /** Which of its policy's triggers the table pulls. Requests go on while very many scopes are looked at. */
  async #trigger(schema: Schema): Promise<'interval' | 'rows' | undefined> {
    const {hot, defaultPolicy} = this.#options;
    const isTimed = (schema.options.flushPolicy ?? defaultPolicy)?.seconds !== undefined;
    const look = triggerOf(this.#policy(schema), hot.tableRows(schema.incarnation));
    if (look === undefined) return undefined;
    let found: 'interval' | 'rows' | undefined;
    const isNotDecided = (scope: HotScopeStats): boolean => {
      const trigger = look(scope);
      if (trigger === 'interval') found = trigger;
      else found ??= trigger;
      return found === undefined || (isTimed && found === 'rows');
    };
    await eachInSlices(hot.scopes(schema.incarnation), isNotDecided, nextTurn);
    return found;
  }

  #policy(schema: Schema): TablePolicy {
    const {clock, defaultPolicy, smallScopeAgeSeconds} = this.#options;
    const defaults = {policy: defaultPolicy, smallScopeAgeSeconds};
    return {policy: schema.options.flushPolicy, now: clock.nowMs(), defaults};
  }
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** What jobs that work on the rows of a table hold. */
export function tableKey(schema: Schema): string {
  return String(schema.incarnation);
}

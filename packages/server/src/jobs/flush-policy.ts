/**
 * Flush policy: which scopes of one table are flushed now. Pure.
 *
 *     memory pressure   all, coldest first: the caller may stop when enough is freed. Tables: the largest first, as many as it takes
 *     interval          the oldest unflushed row is older than the policy's seconds: all
 *     rows              the table holds at least the policy's rows: scopes worth a segment, largest first, until it is under half of it
 *
 * Many scopes of a few rows each would become as many tiny segments, so the rows trigger leaves a small scope alone until it is old.
 */
import type {HotScopeStats} from '../hot/hot.ts';
import {type ScopeKey, scopeId} from '../model/names.ts';
import type {FlushPolicy} from '../model/schema.ts';
import {type Breathe, eachInSlices, sortInSlices} from '../std/slices.ts';

/** A scope of this many rows is worth a segment, whatever the limit of its table. */
const SEGMENT_ROWS_WORTHWHILE = 64;

export interface TablePolicy {
  readonly policy: FlushPolicy | null;
  /** Clock ms. */
  readonly now: number;
  readonly defaults: {
    /** For tables without a policy; null = these are flushed under memory pressure and by hand only. */
    readonly policy: FlushPolicy | null;
    readonly smallScopeAgeSeconds: number;
  };
}

export interface FlushPolicyInput extends TablePolicy {
  readonly scopes: Iterable<HotScopeStats>;
  readonly pressure: boolean;
}

export interface FlushDecision {
  readonly trigger: 'memory' | 'interval' | 'rows';
  readonly scopes: readonly ScopeKey[];
}

/** Undefined: no job is made. There may be very many scopes, so it breathes. */
export async function flushDecision(input: FlushPolicyInput, breathe: Breathe): Promise<FlushDecision | undefined> {
  const {now, pressure, defaults} = input;
  const scopes: HotScopeStats[] = [];
  let rowCount = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  const add = (scope: HotScopeStats): boolean => {
    if (scope.rowCount > 0) scopes.push(scope);
    rowCount += scope.rowCount;
    if (scope.rowCount > 0) oldestMs = Math.min(oldestMs, scope.oldestMs);
    return true;
  };
  await eachInSlices(input.scopes, add, breathe);
  if (scopes.length === 0) return undefined;
  const coldest = async () => (await sortInSlices(scopes, coldestFirst, breathe)).map(scope => scope.scope);
  if (pressure) return {trigger: 'memory', scopes: await coldest()};
  const policy = input.policy ?? defaults.policy;
  if (policy === null) return undefined;
  const {seconds, rows: limit = Number.POSITIVE_INFINITY} = policy;
  if (seconds !== undefined && now - oldestMs >= seconds * 1000) return {trigger: 'interval', scopes: await coldest()};
  if (rowCount < limit) return undefined;
  const oldMs = now - (seconds ?? defaults.smallScopeAgeSeconds) * 1000;
  const chosen = await largest({scopes, rowCount}, {limit, oldMs}, breathe);
  return chosen.length === 0 ? undefined : {trigger: 'rows', scopes: chosen};
}

/**
 * Whether a table of `rowCount` rows can be due without pressure, and which trigger one of its scopes pulls: the same as `flushDecision` says of
 * all of them, for a scheduler that looks again and again at tables of very many scopes and seldom finds one due.
 */
export function triggerOf(
  input: TablePolicy,
  rowCount: number,
): ((scope: HotScopeStats) => 'interval' | 'rows' | undefined) | undefined {
  const {now, defaults} = input;
  const policy = input.policy ?? defaults.policy;
  if (policy === null || rowCount === 0) return undefined;
  const {seconds, rows: limit = Number.POSITIVE_INFINITY} = policy;
  if (seconds === undefined && rowCount < limit) return undefined;
  const ageMs = (seconds ?? defaults.smallScopeAgeSeconds) * 1000;
  const worthwhile = worthwhileRows(limit);
  return scope => {
    const isOld = now - scope.oldestMs >= ageMs;
    if (isOld && seconds !== undefined) return 'interval';
    return rowCount >= limit && (isOld || scope.rowCount >= worthwhile) ? 'rows' : undefined;
  };
}

/** What one table has in memory. */
export interface TableLoad {
  readonly bytes: number;
  readonly lastWriteMs: number;
}

/**
 * Tables to flush for memory, until they hold `wantedBytes` together: larger ones first, by powers of two, since each is a job; of those alike the
 * one that was written to longest ago.
 */
export function tablesToRelieve<Table extends TableLoad>(tables: readonly Table[], wantedBytes: number): Table[] {
  const chosen: Table[] = [];
  let bytes = 0;
  for (const table of tables.toSorted(largestThenColdest)) {
    if (bytes >= wantedBytes) break;
    chosen.push(table);
    bytes += table.bytes;
  }
  return chosen;
}

function largestThenColdest(a: TableLoad, b: TableLoad): number {
  return sizeClass(b) - sizeClass(a) || a.lastWriteMs - b.lastWriteMs;
}

function sizeClass({bytes}: TableLoad): number {
  return Math.floor(Math.log2(bytes + 1));
}

function worthwhileRows(limit: number): number {
  return Math.min(SEGMENT_ROWS_WORTHWHILE, limit / 2);
}

/** Until the table is under half its limit. */
async function largest(
  table: {scopes: readonly HotScopeStats[]; rowCount: number},
  {limit, oldMs}: {limit: number; oldMs: number},
  breathe: Breathe,
): Promise<ScopeKey[]> {
  const worthwhile = worthwhileRows(limit);
  const due: HotScopeStats[] = [];
  const look = (scope: HotScopeStats): boolean => {
    if (scope.rowCount >= worthwhile || scope.oldestMs <= oldMs) due.push(scope);
    return true;
  };
  await eachInSlices(table.scopes, look, breathe);
  const chosen: ScopeKey[] = [];
  let rows = table.rowCount;
  const take = ({scope, rowCount}: HotScopeStats): boolean => {
    if (rows < limit / 2) return false;
    rows -= rowCount;
    return chosen.push(scope) > 0;
  };
  await eachInSlices(await sortInSlices(due, largestFirst, breathe), take, breathe);
  return chosen;
}

function largestFirst(a: HotScopeStats, b: HotScopeStats): number {
  return b.rowCount - a.rowCount || a.oldestMs - b.oldestMs || byId(a, b);
}

function coldestFirst(a: HotScopeStats, b: HotScopeStats): number {
  return a.lastWriteMs - b.lastWriteMs || byId(a, b);
}

/** Equal scopes in a fixed order, so that one history always makes the same jobs. */
function byId(a: HotScopeStats, b: HotScopeStats): number {
  return scopeId(a.scope) < scopeId(b.scope) ? -1 : 1;
}

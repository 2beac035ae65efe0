/**
 * Flush policy: which scopes of one table are flushed now. Pure.
 *
 *     memory pressure   all, coldest first: the caller may stop when enough is freed
 *     interval          the oldest unflushed row is older than the policy's seconds: all
 *     rows              the table holds at least the policy's rows: scopes worth a segment, largest first, until it is under half of it
 *
 * Many scopes of a few rows each would become as many tiny segments, so the rows trigger leaves a small scope alone until it is old.
 */
import type {HotScopeStats} from '../hot/hot.ts';
import {type ScopeKey, scopeId} from '../model/names.ts';
import type {FlushPolicy} from '../model/schema.ts';

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
  readonly scopes: readonly HotScopeStats[];
  readonly pressure: boolean;
}

export interface FlushDecision {
  readonly trigger: 'memory' | 'interval' | 'rows';
  readonly scopes: readonly ScopeKey[];
}

/** Empty: no job is made. */
export function scopesToFlush(input: FlushPolicyInput): readonly ScopeKey[] {
  return flushDecision(input)?.scopes ?? [];
}

export function flushDecision(input: FlushPolicyInput): FlushDecision | undefined {
  const {now, pressure} = input;
  const scopes = input.scopes.filter(scope => scope.rowCount > 0);
  if (scopes.length === 0) return undefined;
  if (pressure) return {trigger: 'memory', scopes: coldestFirst(scopes)};
  const policy = input.policy ?? input.defaults.policy;
  if (policy === null) return undefined;
  if (policy.seconds !== undefined && isAnyOlder(scopes, now, policy.seconds)) {
    return {trigger: 'interval', scopes: coldestFirst(scopes)};
  }
  if (policy.rows === undefined) return undefined;
  const smallAgeSeconds = policy.seconds ?? input.defaults.smallScopeAgeSeconds;
  const chosen = byRows(scopes, policy.rows, scope => now - scope.oldestMs >= smallAgeSeconds * 1000);
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

function worthwhileRows(limit: number): number {
  return Math.min(SEGMENT_ROWS_WORTHWHILE, limit / 2);
}

function isAnyOlder(scopes: readonly HotScopeStats[], now: number, seconds: number): boolean {
  return scopes.some(scope => now - scope.oldestMs >= seconds * 1000);
}

function byRows(scopes: readonly HotScopeStats[], limit: number, isOld: (scope: HotScopeStats) => boolean): ScopeKey[] {
  let rows = scopes.reduce((sum, scope) => sum + scope.rowCount, 0);
  if (rows < limit) return [];
  const worthwhile = worthwhileRows(limit);
  const chosen: ScopeKey[] = [];
  for (const scope of scopes.filter(one => one.rowCount >= worthwhile || isOld(one)).sort(largestFirst)) {
    if (rows < limit / 2) break;
    chosen.push(scope.scope);
    rows -= scope.rowCount;
  }
  return chosen;
}

function largestFirst(a: HotScopeStats, b: HotScopeStats): number {
  return b.rowCount - a.rowCount || a.oldestMs - b.oldestMs || byId(a, b);
}

function coldestFirst(scopes: readonly HotScopeStats[]): ScopeKey[] {
  return [...scopes].sort((a, b) => a.lastWriteMs - b.lastWriteMs || byId(a, b)).map(scope => scope.scope);
}

/** Equal scopes in a fixed order, so that one history always makes the same jobs. */
function byId(a: HotScopeStats, b: HotScopeStats): number {
  return scopeId(a.scope) < scopeId(b.scope) ? -1 : 1;
}

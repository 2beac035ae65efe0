/**
 * Direct: runs a SELECT plan over one table, in this thread.
 *
 *     point, points or scan ─ predicate ─ [groups] ─ [distinct] ─ stream | top-N heap | sort ─ LIMIT, OFFSET ─ JSON rows
 *
 * A query whose rows are all in memory answers synchronously. Rows that need no sorting are written as JSON while the scan goes on, and
 * the scan stops at the limit. Plain columns are copied as the fragments they are stored as.
 * Laws: at most `ROWS_MAX` rows and `BYTES_MAX` bytes are held; `isTruncated` says that a limit which the statement did not ask for cut rows.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {NO_ROW} from '../expr/coerce.ts';
import type {Env, TypedExpr} from '../expr/expr.ts';
import type {KeyFacts} from '../expr/key-range.ts';
import {comparator} from '../expr/operators.ts';
import {findColumn} from '../expr/sources.ts';
import type {Value} from '../model/datatype.ts';
import type {Row} from '../model/row.ts';
import {DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';
import {toJson} from '../model/values.ts';
import type {TableSnapshot} from '../table/table.ts';
import {Grouping} from './group.ts';
import type {OrderKey, SelectPlan} from './plan.ts';

const ROWS_MAX = 1_000_000;
const BYTES_MAX = 256 * 1024 * 1024;

export interface RunOptions {
  /** Rows when the statement has no LIMIT; 0 = all. */
  readonly defaultLimit: number;
  /** Rows in any case; 0 = all. */
  readonly maxLimit: number;
  readonly signal: AbortSignal;
  /** Order when the statement has none; undefined = key order. */
  readonly implicitOrder: {readonly column: string; readonly isDescending: boolean} | undefined;
  /** A scan of more cold rows is left to the analytic executor. */
  readonly coldRowsMax: number;
}

export interface SelectResult {
  readonly columns: readonly ResultColumn[];
  /** Each one JSON array. */
  readonly rows: string[];
  readonly isTruncated: boolean;
  /** The scan met more rows than `coldRowsMax` before it had enough: the result is none. */
  readonly isUnfinished?: boolean;
}

/** Must the query read more cold rows than it may? One that can stop early is tried first. */
export function isLargeScan(plan: SelectPlan, snapshot: TableSnapshot, env: Env, {coldRowsMax}: RunOptions): boolean {
  if (canStopEarly(plan)) return false;
  const facts = plan.facts(env);
  if (isBounded(facts) || snapshot.coldRowCount <= coldRowsMax) return false;
  const {segments} = snapshot.describe(scanRequest(plan, facts));
  const wanted = segments.reduce((sum, {rowCount, pruned}) => (pruned === undefined ? sum + rowCount : sum), 0);
  return wanted > coldRowsMax;
}

/** Rows that are read in a moment: more of them are worth a process of their own, when their answer is not asked for row by row. */
const FEW_ROWS = 10_000;

export function readsFew(plan: SelectPlan, snapshot: TableSnapshot, env: Env): boolean {
  const facts = plan.facts(env);
  if (isBounded(facts)) return true;
  const {hotRows, segments} = snapshot.describe(scanRequest(plan, facts));
  const wanted = segments.reduce((sum, {rowCount, pruned}) => (pruned === undefined ? sum + rowCount : sum), hotRows);
  return wanted <= FEW_ROWS;
}

/** Rows are answered as they are met, so that a LIMIT ends the scan. */
function canStopEarly({group, order, isDistinct}: SelectPlan): boolean {
  return group === undefined && order.length === 0 && !isDistinct;
}

function isBounded({isEmpty, point, points}: KeyFacts): boolean {
  return isEmpty || point !== undefined || points !== undefined;
}

export function runSelect(
  plan: SelectPlan,
  snapshot: TableSnapshot | undefined,
  env: Env,
  options: RunOptions,
): SelectResult | Promise<SelectResult> {
  const window = windowOf(plan, env, options);
  const sink = makeSink(plan, env, window, options);
  const finish = (): SelectResult => sink.finish(plan.columns);
  if (window.take === 0 && !window.isCapped) return finish();
  const budget = {rowsLeft: Number.POSITIVE_INFINITY};
  const done =
    plan.group === undefined
      ? feedRows(plan, snapshot, env, options, sink, budget)
      : feedGroups(plan, snapshot, env, options, sink);
  const settle = () => (budget.rowsLeft < 0 ? UNFINISHED : finish());
  return done === undefined ? settle() : done.then(settle);
}

/** What a direct run answers that gave up. */
export const UNFINISHED: SelectResult = {columns: [], rows: [], isTruncated: false, isUnfinished: true};

export interface Window {
  readonly skip: number;
  readonly take: number;
  /** `take` is not what the statement asked for: look whether there is one row more. */
  readonly isCapped: boolean;
}

/** Which rows of the answer are wanted. */
export function windowOf(plan: Pick<SelectPlan, 'limit' | 'offset'>, env: Env, options: RunOptions): Window {
  const asked = countOf(plan.limit?.(NO_ROW, env), 'LIMIT');
  const skip = countOf(plan.offset?.(NO_ROW, env), 'OFFSET') ?? 0;
  const allowed = (limit: number) => (limit === 0 ? Number.POSITIVE_INFINITY : limit);
  const wanted = asked ?? allowed(options.defaultLimit);
  const take = Math.min(wanted, allowed(options.maxLimit));
  return {skip, take, isCapped: take < (asked ?? Number.POSITIVE_INFINITY)};
}

/** The value of LIMIT or OFFSET; undefined: NULL, or no such clause. */
export function countOf(value: Value | undefined, clause: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if ((value as bigint) < 0n) throw fail.execution(`${clause} must not be negative`);
  return Number(value);
}

type Visit = (row: Row) => boolean;

function feedRows(
  plan: SelectPlan,
  snapshot: TableSnapshot | undefined,
  env: Env,
  options: RunOptions,
  sink: Sink,
  budget: {rowsLeft: number},
): void | Promise<void> {
  return scanRows(plan, snapshot, env, options, row => sink.add(row), budget);
}

function feedGroups(
  plan: SelectPlan,
  snapshot: TableSnapshot | undefined,
  env: Env,
  options: RunOptions,
  sink: Sink,
): void | Promise<void> {
  const group = plan.group!;
  const grouping = new Grouping(group, env);
  const pass = () => {
    for (const row of grouping.rows()) {
      if (group.having !== undefined && group.having(row, env) !== true) continue;
      if (!sink.add(row)) return;
    }
  };
  const done = scanRows(plan, snapshot, env, options, row => {
    grouping.add(row);
    return true;
  });
  return done === undefined ? pass() : done.then(pass);
}

/** Offers every row that passes the predicate, in scan order, until `visit` has enough. */
function scanRows(
  plan: SelectPlan,
  snapshot: TableSnapshot | undefined,
  env: Env,
  options: RunOptions,
  visit: Visit,
  budget?: {rowsLeft: number},
): void | Promise<void> {
  const {where} = plan;
  const offer: Visit = where === undefined ? visit : row => (where(row, env) === true ? visit(row) : true);
  if (snapshot === undefined) {
    offer(NO_ROW);
    return;
  }
  const facts = plan.facts(env);
  if (facts.isEmpty) return;
  const points = facts.point !== undefined ? [facts.point] : facts.points;
  if (points !== undefined) return visitPoints(plan, snapshot, points, offer, options.signal);
  const request = scanRequest(plan, facts);
  if (budget === undefined || !canStopEarly(plan) || snapshot.coldRowCount <= options.coldRowsMax)
    return snapshot.scan(request, offer, options.signal);
  budget.rowsLeft = options.coldRowsMax + snapshot.describe(request).hotRows;
  return snapshot.scan(request, row => --budget.rowsLeft >= 0 && offer(row), options.signal);
}

export function scanRequest(plan: SelectPlan, facts: KeyFacts) {
  const {isReverse, includeTombstones, reads} = plan;
  return {keys: facts.keys, isReverse, bounds: facts.bounds, columns: reads, includeTombstones};
}

/** Keys one by one, in scan order; goes asynchronous at the first key that is not in memory. */
function visitPoints(
  plan: SelectPlan,
  snapshot: TableSnapshot,
  points: readonly Uint8Array[],
  offer: Visit,
  signal: AbortSignal,
): void | Promise<void> {
  const ordered = plan.isReverse ? points.toReversed() : points;
  for (let i = 0; i < ordered.length; i++) {
    const found = snapshot.point(ordered[i]!, plan.includeTombstones);
    if (found instanceof Promise) return visitLater(found, ordered, i);
    if (found !== undefined && !offer(found)) return;
  }

  async function visitLater(first: Promise<Row | undefined>, keys: readonly Uint8Array[], from: number): Promise<void> {
    let found = await first;
    for (let i = from; ; ) {
      signal.throwIfAborted();
      if (found !== undefined && !offer(found)) return;
      if (++i >= keys.length) return;
      found = await snapshot.point(keys[i]!, plan.includeTombstones);
    }
  }
}

interface Sink {
  /** False: no more rows are needed. */
  add(row: Row): boolean;
  finish(columns: readonly ResultColumn[]): SelectResult;
}

function makeSink(plan: SelectPlan, env: Env, window: Window, options: RunOptions): Sink {
  const write = rowWriter(plan.outputs, env, plan.group === undefined);
  const order =
    plan.hasOrderBy || options.implicitOrder === undefined ? plan.order : implicitKeys(plan, options.implicitOrder);
  const inner = order.length === 0 ? streamSink(window) : sortSink(order, env, window);
  if (!plan.isDistinct) return {add: row => inner.add(row, write), finish: inner.finish};
  const seen = new Set<string>();
  const budget = new Budget('add a LIMIT');
  return {
    add: row => {
      const json = write(row);
      if (seen.has(json)) return true;
      budget.take(json.length);
      seen.add(json);
      return inner.add(row, () => json);
    },
    finish: inner.finish,
  };
}

function implicitKeys(plan: SelectPlan, wanted: {column: string; isDescending: boolean}): OrderKey[] {
  const found =
    plan.schema === undefined || plan.group !== undefined || plan.isDistinct
      ? undefined
      : findColumn(plan.schema, wanted.column);
  if (found === undefined) return [...plan.order];
  const {index, type} = found;
  const read = index === SEQ_INDEX ? (row: Row) => row.seq : (row: Row) => row.value(index);
  return [
    {
      eval: read,
      compare: comparator(type, type)!,
      isDescending: wanted.isDescending,
      isNullsFirst: wanted.isDescending,
    },
  ];
}

/** Writes one row as a JSON array. */
export function rowWriter(outputs: readonly TypedExpr[], env: Env, isPlain: boolean): (row: Row) => string {
  const writers = outputs.map(({eval: evaluate, type, column}): ((row: Row) => string) => {
    if (!isPlain || column === undefined) return row => toJson(type, evaluate(row, env));
    if (column === SEQ_INDEX) return row => `"${row.seq}"`;
    if (column === DELETED_INDEX) return row => (row.isTombstone ? 'true' : 'false');
    return row => row.json(column);
  });
  return row => {
    let text = '[';
    for (let i = 0; i < writers.length; i++) text += i === 0 ? writers[i]!(row) : `,${writers[i]!(row)}`;
    return `${text}]`;
  };
}

/** What one answer may hold. */
export class Budget {
  readonly #remedy: string;
  #rows = 0;
  #bytes = 0;

  constructor(remedy: string) {
    this.#remedy = remedy;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
    if (++this.#rows <= ROWS_MAX && this.#bytes <= BYTES_MAX) return;
    const what = this.#rows > ROWS_MAX ? `${ROWS_MAX} rows` : '256 MB';
    throw new DbError('LIMIT_EXCEEDED', `The query holds more than ${what} in memory; ${this.#remedy}.`);
  }
}

interface InnerSink {
  add(row: Row, write: (row: Row) => string): boolean;
  finish(columns: readonly ResultColumn[]): SelectResult;
}

function streamSink({skip, take, isCapped}: Window): InnerSink {
  const rows: string[] = [];
  const budget = new Budget('add a LIMIT');
  let skipped = 0;
  let isTruncated = false;
  return {
    add: (row, write) => {
      if (skipped < skip) {
        skipped++;
        return true;
      }
      if (rows.length >= take) {
        isTruncated = isCapped;
        return false;
      }
      const json = write(row);
      budget.take(json.length);
      rows.push(json);
      return rows.length < take || isCapped;
    },
    finish: columns => ({columns, rows, isTruncated}),
  };
}

interface Sorted {
  readonly keys: readonly Value[];
  readonly json: string;
  readonly place: number;
}

/** Keeps the first skip + take rows in a heap whose top is the worst of them; without a limit, all rows. Equal rows keep scan order. */
function sortSink(order: readonly OrderKey[], env: Env, {skip, take, isCapped}: Window): InnerSink {
  const compare = rowOrder(order);
  const kept: Sorted[] = [];
  const size = skip + take;
  const isHeap = size <= ROWS_MAX;
  const budget = new Budget('add a LIMIT');
  let place = 0;
  return {
    add: (row, write) => {
      const candidate = {keys: order.map(key => key.eval(row, env)), json: '', place: place++};
      if (isHeap && kept.length >= size) {
        if (size === 0 || compare(candidate, kept[0]!) > 0) return true;
        kept[0] = {...candidate, json: write(row)};
        siftDown(kept, 0, compare);
        return true;
      }
      const json = write(row);
      budget.take(json.length + candidate.keys.reduce(keyBytes, 0));
      kept.push({...candidate, json});
      if (isHeap) siftUp(kept, compare);
      return true;
    },
    finish: columns => {
      kept.sort(compare);
      const rows = kept.slice(skip, size).map(row => row.json);
      return {columns, rows, isTruncated: isCapped && place > size};
    },
  };
}

function keyBytes(sum: number, key: Value): number {
  return sum + (typeof key === 'string' || key instanceof Uint8Array ? key.length : 8);
}

function rowOrder(order: readonly OrderKey[]): (a: Sorted, b: Sorted) => number {
  return (a, b) => {
    for (let i = 0; i < order.length; i++) {
      const {compare, isDescending, isNullsFirst} = order[i]!;
      const [x, y] = [a.keys[i]!, b.keys[i]!];
      if (x === null || y === null) {
        if (x === y) continue;
        return (x === null) === isNullsFirst ? -1 : 1;
      }
      const difference = compare(x, y);
      if (difference !== 0) return isDescending ? -difference : difference;
    }
    return a.place - b.place;
  };
}

function siftUp(heap: Sorted[], compare: (a: Sorted, b: Sorted) => number): void {
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (compare(heap[at]!, heap[parent]!) <= 0) return;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

function siftDown(heap: Sorted[], start: number, compare: (a: Sorted, b: Sorted) => number): void {
  for (let at = start; ; ) {
    let child = 2 * at + 1;
    if (child >= heap.length) return;
    if (child + 1 < heap.length && compare(heap[child + 1]!, heap[child]!) > 0) child++;
    if (compare(heap[child]!, heap[at]!) <= 0) return;
    [heap[at], heap[child]] = [heap[child]!, heap[at]!];
    at = child;
  }
}

/**
 * Catch-up: what a subscriber missed since a seq, told by the newest version of each row that changed.
 *
 *     which rows      the scope's history, if it goes back so far; else a pass over the rows, in memory and in segments, with a higher seq
 *     what of each    the newest version matches → insert or update, else → delete
 *
 * Every table with tombstones tells by its rows alone what changed after a seq: each key has one newest version, deletes among them, and its seq.
 * So nothing else has to be kept for resuming, and the floor is where a compaction dropped tombstones (`resumeFloor` in `room.ts`).
 * Laws: told in ascending order of seq, so what was told up to a seq is complete up to it, and a catch-up may stop anywhere and go on from there at
 * another moment. A row that was made and is gone since is not told of. A row that never matched may be told as deleted.
 */
import type {Seq} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import type {TableSnapshot} from '../table/table.ts';
import {ChangeGroupBuilder, cellBytes} from './change-group.ts';
import type {Changed, History} from './history.ts';
import type {Change, ChangeGroup, LiveRow} from './live.ts';
import {keyJsonOf} from './matcher.ts';
import {cellsOf, keyCells} from './shape.ts';
import {LowestRows, matches, type Question} from './snapshot.ts';

export interface Missed {
  readonly group: ChangeGroup | undefined;
  /** Told up to here; undefined: up to the moment of the snapshot. */
  readonly through: Seq | undefined;
}

interface Found extends Pick<Change, 'kind' | 'reason'> {
  readonly seq: Seq;
  readonly row: LiveRow;
}

export interface CatchUp {
  readonly question: Question;
  /** Taken in the turn of the call. Closed when done. */
  readonly table: TableSnapshot;
  readonly from: Seq;
  readonly bytesMax: number;
}

/** `history` reaches back to `from`. */
export function missedByHistory(catchUp: CatchUp, history: History, signal: AbortSignal): Missed | Promise<Missed> {
  const {question, table, from} = catchUp;
  const changed = history.after(from);
  return closing(table, () => {
    if (question.compiled.schema.kind !== 'stream') return tellChanged(catchUp, changed, one => pointOf(table, one));
    const rows = new Map<Seq, LiveRow>();
    const scanned = scanStream(catchUp, rows, signal);
    const tell = () => tellChanged(catchUp, changed, ({newest}) => rows.get(newest.seq));
    return scanned instanceof Promise ? scanned.then(tell) : tell();
  });
}

/** The key of a stream's row is nothing its snapshot can be asked for, but few rows are in a scope. */
function scanStream(
  {question, table, from}: CatchUp,
  rows: Map<Seq, LiveRow>,
  signal: AbortSignal,
): void | Promise<void> {
  const {compiled} = question;
  return table.scan(
    {keys: {}, bounds: [], columns: compiled.reads, isReverse: false, includeTombstones: false},
    row => {
      const {seq} = row;
      if (seq > from && matches(question, row)) rows.set(seq, {seq, cells: cellsOf(compiled, row)});
      return true;
    },
    signal,
  );
}

/** Of a row that is there: the row, or what is shown of one that matches; undefined: there is nothing to tell of it. */
type LookUp = (changed: Changed) => Row | LiveRow | undefined | Promise<Row | undefined>;

function pointOf(table: TableSnapshot, {newest}: Changed) {
  return table.point(Buffer.from(newest.key, 'latin1'), true);
}

function tellChanged(
  {question, bytesMax}: CatchUp,
  changed: readonly Changed[],
  lookUp: LookUp,
): Missed | Promise<Missed> {
  const builder = new ChangeGroupBuilder(question.compiled);
  let at = 0;
  const step = (): Missed | Promise<Missed> => {
    for (; at < changed.length; at++) {
      const one = changed[at]!;
      if (builder.bytes > bytesMax) {
        return {group: builder.build(true), through: changed[at - 1]!.newest.seq};
      }
      const row = one.newest.gone === undefined ? lookUp(one) : undefined;
      if (!(row instanceof Promise)) {
        tell(builder, question, one, row);
        continue;
      }
      return row.then(found => {
        tell(builder, question, one, found);
        at++;
        return step();
      });
    }
    return {group: builder.build(), through: undefined};
  };
  return step();
}

function tell(builder: ChangeGroupBuilder, question: Question, changed: Changed, row: Row | LiveRow | undefined): void {
  const {compiled} = question;
  const {newest, hadRow} = changed;
  const {seq, gone} = newest;
  if (gone !== undefined) {
    if (hadRow === false) return;
    const removed = gone.removedSeq === undefined ? {} : {removedSeq: gone.removedSeq};
    const cells = keyCells(compiled, gone.keyJson, seq);
    builder.add({kind: 'delete', reason: 'deleted', isCatchUp: true}, {seq, cells, ...removed});
    return;
  }
  if (row === undefined) return;
  const made =
    hadRow === false ? ({kind: 'insert', reason: 'new'} as const) : ({kind: 'update', reason: 'stay'} as const);
  if ('cells' in row) {
    builder.add({...made, isCatchUp: true}, row);
  } else if (matches(question, row)) {
    builder.add({...made, isCatchUp: true}, {seq, cells: cellsOf(compiled, row)});
  } else if (hadRow !== false) {
    const cells = keyCells(compiled, keyJsonOf(compiled, row), seq);
    builder.add({kind: 'delete', reason: 'leave', isCatchUp: true}, {seq, cells});
  }
}

/** Of a table with tombstones, none of which above `from` was dropped. */
export function missedByScan(catchUp: CatchUp, signal: AbortSignal): Missed | Promise<Missed> {
  const {question, table, from, bytesMax} = catchUp;
  const {compiled, env} = question;
  const lowest = new LowestRows<Found>(bytesMax, ({row}) => cellBytes(row.cells));
  const look = (row: Row): boolean => {
    if (row.seq > from) lowest.add(found(question, row));
    return true;
  };
  // Keys of rows never change, so those that the condition rules out were never shown; what other columns held may have been.
  const {keys, isEmpty} = compiled.facts(env);
  const request = {
    keys,
    bounds: [],
    columns: compiled.reads,
    isReverse: false,
    includeTombstones: true,
    afterSeq: from,
  };
  const told = (): Missed => {
    const builder = new ChangeGroupBuilder(compiled);
    const rows = lowest.sorted();
    for (const {kind, reason, row} of rows) builder.add({kind, reason, isCatchUp: true}, row);
    return {group: builder.build(lowest.isCut), through: lowest.isCut ? rows.at(-1)!.seq : undefined};
  };
  return closing(table, () => {
    const scanned = isEmpty ? undefined : table.scan(request, look, signal);
    return scanned instanceof Promise ? scanned.then(told) : told();
  });
}

function found(question: Question, row: Row): Found {
  const {compiled} = question;
  const {seq} = row;
  if (!row.isTombstone && matches(question, row)) {
    return {seq, kind: 'insert', reason: 'enter', row: {seq, cells: cellsOf(compiled, row)}};
  }
  const cells = keyCells(compiled, keyJsonOf(compiled, row), seq);
  return {seq, kind: 'delete', reason: row.isTombstone ? 'deleted' : 'leave', row: {seq, cells}};
}

/** Closes the table when the work on it is over, in whatever way. */
function closing<T>(table: TableSnapshot, work: () => T | Promise<T>): T | Promise<T> {
  let result: T | Promise<T>;
  try {
    result = work();
  } catch (error) {
    table.close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(() => table.close());
  table.close();
  return result;
}

/**
 * Row check: whether every live row of a table is as a newer version of its schema wants it, to the moment at which that version begins.
 *
 *     be told of what is appended from now on ─ wait for what is in flight ─ look at the rows of every scope, hot and cold ─ publish the schema,
 *     if no row that was appended meanwhile is wrong
 *
 * Laws: a row is looked at when it was there before that began, and told of when it came later; so none is missed, and nobody who writes waits.
 * Behind the record of the new version no row of the old one is appended (`commit.ts`). Memory is bounded by a row group per segment of one scope.
 * What is wrong is told without the row: the rows of a user are nobody else's, not even the administrator's who alters the table.
 */
import type {Cold} from '../cold/cold.ts';
import type {ListedSegment} from '../cold/segment.ts';
import type {Hot} from '../hot/hot.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {fits, isConvex, isWidening, typePath} from '../model/evolution.ts';
import {type Incarnation, type ScopeKey, scopeId} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import {RowView} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import {fromJson} from '../model/values.ts';
import type {Commit} from './commit.ts';
import type {Manifests} from './manifests.ts';
import {throwIfOver} from './merge.ts';

/** What is asked of one column of every live row: a value, and one that fits another type. */
export interface Demand {
  /** Index in the schema of today. */
  readonly column: number;
  readonly isNotNull: boolean;
  readonly type: DataType;
  readonly refusal: () => Error;
}

export interface RowCheckOptions {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly commit: Commit;
  readonly manifests: Manifests;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  /** The schema of a living table, or undefined. */
  readonly current: (incarnation: Incarnation) => Schema | undefined;
}

/** The loop gets a turn after so many rows, and between scopes. */
const ROWS_PER_BREATH = 4096;
const SCOPES_PER_BREATH = 64;

/**
 * Calls `publish` with what it has to call in the turn in which it appends the new version: it throws the refusal of a demand that a row does not meet.
 * Throws if the signal fires.
 */
export async function withCheckedRows<T>(
  options: RowCheckOptions,
  schema: Schema,
  demands: readonly Demand[],
  signal: AbortSignal,
  publish: (confirm: () => void) => Promise<T>,
): Promise<T> {
  let broken: Demand | undefined;
  const look = (row: Row): boolean => {
    const isBroken = (demand: Demand) => !isMet(demand, schema, row.value(demand.column));
    const wrong = row.isTombstone ? undefined : demands.find(isBroken);
    broken ??= wrong;
    return wrong === undefined;
  };
  const confirm = () => {
    throwIfOver(signal);
    // Rows of a version that came first cannot be asked by this one; then whoever publishes has to begin again.
    if (broken !== undefined && options.current(schema.incarnation) === schema) throw broken.refusal();
  };
  const appended = viewOf(options, schema);
  const release = options.commit.addWitness(schema.incarnation, row => look(appended.at(row)));
  try {
    await options.commit.write({isUrgent: true});
    const breathe = async () => {
      await new Promise<void>(resolve => setImmediate(resolve));
      confirm();
    };
    for (const [i, scope] of scopesOf(options, schema).entries()) {
      if (i % SCOPES_PER_BREATH === 0) await breathe();
      await lookAtScope(options, schema, scope, {demands, look, breathe});
      confirm();
    }
    return await publish(confirm);
  } finally {
    release();
  }
}

function viewOf({schemaOf}: RowCheckOptions, schema: Schema): RowView {
  return new RowView(schema, version => schemaOf(schema.incarnation, version));
}

/** Scopes that begin later hold only rows that the witness is told of. */
function scopesOf({hot, manifests}: RowCheckOptions, {incarnation}: Schema): ScopeKey[] {
  const scopes = new Map<string, ScopeKey>();
  for (const scope of hot.scopeKeys(incarnation)) scopes.set(scopeId(scope), scope);
  for (const {scope} of manifests.of(incarnation)) scopes.set(scopeId(scope), scope);
  return [...scopes.values()];
}

async function lookAtScope(
  options: RowCheckOptions,
  schema: Schema,
  scope: ScopeKey,
  {demands, look, breathe}: {demands: readonly Demand[]; look: (row: Row) => boolean; breathe: () => Promise<void>},
): Promise<void> {
  // Of one turn: together they are the scope at this moment.
  const hot = options.hot.snapshot(scope);
  const manifest = options.manifests.get(scope);
  const release = options.manifests.hold();
  try {
    const view = viewOf(options, schema);
    let count = 0;
    for (const {row} of hot.rows()) {
      if (!look(view.at(row))) return;
      if (++count % ROWS_PER_BREATH === 0) await breathe();
    }
    const segments = manifest.segments.filter(segment => {
      return !isAnswered(segment, schema, demands, options.schemaOf(schema.incarnation, segment.schemaVersion));
    });
    const group = {segmentCount: segments.length, segmentsIn: () => segments};
    const columns = demands.map(({column}) => column);
    for await (const batch of options.cold.scan(schema, group, {}, columns, false)) {
      for (const {key, row} of batch) if (hot.get(key) === undefined && !look(row)) return;
      await breathe();
    }
  } finally {
    release();
  }
}

function isMet({column, isNotNull, type}: Demand, schema: Schema, value: Value): boolean {
  return value === null ? !isNotNull : fits(value, schema.columns[column]!.type, type);
}

/** Whether the manifest, which counts dead rows too, answers for all rows of a segment. */
function isAnswered(segment: ListedSegment, schema: Schema, demands: readonly Demand[], writer: Schema): boolean {
  return demands.every(demand => {
    const column = schema.columns[demand.column]!;
    const stats = segment.columnStats[column.id];
    const written = writer.columns.find(({id}) => id === column.id);
    if (written === undefined || stats === undefined) return false;
    if (stats.nullCount > 0 && demand.isNotNull) return false;
    if (stats.nullCount === segment.rowCount || isWidening(column.type, demand.type)) return true;
    // Values between two that fit do too, where types are compared by size; and those of today are then in the order they were written in.
    if (typePath(column, writer) !== undefined || !isConvex(column.type, demand.type)) return false;
    return [stats.min, stats.max].every(bound => {
      return bound !== undefined && fits(fromJson(written.type, bound), written.type, demand.type);
    });
  });
}

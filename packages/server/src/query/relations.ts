/**
 * Relations: the tables that a bound statement reads, as DuckDB sees them.
 *
 * Places that name the same table share one relation. What every place says about keys and columns decides which segments are read at all
 * and which hot rows are sent; a place that says nothing reads everything.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {LocalFile} from '../blob/blob.ts';
import type {ColdFilter} from '../cold/cold.ts';
import type {Relation, RelationFile} from '../duck/duck.ts';
import type {Env} from '../expr/expr.ts';
import type {KeyFacts} from '../expr/key-range.ts';
import type {KeyRange} from '../hot/hot.ts';
import {packChunks} from '../model/packed-rows.ts';
import type {Schema} from '../model/schema.ts';
import {throwIfOver} from '../table/merge.ts';
import type {SegmentPart, TableParts, TableSnapshot} from '../table/table.ts';
import type {TableUse} from './bound.ts';

export interface PlannedRelation {
  readonly name: string;
  readonly schema: Schema;
  readonly includeTombstones: boolean;
  readonly uses: readonly TableUse[];
}

/** Names the relation of every use. */
export function planRelations(uses: readonly TableUse[]): PlannedRelation[] {
  const byTable = new Map<string, TableUse[]>();
  for (const use of uses) {
    const key = `${use.schema.incarnation} ${use.includeTombstones}`;
    byTable.set(key, [...(byTable.get(key) ?? []), use]);
  }
  return [...byTable.values()].map((group, i) => {
    // Upper case: no column of a table is named so.
    const name = `T${i + 1}`;
    for (const use of group) use.relation = name;
    const {schema, includeTombstones} = group[0]!;
    return {name, schema, includeTombstones, uses: group};
  });
}

/** What is read of one relation in one execution. */
export interface RelationReads {
  readonly parts: TableParts;
  readonly hotRange: KeyRange;
  readonly hotRowCount: number;
  readonly segments: readonly (SegmentPart & {readonly pruned: string | undefined})[];
}

export function readsOf(relation: PlannedRelation, snapshot: TableSnapshot, env: Env): RelationReads {
  const parts = snapshot.parts();
  const facts = relation.uses.map(use => use.facts?.(env));
  const segments = parts.segments.map(segment => ({...segment, pruned: prunedFor(facts, parts, segment)}));
  // Ranges of several places have no common form, and hot rows are few.
  const [only] = facts;
  const hotRange = facts.length === 1 && only !== undefined ? only.keys : {};
  return {parts, hotRange, hotRowCount: parts.hotRowCount, segments};
}

/** Every place must be able to do without the segment; the first reason stands for all. */
function prunedFor(
  facts: readonly (KeyFacts | undefined)[],
  parts: TableParts,
  segment: SegmentPart,
): string | undefined {
  let reason: string | undefined;
  for (const known of facts) {
    if (known === undefined) return undefined;
    const filter: ColdFilter = {keys: known.keys, bounds: known.bounds};
    const why = known.isEmpty ? 'nothing can match' : parts.pruned(segment, filter);
    if (why === undefined) return undefined;
    reason ??= why;
  }
  return reason;
}

/** Finds a file of this machine that holds a segment. */
export type FileOf = (storageId: string, path: string) => Promise<LocalFile | undefined>;

/** `held` takes the files that are to be released when the query is over. */
export async function relationOf(
  {name, schema, includeTombstones, uses}: PlannedRelation,
  {parts, hotRange, segments}: RelationReads,
  {fileOf, held, signal}: {fileOf: FileOf; held: LocalFile[]; signal: AbortSignal},
): Promise<Relation> {
  const columns = new Set(uses.flatMap(use => [...use.columns]));
  const files: RelationFile[] = [];
  for (const {storageId, path, schemaVersion, checksum, dead} of segments.filter(one => one.pruned === undefined)) {
    const file = await fileOf(storageId, path);
    if (file === undefined)
      throw new DbError(
        'LIMIT_EXCEEDED',
        `Segment ${path} of storage '${storageId}' does not fit into its local cache.`,
      );
    held.push(file);
    files.push({path: file.path, schemaVersion, checksum, dead});
    throwIfOver(signal);
  }
  return {
    name,
    schema,
    versions: parts.versions,
    columns: [...columns].sort((a, b) => a - b),
    includeTombstones,
    files,
    hot: packChunks(parts.hot(hotRange), signal),
  };
}

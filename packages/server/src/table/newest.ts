/**
 * Newest: what a write knows of the keys it is about to change, and what must still hold when it appends.
 *
 * Laws: a version written over a row that is (or, by an open flush, will be) in a segment carries `hasColdPredecessor`, so that its own flush can
 * mark that row dead; a false yes costs a look-up, a missed one would resurrect rows. What was read of segments is a reader's view: files that are
 * replaced meanwhile stay until it has ended.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Cold} from '../cold/cold.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Hot} from '../hot/hot.ts';
import type {MemoryBudget} from '../hot/memory-budget.ts';
import {encodeKey} from '../model/key-codec.ts';
import {type Incarnation, type ScopeKey, tableText} from '../model/names.ts';
import type {Row, RowBytes} from '../model/row.ts';
import {FLAG_COLD_PREDECESSOR, RowView, rowFlags, rowSeq} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Commit} from './commit.ts';
import type {Latches} from './latches.ts';
import type {Manifests} from './manifests.ts';
import type {Streams} from './streams.ts';
import type {Change, ScanRequest, TableSnapshot, WriteOptions} from './table.ts';

const KEYS_PER_BREATH = 4096;

export interface RowsOptions {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly commit: Commit;
  readonly manifests: Manifests;
  readonly latches: Latches;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  /** The schema of a living table, or undefined. */
  readonly current: (incarnation: Incarnation) => Schema | undefined;
  readonly memory: MemoryBudget;
  readonly streams: Streams;
  /** Is somebody told of the changes of this table life, and of the rows they replace? */
  readonly isWatched: (incarnation: Incarnation) => boolean;
}

/** Where newest versions are looked for: hot rows over the segments of a manifest. */
export interface Ground {
  readonly hot: {get(key: Uint8Array): RowBytes | undefined};
  readonly manifest: Manifest;
}

/** `row` is a moving cursor, `hot` what it shows, to keep; undefined: it lies in a segment alone. */
export type Offer = (row: Row, keyIndex: number, hot: RowBytes | undefined) => void;

/**
 * Offers the newest version of each key that has one, tombstones included; keys without one are passed over. No waiting for keys that are hot or
 * were never flushed.
 */
export function visitNewest(
  options: Pick<RowsOptions, 'cold' | 'manifests' | 'schemaOf'>,
  schema: Schema,
  ground: Ground,
  keys: readonly Uint8Array[],
  offer: Offer,
): void | Promise<void> {
  const view = viewOf(options, schema);
  const cold: number[] = [];
  const offerHot = (from: number) => {
    const end = Math.min(keys.length, from + KEYS_PER_BREATH);
    for (let i = from; i < end; i++) {
      const row = ground.hot.get(keys[i]!);
      if (row !== undefined) offer(view.at(row), i, row);
      else cold.push(i);
    }
  };
  const isCold = () => cold.length > 0 && ground.manifest.segmentCount > 0;
  offerHot(0);
  if (keys.length <= KEYS_PER_BREATH && !isCold()) return undefined;
  return visitRest();

  async function visitRest(): Promise<void> {
    for (let from = KEYS_PER_BREATH; from < keys.length; from += KEYS_PER_BREATH) {
      // The keys are latched, or of a transaction, so nothing that was decided changes while others have their turn.
      await new Promise(resolve => setImmediate(resolve));
      offerHot(from);
    }
    if (!isCold()) return;
    const coldKeys = cold.map(i => keys[i]!);
    await held(options, () =>
      options.cold.visit(schema, ground.manifest, coldKeys, (i, {row}) => offer(row, cold[i]!, undefined)),
    );
  }
}

/** The keys that a change asks for by themselves. No snapshot for those: it would make the next writes to their scope copy what it froze. */
export function knownKeys({points, keys: {from, to}}: ScanRequest): Iterable<Uint8Array> | undefined {
  if (points !== undefined) return points;
  return from !== undefined && to !== undefined && Buffer.compare(from, to) === 0 ? [from] : undefined;
}

/** Keys of the rows that the change would touch at this moment. They are decided again, under their latches if they have some. */
export async function candidates(
  open: () => TableSnapshot,
  schema: Schema,
  request: ScanRequest,
  change: Change,
  {signal, returning}: WriteOptions,
): Promise<Uint8Array[]> {
  const known = knownKeys(request);
  if (known !== undefined) return [...known];
  const table = open();
  try {
    const key = schema.columns[schema.primaryKey]!;
    const keys: Uint8Array[] = [];
    const collect = (row: Row): boolean => {
      const result = change(row);
      const isMeant = result !== undefined && (result !== 'keep' || returning !== undefined);
      if (isMeant) keys.push(encodeKey(key.type, row.value(schema.primaryKey)));
      return true;
    };
    await table.scan(request, collect, signal);
    return keys;
  } finally {
    table.close();
  }
}

export function viewOf({schemaOf}: Pick<RowsOptions, 'schemaOf'>, schema: Schema): RowView {
  return new RowView(schema, version => schemaOf(schema.incarnation, version));
}

/** A write reads segments as a reader does: what is replaced meanwhile keeps its files until it has read them. */
export async function held<T>({manifests}: Pick<RowsOptions, 'manifests'>, read: () => Promise<T>): Promise<T> {
  const release = manifests.hold();
  try {
    return await read();
  } finally {
    release();
  }
}

/** The flag of a version that is written over `hot`, or if that is undefined over a row in a segment if there is one. In the turn of the append. */
export function predecessorFlag(
  {manifests}: Pick<RowsOptions, 'manifests'>,
  scope: ScopeKey,
  hot: RowBytes | undefined,
  isCold: boolean,
): number {
  if (hot === undefined) return isCold ? FLAG_COLD_PREDECESSOR : 0;
  const boundary = manifests.boundary(scope);
  const willBeCold = boundary !== undefined && rowSeq(hot) <= boundary;
  return willBeCold ? FLAG_COLD_PREDECESSOR : rowFlags(hot) & FLAG_COLD_PREDECESSOR;
}

export function checkCurrent({current}: Pick<RowsOptions, 'current'>, schema: Schema): void {
  const now = current(schema.incarnation);
  if (now === undefined)
    throw fail.tableNotFound(`table '${tableText(schema.name)}' was dropped while the statement ran`);
  if (now.version !== schema.version) {
    throw new DbError(
      'WRITE_CONFLICT',
      `Table '${tableText(schema.name)}' was altered while the statement ran; try again.`,
    );
  }
}

/**
 * Streams: the rows of STREAM tables: short-lived events of one user, in memory alone.
 *
 *     insert   key = (clock ms, seq) ─ hot, in this turn ─ listeners      never in the log or a checkpoint, gone at restart
 *     read     rows younger than the table's TTL, exactly, whenever eviction last ran
 *     evict    rows past the TTL, oldest first
 *
 * Laws: the clock of keys never goes back, so key order is seq order and what is too old is a range of keys. A scope holds a bounded number of
 * rows: the oldest make room for new ones. A table holds a bounded number of bytes: beyond it an insert is refused and may be tried again.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Cold} from '../cold/cold.ts';
import {emptyManifest} from '../cold/manifest-delta.ts';
import type {Hot} from '../hot/hot.ts';
import type {Value} from '../model/datatype.ts';
import {type Incarnation, type ScopeKey, type Seq, tableText} from '../model/names.ts';
import {encodeRow, RowView} from '../model/row-codec.ts';
import type {Schema} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import type {Commit} from './commit.ts';
import {openSnapshot, throwIfOver} from './merge.ts';
import type {Change, TableSnapshot, WriteOptions} from './table.ts';

const KEY_BYTES = 16;
const NO_KEY = new Uint8Array(KEY_BYTES);

export interface StreamsOptions {
  readonly hot: Hot;
  readonly cold: Cold;
  readonly commit: Commit;
  readonly clock: Clock;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  readonly scopeRowsMax: number;
  readonly tableBytesMax: number;
}

export class Streams {
  readonly #options: StreamsOptions;
  #newestMs = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  snapshot(scope: ScopeKey, schema: Schema): TableSnapshot {
    const {hot, cold, schemaOf} = this.#options;
    const whole = openSnapshot({
      schema,
      schemaOf: version => schemaOf(schema.incarnation, version),
      hot: hot.snapshot(scope),
      cold,
      manifest: emptyManifest(scope),
      release() {},
    });
    const from = boundaryAt(this.#oldestMs(schema));
    const {hot: rows} = whole.parts();
    return {
      ...whole,
      // The key of a row is nothing a statement can name.
      point: () => undefined,
      scan: (request, visit, signal) => whole.scan({...request, keys: {from}}, visit, signal),
      parts: () => ({...whole.parts(), hot: () => rows({from})}),
    };
  }

  insert(
    scope: ScopeKey,
    schema: Schema,
    rows: readonly (readonly Value[])[],
    returning: WriteOptions['returning'],
  ): number {
    const {commit, clock, scopeRowsMax} = this.#options;
    commit.trimVolatile(scope, {through: boundaryAt(this.#oldestMs(schema)), rowsMax: scopeRowsMax});
    this.#checkBytes(schema);
    this.#newestMs = Math.max(this.#newestMs, clock.nowMs());
    const ms = this.#newestMs;
    const encoded = rows.map(values => encodeRow(schema, values, 0));
    const view = this.#view(schema);
    commit.writeVolatile({
      scope,
      rows: encoded,
      keyOf: seq => keyOf(ms, seq),
      beforeApply(row) {
        returning?.(view.at(row));
      },
    });
    commit.trimVolatile(scope, {through: NO_KEY, rowsMax: scopeRowsMax});
    return rows.length;
  }

  /** Removes the rows for which `change` says 'delete'. */
  async remove(scope: ScopeKey, schema: Schema, change: Change, {signal, returning}: WriteOptions): Promise<number> {
    const {hot, commit} = this.#options;
    const view = this.#view(schema);
    const keys: Uint8Array[] = [];
    throwIfOver(signal);
    hot.snapshot(scope).scan({from: boundaryAt(this.#oldestMs(schema))}, false, (row, key) => {
      if (change(view.at(row)) !== 'delete') return true;
      keys.push(Uint8Array.from(key));
      returning?.(view);
      return true;
    });
    commit.removeVolatile(scope, keys);
    return keys.length;
  }

  /** Removes what is past the TTL, scope by scope. Returns the rows removed. */
  async evict(schema: Schema, breathe: () => Promise<void>): Promise<number> {
    const {hot} = this.#options;
    let count = 0;
    for (const scope of [...hot.scopeKeys(schema.incarnation)]) {
      count += this.evictScope(scope, schema);
      await breathe();
    }
    return count;
  }

  /** The same in one scope, in this turn. */
  evictScope(scope: ScopeKey, schema: Schema): number {
    const through = boundaryAt(this.#oldestMs(schema));
    return this.#options.commit.trimVolatile(scope, {through, rowsMax: Number.POSITIVE_INFINITY});
  }

  /** Until the oldest row of the scope is past the TTL; undefined: there is no row. */
  nextExpiryMs(scope: ScopeKey, schema: Schema): number | undefined {
    let oldestMs: number | undefined;
    this.#options.hot.snapshot(scope).scan({}, false, (_, key) => {
      oldestMs = Number(Buffer.from(key).readBigUInt64BE(0));
      return false;
    });
    // One ms later than the row's last: what is exactly as old as the TTL is still to be seen.
    return oldestMs === undefined ? undefined : Math.max(0, oldestMs - this.#oldestMs(schema) + 1);
  }

  /** Is there a row past the TTL? */
  hasExpired(schema: Schema): boolean {
    const {hot} = this.#options;
    const range = {to: boundaryAt(this.#oldestMs(schema))};
    for (const scope of hot.scopeKeys(schema.incarnation)) {
      if (hot.has(scope, range)) return true;
    }
    return false;
  }

  #view(schema: Schema): RowView {
    return new RowView(schema, version => this.#options.schemaOf(schema.incarnation, version));
  }

  /** Clock ms of the oldest row that is still to be seen. */
  #oldestMs(schema: Schema): number {
    const {clock} = this.#options;
    return Math.max(0, clock.nowMs() - (schema.options.ttlSeconds ?? 0) * 1000);
  }

  #checkBytes(schema: Schema): void {
    const {hot, tableBytesMax} = this.#options;
    if (hot.tableBytes(schema.incarnation) <= tableBytesMax) return;
    // How much others have in it is nobody's business.
    throw new DbError(
      'MEMORY_LIMIT',
      `Stream table '${tableText(schema.name)}' is at its limit of ${tableBytesMax} bytes; rows go when they are older than its TTL of ${schema.options.ttlSeconds} s. Try again shortly.`,
    );
  }
}

function keyOf(ms: number, seq: Seq): Uint8Array {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeBigUInt64BE(BigInt(ms), 0);
  key.writeBigUInt64BE(seq, 8);
  return key;
}

/** Below the keys of all rows of that clock and above those of all earlier ones: seqs are above zero. */
function boundaryAt(ms: number): Uint8Array {
  return keyOf(ms, 0n);
}

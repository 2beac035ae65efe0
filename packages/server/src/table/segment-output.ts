/**
 * Segment output: how flush and compaction write segments before they publish them.
 *
 *     name ─ announce ─ encode, put, read back      … for each segment; then the caller publishes all of them, or discards them
 *
 * Laws: a name is announced before its file exists. What was written is discarded only when no publish of it can be in the log.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Cold, SegmentSource} from '../cold/cold.ts';
import type {Manifest} from '../cold/manifest.ts';
import type {Segment} from '../cold/segment.ts';
import {type ScopeKey, type Seq, tableText} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import type {Commit, WriteRow} from './commit.ts';
import type {Files, StoredFile} from './files.ts';
import type {Manifests} from './manifests.ts';
import type {Mirrors, SegmentPlace} from './mirrors.ts';

/** Limits of one segment; what is larger becomes several, published together. */
export const SEGMENT_ROWS_MAX = 65_536;
export const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

export interface OutputOptions {
  readonly cold: Cold;
  readonly commit: Commit;
  readonly manifests: Manifests;
  readonly clock: Clock;
  readonly mirrors: Mirrors;
  readonly placeOf: (schema: Schema, scope: ScopeKey) => SegmentPlace;
  readonly nextUlid: () => string;
  /** The table's schema now, or undefined once it was dropped. */
  readonly current: (schema: Schema) => Schema | undefined;
  readonly files: Files;
  /** Goes into the batch that drops tombstones: up to which seq the table's may be gone. */
  readonly tombstoneMark: (schema: Schema, through: Seq) => WriteRow;
  readonly warn: (text: string) => void;
}

export class SegmentOutput {
  readonly segments: Segment[] = [];
  readonly #options: OutputOptions;
  readonly #schema: Schema;
  readonly #manifest: Manifest;
  readonly #begun: StoredFile[] = [];

  /** Segments are named after the newest batch of `manifest`. */
  constructor(options: OutputOptions, schema: Schema, manifest: Manifest) {
    this.#options = options;
    this.#schema = schema;
    this.#manifest = manifest;
  }

  /** Number of the newest batch once these segments are published. */
  get batch(): number {
    return this.#manifest.batch + this.segments.length;
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  async write(source: Pick<SegmentSource, 'rows' | 'bytesExpected'>, signal: AbortSignal): Promise<void> {
    const {placeOf, nextUlid, files, cold, clock} = this.#options;
    const {scope} = this.#manifest;
    const {storageId, folder} = placeOf(this.#schema, scope);
    const name = `batch-${this.batch + 1}-${scope.incarnation}-${nextUlid()}.parquet`;
    const path = `${folder}/${name}`;
    await files.announce([{storageId, path}]);
    this.#begun.push({storageId, path});
    const place = {schema: this.#schema, path, name, storageId, createdAt: clock.nowMs()};
    this.segments.push(await cold.writeSegment({...source, ...place}, signal));
  }

  /** Deletes what was written because of this error, unless its publish may be found in the log by the next start. */
  async discardAfter(error: unknown): Promise<void> {
    if (error instanceof DbError && error.code === 'COMMIT_UNKNOWN') return;
    await this.#options.files.delete(this.#begun);
  }
}

export function droppedMeanwhile({name}: Schema): Error {
  return new Error(`table ${tableText(name)} was dropped meanwhile`);
}

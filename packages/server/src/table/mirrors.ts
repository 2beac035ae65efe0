/**
 * Mirrors: `manifest.json` in the folder of each scope, for people and other programs.
 *
 *     published ─ few segments: written at once by whoever published
 *               └ many: waits, longer the more there are; what is published meanwhile is written with it
 *     start ─ what was published after the mark is due, a part of it on each tick
 *
 * Laws: the log is the truth: nothing is read back from a mirror, and a failure is a warning and tried again. Every manifest published up to the mark,
 * which is kept in the log, is mirrored. A mirror is written only while its scope has segments, and held as a reader holds files: what deletes
 * it comes after.
 */
import type {Blob} from '../blob/blob.ts';
import type {Manifest} from '../cold/manifest.ts';
import {manifestJson} from '../cold/manifest-mirror.ts';
import {type Incarnation, type ScopeKey, type Seq, scopeId} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Clock} from '../std/clock.ts';
import type {Manifests} from './manifests.ts';

/** Up to here writing a mirror takes less than the publish before it. */
const SEGMENTS_AT_ONCE = 64;
/** So that even a scope that is always published spends about a hundredth of the time on its mirror. */
const WAIT_MS_PER_SEGMENT = 1;
const RETRY_MS = 60_000;
const MIRRORS_PER_TICK = 200;
const MANIFESTS_PER_BREATH = 1000;
const MARK_EVERY_MS = 60_000;

export interface SegmentPlace {
  readonly storageId: string;
  /** Folder of the scope below the storage's base. */
  readonly folder: string;
}

export interface MirrorsOptions {
  readonly manifests: Manifests;
  readonly clock: Clock;
  readonly blobOf: (storageId: string) => Blob;
  readonly placeOf: (schema: Schema, scope: ScopeKey) => SegmentPlace;
  /** The schema of a living table, or undefined. */
  readonly current: (incarnation: Incarnation) => Schema | undefined;
  /** Keeps the mark in the log. */
  readonly saveMark: (mark: Seq) => Promise<unknown>;
  /** As it was kept, or a seq up to which no mirror can be missing. */
  readonly mark: Seq;
  readonly warn: (text: string) => void;
}

interface Due {
  readonly scope: ScopeKey;
  /** Of the first publish that is not mirrored. */
  readonly seq: Seq;
  /** On the monotonic clock. */
  readonly atMs: number;
}

export class Mirrors {
  readonly #options: MirrorsOptions;
  readonly #due = new Map<string, Due>();
  readonly #writing = new Set<string>();
  /** Storages that failed, and until when they are left alone. */
  readonly #resting = new Map<string, number>();
  #mark: Seq;
  #markedMs: number;
  /** The newest publish before this start; 0 once everything up to it is mirrored or known to be due. */
  #unmended: Seq;

  constructor(options: MirrorsOptions) {
    this.#options = options;
    this.#mark = options.mark;
    const {newestPublish} = options.manifests;
    this.#unmended = newestPublish > options.mark ? newestPublish : 0n;
    this.#markedMs = options.clock.monotonicMs();
    options.manifests.onPublish = manifest => this.#note(manifest);
  }

  /** Scopes whose mirror is behind. */
  get dueCount(): number {
    return this.#due.size;
  }

  /** After a publish: writes the mirror now if that is quickly done. */
  async published(scope: ScopeKey): Promise<void> {
    if (this.#options.manifests.get(scope).segmentCount <= SEGMENTS_AT_ONCE) await this.#write(scopeId(scope));
  }

  /** Writes some of those that are due. */
  async tick(signal: AbortSignal): Promise<void> {
    if (this.#unmended > 0n) await this.#mend(signal);
    await this.#writeDue(this.#options.clock.monotonicMs(), signal);
    if (this.#options.clock.monotonicMs() - this.#markedMs >= MARK_EVERY_MS) await this.#saveMark();
  }

  /** Before the log closes: writes what waits, as far as one tick goes. What is left is due at the next start. */
  async close(): Promise<void> {
    await this.#writeDue(Number.POSITIVE_INFINITY, new AbortController().signal);
    await this.#saveMark();
  }

  #note({scope, segmentCount, publishSeq}: Manifest): void {
    const id = scopeId(scope);
    if (this.#due.has(id)) return;
    const waitMs = segmentCount <= SEGMENTS_AT_ONCE ? 0 : segmentCount * WAIT_MS_PER_SEGMENT;
    this.#due.set(id, {scope, seq: publishSeq, atMs: this.#options.clock.monotonicMs() + waitMs});
  }

  /** Looks through memory, not through folders; and only if something was published after the mark. */
  async #mend(signal: AbortSignal): Promise<void> {
    let count = 0;
    for (const manifest of this.#options.manifests.all()) {
      if (manifest.publishSeq > this.#mark && manifest.publishSeq <= this.#unmended) this.#note(manifest);
      if (++count % MANIFESTS_PER_BREATH === 0) await new Promise<void>(resolve => setImmediate(resolve));
      if (signal.aborted) return;
    }
    this.#unmended = 0n;
  }

  async #writeDue(untilMs: number, signal: AbortSignal): Promise<void> {
    let count = 0;
    for (const [id, {atMs}] of this.#due) {
      if (signal.aborted || count === MIRRORS_PER_TICK) return;
      if (atMs > untilMs) continue;
      count++;
      await this.#write(id);
    }
  }

  async #write(id: string): Promise<void> {
    const {manifests, clock, blobOf, placeOf, current, warn} = this.#options;
    const due = this.#due.get(id);
    if (due === undefined || this.#writing.has(id)) return;
    const manifest = manifests.get(due.scope);
    const schema = current(due.scope.incarnation);
    if (manifest.segmentCount === 0 || schema === undefined) {
      this.#due.delete(id);
      return;
    }
    const {storageId, folder} = placeOf(schema, due.scope);
    if ((this.#resting.get(storageId) ?? 0) > clock.monotonicMs()) {
      this.#putBehind(id, due);
      return;
    }
    const release = manifests.hold();
    this.#writing.add(id);
    try {
      await blobOf(storageId).replace(`${folder}/manifest.json`, Buffer.from(manifestJson(manifest, schema)));
      this.#due.delete(id);
      const newer = manifests.get(due.scope);
      if (newer.publishSeq !== manifest.publishSeq) this.#note(newer);
    } catch (error) {
      this.#resting.set(storageId, clock.monotonicMs() + RETRY_MS);
      this.#putBehind(id, due);
      warn(`manifest.json of ${folder} was not written and will be tried again: ${String(error)}`);
    } finally {
      this.#writing.delete(id);
      release();
    }
  }

  /** A tick looks at few: those of a storage that is away are not to be met first each time. */
  #putBehind(id: string, due: Due): void {
    this.#due.delete(id);
    this.#due.set(id, due);
  }

  async #saveMark(): Promise<void> {
    if (this.#unmended > 0n) return;
    let mark = this.#options.manifests.newestPublish;
    for (const {seq} of this.#due.values()) if (seq <= mark) mark = seq - 1n;
    this.#markedMs = this.#options.clock.monotonicMs();
    if (mark <= this.#mark) return;
    try {
      await this.#options.saveMark(mark);
      this.#mark = mark;
    } catch (error) {
      this.#options.warn(`How far mirrors of manifests are was not kept: ${String(error)}`);
    }
  }
}

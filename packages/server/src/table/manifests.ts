/**
 * Manifests: the current manifest of every scope that was ever flushed, folded from publish records; open flush boundaries; and who
 * still reads segments that a newer state no longer lists.
 *
 * Laws: a manifest changes only by `apply`, in the turn in which the hot rows it replaces go. What a key's newest version is, in memory or in
 * which row of a segment, changes only when `flushedThrough` grows: a compaction leaves it. Files that are no longer listed are removed only after
 * every reader that could know them has closed.
 */
import {applyDelta, emptyManifest, type Manifest, type ManifestDelta} from '../cold/manifest.ts';
import {type Incarnation, type ScopeKey, type Seq, scopeId} from '../model/names.ts';
import type {StoredFile} from './files.ts';

const MIRROR = 'manifest.json';

/** Everything that lies in a scope's folder because of its manifest: the segments and the mirror beside them. */
export function filesOf({segments}: Manifest): StoredFile[] {
  const files: StoredFile[] = segments.map(({storageId, path}) => ({storageId, path}));
  const first = files[0];
  if (first !== undefined) files.push({storageId: first.storageId, path: mirrorPath(first.path)});
  return files;
}

function mirrorPath(segmentPath: string): string {
  return segmentPath.replace(/[^/]*$/, MIRROR);
}

export class Manifests {
  readonly #byIncarnation = new Map<Incarnation, Map<string, Manifest>>();
  readonly #boundaries = new Map<string, Seq>();
  readonly #readers = new Set<{readonly since: number}>();
  #epoch = 0;
  #retired: {readonly epoch: number; readonly file: StoredFile}[] = [];

  get(scope: ScopeKey): Manifest {
    return this.#byIncarnation.get(scope.incarnation)?.get(scopeId(scope)) ?? emptyManifest(scope);
  }

  of(incarnation: Incarnation): IterableIterator<Manifest> {
    return (this.#byIncarnation.get(incarnation) ?? new Map<string, Manifest>()).values();
  }

  *all(): Generator<Manifest> {
    for (const scopes of this.#byIncarnation.values()) yield* scopes.values();
  }

  apply(delta: ManifestDelta): void {
    const before = this.get(delta.scope);
    const after = applyDelta(before, delta);
    let scopes = this.#byIncarnation.get(delta.scope.incarnation);
    if (scopes === undefined) {
      scopes = new Map();
      this.#byIncarnation.set(delta.scope.incarnation, scopes);
    }
    scopes.set(scopeId(delta.scope), after);
    const removed = new Set(delta.remove);
    if (after.segments.length === 0) this.#retire(filesOf(before));
    else this.#retire(before.segments.filter(segment => removed.has(segment.name)));
  }

  /** Forgets a table life; its files become removable when their last reader closes. */
  drop(incarnation: Incarnation): void {
    for (const manifest of this.of(incarnation)) this.#retire(filesOf(manifest));
    this.#byIncarnation.delete(incarnation);
  }

  /** While a flush of the scope runs: versions written over a predecessor ≤ boundary must say so (see `rows.ts`). */
  openBoundary(scope: ScopeKey, boundary: Seq): void {
    this.#boundaries.set(scopeId(scope), boundary);
  }

  closeBoundary(scope: ScopeKey): void {
    this.#boundaries.delete(scopeId(scope));
  }

  boundary(scope: ScopeKey): Seq | undefined {
    return this.#boundaries.get(scopeId(scope));
  }

  /**
   * Without the mirrors that belong to a manifest with segments. A segment's path never comes again, but a mirror's does, when the scope, or a new
   * table of that name, is flushed while the old one waits to be deleted.
   */
  withoutMirrorsInUse(files: readonly StoredFile[]): readonly StoredFile[] {
    const isMirror = ({path}: StoredFile) => path.endsWith(`/${MIRROR}`);
    if (!files.some(isMirror)) return files;
    const inUse = new Set<string>();
    for (const {segments} of this.all()) if (segments[0] !== undefined) inUse.add(mirrorPath(segments[0].path));
    return files.filter(file => !isMirror(file) || !inUse.has(file.path));
  }

  /** Keeps every file that is listed now until the returned function is called. */
  hold(): () => void {
    const reader = {since: this.#epoch};
    this.#readers.add(reader);
    return () => {
      this.#readers.delete(reader);
    };
  }

  /** Files no manifest lists and no reader can know any more. Each is returned once. */
  takeRemovable(): StoredFile[] {
    if (this.#retired.length === 0) return [];
    let oldest = Number.POSITIVE_INFINITY;
    for (const reader of this.#readers) oldest = Math.min(oldest, reader.since);
    const free = this.#retired.filter(entry => entry.epoch < oldest);
    this.#retired = this.#retired.filter(entry => entry.epoch >= oldest);
    return free.map(entry => entry.file);
  }

  /** Files that wait for a reader to close, or to be taken. */
  get retiredCount(): number {
    return this.#retired.length;
  }

  #retire(segments: readonly StoredFile[]): void {
    for (const {storageId, path} of segments) this.#retired.push({epoch: this.#epoch, file: {storageId, path}});
    this.#epoch++;
  }
}

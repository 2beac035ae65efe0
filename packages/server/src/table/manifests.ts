/**
 * Manifests: the current manifest of every scope that has segments, folded from publish records; open flush boundaries; and who still reads
 * segments that a newer state no longer lists.
 *
 *     incarnation → owner → address → slab: the bytes of the manifest, which are read in place
 *
 * Laws: a manifest changes only by `apply`, in the turn in which the hot rows it replaces go. What a key's newest version is, in memory or in
 * which row of a segment, changes only when `flushedThrough` grows: a compaction leaves it. A scope without segments is forgotten: it reads like
 * one that was never flushed. Files that are no longer listed are removed only after every reader that could know them has closed.
 */
import {Manifest} from '../cold/manifest.ts';
import {applyDelta, emptyManifest, type ManifestDelta} from '../cold/manifest-delta.ts';
import {entryKey, entryRow, type SlabList, Slabs, slabEntries} from '../hot/slab.ts';
import {type Incarnation, type Owner, type ScopeKey, type Seq, scopeId} from '../model/names.ts';
import type {StoredFile} from './files.ts';

const MIRROR = 'manifest.json';
const SLAB_BYTES = 256 * 1024;
/** Of one scope beside its bytes: its place in the map, its owner's name, its address. */
const SCOPE_BYTES = 120;
const NO_OWNER = new Uint8Array(0);

/** Everything that lies in a scope's folder because of its manifest: the segments and the mirror beside them. */
export function filesOf(manifest: Manifest): StoredFile[] {
  const files: StoredFile[] = manifest.segments.map(({storageId, path}) => ({storageId, path}));
  const first = files[0];
  if (first !== undefined) files.push({storageId: first.storageId, path: mirrorOf(manifest)});
  return files;
}

/** Beside the first of its segments, of which there is one. */
function mirrorOf(manifest: Manifest): string {
  return manifest.segment(0).path.replace(/[^/]*$/, MIRROR);
}

function isMirror({path}: StoredFile): boolean {
  return path.endsWith(`/${MIRROR}`);
}

/** Over all scopes. */
export interface ColdTotals {
  scopes: number;
  segments: number;
  rows: number;
  deadRows: number;
  bytes: number;
}

export class Manifests {
  readonly #slabs: Slabs;
  readonly #tables = new Map<Incarnation, Map<Owner, number>>();
  readonly #totals: ColdTotals = {scopes: 0, segments: 0, rows: 0, deadRows: 0, bytes: 0};
  #newestPublish: Seq = 0n;
  /** Told of each manifest that `apply` made. */
  onPublish: (manifest: Manifest) => void = () => {};
  readonly #boundaries = new Map<string, Seq>();
  readonly #readers = new Set<{readonly since: number}>();
  #epoch = 0;
  #retired: {readonly epoch: number; readonly file: StoredFile}[] = [];
  /** Paths of the mirrors among them, and whether a newer one has taken the place. */
  readonly #retiredMirrors = new Map<string, boolean>();

  constructor({slabBytes = SLAB_BYTES}: {slabBytes?: number} = {}) {
    this.#slabs = new Slabs(slabBytes);
  }

  get(scope: ScopeKey): Manifest {
    const address = this.#tables.get(scope.incarnation)?.get(scope.owner);
    return address === undefined ? emptyManifest(scope) : manifestAt(this.#slabs.list, address, scope);
  }

  /** How many scopes of the table life have segments. */
  scopeCount(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.size ?? 0;
  }

  /** May be walked while manifests change: what is replaced later is met as it is then. */
  *of(incarnation: Incarnation): Generator<Manifest> {
    for (const [owner, address] of this.#tables.get(incarnation) ?? []) {
      yield manifestAt(this.#slabs.list, address, {incarnation, owner});
    }
  }

  *all(): Generator<Manifest> {
    for (const incarnation of this.#tables.keys()) yield* this.of(incarnation);
  }

  /** Every manifest, for a checkpoint: captured now, readable in slices later. */
  captureAll(): Iterable<Manifest> {
    const {list} = this.#slabs;
    const captured = [...this.#tables].map(([incarnation, scopes]) => ({
      incarnation,
      owners: [...scopes.keys()],
      addresses: Float64Array.from(scopes.values()),
    }));
    return {
      *[Symbol.iterator]() {
        for (const {incarnation, owners, addresses} of captured) {
          for (const [i, owner] of owners.entries()) yield manifestAt(list, addresses[i]!, {incarnation, owner});
        }
      },
    };
  }

  /** What they take in memory. */
  get memoryBytes(): number {
    return this.#slabs.bytes + this.#totals.scopes * SCOPE_BYTES;
  }

  /** Of all scopes, kept as they change. */
  get totals(): Readonly<ColdTotals> {
    return this.#totals;
  }

  /** The newest seq at which a manifest was published. */
  get newestPublish(): Seq {
    return this.#newestPublish;
  }

  /** `seq` is that of the batch which holds the delta. Returns whether `flushedThrough` grew. */
  apply(delta: ManifestDelta, seq: Seq): boolean {
    const before = this.get(delta.scope);
    const after = applyDelta(before, delta, seq);
    if (after.segmentCount === 0) this.#retire(filesOf(before));
    else if (delta.remove.length > 0) {
      this.#retire(
        before
          .positionsOf(new Set(delta.remove))
          .values()
          .map(position => before.segment(position)),
      );
    }
    this.#replace(after);
    this.onPublish(after);
    return delta.flushedThrough > before.flushedThrough;
  }

  /** A whole one, out of a checkpoint. */
  restore(manifest: Manifest): void {
    this.#replace(manifest);
  }

  /** Forgets a table life; its files become removable when their last reader closes. */
  drop(incarnation: Incarnation): void {
    for (const manifest of this.of(incarnation)) {
      this.#retire(filesOf(manifest));
      this.#count(manifest, -1);
    }
    for (const address of this.#tables.get(incarnation)?.values() ?? []) this.#slabs.release(address);
    this.#tables.delete(incarnation);
    this.#evacuate();
  }

  #replace(manifest: Manifest): void {
    const {incarnation, owner} = manifest.scope;
    if (manifest.publishSeq > this.#newestPublish) this.#newestPublish = manifest.publishSeq;
    const scopes = this.#tables.get(incarnation) ?? new Map<Owner, number>();
    const before = scopes.get(owner);
    if (before !== undefined) {
      this.#count(manifestAt(this.#slabs.list, before, manifest.scope), -1);
      this.#slabs.release(before);
    }
    if (manifest.segmentCount === 0) {
      scopes.delete(owner);
    } else {
      if (before === undefined) this.#takePlace(manifest);
      this.#count(manifest, 1);
      const {bytes} = manifest;
      const row = {buffer: bytes, offset: 0, length: bytes.length};
      scopes.set(owner, this.#slabs.append(incarnation, owner === null ? NO_OWNER : Buffer.from(owner), row));
    }
    if (scopes.size > 0) this.#tables.set(incarnation, scopes);
    else this.#tables.delete(incarnation);
    this.#evacuate();
  }

  #count({segmentCount, rowCount, deadCount, sizeBytes}: Manifest, sign: 1 | -1): void {
    this.#totals.scopes += sign;
    this.#totals.segments += sign * segmentCount;
    this.#totals.rows += sign * rowCount;
    this.#totals.deadRows += sign * deadCount;
    this.#totals.bytes += sign * sizeBytes;
  }

  /** Moves what lives out of slabs that are mostly dead, until at most half of all is. */
  #evacuate(): void {
    while (this.#slabs.bytes > this.#slabs.evacuatedBytes) {
      const number = this.#slabs.mostlyDead();
      if (number === undefined) return;
      const {list} = this.#slabs;
      for (const {address, scopeSlot} of slabEntries(list, number)) {
        const key = entryKey(list, address);
        const owner = key.length === 0 ? null : (key.toString() as Owner);
        const scopes = this.#tables.get(scopeSlot as Incarnation);
        if (scopes?.get(owner) !== address) continue;
        scopes.set(owner, this.#slabs.append(scopeSlot, key, entryRow(list, address)));
        this.#slabs.release(address);
      }
    }
  }

  /** While a flush of the scope runs: versions written over a predecessor ≤ boundary must say so (see `rows.ts`). */
  openBoundary(scope: ScopeKey, boundary: Seq): void {
    this.#boundaries.set(scopeId(scope), boundary);
  }

  closeBoundary(scope: ScopeKey): void {
    this.#boundaries.delete(scopeId(scope));
  }

  boundary(scope: ScopeKey): Seq | undefined {
    return this.#boundaries.size === 0 ? undefined : this.#boundaries.get(scopeId(scope));
  }

  /**
   * Without the mirrors that belong to a manifest with segments. A segment's path never comes again, but a mirror's does, when the scope, or a new
   * table of that name, is flushed while the old one waits to be deleted. O(scopes) for a mirror that an earlier run retired, or that is asked about
   * again because it could not be deleted.
   */
  withoutMirrorsInUse(files: readonly StoredFile[]): readonly StoredFile[] {
    const unknown = new Set<string>();
    const inUse = new Set<string>();
    for (const {path} of files.filter(isMirror)) {
      const isTaken = this.#retiredMirrors.get(path);
      if (isTaken === undefined) unknown.add(path);
      else if (isTaken) inUse.add(path);
      this.#retiredMirrors.delete(path);
    }
    if (unknown.size > 0) for (const manifest of this.all()) inUse.add(mirrorOf(manifest));
    return inUse.size === 0 ? files : files.filter(({path}) => !inUse.has(path));
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

  #takePlace(manifest: Manifest): void {
    if (this.#retiredMirrors.size === 0) return;
    const path = mirrorOf(manifest);
    if (this.#retiredMirrors.has(path)) this.#retiredMirrors.set(path, true);
  }

  #retire(files: Iterable<StoredFile>): void {
    for (const {storageId, path} of files) {
      const file = {storageId, path};
      this.#retired.push({epoch: this.#epoch, file});
      if (isMirror(file)) this.#retiredMirrors.set(path, false);
    }
    this.#epoch++;
  }
}

function manifestAt(list: SlabList, address: number, scope: ScopeKey): Manifest {
  const {buffer, offset} = entryRow(list, address);
  return new Manifest(scope, buffer, offset);
}

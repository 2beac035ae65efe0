/**
 * Manifests: the current manifest of every scope that has segments, folded from publish records; open flush boundaries; and who still reads
 * segments that a newer state no longer lists.
 *
 *     incarnation → owner → slot → address → slab: the bytes of the manifest, which are read in place
 *
 * Laws: a manifest changes only by `apply`, in the turn in which the hot rows it replaces go. What a key's newest version is, in memory or in
 * which row of a segment, changes only when `flushedThrough` grows: a compaction leaves it. A scope without segments is forgotten: it reads like
 * one that was never flushed, and its versions are counted anew. Files that are no longer listed are removed only after every reader that could know
 * them has closed. A dropped table is gone at once; its files are retired, and its memory freed, in slices.
 */
import {Manifest} from '../cold/manifest.ts';
import {applyDelta, emptyManifest, type ManifestDelta} from '../cold/manifest-delta.ts';
import {NO_SLOT, ScopeIndex} from '../hot/scope-index.ts';
import {entryRow, type SlabList, Slabs, slabEntries} from '../hot/slab.ts';
import {type Incarnation, type ScopeKey, type Seq, scopeId} from '../model/names.ts';
import type {StoredFile} from './files.ts';

const MIRROR = 'manifest.json';
const SLAB_BYTES = 256 * 1024;
/** Of one scope beside its bytes: its slot in the index, its owner's name, its address. */
const SCOPE_BYTES = 100;
const NO_KEY = new Uint8Array(0);
/** An address that no entry has. */
const NOWHERE = -1;
/** Of dropped tables, looked at in one turn. A scope is looked at whole. */
const SWEEP_SEGMENTS = 4096;

/** Everything that lies in a scope's folder because of its manifest: the segments and the mirror beside them. */
export function filesOf(manifest: Manifest): StoredFile[] {
  const files: StoredFile[] = manifest.segments.map(({storageId, path}) => ({storageId, path}));
  if (files.length > 0) files.push(mirrorOf(manifest));
  return files;
}

/** Beside the first of its segments, of which there is one. */
function mirrorOf(manifest: Manifest): StoredFile {
  const {storageId, path} = manifest.segment(0);
  return {storageId, path: path.replace(/[^/]*$/, MIRROR)};
}

function isMirror({path}: StoredFile): boolean {
  return path.endsWith(`/${MIRROR}`);
}

function fileId({storageId, path}: StoredFile): string {
  return `${storageId}:${path}`;
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
  readonly #index = new ScopeIndex();
  /** By slot. */
  readonly #addresses: number[] = [];
  readonly #totals: ColdTotals = {scopes: 0, segments: 0, rows: 0, deadRows: 0, bytes: 0};
  #newestPublish: Seq = 0n;
  #newestEmptied: Seq = 0n;
  /** Told of each manifest that `apply` made. */
  onPublish: (manifest: Manifest) => void = () => {};
  readonly #boundaries = new Map<string, Seq>();
  readonly #readers = new Set<{readonly since: number}>();
  #epoch = 0;
  #retired: {readonly epoch: number; readonly file: StoredFile}[] = [];
  /** The mirrors among them, until they are gone: how often each was retired, and the scope whose mirror has its place now. */
  readonly #leavingMirrors = new Map<string, {times: number; taker: ScopeKey | undefined}>();
  readonly #dropped: {readonly slots: Iterator<number, undefined>; left: number}[] = [];

  constructor({slabBytes = SLAB_BYTES}: {slabBytes?: number | undefined} = {}) {
    this.#slabs = new Slabs(slabBytes);
  }

  get(scope: ScopeKey): Manifest {
    const slot = this.#index.find(scope);
    return slot === NO_SLOT ? emptyManifest(scope) : manifestAt(this.#slabs.list, this.#addresses[slot]!, scope);
  }

  /** How many scopes of the table life have segments. */
  scopeCount(incarnation: Incarnation): number {
    return this.#index.count(incarnation);
  }

  /** May be walked while manifests change: what is replaced later is met as it is then. */
  *of(incarnation: Incarnation): Generator<Manifest> {
    for (const slot of this.#index.of(incarnation)) yield this.#manifestAt(slot);
  }

  *all(): Generator<Manifest> {
    for (const incarnation of this.#index.lives()) yield* this.of(incarnation);
  }

  /** Every manifest, for a checkpoint: captured now, readable in slices later. */
  captureAll(): Iterable<Manifest> {
    const {list} = this.#slabs;
    const named = this.#index.image(() => true);
    const addresses = this.#addresses.slice();
    return {
      *[Symbol.iterator]() {
        for (const {slot, scope} of named) yield manifestAt(list, addresses[slot]!, scope);
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

  /** The newest seq at which a scope was left without segments, and so is forgotten. */
  get newestEmptied(): Seq {
    return this.#newestEmptied;
  }

  /** `seq` is that of the batch which holds the delta. Returns whether `flushedThrough` grew. */
  apply(delta: ManifestDelta, seq: Seq): boolean {
    const before = this.get(delta.scope);
    const after = applyDelta(before, delta, seq);
    if (after.segmentCount === 0) {
      this.#newestEmptied = seq;
      this.#retire(filesOf(before));
    } else if (delta.remove.length > 0) {
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
    const left = this.#index.count(incarnation);
    if (left === 0) return;
    this.#dropped.push({slots: this.#index.drop(incarnation), left});
    this.sweep();
  }

  get isSweepDue(): boolean {
    return this.#dropped.length > 0;
  }

  /** Retires and frees a slice of what was dropped. Returns whether there is more. */
  sweep(): boolean {
    let left = SWEEP_SEGMENTS;
    for (let table = this.#dropped[0]; table !== undefined; table = this.#dropped[0]) {
      for (; table.left > 0; table.left--) {
        if (left <= 0) return true;
        const slot = table.slots.next().value!;
        const manifest = this.#manifestAt(slot);
        left -= manifest.segmentCount;
        this.#retire(filesOf(manifest));
        this.#release(slot);
        this.#freeSlot(slot);
      }
      this.#dropped.shift();
    }
    this.#evacuate();
    return false;
  }

  #replace(manifest: Manifest): void {
    if (manifest.publishSeq > this.#newestPublish) this.#newestPublish = manifest.publishSeq;
    const slot = this.#index.find(manifest.scope);
    if (manifest.segmentCount > 0) this.#put(slot, manifest);
    else if (slot !== NO_SLOT) this.#remove(slot);
    this.#evacuate();
  }

  #put(found: number, manifest: Manifest): void {
    let slot = found;
    if (slot !== NO_SLOT) {
      this.#release(slot);
    } else {
      this.#takeMirror(manifest);
      slot = this.#index.add(manifest.scope);
    }
    this.#count(manifest, 1);
    const {bytes} = manifest;
    this.#addresses[slot] = this.#slabs.append(slot, NO_KEY, {buffer: bytes, offset: 0, length: bytes.length});
  }

  #remove(slot: number): void {
    this.#release(slot);
    this.#index.hide(slot);
    this.#freeSlot(slot);
  }

  #release(slot: number): void {
    this.#count(this.#manifestAt(slot), -1);
    this.#slabs.release(this.#addresses[slot]!);
  }

  #freeSlot(slot: number): void {
    this.#addresses[slot] = NOWHERE;
    this.#index.free(slot);
  }

  #manifestAt(slot: number): Manifest {
    return manifestAt(this.#slabs.list, this.#addresses[slot]!, this.#index.scope(slot));
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
    // What waits to be swept is not worth moving.
    if (this.isSweepDue) return;
    while (this.#slabs.bytes > this.#slabs.evacuatedBytes) {
      const number = this.#slabs.mostlyDead();
      if (number === undefined) return;
      const {list} = this.#slabs;
      for (const {address, scopeSlot} of slabEntries(list, number)) {
        if (this.#addresses[scopeSlot] !== address) continue;
        this.#addresses[scopeSlot] = this.#slabs.append(scopeSlot, NO_KEY, entryRow(list, address));
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
   * table of that name, is flushed while the old one waits to be deleted.
   */
  withoutMirrorsInUse(files: readonly StoredFile[]): readonly StoredFile[] {
    return files.filter(file => !isMirror(file) || this.#leavingMirrors.get(fileId(file))?.taker === undefined);
  }

  /** These were retired and have been deleted. A mirror that came into their place meanwhile may have gone with them: it is due again. */
  gone(files: readonly StoredFile[]): void {
    for (const file of files.filter(isMirror)) {
      const mirror = this.#leavingMirrors.get(fileId(file));
      if (mirror === undefined) continue;
      if (--mirror.times === 0) this.#leavingMirrors.delete(fileId(file));
      if (mirror.taker !== undefined) this.onPublish(this.get(mirror.taker));
    }
  }

  /** Files that an earlier run retired, and nobody lists. */
  retireLeft(files: readonly StoredFile[]): void {
    for (const file of files.filter(isMirror)) this.#leave(file);
  }

  /** What is listed in the folders of these files. O(scopes), but only segments in such a folder are read. */
  *listedBeside(files: readonly StoredFile[]): Generator<StoredFile> {
    const folders = new Set(files.map(file => fileId(file).replace(/\/[^/]*$/, '')));
    if (folders.size === 0) return;
    for (const manifest of this.all())
      if (manifest.folders.some(folder => folders.has(fileId(folder)))) yield* filesOf(manifest);
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

  /** Files that wait for a reader to close, or to be taken. Of scopes that are not swept one each is counted. */
  get retiredCount(): number {
    return this.#dropped.reduce((count, {left}) => count + left, this.#retired.length);
  }

  #takeMirror(manifest: Manifest): void {
    // The old mirror has to be known by then.
    while (this.isSweepDue) this.sweep();
    if (this.#leavingMirrors.size === 0) return;
    const leaving = this.#leavingMirrors.get(fileId(mirrorOf(manifest)));
    if (leaving !== undefined) leaving.taker = manifest.scope;
  }

  #leave(mirror: StoredFile): void {
    const id = fileId(mirror);
    const times = this.#leavingMirrors.get(id)?.times ?? 0;
    this.#leavingMirrors.set(id, {times: times + 1, taker: undefined});
  }

  #retire(files: Iterable<StoredFile>): void {
    for (const {storageId, path} of files) {
      const file = {storageId, path};
      this.#retired.push({epoch: this.#epoch, file});
      if (isMirror(file)) this.#leave(file);
    }
    this.#epoch++;
  }
}

function manifestAt(list: SlabList, address: number, scope: ScopeKey): Manifest {
  const {buffer, offset} = entryRow(list, address);
  return new Manifest(scope, buffer, offset);
}

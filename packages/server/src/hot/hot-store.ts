/**
 * Hot store: the hot tier of `hot.ts`, made of slabs, an index and a table of scopes.
 *
 *     incarnation → owner → slot ─ addresses → slabs
 *
 * Each entry in a slab names the slot of its scope, so that a slab can be emptied by walking it: an entry is live exactly if its scope still holds
 * its address. When rows were applied is kept as one list of (seq, clock) marks for all scopes.
 *
 * What a flush or a drop takes away leaves the answers at once and its memory later: a scope none of whose rows are left, or a table, is found no more;
 * of a large scope with later rows those up to `retiredThrough` are passed over by everybody until they are swept. The few of a small one go at once.
 */
import type {Incarnation, ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {rowSeq} from '../model/row-codec.ts';
import {AppliedTimes} from './applied-times.ts';
import type {Hot, HotScopeStats, HotSnapshot, KeyedRow, KeyRange} from './hot.ts';
import {FrozenScope} from './hot-snapshot.ts';
import {CHUNK_ENTRIES_MAX} from './key-index.ts';
import {NO_SLOT, ScopeIndex} from './scope-index.ts';
import {type LargeScope, ScopeTable, SLOT_BYTES, SMALL_ENTRIES_MAX, UNKNOWN_SEQ} from './scope-table.ts';
import {entryBytes, entryKey, entryRow, SLAB_BYTES, Slabs, slabEntries} from './slab.ts';

/** Of a scope in the index, with its owner's name. */
const NAME_BYTES = 80;
/** Entries freed in one turn; a chunk of an index is swept whole. */
const SWEEP_ENTRIES = 16 * CHUNK_ENTRIES_MAX;
/** Freeing a scope costs as much as so many entries. */
const SCOPE_ENTRIES = 8;

/** Of one table life. */
interface TableRows {
  rowCount: number;
  bytes: number;
  lastWriteMs: number;
}

export interface HotOptions {
  readonly slabBytes?: number | undefined;
  readonly sweepEntries?: number | undefined;
  /** A scope with more rows has a key index of its own. */
  readonly smallScopeRows?: number | undefined;
}

export function createHot(options: HotOptions = {}): Hot {
  return new HotStore(options);
}

class HotStore implements Hot {
  readonly #slabs: Slabs;
  readonly #sweepEntries: number;
  readonly #index = new ScopeIndex();
  readonly #scopes: ScopeTable;
  readonly #tables = new Map<Incarnation, TableRows>();
  readonly #applied = new AppliedTimes();
  /** What is to be swept: tables, scopes that nobody finds any more, and scopes with rows. */
  readonly #droppedTables: Iterator<number, undefined>[] = [];
  readonly #goneSlots: number[] = [];
  readonly #thinnedScopes = new Set<LargeScope>();
  #rowCount = 0;
  /** What was looked for last: rows come in runs of one scope. */
  #lastScope: ScopeKey | undefined;
  #lastSlot = NO_SLOT;

  constructor({slabBytes = SLAB_BYTES, sweepEntries = SWEEP_ENTRIES, smallScopeRows = SMALL_ENTRIES_MAX}: HotOptions) {
    this.#slabs = new Slabs(slabBytes);
    this.#sweepEntries = sweepEntries;
    this.#scopes = new ScopeTable(smallScopeRows);
  }

  put({scope, key, row}: KeyedRow, nowMs: number): void {
    const scopes = this.#scopes;
    const found = this.#find(scope);
    const slot = found === NO_SLOT ? this.#addScope(scope) : found;
    const table = this.#tables.get(scope.incarnation)!;
    const seq = rowSeq(row);
    const position = scopes.seekFromEnd(slot, this.#slabs.list, key);
    const address = this.#slabs.append(slot, key, row);
    if (position >= 0) {
      this.#forget(slot, table, scopes.address(slot, position));
      scopes.replace(slot, position, address);
    } else {
      scopes.insert(slot, ~position, address);
    }
    this.#count(slot, table, seq, entryBytes(this.#slabs.list, address));
    scopes.noteWrite(slot, seq, nowMs);
    table.lastWriteMs = nowMs;
    this.#applied.note(seq, nowMs);
  }

  get(scope: ScopeKey, key: Uint8Array): RowBytes | undefined {
    const slot = this.#find(scope);
    if (slot === NO_SLOT) return undefined;
    const position = this.#scopes.seek(slot, this.#slabs.list, key);
    if (position < 0) return undefined;
    const row = entryRow(this.#slabs.list, this.#scopes.address(slot, position));
    return isRetired(this.#scopes.large(slot), row) ? undefined : row;
  }

  snapshot(scope: ScopeKey): HotSnapshot {
    const slot = this.#find(scope);
    return slot === NO_SLOT ? EMPTY : this.#freeze(slot);
  }

  capture(scope: ScopeKey, boundary: Seq): HotSnapshot {
    const slot = this.#find(scope);
    if (slot === NO_SLOT) return EMPTY;
    const large = this.#scopes.large(slot);
    if (large !== undefined) large.captured = {through: boundary, rowCount: 0, bytes: 0};
    return this.#freeze(slot);
  }

  retire(scope: ScopeKey, boundary: Seq): void {
    const slot = this.#find(scope);
    if (slot === NO_SLOT) return;
    const large = this.#scopes.large(slot);
    if (large === undefined) this.#retireSmall(slot, boundary);
    else this.#retireLarge(large, boundary);
    this.sweep();
  }

  get isSweepDue(): boolean {
    return this.#droppedTables.length + this.#goneSlots.length + this.#thinnedScopes.size > 0;
  }

  sweep(): boolean {
    for (let left = this.#sweepEntries; left > 0; ) {
      const gone = this.#nextGone();
      const [thinned] = this.#thinnedScopes;
      if (gone !== undefined) left -= this.#free(gone, left);
      else if (thinned !== undefined) left -= this.#thin(thinned, left);
      else return false;
    }
    return this.isSweepDue;
  }

  remove(scope: ScopeKey, key: Uint8Array): void {
    const slot = this.#findSwept(scope);
    if (slot === NO_SLOT) return;
    const position = this.#scopes.seek(slot, this.#slabs.list, key);
    if (position >= 0) this.#remove(slot, position);
  }

  trim(scope: ScopeKey, {through, rowsMax}: {through: Uint8Array; rowsMax: number}): number {
    const slot = this.#findSwept(scope);
    if (slot === NO_SLOT) return 0;
    const scopes = this.#scopes;
    const found = scopes.seek(slot, this.#slabs.list, through);
    const countThrough = found >= 0 ? scopes.rank(slot, found) + 1 : scopes.rank(slot, ~found);
    const count = Math.max(countThrough, scopes.rowCount(slot) - rowsMax);
    if (count <= 0) return 0;
    const table = this.#tableOf(slot);
    scopes.removeFirst(slot, count, address => this.#forget(slot, table, address));
    if (scopes.rowCount(slot) === 0) this.#removeScope(slot);
    return count;
  }

  has(scope: ScopeKey, range: KeyRange): boolean {
    const slot = this.#find(scope);
    if (slot === NO_SLOT) return false;
    let isFound = false;
    this.#freeze(slot).scan(range, false, _row => {
      isFound = true;
      return false;
    });
    return isFound;
  }

  drop(incarnation: Incarnation): void {
    const table = this.#tables.get(incarnation);
    if (table === undefined) return;
    this.#tables.delete(incarnation);
    this.#lastScope = undefined;
    this.#rowCount -= table.rowCount;
    this.#droppedTables.push(this.#index.drop(incarnation));
    this.sweep();
  }

  *scopes(incarnation: Incarnation): IterableIterator<HotScopeStats> {
    for (const slot of this.#index.of(incarnation)) yield this.#stats(slot);
  }

  *scopeKeys(incarnation: Incarnation): IterableIterator<ScopeKey> {
    for (const slot of this.#index.of(incarnation)) yield this.#index.scope(slot);
  }

  tableBytes(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.bytes ?? 0;
  }

  tableRows(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.rowCount ?? 0;
  }

  tableLastWriteMs(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.lastWriteMs ?? 0;
  }

  scopeStats(scope: ScopeKey): HotScopeStats | undefined {
    const slot = this.#find(scope);
    return slot === NO_SLOT ? undefined : this.#stats(slot);
  }

  bytes(): number {
    return this.#slabs.bytes + this.#scopes.blockBytes + this.#besideBytes();
  }

  evacuatedBytes(): number {
    return this.#slabs.evacuatedBytes + this.#index.size * SLOT_BYTES + this.#besideBytes();
  }

  #besideBytes(): number {
    return this.#index.size * NAME_BYTES + this.#scopes.largeBytes;
  }

  liveBytes(): number {
    return this.#slabs.liveBytes;
  }

  rowCount(): number {
    return this.#rowCount;
  }

  captureAll(isTaken: (incarnation: Incarnation) => boolean): Iterable<KeyedRow> {
    const named = this.#index.image(isTaken);
    const image = this.#scopes.image();
    const {list} = this.#slabs;
    return {
      *[Symbol.iterator]() {
        for (const {slot, scope} of named) {
          const {chunks, retiredThrough} = image.scope(slot);
          const rows = new FrozenScope(chunks, list, {rowCount: 0, bytes: 0, retiredThrough}).rows();
          for (const {key, row} of rows) yield {scope, key, row};
        }
      },
    };
  }

  evacuateOne(): boolean {
    // What waits to be swept is not worth moving.
    if (this.sweep()) return true;
    const number = this.#slabs.mostlyDead();
    if (number === undefined) return false;
    const scopes = this.#scopes;
    // The list is held while walking: the slab leaves the present one when its last live entry has moved.
    const {list} = this.#slabs;
    for (const {address, scopeSlot} of slabEntries(list, number)) {
      const key = entryKey(list, address);
      const position = scopes.seek(scopeSlot, this.#slabs.list, key);
      if (position < 0 || scopes.address(scopeSlot, position) !== address) continue;
      const moved = this.#slabs.append(scopeSlot, key, entryRow(list, address));
      scopes.replace(scopeSlot, position, moved);
      this.#slabs.release(address);
    }
    return true;
  }

  #find(scope: ScopeKey): number {
    if (scope === this.#lastScope) return this.#lastSlot;
    const slot = this.#index.find(scope);
    this.#lastScope = scope;
    this.#lastSlot = slot;
    return slot;
  }

  /** For those who change the index other than by a put, which a sweep half done could not follow. */
  #findSwept(scope: ScopeKey): number {
    const slot = this.#find(scope);
    const large = slot === NO_SLOT ? undefined : this.#scopes.large(slot);
    if (large?.retiredThrough !== undefined) this.#thin(large, Number.POSITIVE_INFINITY);
    return slot;
  }

  #tableOf(slot: number): TableRows {
    return this.#tables.get(this.#index.incarnation(slot))!;
  }

  #addScope(scope: ScopeKey): number {
    const {incarnation} = scope;
    if (!this.#tables.has(incarnation)) this.#tables.set(incarnation, {rowCount: 0, bytes: 0, lastWriteMs: 0});
    const slot = this.#index.add(scope);
    this.#scopes.add(slot);
    this.#lastScope = undefined;
    return slot;
  }

  #remove(slot: number, position: number): void {
    this.#forget(slot, this.#tableOf(slot), this.#scopes.address(slot, position));
    this.#scopes.remove(slot, position);
    if (this.#scopes.rowCount(slot) === 0) this.#removeScope(slot);
  }

  /** It has no entries. */
  #removeScope(slot: number): void {
    this.#forgetScope(slot);
    this.#freeSlot(slot);
  }

  /** Nobody finds the scope any more. Its slot is taken until its entries are freed. */
  #forgetScope(slot: number): void {
    const incarnation = this.#index.incarnation(slot);
    this.#lastScope = undefined;
    if (this.#index.hide(slot)) this.#tables.delete(incarnation);
  }

  #freeSlot(slot: number): void {
    this.#scopes.free(slot);
    this.#index.free(slot);
  }

  /** So few are freed at once. */
  #retireSmall(slot: number, boundary: Seq): void {
    const {list} = this.#slabs;
    for (const {addresses, count} of this.#scopes.chunks(slot)) {
      for (let i = count - 1; i >= 0; i--) {
        if (rowSeq(entryRow(list, addresses[i]!)) <= boundary) this.#remove(slot, i);
      }
    }
  }

  #retireLarge(large: LargeScope, boundary: Seq): void {
    if (large.retiredThrough !== undefined && boundary <= large.retiredThrough) return;
    const {slot} = large;
    const table = this.#tableOf(slot);
    const left = large.captured?.through === boundary ? large.captured : this.#countAfter(slot, boundary);
    const rowCount = left.rowCount - this.#scopes.rowCount(slot);
    table.rowCount += rowCount;
    table.bytes += left.bytes - this.#scopes.bytes(slot);
    this.#rowCount += rowCount;
    this.#scopes.setCounts(slot, left);
    this.#scopes.setMinSeq(slot, UNKNOWN_SEQ);
    large.captured = undefined;
    if (left.rowCount === 0) {
      this.#thinnedScopes.delete(large);
      this.#forgetScope(slot);
      this.#goneSlots.push(slot);
    } else {
      large.retiredThrough = boundary;
      large.sweptChunks = 0;
      this.#thinnedScopes.add(large);
    }
  }

  #nextGone(): number | undefined {
    while (this.#goneSlots.length === 0 && this.#droppedTables.length > 0) {
      const {value: slot} = this.#droppedTables[0]!.next();
      if (slot === undefined) {
        this.#droppedTables.shift();
        continue;
      }
      const large = this.#scopes.large(slot);
      if (large !== undefined) this.#thinnedScopes.delete(large);
      this.#goneSlots.push(slot);
    }
    return this.#goneSlots.at(-1);
  }

  /** Frees entries of the last of the gone scopes, at most so many. Returns what that cost. */
  #free(slot: number, entriesMax: number): number {
    let count = 0;
    const isLeft = this.#scopes.removeFirst(slot, entriesMax, address => {
      this.#slabs.release(address);
      count++;
    });
    if (isLeft) return count;
    this.#goneSlots.pop();
    this.#freeSlot(slot);
    return count + SCOPE_ENTRIES;
  }

  /** Takes retired entries out of the index, a few chunks further. Chunks that puts add meanwhile are looked at twice, never passed over. */
  #thin(large: LargeScope, entriesMax: number): number {
    let count = 0;
    const chunks = {from: large.sweptChunks, count: Math.max(1, Math.floor(entriesMax / CHUNK_ENTRIES_MAX))};
    const isKept = (address: number) => {
      count++;
      if (!isRetired(large, entryRow(this.#slabs.list, address))) return true;
      this.#slabs.release(address);
      return false;
    };
    large.sweptChunks += this.#scopes.filter(large, chunks, isKept);
    if (large.sweptChunks >= large.index.chunks.length) {
      large.retiredThrough = undefined;
      this.#thinnedScopes.delete(large);
    }
    return count;
  }

  /** One row more of so many bytes, or one less if they are negative. */
  #count(slot: number, table: TableRows, seq: Seq, bytes: number): void {
    const change = Math.sign(bytes);
    this.#scopes.count(slot, change, bytes);
    table.bytes += bytes;
    table.rowCount += change;
    this.#rowCount += change;
    const captured = this.#scopes.large(slot)?.captured;
    if (captured === undefined || seq <= captured.through) return;
    captured.rowCount += change;
    captured.bytes += bytes;
  }

  #countAfter(slot: number, boundary: Seq): {rowCount: number; bytes: number} {
    const {list} = this.#slabs;
    const found = {rowCount: 0, bytes: 0};
    for (const {addresses, count} of this.#scopes.chunks(slot)) {
      for (let i = 0; i < count; i++) {
        if (rowSeq(entryRow(list, addresses[i]!)) <= boundary) continue;
        found.rowCount++;
        found.bytes += entryBytes(list, addresses[i]!);
      }
    }
    return found;
  }

  /** The version at the address is no longer the newest one of its key. The caller takes it out of the index. */
  #forget(slot: number, table: TableRows, address: number): void {
    const {list} = this.#slabs;
    const row = entryRow(list, address);
    if (!isRetired(this.#scopes.large(slot), row)) {
      const seq = rowSeq(row);
      if (seq === this.#scopes.minSeq(slot)) this.#scopes.setMinSeq(slot, UNKNOWN_SEQ);
      this.#count(slot, table, seq, -entryBytes(list, address));
    }
    this.#slabs.release(address);
  }

  #freeze(slot: number): HotSnapshot {
    const scopes = this.#scopes;
    return new FrozenScope(scopes.freeze(slot), this.#slabs.list, {
      rowCount: scopes.rowCount(slot),
      bytes: scopes.bytes(slot),
      retiredThrough: scopes.large(slot)?.retiredThrough,
    });
  }

  #stats(slot: number): HotScopeStats {
    const scopes = this.#scopes;
    if (scopes.minSeq(slot) === UNKNOWN_SEQ) scopes.setMinSeq(slot, this.#lowestSeq(slot));
    const minSeq = scopes.minSeq(slot);
    return {
      scope: this.#index.scope(slot),
      rowCount: scopes.rowCount(slot),
      bytes: scopes.bytes(slot),
      minSeq,
      oldestMs: this.#applied.at(minSeq),
      lastWriteMs: scopes.lastWriteMs(slot),
    };
  }

  #lowestSeq(slot: number): Seq {
    const {list} = this.#slabs;
    const retiredThrough = this.#scopes.large(slot)?.retiredThrough ?? 0n;
    let lowest: Seq | undefined;
    for (const {addresses, count} of this.#scopes.chunks(slot)) {
      for (let i = 0; i < count; i++) {
        const seq = rowSeq(entryRow(list, addresses[i]!));
        if (seq > retiredThrough && (lowest === undefined || seq < lowest)) lowest = seq;
      }
    }
    return lowest ?? UNKNOWN_SEQ;
  }
}

function isRetired(large: LargeScope | undefined, row: RowBytes): boolean {
  return large?.retiredThrough !== undefined && rowSeq(row) <= large.retiredThrough;
}

const EMPTY: HotSnapshot = new FrozenScope([], [], {rowCount: 0, bytes: 0, retiredThrough: undefined});

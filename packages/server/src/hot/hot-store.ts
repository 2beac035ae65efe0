/**
 * Hot store: the hot tier of `hot.ts`, made of slabs and one key index per scope.
 *
 *     incarnation → owner → scope rows ─ key index ─ addresses → slabs
 *
 * Each entry in a slab names the slot of its scope, so that a slab can be emptied by walking it: an entry is live exactly if the index of
 * its scope still holds its address. When rows were applied is kept as one list of (seq, clock) marks for all scopes.
 */
import type {Incarnation, Owner, ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {rowSeq} from '../model/row-codec.ts';
import {AppliedTimes} from './applied-times.ts';
import type {Hot, HotScopeStats, HotSnapshot, KeyedRow, KeyRange} from './hot.ts';
import {FrozenScope} from './hot-snapshot.ts';
import {KeyIndex, seek} from './key-index.ts';
import {entryBytes, entryKey, entryRow, SLAB_BYTES, Slabs, slabEntries} from './slab.ts';

/** Objects and map entries of one scope, beside its address arrays. */
const SCOPE_BYTES = 600;

interface TableRows {
  readonly owners: Map<Owner, ScopeRows>;
  rowCount: number;
  bytes: number;
}

interface ScopeRows {
  readonly scope: ScopeKey;
  readonly table: TableRows;
  readonly slot: number;
  readonly index: KeyIndex;
  rowCount: number;
  bytes: number;
  /** Undefined when the row that had the lowest seq went away: it is looked for again when asked. */
  minSeq: Seq | undefined;
  lastWriteMs: number;
}

export function createHot({slabBytes = SLAB_BYTES}: {slabBytes?: number} = {}): Hot {
  return new HotStore(slabBytes);
}

class HotStore implements Hot {
  readonly #slabs: Slabs;
  readonly #tables = new Map<Incarnation, TableRows>();
  /** By slot; a free slot is undefined and listed in `#freeSlots`. */
  readonly #slots: (ScopeRows | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #applied = new AppliedTimes();
  #rowCount = 0;
  #indexBytes = 0;

  constructor(slabBytes: number) {
    this.#slabs = new Slabs(slabBytes);
  }

  put({scope, key, row}: KeyedRow, nowMs: number): void {
    const rows = this.#find(scope) ?? this.#addScope(scope);
    const {index} = rows;
    const seq = rowSeq(row);
    const position = seek(index.chunks, this.#slabs.list, key);
    const address = this.#slabs.append(rows.slot, key, row);
    if (position >= 0) {
      this.#forget(rows, index.address(position));
      index.replace(position, address);
    } else {
      const before = index.bytes;
      index.insert(~position, address);
      this.#indexBytes += index.bytes - before;
    }
    const bytes = entryBytes(this.#slabs.list, address);
    rows.bytes += bytes;
    rows.table.bytes += bytes;
    rows.rowCount++;
    rows.table.rowCount++;
    this.#rowCount++;
    if (rows.rowCount === 1 || (rows.minSeq !== undefined && seq < rows.minSeq)) rows.minSeq = seq;
    rows.lastWriteMs = nowMs;
    this.#applied.note(seq, nowMs);
  }

  get(scope: ScopeKey, key: Uint8Array): RowBytes | undefined {
    const rows = this.#find(scope);
    if (rows === undefined) return undefined;
    const position = seek(rows.index.chunks, this.#slabs.list, key);
    return position < 0 ? undefined : entryRow(this.#slabs.list, rows.index.address(position));
  }

  snapshot(scope: ScopeKey): HotSnapshot {
    const rows = this.#find(scope);
    return rows === undefined ? EMPTY : this.#freeze(rows);
  }

  retire(scope: ScopeKey, boundary: Seq): void {
    const rows = this.#find(scope);
    if (rows === undefined) return;
    const before = rows.index.bytes;
    let minSeq: Seq | undefined;
    rows.index.filter(address => {
      const seq = rowSeq(entryRow(this.#slabs.list, address));
      if (seq > boundary) {
        if (minSeq === undefined || seq < minSeq) minSeq = seq;
        return true;
      }
      this.#forget(rows, address);
      return false;
    });
    this.#indexBytes += rows.index.bytes - before;
    rows.minSeq = minSeq;
    if (rows.rowCount === 0) this.#removeScope(rows);
  }

  remove(scope: ScopeKey, key: Uint8Array): void {
    const rows = this.#find(scope);
    if (rows === undefined) return;
    const {index} = rows;
    const position = seek(index.chunks, this.#slabs.list, key);
    if (position < 0) return;
    this.#forget(rows, index.address(position));
    const before = index.bytes;
    index.remove(position);
    this.#indexBytes += index.bytes - before;
    if (rows.rowCount === 0) this.#removeScope(rows);
  }

  trim(scope: ScopeKey, {through, rowsMax}: {through: Uint8Array; rowsMax: number}): number {
    const rows = this.#find(scope);
    if (rows === undefined) return 0;
    const {index} = rows;
    const found = seek(index.chunks, this.#slabs.list, through);
    const countThrough = found >= 0 ? index.rank(found) + 1 : index.rank(~found);
    const count = Math.max(countThrough, rows.rowCount - rowsMax);
    if (count <= 0) return 0;
    const before = index.bytes;
    index.removeFirst(count, address => this.#forget(rows, address));
    this.#indexBytes += index.bytes - before;
    if (rows.rowCount === 0) this.#removeScope(rows);
    return count;
  }

  has(scope: ScopeKey, range: KeyRange): boolean {
    const rows = this.#find(scope);
    if (rows === undefined) return false;
    let isFound = false;
    this.#freeze(rows).scan(range, false, _row => {
      isFound = true;
      return false;
    });
    return isFound;
  }

  drop(incarnation: Incarnation): void {
    for (const rows of this.#tables.get(incarnation)?.owners.values() ?? []) {
      for (const {addresses, count} of rows.index.chunks) {
        for (let i = 0; i < count; i++) this.#slabs.release(addresses[i]!);
      }
      this.#rowCount -= rows.rowCount;
      this.#removeScope(rows);
    }
  }

  *scopes(incarnation: Incarnation): IterableIterator<HotScopeStats> {
    for (const rows of this.#tables.get(incarnation)?.owners.values() ?? []) yield this.#stats(rows);
  }

  *scopeKeys(incarnation: Incarnation): IterableIterator<ScopeKey> {
    for (const rows of this.#tables.get(incarnation)?.owners.values() ?? []) yield rows.scope;
  }

  tableBytes(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.bytes ?? 0;
  }

  tableRows(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.rowCount ?? 0;
  }

  scopeStats(scope: ScopeKey): HotScopeStats | undefined {
    const rows = this.#find(scope);
    return rows === undefined ? undefined : this.#stats(rows);
  }

  bytes(): number {
    return this.#slabs.bytes + this.#scopeBytes();
  }

  evacuatedBytes(): number {
    return this.#slabs.evacuatedBytes + this.#scopeBytes();
  }

  #scopeBytes(): number {
    return this.#indexBytes + (this.#slots.length - this.#freeSlots.length) * SCOPE_BYTES;
  }

  liveBytes(): number {
    return this.#slabs.liveBytes;
  }

  rowCount(): number {
    return this.#rowCount;
  }

  captureAll(isTaken: (incarnation: Incarnation) => boolean): Iterable<KeyedRow> {
    const captured: {scope: ScopeKey; snapshot: HotSnapshot}[] = [];
    for (const rows of this.#slots) {
      if (rows !== undefined && isTaken(rows.scope.incarnation))
        captured.push({scope: rows.scope, snapshot: this.#freeze(rows)});
    }
    return {
      *[Symbol.iterator]() {
        for (const {scope, snapshot} of captured) {
          for (const {key, row} of snapshot.rows()) yield {scope, key, row};
        }
      },
    };
  }

  evacuateOne(): boolean {
    const number = this.#slabs.mostlyDead();
    if (number === undefined) return false;
    // The list is held while walking: the slab leaves the present one when its last live entry has moved.
    const {list} = this.#slabs;
    for (const {address, scopeSlot} of slabEntries(list, number)) {
      const rows = this.#slots[scopeSlot];
      if (rows === undefined) continue;
      const key = entryKey(list, address);
      const position = seek(rows.index.chunks, this.#slabs.list, key);
      if (position < 0 || rows.index.address(position) !== address) continue;
      const moved = this.#slabs.append(scopeSlot, key, entryRow(list, address));
      rows.index.replace(position, moved);
      this.#slabs.release(address);
    }
    return true;
  }

  #find(scope: ScopeKey): ScopeRows | undefined {
    return this.#tables.get(scope.incarnation)?.owners.get(scope.owner);
  }

  #addScope({incarnation, owner}: ScopeKey): ScopeRows {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    let table = this.#tables.get(incarnation);
    if (table === undefined) {
      table = {owners: new Map(), rowCount: 0, bytes: 0};
      this.#tables.set(incarnation, table);
    }
    const rows: ScopeRows = {
      scope: {incarnation, owner},
      table,
      slot,
      index: new KeyIndex(),
      rowCount: 0,
      bytes: 0,
      minSeq: undefined,
      lastWriteMs: 0,
    };
    this.#slots[slot] = rows;
    table.owners.set(owner, rows);
    return rows;
  }

  #removeScope(rows: ScopeRows): void {
    const {incarnation, owner} = rows.scope;
    this.#indexBytes -= rows.index.bytes;
    this.#slots[rows.slot] = undefined;
    this.#freeSlots.push(rows.slot);
    rows.table.owners.delete(owner);
    if (rows.table.owners.size === 0) this.#tables.delete(incarnation);
  }

  /** The version at the address is no longer the newest one of its key. The caller takes it out of the index. */
  #forget(rows: ScopeRows, address: number): void {
    const {list} = this.#slabs;
    if (rows.minSeq !== undefined && rowSeq(entryRow(list, address)) === rows.minSeq) rows.minSeq = undefined;
    const bytes = entryBytes(list, address);
    rows.bytes -= bytes;
    rows.table.bytes -= bytes;
    rows.rowCount--;
    rows.table.rowCount--;
    this.#rowCount--;
    this.#slabs.release(address);
  }

  #freeze(rows: ScopeRows): HotSnapshot {
    return new FrozenScope(rows.index.freeze(), this.#slabs.list, rows.rowCount, rows.bytes);
  }

  #stats(rows: ScopeRows): HotScopeStats {
    rows.minSeq ??= this.#lowestSeq(rows.index);
    const {scope, rowCount, bytes, minSeq, lastWriteMs} = rows;
    return {scope, rowCount, bytes, minSeq, oldestMs: this.#applied.at(minSeq), lastWriteMs};
  }

  #lowestSeq(index: KeyIndex): Seq {
    const {list} = this.#slabs;
    let lowest: Seq | undefined;
    for (const {addresses, count} of index.chunks) {
      for (let i = 0; i < count; i++) {
        const seq = rowSeq(entryRow(list, addresses[i]!));
        if (lowest === undefined || seq < lowest) lowest = seq;
      }
    }
    return lowest ?? 0n;
  }
}

const EMPTY: HotSnapshot = new FrozenScope([], [], 0, 0);

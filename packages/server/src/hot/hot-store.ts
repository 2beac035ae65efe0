/**
 * Hot store: the hot tier of `hot.ts`, made of slabs and one key index per scope.
 *
 *     incarnation → owner → scope rows ─ key index ─ addresses → slabs
 *
 * Each entry in a slab names the slot of its scope, so that a slab can be emptied by walking it: an entry is live exactly if the index of
 * its scope still holds its address. When rows were applied is kept as one list of (seq, clock) marks for all scopes.
 *
 * What a flush or a drop takes away leaves the answers at once and its memory later: a scope none of whose rows are left, or a table, leaves the maps;
 * of a scope with later rows those up to `retiredThrough` are passed over by everybody until they are swept.
 */
import type {Incarnation, Owner, ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {rowSeq} from '../model/row-codec.ts';
import {AppliedTimes} from './applied-times.ts';
import type {Hot, HotScopeStats, HotSnapshot, KeyedRow, KeyRange} from './hot.ts';
import {FrozenScope} from './hot-snapshot.ts';
import {CHUNK_ENTRIES_MAX, KeyIndex, seek} from './key-index.ts';
import {entryBytes, entryKey, entryRow, SLAB_BYTES, Slabs, slabEntries} from './slab.ts';

/** Objects and map entries of one scope, beside its address arrays. */
const SCOPE_BYTES = 600;
/** Entries freed in one turn; a chunk of an index is swept whole. */
const SWEEP_ENTRIES = 16 * CHUNK_ENTRIES_MAX;
/** Freeing a scope costs as much as so many entries. */
const SCOPE_ENTRIES = 8;

interface TableRows {
  readonly owners: Map<Owner, ScopeRows>;
  rowCount: number;
  bytes: number;
  lastWriteMs: number;
  isDropped: boolean;
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
  /** The boundary of the newest flush, and what came after it. */
  captured: {readonly through: Seq; rowCount: number; bytes: number} | undefined;
  /** Entries up to this seq are no rows any more; undefined when all are swept. */
  retiredThrough: Seq | undefined;
  sweptChunks: number;
}

export function createHot({
  slabBytes = SLAB_BYTES,
  sweepEntries = SWEEP_ENTRIES,
}: {
  slabBytes?: number;
  sweepEntries?: number;
} = {}): Hot {
  return new HotStore(slabBytes, sweepEntries);
}

class HotStore implements Hot {
  readonly #slabs: Slabs;
  readonly #sweepEntries: number;
  readonly #tables = new Map<Incarnation, TableRows>();
  /** By slot; a free slot is undefined and listed in `#freeSlots`. */
  readonly #slots: (ScopeRows | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #applied = new AppliedTimes();
  /** What is to be swept: tables, scopes that nobody finds any more, and scopes with rows. */
  readonly #droppedTables: Iterator<ScopeRows>[] = [];
  readonly #goneScopes: ScopeRows[] = [];
  readonly #thinnedScopes = new Set<ScopeRows>();
  #rowCount = 0;
  #indexBytes = 0;
  /** What was looked for last: rows come in runs of one scope, and texts of owners out of a log are hashed anew each time. */
  #lastScope: ScopeKey | undefined;
  #lastRows: ScopeRows | undefined;

  constructor(slabBytes: number, sweepEntries: number) {
    this.#slabs = new Slabs(slabBytes);
    this.#sweepEntries = sweepEntries;
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
    this.#count(rows, seq, entryBytes(this.#slabs.list, address));
    if (rows.rowCount === 1 || (rows.minSeq !== undefined && seq < rows.minSeq)) rows.minSeq = seq;
    rows.lastWriteMs = nowMs;
    rows.table.lastWriteMs = nowMs;
    this.#applied.note(seq, nowMs);
  }

  get(scope: ScopeKey, key: Uint8Array): RowBytes | undefined {
    const rows = this.#find(scope);
    if (rows === undefined) return undefined;
    const position = seek(rows.index.chunks, this.#slabs.list, key);
    if (position < 0) return undefined;
    const row = entryRow(this.#slabs.list, rows.index.address(position));
    return isRetired(rows, row) ? undefined : row;
  }

  snapshot(scope: ScopeKey): HotSnapshot {
    const rows = this.#find(scope);
    return rows === undefined ? EMPTY : this.#freeze(rows);
  }

  capture(scope: ScopeKey, boundary: Seq): HotSnapshot {
    const rows = this.#find(scope);
    if (rows === undefined) return EMPTY;
    rows.captured = {through: boundary, rowCount: 0, bytes: 0};
    return this.#freeze(rows);
  }

  retire(scope: ScopeKey, boundary: Seq): void {
    const rows = this.#find(scope);
    if (rows === undefined || (rows.retiredThrough !== undefined && boundary <= rows.retiredThrough)) return;
    const left = rows.captured?.through === boundary ? rows.captured : this.#countAfter(rows, boundary);
    rows.table.rowCount += left.rowCount - rows.rowCount;
    rows.table.bytes += left.bytes - rows.bytes;
    this.#rowCount += left.rowCount - rows.rowCount;
    rows.rowCount = left.rowCount;
    rows.bytes = left.bytes;
    rows.captured = undefined;
    rows.minSeq = undefined;
    if (rows.rowCount === 0) {
      this.#thinnedScopes.delete(rows);
      this.#forgetScope(rows);
      this.#goneScopes.push(rows);
    } else {
      rows.retiredThrough = boundary;
      rows.sweptChunks = 0;
      this.#thinnedScopes.add(rows);
    }
    this.sweep();
  }

  get isSweepDue(): boolean {
    return this.#droppedTables.length + this.#goneScopes.length + this.#thinnedScopes.size > 0;
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
    const rows = this.#findSwept(scope);
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
    const rows = this.#findSwept(scope);
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
    const table = this.#tables.get(incarnation);
    if (table === undefined) return;
    this.#tables.delete(incarnation);
    table.isDropped = true;
    this.#lastScope = undefined;
    this.#rowCount -= table.rowCount;
    this.#droppedTables.push(table.owners.values());
    this.sweep();
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

  tableLastWriteMs(incarnation: Incarnation): number {
    return this.#tables.get(incarnation)?.lastWriteMs ?? 0;
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
      if (rows !== undefined && !rows.table.isDropped && isTaken(rows.scope.incarnation))
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
    // What waits to be swept is not worth moving.
    if (this.sweep()) return true;
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
    if (scope === this.#lastScope) return this.#lastRows;
    const rows = this.#tables.get(scope.incarnation)?.owners.get(scope.owner);
    this.#lastScope = scope;
    this.#lastRows = rows;
    return rows;
  }

  /** For those who change the index other than by a put, which a sweep half done could not follow. */
  #findSwept(scope: ScopeKey): ScopeRows | undefined {
    const rows = this.#find(scope);
    if (rows?.retiredThrough !== undefined) this.#thin(rows, Number.POSITIVE_INFINITY);
    return rows;
  }

  #addScope({incarnation, owner}: ScopeKey): ScopeRows {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    let table = this.#tables.get(incarnation);
    if (table === undefined) {
      table = {owners: new Map(), rowCount: 0, bytes: 0, lastWriteMs: 0, isDropped: false};
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
      captured: undefined,
      retiredThrough: undefined,
      sweptChunks: 0,
    };
    this.#slots[slot] = rows;
    table.owners.set(owner, rows);
    this.#lastScope = undefined;
    return rows;
  }

  #removeScope(rows: ScopeRows): void {
    this.#forgetScope(rows);
    this.#indexBytes -= rows.index.bytes;
    this.#freeSlots.push(rows.slot);
  }

  /** Nobody finds the scope any more. Its slot is taken until no slab names it. */
  #forgetScope(rows: ScopeRows): void {
    const {incarnation, owner} = rows.scope;
    this.#slots[rows.slot] = undefined;
    this.#lastScope = undefined;
    rows.table.owners.delete(owner);
    if (rows.table.owners.size === 0) this.#tables.delete(incarnation);
  }

  #nextGone(): ScopeRows | undefined {
    while (this.#goneScopes.length === 0 && this.#droppedTables.length > 0) {
      const next = this.#droppedTables[0]!.next();
      if (next.done) {
        this.#droppedTables.shift();
        continue;
      }
      this.#slots[next.value.slot] = undefined;
      this.#thinnedScopes.delete(next.value);
      this.#goneScopes.push(next.value);
    }
    return this.#goneScopes.at(-1);
  }

  /** Frees entries of the last of the gone scopes, at most so many. Returns what that cost. */
  #free({index, slot}: ScopeRows, entriesMax: number): number {
    const before = index.bytes;
    let count = 0;
    index.removeFirst(entriesMax, address => {
      this.#slabs.release(address);
      count++;
    });
    this.#indexBytes += index.bytes - before;
    if (index.chunks.length > 0) return count;
    this.#goneScopes.pop();
    this.#freeSlots.push(slot);
    return count + SCOPE_ENTRIES;
  }

  /** Takes retired entries out of the index, a few chunks further. Chunks that puts add meanwhile are looked at twice, never passed over. */
  #thin(rows: ScopeRows, entriesMax: number): number {
    const {index} = rows;
    const before = index.bytes;
    let count = 0;
    const chunks = {from: rows.sweptChunks, count: Math.max(1, Math.floor(entriesMax / CHUNK_ENTRIES_MAX))};
    rows.sweptChunks += index.filter(chunks, address => {
      count++;
      const isKept = !isRetired(rows, entryRow(this.#slabs.list, address));
      if (!isKept) this.#slabs.release(address);
      return isKept;
    });
    this.#indexBytes += index.bytes - before;
    if (rows.sweptChunks >= index.chunks.length) {
      rows.retiredThrough = undefined;
      this.#thinnedScopes.delete(rows);
    }
    return count;
  }

  /** One row more of so many bytes, or one less if they are negative. */
  #count(rows: ScopeRows, seq: Seq, bytes: number): void {
    const change = Math.sign(bytes);
    rows.bytes += bytes;
    rows.table.bytes += bytes;
    rows.rowCount += change;
    rows.table.rowCount += change;
    this.#rowCount += change;
    const {captured} = rows;
    if (captured === undefined || seq <= captured.through) return;
    captured.rowCount += change;
    captured.bytes += bytes;
  }

  #countAfter({index}: ScopeRows, boundary: Seq): {rowCount: number; bytes: number} {
    const {list} = this.#slabs;
    const found = {rowCount: 0, bytes: 0};
    for (const {addresses, count} of index.chunks) {
      for (let i = 0; i < count; i++) {
        if (rowSeq(entryRow(list, addresses[i]!)) <= boundary) continue;
        found.rowCount++;
        found.bytes += entryBytes(list, addresses[i]!);
      }
    }
    return found;
  }

  /** The version at the address is no longer the newest one of its key. The caller takes it out of the index. */
  #forget(rows: ScopeRows, address: number): void {
    const {list} = this.#slabs;
    const row = entryRow(list, address);
    if (!isRetired(rows, row)) {
      const seq = rowSeq(row);
      if (seq === rows.minSeq) rows.minSeq = undefined;
      this.#count(rows, seq, -entryBytes(list, address));
    }
    this.#slabs.release(address);
  }

  #freeze(rows: ScopeRows): HotSnapshot {
    return new FrozenScope(rows.index.freeze(), this.#slabs.list, rows);
  }

  #stats(rows: ScopeRows): HotScopeStats {
    rows.minSeq ??= this.#lowestSeq(rows);
    const {scope, rowCount, bytes, minSeq, lastWriteMs} = rows;
    return {scope, rowCount, bytes, minSeq, oldestMs: this.#applied.at(minSeq), lastWriteMs};
  }

  #lowestSeq({index, retiredThrough = 0n}: ScopeRows): Seq {
    const {list} = this.#slabs;
    let lowest: Seq | undefined;
    for (const {addresses, count} of index.chunks) {
      for (let i = 0; i < count; i++) {
        const seq = rowSeq(entryRow(list, addresses[i]!));
        if (seq > retiredThrough && (lowest === undefined || seq < lowest)) lowest = seq;
      }
    }
    return lowest ?? 0n;
  }
}

function isRetired({retiredThrough}: ScopeRows, row: RowBytes): boolean {
  return retiredThrough !== undefined && rowSeq(row) <= retiredThrough;
}

const EMPTY: HotSnapshot = new FrozenScope([], [], {rowCount: 0, bytes: 0, retiredThrough: undefined});

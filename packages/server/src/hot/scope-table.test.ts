import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Chunk} from './key-index.ts';
import {ScopeTable, SMALL_ENTRIES_MAX, type TableImage} from './scope-table.ts';

function shown(chunks: readonly Chunk[]): number[] {
  return chunks.flatMap(({addresses, count}) => addresses.slice(0, count));
}

function imageOf(image: TableImage, slots: readonly number[]): string[] {
  return slots.map(slot => `${slot}: ${shown(image.scope(slot).chunks)}`);
}

/** Slots from 0 on, with none, some or many entries each. */
function filled(count: number): {table: ScopeTable; slots: number[]} {
  const table = new ScopeTable();
  const slots = Array.from({length: count}, (_, slot) => slot);
  for (const slot of slots) {
    table.add(slot);
    for (let i = 0; i < slot % (2 * SMALL_ENTRIES_MAX); i++) table.insert(slot, i, slot + i);
  }
  return {table, slots};
}

function freed(table: ScopeTable, slot: number): void {
  table.removeFirst(slot, Number.POSITIVE_INFINITY, () => {});
  table.free(slot);
}

test('an image never changes, whatever becomes of the scopes after it', () => {
  const {table, slots} = filled(5000);
  const image = table.image();
  const before = imageOf(image, slots);
  for (const slot of slots) {
    if (slot % 3 === 0) table.insert(slot, 0, 7);
    else if (slot % 3 === 1) freed(table, slot);
    else if (slot % (2 * SMALL_ENTRIES_MAX) > 0) table.replace(slot, 0, 9);
  }
  for (const slot of slots) {
    if (slot % 3 !== 1) continue;
    table.add(slot);
    table.insert(slot, 0, 1);
  }
  assert.deepEqual(imageOf(image, slots), before);
  assert.notDeepEqual(imageOf(table.image(), slots), before);
});

test('what is frozen never changes, of a small scope and of a large one', () => {
  const {table} = filled(2 * SMALL_ENTRIES_MAX);
  const [small, large] = [3, 2 * SMALL_ENTRIES_MAX - 1];
  assert.equal(table.large(small), undefined);
  assert.notEqual(table.large(large), undefined);
  for (const slot of [small, large]) {
    const frozen = table.freeze(slot);
    const before = shown(frozen);
    table.replace(slot, 1, 100);
    table.remove(slot, 0);
    assert.deepEqual(shown(frozen), before);
    assert.deepEqual(shown(table.chunks(slot)), [100, ...before.slice(2)]);
  }
});

test('a slot that was freed starts anew, and takes nothing meanwhile', () => {
  const {table} = filled(1);
  for (let i = 0; i <= SMALL_ENTRIES_MAX; i++) table.insert(0, i, i);
  table.count(0, SMALL_ENTRIES_MAX + 1, 1000);
  table.noteWrite(0, 5n, 77);
  assert.ok(table.largeBytes > 0);
  freed(table, 0);
  assert.equal(table.largeBytes, 0);
  table.add(0);
  const state = [table.rowCount(0), table.bytes(0), table.minSeq(0), table.lastWriteMs(0)];
  assert.deepEqual(state, [0, 0, 0n, 0]);
  assert.deepEqual(table.chunks(0), []);
});

test('blocks without scopes take no memory, and are filled again', () => {
  const {table, slots} = filled(20_000);
  const full = table.blockBytes;
  const image = table.image();
  const before = imageOf(image, slots);
  for (const slot of slots) freed(table, slot);
  assert.equal(table.blockBytes, 0);
  for (const slot of slots) {
    table.add(slot);
    assert.deepEqual(table.chunks(slot), []);
    table.insert(slot, 0, slot);
  }
  assert.equal(table.blockBytes, full);
  assert.deepEqual(imageOf(image, slots), before);
});

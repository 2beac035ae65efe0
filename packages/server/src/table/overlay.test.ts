import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {HotSnapshot} from '../hot/hot.ts';
import {createHot} from '../hot/hot-store.ts';
import {encodeKey} from '../model/key-codec.ts';
import {encodeRow, RowView, setRowSeq} from '../model/row-codec.ts';
import {testColumn, testSchema} from '../model/test-schema.ts';
import {seededRandom} from '../std/sim-clock.ts';
import {overlay} from './overlay.ts';

const INT = {name: 'int'} as const;
const SCHEMA = testSchema([testColumn(1, 'id', INT), testColumn(2, 'v', INT)]);
const SCOPE = {incarnation: SCHEMA.incarnation, owner: null};
/** Blocks of a walk are shorter. */
const KEYS = 1500;

const keyOf = (id: number) => encodeKey(INT, id);

function snapshotOf(rows: ReadonlyMap<number, number>): HotSnapshot {
  const hot = createHot();
  let seq = 0n;
  for (const [id, v] of rows) {
    const row = encodeRow(SCHEMA, [id, v], 0);
    setRowSeq(row, 0, ++seq);
    hot.put({scope: SCOPE, key: keyOf(id), row: {buffer: row, offset: 0, length: row.length}}, 0);
  }
  return hot.snapshot(SCOPE);
}

function someRows(random: () => number, part: number, v: number): Map<number, number> {
  return new Map(Array.from({length: KEYS}, (_, id) => [id, v] as const).filter(() => random() < part));
}

test('rows over rows are read like a map over a map: by key, in ranges, in both directions, from a stop', () => {
  const view = new RowView(SCHEMA, () => SCHEMA);
  for (const [seed, lower, upper] of [
    [1, 0.5, 0.5],
    [2, 1, 0.01],
    [3, 0.01, 1],
    [4, 0, 0.5],
    [5, 0.5, 0],
    [6, 1, 1],
  ] as const) {
    const random = seededRandom(seed);
    const [base, own] = [someRows(random, lower, 1), someRows(random, upper, 2)];
    const seen = overlay(snapshotOf(base), snapshotOf(own));
    const expected = [...new Map([...base, ...own])].sort(([a], [b]) => a - b);
    const idOf = (row: Parameters<RowView['at']>[0]) => view.at(row).value(0) as number;
    for (let id = 0; id < KEYS; id += 7) {
      const row = seen.get(keyOf(id));
      assert.equal(row && view.at(row).value(1), own.get(id) ?? base.get(id));
    }
    for (let n = 0; n < 20; n++) {
      const [a, b] = [Math.floor(random() * KEYS), Math.floor(random() * KEYS)];
      const range = n === 0 ? {} : {from: keyOf(Math.min(a, b)), to: keyOf(Math.max(a, b))};
      const within = n === 0 ? expected : expected.filter(([id]) => id >= Math.min(a, b) && id <= Math.max(a, b));
      const listed = [...seen.rows(range)].map(({row}) => [idOf(row), view.at(row).value(1)]);
      assert.deepEqual(listed, within);
      for (const reverse of [false, true]) {
        const wanted = reverse ? within.toReversed() : within;
        const few = 1 + Math.floor(random() * 30);
        const found: number[] = [];
        const stop = seen.scan(range, reverse, row => found.push(idOf(row)) < few);
        assert.deepEqual(
          found,
          wanted.slice(0, few).map(([id]) => id),
        );
        assert.equal(stop !== undefined, wanted.length >= few, 'it says where it was stopped');
        if (stop !== undefined) assert.deepEqual([...stop], [...keyOf(found.at(-1)!)]);
      }
    }
    assert.ok(seen.rowCount >= expected.length);
  }
});

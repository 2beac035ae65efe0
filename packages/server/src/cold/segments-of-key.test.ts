import assert from 'node:assert/strict';
import {test} from 'node:test';
import {encodeKey} from '../model/key-codec.ts';
import type {Manifest} from './manifest.ts';
import {applyDelta, emptyManifest} from './manifest-delta.ts';
import type {Segment} from './segment.ts';
import {SCOPE, sampleSegment, seededRandom} from './test-rows.ts';

const key = (value: number) => encodeKey({name: 'int'}, value);

/** Of segments with these first and last keys, published a few at a time, some before and some after others went. */
function manifestOf(bounds: readonly (readonly [number, number])[], atOnce: number): Manifest {
  let manifest = emptyManifest(SCOPE);
  const publish = (change: {add?: readonly Segment[]; remove?: readonly string[]}) => {
    const {version: baseVersion, batch, flushedThrough} = manifest;
    const delta = {scope: SCOPE, baseVersion, add: [], remove: [], vectors: new Map(), flushedThrough, batch, at: 0};
    manifest = applyDelta(manifest, {...delta, ...change}, 0n);
  };
  const segments = bounds.map(([min, max], i) => sampleSegment(`s${i}`, {minKey: key(min), maxKey: key(max)}));
  publish({add: Array.from({length: 20}, (_, i) => sampleSegment(`gone${i}`, {minKey: key(i), maxKey: key(400 - i)}))});
  for (let from = 0; from < segments.length; from += atOnce) publish({add: segments.slice(from, from + atOnce)});
  publish({remove: Array.from({length: 20}, (_, i) => `gone${i}`)});
  return manifest;
}

function expected(bounds: readonly (readonly [number, number])[], value: number): number[] {
  const positions = bounds.flatMap(([min, max], i) => (min <= value && value <= max ? [i] : []));
  return positions.reverse();
}

test('exactly the segments whose bounds hold the key, newest first', () => {
  const few = (length: number) => Array.from({length}, (_, i) => [i * 10, i * 10 + 9] as const);
  const cases: [why: string, bounds: readonly (readonly [number, number])[]][] = [
    ['none', []],
    ['one', [[5, 5]]],
    ['one behind the other, as keys that grow make them', few(40)],
    ['the newest first', few(40).reverse()],
    ['all over the same keys', Array.from({length: 40}, () => [10, 90] as const)],
    ['a wide one below many narrow ones', [[0, 400], ...few(40)]],
    ['a gap between two', [...few(20), ...few(20).map(([min, max]) => [min + 205, max + 205] as const)]],
  ];
  for (const [why, bounds] of cases) {
    const manifest = manifestOf(bounds, 7);
    for (let value = -5; value <= 415; value++) {
      assert.deepEqual(manifest.segmentsOfKey(key(value)), expected(bounds, value), `${why}, key ${value}`);
    }
  }
});

test('the same for bounds drawn at random', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 50; round++) {
    const bounds = Array.from({length: 1 + Math.floor(random() * 60)}, () => {
      const min = Math.floor(random() * 100);
      return [min, min + Math.floor(random() ** 3 * 100)] as const;
    });
    const manifest = manifestOf(bounds, 1 + (round % 9));
    for (let value = 0; value < 200; value++) {
      assert.deepEqual(manifest.segmentsOfKey(key(value)), expected(bounds, value), `round ${round}, key ${value}`);
    }
  }
});

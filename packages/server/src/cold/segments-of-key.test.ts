import assert from 'node:assert/strict';
import {test} from 'node:test';
import {encodeKey} from '../model/key-codec.ts';
import {emptyManifest, type Manifest, type Segment} from './manifest.ts';
import {segmentsOfKey} from './segments-of-key.ts';
import {SCOPE, seededRandom} from './test-rows.ts';

const key = (value: number) => encodeKey({name: 'int'}, value);
const keyText = (value: number) => Buffer.from(key(value)).toString('base64url');

/** First and last key of each segment. */
function manifestOf(bounds: readonly (readonly [number, number])[]): Manifest {
  const segments = bounds.map(([min, max], i) => ({name: `s${i}`, minKey: keyText(min), maxKey: keyText(max)}));
  return {...emptyManifest(SCOPE), segments: segments as unknown as Segment[]};
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
    const manifest = manifestOf(bounds);
    for (let value = -5; value <= 415; value++) {
      assert.deepEqual(segmentsOfKey(manifest, key(value)), expected(bounds, value), `${why}, key ${value}`);
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
    const manifest = manifestOf(bounds);
    for (let value = 0; value < 200; value++) {
      assert.deepEqual(segmentsOfKey(manifest, key(value)), expected(bounds, value), `round ${round}, key ${value}`);
    }
  }
});

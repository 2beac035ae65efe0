/**
 * Segments of key: which segments of a scope may hold a key, without going through all of them.
 *
 * Segments in order of their first key, each with the greatest last key up to it: those that may hold a key end at the last one that begins
 * at or below it, and begin behind the nearest one up to which all have ended. Made once for a manifest, since that never changes.
 * Law: a segment whose bounds hold the key is never left out.
 */
import {compareKeys} from '../model/key-codec.ts';
import type {Manifest, Segment} from './manifest.ts';
import {keyBounds} from './prune.ts';

/** Going through so few costs less than the order of them holds in memory. */
const FEW_SEGMENTS = 16;

interface Ordered {
  /** Positions in the manifest, by first key. */
  readonly positions: readonly number[];
  readonly greatest: readonly Uint8Array[];
}

const orderedSegments = new WeakMap<Manifest, Ordered>();

/** Positions in `manifest.segments`, newest first. */
export function segmentsOfKey(manifest: Manifest, key: Uint8Array): number[] {
  const {segments} = manifest;
  const found: number[] = [];
  if (segments.length <= FEW_SEGMENTS) {
    for (let i = segments.length - 1; i >= 0; i--) if (isInside(segments[i]!, key)) found.push(i);
    return found;
  }
  const {positions, greatest} = orderOf(manifest);
  for (let at = countUpTo(manifest, positions, key) - 1; at >= 0 && compareKeys(greatest[at]!, key) >= 0; at--) {
    if (isInside(segments[positions[at]!]!, key)) found.push(positions[at]!);
  }
  return found.sort((a, b) => b - a);
}

function isInside(segment: Segment, key: Uint8Array): boolean {
  const {min, max} = keyBounds(segment);
  return compareKeys(min, key) <= 0 && compareKeys(key, max) <= 0;
}

function orderOf(manifest: Manifest): Ordered {
  let ordered = orderedSegments.get(manifest);
  if (ordered === undefined) {
    const {segments} = manifest;
    const positions = segments
      .map((_, i) => i)
      .sort((a, b) => compareKeys(keyBounds(segments[a]!).min, keyBounds(segments[b]!).min));
    const greatest: Uint8Array[] = [];
    for (const position of positions) {
      const {max} = keyBounds(segments[position]!);
      const before = greatest.at(-1);
      greatest.push(before === undefined || compareKeys(max, before) > 0 ? max : before);
    }
    ordered = {positions, greatest};
    orderedSegments.set(manifest, ordered);
  }
  return ordered;
}

/** How many segments begin at or below the key. */
function countUpTo({segments}: Manifest, positions: readonly number[], key: Uint8Array): number {
  let low = 0;
  for (let high = positions.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (compareKeys(keyBounds(segments[positions[middle]!]!).min, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Slices: work on very many items that gives the loop back now and then, so that nobody waits for all of it. Law: between two calls of `breathe`
 * the work is bounded, however many items there are.
 */
export type Breathe = () => Promise<void>;

const SLICE_ITEMS = 1000;

/** One item after the other, until `visit` returns false. */
export async function eachInSlices<T>(
  items: Iterable<T>,
  visit: (item: T) => boolean,
  breathe: Breathe,
): Promise<void> {
  let count = 0;
  for (const item of items) {
    if (count > 0 && count % SLICE_ITEMS === 0) await breathe();
    if (!visit(item)) return;
    count++;
  }
}

/** A sorted copy. Stable. O(n log n), merge sort over slices. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  breathe: Breathe,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < items.length; from += SLICE_ITEMS) {
    if (from > 0) await breathe();
    runs.push(items.slice(from, from + SLICE_ITEMS).sort(compare));
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(await merge([runs[i]!, runs[i + 1] ?? []], compare, breathe));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(
  [left, right]: readonly [readonly T[], readonly T[]],
  compare: (a: T, b: T) => number,
  breathe: Breathe,
): Promise<T[]> {
  const merged: T[] = [];
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    if (merged.length % SLICE_ITEMS === 0) await breathe();
    const isLeft = j === right.length || (i < left.length && compare(left[i]!, right[j]!) <= 0);
    merged.push(isLeft ? left[i++]! : right[j++]!);
  }
  return merged;
}

/**
 * Deletion vectors: the dead row positions of one segment, as a sorted Uint32Array without repeats. Pure.
 *
 * As bytes: the count, then the gaps between neighbours, each as a LEB128 varint; in JSON these bytes as base64. A run of
 * neighbouring positions costs one byte each.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import {assert} from '../std/assert.ts';

export const EMPTY_VECTOR = new Uint32Array(0);

export function isSortedVector(vector: Uint32Array): boolean {
  for (let i = 1; i < vector.length; i++) {
    if (vector[i - 1]! >= vector[i]!) return false;
  }
  return true;
}

/** Index of the first entry ≥ position. O(log n). */
export function firstAtOrAfter(vector: Uint32Array, position: number): number {
  let low = 0;
  let high = vector.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (vector[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** All positions of both; returns `a` itself when `b` adds nothing. */
export function unionVectors(a: Uint32Array, b: Uint32Array): Uint32Array {
  const merged = new Uint32Array(a.length + b.length);
  let [i, j, count] = [0, 0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY];
    merged[count++] = Math.min(left, right);
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return count === a.length ? a : merged.slice(0, count);
}

/** Sorts and removes repeats. */
export function vectorOf(positions: Iterable<number>): Uint32Array {
  const sorted = Uint32Array.from(positions).sort();
  return sorted.filter((position, index) => index === 0 || sorted[index - 1] !== position);
}

export function encodeVector(vector: Uint32Array): Buffer {
  assert(isSortedVector(vector), 'a deletion vector is sorted and without repeats');
  const bytes = Buffer.allocUnsafe((vector.length + 1) * 5);
  let end = putVarint(bytes, 0, vector.length);
  let previous = 0;
  for (const position of vector) {
    end = putVarint(bytes, end, position - previous);
    previous = position;
  }
  return bytes.subarray(0, end);
}

/** Throws DATA_CORRUPTED on bytes that `encodeVector` did not make. */
export function decodeVector(bytes: Uint8Array): Uint32Array {
  const cursor = {offset: 0};
  const count = takeVarint(bytes, cursor);
  if (count > bytes.length - cursor.offset) throw damaged();
  const vector = new Uint32Array(count);
  let position = 0;
  for (let i = 0; i < count; i++) {
    const gap = takeVarint(bytes, cursor);
    if (i > 0 && gap === 0) throw damaged();
    position += gap;
    if (position > 0xffff_ffff) throw damaged();
    vector[i] = position;
  }
  if (cursor.offset !== bytes.length) throw damaged();
  return vector;
}

export function vectorFromBase64(text: string): Uint32Array {
  return decodeVector(Buffer.from(text, 'base64'));
}

function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes[end++] = (rest % 128) | 0x80;
  bytes[end++] = rest;
  return end;
}

function takeVarint(bytes: Uint8Array, cursor: {offset: number}): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    const byte = bytes[cursor.offset++];
    if (byte === undefined) throw damaged();
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  throw damaged();
}

function damaged(): DbError {
  return new DbError('DATA_CORRUPTED', 'A deletion vector is damaged.');
}

/**
 * Compact policy: which segments of one scope are rewritten together now. Pure.
 *
 *     small    less than half full, by rows or by bytes; ranked by size class, each four times the one before
 *     merge    a class holds `minSegments` small segments, or a small one with too many dead rows: all small ones up to that class
 *     rewrite  a larger segment with too many dead rows, by itself
 *
 * Any segments may be merged, whatever their age: over all segments minus vectors a key occurs at most once, so none hides another.
 * Laws: all segments that a merge writes, but the last, are full; so each group makes fewer small segments of more, or drops rows, and the
 * work on a scope that nobody writes to comes to an end. A row is rewritten about once per size class.
 */
import type {Manifest} from '../cold/manifest.ts';
import type {ListedSegment} from '../cold/segment.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {Seq} from '../model/names.ts';
import {SEGMENT_ROWS_MAX} from '../table/segment-output.ts';

export interface CompactPolicy {
  /** So many small segments of one size class are merged. */
  readonly minSegments: number;
  /** Segments with a larger share of dead rows are rewritten. */
  readonly deadPercent: number;
  /** Small segments count as one class, whatever their sizes: somebody asked for all that can be done. */
  readonly isEager: boolean;
  /** Bytes of rows that make a segment full. */
  readonly segmentBytes: number;
  /** Tombstones below are of no use any more and count as dead. */
  readonly tombstonesBefore: Seq;
}

/** A group is held open at once and published at once; a flush that waits for the table waits for one group. */
const GROUP_SEGMENTS_MAX = 64;
/** In full segments, dead rows included. */
const GROUP_FULLNESS_MAX = 2;
const SMALL = 0.5;
/** Whatever is smaller is of the lowest class. */
const SMALLEST = 1 / 1024;

interface Candidate {
  readonly segment: ListedSegment;
  /** Of the whole segment, as a share of a full one. */
  readonly fullness: number;
  readonly isDirty: boolean;
  /** Undefined for a segment that is not small. */
  readonly sizeClass: number | undefined;
}

/** Groups of segments, each to be merged into as few as they fill. Empty: nothing is to be done. */
export function compactionGroups(manifest: Manifest, policy: CompactPolicy): ListedSegment[][] {
  if (isClean(manifest, policy)) return [];
  const candidates = manifest.segments.map(segment => candidate(segment, policy));
  const limit = highestDueClass(candidates, policy);
  const merged = candidates.filter(({sizeClass}) => sizeClass !== undefined && sizeClass <= limit);
  const rewritten = candidates.filter(({sizeClass, isDirty}) => sizeClass === undefined && isDirty);
  return [...mergeGroups(merged), ...rewritten.map(({segment}) => [segment])];
}

/** Most scopes need no second look. */
function isClean({segmentCount, deadCount, tombstoneCount}: Manifest, {minSegments}: CompactPolicy): boolean {
  return segmentCount < minSegments && deadCount === 0 && tombstoneCount === 0;
}

function candidate(segment: ListedSegment, policy: CompactPolicy): Candidate {
  const {rowCount, maxSeq, tombstoneCount} = segment;
  const live = rowCount - segment.deadCount;
  // Which tombstones lie among the dead rows is not known; counting one twice only makes a rewrite come sooner.
  const expired = maxSeq < policy.tombstonesBefore ? Math.min(tombstoneCount, live) : 0;
  const useful = (live - expired) / rowCount;
  const fullness = Math.max(rowCount / SEGMENT_ROWS_MAX, (segment.rowBytes ?? segment.sizeBytes) / policy.segmentBytes);
  return {
    segment,
    fullness,
    isDirty: 1 - useful > policy.deadPercent / 100,
    sizeClass: fullness * useful < SMALL ? sizeClassOf(fullness * useful, policy) : undefined,
  };
}

function sizeClassOf(fullness: number, {isEager}: CompactPolicy): number {
  return isEager ? 0 : Math.max(0, Math.floor(Math.log(fullness / SMALLEST) / Math.log(4)));
}

function highestDueClass(candidates: readonly Candidate[], {minSegments}: CompactPolicy): number {
  const counts = new Map<number, number>();
  let highest = -1;
  for (const {sizeClass, isDirty} of candidates) {
    if (sizeClass === undefined) continue;
    const count = (counts.get(sizeClass) ?? 0) + 1;
    counts.set(sizeClass, count);
    if (isDirty || count >= minSegments) highest = Math.max(highest, sizeClass);
  }
  return highest;
}

/** Neighbours by key come together, so that segments of keys that grow with time stay apart. */
function mergeGroups(candidates: readonly Candidate[]): ListedSegment[][] {
  const groups: Candidate[][] = [];
  let fullness = 0;
  for (const one of candidates.toSorted(byFirstKey)) {
    const group = groups.at(-1);
    if (group === undefined || group.length >= GROUP_SEGMENTS_MAX || fullness + one.fullness > GROUP_FULLNESS_MAX) {
      groups.push([one]);
      fullness = one.fullness;
    } else {
      group.push(one);
      fullness += one.fullness;
    }
  }
  return groups.filter(group => group.length > 1 || group[0]!.isDirty).map(group => group.map(({segment}) => segment));
}

function byFirstKey(a: Candidate, b: Candidate): number {
  return compareKeys(a.segment.minKey, b.segment.minKey);
}

/**
 * Cold store: the implementation of `cold.ts` over blobs.
 *
 *     write   pack rows → encoder thread (encode, decode, compare) → put → read back, same bytes → facts for the manifest
 *     read    prune by manifest → footer (cached) → prune row groups → byte ranges → columns decoded when looked at
 */

import type {Blob} from '../blob/blob.ts';
import type {Incarnation} from '../model/names.ts';
import {packRows} from '../model/packed-rows.ts';
import type {Schema} from '../model/schema.ts';
import {crc32} from '../std/crc32.ts';
import type {Cold, ColdRow, SegmentSource} from './cold.ts';
import {type Encoder, inlineEncoder, threadEncoder} from './encoder.ts';
import type {Footer} from './footer.ts';
import {FooterCache} from './footer-cache.ts';
import type {Manifest} from './manifest.ts';
import {pruneReason} from './prune.ts';
import type {DecodedGroup} from './row-group.ts';
import type {ListedSegment, Segment} from './segment.ts';
import {
  damagedSegment,
  elementsFor,
  groupOfKey,
  loadGroup,
  openSegment,
  type ReadContext,
  rowOfKey,
} from './segment-reader.ts';
import {scanSegments} from './segment-scan.ts';

const FOOTER_CACHE_BYTES = 32 * 1024 * 1024;

export interface ColdOptions {
  readonly blobOf: (storageId: string) => Blob;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  readonly footerCacheBytes?: number;
  /** Encode on the calling thread: simulations need one order of events. */
  readonly inlineEncoding?: boolean;
}

type Located = Awaited<ReturnType<Cold['locate']>>;

interface Counters {
  segmentsPruned: number;
  segmentsRead: number;
}

export function createCold(options: ColdOptions): Cold {
  const encoder = options.inlineEncoding === true ? inlineEncoder() : threadEncoder();
  const footers = new FooterCache(options.footerCacheBytes ?? FOOTER_CACHE_BYTES);
  const context: ReadContext = {blobOf: options.blobOf, schemaOf: options.schemaOf, footers};
  const counters: Counters = {segmentsPruned: 0, segmentsRead: 0};

  return {
    writeSegment: (source, signal) => writeSegment(options, encoder, source, signal),
    async *scan(schema, listed, filter, columns, isReverse) {
      const segments = listed.segmentsIn(filter.keys ?? {}).filter(segment => {
        const writer = options.schemaOf(schema.incarnation, segment.schemaVersion);
        return pruneReason(segment, filter, schema, writer) === undefined;
      });
      counters.segmentsPruned += listed.segmentCount - segments.length;
      counters.segmentsRead += segments.length;
      yield* scanSegments(context, {schema, segments, filter, columns, isReverse});
    },
    get: (schema, manifest, key) => getRow(context, counters, schema, manifest, key),
    visit: (schema, manifest, keys, visit) =>
      visitRows(context, counters, {schema, manifest, keys, columns: undefined}, (keyIndex, group, index) =>
        visit(keyIndex, group.row(index)),
      ),
    locate: (schema, manifest, keys) => locateRows(context, counters, {schema, manifest, keys, columns: []}),
    forget(segmentPaths) {
      for (const path of segmentPaths) footers.forget(path);
    },
    stats: () => ({
      cachedFooters: footers.size,
      cacheBytes: footers.bytes,
      footerHits: footers.hits,
      footerMisses: footers.misses,
      ...counters,
    }),
  };
}

async function writeSegment(
  options: ColdOptions,
  encoder: Encoder,
  source: SegmentSource,
  signal: AbortSignal,
): Promise<Segment> {
  const {schema, name, path, storageId, createdAt} = source;
  const rows = await packRows(source.rows, signal, source.bytesExpected);
  const versions = rows.schemaVersions.map(version => options.schemaOf(schema.incarnation, version));
  const {bytes, facts} = await encoder.encode({schema, versions, rows}, signal);
  signal.throwIfAborted();

  const blob = options.blobOf(storageId);
  await blob.put(path, bytes);
  const stored = await blob.read(path, 0, bytes.length);
  if (crc32(stored) !== facts.checksum || !stored.equals(bytes)) {
    await blob.remove([path]);
    throw damagedSegment({path}, new Error('It does not read back as it was written.'));
  }
  return {name, path, storageId, createdAt, ...facts};
}

async function getRow(
  context: ReadContext,
  counters: Counters,
  schema: Schema,
  manifest: Manifest,
  key: Uint8Array,
): Promise<ColdRow | undefined> {
  const positions = manifest.segmentsOfKey(key);
  counters.segmentsPruned += manifest.segmentCount - positions.length;
  for (const position of positions) {
    const segment = manifest.segment(position);
    const open = await openSegment(context, segment, schema);
    const groupIndex = groupOfKey(open.footer, key);
    if (groupIndex === undefined) {
      counters.segmentsPruned++;
      continue;
    }
    counters.segmentsRead++;
    const group = open.footer.groups[groupIndex]!;
    const decoded = await loadGroup(context, open, group, elementsFor(open.map, undefined));
    const index = rowOfKey(decoded, key);
    if (index !== undefined && !segment.isDead(group.rowStart + index)) return decoded.row(index);
  }
  return undefined;
}

interface Probe {
  readonly schema: Schema;
  readonly manifest: Manifest;
  readonly keys: readonly Uint8Array[];
  /** Of the schema, beside key, `_seq` and `_deleted`; undefined = all. */
  readonly columns: readonly number[] | undefined;
}

async function locateRows(context: ReadContext, counters: Counters, probe: Probe): Promise<Located> {
  const located: Located = [];
  await visitRows(context, counters, probe, (keyIndex, group, index) => {
    const {segment, position, row} = group.row(index);
    located.push({keyIndex, segment, position, isTombstone: row.isTombstone});
  });
  return located.sort((a, b) => a.keyIndex - b.keyIndex);
}

type VisitRow = (keyIndex: number, group: DecodedGroup, index: number) => void;

/** The live row of each key, newest segment first. */
async function visitRows(context: ReadContext, counters: Counters, probe: Probe, visit: VisitRow): Promise<void> {
  const {manifest, keys} = probe;
  const wanted = new Map<number, number[]>();
  for (const [keyIndex, key] of keys.entries()) {
    for (const position of manifest.segmentsOfKey(key)) {
      const candidates = wanted.get(position);
      if (candidates === undefined) wanted.set(position, [keyIndex]);
      else candidates.push(keyIndex);
    }
  }
  const found = new Uint8Array(keys.length);
  counters.segmentsPruned += manifest.segmentCount - wanted.size;
  for (const position of [...wanted.keys()].sort((a, b) => b - a)) {
    const candidates = wanted.get(position)!.filter(keyIndex => found[keyIndex] === 0);
    if (candidates.length === 0) continue;
    counters.segmentsRead++;
    await visitSegment(context, manifest.segment(position), probe, candidates, (keyIndex, group, index) => {
      found[keyIndex] = 1;
      visit(keyIndex, group, index);
    });
  }
}

async function visitSegment(
  context: ReadContext,
  segment: ListedSegment,
  {schema, keys, columns}: Probe,
  candidates: readonly number[],
  visit: VisitRow,
): Promise<void> {
  const open = await openSegment(context, segment, schema);
  const elements = elementsFor(open.map, columns);
  for (const [groupIndex, keyIndexes] of byGroup(open.footer, keys, candidates)) {
    const group = open.footer.groups[groupIndex]!;
    const decoded = await loadGroup(context, open, group, elements);
    for (const keyIndex of keyIndexes) {
      const index = rowOfKey(decoded, keys[keyIndex]!);
      if (index !== undefined && !segment.isDead(group.rowStart + index)) visit(keyIndex, decoded, index);
    }
  }
}

/** Index of a row group → indexes of the keys that it may hold. */
function byGroup(footer: Footer, keys: readonly Uint8Array[], candidates: readonly number[]): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const keyIndex of candidates) {
    const group = groupOfKey(footer, keys[keyIndex]!);
    if (group === undefined) continue;
    const list = found.get(group);
    if (list === undefined) found.set(group, [keyIndex]);
    else list.push(keyIndex);
  }
  return found;
}

/**
 * Segment reader: from a listed segment to decoded row groups. Reads the footer (cached) and the byte ranges of the columns asked for.
 *
 * Law: whatever is wrong with a file, the error is DATA_CORRUPTED and names it.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Blob} from '../blob/blob.ts';
import {compareKeys} from '../model/key-codec.ts';
import type {Incarnation} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {type Footer, parseFooter, type RowGroup} from './footer.ts';
import type {FooterCache} from './footer-cache.ts';
import {mayContain} from './key-filter.ts';
import {type ColumnMap, DecodedGroup, mapColumns} from './row-group.ts';
import type {ListedSegment, Segment} from './segment.ts';

/** Column chunks closer than this are fetched in one read. */
const READ_GAP_BYTES = 64 * 1024;

export interface ReadContext {
  readonly blobOf: (storageId: string) => Blob;
  readonly schemaOf: (incarnation: Incarnation, version: number) => Schema;
  readonly footers: FooterCache;
}

export interface OpenSegment {
  readonly segment: ListedSegment;
  readonly footer: Footer;
  readonly map: ColumnMap;
}

export async function openSegment(context: ReadContext, segment: ListedSegment, reader: Schema): Promise<OpenSegment> {
  const footer = await context.footers.get(segment.path, () => loadFooter(context, segment));
  if (footer.incarnation !== reader.incarnation || footer.schemaVersion !== segment.schemaVersion) {
    throw damagedSegment(segment, new Error('It belongs to another table or schema version.'));
  }
  const writer = context.schemaOf(reader.incarnation, segment.schemaVersion);
  return {segment, footer, map: mapColumns(footer, reader, writer)};
}

async function loadFooter(context: ReadContext, segment: Segment): Promise<Footer> {
  const {path, sizeBytes, footerBytes} = segment;
  const bytes = await context.blobOf(segment.storageId).read(path, sizeBytes - footerBytes, sizeBytes);
  try {
    return parseFooter(bytes);
  } catch (cause) {
    throw damagedSegment(segment, cause);
  }
}

export function damagedSegment(segment: Pick<Segment, 'path'>, cause: unknown): DbError {
  const reason = cause instanceof Error ? ` ${cause.message}` : '';
  return new DbError('DATA_CORRUPTED', `Segment file '${segment.path}' is damaged.${reason}`, {cause});
}

/** Last key a row group may hold: it is below the first key of the next one. */
export function groupEndKey({segment, footer}: OpenSegment, groupIndex: number): Uint8Array {
  return footer.groups[groupIndex + 1]?.firstKey ?? segment.maxKey;
}

/** File columns to read for columns of the reader's schema (undefined = all), with key, `_seq` and `_deleted`. Ascending. */
export function elementsFor(map: ColumnMap, columns: readonly number[] | undefined): number[] {
  const elements = new Set([map.keyElement, map.seqElement, map.deletedElement]);
  const places = columns === undefined ? map.columns : columns.map(column => map.columns[column]);
  for (const place of places) {
    if (place !== undefined) elements.add(place.element);
  }
  return [...elements].sort((a, b) => a - b);
}

/** Fetches the given file columns (ascending) of one row group. Pages are decoded later, when first looked at. */
export async function loadGroup(
  context: ReadContext,
  open: OpenSegment,
  group: RowGroup,
  elements: readonly number[],
): Promise<DecodedGroup> {
  const {segment, footer, map} = open;
  const decoded = new DecodedGroup({segment, map, group, elements: footer.elements});
  const blob = context.blobOf(segment.storageId);
  await Promise.all(
    readRanges(group, elements).map(async range => {
      const bytes = await blob.read(segment.path, range.start, range.end);
      for (const element of range.elements) {
        const chunk = group.chunks[element]!;
        try {
          decoded.give(element, bytes.subarray(chunk.start - range.start, chunk.end - range.start));
        } catch (cause) {
          throw damagedSegment(segment, cause);
        }
      }
    }),
  );
  return decoded;
}

interface ReadRange {
  readonly start: number;
  end: number;
  readonly elements: number[];
}

function readRanges(group: RowGroup, elements: readonly number[]): ReadRange[] {
  const ranges: ReadRange[] = [];
  for (const element of elements) {
    const {start, end} = group.chunks[element]!;
    const last = ranges.at(-1);
    if (last !== undefined && start >= last.end && start - last.end <= READ_GAP_BYTES) {
      last.end = end;
      last.elements.push(element);
    } else {
      ranges.push({start, end, elements: [element]});
    }
  }
  return ranges;
}

/** Index of the one row group that may hold the key, or undefined: by key filter, then by first keys. */
export function groupOfKey(footer: Footer, key: Uint8Array): number | undefined {
  if (!mayContain(footer.keyFilter, key)) return undefined;
  let low = 0;
  let high = footer.groups.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(footer.groups[middle]!.firstKey, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : low - 1;
}

/** Index of the first row of the group whose key is ≥ the given one. */
export function firstRowAtOrAfter(group: DecodedGroup, key: Uint8Array): number {
  let low = 0;
  let high = group.group.rowCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(group.key(middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function rowOfKey(group: DecodedGroup, key: Uint8Array): number | undefined {
  const index = firstRowAtOrAfter(group, key);
  return index < group.group.rowCount && compareKeys(group.key(index), key) === 0 ? index : undefined;
}

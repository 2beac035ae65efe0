/**
 * Footer: what a reader keeps of one segment, parsed once and cached.
 *
 *     data pages │ 'KFC1' crc-32 │ Parquet metadata │ length │ 'PAR1'
 *                └────────────── footerBytes ───────────────────────┘
 * The eight bytes before the metadata belong to no page, so other Parquet readers never look at them; they let us notice a damaged
 * footer before it is believed. The key-value entry `kalamdb` holds a CRC-32 per column chunk and the first key of each row group.
 */

import type {FieldRepetitionType, ParquetType, SchemaElement} from 'hyparquet';
import {FieldRepetitionTypes, ParquetTypes} from 'hyparquet/src/constants.js';
import {deserializeTCompactProtocol} from 'hyparquet/src/thrift.js';
import {crc32} from '../std/crc32.ts';

const FOOTER_MARK = Buffer.from('KFC1');
/** Mark and CRC before the metadata; length and magic after it. */
const FOOTER_FRAME_BYTES = 8;
export const FACTS_KEY = 'kalamdb';
export const FILTER_KEY = 'kalamdb.key_filter';

/** The JSON under `kalamdb`. */
export interface FooterFacts {
  readonly format: number;
  readonly incarnation: number;
  readonly schema_version: number;
  /** By row group, by column. */
  readonly crcs: readonly (readonly number[])[];
  /** By row group; base64. */
  readonly first_keys: readonly string[];
}

/** One column of one row group: where its bytes are, and what is known of its values (plain-encoded bounds). */
export interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly crc: number;
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
  readonly nullCount: number | undefined;
}

export interface RowGroup {
  /** Position of its first row in the segment. */
  readonly rowStart: number;
  readonly rowCount: number;
  readonly firstKey: Uint8Array;
  readonly chunks: readonly Chunk[];
}

export interface Footer {
  readonly incarnation: number;
  readonly schemaVersion: number;
  /** Elements without annotations, in file order: the user's columns, then `_seq` and `_deleted`. */
  readonly elements: readonly SchemaElement[];
  /** Position in `elements` by column id. */
  readonly byColumnId: ReadonlyMap<number, number>;
  readonly groups: readonly RowGroup[];
  readonly keyFilter: Uint8Array;
  /** An estimate of what keeping it costs. */
  readonly memoryBytes: number;
}

/** Adds mark and CRC in front of the metadata of a finished Parquet file. Offsets of pages do not change. */
export function sealFooter(parquet: Uint8Array): {bytes: Buffer; footerBytes: number} {
  const file = Buffer.from(parquet.buffer, parquet.byteOffset, parquet.byteLength);
  const metadataStart = file.length - FOOTER_FRAME_BYTES - file.readUInt32LE(file.length - FOOTER_FRAME_BYTES);
  const frame = Buffer.alloc(FOOTER_FRAME_BYTES);
  FOOTER_MARK.copy(frame);
  frame.writeUInt32LE(crc32(file.subarray(metadataStart)), 4);
  const bytes = Buffer.concat([file.subarray(0, metadataStart), frame, file.subarray(metadataStart)]);
  return {bytes, footerBytes: bytes.length - metadataStart};
}

/** Parses the last `footerBytes` of a segment. Throws a plain Error on any damage; callers name the file. */
export function parseFooter(bytes: Buffer): Footer {
  const metadata = bytes.subarray(FOOTER_FRAME_BYTES);
  const isSealed = bytes.length > 2 * FOOTER_FRAME_BYTES && bytes.subarray(0, FOOTER_MARK.length).equals(FOOTER_MARK);
  if (!isSealed || bytes.readUInt32LE(4) !== crc32(metadata))
    throw new Error('The footer does not match its checksum.');
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength);
  const thrift = deserializeTCompactProtocol({view, offset: 0});

  const entries = new Map<string, string>();
  for (const entry of thrift['field_5'] ?? []) entries.set(textOf(entry.field_1), textOf(entry.field_2));
  const facts: FooterFacts = JSON.parse(entries.get(FACTS_KEY) ?? '{}');
  const leaves = (thrift['field_2'] as ThriftElement[]).slice(1);
  const keyFilter = Buffer.from(entries.get(FILTER_KEY) ?? '', 'base64');
  return {
    incarnation: facts.incarnation,
    schemaVersion: facts.schema_version,
    elements: leaves.map(physicalElement),
    byColumnId: new Map(leaves.flatMap((leaf, index) => (leaf.field_9 === undefined ? [] : [[leaf.field_9, index]]))),
    groups: groupsOf(thrift['field_4'] as ThriftGroup[], facts),
    keyFilter,
    memoryBytes: 512 + keyFilter.length + leaves.length * (200 + 250 * facts.first_keys.length) + bytes.length,
  };
}

interface ThriftElement {
  field_1: number;
  field_2?: number;
  field_3: number;
  field_4: Uint8Array;
  field_9?: number;
}

interface ThriftGroup {
  field_1: {field_3: ThriftChunk}[];
  field_3: bigint;
}

interface ThriftChunk {
  field_7: bigint;
  field_9: bigint;
  field_11?: bigint;
  field_12?: {field_3?: bigint; field_5?: Uint8Array; field_6?: Uint8Array};
}

/** Name, physical type and repetition alone, so that the reader converts nothing. */
function physicalElement(leaf: ThriftElement): SchemaElement {
  return {
    name: textOf(leaf.field_4),
    type: ParquetTypes[leaf.field_1] as ParquetType,
    repetition_type: FieldRepetitionTypes[leaf.field_3] as FieldRepetitionType,
    ...(leaf.field_2 === undefined ? {} : {type_length: leaf.field_2}),
  };
}

function groupsOf(groups: readonly ThriftGroup[], facts: FooterFacts): RowGroup[] {
  let rowStart = 0;
  return groups.map((group, groupIndex) => {
    const rowCount = Number(group.field_3);
    const chunks = group.field_1.map((column, index) => chunkOf(column.field_3, facts.crcs[groupIndex]![index]!));
    const firstKey = Buffer.from(facts.first_keys[groupIndex]!, 'base64');
    const parsed = {rowStart, rowCount, firstKey, chunks};
    rowStart += rowCount;
    return parsed;
  });
}

function chunkOf(thrift: ThriftChunk, crc: number): Chunk {
  const start = Number(thrift.field_11 ?? thrift.field_9);
  const stats = thrift.field_12;
  return {
    start,
    end: start + Number(thrift.field_7),
    crc,
    min: stats?.field_6?.slice(),
    max: stats?.field_5?.slice(),
    nullCount: stats?.field_3 === undefined ? undefined : Number(stats.field_3),
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * Segment codec: packed rows → the bytes of one Parquet file and the facts a manifest keeps of it. Pure; runs in the encoder thread.
 *
 * Columns stand in schema order with their ids as field ids, then `_seq` and `_deleted`. Row groups are small (a point read decodes
 * one), Snappy, written one at a time. The file is decoded again at once and every value compared with its source, so whoever stores
 * exactly these bytes has stored exactly these rows.
 */

import {DbError} from '@kalamdb/protocol/errors.ts';
import type {SchemaElement} from 'hyparquet';
import {ByteWriter, type ColumnSource, ParquetWriter} from 'hyparquet-writer';
import type {Value} from '../model/datatype.ts';
import {compareKeys} from '../model/key-codec.ts';
import {type PackedRows, unpackRows} from '../model/packed-rows.ts';
import {RowView} from '../model/row-codec.ts';
import {type Column, DELETED_COLUMN, type Schema, SEQ_COLUMN} from '../model/schema.ts';
import {compareValues, toJson} from '../model/values.ts';
import {assert} from '../std/assert.ts';
import {crc32} from '../std/crc32.ts';
import {annotatedElement, isOrdered, isSameValue, type Physical, toPhysical} from './column-codec.ts';
import {FACTS_KEY, FILTER_KEY, type FooterFacts, parseFooter, sealFooter} from './footer.ts';
import {KeyFilterBuilder} from './key-filter.ts';
import {chunkBytes, DecodedGroup, mapColumns} from './row-group.ts';
import {COLD_FORMAT_VERSION, type ColumnStats, type Segment} from './segment.ts';

export const ROWS_PER_GROUP = 2000;
/** Longer bounds are left out of the manifest. */
const STATS_FRAGMENT_BYTES_MAX = 256;
/** Pages end earlier only in columns of very long values. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** Plain data only: it crosses to the encoder thread. `versions` holds every schema version the rows were written with. */
export interface SegmentInput {
  readonly schema: Schema;
  readonly versions: readonly Schema[];
  readonly rows: PackedRows;
}

export type SegmentFacts = Omit<Segment, 'name' | 'path' | 'storageId' | 'createdAt'>;

export interface EncodedSegment {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly facts: SegmentFacts;
}

/** Throws INTERNAL_ERROR if the encoded file does not read back as the rows it was made of. */
export function encodeSegment(input: SegmentInput): EncodedSegment {
  const {schema} = input;
  assert(schema.primaryKey >= 0, 'only tables with a key are flushed');
  assert(input.rows.rowCount > 0, 'a segment holds rows');
  const writer = new SegmentWriter(schema);
  const tally = new SegmentTally(schema);
  const view = rowView(input);
  let group = newGroup(schema);
  for (const {key, row} of unpackRows(input.rows)) {
    view.at(row);
    const values = rowValues(schema, view);
    tally.add(key, view, values);
    tally.rowBytes += row.length;
    addToGroup(group, schema, view, values);
    if (group.seqs.length < ROWS_PER_GROUP) continue;
    writer.write(group);
    group = newGroup(schema);
    tally.startGroup();
  }
  if (group.seqs.length > 0) writer.write(group);
  const {bytes, footerBytes} = writer.finish(tally);
  verify(input, bytes, footerBytes);
  return {
    bytes: new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length),
    facts: tally.facts(bytes, footerBytes),
  };
}

function rowView(input: SegmentInput): RowView {
  const versions = new Map(input.versions.map(schema => [schema.version, schema]));
  return new RowView(input.schema, version => {
    const schema = versions.get(version);
    assert(schema !== undefined, `schema version ${version} of a row is known`);
    return schema;
  });
}

/** Memory values in column order. A tombstone keeps what its row held: WHERE _deleted finds it by them in either tier. */
function rowValues(schema: Schema, view: RowView): Value[] {
  return schema.columns.map((_, index) => view.value(index));
}

interface PendingGroup {
  readonly columns: Physical[][];
  readonly seqs: bigint[];
  readonly deleted: boolean[];
}

function newGroup(schema: Schema): PendingGroup {
  return {columns: schema.columns.map(() => []), seqs: [], deleted: []};
}

function addToGroup(group: PendingGroup, schema: Schema, view: RowView, values: readonly Value[]): void {
  for (let i = 0; i < values.length; i++) group.columns[i]!.push(toPhysical(schema.columns[i]!.type, values[i]!));
  group.seqs.push(view.seq);
  group.deleted.push(view.isTombstone);
}

/** Puts row groups into one Parquet file. */
class SegmentWriter {
  readonly #schema: Schema;
  readonly #out = new ByteWriter(1 << 16);
  readonly #parquet: ParquetWriter;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#parquet = new ParquetWriter({
      writer: this.#out,
      codec: 'SNAPPY',
      createdBy: 'kalamdb',
      schema: [
        {name: 'root', num_children: schema.columns.length + 2},
        ...schema.columns.map((column, index) => annotatedElement(column, index === schema.primaryKey)),
        {name: SEQ_COLUMN, type: 'INT64', repetition_type: 'REQUIRED'},
        {name: DELETED_COLUMN, type: 'BOOLEAN', repetition_type: 'REQUIRED'},
      ] satisfies SchemaElement[],
    });
  }

  write(group: PendingGroup): void {
    const columnData = [
      ...this.#schema.columns.map((column, index) => columnSource(column, group.columns[index]!)),
      {name: SEQ_COLUMN, data: group.seqs},
      {name: DELETED_COLUMN, data: group.deleted},
    ];
    this.#parquet.write({columnData, rowGroupSize: ROWS_PER_GROUP, pageSize: PAGE_BYTES});
  }

  finish(tally: SegmentTally): {bytes: Buffer; footerBytes: number} {
    const file = this.#out.getBytes();
    const facts: FooterFacts = {
      format: COLD_FORMAT_VERSION,
      incarnation: this.#schema.incarnation,
      schema_version: this.#schema.version,
      crcs: this.#parquet.row_groups.map(group =>
        group.columns.map(({meta_data: chunk}) => {
          const start = Number(chunk!.dictionary_page_offset ?? chunk!.data_page_offset);
          return crc32(file.subarray(start, start + Number(chunk!.total_compressed_size)));
        }),
      ),
      first_keys: tally.firstKeys.map(key => Buffer.from(key).toString('base64')),
    };
    this.#parquet.kvMetadata = [
      {key: FACTS_KEY, value: JSON.stringify(facts)},
      {key: FILTER_KEY, value: Buffer.from(tally.filter.finish()).toString('base64')},
    ];
    this.#parquet.finish();
    return sealFooter(this.#out.getBytes());
  }
}

/** Dictionaries would fold -0 into 0, so floating point is written plainly. */
function columnSource(column: Column, data: Physical[]): ColumnSource {
  const isFloating = column.type.name === 'float' || column.type.name === 'double';
  return {name: column.name, data, statistics: isOrdered(column.type), ...(isFloating ? {encoding: 'PLAIN'} : {})};
}

/** Gathers the facts of a segment while its rows pass by. */
class SegmentTally {
  readonly filter = new KeyFilterBuilder();
  readonly firstKeys: Uint8Array[] = [];
  rowBytes = 0;
  readonly #schema: Schema;
  readonly #mins: Value[];
  readonly #maxs: Value[];
  readonly #nullCounts: number[];
  #rowCount = 0;
  #tombstoneCount = 0;
  #minSeq = 0n;
  #maxSeq = 0n;
  #lastKey: Uint8Array | undefined;
  #isGroupStart = true;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#mins = schema.columns.map(() => null);
    this.#maxs = schema.columns.map(() => null);
    this.#nullCounts = schema.columns.map(() => 0);
  }

  startGroup(): void {
    this.#isGroupStart = true;
  }

  add(key: Uint8Array, view: RowView, values: readonly Value[]): void {
    assert(this.#lastKey === undefined || compareKeys(this.#lastKey, key) < 0, 'rows of a segment come in key order');
    if (this.#isGroupStart) this.firstKeys.push(key);
    this.#isGroupStart = false;
    this.#lastKey = key;
    this.filter.add(key);
    const seq = view.seq;
    if (this.#rowCount === 0 || seq < this.#minSeq) this.#minSeq = seq;
    if (this.#rowCount === 0 || seq > this.#maxSeq) this.#maxSeq = seq;
    this.#rowCount++;
    if (view.isTombstone) this.#tombstoneCount++;
    for (let i = 0; i < values.length; i++) this.#addValue(i, values[i]!);
  }

  #addValue(column: number, value: Value): void {
    if (value === null) {
      this.#nullCounts[column]!++;
      return;
    }
    const {type} = this.#schema.columns[column]!;
    if (!isOrdered(type)) return;
    const [min, max] = [this.#mins[column]!, this.#maxs[column]!];
    if (min === null || compareValues(type, value, min) < 0) this.#mins[column] = value;
    if (max === null || compareValues(type, value, max) > 0) this.#maxs[column] = value;
  }

  facts(bytes: Buffer, footerBytes: number): SegmentFacts {
    const columnStats = this.#schema.columns.map((column, i) => [column.id, this.#columnStats(column, i)] as const);
    return {
      schemaVersion: this.#schema.version,
      rowCount: this.#rowCount,
      sizeBytes: bytes.length,
      rowBytes: this.rowBytes,
      checksum: crc32(bytes),
      footerBytes,
      minSeq: this.#minSeq,
      maxSeq: this.#maxSeq,
      minKey: Uint8Array.from(this.firstKeys[0]!),
      maxKey: Uint8Array.from(this.#lastKey!),
      tombstoneCount: this.#tombstoneCount,
      columnStats: Object.fromEntries(columnStats),
    };
  }

  #columnStats(column: Column, index: number): ColumnStats {
    const min = boundFragment(column, this.#mins[index]!);
    const max = boundFragment(column, this.#maxs[index]!);
    return {
      ...(min === undefined ? {} : {min}),
      ...(max === undefined ? {} : {max}),
      nullCount: this.#nullCounts[index]!,
    };
  }
}

function boundFragment(column: Column, value: Value): string | undefined {
  if (value === null) return undefined;
  const fragment = toJson(column.type, typeof value === 'string' ? value.toWellFormed() : value);
  return Buffer.byteLength(fragment) <= STATS_FRAGMENT_BYTES_MAX ? fragment : undefined;
}

/** Decodes the file and compares each value, key, seq and flag with the row it came from. */
function verify(input: SegmentInput, file: Buffer, footerBytes: number): void {
  const {schema} = input;
  const footer = parseFooter(file.subarray(file.length - footerBytes));
  const map = mapColumns(footer, schema, schema);
  const view = rowView(input);
  const rows = unpackRows(input.rows);
  for (const group of footer.groups) {
    const decoded = new DecodedGroup({segment: undefined, map, group, elements: footer.elements});
    for (const [element, chunk] of group.chunks.entries()) decoded.give(element, chunkBytes(file, chunk));
    for (let index = 0; index < group.rowCount; index++) {
      const next = rows.next();
      if (next.done === true) throw unfaithful('there are more rows than were written');
      view.at(next.value.row);
      const isEqual =
        compareKeys(decoded.key(index), next.value.key) === 0 &&
        decoded.seq(index) === view.seq &&
        decoded.isTombstone(index) === view.isTombstone;
      if (!isEqual) throw unfaithful(`row ${group.rowStart + index} has another key or version`);
      const values = rowValues(schema, view);
      const wrong = values.findIndex((v, i) => !isSameValue(schema.columns[i]!.type, v, decoded.value(i, index)));
      if (wrong >= 0)
        throw unfaithful(`row ${group.rowStart + index} differs in column '${schema.columns[wrong]!.name}'`);
    }
  }
  if (rows.next().done !== true) throw unfaithful('there are fewer rows than were written');
}

function unfaithful(text: string): DbError {
  return new DbError('INTERNAL_ERROR', `An encoded segment does not read back as it was written: ${text}.`);
}

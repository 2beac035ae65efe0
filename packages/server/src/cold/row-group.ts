/**
 * Row group: up to a few thousand decoded rows of a segment, column by column, each column decoded when it is first looked at.
 *
 * Values come back as the reader's schema wants them: columns are found by id, a column the segment does not have reads its
 * `initial`, values of one whose type changed since are carried on (`model/evolution.ts`).
 */

import type {SchemaElement, SchemaTree} from 'hyparquet';
import {parquetHeader} from 'hyparquet/src/column.js';
import {DEFAULT_PARSERS} from 'hyparquet/src/convert.js';
import {decompressPage, readDataPageV2} from 'hyparquet/src/datapage.js';
import {readPlain} from 'hyparquet/src/plain.js';
import type {ColumnDecoder, DataReader, PageHeader} from 'hyparquet/src/types.js';
import type {DataType, Value} from '../model/datatype.ts';
import {carried, typePath} from '../model/evolution.ts';
import {encodeKey} from '../model/key-codec.ts';
import type {Row} from '../model/row.ts';
import type {Schema} from '../model/schema.ts';
import {toJson} from '../model/values.ts';
import {assert} from '../std/assert.ts';
import {crc32} from '../std/crc32.ts';
import type {ColdRow} from './cold.ts';
import {fromPhysical, type Physical} from './column-codec.ts';
import type {Chunk, Footer, RowGroup} from './footer.ts';
import type {ListedSegment} from './segment.ts';

/** How the columns of a reader's schema are found in one segment. */
export interface ColumnMap {
  readonly reader: Schema;
  /** By column index of the reader: where it lies in the file, as which type, and what its values go through; undefined = not there. */
  readonly columns: readonly (
    | {readonly element: number; readonly type: DataType; readonly path: readonly DataType[] | undefined}
    | undefined
  )[];
  readonly keyElement: number;
  readonly keyType: DataType;
  readonly seqElement: number;
  readonly deletedElement: number;
}

/** `writer` is the schema version the segment was written with. */
export function mapColumns(footer: Footer, reader: Schema, writer: Schema): ColumnMap {
  const writerTypes = new Map(writer.columns.map(column => [column.id, column.type]));
  const columns = reader.columns.map(column => {
    const element = footer.byColumnId.get(column.id);
    const type = writerTypes.get(column.id);
    if (element === undefined || type === undefined) return undefined;
    return {element, type, path: typePath(column, writer)};
  });
  const key = columns[reader.primaryKey];
  assert(key !== undefined, 'a segment holds the primary key');
  return {
    reader,
    columns,
    keyElement: key.element,
    keyType: reader.columns[reader.primaryKey]!.type,
    seqElement: footer.elements.length - 2,
    deletedElement: footer.elements.length - 1,
  };
}

/** The bytes of one column chunk, checked against their CRC when given in, decoded on demand. */
export class DecodedGroup {
  /** Undefined only while a segment is verified before it has a name. */
  readonly segment: ListedSegment | undefined;
  readonly map: ColumnMap;
  readonly group: RowGroup;
  readonly #elements: readonly SchemaElement[];
  readonly #bytes = new Map<number, Uint8Array>();
  readonly #decoded: (ArrayLike<Physical> | undefined)[] = [];
  #keys: Uint8Array[] | undefined;

  constructor(options: {
    segment: ListedSegment | undefined;
    map: ColumnMap;
    group: RowGroup;
    elements: readonly SchemaElement[];
  }) {
    this.segment = options.segment;
    this.map = options.map;
    this.group = options.group;
    this.#elements = options.elements;
  }

  has(element: number): boolean {
    return this.#bytes.has(element) || this.#decoded[element] !== undefined;
  }

  /** Throws a plain Error if the bytes are not those that were written. */
  give(element: number, bytes: Uint8Array): void {
    if (crc32(bytes) !== this.group.chunks[element]!.crc) {
      throw new Error(`Column ${this.#elements[element]!.name} does not match its checksum.`);
    }
    this.#bytes.set(element, bytes);
  }

  /** The physical values of one column. */
  physical(element: number): ArrayLike<Physical> {
    const known = this.#decoded[element];
    if (known !== undefined) return known;
    const bytes = this.#bytes.get(element);
    assert(bytes !== undefined, 'only columns that were asked for are read');
    const values = decodeChunk(bytes, this.#elements[element]!, this.group.rowCount);
    this.#decoded[element] = values;
    this.#bytes.delete(element);
    return values;
  }

  value(column: number, index: number): Value {
    const {columns, reader} = this.map;
    const place = columns[column];
    if (place === undefined) return reader.columns[column]!.initial;
    const value = fromPhysical(place.type, this.physical(place.element)[index]);
    return place.path === undefined ? value : carried(value, place.path);
  }

  key(index: number): Uint8Array {
    this.#keys ??= new Array(this.group.rowCount);
    const known = this.#keys[index];
    if (known !== undefined) return known;
    const value = this.value(this.map.reader.primaryKey, index);
    assert(value !== null, 'a key is never null');
    const key = encodeKey(this.map.keyType, value);
    this.#keys[index] = key;
    return key;
  }

  seq(index: number): bigint {
    return this.physical(this.map.seqElement)[index] as bigint;
  }

  isTombstone(index: number): boolean {
    return this.physical(this.map.deletedElement)[index] === true;
  }

  row(index: number): ColdRow {
    return new GroupRow(this, index);
  }
}

class GroupRow implements ColdRow, Row {
  readonly #group: DecodedGroup;
  readonly #index: number;

  constructor(group: DecodedGroup, index: number) {
    this.#group = group;
    this.#index = index;
  }

  get row(): Row {
    return this;
  }
  get key(): Uint8Array {
    return this.#group.key(this.#index);
  }
  get segment(): ListedSegment {
    return this.#group.segment!;
  }
  get position(): number {
    return this.#group.group.rowStart + this.#index;
  }
  get seq(): bigint {
    return this.#group.seq(this.#index);
  }
  get isTombstone(): boolean {
    return this.#group.isTombstone(this.#index);
  }
  value(column: number): Value {
    return this.#group.value(column, this.#index);
  }
  json(column: number): string {
    return toJson(this.#group.map.reader.columns[column]!.type, this.value(column));
  }
}

/**
 * Physical values of one column chunk as segments have them: perhaps a dictionary page, then data pages of version 2, without nesting. Throws a plain
 * Error if they cannot be decoded or are not `rowCount`.
 */
function decodeChunk(bytes: Uint8Array, element: SchemaElement, rowCount: number): ArrayLike<Physical> {
  const decoder = decoderOf(element);
  const reader = readerOf(bytes);
  const pages: ArrayLike<Physical>[] = [];
  let dictionary: ArrayLike<Physical> | undefined;
  let count = 0;
  while (count < rowCount) {
    const header = parquetHeader(reader);
    const page = bytes.subarray(reader.offset, reader.offset + header.compressed_page_size);
    if (page.length !== header.compressed_page_size) throw new Error(`Column ${element.name} ends within a page.`);
    reader.offset += page.length;
    if (header.dictionary_page_header !== undefined) {
      const plain = readerOf(decompressPage(page, header.uncompressed_page_size, CODEC, undefined));
      dictionary = readPlain(plain, decoder.type, header.dictionary_page_header.num_values, element.type_length);
      continue;
    }
    const values = pageValues(page, header, decoder, dictionary);
    pages.push(values);
    count += values.length;
  }
  if (count !== rowCount) throw new Error(`Column ${element.name} holds ${count} of ${rowCount} values.`);
  return pages.length === 1 ? pages[0]! : pages.flatMap(page => Array.from(page));
}

const CODEC = 'SNAPPY';

/** By identity of the element, which its footer keeps. */
const decoders = new WeakMap<SchemaElement, ColumnDecoder>();

function decoderOf(element: SchemaElement): ColumnDecoder {
  const known = decoders.get(element);
  if (known !== undefined) return known;
  const leaf: SchemaTree = {element, children: [], count: 1, path: [element.name]};
  const root: SchemaTree = {element: {name: 'root', num_children: 1}, children: [leaf], count: 2, path: []};
  const decoder: ColumnDecoder = {
    pathInSchema: [element.name],
    type: element.type!,
    element,
    schemaPath: [root, leaf],
    codec: CODEC,
    parsers: DEFAULT_PARSERS,
    utf8: false,
  };
  decoders.set(element, decoder);
  return decoder;
}

function readerOf(bytes: Uint8Array): DataReader {
  return {view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0};
}

function pageValues(
  page: Uint8Array,
  header: PageHeader,
  decoder: ColumnDecoder,
  dictionary: ArrayLike<Physical> | undefined,
): ArrayLike<Physical> {
  const facts = header.data_page_header_v2;
  if (facts === undefined) throw new Error(`Column ${decoder.element.name} has a page of type ${header.type}.`);
  const {dataPage, definitionLevels} = readDataPageV2(page, header, decoder);
  let values: ArrayLike<Physical> = dataPage;
  if (facts.encoding === 'RLE_DICTIONARY') {
    if (dictionary === undefined) throw new Error(`Column ${decoder.element.name} has no dictionary.`);
    const places = dataPage as ArrayLike<number>;
    const found: Physical[] = new Array(places.length);
    for (let i = 0; i < places.length; i++) found[i] = dictionary[places[i]!];
    values = found;
  }
  if (facts.num_nulls === 0) return values;
  let next = 0;
  return definitionLevels!.map(level => (level === 0 ? null : values[next++]));
}

export function chunkBytes(file: Buffer, chunk: Chunk): Buffer {
  return file.subarray(chunk.start, chunk.end);
}

/**
 * Table functions: how hot rows, hidden keys and dead rows enter DuckDB. Runs in the child.
 *
 * They are registered once per instance and read the request of the moment by number; DuckDB calls them on the main thread, up to
 * CHUNK_ROWS rows a call, and only for the columns that a query needs.
 */
import duckdb, {
  type Connection,
  type DataChunk,
  type TableFunctionBindInfo,
  type TableFunctionInfo,
  type TableFunctionInitInfo,
} from '@duckdb/node-bindings';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType} from '../model/datatype.ts';
import {PackedCursor} from '../model/packed-rows.ts';
import {FLAG_COLD_PREDECESSOR, RowView, rowFlags} from '../model/row-codec.ts';
import {DELETED_INDEX, SEQ_INDEX} from '../model/schema.ts';
import {assert} from '../std/assert.ts';
import {raisedText} from './errors.ts';
import type {RelationHead} from './frames.ts';
import {DEAD_FUNCTION, HIDDEN_FUNCTION, HOT_FUNCTION, relationColumn} from './relation-sql.ts';
import {CHUNK_ROWS, type ColumnWriter, columnWriter, logicalType, SystemWriter} from './vector-writer.ts';

/** A relation of the request with the hot rows that came for it. */
export interface HotRelation {
  readonly head: RelationHead;
  readonly buffers: Buffer[];
  rowCount: number;
  hiddenKeyCount: number;
}

/** What the functions read: the request of the moment. */
export interface FunctionSource {
  relations: readonly HotRelation[];
  /** Dead rows of each file of a list. */
  deadLists: (readonly Uint32Array[])[];
}

/** Counts the rows, and the keys among them that hide a cold row. */
export function addHotRows(relation: HotRelation, packed: Buffer): void {
  relation.buffers.push(packed);
  const cursor = new PackedCursor([packed]);
  while (cursor.next()) {
    relation.rowCount++;
    if ((rowFlags(cursor.row) & FLAG_COLD_PREDECESSOR) !== 0) relation.hiddenKeyCount++;
  }
}

export function registerFunctions(connection: Connection, source: FunctionSource): void {
  register(connection, HOT_FUNCTION, number => hotScan(relationOf(source, number)));
  register(connection, HIDDEN_FUNCTION, number => hiddenScan(relationOf(source, number)));
  register(connection, DEAD_FUNCTION, number => {
    const list = source.deadLists[number];
    assert(list !== undefined, 'a list of dead rows is known by its number');
    return deadScan(list);
  });
}

function relationOf(source: FunctionSource, number: number): HotRelation {
  const relation = source.relations[number];
  assert(relation !== undefined, 'a relation is known by its number');
  return relation;
}

/** What one use of a function in a query gives. */
interface Scan {
  readonly columns: readonly {readonly name: string; readonly type: DataType}[];
  readonly rowCount: number;
  /** Starts at the first row. `columns` are the places of the wanted ones. */
  open(columns: readonly number[]): Fill;
}

/** Fills one chunk and answers how many rows it now has; 0 at the end. */
type Fill = (chunk: DataChunk) => number;

function register(connection: Connection, name: string, scanOf: (number: number) => Scan): void {
  const made = duckdb.create_table_function();
  duckdb.table_function_set_name(made, name);
  duckdb.table_function_add_parameter(made, duckdb.create_logical_type(duckdb.Type.INTEGER));
  duckdb.table_function_supports_projection_pushdown(made, true);
  duckdb.table_function_set_bind(made, info =>
    guarded(
      text => duckdb.bind_set_error(info, text),
      () => bind(info, scanOf),
    ),
  );
  duckdb.table_function_set_init(made, info =>
    guarded(
      text => duckdb.init_set_error(info, text),
      () => init(info),
    ),
  );
  duckdb.table_function_set_function(made, (info, chunk) =>
    guarded(
      text => duckdb.function_set_error(info, text),
      () => fill(info, chunk),
    ),
  );
  duckdb.register_table_function(connection, made);
}

/** An exception must not pass through DuckDB. */
function guarded(fail: (text: string) => void, work: () => void): void {
  try {
    work();
  } catch (error) {
    fail(error instanceof DbError ? raisedText(error) : String(error));
  }
}

function bind(info: TableFunctionBindInfo, scanOf: (number: number) => Scan): void {
  const scan = scanOf(duckdb.get_int32(duckdb.bind_get_parameter(info, 0)));
  for (const {name, type} of scan.columns) duckdb.bind_add_result_column(info, name, logicalType(type));
  duckdb.bind_set_cardinality(info, scan.rowCount, true);
  duckdb.bind_set_bind_data(info, scan);
}

function init(info: TableFunctionInitInfo): void {
  const scan = duckdb.init_get_bind_data(info) as Scan;
  const count = duckdb.init_get_column_count(info);
  const columns = Array.from({length: count}, (_, i) => duckdb.init_get_column_index(info, i));
  duckdb.init_set_init_data(info, {fill: scan.open(columns)});
}

function fill(info: TableFunctionInfo, chunk: DataChunk): void {
  const state = duckdb.function_get_init_data(info) as {fill: Fill};
  duckdb.data_chunk_set_size(chunk, state.fill(chunk));
}

function hotScan({head, buffers, rowCount}: HotRelation): Scan {
  const {schema, includeTombstones} = head;
  const columns = head.columns.map(index => relationColumn(schema, index));
  // A table function has at least one column.
  if (columns.length === 0) columns.push({name: '?', type: {name: 'boolean'}});
  return {
    columns,
    rowCount,
    open(places) {
      const cursor = new PackedCursor(buffers);
      const view = viewOf(head);
      const writers = places.map(place => hotWriter(head, place));
      return chunk => {
        let count = 0;
        while (count < CHUNK_ROWS && cursor.next()) {
          view.at(cursor.row);
          if (!includeTombstones && view.isTombstone) continue;
          for (const {writer, column} of writers) writer?.write(count, view, column);
          count++;
        }
        flush(chunk, writers, count);
        return count;
      };
    },
  };
}

interface PlacedWriter {
  readonly writer: ColumnWriter | undefined;
  readonly column: number;
}

/** DuckDB may ask for a column that is none, to count rows: it is left as it is. */
function hotWriter({schema, columns}: RelationHead, place: number): PlacedWriter {
  const column = columns[place];
  if (column === undefined) return {writer: undefined, column: 0};
  if (column === SEQ_INDEX || column === DELETED_INDEX) return {writer: new SystemWriter(column), column};
  return {writer: columnWriter(schema.columns[column]!.type), column};
}

function hiddenScan({head, buffers, hiddenKeyCount}: HotRelation): Scan {
  const {schema} = head;
  const {type} = schema.columns[schema.primaryKey]!;
  return {
    columns: [{name: 'k', type}],
    rowCount: hiddenKeyCount,
    open(places) {
      const cursor = new PackedCursor(buffers);
      const view = viewOf(head);
      const writers = places.map(place => ({
        writer: place === 0 ? columnWriter(type) : undefined,
        column: schema.primaryKey,
      }));
      return chunk => {
        let count = 0;
        while (count < CHUNK_ROWS && cursor.next()) {
          if ((rowFlags(cursor.row) & FLAG_COLD_PREDECESSOR) === 0) continue;
          view.at(cursor.row);
          for (const {writer, column} of writers) writer?.write(count, view, column);
          count++;
        }
        flush(chunk, writers, count);
        return count;
      };
    },
  };
}

function viewOf({schema, versions}: RelationHead): RowView {
  return new RowView(schema, version => {
    const known = versions.find(one => one.version === version);
    assert(known !== undefined, `schema version ${version} of a hot row is known`);
    return known;
  });
}

function flush(chunk: DataChunk, writers: readonly PlacedWriter[], count: number): void {
  if (count === 0) return;
  duckdb.data_chunk_set_size(chunk, count);
  for (const [i, {writer}] of writers.entries()) writer?.flush(duckdb.data_chunk_get_vector(chunk, i), count);
}

function deadScan(files: readonly Uint32Array[]): Scan {
  return {
    columns: [{name: 'p', type: {name: 'bigint'}}],
    rowCount: files.reduce((sum, dead) => sum + dead.length, 0),
    open(places) {
      // Halves of 64-bit numbers.
      const positions = new Uint32Array(CHUNK_ROWS * 2);
      let file = 0;
      let next = 0;
      return chunk => {
        let count = 0;
        while (count < CHUNK_ROWS && file < files.length) {
          const dead = files[file]!;
          if (next === dead.length) {
            file++;
            next = 0;
            continue;
          }
          positions[2 * count] = dead[next++]!;
          positions[2 * count + 1] = file;
          count++;
        }
        if (count === 0) return 0;
        duckdb.data_chunk_set_size(chunk, count);
        const place = places.indexOf(0);
        if (place < 0) return count;
        duckdb.copy_data_to_vector(duckdb.data_chunk_get_vector(chunk, place), 0, positions.buffer, 0, count * 8);
        return count;
      };
    },
  };
}

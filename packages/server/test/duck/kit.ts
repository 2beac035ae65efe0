/** For the tests of the room duck: doors that close at the end, relations of rows given as values, segment files. */
import {mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after} from 'node:test';
import {encodeSegment} from '../../src/cold/segment-codec.ts';
import {
  type Duck,
  type DuckAnswer,
  type DuckOptions,
  openDuck,
  type Relation,
  type RelationFile,
} from '../../src/duck/duck.ts';
import type {DataType, Value} from '../../src/model/datatype.ts';
import {compareKeys, encodeKey} from '../../src/model/key-codec.ts';
import {type PackedRows, packChunks, packRows} from '../../src/model/packed-rows.ts';
import type {RowBytes} from '../../src/model/row.ts';
import {encodeRow, FLAG_COLD_PREDECESSOR, FLAG_TOMBSTONE, setRowSeq} from '../../src/model/row-codec.ts';
import type {Schema} from '../../src/model/schema.ts';

export const NEVER = new AbortController().signal;

/** A folder that is gone after the tests of the file. */
export function tempFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kalamdb-duck-')));
  after(() => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

export interface OpenDuck {
  readonly duck: Duck;
  readonly folder: string;
  readonly warnings: string[];
}

/** Closed after the tests of the file. */
export function testDuck(options: Partial<DuckOptions> = {}): OpenDuck {
  const folder = tempFolder();
  const warnings: string[] = [];
  const duck = openDuck({
    maxChildren: 2,
    memoryBytes: 256 * 1024 ** 2,
    directories: () => [folder],
    idleMs: 30_000,
    killAfterMs: 1000,
    logger: {warn: text => warnings.push(text)},
    ...options,
  });
  after(() => duck.close());
  return {duck, folder, warnings};
}

export interface TestRow {
  readonly values: readonly Value[];
  readonly seq?: bigint;
  readonly isTombstone?: boolean;
  /** Written over a row that lies in a segment. */
  readonly hidesCold?: boolean;
}

/** In key order, as slabs and segments hold them. */
export function* encoded(schema: Schema, rows: readonly TestRow[]): Generator<{key: Uint8Array; row: RowBytes}> {
  const {type} = schema.columns[schema.primaryKey]!;
  const keyed = rows.map((row, i) => ({row, i, key: encodeKey(type, row.values[schema.primaryKey]!)}));
  for (const {row, key, i} of keyed.sort((a, b) => compareKeys(a.key, b.key))) {
    const flags = (row.isTombstone ? FLAG_TOMBSTONE : 0) | (row.hidesCold ? FLAG_COLD_PREDECESSOR : 0);
    const buffer = encodeRow(schema, row.values, flags);
    setRowSeq(buffer, 0, row.seq ?? BigInt(i + 1));
    yield {key, row: {buffer, offset: 0, length: buffer.length}};
  }
}

export function hotRows(schema: Schema, rows: readonly TestRow[], chunkBytes?: number): AsyncIterable<PackedRows> {
  return packChunks(encoded(schema, rows), NEVER, chunkBytes);
}

let segmentCount = 0;

export async function segmentFile(
  folder: string,
  schema: Schema,
  rows: readonly TestRow[],
  dead: readonly number[] = [],
): Promise<RelationFile> {
  const packed = await packRows(encoded(schema, rows), NEVER);
  const {bytes, facts} = encodeSegment({schema, versions: [schema], rows: packed});
  const path = join(folder, `batch-${segmentCount++}.parquet`);
  writeFileSync(path, bytes);
  return {path, schemaVersion: schema.version, checksum: facts.checksum, dead: Uint32Array.from(dead)};
}

/** A relation `t1` of all columns without rows; give what differs. */
export function relationOf(schema: Schema, parts: Partial<Relation> = {}): Relation {
  return {
    name: 't1',
    schema,
    versions: [schema],
    columns: schema.columns.map((_, i) => i),
    includeTombstones: false,
    files: [],
    hot: [],
    ...parts,
  };
}

export interface Ask {
  readonly relations?: readonly Relation[];
  readonly outputs?: readonly DataType[];
  readonly params?: readonly {type: DataType; value: Value}[];
  readonly maxRows?: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export function ask(duck: Duck, sql: string, options: Ask = {}): Promise<DuckAnswer> {
  const {relations = [], outputs = [{name: 'bigint'}], params = []} = options;
  const {maxRows = 10_000, maxBytes = 64 * 1024 ** 2, signal = NEVER} = options;
  return duck.query({sql, params, relations, outputs, maxRows, maxBytes}, signal);
}

/** Follows the resident memory of the children; `stop` answers the most that was seen. */
export function watchMemory({duck}: OpenDuck): {stop(): number} {
  let most = 0;
  const timer = setInterval(() => {
    for (const pid of duck.stats().pids) most = Math.max(most, residentBytes(pid));
  }, 20);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}

function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    // It ended in between, or this system tells otherwise.
    return 0;
  }
}

/** Processor time of a process so far. */
export function processorMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

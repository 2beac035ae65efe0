/**
 * What does a query cost that goes to DuckDB? Start of a child, the floor of one request, a thousand hot rows, and the P6 mix over 200,000 rows
 * in 20 segments: as flushed, and with updates and deletes on top. Milliseconds, through the door of `packages/server/src/duck/`.
 *
 *     node bench/duck-floor.ts [rounds] > bench/results/duck-floor.json
 */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {cpus, release, tmpdir, totalmem} from 'node:os';
import {join} from 'node:path';
import {encodeSegment} from '../packages/server/src/cold/segment-codec.ts';
import {type Duck, openDuck, type Relation, type RelationFile} from '../packages/server/src/duck/duck.ts';
import type {DataType, Value} from '../packages/server/src/model/datatype.ts';
import {encodeKey} from '../packages/server/src/model/key-codec.ts';
import type {Incarnation} from '../packages/server/src/model/names.ts';
import {packChunks, packRows} from '../packages/server/src/model/packed-rows.ts';
import type {RowBytes} from '../packages/server/src/model/row.ts';
import {encodeRow, FLAG_COLD_PREDECESSOR} from '../packages/server/src/model/row-codec.ts';
import type {Column, Schema} from '../packages/server/src/model/schema.ts';

const SEGMENTS = 20;
const ROWS_PER_SEGMENT = 10_000;
const HOT_ROWS = 1000;
const MEMORY_BYTES = 512 * 1024 ** 2;
const NEVER = new AbortController().signal;

const BIGINT: DataType = {name: 'bigint'};
const TEXT: DataType = {name: 'text'};
const DOUBLE: DataType = {name: 'double'};
const TIMESTAMP: DataType = {name: 'timestamp'};
const TYPES = [BIGINT, TEXT, TEXT, TEXT, DOUBLE, TIMESTAMP];
const SCHEMA: Schema = {
  incarnation: 64 as Incarnation,
  name: {namespace: 'bench', table: 'messages'},
  kind: 'shared',
  version: 1,
  columns: ['id', 'room', 'author', 'body', 'amount', 'sent'].map(
    (name, i): Column => ({id: i + 1, name, type: TYPES[i]!, isNullable: true, default: {kind: 'none'}, initial: null}),
  ),
  primaryKey: 0,
  options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
  createdAt: 0n,
  updatedAt: 0n,
};

function messageOf(id: number): Value[] {
  const body = `message number ${id} with a few more words in it`;
  return [
    BigInt(id),
    `room ${(id * 7919) % 50}`,
    `user ${(id * 104_729) % 500}`,
    body,
    (id % 1000) * 1.5,
    BigInt(id) * 1_000_000n,
  ];
}

function* encoded(ids: Iterable<number>, flags: number): Generator<{key: Uint8Array; row: RowBytes}> {
  for (const id of ids) {
    const buffer = encodeRow(SCHEMA, messageOf(id), flags);
    yield {key: encodeKey(BIGINT, BigInt(id)), row: {buffer, offset: 0, length: buffer.length}};
  }
}

async function writeSegments(folder: string): Promise<RelationFile[]> {
  const files: RelationFile[] = [];
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const ids = Array.from({length: ROWS_PER_SEGMENT}, (_, i) => segment * ROWS_PER_SEGMENT + i);
    const rows = await packRows(encoded(ids, 0), NEVER);
    const {bytes, facts} = encodeSegment({schema: SCHEMA, versions: [SCHEMA], rows});
    const path = join(folder, `${segment}.parquet`);
    writeFileSync(path, bytes);
    files.push({path, schemaVersion: 1, checksum: facts.checksum, dead: new Uint32Array(0)});
  }
  return files;
}

interface Question {
  readonly name: string;
  readonly sql: string;
  readonly outputs: readonly DataType[];
}

const COUNT: Question = {name: 'count', sql: 'SELECT count(*) AS n FROM t1', outputs: [BIGINT]};
const P6: readonly Question[] = [
  COUNT,
  {name: 'filter', sql: 'SELECT count(*) AS n FROM t1 WHERE "amount" > 700', outputs: [BIGINT]},
  {
    name: 'group, top 10',
    sql: 'SELECT "author", count(*) AS n, sum("amount") AS s FROM t1 GROUP BY 1 ORDER BY n DESC, 1 LIMIT 10',
    outputs: [TEXT, BIGINT, DOUBLE],
  },
  {name: 'one key', sql: 'SELECT * FROM t1 WHERE "id" = 123456', outputs: TYPES},
  {
    name: 'range, order, limit',
    sql: 'SELECT * FROM t1 WHERE "id" BETWEEN 50000 AND 60000 ORDER BY "sent" DESC LIMIT 100',
    outputs: TYPES,
  },
];
const HOT: readonly Question[] = [
  COUNT,
  {
    name: 'filter, order, limit',
    sql: 'SELECT "id", "body" FROM t1 WHERE "amount" > 100 ORDER BY "sent" DESC LIMIT 20',
    outputs: [BIGINT, TEXT],
  },
  {
    name: 'self join',
    sql: 'SELECT a."id", b."body" FROM t1 a JOIN t1 b ON a."id" = b."id" ORDER BY 1 LIMIT 50',
    outputs: [BIGINT, TEXT],
  },
  {name: 'all', sql: 'SELECT * FROM t1', outputs: TYPES},
];

interface Spread {
  readonly least: number;
  readonly median: number;
  /** Of server and child together, per round; others at work on the machine disturb it least. */
  readonly processor: number;
}

async function measured(duck: Duck, rounds: number, work: () => Promise<unknown>): Promise<Spread> {
  await work();
  const times: number[] = [];
  const processorBefore = processorMs(duck);
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    await work();
    times.push(performance.now() - startMs);
  }
  const processor = rounded((processorMs(duck) - processorBefore) / rounds);
  times.sort((a, b) => a - b);
  return {least: rounded(times[0]!), median: rounded(times[times.length >> 1]!), processor};
}

async function once(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return rounded(performance.now() - startMs);
}

function processorMs(duck: Duck): number {
  const {user, system} = process.cpuUsage();
  const fields = readFileSync(`/proc/${duck.stats().pids[0]}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (user + system) / 1000 + (Number(fields[11]) + Number(fields[12])) * 10;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function residentMegabytes(duck: Duck): number {
  const status = readFileSync(`/proc/${duck.stats().pids[0]}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}

/** What the child's start is made of, each in a process of its own: the least of some tries. */
function startParts(): Record<string, number> {
  const least = (script: string): number => {
    const tries = Array.from({length: 7}, () =>
      Number(execFileSync(process.execPath, ['--input-type=module', '-e', script])),
    );
    return rounded(Math.min(...tries));
  };
  const load = (name: string): string =>
    `const start = performance.now(); await import('${name}'); console.log(performance.now() - start)`;
  const open = `const {default: duckdb} = await import('@duckdb/node-bindings');
    const before = process.cpuUsage();
    for (let i = 0; i < 20; i++) duckdb.close_sync(await duckdb.open(':memory:'));
    const {user, system} = process.cpuUsage(before);
    console.log((user + system) / 20_000)`;
  return {
    'load @duckdb/node-bindings': least(load('@duckdb/node-bindings')),
    'load @duckdb/node-api': least(load('@duckdb/node-api')),
    'open and close an instance, processor time': least(open),
  };
}

type Results = Record<string, Spread | number>;
type Encoded = ReturnType<typeof encoded> extends Generator<infer Entry> ? Entry : never;

/** The door with one child, and the one relation that is asked. */
class Bench {
  readonly duck: Duck;
  readonly rounds: number;

  constructor(folder: string, rounds: number) {
    this.rounds = rounds;
    this.duck = openDuck({
      maxChildren: 1,
      memoryBytes: MEMORY_BYTES,
      directories: () => [folder],
      idleMs: 60_000,
      killAfterMs: 1000,
      logger: {warn: text => console.error(text)},
    });
  }

  run({sql, outputs}: Question, files: readonly RelationFile[] = [], hot: readonly Encoded[] = []): Promise<unknown> {
    const relation: Relation = {
      name: 't1',
      schema: SCHEMA,
      versions: [SCHEMA],
      columns: TYPES.map((_, i) => i),
      includeTombstones: false,
      files,
      hot: packChunks(hot, NEVER),
    };
    const limits = {maxRows: 10_000, maxBytes: 64 * 1024 ** 2};
    return this.duck.query({sql, outputs, params: [], relations: [relation], ...limits}, NEVER);
  }
}

async function smallQueries(bench: Bench, results: Results): Promise<void> {
  const rounds = bench.rounds * 5;
  const one = {name: 'one', sql: 'SELECT 1::BIGINT AS n', outputs: [BIGINT]};
  results['start of a child and its first answer'] = await once(() => bench.run(one));
  results['resident MB of an idle child after one query'] = residentMegabytes(bench.duck);
  results['SELECT 1'] = await measured(bench.duck, rounds, () => bench.run(one));
  const many = [...encoded(Array(HOT_ROWS).keys(), 0)];
  results['10 hot rows: count'] = await measured(bench.duck, rounds, () => bench.run(COUNT, [], many.slice(0, 10)));
  for (const question of HOT) {
    const work = () => bench.run(question, [], many);
    results[`${HOT_ROWS} hot rows: ${question.name}`] = await measured(bench.duck, rounds, work);
  }
}

async function largeQueries(bench: Bench, files: readonly RelationFile[], results: Results): Promise<void> {
  results['200,000 cold rows: first query, files are checked'] = await once(() => bench.run(COUNT, files));
  const spread = Array.from({length: HOT_ROWS}, (_, i) => i * 199);
  const updates = [...encoded(spread, FLAG_COLD_PREDECESSOR)];
  const dead = files.map(file => ({...file, dead: Uint32Array.from({length: 100}, (_, i) => i * 97)}));
  const states = [
    ['as flushed', files, []],
    ['1 % dead, 1,000 updated', dead, updates],
  ] as const;
  for (const [state, cold, hot] of states) {
    const all: Spread[] = [];
    for (const question of P6) {
      const times = await measured(bench.duck, bench.rounds, () => bench.run(question, cold, hot));
      results[`200,000 cold rows, ${state}: ${question.name}`] = times;
      all.push(times);
    }
    const mean = (of: (times: Spread) => number): number =>
      rounded(all.reduce((sum, times) => sum + of(times), 0) / all.length);
    results[`P6, ${state}: mean`] = {
      least: mean(times => times.least),
      median: mean(times => times.median),
      processor: mean(times => times.processor),
    };
  }
}

async function main(rounds: number): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kalamdb-bench-')));
  const results: Results = startParts();
  const bench = new Bench(folder, rounds);
  try {
    await smallQueries(bench, results);
    await largeQueries(bench, await writeSegments(folder), results);
    results['resident MB of an idle child after all'] = residentMegabytes(bench.duck);
  } finally {
    await bench.duck.close();
    rmSync(folder, {recursive: true});
  }
  const loadAverage = Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
  const machine = {
    cpu: cpus()[0]?.model.trim(),
    cpuCount: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
  };
  const report = {bench: 'duck-floor', node: process.version, machine, loadAverage, rounds, unit: 'ms', results};
  console.log(JSON.stringify(report, null, 2));
}

await main(Number(process.argv[2] ?? 40));

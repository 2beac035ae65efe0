import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Hot} from '../hot/hot.ts';
import type {MemoryBudget} from '../hot/memory-budget.ts';
import type {Incarnation} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import {Flushes} from './flushes.ts';
import type {Jobs} from './jobs.ts';
import {StillClock} from './test-kit.ts';

interface Table {
  readonly bytes: number;
  readonly lastWriteMs?: number;
  /** A table with a policy that is due whenever it is looked at. */
  readonly isTimed?: boolean;
}

/** Tables 0, 1, … and the flushes that are made for them; they stay until they are ended. */
function openBench(tables: readonly Table[], wantedBytes: number | undefined, {isFull} = {isFull: false}) {
  const made: string[] = [];
  const active = new Set<string>();
  const schemas = tables.map((table, i) => ({
    incarnation: (100 + i) as Incarnation,
    kind: 'user',
    name: {namespace: 'app', table: `t${i}`},
    options: {flushPolicy: table.isTimed === true ? {seconds: 1} : null},
  })) as unknown as Schema[];
  const of = (incarnation: Incarnation) => tables[incarnation - 100]!;
  const hot = {
    tableRows: () => 1,
    tableBytes: incarnation => of(incarnation).bytes,
    tableLastWriteMs: incarnation => of(incarnation).lastWriteMs ?? 0,
    *scopes(incarnation) {
      yield {scope: {incarnation, owner: null}, rowCount: 1, bytes: 1, minSeq: 1n, oldestMs: 0, lastWriteMs: 0};
    },
  } as Partial<Hot> as Hot;
  const jobs = {
    leaseHolder: (key: string) => (active.has(key) ? {job_type: 'flush'} : undefined),
    async enqueue({tableKey, tableName, trigger}: {tableKey: string; tableName: string; trigger: string}) {
      active.add(tableKey);
      made.push(`${tableName} ${trigger}`);
      return {job: {job_id: 'FL-1'}};
    },
  } as unknown as Jobs;
  const memory = {
    isFlushDue: () => wantedBytes !== undefined,
    wantedBytes: () => wantedBytes ?? 0,
    isFull,
  } as Partial<MemoryBudget> as MemoryBudget;
  const rest = {clock: new StillClock(), defaultPolicy: null, smallScopeAgeSeconds: 300};
  const unused = {manifests: undefined as never, files: undefined as never, warn() {}};
  const flushes = new Flushes({...{jobs, hot, memory}, ...rest, ...unused, tables: () => schemas});
  return {flushes, made, active};
}

test('under memory pressure as many tables are flushed as it takes: the largest first, and of those alike the coldest', async () => {
  const tables = [
    {bytes: 100, lastWriteMs: 1},
    {bytes: 1100, lastWriteMs: 9},
    {bytes: 1900, lastWriteMs: 5},
    {bytes: 1030, lastWriteMs: 7},
    {bytes: 5000, lastWriteMs: 50},
  ];
  const bench = openBench(tables, 7500);
  await bench.flushes.tick();
  assert.deepEqual(bench.made, ['app.t4 memory', 'app.t2 memory', 'app.t3 memory']);
  await bench.flushes.tick();
  assert.equal(bench.made.length, 3, 'those that are under way count');
});

test('where memory stays full although the largest table is being flushed, say to a storage that is away, the next ones follow', async () => {
  const bench = openBench([{bytes: 5000}, {bytes: 1000}, {bytes: 300}], 500, {isFull: true});
  for (const made of [1, 2, 3]) {
    await bench.flushes.tick();
    assert.equal(bench.made.length, made);
  }
});

test('ten thousand tables become few jobs at once, and statements find room beside them', async () => {
  const bench = openBench(
    Array.from({length: 10_000}, () => ({bytes: 10})),
    1e9,
  );
  await bench.flushes.tick();
  assert.equal(bench.made.length, 256);
  await bench.flushes.tick();
  assert.equal(bench.made.length, 256);
  bench.active.clear();
  await bench.flushes.tick();
  assert.equal(bench.made.length, 512);
});

test('more tables than find room by their policies all come in turn, though all are always due', async () => {
  const bench = openBench(
    Array.from({length: 600}, () => ({bytes: 10, isTimed: true})),
    undefined,
  );
  for (let round = 0; round < 3; round++) {
    await bench.flushes.tick();
    bench.active.clear();
  }
  assert.equal(bench.made.length, 3 * 256);
  assert.equal(new Set(bench.made).size, 600);
});

test('a policy that is due is not forgotten while memory is short', async () => {
  const bench = openBench([{bytes: 1000}, {bytes: 10, isTimed: true}, {bytes: 20}], 500);
  await bench.flushes.tick();
  assert.deepEqual(bench.made, ['app.t0 memory', 'app.t1 interval']);
});

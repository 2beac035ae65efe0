import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Blob} from '../blob/blob.ts';
import {memoryBlob} from '../blob/memory-blob.ts';
import {columnOf, sampleSegment, schemaOf} from '../cold/test-rows.ts';
import type {Incarnation, ScopeKey, Seq, UserId} from '../model/names.ts';
import {SimClock} from '../std/sim-clock.ts';
import {Manifests} from './manifests.ts';
import {Mirrors} from './mirrors.ts';

const SCHEMA = schemaOf([columnOf(1, 'id', {name: 'int'})]);
const never = new AbortController().signal;
const ANA = scopeOf('ana');
const BEN = scopeOf('ben');

function scopeOf(owner: string): ScopeKey {
  return {incarnation: SCHEMA.incarnation, owner: owner as UserId};
}

function openBench({mark = 0n, manifests = new Manifests()}: {mark?: Seq; manifests?: Manifests} = {}) {
  const clock = new SimClock();
  const memory = memoryBlob();
  const bench = {
    ...{clock, manifests, seq: manifests.newestPublish},
    written: [] as string[],
    warnings: [] as string[],
    mark,
    isDropped: false,
    isFailing: false,
    /** Of the paths that fail, how they begin. */
    failing: '',
    /** Runs while a mirror is being written. */
    meanwhile: undefined as (() => void) | undefined,
  };
  const blob: Blob = {
    ...memory,
    async replace(path, bytes) {
      if (bench.isFailing && path.startsWith(bench.failing)) throw new Error('the disk is away');
      bench.meanwhile?.();
      const {version, segments} = JSON.parse(String(bytes));
      bench.written.push(`${path} ${version} ${segments.length}`);
    },
  };
  const mirrors = new Mirrors({
    ...{manifests, clock, mark},
    blobOf: () => blob,
    placeOf: (_, {owner}) => ({storageId: owner!.startsWith('far') ? 'away' : 'local', folder: String(owner)}),
    current: (_: Incarnation) => (bench.isDropped ? undefined : SCHEMA),
    async saveMark(seq) {
      bench.mark = seq;
    },
    warn: text => bench.warnings.push(text),
  });
  return Object.assign(bench, {mirrors});
}

type Bench = ReturnType<typeof openBench>;

/** Adds segments, or takes all away. */
function publish(bench: Pick<Bench, 'manifests' | 'seq'>, scope: ScopeKey, count: number): void {
  const {version: baseVersion, batch, segments, flushedThrough} = bench.manifests.get(scope);
  const add = Array.from({length: count}, (_, i) => sampleSegment(`s${bench.seq}-${i}`));
  const remove = count === 0 ? segments.map(segment => segment.name) : [];
  const delta = {scope, baseVersion, add, remove, vectors: new Map(), flushedThrough, batch, at: 0};
  bench.manifests.apply(delta, ++bench.seq);
}

test('a manifest of few segments is mirrored by whoever published it', async () => {
  const bench = openBench();
  publish(bench, ANA, 1);
  await bench.mirrors.published(ANA);
  publish(bench, ANA, 1);
  await bench.mirrors.published(ANA);
  assert.deepEqual(bench.written, ['ana/manifest.json 1 1', 'ana/manifest.json 2 2']);
});

test('one of many waits, longer the more there are, and what is published meanwhile is written with it', async () => {
  const bench = openBench();
  for (let i = 0; i < 50; i++) {
    publish(bench, ANA, 100);
    await bench.mirrors.published(ANA);
    await bench.mirrors.tick(never);
  }
  assert.deepEqual(bench.written, []);
  await bench.clock.advance(100);
  await bench.mirrors.tick(never);
  assert.deepEqual(bench.written, ['ana/manifest.json 50 5000']);
  publish(bench, ANA, 1);
  await bench.clock.advance(5000);
  await bench.mirrors.tick(never);
  assert.equal(bench.written.length, 1, 'five thousand wait five seconds');
  await bench.clock.advance(1);
  await bench.mirrors.tick(never);
  assert.equal(bench.written.length, 2);
});

test('what is published while its mirror is written is mirrored again', async () => {
  const bench = openBench();
  publish(bench, ANA, 1);
  bench.meanwhile = () => {
    bench.meanwhile = undefined;
    publish(bench, ANA, 1);
  };
  await bench.mirrors.published(ANA);
  await bench.mirrors.tick(never);
  assert.deepEqual(bench.written, ['ana/manifest.json 1 1', 'ana/manifest.json 2 2']);
});

test('a scope without segments and a dropped table get no mirror, and files wait for one that is being written', async () => {
  const bench = openBench();
  publish(bench, ANA, 1);
  publish(bench, ANA, 0);
  await bench.mirrors.published(ANA);
  publish(bench, BEN, 1);
  bench.manifests.takeRemovable();
  bench.meanwhile = () => {
    bench.manifests.drop(SCHEMA.incarnation);
    assert.deepEqual(bench.manifests.takeRemovable(), []);
  };
  await bench.mirrors.published(BEN);
  assert.deepEqual(bench.written, ['ben/manifest.json 1 1']);
  assert.equal(bench.manifests.takeRemovable().length, 2);
  bench.isDropped = true;
  await bench.mirrors.tick(never);
  assert.deepEqual([bench.written.length, bench.mirrors.dueCount], [1, 0]);
});

test('a mirror that fails is tried again later, and the mark stays below it', async () => {
  const bench = openBench();
  publish(bench, ANA, 1);
  await bench.mirrors.published(ANA);
  bench.isFailing = true;
  publish(bench, BEN, 1);
  await bench.mirrors.published(BEN);
  for (let second = 0; second < 59; second++) {
    await bench.clock.advance(1000);
    await bench.mirrors.tick(never);
  }
  assert.deepEqual(
    [bench.warnings.length, bench.written.length],
    [1, 1],
    'a storage that fails is left alone for a minute',
  );
  await bench.mirrors.close();
  assert.equal(bench.mark, 1n);
  bench.isFailing = false;
  await bench.clock.advance(2000);
  await bench.mirrors.tick(never);
  await bench.mirrors.close();
  assert.deepEqual([bench.written[1], bench.mark], ['ben/manifest.json 1 1', 2n]);
});

test('very many mirrors of a storage that is away keep none of another one waiting', async () => {
  const bench = openBench();
  bench.failing = 'far';
  bench.isFailing = true;
  for (let i = 0; i < 500; i++) publish(bench, scopeOf(`far-${i}`), 1);
  publish(bench, ANA, 1);
  for (let i = 0; i < 3; i++) await bench.mirrors.tick(never);
  assert.deepEqual([bench.written, bench.mirrors.dueCount], [['ana/manifest.json 1 1'], 500]);
  await bench.mirrors.close();
  assert.equal(bench.mark, 0n);
});

test('a start mends what was published after the mark and no more, some on each tick', async () => {
  const before = {manifests: new Manifests(), seq: 0n};
  for (let i = 0; i < 1000; i++) publish(before, scopeOf(`user-${i}`), 1);
  const bench = openBench({mark: 500n, manifests: before.manifests});
  await bench.mirrors.tick(never);
  assert.equal(bench.written.length, 200);
  for (let i = 0; i < 5; i++) await bench.mirrors.tick(never);
  assert.deepEqual(
    bench.written,
    Array.from({length: 500}, (_, i) => `user-${i + 500}/manifest.json 1 1`),
  );
  await bench.mirrors.close();
  assert.equal(bench.mark, 1000n);
});

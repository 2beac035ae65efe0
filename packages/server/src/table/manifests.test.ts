import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ManifestDelta} from '../cold/manifest-delta.ts';
import {sampleSegment, seededRandom} from '../cold/test-rows.ts';
import type {Incarnation, Owner, ScopeKey} from '../model/names.ts';
import {Manifests} from './manifests.ts';

const scopeOf = (incarnation: number, owner: string | null): ScopeKey => ({
  incarnation: incarnation as Incarnation,
  owner: owner as Owner,
});

function publish(manifests: Manifests, scope: ScopeKey, change: Partial<ManifestDelta>, seq = 1n): void {
  const {version: baseVersion, batch, flushedThrough} = manifests.get(scope);
  const none = {add: [], remove: [], vectors: new Map()};
  manifests.apply({scope, baseVersion, batch: batch + 1, flushedThrough, at: 0, ...none, ...change}, seq);
}

const names = (manifests: Manifests, scope: ScopeKey) => manifests.get(scope).segments.map(segment => segment.name);

test('any history of publishes and drops leaves what a plain map says, in memory that follows what lives (seed 3)', () => {
  const random = seededRandom(3);
  const manifests = new Manifests();
  const expected = new Map<string, {scope: ScopeKey; segments: string[]}>();
  let next = 0;
  for (let step = 0; step < 6000; step++) {
    const incarnation = 64 + Math.floor(random() * 4);
    const scope = scopeOf(incarnation, random() < 0.1 ? null : `user-${Math.floor(random() * 150)}`);
    const id = JSON.stringify(scope);
    const segments = expected.get(id)?.segments ?? [];
    if (random() < 0.002) {
      manifests.drop(scope.incarnation);
      for (const [key, one] of expected) if (one.scope.incarnation === incarnation) expected.delete(key);
    } else if (segments.length > 0 && random() < 0.4) {
      const remove = segments.slice(0, 1 + Math.floor(random() * segments.length));
      publish(manifests, scope, {remove});
      expected.set(id, {scope, segments: segments.slice(remove.length)});
      if (remove.length === segments.length) expected.delete(id);
    } else {
      const add = [sampleSegment(`s${next++}`)];
      publish(manifests, scope, {add});
      expected.set(id, {scope, segments: [...segments, add[0]!.name]});
    }
  }
  for (const {scope, segments} of expected.values()) assert.deepEqual(names(manifests, scope), segments);
  const all = [...manifests.all()];
  assert.equal(all.length, expected.size);
  const count = all.reduce((sum, manifest) => sum + manifest.segmentCount, 0);
  const totals = {scopes: expected.size, segments: count, rows: 10 * count, deadRows: 0, bytes: 100 * count};
  assert.deepEqual(manifests.totals, totals);
  const live = all.reduce((sum, manifest) => sum + manifest.bytes.length + 150, 0);
  assert.ok(manifests.memoryBytes < 2 * live + 300_000, `${manifests.memoryBytes} bytes for ${live}`);
});

test('a scope without segments is forgotten, and its file names go', () => {
  const manifests = new Manifests();
  const scope = scopeOf(64, 'ana');
  publish(manifests, scope, {add: [sampleSegment('s1')], flushedThrough: 7n});
  publish(manifests, scope, {remove: ['s1']});
  assert.deepEqual([manifests.get(scope).version, manifests.get(scope).flushedThrough], [0, 0n]);
  const paths = manifests.takeRemovable().map(file => file.path);
  assert.deepEqual(paths, ['app/items/alice/s1', 'app/items/alice/manifest.json']);
});

test('a mirror is deleted unless its place was taken again, by the scope itself or by a new table of that name', () => {
  const mirror = {storageId: 'local', path: 'app/items/alice/manifest.json'};
  const [old, next] = [scopeOf(64, 'alice'), scopeOf(65, 'alice')];
  const retired = () => {
    const manifests = new Manifests();
    publish(manifests, old, {add: [sampleSegment('s1')]});
    publish(manifests, old, {remove: ['s1']});
    return manifests;
  };
  assert.deepEqual(retired().withoutMirrorsInUse([mirror]), [mirror], 'nobody took it');
  for (const scope of [old, next]) {
    const manifests = retired();
    publish(manifests, scope, {add: [sampleSegment('s2')]});
    for (const why of ['at once', 'asked again']) assert.deepEqual(manifests.withoutMirrorsInUse([mirror]), [], why);
    manifests.drop(scope.incarnation);
    for (const why of ['retired again', 'and it could not be deleted'])
      assert.deepEqual(manifests.withoutMirrorsInUse([mirror]), [mirror], why);
  }
  const manifests = retired();
  publish(manifests, next, {add: [{...sampleSegment('s2'), storageId: 'other'}]});
  assert.deepEqual(manifests.withoutMirrorsInUse([mirror]), [mirror], 'the same path in another storage');
});

test('a mirror that is written while an old one of that path is deleted is due again', () => {
  const mirror = {storageId: 'local', path: 'app/items/alice/manifest.json'};
  const scope = scopeOf(64, 'alice');
  for (const isLeft of [false, true]) {
    const manifests = new Manifests();
    const due: (string | null)[] = [];
    if (isLeft) {
      manifests.retireLeft([mirror]);
    } else {
      publish(manifests, scope, {add: [sampleSegment('s1')]});
      publish(manifests, scope, {remove: ['s1']});
    }
    manifests.onPublish = manifest => due.push(manifest.scope.owner);
    assert.deepEqual(manifests.withoutMirrorsInUse([mirror]), [mirror]);
    publish(manifests, scope, {add: [sampleSegment('s2')]});
    manifests.gone([mirror]);
    assert.deepEqual(due, ['alice', 'alice']);
    publish(manifests, scope, {remove: ['s2']});
    assert.deepEqual(manifests.withoutMirrorsInUse([mirror]), [mirror], 'nothing is remembered of what is gone');
  }
});

test('of what a start finds announced, only folders of announced files are looked into', () => {
  const manifests = new Manifests();
  publish(manifests, scopeOf(64, 'alice'), {add: [sampleSegment('s1')]});
  publish(manifests, scopeOf(64, 'ben'), {add: [{...sampleSegment('s2'), path: 'app/items/ben/s2'}]});
  const listed = (path: string) => [...manifests.listedBeside([{storageId: 'local', path}])].map(file => file.path);
  assert.deepEqual(listed('app/items/ben/s9'), ['app/items/ben/s2', 'app/items/ben/manifest.json']);
  assert.deepEqual(listed('app/items/carl/s9'), []);
  assert.deepEqual([...manifests.listedBeside([])], []);
});

test('a dropped table is gone at once for everybody, also for whoever walks it, and its files and memory go in slices', () => {
  const manifests = new Manifests();
  const count = 10_000;
  for (let i = 0; i < count; i++)
    publish(manifests, scopeOf(64, `user-${i}`), {add: [{...sampleSegment(`s${i}`), path: `app/t/user-${i}/s${i}`}]});
  const taken = manifests.get(scopeOf(64, 'user-7'));
  const walk = manifests.of(64 as Incarnation);
  walk.next();
  manifests.drop(64 as Incarnation);
  assert.equal(manifests.get(scopeOf(64, 'user-9999')).segmentCount, 0);
  assert.deepEqual([...manifests.all()], []);
  assert.ok(manifests.isSweepDue && manifests.retiredCount > 0);
  let slices = 1;
  for (; manifests.sweep(); slices++) walk.next();
  assert.equal(slices, 2);
  assert.ok(walk.next().done);
  assert.equal(manifests.takeRemovable().length, 2 * count);
  assert.deepEqual([manifests.totals.scopes, manifests.isSweepDue], [0, false]);
  assert.ok(manifests.memoryBytes < 600_000);
  assert.equal(taken.segments[0]!.name, 's7', 'a reader keeps what it took');
});

test('a mirror in the place of one whose table is dropped and not yet looked at stays', () => {
  const manifests = new Manifests();
  const count = 10_000;
  const segment = (i: number) => ({...sampleSegment(`s${i}`), path: `app/t/user-${i}/s${i}`});
  for (let i = 0; i < count; i++) publish(manifests, scopeOf(64, `user-${i}`), {add: [segment(i)]});
  manifests.drop(64 as Incarnation);
  publish(manifests, scopeOf(65, 'user-9999'), {add: [segment(9999)]});
  const removed = manifests.withoutMirrorsInUse(manifests.takeRemovable());
  assert.equal(removed.length, 2 * count - 1);
});

test('what a checkpoint captured, and what a reader took, stays as it was while all of it is replaced', () => {
  const manifests = new Manifests();
  const scopes = Array.from({length: 2000}, (_, i) => scopeOf(64, `user-${i}`));
  for (const [i, scope] of scopes.entries()) publish(manifests, scope, {add: [sampleSegment(`a${i}`)]});
  const captured = manifests.captureAll();
  const taken = manifests.get(scopes[5]!);
  for (const [i, scope] of scopes.entries())
    publish(manifests, scope, {add: [sampleSegment(`b${i}`)], remove: [`a${i}`]});
  assert.deepEqual(
    [...captured].map(({scope, segments}) => [scope.owner, segments.map(segment => segment.name)]),
    scopes.map(({owner}, i) => [owner, [`a${i}`]]),
  );
  assert.deepEqual(
    taken.segments.map(segment => segment.name),
    ['a5'],
  );
});

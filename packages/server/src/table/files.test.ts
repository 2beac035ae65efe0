import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Blob} from '../blob/blob.ts';
import {memoryBlob} from '../blob/memory-blob.ts';
import {SimClock} from '../std/sim-clock.ts';
import type {Commit} from './commit.ts';
import {Files, type StoredFile} from './files.ts';

/** Two storages; `away` answers nothing while it is broken. */
async function openBench(paths: readonly string[]) {
  const clock = new SimClock();
  const struck: string[] = [];
  const warnings: string[] = [];
  const away = {isBroken: false};
  const blobs: Record<string, Blob> = {here: memoryBlob(), away: memoryBlob()};
  for (const blob of Object.values(blobs)) for (const path of paths) await blob.put(path, Buffer.from('x'));
  const {remove} = blobs['away']!;
  blobs['away']!.remove = async some => {
    if (away.isBroken) throw new Error('nobody there');
    await remove(some);
  };
  const files = new Files({
    commit: {write: async () => 0n} as unknown as Commit,
    names: {
      announced: () => [],
      struck(some) {
        struck.push(...some.map(file => `${file.storageId}:${file.path}`));
        return [];
      },
    },
    syncLog: async () => {},
    blobOf: id => blobs[id]!,
    forget() {},
    unused: some => some,
    gone() {},
    clock,
    warn: text => warnings.push(text),
  });
  const all = (storageId: string): StoredFile[] => paths.map(path => ({storageId, path}));
  return {clock, files, blobs, away, struck, warnings, all};
}

test('a storage that is away holds up no other, and its files are tried again with growing pauses until they are gone', async () => {
  const {clock, files, blobs, away, struck, warnings, all} = await openBench(['a', 'b']);
  away.isBroken = true;
  assert.equal(await files.delete([...all('away'), ...all('here')]), 2);
  assert.deepEqual(struck, ['here:a', 'here:b'], 'what is not gone stays announced');
  assert.deepEqual([files.putOffCount, files.deletingCount], [2, 2]);
  let tries = 1;
  for (const pauseMs of [1000, 2000, 4000, 8000]) {
    await clock.advance(pauseMs - 1);
    await files.delete([]);
    assert.equal(warnings.length, tries, `nothing is tried within ${pauseMs} ms`);
    await clock.advance(1);
    await files.delete([]);
    assert.equal(warnings.length, ++tries);
  }
  away.isBroken = false;
  for (let i = 0; i < 16; i++) await clock.advance(1000);
  assert.equal(await files.delete([]), 2);
  assert.deepEqual(await blobs['away']!.list(''), []);
  assert.deepEqual([struck.length, files.deletingCount], [4, 0]);
});

test('a stop ends a long deletion between two parts; what is left stays announced', async () => {
  const paths = Array.from({length: 10_000}, (_, i) => String(i));
  const {files, struck, blobs, all} = await openBench(paths);
  const work = files.delete(all('here'));
  await files.stop();
  const count = await work;
  assert.ok(count > 0 && count < paths.length, `${count} deleted`);
  assert.equal(struck.length, count);
  assert.equal((await blobs['here']!.list('')).length, paths.length - count);
});

test('of what a start finds announced, what is listed is kept and its name struck out', async () => {
  const {files, struck, blobs, all} = await openBench(['a', 'b', 'c']);
  const listed = [
    {storageId: 'here', path: 'b'},
    {storageId: 'away', path: 'a'},
  ];
  assert.deepEqual(await files.leftOf(all('here'), listed), [
    {storageId: 'here', path: 'a'},
    {storageId: 'here', path: 'c'},
  ]);
  assert.deepEqual(struck, ['here:b']);
  assert.equal((await blobs['here']!.list('')).length, 3);
});

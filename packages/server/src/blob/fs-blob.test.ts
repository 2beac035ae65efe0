/** What the file system adds to the contract: folders that come and go, and removals that last. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seededRandom} from '../std/sim-clock.ts';
import {SimDisk} from '../std/sim-disk.ts';
import {openFsBlob} from './fs-blob.ts';

const BASE = 'data/storage';

test('folders go with their last object, up to the base; others stay', async () => {
  const cases: [why: string, put: string[], remove: string[], left: string[]][] = [
    ['the last object of a scope', ['t/a/1', 't/b/1'], ['t/a/1'], ['t', 't/b']],
    ['one of two objects', ['t/a/1', 't/a/2'], ['t/a/1'], ['t', 't/a']],
    ['the last one of all', ['t/a/1', 't/b/1'], ['t/a/1', 't/b/1'], []],
    ['an object right below the base', ['1'], ['1'], []],
    ['one that was never there', ['t/a/1'], ['t/b/1'], ['t', 't/a']],
  ];
  for (const [why, put, remove, left] of cases) {
    const disk = new SimDisk();
    await disk.makeDirectory(BASE);
    const blob = openFsBlob({disk, base: BASE});
    for (const path of put) await blob.put(path, Buffer.from('x'));
    await blob.remove(remove);
    assert.deepEqual(await foldersBelow(disk, BASE), left, why);
    for (const path of remove) await blob.put(path, Buffer.from('again'));
    for (const path of remove) assert.equal(await blob.size(path), 5, `${why}: the folder is made again`);
  }
});

test('puts and removals beside each other: no put fails for a folder that just went', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const disk = new SimDisk();
    const blob = openFsBlob({disk, base: BASE});
    const kept = new Set<string>();
    const chains = Array.from({length: 6}, async (_, chain) => {
      for (let i = 0; i < 12; i++) {
        const path = `t/${Math.floor(random() * 3)}/u/${chain}-${i}`;
        await blob.put(path, Buffer.from('x'));
        if (random() < 0.8) await blob.remove([path]);
        else kept.add(path);
      }
    });
    await Promise.all(chains);
    assert.deepEqual(await blob.list(''), [...kept].sort(), `seed ${seed}`);
    await blob.remove([...kept]);
    assert.deepEqual(await foldersBelow(disk, BASE), [], `seed ${seed}`);
  }
});

test('what was put stays and what was removed stays away, whatever a power loss does', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const disk = new SimDisk();
    const blob = openFsBlob({disk, base: BASE});
    for (const path of ['t/a/gone', 't/b/gone', 't/b/kept']) await blob.put(path, Buffer.from('x'));
    await blob.remove(['t/a/gone', 't/b/gone']);
    await blob.put('t/a/back', Buffer.from('x'));
    disk.crash(seededRandom(seed));
    assert.deepEqual(await openFsBlob({disk, base: BASE}).list(''), ['t/a/back', 't/b/kept'], `seed ${seed}`);
  }
});

test('a removal that a dead process began is made durable by the next one', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const disk = new SimDisk();
    const blob = openFsBlob({disk, base: BASE});
    for (const path of ['t/a/gone', 't/a/kept']) await blob.put(path, Buffer.from('x'));
    await disk.remove(`${BASE}/t/a/gone`);
    disk.kill();
    await openFsBlob({disk, base: BASE}).remove(['t/a/gone']);
    disk.crash(seededRandom(seed));
    assert.deepEqual(await openFsBlob({disk, base: BASE}).list(''), ['t/a/kept'], `seed ${seed}`);
  }
});

async function foldersBelow(disk: SimDisk, base: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (folder: string) => {
    for (const name of await disk.list(folder)) {
      const path = `${folder}/${name}`;
      const isFolder = await disk.list(path).then(
        () => true,
        () => false,
      );
      if (!isFolder) continue;
      found.push(path.slice(base.length + 1));
      await look(path);
    }
  };
  await look(base);
  return found.sort();
}

import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {after, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Disk} from '../std/disk.ts';
import {realDisk} from '../std/real-disk.ts';
import {seededRandom} from '../std/sim-clock.ts';
import {SimDisk} from '../std/sim-disk.ts';
import {systemClock} from '../std/system-clock.ts';
import type {Blob} from './blob.ts';
import {openCachedBlob} from './cached-blob.ts';
import {openFsBlob} from './fs-blob.ts';
import {memoryBlob} from './memory-blob.ts';
import {startS3} from './test-s3.ts';

const root = await mkdtemp(join(tmpdir(), 'kalamdb-blob-'));
const s3 = await startS3(join(root, 's3'));
after(async () => {
  await s3.stop();
  await rm(root, {recursive: true});
});

const diskFull = Object.assign(new Error('no space'), {code: 'ENOSPC'});
let folderCount = 0;

interface Bench {
  readonly blob: Blob;
  /** The next put fails, in the middle of its work. */
  failNextPut(): void;
  /** Leaves what a crash in a put leaves. */
  crashPut(path: string): Promise<void>;
  /** All that is stored, leftovers included. */
  everything(): Promise<string[]>;
}

function memoryBench(): Bench {
  const blob = memoryBlob();
  const failNextPut = () => blob.failNext('put', diskFull);
  const crashPut = async (path: string) => {
    failNextPut();
    await assert.rejects(blob.put(path, Buffer.from('half')));
  };
  return {blob, failNextPut, crashPut, everything: () => blob.list('')};
}

function fileBench(): Bench {
  const base = join(root, `${folderCount++}`, 'deep');
  let isFailing = false;
  const disk: Disk = {
    ...realDisk,
    async open(path, mode) {
      const file = await realDisk.open(path, mode);
      const write = async (bytes: Uint8Array, position: number) => {
        if (isFailing) {
          isFailing = false;
          await file.write(bytes.subarray(0, 1), position);
          throw diskFull;
        }
        return file.write(bytes, position);
      };
      return {
        read: (position, length) => file.read(position, length),
        write,
        writeNow: (bytes, position) => file.writeNow(bytes, position),
        datasync: () => file.datasync(),
        datasyncNow: () => file.datasyncNow(),
        size: () => file.size(),
        close: () => file.close(),
      };
    },
  };
  return {
    blob: openFsBlob({disk, base}),
    failNextPut: () => {
      isFailing = true;
    },
    crashPut: path => writeFile(join(base, `${path}.tmp`), 'half'),
    everything: async () => {
      const found = await readdir(base, {recursive: true, withFileTypes: true});
      return found.filter(one => one.isFile()).map(one => relative(base, join(one.parentPath, one.name)));
    },
  };
}

function s3Bench(): Bench {
  const blob = s3.open(`test ${folderCount++}/deep`);
  return {
    blob,
    failNextPut: () => s3.fail(4),
    // An upload that was begun is nothing under its name; services drop it by a rule of the bucket.
    crashPut: async () => {},
    everything: () => blob.list(''),
  };
}

function cachedBench(): Bench {
  const bench = s3Bench();
  const directory = join(root, `${folderCount++}`);
  return {...bench, blob: openCachedBlob({remote: bench.blob, disk: realDisk, directory, bytesMax: 1000})};
}

const backends: [name: string, open: () => Bench][] = [
  ['memory', memoryBench],
  ['file system', fileBench],
  ['S3', s3Bench],
  ['S3 behind a cache', cachedBench],
];

const hasCode = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof DbError && error.code === code && text.test(error.message);

for (const [name, open] of backends) {
  describe(`blob: ${name}`, () => {
    test('what was put is read back, whole and in ranges', async () => {
      const {blob} = open();
      await blob.put('ns/t/u/a.parquet', Buffer.from('0123456789'));
      assert.equal(String(await blob.read('ns/t/u/a.parquet', 0, 10)), '0123456789');
      assert.equal(String(await blob.read('ns/t/u/a.parquet', 3, 6)), '345');
      assert.equal(await blob.size('ns/t/u/a.parquet'), 10);
      assert.equal(await blob.size('ns/t/u/b.parquet'), undefined);
    });

    test('a missing or short object is damage, and is named', async () => {
      const {blob} = open();
      await blob.put('x/short', Buffer.from('abc'));
      await assert.rejects(blob.read('x/short', 1, 9), hasCode('DATA_CORRUPTED', /x\/short/));
      await assert.rejects(blob.read('x/none', 0, 1), hasCode('DATA_CORRUPTED', /x\/none/));
    });

    test('a name is used once; only replace changes an object', async () => {
      const {blob} = open();
      await blob.put('m/manifest.json', Buffer.from('one'));
      await assert.rejects(blob.put('m/manifest.json', Buffer.from('two')));
      await blob.replace('m/manifest.json', Buffer.from('three'));
      await blob.replace('m/new.json', Buffer.from('new'));
      assert.equal(String(await blob.read('m/manifest.json', 0, 5)), 'three');
      assert.deepEqual(await blob.list('m'), ['m/manifest.json', 'm/new.json']);
    });

    test('a failed put leaves nothing under its name and can be repeated', async () => {
      const {blob, failNextPut} = open();
      failNextPut();
      await assert.rejects(blob.put('a/b', Buffer.from('abc')));
      assert.equal(await blob.size('a/b'), undefined);
      assert.deepEqual(await blob.list(''), []);
      await blob.put('a/b', Buffer.from('abc'));
      assert.deepEqual(await blob.list(''), ['a/b']);
    });

    test('what a crash in a put leaves is never listed, and goes with a remove of its object', async () => {
      const {blob, crashPut, everything} = open();
      await blob.put('a/kept', Buffer.from('k'));
      await crashPut('a/lost');
      await crashPut('a/again');
      await blob.put('a/again', Buffer.from('k'));
      assert.deepEqual(await blob.list(''), ['a/again', 'a/kept']);
      await blob.remove(['a/lost']);
      assert.deepEqual((await everything()).sort(), ['a/again', 'a/kept']);
    });

    test('list is sorted, recursive, and takes a prefix as a folder', async () => {
      const {blob} = open();
      for (const path of ['t/b', 't/a/2', 't/a/1', 'tt/c']) await blob.put(path, Buffer.from('.'));
      assert.deepEqual(await blob.list(''), ['t/a/1', 't/a/2', 't/b', 'tt/c']);
      assert.deepEqual(await blob.list('t'), ['t/a/1', 't/a/2', 't/b']);
      assert.deepEqual(await blob.list('t/a/'), ['t/a/1', 't/a/2']);
      assert.deepEqual(await blob.list('nothing'), []);
    });

    test('remove is quiet about what is not there', async () => {
      const {blob} = open();
      await blob.put('a/b', Buffer.from('.'));
      await blob.remove(['a/b', 'a/none']);
      await blob.remove(['a/b', 'a/none']);
      assert.equal(await blob.size('a/b'), undefined);
    });

    test('an object that has a file is that file, below the directory, while it is held', async () => {
      const {blob} = open();
      await blob.put('a/b', Buffer.from('held'));
      const file = await blob.file('a/b');
      assert.equal(file === undefined, blob.directory === undefined);
      if (file === undefined) return;
      assert.ok(file.path.startsWith(`${blob.directory}/`), file.path);
      assert.equal(await readFile(file.path, 'utf8'), 'held');
      file.release();
    });

    const outside = ['', '/etc/passwd', '../x', 'a/../../x', 'a//b', 'a/./b', 'a/\0', 'a\\b', 'a/', 'x'.repeat(2000)];
    for (const path of outside) {
      test(`no path leads out of the base: ${JSON.stringify(path.slice(0, 20))}`, async () => {
        const {blob} = open();
        const isRefused = hasCode('INVALID_INPUT', /Invalid object path/);
        await assert.rejects(blob.put(path, Buffer.from('.')), isRefused);
        await assert.rejects(blob.read(path, 0, 1), isRefused);
        await assert.rejects(blob.remove([path]), isRefused);
      });
    }
  });
}

test('a copy that is held outlives what pushes it out and its object, and goes with the last holder', async () => {
  const {blob} = cachedBench();
  await blob.put('old', Buffer.alloc(600, 'o'));
  await blob.put('new', Buffer.alloc(600, 'n'));
  const held = [await blob.file('old'), await blob.file('old')];
  const path = held[0]!.path;
  await blob.read('new', 0, 600);
  await blob.remove(['old']);
  held[0]!.release();
  assert.equal(await readFile(path, 'utf8'), 'o'.repeat(600));
  held[1]!.release();
  for (let tries = 0; tries < 200 && existsSync(path); tries++) await systemClock.sleep(5);
  assert.equal(existsSync(path), false);
});

test('an object that is larger than the cache has no file', async () => {
  const {blob} = cachedBench();
  await blob.put('large', Buffer.alloc(1001));
  assert.equal(await blob.file('large'), undefined);
  await assert.rejects(blob.file('none'), hasCode('DATA_CORRUPTED', /none/));
});

test('a full disk is an error that a retry can heal', async () => {
  const {blob, failNextPut} = fileBench();
  failNextPut();
  await assert.rejects(blob.put('a', Buffer.from('abc')), hasCode('DISK_FULL', /No space/));
});

test('what was put stays and what was removed stays away, whatever a power loss does', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const disk = new SimDisk();
    const blob = openFsBlob({disk, base: 'storage'});
    await blob.put('t/kept', Buffer.from('k'));
    await blob.put('t/gone', Buffer.from('g'));
    await blob.remove(['t/gone']);
    disk.crash(seededRandom(seed));
    assert.deepEqual(await blob.list(''), ['t/kept'], `seed ${seed}`);
  }
});

test('a removal that a dead process began is made durable by the next one', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const disk = new SimDisk();
    await openFsBlob({disk, base: 'storage'}).put('t/gone', Buffer.from('g'));
    await disk.remove('storage/t/gone');
    disk.kill();
    await openFsBlob({disk, base: 'storage'}).remove(['t/gone']);
    disk.crash(seededRandom(seed));
    assert.deepEqual(await disk.list('storage/t'), [], `seed ${seed}`);
  }
});

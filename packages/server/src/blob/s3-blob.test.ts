import assert from 'node:assert/strict';
import {mkdtemp, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {realDisk} from '../std/real-disk.ts';
import {openCachedBlob} from './cached-blob.ts';
import {startS3} from './test-s3.ts';

const root = await mkdtemp(join(tmpdir(), 'kalamdb-s3-'));
const s3 = await startS3(join(root, 's3'));
after(async () => {
  await s3.stop();
  await rm(root, {recursive: true});
});

const failed = (text: RegExp) => (error: unknown) =>
  error instanceof DbError && error.code === 'STORAGE_UNAVAILABLE' && text.test(error.message);

test('S3: a busy service is asked again, and a request that helps nobody is not', async () => {
  const blob = s3.open('retry');
  s3.fail(3);
  await blob.put('a', Buffer.from('abc'));
  s3.fail(4, 500);
  await assert.rejects(blob.read('a', 0, 3), failed(/GET 'a' was answered 500 SlowDown/));
  const before = s3.requestCount;
  s3.fail(1, 403);
  await assert.rejects(blob.read('a', 0, 3), failed(/GET 'a' was answered 403/));
  assert.equal(s3.requestCount, before + 1);
});

test('S3: a put whose answer was lost is done, not refused', async () => {
  const blob = s3.open('lost');
  s3.loseNextPutAnswer();
  await blob.put('a', Buffer.from('abc'));
  assert.equal(String(await blob.read('a', 0, 3)), 'abc');
});

test('S3: large objects go in parts and come back whole and in ranges', async () => {
  const blob = s3.open('parts');
  const bytes = Buffer.alloc(20 * 1024 * 1024 + 7);
  for (let i = 0; i < bytes.length; i += 4099) bytes[i] = i % 251;
  await blob.put('big', bytes);
  assert.equal(await blob.size('big'), bytes.length);
  assert.ok((await blob.read('big', 0, bytes.length)).equals(bytes));
  const at = 8 * 1024 * 1024 - 5;
  assert.ok((await blob.read('big', at, at + 11)).equals(bytes.subarray(at, at + 11)));
});

test('S3: a failed put in parts leaves nothing, and can be repeated', async () => {
  const blob = s3.open('parts-failed');
  const bytes = Buffer.alloc(17 * 1024 * 1024, 3);
  s3.fail(8);
  await assert.rejects(blob.put('big', bytes), failed(/503/));
  s3.fail(0);
  assert.deepEqual(await blob.list(''), []);
  await blob.put('big', bytes);
  assert.equal(await blob.size('big'), bytes.length);
});

test('S3: odd names stay themselves', async () => {
  const blob = s3.open('odd names');
  const names = ['a%3Ab/x', 'a b/+=', 'ünï/😀'].sort();
  for (const name of names) await blob.put(name, Buffer.from(name));
  assert.deepEqual(await blob.list(''), names);
  for (const name of names) {
    const size = (await blob.size(name))!;
    assert.equal(String(await blob.read(name, 0, size)), name);
  }
});

const refusals: [why: string, changes: Parameters<typeof s3.open>[1], says: RegExp][] = [
  ['an unknown key', {accessKeyId: 'nobody', secretAccessKey: 'se-cret'}, /403 InvalidAccessKeyId/],
  ['a wrong secret', {secretAccessKey: 'se-cret'}, /403 SignatureDoesNotMatch/],
  ['an unknown bucket', {bucket: 'none-such'}, /bucket 'none-such' failed: .* 404 NoSuchBucket/],
  ['a service that is not there', {endpoint: 'http://127.0.0.1:9'}, /cannot be reached \(.+\)/],
];
for (const [why, changes, says] of refusals) {
  test(`S3: the error names the reason and no secret: ${why}`, async () => {
    const blob = s3.open('refused', changes);
    await assert.rejects(blob.list(''), error => failed(says)(error) && !String(error).includes('se-cret'));
  });
}

test('cache: an object is fetched once for all who wait, kept up to the limit, and the oldest use goes first', async () => {
  const remote = s3.open('cached');
  const directory = join(root, 'cache');
  const cached = openCachedBlob({remote, disk: realDisk, directory, bytesMax: 250});
  for (const name of ['a', 'b', 'c']) await remote.put(name, Buffer.alloc(100, name));
  await remote.put('large', Buffer.alloc(300, 'l'));
  const requests = async (path: string, end: number) => {
    const before = s3.requestCount;
    assert.equal(String(await cached.read(path, 0, end)), path[0]!.repeat(end));
    return s3.requestCount - before;
  };
  const before = s3.requestCount;
  await Promise.all(Array.from({length: 10}, () => cached.read('a', 10, 20)));
  assert.ok(s3.requestCount - before <= 11, 'one body was fetched');
  assert.equal(await requests('a', 100), 0);
  assert.ok((await requests('b', 50)) > 0);
  assert.equal(await requests('a', 5), 0);
  await requests('c', 5);
  assert.equal(await requests('a', 5), 0, 'used later than b');
  assert.ok((await requests('b', 5)) > 0, 'b made room');
  await requests('large', 5);
  assert.ok((await requests('large', 5)) > 0, 'what is larger than the cache is not kept');
  await cached.remove(['a']);
  await assert.rejects(cached.read('a', 0, 1), {code: 'DATA_CORRUPTED'});
  assert.ok((await readdir(directory)).length <= 2);
  await openCachedBlob({remote, disk: realDisk, directory, bytesMax: 250}).read('c', 0, 1);
  assert.equal((await readdir(directory)).length, 1, 'what an earlier process kept is gone');
});

test('cache: a local disk that fails is no error', async () => {
  const remote = s3.open('cache-failing');
  await remote.put('a', Buffer.from('abc'));
  const directory = join(root, 'cache-failing');
  const disk = {
    ...realDisk,
    open: async () => {
      throw Object.assign(new Error('full'), {code: 'ENOSPC'});
    },
  };
  const cached = openCachedBlob({remote, disk, directory, bytesMax: 250});
  assert.equal(String(await cached.read('a', 0, 3)), 'abc');
  assert.equal(String(await cached.read('a', 1, 2)), 'b');
});

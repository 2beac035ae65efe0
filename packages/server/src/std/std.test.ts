import {strict as check} from 'node:assert';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {assert} from './assert.ts';
import {crc32} from './crc32.ts';
import {Lru} from './lru.ts';
import {realDisk} from './real-disk.ts';
import {SimClock, seededIds, seededRandom} from './sim-clock.ts';

test('a broken law is named in the error', () => {
  assert(true, 'fine');
  check.throws(() => assert(false, 'seqs only grow'), /seqs only grow/);
});

test('crc32 is the polynomial of zlib and continues', () => {
  check.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
  check.equal(crc32(Buffer.from('6789'), crc32(Buffer.from('12345'))), 0xcbf43926);
});

test('lru: what was used longest ago goes first, by bytes', () => {
  const lru = new Lru<string, number>(10);
  lru.set('a', 1, 4);
  lru.set('b', 2, 4);
  check.equal(lru.get('a'), 1);
  lru.set('c', 3, 4);
  check.equal(lru.get('b'), undefined, 'b was used longest ago');
  check.equal(lru.get('a'), 1);
  check.equal(lru.bytes, 8);
  lru.set('a', 5, 1);
  check.equal(lru.bytes, 5, 'a new value replaces the weight of the old one');
  lru.set('d', 4, 11);
  check.equal(lru.get('d'), undefined, 'what exceeds the bound alone is not kept');
  check.equal(lru.size, 2);
});

test('sim clock: time moves only by advance; sleepers wake in order, each at its moment', async () => {
  const clock = new SimClock(1000);
  const woken: string[] = [];
  const note = (name: string) => () => woken.push(`${name}@${clock.nowMs()}`);
  const stop = new AbortController();
  const stopped = check.rejects(clock.sleep(20, stop.signal), {name: 'AbortError'});
  void clock.sleep(30).then(note('c'));
  void clock.sleep(10).then(note('a'));
  void clock.sleep(10).then(async () => {
    note('b')();
    await clock.sleep(5);
    note('b2')();
  });
  stop.abort();
  await stopped;
  await clock.advance(29);
  check.deepEqual(woken, ['a@1010', 'b@1010', 'b2@1015']);
  clock.jump(-500);
  check.equal(clock.monotonicMs(), 29);
  await clock.advance(1);
  check.deepEqual(woken.slice(3), ['c@530']);
  check.equal(clock.sleeperCount, 0);
});

test('sim clock: two who let time pass at once never turn it back', async () => {
  const clock = new SimClock(1000);
  for (const ms of [50, 60]) void clock.sleep(ms);
  await Promise.all([clock.advance(100), clock.advance(20)]);
  check.equal(clock.monotonicMs(), 100);
  check.equal(clock.nowMs(), 1100);
});

test('the same seed gives the same numbers and ids, another seed others', () => {
  const draw = (seed: number) => Array.from({length: 5}, seededRandom(seed));
  check.deepEqual(draw(7), draw(7));
  check.notDeepEqual(draw(7), draw(8));
  check.ok(draw(7).every(number => number >= 0 && number < 1));
  check.deepEqual(seededIds(7).bytes(8), seededIds(7).bytes(8));
});

test('real disk: modes, reads at the end, both kinds of write and sync, names', async t => {
  const root = await mkdtemp(join(tmpdir(), 'kalamdb-disk-'));
  t.after(() => rm(root, {recursive: true}));
  const path = `${root}/a`;
  await check.rejects(realDisk.open(path, 'update'), {code: 'ENOENT'});
  const file = await realDisk.open(path, 'create');
  await check.rejects(realDisk.open(path, 'create'), {code: 'EEXIST'});
  await file.write(Buffer.from('hello'), 0);
  file.writeNow(Buffer.from('!!'), 5);
  await file.datasync();
  file.datasyncNow();
  check.equal((await file.read(3, 100)).toString(), 'lo!!');
  check.equal(await file.size(), 7);
  await file.close();
  await realDisk.rename(path, `${root}/b`);
  await realDisk.syncDirectory(root);
  check.deepEqual(await realDisk.list(root), ['b']);
  check.equal((await realDisk.readFile(`${root}/b`)).toString(), 'hello!!');
  await realDisk.remove(`${root}/b`);
  await realDisk.makeDirectory(`${root}/x/y`);
  await realDisk.removeDirectory(`${root}/x/y`);
  check.deepEqual(await realDisk.list(`${root}/x/y`), []);
});

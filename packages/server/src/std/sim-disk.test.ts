import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seededRandom} from './sim-clock.ts';
import {type DiskEvent, SimDisk} from './sim-disk.ts';

const never = () => 0;
const always = () => 0.45;
const hasCode = (code: string) => ({code});

async function diskWith(path: string, text: string): Promise<SimDisk> {
  const disk = new SimDisk();
  const file = await disk.open(path, 'create');
  await file.write(Buffer.from(text), 0);
  await file.datasync();
  await file.close();
  await disk.syncDirectory('.');
  return disk;
}

test('what was synced survives a power loss; what was not may vanish or stay', async () => {
  for (const [random, expected] of [
    [never, 'abc'],
    [always, 'aXc'],
  ] as const) {
    const disk = await diskWith('a', 'abc');
    const file = await disk.open('a', 'update');
    file.writeNow(Buffer.from('X'), 1);
    assert.equal((await disk.readFile('a')).toString(), 'aXc', 'a reader sees it at once');
    disk.crash(random);
    assert.equal((await disk.readFile('a')).toString(), expected);
  }
});

test('an unsynced write can be torn at any byte and by sectors', async () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const disk = await diskWith('a', '\0'.repeat(2048));
    const file = await disk.open('a', 'update');
    file.writeNow(Buffer.alloc(2048, 1), 0);
    disk.crash(seededRandom(seed));
    const bytes = await disk.readFile('a');
    const written = bytes.filter(byte => byte === 1).length;
    if (written === 0) kinds.add('lost');
    else if (written === 2048) kinds.add('whole');
    else if (bytes.subarray(0, written).every(byte => byte === 1)) kinds.add('prefix');
    else kinds.add('sectors');
  }
  assert.deepEqual([...kinds].sort(), ['lost', 'prefix', 'sectors', 'whole']);
});

test('names made, renamed and removed come back or vanish until their directory is synced; a rename never halves', async () => {
  const ends = new Set<string>();
  for (let seed = 1; seed <= 50; seed++) {
    const disk = await diskWith('a', 'abc');
    await disk.rename('a', 'b');
    disk.crash(seededRandom(seed));
    ends.add((await disk.list('.')).join());
  }
  assert.deepEqual([...ends].sort(), ['a', 'b']);
  const disk = await diskWith('a', 'abc');
  await disk.remove('a');
  await disk.open('new', 'create');
  await disk.syncDirectory('.');
  disk.crash(seededRandom(1));
  assert.deepEqual(await disk.list('.'), ['new']);
});

test('the death of the process loses nothing written, but a later power loss may', async () => {
  const disk = await diskWith('a', 'abc');
  const file = await disk.open('a', 'update');
  const old = disk.mount();
  file.writeNow(Buffer.from('X'), 0);
  disk.kill();
  assert.throws(() => file.writeNow(Buffer.from('Y'), 0), hasCode('EBADF'));
  await assert.rejects(old.remove('a'), hasCode('EBADF'));
  assert.equal((await disk.readFile('a')).toString(), 'Xbc');
  disk.crash(never);
  assert.equal((await disk.readFile('a')).toString(), 'abc');
});

test('an operation under way when the power goes does not return as done', async () => {
  const disk = await diskWith('a', 'abc');
  const file = await disk.open('a', 'update');
  file.writeNow(Buffer.from('X'), 0);
  const sync = file.datasync();
  disk.crash(never);
  await assert.rejects(sync, hasCode('EBADF'));
  assert.equal((await disk.readFile('a')).toString(), 'abc');
});

test('after a failed datasync the pages look clean: a later one does not save them', async () => {
  const disk = await diskWith('a', 'abc');
  const file = await disk.open('a', 'update');
  file.writeNow(Buffer.from('XY'), 0);
  disk.failNext('datasync', 'EIO');
  await assert.rejects(file.datasync(), hasCode('EIO'));
  file.writeNow(Buffer.from('Z'), 1);
  await file.datasync();
  assert.equal((await disk.readFile('a')).toString(), 'XZc');
  disk.crash(never);
  assert.equal((await disk.readFile('a')).toString(), 'aZc');
});

test('what a datasync saved over a lost write stays, even if the lost one lands after all', async () => {
  const disk = await diskWith('a', 'abc');
  const file = await disk.open('a', 'update');
  file.writeNow(Buffer.from('XY'), 0);
  disk.failNext('datasyncNow', 'EIO');
  assert.throws(() => file.datasyncNow(), hasCode('EIO'));
  file.writeNow(Buffer.from('Z'), 1);
  file.datasyncNow();
  disk.crash(always);
  assert.equal((await disk.readFile('a')).toString(), 'XZc');
});

test('a full disk refuses growth, not overwriting, and takes growth again when space is freed', async () => {
  const disk = await diskWith('a', 'abc');
  disk.shortWrites = false;
  disk.capacityBytes = 3;
  const file = await disk.open('a', 'update');
  await file.write(Buffer.from('xyz'), 0);
  await assert.rejects(file.write(Buffer.from('1'), 3), hasCode('ENOSPC'));
  disk.capacityBytes = 4;
  await file.write(Buffer.from('1'), 3);
  assert.equal((await disk.readFile('a')).toString(), 'xyz1');
});

test('a failing write leaves half of itself behind, and failAfter ends everything at one point', async () => {
  const disk = await diskWith('a', '....');
  const file = await disk.open('a', 'update');
  disk.failAfter(1);
  await file.write(Buffer.from('1'), 0);
  await assert.rejects(file.write(Buffer.from('xxxx'), 0), hasCode('EIO'));
  await assert.rejects(disk.list('.'), hasCode('EIO'));
  disk.heal();
  assert.equal((await disk.readFile('a')).toString(), 'xx..');
});

test('errors carry the codes of node:fs', async () => {
  const disk = await diskWith('a', 'abc');
  await disk.makeDirectory('deep/er');
  await disk.makeDirectory('deep/er');
  await assert.rejects(disk.open('a', 'create'), hasCode('EEXIST'));
  await assert.rejects(disk.open('b', 'update'), hasCode('ENOENT'));
  await assert.rejects(disk.open('deep', 'read'), hasCode('EISDIR'));
  await assert.rejects(disk.remove('b'), hasCode('ENOENT'));
  await assert.rejects(disk.rename('b', 'c'), hasCode('ENOENT'));
  await assert.rejects(disk.removeDirectory('deep'), hasCode('ENOTEMPTY'));
  await assert.rejects(disk.syncDirectory('none'), hasCode('ENOENT'));
  assert.deepEqual(await disk.list('none'), []);
});

test('a watcher sees every operation before and after its effect, and may fail it or end the life on either side', async () => {
  const ends: [when: DiskEvent['when'], what: 'throw' | 'kill', isThere: boolean][] = [
    ['before', 'throw', false],
    ['before', 'kill', false],
    ['after', 'kill', true],
  ];
  for (const [when, what, isThere] of ends) {
    const disk = new SimDisk();
    const events: string[] = [];
    disk.watch = event => {
      events.push(`${event.when} ${event.operation} ${event.path}`);
      if (event.when !== when) return;
      if (what === 'kill') disk.kill();
      else throw Object.assign(new Error('planned'), {code: 'EIO'});
    };
    await assert.rejects(disk.open('a', 'create'), hasCode(what === 'kill' ? 'EBADF' : 'EIO'));
    disk.watch = undefined;
    assert.deepEqual(events.at(-1), `${when} open a`);
    assert.deepEqual(await disk.list('.'), isThere ? ['a'] : [], `${what} ${when}`);
  }
});

test('a life that ends within a sync at once leaves what was written before it, and its writer hears that it is over', async () => {
  for (const when of ['before', 'after'] as const) {
    const disk = await diskWith('a', 'abc');
    const file = await disk.open('a', 'update');
    file.writeNow(Buffer.from('X'), 1);
    disk.watch = event => {
      if (event.when === when && event.operation === 'datasyncNow') disk.crash(never);
    };
    assert.throws(() => file.datasyncNow(), hasCode('EBADF'));
    assert.equal((await disk.readFile('a')).toString(), when === 'after' ? 'aXc' : 'abc', when);
  }
});

test('a fork has the same bytes, safe and unsafe, and goes its own way', async () => {
  const disk = await diskWith('a', 'abc');
  (await disk.open('a', 'update')).writeNow(Buffer.from('X'), 1);
  await disk.rename('a', 'b');
  const [lucky, unlucky] = [disk.fork(), disk.fork()];
  lucky.crash(always);
  unlucky.crash(() => 0.9);
  assert.equal((await lucky.readFile('b')).toString(), 'aXc');
  assert.deepEqual(await unlucky.list('.'), ['a']);
  assert.equal((await disk.readFile('b')).toString(), 'aXc', 'the first is as it was');
});

test('of two syncs of a directory at once the slower one undoes nothing', async () => {
  const disk = await diskWith('a', 'abc');
  await (await disk.open('b.tmp', 'create')).close();
  const turns = [5, 0, 0];
  disk.pace = () => turns.shift() ?? 0;
  const slow = disk.syncDirectory('.');
  await disk.rename('b.tmp', 'b');
  await disk.syncDirectory('.');
  await slow;
  disk.crash(never);
  assert.deepEqual(await disk.list('.'), ['a', 'b']);
});

test('of two syncs of a file at once the slower one undoes nothing', async () => {
  const disk = await diskWith('a', 'abc');
  const file = await disk.open('a', 'update');
  file.writeNow(Buffer.from('X'), 1);
  const turns = [5, 0];
  disk.pace = () => turns.shift() ?? 0;
  const slow = file.datasync();
  file.writeNow(Buffer.from('Y'), 1);
  await file.datasync();
  await slow;
  disk.crash(never);
  assert.equal((await disk.readFile('a')).toString(), 'aYc');
});

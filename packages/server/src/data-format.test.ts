import assert from 'node:assert/strict';
import {test} from 'node:test';
import {checkFormat} from './data-format.ts';
import {seededRandom} from './std/sim-clock.ts';
import {SimDisk} from './std/sim-disk.ts';

async function freshDisk(): Promise<SimDisk> {
  const disk = new SimDisk();
  await disk.makeDirectory('data');
  await disk.syncDirectory('.');
  return disk;
}

test('a first start that is cut off before or after any disk operation leaves a directory that can be started', async () => {
  const whole = await freshDisk();
  const before = whole.operationCount;
  await checkFormat(whole, 'data');
  const count = whole.operationCount - before;
  assert.ok(count >= 6);
  for (let operation = 0; operation < count * 2; operation++) {
    for (const seed of [1, 2, 3]) {
      const disk = await freshDisk();
      let countdown = operation;
      disk.watch = () => {
        if (countdown-- === 0) disk.crash(seededRandom(seed));
      };
      await checkFormat(disk.mount(), 'data').catch(error => assert.equal(error.code, 'EBADF'));
      disk.watch = undefined;
      await checkFormat(disk, 'data');
      disk.crash(seededRandom(seed));
      assert.equal((await disk.readFile('data/FORMAT')).toString(), '1\n', `operation ${operation}, seed ${seed}`);
    }
  }
});

for (const text of ['2\n', '', 'x'.repeat(100)]) {
  test(`a directory of another format is refused by name: ${JSON.stringify(text.slice(0, 5))}`, async () => {
    const disk = await freshDisk();
    const file = await disk.open('data/FORMAT', 'create');
    await file.write(Buffer.from(text), 0);
    await assert.rejects(checkFormat(disk, 'data'), {
      code: 'DATA_CORRUPTED',
      message: /data directory data has format/,
    });
  });
}

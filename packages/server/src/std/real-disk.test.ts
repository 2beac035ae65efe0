import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {realDisk} from './real-disk.ts';

test('a directory is made with its parents, and once more, and by many at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'disk-'));
  const path = join(directory, 'a', 'b', 'c');
  await Promise.all([1, 2, 3].map(() => realDisk.makeDirectory(path)));
  await realDisk.makeDirectory(path);
  assert.ok((await stat(path)).isDirectory());
  await rm(directory, {recursive: true});
});

test('where nothing can be made that is an error, not an attempt without end', {
  skip: !existsSync('/proc/self') && 'there is no /proc',
}, async () => {
  await assert.rejects(realDisk.makeDirectory('/proc/none/here'), {code: 'ENOENT'});
});

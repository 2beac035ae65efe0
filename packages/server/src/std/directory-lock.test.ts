import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {lockDirectory} from './directory-lock.ts';

test('a directory has one holder at a time, and is free again after unlock', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'kalamdb-lock-'));
  t.after(() => rm(directory, {recursive: true}));
  const unlock = await lockDirectory(directory);
  assert.ok(unlock);
  assert.equal(await lockDirectory(directory), undefined);
  await unlock();
  const again = await lockDirectory(directory);
  assert.ok(again);
  await again();
});

test('a holder that was killed does not keep the directory', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'kalamdb-lock-'));
  t.after(() => rm(directory, {recursive: true}));
  const code = `
    import {lockDirectory} from ${JSON.stringify(new URL('./directory-lock.ts', import.meta.url).href)};
    await lockDirectory(${JSON.stringify(directory)});
    process.stdout.write('held');
    setInterval(() => {}, 1000);
  `;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code]);
  await once(holder.stdout, 'data');
  assert.equal(await lockDirectory(directory), undefined);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const unlock = await lockDirectory(directory);
  assert.ok(unlock);
  await unlock();
});

import assert from 'node:assert/strict';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {explainStart} from './start-errors.ts';
import {realDisk} from './std/real-disk.ts';

function listenError(host: string): Promise<unknown> {
  const server = createServer();
  return new Promise(resolve => server.once('error', resolve).listen({host, port: 1}));
}

test('an address of another machine is told without a stack', async () => {
  const text = explainStart(await listenError('192.0.2.1'));
  assert.equal(
    text,
    'This machine has no address 192.0.2.1: server.host must be one of its own, or 0.0.0.0 for all of them.',
  );
});

test('a data directory that is a file is told by its path', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'start-'));
  const path = join(directory, 'file');
  await writeFile(path, '');
  const error = await realDisk.makeDirectory(path).catch((thrown: unknown) => thrown);
  assert.equal(
    explainStart(error),
    `${path} cannot be used: file already exists (EEXIST, mkdir). The data directory is named by storage.data_path or KALAMDB_DATA_DIR.`,
  );
  const below = await realDisk.makeDirectory(join(path, 'x')).catch((thrown: unknown) => thrown);
  assert.match(explainStart(below), /file\/x cannot be used: not a directory \(ENOTDIR, mkdir\)/);
  await rm(directory, {recursive: true});
});

test('what a setting says wrong is told as it is, and a bug with its stack', () => {
  assert.equal(explainStart(new DbError('INVALID_INPUT', 'no')), 'no');
  assert.match(explainStart(new TypeError('oh')), /TypeError: oh\n +at /);
});

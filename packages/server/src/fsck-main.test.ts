import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {openFileLog} from './log/file-log.ts';
import type {Incarnation} from './model/names.ts';
import {lockDirectory} from './std/directory-lock.ts';
import {realDisk} from './std/real-disk.ts';
import {systemClock} from './std/system-clock.ts';
import {writeCheckpoint} from './table/checkpoint.ts';

const FSCK = fileURLToPath(new URL('./fsck-main.ts', import.meta.url));
const SEGMENT = 'log/000000000001.log';
const root = await mkdtemp(join(tmpdir(), 'fsck-'));
after(() => rm(root, {recursive: true}));

let directoryCount = 0;

/** A data directory with one checkpoint at seq 1 and seqs 1 to 12 in the log, over several segments. */
async function dataDirectory(): Promise<string> {
  const directory = join(root, `${directoryCount++}`);
  for (const name of ['log', 'checkpoint']) await mkdir(join(directory, name), {recursive: true});
  await writeFile(join(directory, 'FORMAT'), '1\n');
  const image = {seq: 1n, ceiling: {seq: 1n, incarnation: 1 as Incarnation}, rows: [], manifests: []};
  await writeCheckpoint(realDisk, join(directory, 'checkpoint'), {image, previous: 0n}, async () => {});
  const log = await openFileLog({
    disk: realDisk,
    clock: systemClock,
    durability: 'D2',
    directory: join(directory, 'log'),
    segmentBytes: 8192,
  })(0n, () => {});
  for (let seq = 1n; seq <= 12n; seq++) {
    await new Promise<void>((resolve, reject) => {
      log.append({bytes: Buffer.alloc(1000, 7), lastSeq: seq}, error => (error ? reject(error) : resolve()));
    });
  }
  await log.close();
  return directory;
}

async function flip(file: string, offset: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[offset] = bytes[offset]! ^ 0xff;
  await writeFile(file, bytes);
}

function fsck(directory: string): Promise<{code: number; text: string}> {
  return new Promise(resolve => {
    execFile(process.execPath, [FSCK, directory], (error, stdout, stderr) => {
      resolve({code: error === null ? 0 : Number(error.code), text: stdout + stderr});
    });
  });
}

const checkpointName = 'checkpoint/checkpoint-00000000000000000001';
const cases: [why: string, change: (directory: string) => Promise<void>, code: number, says: RegExp][] = [
  [
    'a sound directory is in order',
    async () => {},
    0,
    /1 whole checkpoints; \d log segments with 12 batches, seq 1 to 12/,
  ],
  ['a flipped byte in the log', d => flip(join(d, SEGMENT), 4200), 1, /^damage .*000000000001\.log byte 4096: /m],
  [
    'a flipped byte in a checkpoint',
    d => flip(join(d, checkpointName), 12),
    1,
    /^damage .*checkpoint-0+1 byte 0: .*checksum/m,
  ],
  [
    'a leftover is only a note',
    d => writeFile(join(d, 'checkpoint/checkpoint-2.tmp'), ''),
    0,
    /^note .*checkpoint-2\.tmp/m,
  ],
  [
    'a log whose beginning is gone, without a checkpoint',
    async d => {
      await rm(join(d, SEGMENT));
      await rm(join(d, checkpointName));
    },
    1,
    /there is no checkpoint, and the log begins after seq \d+/,
  ],
  ['not a data directory', d => rm(join(d, 'FORMAT')), 1, /is not a data directory/],
];

test('fsck: findings name file and byte, damage ends with 1, all else with 0, and nothing is changed', async () => {
  const runs = cases.map(async ([why, change, code, says]) => {
    const directory = await dataDirectory();
    await change(directory);
    const before = await readdir(directory, {recursive: true});
    const result = await fsck(directory);
    assert.match(result.text, says, why);
    assert.equal(result.code, code, why);
    assert.deepEqual(await readdir(directory, {recursive: true}), before, why);
  });
  await Promise.all(runs);
});

test('fsck keeps off a directory that a server holds', async () => {
  const directory = await dataDirectory();
  const unlock = await lockDirectory(directory);
  const {code, text} = await fsck(directory);
  await unlock?.();
  assert.equal(code, 1);
  assert.match(text, /in use by a KalamDB server/);
});

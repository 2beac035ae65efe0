import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {realDisk} from '../std/real-disk.ts';
import {SimClock} from '../std/sim-clock.ts';
import {SimDisk} from '../std/sim-disk.ts';
import {systemClock} from '../std/system-clock.ts';
import {openFileLog} from './file-log.ts';
import type {Durability, Log, LogBatch, OpenLog} from './log.ts';
import {memoryLogState, openMemoryLog} from './memory-log.ts';

const root = await mkdtemp(join(tmpdir(), 'kalamdb-log-'));
after(() => rm(root, {recursive: true}));

const LIMITS = {maxBatchBytes: 2000, maxQueuedBytes: 20_000};
let directoryCount = 0;

/** Each backend makes a fresh log place; opening it again is a restart. */
const backends: [name: string, make: (durability: Durability) => OpenLog][] = [
  ['memory', () => openMemoryLog(memoryLogState(), LIMITS)],
  [
    'files on a simulated disk',
    durability => {
      const options = {disk: new SimDisk(), clock: new SimClock(), directory: 'data/log', durability};
      return openFileLog({...options, segmentBytes: 8192, ...LIMITS});
    },
  ],
  [
    'files on a real disk',
    durability => {
      const directory = join(root, `${directoryCount++}`);
      return openFileLog({disk: realDisk, clock: systemClock, directory, durability, segmentBytes: 8192, ...LIMITS});
    },
  ],
];

function batchOf(seq: number, bytes = 100): LogBatch {
  return {bytes: Buffer.alloc(bytes, seq % 251), lastSeq: BigInt(seq)};
}

function appended(log: Log, batch: LogBatch, urgent?: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(batch, error => (error === undefined ? resolve() : reject(error)), urgent);
  });
}

async function reopen(open: OpenLog, from = 0n): Promise<{log: Log; found: LogBatch[]}> {
  const found: LogBatch[] = [];
  const log = await open(from, batch => found.push({...batch, bytes: Uint8Array.from(batch.bytes)}));
  return {log, found};
}

const code = (expected: string) => (error: unknown) => error instanceof DbError && error.code === expected;
const seqs = (batches: readonly LogBatch[]) => batches.map(batch => Number(batch.lastSeq));

for (const [name, make] of backends) {
  describe(`log contract: ${name}`, () => {
    for (const durability of ['D2', 'D1', 'D0'] as const) {
      test(`${durability}: what was appended before a close is replayed in order, bytes and all`, async () => {
        const open = make(durability);
        const {log, found} = await reopen(open);
        assert.deepEqual(found, []);
        const batches = Array.from({length: 60}, (_, i) => batchOf(i + 1, (i * 37) % 1500));
        for (let i = 0; i < batches.length; i += 10) {
          await Promise.all(batches.slice(i, i + 10).map(batch => appended(log, batch)));
        }
        await log.close();
        const again = await reopen(open);
        assert.deepEqual(
          again.found.map(batch => [batch.lastSeq, Buffer.from(batch.bytes).toString('hex')]),
          batches.map(batch => [batch.lastSeq, Buffer.from(batch.bytes).toString('hex')]),
        );
        await again.log.close();
      });
    }

    test('done is called once per batch, in append order', async () => {
      const {log} = await reopen(make('D2'));
      const order: number[] = [];
      for (let i = 1; i <= 50; i++) log.append(batchOf(i, 300), () => order.push(i));
      assert.deepEqual(order, [], 'nothing is answered before it is written');
      await log.sync();
      assert.deepEqual(
        order,
        Array.from({length: 50}, (_, i) => i + 1),
      );
      await log.close();
    });

    test('replay leaves out batches up to `from`, and a batch of the same seq as its neighbour stays', async () => {
      const open = make('D2');
      const {log} = await reopen(open);
      for (const seq of [1, 2, 2, 3]) await appended(log, batchOf(seq));
      await log.close();
      const from1 = await reopen(open, 1n);
      assert.deepEqual(seqs(from1.found), [2, 2, 3]);
      await from1.log.close();
      const from3 = await reopen(open, 3n);
      assert.deepEqual(from3.found, []);
      await from3.log.close();
    });

    test('a batch over the limit and a queue over the limit are refused, and the log goes on', async () => {
      const {log} = await reopen(make('D2'));
      assert.throws(() => log.append(batchOf(1, 2001), assert.fail), code('LIMIT_EXCEEDED'));
      const answers: (Error | undefined)[] = [];
      assert.throws(() => {
        for (let i = 1; i < 100; i++) log.append(batchOf(i, 1000), error => answers.push(error));
      }, code('WRITE_QUEUE_FULL'));
      await log.sync();
      assert.ok(answers.length >= 19 && answers.every(error => error === undefined));
      await appended(log, batchOf(100, 2000));
      await log.close();
    });

    test('release deletes what is covered, keeps what is needed, and never the newest', async () => {
      const open = make('D2');
      const {log} = await reopen(open);
      for (let i = 1; i <= 40; i++) await appended(log, batchOf(i, 1000));
      const before = log.stats().segments;
      await log.release(20n);
      assert.ok(log.stats().segments < before);
      await log.close();
      const again = await reopen(open, 20n);
      assert.deepEqual(
        seqs(again.found),
        Array.from({length: 20}, (_, i) => i + 21),
      );
      await again.log.release(1000n);
      assert.ok(again.log.stats().segments <= 2);
      await appended(again.log, batchOf(41));
      await again.log.close();
      const {log: last, found} = await reopen(open, 40n);
      assert.deepEqual(seqs(found), [41]);
      await last.close();
    });

    test('appended bytes count what was appended since the log was opened', async () => {
      const {log} = await reopen(make('D2'));
      assert.equal(log.appendedBytes, 0);
      await appended(log, batchOf(1, 500));
      await appended(log, batchOf(2, 70));
      assert.equal(log.appendedBytes, 570);
      await log.close();
    });

    test('a closed log takes no more, and what waited at the close is there', async () => {
      const open = make('D1');
      const {log} = await reopen(open);
      let isDone = false;
      log.append(batchOf(1), error => {
        isDone = error === undefined;
      });
      await log.close();
      assert.ok(isDone);
      assert.equal(log.stats().state, 'closed');
      assert.throws(() => log.append(batchOf(2), assert.fail), code('SHUTTING_DOWN'));
      await log.close();
      const {log: again, found} = await reopen(open);
      assert.deepEqual(seqs(found), [1]);
      await again.close();
    });
  });
}

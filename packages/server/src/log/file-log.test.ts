import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Clock} from '../std/clock.ts';
import {SimClock, seededRandom} from '../std/sim-clock.ts';
import {SimDisk} from '../std/sim-disk.ts';
import {openFileLog} from './file-log.ts';
import {checkLog} from './fsck.ts';
import type {Durability, Log, LogBatch} from './log.ts';

const DIRECTORY = 'data/log';
const code = (expected: string) => (error: unknown) => error instanceof DbError && error.code === expected;
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve));
};

/** Syncs look slow, so that they run in the background. */
class SlowClock extends SimClock {
  override monotonicMs(): number {
    this.#ticks += 5;
    return super.monotonicMs() + this.#ticks;
  }

  #ticks = 0;
}

interface Place {
  readonly disk: SimDisk;
  readonly clock: Clock;
  readonly durability: Durability;
  readonly commitDelayMs?: number;
}

async function openLog({disk, ...options}: Place, from = 0n): Promise<{log: Log; found: LogBatch[]}> {
  await disk.makeDirectory('data');
  await disk.syncDirectory('.');
  const found: LogBatch[] = [];
  const open = openFileLog({disk: disk.mount(), ...options, directory: DIRECTORY, segmentBytes: 4096 + 2048});
  const log = await open(from, batch => found.push(batch));
  return {log, found};
}

/** A batch whose bytes tell its seq, so that a torn one would show. */
function batchOf(seq: number, bytes: number): LogBatch {
  return {bytes: Buffer.alloc(bytes, seq % 251), lastSeq: BigInt(seq)};
}

function isWhole({bytes, lastSeq}: LogBatch): boolean {
  return bytes.every(byte => byte === Number(lastSeq) % 251);
}

function appended(log: Log, batch: LogBatch, urgent?: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(batch, error => (error === undefined ? resolve() : reject(error)), urgent);
  });
}

/** Appends seq by seq until the disk fails. `acked` goes on growing while answers come in. */
async function appendUntilFailure(
  log: Log,
  first: number,
  random: () => number,
): Promise<{acked: number; tried: number}> {
  const result = {acked: first - 1, tried: first - 1};
  let seq = first - 1;
  let hasFailed = false;
  const count = random() * 40;
  for (let i = 0; i < count && !hasFailed; i++) {
    try {
      const bytes = Math.floor(random() * (random() < 0.1 ? 1900 : 300));
      log.append(batchOf(seq + 1, bytes), error => {
        if (error === undefined) {
          assert.equal(hasFailed, false, 'no batch is acknowledged after one that failed');
          result.acked++;
        } else hasFailed = true;
      });
      seq++;
    } catch (error) {
      assert.ok(error instanceof DbError);
      break;
    }
    if (random() < 0.5) await turns(1 + random() * 4);
  }
  await turns(random() * 6);
  result.tried = seq;
  return result;
}

/**
 * Lives of one log, each ended at a random operation by power loss or death of the process. `durability` decides what must be found.
 * Every life must find exactly the seqs 1..n: n at least what it must, at most what was tried.
 */
async function liveAndDie(seed: number, durability: Durability, clock: Clock): Promise<void> {
  const random = seededRandom(seed);
  const disk = new SimDisk();
  let sure = 0;
  let tried = 0;
  for (let life = 0; life < 6; life++) {
    const fails = random() < 0.7;
    if (fails) disk.failAfter(random() * (random() < 0.3 ? 25 : 120));
    let log: Log | undefined;
    try {
      const opened = await openLog({disk, clock, durability});
      log = opened.log;
      const found = opened.found.map(batch => Number(batch.lastSeq));
      assert.deepEqual(
        found,
        found.map((_, i) => i + 1),
        `seed ${seed}, life ${life}: every batch once and in order`,
      );
      assert.ok(opened.found.every(isWhole), `seed ${seed}, life ${life}: no batch is torn`);
      assert.ok(found.length >= sure, `seed ${seed}, life ${life}: found ${found.length}, sure were ${sure}`);
      assert.ok(found.length <= tried, `seed ${seed}, life ${life}: found ${found.length}, tried were ${tried}`);
      // What an open log has shown must never go away again.
      sure = found.length;
      const result = await appendUntilFailure(log, found.length + 1, random);
      tried = result.tried;
      if (durability === 'D2') sure = result.acked;
      if (random() < 0.2) {
        await log.sync();
        sure = result.acked;
      }
    } catch (error) {
      // Opening, or a sync, met the failing disk. Damage is never an answer to a mere crash.
      const isDisk = (error as {code?: string}).code === 'EIO' || code('READ_ONLY')(error);
      if (!(fails && isDisk)) throw error;
    }
    if (random() < 0.7) disk.crash(random);
    else disk.kill();
    await turns(3);
  }
}

for (const durability of ['D2', 'D1', 'D0'] as const) {
  test(`${durability}: crashes at any operation lose nothing promised, tear nothing, and leave a prefix`, async () => {
    for (let seed = 1; seed <= 60; seed++) {
      await liveAndDie(seed, durability, seed % 2 === 0 ? new SimClock() : new SlowClock());
    }
  });
}

test('a failed sync answers COMMIT_UNKNOWN to what was in flight and READ_ONLY afterwards', async () => {
  for (const clock of [new SimClock(), new SlowClock()]) {
    const disk = new SimDisk();
    const {log} = await openLog({disk, clock, durability: 'D2'});
    await appended(log, batchOf(1, 10));
    disk.failNext('datasyncNow', 'EIO');
    disk.failNext('datasync', 'EIO', '1.tmp');
    await assert.rejects(appended(log, batchOf(2, 10)), code('COMMIT_UNKNOWN'));
    assert.equal(log.stats().state, 'failed');
    assert.throws(() => log.append(batchOf(3, 10), assert.fail, true), code('READ_ONLY'));
    await assert.rejects(log.sync(), code('READ_ONLY'));
    await log.close();
  }
});

test('a sync that goes on beside one that fails is not believed: it may have found clean what the other gave up', async () => {
  const disk = new SimDisk();
  const {log} = await openLog({disk, clock: new SimClock(), durability: 'D0'});
  await appended(log, batchOf(1, 100));
  await turns(2);
  disk.failNext('datasync', 'EIO');
  const syncs = await Promise.allSettled([log.sync(), log.sync()]);
  for (const one of syncs)
    assert.ok(one.status === 'rejected' && code('READ_ONLY')(one.reason), 'nobody is told that it is durable');
  assert.equal(log.stats().state, 'failed');
});

test('a batch a failed sync left in the page cache, once found by a start, survives a power loss', async () => {
  const disk = new SimDisk();
  const place: Place = {disk, clock: new SimClock(), durability: 'D2'};
  const {log} = await openLog(place);
  await appended(log, batchOf(1, 10));
  disk.failNext('datasyncNow', 'EIO');
  await assert.rejects(appended(log, batchOf(2, 10)), code('COMMIT_UNKNOWN'));
  disk.kill();
  const second = await openLog(place);
  assert.equal(second.found.length, 2);
  disk.crash(() => 0);
  const third = await openLog(place);
  assert.equal(third.found.length, 2);
});

test('a full disk refuses ordinary batches, takes urgent ones, and heals by itself', async () => {
  const disk = new SimDisk();
  const clock = new SimClock();
  const place: Place = {disk, clock, durability: 'D2'};
  const {log} = await openLog(place);
  await appended(log, batchOf(1, 1500));
  await turns(40);
  disk.capacityBytes = disk.usedBytes();
  let seq = 1;
  const acked = [1];
  await assert.rejects(async () => {
    for (;;) {
      await appended(log, batchOf(seq + 1, 1500));
      acked.push(++seq);
      await turns(10);
    }
  }, code('DISK_FULL'));
  assert.equal(log.stats().state, 'full');
  await appended(log, batchOf(++seq, 1500), true);
  acked.push(seq);
  await turns(20);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await turns(10);
  assert.throws(() => log.append(batchOf(seq + 1, 10), assert.fail), code('DISK_FULL'));
  for (let i = 0; i < 5; i++) {
    await clock.advance(1000);
    await turns(30);
  }
  assert.equal(log.stats().state, 'open');
  await appended(log, batchOf(++seq, 1500));
  acked.push(seq);
  disk.crash(() => 0);
  const {found} = await openLog(place);
  assert.deepEqual(
    found.map(batch => Number(batch.lastSeq)),
    acked,
  );
});

test('release frees a full disk at once', async () => {
  const disk = new SimDisk();
  const {log} = await openLog({disk, clock: new SimClock(), durability: 'D2'});
  for (let seq = 1; seq <= 4; seq++) await appended(log, batchOf(seq, 1500));
  await turns(60);
  disk.capacityBytes = disk.usedBytes();
  await appended(log, batchOf(5, 1500));
  await turns(60);
  assert.equal(log.stats().state, 'full');
  await log.release(4n);
  await turns(60);
  assert.equal(log.stats().state, 'open');
  await appended(log, batchOf(6, 1500));
});

test('batches that waited while the disk filled up are refused in order; no ordinary one overtakes', async () => {
  const disk = new SimDisk();
  const {log} = await openLog({disk, clock: new SimClock(), durability: 'D2'});
  await appended(log, batchOf(1, 10));
  await turns(60);
  disk.capacityBytes = disk.usedBytes();
  const answers: string[] = [];
  for (let seq = 2; seq <= 12; seq++) {
    log.append(batchOf(seq, seq === 12 ? 10 : 1500), error =>
      answers.push(error === undefined ? 'ok' : (error as DbError).code),
    );
  }
  await turns(80);
  const refused = answers.indexOf('DISK_FULL');
  assert.ok(refused > 0);
  assert.deepEqual(answers.slice(refused), Array(11 - refused).fill('DISK_FULL'));
  await appended(log, batchOf(13, 1500), true);
});

const damages: [why: string, file: string, offset: number, isDamage: boolean][] = [
  ['a byte of the first block, which later ones declare synced', '000000000001.log', 4096 + 60, true],
  ['a byte of the second block', '000000000001.log', 4096 + 8 + 48 + 12 + 600 + 60, true],
  ['the header of a written segment', '000000000001.log', 3, true],
  ['the end of a segment that a later one follows', '000000000001.log', 4096 + 3 * 664 - 10, true],
  ['the last block of all looks like a torn tail', '000000000002.log', 4096 + 60, false],
];

for (const [why, file, offset, isDamage] of damages) {
  test(`damage: ${why}`, async () => {
    const disk = new SimDisk();
    const place: Place = {disk, clock: new SimClock(), durability: 'D2'};
    const {log} = await openLog(place);
    for (let seq = 1; seq <= 4; seq++) await appended(log, batchOf(seq, 600));
    disk.crash(() => 0);
    assert.deepEqual(
      (await checkLog(disk, DIRECTORY)).findings.filter(one => one.severity !== 'note'),
      [],
    );
    disk.flip(`${DIRECTORY}/${file}`, offset);
    const {findings} = await checkLog(disk, DIRECTORY);
    assert.equal(findings[0]?.severity, isDamage ? 'damage' : 'tail');
    assert.equal(findings[0]?.file, `${DIRECTORY}/${file}`);
    const before = await disk.list(DIRECTORY);
    if (!isDamage) {
      assert.equal((await openLog(place)).found.length, 3);
      return;
    }
    await assert.rejects(openLog(place), error => {
      assert.ok(code('DATA_CORRUPTED')(error));
      assert.match(
        (error as Error).message,
        new RegExp(`${file} is damaged at byte ${findings[0]?.offset}.*fsck`, 's'),
      );
      return true;
    });
    assert.deepEqual(await disk.list(DIRECTORY), before, 'a refused log is left as it is');
  });
}

test('a lost segment in the middle is damage', async () => {
  const disk = new SimDisk();
  const place: Place = {disk, clock: new SimClock(), durability: 'D2'};
  const {log} = await openLog(place);
  for (let seq = 1; seq <= 8; seq++) await appended(log, batchOf(seq, 1500));
  disk.kill();
  await disk.remove(`${DIRECTORY}/000000000003.log`);
  await assert.rejects(openLog(place), code('DATA_CORRUPTED'));
});

test('a copy of a block inside the bytes of a batch is not taken for a block', async () => {
  const disk = new SimDisk();
  const place: Place = {disk, clock: new SimClock(), durability: 'D2'};
  const {log} = await openLog(place);
  await appended(log, batchOf(1, 100));
  await appended(log, batchOf(2, 100));
  const later = new SimDisk();
  const {log: other} = await openLog({...place, disk: later});
  for (let seq = 1; seq <= 5; seq++) await appended(other, batchOf(seq, 300));
  // A whole block of another log, which claims more to be synced than this one has; 4 bytes put it where a block may begin.
  const copy = (await later.readFile(`${DIRECTORY}/000000000001.log`)).subarray(4096 + 4 * 360, 4096 + 5 * 360);
  assert.equal(copy.toString('latin1', 0, 4), 'KBLK');
  await appended(log, {bytes: Buffer.concat([Buffer.alloc(4), copy]), lastSeq: 3n});
  disk.crash(() => 0);
  disk.flip(`${DIRECTORY}/000000000001.log`, 4096 + 2 * 160 + 50);
  const {found} = await openLog(place);
  assert.equal(found.length, 2);
});

test('appends of one turn of the loop share a block and a sync', async () => {
  const disk = new SimDisk();
  const {log} = await openLog({disk, clock: new SimClock(), durability: 'D2'});
  await appended(log, batchOf(1, 10));
  const before = log.stats();
  await Promise.all([2, 3, 4, 5].map(seq => appended(log, batchOf(seq, 10))));
  assert.equal(log.stats().blocks - before.blocks, 1);
  assert.equal(log.stats().syncs - before.syncs, 1);
});

/** Two callers were just answered; time stands still until it is told to pass. */
async function logWithTwoCallers(durability: Durability = 'D2'): Promise<{log: Log; clock: SimClock; done: number[]}> {
  const clock = new SimClock();
  const {log} = await openLog({disk: new SimDisk(), clock, durability, commitDelayMs: 1});
  await clock.advance(5);
  await Promise.all([1, 2].map(seq => appended(log, batchOf(seq, 10))));
  return {log, clock, done: []};
}

function note(log: Log, seq: number, done: number[]): void {
  log.append(batchOf(seq, 10), error => {
    assert.equal(error, undefined);
    done.push(seq);
  });
}

test('a sync waits for all who were just answered, and not longer', async () => {
  const {log, done} = await logWithTwoCallers();
  const before = log.stats();
  note(log, 3, done);
  await turns(10);
  assert.deepEqual(done, []);
  note(log, 4, done);
  await turns(3);
  assert.deepEqual(done, [3, 4]);
  assert.equal(log.stats().syncs - before.syncs, 1);
});

test('a caller who does not come again is waited for once, for the commit delay', async () => {
  const {log, clock, done} = await logWithTwoCallers();
  note(log, 3, done);
  await turns(10);
  assert.deepEqual(done, []);
  await clock.advance(1);
  await turns(3);
  assert.deepEqual(done, [3]);
  note(log, 4, done);
  await turns(3);
  assert.deepEqual(done, [3, 4]);
});

test('the commit delay counts from the last answer, so that who comes later than that waits for nobody', async () => {
  const {log, clock, done} = await logWithTwoCallers();
  await clock.advance(1);
  note(log, 3, done);
  await turns(3);
  assert.deepEqual(done, [3]);
});

test('nobody waits for others where nobody waits for a sync', async () => {
  const {log, done} = await logWithTwoCallers('D1');
  note(log, 3, done);
  await turns(3);
  assert.deepEqual(done, [3]);
});

test('a log that is closed waits for no more callers', {timeout: 5000}, async () => {
  const {log, done} = await logWithTwoCallers();
  note(log, 3, done);
  await turns(3);
  await log.close();
  assert.deepEqual(done, [3]);
});

test('a segment changes while a group waits for callers', async () => {
  const {log, clock, done} = await logWithTwoCallers();
  for (let seq = 3; seq <= 12; seq += 2) {
    const both = [appended(log, batchOf(seq, 1400)).then(() => done.push(seq))];
    await turns(3);
    both.push(appended(log, batchOf(seq + 1, 1400)).then(() => done.push(seq + 1)));
    await turns(10);
    await clock.advance(1);
    await Promise.all(both);
  }
  assert.deepEqual(done, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test('D1 answers before the sync and syncs within a second; release syncs before it deletes', async () => {
  const disk = new SimDisk();
  const clock = new SimClock();
  const {log} = await openLog({disk, clock, durability: 'D1'});
  await appended(log, batchOf(1, 10));
  assert.equal(log.stats().syncs, 0);
  await clock.advance(1000);
  await turns(3);
  assert.equal(log.stats().syncs, 1);
  await appended(log, batchOf(2, 10));
  disk.failNext('datasync', 'EIO');
  await assert.rejects(log.release(1n), code('READ_ONLY'));
  assert.equal(log.stats().state, 'failed');
});

test('a crash during a release leaves no gap', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed);
    const disk = new SimDisk();
    const place: Place = {disk, clock: new SimClock(), durability: 'D2'};
    const {log} = await openLog(place);
    for (let seq = 1; seq <= 8; seq++) await appended(log, batchOf(seq, 1500));
    await turns(40);
    disk.failAfter(random() * 14);
    await log.release(6n).catch(error => assert.equal(error.code, 'EIO'));
    disk.crash(random);
    const {found} = await openLog(place, 6n);
    assert.deepEqual(
      found.map(batch => batch.lastSeq),
      [7n, 8n],
      `seed ${seed}`,
    );
  }
});

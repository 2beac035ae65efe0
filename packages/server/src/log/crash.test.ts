/**
 * Random histories of a log against an oracle: what is sure to be there, and what may be there after it.
 *
 *     life = open (maybe cut off) → appends, syncs, releases, a disk that fills up and empties → power loss, death of the process, or close
 *
 * Nothing is announced to the log: a crash comes between two turns of the loop, whatever is in flight then.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {SimClock, SlowClock, seededRandom} from '../std/sim-clock.ts';
import {SimDisk} from '../std/sim-disk.ts';
import {openFileLog} from './file-log.ts';
import {checkLog} from './fsck.ts';
import type {Durability, Log, LogBatch} from './log.ts';

const DIRECTORY = 'data/log';
const SEGMENT_BYTES = 64 * 1024;
const BATCH_BYTES_MAX = 16 * 1024;
const SEEDS = 40;
const LIVES = 6;

interface Tried {
  readonly seq: number;
  readonly bytes: Buffer;
  answer: 'none' | 'acknowledged' | 'unknown';
}

class History {
  readonly #disk = new SimDisk();
  readonly #random: () => number;
  readonly #durability: Durability;
  readonly #name: string;
  /** Found by a start, or promised: must be found by every later one. */
  #sure: Tried[] = [];
  /** Appended after them and not refused: a prefix of these may be found. */
  #open: Tried[] = [];
  /** So many of the open ones must be found, unless a power loss comes before the next start. */
  #heldBySystem = 0;
  #lastSeq = 0;
  /** Released up to here: only later batches are asked for. */
  #floor = 0;
  #life = 0;
  readonly #faults: string[] = [];
  readonly seen = new Set<string>();

  constructor(seed: number, durability: Durability) {
    this.#random = seededRandom(seed);
    this.#durability = durability;
    this.#name = `seed ${seed}, ${durability}`;
  }

  async run(): Promise<void> {
    await makeParent(this.#disk);
    for (let life = 1; life <= LIVES; life++) {
      if (this.#random() < 0.4) await this.#dieOpening();
      await this.#live(life);
    }
    await this.#live(LIVES + 1);
  }

  async #dieOpening(): Promise<void> {
    const opening = this.#start(this.#floor, new SimClock());
    // Starting to listen at once: the rejection may come before the wait ends.
    const ended = opening.then(
      () => this.seen.add('died just opened'),
      error => {
        assert.equal((error as {code?: string}).code, 'EBADF', `${this.#name}: ${error}`);
        this.seen.add('died opening');
      },
    );
    await this.#turns(25);
    this.#end();
    await ended;
  }

  async #live(life: number): Promise<void> {
    const name = `${this.#name}, life ${life}`;
    const clock = this.#random() < 0.5 ? new SimClock() : new SlowClock();
    // As from a checkpoint, which never says more than what is durable.
    const from = Math.max(this.#floor, this.#random() < 0.5 ? 0 : this.#anySure());
    const {log, found} = await this.#start(from, clock).catch(error => {
      throw new Error(`${name}: ${error}`, {cause: error});
    });
    this.#compare(found, from, name);
    const steps = this.#random() * 60;
    for (let step = 0; step < steps; step++) await this.#step(log, clock, name);
    if (this.#random() < 0.15) {
      await log.close();
      this.#promise();
      this.seen.add('closed');
    }
    this.#end();
  }

  #anySure(): number {
    return this.#sure[Math.floor(this.#random() * this.#sure.length)]?.seq ?? 0;
  }

  async #start(from: number, clock: SimClock): Promise<{log: Log; found: LogBatch[]}> {
    const found: LogBatch[] = [];
    const options = {segmentBytes: SEGMENT_BYTES, maxBatchBytes: BATCH_BYTES_MAX, durability: this.#durability};
    const disk = this.#disk.mount();
    const log = await openFileLog({...options, disk, clock, directory: DIRECTORY})(BigInt(from), batch =>
      found.push(batch),
    );
    return {log, found};
  }

  async #step(log: Log, clock: SimClock, name: string): Promise<void> {
    const dice = this.#random();
    if (dice < 0.8) this.#append(log, name);
    else if (dice < 0.84) {
      await log.sync();
      this.#promise();
    } else if (dice < 0.88 && this.#sure.length > 0) {
      const at = this.#anySure();
      await log.release(BigInt(at));
      this.#promise();
      this.#floor = Math.max(this.#floor, at);
    } else if (dice < 0.92) {
      const isRoomy = this.#random() < 0.7;
      this.#disk.capacityBytes = isRoomy ? Number.POSITIVE_INFINITY : this.#disk.usedBytes() + 70_000 * this.#random();
      await clock.advance(1000);
    } else await this.#turns(8);
    assert.notEqual(log.stats().state, 'failed', `${name}: the disk did not fail`);
  }

  /** Refused batches were never written, so they are taken back. */
  #append(log: Log, name: string): void {
    const length = Math.floor(this.#random() * (this.#random() < 0.2 ? BATCH_BYTES_MAX : 2000));
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i += 97) bytes[i] = this.#random() * 256;
    const tried: Tried = {seq: ++this.#lastSeq, bytes, answer: 'none'};
    const life = this.#life;
    const onDone = (error: Error | undefined) => {
      // Nobody hears what a dead process would have said.
      if (life === this.#life) this.#answer(tried, error);
    };
    this.#open.push(tried);
    try {
      log.append({bytes, lastSeq: BigInt(tried.seq)}, onDone, this.#random() < 0.1);
    } catch (error) {
      assert.equal(codeOf(error), 'DISK_FULL', `${name}: ${error}`);
      this.#takeBack(tried);
    }
  }

  /** Runs inside the log, so what is wrong is only noted here. */
  #answer(tried: Tried, error: Error | undefined): void {
    if (tried.answer !== 'none') this.#faults.push(`seq ${tried.seq} is answered twice`);
    if (codeOf(error) === 'DISK_FULL') this.#takeBack(tried);
    else if (error !== undefined) this.#faults.push(`seq ${tried.seq}: ${error}`);
    else {
      const index = this.#open.indexOf(tried);
      const isNext = this.#open.slice(0, index).every(one => one.answer === 'acknowledged');
      if (!isNext) this.#faults.push(`seq ${tried.seq} is answered before an earlier one`);
      tried.answer = 'acknowledged';
      if (this.#durability === 'D2') this.#promise(tried);
    }
  }

  #takeBack(tried: Tried): void {
    this.#open.splice(this.#open.indexOf(tried), 1);
    this.seen.add('refused');
  }

  /** What is acknowledged by now, or up to the one given, is on disk. */
  #promise(last?: Tried): void {
    const isAnswered = (tried: Tried) => tried.answer === 'acknowledged';
    const end = last === undefined ? this.#open.findIndex(tried => !isAnswered(tried)) : this.#open.indexOf(last) + 1;
    this.#sure.push(...this.#open.splice(0, end < 0 ? this.#open.length : end));
  }

  #end(): void {
    // A start needs space for a copy of the last segment, so the disk is full for one life only.
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    assert.deepEqual(this.#faults, [], this.#name);
    this.#life++;
    if (this.#random() < 0.5) {
      this.#disk.crash(this.#random);
      this.#heldBySystem = 0;
      for (const tried of this.#open) tried.answer = 'unknown';
      this.seen.add('power loss');
      return;
    }
    // The system lives on, and with it everything the process had handed over before it answered.
    if (this.#durability === 'D1') {
      const end = this.#open.findIndex(tried => tried.answer !== 'acknowledged');
      this.#heldBySystem = end < 0 ? this.#open.length : end;
    }
    this.#disk.kill();
    this.seen.add('killed');
  }

  #compare(found: readonly LogBatch[], from: number, name: string): void {
    const sure = this.#sure.filter(({seq}) => seq > from);
    const possible = [...sure, ...this.#open];
    const leastCount = sure.length + this.#heldBySystem;
    assert.ok(found.length >= leastCount, `${name}: found ${found.length} batches, sure were ${leastCount}`);
    assert.ok(found.length <= possible.length, `${name}: found ${found.length} batches of ${possible.length}`);
    for (const [i, {bytes, lastSeq}] of found.entries()) {
      assert.equal(Number(lastSeq), possible[i]!.seq, `${name}: batch ${i}`);
      assert.ok(possible[i]!.bytes.equals(bytes), `${name}: the bytes of seq ${lastSeq}`);
    }
    if (found.length < possible.length) this.seen.add('lost an open batch');
    if (found.length > sure.length) this.seen.add('kept an open batch');
    // What a start has shown is durable; what it has not found will never come back.
    const shown = found.at(-1) === undefined ? from : Number(found.at(-1)!.lastSeq);
    this.#sure.push(...this.#open.filter(({seq}) => seq <= shown));
    this.#open = [];
    this.#heldBySystem = 0;
  }

  async #turns(countMax: number): Promise<void> {
    for (let count = this.#random() * countMax; count > 0; count--) await new Promise(resolve => setImmediate(resolve));
  }
}

/** The log answers for its own directory; the one around it is the caller's. */
async function makeParent(disk: SimDisk): Promise<void> {
  await disk.makeDirectory('data');
  await disk.syncDirectory('.');
}

function codeOf(error: unknown): string | undefined {
  return error instanceof DbError ? error.code : undefined;
}

for (const durability of ['D2', 'D1', 'D0'] as const) {
  test(`${durability}: whenever a life ends, the next one finds what was promised, in order, and at most a prefix of the rest`, async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const history = new History(seed, durability);
      await history.run();
      for (const event of history.seen) seen.add(event);
    }
    const expected = [
      'closed',
      'died opening',
      'kept an open batch',
      'killed',
      'lost an open batch',
      'power loss',
      'refused',
    ];
    for (const event of expected) assert.ok(seen.has(event), `no seed of 1 to ${SEEDS} met: ${event}`);
  });
}

test('a byte flipped anywhere in blocks known to be synced is refused by name, and fsck agrees', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const disk = new SimDisk();
    const options = {
      disk,
      clock: new SimClock(),
      directory: DIRECTORY,
      durability: 'D2',
      segmentBytes: SEGMENT_BYTES,
    } as const;
    const log = await openFileLog(options)(0n, () => {});
    let used = 4096;
    const blocks = 4 + Math.floor(random() * 20);
    for (let seq = 1; seq <= blocks; seq++) {
      const bytes = Buffer.alloc(100 + Math.floor(random() * 1900), seq);
      await new Promise<void>((resolve, reject) => {
        log.append({bytes, lastSeq: BigInt(seq)}, error => (error === undefined ? resolve() : reject(error)));
      });
      // The last block has no later one to vouch for it.
      if (seq < blocks) used += (48 + 12 + bytes.length + 7) & ~7;
    }
    disk.kill();
    const file = `${DIRECTORY}/000000000001.log`;
    const place = Math.floor(random() * used);
    disk.flip(file, place);
    const start = openFileLog(options)(0n, () => {});
    const isPadding = await start.then(
      () => true,
      error => {
        assert.equal(codeOf(error), 'DATA_CORRUPTED', `seed ${seed}: ${error}`);
        assert.ok((error as Error).message.includes(file), `seed ${seed}: ${error}`);
        return false;
      },
    );
    if (isPadding) {
      // Bytes that no checksum covers hold nothing: the rest of the header page, and what aligns blocks.
      assert.ok(place >= 24 && !(await hasFindings(disk)), `seed ${seed}: byte ${place} was accepted`);
      continue;
    }
    const {findings} = await checkLog(disk, DIRECTORY);
    assert.deepEqual([findings[0]?.severity, findings[0]?.file], ['damage', file], `seed ${seed}`);
  }
});

const failures: [
  operation: 'writeNow' | 'write' | 'datasyncNow' | 'datasync',
  how: string,
  clock: SimClock,
  batchBytes: number,
][] = [
  ['writeNow', 'of a small block', new SimClock(), 3000],
  ['datasyncNow', 'on a quick disk', new SimClock(), 3000],
  ['write', 'of a large block', new SimClock(), 150_000],
  ['datasync', 'on a slow disk', new SlowClock(), 3000],
];

for (const [operation, how, clock, batchBytes] of failures) {
  test(`a failing ${operation} ${how} answers COMMIT_UNKNOWN to its group, READ_ONLY to all later ones, and leaves a prefix`, async () => {
    const disk = new SimDisk();
    await makeParent(disk);
    const options = {disk, clock, directory: DIRECTORY, durability: 'D2', segmentBytes: 1024 * 1024} as const;
    const log = await openFileLog(options)(0n, () => {});
    const answers: (string | undefined)[] = [];
    const append = (seq: number) =>
      log.append({bytes: Buffer.alloc(batchBytes, seq), lastSeq: BigInt(seq)}, error =>
        answers.push(error === undefined ? 'ok' : codeOf(error)),
      );
    append(1);
    await log.sync();
    // Both segments kept ready are made, so that the failure meets the log itself.
    for (let turn = 0; turn < 60; turn++) await new Promise(resolve => setImmediate(resolve));
    disk.failNext(operation, 'EIO');
    append(2);
    append(3);
    await assert.rejects(log.sync(), error => codeOf(error) === 'READ_ONLY');
    assert.deepEqual(answers, ['ok', 'COMMIT_UNKNOWN', 'COMMIT_UNKNOWN']);
    assert.throws(
      () => append(4),
      error => codeOf(error) === 'READ_ONLY',
    );
    disk.crash(seededRandom(1));
    const found: bigint[] = [];
    await openFileLog(options)(0n, ({lastSeq}) => found.push(lastSeq));
    assert.ok(['1', '1,2,3'].includes(found.join()), found.join());
  });
}

test('a start on a disk too full for its copy says so, loses nothing, and works once there is space', async () => {
  const disk = new SimDisk();
  const options = {
    disk,
    clock: new SimClock(),
    directory: DIRECTORY,
    durability: 'D2',
    segmentBytes: SEGMENT_BYTES,
  } as const;
  const log = await openFileLog(options)(0n, () => {});
  await new Promise<void>(resolve => log.append({bytes: Buffer.alloc(5000, 1), lastSeq: 1n}, () => resolve()));
  await log.close();
  disk.capacityBytes = disk.usedBytes() + 1000;
  await assert.rejects(
    openFileLog(options)(0n, () => {}),
    error => codeOf(error) === 'DISK_FULL',
  );
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  const found: bigint[] = [];
  await openFileLog(options)(0n, ({lastSeq}) => found.push(lastSeq));
  assert.deepEqual(found, [1n]);
});

async function hasFindings(disk: SimDisk): Promise<boolean> {
  return (await checkLog(disk, DIRECTORY)).findings.some(({severity}) => severity !== 'note');
}

test('a log released to its end keeps its place: numbers and positions go on', async () => {
  const disk = new SimDisk();
  const options = {
    disk,
    clock: new SimClock(),
    directory: DIRECTORY,
    durability: 'D2',
    segmentBytes: SEGMENT_BYTES,
  } as const;
  const first = await openFileLog(options)(0n, () => {});
  await new Promise<void>(resolve => first.append({bytes: Buffer.alloc(10), lastSeq: 9n}, () => resolve()));
  await first.close();
  const second = await openFileLog(options)(9n, () => {});
  await second.release(9n);
  await second.close();
  assert.deepEqual(await disk.list(DIRECTORY), ['000000000001.log']);
  assert.equal((await checkLog(disk, DIRECTORY)).lastSeq, 9n);
});

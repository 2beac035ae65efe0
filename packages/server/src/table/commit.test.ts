import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {createHot} from '../hot/hot-store.ts';
import type {Log} from '../log/log.ts';
import {memoryLogState, openMemoryLog} from '../log/memory-log.ts';
import type {Incarnation} from '../model/names.ts';
import {encodeRow} from '../model/row-codec.ts';
import {SimClock} from '../std/sim-clock.ts';
import {META} from '../system/meta.ts';
import {Commit, type WriteRow} from './commit.ts';
import {Manifests} from './manifests.ts';

const FIRST = 100 as Incarnation;

async function open(state: ReturnType<typeof memoryLogState>, clock: SimClock): Promise<Commit> {
  const commit = new Commit({
    hot: createHot(),
    manifests: new Manifests(),
    clock,
    listener() {},
    onApplied() {},
  });
  const log = await openMemoryLog(state)(0n, batch => commit.replay(batch.bytes, batch.lastSeq));
  await commit.start(log, FIRST);
  return commit;
}

test('an id that was shown never comes again, however many were taken since the ceiling ran out and whatever dies then', async () => {
  const state = memoryLogState();
  const clock = new SimClock();
  const commit = await open(state, clock);
  await clock.advance(3_600_000);
  let newest = 0n;
  for (let i = 0; i < 3 * 4096; i++) {
    const id = commit.nextId();
    assert.ok(id > newest, 'ids grow');
    newest = id;
  }
  await commit.secureIds();
  const again = await open(state, clock);
  assert.ok(again.nextId() > newest);
});

test('ids below the ceiling wait for nothing', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  commit.nextId();
  assert.equal(commit.secureIds(), undefined);
});

test('a seq is above every seq of an earlier life, even if the clock went back', async () => {
  const state = memoryLogState();
  const clock = new SimClock();
  const commit = await open(state, clock);
  await clock.advance(1000);
  const before = await commit.write({});
  const after = await (await open(state, new SimClock())).write({});
  assert.ok(after > before);
});

test('nothing is appended behind the drop of its table', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  await commit.write({rows: [rowOf('a')]});
  const dropped = commit.write({drop: FIRST});
  await assert.rejects(commit.write({rows: [rowOf('b')]}), /dropped while the statement ran/);
  await dropped;
});

test('a drop that the log refused ends nothing: the table is written as before', async () => {
  const clock = new SimClock();
  const hot = createHot({});
  const commit = new Commit({hot, manifests: new Manifests(), clock, listener() {}, onApplied() {}});
  const log = await openMemoryLog(memoryLogState())(0n, () => {});
  let isFull = false;
  const append = (...args: Parameters<Log['append']>) => {
    if (isFull) throw new DbError('DISK_FULL', 'There is no space, not even for urgent records.');
    log.append(...args);
  };
  await commit.start(Object.create(log, {append: {value: append}}) as Log, FIRST);
  await commit.write({rows: [rowOf('a')]});
  isFull = true;
  await assert.rejects(commit.write({drop: FIRST}), {code: 'DISK_FULL'});
  isFull = false;
  await commit.write({rows: [rowOf('b')]});
  assert.equal(hot.rowCount(), 2);
});

function rowOf(key: string): WriteRow {
  const row = encodeRow(META.schema, META.toValues({key, value: ''}), 0);
  return {scope: {incarnation: FIRST, owner: null}, key: Buffer.from(key), row};
}
